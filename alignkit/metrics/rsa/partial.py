"""Correlation of RDMs with what other RDMs explain taken out of both."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._arrays import torch_too
from .._rounding import constant_along
from ._pairs import load_both, load_rdms, shared_masks

PartialMethod = Literal["pearson", "spearman"]
Matrix = NDArray[np.float64]

# Below this share of its variance, what is left of an RDM is the rounding of what was taken out.
_NOTHING = 1e-12


@torch_too
def partial_correlation(
    a: ArrayLike, b: ArrayLike, given: ArrayLike, *, method: PartialMethod = "spearman"
) -> float | Matrix:
    """Correlate every RDM in `a` with every RDM in `b` when other RDMs are held fixed.

    The RDMs in `given`, and a constant, are regressed out of both; then what is left is correlated. With
    "spearman" all of them are ranked first.

    Parameters
    ----------
    a : array of shape (n_pairs,) or (n_a, n_pairs)
        Condensed RDMs. NaN marks a pair without a value.
    b : array of shape (n_pairs,) or (n_b, n_pairs)
        Condensed RDMs of the same stimuli in the same order.
    given : array of shape (n_pairs,) or (n_controls, n_pairs)
        RDMs to take out of both. They may be collinear: what they explain together is taken out.
    method : {"pearson", "spearman"}, default="spearman"
        Correlate dissimilarities, or their ranks.

    Returns
    -------
    correlation : float, or ndarray of shape (n_a, n_b)
        In [-1, 1]; 0 when `a` tells nothing of `b` that `given` does not tell. A float where `a` and `b`
        are one-dimensional.

    Raises
    ------
    InputError
        If the numbers of pairs differ, there are too few pairs for the controls, or the controls explain
        an RDM wholly.

    Notes
    -----
    Pairs without a value in `a`, `b` or any control are left out, before ranks are taken. A pair of
    stimuli is no independent sample: test the result by permuting stimuli. Noise in a control leaves some
    of what it stands for in the result.

    References
    ----------
    Nili H et al. (2014), doi:10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared, a, b = rng.random((3, 190))
    >>> both = np.stack([shared + a, shared + b])
    >>> round(float(np.corrcoef(both)[0, 1]), 2)
    0.59
    >>> round(partial_correlation(both[0], both[1], shared, method="pearson"), 2)
    0.13
    """
    check_option("method", method, get_args(PartialMethod))
    first, second = load_both(a, b)
    controls = load_rdms("given", given)
    if controls.shape[1] != first.shape[1]:
        raise InputError(
            f"`given` must hold the pairs of stimuli of `a` and `b`, got {controls.shape[1]} and "
            f"{first.shape[1]} pairs. Select the shared stimuli before the RDMs are computed."
        )
    result = np.empty((len(first), len(second)))
    with_controls = np.asarray(~np.isnan(controls).any(axis=0))
    for rows_a, rows_b, kept in shared_masks(first, second, with_controls):
        n_kept = int(np.count_nonzero(kept))
        if n_kept < len(controls) + 3:
            raise InputError(
                f"{len(controls)} control RDM(s) need at least {len(controls) + 3} pairs with a value in "
                f"all RDMs, got {n_kept} for row {rows_a[0]} of `a` and row {rows_b[0]} of `b`."
            )
        moving = controls[:, kept][~constant_along(controls[:, kept], axis=1)]
        basis = _basis(_prepared(moving, method))
        for name, values, rows in (("a", first, rows_a), ("b", second, rows_b)):
            _check_spread(name, values[np.ix_(rows, kept)], rows)
        left_a = _unit_residuals("a", _prepared(first[np.ix_(rows_a, kept)], method), basis, rows_a)
        left_b = _unit_residuals("b", _prepared(second[np.ix_(rows_b, kept)], method), basis, rows_b)
        result[np.ix_(rows_a, rows_b)] = (left_a @ left_b.T).clip(-1, 1)
    return float(result[0, 0]) if np.ndim(a) == 1 and np.ndim(b) == 1 else result


def _check_spread(name: str, values: Matrix, rows: NDArray[np.intp]) -> None:
    flat = np.flatnonzero(constant_along(values, axis=1))
    if len(flat):
        raise InputError(
            f"RDM {rows[flat[0]]} of `{name}` is constant over the {values.shape[1]} pairs compared, so that "
            "nothing is left to correlate. Leave it out."
        )


def _prepared(values: Matrix, method: str) -> Matrix:
    ranked = rankdata(values, axis=1) if method == "spearman" else values
    return np.asarray(ranked - ranked.mean(axis=1, keepdims=True))


def _basis(controls: Matrix) -> Matrix:
    """Return orthonormal rows that span the centred controls; fewer where these are collinear."""
    lengths = np.linalg.norm(controls, axis=1)
    varied = lengths > 0
    if not varied.any():
        return np.empty((0, controls.shape[1]))
    _, values, basis = np.linalg.svd(controls[varied] / lengths[varied, None], full_matrices=False)
    return np.asarray(basis[values > 1e-10])


def _unit_residuals(name: str, centred: Matrix, basis: Matrix, rows: NDArray[np.intp]) -> Matrix:
    left = centred - (centred @ basis.T) @ basis
    # Twice is enough: the second pass takes out what rounding left of large controls.
    left -= (left @ basis.T) @ basis
    before, after = (centred**2).sum(axis=1), (left**2).sum(axis=1)
    explained = np.flatnonzero(after <= _NOTHING * before)
    if len(explained):
        what = "is explained wholly by `given`"
        raise InputError(
            f"RDM {rows[explained[0]]} of `{name}` {what} over the {centred.shape[1]} pairs compared, so "
            "that nothing is left to correlate. Leave it out, or give other controls."
        )
    return np.asarray(left / np.sqrt(after)[:, None])
