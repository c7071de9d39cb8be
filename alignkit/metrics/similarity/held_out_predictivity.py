"""How well one system predicts another on stimuli that were not fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ...solvers._rotation import Features
from ...solvers.algebra import multiply
from ...solvers.pls_regression import pls_directions
from ...solvers.ridge import ridge_cv
from .._arrays import torch_too
from .._folds import CrossValidation, Rows, stimulus_folds
from .._registry import METRICS
from .._rounding import check_range, constant_along
from ..correlation import column_correlation

Method = Literal["pls", "ridge", "one-to-one"]
Matrix = NDArray[np.float64]
# Of units whose mean variance is 1; from nothing to far more than the features hold.
ALPHAS = np.logspace(-3, 7, 21)
INNER_FOLDS = 5


@dataclass(frozen=True)
class Predictivity:
    """How well the units of Y were predicted on held-out stimuli.

    Attributes
    ----------
    correlations : ndarray of shape (n_units_y,)
        Pearson's r of prediction and response on held-out stimuli, mean over folds, in [-1, 1]. NaN for a
        unit that is constant over the test part of every fold.
    fold_correlations : ndarray of shape (n_folds, n_units_y)
        The same of each fold. 0 where the prediction is constant: it says nothing about the stimuli. NaN
        where the unit is constant over the test part.
    median, mean : float
        Over the units with a correlation.
    n_undefined : int
        Number of units without one.
    method : str
        How they were predicted.
    """

    correlations: Matrix
    fold_correlations: Matrix
    median: float
    mean: float
    n_undefined: int
    method: str


@torch_too
def predictivity(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    method: Method = "pls",
    cv: CrossValidation = 5,
    groups: ArrayLike | None = None,
    n_components: int = 25,
    alphas: ArrayLike | None = None,
    random_state: RandomState = 0,
    device: str | None = None,
) -> Predictivity:
    """Predict every unit of Y from X, fitting on some stimuli and scoring on others.

    - ``"pls"``: partial least squares, all units of Y through the same few components of X.
    - ``"ridge"``: ridge regression, a penalty per unit of Y chosen on folds of the training stimuli.
    - ``"one-to-one"``: each unit of Y by the single unit of X that correlates with it best on the training
      stimuli, sign included.

    Forward predictivity takes a model as X and a brain as Y; ``predictivity(Y, X)`` is the reverse. A model
    with many more dimensions than the brain can do well forward and badly in reverse.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units_x)
        Responses that predict.
    Y : array of shape (n_stimuli, n_units_y)
        Responses to the same stimuli that are predicted.
    method : {"pls", "ridge", "one-to-one"}, default="pls"
        See above.
    cv : int or sequence of (train, test), default=5
        The number of folds, or row indices of each; at least 3 test stimuli each.
    groups : array of shape (n_stimuli,), optional
        Stimuli with equal labels (near-duplicates, frames of one film) are never on both sides of a fold,
        nor of the folds that choose a penalty.
    n_components : int, default=25
        For "pls"; fewer where the training part has fewer dimensions.
    alphas : array of shape (n_alphas,), optional
        Penalties for "ridge", for units of X whose mean variance is 1; by default 21 from 1e-3 to 1e7.
    random_state : int, Generator or None, default=0
        Which stimuli are in which fold.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products and ridge regressions are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    result : Predictivity
        Correlations per unit and their median. About 0 for unrelated systems; higher is more alike.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, there are NaN, a side is constant, or folds are not usable.

    Notes
    -----
    X and Y are centred by the training part. Their units are not z-scored: in "pls" and "ridge" those of X
    that vary more count for more, in "pls" also those of Y. For "ridge" X is divided by one number, the root
    mean variance of its units over the training part, so that penalties have no unit. Nothing is added to
    the denominator of r.

    References
    ----------
    Yamins DLK et al. (2014). Performance-optimized hierarchical models predict neural responses in higher
    visual cortex, doi:10.1073/pnas.1403112111 (PLS with 25 components). Schrimpf M et al. (2020),
    doi:10.1016/j.neuron.2020.07.040.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 6))
    >>> Y = X @ rng.standard_normal((6, 4))
    >>> round(predictivity(X, Y, method="ridge").median, 4)
    1.0
    """
    check_option("method", method, get_args(Method))
    if n_components < 1:
        raise InputError(f"`n_components` must be at least 1, got {n_components}.")
    first, second = _load("X", X), _load("Y", Y)
    check_same_samples("X", first, "Y", second)
    rng = as_generator(random_state)
    labels = np.arange(len(first)) if groups is None else np.asarray(groups)
    folds = stimulus_folds(cv, len(first), groups=groups, random_state=rng)
    scores = np.empty((len(folds), second.shape[1]))
    for number, (train, test) in enumerate(track(folds, f"{method} predictivity: folds")):
        if constant_along(first[train], axis=0).all():
            raise InputError(f"all units of `X` are constant over the training part of fold {number}.")
        predict = _predictor(method, n_components, alphas, labels[train], rng, device)
        # What does not vary where it is learned is predicted as that constant, up to rounding.
        flat = constant_along(second[train], axis=0)
        prediction = np.where(flat, 0.0, predict(first, second, train, test))
        scores[number] = _fold_correlation(second[test], prediction)
    defined = ~np.isnan(scores)
    sums, counts = np.where(defined, scores, 0.0).sum(axis=0), defined.sum(axis=0)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    scored = mean[counts > 0]
    if len(scored) == 0:
        raise InputError(
            "every unit of `Y` is constant over the test part of every fold: use a smaller `cv`."
        )
    summary = (float(np.median(scored)), float(scored.mean()), int(np.sum(counts == 0)))
    return Predictivity(mean, scores, *summary, method)


def _load(name: str, values: ArrayLike) -> Matrix:
    array = check_array(name, values, ndim=2, dtype=np.float64, min_rows=2)
    check_range(name, array)
    if array.shape[1] == 0:
        raise InputError(f"`{name}` has no units, got shape {array.shape}.")
    flat = constant_along(array, axis=0)
    if flat.all():
        raise InputError(
            f"all {len(array)} rows of `{name}` are equal: there is nothing to predict with or from."
        )
    # No correlation sees a shift, but a large mean costs digits where penalties leave little of a prediction.
    return np.asarray(np.where(flat, 0.0, array - array.mean(axis=0)))


Predictor = Callable[[Matrix, Matrix, Rows, Rows], Matrix]


def _predictor(
    method: str,
    n_components: int,
    alphas: ArrayLike | None,
    labels: NDArray[np.generic],
    rng: np.random.Generator,
    device: str | None,
) -> Predictor:
    if method == "pls":
        return partial(_pls, n_components=n_components, device=device)
    if method == "one-to-one":
        return partial(_one_to_one, device=device)
    n_groups = len(np.unique(labels))
    # With few stimuli fewer folds, so that each has something to test on.
    n_inner = max(2, min(INNER_FOLDS, n_groups // 2))
    inner = stimulus_folds(n_inner, len(labels), groups=labels, random_state=rng, least=2)
    return partial(_ridge, alphas=ALPHAS if alphas is None else alphas, inner=inner, device=device)


def _pls(X: Matrix, Y: Matrix, train: Rows, test: Rows, *, n_components: int, device: str | None) -> Matrix:
    rotation = Features(X, center=True, standardize=False).rotate(train, test)
    mean = Y[train].mean(axis=0)
    covariance = rotation.singular[:, None] * multiply(rotation.left.T, Y[train] - mean, device=device)
    directions = pls_directions(rotation.singular, covariance, n_components)
    scores = multiply(rotation.test, directions, device=device)
    return np.asarray(mean + multiply(scores, directions.T @ covariance, device=device))


def _ridge(
    X: Matrix,
    Y: Matrix,
    train: Rows,
    test: Rows,
    *,
    alphas: ArrayLike,
    inner: list[tuple[Rows, Rows]],
    device: str | None,
) -> Matrix:
    spread = np.sqrt(X[train].var(axis=0).mean())
    where = "cpu" if device is None else device
    fit = ridge_cv(X[train] / spread, Y[train], alphas=alphas, folds=inner, device=where)
    return np.asarray(multiply(X[test] / spread, fit.coef.astype(np.float64), device=device) + fit.intercept)


def _one_to_one(X: Matrix, Y: Matrix, train: Rows, test: Rows, *, device: str | None) -> Matrix:
    sources = X[train] - X[train].mean(axis=0)
    flat = constant_along(X[train], axis=0)
    norms = np.sqrt(np.einsum("ij,ij->j", sources, sources))
    sources /= np.where(flat | (norms == 0), 1.0, norms)
    # The norm of a target does not change which source is best.
    products = multiply(sources.T, Y[train] - Y[train].mean(axis=0), device=device)
    products[flat | (norms == 0)] = -np.inf
    best: Matrix = X[np.ix_(test, products.argmax(axis=0))]
    return best


def _fold_correlation(truth: Matrix, prediction: Matrix) -> Matrix:
    r = column_correlation(truth, prediction)
    silent = constant_along(prediction, axis=0) & ~constant_along(truth, axis=0)
    return np.where(silent, 0.0, r)


def _median(X: ArrayLike, Y: ArrayLike, *, method: Method) -> float:
    return predictivity(X, Y, method=method).median


def _register() -> None:
    entries: list[tuple[Method, tuple[str, ...], str, str]] = [
        (
            "pls",
            ("permutation", "rotation", "scale", "shift"),
            "Yamins et al. 2014, doi:10.1073/pnas.1403112111",
            "median held-out r of Y's units predicted from 25 PLS components of X",
        ),
        (
            "ridge",
            ("permutation", "rotation", "scale", "shift"),
            "Conwell et al. 2024, doi:10.1038/s41467-024-53147-y",
            "median held-out r of Y's units predicted from X by ridge regression",
        ),
        (
            "one-to-one",
            ("permutation", "scale", "shift", "unit-scale"),
            "Li et al. 2016, doi:10.48550/arXiv.1511.07543",
            "median held-out r of Y's units with the unit of X that was best on other stimuli",
        ),
    ]
    for method, moves, paper, summary in entries:
        METRICS.register(
            f"{method}-predictivity",
            kind="similarity",
            inputs="responses",
            range=(-1.0, 1.0),
            higher_is_closer=True,
            invariant_to=moves,
            unit="r",
            paper=paper,
            summary=summary,
        )(torch_too(partial(_median, method=method)))


_register()
