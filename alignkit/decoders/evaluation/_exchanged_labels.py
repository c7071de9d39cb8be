"""Scores over times under exchanged labels: of decoders fitted to them, or of decisions as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..._core.progress import track
from ..linear.over_times import LinearOverTimes

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Parts = Sequence[tuple[Indices, Indices]]

_BLOCK_ELEMENTS = 2**17  # of decision values that are ranked at once: 1 MiB, to stay in the cache


def refitted_null(decoder: LinearOverTimes, signals: Floats, exchanged: Indices, parts: Parts) -> Floats:
    """Return the score of decoders that are fitted to every exchange of labels.

    Parameters
    ----------
    decoder : LinearOverTimes
        Whose `classes_` are set.
    signals : ndarray of shape (n_times, n_samples, n_channels)
        Of all samples.
    exchanged : ndarray of int, shape (n_exchanges, n_samples)
        Codes of classes.
    parts : sequence of (train, test)
        Rows of each fold.

    Returns
    -------
    null : ndarray of shape (n_exchanges, n_times)
        Area under the curve of two classes, balanced accuracy of more; mean over folds. Where whole units are
        exchanged so that a fold is left without a class in either part, the mean is over the others.
    """
    n_classes = len(decoder.classes_)
    chance = 1.0 / n_classes
    scores = np.full((len(parts), len(exchanged), len(signals)), np.nan)
    fitting = np.array([[_holds_all(row[train], n_classes) for train, _ in parts] for row in exchanged])
    whole = np.flatnonzero(fitting.all(axis=1))
    done = 0
    found = decoder.weights_of_exchanges(signals, exchanged[whole], [train for train, _ in parts])
    for coef, intercept in track(found, "permutations"):
        rows = whole[done : done + len(coef)]
        done += len(coef)
        for fold, (_, test) in enumerate(parts):
            labels = exchanged[rows][:, test]
            scores[fold, rows] = _scores(
                signals[:, test], coef[:, fold], intercept[:, fold], labels, n_classes
            )
    for row in np.setdiff1d(np.arange(len(exchanged)), whole).tolist():
        kept = [part for part, fits in zip(parts, fitting[row], strict=True) if fits]
        folds = np.flatnonzero(fitting[row]).tolist()
        weights = decoder.weights_of_folds(signals, exchanged[row], [train for train, _ in kept])
        for place, (_, test), (coef, intercept) in zip(folds, kept, weights, strict=True):
            own = exchanged[[row]][:, test]
            scores[place, [row]] = _scores(signals[:, test], coef[None], intercept[None], own, n_classes)
    return _mean_of_known(scores, chance)


def exchanged_null(decisions: Sequence[tuple[Indices, Floats]], exchanged: Indices, n_classes: int) -> Floats:
    """Return the score of decisions under every exchange of the labels that they are held against.

    Parameters
    ----------
    decisions : sequence of (test, decision)
        Rows of each held-out part, and decision values of shape (n_times, n_test, n_outputs).
    exchanged, n_classes
        See `refitted_null`.
    """
    scores = np.empty((len(decisions), len(exchanged), len(decisions[0][1])))
    for fold, (test, decision) in enumerate(decisions):
        labels = exchanged[:, test]
        scores[fold] = _area(decision, labels) if n_classes == 2 else _recall(decision, labels, n_classes)
    return _mean_of_known(scores, 1.0 / n_classes)


def _holds_all(labels: Indices, n_classes: int) -> bool:
    return bool(np.bincount(labels, minlength=n_classes).all())


def _mean_of_known(scores: Floats, chance: float) -> Floats:
    """Return the mean over folds, first, that have a score; chance where none has."""
    known = np.isfinite(scores)
    count = known.sum(axis=0)
    total = np.where(known, scores, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), chance)


def _scores(held_out: Floats, coef: Floats, intercept: Floats, labels: Indices, n_classes: int) -> Floats:
    """Return the scores (n_exchanges, n_times) of weights, NaN where labels lack a class.

    Parameters
    ----------
    held_out : ndarray of shape (n_times, n_test, n_channels)
        Signals.
    coef, intercept : ndarray of shape (n_exchanges, n_times, n_channels, n_outputs) and without channels
        Of every exchange.
    labels : ndarray of shape (n_exchanges, n_test)
        Codes.
    """
    n_exchanges, n_times, n_channels, n_outputs = coef.shape
    n_test = held_out.shape[1]
    out = np.empty((n_exchanges, n_times))
    step = max(1, _BLOCK_ELEMENTS // (n_exchanges * n_outputs * n_test))
    for start in range(0, n_times, step):
        times = slice(start, start + step)
        side_by_side = coef[:, times].transpose(1, 0, 3, 2).reshape(-1, n_exchanges * n_outputs, n_channels)
        decision = side_by_side @ held_out[times].swapaxes(1, 2)
        decision = decision.reshape(-1, n_exchanges, n_outputs, n_test)
        decision += intercept[:, times].swapaxes(0, 1)[..., None]
        if n_outputs == 1:
            out[:, times] = _own_areas(decision[:, :, 0], labels == 1).T
        else:
            out[:, times] = _own_recalls(decision.argmax(axis=2), labels, n_classes).T
    lacking = [not _holds_all(row, n_classes) for row in labels]
    out[lacking] = np.nan
    return out


def _own_areas(values: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Return the area (n_times, n_exchanges) of values (n_times, n_exchanges, n_test) with labels each."""
    n_test = values.shape[-1]
    order = values.argsort(axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    hits = np.take_along_axis(positive[None], order, axis=-1)
    sums = hits @ np.arange(1.0, n_test + 1)
    tied = (ordered[..., 1:] == ordered[..., :-1]).any(axis=-1)
    if tied.any():
        ranks = rankdata(values[tied], axis=-1)
        sums[tied] = (ranks * np.broadcast_to(positive, values.shape)[tied]).sum(axis=-1)
    n_positive = positive.sum(axis=-1)
    pairs = n_positive * (n_test - n_positive)
    return np.asarray((sums - n_positive * (n_positive + 1) / 2) / np.maximum(pairs, 1))


def _own_recalls(picked: Indices, labels: Indices, n_classes: int) -> Floats:
    """Return the mean recall (n_times, n_exchanges) of classes picked, with labels each."""
    hits = picked == labels
    members = labels == np.arange(n_classes)[:, None, None]
    recalls = [(hits & own).sum(axis=-1) / np.maximum(own.sum(axis=-1), 1) for own in members]
    return np.asarray(np.mean(recalls, axis=0))


def _area(decision: Floats, labels: Indices) -> Floats:
    """Return the area (n_exchanges, n_times) of the same decisions under all labels, NaN without a class."""
    ranks = rankdata(decision[..., 0], axis=-1)
    positive = labels.astype(np.float64)
    n_positive = positive.sum(axis=1, keepdims=True)
    pairs = n_positive * (labels.shape[1] - n_positive)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((positive @ ranks.T - n_positive * (n_positive + 1) / 2) / pairs)


def _recall(decision: Floats, labels: Indices, n_classes: int) -> Floats:
    """Return the mean recall of the classes that labels hold."""
    picked = decision.argmax(axis=-1)
    total = np.zeros((len(labels), len(decision)))
    present = np.zeros((len(labels), 1))
    for code in range(n_classes):
        member = (labels == code).astype(np.float64)
        size = member.sum(axis=1, keepdims=True)
        hits = member @ (picked == code).T.astype(np.float64)
        total += np.where(size > 0, hits / np.maximum(size, 1), 0.0)
        present += size > 0
    return np.asarray(total / present)
