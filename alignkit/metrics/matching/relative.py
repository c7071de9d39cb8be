"""Relative representations: stimuli described by their likeness to anchors, and zero-shot stitching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._labels import unique_labels
from .._registry import METRICS
from .._rounding import check_range

Similarity = Literal["cosine", "dot", "correlation"]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class StitchingScore:
    """Accuracies of classifiers that were trained on one system and read another, in [0, 1].

    Attributes
    ----------
    relative : float
        Trained on relative representations of X, tested on those of Y: the zero-shot stitching score.
    absolute : float
        The same with the responses themselves. NaN where X and Y differ in the number of units, so that a
        classifier of one cannot read the other.
    within : float
        Trained and tested on relative representations of Y: what stitching can reach.
    chance : float
        Accuracy of always naming the most frequent class of the training stimuli.
    n_scored : int
        Stimuli that were scored: all but the anchors.
    """

    relative: float
    absolute: float
    within: float
    chance: float
    n_scored: int


@torch_too
def relative_representation(
    X: ArrayLike,
    anchors: ArrayLike,
    *,
    similarity: Similarity = "cosine",
    center: bool = False,
    device: str | None = None,
) -> Matrix:
    """Describe every stimulus by its likeness to the anchors in the same space.

    Two spaces that differ by a rotation give the same representation, so that what reads one reads the
    other, without any fit. With "cosine" also scale does not matter, neither of the space nor of single
    responses. A shift does, unless `center` is set.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units)
        Responses.
    anchors : array of int, shape (n_anchors,), or array of shape (n_anchors, n_units)
        Rows of X, or responses of the same system to the anchor stimuli. For two systems to be compared
        they must be the same stimuli in the same order. Leave anchors out of what is scored later.
    similarity : {"cosine", "dot", "correlation"}, default="cosine"
        "correlation" is the cosine after each response's own mean over units is subtracted; it does not
        survive rotations.
    center : bool, default=False
        Subtract the anchors' mean from responses and anchors first.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    relative : ndarray of shape (n_stimuli, n_anchors)
        In [-1, 1], for "dot" in squared units of X.

    Raises
    ------
    InputError
        If anchors are no rows of X or have another number of units, there are NaN, or for a cosine a
        response or an anchor is zero (after centring): it has no direction.

    References
    ----------
    Moschella L et al. (2023). Relative representations enable zero-shot latent space communication, ICLR,
    doi:10.48550/arXiv.2209.15430.

    Examples
    --------
    >>> relative_representation([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], [0, 2]).round(3)
    array([[1.   , 0.   ],
           [0.707, 0.707],
           [0.   , 1.   ]])
    """
    check_option("similarity", similarity, get_args(Similarity))
    values = _responses("X", X)
    given = np.asarray(anchors)
    if given.ndim == 1:
        chosen = values[_rows(given, len(values))]
    else:
        chosen = _responses("anchors", given)
        if chosen.shape[1] != values.shape[1]:
            raise InputError(
                f"`anchors` must have the {values.shape[1]} units of `X`, got shape {chosen.shape}. Give "
                "responses of the same system, or row indices."
            )
    if center:
        middle = chosen.mean(axis=0)
        values, chosen = values - middle, chosen - middle
    if similarity == "dot":
        check_range("X", values)
        check_range("anchors", chosen)
        return multiply(values, chosen.T, device=device)
    if similarity == "correlation":
        values, chosen = (rows - rows.mean(axis=1, keepdims=True) for rows in (values, chosen))
    first, second = _directions("X", values), _directions("anchors", chosen)
    # Products of unit vectors leave [-1, 1] by no more than rounding.
    return np.asarray(multiply(first, second.T, device=device).clip(-1, 1))


@torch_too
def stitching_score(
    X: ArrayLike,
    Y: ArrayLike,
    labels: ArrayLike,
    *,
    anchors: ArrayLike,
    similarity: Similarity = "cosine",
    center: bool = False,
    n_folds: int = 5,
    groups: ArrayLike | None = None,
    classifier: Any = None,
    random_state: RandomState = 0,
    device: str | None = None,
) -> StitchingScore:
    """Train a classifier on one system and let it read another, through relative representations.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units_x)
        Responses of the system that the classifier is trained on.
    Y : array of shape (n_stimuli, n_units_y)
        Responses of the system it then reads, to the same stimuli.
    labels : array of shape (n_stimuli,)
        Class of each stimulus; at least two.
    anchors : array of int, shape (n_anchors,)
        Rows that are anchors on both sides. They are neither trained on nor scored; more of them describe
        a space better.
    similarity : {"cosine", "dot", "correlation"}, default="cosine"
        See :func:`relative_representation`.
    center : bool, default=False
        See :func:`relative_representation`; for systems whose origins differ.
    n_folds : int, default=5
        Stratified folds: the stimuli that are read in Y are not those trained on in X.
    groups : array of shape (n_stimuli,), optional
        Stimuli with equal labels are never on both sides of a fold.
    classifier : scikit-learn classifier, optional
        Cloned for every fit; by default logistic regression of z-scored columns.
    random_state : int, Generator or None, default=0
        For the folds.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    score : StitchingScore
        Accuracy of stitching beside that of reading without relative representations, the most that could
        be reached, and chance.

    Raises
    ------
    InputError
        If numbers of stimuli differ, anchors are not distinct rows, a label is missing, there are fewer than
        two classes, or a class has fewer stimuli besides the anchors than there are folds.

    References
    ----------
    Moschella L et al. (2023), doi:10.48550/arXiv.2209.15430.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(120) % 3
    >>> X = rng.standard_normal((3, 8))[labels] * 2 + rng.standard_normal((120, 8))
    >>> rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    >>> score = stitching_score(X, X @ rotation, labels, anchors=np.arange(20))
    >>> score.relative > 0.9, score.absolute < 0.7
    (True, True)
    """
    first, second = _responses("X", X), _responses("Y", Y)
    check_same_samples("X", first, "Y", second)
    for name, values in (("X", first), ("Y", second)):
        check_range(name, values)
    rows, classes = _rows(np.asarray(anchors), len(first)), _codes("labels", labels, len(first))
    together = None if groups is None else _codes("groups", groups, len(first))
    rest = np.setdiff1d(np.arange(len(first)), rows)
    folds = _stratified(classes, rest, n_folds, together, as_generator(random_state))
    relative_x, relative_y = (
        relative_representation(values, rows, similarity=similarity, center=center, device=device)
        for values in (first, second)
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    if classifier is not None:
        model = classifier
    hits = {"relative": 0, "absolute": 0, "within": 0, "chance": 0}
    readings = {"relative": (relative_x, relative_y), "within": (relative_y, relative_y)}
    if first.shape[1] == second.shape[1]:
        readings["absolute"] = (first, second)
    for train, test in track(folds, "stitching: folds"):
        for name, (learned, read) in readings.items():
            fitted = clone(model).fit(learned[train], classes[train])
            hits[name] += int((fitted.predict(read[test]) == classes[test]).sum())
        names, counts = np.unique(classes[train], return_counts=True)
        hits["chance"] += int((classes[test] == names[counts.argmax()]).sum())
    accuracy = {name: count / len(rest) for name, count in hits.items()}
    if "absolute" not in readings:
        accuracy["absolute"] = float("nan")
    return StitchingScore(**accuracy, n_scored=len(rest))


def _responses(name: str, X: ArrayLike) -> Matrix:
    values = check_array(name, X, ndim=2, dtype=np.float64)
    if values.shape[1] == 0:
        raise InputError(f"`{name}` has no units, got shape {values.shape}.")
    return values


def _rows(anchors: NDArray[Any], n_stimuli: int) -> NDArray[np.intp]:
    if anchors.ndim != 1 or anchors.size == 0 or anchors.dtype.kind not in "iu":
        raise InputError(
            f"`anchors` must be row indices, got shape {anchors.shape} of {anchors.dtype}. Give integers, "
            "such as np.arange(50)."
        )
    rows = np.asarray(anchors, dtype=np.intp)
    if rows.min() < 0 or rows.max() >= n_stimuli or len(np.unique(rows)) < len(rows):
        raise InputError(
            f"`anchors` must be distinct rows from 0 to {n_stimuli - 1}, got {len(rows)} from {rows.min()} "
            f"to {rows.max()}, {len(np.unique(rows))} of them different."
        )
    return rows


def _directions(name: str, values: Matrix) -> Matrix:
    largest = np.abs(values).max(axis=1, initial=0.0)
    silent = np.flatnonzero(largest == 0)
    if len(silent):
        raise InputError(
            f"{len(silent)} response(s) of `{name}` are zero in every unit, the first is row {silent[0]}: "
            "they have no direction. Drop these stimuli, or use similarity='dot'."
        )
    # The largest first: squares of tiny responses would vanish.
    scaled = values / largest[:, None]
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))


def _codes(name: str, labels: ArrayLike, n_stimuli: int) -> NDArray[np.intp]:
    given = np.asarray(labels)
    if given.shape != (n_stimuli,):
        raise InputError(
            f"`{name}` must hold one label per stimulus, got shape {given.shape} for {n_stimuli} stimuli."
        )
    return unique_labels(name, given)[1]


def _stratified(
    classes: NDArray[np.intp],
    rest: NDArray[np.intp],
    n_folds: int,
    together: NDArray[np.intp] | None,
    rng: np.random.Generator,
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return (train, test) rows, without the anchors."""
    names, counts = np.unique(classes[rest], return_counts=True)
    if len(names) < 2 or n_folds < 2 or counts.min() < n_folds:
        raise InputError(
            f"stitching needs at least 2 classes with at least `n_folds` = {n_folds} (2 or more) stimuli "
            f"each besides the anchors, got {len(names)} class(es), the smallest with "
            f"{counts.min() if len(counts) else 0}."
        )
    seed = int(rng.integers(2**31))
    if together is None:
        split = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(rest, classes[rest])
    else:
        grouped = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        split = grouped.split(rest, classes[rest], together[rest])
    return [(rest[train], rest[test]) for train, test in split]


@torch_too
def _relative_to_all(X: ArrayLike) -> Matrix:
    values = _responses("X", X)
    return relative_representation(values, np.arange(len(values)))


METRICS.register(
    "relative-representation",
    kind="transform",
    inputs="patterns",
    range=(-1.0, 1.0),
    higher_is_closer=None,
    invariant_to=("pattern-scale", "permutation", "rotation", "scale", "stimulus-permutation"),
    unit="cosine",
    paper="Moschella et al. 2023, doi:10.48550/arXiv.2209.15430",
    summary="cosine of each stimulus with every stimulus; with anchors, with these",
)(_relative_to_all)
