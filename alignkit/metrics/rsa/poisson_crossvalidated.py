"""Cross-validated divergence of Poisson rates: for spike counts, unbiased by the noise of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._registry import METRICS
from .crossvalidated import cell_sums, check_trials, mean_distances, read_design
from .dissimilarities import check_counts, poisson_rates


@torch_too
def crossvalidated_poisson(
    X: ArrayLike,
    conditions: ArrayLike,
    runs: ArrayLike,
    *,
    prior_rate: float = 1.0,
    prior_weight: float = 0.1,
    device: str | None = None,
) -> NDArray[np.float64]:
    """Compute the divergence of Poisson rates between conditions, rates and logarithms from different runs.

    With every condition in every run this is the mean over pairs of runs f != g of
    ``sum_c (l_ic^f - l_jc^f)(ln l_ic^g - ln l_jc^g) / n_channels``, where
    ``l = (mean of the trials + prior_weight * prior_rate) / (1 + prior_weight)``.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels)
        Non-negative spike counts, or rates, over windows of one length; one row per trial.
    conditions : array of shape (n_trials,)
        The condition of each row: strings or numbers.
    runs : array of shape (n_trials,)
        The run of each row; noise must be independent between runs. The trials that a condition has in a run
        are averaged first, and runs count the same.
    prior_rate : float, default=1.0
        Rate of the prior, in the unit of X.
    prior_weight : float, default=0.1
        How many observations the prior counts for.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    distances : ndarray of shape (n_conditions * (n_conditions - 1) / 2,)
        Condensed, the conditions in the order of ``numpy.unique(conditions)``. Larger is less alike. Around 0
        for equal rates, so that values below 0 are chance and must not be clipped. NaN for pairs with a
        condition that comes in one run only.

    Raises
    ------
    InputError
        If X holds negative values or rates are zero without a prior, labels and rows do not match, or no
        condition comes in two runs.

    Notes
    -----
    The logarithm of a noisy rate is biased. That bias cancels between conditions of equal rates and equal
    numbers of trials; otherwise the distance is scaled by it, and more trials a run make it smaller. Where a
    condition is missing from some runs, means are taken over the pairs of runs that it has, as in
    :func:`crossnobis`, and a change of all rates between runs no longer cancels.

    References
    ----------
    Schutt HH et al. (2023). Statistical inference on representational geometries. eLife,
    doi:10.7554/eLife.82566.

    Examples
    --------
    >>> counts = [[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]] * 2
    >>> crossvalidated_poisson(counts, [0, 1, 0, 1], [1, 1, 2, 2]).round(6)
    array([0.823882])
    """
    trials = check_trials(X).astype(np.float64, copy=False)
    check_counts(trials)
    design = read_design(conditions, runs, len(trials))
    present = design.counts > 0
    means = cell_sums(trials, design) / np.maximum(design.counts, 1)[:, :, None]
    rates = np.zeros_like(means)
    rates[present] = poisson_rates(means[present], prior_rate, prior_weight)
    logs = np.log(rates, out=np.zeros_like(rates), where=present[:, :, None])
    # Rates of one run with logarithms of another: all pairs of runs, less those of the same run.
    products = multiply(rates.sum(axis=0), logs.sum(axis=0).T, device=device)
    for rate, log in zip(rates, logs, strict=True):
        products -= multiply(rate, log.T, device=device)
    distances = mean_distances(products, present.astype(np.float64))
    return np.asarray(distances / trials.shape[1])


METRICS.register(
    "crossvalidated-poisson-rdm",
    kind="distance",
    inputs="trials",
    range=(float("-inf"), float("inf")),
    higher_is_closer=False,
    invariant_to=("permutation", "stimulus-permutation"),
    unit="nats times rate",
    paper="Schutt et al. 2023, doi:10.7554/eLife.82566",
    summary="symmetrised divergence of Poisson rates, cross-validated over runs, per channel",
)(crossvalidated_poisson)
