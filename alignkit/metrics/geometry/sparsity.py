"""How few stimuli a unit answers to, and how few units answer to a stimulus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from ._patterns import Floats, load_patterns

SparsityKind = Literal["lifetime", "population"]


@torch_too
def treves_rolls_sparsity(rates: ArrayLike, *, kind: SparsityKind = "lifetime") -> NDArray[np.float64]:
    """Compute the sparsity of Treves and Rolls, in the form of Vinje and Gallant.

    ``(1 - a) / (1 - 1 / n)`` with ``a = (mean r)^2 / mean r^2``; lifetime sparsity over the n stimuli of a
    unit, population sparsity over the n units of a stimulus. The two are different quantities.

    Parameters
    ----------
    rates : array of shape (n_stimuli, n_units)
        Responses of 0 or more.
    kind : {"lifetime", "population"}, default="lifetime"
        Over stimuli, or over units.

    Returns
    -------
    sparsity : ndarray of shape (n_units,) for "lifetime", (n_stimuli,) for "population"
        From 0 (all alike) to 1 (a single one answers). .5 for exponential rates. NaN for a unit (or a
        stimulus) without any response, which has no share to be sparse in.

    Raises
    ------
    InputError
        If a rate is below 0 or NaN, or there are fewer than 2 stimuli (units, for "population").

    References
    ----------
    Treves A, Rolls ET (1991), doi:10.1088/0954-898X_2_4_004. Vinje WE, Gallant JL (2000),
    doi:10.1126/science.287.5456.1273.

    Examples
    --------
    >>> treves_rolls_sparsity([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    array([ 0.,  1., nan])
    """
    values, found = _responding("rates", rates, kind)
    if values.size and values.min() < 0:
        raise InputError(
            f"`rates` must be 0 or more, but the smallest is {values.min():.3g}. Rectify the responses, or "
            "use `hoyer_sparsity`, which takes their size."
        )
    n = values.shape[1]
    shares = values.mean(axis=1) ** 2 / (values**2).mean(axis=1)
    found[~np.isnan(found)] = (1 - shares) / (1 - 1 / n)
    # Rounding can leave an even answer just below 0, or a single one just above 1.
    return np.clip(found, 0.0, 1.0)


@torch_too
def hoyer_sparsity(X: ArrayLike, *, kind: SparsityKind = "lifetime") -> NDArray[np.float64]:
    """Compute the sparsity of Hoyer: ``(sqrt(n) - l1 norm / l2 norm) / (sqrt(n) - 1)``.

    Of the size of the responses, whatever their sign; lifetime sparsity over the n stimuli of a unit,
    population sparsity over the n units of a stimulus.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units)
        Responses.
    kind : {"lifetime", "population"}, default="lifetime"
        Over stimuli, or over units.

    Returns
    -------
    sparsity : ndarray of shape (n_units,) for "lifetime", (n_stimuli,) for "population"
        From 0 (all of one size) to 1 (a single one answers); .29 for exponential responses. NaN for a unit
        (or a stimulus) without any response.

    Raises
    ------
    InputError
        If X holds NaN, or there are fewer than 2 stimuli (units, for "population").

    References
    ----------
    Hoyer PO (2004). Non-negative matrix factorization with sparseness constraints, JMLR 5:1457.

    Examples
    --------
    >>> hoyer_sparsity([[1, -1, 0], [0, 1, 0], [0, 1, 0], [0, -1, 0]])
    array([ 1.,  0., nan])
    """
    values, found = _responding("X", X, kind)
    n = values.shape[1]
    ratios = np.abs(values).sum(axis=1) / np.sqrt((values**2).sum(axis=1))
    found[~np.isnan(found)] = (np.sqrt(n) - ratios) / (np.sqrt(n) - 1)
    return np.clip(found, 0.0, 1.0)


def _responding(name: str, X: ArrayLike, kind: SparsityKind) -> tuple[Floats, Floats]:
    """Return one row per unit (or stimulus) that answers at all, over its largest; and NaN for the others."""
    check_option("kind", kind, get_args(SparsityKind))
    patterns = load_patterns(X, min_rows=1, name=name)
    rows = patterns.T if kind == "lifetime" else patterns
    if rows.shape[1] < 2:
        over = "stimuli" if kind == "lifetime" else "units"
        raise InputError(f"{kind} sparsity is taken over at least 2 {over}, got {rows.shape[1]}.")
    largest = np.abs(rows).max(axis=1)
    answers = largest > 0
    found = np.where(answers, 0.0, np.nan)
    return rows[answers] / largest[answers, None], found


def _mean_of(sparsity: Callable[..., NDArray[np.float64]]) -> Callable[[ArrayLike], float]:
    def mean(X: ArrayLike) -> float:
        values = sparsity(X)
        if np.isnan(values).all():
            raise InputError(f"none of the {len(values)} has any response, so there is no mean sparsity.")
        return float(np.nanmean(values))

    return mean


def _register() -> None:
    treves = "Treves & Rolls 1991, doi:10.1088/0954-898X_2_4_004; Vinje & Gallant 2000"
    hoyer = "Hoyer 2004, JMLR 5:1457"
    own: dict[SparsityKind, str] = {"lifetime": "unit-scale", "population": "pattern-scale"}
    for kind, factor in own.items():
        over = "stimuli, mean over units" if kind == "lifetime" else "units, mean over stimuli"
        shared: dict[str, Any] = {
            "kind": "statistic",
            "range": (0.0, 1.0),
            "higher_is_closer": None,
            "invariant_to": (*sorted(("permutation", "scale", "stimulus-permutation", factor)),),
            "unit": "sparsity",
        }
        METRICS.register(
            f"treves-rolls-{kind}-sparsity",
            inputs="rates",
            paper=treves,
            summary=f"Treves-Rolls sparsity of rates over {over} that answer",
            **shared,
        )(_mean_of(partial(treves_rolls_sparsity, kind=kind)))
        METRICS.register(
            f"hoyer-{kind}-sparsity",
            inputs="patterns",
            paper=hoyer,
            summary=f"Hoyer sparsity of the size of responses over {over} that answer",
            **shared,
        )(_mean_of(partial(hoyer_sparsity, kind=kind)))


_register()
