"""Entropic transport of many small problems at once, with bounds on both sides of the exact cost."""

from __future__ import annotations

import numpy as np

from ..._core.progress import track
from ..._core.threads import fixed_threads
from ._graph import Floats, Indices
from ._transport import Problems

_BATCH_ELEMENTS = 1 << 18
# Between two updates of the logarithms, while nothing can overflow: cheap products instead of exponentials.
_N_PRODUCTS = 20
_SAFE_REGULARIZATION = 0.005


def entropic_bounds(problems: Problems, *, regularization: float, n_iterations: int) -> Floats:
    """Return costs between which the exact one lies.

    Sinkhorn's iterations on the logarithms, so that nothing underflows. The plan is then rounded to the
    masses, which makes its cost an upper bound, and one potential is replaced by the best one for the other,
    which makes the dual value a lower bound.

    Parameters
    ----------
    problems : Problems
        A batch.
    regularization : float
        Weight of the entropy, as a part of the largest distance of each problem.
    n_iterations : int
        Updates of both potentials.

    Returns
    -------
    bounds : ndarray of shape (n_problems, 2)
        Upper, lower.

    References
    ----------
    Altschuler J, Weed J, Rigollet P (2017), doi:10.48550/arXiv.1705.09634 (algorithm 2, the rounding).
    """
    bounds = np.zeros((len(problems), 2))
    n_supplies, n_demands = np.diff(problems.supply_at), np.diff(problems.demand_at)
    solvable = np.flatnonzero((n_supplies > 0) & (n_demands > 0))
    ordered = solvable[np.lexsort((n_demands[solvable], n_supplies[solvable]))]
    widest = int(n_supplies.max(initial=1) * n_demands.max(initial=1))
    n_batches = -(-ordered.size * widest // _BATCH_ELEMENTS)
    with fixed_threads(1):
        for batch in track(np.array_split(ordered, max(n_batches, 1)), "Entropic transport"):
            if batch.size:
                bounds[batch] = _solve(*_padded(problems, batch), regularization, n_iterations)
    return bounds


def _padded(problems: Problems, batch: Indices) -> tuple[Floats, Floats, Floats]:
    """Return supplies, demands and costs as arrays; beside a problem's own size the masses are 0."""
    m, n = (int((at[batch + 1] - at[batch]).max()) for at in (problems.supply_at, problems.demand_at))
    supply, demand, cost = np.zeros((batch.size, m)), np.zeros((batch.size, n)), np.zeros((batch.size, m, n))
    for row, i in enumerate(batch.tolist()):
        own = problems.supply[problems.supply_at[i] : problems.supply_at[i + 1]]
        other = problems.demand[problems.demand_at[i] : problems.demand_at[i + 1]]
        supply[row, : own.size], demand[row, : other.size] = own, other
        flat = problems.cost[problems.cost_at[i] : problems.cost_at[i + 1]]
        cost[row, : own.size, : other.size] = flat.reshape(own.size, other.size)
    return supply, demand, cost


def _solve(supply: Floats, demand: Floats, cost: Floats, regularization: float, n_iterations: int) -> Floats:
    width = regularization * cost.max(axis=(1, 2), keepdims=True)
    with np.errstate(divide="ignore"):
        log_supply, log_demand = np.log(supply), np.log(demand)
    kernel = -cost / width
    to = np.zeros_like(demand)
    n_products = _N_PRODUCTS if regularization >= _SAFE_REGULARIZATION else 1
    for _ in range(-(-n_iterations // n_products)):
        off = log_supply - _log_sum(kernel + to[:, None, :], axis=2)
        to = log_demand - _log_sum(kernel + off[:, :, None], axis=1)
        if n_products > 1:
            scale_off, scale_to = _scale(
                np.exp(off[:, :, None] + kernel + to[:, None, :]), supply, demand, n_products
            )
            with np.errstate(divide="ignore"):
                off, to = off + np.log(scale_off), to + np.log(scale_to)
    plan = np.exp(off[:, :, None] + kernel + to[:, None, :])
    upper = (_rounded(plan, supply, demand) * cost).sum(axis=(1, 2))
    # Where there is no mass the potential is free; infinity leaves it out of the minimum.
    price = np.where(supply > 0, off, -np.inf) * width[:, :, 0]
    best = (cost - price[:, :, None]).min(axis=1)
    lower = (supply * np.where(supply > 0, price, 0.0)).sum(axis=1) + (demand * best).sum(axis=1)
    return np.stack([upper, lower], axis=1)


def _scale(plan: Floats, supply: Floats, demand: Floats, n_products: int) -> tuple[Floats, Floats]:
    """Return the factors of rows and columns after some of Sinkhorn's updates."""
    columns, turned = np.ones_like(demand)[:, :, None], plan.transpose(0, 2, 1)
    for _ in range(n_products - 1):
        rows = _over(supply[:, :, None], plan @ columns)
        columns = _over(demand[:, :, None], turned @ rows)
    return rows[:, :, 0], columns[:, :, 0]


def _log_sum(values: Floats, axis: int) -> Floats:
    highest = values.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(values - highest).sum(axis=axis)) + highest.squeeze(axis))


def _over(wanted: Floats, found: Floats) -> Floats:
    return wanted / np.where(found > 0, found, 1.0)


def _rounded(plan: Floats, supply: Floats, demand: Floats) -> Floats:
    """Return a plan that keeps the masses, near one that nearly does."""
    plan = plan * _at_most_one(supply, plan.sum(axis=2))[:, :, None]
    plan = plan * _at_most_one(demand, plan.sum(axis=1))[:, None, :]
    left, lacking = supply - plan.sum(axis=2), demand - plan.sum(axis=1)
    total = left.sum(axis=1)
    share = left / np.where(total > 0, total, 1.0)[:, None]
    return np.asarray(plan + share[:, :, None] * lacking[:, None, :])


def _at_most_one(wanted: Floats, found: Floats) -> Floats:
    return np.minimum(1.0, _over(wanted, found))
