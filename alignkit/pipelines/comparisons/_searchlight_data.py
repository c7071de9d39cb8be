"""What a searchlight goes through: each subject's patterns, centres, and the channels around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ...metrics import iterate_searchlight_rdms
from ...recordings.geometry import VolumeGeometry
from ...recordings.recording import Recording
from ...recordings.surface_geometry import SurfaceGeometry
from ._comparison import Context, near_duplicates, region_of
from ._items import Items, run_wise_items, stimulus_items
from ._rsa_crossnobis import Crossed, FoldBy, crossed_trials, find_folds
from ._rsa_data import MIN_UNITS
from ._searchlight_spheres import Meshes, check_geometry, digest_place, neighbours_of

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
SphereDistance = Literal["correlation", "euclidean", "squared-euclidean", "cosine", "crossnobis"]


@dataclass(frozen=True)
class SphereOptions:
    """What a sphere is, and how patterns within it are held against each other.

    Attributes
    ----------
    distance : str
        Between two patterns.
    radius_mm : float
        Of the sphere, or of the disc along the surface.
    min_channels : int
        Centres with fewer channels around them have no value.
    fold_by : str or None
        Of crossnobis: what has independent noise.
    meshes : tuple of Path or None
        Of the left and the right surface.
    """

    distance: SphereDistance
    radius_mm: float
    min_channels: int
    fold_by: FoldBy | None
    meshes: Meshes


@dataclass(frozen=True, eq=False)
class Light:
    """One subject's searchlight.

    Attributes
    ----------
    recording : Recording
        All channels that were recorded; its rows are the items, except for crossnobis.
    crossed : Crossed or None
        Trials and what they are, for crossnobis.
    geometry : VolumeGeometry or SurfaceGeometry
        Where they are.
    options : SphereOptions
        Radius, distance.
    pairs : ndarray of int
        Which of all pairs of items count.
    centres : ndarray of int, shape (n_centres,)
        Channels of the run's regions. Spheres around them take in channels of any region.
    regions : ndarray of int, shape (n_centres,)
        Number of each centre's region.
    """

    recording: Recording
    crossed: Crossed | None
    geometry: VolumeGeometry | SurfaceGeometry
    options: SphereOptions
    pairs: Index
    centres: Index
    regions: Index

    @cached_property
    def neighbours(self) -> csr_array:
        """Channels around each centre, shape (n_centres, n_channels)."""
        around = neighbours_of(self.geometry, self.options.meshes, radius_mm=self.options.radius_mm)
        return csr_array(around[self.centres])

    @cached_property
    def sizes(self) -> Index:
        """Channels around each centre, counted."""
        return np.asarray(np.diff(self.neighbours.indptr), dtype=np.intp)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which centres have enough channels around them."""
        return np.asarray(self.sizes >= self.options.min_channels)

    @cached_property
    def row_of(self) -> Index:
        """Number of each channel's centre, shape (n_channels,); -1 where it is none."""
        rows = np.full(self.recording.n_channels, -1, dtype=np.intp)
        rows[self.centres] = np.arange(len(self.centres))
        return rows

    @property
    def digest(self) -> str:
        """Digest of the patterns, their labels, and everything that spheres follow from."""
        return digest_json(
            [
                digest_array(self._patterns),
                [digest_array(labels) for labels in self._labels if labels is not None],
                digest_place(self.geometry, self.options.meshes),
                [self.options.distance, float(self.options.radius_mm), self.options.min_channels],
                [digest_array(self.pairs), digest_array(self.centres), digest_array(self.regions)],
            ]
        )

    def matrices(self, rows: Index) -> Floats:
        """Return the dissimilarities around some centres, shape (n_rows, n_pairs); NaN where undefined."""
        spheres, (conditions, runs) = self.neighbours[rows], self._labels
        # Centres in a row lie close together: few channels serve all of them.
        channels = np.unique(spheres.indices)
        found = np.empty((len(rows), len(self.pairs)))
        batches: Iterator[tuple[Index, NDArray[Any]]] = iterate_searchlight_rdms(
            self._patterns[:, channels],
            csr_array(spheres[:, channels]),
            method=self.options.distance,
            conditions=conditions,
            runs=runs,
        )
        for positions, rdms in batches:
            found[positions] = rdms[:, self.pairs]
        return found

    @cached_property
    def _patterns(self) -> Floats:
        if self.crossed is not None:
            return self.crossed.patterns
        return np.asarray(self.recording.data[...], dtype=np.float64)

    @property
    def _labels(self) -> tuple[Index | None, Index | None]:
        return (None, None) if self.crossed is None else (self.crossed.stimulus, self.crossed.fold)


