"""The elastic-net encoder: few units per channel, through scikit-learn's coordinate descent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path
from sklearn.preprocessing import StandardScaler

from .._core.checks import check_array
from .._core.errors import InputError
from .._core.progress import track
from ..metrics import column_r2
from ..solvers._held_out import check_parts
from ._estimator import Encoder, FitData
from ._folds import CrossValidation, Fold
from ._registry import ENCODERS

# The smallest penalty tried where no grid is given, as a share of the one that leaves no weight. With more
# units than samples what lies below a hundredth fits the noise, and takes most of the time.
SMALLEST, SMALLEST_WIDE = 1e-3, 1e-2
# With a Gram matrix a unit that stays as it is costs nothing; beyond these units it takes too much memory.
LARGEST_GRAM = 4096


class ElasticNetEncoder(Encoder):
    """Predict every channel from few units, by the elastic net; the lasso at ``l1_ratio=1``.

    Minimises per channel::

        ||y - X w - b||^2 / (2 n_samples) + alpha (l1_ratio ||w||_1 + (1 - l1_ratio) ||w||^2 / 2)

    Each channel gets the alpha that predicts held-out samples best (mean R2 over folds) and is then fitted to
    all samples with it.

    Parameters
    ----------
    l1_ratio : float, default=0.5
        Share of the absolute-value penalty, above 0 and at most 1. At 0 it would be ridge regression.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive, the same for every channel. By default `n_alphas` per
        channel, evenly spaced in the logarithm, from the least that leaves no weight at all down to a
        thousandth of it, or to a hundredth where units outnumber samples.
    n_alphas : int, default=50
        How many; not used where `alphas` are given.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the penalty. A number makes shuffled folds, of whole groups where groups are given;
        a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score features and channels, in every fold by its training part alone; the penalty is that of the
        z-scored ones. Otherwise units of small variance are left out first, and the unit of a channel decides
        how much the squared part of the penalty counts beside the absolute one.
    max_iter : int, default=5000
        Most rounds over the units per penalty. A `ConvergenceWarning` tells for how many channels they were
        not enough at the chosen one.
    tol : float, default=1e-4
        Duality gap at which coordinate descent stops, as a share of the channel's power.
    n_jobs : int or None, default=None
        Threads; -1 is all processors. The results do not depend on it.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    best_alphas_ : ndarray of shape (n_channels,)
        The penalty of each channel. Not on the scale of ridge regression's: the error is divided by
        ``2 n_samples`` here, so that ridge's alpha compares with ``n_samples * alpha``. NaN for a constant
        channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at that penalty. It was chosen as the best of several and is no test score.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X, many of them 0; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    n_iter_ : ndarray of shape (n_channels,)
        Rounds over the units at the chosen penalty, in the last fit.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    Suits channels that few of the units drive. Where many do, a little each, it leaves out what
    :class:`~alignkit.encoders.RidgeEncoder` uses and predicts worse. Which of several correlated units gets
    the weight is arbitrary: with the lasso one of them, so that weights must not be read as a map of what
    matters. A path of penalties is descended per channel and fold; the folds' Gram matrices are shared. It
    takes hundreds to thousands of times as long as ridge regression: for tens of channels, not for a brain.
    Computed in float64.

    References
    ----------
    Tibshirani R (1996). Regression shrinkage and selection via the lasso. JRSS B,
    doi:10.1111/j.2517-6161.1996.tb02080.x.

    Zou H, Hastie T (2005). Regularization and variable selection via the elastic net. JRSS B,
    doi:10.1111/j.1467-9868.2005.00503.x.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 200))
    >>> y = 3.0 * X[:, 7] - 2.0 * X[:, 20] + 0.1 * rng.standard_normal(100)
    >>> encoder = ElasticNetEncoder(l1_ratio=1.0).fit(X, y)
    >>> np.flatnonzero(np.abs(encoder.coef_) > 0.5)
    array([ 7, 20])
    """

    kind = "elastic-net"
    scaled = False  # without z-scores the unit of a channel counts
    arrays = (*Encoder.arrays, "n_iter_")

    def __init__(
        self,
        *,
        l1_ratio: float = 0.5,
        alphas: ArrayLike | None = None,
        n_alphas: int = 50,
        cv: CrossValidation = 5,
        standardize: bool = True,
        max_iter: int = 5000,
        tol: float = 1e-4,
        n_jobs: int | None = None,
        random_state: int | None = 0,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.cv = cv
        self.standardize = standardize
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _check_options(self) -> None:
        if not 0 < self.l1_ratio <= 1:
            raise InputError(
                f"`l1_ratio` must be above 0 and at most 1, got {self.l1_ratio}. For 0 use RidgeEncoder."
            )
        for name, value, least in (("n_alphas", self.n_alphas, 1), ("max_iter", self.max_iter, 1)):
            if value < least:
                raise InputError(f"`{name}` must be at least {least}, got {value}. Leave it at its default.")
        if not self.tol > 0:
            raise InputError(f"`tol` must be positive, got {self.tol}. Leave it at its default.")

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        folds = check_parts(data.folds, len(data.targets))
        targets, design = data.targets.astype(np.float64), data.features.astype(np.float64)
        whole = _Part.of(design, targets, np.arange(len(targets)), standardize=self.standardize)
        grids = self._grids(whole)

        scores, converged = self._score(design, targets, grids, folds)
        channels = np.arange(targets.shape[1])
        # Of equals the largest penalty, which comes first: the simplest model.
        best = np.argmax(scores, axis=0)
        coef, reached, self.n_iter_ = self._refit(whole, grids, best)
        self._warn(int(np.count_nonzero(~(converged[best, channels] & reached))), len(channels))

        constant = ~whole.targets.any(axis=0)
        self.best_alphas_ = np.where(constant, np.nan, grids[best, channels])
        self.cv_scores_ = scores[best, channels]
        weights = coef / whole.scale[:, None] * whole.target_scale
        intercept = whole.target_mean - whole.mean @ weights
        return {"coef_": weights.astype(data.dtype), "intercept_": intercept.astype(data.dtype)}

    def _grids(self, whole: _Part) -> NDArray[np.float64]:
        """Return the falling penalties of every channel, (n_alphas, n_channels)."""
        if self.alphas is None:
            strongest = np.abs(whole.rows.T @ whole.targets).max(axis=0) / (len(whole.rows) * self.l1_ratio)
            # A constant channel or feature set has no weight at any penalty; any positive number will do.
            strongest = np.where(strongest > 0, strongest, 1.0)
            n_samples, n_units = whole.rows.shape
            smallest = SMALLEST_WIDE if n_units > n_samples else SMALLEST
            return np.asarray(np.logspace(0, np.log10(smallest), self.n_alphas)[:, None] * strongest)
        given = check_array("alphas", self.alphas, ndim=1, dtype=np.float64)
        if (given <= 0).any():
            raise InputError(
                f"`alphas` must be positive, got {given.min():g}. For plain least squares use RidgeEncoder "
                "with a small one."
            )
        return np.repeat(np.sort(given)[::-1, None], whole.targets.shape[1], axis=1)

    def _score(
        self,
        design: NDArray[np.float64],
        targets: NDArray[np.float64],
        grids: NDArray[np.float64],
        folds: list[Fold],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return mean R2 over folds and whether all folds converged, both (n_alphas, n_channels)."""
        scores, converged = np.zeros(grids.shape), np.ones(grids.shape, dtype=bool)
        for train, test in track(folds, "elastic net: folds"):
            part = _Part.of(design, targets, train, standardize=self.standardize)
            held_out = (design[test] - part.mean) / part.scale

            def one(channel: int, part: _Part = part, held_out: Any = held_out, test: Any = test) -> Any:
                coef, reached, _ = self._path(part, channel, grids[:, channel])
                predicted = held_out @ coef * part.target_scale[channel] + part.target_mean[channel]
                truth = np.broadcast_to(targets[test, channel][:, None], predicted.shape)
                return column_r2(truth, predicted), reached

            for channel, (r2, reached) in enumerate(self._each(one, targets.shape[1])):
                scores[:, channel] += r2
                converged[:, channel] &= reached
        return scores / len(folds), converged

    def _refit(
        self, whole: _Part, grids: NDArray[np.float64], best: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.intp]]:
        """Return weights (n_units, n_channels), whether each has converged, and in how many rounds."""

        def one(channel: int) -> Any:
            # Down the path, because a start near the solution takes fewer rounds.
            coef, reached, rounds = self._path(whole, channel, grids[: best[channel] + 1, channel])
            return coef[:, -1], reached[-1], rounds[-1]

        coefs, reached, rounds = zip(*self._each(one, grids.shape[1]), strict=True)
        return np.stack(coefs, axis=1), np.array(reached), np.array(rounds, dtype=np.intp)

    def _each(self, one: Callable[[int], Any], n_channels: int) -> list[Any]:
        with warnings.catch_warnings():
            # Counted by the duality gap instead: a warning per channel and fold helps nobody.
            warnings.simplefilter("ignore", ConvergenceWarning)
            workers = Parallel(n_jobs=self.n_jobs, prefer="threads")
            return list(workers(delayed(one)(channel) for channel in range(n_channels)))

    def _path(
        self, part: _Part, channel: int, alphas: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.intp]]:
        """Return weights of the scaled features (n_units, n_alphas), whether each has converged, rounds."""
        target = np.ascontiguousarray(part.targets[:, channel])
        n_alphas = len(alphas)
        if not target.any():
            return np.zeros((part.rows.shape[1], n_alphas)), np.ones(n_alphas, bool), np.ones(n_alphas, int)
        _, coef, gaps, rounds = enet_path(
            part.rows,
            target,
            l1_ratio=self.l1_ratio,
            alphas=alphas,
            precompute=False if part.gram is None else part.gram,
            Xy=None if part.gram is None else part.rows.T @ target,
            check_input=False,
            return_n_iter=True,
            max_iter=self.max_iter,
            tol=self.tol,
        )
        reached = gaps * len(target) <= self.tol * (target @ target) * (1 + 1e-9)
        return coef, reached, np.maximum(rounds, 1)

    def _warn(self, n_failed: int, n_channels: int) -> None:
        if n_failed:
            warnings.warn(
                f"The elastic net did not converge within `max_iter` = {self.max_iter} rounds for {n_failed} "
                f"of {n_channels} channel(s) at their chosen penalty. Raise `max_iter` or `tol`, or leave "
                "out the smallest `alphas`.",
                ConvergenceWarning,
                stacklevel=5,  # whoever called `fit`
            )


