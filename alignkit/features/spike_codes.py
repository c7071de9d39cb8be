"""What spikes say by how many they are, and by how soon the first one comes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array


def spike_rate(spikes: ArrayLike) -> NDArray[np.float32]:
    """Return the mean number of spikes per step.

    Parameters
    ----------
    spikes : array of shape (n_stimuli, n_units, n_times)
        Spikes (0 or 1, or how many) of each unit in each step, such as an extracted layer of a spiking
        network.

    Returns
    -------
    rate : ndarray of shape (n_stimuli, n_units), float32
        Per step; between 0 and 1 where a unit spikes at most once in a step.

    Raises
    ------
    InputError
        If the array has another number of axes, or holds NaN.

    Examples
    --------
    >>> spike_rate([[[0, 1, 1, 0], [0, 0, 0, 0]]])
    array([[0.5, 0. ]], dtype=float32)
    """
    array = check_array("spikes", spikes, ndim=3)
    return np.asarray(array.mean(axis=2), dtype=np.float32)


def first_spike_latency(spikes: ArrayLike) -> NDArray[np.float32]:
    """Return the step of each unit's first spike, counted from 0.

    Units that never fire get `n_times`, one more than the last step: they come after all that fire, and
    nothing downstream has to deal with NaN.

    Parameters
    ----------
    spikes : array of shape (n_stimuli, n_units, n_times)
        Anything above 0 is a spike. Projected or pooled rows are sums over units and have no first spike:
        extract with ``projection=None``.

    Returns
    -------
    latency : ndarray of shape (n_stimuli, n_units), float32
        In steps, between 0 and n_times.

    Raises
    ------
    InputError
        If the array has another number of axes, or holds NaN.

    Examples
    --------
    >>> first_spike_latency([[[0, 1, 1, 0], [0, 0, 0, 0]]])
    array([[1., 4.]], dtype=float32)
    """
    fired = check_array("spikes", spikes, ndim=3) > 0
    latency = np.where(fired.any(axis=2), fired.argmax(axis=2), fired.shape[2])
    return np.asarray(latency, dtype=np.float32)
