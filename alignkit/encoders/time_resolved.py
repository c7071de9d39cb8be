"""Time-resolved encoding: channels x times as the targets of one fit."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core.checks import check_array, check_option, check_same_samples
from .._core.errors import InputError
from ..metrics import column_correlation, column_r2
from ._estimator import Encoder
from ._registry import ENCODERS
from .ridge import RidgeEncoder


class TimeResolvedEncoder(Encoder):
    """Predict evoked responses, every channel at every time, from features of the stimulus.

    The features are the same at all times, so that one decomposition of them serves channels x times
    targets, each with its own penalty.

    Parameters
    ----------
    estimator : Encoder, optional
        A linear encoder for responses of shape (n_samples, n_targets), by default ``RidgeEncoder()``. It is
        cloned.

    Attributes
    ----------
    coef_ : ndarray of shape (n_units, n_channels, n_times)
        Weights.
    intercept_ : ndarray of shape (n_channels, n_times)
        Predictions at X = 0.
    best_alphas_ : ndarray of shape (n_channels, n_times)
        The penalties, where the estimator chooses them.
    cv_scores_ : ndarray of shape (n_channels, n_times)
        Its mean R2 over folds, chosen as the best of several, where it has one.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    Responses of two dimensions or one are fine too: every shape below drops the axes that are not there.

    References
    ----------
    Kriegeskorte N, Douglas PK (2019). Interpreting encoding and decoding models. Curr Opin Neurobiol,
    doi:10.1016/j.conb.2019.04.002.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> Y = rng.standard_normal((200, 2, 5))
    >>> Y[:, 1, 3] += 3 * X[:, 0]
    >>> scores = TimeResolvedEncoder().fit(X[:150], Y[:150]).score_channels(X[150:], Y[150:])
    >>> [int(i) for i in np.unravel_index(scores.argmax(), scores.shape)]
    [1, 3]
    """

    kind = "time-resolved"
    arrays: ClassVar[tuple[str, ...]] = Encoder.arrays

    def __init__(self, estimator: Encoder | None = None) -> None:
        self.estimator = estimator

    def fit(self, X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None = None) -> TimeResolvedEncoder:
        """Fit all channels and times at once.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features of each sample's stimulus.
        Y : array of shape (n_samples, n_channels, n_times)
            Responses to it.
        groups : array of shape (n_samples,), optional
            Samples of one group stay on one side of every fold; give repeats of a stimulus one group.

        Returns
        -------
        self : TimeResolvedEncoder

        Raises
        ------
        InputError
            If there are NaN, the numbers of samples differ, or the estimator is no linear encoder or finds
            its settings wrong.
        """
        features, responses = self._check_pair(X, Y, reset=True)
        estimator = RidgeEncoder() if self.estimator is None else self.estimator
        if not isinstance(estimator, Encoder) or isinstance(estimator, TimeResolvedEncoder):
            raise InputError(
                f"`estimator` must be a linear encoder of alignkit, such as RidgeEncoder(), got "
                f"{type(estimator).__name__}."
            )
        fitted: Any = clone(estimator)
        fitted.fit(features, responses.reshape(len(responses), -1), groups=groups)
        shape = responses.shape[1:]
        coef = getattr(fitted, "coef_", None)
        if coef is None or coef.shape != (features.shape[1], prod(shape)):
            raise InputError(
                f"`estimator` must be linear, with a `coef_` of one row per unit, which {fitted.kind!r} has "
                "not. Fit it to the responses reshaped to (n_samples, n_channels * n_times)."
            )
        for name in self.arrays:
            if hasattr(fitted, name):
                value = np.asarray(getattr(fitted, name))
                # A single response has one penalty and one score, but a number for its intercept.
                per_target = shape if shape or name in ("coef_", "intercept_") else (1,)
                setattr(self, name, value.reshape(value.shape[:-1] + per_target)[()])
        self._remember(features, responses)
        return self

    def score_channels(
        self, X: ArrayLike, Y: ArrayLike, *, metric: Literal["r", "r2"] = "r"
    ) -> NDArray[np.float64]:
        """Return the score of every channel at every time.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        Y : array of shape (n_samples, n_channels, n_times)
            Responses.
        metric : {"r", "r2"}, default="r"
            Pearson's r over samples, NaN where response or prediction is constant; or R2, 0 where the
            response is.

        Returns
        -------
        scores : ndarray of shape (n_channels, n_times)
            Higher is better.
        """
        check_option("metric", metric, ("r", "r2"))
        check_is_fitted(self)
        features, responses = self._check_pair(X, Y, reset=False)
        predicted = self._predict(features)
        if predicted.shape != responses.shape:
            raise InputError(
                f"`Y` must have the shape that was fitted, {predicted.shape[1:]} for every sample, got "
                f"{responses.shape[1:]}."
            )
        if len(features) < 2:
            raise InputError(
                f"`X` and `Y` must have at least 2 samples, as scores compare them, got {len(features)}."
            )
        compare = column_correlation if metric == "r" else column_r2
        scores = compare(responses.reshape(len(responses), -1), predicted.reshape(len(predicted), -1))
        return scores.reshape(responses.shape[1:] or (1,))

    def save(self, folder: str | Path) -> None:
        """Write the fitted encoder to a folder; see `RidgeEncoder.save`.

        The estimator's settings are kept too, its folds only where they are a number or a name; those of an
        estimator that is not in the registry are not.
        """
        super().save(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read an encoder that `save` wrote; see `RidgeEncoder.load`. The estimator is as `save` kept it."""
        # Not this module's name for it: the package's registry is whole whatever was imported before.
        from . import ENCODERS as every_encoder

        encoder = super().load(folder)
        if encoder.estimator is not None:
            try:
                settings: Any = encoder.estimator
                encoder.estimator = every_encoder[settings["kind"]](**settings["parameters"])
            except (KeyError, TypeError) as error:
                raise InputError(
                    f"{folder} does not describe the estimator of its encoder ({error!r}). "
                    "Fit and save it again."
                ) from error
        return encoder

    def _predict(self, features: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return np.asarray(np.tensordot(features, self.coef_, axes=1) + self.intercept_)

    def to_json(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON; the estimator only where it is in the registry."""
        for kind in ENCODERS:
            if self.estimator is not None and type(self.estimator) is ENCODERS[kind]:
                return {"estimator": {"kind": kind, "parameters": self.estimator.to_json()}}
        return {}

    def _check_pair(
        self, X: Any, Y: Any, *, reset: bool, missing: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        if np.asarray(Y).ndim != 3:
            return super()._check_pair(X, Y, reset=reset, missing=missing)
        try:
            features = np.asarray(validate_data(self, X, reset=reset, dtype=[np.float64, np.float32]))
        except ValueError as error:
            raise InputError(str(error)) from error
        responses = check_array("Y", Y, ndim=3, finite=not missing)
        check_same_samples("X", features, "Y", responses)
        return features, responses


ENCODERS.register(
    TimeResolvedEncoder.kind,
    summary="one linear map per channel and time of evoked responses, from a single decomposition",
    paper="Kriegeskorte & Douglas 2019, doi:10.1016/j.conb.2019.04.002",
)(TimeResolvedEncoder)
