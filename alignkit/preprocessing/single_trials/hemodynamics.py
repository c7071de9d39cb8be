"""Shapes of the haemodynamic response, and designs with a regressor per trial."""

from __future__ import annotations

from numbers import Real
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.stats import gamma

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError

ScanTime = Literal["start", "middle"]

STEP_S, LENGTH_S = 0.1, 50.0
CANONICAL_PEAK_S = 5.0
_FINE_STEP_S = 0.02


def hrf_library(
    *,
    n_shapes: int = 20,
    peaks_s: tuple[float, float] = (3.25, 8.0),
    step_s: float = STEP_S,
    length_s: float = LENGTH_S,
) -> NDArray[np.float64]:
    """Return haemodynamic responses from fast to slow: one double gamma, stretched in time.

    With the canonical ``h(t) = g(t; 6) - g(t; 16) / 6``, g(t; k) the gamma density of shape k and scale 1 s,
    shape i is ``h(5 t / p_i)``: its first gamma is largest at p_i, and width and undershoot stretch along
    (full width at half maximum about ``1.06 p_i``). The p_i are evenly spaced; by default by a quarter of
    a second from 3.25 to 8 s, so that the eighth shape (index 7) is the canonical one.

    Parameters
    ----------
    n_shapes : int, default=20
        How many.
    peaks_s : tuple of 2 float, default=(3.25, 8.0)
        First and last peak, in seconds. Peaks of single voxels lie between some 3 and 8 s.
    step_s, length_s : float, default=0.1 and 50
        Raster and length in seconds, from the event on.

    Returns
    -------
    shapes : ndarray of shape (n_shapes, n_points)
        Largest value 1.

    Raises
    ------
    InputError
        If a number is not possible.

    Notes
    -----
    A family of our own. GLMsingle's twenty shapes were found in data of the Natural Scenes Dataset; they
    span a like range of peaks and widths, but index i here is not index i there. Pass other shapes to
    :func:`fit_single_trials` as an array.

    References
    ----------
    Glover GH (1999). Deconvolution of impulse response in event-related BOLD fMRI. NeuroImage,
    doi:10.1006/nimg.1998.0419.

    Handwerker DA, Ollinger JM, D'Esposito M (2004). Variation of BOLD hemodynamic responses across subjects
    and brain regions and their effects on statistical analyses. NeuroImage,
    doi:10.1016/j.neuroimage.2003.11.029.

    Examples
    --------
    >>> shapes = hrf_library()
    >>> shapes.shape, (shapes[[0, 7, 19]].argmax(axis=1) * 0.1).round(1)
    ((20, 501), array([3.2, 5. , 8. ]))
    """
    if n_shapes < 1:
        raise InputError(f"`n_shapes` must be at least 1, got {n_shapes}.")
    first, last = peaks_s
    if not 0 < first <= last < np.inf:
        raise InputError(f"`peaks_s` must be two times above 0 s, the first no later, got {peaks_s}.")
    if not (0 < step_s < first and last < length_s < np.inf):
        raise InputError(
            f"`step_s` must be above 0 and below the first peak, and `length_s` beyond the last, got "
            f"{step_s} and {length_s} s for peaks from {first} to {last} s."
        )
    times = np.arange(round(length_s / step_s) + 1) * step_s
    shapes = np.stack([canonical_response(times, peak) for peak in np.linspace(first, last, n_shapes)])
    return np.asarray(shapes / shapes.max(axis=1, keepdims=True), dtype=np.float64)


def canonical_response(times_s: ArrayLike, peak_s: float = CANONICAL_PEAK_S) -> NDArray[np.float64]:
    """Return the canonical double gamma, stretched so that its first gamma is largest at `peak_s`."""
    times = np.asarray(times_s, dtype=np.float64) * (CANONICAL_PEAK_S / peak_s)
    return np.asarray(gamma.pdf(times, 6.0) - gamma.pdf(times, 16.0) / 6.0, dtype=np.float64)


