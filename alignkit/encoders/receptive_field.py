"""Temporal receptive fields: continuous responses from continuous features at many lags."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from ..metrics import column_correlation, column_r2
from ..solvers._held_out import check_parts
from ..stats.blocks import blocked_folds, run_slices
from ._estimator import ALPHAS, Encoder, scale_channels
from ._folds import CrossValidation, Fold, make_folds
from ._lagged import Floats, Lags
from ._lagged_ridge import LaggedRidge, Penalty
from ._registry import ENCODERS

Edges = Literal["mask", "pad"]


class TemporalReceptiveField(Encoder):
    """Predict M/EEG (or other continuous responses) from features at many lags.

    ``y(t) = sum over lags and features of w(lag) x(t - lag) + b``: at a positive lag the response follows
    the stimulus. Every channel gets its own penalty by cross-validation over whole segments (or blocks with
    a gap).

    Parameters
    ----------
    sfreq_hz : float
        Sampling rate of features and responses.
    tmin_ms : float, default=-100.0
        First lag, in milliseconds, rounded to samples. Negative lags are acausal: a control, where nothing
        should be found.
    tmax_ms : float, default=500.0
        Last lag, included.
    penalty : {"ridge", "laplacian"}, default="ridge"
        ``sum w^2``, or the squared differences of neighbouring lags (smooth kernels) plus 1e-6 of the
        squared weights, so that no direction is free.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive; by default 19 from 0.1 to 1e8 in half decades, for
        z-scored features.
    cv : int, list of (train, test) or splitter, default=5
        A number of folds: with `groups` of whole consecutive segments (at most one each), otherwise of
        contiguous blocks, with a gap as long as all lags.
    edges : {"mask", "pad"}, default="mask"
        Rows whose lags reach outside their segment: left out of fit and scores, or kept with features of 0
        (silence) there. Predictions cover all rows; with "mask" the outside then is the features' mean.
    standardize : bool, default=True
        Divide each feature by its standard deviation (of the training part), the same for all lags.
    fit_intercept : bool, default=True
        Fit an unpenalised intercept by centring.

    Attributes
    ----------
    coef_ : ndarray of shape (n_lags, n_features, n_channels)
        Weights in the unit of response per unit of feature; (n_lags, n_features) for a one-dimensional Y.
    lags_s_ : ndarray of shape (n_lags,)
        The lags in seconds, ascending.
    intercept_ : ndarray of shape (n_channels,)
        Prediction where all features are 0; a float for a one-dimensional Y.
    best_alphas_ : ndarray of shape (n_channels,)
        The penalty of each channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at that penalty. It was chosen as the best of several and is no test score.
    feature_means_ : ndarray of shape (n_features,)
        Mean of each feature.
    n_features_in_ : int
        Number of features seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    The lagged design is never made: its Gram matrix is almost Toeplitz and is built from products of the
    features with each other. Memory is O((n_lags * n_features)^2) per fold beside the data, time
    O(n_times * n_lags * n_features * n_channels) and one decomposition of that matrix per fold, all
    in float64 but for the products with float32 responses. With thousands of lagged features reduce the
    features first.

    Epochs of shape (n_epochs, n_channels, n_times) become rows by
    ``epochs.transpose(0, 2, 1).reshape(-1, n_channels)``, and their segments
    ``groups=np.repeat(np.arange(n_epochs), n_times)``.
    Zero-phase filters smear responses into negative lags.

    References
    ----------
    Crosse MJ, Di Liberto GM, Bednar A, Lalor EC (2016). The multivariate temporal response function (mTRF)
    toolbox. Front Hum Neurosci, doi:10.3389/fnhum.2016.00604.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((3000, 1))
    >>> Y = np.roll(X, 10, axis=0) + rng.standard_normal((3000, 2))
    >>> trf = TemporalReceptiveField(sfreq_hz=100, tmax_ms=300).fit(X, Y)
    >>> float(trf.lags_s_[trf.coef_[:, 0, 0].argmax()])
    0.1
    """

    kind = "trf"
    arrays: ClassVar[tuple[str, ...]] = (*Encoder.arrays, "lags_s_", "feature_means_")

    def __init__(
        self,
        *,
        sfreq_hz: float,
        tmin_ms: float = -100.0,
        tmax_ms: float = 500.0,
        penalty: Penalty = "ridge",
        alphas: ArrayLike | None = None,
        cv: CrossValidation = 5,
        edges: Edges = "mask",
        standardize: bool = True,
        fit_intercept: bool = True,
    ) -> None:
        self.sfreq_hz = sfreq_hz
        self.tmin_ms = tmin_ms
        self.tmax_ms = tmax_ms
        self.penalty = penalty
        self.alphas = alphas
        self.cv = cv
        self.edges = edges
        self.standardize = standardize
        self.fit_intercept = fit_intercept

    def fit(self, X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None = None) -> TemporalReceptiveField:
        """Fit the receptive fields.

        Parameters
        ----------
        X : array of shape (n_times, n_features)
            Features, one row per time point in the order of recording.
        Y : array of shape (n_times, n_channels) or (n_times,)
            Responses at the same times.
        groups : sequence of length n_times, optional
            The segment (run, trial, audio file) of each row; by default all are one. Lags never reach from
            one segment into the next, and folds leave whole segments out.

        Returns
        -------
        self : TemporalReceptiveField

        Raises
        ------
        InputError
            If there are NaN, the numbers of times differ, a segment is in pieces or all are shorter than
            the lags, an alpha is not positive, `cv` gives fewer than 2 usable folds or trains on a test row,
            or it is a number and `groups` name a single segment.
        """
        lags = self._lags()
        features, responses = self._check_pair(X, Y, reset=True)
        alphas = ALPHAS if self.alphas is None else self.alphas
        grid = check_array("alphas", alphas, ndim=1, dtype=np.float64)
        if (grid <= 0).any():
            raise InputError(
                f"`alphas` must be positive, got {grid.min():g}. For hardly any penalty use 1e-6."
            )
        segments = _segments(groups, len(features))
        # float32 only where both are; integers are floats from here on.
        responses = responses.astype(np.result_type(features, responses, np.float32), copy=False)
        flat, scale = scale_channels(responses.reshape(len(responses), -1))
        problem = LaggedRidge(
            features, flat, lags, segments, self.fit_intercept, self.standardize, self.penalty
        )
        folds = self._folds(features, responses, groups, lags, segments)
        everything, parts = problem.fold_sums(folds)
        scores = np.zeros((len(grid), flat.shape[1]))
        for train, test, constant in track(parts, "receptive field: folds"):
            scores += problem.score(train, test, constant, grid)
        scores /= len(folds)

        # Of equals the largest alpha: where nothing can be told apart, the simplest model.
        descending = np.argsort(-grid, kind="stable")
        best = descending[np.argmax(scores[descending], axis=0)]
        coef, intercept = problem.refit(everything, grid[best])
        self._keep(coef * scale, intercept * scale, grid[best], scores[best, np.arange(len(best))], responses)
        self.lags_s_ = np.arange(lags.first, lags.last + 1) / self.sfreq_hz
        self.feature_means_ = features.mean(axis=0, dtype=np.float64)
        self._remember(features, responses)
        return self

    def predict(self, X: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.floating[Any]]:
        """Predict responses at every time.

        Parameters
        ----------
        X : array of shape (n_times, n_features)
            Features, in the order of recording.
        groups : sequence of length n_times, optional
            The segment of each row; by default all are one.

        Returns
        -------
        prediction : ndarray of shape (n_times, n_channels) or (n_times,)
            In the unit of the responses that were fitted. Rows at the edge of a segment lack a part of what
            drives them; see `edges`.
        """
        check_is_fitted(self)
        features = self._check_features(X)
        return self._predict_segments(features, _segments(groups, len(features)))

    def score(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> float:
        """Return the mean R2 over channels, at most 1; see `score_channels`."""
        return float(self.score_channels(X, y, metric="r2", groups=groups).mean())

    def score_channels(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        metric: Literal["r", "r2"] = "r",
        groups: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        """Return the score of every channel.

        Parameters
        ----------
        X : array of shape (n_times, n_features)
            Features.
        Y : array of shape (n_times, n_channels) or (n_times,)
            Responses.
        metric : {"r", "r2"}, default="r"
            Pearson's r, NaN where response or prediction is constant; or R2, 0 where the response is.
        groups : sequence of length n_times, optional
            The segment of each row; by default all are one.

        Returns
        -------
        scores : ndarray of shape (n_channels,)
            Higher is better. With ``edges="mask"`` the rows whose lags reach outside do not count.
        """
        check_option("metric", metric, ("r", "r2"))
        check_is_fitted(self)
        features, responses = self._check_pair(X, Y, reset=False)
        segments = _segments(groups, len(features))
        predicted = self._predict_segments(features, segments).reshape(len(features), -1)
        measured = responses.reshape(len(responses), -1)
        if predicted.shape != measured.shape:
            raise InputError(
                f"`Y` must have the {predicted.shape[1]} channel(s) that were fitted, "
                f"got {measured.shape[1]}."
            )
        stretches = self._lags().stretches(np.arange(len(features)), segments)
        rows = np.array([row for start, stop, _, _ in stretches for row in range(start, stop)], dtype=int)
        if rows.size < 2:
            raise InputError(_too_short(self._lags(), rows.size))
        compare = column_correlation if metric == "r" else column_r2
        return compare(measured[rows], predicted[rows])

    def _predict_segments(self, X: NDArray[Any], segments: list[slice]) -> NDArray[np.floating[Any]]:
        lags = self._lags()
        # Every row is predicted, those at the edges too.
        every = Lags(lags.first, lags.last, masked=False)
        outside = self.feature_means_ if lags.masked else np.zeros(X.shape[1])
        weights = self.coef_.reshape(lags.count * X.shape[1], -1)
        predicted = np.empty((len(X), weights.shape[1]), weights.dtype)
        for stretch in every.stretches(np.arange(len(X)), segments):
            window = every.window(X, stretch, outside.astype(X.dtype))
            for rows, lagged in every.blocks(window):
                predicted[stretch[0] + rows.start : stretch[0] + rows.stop] = lagged @ weights
        predicted += self.intercept_
        return predicted if self.coef_.ndim == 3 else predicted[:, 0]

    def _lags(self) -> Lags:
        check_option("penalty", self.penalty, get_args(Penalty))
        check_option("edges", self.edges, get_args(Edges))
        for name in ("sfreq_hz", "tmin_ms", "tmax_ms"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not np.isfinite(float(value)):
                raise InputError(f"`{name}` must be a finite number, got {value!r}.")
        if not self.sfreq_hz > 0:
            raise InputError(f"`sfreq_hz` must be positive, got {self.sfreq_hz}.")
        if not self.tmin_ms <= self.tmax_ms:
            raise InputError(
                f"`tmin_ms` must not be after `tmax_ms`, got {self.tmin_ms:g} and {self.tmax_ms:g}."
            )
        first, last = (round(edge * self.sfreq_hz / 1000) for edge in (self.tmin_ms, self.tmax_ms))
        return Lags(first, last, masked=self.edges == "mask")

    def _folds(
        self, X: NDArray[Any], Y: NDArray[Any], groups: ArrayLike | None, lags: Lags, segments: list[slice]
    ) -> list[Fold]:
        if isinstance(self.cv, bool) or not isinstance(self.cv, int | np.integer):
            return check_parts(make_folds(self.cv, X, Y, groups, None), len(X), least_train=1)
        n_folds = int(self.cv)
        if n_folds < 2:
            raise InputError(f"`cv` must give at least 2 folds to choose alpha by, got {n_folds}.")
        if groups is not None:
            if len(segments) < 2:
                raise InputError(
                    "`groups` must name at least 2 segments, as folds leave whole ones out, got 1. Leave "
                    "`groups` out to cut contiguous blocks."
                )
            return blocked_folds(np.asarray(groups).tolist(), n_folds=min(n_folds, len(segments)))
        if n_folds > len(X):
            raise InputError(
                f"`cv` asks for {n_folds} folds, but there are n_samples = {len(X)}. Use fewer folds."
            )
        gap = max(lags.count - 1, abs(lags.first), abs(lags.last))
        return blocked_folds(len(X), n_folds=n_folds, gap=gap)

    def _keep(
        self, coef: Floats, intercept: Floats, alphas: Floats, scores: Floats, responses: NDArray[Any]
    ) -> None:
        shaped = coef.reshape(self._lags().count, self.n_features_in_, -1)
        single = responses.ndim == 1
        dtype = responses.dtype
        self.coef_ = (shaped[..., 0] if single else shaped).astype(dtype)
        self.intercept_ = dtype.type(intercept[0]) if single else intercept.astype(dtype)
        self.best_alphas_, self.cv_scores_ = alphas, scores


def _segments(groups: ArrayLike | None, n_times: int) -> list[slice]:
    if groups is None:
        return [slice(0, n_times)]
    segments = list(run_slices(groups, name="groups").values())
    if segments[-1].stop != n_times:
        raise InputError(
            f"`groups` must hold one label per time point, got {segments[-1].stop} for {n_times} times."
        )
    return segments


def _too_short(lags: Lags, n_rows: int) -> str:
    return (
        f"only {n_rows} row(s) have all lags ({lags.first} to {lags.last} samples) within their segment. "
        "Use longer segments, fewer lags or edges='pad'."
    )


ENCODERS.register(
    TemporalReceptiveField.kind,
    summary="linear kernels from continuous features to each channel over a range of lags, ridge or smooth",
    paper="Crosse et al. 2016, doi:10.3389/fnhum.2016.00604",
)(TemporalReceptiveField)
