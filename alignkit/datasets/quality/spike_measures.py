"""Measures of sorted units: rates, and spikes that follow another sooner than one neuron can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.errors import InputError

Floats = NDArray[np.float64]
REFRACTORY_S = 0.0015


def firing_rates(spikes: Sequence[ArrayLike], *, seconds: float) -> Floats:
    """Return each unit's spikes per second.

    Parameters
    ----------
    spikes : sequence of array-like
        Spike times of each unit in seconds.
    seconds : float
        How long was recorded.

    Raises
    ------
    InputError
        If `seconds` is not above 0.
    """
    if not seconds > 0:
        raise InputError(f"`seconds` must be above 0, got {seconds}.")
    return np.array([len(np.asarray(times)) / seconds for times in spikes], dtype=np.float64)


def refractory_violations(spikes: Sequence[ArrayLike], *, refractory_s: float = REFRACTORY_S) -> Floats:
    """Return the share of each unit's intervals that are shorter than the refractory period.

    Parameters
    ----------
    spikes : sequence of array-like
        Spike times of each unit in seconds, in any order.
    refractory_s : float, default=0.0015
        Below it, two spikes are not of one neuron.

    Returns
    -------
    share : ndarray of shape (n_units,)
        In [0, 1]; NaN for a unit with fewer than 2 spikes.

    References
    ----------
    Hill, Mehta, Kleinfeld (2011). Quality metrics to accompany spike sorting of extracellular signals.
    Journal of Neuroscience 31:8699-8705. doi:10.1523/JNEUROSCI.0971-11.2011

    Examples
    --------
    >>> refractory_violations([[0.0, 0.001, 0.5, 1.0, 1.2]]).tolist()
    [0.25]
    """
    shares = []
    for times in spikes:
        intervals = np.diff(np.sort(np.asarray(times, dtype=np.float64)))
        shares.append(float((intervals < refractory_s).mean()) if len(intervals) else float("nan"))
    return np.array(shares, dtype=np.float64)
