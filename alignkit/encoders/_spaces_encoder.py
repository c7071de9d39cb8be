"""What encoders over named feature spaces share: features by name, parts of a prediction, the way to disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from .._core.errors import InputError
from ..metrics.variance import product_measure
from ._estimator import Encoder, FitData
from ._feature_spaces import join_spaces, plain_spaces, resolve_spaces

Features = ArrayLike | Mapping[str, ArrayLike]


class SpacesEncoder(Encoder):
    """Base of encoders over named feature spaces; a subclass gives what `Encoder` asks for, and `spaces`."""

    def fit(self, X: Features, Y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit the encoder; see :meth:`Encoder.fit`.

        Parameters
        ----------
        X : array of shape (n_samples, n_units), or mapping of name to (n_samples, n_units of that space)
            Features.
        Y, groups
            See :meth:`Encoder.fit`.

        Returns
        -------
        self : SpacesEncoder
            The encoder itself, fitted.

        Raises
        ------
        InputError
            As in :meth:`Encoder.fit`; also if `spaces` do not name every column once, or a warm start meets
            other spaces or channels.
        """
        return self._fit(X, Y, groups)

    def predict_parts(self, X: Features) -> dict[str, NDArray[np.floating[Any]]]:
        """Return what each feature space contributes to the prediction.

        Parameters
        ----------
        X : array of shape (n_samples, n_units), or mapping of name to (n_samples, n_units of that space)
            Features.

        Returns
        -------
        parts : dict of name to ndarray of shape (n_samples, n_channels)
            With `intercept_` they sum to `predict`. In the unit of the responses.
        """
        check_is_fitted(self)
        features = self._check_features(X)
        coef = self.coef_.reshape(len(self.coef_), -1)
        return {name: features[:, columns] @ coef[columns] for name, columns in self.spaces_.items()}

    def score_parts(self, X: Features, Y: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Split each channel's R2 into shares of the feature spaces (product measure).

        Parameters
        ----------
        X : array of shape (n_samples, n_units), or mapping of name to (n_samples, n_units of that space)
            Features that were not fitted on.
        Y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses.

        Returns
        -------
        shares : dict of name to ndarray of shape (n_channels,)
            They sum to ``score_channels(X, Y, metric="r2")``; single ones may be negative. See
            :func:`alignkit.metrics.variance.product_measure`.
        """
        check_is_fitted(self)
        features, responses = self._check_pair(X, Y, reset=False)
        measured = responses.reshape(len(responses), -1).astype(np.float64)
        coef = self.coef_.reshape(len(self.coef_), -1).astype(np.float64)
        if measured.shape[1] != coef.shape[1]:
            raise InputError(
                f"`Y` must have the {coef.shape[1]} channel(s) that were fitted, got {measured.shape[1]}."
            )
        parts = np.stack([features[:, columns] @ coef[columns] for columns in self.spaces_.values()])
        # Where the constant goes does not matter: the measure shares what the mean is off by.
        parts[0] += self.intercept_
        shares = product_measure(measured, parts)
        return dict(zip(self.spaces_, shares, strict=True))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read an encoder that `save` wrote; see :meth:`Encoder.load`.

        `spaces` are the fitted ones, as numbers or lists of columns.
        """
        encoder = super().load(folder)
        encoder.spaces_ = resolve_spaces(encoder.spaces, encoder.n_features_in_)
        return encoder

    def to_json(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON; the spaces as they were fitted."""
        parameters = super().to_json()
        columns = self.spaces_ if hasattr(self, "spaces_") else None
        whole = self.spaces is None and (columns is None or list(columns) == list(resolve_spaces(None, 1)))
        parameters["spaces"] = None if whole else plain_spaces(columns) if columns else self.spaces
        return parameters

    def _spaces_of(self, data: FitData) -> dict[str, NDArray[np.intp]]:
        """Return the columns of each space in `fit`, where X may name them."""
        n_features = data.features.shape[1]
        if self.spaces is None and _by_name(data.X):
            return resolve_spaces({name: np.shape(value)[1] for name, value in data.X.items()}, n_features)
        return resolve_spaces(self.spaces, n_features)

    def _check_features(self, X: Any) -> NDArray[Any]:
        return super()._check_features(self._joined(X, self.spaces_))

    def _check_pair(
        self, X: Any, Y: Any, *, reset: bool, missing: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return super()._check_pair(
            self._joined(X, None if reset else self.spaces_), Y, reset=reset, missing=missing
        )

    def _joined(self, X: Any, columns: Mapping[str, NDArray[np.intp]] | None) -> Any:
        if not _by_name(X):
            return X
        if columns is None and self.spaces is not None:
            n_features = sum(np.shape(value)[1] for value in X.values() if np.ndim(value) == 2)
            columns = resolve_spaces(self.spaces, n_features)
        return join_spaces(X, columns)


def _by_name(X: Any) -> bool:
    # SciPy's dictionary-of-keys matrices are mappings too; the base class refuses sparse input.
    return isinstance(X, Mapping) and not issparse(X)
