"""Random state: turned into a generator once, at the edge; never a global seed."""

from __future__ import annotations

import hashlib

import numpy as np

RandomState = int | np.random.Generator | None


def as_generator(random_state: RandomState) -> np.random.Generator:
    """Return a generator: the one given, or a new one from an integer seed (or from entropy)."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(random_state)


def derive_seed(seed: int, *names: str) -> int:
    """Return the seed of a named part of a run, the same whatever ran before it.

    Parameters
    ----------
    seed : int
        The run's seed.
    *names : str
        What the part is, from the coarse to the fine.

    Returns
    -------
    derived : int
        In [0, 2**63). Parts with different names are independent for every practical purpose.

    Examples
    --------
    >>> derive_seed(0, "folds") == derive_seed(0, "folds")
    True
    >>> derive_seed(0, "folds") == derive_seed(0, "bootstrap")
    False
    """
    text = "\x1f".join([str(int(seed)), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
