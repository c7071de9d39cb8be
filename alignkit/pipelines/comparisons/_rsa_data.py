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
from ...stats.ceilings_repeats import jackknife_se
from ._comparison import Context, near_duplicates, region_of
from ._items import Items, run_wise_items, stimulus_items
from ._region import Column, RegionCeiling
from ._rsa_crossnobis import Crossing, crossed_halves, crossed_matrix, crossed_trials, find_folds, methods_of

Floats = NDArray[np.float64]
Distance = Literal["correlation", "euclidean", "squared-euclidean", "cosine"]
BrainDistance = Literal[Distance, "crossnobis"]
N_SPLITS = 20
MAX_BLOCKS = 40
# Fewer cannot be resampled.
MIN_UNITS = 6
DISTANCES = {
    "correlation": "correlation distances (1 - r)",
    "euclidean": "Euclidean distances (root mean square over channels)",
    "squared-euclidean": "squared Euclidean distances (mean over channels)",
    "cosine": "cosine distances",
    "crossnobis": "squared Euclidean distances (mean over channels)",
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
# A ratio of sums of products: of correlations without ranks only.
CROSSED_HALVES = ("pearson",)


@dataclass(frozen=True, eq=False)
class Brain:
    """A region's matrices: one per subject, and halves of the repetitions where there is one subject."""

    values: Floats  # (n_subjects, n_pairs)
    subjects: list[str]
    items: Items
    halves: tuple[Floats, Floats] | None
    digest: str
    # Of cross-validated matrices: how they were made, and the one that the halves are halves of.
    crossed: str = ""
    whole: Floats | None = None  # (n_pairs,)


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
    linear : bool
        Whether the mean of several matrices becomes the mean of what they become.
    """

    apply: Callable[[Floats], Floats]
    key: Mapping[str, Any]
    methods: str
    references: tuple[str, ...]
    linear: bool = False


def transformed(brain: Brain, transform: Transform) -> Brain:
    """Return a region's matrices after a transform."""
    halves = brain.halves and (transform.apply(brain.halves[0]), transform.apply(brain.halves[1]))
    whole = None if brain.whole is None else transform.apply(brain.whole[None])[0]
    if whole is not None and not transform.linear:
        halves = whole = None
    digest = digest_json([brain.digest, dict(transform.key)])
    return replace(brain, values=transform.apply(brain.values), halves=halves, digest=digest, whole=whole)


def brain_matrices(
    context: Context, roi: str, distance: BrainDistance, crossing: Crossing | None = None
) -> Brain:
    """Return a region's matrices, refusing too few stimuli or runs to resample."""
    if distance == "crossnobis":
        brain = _crossed(context, roi, crossing or Crossing())
    else:
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
    return Brain(values, subjects, items, halves, _digest(values, items, halves))


def _crossed(context: Context, roi: str, crossing: Crossing) -> Brain:
    study = context.dataset.study
    if study is None:
        raise InputError(
            "distance 'crossnobis' is taken from repeated responses, and the dataset holds dissimilarities "
            "only. Where those are cross-validated themselves, take `distance: squared-euclidean` for models."
        )
    recordings = [region_of(recording, roi) for recording in study.values()]
    ids, conditions = study.common_stimuli, context.dataset.conditions
    together = None if conditions is not None else near_duplicates(context, recordings[0], ids)
    items = stimulus_items(ids, together)
    fold_by = find_folds(recordings, ids, crossing.fold_by)
    trials = [crossed_trials(recording, ids, fold_by) for recording in recordings]
    values = np.stack([crossed_matrix(each, crossing.noise) for each in trials])
    found = None
    if len(trials) == 1:
        found = crossed_halves(
            trials[0],
            noise=crossing.noise,
            split_trials=fold_by == "repetition",
            n_splits=N_SPLITS,
            seed=derive_seed(context.plan.seed, "rsa", "halves of folds"),
        )
    halves, whole = (None, None) if found is None else ((found[0], found[1]), found[2])
    n_folds = max(int(each.fold.max()) + 1 for each in trials)
    words = methods_of(crossing, fold_by, n_folds)
    return Brain(values, study.subjects, items, halves, _digest(values, items, halves), words, whole)


def _digest(values: Floats, items: Items, halves: tuple[Floats, Floats] | None) -> str:
    return digest_json([digest_array(values), list(items.ids), [digest_array(half) for half in halves or ()]])


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


def model_matrices(columns: list[Column], items: Items, distance: BrainDistance) -> Floats:
    """Return the matrices of models and layers; features have no noise to cross-validate."""
    method = "squared-euclidean" if distance == "crossnobis" else distance
    rows = []
    for column in columns:
        if column.candidate.features is None:
            vector = column.candidate.label_rdm(items.stimulus_ids)
        else:
            vector = rdm(column.candidate.features.matrix(column.layer, items.stimulus_ids), method=method)
        rows.append(vector[items.pairs])
    return np.stack(rows)


def matrix_ceiling(brain: Brain, comparison: str, stimuli: NDArray[np.intp] | None = None) -> RegionCeiling:
    """Return the ceiling of similarities with a region's matrices.

    Parameters
    ----------
    brain : Brain
        Matrices, and halves of one subject's.
    comparison : str
        How two matrices are compared.
    stimuli : ndarray of int, optional
        Positions of some stimuli, sorted, where only their pairs are compared.
    """
    pairs = (
        np.arange(brain.values.shape[1]) if stimuli is None else pairs_among(stimuli, len(brain.items.ids))
    )
    if len(brain.subjects) > 1:
        found = rdm_ceiling(brain.values[:, pairs], method=comparison)
        return RegionCeiling(found.lower, found.upper, found.se_lower, found.estimator)
    if brain.halves is None or comparison not in (HALVES if brain.whole is None else CROSSED_HALVES):
        return RegionCeiling()
    first, second = (half[:, pairs] for half in brain.halves)
    if brain.whole is not None:
        return _crossed_ceiling(first, second, brain.whole[pairs])
    found = split_half_rdm_ceiling(first, second, method=comparison)
    return RegionCeiling(np.nan, found.upper, found.se_upper, found.estimator, divides=True)


def _crossed_ceiling(first: Floats, second: Floats, whole: Floats) -> RegionCeiling:
    """Return how much of a cross-validated matrix is shared by two halves of its folds.

    Unbiased halves have one expectation with the whole, so that their covariance is the variance of the
    signal in all three. Spearman-Brown would be too low: with half the folds, more than twice the noise.
    """
    rows, columns = np.triu_indices((1 + int(np.sqrt(1 + 8 * len(whole)))) // 2, 1)

    def value(kept: NDArray[np.bool_]) -> float:
        a, b, all_of_it = first[:, kept], second[:, kept], whole[kept]
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        shared = float((a * b).mean())
        return float(np.sqrt(shared / all_of_it.var())) if shared > 0 else np.nan

    block = np.arange(int(rows.max(initial=0)) + 2) % MAX_BLOCKS
    without = [value((block[rows] != i) & (block[columns] != i)) for i in range(int(block.max()) + 1)]
    ceiling = value(np.ones(len(whole), dtype=bool))
    se = float(jackknife_se(np.array(without))) if np.isfinite(without).all() else np.nan
    name = f"root of the covariance of halves of the folds over the whole's variance, {len(first)} splits"
    return RegionCeiling(np.nan, ceiling, se, f"{name}, jackknife over stimuli", divides=True)


def pairs_among(stimuli: NDArray[np.intp], n_stimuli: int) -> NDArray[np.intp]:
    """Return the positions of the pairs of some stimuli, in the order of a condensed matrix of these."""
    rows, columns = np.triu_indices(len(stimuli), 1)
    low, high = np.minimum(stimuli[rows], stimuli[columns]), np.maximum(stimuli[rows], stimuli[columns])
    return np.asarray(low * (2 * n_stimuli - low - 1) // 2 + high - low - 1, dtype=np.intp)
