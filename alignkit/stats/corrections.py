"""Corrections for many tests: false discovery rate, and the maximum statistic of a null."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .permutation import ALTERNATIVES, Alternative, check_null, p_against_one_null

Floats = NDArray[np.float64]


def fdr(p: ArrayLike, *, method: Literal["bh", "by"] = "bh") -> Floats:
    """Adjust p-values so that rejecting those below q keeps the false discovery rate at q.

    Parameters
    ----------
    p : array of any shape
        P-values in [0, 1]. NaN marks a test that could not be made: it stays NaN and does not count.
    method : {"bh", "by"}, default="bh"
        Benjamini-Hochberg (independent or positively dependent tests), or Benjamini-Yekutieli (any).

    Returns
    -------
    adjusted : ndarray, the shape of `p`
        In [0, 1], never below `p`.

    Raises
    ------
    InputError
        For values outside [0, 1] or an unknown method.

    References
    ----------
    Benjamini, Hochberg (1995), 10.1111/j.2517-6161.1995.tb02031.x. Benjamini, Yekutieli (2001),
    10.1214/aos/1013699998.

    Examples
    --------
    >>> fdr([0.01, 0.02, float("nan"), 0.5])
    array([0.03, 0.03,  nan, 0.5 ])
    """
    check_option("method", method, ("bh", "by"))
    values = np.asarray(p, dtype=np.float64)
    tested = ~np.isnan(values)
    if ((values[tested] < 0) | (values[tested] > 1)).any():
        bad = values[tested][(values[tested] < 0) | (values[tested] > 1)][0]
        raise InputError(f"`p` must lie in [0, 1], got {bad:g}. Give p-values, not statistics or their logs.")
    adjusted = np.full(values.shape, np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(values[tested], method=method)
    return adjusted


def max_statistic_p(observed: ArrayLike, null: ArrayLike, *, alternative: Alternative = "greater") -> Floats:
    """Return p-values corrected for the family of tests by the null of the most extreme statistic.

    Strong control of the family-wise error rate, whatever the dependence, if each row of the null comes
    from one relabelling applied to all tests. The tests must be on comparable scales to have like power.

    Parameters
    ----------
    observed : array of shape (n_tests,)
        Statistics. A NaN gives NaN and does not count.
    null : array of shape (n_permutations, n_tests)
        The same statistics under relabelling.
    alternative : {"greater", "less", "two-sided"}, default="greater"
        ``"two-sided"`` takes absolute values, for statistics that are centred at 0 under the null.

    Returns
    -------
    p : ndarray of shape (n_tests,)
        ``(b + 1) / (m + 1)``, never 0.

    Raises
    ------
    InputError
        For shapes that do not fit, or NaN in the null of a test whose statistic is defined.

    References
    ----------
    Nichols, Holmes (2002), Nonparametric permutation tests for functional neuroimaging, 10.1002/hbm.1058.

    Examples
    --------
    >>> max_statistic_p([2.0, 0.5], [[0.1, 0.2], [1.0, -1.0], [0.3, 0.9]])
    array([0.25, 0.75])
    """
    check_option("alternative", alternative, ALTERNATIVES)
    values = check_array("observed", observed, ndim=1, dtype=np.float64, finite=False)
    table = check_null(values, null)
    defined = ~np.isnan(values)
    if not defined.any():
        return np.full(values.shape, np.nan)
    if alternative == "less":
        values, table = -values, -table
    elif alternative == "two-sided":
        values, table = np.abs(values), np.abs(table)
    return p_against_one_null(values, table[:, defined].max(axis=1))
