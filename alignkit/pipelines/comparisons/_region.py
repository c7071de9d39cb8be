"""One metric in one region: from numbers per subject and model to the rows of the scores table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...recordings.scores import HIGHER, Scores
from ...stats import BootstrapScores, permutation_p
from ..candidates import Candidate

Floats = NDArray[np.float64]
CHOSEN = "(chosen)"


@dataclass(frozen=True)
class Column:
    """A model at one of its layers, or at the layer that was chosen on other data."""

    candidate: Candidate
    layer: str

    @property
    def name(self) -> str:
        """The model's name."""
        return self.candidate.name


def layer_columns(candidates: Sequence[Candidate]) -> list[Column]:
    """Return a column per model and layer."""
    return [Column(candidate, layer) for candidate in candidates for layer in candidate.layers]


def chosen_columns(candidates: Sequence[Candidate]) -> list[Column]:
    """Return a column per model, its layer chosen on data that do not score it."""
    return [Column(candidate, CHOSEN) for candidate in candidates]


def layers_of(columns: Sequence[Column]) -> list[NDArray[np.intp]]:
    """Return, per model in order, the positions of its layer columns."""
    names = [column.name for column in columns]
    return [np.flatnonzero([name == wanted for name in names]) for wanted in dict.fromkeys(names)]


