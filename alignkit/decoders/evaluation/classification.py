"""Scores of decoded classes: accuracy, balanced accuracy, area under the curve, confusions, k-way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from ...stats.permutation import permutation_p
from ._curve import Curves
from ._intervals import Interval, check_confidence, percentiles, student_interval
from ._label_exchanges import Exchanged, design_of
from ._place_scores import PlaceScores
from ._ranks import Places

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
INTERVALS = ("bootstrap", "t")


@dataclass(frozen=True, eq=False)
class Classification:
    """Result of :func:`classify`.

    Attributes
    ----------
    table : DataFrame
        A row per `score`: ``"accuracy"``, ``"balanced accuracy"``, ``"AUC"``, ``"2-way"`` and so on. Columns:
        `value`, `ci_low`, `ci_high`, `chance`, `null_low`, `null_high`, `p`. Of accuracy `chance` is that of
        always naming the most frequent class; `chance_even`, 1 of the classes, stands beside it.
    confusion : DataFrame
        Shares: a row per class shown, summing to 1, a column per class named.
    predicted : ndarray of shape (n_trials,)
        The class of the highest score, the first of ties.
    null : DataFrame
        A column per score: its value in each permutation.
    truth : ndarray of shape (n_trials,)
        The class shown, in the order of `predicted`.
    units : ndarray of str, shape (n_trials,)
        Unit of each trial in the same order; its number where units were not named.
    exchanged : {"trials within units", "blocks within units", "whole units"}
        What the permutations exchanged, see :func:`permute_labels`.
    draws : DataFrame or None
        A column per score: its value in each bootstrap draw of units; None for Student's interval.
    subjects : ndarray of str, shape (n_trials,), or None
        Whose each trial is, where scores are means over subjects of their own.
    """

    table: pd.DataFrame
    confusion: pd.DataFrame
    predicted: Indices
    null: pd.DataFrame = field(repr=False)
    truth: Indices = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    units: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype=np.str_))
    exchanged: Exchanged = "trials within units"
    draws: pd.DataFrame | None = field(default=None, repr=False)
    subjects: NDArray[np.str_] | None = None

    def value(self, score: str) -> float:
        """Return a score by its name in the table."""
        found = self.table.loc[self.table["score"] == score, "value"]
        if found.empty:
            raise InputError(f"there is no score {score!r}; there are {', '.join(self.table['score'])}.")
        return float(found.iloc[0])

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def classify(
    scores: ArrayLike,
    truth: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    units: ArrayLike | None = None,
    order: ArrayLike | None = None,
    k_way: Sequence[int] = (),
    interval: Literal["bootstrap", "t"] = "bootstrap",
    n_bootstraps: int = 2000,
    n_permutations: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Classification:
    """Score classes that were decoded from trials.

    Parameters
    ----------
    scores : array of shape (n_trials, n_classes)
        Higher is likelier: logits, probabilities, distances.
    truth : array of int, shape (n_trials,)
        Class of each trial. Every class must have a trial.
    classes : sequence of str, optional
        Their names; by default their numbers.
    units : array of shape (n_trials,), optional
        What was drawn and what labels are exchanged within, such as runs; by default trials are drawn one by
        one and exchanged all together.
    order : array of shape (n_trials,), optional
        When each trial was recorded, such as its onset or row; by default as they come. Where classes come in
        blocks within units, blocks are exchanged, see :func:`permute_labels`.
    k_way : sequence of int, optional
        Choices between the right class and k - 1 others, the exact mean over all choices of others; those
        above the number of classes are left out.
    interval : {"bootstrap", "t"}, default="bootstrap"
        Percentiles over draws of whole units, or Student's interval of a jackknife that leaves one unit out
        at a time, which holds with few units (below about 20) where the bootstrap is too narrow; NaN where a
        class is in one unit alone.
    n_bootstraps, n_permutations : int, default=2000 and 1000
        Draws of units, and exchanges of labels. 0: none.
    confidence : float, default=0.95
        Of intervals and null ranges.
    seed : int, default=0
        Of draws and exchanges.

    Returns
    -------
    classification : Classification
        AUC of more than two classes is the mean over classes of each against the rest. Ties count half; of
        accuracy they count as the chance of naming the right one.

    Raises
    ------
    InputError
        For one class, fewer trials than classes, a class without a trial, NaN, or shapes that do not fit.

    Examples
    --------
    >>> found = classify([[2, 1], [0, 1], [3, 1]], [0, 1, 1], n_permutations=0)
    >>> round(found.value("accuracy"), 3), found.value("balanced accuracy")
    (0.667, 0.75)
    """
    check_option("interval", interval, INTERVALS)
    check_confidence(confidence)
    values, labels, names = _checked(scores, truth, classes)
    drawn = np.arange(len(labels)) if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    if len(drawn) != len(labels):
        raise InputError(f"`units` must name one of each of the {len(labels)} trials, got {len(drawn)}.")
    metrics = _Metrics(values, labels, k_way)
    weights = np.ones((1, len(labels)))
    estimates = metrics(labels, weights)[0]
    limits, draws = _limits(metrics, labels, drawn, estimates, interval, n_bootstraps, confidence, seed)
    null = np.empty((n_permutations, len(metrics.names)))
    within = np.zeros(len(labels)) if units is None else drawn
    design = design_of(labels, within, order, look_for_blocks=units is not None or order is not None)
    if n_permutations:
        rng = np.random.default_rng(derive_seed(seed, "labels"))
        permuted = design.exchanges(n_permutations, rng)
        for row, shuffled in zip(null, permuted, strict=True):
            row[:] = metrics(shuffled, weights)[0]
    table = pd.DataFrame(
        {
            "score": metrics.names,
            "value": estimates,
            "ci_low": limits.low,
            "ci_high": limits.high,
            "chance": metrics.chance(labels),
            "chance_even": [1 / len(names), 1 / len(names), 0.5, *metrics.places.chance[metrics.kept]],
            **against_null(estimates, null, confidence),
        }
    )
    predicted = values.argmax(axis=1).astype(np.intp)
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (labels, predicted), 1)
    confusion = pd.DataFrame(counts / counts.sum(1, keepdims=True), index=names, columns=names)
    return Classification(
        table=table,
        confusion=confusion,
        predicted=predicted,
        null=pd.DataFrame(null, columns=list(metrics.names)),
        truth=labels,
        units=(drawn if units is None else np.asarray(units)).astype(np.str_),
        exchanged=design.exchanged,
        draws=None if draws is None else pd.DataFrame(draws, columns=list(metrics.names)),
    )


class _Metrics:
    """Scores of labels under weights of the trials, with what does not depend on either made once."""

    def __init__(self, values: Floats, labels: Indices, k_way: Sequence[int]) -> None:
        self.n_classes = values.shape[1]
        self.places = PlaceScores(self.n_classes, (), list(k_way))
        self.kept = np.flatnonzero(["way" in name for name in self.places.names])
        ways = [self.places.names[i] for i in self.kept]
        self.names = ("accuracy", "balanced accuracy", "AUC", *ways)
        self._curves = Curves(values)
        ordered = np.sort(values, axis=1)
        better = np.array(
            [self.n_classes - np.searchsorted(o, v, "right") for o, v in zip(ordered, values, strict=True)]
        )
        level = np.array(
            [self.n_classes - np.searchsorted(o, v, "left") for o, v in zip(ordered, values, strict=True)]
        )
        tied = level - better - 1
        by_class = self.places(Places(better.ravel(), tied.ravel()))[self.kept]
        self._ways = by_class.reshape(-1, *values.shape)
        self._hits = np.where(better == 0, 1.0 / (tied + 1), 0.0)

    def __call__(self, labels: Indices, weights: Floats) -> Floats:
        """Return the scores, shape (n_weights, n_scores); NaN where a class has no weight."""
        rows = np.arange(len(labels))
        hit = self._hits[rows, labels]
        total = weights.sum(axis=1)
        member = (labels[:, None] == np.arange(self.n_classes)).astype(np.float64)
        size = weights @ member
        with np.errstate(divide="ignore", invalid="ignore"):
            recall = (weights * hit) @ member / size
            columns = [weights @ hit / total, recall.mean(axis=1), self._curves(member, weights)]
        columns += [weights @ way[rows, labels] / total for way in self._ways]
        return np.stack(columns, axis=1)

    def chance(self, labels: Indices) -> Floats:
        """Return what each score is without any relation."""
        majority = np.bincount(labels).max() / len(labels)
        return np.array([majority, 1 / self.n_classes, 0.5, *self.places.chance[self.kept]])


def _limits(
    metrics: _Metrics,
    labels: Indices,
    units: Indices,
    estimates: Floats,
    interval: str,
    n_bootstraps: int,
    confidence: float,
    seed: int,
) -> tuple[Interval, Floats | None]:
    n_units, n_scores = int(units.max()) + 1, len(metrics.names)
    if interval == "t":
        if n_units < 2:
            raise InputError("an interval over units needs at least 2 units, got 1; split into more of them.")
        without = metrics(labels, (units != np.arange(n_units)[:, None]).astype(np.float64))
        # Pseudo-values of the jackknife: of accuracy with units of one size they are the units' own scores.
        low, high = student_interval(n_units * estimates - (n_units - 1) * without, confidence=confidence)
        return Interval(np.minimum(low, estimates), np.maximum(high, estimates)), None
    if n_bootstraps == 0:
        return Interval(*np.full((2, n_scores), np.nan)), None
    rng = np.random.default_rng(derive_seed(seed, "bootstrap"))
    draws, block = np.empty((0, n_scores)), max(1, (1 << 22) // len(labels))
    even = np.full(n_units, 1.0 / n_units)
    # A draw without one of the classes has no balanced accuracy, and another is drawn.
    for _ in range(20 * (n_bootstraps // block + 1)):
        counts = rng.multinomial(n_units, even, size=min(block, n_bootstraps))
        found = metrics(labels, counts[:, units].astype(np.float64))
        draws = np.concatenate([draws, found[np.isfinite(found).all(axis=1)]])
        if len(draws) >= n_bootstraps:
            break
    if len(draws) < n_bootstraps:
        raise InputError(
            f"draws of {n_units} units hold every class too seldom for a bootstrap. Use `interval='t'`, or "
            "units that hold several classes."
        )
    draws = draws[:n_bootstraps]
    variance = draws[:, 0].var()
    binary = estimates[0] * (1 - estimates[0])
    worth = binary / variance if binary > 0 and variance > 0 else float(n_units)
    effective = np.full(n_scores, np.inf)
    effective[0] = worth
    return percentiles(estimates, draws, effective=effective, confidence=confidence), draws


def against_null(estimates: Floats, null: Floats, confidence: float) -> dict[str, Floats]:
    """Return the range of the null and p of each score, NaN without a null."""
    if not len(null):
        return {name: np.full(len(estimates), np.nan) for name in ("null_low", "null_high", "p")}
    tail = (1 - confidence) / 2
    low, high = np.quantile(null, [tail, 1 - tail], axis=0)
    return {"null_low": low, "null_high": high, "p": permutation_p(estimates, null)}


def _checked(
    scores: ArrayLike, truth: ArrayLike, classes: Sequence[str] | None
) -> tuple[Floats, Indices, list[str]]:
    values = check_array("scores", scores, ndim=2, dtype=np.float64)
    labels = np.asarray(truth)
    n_trials, n_classes = values.shape
    if labels.shape != (n_trials,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"`truth` must be the number of a class for each of the {n_trials} trials, got shape "
            f"{labels.shape} of {labels.dtype}."
        )
    if n_classes < 2:
        raise InputError(f"there must be at least 2 classes, got {n_classes}: one class cannot be decoded.")
    if n_trials < n_classes:
        raise InputError(f"there are {n_trials} trials for {n_classes} classes; every class needs one.")
    names = [str(code) for code in range(n_classes)] if classes is None else [str(name) for name in classes]
    if len(names) != n_classes:
        raise InputError(f"`classes` must name the {n_classes} columns of `scores`, got {len(names)} names.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(
            f"`truth` must lie between 0 and {n_classes - 1}, got {labels.min()} to {labels.max()}."
        )
    lacking = np.setdiff1d(np.arange(n_classes), labels)
    if len(lacking):
        raise InputError(
            f"no trial shows the class {names[lacking[0]]!r} ({len(lacking)} of {n_classes} lack trials). "
            "Split so that every class is in every part."
        )
    return values, labels.astype(np.intp), names