def trial_design(
    onsets_s: ArrayLike,
    durations_s: ArrayLike,
    *,
    n_volumes: int,
    tr_s: float,
    hrf: ArrayLike | None = None,
    hrf_step_s: float = STEP_S,
    scan_time: ScanTime = "middle",
) -> NDArray[np.float64]:
    """Make the design of one run with a column per trial: its box convolved with the response, peak 1.

    The response is taken as a cubic spline through its samples and convolved with the box exactly, so that
    onsets need not lie on any raster.

    Parameters
    ----------
    onsets_s : array of shape (n_trials,)
        When each trial starts, in seconds from the start of the first volume.
    durations_s : float or array of shape (n_trials,)
        How long each lasts, in seconds; 0 is an impulse.
    n_volumes : int
        Volumes of the run.
    tr_s : float
        Repetition time, in seconds.
    hrf : array of shape (n_points,), optional
        Response to an impulse, every `hrf_step_s` seconds from the event on; 0 after its end. By default
        the canonical double gamma.
    hrf_step_s : float, default=0.1
        Raster of `hrf`, in seconds.
    scan_time : {"start", "middle"}, default="middle"
        When volume k is taken to be: at ``k * tr_s`` or at ``(k + 0.5) * tr_s``. Slice-time corrected data
        are at the slice they were corrected to (usually the middle).

    Returns
    -------
    design : ndarray of shape (n_volumes, n_trials)
        The response to each trial is 1 where it is largest, whatever the trial's duration (between volumes,
        perhaps): weights are then peaks of responses, in the unit of the data.

    Raises
    ------
    InputError
        If an argument is not possible or numbers differ.

    Examples
    --------
    >>> design = trial_design([0.0, 10.0], 1.0, n_volumes=20, tr_s=1.0)
    >>> design.shape, design.argmax(axis=0), design.max().round(3)
    ((20, 2), array([ 5, 15]), np.float64(1.0))
    """
    check_option("scan_time", scan_time, get_args(ScanTime))
    check_seconds("tr_s", tr_s)
    check_seconds("hrf_step_s", hrf_step_s)
    if n_volumes < 1:
        raise InputError(f"`n_volumes` must be at least 1, got {n_volumes}.")
    onsets = check_array("onsets_s", onsets_s, ndim=1, dtype=np.float64)
    given = check_array("durations_s", np.atleast_1d(durations_s), ndim=1, dtype=np.float64)
    durations = np.broadcast_to(given, onsets.shape) if len(given) == 1 else given
    check_same_samples("onsets_s", onsets, "durations_s", durations)
    if (durations < 0).any():
        raise InputError(f"`durations_s` must be at least 0, got {durations.min():g} s.")
    shape = hrf_library(n_shapes=1, peaks_s=(CANONICAL_PEAK_S,) * 2)[0] if hrf is None else check_hrf(hrf)[0]
    scans = volume_times(n_volumes, tr_s, scan_time)
    response = Response(shape, hrf_step_s)
    design = np.zeros((n_volumes, len(onsets)))
    for duration in np.unique(durations):
        columns = np.flatnonzero(durations == duration)
        design[:, columns] = response.of_box(scans[:, None] - onsets[columns], float(duration))
    return design


def volume_times(n_volumes: int, tr_s: float, scan_time: ScanTime) -> NDArray[np.float64]:
    """Return when each volume is taken to be, in seconds."""
    times = (np.arange(n_volumes) + (0.5 if scan_time == "middle" else 0.0)) * tr_s
    return np.asarray(times, dtype=np.float64)


class Response:
    """The response to a box of any duration, from samples of that to an impulse."""

    def __init__(self, shape: NDArray[np.float64], step_s: float) -> None:
        self.length_s = (len(shape) - 1) * step_s
        self._density = CubicSpline(np.arange(len(shape)) * step_s, shape)
        self._area = self._density.antiderivative()

    def of_box(self, since_onset_s: NDArray[np.float64], duration_s: float) -> NDArray[np.float64]:
        """Return the response at times from the onset, divided by its peak."""
        fine = np.arange(0.0, self.length_s + duration_s + _FINE_STEP_S, _FINE_STEP_S)
        peak = self._raw(fine, duration_s).max()
        if not peak > 0:
            raise InputError("`hrf` never rises above 0; give a response whose peak is positive.")
        return np.asarray(self._raw(since_onset_s, duration_s) / peak, dtype=np.float64)

    def _raw(self, times: NDArray[np.float64], duration_s: float) -> NDArray[np.float64]:
        inside = np.clip(times, 0.0, self.length_s)
        if duration_s == 0:
            values = np.where((times >= 0) & (times <= self.length_s), self._density(inside), 0.0)
        else:
            before = np.clip(times - duration_s, 0.0, self.length_s)
            values = self._area(inside) - self._area(before)
        return np.asarray(values, dtype=np.float64)


def check_hrf(hrf: ArrayLike) -> NDArray[np.float64]:
    """Return (n_shapes, n_points) of one response or several, or refuse."""
    shapes = np.atleast_2d(check_array("hrf", hrf, ndim=(1, 2), dtype=np.float64))
    if shapes.shape[1] < 4:
        raise InputError(
            f"`hrf` needs at least 4 points for each shape, got an array of shape {np.shape(hrf)}. Give one "
            "response, or a row per response."
        )
    if not (shapes.max(axis=1) > 0).all():
        row = int(np.argmin(shapes.max(axis=1)))
        raise InputError(f"`hrf`: shape {row} never rises above 0; a response has a positive peak.")
    return shapes


def check_seconds(name: str, value: object) -> None:
    """Refuse what is no positive, finite time."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < np.inf:
        raise InputError(f"`{name}` must be a positive, finite number of seconds, got {value!r}.")
