"""What all encoders share: checked input, prediction, scores, and the way to disk and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core.checks import check_option
from .._core.errors import InputError
from .._core.hashing import digest_array
from ..metrics import column_correlation, column_r2
from ._storage import load_encoder, save_encoder

CHANNELS_AT_ONCE = 256  # of the float64 copy that finds their spread


class Encoder(RegressorMixin, BaseEstimator):
    """Base of the encoders; a subclass gives `fit`, its `kind` and the names of its fitted arrays.

    Attributes
    ----------
    kind : str
        Name in the registry and on disk.
    arrays : tuple of str
        Fitted attributes that are saved, each an array or a number.
    """

    kind: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ("coef_", "intercept_", "best_alphas_", "cv_scores_")

    @property
    def n_channels(self) -> int:
        """Number of channels that were fitted."""
        check_is_fitted(self)
        return int(self.fitted_on_["n_channels"])

    def predict(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Predict responses.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.

        Returns
        -------
        prediction : ndarray of shape (n_samples, n_channels) or (n_samples,)
            In the unit of the responses that were fitted.
        """
        check_is_fitted(self)
        return self._predict(self._check_features(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the mean R2 over channels, at most 1; a constant channel counts as 0.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses.

        Returns
        -------
        score : float
            At most 1, higher is better.
        """
        return float(self.score_channels(X, y, metric="r2").mean())

    def score_channels(
        self, X: ArrayLike, Y: ArrayLike, *, metric: Literal["r", "r2"] = "r"
    ) -> NDArray[np.float64]:
        """Return the score of every channel.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        Y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses.
        metric : {"r", "r2"}, default="r"
            Pearson's r, NaN where response or prediction is constant; or R2, 0 where the response is.

        Returns
        -------
        scores : ndarray of shape (n_channels,)
            Higher is better.
        """
        check_option("metric", metric, ("r", "r2"))
        check_is_fitted(self)
        features, responses = self._check_pair(X, Y, reset=False)
        predicted = self._predict(features)
        measured = responses.reshape(len(responses), -1)
        predicted = predicted.reshape(len(predicted), -1)
        if predicted.shape != measured.shape:
            raise InputError(
                f"`Y` must have the {predicted.shape[1]} channel(s) that were fitted, "
                f"got {measured.shape[1]}."
            )
        compare = column_correlation if metric == "r" else column_r2
        return compare(measured, predicted)

    def save(self, folder: str | Path) -> None:
        """Write the fitted encoder to a folder: `encoder.json` and `encoder.safetensors`.

        Parameters
        ----------
        folder : path
            Made anew; replaced where it already holds an encoder.

        Raises
        ------
        InputError
            If the folder holds something else.

        Notes
        -----
        Penalties, scores and weights are kept; folds and groups are not (`cv` only where it is a number or a
        name).
        """
        check_is_fitted(self)
        fitted = {name: np.asarray(getattr(self, name)) for name in self.arrays if hasattr(self, name)}
        facts = {"n_features_in": self.n_features_in_, "fitted_on": self.fitted_on_}
        save_encoder(folder, self.kind, self.to_json(), facts, fitted)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read an encoder that `save` wrote.

        Parameters
        ----------
        folder : path
            What was given to `save`.

        Returns
        -------
        encoder : object of this class
            Fitted; predicts the same bits. `cv` has its default where it was neither a number nor a name.

        Raises
        ------
        MissingDataError
            If the folder or one of its files is not there.
        InputError
            If it is damaged or holds something else.
        """
        parameters, facts, fitted = load_encoder(folder, cls.kind)
        try:
            encoder = cls(**parameters)
            encoder.n_features_in_ = int(facts["n_features_in"])
            encoder.fitted_on_ = dict(facts["fitted_on"])
            for name in cls.arrays:
                if name in fitted:
                    value = fitted[name]
                    setattr(encoder, name, value if value.ndim else value[()])
            check_is_fitted(encoder, [name for name in ("intercept_",) if name in cls.arrays])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{folder} does not hold what a {cls.kind} encoder needs ({error}). Fit and save it again."
            ) from error
        return encoder

    def _predict(self, features: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return np.asarray(features @ self.coef_ + self.intercept_)

    def to_json(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON; `cv` only where it is a number or a name."""
        parameters: dict[str, Any] = {}
        for name, value in self.get_params(deep=False).items():
            plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            if name == "cv" and not isinstance(plain, int | str):
                continue
            parameters[name] = plain
        return parameters

    def _check_features(self, X: Any) -> NDArray[Any]:
        try:
            return np.asarray(validate_data(self, X, reset=False, dtype=[np.float64, np.float32]))
        except ValueError as error:
            raise InputError(str(error)) from error

    def _check_pair(
        self, X: Any, Y: Any, *, reset: bool, missing: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return both as floats, with the same number of samples; NaN in Y only where `missing`."""
        options: dict[str, Any] = {"dtype": [np.float64, np.float32]}
        try:
            if missing:
                checked = {"ensure_2d": False, "allow_nd": False, "ensure_all_finite": "allow-nan", **options}
                features, responses = validate_data(
                    self, X, Y, reset=reset, validate_separately=(options, checked)
                )
            else:
                features, responses = validate_data(
                    self, X, Y, reset=reset, multi_output=True, y_numeric=True, **options
                )
        except ValueError as error:
            raise InputError(str(error)) from error
        return features, responses

    def _remember(self, X: NDArray[Any], Y: NDArray[Any]) -> None:
        """Keep what the encoder was fitted on, for `save` and for whoever finds the folder later."""
        self.fitted_on_ = {
            "n_samples": len(X),
            "n_units": X.shape[1],
            "n_channels": 1 if Y.ndim == 1 else Y.shape[1],
            "X": digest_array(X),
            "Y": digest_array(Y),
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def scale_channels(responses: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Divide channels by a power of two near their SD, and return that: squares of teslas underflow.

    A power of two changes exponents only: in the ordinary range the results keep their bits. NaN are missing
    responses.
    """
    flat = responses.reshape(len(responses), -1)
    spread: NDArray[Any] = np.zeros(flat.shape[1])
    for start in range(0, flat.shape[1], CHANNELS_AT_ONCE):
        chunk = flat[:, start : start + CHANNELS_AT_ONCE].astype(np.float64)
        present = np.isfinite(chunk)
        count = np.maximum(present.sum(axis=0), 1)
        centred = np.where(present, chunk - np.where(present, chunk, 0.0).sum(axis=0) / count, 0.0)
        spread[start : start + CHANNELS_AT_ONCE] = np.sqrt((centred * centred).sum(axis=0) / count)
    spread = spread.reshape(responses.shape[1:])
    known = np.isfinite(spread) & (spread > 0)
    scale = np.exp2(np.where(known, np.round(np.log2(np.where(known, spread, 1.0))), 0.0))
    return (responses / scale).astype(responses.dtype), scale.astype(responses.dtype)
