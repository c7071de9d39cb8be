"""The maps of a searchlight: similarity at every centre, and what exchanged stimuli make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ...stats import prepare_vectors
from ...stats.permutation import p_against_one_null
from ...stats.similarity import PreparedVectors, similarity_kernel, standardised
from ._items import Items
from ._searchlight_data import Light

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Arrays = dict[str, NDArray[Any]]
N_BLOCKS = 20
# Numbers held per block of centres, and per block of exchanged models: 8 MiB, of which ranking holds several.
BLOCK_ELEMENTS = 2**20
# A relabelling that changes nothing must count as a tie although sums were taken in another order.
_TIE = 1e-12


@dataclass(frozen=True, eq=False)
class Search:
    """What is looked for at every centre, and how often it is looked for in exchanged stimuli.

    Attributes
    ----------
    models : ndarray of shape (n_models, n_pairs)
        Dissimilarities, none of them constant.
    items : Items
        What is compared, exchanged and left out.
    comparison : str
        How two matrices are compared.
    n_permutations : int
        Exchanges, the same ones at every centre and in every subject.
    seed : int
        Of the exchanges.
    """

    models: Floats
    items: Items
    comparison: str
    n_permutations: int
    seed: int

    @property
    def method(self) -> str:
        """The comparison that is computed: of labels, tau-a is rho-a in another scale."""
        return "rho-a" if self.comparison == "kendall" else self.comparison

    def scale(self, n_pairs: float) -> float:
        """Return what takes the computed comparison to the one that was asked for."""
        return 2 * (n_pairs + 1) / (3 * n_pairs) if self.comparison == "kendall" else 1.0

    @cached_property
    def prepared(self) -> PreparedVectors:
        """The models, ranked."""
        return prepare_vectors(self.models, method=self.method)

    @cached_property
    def rows(self) -> Floats:
        """The models such that a dot product is the similarity."""
        return standardised(self.prepared) * self.scale(self.models.shape[1])

    @cached_property
    def left_out(self) -> Floats:
        """Weights of the pairs: of all, then without each block of units, shape (1 + n_blocks, n_pairs)."""
        n_units = self.items.n_units
        blocks = np.arange(n_units) % min(N_BLOCKS, n_units)
        weights = np.ones((1 + int(blocks.max()) + 1, self.models.shape[1]))
        for block in range(len(weights) - 1):
            weights[block + 1] = 0.0
            weights[block + 1, self.items.pairs_within(blocks != block)] = 1.0
        return weights

    @cached_property
    def firm(self) -> NDArray[np.bool_]:
        """Which models still say something without any one block of units."""
        return np.array(
            [all(varies(model[weights > 0][None])[0] for weights in self.left_out) for model in self.models]
        )

    @cached_property
    def n_unmoved(self) -> NDArray[np.intp]:
        """Number of exchanges that leave each model as it was."""
        same = np.zeros(len(self.models), dtype=np.intp)
        for draw in range(self.n_permutations):
            same += (self.models[:, self._exchange(draw)] == self.models).all(axis=1)
        return same

    def exchanges(self) -> Iterator[tuple[slice, Floats]]:
        """Yield the models of some exchanges after the other, shape (n_draws, n_models, n_pairs)."""
        step = max(1, BLOCK_ELEMENTS // self.rows.size)
        for start in range(0, self.n_permutations, step):
            draws = slice(start, min(start + step, self.n_permutations))
            yield (
                draws,
                np.stack([self.rows[:, self._exchange(draw)] for draw in range(draws.start, draws.stop)]),
            )

    def _exchange(self, draw: int) -> Index:
        # Drawn anew from its own number whenever it is needed: all of them would not fit in memory.
        return self.items.exchange(np.random.default_rng([self.seed, draw]))


def varies(matrices: Floats, *, zero_based: bool = False) -> NDArray[np.bool_]:
    """Return which matrices can be compared: without NaN, and not all the same (for the cosine, not zero)."""
    base = 0.0 if zero_based else matrices[:, :1]
    flat = (matrices == base).all(axis=1)
    return np.asarray(~flat & np.isfinite(matrices).all(axis=1))


def search_subject(light: Light, search: Search, rois: Sequence[str]) -> Arrays:
    """Return one subject's maps, and the means over the centres of each region.

    Parameters
    ----------
    light : Light
        Patterns and spheres.
    search : Search
        Models and exchanges.
    rois : sequence of str
        Names of the regions.

    Returns
    -------
    arrays : dict
        Of :meth:`_Tally.to_arrays`; `jackknife` (1 + n_blocks, n_regions, n_models), the means over the
        centres of a region, of all pairs and without each block of units; `counts` (n_regions,), centres
        with a value.
    """
    tally = _Tally(search, len(light.centres), len(rois))
    shape = (len(search.left_out), len(rois), len(search.models))
    sums, counts = np.zeros(shape), np.zeros(shape)
    for found, prepared in _blocks(light, np.flatnonzero(light.usable), search):
        tally.add(found, standardised(prepared), light.regions[found])
        members = _members(light.regions[found], len(rois))
        for block, weights in enumerate(search.left_out):
            scores = similarity_kernel(prepared, search.prepared, weights) * search.scale(weights.sum())
            known = np.isfinite(scores)
            sums[block] += members @ np.where(known, scores, 0.0)
            counts[block] += members @ known
    for roi, count in zip(rois, tally.counts, strict=True):
        if not count:
            raise InputError(
                f"no centre of {light.recording.subject!r} in {roi!r} has dissimilarities to compare: around "
                "all of them some pattern is constant. Use another distance, or leave the region out."
            )
    means = np.full(shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return {**tally.to_arrays(), "jackknife": means}


def search_mean(lights: Sequence[Light], channels: Sequence[Index], search: Search, n_regions: int) -> Arrays:
    """Return the maps of the mean over subjects at the places that all of them have.

    Parameters
    ----------
    lights : sequence of Light
        Of the subjects.
    channels : sequence of ndarray
        Each subject's channels at the common places, in one order.
    search : Search
        Models and exchanges.
    n_regions : int
        Number of regions; which one a centre is in, the first subject says.

    Returns
    -------
    arrays : dict
        Of :meth:`_Tally.to_arrays`, and `channels`: the first subject's channel of each centre. Empty where
        no place has a value in every subject.
    """
    rows = np.stack([light.row_of[each] for light, each in zip(lights, channels, strict=True)])
    rows = rows[:, (rows >= 0).all(axis=0)]
    rows = rows[:, np.all([light.usable[each] for light, each in zip(lights, rows, strict=True)], axis=0)]
    if not rows.shape[1]:
        return {}
    tally = _Tally(search, rows.shape[1], n_regions)
    step = block_size(search)
    for start in track(range(0, rows.shape[1], step), "searchlight, mean of subjects"):
        at = np.arange(start, min(start + step, rows.shape[1]))
        total = np.zeros((len(at), search.models.shape[1]))
        for light, each in zip(lights, rows, strict=True):
            total += _standard_rows(light.matrices(each[at]), search)
        known = np.isfinite(total).all(axis=1)
        tally.add(at[known], total[known] / len(lights), lights[0].regions[rows[0, at[known]]])
    if not tally.counts.any():
        return {}
    return {**tally.to_arrays(), "channels": lights[0].centres[rows[0]]}


def block_size(search: Search) -> int:
    """Return how many centres are held at once."""
    return max(1, int(BLOCK_ELEMENTS // search.models.shape[1]))


class _Tally:
    """Maps that are filled block by block, with what is needed of the null and no more."""

    def __init__(self, search: Search, n_centres: int, n_regions: int) -> None:
        n_models, n_draws = len(search.models), search.n_permutations
        self.search = search
        self.similarity = np.full((n_models, n_centres), np.nan)
        self.exceeded = np.zeros((n_models, n_centres))
        self.largest = np.full((n_draws, n_models), -np.inf)
        self.region_null = np.zeros((n_draws, n_models, n_regions))
        self.counts = np.zeros(n_regions)

    def add(self, at: Index, rows: Floats, regions: Index) -> None:
        """Add some centres, whose dot products with the models are their similarities."""
        if not len(at):
            return
        observed = self.search.rows @ rows.T
        self.similarity[:, at] = observed
        members = _members(regions, len(self.counts))
        self.counts += members.sum(axis=1)
        least = observed - _TIE * np.maximum(np.abs(observed), 1.0)
        for draws, exchanged in self.search.exchanges():
            null = exchanged.reshape(-1, rows.shape[1]) @ rows.T
            null = null.reshape(*exchanged.shape[:2], len(at))
            self.exceeded[:, at] += (null >= least).sum(axis=0)
            self.largest[draws] = np.maximum(self.largest[draws], null.max(axis=2))
            self.region_null[draws] += null @ members.T

    def to_arrays(self) -> Arrays:
        """Return the results.

        `similarity`, `p` and `p_max` (n_models, n_centres), NaN where there is none; `region_null`
        (n_draws, n_models, n_regions), means over centres; `counts` (n_regions,), centres with a value.
        """
        known = np.isfinite(self.similarity)
        p = np.where(known, (self.exceeded + 1) / (len(self.largest) + 1), np.nan)
        p_max = [
            p_against_one_null(row, null) for row, null in zip(self.similarity, self.largest.T, strict=True)
        ]
        return {
            "similarity": self.similarity,
            "p": p,
            "p_max": np.stack(p_max),
            "region_null": self.region_null / np.maximum(self.counts, 1),
            "counts": self.counts,
        }


def _blocks(light: Light, rows: Index, search: Search) -> Iterator[tuple[Index, PreparedVectors]]:
    """Yield centres that have dissimilarities, with these, a block at a time."""
    step = block_size(search)
    for start in track(range(0, len(rows), step), f"searchlight, {light.recording.subject}"):
        block = rows[start : start + step]
        matrices = light.matrices(block)
        known = varies(matrices, zero_based=search.comparison == "cosine")
        if known.any():
            yield block[known], prepare_vectors(matrices[known], method=search.method)


def _standard_rows(matrices: Floats, search: Search) -> Floats:
    known = varies(matrices, zero_based=search.comparison == "cosine")
    rows = np.full(matrices.shape, np.nan)
    if known.any():
        rows[known] = standardised(prepare_vectors(matrices[known], method=search.method))
    return rows


def _members(regions: Index, n_regions: int) -> Floats:
    """Return 1 where a centre lies in a region, shape (n_regions, n_centres)."""
    return np.asarray(regions == np.arange(n_regions)[:, None], dtype=np.float64)
