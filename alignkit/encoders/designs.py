"""Designs for BOLD: features at several delays, or convolved with the canonical response."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._core.checks import check_array, check_option, check_same_samples
from .._core.errors import InputError
from ._design import Design, Runs, run_rows
from ._windows import sum_windows

Haemodynamic = Literal["spm", "glover"]
ScanTime = Literal["start", "middle"]

KERNEL_STEP_S = 0.01
KERNEL_LENGTH_S = 32.0


class FIRDesign(Design):
    """Put features at several delays side by side: a finite impulse response per unit.

    Row t of the design holds the features of rows t - delay, zero where that is before the run (or after
    its end): a linear model of it learns its own response to every unit.

    Parameters
    ----------
    delays : sequence of int, default=(1, 2, 3, 4)
        Delays in samples (TRs). 0 is the same sample; a negative delay lets the features of later
        samples predict earlier responses: acausal, for checks.
    across_runs : bool, default=False
        Delay the stacked runs as one, as published code does: the end of a run bleeds into the next one's
        start. For parity with it only.

    Attributes
    ----------
    n_features_in_ : int
        Number of units seen in `fit`.

    Notes
    -----
    Columns are delay-major: all units at the first delay, then all at the second. In a pipeline hand the
    runs on as ``pipeline.fit(X, Y, firdesign__runs=runs)``, and predict one run at a time (or let
    scikit-learn route them: ``FIRDesign().set_transform_request(runs=True)``).

    References
    ----------
    Dale AM (1999). Optimal experimental design for event-related fMRI. Human Brain Mapping,
    doi:10.1002/(SICI)1097-0193(1999)8:2/3<109::AID-HBM7>3.0.CO;2-W.

    Huth AG, de Heer WA, Griffiths TL, Theunissen FE, Gallant JL (2016). Natural speech reveals the semantic
    maps that tile human cerebral cortex. Nature, doi:10.1038/nature17637.

    Examples
    --------
    >>> FIRDesign(delays=(0, 1)).fit_transform([[1.0], [2.0], [3.0], [4.0]], runs=[1, 1, 2, 2])
    array([[1., 0.],
           [2., 1.],
           [3., 0.],
           [4., 3.]])
    """

    def __init__(self, delays: Sequence[int] = (1, 2, 3, 4), *, across_runs: bool = False) -> None:
        self.delays = delays
        self.across_runs = across_runs

    def transform(self, X: ArrayLike, runs: Runs = None) -> NDArray[np.floating[Any]]:
        """Make the design.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features, one row per scan in the order of recording.
        runs : sequence of length n_samples, optional
            The run of each sample; by default all are one run.

        Returns
        -------
        design : ndarray of shape (n_samples, n_units * n_delays)
            Delay-major.

        Raises
        ------
        InputError
            If `delays` are not distinct whole numbers, a run is in pieces, or `X` does not fit.
        """
        check_is_fitted(self)
        features = self._check(X, reset=False)
        delays = self._delays()
        n_units = features.shape[1]
        design = np.zeros((len(features), n_units * len(delays)), features.dtype)
        for rows in run_rows(None if self.across_runs else runs, len(features)):
            run, length = features[rows], rows.stop - rows.start
            for block, delay in enumerate(delays):
                columns = slice(block * n_units, (block + 1) * n_units)
                if abs(delay) < length:
                    to = slice(rows.start + max(delay, 0), rows.stop + min(delay, 0))
                    design[to, columns] = run[max(-delay, 0) : length - max(delay, 0)]
        return design

    def coef_by_delay(self, coef: ArrayLike) -> NDArray[Any]:
        """Return the weights of a model of the design by delay.

        Parameters
        ----------
        coef : array of shape (n_units * n_delays, n_channels) or (n_units * n_delays,)
            Such as `coef_` of a `RidgeEncoder`.

        Returns
        -------
        responses : ndarray of shape (n_delays, n_units, n_channels) or (n_delays, n_units)
            Along the first axis, the response of a channel to a unit.
        """
        return self._split_coef(coef)

    def _delays(self) -> list[int]:
        given = np.atleast_1d(np.asarray(self.delays))
        if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
            raise InputError(f"`delays` must be whole numbers of samples (TRs), got {self.delays!r}.")
        delays = [int(delay) for delay in given]
        if len(set(delays)) != len(delays):
            raise InputError(f"`delays` must differ from each other, got {delays}.")
        return delays

    def _blocks(self) -> list[str]:
        return [f"delay{delay}" for delay in self._delays()]


class HRFDesign(Design):
    """Convolve features with the canonical haemodynamic response and sample them at the scans.

    The kernel has unit area, so that a feature held at 1 comes out as 1 once the response has settled. The
    sums are exact for features that hold their value from one sample to the next (no common raster of TR
    and sampling is needed).

    Parameters
    ----------
    tr_s : float
        Time between scans, in seconds.
    kind : {"spm", "glover"}, default="spm"
        The canonical response of nilearn.
    derivatives : {0, 1, 2}, default=0
        1 adds the convolution with the response's derivative in time, 2 that in dispersion as well. They
        are not orthogonalised: a design must not depend on what else is in it.
    sampling_s : float, optional
        Time between rows of the features; by default `tr_s`. Row i holds from ``i * sampling_s`` on, with
        the start of the first scan at 0.
    scan_time : {"start", "middle"}, default="middle"
        When a scan is taken to be: scan k at ``k * tr_s`` or at ``(k + 0.5) * tr_s``. Slice-time corrected
        data are at the slice they were corrected to (usually the middle).

    Attributes
    ----------
    n_features_in_ : int
        Number of units seen in `fit`.

    Notes
    -----
    Columns are kernel-major: all units convolved with the response, then with the first derivative. The
    kernel is taken at steps of 10 ms and ends after 32 s.

    References
    ----------
    Friston KJ et al. (1998). Event-related fMRI: characterizing differential responses. NeuroImage,
    doi:10.1006/nimg.1997.0306.

    Glover GH (1999). Deconvolution of impulse response in event-related BOLD fMRI. NeuroImage,
    doi:10.1006/nimg.1998.0419.

    Examples
    --------
    >>> design = HRFDesign(2.0).fit_transform(np.ones((30, 1)))
    >>> design[[0, 3, 29], 0].round(2)
    array([0.  , 0.84, 1.  ])
    """

    def __init__(
        self,
        tr_s: float,
        *,
        kind: Haemodynamic = "spm",
        derivatives: Literal[0, 1, 2] = 0,
        sampling_s: float | None = None,
        scan_time: ScanTime = "middle",
    ) -> None:
        self.tr_s = tr_s
        self.kind = kind
        self.derivatives = derivatives
        self.sampling_s = sampling_s
        self.scan_time = scan_time

    def transform(self, X: ArrayLike, runs: Runs = None) -> NDArray[np.floating[Any]]:
        """Make the design of regularly sampled features.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features, every `sampling_s` seconds.
        runs : sequence of length n_samples, optional
            The run of each row; by default all are one run. The response never crosses from one run to the
            next.

        Returns
        -------
        design : ndarray of shape (n_scans, n_units * n_kernels)
            Kernel-major. As many scans per run as its features cover whole,
            ``n_samples * sampling_s / tr_s``.

        Raises
        ------
        InputError
            If a setting is not possible, a run is in pieces, or `X` does not fit.
        """
        check_is_fitted(self)
        features = self._check(X, reset=False)
        self._blocks()
        sampling = self.tr_s if self.sampling_s is None else self.sampling_s
        designs = []
        for rows in run_rows(runs, len(features)):
            length = rows.stop - rows.start
            # A ratio such as 0.1 / 0.3 must not lose a scan to rounding.
            n_scans = int(np.floor(length * sampling / self.tr_s + 1e-6))
            onsets = np.arange(length) * sampling
            designs.append(self._convolve(features[rows], onsets, np.full(length, float(sampling)), n_scans))
        return np.concatenate(designs)

    def transform_events(
        self, values: ArrayLike, onsets_s: ArrayLike, *, n_scans: int, durations_s: ArrayLike = 0.0
    ) -> NDArray[np.floating[Any]]:
        """Make the design of events of one run, such as words or trials.

        Parameters
        ----------
        values : array of shape (n_events, n_units)
            Amplitude of each unit at each event; a column of ones for "there was an event". float32 is kept.
        onsets_s : array of shape (n_events,)
            When each starts, in seconds from the start of the first scan, in any order. Events before it
            count too.
        n_scans : int
            Scans of the run.
        durations_s : float or array of shape (n_events,), default=0
            How long each lasts, in seconds. One without duration is an impulse of area 1 s: the response
            itself. (nilearn gives it its time step, TR / 50, as area.)

        Returns
        -------
        design : ndarray of shape (n_scans, n_units * n_kernels)
            Kernel-major. This needs no `fit`.

        Raises
        ------
        InputError
            If a setting is not possible, there are NaN, or the numbers of events differ.
        """
        self._blocks()
        amplitudes = check_array("values", values, ndim=2)
        onsets = check_array("onsets_s", onsets_s, ndim=1, dtype=np.float64)
        check_same_samples("values", amplitudes, "onsets_s", onsets)
        durations = check_array("durations_s", np.atleast_1d(durations_s), ndim=1, dtype=np.float64)
        if len(durations) not in (1, len(onsets)) or (durations < 0).any():
            raise InputError(
                f"`durations_s` must be one number or one per event, at least 0, got {len(durations)} from "
                f"{durations.min():g} s for {len(onsets)} events."
            )
        if n_scans < 1:
            raise InputError(f"`n_scans` must be at least 1, got {n_scans}.")
        order = np.argsort(onsets, kind="stable")
        durations = np.broadcast_to(durations, onsets.shape)
        return self._convolve(amplitudes[order], onsets[order], durations[order], n_scans)

    def coef_by_kernel(self, coef: ArrayLike) -> NDArray[Any]:
        """Return the weights of a model of the design by kernel.

        Parameters
        ----------
        coef : array of shape (n_units * n_kernels, n_channels) or (n_units * n_kernels,)
            Such as `coef_` of a `RidgeEncoder`.

        Returns
        -------
        weights : ndarray of shape (n_kernels, n_units, n_channels) or (n_kernels, n_units)
            Of the response and of its derivatives.
        """
        return self._split_coef(coef)

    def _convolve(
        self,
        values: NDArray[np.floating[Any]],
        onsets: NDArray[np.float64],
        durations: NDArray[np.float64],
        n_scans: int,
    ) -> NDArray[np.floating[Any]]:
        """Return the design of events sorted by onset."""
        scans = (np.arange(n_scans) + (0.5 if self.scan_time == "middle" else 0.0)) * self.tr_s
        first = np.searchsorted(onsets, scans - KERNEL_LENGTH_S - durations.max(), side="left")
        last = np.searchsorted(onsets, scans, side="right")
        blocks = []
        for kernel in range(self.derivatives + 1):
            density, area = _kernel(self.kind, kernel)

            def weigh(
                samples: NDArray[np.intp],
                events: NDArray[np.intp],
                density: NDArray[np.float64] = density,
                area: NDArray[np.float64] = area,
            ) -> NDArray[np.float64]:
                since_onset = scans[samples] - onsets[events]
                held = _at(area, since_onset) - _at(area, since_onset - durations[events])
                inside = since_onset <= KERNEL_LENGTH_S
                return np.where(durations[events] > 0, held, np.where(inside, _at(density, since_onset), 0.0))

            blocks.append(sum_windows(values, first, last, weigh))
        return np.concatenate(blocks, axis=1)

    def _blocks(self) -> list[str]:
        check_option("kind", self.kind, get_args(Haemodynamic))
        check_option("scan_time", self.scan_time, get_args(ScanTime))
        if self.derivatives not in (0, 1, 2):
            raise InputError(f"`derivatives` must be 0, 1 or 2, got {self.derivatives!r}.")
        for name in ("tr_s", "sampling_s"):
            value = getattr(self, name)
            if value is None and name == "sampling_s":
                continue
            if not isinstance(value, Real) or not 0 < float(value) < np.inf:
                raise InputError(f"`{name}` must be a positive, finite number of seconds, got {value!r}.")
        return [self.kind, "derivative", "dispersion"][: self.derivatives + 1]


@lru_cache(maxsize=6)
def _kernel(kind: Haemodynamic, derivative: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the kernel in 1/s and its area up to each step, on the raster of KERNEL_STEP_S."""
    from nilearn.glm import first_level

    suffix = ("hrf", "time_derivative", "dispersion_derivative")[derivative]
    samples = getattr(first_level, f"{kind}_{suffix}")(
        KERNEL_STEP_S, oversampling=1, time_length=KERNEL_LENGTH_S
    )
    step = KERNEL_LENGTH_S / (len(samples) - 1)
    density = np.asarray(samples, dtype=np.float64) / step
    area = np.concatenate([[0.0], np.cumsum(0.5 * step * (density[1:] + density[:-1]))])
    return density, area


def _at(curve: NDArray[np.float64], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    raster = np.linspace(0, KERNEL_LENGTH_S, len(curve))
    return np.interp(time_s, raster, curve)
