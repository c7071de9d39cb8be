"""All pairs of many systems: each is decomposed once, whatever the number of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_info

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.threads import fixed_threads
from .._arrays import torch_too
from ._clouds import Cloud, Matrix, centred, check_whitening, cloud
from ._kernel_pairs import Mapper, kernel_alignments
from ._rotation import ShapeKind, rotation_distance

PairMetric = Literal["biased-cka", "cka", "euclidean-shape", "procrustes"]
_KINDS: dict[str, ShapeKind] = {"procrustes": "angular", "euclidean-shape": "euclidean"}


@torch_too
def all_pairs(
    systems: Sequence[ArrayLike],
    *,
    metric: PairMetric = "cka",
    alpha: float = 1.0,
    n_jobs: int | None = None,
    device: str | None = None,
) -> NDArray[np.float64]:
    """Compute a similarity or distance between all pairs of systems, such as the layers of networks.

    Parameters
    ----------
    systems : sequence of arrays of shape (n_samples, n_units)
        Responses to the same samples in the same order; numbers of units may differ.
    metric : {"cka", "biased-cka", "procrustes", "euclidean-shape"}, default="cka"
        Linear :func:`cka` (similarity), debiased or not, or :func:`shape_distance` under rotations of kind
        "angular" or "euclidean".
    alpha : float, default=1.0
        For the shape distances, see :func:`shape_distance`.
    n_jobs : int, optional
        Threads, each with one pair or system in hand; by default as many as the matrix library has. The
        result does not depend on it.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products and decompositions are made; by default on the CPU, or where the tensors are.

    Returns
    -------
    values : ndarray of shape (n_systems, n_systems)
        Symmetric; the diagonal is 1 for similarities and 0 for distances. "cka" has NaN in row and column of
        a system whose self-similarity is estimated as 0 or less, which happens with few samples.

    Raises
    ------
    InputError
        If there are fewer than 2 systems, numbers of samples differ, "cka" has fewer than 4 samples, or
        `alpha` is given for CKA; see :func:`shape_distance`.

    Notes
    -----
    CKA makes each kernel once, O(n^2 p), in blocks of rows that take 1 GiB at most, and all pairs in one
    product. A shape distance costs one product and the eigenvalues of a matrix of the smaller of
    n_samples and the numbers of units; its singular values where a bound shows that eigenvalues would leave a
    relative error above 1e-9 in the squared distance.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((30, 4))
    >>> all_pairs([X, 2 * X, X[:, :2]], metric="procrustes").round(3)
    array([[0.   , 0.   , 0.797],
           [0.   , 0.   , 0.797],
           [0.797, 0.797, 0.   ]])
    """
    check_option("metric", metric, get_args(PairMetric))
    arrays = _arrays(systems)
    if metric in _KINDS:
        if not 0 <= alpha <= 1:
            raise InputError(f"`alpha` goes from 0 (CCA) to 1 (Procrustes), got {alpha:g}.")
        with _workers(n_jobs, device) as mapper:
            return _shape_pairs(arrays, _KINDS[metric], alpha, device, mapper)
    if alpha != 1:
        raise InputError(f"`alpha` is for shape distances, got {alpha:g} with metric {metric!r}.")
    n_samples = len(arrays[0])
    if metric == "cka" and n_samples < 4:
        raise InputError(f"debiased CKA needs at least 4 samples, got {n_samples}. Use metric='procrustes'.")

    def load(number: int) -> Matrix:
        return centred(f"systems[{number}]", arrays[number])

    with _workers(n_jobs, device) as mapper:
        shape = len(arrays), n_samples
        return kernel_alignments(load, *shape, debiased=metric == "cka", device=device, mapper=mapper)


def _arrays(systems: Sequence[ArrayLike]) -> list[NDArray[Any]]:
    if len(systems) < 2:
        raise InputError(f"`systems` must hold at least 2 arrays of responses, got {len(systems)}.")
    arrays = [check_array(f"systems[{number}]", X, ndim=2, finite=False) for number, X in enumerate(systems)]
    for number, values in enumerate(arrays):
        check_same_samples("systems[0]", arrays[0], f"systems[{number}]", values)
    return arrays


def _shape_pairs(
    arrays: Sequence[NDArray[Any]], kind: ShapeKind, alpha: float, device: str | None, mapper: Mapper
) -> NDArray[np.float64]:
    def decompose(number: int) -> Cloud:
        return cloud(centred(f"systems[{number}]", arrays[number]), alpha, device)

    numbers = range(len(arrays))
    clouds = list(track(mapper(decompose, numbers), "shapes: decompositions", total=len(arrays)))
    pairs = list(combinations(numbers, 2))
    for first, second in pairs:
        check_whitening(clouds[first], clouds[second], alpha)

    def compare(pair: int) -> float:
        first, second = pairs[pair]
        return rotation_distance(clouds[first], clouds[second], kind, device)

    distances = np.zeros((len(arrays), len(arrays)))
    found = track(mapper(compare, range(len(pairs))), "shapes: pairs", total=len(pairs))
    for (first, second), distance in zip(pairs, found, strict=True):
        distances[first, second] = distances[second, first] = distance
    return distances


@contextmanager
def _workers(n_jobs: int | None, device: str | None) -> Iterator[Mapper]:
    """Give a map over threads, each with one BLAS thread; an accelerator gets one thing after the other."""
    if n_jobs is not None and n_jobs < 1:
        raise InputError(f"`n_jobs` must be 1 or more, got {n_jobs}.")
    on_cpu = device is None or device == "cpu"
    if not on_cpu:
        yield _one_by_one
        return
    n_threads = n_jobs or max((library["num_threads"] for library in threadpool_info()), default=1)
    # Eigenvalues are bound by memory: two pairs at once gain more than two threads on one pair.
    with fixed_threads(1), ThreadPoolExecutor(n_threads) as pool:
        yield pool.map


def _one_by_one(function: Callable[[int], Any], numbers: Iterable[int]) -> Iterable[Any]:
    return map(function, numbers)
