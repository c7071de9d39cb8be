"""What every decoder is: fitted on a training and a validation part, then asked about trials it never saw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError
from ._fingerprints import fingerprints_of
from .trials import Trials


@dataclass(frozen=True)
class Seen:
    """What a decoder was shown while it was made, in either part.

    Attributes
    ----------
    samples : frozenset of (str, int)
        Subject and row of every trial.
    units : frozenset of str
        What must stay on one side of a split.
    stimuli : frozenset of str
        Stimuli by name.
    data : frozenset of str
        Digest of each trial's data, so that the same data are known under other names too; empty where
        trials cannot be told apart by their data (see :func:`fingerprints_of`).
    """

    samples: frozenset[tuple[str, int]] = frozenset()
    units: frozenset[str] = frozenset()
    stimuli: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *parts: Trials | None) -> Seen:
        """Return what the trials of some parts show."""
        tables = [part.table for part in parts if part is not None]
        return cls(
            frozenset(pair for table in tables for pair in _samples(table)),
            frozenset(str(unit) for t in tables for unit in t["unit"]),
            frozenset(str(name) for t in tables for name in t["stimulus_id"]),
            fingerprints_of(*(part for part in parts if part is not None)),
        )

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Seen:
        """Return what `to_json` was made of."""
        samples = frozenset((subject, row) for subject, rows in facts["samples"].items() for row in rows)
        data = frozenset(facts.get("data", ()))
        return cls(samples, frozenset(facts["units"]), frozenset(facts["stimuli"]), data)

    def to_json(self) -> dict[str, Any]:
        """Return the rows of each subject, units, stimuli and digests of data, in order."""
        rows: dict[str, list[int]] = {}
        for subject, row in sorted(self.samples):
            rows.setdefault(subject, []).append(row)
        return {
            "samples": rows,
            "units": sorted(self.units),
            "stimuli": sorted(self.stimuli),
            "data": sorted(self.data),
        }

    def __or__(self, other: Seen) -> Seen:
        return Seen(
            self.samples | other.samples,
            self.units | other.units,
            self.stimuli | other.stimuli,
            self.data | other.data,
        )


def _samples(table: pd.DataFrame) -> Iterator[tuple[str, int]]:
    # A mean shows every trial that it was made of.
    rows = table["sources"] if "sources" in table else table["row"].astype(str)
    for subject, own in zip(table["subject"], rows, strict=True):
        yield from ((str(subject), int(row)) for row in str(own).split())


def _check_apart(training: pd.DataFrame, validation: pd.DataFrame) -> None:
    units = set(training["unit"].astype(str)) & set(validation["unit"].astype(str))
    if units:
        raise InputError(
            f"{len(units)} unit(s) are in the training and in the validation part: "
            f"{', '.join(sorted(units)[:3])}. Split by units."
        )
    samples = set(_samples(training)) & set(_samples(validation))
    if samples:
        subject, row = min(samples)
        raise InputError(
            f"{len(samples)} sample(s) are in the training and in the validation part under units of other "
            f"names, such as row {row} of {subject!r}. Split by units."
        )


class Decoder(ABC):
    """Base of the decoders; a subclass gives `_fit`, `_predict`, `save` and `load`.

    Attributes
    ----------
    kind : str
        Name in the registry and on disk.
    seen_ : Seen
        What it was fitted on; only after a `fit` that came to its end.
    chosen_by_ : str
        What chose settings and epoch, such as ``"cross-validation in the training part"``; for the protocol.
    """

    kind: ClassVar[str]
    seen_: Seen
    chosen_by_: str = "nothing was chosen"

    def fit(self, training: Trials, *, validation: Trials | None = None) -> Self:
        """Fit the decoder.

        Parameters
        ----------
        training : Trials
            What weights are fitted to.
        validation : Trials, optional
            What chooses the epoch and settings; no unit of it may be in the training part. A part that is
            held out for testing is of another type and cannot be given.

        Returns
        -------
        self : Decoder
            Fitted.

        Raises
        ------
        InputError
            If a part is no trials, the parts share a unit or a sample, or there is too little to fit.
        """
        for name, part in (("training", training), ("validation", validation)):
            if part is not None and not isinstance(part, Trials):
                raise InputError(
                    f"`{name}` must be Trials, got {type(part).__name__}. What is held out for testing is "
                    "evaluated once, and never fitted to or chosen by."
                )
        if validation is not None:
            _check_apart(training.table, validation.table)
        # What an earlier fit saw says nothing of weights that a failed fit may have left half made.
        self.__dict__.pop("seen_", None)
        self._fit(training, validation)
        self.seen_ = Seen.of(training, validation)
        return self

    def predict(self, trials: Trials) -> NDArray[np.float32]:
        """Decode trials.

        Parameters
        ----------
        trials : Trials
            Of subjects that the decoder was fitted on.

        Returns
        -------
        decoded : ndarray of shape (n_trials, n_dims[, n_target_times]) or (n_trials, n_classes)
            Embeddings in the space of the targets, or scores of classes (higher is likelier).
        """
        if not hasattr(self, "seen_"):
            raise InputError("this decoder is not fitted yet; call `fit` first.")
        return self._predict(trials)

    @abstractmethod
    def _fit(self, training: Trials, validation: Trials | None) -> None: ...

    @abstractmethod
    def _predict(self, trials: Trials) -> NDArray[np.float32]: ...

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write to a folder: JSON and safetensors, whole or not at all."""

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return kind, settings, and what was chosen by what, as JSON."""
