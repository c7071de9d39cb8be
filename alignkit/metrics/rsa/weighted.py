"""Weighted RSA: RDMs as a sum of component RDMs, with weights that are tested on other stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from .._arrays import torch_too
from .._folds import CrossValidation, stimulus_folds
from ._pairs import count_stimuli, load_rdms
from ._weights import Fitter, WeightingTask, check_count
from .compare import ComparisonMethod

FitMethod = Literal["non-negative", "regression"]
Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class RDMFit:
    """An RDM as a weighted sum of components.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
        In units of the RDM per unit of each component.
    intercept : float
        Added to every pair; 0 where none was fitted.
    fitted : ndarray of shape (n_pairs,)
        The weighted sum with the intercept; NaN where a component has no value.
    n_left_out : int
        Pairs that have no value in the RDM or a component, and were not used.
    """

    weights: Matrix
    intercept: float
    fitted: Matrix
    n_left_out: int


@dataclass(frozen=True)
class WeightedRSA:
    """How well component RDMs, weighted on some stimuli, explain RDMs of other stimuli.

    Attributes
    ----------
    score : float
        Mean over subjects of `by_subject`.
    by_subject : ndarray of shape (n_subjects,)
        Mean score of each subject's RDM over folds.
    by_fold : ndarray of shape (n_folds, n_subjects)
        Over the pairs of the fold's test stimuli.
    weights : ndarray of shape (n_folds, n_subject_folds, n_components)
        Fitted weights; one subject fold where subjects are not held out. Of several subjects' mean RDM, only
        their ratios mean something.
    ridge : ndarray of shape (n_folds, n_subject_folds)
        The penalty chosen.
    ceiling_lower, ceiling_upper : float
        Mean score, on the same test pairs, of the mean RDM of the subjects that the weights may be fitted
        to (without the subject itself) and of all subjects. NaN with one subject, which has no others.
    n_left_out : int
        Pairs without a value in some RDM, left out of everything.
    """

    score: float
    by_subject: Matrix
    by_fold: Matrix
    weights: Matrix
    ridge: Matrix
    ceiling_lower: float
    ceiling_upper: float
    n_left_out: int


@torch_too
def fit_rdms(
    rdm: ArrayLike,
    components: ArrayLike,
    *,
    method: FitMethod = "regression",
    ridge: float = 0.0,
    intercept: bool = True,
    whiten: bool = False,
) -> RDMFit:
    """Fit an RDM by a weighted sum of component RDMs.

    Minimises ``||d - sum_k w_k d_k - c||^2 + ridge ||w||^2``. With `whiten` the norm of the first term is
    the one under the covariance that distances have because they share stimuli (generalised least squares).

    Parameters
    ----------
    rdm : array of shape (n_pairs,)
        Condensed RDM. NaN marks a pair without a value.
    components : array of shape (n_components, n_pairs)
        Condensed RDMs of the same stimuli in the same order. Squared distances add up over features, so
        that weights are squared gains; correlation distances do not.
    method : {"regression", "non-negative"}, default="regression"
        Any weights, or weights of at least 0.
    ridge : float, default=0.0
        Penalty, in the squared units of the components summed over pairs.
    intercept : bool, default=True
        Whether a constant c is fitted (unpenalised): for correlations. Without it the fit is that of the
        cosine.
    whiten : bool, default=False
        See above.

    Returns
    -------
    fit : RDMFit
        Weights, the fitted RDM, and how many pairs were left out.

    Raises
    ------
    InputError
        If the pairs differ or are too few, or components are constant or collinear without `ridge`.

    Notes
    -----
    The fit is to these very stimuli: to compare models, use :func:`weighted_rsa`. Of components that are
    nearly collinear, single weights mean nothing though their sum predicts well.

    References
    ----------
    Jozwik KM et al. (2016), doi:10.1016/j.neuropsychologia.2015.10.023 (non-negative weights). Diedrichsen J
    et al. (2020), doi:10.48550/arXiv.2007.02789 (whitening).

    Examples
    --------
    >>> components = np.random.default_rng(0).random((3, 45))
    >>> fit = fit_rdms(2 * components[0] + components[2], components, method="non-negative")
    >>> fit.weights.round(6)
    array([2., 0., 1.])
    """
    check_option("method", method, get_args(FitMethod))
    _check_ridge([ridge])
    target, parts = _load(rdm, components)
    if len(target) > 1:
        raise InputError(
            f"`rdm` must be one RDM, got {len(target)}. Fit their mean, or each of them, or use "
            "`weighted_rsa`."
        )
    kept = np.asarray(~np.isnan(target).any(axis=0) & ~np.isnan(parts).any(axis=0))
    check_count(int(np.count_nonzero(kept)), len(parts))
    fitter = Fitter(kept, method, intercept, whiten)
    weights, constant = fitter.fit(target[0, kept], parts[:, kept], ridge)
    return RDMFit(weights, constant, weights @ parts + constant, int(np.count_nonzero(~kept)))


@torch_too
def weighted_rsa(
    rdms: ArrayLike,
    components: ArrayLike,
    *,
    method: FitMethod = "non-negative",
    ridge: float | Sequence[float] = 0.0,
    score: ComparisonMethod = "pearson",
    cv: CrossValidation = 5,
    cv_subjects: int | None = None,
    random_state: RandomState = 0,
) -> WeightedRSA:
    """Score a weighted sum of component RDMs on stimuli, and subjects, that its weights were not fitted to.

    Stimuli are divided: weights are fitted to the pairs of training stimuli and scored over the pairs of
    test stimuli. Pairs of a training with a test stimulus are used for neither, as they would let the
    fit see every test stimulus.

    Parameters
    ----------
    rdms : array of shape (n_pairs,) or (n_subjects, n_pairs)
        Condensed RDMs, one per subject. NaN marks a pair without a value; it is left out for all.
    components : array of shape (n_components, n_pairs)
        Condensed RDMs of the same stimuli in the same order.
    method : {"non-negative", "regression"}, default="non-negative"
        See :func:`fit_rdms`.
    ridge : float or sequence of float, default=0.0
        Penalty; of several, the one that scores best in folds of the training stimuli is taken.
    score : str, default="pearson"
        The comparison, see :func:`compare_rdms`. The fit follows it: with an intercept unless it is a
        cosine, and whitened where the score is.
    cv : int or sequence of (train, test), default=5
        Folds of stimuli: how many, or indices of stimuli. Test parts need at least 3 stimuli.
    cv_subjects : int, optional
        Folds of subjects: weights are fitted to the mean RDM of the other folds' subjects. By default to
        that of all subjects (on training stimuli), so that results speak for these subjects only.
    random_state : int, Generator or None, default=0
        Who is in which fold.

    Returns
    -------
    result : WeightedRSA
        Scores, weights, and the ceiling on the same folds.

    Raises
    ------
    InputError
        If pairs or folds do not fit, an RDM is constant, or components are collinear.

    Notes
    -----
    The RDMs of several subjects are averaged after each was divided by its length (cosines), standardised,
    or for rank correlations (in the ceiling alone) ranked. A prediction that is constant over the test
    pairs, as when all weights are 0, explains nothing and scores 0.

    References
    ----------
    Jozwik KM et al. (2016), doi:10.1016/j.neuropsychologia.2015.10.023. Schutt HH et al. (2023),
    doi:10.7554/eLife.82566.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> components = rng.random((3, 190))
    >>> subjects = 2 * components[0] + components[2] + 0.1 * rng.random((4, 190))
    >>> result = weighted_rsa(subjects, components, cv=4)
    >>> result.score > 0.99, bool((result.weights[..., 0] > 5 * result.weights[..., 1]).all())
    (True, True)
    """
    check_option("method", method, get_args(FitMethod))
    check_option("score", score, [name for name in get_args(ComparisonMethod) if name != "bures"])
    ridges = [float(value) for value in np.atleast_1d(np.asarray(ridge, dtype=np.float64))]
    _check_ridge(ridges)
    subjects, parts = _load(rdms, components)
    n_stimuli = count_stimuli(subjects.shape[1])
    generator = as_generator(random_state)
    task = WeightingTask(subjects, parts, n_stimuli, method, score, ridges)
    folds = stimulus_folds(cv, n_stimuli, random_state=generator)
    held_out = _subject_folds(len(subjects), cv_subjects, generator)
    by_fold = np.empty((len(folds), len(subjects)))
    weights = np.empty((len(folds), len(held_out), len(parts)))
    chosen = np.empty((len(folds), len(held_out)))
    bounds = np.full((len(folds), len(subjects), 2), np.nan)
    for fold, (train, test) in enumerate(track(folds, "folds of stimuli")):
        for group, (fitted_to, scored) in enumerate(held_out):
            chosen[fold, group] = task.choose_ridge(train, fitted_to, generator)
            weights[fold, group], constant = task.fit(train, fitted_to, chosen[fold, group])
            by_fold[fold, scored] = task.scores(weights[fold, group], constant, test, scored)
            if len(subjects) > 1:
                bounds[fold, scored] = task.ceiling(test, fitted_to, scored)
    by_subject = by_fold.mean(axis=0)
    lower, upper = bounds.mean(axis=(0, 1))
    return WeightedRSA(
        float(by_subject.mean()),
        by_subject,
        by_fold,
        weights,
        chosen,
        float(lower),
        float(upper),
        task.n_left_out,
    )


def _load(rdms: ArrayLike, components: ArrayLike) -> tuple[Matrix, Matrix]:
    target, parts = load_rdms("rdms", rdms), load_rdms("components", components)
    if target.shape[1] != parts.shape[1]:
        raise InputError(
            f"the RDM and its `components` must hold the same pairs of stimuli, got {target.shape[1]} and "
            f"{parts.shape[1]} pairs. Select the shared stimuli before the RDMs are computed."
        )
    return target, parts


def _check_ridge(ridges: list[float]) -> None:
    if not ridges or not all(0 <= ridge < np.inf for ridge in ridges):
        raise InputError(f"`ridge` must be 0 or more, got {ridges}.")


def _subject_folds(
    n_subjects: int, cv_subjects: int | None, generator: np.random.Generator
) -> list[tuple[Rows, Rows]]:
    everyone = np.arange(n_subjects)
    if cv_subjects is None:
        return [(everyone, everyone)]
    if not 2 <= cv_subjects <= n_subjects:
        raise InputError(
            f"`cv_subjects` must be from 2 to the number of subjects, {n_subjects}, got {cv_subjects}."
        )
    parts = np.array_split(generator.permutation(n_subjects), cv_subjects)
    return [(np.setdiff1d(everyone, part), np.sort(part)) for part in parts]
