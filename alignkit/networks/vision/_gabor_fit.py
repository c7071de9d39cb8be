"""How well a receptive field is a Gabor function."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]

# Spectral peaks from which the search begins.
_N_STARTS = 2


def gabor_fit(field: ArrayLike) -> float:
    """Return the share of a receptive field's variance that the best Gabor function explains.

    Position, orientation, frequency and the two widths of the envelope are searched from the highest
    peaks of the spectrum; amplitude, phase and offset follow in closed form.

    Parameters
    ----------
    field : array of shape (height, width)
        Such as one atom of a dictionary.

    Returns
    -------
    r2 : float
        In [0, 1]; 1 for a Gabor function.

    Raises
    ------
    InputError
        If the field is constant.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[-8:8, -8:8]
    >>> round(gabor_fit(np.exp(-(x**2 + y**2) / 18) * np.cos(x + 0.5)), 3)
    1.0
    """
    from scipy.optimize import least_squares

    values = check_array("field", field, ndim=2, dtype=np.float64)
    values = values - values.mean()
    norm = float(np.linalg.norm(values))
    if norm < 1e-12:
        raise InputError("`field` is constant; there is nothing to fit.")
    values = values / norm
    height, width = values.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    places = np.stack([x.ravel(), y.ravel()])
    energy = (values**2).ravel()
    centre = places @ energy
    spread = max(1.0, math.sqrt(float(((places - centre[:, None]) ** 2 @ energy).sum()) / 2))
    size = float(max(height, width))
    lower = [-1.0, -1.0, -np.inf, 0.0, 0.5, 0.5]
    upper = [width, height, np.inf, 0.75, 2 * size, 2 * size]

    def left(parameters: Floats) -> Floats:
        return _left(parameters, places, values.ravel())

    best = 0.0
    for angle, frequency in _peaks(values):
        start = np.array([*centre, angle, frequency, spread, spread])
        found = least_squares(
            left, start, bounds=(lower, upper), x_scale=[1, 1, 0.2, 0.05, 1, 1], max_nfev=60
        )
        best = max(best, 1 - 2 * float(found.cost))
    return best


def _peaks(values: Floats) -> list[tuple[float, float]]:
    """Return angle and frequency (cycles per pixel) of the highest separate peaks of the spectrum."""
    n = 4 * max(values.shape)
    power = np.abs(np.fft.fft2(values, (n, n))) ** 2
    axis = np.fft.fftfreq(n)
    v, u = np.meshgrid(axis, axis, indexing="ij")
    found = []
    for _ in range(_N_STARTS):
        row, column = np.unravel_index(int(power.argmax()), power.shape)
        peak_u, peak_v = float(u[row, column]), float(v[row, column])
        found.append((math.atan2(peak_v, peak_u), max(0.01, math.hypot(peak_u, peak_v))))
        for sign in (1, -1):
            power[np.hypot(u - sign * peak_u, v - sign * peak_v) < 0.08] = 0
    return found


def _left(parameters: Floats, places: Floats, values: Floats) -> Floats:
    x0, y0, angle, frequency, along, across = parameters
    dx, dy = places[0] - x0, places[1] - y0
    u = dx * math.cos(angle) + dy * math.sin(angle)
    v = dy * math.cos(angle) - dx * math.sin(angle)
    envelope = np.exp(-((u / along) ** 2 + (v / across) ** 2) / 2)
    # Amplitude and phase are the weights of an even and an odd wave; an offset is free.
    even, odd = np.cos(2 * np.pi * frequency * u), np.sin(2 * np.pi * frequency * u)
    waves = np.stack([even * envelope, odd * envelope, np.ones_like(u)])
    weights = np.linalg.lstsq(waves.T, values, rcond=None)[0]
    return np.asarray(values - weights @ waves)
