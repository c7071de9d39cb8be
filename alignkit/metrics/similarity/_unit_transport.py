"""The best matching of the units of two sets of responses: one to one, or in shares."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..._core.errors import InputError
from ._clouds import Matrix

_MAX_PIVOTS = 100_000_000


class Plan(NamedTuple):
    """Which unit goes with which, and with what weight; everything else is zero."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    weights: NDArray[np.float64]


def without_constant(name: str, values: Matrix) -> tuple[Matrix, NDArray[np.intp]]:
    """Return the columns of centred responses that vary, and their indices; say how many were dropped."""
    varying = np.flatnonzero(values.any(axis=0))
    n_dropped = values.shape[1] - len(varying)
    if not n_dropped:
        return values, varying
    warnings.warn(
        f"{n_dropped} of {values.shape[1]} units of `{name}` are constant and were left out of the matching.",
        UserWarning,
        stacklevel=5,
    )
    return values[:, varying], varying


def one_to_one(overlap: Matrix) -> Plan:
    """Return the assignment with the largest sum; units of the larger side may stay alone."""
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return Plan(rows, columns, np.ones(len(rows)))


def shares(overlap: Matrix) -> Plan:
    """Return the transport plan between uniform weights, 1/p and 1/q, with the largest sum; exact."""
    p, q = overlap.shape
    if p == q:
        # The corners of the plans between equal weights are permutations.
        matched = one_to_one(overlap)
        return matched._replace(weights=matched.weights / p)
    # POT looks for every array library when it is loaded, torch among them.
    from ot.lp import emd

    # Costs of size 1: the solver's tolerances are absolute.
    cost = (overlap.max() - overlap) / max(float(np.ptp(overlap)), np.finfo(np.float64).tiny)
    plan, log = emd(np.full(p, 1 / p), np.full(q, 1 / q), cost, numItermax=_MAX_PIVOTS, log=True)
    if log["warning"] is not None:
        raise InputError(
            f"the matching of {p} and {q} units did not finish: {log['warning']} Take fewer units."
        )
    rows, columns = np.nonzero(plan)
    return Plan(rows, columns, plan[rows, columns])


def plan_distance(first: Matrix, second: Matrix, plan: Plan) -> float:
    """Return the sum over a plan of squared distances between units."""
    gaps = first[:, plan.rows] - second[:, plan.columns]
    return float(np.einsum("ij,ij->j", gaps, gaps) @ plan.weights)
