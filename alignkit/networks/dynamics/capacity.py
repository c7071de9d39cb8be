"""How much of its past inputs a network's state holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError


def lagged(inputs: ArrayLike, *, n_delays: int) -> NDArray[np.float64]:
    """Return the inputs 0, 1, ... ``n_delays - 1`` steps before every time from ``n_delays - 1`` on.

    Parameters
    ----------
    inputs : array of shape (n_times,)
        One number per step.
    n_delays : int
        How far back to go, in steps.

    Returns
    -------
    past : float64 array of shape (n_times - n_delays + 1, n_delays)

    Raises
    ------
    InputError
        If `n_delays` is not in [1, n_times].

    Examples
    --------
    >>> lagged([1, 2, 3], n_delays=2).tolist()
    [[2.0, 1.0], [3.0, 2.0]]
    """
    row = check_array("inputs", inputs, ndim=1, dtype=np.float64)
    if not 1 <= n_delays <= row.size:
        raise InputError(
            f"`n_delays` must be between 1 and {row.size}, the number of inputs, got {n_delays}."
        )
    return np.lib.stride_tricks.sliding_window_view(row, n_delays)[:, ::-1].copy()


def memory_capacity(
    states: ArrayLike, past: ArrayLike, *, alpha: float = 1e-8, train_share: float = 0.5
) -> float:
    """Return the linear memory capacity: over delays, the sum of how well past inputs can be read.

    For every delay a ridge regression from states to that input is fitted on the first samples and
    scored on the others by the squared correlation, less what chance gives (1 / (n_test - 1)), and no
    less than 0. No network of n units has a capacity above n for independent inputs (Jaeger 2001).

    Parameters
    ----------
    states : array of shape (n_samples, n_units)
        The state at one time of a run; samples are times of one run, in order, or runs of their own.
    past : array of shape (n_samples, n_delays)
        The inputs up to that time, the latest first (see :func:`lagged`).
    alpha : float, default=1e-8
        Ridge penalty, in units of the mean variance of a state, times the number of samples.
    train_share : float, default=0.5
        Share of the samples, from the first on, that readouts are fitted on; in (0, 1).

    Returns
    -------
    capacity : float
        In [0, n_delays]; in inputs remembered. Higher is more memory.

    Raises
    ------
    InputError
        If shapes disagree, there are fewer than three samples on either side, or a number is out of range.

    References
    ----------
    Jaeger H (2001). Short term memory in echo state networks. GMD report 152, German National Research
    Center for Information Technology.

    Examples
    --------
    >>> inputs = np.random.default_rng(0).standard_normal(2000)
    >>> past = lagged(inputs, n_delays=10)
    >>> round(memory_capacity(past[:, :4], past), 1)
    4.0
    """
    X = check_array("states", states, ndim=2, dtype=np.float64)
    Y = check_array("past", past, ndim=2, dtype=np.float64)
    check_same_samples("states", X, "past", Y)
    if not 0 < train_share < 1:
        raise InputError(f"`train_share` must be between 0 and 1, both excluded, got {train_share}.")
    if alpha < 0:
        raise InputError(f"`alpha` must be at least 0, got {alpha}.")
    n_train = int(len(X) * train_share)
    if min(n_train, len(X) - n_train) < 3:
        raise InputError(
            f"`states` has {len(X)} samples, of which {n_train} would be fitted on and {len(X) - n_train} "
            "scored; wanted at least 3 of either."
        )
    centre, target = X[:n_train].mean(0), Y[:n_train].mean(0)
    train, test = X[:n_train] - centre, X[n_train:] - centre
    gram = train.T @ train
    if not np.trace(gram) > 0:
        return 0.0
    gram[np.diag_indices_from(gram)] += alpha * np.trace(gram) / len(gram)
    # The pseudo-inverse, as silent units make the Gram matrix singular.
    weights = np.linalg.pinv(gram, hermitian=True) @ (train.T @ (Y[:n_train] - target))
    found, wanted = test @ weights, Y[n_train:]
    squared = _squared_correlations(found, wanted)
    return float(np.maximum(squared - 1 / (len(wanted) - 1), 0).sum())


def _squared_correlations(A: NDArray[np.float64], B: NDArray[np.float64]) -> NDArray[np.float64]:
    A, B = A - A.mean(0), B - B.mean(0)
    scale = (A**2).sum(0) * (B**2).sum(0)
    # A readout that says nothing explains nothing.
    squared = np.zeros(A.shape[1])
    np.divide((A * B).sum(0) ** 2, scale, out=squared, where=scale > 0)
    return squared
