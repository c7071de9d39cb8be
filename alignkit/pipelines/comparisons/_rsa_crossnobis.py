"""Brain matrices cross-validated over runs, sessions or repetitions, with their noise taken into account."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ..._core.errors import InputError
from ..._core.progress import track
from ...metrics import crossnobis, noise_covariance
from ...metrics.rsa.crossvalidated import Design, cell_sums, mean_distances, read_design
from ...recordings.recording import Recording

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
FoldBy = Literal["run", "session", "repetition"]
NoiseNormalisation = Literal["multivariate", "univariate", "none"]
# A covariance of more channels does not fit beside the others in memory.
MAX_CHANNELS = 8000
REFERENCES = (
    "Walther A et al. (2016). Reliability of dissimilarity measures for multi-voxel pattern analysis. "
    "NeuroImage 137:188-200. doi:10.1016/j.neuroimage.2015.12.012",
)
_NAMED = {"multivariate": "", "univariate": ", univariate noise", "none": ", not normalised"}
_NOISE = {
    "multivariate": ", in the metric of the noise (covariance between channels of repeats about their mean "
    "over the same {others}, correlations shrunk towards 0)",
    "univariate": ", in units of each channel's noise (variance of repeats about their mean over the same "
    "{others})",
    "none": "",
}


@dataclass(frozen=True)
class Crossing:
    """How brain matrices are cross-validated.

    Attributes
    ----------
    fold_by : {"run", "session", "repetition"} or None
        What has independent noise; None takes the first of these that every stimulus comes in twice.
    noise : {"multivariate", "univariate", "none"}
        How the channels' noise is taken into account.
    """

    fold_by: FoldBy | None = None
    noise: NoiseNormalisation = "multivariate"

    @property
    def name(self) -> str:
        """What the name of a score says of it."""
        folds = "" if self.fold_by is None else f" over {self.fold_by}s"
        return f"crossnobis{folds}{_NAMED[self.noise]}"


@dataclass(frozen=True, eq=False)
class Crossed:
    """A subject's trials with the stimulus and the fold of each.

    Attributes
    ----------
    patterns : ndarray of shape (n_trials, n_channels)
        Responses.
    stimulus, fold : ndarray of int, shape (n_trials,)
        Positions among the stimuli, and numbers of the folds.
    """

    patterns: Floats
    stimulus: Index
    fold: Index

    def take(self, rows: NDArray[np.bool_]) -> Crossed:
        """Keep some trials."""
        return Crossed(self.patterns[rows], self.stimulus[rows], self.fold[rows])


def find_folds(recordings: Sequence[Recording], stimulus_ids: Sequence[str], wanted: FoldBy | None) -> FoldBy:
    """Return what noise is independent between, after checking that every stimulus comes in two folds."""
    tried: tuple[FoldBy, ...] = ("run", "session", "repetition") if wanted is None else (wanted,)
    problems = []
    for fold_by in tried:
        found = [problem for r in recordings if (problem := _problem(r, stimulus_ids, fold_by))]
        if not found:
            if fold_by == "repetition" and any("run" in r.samples for r in recordings):
                logger.warning(
                    "Crossnobis is cross-validated over repetitions: those of one run share its slow noise."
                )
            return fold_by
        problems.append(found[0])
    raise InputError(
        f"distance 'crossnobis' needs every stimulus in at least two folds: {'; '.join(problems)}. Choose "
        "another `fold_by` (run, session, repetition), or another distance."
    )


def crossed_trials(recording: Recording, stimulus_ids: Sequence[str], fold_by: FoldBy) -> Crossed:
    """Return the trials of some stimuli."""
    position = {name: i for i, name in enumerate(stimulus_ids)}
    stimulus = np.array([position.get(name, -1) for name in recording.stimulus_ids], dtype=np.intp)
    labels = _fold_labels(recording.samples, fold_by)
    assert labels is not None  # the folds were found
    kept = stimulus >= 0
    fold = pd.factorize(labels[kept], sort=True)[0].astype(np.intp)
    patterns = np.asarray(recording.data[...], dtype=np.float64)[kept]
    return Crossed(patterns, stimulus[kept], fold)


def crossed_matrix(trials: Crossed, noise: NoiseNormalisation) -> Floats:
    """Return cross-validated squared distances per channel, (n_pairs,), negative ones among them.

    A fold's patterns meet those of all others in the metric of the noise *of these others*: a covariance that
    had seen the fold's own trials would be fitted to the very products that have to be independent, and
    would make distances of pure noise positive.
    """
    design = read_design(trials.stimulus, trials.fold, len(trials.patterns))
    patterns, by_fold = _centred(trials.patterns, design)
    if noise == "none":
        return crossnobis(patterns, trials.stimulus, trials.fold)
    sums = cell_sums(patterns, design)
    total = sums.sum(axis=0)
    products = np.zeros((len(total), len(total)))
    for fold in track(range(len(sums)), "crossnobis"):
        others = design.run != fold
        whiten = _whitening(patterns[others], design.condition[others], noise, (len(sums) - 2) * by_fold)
        products += whiten(sums[fold]) @ whiten(total - sums[fold]).T
    return np.asarray(mean_distances(products, design.counts) / patterns.shape[1])


def crossed_halves(
    trials: Crossed, *, noise: NoiseNormalisation, split_trials: bool, n_splits: int, seed: int
) -> tuple[Floats, Floats, Floats] | None:
    """Return matrices of both halves of the folds, (n_splits, n_pairs) each, and of all folds, (n_pairs,).

    All are in one metric, the noise of all trials, so that the halves have the same expectation as the
    whole. None where a half would not have every stimulus in two folds.

    Parameters
    ----------
    trials : Crossed
        Trials of one subject.
    noise : str
        See :class:`Crossing`.
    split_trials : bool
        Halve the repetitions of every stimulus, instead of whole runs or sessions.
    n_splits : int
        Random halves.
    seed : int
        Of the halves.
    """
    design = read_design(trials.stimulus, trials.fold, len(trials.patterns))
    patterns, by_fold = _centred(trials.patterns, design)
    whole = Crossed(patterns, trials.stimulus, trials.fold)
    if noise != "none":
        whiten = _whitening(patterns, design.condition, noise, (len(design.counts) - 1) * by_fold)
        whole = Crossed(whiten(patterns), trials.stimulus, trials.fold)
    rng = np.random.default_rng(seed)
    first: list[Floats] = []
    second: list[Floats] = []
    for _ in range(n_splits):
        in_first = _half_of_trials(whole, rng) if split_trials else _half_of_folds(whole, rng)
        for rows, matrices in ((in_first == 0, first), (in_first == 1, second)):
            half = whole.take(rows)
            if not _in_two_folds(half, design.counts.shape[1]):
                return None
            matrices.append(crossnobis(half.patterns, half.stimulus, half.fold))
    return np.stack(first), np.stack(second), crossnobis(whole.patterns, whole.stimulus, whole.fold)


def methods_of(crossing: Crossing, fold_by: FoldBy, n_folds: int) -> str:
    """Return how the brain's dissimilarities were measured, for the methods section."""
    noise = _NOISE[crossing.noise].format(others=f"{fold_by}s")
    return (
        f"cross-validated squared distances per channel (crossnobis, {n_folds} {fold_by}s): the difference "
        f"of two patterns in one {fold_by} times their difference in the others{noise}; noise adds nothing "
        "to them on average, and chance values below 0 are kept"
    )


