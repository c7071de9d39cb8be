"""How alike embeddings of several runs, sessions or animals are, up to a linear map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.random import RandomState, as_generator
from ...stats.blocks import blocked_folds
from ...stats.folds import Fold
from ...stats.permutation import permutation_p

Floats = NDArray[np.float64]
Null = Literal["shift", "shuffle"]
NULLS = ("shift", "shuffle")
# An embedding whose points differ by no more than rounding has no geometry.
_COLLAPSED = 1e-12


@dataclass(frozen=True, eq=False)
class Consistency:
    """Result of :func:`consistency`.

    Attributes
    ----------
    table : DataFrame
        A row per ordered pair: `source`, `target`, `r2`, `null_mean`, `p` (uncorrected), `n_points` (samples,
        or bins of the label, that both have).
    mean : float
        R2 over all ordered pairs; at most 1, below 0 where the map is worse than the target's mean.
    p : float
        Of the mean, against `null`; NaN without permutations.
    null : ndarray of shape (n_permutations,)
        The mean with labels (or time) shuffled in every embedding.
    aligned_by : {"labels", "time"}
        What said which points of two embeddings belong together.
    shuffled_by : {"shift", "shuffle"}
        How the null was made.
    """

    table: pd.DataFrame
    mean: float
    p: float
    null: Floats = field(repr=False)
    aligned_by: Literal["labels", "time"]
    shuffled_by: Null

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def consistency(
    embeddings: Mapping[str, ArrayLike],
    *,
    labels: ArrayLike | Mapping[str, ArrayLike] | None = None,
    n_bins: int = 20,
    n_folds: int = 5,
    gap: int = 0,
    n_permutations: int = 200,
    null: Null = "shift",
    random_state: RandomState = 0,
) -> Consistency:
    """Predict each embedding from each other one by a linear map, on points the map was not fitted to.

    Points are the means of a label's bins where labels are given, as for sessions or animals that did not
    live through the same moments; else samples, row by row, as for two seeds, or subjects of one film. They
    are cut into contiguous blocks, of which each in turn is predicted from a least-squares fit to the others.

    Parameters
    ----------
    embeddings : mapping of str to array of shape (n_samples, n_dims)
        By run, session or animal; at least two. Dimensions may differ; without labels rows must correspond.
    labels : array of shape (n_samples,), or mapping with the same names, optional
        Behaviour of each sample; one array serves for all. Text and at most `n_bins` different numbers are
        bins as they are; other numbers are cut into `n_bins` that hold equally many samples of all together.
    n_bins : int, default=20
        Bins of a continuous label.
    n_folds : int, default=5
        Blocks of bins or of samples.
    gap : int, default=0
        Without labels: rows left out on either side of a test block, see ``stats.blocked_folds``.
    n_permutations : int, default=200
        0 for none.
    null : {"shift", "shuffle"}, default="shift"
        How labels (or rows) of every embedding are moved: all around by one random lag, so that they stay as
        slow as they are; or each for itself, which is right only for samples that are independent.
    random_state : int, Generator or None, default=0
        Of the permutations.

    Returns
    -------
    result : Consistency
        R2 is pooled over held-out points and dimensions: 1 - (squared errors) / (squares about the mean).
        NaN where the target has no spread.

    Raises
    ------
    InputError
        If there are fewer than two embeddings, shapes do not fit, or a pair shares too few points.

    Notes
    -----
    The linear map takes up rotation, scale and reflection, and more: R2 from a to b and from b to a differ.
    Embeddings that were trained with these very labels are consistent on the training samples by
    construction. Embed samples that were held out.

    Of 200 simulated pairs of unrelated embeddings with unrelated labels (500 samples, 3 dimensions, 19
    permutations), "shift" called .04 consistent at p <= .05 whether the series were white or first-order
    autoregressive with .95 or .99; "shuffle" .06, .14 and .25. Row by row it was .08, .07 and .05 against
    .08, .01 and .11.

    A label that comes round at a constant period, such as a run around a ring at one speed, is only turned
    by a lag: R2 under "shift" stays high, and p says nothing. Use "shuffle" there, with means of laps or
    trials as samples.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one = rng.standard_normal((200, 2))
    >>> turned = one @ [[0.0, -2.0], [2.0, 0.0]]
    >>> result = consistency({"one": one, "turned": turned}, n_permutations=20)
    >>> round(result.mean, 6), bool(result.p < 0.05)
    (1.0, True)
    """
    check_option("null", null, NULLS)
    if n_permutations < 0:
        raise InputError(f"`n_permutations` must be at least 0, got {n_permutations}.")
    points = _read(embeddings)
    bins = None if labels is None else _bins_of(labels, points, n_bins)
    if bins is None:
        _check_rows(points)
    pairs = list(permutations(points, 2))
    aligned = _align(points, bins)
    folds = {pair: _folds(pair, aligned, n_folds, gap if bins is None else 0) for pair in pairs}
    observed = _scores(aligned, folds)
    rng = as_generator(random_state)
    move = _shift if null == "shift" else _shuffle
    shuffled = np.array([_scores(_moved(points, bins, move, rng), folds) for _ in range(n_permutations)])
    shuffled = shuffled.reshape(n_permutations, len(pairs))
    return _result(pairs, observed, shuffled, folds, "time" if bins is None else "labels", null)


def _result(
    pairs: list[tuple[str, str]],
    observed: Floats,
    shuffled: Floats,
    folds: Mapping[tuple[str, str], tuple[NDArray[np.intp], list[Fold]]],
    aligned_by: Literal["labels", "time"],
    null: Null,
) -> Consistency:
    missing = np.full(len(pairs), np.nan)
    some = len(shuffled) > 0
    table = pd.DataFrame(
        {
            "source": [source for source, _ in pairs],
            "target": [target for _, target in pairs],
            "r2": observed,
            "null_mean": shuffled.mean(axis=0) if some else missing,
            "p": permutation_p(observed, shuffled) if some else missing,
            "n_points": [len(folds[pair][0]) for pair in pairs],
        }
    )
    mean, means = float(observed.mean()), shuffled.mean(axis=1)
    p = float(permutation_p(mean, means)) if some else float("nan")
    return Consistency(table, mean, p, means, aligned_by, null)


def _read(embeddings: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    if not isinstance(embeddings, Mapping) or len(embeddings) < 2:
        came = f"{len(embeddings)}" if isinstance(embeddings, Mapping) else type(embeddings).__name__
        raise InputError(f"`embeddings` must be a mapping with at least 2 embeddings, got {came}.")
    return {
        str(name): check_array(f"embeddings[{name!r}]", value, ndim=2).astype(np.float64)
        for name, value in embeddings.items()
    }


def _check_rows(points: Mapping[str, Floats]) -> None:
    counts = {name: len(value) for name, value in points.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise InputError(
            f"without `labels` embeddings are compared row by row, but they have different numbers of "
            f"samples: {shown}. Give the rows of the same moments, or `labels`."
        )


def _bins_of(
    labels: ArrayLike | Mapping[str, ArrayLike], points: Mapping[str, Floats], n_bins: int
) -> dict[str, NDArray[np.intp]]:
    if n_bins < 2:
        raise InputError(f"`n_bins` must be at least 2, got {n_bins}.")
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in points.items():
        if isinstance(labels, Mapping) and name not in labels:
            raise InputError(f"`labels` has nothing for the embedding {name!r}. Give it for all of them.")
        array = np.asarray(labels[name] if isinstance(labels, Mapping) else labels)
        if array.shape != (len(value),):
            raise InputError(
                f"the labels of {name!r} must have one value for each of {len(value)} samples, got shape "
                f"{array.shape}."
            )
        arrays[name] = array if array.dtype.kind in "US" else _numbers_or_text(name, array)
    together = np.concatenate(list(arrays.values()))
    distinct = np.unique(together)
    if together.dtype.kind in "US" or len(distinct) <= n_bins:
        return {name: np.searchsorted(distinct, array) for name, array in arrays.items()}
    edges = np.unique(np.quantile(together, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return {name: np.digitize(array, edges) for name, array in arrays.items()}


def _numbers_or_text(name: str, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.dtype.kind == "O":
        return labels.astype(str)
    return check_array(f"labels of {name!r}", labels, ndim=1)


def _align(points: Mapping[str, Floats], bins: Mapping[str, NDArray[np.intp]] | None) -> dict[str, Floats]:
    """Return the points that correspond between embeddings, NaN where a bin holds no sample."""
    if bins is None:
        return dict(points)
    n = 1 + max(int(numbers.max()) for numbers in bins.values())
    means = {}
    for name, value in points.items():
        counts = np.bincount(bins[name], minlength=n)
        sums = np.stack([np.bincount(bins[name], column, minlength=n) for column in value.T], axis=1)
        means[name] = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], np.nan)
    return means


def _folds(
    pair: tuple[str, str], aligned: Mapping[str, Floats], n_folds: int, gap: int
) -> tuple[NDArray[np.intp], list[Fold]]:
    """Return the points that both have, and blocks of them."""
    source, target = aligned[pair[0]], aligned[pair[1]]
    both = np.flatnonzero(np.isfinite(source[:, 0]) & np.isfinite(target[:, 0]))
    needed = source.shape[1] + 2
    if len(both) > n_folds >= 2:
        folds = blocked_folds(len(both), n_folds=n_folds, gap=gap)
        fewest = min(len(train) for train, _ in folds)
        if fewest >= needed:
            return both, folds
    raise InputError(
        f"{pair[0]!r} and {pair[1]!r} share {len(both)} point(s), too few for a map from {source.shape[1]} "
        f"dimension(s) in {n_folds} folds, which needs {needed} to fit beside those it is tested on. Use "
        "more bins or samples, or other folds (at least 2)."
    )


def _moved(
    points: Mapping[str, Floats],
    bins: Mapping[str, NDArray[np.intp]] | None,
    move: Callable[[int, np.random.Generator], NDArray[np.intp]],
    rng: np.random.Generator,
) -> dict[str, Floats]:
    rows = {name: move(len(value), rng) for name, value in points.items()}
    if bins is None:
        return {name: value[rows[name]] for name, value in points.items()}
    return _align(points, {name: numbers[rows[name]] for name, numbers in bins.items()})


def _shift(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.roll(np.arange(n), int(rng.integers(n)))


def _shuffle(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.asarray(rng.permutation(n), dtype=np.intp)


def _scores(
    aligned: Mapping[str, Floats],
    folds: Mapping[tuple[str, str], tuple[NDArray[np.intp], list[Fold]]],
) -> Floats:
    return np.array(
        [
            _held_out_r2(aligned[source][both], aligned[target][both], blocks)
            for (source, target), (both, blocks) in folds.items()
        ]
    )


def _held_out_r2(source: Floats, target: Floats, folds: list[Fold]) -> float:
    total = np.square(target - target.mean(axis=0)).sum()
    if total <= _COLLAPSED * np.square(target).sum():
        return float("nan")
    with_one = np.column_stack([source, np.ones(len(source))])
    errors = 0.0
    for train, test in folds:
        weights = np.linalg.lstsq(with_one[train], target[train], rcond=None)[0]
        errors += float(np.square(target[test] - with_one[test] @ weights).sum())
    return float(1 - errors / total)
