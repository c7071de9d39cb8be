"""A standard deviation that outliers do not move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Interquartile range of a standard normal variable.
_IQR_OF_NORMAL = 1.3489795003921634


def robust_spread(values: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each column's median and robust standard deviation (interquartile range / 1.349).

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_channels)
        In any unit.

    Returns
    -------
    center, spread : ndarray of shape (n_channels,)
        float64, in the same unit.

    Examples
    --------
    >>> center, spread = robust_spread(np.array([[0.0], [1.0], [2.0], [3.0], [1000.0]]))
    >>> center[0], round(float(spread[0]), 2)
    (np.float64(2.0), 1.48)
    """
    low, center, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 50, 75], axis=0)
    return center, (high - low) / _IQR_OF_NORMAL
