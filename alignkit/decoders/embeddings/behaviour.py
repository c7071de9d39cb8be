"""What of the behaviour an embedding holds, on blocks of time that it was not fitted to."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.random import RandomState, as_generator
from ...stats.blocks import blocked_folds

Method = Literal["knn", "linear"]
METHODS = ("knn", "linear")
Measure = Literal["r2", "balanced accuracy"]


class Embedding(Protocol):
    """What can be judged: an embedding that is fitted to activity, and then transforms more of it."""

    def fit(self, X: Any, *, labels: Any = None, segments: Any = None) -> Any:
        """Fit to samples in order of time."""
        ...

    def transform(self, X: Any, *, segments: Any = None) -> NDArray[Any]:
        """Return (n_samples, n_dims)."""
        ...


@dataclass(frozen=True, eq=False)
class BehaviourScore:
    """Result of :func:`decode_from_embedding`.

    Attributes
    ----------
    score : float
        R2 over all columns of a behaviour in numbers (at most 1, below 0 where worse than the test part's
        mean), balanced accuracy of classes (0 to 1).
    measure : {"r2", "balanced accuracy"}
        Which of them it is.
    chance : float
        0 for R2; 1 / classes of the test part.
    predicted : ndarray
        Of the shape of the test part's behaviour.
    method : {"knn", "linear"}
        What decoded.
    n_train, n_test : int
        Samples.
    """

    score: float
    measure: Measure
    chance: float
    predicted: NDArray[Any] = field(repr=False)
    method: Method
    n_train: int
    n_test: int


@dataclass(frozen=True, eq=False)
class BlockedDecoding:
    """Result of :func:`decode_over_blocks`.

    Attributes
    ----------
    table : DataFrame
        A row per `fold` and `labels` (``"true"``, or ``"shuffled 1"`` and so on): `score`, `n_train`,
        `n_test`.
    score : float
        Mean over folds.
    shuffled : ndarray of shape (n_shuffles,)
        The same of embeddings that were fitted with shuffled labels.
    measure : {"r2", "balanced accuracy"}
        What `score` is.
    chance : float
        Mean over folds.
    """

    table: pd.DataFrame
    score: float
    shuffled: NDArray[np.float64]
    measure: Measure
    chance: float

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def decode_from_embedding(
    train_Z: ArrayLike,
    train_y: ArrayLike,
    test_Z: ArrayLike,
    test_y: ArrayLike,
    *,
    method: Method = "knn",
    n_neighbours: int = 25,
) -> BehaviourScore:
    """Decode a behaviour from embedded samples, and score it on others.

    Parameters
    ----------
    train_Z, test_Z : array of shape (n_samples, n_dims)
        Embedded samples. The embedding must have been fitted on the training part alone, and the parts must
        be blocks of time (see Notes).
    train_y, test_y : array of shape (n_samples,) or (n_samples, n_columns)
        Behaviour: floats are numbers, anything else (one column) classes. Give an angle as its cosine and
        sine.
    method : {"knn", "linear"}, default="knn"
        Mean or vote of the nearest training samples; or least squares, and logistic regression for classes.
    n_neighbours : int, default=25
        Of "knn".

    Returns
    -------
    result : BehaviourScore

    Raises
    ------
    InputError
        If shapes do not fit, both parts are the same samples, or there are too few.

    Notes
    -----
    Two things make any embedding look good. One that was fitted with labels puts its *training* samples in
    order by label, whatever the population knows of them. And samples of a smooth signal that are split at
    random have their neighbours in time on the other side of the split. :func:`decode_over_blocks` does
    neither.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z = rng.standard_normal((300, 2))
    >>> result = decode_from_embedding(Z[:200], Z[:200, 0], Z[200:], Z[200:, 0], method="linear")
    >>> result.measure, round(result.score, 6)
    ('r2', 1.0)
    """
    check_option("method", method, METHODS)
    Z, test = check_array("train_Z", train_Z, ndim=2), check_array("test_Z", test_Z, ndim=2)
    if Z.shape[1] != test.shape[1]:
        raise InputError(
            f"`train_Z` has {Z.shape[1]} dimension(s) and `test_Z` {test.shape[1]}. Embed both by one "
            "embedding."
        )
    if np.array_equal(Z, test):
        raise InputError(
            f"`train_Z` and `test_Z` are the same {len(Z)} sample(s). Test on blocks of time that neither "
            "the embedding nor its decoder was fitted to."
        )
    y, truth = _behaviour("train_y", train_y), _behaviour("test_y", test_y)
    check_same_samples("train_Z", Z, "train_y", y)
    check_same_samples("test_Z", test, "test_y", truth)
    if y.dtype.kind != truth.dtype.kind or y.shape[1:] != truth.shape[1:]:
        raise InputError(
            f"`train_y` and `test_y` must be of one kind, got {y.dtype} {y.shape} and {truth.dtype} "
            f"{truth.shape}."
        )
    if method == "knn" and not 1 <= n_neighbours <= len(Z):
        raise InputError(f"`n_neighbours` must be 1 to {len(Z)}, the training samples, got {n_neighbours}.")
    classes = y.dtype.kind != "f"
    if classes and len(np.unique(y)) < 2:
        raise InputError(f"`train_y` holds one class, {str(y[0])!r}; at least 2 are needed.")
    predicted = _model(method, classes, n_neighbours).fit(Z, y).predict(test)
    if classes:
        names = np.unique(truth)
        score = float(np.mean([(predicted[truth == name] == name).mean() for name in names]))
        return BehaviourScore(
            score, "balanced accuracy", 1 / len(names), predicted, method, len(Z), len(test)
        )
    total = np.square(truth - truth.mean(axis=0)).sum()
    score = float(1 - np.square(truth - predicted).sum() / total) if total > 0 else float("nan")
    return BehaviourScore(score, "r2", 0.0, predicted, method, len(Z), len(test))


def decode_over_blocks(
    embedding: Embedding,
    X: ArrayLike,
    y: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    segments: ArrayLike | None = None,
    n_folds: int = 5,
    gap: int = 0,
    method: Method = "knn",
    n_neighbours: int = 25,
    n_shuffles: int = 0,
    random_state: RandomState = 0,
) -> BlockedDecoding:
    """Fit an embedding and a decoder on all blocks of time but one, and score them on that one.

    Parameters
    ----------
    embedding : PopulationEmbedding, CebraEmbedding or alike
        Its settings; it is itself left as it is, a copy is fitted in every fold.
    X : array of shape (n_samples, n_channels)
        One session, in order of time.
    y : array of shape (n_samples,) or (n_samples, n_columns)
        What is decoded, see :func:`decode_from_embedding`.
    labels : array of shape (n_samples,), optional
        What the embedding is fitted with; only those of the training part are given to it.
    segments : sequence of length n_samples, optional
        Runs or trials: folds are of whole segments, at least as many as folds. Without, blocks are cut, and
        what lies before and behind the test block are two segments to the embedding.
    n_folds : int, default=5
        Blocks.
    gap : int, default=0
        Rows left out on either side of a test block that is cut; at least the window and the memory of the
        signal, see ``stats.autocorrelation_rows``.
    method, n_neighbours
        See :func:`decode_from_embedding`.
    n_shuffles : int, default=0
        How often everything is repeated with the labels of the training part shuffled: what an embedding
        reaches that learned nothing from them.
    random_state : int, Generator or None, default=0
        Of the shuffles.

    Returns
    -------
    result : BlockedDecoding

    Raises
    ------
    InputError
        If shapes do not fit, or shuffles are asked for without labels.

    Examples
    --------
    >>> from alignkit.decoders.embeddings.population import PopulationEmbedding
    >>> rng = np.random.default_rng(0)
    >>> angle = 0.3 * np.arange(400)
    >>> X = rng.poisson(2 * np.exp(np.cos(angle[:, None] - np.linspace(0, 6, 20))))
    >>> y = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> small = PopulationEmbedding(n_steps=60, batch_size=128, learning_rate=3e-3)
    >>> bool(decode_over_blocks(small, X, y, n_folds=2, gap=5).score > 0.5)
    True
    """
    activity = check_array("X", X, ndim=2)
    behaviour = _behaviour("y", y)
    check_same_samples("X", activity, "y", behaviour)
    given = None if labels is None else np.asarray(labels)
    if given is not None:
        check_same_samples("X", activity, "labels", given)
    if n_shuffles < 0 or (n_shuffles and given is None):
        raise InputError(
            f"`n_shuffles` is {n_shuffles}, but there are no `labels` to shuffle. Give labels, or 0."
            if n_shuffles > 0
            else f"`n_shuffles` must be at least 0, got {n_shuffles}."
        )
    runs = None if segments is None else np.asarray(segments)
    folds = blocked_folds(len(activity) if runs is None else runs.tolist(), n_folds=n_folds, gap=gap)
    rng = as_generator(random_state)
    rows, scores = [], []
    for number, (train, test) in enumerate(folds, start=1):
        # Rows that follow one another before the test block and behind it are no neighbours.
        stretches = (train > test[0]).astype(np.int64) if runs is None else runs[train]
        own = np.full(len(test), 2) if runs is None else runs[test]
        for repeat in range(n_shuffles + 1):
            shown = None if given is None else given[train]
            if repeat and shown is not None:
                shown = rng.permutation(shown)
            fitted = copy.copy(embedding)
            fitted.fit(activity[train], labels=shown, segments=stretches)
            points = fitted.transform(
                np.concatenate([activity[train], activity[test]]), segments=np.concatenate([stretches, own])
            )
            scored = decode_from_embedding(
                points[: len(train)],
                behaviour[train],
                points[len(train) :],
                behaviour[test],
                method=method,
                n_neighbours=n_neighbours,
            )
            name = f"shuffled {repeat}" if repeat else "true"
            rows.append((number, name, scored.score, scored.n_train, scored.n_test))
            scores.append(scored)
    table = pd.DataFrame(rows, columns=["fold", "labels", "score", "n_train", "n_test"])
    by_repeat = table["score"].to_numpy().reshape(n_folds, n_shuffles + 1).mean(axis=0)
    chance = float(np.mean([scored.chance for scored in scores]))
    return BlockedDecoding(table, float(by_repeat[0]), by_repeat[1:], scores[0].measure, chance)


def _behaviour(name: str, y: ArrayLike) -> NDArray[Any]:
    array = np.asarray(y)
    if array.dtype.kind == "f":
        return check_array(name, array, ndim=(1, 2)).astype(np.float64)
    if array.ndim != 1:
        raise InputError(
            f"`{name}` holds classes ({array.dtype}), of which there must be one per sample, got shape "
            f"{array.shape}. Give numbers as floats."
        )
    return array.astype(str)


def _model(method: Method, classes: bool, n_neighbours: int) -> Any:
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if method == "knn":
        kind = KNeighborsClassifier if classes else KNeighborsRegressor
        return kind(n_neighbors=n_neighbours)
    return LogisticRegression(max_iter=1000) if classes else LinearRegression()
