"""The card that goes with every score: what was ranked or told apart, how, and who chose what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...stats.folds import LeakageAudit

_WIDTH = 26


@dataclass(frozen=True)
class ProtocolCard:
    """How a score came about.

    Attributes
    ----------
    task : str
        Such as ``"retrieval of the stimulus"`` or ``"classification"``.
    decoder : str
        Kind of the decoder.
    chosen_by : str
        What chose epoch and settings; never the held-out part.
    choices : str
        The gallery, or the classes.
    n_choices : int
        How many there are to choose from.
    n_choices_seen : int or None
        Stimuli of the gallery that the decoder was fitted to or chosen by, near-duplicates included; None
        for classes.
    n_stimuli_seen : int
        Held-out stimuli (by name) that were seen in training too, where classes allow it.
    similarity : str or None
        What ranked the gallery.
    repetitions : tuple of (int or str)
        Trials averaged, one result for each.
    averaging : str
        How they were averaged.
    subjects : tuple of str
        Whose trials were decoded.
    joint : bool
        Whether what was decoded from several subjects was averaged.
    n_subjects_fitted : int
        Subjects that the decoder was fitted on.
    n_trials, n_stimuli, n_units : int
        Held out.
    units : tuple of str
        Names of the first held-out units.
    window : str
        Times of a trial that were decoded, and whether the decoder was fitted to these.
    audit : LeakageAudit
        Of the split.
    chance : mapping of str to float
        Expected without any relation, by score.
    uncertainty : str
        What intervals and p are.
    times_evaluated : int
        Decoders, and ways of scoring them, evaluated on this held-out part so far in this process, this one
        included.
    seed : int
        Of draws in the evaluation.
    settings : mapping of str to object
        What the decoder says of itself.
    """

    task: str
    decoder: str
    chosen_by: str
    choices: str
    n_choices: int
    n_choices_seen: int | None
    n_stimuli_seen: int
    similarity: str | None
    repetitions: tuple[int | str, ...]
    averaging: str
    subjects: tuple[str, ...]
    joint: bool
    n_subjects_fitted: int
    n_trials: int
    n_stimuli: int
    n_units: int
    units: tuple[str, ...]
    window: str
    audit: LeakageAudit
    chance: Mapping[str, float]
    uncertainty: str
    times_evaluated: int
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return the card as pairs of a name and a sentence."""
        pairs = [
            ("task", self.task),
            ("decoder", self.decoder),
            ("epoch and settings", f"{self.chosen_by}; the held-out part cannot choose"),
            ("choices" if self.similarity is None else "gallery", self.choices),
            ("seen in training", self._seen()),
        ]
        if self.similarity is not None:
            pairs.append(("ranked by", self.similarity))
        how_many = ", ".join(map(str, self.repetitions))
        people = "the mean over what was decoded from" if self.joint else "each scored by itself:"
        named = ", ".join(self.units) + (", ..." if self.n_units > len(self.units) else "")
        chance = "; ".join(f"{name} {_number(value)}" for name, value in self.chance.items())
        return (
            *pairs,
            ("repetitions averaged", f"{how_many}: {self.averaging}"),
            ("subjects", f"{people} {', '.join(self.subjects)}; fitted on {self.n_subjects_fitted}"),
            ("held out", f"{self.n_trials} trials of {self.n_stimuli} stimuli"),
            ("units of the split", f"{self.n_units} held out: {named}"),
            ("overlap audit", self._verdict()),
            ("window", self.window),
            ("chance", chance),
            ("intervals and p", self.uncertainty),
            ("times evaluated", self._looks()),
            ("seed", str(self.seed)),
        )

    def to_text(self) -> str:
        """Return the card as aligned lines."""
        return "\n".join(f"{name:<{_WIDTH}}{value}" for name, value in self.lines())

    def to_json(self) -> str:
        """Return the card as JSON text."""
        return json.dumps(asdict(self), indent=2, default=str)

    def __str__(self) -> str:
        return self.to_text()

    def _seen(self) -> str:
        if self.n_choices_seen is None:
            return (
                f"{self.n_stimuli_seen} of {self.n_stimuli} held-out stimuli were shown in training too, in "
                "other units"
            )
        if self.n_choices_seen:
            return f"{self.n_choices_seen} of {self.n_choices} stimuli of the gallery; of those held out none"
        return "none of the gallery: never seen in training"

    def _verdict(self) -> str:
        found = "; ".join(self.audit.findings)
        return (
            f"{self.audit.verdict} (checked: {', '.join(self.audit.checked)}){': ' if found else ''}{found}"
        )

    def _looks(self) -> str:
        if self.times_evaluated == 1:
            return "1 decoder was evaluated on this held-out part in this process"
        return (
            f"{self.times_evaluated} decoders were evaluated on this held-out part in this process (each way "
            f"of scoring counts): the best of {self.times_evaluated} would flatter"
        )


def _number(value: float) -> str:
    return f"{value:.4g}"
