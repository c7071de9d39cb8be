"""Which unit of one system goes with which unit of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState
from .._arrays import torch_too
from .._folds import CrossValidation, stimulus_folds
from .._registry import METRICS
from ._correlations import correlations, load_pair, varying

MatchMethod = Literal["one-to-one", "semi", "soft"]
Matrix = NDArray[np.float64]
NOBODY = -1


@dataclass(frozen=True)
class UnitMatch:
    """Partners of the units of one system in another.

    Attributes
    ----------
    partners : ndarray of shape (n_units_x,)
        The unit of Y that goes with each unit of X, on all stimuli; -1 for a constant unit, and for the
        units that "one-to-one" leaves over where X has more. For "soft" the one with the largest share.
    correlations : ndarray of shape (n_units_x,)
        Pearson's r of each unit with its partner, for "soft" the mean over its partners weighted by their
        shares; with `cv` on held-out stimuli, mean over folds. NaN where there is no partner in any fold, or
        one of the two is constant over the test part of all.
    score : float
        Mean of these over the units that have one, in [-1, 1]; with `cv` the mean over folds of that mean.
    gap : float
        By how much the same units would correlate better on average with the best unit of Y each, whoever
        else has it. 0 or more without `cv`; 0 for "semi". Near 0 where units have partners of their own.
    plan : ndarray of shape (n_units_x, n_units_y) or None
        For "soft": share of each pair in the transport, sums to 1. Zeros for constant units.
    n_constant_x, n_constant_y : int
        Units that do not vary and are left out.
    held_out : bool
        Whether partners were found on other stimuli than those scored.
    method : str
        How units were matched.
    """

    partners: NDArray[np.intp]
    correlations: Matrix
    score: float
    gap: float
    plan: Matrix | None
    n_constant_x: int
    n_constant_y: int
    held_out: bool
    method: str


@torch_too
def match_units(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    method: MatchMethod = "one-to-one",
    cv: CrossValidation | None = None,
    groups: ArrayLike | None = None,
    random_state: RandomState = 0,
    device: str | None = None,
) -> UnitMatch:
    """Match the units of two systems by their correlation over stimuli.

    - ``"one-to-one"``: each unit has at most one partner; the assignment with the largest sum of r.
    - ``"semi"``: each unit of X takes the unit of Y that correlates best; many may take the same.
    - ``"soft"``: units share partners in fractions, each unit of X with weight 1 / n_units_x and of Y with
      1 / n_units_y; the plan with the largest sum of r. With as many units on both sides it is one-to-one.

    Correlations are signed: a unit that does the opposite is no partner.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units_x)
        Responses to at least 3 stimuli.
    Y : array of shape (n_stimuli, n_units_y)
        Responses to the same stimuli.
    method : {"one-to-one", "semi", "soft"}, default="one-to-one"
        See above.
    cv : int or sequence of (train, test), optional
        Match on the training stimuli of each fold and score on its test stimuli. Without it units are
        matched and scored on the same stimuli, and scores are above 0 also for unrelated systems: a maximum
        over many correlations is.
    groups : array of shape (n_stimuli,), optional
        With `cv`: stimuli with equal labels stay on one side.
    random_state : int, Generator or None, default=0
        With `cv`: which stimuli are in which fold.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where correlations are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    match : UnitMatch
        Partners, correlations and their mean.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, there are fewer than 3 or NaN, a side has no unit that varies, or
        folds are not usable.

    Notes
    -----
    As a control, match with the stimuli of one side shuffled, or with a network of random weights. "semi" is
    not symmetric. The assignment takes O(n_units^3). A unit that is constant over a training part has no
    partner in that fold; one that is constant over a test part has no correlation in it.

    References
    ----------
    Li Y et al. (2016). Convergent learning: do different neural networks learn the same representations?,
    doi:10.48550/arXiv.1511.07543. Khosla M, Williams AH (2024). Soft matching distance,
    doi:10.48550/arXiv.2311.09466.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> match_units(X, X[:, [2, 0, 1]]).partners
    array([1, 2, 0])
    """
    check_option("method", method, get_args(MatchMethod))
    first, second = load_pair(X, Y)
    rows = np.arange(len(first))
    folds = [(rows, rows)]
    if cv is not None:
        folds = stimulus_folds(cv, len(first), groups=groups, random_state=random_state)
    per_fold = []
    for train, test in track(folds, f"{method} matching: folds"):
        plan, best = _plans(first[train], second[train], method, device)
        per_fold.append(_unit_scores(first[test], second[test], plan, best, device))
    # (n_folds, n_units_x), NaN where a unit has no partner
    found, found_best = (np.array(values) for values in zip(*per_fold, strict=True))
    if np.isnan(found).all():
        raise InputError(
            "no unit has a partner on the training stimuli that varies over the test stimuli in any of "
            f"{len(folds)} fold(s). Use a smaller `cv`."
        )
    if cv is not None:
        plan, _ = _plans(first, second, method, device)
    used = ~np.isnan(found).all(axis=1)
    return UnitMatch(
        partners=np.where(plan.any(axis=1), plan.argmax(axis=1), NOBODY),
        correlations=_mean(found, axis=0),
        score=float(_mean(found[used], axis=1).mean()),
        gap=float(_mean((found_best - found)[used], axis=1).mean()),
        plan=plan if method == "soft" else None,
        n_constant_x=int((~varying(first)).sum()),
        n_constant_y=int((~varying(second)).sum()),
        held_out=cv is not None,
        method=method,
    )


def _plans(X: Matrix, Y: Matrix, method: str, device: str | None) -> tuple[Matrix, Matrix]:
    """Return the plan of a method and that of "semi", both (n_units_x, n_units_y); 0 for constant units."""
    kept = np.ix_(np.flatnonzero(varying(X)), np.flatnonzero(varying(Y)))
    plan, best = np.zeros((2, X.shape[1], Y.shape[1]))
    r = correlations(X[:, kept[0].ravel()], Y[:, kept[1].ravel()], device=device)
    if r.size:
        plan[kept], best[kept] = _PLANS[method](r), _semi(r)
    return plan, best


def _unit_scores(
    X: Matrix, Y: Matrix, plan: Matrix, best: Matrix, device: str | None
) -> tuple[Matrix, Matrix]:
    """Return the mean correlation of every unit of X with its partners under both plans."""
    r = correlations(X, Y, device=device)
    defined = np.outer(varying(X), varying(Y))
    scores = []
    for shares in (plan * defined, best * defined):
        total = shares.sum(axis=1)
        weighted = np.einsum("ij,ij->i", shares, r) / np.where(total > 0, total, 1.0)
        scores.append(np.where(total > 0, weighted, np.nan))
    return scores[0], scores[1]


def _mean(values: Matrix, axis: int) -> Matrix:
    """Return the mean of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=axis)
    sums = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _one_to_one(r: Matrix) -> Matrix:
    plan = np.zeros_like(r)
    plan[linear_sum_assignment(r, maximize=True)] = 1 / min(r.shape)
    return plan