def _problem(recording: Recording, stimulus_ids: Sequence[str], fold_by: FoldBy) -> str | None:
    """Return why a recording cannot be cross-validated so, or None."""
    labels = _fold_labels(recording.samples, fold_by)
    if labels is None:
        return f"{recording.subject!r} has no column {fold_by!r}"
    table = pd.DataFrame({"stimulus": recording.samples["stimulus_id"].astype(str), "fold": labels})
    counts = table.groupby("stimulus")["fold"].nunique().reindex(list(stimulus_ids))
    few = counts[counts < 2]
    if not len(few):
        return None
    first = few.index[0]
    return f"by {fold_by}, {len(few)} stimuli of {recording.subject!r} come in one only, such as {first!r}"


def _fold_labels(samples: pd.DataFrame, fold_by: FoldBy) -> NDArray[np.object_] | None:
    if fold_by == "repetition":
        # The k-th time that a stimulus is shown, whatever else the table calls a repetition.
        return np.asarray(samples.groupby("stimulus_id", sort=False).cumcount().to_numpy(), dtype=object)
    if fold_by not in samples:
        return None
    labels = samples[fold_by].astype(str)
    if fold_by == "run" and "session" in samples:
        # Runs may be counted anew in every session.
        labels = samples["session"].astype(str) + ", " + labels
    return labels.to_numpy(dtype=object)


