"""The matrices that an RSA compares: of each region and subject, and of each model and layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.random import derive_seed
from ...metrics import rdm
from ...recordings.recording import Recording
from ...stats import rdm_ceiling, split_half_rdm_ceiling
from ._comparison import Context, near_duplicates, region_of
from ._items import Items, run_wise_items, stimulus_items
from ._region import Column, RegionCeiling

Floats = NDArray[np.float64]
Distance = Literal["correlation", "euclidean", "squared-euclidean", "cosine"]
N_SPLITS = 20
# Fewer cannot be resampled.
MIN_UNITS = 6
DISTANCES = {
    "correlation": "correlation distances (1 - r)",
    "euclidean": "Euclidean distances (root mean square over channels)",
    "squared-euclidean": "squared Euclidean distances (mean over channels)",
    "cosine": "cosine distances",
}
REFERENCES = (
    "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis. "
    "Front Syst Neurosci 2:4. doi:10.3389/neuro.06.004.2008",
    "Nili H et al. (2014). A toolbox for representational similarity analysis. PLoS Comput Biol 10:e1003553. "
    "doi:10.1371/journal.pcbi.1003553",
    "Schuett HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on representational "
    "geometries. eLife 12:e82566. doi:10.7554/eLife.82566",
)
# Spearman-Brown speaks of correlations only.
HALVES = ("pearson", "spearman")


@dataclass(frozen=True, eq=False)
class Brain:
    """A region's matrices: one per subject, and halves of the repetitions where there is one subject."""

    values: Floats  # (n_subjects, n_pairs)
    subjects: list[str]
    items: Items
    halves: tuple[Floats, Floats] | None
    digest: str


@dataclass(frozen=True)
class Transform:
    """What is done to every matrix before matrices are compared.

    Attributes
    ----------
    apply : callable
        From matrices of shape (n_rdms, n_pairs) to new ones.
    key : mapping
        Its settings.
    methods : str
        A sentence for the methods section.
    references : tuple of str
        What to cite.
    """

    apply: Callable[[Floats], Floats]
    key: Mapping[str, Any]
    methods: str
    references: tuple[str, ...]


def transformed(brain: Brain, transform: Transform) -> Brain:
    """Return a region's matrices after a transform."""
    halves = brain.halves and (transform.apply(brain.halves[0]), transform.apply(brain.halves[1]))
    digest = digest_json([brain.digest, dict(transform.key)])
    return replace(brain, values=transform.apply(brain.values), halves=halves, digest=digest)


def brain_matrices(context: Context, roi: str, distance: Distance) -> Brain:
    """Return a region's matrices, refusing too few stimuli or runs to resample."""
    brain = _measured(context, roi, distance)
    if brain.items.n_units < MIN_UNITS:
        what = "runs" if brain.items.run_wise else "stimuli"
        raise InputError(
            f"a similarity analysis needs at least {MIN_UNITS} {what} that every subject has, got "
            f"{brain.items.n_units}."
        )
    return brain


def _measured(context: Context, roi: str, distance: Distance) -> Brain:
    dataset = context.dataset
    if dataset.rdms is not None:
        rdms = dataset.rdms.select(roi=roi) if dataset.rdms.rois else dataset.rdms
        mean = _mean_per_subject(rdms.values, [str(s) for s in rdms.table["subject"]])
        items = stimulus_items(rdms.stimulus_ids)
        return Brain(mean, rdms.subjects, items, None, digest_json([rdms.digest, roi]))
    assert dataset.study is not None  # a Dataset holds one of both
    recordings = [region_of(recording, roi) for recording in dataset.study.values()]
    subjects = dataset.study.subjects
    if dataset.conditions is not None:
        items, values = _run_wise(recordings, distance)
        return Brain(values, subjects, items, None, digest_array(values))
    ids = dataset.study.common_stimuli
    items = stimulus_items(ids, near_duplicates(context, recordings[0], ids))
    averages = [recording.average_repetitions().align(items.ids) for recording in recordings]
    values = np.stack([rdm(average.data, method=distance) for average in averages])
    halves = _halves(recordings[0], items, distance, context.plan.seed) if len(subjects) == 1 else None
    return Brain(values, subjects, items, halves, digest_json([digest_array(values), list(items.ids)]))


def _run_wise(recordings: list[Recording], distance: Distance) -> tuple[Items, Floats]:
    first = recordings[0]
    ids, runs = first.stimulus_ids, [str(run) for run in first.samples["run"]]
    for recording in recordings[1:]:
        if recording.stimulus_ids != ids or [str(run) for run in recording.samples["run"]] != runs:
            raise InputError("a run-wise analysis needs the same conditions and runs in every subject.")
    items = run_wise_items(ids, runs)
    values = np.stack([rdm(recording.data, method=distance)[items.pairs] for recording in recordings])
    return items, values


def _halves(
    recording: Recording, items: Items, distance: Distance, seed: int
) -> tuple[Floats, Floats] | None:
    if recording.samples["stimulus_id"].value_counts().min() < 2:
        return None
    rng = np.random.default_rng(derive_seed(seed, "rsa", "halves of repetitions"))
    pairs = [recording.split_repetitions(rng) for _ in range(N_SPLITS)]
    first, second = (
        np.stack([rdm(pair[half].align(items.ids).data, method=distance) for pair in pairs])
        for half in (0, 1)
    )
    return first, second


def _mean_per_subject(values: Floats, subjects: list[str]) -> Floats:
    return np.stack([values[[s == name for s in subjects]].mean(axis=0) for name in dict.fromkeys(subjects)])


def model_matrices(columns: list[Column], items: Items, distance: Distance) -> Floats:
    rows = []
    for column in columns:
        if column.candidate.features is None:
            vector = column.candidate.category_rdm(items.stimulus_ids)
        else:
            vector = rdm(column.candidate.features.matrix(column.layer, items.stimulus_ids), method=distance)
        rows.append(vector[items.pairs])
    return np.stack(rows)


def matrix_ceiling(brain: Brain, comparison: str) -> RegionCeiling:
    if len(brain.subjects) > 1:
        found = rdm_ceiling(brain.values, method=comparison)
        return RegionCeiling(found.lower, found.upper, found.se_lower, found.estimator)
    if brain.halves is None or comparison not in HALVES:
        return RegionCeiling()
    found = split_half_rdm_ceiling(*brain.halves, method=comparison)
    return RegionCeiling(np.nan, found.upper, found.se_upper, found.estimator, divides=True)
