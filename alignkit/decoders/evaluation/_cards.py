"""Fills in the card of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..decoder import Decoder
from ..trials import Targets, Trials
from ._over_subjects import LEAST_SUBJECTS
from ._scoring import ALL, Choices, Plan, Result
from ._sealed import HeldOut
from .classification import Classification
from .protocol import ProtocolCard

_N_NAMED = 5


def card_of(
    decoder: Decoder,
    held_out: HeldOut,
    trials: Trials,
    choices: Choices,
    plan: Plan,
    table: pd.DataFrame,
    results: Mapping[tuple[str, str], Result],
    *,
    n_looks: int,
    window: str,
) -> ProtocolCard:
    """Return the card of scores."""
    embeddings = choices.values is not None
    seen = decoder.seen_
    chance = table[table["subject"] == ALL].drop_duplicates("score").set_index("score")["chance"]
    averaging = "single trials"
    if plan.repetitions != (1,) or plan.subjects == "joint":
        what = "what was decoded" if plan.averaging == "decoded" else "the signals, then decoded"
        averaging = f"mean of {what}; up to {plan.n_draws} draws of which repetitions"
    return ProtocolCard(
        task="retrieval of the stimulus" if embeddings else "classification",
        decoder=decoder.kind,
        chosen_by=decoder.chosen_by_,
        choices=_choices_text(choices, plan),
        n_choices=len(set(choices.groups)),
        n_choices_seen=_n_seen(choices, seen.stimuli, held_out) if embeddings else None,
        n_stimuli_seen=len(set(trials.table["stimulus_id"].astype(str)) & seen.stimuli),
        similarity=plan.similarity if embeddings else None,
        repetitions=plan.repetitions,
        averaging=averaging,
        subjects=held_out.subjects,
        joint=plan.subjects == "joint",
        n_subjects_fitted=len({subject for subject, _ in seen.samples}),
        n_trials=held_out.n_trials,
        n_stimuli=held_out.n_stimuli,
        n_units=len(held_out.units),
        units=held_out.units[:_N_NAMED],
        window=window,
        audit=held_out.audit,
        chance={str(name): float(value) for name, value in chance.items()},
        uncertainty=_uncertainty(embeddings, plan, results),
        times_evaluated=n_looks,
        seed=plan.seed,
        settings=decoder.describe(),
    )


def times_of(trials: Trials) -> str:
    """Return the times of a trial, for the card."""
    times_s = trials.study[trials.subjects[0]].times_s
    return "responses without times" if times_s is None else f"all times, {times_s[0]:g} to {times_s[-1]:g} s"


def _n_seen(choices: Choices, seen: frozenset[str], held_out: HeldOut) -> int:
    groups = held_out._groups_of(seen) | {f"stimulus {name}" for name in seen}
    return len({group for group in choices.groups if group in groups})


def _choices_text(choices: Choices, plan: Plan) -> str:
    if choices.values is None:
        return f"{len(choices.names)} classes: {', '.join(choices.names[:_N_NAMED])}" + (
            ", ..." if len(choices.names) > _N_NAMED else ""
        )
    which = {"held-out": "held out", "all": "all that have targets"}
    kind = "a gallery of its own" if isinstance(plan.gallery, Targets) else which[plan.gallery]
    n_stimuli = len(set(choices.groups))
    merged = f", from {len(choices.names)} entries" if n_stimuli < len(choices.names) else ""
    return f"{n_stimuli} stimuli ({kind}{merged})"


def _uncertainty(embeddings: bool, plan: Plan, results: Mapping[tuple[str, str], Result]) -> str:
    drawn = "stimuli" if embeddings else "units"
    if not embeddings and plan.interval == "t":
        interval = f"{plan.confidence:.0%} Student's interval over units"
    else:
        interval = f"{plan.confidence:.0%} from {plan.n_bootstraps} bootstrap draws of {drawn}"
    n_subjects = len({subject for subject, _ in results if subject != ALL})
    if n_subjects >= LEAST_SUBJECTS:
        interval += f'; of "all" {plan.confidence:.0%} Student\'s interval over the {n_subjects} subjects'
    elif n_subjects:
        interval += '; of "all" that of the mean of both subjects, whose spread is not in it'
    exchanged = "the identities of stimuli"
    if not embeddings:
        kinds = {found.exchanged for found in results.values() if isinstance(found, Classification)}
        exchanged = f"labels: {' or '.join(sorted(kinds))}"
    exchanged += ", within each subject" if n_subjects else ""
    return f"{interval}; p from {plan.n_permutations} exchanges of {exchanged}, not corrected"
