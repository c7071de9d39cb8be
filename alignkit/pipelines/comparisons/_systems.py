"""The systems that a comparison holds side by side: a region of each subject, and each layer of a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ...metrics import rdm
from ...recordings.recording import Recording
from ._comparison import Context, near_duplicates, region_of
from ._items import numbered
from ._region import Column

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Distance = Literal["correlation", "cosine", "euclidean", "squared-euclidean"]
# What of published dissimilarities is a squared distance, and what has to be squared first.
_SQUARED = ("correlation", "cosine", "squared-euclidean", "mahalanobis", "crossnobis")


@dataclass(frozen=True, eq=False)
class System:
    """Responses to the stimuli of a comparison, or dissimilarities where those are all there is.

    Attributes
    ----------
    distance : str
        How dissimilarities are taken from patterns, or what the published ones are.
    patterns : ndarray of shape (n_stimuli, n_units) or None
        Mean responses.
    published : ndarray of shape (n_pairs,) or None
        Dissimilarities, where there are no patterns.
    trials : ndarray of shape (n_repeats, n_stimuli, n_units) or None
        Single responses, where distributions are compared.
    labels : ndarray of shape (n_stimuli,) or None
        Category of each stimulus, where classes are compared.
    """

    distance: str
    patterns: Floats | None = None
    published: Floats | None = None
    trials: Floats | None = None
    labels: NDArray[Any] | None = None

    @cached_property
    def dissimilarities(self) -> Floats:
        """Condensed, of shape (n_pairs,)."""
        if self.published is not None:
            return self.published
        assert self.patterns is not None  # a system has one of both
        return rdm(self.patterns, method=self.distance)  # type: ignore[arg-type]

    @cached_property
    def gram(self) -> Floats:
        """Inner products of the patterns, up to what centring takes out, shape (n_stimuli, n_stimuli)."""
        if self.patterns is None:
            assert self.published is not None  # a system has one of both
            return squareform(_squared(self.published, self.distance)) / -2
        rows = self.patterns
        if self.distance == "correlation":
            rows = rows - rows.mean(axis=1, keepdims=True)
        if self.distance in ("correlation", "cosine") and not rows.any(axis=1).all():
            raise InputError(
                f"some patterns are constant over their {rows.shape[1]} unit(s), so that {self.distance} "
                "distances are not defined. Use distance 'squared-euclidean'."
            )
        if self.distance in ("correlation", "cosine"):
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        centred = rows - rows.mean(axis=0)
        return np.asarray(centred @ centred.T)

    def take(self, rows: Index) -> System:
        """Keep some stimuli, in the order of `rows`."""
        return System(
            self.distance,
            patterns=None if self.patterns is None else self.patterns[rows],
            published=None if self.published is None else pairs_of(self.published, rows),
            trials=None if self.trials is None else self.trials[:, rows],
            labels=None if self.labels is None else self.labels[rows],
        )


@dataclass(frozen=True, eq=False)
class Brains:
    """A region's systems, one per subject, over the same stimuli in the same order."""

    systems: list[System]
    recordings: list[Recording]  # as they were given; none where there are dissimilarities only
    subjects: list[str]
    stimulus_ids: list[str]
    units: Index  # what is resampled: the stimulus, with its near-duplicates
    digest: str

    def take(self, rows: Index) -> Brains:
        """Keep some stimuli, in the order of `rows`."""
        ids = [self.stimulus_ids[i] for i in rows]
        systems = [system.take(rows) for system in self.systems]
        return replace(self, systems=systems, stimulus_ids=ids, units=self.units[rows])


def brain_systems(context: Context, roi: str, *, distance: Distance, kind: str, patterns: bool) -> Brains:
    """Return a region's systems.

    Parameters
    ----------
    context : Context
        Data of the run.
    roi : str
        The region.
    distance : str
        See :class:`System`.
    kind : str
        Name of the comparison, for errors.
    patterns : bool
        Whether dissimilarities alone are not enough.

    Raises
    ------
    InputError
        If patterns are needed and there are none, or fewer than 8 stimuli are shared.
    """
    dataset = context.dataset
    if dataset.rdms is not None:
        if patterns:
            raise InputError(
                f"`{kind}` needs recordings; the dataset holds dissimilarities only. Use `rsa`, `cka`, "
                "`shape`, `curvature` or `topology`."
            )
        rdms = dataset.rdms.select(roi=roi) if dataset.rdms.rois else dataset.rdms
        owners = [str(subject) for subject in rdms.table["subject"]]
        subjects = list(dict.fromkeys(owners))
        means = [rdms.values[[owner == name for owner in owners]].mean(axis=0) for name in subjects]
        ids = list(rdms.stimulus_ids)
        _check_count(ids, kind)
        if np.isnan(means).any():
            raise InputError(f"`{kind}` needs every pair of stimuli, but {roi!r} has pairs that are NaN.")
        systems = [System(rdms.measure, published=mean.astype(np.float64)) for mean in means]
        return Brains(systems, [], subjects, ids, np.arange(len(ids)), digest_json([rdms.digest, roi]))
    assert dataset.study is not None  # a Dataset holds one of both
    ids = dataset.study.common_stimuli
    _check_count(ids, kind)
    recordings = [region_of(recording, roi) for recording in dataset.study.values()]
    averages = [recording.average_repetitions().align(ids) for recording in recordings]
    systems = [System(distance, patterns=average.data.astype(np.float64)) for average in averages]
    units = numbered(near_duplicates(context, recordings[0], ids) or ids)
    digest = digest_json([[digest_array(average.data) for average in averages], ids])
    return Brains(systems, recordings, dataset.study.subjects, ids, units, digest)


def mean_system(brains: Brains) -> Brains:
    """Return one system in place of several: the mean of their dissimilarities."""
    mean = np.mean([system.dissimilarities for system in brains.systems], axis=0)
    system = System(brains.systems[0].distance, published=mean)
    name = f"mean of {len(brains.systems)}"
    return replace(brains, systems=[system], subjects=[name], digest=digest_json([brains.digest, "mean"]))


def model_system(column: Column, stimulus_ids: list[str], distance: Distance) -> System:
    """Return the system of a layer; a label model has the squared differences of its labels."""
    if column.candidate.features is None:
        return System("squared-euclidean", published=column.candidate.label_rdm(stimulus_ids) ** 2)
    features = column.candidate.features.matrix(column.layer, stimulus_ids)
    return System(distance, patterns=features.astype(np.float64))


def some_units(patterns: Floats, n_units: int) -> Floats:
    """Return at most so many units, evenly spread over all."""
    n_all = patterns.shape[1]
    return patterns[:, np.unique(np.linspace(0, n_all - 1, min(n_units, n_all)).astype(np.intp))]


def pairs_of(condensed: Floats, rows: Index) -> Floats:
    """Return the dissimilarities of some stimuli, in the order of `rows`."""
    square = squareform(condensed)[np.ix_(rows, rows)]
    return np.asarray(squareform(square, checks=False))


def _check_count(stimulus_ids: list[str], kind: str) -> None:
    if len(stimulus_ids) < 8:
        raise InputError(
            f"`{kind}` needs at least 8 stimuli that every subject saw, got {len(stimulus_ids)}."
        )


def _squared(dissimilarities: Floats, measure: str) -> Floats:
    if measure in _SQUARED:
        return dissimilarities
    if measure == "euclidean":
        return np.asarray(dissimilarities**2)
    raise InputError(
        f"the dissimilarities are {measure!r}, which cannot be turned into inner products. Say what they are "
        f"with `measure`: {', '.join((*_SQUARED, 'euclidean'))}."
    )
