"""A linear decoder at every time, fitted at once and applied at its own or at all times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError
from .over_times_scores import Scoring, check_scoring, score_decision
from .patterns import patterns_of_covariance

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Weights = tuple[Floats, Floats]

_BLOCK_ELEMENTS = 2**16  # of a block that is turned round: 512 KiB, to stay in the cache


class LinearOverTimes(BaseEstimator):
    """Base of the linear decoders over times; a subclass gives `_solve`.

    A subclass stores its options in `__init__`, among them `standardize`, and may override
    `weights_of_folds` and `weights_of_exchanges` where the fits of several training parts, or exchanges of
    labels, share work.

    Attributes
    ----------
    coef_ : ndarray of shape (n_times, n_channels, n_outputs)
        Weights in the units of X, whether or not it was z-scored.
    intercept_ : ndarray of shape (n_times, n_outputs)
        Decision values at X = 0.
    patterns_ : ndarray of shape (n_times, n_channels, n_outputs)
        Haufe-transformed weights in the units of X; see :func:`haufe_patterns`.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers: the classes, sorted.
    n_channels_ : int
        Channels of the training samples.
    n_times_ : int
        Times of the training samples; 1 where X has two dimensions.

    Notes
    -----
    X of two dimensions is X at one time: results keep an axis of times, of length 1.
    """

    classifies: ClassVar[bool] = False
    standardize: bool = True

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit a decoder at every time.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels[, n_times])
            Signals, in any unit.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Classes of any type for a classifier (one dimension); numbers otherwise.

        Returns
        -------
        self : LinearOverTimes
            Fitted.

        Raises
        ------
        InputError
            If X or y hold NaN, their numbers of samples differ, there are fewer than 2 samples, or a
            classifier gets one class.
        """
        signals, targets = self.check_training(X, y)
        coef, intercept = self._fit_part(signals, targets)
        self.coef_, self.intercept_ = coef, intercept
        self.n_times_, self.n_channels_ = signals.shape[0], signals.shape[2]
        centred = signals - signals.mean(axis=1, keepdims=True)
        latent = centred @ coef
        self.patterns_ = patterns_of_covariance(
            centred.swapaxes(1, 2) @ latent, latent.swapaxes(1, 2) @ latent
        )
        return self

    def decision(self, X: ArrayLike) -> Floats:
        """Return the decision values of every time's decoder at its own time.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels[, n_times])
            Signals of the channels and times that were fitted.

        Returns
        -------
        decision : ndarray of shape (n_samples, n_times, n_outputs)
            Continuous predictions, or scores of classes: one output for two classes (above 0: the second),
            otherwise one per class.

        Raises
        ------
        InputError
            If X holds NaN or has other numbers of channels or times, or `fit` was not called.
        """
        signals = self._check_signals(X, same_times=True)
        return decide(signals, self.coef_, self.intercept_).swapaxes(0, 1)

    def generalise(self, X: ArrayLike) -> Floats:
        """Return the decision values of every time's decoder at every time.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels[, n_test_times])
            Signals of the channels that were fitted, at any times.

        Returns
        -------
        decision : ndarray of shape (n_samples, n_train_times, n_test_times, n_outputs)
            Element (i, j, k) is of the decoder of time j for sample i at time k.

        Raises
        ------
        InputError
            If X holds NaN or has another number of channels, or `fit` was not called.
        """
        signals = self._check_signals(X, same_times=False)
        return np.moveaxis(decide_across(signals, self.coef_, self.intercept_), 2, 0)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return classes, or the decision values where targets are continuous.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels[, n_times])
            Signals of the channels and times that were fitted.

        Returns
        -------
        prediction : ndarray of shape (n_samples, n_times) or (n_samples, n_times, n_outputs)
            The last axis where y had two dimensions.
        """
        decision = self.decision(X)
        if not self.classifies:
            return decision if self._several_outputs else decision[..., 0]
        picked = decision[..., 0] > 0 if decision.shape[-1] == 1 else decision.argmax(axis=-1)
        labels: NDArray[Any] = self.classes_[picked.astype(np.intp)]
        return labels

    def score(self, X: ArrayLike, y: ArrayLike, *, scoring: Scoring | None = None) -> Floats:
        """Score the predictions of every time's decoder at its own time.

        Parameters
        ----------
        X, y
            See :meth:`fit`; y holds no class that was not fitted.
        scoring : str, optional
            See :func:`cross_validate_over_times`; by default the accuracy of classes, and R2 otherwise.

        Returns
        -------
        scores : ndarray of shape (n_times,)
            Higher is better.
        """
        signals = self._check_signals(X, same_times=True)
        chosen = check_scoring(scoring or ("accuracy" if self.classifies else "r2"), self.classifies)
        targets = self._codes_of(y) if self.classifies else _check_numbers(y)
        check_same_samples("X", signals.swapaxes(0, 1), "y", targets)
        return score_decision(decide(signals, self.coef_, self.intercept_), targets, chosen, self.classifies)

    def _solve(self, X: Floats, y: NDArray[Any]) -> Weights:
        """Solve all times of one training part.

        Parameters
        ----------
        X : ndarray of shape (n_times, n_samples, n_channels)
            Float64, C-contiguous, z-scored per time and channel where `standardize` (a constant channel
            is 0), as it came otherwise. Not to be changed.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            For a classifier codes of `classes_`, of one dimension, each of them there; otherwise float64
            of two dimensions.

        Returns
        -------
        coef : ndarray of shape (n_times, n_channels, n_outputs)
            In the units of the X that came.
        intercept : ndarray of shape (n_times, n_outputs)
            Decision values at X = 0.
        """
        raise NotImplementedError

    def weights_of_folds(
        self, signals: Floats, targets: NDArray[Any], trainings: Sequence[Indices]
    ) -> Iterator[Weights]:
        """Yield the weights of every training part, in the units of the signals.

        Parameters
        ----------
        signals : ndarray of shape (n_times, n_samples, n_channels)
            Of all samples, as they came.
        targets : ndarray
            Of all samples; see `_solve`.
        trainings : sequence of arrays of int
            The samples of each training part.
        """
        for rows in trainings:
            yield self._fit_part(signals[:, rows], targets[rows])

    def weights_of_exchanges(
        self, signals: Floats, labels: Indices, trainings: Sequence[Indices]
    ) -> Iterator[Weights]:
        """Yield the weights of every training part for some exchanges of labels at a time, in their order.

        Parameters
        ----------
        signals : ndarray of shape (n_times, n_samples, n_channels)
            Of all samples, as they came.
        labels : ndarray of int, shape (n_exchanges, n_samples)
            Codes of classes, each of them in each training part.
        trainings : sequence of arrays of int
            The samples of each training part.

        Yields
        ------
        coef : ndarray of shape (n_some, n_folds, n_times, n_channels, n_outputs)
        intercept : ndarray of shape (n_some, n_folds, n_times, n_outputs)
        """
        for row in labels:
            weights = list(self.weights_of_folds(signals, row, trainings))
            yield np.stack([coef for coef, _ in weights])[None], np.stack([free for _, free in weights])[None]

    def _fit_part(self, signals: Floats, targets: NDArray[Any]) -> Weights:
        if not self.standardize:
            return self._solve(signals, targets)
        means, scales = channel_scales(signals)
        scaled = signals - means[:, None]
        scaled /= scales[:, None]
        coef, intercept = self._solve(scaled, targets)
        raw = coef / scales[..., None]
        return raw, intercept - np.einsum("tc,tck->tk", means, raw)

    def check_training(self, X: ArrayLike, y: ArrayLike) -> tuple[Floats, NDArray[Any]]:
        """Return signals by time and targets as `_solve` takes them; sets `classes_`."""
        samples = check_array("X", X, ndim=(2, 3), dtype=np.float64, min_rows=2)
        if 0 in samples.shape:
            raise InputError(f"`X` has no channels or no times, got shape {samples.shape}.")
        if self.classifies:
            labels = _check_labels(y)
            self.classes_, codes = np.unique(labels, return_inverse=True)
            if len(self.classes_) < 2:
                raise InputError(
                    f"`y` holds one class ({self.classes_[0]!r}) in {len(labels)} samples; a classifier "
                    "needs at least two."
                )
            targets: NDArray[Any] = codes.astype(np.intp)
        else:
            targets = _check_numbers(y)
            self._several_outputs = np.ndim(y) == 2
        check_same_samples("X", samples, "y", targets)
        return by_time(samples), targets

    def _check_signals(self, X: ArrayLike, *, same_times: bool) -> Floats:
        if not hasattr(self, "coef_"):
            raise InputError(f"this {type(self).__name__} is not fitted yet; call `fit` first.")
        samples = check_array("X", X, ndim=(2, 3), dtype=np.float64)
        if samples.shape[1] != self.n_channels_:
            raise InputError(
                f"`X` has {samples.shape[1]} channels, but {type(self).__name__} was fitted to "
                f"{self.n_channels_}. Give the same channels in the same order."
            )
        n_times = samples.shape[2] if samples.ndim == 3 else 1
        if same_times and n_times != self.n_times_:
            raise InputError(
                f"`X` has {n_times} time(s), but {type(self).__name__} was fitted to {self.n_times_}. Give "
                "the same times, or use `generalise`."
            )
        return by_time(samples)

    def _codes_of(self, y: ArrayLike) -> Indices:
        labels = _check_labels(y)
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            shown = ", ".join(repr(name) for name in unknown[:5].tolist())
            raise InputError(f"`y` holds {len(unknown)} class(es) that were not fitted: {shown}.")
        return np.searchsorted(self.classes_, labels)


def by_time(X: NDArray[Any]) -> Floats:
    """Return signals with times first, shape (n_times, n_samples, n_channels), float64 and contiguous."""
    n_samples, n_channels = X.shape[:2]
    if X.ndim == 2:
        return np.array(X[None], dtype=np.float64)
    n_times = X.shape[2]
    flat = X.reshape(n_samples * n_channels, n_times)
    turned = np.empty((n_times, n_samples * n_channels))
    step = max(1, _BLOCK_ELEMENTS // n_times)
    for start in range(0, len(flat), step):
        turned[:, start : start + step] = flat[start : start + step].T
    return turned.reshape(n_times, n_samples, n_channels)


def neighbours_as_slice(rows: Indices) -> Indices | slice:
    """Return a slice for rows that follow one another, which takes them without a copy."""
    if len(rows) and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def channel_scales(signals: Floats) -> Weights:
    """Return mean and standard deviation (over n) of channels per time; a constant channel has scale 1.

    Parameters
    ----------
    signals : ndarray of shape (n_times, n_samples, n_channels)
        In any unit.

    Returns
    -------
    means, scales : ndarray of shape (n_times, n_channels)
        Scales are above 0.
    """
    n_samples = signals.shape[1]
    means = signals.mean(axis=1)
    centred = signals - means[:, None]
    variances = np.einsum("tnc,tnc->tc", centred, centred) / n_samples
    return means, np.sqrt(np.where(is_constant(variances, means, n_samples), 1.0, variances))


def is_constant(variances: Floats, means: Floats, n_samples: int) -> NDArray[np.bool_]:
    """Tell which variances are nothing but the rounding of a mean over n samples."""
    rounding = np.finfo(np.float64).eps * n_samples
    constant: NDArray[np.bool_] = variances <= rounding * variances + (rounding * means) ** 2
    return constant


def decide(signals: Floats, coef: Floats, intercept: Floats) -> Floats:
    """Return decision values (n_times, n_samples, n_outputs) of every time's weights at its own time."""
    return np.asarray(signals @ coef + intercept[:, None])


def decide_across(signals: Floats, coef: Floats, intercept: Floats) -> Floats:
    """Return decision values (n_train_times, n_test_times, n_samples, n_outputs)."""
    n_train, n_channels, n_outputs = coef.shape
    n_test, n_samples = signals.shape[:2]
    side_by_side = coef.transpose(1, 0, 2).reshape(n_channels, n_train * n_outputs)
    values = signals.reshape(-1, n_channels) @ side_by_side + intercept.reshape(-1)
    return np.moveaxis(values.reshape(n_test, n_samples, n_train, n_outputs), 2, 0)


def _check_labels(y: ArrayLike) -> NDArray[Any]:
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise InputError(f"`y` must hold one class per sample, shape (n_samples,), got {labels.shape}.")
    missing = int(pd.isna(labels).sum())
    if missing:
        raise InputError(f"`y` has no class for {missing} sample(s); drop them.")
    return labels


def _check_numbers(y: ArrayLike) -> Floats:
    targets = check_array("y", y, ndim=(1, 2), dtype=np.float64)
    return targets[:, None] if targets.ndim == 1 else targets