def lights_of(context: Context, options: SphereOptions) -> tuple[Items, list[Light]]:
    """Return what is compared and every subject's searchlight, refusing what cannot be searched."""
    study = context.dataset.study
    if study is None:
        raise InputError(
            "`searchlight-rsa` needs recordings; the dataset holds dissimilarities only. Use `rsa`."
        )
    if options.min_channels < 2:
        raise InputError(
            f"`min_channels` must be at least 2, got {options.min_channels}: one channel has no pattern."
        )
    recordings = list(study.values())
    for recording in recordings:
        check_geometry(recording, options.meshes)
    if options.distance == "crossnobis":
        fold_by = find_folds(recordings, study.common_stimuli, options.fold_by)
        options = replace(options, fold_by=fold_by)
    items, recordings, crossed = _items(context, recordings, options)
    if items.n_units < MIN_UNITS:
        what = "runs" if items.run_wise else "stimuli"
        raise InputError(
            f"a searchlight needs at least {MIN_UNITS} {what} that every subject has, got {items.n_units}."
        )
    lights = [
        _light(context, recording, trials, options, items.pairs)
        for recording, trials in zip(recordings, crossed, strict=True)
    ]
    return items, lights


def _items(
    context: Context, recordings: list[Recording], options: SphereOptions
) -> tuple[Items, list[Recording], list[Crossed | None]]:
    """Return the rows of every matrix, recordings of just these, and the trials where these are crossed."""
    assert context.dataset.study is not None  # checked by the caller
    ids, conditions = context.dataset.study.common_stimuli, context.dataset.conditions
    crosses = options.distance == "crossnobis"
    if conditions is not None and not crosses:
        first, runs = recordings[0], _runs_of(recordings[0])
        for other in recordings[1:]:
            if other.stimulus_ids != first.stimulus_ids or _runs_of(other) != runs:
                raise InputError(
                    "a run-wise searchlight needs the same conditions and runs in every subject."
                )
        return run_wise_items(first.stimulus_ids, runs), recordings, [None] * len(recordings)
    items = stimulus_items(ids, None if conditions else near_duplicates(context, recordings[0], ids))
    if crosses:
        assert options.fold_by is not None  # found by the caller
        crossed = [crossed_trials(recording, ids, options.fold_by) for recording in recordings]
        return items, recordings, [*crossed]
    averages = [recording.average_repetitions().align(items.ids) for recording in recordings]
    return items, averages, [None] * len(recordings)


def _runs_of(recording: Recording) -> list[str]:
    if "run" not in recording.samples:
        raise InputError(
            f"dissimilarities between runs need a column `run`, which the samples of {recording.subject!r} "
            "do not have."
        )
    return [str(run) for run in recording.samples["run"]]


def _light(
    context: Context, recording: Recording, crossed: Crossed | None, options: SphereOptions, pairs: Index
) -> Light:
    geometry = check_geometry(recording, options.meshes)
    regions = np.full(recording.n_channels, -1, dtype=np.intp)
    for number, roi in enumerate(context.rois):
        members = set(region_of(recording, roi).channels["name"])
        regions[recording.channels["name"].isin(members)] = number
    centres = np.flatnonzero(regions >= 0)
    light = Light(recording, crossed, geometry, options, pairs, centres, regions[centres])
    for number, roi in enumerate(context.rois):
        largest = int(light.sizes[light.regions == number].max())
        if largest < options.min_channels:
            where = "" if roi == "all" else f" in {roi}"
            raise InputError(
                f"a radius of {options.radius_mm:g} mm holds at most {largest} channel(s) around a centre of "
                f"{recording.subject!r}{where}, and `min_channels` is {options.min_channels}. Give a larger "
                "`radius_mm`."
            )
    return light
