"""Evaluation of a decoder on what is held out: every score with its chance, interval, p and card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ..._core.errors import InputError
from ..decoder import Decoder
from ..trials import Targets, Trials
from ._cards import card_of, times_of
from ._scoring import ALL, Plan, Repetitions, Result, decode, fingerprint, score_trials
from ._sealed import HeldOut
from .protocol import ProtocolCard
from .retrieval import WAYS, Similarity


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of :func:`evaluate`.

    Attributes
    ----------
    table : DataFrame
        A row per `subject` (``"all"``: their mean), `repetitions` and `score`, with `value`, `ci_low`,
        `ci_high`, `chance`, `null_low`, `null_high`, `p`, `n_trials` (averages count as one) and `n_stimuli`.
    results : mapping of (str, str) to Retrieval or Classification
        Ranks and nulls, or confusions, by subject and repetitions as in the table.
    card : ProtocolCard
        How the scores came about.
    stimuli, stimuli_seen : frozenset of str
        Names of the stimuli held out, and of those that were seen in training too.
    """

    table: pd.DataFrame
    results: Mapping[tuple[str, str], Result]
    card: ProtocolCard
    stimuli: frozenset[str] = frozenset()
    stimuli_seen: frozenset[str] = frozenset()

    def value(self, score: str, *, subject: str = ALL, repetitions: Repetitions | None = None) -> float:
        """Return a score; of the first kind of repetitions that was evaluated unless they are named."""
        wanted = self.card.repetitions[0] if repetitions is None else repetitions
        found = self.results.get((subject, str(wanted)))
        if found is None:
            known = ", ".join(f"{who} x {n}" for who, n in self.results)
            raise InputError(
                f"there is no result of subject {subject!r} and {wanted} repetitions; there are {known}."
            )
        return found.value(score)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def __str__(self) -> str:
        return f"{self.table.to_string(index=False)}\n\n{self.card.to_text()}"


def evaluate(
    decoder: Decoder,
    held_out: HeldOut,
    *,
    gallery: Literal["held-out", "all"] | Targets = "held-out",
    similarity: Similarity = "cosine",
    repetitions: Sequence[Repetitions] | None = None,
    averaging: Literal["decoded", "signals"] = "decoded",
    subjects: Literal["single", "joint"] = "single",
    k_way: Sequence[int] = WAYS,
    interval: Literal["bootstrap", "t"] = "bootstrap",
    n_draws: int = 10,
    n_bootstraps: int = 2000,
    n_permutations: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Decode what is held out and score it.

    Parameters
    ----------
    decoder : Decoder
        Fitted; that it has seen nothing of what is held out is checked.
    held_out : HeldOut
        Of :func:`split_trials`.
    gallery : {"held-out", "all"} or Targets, default="held-out"
        Stimuli to retrieve from: those held out, all that have targets, or others that hold those held out.
    similarity : {"cosine", "correlation", "dot", "euclidean"}, default="cosine"
        What ranks the gallery.
    repetitions : sequence of (int or "all"), optional
        Trials of a stimulus that are averaged, a result for each; by default 1 and ``"all"`` for embeddings,
        1 for classes.
    averaging : {"decoded", "signals"}, default="decoded"
        Average what was decoded from single trials, or decode the averaged signals.
    subjects : {"single", "joint"}, default="single"
        Score each subject's trials, and average the scores over subjects; or score the mean over subjects of
        what was decoded.
    k_way : sequence of int, default=(2, 4, 10, 50)
        Choices among k; those above the gallery's size, or the number of classes, are left out.
    interval : {"bootstrap", "t"}, default="bootstrap"
        For classes: over draws of units, or Student's over units. Retrieval draws stimuli.
    n_draws : int, default=10
        Draws of which repetitions are averaged, where there is a choice.
    n_bootstraps, n_permutations : int, default=2000 and 1000
        Of intervals and of p. 0: none.
    confidence : float, default=0.95
        Of intervals and null ranges.
    seed : int, default=0
        Of all draws.

    Returns
    -------
    evaluation : Evaluation
        Scores and the card.

    Raises
    ------
    InputError
        If the decoder has seen a part of what is held out, decodes NaN, a stimulus is not in the gallery,
        or as in :func:`retrieve` and :func:`classify`.
    """
    if not isinstance(held_out, HeldOut):
        raise InputError(
            f"`held_out` must be the held-out part of `split_trials`, got {type(held_out).__name__}. "
            "Trials that a decoder may be fitted to give no score that could be reported."
        )
    trials, kin = held_out._open_for(decoder)
    plan = Plan(
        gallery,
        similarity,
        _repetitions(repetitions, trials),
        averaging,
        subjects,
        tuple(k_way),
        interval,
        n_draws,
        n_bootstraps,
        n_permutations,
        confidence,
        seed,
    )
    decoded = decode(decoder, trials)
    table, results, choices = score_trials(decoder, trials, decoded, kin, plan)
    n_looks = held_out._count(fingerprint([decoded], plan))
    card = card_of(
        decoder, held_out, trials, choices, plan, table, results, n_looks=n_looks, window=times_of(trials)
    )
    stimuli = frozenset(map(str, trials.table["stimulus_id"]))
    return Evaluation(table, results, card, stimuli, stimuli & decoder.seen_.stimuli)


def _repetitions(wanted: Sequence[Repetitions] | None, trials: Trials) -> tuple[Repetitions, ...]:
    if wanted is not None:
        return tuple(dict.fromkeys(wanted))
    return (1,) if trials.targets.are_classes else (1, "all")
