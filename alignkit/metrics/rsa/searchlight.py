"""RDMs of the channels around every channel, and models mapped with them, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._arrays import torch_too
from ._batches import BatchMethod
from ._pairs import load_rdms
from ._spheres import Spheres
from .compare import ComparisonMethod, compare_rdms
from .crossvalidated import Weighting

Array = NDArray[Any]


def iterate_searchlight_rdms(
    X: ArrayLike,
    neighbours: csr_array,
    *,
    method: BatchMethod = "correlation",
    conditions: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    weighting: Weighting = "number",
    residuals: ArrayLike | None = None,
    dof: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> Iterator[tuple[NDArray[np.intp], Array]]:
    """Yield the RDMs of some centres after the other, so that memory stays bounded.

    Parameters
    ----------
    X : array of shape (n_patterns, n_channels)
        One row per stimulus or condition; for "crossnobis" one per trial.
    neighbours : sparse array of shape (n_centres, n_channels)
        Row i marks the channels around centre i: :func:`volume_neighbours`, :func:`surface_neighbours`, or
        some of their rows.
    method : str, default="correlation"
        "correlation", "cosine", "euclidean", "squared-euclidean" or "mahalanobis" as in :func:`rdm`, or
        "crossnobis" as in :func:`crossnobis`.
    conditions, runs : array of shape (n_trials,), optional
        For "crossnobis" only: the condition and the run of each row.
    weighting : {"number", "equal"}, default="number"
        For "crossnobis" only: every trial counts the same, or every run does.
    residuals : array of shape (n_samples, n_channels), optional
        For "crossnobis" and "mahalanobis" only (and needed for the latter): noise, from which the precision
        of each centre's channels is estimated by :func:`noise_covariance`. That takes most of the time.
    dof : float, optional
        Degrees of freedom of the residuals, as in :func:`noise_covariance`.
    batch_size : int, optional
        Centres at once; by default as many as fit in a core's cache, which is fastest.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the products are computed; by default on the CPU.

    Yields
    ------
    centres : ndarray of shape (n_batch,)
        Rows of `neighbours`, of equally many channels; every row comes once, in no particular order.
    rdms : ndarray of shape (n_batch, n_pairs)
        Condensed, float32 for float32 patterns and float64 otherwise. NaN where there is no distance: all
        pairs of a centre without channels, pairs with a pattern that is constant there ("correlation") or all
        zero ("cosine"), and pairs with a condition of one run only ("crossnobis").

    Raises
    ------
    InputError
        If X holds NaN, `neighbours` is not sparse or of other channels, or labels do not fit the method.

    References
    ----------
    Kriegeskorte N, Goebel R, Bandettini P (2006). Information-based functional brain mapping. PNAS,
    doi:10.1073/pnas.0600244103.

    Examples
    --------
    >>> X, spheres = [[0.0, 0.0, 1.0], [3.0, 4.0, 1.0]], csr_array([[1, 1, 0], [0, 0, 1]])
    >>> for centres, rdms in iterate_searchlight_rdms(X, spheres, method="squared-euclidean"):
    ...     print(centres, rdms)
    [1] [[0.]]
    [0] [[12.5]]
    """
    light = Spheres(
        X,
        neighbours,
        method,
        labels=(conditions, runs, weighting),
        noise=(residuals, dof),
        batch_size=batch_size,
        device=device,
    )
    return light.groups()


@torch_too
def searchlight_rdms(
    X: ArrayLike,
    neighbours: csr_array,
    *,
    method: BatchMethod = "correlation",
    conditions: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    weighting: Weighting = "number",
    residuals: ArrayLike | None = None,
    dof: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> Array:
    """Compute the RDM of the channels around every centre.

    All of them are held in memory: 20,000 centres and 92 patterns take 330 MB as float32. See
    :func:`iterate_searchlight_rdms` and :func:`searchlight_compare` for more.

    Parameters
    ----------
    X, neighbours, method, conditions, runs, weighting, residuals, dof, batch_size, device
        As in :func:`iterate_searchlight_rdms`.

    Returns
    -------
    rdms : ndarray of shape (n_centres, n_pairs)
        Condensed RDMs in the order of the centres, float32 or float64 as X; NaN as described there.

    Raises
    ------
    InputError
        As :func:`iterate_searchlight_rdms`.

    References
    ----------
    Kriegeskorte N, Goebel R, Bandettini P (2006), doi:10.1073/pnas.0600244103.

    Examples
    --------
    >>> X = [[0.0, 0.0, 1.0], [3.0, 4.0, 1.0]]
    >>> searchlight_rdms(X, csr_array([[1, 1, 0], [0, 0, 1]]), method="squared-euclidean")
    array([[12.5],
           [ 0. ]])
    """
    light = Spheres(
        X,
        neighbours,
        method,
        labels=(conditions, runs, weighting),
        noise=(residuals, dof),
        batch_size=batch_size,
        device=device,
    )
    result = np.empty((light.n_centres, light.distances.n_pairs), dtype=light.columns.dtype)
    with light.threads():
        for centres, rdms in light.batches():
            result[centres] = rdms
    return result


@torch_too
def searchlight_compare(
    X: ArrayLike,
    neighbours: csr_array,
    model_rdms: ArrayLike,
    *,
    method: BatchMethod = "correlation",
    comparison: ComparisonMethod = "spearman",
    conditions: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    weighting: Weighting = "number",
    residuals: ArrayLike | None = None,
    dof: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> NDArray[np.float64]:
    """Map how well model RDMs fit the RDM around every centre.

    The searchlight's RDMs are made, compared and dropped a batch at a time.

    Parameters
    ----------
    X, neighbours, method, conditions, runs, weighting, residuals, dof, batch_size, device
        As in :func:`iterate_searchlight_rdms`.
    model_rdms : array of shape (n_pairs,) or (n_models, n_pairs)
        Condensed RDMs of the same patterns, for "crossnobis" of the conditions in sorted order. NaN marks a
        pair without a value.
    comparison : str, default="spearman"
        A method of :func:`compare_rdms`; "pearson" and "cosine" are the fast ones.

    Returns
    -------
    scores : ndarray of shape (n_models, n_centres)
        In the range of the comparison; higher is more alike. NaN where a centre has no RDM: without channels,
        with a pattern that is constant there ("correlation") or all zero ("cosine"), or where its distances
        are all the same, so that nothing can be compared.

    Raises
    ------
    InputError
        As :func:`iterate_searchlight_rdms` and :func:`compare_rdms`.

    References
    ----------
    Kriegeskorte N, Goebel R, Bandettini P (2006), doi:10.1073/pnas.0600244103.

    Examples
    --------
    >>> X = [[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]
    >>> model = [1.0, 3.0, 2.0]
    >>> searchlight_compare(X, csr_array([[1, 1]]), model, method="euclidean", comparison="pearson")
    array([[1.]])
    """
    check_option("comparison", comparison, get_args(ComparisonMethod))
    models = load_rdms("model_rdms", model_rdms)
    light = Spheres(
        X,
        neighbours,
        method,
        labels=(conditions, runs, weighting),
        noise=(residuals, dof),
        batch_size=batch_size,
        device=device,
    )
    if models.shape[1] != light.distances.n_pairs:
        raise InputError(
            f"`model_rdms` must hold the {light.distances.n_pairs} pairs of {light.distances.n_patterns} "
            f"patterns, got {models.shape[1]}."
        )
    kept = ~light.distances.missing
    if comparison in ("cosine", "pearson") and not np.isnan(models[:, kept]).any():
        compare = _linear(models, kept, centred=comparison == "pearson")
    else:
        compare = _any_comparison(models, kept, comparison)
    scores = np.full((len(models), light.n_centres), np.nan)
    with light.threads():
        for centres, rdms in light.batches():
            scores[:, centres] = compare(rdms)
    return scores


def _linear(models: Array, kept: NDArray[np.bool_], *, centred: bool) -> Callable[[Array], Array]:
    """Return what compares RDMs with models by one matrix product; it overwrites the RDMs."""
    values = models[:, kept]
    n_pairs = values.shape[1]
    # Refuses models of which nothing can be said.
    compare_rdms(values, values[:1], method="pearson" if centred else "cosine")
    if centred:
        values = values - values.mean(axis=1, keepdims=True)
    units = values / np.linalg.norm(values, axis=1, keepdims=True)

    def compare(rdms: Array) -> Array:
        if not kept.all():
            rdms = rdms[:, kept]
        kind = rdms.dtype
        smallest = np.zeros(len(rdms), dtype=kind)
        if centred:
            means = rdms @ np.full(n_pairs, 1 / n_pairs, dtype=kind)
            rdms -= means[:, None]
            smallest = (4 * np.finfo(kind).eps * means) ** 2 * n_pairs
        squares = np.einsum("bp,bp->b", rdms, rdms)
        lengths = np.full_like(squares, np.nan)
        np.sqrt(squares, out=lengths, where=squares > smallest)
        scores = units.astype(kind, copy=False) @ rdms.T
        scores /= lengths
        # Only rounding goes beyond 1.
        return np.asarray(np.clip(scores, -1, 1, out=scores))

    return compare


def _any_comparison(
    models: Array, kept: NDArray[np.bool_], comparison: ComparisonMethod
) -> Callable[[Array], Array]:
    """Return what compares RDMs with models by `compare_rdms`, where there is something to compare."""
    zero_based = comparison in ("bures", "cosine", "whitened-cosine")

    def compare(rdms: Array) -> Array:
        values = rdms[:, kept]
        flat = (values == (0 if zero_based else values[:, :1])).all(axis=1)
        defined = ~(flat | np.isnan(values).any(axis=1))
        scores = np.full((len(models), len(rdms)), np.nan)
        if defined.any():
            scores[:, defined] = compare_rdms(models, rdms[defined], method=comparison)
        return scores

    return compare
