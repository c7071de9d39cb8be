"""Decoding along the times of a trial: classes at every time, or windows that slide or grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_json
from ..._core.random import derive_seed
from ..plan import Plan
from ..store import Store
from .building import NETWORK, build_decoder
from .config import DecodeConfig, DecoderComponent, TimesOptions
from .scoring import EVERY, Parts, Scored, interval_of, repetitions_of, shown_to

if TYPE_CHECKING:
    from ...decoders import Decoder, ProtocolCard, Window, WindowScores
    from ...decoders.linear.over_times import LinearOverTimes

Floats = NDArray[np.float64]
COURSE_VERSION = 2
# Decoders are fitted anew to every exchange of labels; more exchanges would say little more.
MOST_PERMUTATIONS = 199
_FIELDS = (
    "value", "ci_low", "ci_high", "p", "p_corrected", "null", "fold_scores", "generalisation", "patterns",
)  # fmt: skip
_HEADLINE = ("top-1", "top-5", "accuracy", "balanced accuracy", "AUC")


@dataclass(frozen=True, eq=False)
class Course:
    """Scores of one decoder over times or windows, of one subject or of all.

    Attributes
    ----------
    decoder, scope, score : str
        Whose, of whom, and what.
    times_s : ndarray of shape (n_windows,)
        A time, the middle of a window, or the end of one that grows.
    value, ci_low, ci_high, p, p_corrected : ndarray of shape (n_windows,)
        NaN where there is none.
    chance : float
        Without any relation.
    n : int
        Trials.
    how : str
        A sentence for the methods.
    null : ndarray of shape (n_permutations, n_windows) or None
        Scores of exchanged labels.
    generalisation, patterns : ndarray or None
        (n_times, n_times), and (n_times, n_channels, n_outputs).
    card : ProtocolCard or None
        Of windows, which are one look at the held-out part.
    """

    decoder: str
    scope: str
    score: str
    times_s: Floats
    value: Floats
    ci_low: Floats
    ci_high: Floats
    p: Floats
    p_corrected: Floats
    chance: float
    n: int
    how: str
    null: Floats | None = None
    generalisation: Floats | None = None
    patterns: Floats | None = None
    classes: tuple[str, ...] = ()
    card: ProtocolCard | None = None


def courses_of(
    config: DecodeConfig, parts: Sequence[Parts], scored: Sequence[Scored], *, plan: Plan, store: Store
) -> list[Course]:
    """Decode along time as the configuration asks, by every decoder that can.

    :func:`check_times` comes first. Every time of classes is decoded by linear decoders of each subject in
    folds of their own, windows by every decoder on what is held out.
    """
    options = config.times
    if options is None:
        return []
    if parts[0].trials.targets.are_classes and options.windows == "each":
        linear = [one for one in config.decoders if one.kind != NETWORK]
        return [_each(config, one, part, scope, plan=plan, store=store)
                for one in linear for part in parts for scope in _subjects(part)]  # fmt: skip
    return [
        _windowed(config, options, one, parts, plan=plan)
        for one in scored
        if not one.shuffled and one.seed == 0
    ]


def check_times(config: DecodeConfig, parts: Sequence[Parts]) -> None:
    """Refuse what cannot be decoded along time, before anything is fitted.

    Raises
    ------
    InputError
        If there are no times, subjects differ in them, a window does not fit, no decoder can be used, or
        generalisation is asked for anything but linear classifiers at every time.
    """
    from ...decoders import windows_of

    options = config.times
    if options is None:
        return
    first, *others = [pair for part in parts for pair in part.trials.study.items()]
    for subject, recording in (first, *others):
        if recording.times_s is None:
            raise InputError(f"`times` needs times, and the recording of {subject!r} has none.")
    times = first[1].times_s
    assert times is not None  # just looked
    for subject, recording in others:
        own = recording.times_s
        if own is None or len(own) != len(times) or not np.allclose(own, times, atol=1e-6):
            raise InputError(
                f"`times` needs the same times in all subjects, and those of {subject!r} are not those of "
                f"{first[0]!r}; bring them to one sampling rate and `crop_s`."
            )
    classes = parts[0].trials.targets.are_classes
    linear = [one for one in config.decoders if one.kind != NETWORK]
    if options.generalise and not (classes and options.windows == "each" and linear):
        raise InputError(
            "`times: generalise` is of linear classifiers (lda, logistic) at each time; leave it out, or use "
            "`windows: each` with a label."
        )
    if classes and options.windows == "each" and not linear:
        raise InputError("`times: windows: each` needs a linear decoder (lda or logistic).")
    windows_of(times, kind=options.windows, width_s=options.width_s, step_s=options.step_s)


def _subjects(part: Parts) -> list[str]:
    return [name for name in part.trials.subjects if (part.trials.table["subject"] == name).any()]


def _each(
    config: DecodeConfig, component: DecoderComponent, part: Parts, subject: str, *, plan: Plan, store: Store
) -> Course:
    from ...decoders import decode_over_times

    assert config.times is not None  # the caller looked
    trials = part.trials.of_subjects([subject])
    # Five, unless there are fewer units; what the configuration names is taken at its word.
    n_folds = config.split.folds or min(5, trials.table["unit"].nunique())
    count = min(config.inference.n_permutations, MOST_PERMUTATIONS)
    seed = derive_seed(plan.seed, "over times", subject) % 2**31

    def make(folder: Path) -> None:
        found = decode_over_times(
            _estimator(component),
            trials,
            n_folds=n_folds,
            generalise=config.times is not None and config.times.generalise,
            n_permutations=count,
            confidence=config.inference.confidence,
            seed=seed,
        )
        arrays = {name: getattr(found, name) for name in _FIELDS if getattr(found, name) is not None}
        facts = [found.score, found.exchanged, *found.classes]
        np.savez(folder / "course.npz", times_s=found.times_s, facts=np.array(facts), **arrays)

    folder = store.get(
        "over-times",
        version=COURSE_VERSION,
        parameters={
            "decoder": component.model_dump(exclude={"name"}),
            "n_folds": n_folds,
            "generalise": config.times.generalise,
            "n_permutations": count,
            "confidence": config.inference.confidence,
            "seed": seed,
            "plan": plan.key(),
        },
        inputs={"trials": digest_json(trials.digest)},
        make=make,
    )
    with np.load(folder / "course.npz", allow_pickle=False) as kept:
        found = {name: kept[name] for name in kept.files}
    score, exchanged, *classes = map(str, found.pop("facts"))
    found.pop("fold_scores")
    folds = "one unit" if n_folds == "units" else f"{n_folds} folds of units"
    how = (
        f"At every time {_said(component)} was fitted to all channels and tested on held-out trials, {folds} "
        "left out in turn; mean over folds with Student's interval over them. p: "
        f"{count} exchanges of labels ({exchanged}), fitted anew, corrected by the largest score over times."
    )
    return Course(
        component.name or component.kind,
        subject,
        score,
        chance=1 / len(classes),
        n=len(trials),
        how=how,
        classes=tuple(classes),
        **found,
    )


def _said(component: DecoderComponent) -> str:
    return component.kind if component.kind == "lda" else f"{component.kind} (C {_penalty(component):g})"


def _estimator(component: DecoderComponent) -> LinearOverTimes:
    from ...decoders import DiscriminantOverTimes, LogisticOverTimes

    options = component.options
    standardize = bool(options.get("standardize", True))
    if component.kind == "lda":
        return DiscriminantOverTimes(shrinkage=options.get("shrinkage", "auto"), standardize=standardize)
    return LogisticOverTimes(C=_penalty(component), standardize=standardize)


def _penalty(component: DecoderComponent) -> float:
    """Return the penalty; of several the middle one, as choosing at every time needs folds within folds."""
    given = component.options.get("C", 1.0)
    several = sorted(given) if isinstance(given, list) else [given]
    return float(several[(len(several) - 1) // 2])


def _windowed(
    config: DecodeConfig, options: TimesOptions, one: Scored, parts: Sequence[Parts], *, plan: Plan
) -> Course:
    from ...decoders import windows_of

    part = next(each for each in parts if each.scope == one.scope)
    times = next(iter(part.trials.study.values())).times_s
    assert times is not None  # the caller looked
    windows = windows_of(times, kind=options.windows, width_s=options.width_s, step_s=options.step_s)
    repetitions = repetitions_of(config, part.trials)[-1]
    found = [
        _of_split(config, one, part, fold, windows, repetitions, plan=plan)
        for fold in range(len(part.splits))
    ]
    score = next(name for name in _HEADLINE if (found[0].table["score"] == name).any())
    columns, card = _over_windows(
        found, score, str(repetitions), config.inference.confidence, one.evaluation.card
    )
    chance = [each.table.loc[each.table["score"] == score, "chance"].mean() for each in found]
    grows = options.windows == "cumulative"
    places = [w.stop_s if grows else (w.start_s + w.stop_s) / 2 for w in windows]
    return Course(
        one.decoder,
        one.scope,
        score,
        np.array(places),
        chance=float(np.mean(chance)),
        n=sum(int(each.table.loc[each.table["subject"] == EVERY, "n_trials"].iloc[0]) for each in found),
        how=f"{one.decoder} over time: {card.window}. {card.uncertainty}.",
        card=card,
        **columns,
    )


def _of_split(
    config: DecodeConfig,
    one: Scored,
    part: Parts,
    fold: int,
    windows: Sequence[Window],
    repetitions: int | Literal["all"],
    *,
    plan: Plan,
) -> WindowScores:
    """Return the scores of windows in one split, of the decoder that was fitted to it or of new ones."""
    from ...decoders import evaluate_windows

    split = part.splits[fold]
    training, validation = shown_to(one.component, split.training, split.validation)
    seed = derive_seed(plan.seed, "decoder", one.decoder, part.scope, "0", str(fold)) % 2**31
    interval, n_bootstraps = interval_of(config, part, split)

    def anew() -> Decoder:
        return build_decoder(one.component, seed=seed, device=plan.device)

    return evaluate_windows(
        one.of_folds[fold] if one.component.kind == NETWORK else anew,
        replace(split, training=training, validation=validation),
        windows,
        gallery=config.gallery,
        repetitions=repetitions,
        interval=interval,
        n_bootstraps=n_bootstraps,
        n_permutations=config.inference.n_permutations,
        confidence=config.inference.confidence,
        seed=derive_seed(plan.seed, "windows", str(fold)) % 2**31,
    )


def _over_windows(
    found: Sequence[WindowScores], score: str, repetitions: str, confidence: float, main: ProtocolCard
) -> tuple[dict[str, Any], ProtocolCard]:
    """Return value, interval, p and null of every window: of the one split, or pooled over folds."""
    from ...decoders import Evaluation, compare_over_times, pool_folds

    key = (EVERY, repetitions)
    cards = [each.card for each in found]
    if len(found) == 1:
        rows = [result[key].table.set_index("score").loc[score] for result in found[0].results]
        null = np.stack([result[key].null[score] for result in found[0].results], axis=1)
        card = cards[0]
    else:
        pooled = [
            pool_folds([Evaluation(f.table, f.results[place], f.card) for f in found], confidence=confidence)
            for place in range(len(found[0].windows))
        ]
        tables = [each.table[each.table["subject"] == EVERY].set_index("score") for each in pooled]
        rows = [table.loc[score] for table in tables]
        null = np.stack([each.null[(*key, score)] for each in pooled], axis=1)
        said = pooled[0].card.uncertainty.replace(
            "not corrected for many tests", "corrected over windows: max"
        )
        # What is held out is what the main score was of.
        of_all = {name: getattr(main, name) for name in ("n_stimuli", "n_stimuli_seen")}
        card = replace(pooled[0].card, uncertainty=said, **of_all)
    value, low, high = (
        np.array([row[name] for row in rows], dtype=np.float64) for name in ("value", "ci_low", "ci_high")
    )
    test = compare_over_times(value, null)
    # An interval of draws need not hold the estimate; a report's does.
    columns = {"value": value, "ci_low": np.minimum(low, value), "ci_high": np.maximum(high, value)}
    return {**columns, "p": test.p, "p_corrected": test.p_corrected, "null": null}, card