@dataclass(frozen=True)
class _Part:
    """A training part about its mean, with what all channels share."""

    rows: NDArray[np.float64]  # (n_train, n_units), in Fortran order for coordinate descent
    gram: NDArray[np.float64] | None  # (n_units, n_units), where it is not too large
    targets: NDArray[np.float64]  # (n_train, n_channels)
    mean: NDArray[np.float64]  # (n_units,)
    scale: NDArray[np.float64]  # (n_units,) what the units are divided by
    target_mean: NDArray[np.float64]
    target_scale: NDArray[np.float64]

    @classmethod
    def of(
        cls, design: NDArray[np.float64], targets: NDArray[np.float64], rows: Any, *, standardize: bool
    ) -> _Part:
        scaler = StandardScaler(with_std=standardize).fit(design[rows])
        scale = scaler.scale_ if standardize else np.ones(design.shape[1])
        scaled = np.asfortranarray((design[rows] - scaler.mean_) / scale)
        gram = scaled.T @ scaled if scaled.shape[1] <= LARGEST_GRAM else None
        seen = targets[rows]
        # From the first row, so that the mean of a constant channel is that constant.
        mean = seen[0] + (seen - seen[0]).mean(axis=0)
        seen = seen - mean
        sd = np.sqrt((seen * seen).mean(axis=0)) if standardize else np.ones(seen.shape[1])
        sd = np.where(sd > 0, sd, 1.0)
        return cls(scaled, gram, seen / sd, scaler.mean_, scale, mean, sd)


ENCODERS.register(
    ElasticNetEncoder.kind,
    summary="sparse linear map by the elastic net or the lasso, through scikit-learn",
    paper="Tibshirani 1996, doi:10.1111/j.2517-6161.1996.tb02080.x; "
    "Zou & Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x",
)(ElasticNetEncoder)
