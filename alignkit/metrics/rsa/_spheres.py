"""The channels around every centre, gone through in batches of equal size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array, issparse

from ..._core.checks import check_array, check_finite
from ..._core.errors import InputError
from ..._core.progress import track
from .._arrays import as_array
from .._rounding import check_range
from ._batches import BatchMethod, SetDistances
from ._inner_products import single_or_double
from .crossvalidated import Weighting
from .noise import noise_covariance

Array = NDArray[Any]
Batch = tuple[NDArray[np.intp], Array]

_BATCHES_AT_ONCE = 32


class Spheres:
    """Patterns, neighbourhoods and a distance that fit together.

    Parameters
    ----------
    X : array of shape (n_rows, n_channels)
        Patterns, or trials.
    neighbours : sparse array of shape (n_centres, n_channels)
        Which channels are around which centre.
    method : str
        The distance.
    labels : tuple of (conditions, runs, weighting)
        For "crossnobis".
    noise : tuple of (residuals or None, degrees of freedom or None)
        For "crossnobis" and "mahalanobis".
    batch_size : int or None
        Centres at once.
    device : str or None
        Where products are computed.
    """

    def __init__(
        self,
        X: ArrayLike,
        neighbours: csr_array,
        method: BatchMethod,
        *,
        labels: tuple[ArrayLike | None, ArrayLike | None, Weighting],
        noise: tuple[ArrayLike | None, float | None],
        batch_size: int | None,
        device: str | None,
    ) -> None:
        patterns = single_or_double(check_array("X", as_array(X), ndim=2))
        check_range("X", patterns)
        if not issparse(neighbours) or neighbours.shape[1] != patterns.shape[1]:
            found = f"shape {neighbours.shape}" if issparse(neighbours) else type(neighbours).__name__
            raise InputError(
                f"`neighbours` must be a sparse array with one column per channel of `X`, of which there are "
                f"{patterns.shape[1]}; got {found}. Use `volume_neighbours` or `surface_neighbours`."
            )
        if batch_size is not None and batch_size < 1:
            raise InputError(f"`batch_size` must be at least 1, got {batch_size}.")
        conditions, runs, weighting = labels
        self.distances = SetDistances(len(patterns), method, conditions, runs, weighting, device)
        self.columns = self.distances.columns(patterns)
        self._residuals, self._dof = _check_noise(method, noise[0], patterns.shape[1]), noise[1]
        spheres = _members(neighbours)
        self._spheres, self._batch_size, self.n_centres = spheres, batch_size, spheres.shape[0]
        self._sizes = np.diff(spheres.indptr)

    def threads(self) -> AbstractContextManager[None]:
        """Return the context to go through the batches in."""
        return self.distances.threads(int(self._sizes.max(initial=0)))

    def batches(self) -> Iterator[Batch]:
        """Yield centres of equally many channels, and their RDMs."""
        for centres, n_channels in track(self._plan(), "searchlight"):
            if n_channels == 0:
                yield centres, np.full((len(centres), self.distances.n_pairs), np.nan, self.columns.dtype)
                continue
            stored = self._spheres.indptr[centres] + np.arange(n_channels)[:, None]
            channels = self._spheres.indices[stored]
            sets = self.columns.take(channels, axis=0)
            if self._residuals is not None:
                self._whiten(sets, channels, self._residuals)
            yield centres, self.distances(sets)

    def groups(self) -> Iterator[Batch]:
        """Yield the same; threads are limited while they are made, but not while the caller has them."""
        batches = self.batches()
        while True:
            # Setting the number of threads takes as long as a batch.
            with self.threads():
                group = list(islice(batches, _BATCHES_AT_ONCE))
            if not group:
                return
            yield from group

    def _plan(self) -> list[tuple[NDArray[np.intp], int]]:
        plan = []
        for size in np.unique(self._sizes):
            centres = np.flatnonzero(self._sizes == size)
            step = self._batch_size or self.distances.batch_size(int(size))
            plan += [(centres[start : start + step], int(size)) for start in range(0, len(centres), step)]
        return plan

    def _whiten(self, sets: Array, channels: NDArray[np.integer], residuals: Array) -> None:
        for index in range(channels.shape[1]):
            covariance = noise_covariance(residuals[:, channels[:, index]], dof=self._dof)
            try:
                root = np.linalg.cholesky(covariance)
            except np.linalg.LinAlgError as error:
                raise InputError(
                    f"the noise covariance of the {len(channels)} channels around a centre is singular, from "
                    f"{len(residuals)} samples of `residuals`. Give more samples that differ."
                ) from error
            sets[:, index] = solve_triangular(root, sets[:, index], lower=True, check_finite=False)


def _members(neighbours: Any) -> csr_array:
    """Return which channels are around which centre, each once; stored zeros are no neighbours."""
    if neighbours.dtype.kind not in "fiub":
        raise InputError(f"`neighbours` must be bool, or numbers that are not 0, got {neighbours.dtype}.")
    spheres = csr_array(neighbours)
    if spheres.data.dtype.kind == "f":
        check_finite("neighbours.data", spheres.data)
    if not spheres.has_canonical_format or not spheres.data.all():
        spheres = spheres.copy()
        # A channel that is stored twice is around the centre once.
        spheres.data = spheres.data != 0
        spheres.sum_duplicates()
        spheres.eliminate_zeros()
    return spheres


def _check_noise(method: BatchMethod, residuals: ArrayLike | None, n_channels: int) -> Array | None:
    if residuals is None:
        if method == "mahalanobis":
            raise InputError("method 'mahalanobis' needs `residuals`, from which the noise is estimated.")
        return None
    if method not in ("crossnobis", "mahalanobis"):
        raise InputError(
            f"method {method!r} takes no `residuals`; only 'crossnobis' and 'mahalanobis' use them."
        )
    noise = single_or_double(check_array("residuals", residuals, ndim=2, min_rows=3))
    check_range("residuals", noise)
    if noise.shape[1] != n_channels:
        raise InputError(
            f"`residuals` must have the channels of `X`, of which there are {n_channels}; got shape "
            f"{noise.shape}."
        )
    constant = np.flatnonzero((noise == noise[0]).all(axis=0))
    if len(constant):
        raise InputError(
            f"{len(constant)} channel(s) of `residuals` are constant, the first is column {constant[0]}: "
            "they have no noise to estimate. Drop them from `X`, `residuals` and `neighbours`."
        )
    return noise
