"""The kernel ridge encoder: linear in a feature space that a kernel stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_option
from ..solvers import kernel_matrix, kernel_ridge_search
from ..solvers.kernels import KernelKind
from ._estimator import ALPHAS, Encoder, FitData
from ._folds import CrossValidation
from ._registry import ENCODERS


class KernelRidgeEncoder(Encoder):
    """Predict every channel by ridge regression in the feature space of a kernel.

    The polynomial kernel stands for all products of up to `degree` units, the radial one ("rbf") for smooth
    functions of all units; the linear one is ridge regression. Each channel gets the penalty that predicts
    held-out samples best.

    Parameters
    ----------
    kernel : {"linear", "polynomial", "rbf"}, default="linear"
        ``x . z``, ``(gamma x . z + coef0) ** degree``, ``exp(-gamma ||x - z||^2)``.
    gamma : float or array of shape (n_gammas,), optional
        Of the last two; positive, 1 / n_units by default. Of several, all channels share the one with the
        highest mean over channels of their best cross-validated scores.
    degree : float, default=3
        Of the polynomial; a whole number of at least 1.
    coef0 : float, default=1.0
        Of the polynomial; not negative. With 0 there are no products of fewer than `degree` units.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive. By default 19 from 0.1 to 1e8 in half decades for the linear
        and the polynomial kernel; for the radial one, whose values end at 1, 19 from 1e-5 to 1e4.
    cv : int, "leave-one-out", "leave-one-group-out", list of (train, test) or splitter, default=5
        Folds that choose penalty and gamma; see :class:`RidgeEncoder`.
    standardize : bool, default=True
        Z-score each feature, in every fold by its training part alone (by all samples with "leave-one-out").
        Constant features are left out.
    device : str, default="auto"
        Torch device of the decompositions; "auto" takes CUDA where there is one.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    dual_coef_ : ndarray of shape (n_samples, n_channels)
        Weight of each fitted sample's kernel; (n_samples,) for a one-dimensional Y.
    X_fit_ : ndarray of shape (n_samples, n_units)
        Features of the fitted samples, z-scored where `standardize`.
    intercept_ : ndarray of shape (n_channels,)
        A float for a one-dimensional Y.
    best_alphas_ : ndarray of shape (n_channels,)
        The penalty of each channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at that penalty, chosen as the best of several: no test score.
    gamma_ : float
        The gamma that was chosen.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X; of the linear kernel only.
    mean_, scale_ : ndarray of shape (n_units,)
        What z-scores new samples; 0 and 1 without.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    With a linear kernel it is :class:`RidgeEncoder`, which is faster with fewer units than samples and needs
    no fitted samples to predict.

    References
    ----------
    Saunders C, Gammerman A, Vovk V (1998). Ridge regression learning algorithm in dual variables. ICML.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 2))
    >>> energy = X[:, :1] ** 2 + X[:, 1:] ** 2
    >>> encoder = KernelRidgeEncoder(kernel="polynomial", degree=2).fit(X[:150], energy[:150])
    >>> bool(encoder.score(X[150:], energy[150:]) > 0.99)
    True
    """

    kind = "kernel-ridge"
    leave_one_out = True
    arrays = (
        "dual_coef_",
        "X_fit_",
        "intercept_",
        "best_alphas_",
        "cv_scores_",
        "gamma_",
        "coef_",
        "mean_",
        "scale_",
    )

    def __init__(
        self,
        *,
        kernel: KernelKind = "linear",
        gamma: ArrayLike | None = None,
        degree: float = 3,
        coef0: float = 1.0,
        alphas: ArrayLike | None = None,
        cv: CrossValidation = 5,
        standardize: bool = True,
        device: str = "auto",
        random_state: int | None = 0,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.alphas = alphas
        self.cv = cv
        self.standardize = standardize
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the encoder, the samples weighted where asked; see :meth:`RidgeEncoder.fit`."""
        return self._fit(X, Y, groups, sample_weight)

    def _check_options(self) -> None:
        check_option("kernel", self.kernel, get_args(KernelKind))

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        result = kernel_ridge_search(
            data.features,
            data.targets,
            kind=self.kernel,
            gammas=self.gamma,
            degree=self.degree,
            coef0=self.coef0,
            alphas=self._grid(),
            folds=data.folds,
            standardize=self.standardize,
            sample_weight=data.sample_weight,
            device=self.device,
        )
        self.best_alphas_, self.cv_scores_ = result.best_alphas, result.cv_scores
        self.gamma_, self.mean_, self.scale_ = result.gamma, result.mean, result.scale
        self.X_fit_ = ((data.features - self.mean_) * self.scale_).astype(data.features.dtype)
        solution = {"dual_coef_": result.dual_coef, "intercept_": result.intercept}
        # An earlier fit may have had another kernel.
        self.__dict__.pop("coef_", None)
        if self.kernel == "linear":
            solution["coef_"] = self.scale_[:, None] * (self.X_fit_.T @ result.dual_coef)
        return solution

    def _grid(self) -> ArrayLike:
        if self.alphas is not None:
            return self.alphas
        return np.logspace(-5, 4, 19) if self.kernel == "rbf" else ALPHAS

    def _predict(self, features: NDArray[Any]) -> NDArray[np.floating[Any]]:
        scaled = (features - self.mean_) * self.scale_
        kernel = kernel_matrix(
            scaled,
            self.X_fit_,
            kind=self.kernel,
            # A number comes back from disk as an array of one.
            gamma=float(np.ravel(self.gamma_)[0]),
            degree=self.degree,
            coef0=self.coef0,
        )
        predicted = kernel @ self.dual_coef_ + self.intercept_
        return np.asarray(predicted, np.result_type(features, self.X_fit_))


ENCODERS.register(
    KernelRidgeEncoder.kind,
    summary="ridge regression in the feature space of a linear, polynomial or radial kernel",
    paper="Saunders et al. 1998, ICML",
)(KernelRidgeEncoder)
