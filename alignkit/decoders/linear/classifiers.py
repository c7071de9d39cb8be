"""Classifiers at every time: logistic regression and linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from ..._core.errors import InputError
from ._discriminant import Shrinkage, solve_discriminant
from ._discriminant_exchanges import solve_exchanges as solve_discriminant_exchanges
from ._logistic import solve_logistic, solve_logistic_folds
from ._logistic_exchanges import solve_exchanges as solve_logistic_exchanges
from .over_times import Floats, Indices, LinearOverTimes, Weights

_HELD_ELEMENTS = 2**23  # of labels and weights of exchanges: 64 MiB
_BLOCK_ELEMENTS = 2**17  # of what is worked on at a time: 1 MiB, to stay in the cache
_MOST_CHANNELS = 64  # up to which sums of products are cheaper than a matrix of every part
_MOST_FOR_NEWTON = 16  # channels up to which a Hessian for every exchange costs less than more steps


class LogisticOverTimes(LinearOverTimes):
    """Tell classes apart by a penalised logistic regression at every time.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the sum of losses against half the squared weights, above 0; larger is less penalised. The
        intercept is not penalised.
    standardize : bool, default=True
        Z-score each channel at each time by the samples that are fitted. Constant channels get weight 0.
    tol : float, default=1e-8
        Largest entry of the gradient of the mean loss at which a fit is done.

    Attributes
    ----------
    coef_ : ndarray of shape (n_times, n_channels, n_outputs)
        One output for two classes, otherwise one per class (which add up to 0).
    intercept_, patterns_, classes_
        See :class:`LinearOverTimes`.

    Notes
    -----
    The optimum of scikit-learn's ``make_pipeline(StandardScaler(), LogisticRegression(C=C))`` at every time,
    approached four decades closer than by its default tolerance. More than two classes are fitted together,
    with the softmax. In :func:`cross_validate_over_times` the fits of all folds of a time share products of
    matrices and one inverse Hessian; where channels outnumber samples a fit works in the samples' span.

    References
    ----------
    Nocedal J (1980). Updating quasi-Newton matrices with limited storage. Mathematics of Computation,
    doi:10.1090/S0025-5718-1980-0572855-7.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((80, 4, 3))
    >>> y = np.where(X[:, 0, 1] > 0, "face", "house")
    >>> LogisticOverTimes().fit(X, y).score(X, y).round(1)[1]
    np.float64(1.0)
    """

    classifies: ClassVar[bool] = True

    def __init__(self, *, C: float = 1.0, standardize: bool = True, tol: float = 1e-8) -> None:
        self.C = C
        self.standardize = standardize
        self.tol = tol

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of every class at every time.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels[, n_times])
            Signals of the channels and times that were fitted.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_times, n_classes)
            In [0, 1]; adds up to 1 over classes, which are in the order of `classes_`.
        """
        return class_probabilities(self.decision(X))

    def _solve(self, X: Floats, y: NDArray[np.intp]) -> Weights:
        self._check_options()
        return solve_logistic(X, y, n_classes=len(self.classes_), C=self.C, tol=self.tol)

    def weights_of_folds(
        self, signals: Floats, targets: NDArray[np.intp], trainings: Sequence[Indices]
    ) -> Iterator[Weights]:
        """Yield the weights of every training part; those of a time are found together."""
        if signals.shape[2] >= min(len(rows) for rows in trainings):
            yield from super().weights_of_folds(signals, targets, trainings)
            return
        self._check_options()
        coef, intercept = solve_logistic_folds(
            signals,
            targets,
            trainings,
            n_classes=len(self.classes_),
            C=self.C,
            standardize=self.standardize,
            tol=self.tol,
        )
        yield from zip(coef, intercept, strict=True)

    def weights_of_exchanges(
        self, signals: Floats, labels: Indices, trainings: Sequence[Indices]
    ) -> Iterator[Weights]:
        """Yield the weights of some exchanges of labels at a time; of few channels, found together."""
        n_times, n_samples, n_channels = signals.shape
        if n_channels > _MOST_FOR_NEWTON or len(self.classes_) > 2:
            yield from super().weights_of_exchanges(signals, labels, trainings)
            return
        self._check_options()
        for block in _blocks(labels, len(trainings) * (n_samples + n_times * n_channels), n_samples):
            coef, intercept, found = solve_logistic_exchanges(
                signals, block, trainings, C=self.C, standardize=self.standardize, tol=self.tol
            )
            for row in np.flatnonzero(~found):
                for fold, weights in enumerate(self.weights_of_folds(signals, block[row], trainings)):
                    coef[row, fold], intercept[row, fold] = weights
            yield coef, intercept

    def _check_options(self) -> None:
        for name in ("C", "tol"):
            if not getattr(self, name) > 0:
                raise InputError(f"`{name}` must be above 0, got {getattr(self, name)!r}.")