def _semi(r: Matrix) -> Matrix:
    plan = np.zeros_like(r)
    plan[np.arange(len(r)), r.argmax(axis=1)] = 1 / len(r)
    return plan


def _soft(r: Matrix) -> Matrix:
    if r.shape[0] == r.shape[1]:
        # Of equal numbers the best plan is a permutation, and finding that is faster and exact.
        return _one_to_one(r)
    import ot

    weights = (np.full(n, 1 / n) for n in r.shape)
    return np.asarray(ot.emd(*weights, 1.0 - r, numItermax=10_000_000))


_PLANS: dict[str, Callable[[Matrix], Matrix]] = {"one-to-one": _one_to_one, "semi": _semi, "soft": _soft}


def _score(X: ArrayLike, Y: ArrayLike, *, method: MatchMethod) -> float:
    return match_units(X, Y, method=method).score


def _register() -> None:
    moves = ("permutation", "scale", "shift", "stimulus-permutation", "unit-scale")
    entries: list[tuple[MatchMethod, str, tuple[str, ...], str]] = [
        (
            "one-to-one",
            "one-to-one-matching",
            (*moves, "symmetry"),
            "mean r of units with partners of their own, assigned for the largest sum",
        ),
        ("semi", "semi-matching", moves, "mean over units of X of the best r with any unit of Y"),
    ]
    for method, name, invariant_to, summary in entries:
        METRICS.register(
            name,
            kind="similarity",
            inputs="responses",
            range=(-1.0, 1.0),
            higher_is_closer=True,
            invariant_to=invariant_to,
            unit="r",
            paper="Li et al. 2016, doi:10.48550/arXiv.1511.07543",
            summary=summary,
        )(torch_too(partial(_score, method=method)))


_register()
