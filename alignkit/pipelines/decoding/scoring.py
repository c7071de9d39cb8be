"""Every decoder fitted to the parts it may see, and evaluated on what it may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from ...decoders.decoder import Seen
from ...decoders.trials import Targets, Trials
from ..plan import Plan
from ..store import Store
from .building import NETWORK
from .config import DecodeConfig, DecoderComponent
from .fitting import fitted_decoder
from .targets import Embeddings, fitted_targets

if TYPE_CHECKING:
    from ...decoders import Decoder, Evaluation, FoldsEvaluation, Split

EVERY = "all"
SHUFFLED = "shuffled"
_EXCHANGES = 50
# Draws of fewer units give intervals that are too narrow, of a single one none at all.
_FEW_UNITS = 20


@dataclass(frozen=True, eq=False)
class Scored:
    """What one decoder reached, of one subject or of all.

    Attributes
    ----------
    decoder : str
        Its name in the report.
    component : DecoderComponent
        Its settings.
    scope : str
        The subject, or ``"all"`` for a decoder of all subjects.
    seed : int
        Which of its trainings, from 0.
    shuffled : bool
        Whether it was fitted to exchanged targets.
    evaluation : Evaluation or FoldsEvaluation
        Scores and the card.
    fitted : Decoder
        Fitted to the training part of the split; with folds to all trials, for new recordings.
    of_folds : tuple of Decoder
        The decoder of every split.
    """

    decoder: str
    component: DecoderComponent
    scope: str
    seed: int
    shuffled: bool
    evaluation: Evaluation | FoldsEvaluation
    fitted: Decoder
    of_folds: tuple[Decoder, ...] = ()

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Of every fold, or the one."""
        from ...decoders import Evaluation

        return (self.evaluation,) if isinstance(self.evaluation, Evaluation) else self.evaluation.folds

    @property
    def table(self) -> pd.DataFrame:
        """A row per subject, repetitions and score."""
        return self.evaluation.table


@dataclass(frozen=True, eq=False)
class Parts:
    """The splits of one scope: a subject's trials, or everybody's.

    Attributes
    ----------
    scope : str
        The subject, or ``"all"``.
    trials : Trials
        What was parted, targets fitted on the training part of the first split.
    splits : tuple of Split
        One, or one for each fold.
    """

    scope: str
    trials: Trials
    splits: tuple[Split, ...]


def parts_of(config: DecodeConfig, trials: Trials, embeddings: Embeddings | None) -> list[Parts]:
    """Part the trials of each subject, or of all of them together.

    Embeddings are centred, scaled and reduced by the training part's stimuli; what the units are does not
    depend on it, so that the parts stay the same.
    """
    splits = _splits(config, trials)
    if embeddings is not None:
        shown = splits[0].training.table["stimulus_id"].tolist()
        targets = fitted_targets(embeddings, shown, components=config.target.components)
        trials = replace(trials, targets=targets)
        splits = _splits(config, trials)
    if config.subjects == "joint" or len(trials.subjects) == 1:
        return [Parts(EVERY, trials, splits)]
    # Of everybody the same units are held out, so that their scores are of the same stimuli.
    return [
        Parts(name, trials.of_subjects([name]), tuple(split.of_subjects([name]) for split in splits))
        for name in trials.subjects
    ]


def score_decoders(config: DecodeConfig, parts: Sequence[Parts], *, plan: Plan, store: Store) -> list[Scored]:
    """Fit and evaluate every decoder in every scope, and once more on exchanged targets where asked."""
    every = [
        (component, part, number, shuffled)
        for shuffled in ((False, True) if config.shuffled else (False,))
        for component in config.decoders
        for part in parts
        for number in range(config.seeds if component.kind == NETWORK and not shuffled else 1)
    ]
    return [
        _score(config, component, part, number, shuffled, plan=plan, store=store)
        for component, part, number, shuffled in track(every, "decoders")
    ]


def n_looks(parts: Sequence[Parts], scope: str) -> int:
    """Return how many decoders were evaluated on what is held out of a scope, up to now."""
    part = next(each for each in parts if each.scope == scope)
    return max(split.held_out.times_evaluated for split in part.splits)


def counted(scored: Sequence[Scored], parts: Sequence[Parts]) -> list[Scored]:
    """Return decoders whose cards count all that were evaluated on their held-out part, later ones too."""
    made = []
    for one in scored:
        card = replace(one.evaluation.card, times_evaluated=n_looks(parts, one.scope))
        made.append(replace(one, evaluation=replace(one.evaluation, card=card)))
    return made


def fit_part(
    component: DecoderComponent,
    training: Trials,
    validation: Trials | None,
    *,
    seed: int,
    plan: Plan,
    store: Store,
) -> Decoder:
    """Fit a decoder to what it may see.

    A network stops by its validation part. Linear decoders choose by cross-validation in both parts
    together: the stronger baseline.
    """
    for name, part in (("training", training), ("validation", validation)):
        if part is not None and not isinstance(part, Trials):
            raise InputError(
                f"`{name}` must be Trials, got {type(part).__name__}, which nothing is fitted to."
            )
    training, validation = shown_to(component, training, validation)
    return fitted_decoder(component, training, validation, seed=seed, plan=plan, store=store)


