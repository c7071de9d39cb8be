"""Scores of decoded trials: what is averaged, what there is to choose from, by subject and repetitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..decoder import Decoder
from ..trials import Targets, Trials
from ._over_subjects import mean_over_subjects
from ._ranks import SIMILARITIES
from .averaging import (
    AVERAGED,
    SUBJECTS,
    RepetitionSets,
    average_decoded,
    average_signals,
    repetition_sets,
)
from .classification import INTERVALS, Classification, classify
from .nulls import recording_order
from .retrieval import Retrieval, Similarity, retrieve

Indices = NDArray[np.intp]
Result = Retrieval | Classification
Repetitions = int | Literal["all"]
ALL = "all"


@dataclass(frozen=True)
class Plan:
    """How decoded trials are scored; the options of :func:`evaluate`, checked."""

    gallery: Literal["held-out", "all"] | Targets
    similarity: Similarity
    repetitions: tuple[Repetitions, ...]
    averaging: Literal["decoded", "signals"]
    subjects: Literal["single", "joint"]
    k_way: tuple[int, ...]
    interval: Literal["bootstrap", "t"]
    n_draws: int
    n_bootstraps: int
    n_permutations: int
    confidence: float
    seed: int

    def __post_init__(self) -> None:
        check_option("similarity", self.similarity, SIMILARITIES)
        check_option("averaging", self.averaging, AVERAGED)
        check_option("subjects", self.subjects, SUBJECTS)
        check_option("interval", self.interval, INTERVALS)
        if not isinstance(self.gallery, Targets):
            check_option("gallery", self.gallery, ("held-out", "all"))
        if not self.repetitions:
            raise InputError(
                "`repetitions` is empty; name at least one number of trials to average, or 'all'."
            )


class Choices(NamedTuple):
    """What there is to choose from, and which of it is right."""

    names: tuple[str, ...]
    values: NDArray[np.float32] | None
    groups: list[str]
    right: Indices


def decode(decoder: Decoder, trials: Trials) -> NDArray[np.float32]:
    """Return what a decoder makes of trials, or refuse NaN."""
    decoded = np.asarray(decoder.predict(trials), dtype=np.float32)
    if len(decoded) != len(trials):
        raise InputError(f"the decoder gave {len(decoded)} rows for {len(trials)} trials.")
    bad = ~np.isfinite(decoded.reshape(len(decoded), -1)).all(axis=1)
    if bad.any():
        raise InputError(
            f"the decoder gave NaN or infinity for {int(bad.sum())} of {len(trials)} held-out trials. Its "
            "training may have diverged: lower the learning rate, or scale the signals."
        )
    return decoded


def score_trials(
    decoder: Decoder, trials: Trials, decoded: NDArray[np.float32], kin: Mapping[str, int], plan: Plan
) -> tuple[pd.DataFrame, dict[tuple[str, str], Result], Choices]:
    """Return scores of decoded trials, by subject and repetitions; of all subjects the mean of their own."""
    choices = choices_of(trials, kin, plan)
    frames: list[pd.DataFrame] = []
    results: dict[tuple[str, str], Result] = {}
    for n in plan.repetitions:
        sets, averaged = averages_of(decoder, trials, decoded, n, plan)
        people = [subject for subject in trials.subjects if (trials.table["subject"] == subject).any()]
        everyone = np.arange(len(averaged))
        if plan.subjects == "single" and len(people) > 1:
            codes = {name: code for code, name in enumerate(trials.subjects)}
            parts = {name: np.flatnonzero(sets.subjects == codes[name]) for name in people}
            scored = {who: _scored(averaged[rows], sets.first[rows], trials, choices, plan)
                      for who, rows in parts.items()}  # fmt: skip
            order = np.argsort(np.concatenate(list(parts.values())))
            joined = mean_over_subjects(scored, order, confidence=plan.confidence)
            parts, scored = parts | {ALL: everyone}, scored | {ALL: joined}
        else:
            parts = {ALL: everyone}
            scored = {ALL: _scored(averaged, sets.first, trials, choices, plan)}
        for subject, rows in parts.items():
            found = scored[subject]
            results[subject, str(n)] = found
            n_stimuli = len(np.unique(trials.column("stimulus")[sets.first[rows]]))
            frame = found.table.assign(n_trials=len(rows), n_stimuli=n_stimuli)
            frame.insert(0, "repetitions", str(n))
            frame.insert(0, "subject", subject)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True), results, choices


def averages_of(
    decoder: Decoder, trials: Trials, decoded: NDArray[np.float32], n: Repetitions, plan: Plan
) -> tuple[RepetitionSets, NDArray[np.float32]]:
    """Return which trials are averaged, and what is decoded from the averages."""
    stimuli = _repeated(trials)
    subjects, joint = trials.subject_codes, plan.subjects == "joint"

    def drawn(codes: Indices, people: Indices, wanted: Repetitions, joined: bool) -> RepetitionSets:
        return repetition_sets(
            codes, n_repetitions=wanted, subjects=people, joint=joined, n_draws=plan.n_draws, seed=plan.seed
        )

    if plan.averaging == "decoded" or n == 1:
        sets = drawn(stimuli, subjects, n, joint)
        return sets, average_decoded(decoded, sets)
    sets = drawn(stimuli, subjects, n, False)
    averaged = decode(decoder, average_signals(trials, sets))
    if not joint:
        return sets, averaged
    # One set of every subject is joined at a time, as single trials are.
    over = drawn(sets.stimuli, sets.subjects, 1, True)
    joined = RepetitionSets(over.weights @ sets.weights, over.stimuli, over.subjects)
    return joined, average_decoded(averaged, over)


def choices_of(trials: Trials, kin: Mapping[str, int], plan: Plan) -> Choices:
    """Return what there is to choose from, with the right choice of each trial."""
    targets, right = trials.targets, trials.column("target")
    if targets.are_classes:
        return Choices(targets.names, None, list(targets.names), right)
    if isinstance(plan.gallery, Targets):
        position = {name: row for row, name in enumerate(plan.gallery.names)}
        shown = [targets.names[row] for row in right]
        missing = list(dict.fromkeys(name for name in shown if name not in position))
        if missing:
            raise InputError(
                f"{len(missing)} held-out stimuli are not in the gallery: {', '.join(missing[:5])}. A "
                "gallery must hold what was shown; add their embeddings."
            )
        names, values = plan.gallery.names, plan.gallery.gallery
        right = np.array([position[name] for name in shown], dtype=np.intp)
    elif plan.gallery == "all":
        names, values = targets.names, targets.gallery
    else:
        kept, right = np.unique(right, return_inverse=True)
        names, values = tuple(targets.names[row] for row in kept), targets.gallery[kept]
    groups = [f"group {kin[name]}" if name in kin else f"stimulus {name}" for name in names]
    return Choices(names, values, groups, right.astype(np.intp))


def fingerprint(parts: Sequence[NDArray[np.float32]], plan: Plan) -> str:
    """Return one digest of a look: what was decoded, in several windows or one, and how that is scored."""
    gallery = plan.gallery.digest if isinstance(plan.gallery, Targets) else plan.gallery
    how = [gallery, plan.similarity, plan.averaging, plan.subjects]
    return digest_json([[digest_array(part) for part in parts], how])


def _scored(
    averaged: NDArray[np.float32], first: Indices, trials: Trials, choices: Choices, plan: Plan
) -> Result:
    right = choices.right[first]
    if choices.values is None:
        return classify(
            averaged,
            right,
            classes=choices.names,
            units=trials.table["unit"].astype(str).to_numpy()[first],
            order=recording_order(trials)[first],
            k_way=plan.k_way,
            interval=plan.interval,
            n_bootstraps=plan.n_bootstraps,
            n_permutations=plan.n_permutations,
            confidence=plan.confidence,
            seed=plan.seed,
        )
    return retrieve(
        averaged,
        choices.values,
        right,
        similarity=plan.similarity,
        same=choices.groups,
        names=choices.names,
        k_way=plan.k_way,
        n_bootstraps=plan.n_bootstraps,
        n_permutations=plan.n_permutations,
        confidence=plan.confidence,
        seed=plan.seed,
    )


def _repeated(trials: Trials) -> Indices:
    if not trials.targets.are_classes:
        return trials.column("stimulus")
    # Averages of classes stay within a unit and a class.
    units = np.unique(trials.table["unit"].astype(str), return_inverse=True)[1]
    keys = np.stack([trials.column("stimulus"), trials.column("target"), units])
    return np.unique(keys, axis=1, return_inverse=True)[1].astype(np.intp)
