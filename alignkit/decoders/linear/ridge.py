"""Ridge regression at every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import KFold

from ..._core.checks import check_array
from ..._core.errors import InputError
from ...solvers import ridge_cv
from ._ridge_downdating import solve_penalised, weights_of_folds
from .over_times import Floats, Indices, LinearOverTimes, Weights


class RidgeOverTimes(LinearOverTimes):
    """Predict numbers, such as the dimensions of an embedding, by a ridge regression at every time.

    Parameters
    ----------
    alpha : float, default=1.0
        Penalty, above 0. With z-scored channels it is in units of samples: the eigenvalues of X'X add up to
        n_samples * n_channels.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from instead, for every output and time on its own, by the mean R2 over `cv`
        folds within the samples that are fitted.
    cv : int, default=5
        Folds that choose among `alphas`: neighbouring samples in one, unless `shuffle_seed` is given.
    shuffle_seed : int, optional
        Seed of shuffled folds.
    standardize : bool, default=True
        Z-score each channel at each time by the samples that are fitted. Constant channels get weight 0.

    Attributes
    ----------
    best_alphas_ : ndarray of shape (n_times, n_outputs)
        The penalties that were used.
    coef_, intercept_, patterns_
        See :class:`LinearOverTimes`.

    Notes
    -----
    Equal to scikit-learn's ``make_pipeline(StandardScaler(), Ridge(alpha))`` at every time. A fit takes the
    smaller of n_channels^3 and n_samples^3 operations. In :func:`cross_validate_over_times` the fits of all
    folds share one Gram matrix per time, where channels are no more than training samples.

    References
    ----------
    Hoerl AE, Kennard RW (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics, doi:10.1080/00401706.1970.10488634.

    King J-R, Dehaene S (2014). Characterizing the dynamics of mental representations: the temporal
    generalization method. Trends Cogn Sci, doi:10.1016/j.tics.2014.01.002.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 4, 3))
    >>> decoder = RidgeOverTimes(alpha=1e-3).fit(X, X[:, 0, 1])
    >>> decoder.score(X, X[:, 0, 1]).round(2)[1]
    np.float64(1.0)
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        alphas: ArrayLike | None = None,
        cv: int = 5,
        shuffle_seed: int | None = None,
        standardize: bool = True,
    ) -> None:
        self.alpha = alpha
        self.alphas = alphas
        self.cv = cv
        self.shuffle_seed = shuffle_seed
        self.standardize = standardize

    def _solve(self, X: Floats, y: NDArray[np.float64]) -> Weights:
        if self.alphas is not None:
            return self._solve_chosen(X, y)
        alpha = self._checked_alpha()
        y_mean = y.mean(axis=0)
        means = X.mean(axis=1)
        coef = np.stack(
            [solve_penalised(at - mean, y - y_mean, alpha) for at, mean in zip(X, means, strict=True)]
        )
        self.best_alphas_ = np.full((len(X), y.shape[1]), alpha)
        return coef, y_mean - np.einsum("tc,tck->tk", means, coef)

    def _solve_chosen(self, X: Floats, y: NDArray[np.float64]) -> Weights:
        grid = check_array("alphas", np.atleast_1d(np.asarray(self.alphas)), ndim=1, dtype=np.float64)
        n_samples = X.shape[1]
        if not 2 <= self.cv <= n_samples // 2:
            raise InputError(
                f"`cv` is {self.cv}, but {n_samples} samples allow for 2 to {n_samples // 2} folds of two or "
                "more samples that choose among `alphas`."
            )
        folds = KFold(self.cv, shuffle=self.shuffle_seed is not None, random_state=self.shuffle_seed)
        parts = list(folds.split(X[0]))
        found = [
            ridge_cv(at, y, alphas=grid, folds=parts, standardize=self.standardize, device="cpu") for at in X
        ]
        self.best_alphas_ = np.stack([fit.best_alphas for fit in found])
        return np.stack([fit.coef for fit in found]), np.stack([fit.intercept for fit in found])

    def weights_of_folds(
        self, signals: Floats, targets: NDArray[np.float64], trainings: Sequence[Indices]
    ) -> Iterator[Weights]:
        """Yield the weights of every training part, from the decomposition of all samples."""
        fewest = min(len(rows) for rows in trainings)
        if self.alphas is not None or signals.shape[2] > fewest:
            yield from super().weights_of_folds(signals, targets, trainings)
            return
        alpha = self._checked_alpha()
        yield from weights_of_folds(signals, targets, trainings, alpha=alpha, standardize=self.standardize)

    def _checked_alpha(self) -> float:
        if not self.alpha > 0:
            raise InputError(
                f"`alpha` must be positive, got {self.alpha:g}. For plain least squares use a small one, "
                "such as 1e-6."
            )
        return float(self.alpha)
