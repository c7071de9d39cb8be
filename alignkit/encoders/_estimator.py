"""What all encoders share: checked input, prediction, scores, and the way to disk and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
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
from ._folds import make_folds
from ._input_checks import check_kind, check_penalties, check_range, count_rounded, explained
from ._storage import load_encoder, save_encoder

logger = logging.getLogger(__name__)

CHANNELS_AT_ONCE = 256  # of the float64 copy that finds their spread
ALPHAS = np.logspace(-1, 8, 19)  # the penalties of ridge regression where none are given
PER_UNIT = {"feature_means_": 0, "X_fit_": 1, "coef_": 0}  # the axis of fitted arrays that counts units


@dataclass(frozen=True)
class FitData:
    """What an encoder is fitted to; everything checked."""

    X: Any  # the features as they were given, perhaps by name
    features: NDArray[Any]  # (n_samples, n_units)
    targets: NDArray[Any]  # (n_samples, n_channels), in units of `scale_channels` where the encoder has them
    folds: Any  # list of (train, test), or "leave-one-out" where the encoder takes it
    sample_weight: ArrayLike | None  # not checked

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of weights that were computed in float64."""
        return np.result_type(self.features, self.targets)


class Encoder(RegressorMixin, BaseEstimator):
    """Base of the encoders; a subclass gives `_solve`, its `kind` and the names of its fitted arrays.

    Attributes
    ----------
    kind : str
        Name in the registry and on disk.
    arrays : tuple of str
        Fitted attributes that are saved, each an array or a number.
    leave_one_out : bool
        The solver has "leave-one-out" in closed form.
    scaled : bool
        Channels are scaled by `scale_channels` first; not where their units change the solution.
    missing : {"raise", "drop"}
        What NaN in Y of `fit` mean.
    """

    kind: ClassVar[str]
    arrays: ClassVar[tuple[str, ...]] = ("coef_", "intercept_", "best_alphas_", "cv_scores_")
    leave_one_out: ClassVar[bool] = False
    scaled: ClassVar[bool] = True
    missing: Literal["raise", "drop"] = "raise"

    @property
    def n_channels(self) -> int:
        """Number of channels that were fitted."""
        check_is_fitted(self)
        return int(self.fitted_on_["n_channels"])

    def fit(self, X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit the encoder.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        Y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses to the same samples.
        groups : array of shape (n_samples,), optional
            Samples of one group stay on one side of every fold. Give repeats of a stimulus one group.

        Returns
        -------
        self : Encoder
            The encoder itself, fitted.

        Raises
        ------
        InputError
            If there are NaN, Y holds no numbers, values are beyond 1e75 or vary by less than 1e-75, the
            numbers of samples differ, a parameter is out of its range, `cv` gives fewer than 2 folds, a fold
            has too few samples in a part or a group on both sides, or the memory does not suffice.
        """
        return self._fit(X, Y, groups)

    def predict(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Predict responses.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.

        Returns
        -------
        prediction : ndarray of shape (n_samples, n_channels) or (n_samples,)
            In the shape (from the second axis on) and the unit of the responses that were fitted.
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
            If the path is a file, or the folder holds anything else.

        Notes
        -----
        Penalties, scores and weights are kept; folds and groups are not (`cv` only where it is a number or a
        name).
        """
        check_is_fitted(self)
        fitted = {name: np.asarray(getattr(self, name)) for name in self.arrays if hasattr(self, name)}
        facts = {"n_features_in": self.n_features_in_, "fitted_on": self.fitted_on_}
        if hasattr(self, "feature_names_in_"):
            facts["feature_names_in"] = self.feature_names_in_.tolist()
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
            if "feature_names_in" in facts:
                encoder.feature_names_in_ = np.asarray(facts["feature_names_in"], dtype=object)
            for name in cls.arrays:
                if name in fitted:
                    value = fitted[name]
                    setattr(encoder, name, value if value.ndim else value[()])
            check_is_fitted(encoder, [name for name in ("intercept_",) if name in cls.arrays])
            encoder._check_n_units()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{folder} does not hold what a {cls.kind} encoder needs ({error}). Fit and save it again."
            ) from error
        return encoder

    def _fit(self, X: Any, Y: Any, groups: ArrayLike | None, sample_weight: ArrayLike | None = None) -> Self:
        self._check_options()
        alphas = getattr(self, "alphas", None)
        if alphas is not None:
            check_penalties(alphas)
        features, responses = self._check_pair(X, Y, reset=True, missing=self.missing == "drop")
        folds = make_folds(
            self.cv,
            features,
            responses,
            groups,
            self.random_state,
            leave_one_out=self.leave_one_out,
            chosen="alpha " if hasattr(self, "alphas") else "",
        )
        targets = responses.reshape(len(responses), -1)
        scale = np.ones(targets.shape[1], targets.dtype)
        if self.scaled:
            targets, scale = scale_channels(targets)
        solution = self._solve(FitData(X, features, targets, folds, sample_weight))
        for name, value in solution.items():
            in_units_of_Y = value * scale
            setattr(self, name, in_units_of_Y.T[0] if responses.ndim == 1 else in_units_of_Y)
        self._remember(features, responses)
        self._warn_of_rounding(features)
        return self

    def _warn_of_rounding(self, features: NDArray[Any]) -> None:
        """Log how many units the solver took for constants although they vary."""
        weights = self.__dict__.get("coef_", self.__dict__.get("scale_"))
        if not getattr(self, "standardize", False) or weights is None:
            return
        weightless = ~weights.reshape(len(weights), -1).any(axis=1)
        if n_rounded := count_rounded(features, weightless):
            logger.warning(
                "%d of %d units vary by hardly more than the rounding of %s at their mean, and were left out "
                "as constant. Subtract their mean in float64 first if they are not.",
                n_rounded,
                features.shape[1],
                features.dtype,
            )

    def _check_n_units(self) -> None:
        """Refuse weights of another number of units than the description has."""
        for name, axis in PER_UNIT.items():
            if name in self.arrays and hasattr(self, name):
                n_units = getattr(self, name).shape[axis]
                if n_units != self.n_features_in_:
                    raise ValueError(
                        f"n_features_in is {self.n_features_in_}, but {name} has {n_units} units"
                    )
                break
        names = getattr(self, "feature_names_in_", None)
        if names is not None and len(names) != self.n_features_in_:
            raise ValueError(f"n_features_in is {self.n_features_in_}, but there are {len(names)} names")

    def _check_options(self) -> None:
        """Refuse parameters that the solver does not check."""

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        """Return weights and intercepts by name, channels last, in the units of the targets; set the rest."""
        raise NotImplementedError

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
        check_kind("X", X)
        try:
            features = np.asarray(validate_data(self, X, reset=False, dtype=[np.float64, np.float32]))
        except ValueError as error:
            raise InputError(explained(error, X, None, "")) from error
        check_range("X", features, each=False, least=False)
        return features

    def _check_pair(
        self, X: Any, Y: Any, *, reset: bool, missing: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return both as floats, with the same number of samples; NaN in Y only where `missing`."""
        options: dict[str, Any] = {"dtype": [np.float64, np.float32]}
        droppable = reset and "missing" in self.get_params(deep=False)
        advice = ', or use missing="drop"' if droppable and not missing else ""
        filled = ' (or make them NaN, with missing="drop")' if droppable else ""
        try:
            check_kind("X", X)
            check_kind("Y", Y, numeric=True, advice=filled)
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
            raise InputError(explained(error, X, Y, advice)) from error
        if responses.dtype not in (np.float64, np.float32):
            # Scaled counts would be cut to whole numbers.
            responses = responses.astype(np.float64)
        check_range("X", features, each=False, least=reset)
        check_range("Y", responses, each=True, least=reset)
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
