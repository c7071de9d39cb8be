"""Measures of one fMRI run: temporal signal-to-noise, displacement of the head, change between volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]
# Of a head, to turn degrees into millimetres (Power et al. 2012).
RADIUS_MM = 50.0
# Interquartile range of a standard normal.
_IQR = 1.3489795


class SeriesMoments:
    """Mean, drift and noise of every voxel, from volumes that are seen once and forgotten.

    Examples
    --------
    >>> import numpy as np
    >>> moments = SeriesMoments()
    >>> moments.add(np.array([[10.0], [12.0], [11.0]]))
    >>> moments.add(np.array([[13.0], [15.0]]))
    >>> float(moments.mean[0])
    12.2
    """

    def __init__(self) -> None:
        self.n_volumes = 0
        self.n_lost: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.n_empty_volumes = 0
        self._first: Floats = np.zeros(0)
        self._sum = self._moment = self._square = np.zeros(0)

    def add(self, volumes: ArrayLike) -> None:
        """Take in some volumes.

        Parameters
        ----------
        volumes : array-like of shape (n, n_voxels)
            The next ones, in time order.
        """
        block = np.asarray(volumes)
        finite = np.isfinite(block)
        if not self.n_volumes:
            self._first = np.where(finite[0], block[0], 0).astype(np.float64)
            self._sum, self._moment, self._square = (np.zeros(block.shape[1]) for _ in range(3))
            self.n_lost = np.zeros(block.shape[1], dtype=np.int64)
        self.n_lost += (~finite).sum(axis=0)
        self.n_empty_volumes += int((~finite.any(axis=1)).sum())
        for row, good in zip(block, finite, strict=True):
            # Away from the first volume, so that small changes of large numbers keep their digits.
            change = np.where(good, row, 0).astype(np.float64) - self._first
            self._sum += change
            self._moment += self.n_volumes * change
            self._square += change**2
            self.n_volumes += 1

    @property
    def mean(self) -> Floats:
        """Mean over volumes."""
        return np.asarray(self._first + self._sum / self.n_volumes)

    @property
    def noise(self) -> Floats:
        """Standard deviation around a line over time (n - 2 degrees of freedom)."""
        n = self.n_volumes
        if n < 3:
            raise InputError(f"a run of {n} volumes has no noise around a line; at least 3 are wanted.")
        spread = n * (n**2 - 1) / 12
        slope = (self._moment - (n - 1) / 2 * self._sum) / spread
        rest = self._square - self._sum**2 / n - slope**2 * spread
        # Of constant voxels, rounding leaves a little more or less than nothing.
        scale = np.finfo(np.float64).eps * n * np.maximum(self._square, self._first**2)
        return np.asarray(np.sqrt(np.where(rest > scale, rest, 0.0) / (n - 2)))

    @property
    def tsnr(self) -> Floats:
        """Mean over noise; NaN where there is no noise, or a volume has no number."""
        noise = self.noise
        good = (noise > 0) & (self.n_lost == 0)
        return np.where(good, self.mean / np.where(noise > 0, noise, 1.0), np.nan)


def temporal_snr(series: ArrayLike) -> Floats:
    """Return the temporal signal-to-noise ratio of every voxel: mean over noise around a linear drift.

    Parameters
    ----------
    series : array-like of shape (n_volumes, n_voxels)
        One run in the scanner's unit; at least 3 volumes.

    Returns
    -------
    tsnr : ndarray of shape (n_voxels,)
        Higher is better; NaN where a voxel is constant or holds NaN.

    Raises
    ------
    InputError
        For a wrong shape.

    References
    ----------
    Murphy, Bodurka, Bandettini (2007). How long to scan? NeuroImage 34:565-574.
    doi:10.1016/j.neuroimage.2006.09.032

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> float(np.median(temporal_snr(100 + 2 * rng.standard_normal((400, 500)))).round())
    50.0
    """
    values = check_array("series", series, ndim=2, finite=False, min_rows=3)
    moments = SeriesMoments()
    moments.add(values)
    return moments.tsnr


def framewise_displacement(motion: ArrayLike, *, radius_mm: float = RADIUS_MM) -> Floats:
    """Return how far the head moved from each volume to the next: ``sum |d translations| + r |d rotations|``.

    Parameters
    ----------
    motion : array-like of shape (n_volumes, 6)
        Three translations in millimetres, then three rotations in radians.
    radius_mm : float, default=50.0
        Of the sphere on which rotations become millimetres.

    Returns
    -------
    displacement : ndarray of shape (n_volumes,)
        In millimetres; 0 at the first volume.

    Raises
    ------
    InputError
        For a wrong shape or NaN.

    References
    ----------
    Power, Barnes, Snyder, Schlaggar, Petersen (2012). Spurious but systematic correlations in functional
    connectivity MRI networks arise from subject motion. NeuroImage 59:2142-2154.
    doi:10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> framewise_displacement([[0, 0, 0, 0, 0, 0], [1, 0, 0, 0.01, 0, 0]]).tolist()
    [0.0, 1.5]
    """
    values = check_array("motion", motion, ndim=2, dtype=np.float64)
    if values.shape[1] != 6:
        raise InputError(
            f"`motion` must have 6 columns (3 translations, 3 rotations), got {values.shape[1]}."
        )
    steps = np.abs(np.diff(values, axis=0))
    moved = steps[:, :3].sum(axis=1) + radius_mm * steps[:, 3:].sum(axis=1)
    return np.concatenate([[0.0], moved])


def standardized_dvars(series: ArrayLike) -> Floats:
    """Return the change from volume to volume, relative to what the voxels' noise alone would give.

    ``DVARS_t = sqrt(mean over voxels of (y_t - y_(t-1))^2)``, divided by the root mean square over voxels of
    ``sd sqrt(2 (1 - ar1))``: `sd` from the interquartile range, `ar1` that of neighbouring volumes.

    Parameters
    ----------
    series : array-like of shape (n_volumes, n_voxels)
        One run, all voxels finite; at least 4 volumes.

    Returns
    -------
    dvars : ndarray of shape (n_volumes,)
        About 1 throughout for steady noise; NaN at the first volume, and everywhere if nothing varies.

    Raises
    ------
    InputError
        For a wrong shape or NaN.

    References
    ----------
    Power et al. (2012), doi:10.1016/j.neuroimage.2011.10.018; Nichols (2013), Notes on creating a
    standardized version of DVARS, arXiv:1704.01469.
    """
    values = check_array("series", series, ndim=2, min_rows=4)
    values = values - np.median(values, axis=0)
    steps = np.diff(values, axis=0)
    change = np.sqrt(np.mean(np.square(steps, dtype=np.float64), axis=1))
    low, high = np.quantile(values, (0.25, 0.75), axis=0)
    noise = (high - low) / _IQR
    centred = values - values.mean(axis=0)
    # One spike would drown what neighbouring volumes have in common: both are held to the noise.
    held = np.clip(centred, -3 * noise, 3 * noise)
    lagged = np.sum(held[1:].astype(np.float64) * held[:-1], axis=0)
    kept = np.sum(np.square(held, dtype=np.float64), axis=0)
    ar1 = np.where(kept > 0, lagged / np.where(kept > 0, kept, 1.0), 0.0)
    expected = np.sqrt(np.mean(2 * noise**2 * (1 - ar1)))
    result = np.full(len(values), np.nan)
    if expected > 0:
        result[1:] = change / expected
    return result
