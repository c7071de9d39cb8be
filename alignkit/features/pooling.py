"""From a layer's output to one row of units per stimulus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._core.checks import check_option
from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

Pooling = Literal["flatten", "mean", "class-token"]

POOLINGS: tuple[Pooling, ...] = ("flatten", "mean", "class-token")


def pool(output: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return a layer's output as (n_stimuli, n_units).

    Parameters
    ----------
    output : Tensor of shape (n_stimuli, n_units), (n_stimuli, n_tokens, n_units) or \
            (n_stimuli, n_maps, height, width)
        Activations to a batch.
    pooling : {"flatten", "mean", "class-token"}
        ``"flatten"`` keeps every unit, and with it where in the image something is; ``"mean"`` averages
        maps over positions and tokens over tokens (the class token among them); ``"class-token"`` takes
        the first token. Outputs that are (n_stimuli, n_units) stay as they are.

    Returns
    -------
    pooled : Tensor of shape (n_stimuli, n_units)

    Raises
    ------
    InputError
        If there are no tokens to take the first of, or the shape is none of the above.

    Examples
    --------
    >>> import torch
    >>> pool(torch.ones(2, 3, 4, 4), "mean").shape
    torch.Size([2, 3])
    """
    check_option("pooling", pooling, POOLINGS)
    if output.ndim == 2 or (pooling == "flatten" and output.ndim > 2):
        return output.flatten(1)
    if pooling == "mean" and output.ndim == 4:
        return output.mean((2, 3))
    if pooling == "mean" and output.ndim == 3:
        return output.mean(1)
    if pooling == "class-token" and output.ndim == 3:
        return output[:, 0]
    wanted = "(n_stimuli, n_tokens, n_units)" if pooling == "class-token" else "tokens or maps"
    raise InputError(
        f"pooling {pooling!r} wants {wanted}, got shape {tuple(output.shape)}; use 'flatten' or other layers."
    )