def shown_to(
    component: DecoderComponent, training: Trials, validation: Trials | None
) -> tuple[Trials, Trials | None]:
    """Return the parts as a decoder gets them: joined for a linear one, means where it asks for them."""
    if training.targets.n_variants and not _wants_variants(component):
        training, validation = (
            _tested_variant(training),
            None if validation is None else _tested_variant(validation),
        )
    if component.kind != NETWORK and validation is not None:
        table = pd.concat([training.table, validation.table], ignore_index=True)
        training, validation = replace(training, table=table), None
    if component.average:
        training = training.average_repetitions()
        validation = None if validation is None else validation.average_repetitions()
    return training, validation


def _wants_variants(component: DecoderComponent) -> bool:
    from ...decoders import OBJECTIVES

    if component.kind != NETWORK:
        return False
    return "blur" in str(OBJECTIVES.facts(component.options["objective"]["kind"])["targets"])


def _tested_variant(trials: Trials) -> Trials:
    """Return trials whose stimuli have one version, the one that decoders are evaluated against."""
    return replace(trials, targets=Targets(trials.targets.names, trials.targets.gallery))


def _score(
    config: DecodeConfig,
    component: DecoderComponent,
    part: Parts,
    number: int,
    shuffled: bool,
    *,
    plan: Plan,
    store: Store,
) -> Scored:
    from ...decoders import evaluate, pool_folds

    name = component.name or component.kind
    found, decoders = [], []
    for fold, split in enumerate(part.splits):
        training, validation = split.training, split.validation
        if shuffled:
            seed = derive_seed(plan.seed, SHUFFLED, part.scope, str(fold))
            training = _exchanged(training, seed)
            validation = None if validation is None else _exchanged(validation, seed)
        seed = derive_seed(plan.seed, "decoder", name, part.scope, str(number), str(fold)) % 2**31
        decoder = fit_part(component, training, validation, seed=seed, plan=plan, store=store)
        decoders.append(decoder)
        interval, n_bootstraps = interval_of(config, part, split)
        found.append(
            evaluate(
                decoder,
                split.held_out,
                gallery=config.gallery,
                repetitions=repetitions_of(config, part.trials),
                interval=interval,
                n_bootstraps=n_bootstraps,
                n_permutations=config.inference.n_permutations,
                confidence=config.inference.confidence,
                seed=derive_seed(plan.seed, "evaluation", str(fold)) % 2**31,
            )
        )
    evaluation = found[0] if len(found) == 1 else pool_folds(found, confidence=config.inference.confidence)
    kept = decoders[0]
    if len(found) > 1 and not shuffled and number == 0:
        kept = _of_all_trials(component, part, name, plan=plan, store=store)
    return Scored(name, component, part.scope, number, shuffled, evaluation, kept, tuple(decoders))


def _of_all_trials(
    component: DecoderComponent, part: Parts, name: str, *, plan: Plan, store: Store
) -> Decoder:
    """Return the decoder of new recordings: once folds have told how good it is, no trial is spared."""
    first = part.splits[0]
    training, validation = part.trials, first.validation
    if validation is not None:
        chosen = Seen.of(validation).units
        training = training.take(~training.table["unit"].astype(str).isin(chosen).to_numpy())
    seed = derive_seed(plan.seed, "decoder", name, part.scope, "all trials") % 2**31
    return fit_part(component, training, validation, seed=seed, plan=plan, store=store)


def interval_of(config: DecodeConfig, part: Parts, split: Split) -> tuple[Literal["bootstrap", "t"], int]:
    """Return which interval tells how sure a score is, and of how many draws; 0: there is none."""
    n_units = len(split.held_out.units)
    if not part.trials.targets.are_classes or n_units >= _FEW_UNITS:
        return "bootstrap", config.inference.n_bootstrap
    return ("t", config.inference.n_bootstrap) if n_units > 1 else ("bootstrap", 0)


def _exchanged(trials: Trials, seed: int) -> Trials:
    """Return trials with exchanged targets; of classes the exchange that tells least of the right ones.

    Where classes lie far apart, a decoder of any exchange that happens to keep (or reverse) some of them is
    far above (or below) chance, although nothing leaks.
    """
    from ...decoders import shuffle_targets

    if not trials.targets.are_classes:
        return shuffle_targets(trials, seed=seed)
    tried = [shuffle_targets(trials, seed=derive_seed(seed, str(n)) % 2**63) for n in range(_EXCHANGES)]
    right = trials.column("target")
    return min(tried, key=lambda one: _association(right, one.column("target")))


def _association(right: NDArray[np.intp], exchanged: NDArray[np.intp]) -> float:
    counts = np.zeros((right.max() + 1, exchanged.max() + 1))
    np.add.at(counts, (right, exchanged), 1.0)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / len(right)
    return float(((counts - expected) ** 2).sum())


def repetitions_of(config: DecodeConfig, trials: Trials) -> tuple[int | Literal["all"], ...]:
    """Return how many presentations are averaged: what is asked for, or single ones of classes, else all."""
    if config.repetitions is not None:
        return tuple(config.repetitions)
    return (1,) if trials.targets.are_classes else ("all",)


def _splits(config: DecodeConfig, trials: Trials) -> tuple[Split, ...]:
    from ...decoders import folds_of_trials, split_trials

    asked, seed = config.split, derive_seed(config.seed, "split") % 2**31
    validation = asked.validation if any(one.kind == NETWORK for one in config.decoders) else 0
    if asked.folds is not None:
        if not trials.targets.are_classes:
            raise InputError(
                "`split: folds` is for classes. Embeddings are fitted on one training part's stimuli; hold "
                "out others with `split: test`."
            )
        splits = folds_of_trials(trials, n_folds=asked.folds, validation=validation, seed=seed)
        return tuple(splits)
    return (split_trials(trials, test=asked.test, validation=validation, seed=seed),)
