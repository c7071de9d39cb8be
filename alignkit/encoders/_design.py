"""What designs have in common: checked features, runs, and one block of columns after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core.errors import InputError
from ..stats.blocks import run_slices

Runs = ArrayLike | Sequence[object] | None


class Design(TransformerMixin, BaseEstimator):
    """Base of the designs; a subclass gives `transform` and the names of its blocks of columns."""

    def fit(self, X: ArrayLike, y: Any = None, runs: Runs = None) -> Any:
        """Remember the number of units; nothing else is learnt.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        y : None
            Not used.
        runs : sequence of length n_samples, optional
            Not used; here so that `fit_transform` and pipelines may hand it on.

        Returns
        -------
        self : object
        """
        self._check(X, reset=True)
        self._blocks()
        return self

    def fit_transform(self, X: ArrayLike, y: Any = None, runs: Runs = None) -> NDArray[Any]:
        """Fit and transform in one call; see `fit` and `transform`."""
        return np.asarray(self.fit(X, y, runs).transform(X, runs))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return a name for every column.

        Parameters
        ----------
        input_features : array of str of shape (n_units,), optional
            Names of the units; by default those seen in `fit`, or x0, x1, ...

        Returns
        -------
        names : ndarray of str of shape (n_columns,)
        """
        check_is_fitted(self)
        if input_features is not None:
            names = np.asarray(input_features, dtype=object)
        else:
            default = [f"x{unit}" for unit in range(self.n_features_in_)]
            names = np.asarray(getattr(self, "feature_names_in_", default), dtype=object)
        if names.shape != (self.n_features_in_,):
            raise InputError(
                f"`input_features` must name the {self.n_features_in_} unit(s) of `fit`, got {names.size}."
            )
        return np.array([f"{name}_{block}" for block in self._blocks() for name in names], dtype=object)

    def _blocks(self) -> list[str]:
        raise NotImplementedError

    def _split_coef(self, coef: ArrayLike) -> NDArray[Any]:
        weights = np.asarray(coef)
        n_blocks = len(self._blocks())
        if weights.ndim not in (1, 2) or weights.shape[0] % n_blocks:
            raise InputError(
                f"`coef` must have one row per column of the design, a multiple of {n_blocks}, got shape "
                f"{weights.shape}."
            )
        return weights.reshape(n_blocks, -1, *weights.shape[1:])

    def _check(self, X: Any, *, reset: bool) -> NDArray[Any]:
        try:
            return np.asarray(validate_data(self, X, reset=reset, dtype=[np.float64, np.float32]))
        except ValueError as error:
            raise InputError(str(error)) from error


def run_rows(runs: Runs, n_samples: int) -> list[slice]:
    """Return the rows of every run; all are one where no runs are given."""
    if runs is None:
        return [slice(0, n_samples)]
    slices = list(run_slices(runs).values())
    if slices[-1].stop != n_samples:
        raise InputError(
            f"`runs` must hold one label per sample, got {slices[-1].stop} for {n_samples} samples."
        )
    return slices
