"""Banded ridge regression: named feature spaces, each with a penalty of its own in every channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from ..solvers.banded_ridge import banded_ridge_cv
from ._estimator import ALPHAS, FitData
from ._feature_spaces import Spaces
from ._folds import CrossValidation
from ._registry import ENCODERS
from ._spaces_encoder import SpacesEncoder


class BandedRidgeEncoder(SpacesEncoder):
    """Predict every channel from several feature spaces by ridge regression with a penalty per space.

    Plain ridge punishes all features alike, so that a small space that matters drowns beside a large one
    that does not. Here every channel gets the shares of the spaces, and the penalty, that predict held-out
    samples best (mean R2 over folds).

    Parameters
    ----------
    spaces : mapping of str to int, slice or list of int, optional
        The columns of each feature space: how many (the next ones), a slice, or which. Every column belongs
        to one space. By default all are one space, which is plain ridge; or X itself is a mapping of names
        to arrays.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive. By default 19 from 0.1 to 1e8 in half decades.
    n_weights : int, default=50
        Shares of the spaces to try: all alike, each alone, and Dirichlet draws.
    search : {"random", "hypergradient"}, default="random"
        Stop there, or follow the gradient of the cross-validated R2 from the best of them, per channel.
    n_steps : int, default=20
        Steps along that gradient at most.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the penalties. A number makes shuffled folds, of whole groups where groups are
        given; a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score each feature, in every fold by its training part alone. Constant features get weight 0.
    warm_start : bool, default=False
        A second `fit` (of the same spaces and number of channels) starts at the fitted penalties: with
        ``"hypergradient"`` it skips the random search, with ``"random"`` they are one more candidate for each
        channel.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.
    random_state : int or None, default=0
        Seed of the shuffled folds and of the draws.

    Attributes
    ----------
    space_weights_ : ndarray of shape (n_spaces, n_channels)
        Share of each space, summing to 1 in every channel: how little it is penalised, not how much variance
        it explains (for that see `score_parts`).
    best_alphas_ : ndarray of shape (n_channels,)
        Penalty at these shares; that of space j is ``best_alphas_ / space_weights_[j]``.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at these penalties. It was chosen as the best of many and is no test score.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X, whether or not it was z-scored; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    spaces_ : dict of str to ndarray of int
        The columns of each space.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    Spaces that predict the same part of a response are told apart by little: which of them gets it depends
    on the folds. What is unique to a space and what is shared, :func:`alignkit.encoders.variance_partition`
    tells.

    References
    ----------
    Nunez-Elizalde AO, Huth AG, Gallant JL (2019). Voxelwise encoding models with non-spherical multivariate
    normal priors. NeuroImage, doi:10.1016/j.neuroimage.2019.04.012.

    Dupre la Tour T et al. (2022). Feature-space selection with banded ridge regression. NeuroImage,
    doi:10.1016/j.neuroimage.2022.119728.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = {"sound": rng.standard_normal((120, 4)), "words": rng.standard_normal((120, 40))}
    >>> Y = X["sound"] @ rng.standard_normal((4, 3)) + rng.standard_normal((120, 3))
    >>> encoder = BandedRidgeEncoder(n_weights=10).fit(X, Y)
    >>> bool((encoder.space_weights_[0] > 0.8).all())
    True
    """

    kind = "banded-ridge"
    arrays = ("coef_", "intercept_", "best_alphas_", "cv_scores_", "space_weights_")

    def __init__(
        self,
        *,
        spaces: Spaces | None = None,
        alphas: ArrayLike | None = None,
        n_weights: int = 50,
        search: Literal["random", "hypergradient"] = "random",
        n_steps: int = 20,
        cv: CrossValidation = 5,
        standardize: bool = True,
        warm_start: bool = False,
        device: str = "auto",
        random_state: int | None = 0,
    ) -> None:
        self.spaces = spaces
        self.alphas = alphas
        self.n_weights = n_weights
        self.search = search
        self.n_steps = n_steps
        self.cv = cv
        self.standardize = standardize
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        columns = self._spaces_of(data)
        result = banded_ridge_cv(
            [data.features[:, rows] for rows in columns.values()],
            data.targets,
            alphas=ALPHAS if self.alphas is None else self.alphas,
            folds=data.folds,
            n_weights=self.n_weights,
            search=self.search,
            n_steps=self.n_steps,
            start=self._start(columns, data.targets.shape[1]),
            standardize=self.standardize,
            device=self.device,
            random_state=self.random_state,
        )
        self.spaces_ = columns
        self.space_weights_ = result.weights
        self.best_alphas_ = result.best_alphas
        self.cv_scores_ = result.cv_scores
        coef = np.empty((data.features.shape[1], data.targets.shape[1]), result.coefs[0].dtype)
        for rows, found in zip(columns.values(), result.coefs, strict=True):
            coef[rows] = found
        return {"coef_": coef, "intercept_": result.intercept}

    def _start(self, columns: Mapping[str, NDArray[np.intp]], n_channels: int) -> NDArray[np.float64] | None:
        """Return the log weights of an earlier fit, where there is one to go on from."""
        if not (self.warm_start and hasattr(self, "space_weights_")):
            return None
        same = list(columns) == list(self.spaces_) and self.space_weights_.shape[1] == n_channels
        if not same:
            raise InputError(
                f"`warm_start` goes on from a fit of the spaces {', '.join(self.spaces_)} to "
                f"{self.space_weights_.shape[1]} channel(s), but now come {', '.join(columns)} and "
                f"{n_channels}. Set `warm_start=False`, or use a new encoder."
            )
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.space_weights_ / self.best_alphas_))


ENCODERS.register(
    BandedRidgeEncoder.kind,
    summary="linear map from named feature spaces to each channel, with a cross-validated penalty per space",
    paper="Nunez-Elizalde et al. 2019, doi:10.1016/j.neuroimage.2019.04.012; "
    "Dupre la Tour et al. 2022, doi:10.1016/j.neuroimage.2022.119728",
)(BandedRidgeEncoder)