class DiscriminantOverTimes(LinearOverTimes):
    """Tell classes apart by linear discriminant analysis with a shrunk covariance at every time.

    Parameters
    ----------
    shrinkage : "auto", float or None, default="auto"
        How far each class's covariance is drawn towards its mean variance: by the Ledoit-Wolf lemma on
        channels that are z-scored in the class; by a number in [0, 1]; or not at all.
    standardize : bool, default=True
        Z-score each channel at each time by the samples that are fitted. It changes nothing but rounding
        unless `shrinkage` is a number.

    Attributes
    ----------
    coef_ : ndarray of shape (n_times, n_channels, n_outputs)
        One output for two classes (log-odds of the second), otherwise one per class.
    intercept_, patterns_, classes_
        See :class:`LinearOverTimes`.

    Notes
    -----
    Equal to scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)``, and without
    shrinkage to its ``solver="svd"``, which leaves out directions without variance within classes. Classes
    have the shares that they have among the samples. Where channels outnumber samples, a fit takes
    n_samples^2 n_channels operations.

    References
    ----------
    Fisher RA (1936). The use of multiple measurements in taxonomic problems. Annals of Eugenics,
    doi:10.1111/j.1469-1809.1936.tb02137.x.

    Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal
    of Multivariate Analysis, doi:10.1016/S0047-259X(03)00096-4.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((80, 4, 3))
    >>> y = np.where(X[:, 0, 1] > 0, "face", "house")
    >>> bool(DiscriminantOverTimes().fit(X, y).score(X, y)[1] > 0.9)
    True
    """

    classifies: ClassVar[bool] = True

    def __init__(self, *, shrinkage: Shrinkage = "auto", standardize: bool = True) -> None:
        self.shrinkage = shrinkage
        self.standardize = standardize

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of every class at every time, as :class:`LogisticOverTimes` does."""
        return class_probabilities(self.decision(X))

    def _solve(self, X: Floats, y: NDArray[np.intp]) -> Weights:
        check_shrinkage(self.shrinkage)
        n_classes = len(self.classes_)
        check_enough_samples(len(y), n_classes)
        return solve_discriminant(X, y, n_classes=n_classes, shrinkage=self.shrinkage)

    def weights_of_exchanges(
        self, signals: Floats, labels: Indices, trainings: Sequence[Indices]
    ) -> Iterator[Weights]:
        """Yield the weights of some exchanges of labels at a time, from sums that they share."""
        check_shrinkage(self.shrinkage)
        n_times, n_samples, n_channels = signals.shape
        n_classes = len(self.classes_)
        fewest = min(len(rows) for rows in trainings)
        check_enough_samples(fewest, n_classes)
        if n_channels > _MOST_CHANNELS or n_channels >= fewest:
            yield from super().weights_of_exchanges(signals, labels, trainings)
            return
        held = n_classes * len(trainings) * (n_samples + n_times * n_channels)
        for block in _blocks(labels, held, n_classes * n_channels**2):
            coef, intercept, sound = solve_discriminant_exchanges(
                signals,
                block,
                trainings,
                n_classes=n_classes,
                shrinkage=self.shrinkage,
                standardize=self.standardize,
            )
            for row in np.flatnonzero(~sound):
                for fold, found in enumerate(self.weights_of_folds(signals, block[row], trainings)):
                    coef[row, fold], intercept[row, fold] = found
            yield coef, intercept


def _blocks(labels: Indices, held: int, at_once: int) -> Iterator[Indices]:
    """Yield exchanges of labels, given the elements that each takes in all, and in what is worked on."""
    step = max(1, min(_HELD_ELEMENTS // held, _BLOCK_ELEMENTS // at_once))
    for start in range(0, len(labels), step):
        yield labels[start : start + step]


def class_probabilities(decision: Floats) -> Floats:
    """Return probabilities of classes, last, from decision values with one output or one per class."""
    if decision.shape[-1] > 1:
        return np.asarray(softmax(decision, axis=-1))
    return np.concatenate([expit(-decision), expit(decision)], axis=-1)


def check_shrinkage(shrinkage: Shrinkage) -> None:
    """Refuse what is neither "auto", None nor a number in [0, 1]."""
    if shrinkage is None or shrinkage == "auto":
        return
    if isinstance(shrinkage, (str, bool)) or not 0 <= shrinkage <= 1:
        raise InputError(f"`shrinkage` must be 'auto', None or a number in [0, 1], got {shrinkage!r}.")


def check_enough_samples(n_samples: int, n_classes: int) -> None:
    """Refuse samples that leave no variance within classes."""
    if n_samples <= n_classes:
        raise InputError(
            f"discriminant analysis needs more samples than classes, got {n_samples} for {n_classes} "
            "classes. Give more trials, or merge classes."
        )