def _centred(patterns: Floats, design: Design) -> tuple[Floats, bool]:
    """Take out the mean pattern, of every fold where all have all stimuli; return whether they had.

    In balanced designs distances do not see it. In others a large shared pattern would add variance.
    """
    means = cell_sums(patterns, design) / np.maximum(design.counts, 1.0)[:, :, None]
    if (design.counts > 0).all():
        return patterns - means.mean(axis=1)[design.run], True
    seen = (design.counts > 0).sum(axis=0)[:, None]
    return patterns - (means.sum(axis=0) / seen).mean(axis=0), False


def _whitening(
    patterns: Floats, stimulus: Index, noise: NoiseNormalisation, n_means: int
) -> Callable[[Floats], Floats]:
    """Return what turns patterns into ones whose noise is white, from repeats about their mean."""
    counts = np.bincount(stimulus)
    sums = np.zeros((len(counts), patterns.shape[1]))
    np.add.at(sums, stimulus, patterns)
    repeated = counts[stimulus] > 1
    left = (patterns - sums[stimulus] / counts[stimulus, None])[repeated]
    dof = len(left) - int((counts > 1).sum()) - n_means
    if dof < 3:
        raise InputError(
            "distance 'crossnobis' takes the noise of channels from repeats of a stimulus besides the fold "
            f"at hand, which have {max(dof, 0)} degrees of freedom of at least 3. With fewer than three "
            "repeats use `noise_normalisation: none`, or another distance."
        )
    if noise == "univariate":
        scale = np.sqrt((left**2).sum(axis=0) / dof)
        if not scale.all():
            raise InputError(
                f"{int((scale == 0).sum())} channel(s) are the same in all repeats, the first is number "
                f"{int((scale == 0).argmax())}: they have no noise to divide by. Leave them out."
            )
        return lambda rows: rows / scale
    if patterns.shape[1] > MAX_CHANNELS:
        raise InputError(
            f"a noise covariance of {patterns.shape[1]} channels is too large (at most {MAX_CHANNELS}). Use "
            "`noise_normalisation: univariate`, or regions."
        )
    factor = np.linalg.cholesky(noise_covariance(left, dof=dof, shrinkage="diagonal"))
    return lambda rows: np.asarray(solve_triangular(factor, rows.T, lower=True).T)


def _half_of_folds(trials: Crossed, rng: np.random.Generator) -> Index:
    """Return 0, 1 or -1 (left over) for each trial, whole folds together."""
    order = rng.permutation(int(trials.fold.max()) + 1)
    half = len(order) // 2
    part = np.full(len(order), -1, dtype=np.intp)
    part[order[:half]], part[order[half : 2 * half]] = 0, 1
    return part[trials.fold]


def _half_of_trials(trials: Crossed, rng: np.random.Generator) -> Index:
    """Return 0, 1 or -1 for each trial, as many of every stimulus in both halves."""
    part = np.full(len(trials.stimulus), -1, dtype=np.intp)
    shuffled = rng.permutation(len(part))
    for rows in np.split(
        shuffled[np.argsort(trials.stimulus[shuffled], kind="stable")],
        np.cumsum(np.bincount(trials.stimulus))[:-1],
    ):
        half = len(rows) // 2
        part[rows[:half]], part[rows[half : 2 * half]] = 0, 1
    return part


def _in_two_folds(trials: Crossed, n_stimuli: int) -> bool:
    pairs = np.unique(np.stack([trials.stimulus, trials.fold]), axis=1)
    return bool((np.bincount(pairs[0], minlength=n_stimuli) >= 2).all())
