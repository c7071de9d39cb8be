"""The copy task: to hold symbols over a delay, and to say them one by one."""

from __future__ import annotations

import numpy as np
import torch

from ..._core.random import RandomState, as_generator
from .._images import check_count

N_DATA_SYMBOLS = 8
BLANK, GO = 0, N_DATA_SYMBOLS + 1
N_SYMBOLS = N_DATA_SYMBOLS + 2


def copy_sequences(
    n_sequences: int, *, delay: int = 20, n_items: int = 10, random_state: RandomState = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the copy task: items to hold over a delay, and to say one by one when asked.

    Parameters
    ----------
    n_sequences : int
    delay : int, default=20
        Blanks between the last item and the sign to go, in steps.
    n_items : int, default=10
        Items, each one of the symbols 1 to 8.
    random_state : int, Generator or None, default=0
        The same seed gives the same sequences.

    Returns
    -------
    inputs : int64 Tensor of shape (n_sequences, delay + 2 * n_items)
        The items, blanks (0), the sign to go (9) at the first step of the answer, blanks.
    targets : int64 Tensor of the same shape
        Blanks, then the items at the last `n_items` steps.

    Raises
    ------
    InputError
        If a number is below 1, or `delay` below 0.

    References
    ----------
    Arjovsky M, Shah A, Bengio Y (2016). Unitary evolution recurrent neural networks. ICML.
    https://arxiv.org/abs/1511.06464

    Examples
    --------
    >>> inputs, targets = copy_sequences(1, delay=2, n_items=3)
    >>> bool((inputs[0, :3] == targets[0, -3:]).all()), inputs[0, 3:].tolist()
    (True, [0, 0, 9, 0, 0])
    """
    check_count("n_sequences", n_sequences, least=1)
    check_count("delay", delay, least=0)
    check_count("n_items", n_items, least=1)
    items = as_generator(random_state).integers(1, N_DATA_SYMBOLS + 1, (n_sequences, n_items))
    inputs = np.full((n_sequences, delay + 2 * n_items), BLANK, dtype=np.int64)
    targets = inputs.copy()
    inputs[:, :n_items] = items
    inputs[:, n_items + delay] = GO
    targets[:, -n_items:] = items
    return torch.from_numpy(inputs), torch.from_numpy(targets)
