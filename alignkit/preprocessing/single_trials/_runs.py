"""A run as the stages see it: some of its volumes, its nuisance regressors and its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Elements of one float64 block of voxels, all volumes: 128 MiB.
BLOCK_ELEMENTS = 2**24
# Singular values below this share of the largest are rounding, or a regressor that adds nothing.
_NEGLIGIBLE = 1e-8
# A voxel of whose variance less than this is left is nothing but drift.
_ONLY_DRIFT = 1e-12


@dataclass(frozen=True)
class RunModel:
    """The volumes of one run that may be read, and what is modelled in them.

    `basis` (n_rows, n_nuisance) is orthonormal; `designs` hold (n_rows, n_trials) for every shape of the
    response, as they are; `trials` are the rows of the table of trials that the columns stand for.
    """

    number: int
    data: Any
    rows: Indices | None
    basis: Floats
    designs: tuple[Floats, ...]
    trials: Indices

    @property
    def n_rows(self) -> int:
        """Number of volumes that are read."""
        return len(self.basis)

    def series(self, voxels: Indices) -> Floats:
        """Return the voxels' time courses as they are, (n_rows, n_voxels) float64."""
        is_range = len(voxels) > 0 and voxels[-1] - voxels[0] == len(voxels) - 1
        columns = slice(int(voxels[0]), int(voxels[-1]) + 1) if is_range else voxels
        values = self.data[:, columns]
        return np.array(values if self.rows is None else values[self.rows], dtype=np.float64)

    def residual(self, voxels: Indices) -> Floats:
        """Return the time courses without what the nuisance regressors explain."""
        return self.without_nuisance(self.series(voxels))

    def design(self, shape: int) -> Floats:
        """Return the regressors of the trials without what the nuisance regressors explain."""
        return self.without_nuisance(self.designs[shape])

    def power(self, centred: Floats) -> Floats:
        """Return the squared length of what nuisance regressors leave of time courses about their mean.

        Differences of squares are exact enough here: with the mean gone, drift is not longer than the rest
        by many orders.
        """
        explained = self.basis.T @ centred
        squares = np.einsum("tv,tv->v", centred, centred) - np.einsum("qv,qv->v", explained, explained)
        return np.asarray(np.maximum(squares, 0.0), dtype=np.float64)

    def without_nuisance(self, values: Floats) -> Floats:
        """Project the nuisance regressors out."""
        return np.asarray(values - self.basis @ (self.basis.T @ values), dtype=np.float64)

    def with_components(self, components: Floats) -> RunModel:
        """Return the model with further nuisance regressors, orthonormal and orthogonal to the others."""
        return replace(self, basis=np.concatenate([self.basis, components], axis=1))


def nuisance_regressors(
    n_volumes: int, *, tr_s: float, degree: int | Literal["auto"], confounds: Floats | None
) -> Floats:
    """Return Legendre polynomials and confounds, (n_volumes, n_nuisance)."""
    # Half as many as the run has minutes.
    highest = round(n_volumes * tr_s / 60 / 2) if degree == "auto" else degree
    if isinstance(highest, bool) or not isinstance(highest, int) or highest < 0:
        raise InputError(f"`polynomial_degree` must be 'auto' or a whole number from 0 on, got {degree!r}.")
    places = np.linspace(-1, 1, n_volumes)
    polynomials = np.asarray(np.polynomial.legendre.legvander(places, highest), dtype=np.float64)
    return polynomials if confounds is None else np.concatenate([polynomials, confounds], axis=1)


def check_confounds(confounds: Any, n_volumes: Sequence[int]) -> list[Floats | None]:
    """Return the confounds of each run, (n_volumes, n_confounds)."""
    if confounds is None:
        return [None] * len(n_volumes)
    if isinstance(confounds, pd.DataFrame) or len(confounds) != len(n_volumes):
        raise InputError(
            f"`confounds` must hold a table for each of {len(n_volumes)} runs, got "
            f"{'one table' if isinstance(confounds, pd.DataFrame) else len(confounds)}."
        )
    checked: list[Floats | None] = []
    for number, (table, length) in enumerate(zip(confounds, n_volumes, strict=True), start=1):
        values = np.asarray(table)
        values = check_array(f"confounds of run {number}", values, ndim=(1, 2), dtype=np.float64)
        values = values.reshape(len(values), -1)
        if len(values) != length:
            raise InputError(
                f"the confounds of run {number} have {len(values)} rows, but the run has {length} volumes."
            )
        checked.append(values)
    return checked


def orthonormal(regressors: Floats) -> Floats:
    """Return an orthonormal basis of the columns."""
    norms = np.linalg.norm(regressors, axis=0)
    scaled = regressors[:, norms > 0] / norms[norms > 0]
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    return np.asarray(left[:, singular > _NEGLIGIBLE * singular[0]], dtype=np.float64)


def voxel_blocks(models: Sequence[RunModel], voxels: Indices) -> Iterator[Indices]:
    """Yield voxels so that all their volumes in float64 take bounded memory."""
    step = max(1, BLOCK_ELEMENTS // max(1, sum(model.n_rows for model in models)))
    for start in range(0, len(voxels), step):
        yield voxels[start : start + step]


def usable_voxels(
    models: Sequence[RunModel], n_voxels: int, *, is_percent: bool
) -> tuple[Indices, Floats, list[str]]:
    """Return the voxels that every run can use, the mean of every voxel, and notes on the others."""
    varies = np.ones(n_voxels, dtype=bool)
    level = np.ones(n_voxels, dtype=bool)
    total, n_rows = np.zeros(n_voxels), sum(model.n_rows for model in models)
    for block in voxel_blocks(models, np.arange(n_voxels)):
        for model in models:
            values = model.series(block)
            finite = np.isfinite(values).all(axis=0)
            if not finite.all():
                values = np.where(finite, values, 0.0)
            mean = values.mean(axis=0)
            total[block] += mean * len(values)
            values = values - mean
            spread = np.einsum("tv,tv->v", values, values)
            moves = spread > (_NEGLIGIBLE * mean) ** 2 * len(values)
            varies[block] &= finite & moves & (model.power(values) > _ONLY_DRIFT * spread)
            level[block] &= mean**2 * len(values) > spread
    notes = []
    if not varies.all():
        notes.append(
            f"{int((~varies).sum())} of {n_voxels} voxels are constant, nothing but drift, or not finite in "
            "a run: their responses are NaN."
        )
    if not is_percent:
        level[:] = True
    centred = varies & ~level
    if centred.sum() > 0.5 * max(1, varies.sum()):
        raise InputError(
            f"{int(centred.sum())} of {n_voxels} voxels have a mean below their standard deviation in a run, "
            "so percent signal change means nothing; the series seem to be centred already. Set `unit` to "
            "'data'."
        )
    if centred.any():
        notes.append(
            f"{int(centred.sum())} of {n_voxels} voxels have a mean below their standard deviation in a run, "
            "so that they have no percent signal change: their responses are NaN."
        )
    usable = np.flatnonzero(varies & level)
    if not len(usable):
        raise InputError(f"none of the {n_voxels} voxels varies in every run; check the mask and the runs.")
    return usable, total / n_rows, notes
