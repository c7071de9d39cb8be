"""Noise covariance from residuals, shrunk so that it can be inverted."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range

Shrinkage = Literal["diagonal", "identity", "none", "univariate"]


@torch_too
def noise_covariance(
    residuals: ArrayLike,
    *,
    dof: float | None = None,
    shrinkage: Shrinkage = "diagonal",
) -> NDArray[np.float64]:
    """Estimate the noise covariance of channels from residuals.

    - ``"diagonal"``: correlations shrink towards 0 by the factor that minimises the expected error, the
      variances stay (Schafer & Strimmer 2005). The choice for channels that differ in scale.
    - ``"identity"``: towards a multiple of the identity (Ledoit & Wolf 2004).
    - ``"none"``: the sample covariance; singular with more channels than residuals.
    - ``"univariate"``: variances only, all correlations 0.

    Parameters
    ----------
    residuals : array of shape (n_samples, n_channels)
        What the conditions do not explain: trials less their condition mean, or the residuals of a GLM.
        The mean of each channel is removed here as well.
    dof : float, optional
        Degrees of freedom of the residuals: n_samples less the number of means or regressors removed. By
        default n_samples - 1, which is too many (and the covariance too small) after a GLM.
    shrinkage : str, default="diagonal"
        See above.

    Returns
    -------
    covariance : ndarray of shape (n_channels, n_channels)
        float64, symmetric, in the squared unit of the residuals. Invert it for `precision`.

    Raises
    ------
    InputError
        If there are NaN, fewer than 3 samples, no channels, a channel is constant or `dof` is not in
        (0, n_samples].

    References
    ----------
    Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices.
    J Multivar Anal, doi:10.1016/S0047-259X(03)00096-4.

    Schafer J, Strimmer K (2005). A shrinkage approach to large-scale covariance matrix estimation.
    Stat Appl Genet Mol Biol, doi:10.2202/1544-6115.1175.

    Examples
    --------
    >>> noise_covariance([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]], shrinkage="none")
    array([[1., 2.],
           [2., 4.]])
    """
    check_option("shrinkage", shrinkage, get_args(Shrinkage))
    given = check_array("residuals", residuals, ndim=2, min_rows=3)
    if given.shape[1] == 0:
        raise InputError(f"`residuals` has no channels, got shape {given.shape}.")
    check_range("residuals", given)
    noise = given.astype(np.float64)
    n_samples = len(noise)
    means = noise.mean(axis=0)
    noise -= means
    freedom = n_samples - 1 if dof is None else dof
    if not 0 < freedom <= n_samples:
        raise InputError(
            f"`dof` must be above 0 and at most the number of samples, {n_samples}; got {freedom:g}."
        )
    sums = noise.T @ noise
    rounding = 4 * np.finfo(given.dtype).eps * np.abs(means) * np.sqrt(n_samples)
    constant = np.flatnonzero(np.sqrt(sums.diagonal()) <= rounding)
    if len(constant):
        raise InputError(
            f"{len(constant)} channel(s) of `residuals` are constant, the first is column {constant[0]}: "
            "they have no noise to estimate. Drop them."
        )
    # E o E summed over samples: the spread of the products without a loop over outer products.
    squared_sums = (noise**2).T @ noise**2
    if shrinkage == "identity":
        return _towards_identity(sums, squared_sums, n_samples) * n_samples / freedom
    covariance: NDArray[np.float64] = sums / freedom
    if shrinkage == "diagonal":
        keep = 1 - _diagonal_weight(sums, squared_sums, n_samples, freedom)
    else:
        keep = 1.0 if shrinkage == "none" else 0.0
    variances = covariance.diagonal().copy()
    covariance *= keep
    np.fill_diagonal(covariance, variances)
    return covariance


def _towards_identity(
    sums: NDArray[np.float64], squared_sums: NDArray[np.float64], n_samples: int
) -> NDArray[np.float64]:
    sample = sums / n_samples
    target = np.trace(sample) / len(sample) * np.eye(len(sample))
    distance = ((sample - target) ** 2).sum()
    error = (squared_sums / n_samples - sample**2).sum() / n_samples
    weight = min(error, distance) / distance if distance > 0 else 0.0
    shrunk: NDArray[np.float64] = weight * target + (1 - weight) * sample
    return shrunk


def _diagonal_weight(
    sums: NDArray[np.float64], squared_sums: NDArray[np.float64], n_samples: int, freedom: float
) -> float:
    variances = sums.diagonal() / freedom
    correlations = sums / np.sqrt(np.outer(variances, variances)) / (n_samples - 1)
    spread = squared_sums / np.outer(variances, variances) / (n_samples - 1) - correlations**2
    off = ~np.eye(len(sums), dtype=bool)
    power = (correlations[off] ** 2).sum()
    # The factor n / dof^2 is the small-sample form that published RSA toolboxes use.
    expected = n_samples / freedom**2 * spread[off].sum()
    return float(np.clip(expected / power, 0, 1)) if power > 0 else 1.0


METRICS.register(
    "noise-covariance",
    kind="transform",
    inputs="residuals",
    range=(float("-inf"), float("inf")),
    higher_is_closer=None,
    invariant_to=("shift",),
    unit="squared unit of the data",
    paper="Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4; "
    "Schafer & Strimmer 2005, doi:10.2202/1544-6115.1175",
    summary="covariance of the noise between channels, shrunk so that it can be inverted",
)(noise_covariance)
