"""What linear decoders of classes share: maps of subjects, their fit, their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.recording import Recording
from .._storage import read_fitted, write_fitted
from ..decoder import Decoder, Seen
from ..trials import Trials
from ._flat_trials import FlatTrials, each_subject, flats_of, map_of
from .over_times import Weights, channel_scales

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Subjects = Literal["separate", "joint"]


@dataclass(frozen=True, eq=False)
class _Map:
    """Of one subject, in the units of its recording."""

    flat: FlatTrials
    coef: Floats  # (n_features, n_classes)
    intercept: Floats  # (n_classes,)
    setting: float  # C of the logistic regression; NaN where there is none


@dataclass(frozen=True, eq=False)
class Part:
    """Trials that share a map, each subject's z-scored by itself where that is asked for."""

    signals: Floats  # (n_trials, n_features)
    codes: Indices
    units: list[str]


class ClassDecoder(Decoder):
    """What both decoders of classes do; they differ in how weights are found, and what is chosen."""

    window_s: list[float] | None
    average_window: bool
    standardize: bool
    subjects: Subjects
    _option_names: ClassVar[tuple[str, ...]]

    def save(self, folder: str | Path) -> None:
        """Write to a folder: `decoder.json` and `decoder.safetensors`, whole or not at all.

        Raises
        ------
        InputError
            If it is not fitted, or the folder holds something other than a decoder.
        """
        self._check_fitted()
        arrays = {
            f"{number}.{name}": np.asarray(getattr(own, name))
            for number, own in enumerate(self._maps.values())
            for name in ("coef", "intercept", "setting")
        }
        facts = {
            "parameters": self._parameters(),
            "chosen_by": self.chosen_by_,
            "classes": list(self.classes_),
            "maps": {subject: own.flat.to_json() for subject, own in self._maps.items()},
            "seen": self.seen_.to_json(),
        }
        write_fitted(folder, self.kind, facts, arrays)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; it predicts the same bits.

        Raises
        ------
        MissingDataError
            If the folder or one of its files is not there.
        InputError
            If it is damaged, or of another kind or format.
        """
        facts, arrays = read_fitted(folder, cls.kind)
        decoder = cls(**facts["parameters"])
        decoder.chosen_by_ = facts["chosen_by"]
        decoder.classes_ = tuple(facts["classes"])
        decoder._maps = {
            subject: _Map(
                FlatTrials.from_json(flat),
                arrays[f"{number}.coef"],
                arrays[f"{number}.intercept"],
                float(arrays[f"{number}.setting"]),
            )
            for number, (subject, flat) in enumerate(facts["maps"].items())
        }
        decoder.seen_ = Seen.from_json(facts["seen"])
        return decoder

    def describe(self) -> dict[str, Any]:
        """Return kind, parameters, what was chosen by what, classes, and the size of each subject's map."""
        self._check_fitted()
        maps = {
            subject: {
                "n_channels": len(own.flat.channels),
                "n_times": own.flat.n_times,
                **({} if np.isnan(own.setting) else {"C": own.setting}),
            }
            for subject, own in self._maps.items()
        }
        return {
            "kind": self.kind,
            "parameters": self._parameters(),
            "chosen_by": self.chosen_by_,
            "classes": list(self.classes_),
            "subjects": maps,
        }

    def _solve(self, signals: Floats, codes: Indices, setting: float) -> Weights:
        """Return weights (n_features, n_outputs) and intercepts (n_outputs,) of z-scored trials."""
        raise NotImplementedError

    def _settings(self) -> Floats:
        """Return what is chosen from, checked."""
        raise NotImplementedError

    def _choose(self, own: Part, validation: Part | None, settings: Floats, names: Sequence[str]) -> float:
        raise NotImplementedError

    def _fit(self, training: Trials, validation: Trials | None) -> None:
        if not training.targets.are_classes:
            raise InputError(
                f"{self.kind!r} decodes classes, but the targets are embeddings; use the decoder 'ridge', or "
                "give `labels`."
            )
        settings = self._settings()
        together = flats_of(training, self.window_s, self.subjects)
        self.classes_ = training.targets.names
        self._maps: dict[str, _Map] = {}
        for flats in together:
            self._maps |= self._fit_together(flats, training, validation, settings)
        self.chosen_by_ = "nothing was chosen"
        if len(settings) > 1:
            where = "on the validation part" if validation is not None else "by cross-validation over units"
            part = "" if validation is not None else " in the training part"
            self.chosen_by_ = f"log-likelihood of classes {where}{part}"

    def _fit_together(
        self,
        flats: dict[str, FlatTrials],
        training: Trials,
        validation: Trials | None,
        settings: Floats,
    ) -> dict[str, _Map]:
        names = list(flats)
        means, scales = {}, {}
        for name, recording, _, rows in each_subject(training):
            if name in names:
                means[name], scales[name] = self._moments(self._rows(flats[name], recording, rows))
        own = self._gather(training, flats, means, scales)
        self._check_trials(own.codes, names)
        setting = float(settings[0])
        if len(settings) > 1:
            held_out = None if validation is None else self._gather(validation, flats, means, scales)
            setting = self._choose(own, held_out, settings, names)
        coef, intercept = self._solve(own.signals, own.codes, setting)
        coef, intercept = _about_mean(coef), _about_mean(intercept)
        found = {}
        for name in names:
            raw = coef / scales[name][:, None]
            found[name] = _Map(flats[name], raw, intercept - means[name] @ raw, setting)
        return found

    def _predict(self, trials: Trials) -> NDArray[np.float32]:
        if trials.targets.names != self.classes_:
            raise InputError(
                f"the decoder tells {', '.join(self.classes_[:5])} apart, but the classes of the trials are "
                f"{', '.join(trials.targets.names[:5])}. Give targets with the same classes in "
                "the same order."
            )
        scores = np.empty((len(trials), len(self.classes_)), dtype=np.float32)
        for name, recording, places, rows in each_subject(trials):
            own = map_of(self._maps, name)
            scores[places] = self._rows(own.flat, recording, rows) @ own.coef + own.intercept
        return scores

    def _rows(self, flat: FlatTrials, recording: Recording, rows: Indices) -> Floats:
        signals = flat.rows(recording, rows)
        if not self.average_window:
            return signals
        return np.asarray(signals.reshape(len(rows), len(flat.channels), -1).mean(axis=2))

    def _moments(self, signals: Floats) -> tuple[Floats, Floats]:
        """Return what is taken off features and what they are divided by."""
        if not self.standardize:
            return np.zeros(signals.shape[1]), np.ones(signals.shape[1])
        means, scales = channel_scales(signals[None])
        return means[0], scales[0]

    def _gather(
        self,
        trials: Trials,
        flats: dict[str, FlatTrials],
        means: dict[str, Floats],
        scales: dict[str, Floats],
    ) -> Part:
        signals, codes, units = [], [], []
        targets, names = trials.column("target"), trials.table["unit"].to_numpy()
        for name, recording, places, rows in each_subject(trials):
            if name in means:
                signals.append((self._rows(flats[name], recording, rows) - means[name]) / scales[name])
                codes.append(targets[places])
                units += [str(unit) for unit in names[places]]
        if not signals:
            return Part(np.empty((0, 0)), np.empty(0, dtype=np.intp), [])
        return Part(np.concatenate(signals), np.concatenate(codes), units)

    def _check_trials(self, codes: Indices, names: Sequence[str]) -> None:
        who, n_classes = ", ".join(names), len(self.classes_)
        if len(codes) < n_classes:
            raise InputError(
                f"the training part has {len(codes)} trial(s) of {who} for {n_classes} classes. Give at "
                "least one per class, or merge classes."
            )
        counts = np.bincount(codes, minlength=n_classes)
        if (counts > 0).sum() == 1:
            raise InputError(
                f"the training part of {who} holds one class, {self.classes_[int(counts.argmax())]!r}; "
                "decoding needs at least two. Split so that every class is in it."
            )
        missing = [self.classes_[code] for code in np.flatnonzero(counts == 0)]
        if missing:
            raise InputError(
                f"{len(missing)} class(es) have no trial of {who} in the training part: "
                f"{', '.join(missing[:5])}. Split so that every class is in it, or leave these out of the "
                "targets."
            )

    def _check_fitted(self) -> None:
        if not hasattr(self, "seen_"):
            raise InputError("this decoder is not fitted yet; call `fit` first.")

    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._option_names}


def both_classes(values: Floats) -> Floats:
    """Return a column per class, last; one output is the difference of the second of two from the first."""
    return np.concatenate([-values / 2, values / 2], axis=-1) if values.shape[-1] == 1 else values


def _about_mean(values: Floats) -> Floats:
    both = both_classes(values)
    return np.asarray(both - both.mean(axis=-1, keepdims=True))
