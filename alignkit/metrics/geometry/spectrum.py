"""How fast the variance falls along the principal directions: power laws of eigenspectra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ...solvers.algebra import singular_values, svd
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range, constant_along
from ._patterns import Floats, load_patterns

Weighting = Literal["equal", "inverse-rank"]


@dataclass(frozen=True)
class SpectrumDecay:
    """A power law ``eigenvalue = amplitude * rank^-alpha`` and what it was fitted to.

    Attributes
    ----------
    alpha : float
        The exponent; larger is steeper. About 1 in mouse visual cortex.
    alpha_error : float
        Its standard error, of the kind in `error`.
    error : str
        "line": from the scatter about the line; "jackknife": from leaving out blocks of samples.
    amplitude : float
        The line's value at rank 1, in the squared unit of the data.
    r2 : float
        Share of the (weighted) variance of the log eigenvalues that the line explains.
    first_rank, last_rank : int
        The ranks fitted, both included, counted from 1.
    eigenvalues : ndarray of shape (n_ranks,)
        The whole spectrum, in the squared unit of the data.
    """

    alpha: float
    alpha_error: float
    error: str
    amplitude: float
    r2: float
    first_rank: int
    last_rank: int
    eigenvalues: NDArray[np.float64] = field(repr=False)


@torch_too
def eigenspectrum_decay(
    X: ArrayLike,
    *,
    ranks: tuple[int, int] | None = None,
    weighting: Weighting = "inverse-rank",
    n_blocks: int | None = None,
    device: str | None = None,
) -> SpectrumDecay:
    """Fit a power law to the eigenvalues of the covariance of the responses (alpha-ReQ).

    A line through the log eigenvalues against the log ranks of a range. Unchanged by rotations, shifts and
    a common scale.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses, one row per stimulus.
    ranks : (int, int), optional
        First and last rank of the fit, counted from 1. By default up to
        ``min(500, n_samples // 4, rank // 2)``, as the small eigenvalues of a sample are too small, and from
        11, or from 1 where that leaves fewer than 12 ranks.
    weighting : {"inverse-rank", "equal"}, default="inverse-rank"
        Weight of a rank: 1 / rank makes every octave of ranks count alike (as Stringer et al. do).
    n_blocks : int, optional
        For a standard error over samples: refit without each of so many interleaved blocks of samples
        (jackknife). By default the error is that of the line alone, which is too small, as neighbouring
        eigenvalues share their errors.
    device : str, optional
        Where the singular values are computed.

    Returns
    -------
    fit : SpectrumDecay
        With the exponent, its error, the range and the spectrum.

    Raises
    ------
    InputError
        If X holds NaN, has no variance, the range holds fewer than 3 ranks, or an eigenvalue in it is not
        above rounding.

    Notes
    -----
    Sampling bends the spectrum: 4,000 samples of 2,000 units with a true exponent of .7, 1, 1.5 give .66,
    .98, 1.49 over ranks 11 to 100, and 1.05, 1.30, 1.75 over all ranks. Report the range. Trial noise
    flattens it: with repeats fit :func:`cross_validated_spectrum` by :func:`fit_spectrum_decay`.

    References
    ----------
    Agrawal KK et al. (2022). alpha-ReQ, NeurIPS 35. Stringer C et al. (2019). High-dimensional geometry of
    population responses in visual cortex, doi:10.1038/s41586-019-1346-5.

    Examples
    --------
    >>> directions = np.linalg.qr(np.random.default_rng(0).standard_normal((400, 100)))[0]
    >>> X = (directions - directions.mean(axis=0)) * np.arange(1, 101) ** -0.5
    >>> round(eigenspectrum_decay(X).alpha, 2)
    1.0
    """
    patterns = load_patterns(X, min_rows=2)
    check_range("X", patterns)
    eigenvalues = _variances(patterns, device)
    bounds = ranks or _default_ranks(eigenvalues, len(patterns))
    fit = fit_spectrum_decay(eigenvalues, ranks=bounds, weighting=weighting)
    if n_blocks is None:
        return fit
    if not 2 <= n_blocks <= len(patterns):
        raise InputError(
            f"`n_blocks` must be from 2 to the number of samples, {len(patterns)}, got {n_blocks}."
        )
    block = np.arange(len(patterns)) % n_blocks
    alphas = [
        fit_spectrum_decay(_variances(patterns[block != k], device), ranks=bounds, weighting=weighting).alpha
        for k in range(n_blocks)
    ]
    error = float(np.sqrt((n_blocks - 1) * np.var(alphas)))
    return SpectrumDecay(**{**vars(fit), "alpha_error": error, "error": "jackknife"})


@torch_too
def fit_spectrum_decay(
    eigenvalues: ArrayLike, *, ranks: tuple[int, int], weighting: Weighting = "inverse-rank"
) -> SpectrumDecay:
    """Fit a power law to a range of eigenvalues.

    Parameters
    ----------
    eigenvalues : array of shape (n_ranks,)
        By rank, the first one of rank 1, such as :func:`cross_validated_spectrum` returns.
    ranks : (int, int)
        First and last rank of the fit, counted from 1, both included.
    weighting : str, default="inverse-rank"
        See :func:`eigenspectrum_decay`.

    Returns
    -------
    fit : SpectrumDecay
        Its error is that of the line.

    Raises
    ------
    InputError
        If the range is not in the spectrum, holds fewer than 3 ranks, or an eigenvalue in it is not positive.

    References
    ----------
    Stringer C et al. (2019), doi:10.1038/s41586-019-1346-5.

    Examples
    --------
    >>> fit = fit_spectrum_decay(5.0 / np.arange(1, 101) ** 1.5, ranks=(11, 60))
    >>> round(fit.alpha, 6), round(fit.amplitude, 6)
    (1.5, 5.0)
    """
    check_option("weighting", weighting, get_args(Weighting))
    values = check_array("eigenvalues", eigenvalues, ndim=1, dtype=np.float64)
    first, last = ranks
    if not (1 <= first and first + 2 <= last <= len(values)):
        raise InputError(
            f"`ranks` must hold at least 3 of the {len(values)} ranks, got {first} to {last}. Give a range "
            "(first, last) inside the spectrum, or more samples."
        )
    chosen = values[first - 1 : last]
    if chosen.min() <= 0:
        bad = first + int(np.argmax(chosen <= 0))
        raise InputError(
            f"the eigenvalue of rank {bad} is {values[bad - 1]:.3g}, which has no logarithm. End `ranks` "
            "before it."
        )
    rank = np.arange(first, last + 1)
    weights = 1.0 / rank if weighting == "inverse-rank" else np.ones(len(rank))
    weights /= weights.sum()
    x, y = -np.log(rank), np.log(chosen)
    centre_x, centre_y = weights @ x, weights @ y
    spread = weights @ (x - centre_x) ** 2
    alpha = float(weights @ ((x - centre_x) * (y - centre_y)) / spread)
    left = float(weights @ (y - centre_y - alpha * (x - centre_x)) ** 2)
    total = float(weights @ (y - centre_y) ** 2)
    return SpectrumDecay(
        alpha=alpha,
        alpha_error=float(np.sqrt(left / (len(rank) - 2) / spread)),
        error="line",
        amplitude=float(np.exp(centre_y - alpha * centre_x)),
        # A flat line explains a flat spectrum wholly; the ratio would be one of roundings.
        r2=1 - left / total if total > (1e-14 * max(1.0, np.abs(y).max())) ** 2 else 1.0,
        first_rank=int(first),
        last_rank=int(last),
        eigenvalues=values,
    )


@torch_too
def cross_validated_spectrum(trials: ArrayLike, *, device: str | None = None) -> NDArray[np.float64]:
    """Estimate the variance that repeats share along the principal directions (cvPCA).

    Directions come from one repeat; the variance along each is the covariance, over stimuli, of that
    repeat's projection and the mean projection of the others. Noise that repeats do not share adds nothing
    on average. Averaged over which repeat sets the directions.

    Parameters
    ----------
    trials : array of shape (n_repeats, n_stimuli, n_units)
        Responses; at least 2 repeats of 2 stimuli.
    device : str, optional
        Where the decompositions are computed.

    Returns
    -------
    variances : ndarray of shape (min(n_stimuli - 1, n_units),)
        By rank, in the squared unit of the data. Signal variance; single values can be below 0.

    Raises
    ------
    InputError
        If there are fewer than 2 repeats or 2 stimuli, or NaN.

    References
    ----------
    Stringer C et al. (2019), doi:10.1038/s41586-019-1346-5.

    Examples
    --------
    >>> signal = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]])
    >>> cross_validated_spectrum([signal, signal]).round(6)
    array([0.666667, 0.166667])
    """
    values = check_array("trials", trials, ndim=3, dtype=np.float64, min_rows=2)
    n_repeats, n_stimuli, n_units = values.shape
    if n_stimuli < 2 or n_units == 0:
        raise InputError(f"`trials` needs at least 2 stimuli and 1 unit, got shape {values.shape}.")
    check_range("trials", values)
    deviations = values - values.mean(axis=1, keepdims=True)
    # What is left of constant units is rounding.
    deviations[:, :, constant_along(values, axis=1).all(axis=0)] = 0.0
    total = deviations.sum(axis=0)
    n_ranks = min(n_stimuli - 1, n_units)
    variances = np.zeros(n_ranks)
    for repeat in deviations:
        left, scale, right = svd(repeat, device=device)
        others = (total - repeat) / (n_repeats - 1)
        # The repeat's own projection is left * scale.
        shared = np.einsum("ik,ik->k", left[:, :n_ranks], others @ right[:n_ranks].T) * scale[:n_ranks]
        variances += shared / (n_stimuli - 1) / n_repeats
    return variances


def _variances(patterns: Floats, device: str | None) -> Floats:
    """Return the eigenvalues of the covariance that are above rounding, largest first."""
    deviations = patterns - patterns.mean(axis=0)
    values = singular_values(deviations, device=device)
    # The mean is known to a rounding of the data, not of the deviations.
    rounding = np.finfo(np.float64).eps * max(patterns.shape) * max(values[0], np.abs(patterns).max())
    kept = values[values > rounding]
    if len(kept) == 0:
        raise InputError(f"all {len(patterns)} rows of `X` are equal: there is no variance to describe.")
    return np.asarray(kept**2 / (len(patterns) - 1))


def _default_ranks(eigenvalues: Floats, n_samples: int) -> tuple[int, int]:
    last = min(500, n_samples // 4, len(eigenvalues) // 2)
    if last < 3:
        raise InputError(
            f"{n_samples} samples of rank {len(eigenvalues)} leave {last} ranks by default, and a power law "
            "needs 3. Give `ranks`, or at least 12 samples of rank 6."
        )
    return (11 if last >= 22 else 1), last


def _alpha_of(fit: Callable[..., SpectrumDecay]) -> Callable[[ArrayLike], float]:
    def alpha(X: ArrayLike) -> float:
        return fit(X).alpha

    return alpha


def _register() -> None:
    facts: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "patterns",
        "range": (0.0, float("inf")),
        "higher_is_closer": None,
        "invariant_to": ("permutation", "rotation", "scale", "shift", "stimulus-permutation"),
        "unit": "exponent",
        "paper": "Agrawal et al. 2022, alpha-ReQ, NeurIPS 35; Stringer 2019, doi:10.1038/s41586-019-1346-5",
        "summary": "exponent of the power law of the eigenspectrum; larger is steeper",
    }
    METRICS.register("eigenspectrum-decay", **facts)(_alpha_of(eigenspectrum_decay))


_register()