@dataclass(frozen=True)
class RegionCeiling:
    """The ceiling of a region's scores, in their own unit.

    Attributes
    ----------
    lower, upper, se : float
        NaN where unknown.
    estimator : str
        How it was estimated.
    divides : bool
        Whether a score may be divided by `upper` (a root of a reliability), or only be compared with it.
    """

    lower: float = np.nan
    upper: float = np.nan
    se: float = np.nan
    estimator: str = ""
    divides: bool = False

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> RegionCeiling:
        """Read from a task's arrays."""
        lower, upper, se = (float(value) for value in arrays["ceiling"])
        return cls(lower, upper, se, str(arrays["ceiling_estimator"]), bool(arrays["ceiling_divides"]))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`from_arrays` reads."""
        return {
            "ceiling": np.array([self.lower, self.upper, self.se]),
            "ceiling_estimator": np.array(self.estimator),
            "ceiling_divides": np.array(self.divides),
        }


@dataclass(frozen=True, eq=False)
class Spread:
    """Intervals of the models' scores and their differences, as they are stored.

    Attributes
    ----------
    ci_low, ci_high : ndarray of shape (n_models,)
        Bounds of the interval.
    differences, se_differences, p_differences : ndarray of shape (n_models, n_models)
        Row minus column.
    """

    ci_low: Floats
    ci_high: Floats
    differences: Floats
    se_differences: Floats
    p_differences: Floats

    @classmethod
    def of(cls, result: BootstrapScores, *, bounded: bool = True) -> Spread:
        """Take what is stored of a resampling; Fisher's z keeps intervals of correlations within [-1, 1]."""
        if not bounded:
            return cls(
                result.ci_low, result.ci_high, result.difference, result.difference_se, result.difference_p
            )
        estimate = np.clip(result.estimate, -1.0, 1.0)
        half = (result.ci_high - result.ci_low) / 2 / np.maximum(1.0 - estimate**2, 1e-12)
        z = np.arctanh(np.clip(estimate, -1.0 + 1e-12, 1.0 - 1e-12))
        low, high = np.tanh(z - half), np.tanh(z + half)
        # A debiased CKA may lie above 1: there the interval stays as it is.
        outside = np.abs(result.estimate) > 1.0
        return cls(
            np.where(outside, result.ci_low, np.minimum(low, result.estimate)),
            np.where(outside, result.ci_high, np.maximum(high, result.estimate)),
            result.difference,
            result.difference_se,
            result.difference_p,
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Spread:
        """Read from a task's arrays."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def negated(self) -> Spread:
        """Return the spread of the values with the other sign."""
        return Spread(-self.ci_high, -self.ci_low, -self.differences, self.se_differences, self.p_differences)

    def to_arrays(self) -> dict[str, Floats]:
        """Return what :meth:`from_arrays` reads."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, eq=False)
class Region:
    """All numbers of one metric in one region.

    Attributes
    ----------
    roi, metric, unit : str
        What it is.
    subjects : list of str
        One per row of `layers` and `chosen`.
    columns : list of Column
        Every model and layer, in the order of `layers`.
    layers : ndarray of shape (n_subjects, n_columns)
        Scores per layer.
    chosen : ndarray of shape (n_subjects, n_models)
        Scores with the layer chosen on other data.
    p_layers, p_chosen : ndarray of shape (n_columns,) and (n_models,)
        Against exchanged stimuli, not corrected; NaN where not tested.
    spread : Spread
        Of `chosen`: intervals and differences.
    ceiling : RegionCeiling
        Of the mean over subjects.
    n : int
        Stimuli (or runs) that the score rests on.
    n_chosen : int or None
        The same of scores with a chosen layer, where these rest on fewer.
    closer : {"higher", "lower"}
        Which values are the better ones.
    """

    roi: str
    metric: str
    unit: str
    subjects: list[str]
    columns: list[Column]
    layers: Floats
    chosen: Floats
    p_layers: Floats
    p_chosen: Floats
    spread: Spread
    ceiling: RegionCeiling
    n: int
    n_chosen: int | None = None
    closer: str = HIGHER

    @property
    def candidates(self) -> list[Candidate]:
        """The models, in order."""
        return list({column.name: column.candidate for column in self.columns}.values())

    def scores(self) -> Scores:
        """Return rows per subject, per layer, and per model."""
        return Scores(pd.DataFrame([*self._subject_rows(), *self._layer_rows(), *self._model_rows()]))

    def differences(self) -> pd.DataFrame:
        """Return a row per pair of models."""
        names = [candidate.name for candidate in self.candidates]
        rows = [
            {
                "roi": self.roi,
                "metric": self.metric,
                "model_a": names[i],
                "model_b": names[j],
                "difference": float(self.spread.differences[i, j]),
                "se": float(self.spread.se_differences[i, j]),
                "p": float(self.spread.p_differences[i, j]),
            }
            for i in range(len(names))
            for j in range(i + 1, len(names))
        ]
        return pd.DataFrame(rows)

    def _common(self, column: Column) -> dict[str, Any]:
        return {
            "roi": self.roi,
            "metric": self.metric,
            "unit": self.unit,
            "closer": self.closer,
            "model": column.name,
            "family": column.candidate.family,
            "layer": column.layer,
            "fold": "all",
            "n": self.n,
        }

    @property
    def _size(self) -> dict[str, int]:
        return {} if self.n_chosen is None else {"n": self.n_chosen}

    def _subject_rows(self) -> list[dict[str, Any]]:
        return [
            {**self._common(column), **self._size, "subject": subject, "value": self.chosen[s, m]}
            for m, column in enumerate(chosen_columns(self.candidates))
            for s, subject in enumerate(self.subjects)
        ]

    def _layer_rows(self) -> list[dict[str, Any]]:
        means = self.layers.mean(axis=0)
        bounds = {"ceiling_lower": self.ceiling.lower, "ceiling_upper": self.ceiling.upper}
        return [
            {**self._common(column), "subject": "all", "value": means[c], "p": self.p_layers[c], **bounds}
            for c, column in enumerate(self.columns)
        ]

    def _model_rows(self) -> list[dict[str, Any]]:
        means = self.chosen.mean(axis=0)
        ceiling = self.ceiling
        return [
            {
                **self._common(column),
                **self._size,
                "subject": "all",
                "value": means[m],
                "ci_low": self.spread.ci_low[m],
                "ci_high": self.spread.ci_high[m],
                "p": self.p_chosen[m],
                "ceiling_lower": ceiling.lower,
                "ceiling_upper": ceiling.upper,
                "ceiling_se": ceiling.se,
                "ceiling_estimator": ceiling.estimator,
                "normalized": means[m] / ceiling.upper if ceiling.divides and ceiling.upper > 0 else np.nan,
            }
            for m, column in enumerate(chosen_columns(self.candidates))
        ]


def p_of_layers(layers: Floats, chosen: Floats, null: Floats, columns: Sequence[Column]) -> dict[str, Floats]:
    """Return p per layer, and per model with its layer chosen.

    A model is held against the largest layer of each permutation: no choice of layer on the same stimuli can
    beat that, so its p is valid, if anything too large. Scores of halves of the stimuli vary more, and are
    held against halves (see `_choice`).

    Parameters
    ----------
    layers, chosen : ndarray of shape (n_subjects, n_columns) and (n_subjects, n_models)
        Scores.
    null : ndarray of shape (n_permutations, n_columns)
        Mean over subjects, stimuli exchanged.
    columns : sequence of Column
        What the columns are.
    """
    largest = np.stack([null[:, group].max(axis=1) for group in layers_of(columns)], axis=1)
    return {
        "p_layers": permutation_p(layers.mean(axis=0), null),
        "p_chosen": permutation_p(chosen.mean(axis=0), largest),
    }
