"""Many layers against the same responses: folds, responses and projections are prepared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from .._core.checks import check_array, check_same_samples
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import derive_seed
from ..features.projection import SparseProjection
from ..metrics import column_correlation
from ._estimator import Encoder
from ._folds import Fold, make_folds
from .ridge import RidgeEncoder

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerFits:
    """How well each layer predicts each channel.

    Attributes
    ----------
    layers : tuple of str
        Names, in the order given.
    fold_cv_scores : ndarray of shape (n_layers, n_folds, n_channels)
        Mean R2 over the folds that chose the penalty, at the best one (optimistic), in the training part of
        each test fold; without test folds one entry, from all samples. Up to 1, higher is better.
    choice : ndarray of shape (n_folds, n_channels)
        Position of the layer with the best such score.
    test_r : ndarray of shape (n_layers, n_folds, n_channels) or None
        Correlation of prediction and response in each test fold; 0 where either is constant.
    predictions : ndarray of shape (n_samples, n_channels) or None
        Held-out predictions with the layer that was chosen without the fold they are in; NaN for samples
        that no fold tests.
    """

    layers: tuple[str, ...]
    fold_cv_scores: Floats
    choice: NDArray[np.intp]
    test_r: Floats | None = None
    predictions: NDArray[np.floating[Any]] | None = None

    @property
    def cv_scores(self) -> Floats:
        """Cross-validated R2, mean over training parts, (n_layers, n_channels)."""
        return np.asarray(self.fold_cv_scores.mean(axis=1))

    @property
    def chosen_r(self) -> Floats:
        """Held-out r of the chosen layers, (n_folds, n_channels)."""
        if self.test_r is None:
            raise InputError("there is no held-out r without `test_folds`; `cv_scores` chose the penalties.")
        folds, channels = np.indices(self.choice.shape)
        return np.asarray(self.test_r[self.choice, folds, channels])

    def to_frame(self) -> pd.DataFrame:
        """Return a row per layer and channel: `layer`, `channel`, `cv_score`, `test_r` (means over folds)."""
        n_layers, n_channels = self.cv_scores.shape
        columns: dict[str, Any] = {
            "layer": np.repeat(self.layers, n_channels),
            "channel": np.tile(np.arange(n_channels), n_layers),
            "cv_score": self.cv_scores.ravel(),
        }
        if self.test_r is not None:
            columns["test_r"] = self.test_r.mean(axis=1).ravel()
        return pd.DataFrame(columns)


def fit_layers(
    layers: Mapping[str, ArrayLike],
    Y: ArrayLike,
    *,
    encoder: Encoder | None = None,
    test_folds: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
    groups: ArrayLike | None = None,
    regions: Sequence[object] | None = None,
    projection: int | None = None,
    random_state: int = 0,
) -> LayerFits:
    """Fit an encoder from every layer to every channel; with test folds, score and choose layers held out.

    Everything that layers have in common is done once: the folds, the responses of each fold, and the
    random projection of layers with equal numbers of units.

    Parameters
    ----------
    layers : mapping of str to array of shape (n_samples, n_units)
        Features per layer; units may differ, samples not. Each is asked for once, when its turn comes.
    Y : array of shape (n_samples, n_channels)
        Responses to the same samples.
    encoder : Encoder, optional
        What is fitted; by default a :class:`RidgeEncoder`. It is not changed. Its `cv` splits each training
        part to choose the penalty.
    test_folds : sequence of (train, test), optional
        Row indices. Each training part is fitted on its own, penalty and layer chosen within it.
    groups : array of shape (n_samples,), optional
        Samples of one group stay on one side of the encoder's own folds.
    regions : sequence of length n_channels, optional
        Channels of one region get one layer: that with the best median R2 in the training part. By default
        every channel gets its own.
    projection : int, optional
        Bring layers with more units down to this many by a sparse random projection.
    random_state : int, default=0
        Seed of the projections.

    Returns
    -------
    fits : LayerFits
        Scores, choices and held-out predictions; weights are not kept.

    Raises
    ------
    InputError
        If there is no layer, if samples differ, or for what the encoder refuses.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> early, late = rng.standard_normal((60, 8)), rng.standard_normal((60, 9))
    >>> Y = np.column_stack([early[:, 0], late[:, 0]])
    >>> fits = fit_layers({"early": early, "late": late}, Y)
    >>> [fits.layers[i] for i in fits.choice[0]]
    ['early', 'late']
    """
    if not layers:
        raise InputError("`layers` is empty; give at least one layer, as {name: features}.")
    encoder = RidgeEncoder() if encoder is None else encoder
    responses = check_array("Y", Y, ndim=2, finite=False)
    labels = None if groups is None else np.asarray(groups)
    if labels is not None and labels.shape != (len(responses),):
        raise InputError(
            f"`groups` must hold one label per sample, got shape {labels.shape} for {len(responses)} samples."
        )
    everything = np.arange(len(responses))
    outer = [(everything, everything[:0])] if test_folds is None else _as_rows(test_folds)
    tasks = [_Task(encoder, responses, labels, train, test) for train, test in outer]
    tally = _Tally(tuple(layers), responses, tasks, _region_of(regions, responses.shape[1]))
    projections: dict[int, SparseProjection] = {}
    for number, name in enumerate(track(list(layers), "layers")):
        features = check_array(f"layers[{name!r}]", layers[name], ndim=2)
        check_same_samples(f"layers[{name!r}]", features, "Y", responses)
        features = _projected(features, projection, projections, random_state)
        for fold, task in enumerate(tasks):
            tally.add(number, fold, *task.fit(features))
    return tally.result(scored=test_folds is not None)


class _Task:
    """One training part: its folds and responses, ready for any layer."""

    def __init__(
        self,
        encoder: Encoder,
        Y: NDArray[Any],
        groups: NDArray[Any] | None,
        train: NDArray[np.intp],
        test: NDArray[np.intp],
    ) -> None:
        self.train, self.test, self.Y = train, test, Y
        self.groups = None if groups is None else groups[train]
        parameters = encoder.get_params(deep=False)
        seed = parameters.get("random_state")
        folds = make_folds(parameters["cv"], Y[train], Y[train], self.groups, seed)
        self.encoder = clone(encoder).set_params(cv=folds)

    def fit(self, X: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
        """Return the cross-validated R2 of each channel and the predictions of the test rows."""
        fitted = clone(self.encoder).fit(X[self.train], self.Y[self.train], groups=self.groups)
        predicted = fitted.predict(X[self.test]) if len(self.test) else self.Y[:0]
        return fitted.cv_scores_, predicted


class _Tally:
    """Scores as they come in, and the predictions of the best layer so far."""

    def __init__(
        self, layers: tuple[str, ...], Y: NDArray[Any], tasks: list[_Task], region: NDArray[np.intp]
    ) -> None:
        shape = (len(layers), len(tasks), Y.shape[1])
        self.layers, self.Y, self.tasks, self.region = layers, Y, tasks, region
        self.cv, self.r = np.zeros(shape), np.zeros(shape)
        self.best = np.full((len(tasks), region.max() + 1), -np.inf)
        self.choice = np.zeros(shape[1:], dtype=np.intp)
        self.predictions = np.full(Y.shape, np.nan, dtype=Y.dtype)

    def add(self, number: int, fold: int, cv_scores: Floats, predicted: NDArray[Any]) -> None:
        """Take the scores of one layer in one training part."""
        self.cv[number, fold] = cv_scores
        # A channel without a score in this part (a constant one) has no say in its region's layer.
        median = pd.Series(cv_scores).groupby(self.region).median().to_numpy()
        better = np.nan_to_num(median, nan=-np.inf) > self.best[fold]
        self.best[fold, better] = median[better]
        taken = np.flatnonzero(better[self.region])
        self.choice[fold, taken] = number
        test = self.tasks[fold].test
        if len(test):
            self.r[number, fold] = np.nan_to_num(column_correlation(predicted, self.Y[test]), nan=0.0)
            self.predictions[np.ix_(test, taken)] = predicted[:, taken]

    def result(self, *, scored: bool) -> LayerFits:
        """Return what came in; without test folds there is nothing held out."""
        held_out = (self.r, self.predictions) if scored else (None, None)
        return LayerFits(self.layers, self.cv, self.choice, *held_out)


def _as_rows(folds: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[Fold]:
    rows = [(np.asarray(train), np.asarray(test)) for train, test in folds]
    if not rows:
        raise InputError("`test_folds` is empty; give a list of (train, test) row indices, or None.")
    for number, (train, test) in enumerate(rows):
        if len(np.intersect1d(train, test)):
            raise InputError(f"`test_folds`: fold {number} has rows in both its training and its test part.")
        if len(test) < 2:
            raise InputError(
                f"`test_folds`: the test part of fold {number} has {len(test)} row(s); r needs 2."
            )
    return rows


def _region_of(regions: Sequence[object] | None, n_channels: int) -> NDArray[np.intp]:
    if regions is None:
        return np.arange(n_channels)
    if len(regions) != n_channels:
        raise InputError(f"`regions` must name one region per channel, got {len(regions)} for {n_channels}.")
    position = {name: i for i, name in enumerate(dict.fromkeys(regions))}
    return np.array([position[name] for name in regions], dtype=np.intp)


def _projected(
    X: NDArray[Any], n_units: int | None, made: dict[int, SparseProjection], seed: int
) -> NDArray[Any]:
    if n_units is None or X.shape[1] <= n_units:
        return X
    width = X.shape[1]
    if width not in made:
        made[width] = SparseProjection(width, n_units, derive_seed(seed, "projection", str(width)))
    return np.asarray((made[width].matrix @ X.T).T)
