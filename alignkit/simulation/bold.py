"""BOLD time series of a simulated participant: events, haemodynamic response, noise and drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter
from scipy.stats import gamma

from .._core.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BoldProtocol:
    """How the scanner ran and what the signal looks like.

    Attributes
    ----------
    tr_s : float
        Repetition time, in seconds.
    spacing_s : float
        From one stimulus onset to the next, in seconds.
    duration_s : float
        How long a stimulus is shown, in seconds.
    lead_s : float
        Rest before the first stimulus and after the last one's slot, in seconds.
    baseline : float
        Signal at rest, in arbitrary scanner units.
    mean_percent, spread_percent : float
        Mean and standard deviation over stimuli of the response's peak, in percent of the baseline.
    ar1 : float
        Correlation of the noise from one volume to the next, in [0, 1).
    drift_percent : float
        Standard deviation of the linear drift, in percent of the baseline; slower curves come on top.
    hrf_peak_s, hrf_undershoot_s, hrf_ratio : float
        Shape of the haemodynamic response, see :func:`canonical_hrf`.
    window_s : tuple of 2 float
        From when to when after onset the response is read, in seconds.
    """

    tr_s: float = 2.0
    spacing_s: float = 12.0
    duration_s: float = 1.0
    lead_s: float = 12.0
    baseline: float = 1000.0
    mean_percent: float = 2.0
    spread_percent: float = 0.4
    ar1: float = 0.3
    drift_percent: float = 0.5
    hrf_peak_s: float = 6.0
    hrf_undershoot_s: float = 16.0
    hrf_ratio: float = 1 / 6
    window_s: tuple[float, float] = (4.0, 8.0)

    def __post_init__(self) -> None:
        for field in ("tr_s", "spacing_s", "duration_s", "baseline", "spread_percent", "hrf_peak_s"):
            if getattr(self, field) <= 0:
                raise InputError(f"`{field}` must be above 0, got {getattr(self, field)}.")
        if not 0 <= self.ar1 < 1:
            raise InputError(f"`ar1` must be at least 0 and below 1, got {self.ar1}.")


def canonical_hrf(
    times_s: ArrayLike, *, peak_s: float = 6.0, undershoot_s: float = 16.0, ratio: float = 1 / 6
) -> Floats:
    """Return the canonical haemodynamic response: one gamma density minus a fraction of a later one.

    ``h(t) = gamma(t; peak_s) - ratio * gamma(t; undershoot_s)``, scale 1 s. `peak_s` is SPM's "delay of
    response", the mean of the first density: with 6 s the response is largest at 5.0 s.

    Parameters
    ----------
    times_s : array-like
        Time from the event, in seconds; 0 before it.
    peak_s, undershoot_s : float
        Shapes of the two densities, in seconds.
    ratio : float
        Weight of the undershoot.

    Returns
    -------
    hrf : ndarray like `times_s`
        Per second; its integral is ``1 - ratio``.

    References
    ----------
    Glover (1999), Deconvolution of impulse response in event-related BOLD fMRI, doi:10.1006/nimg.1998.0419.
    """
    times = np.asarray(times_s, dtype=np.float64)
    return np.asarray(gamma.pdf(times, peak_s) - ratio * gamma.pdf(times, undershoot_s), dtype=np.float64)


def event_response(times_s: ArrayLike, protocol: BoldProtocol) -> Floats:
    """Return the response to one stimulus shown for `duration_s`: the HRF's running integral, peak 1.

    Parameters
    ----------
    times_s : array-like
        Time from stimulus onset, in seconds.
    protocol : BoldProtocol
        Gives the HRF and the duration.
    """

    def step(times: Floats) -> Floats:
        first = gamma.cdf(times, protocol.hrf_peak_s)
        return np.asarray(first - protocol.hrf_ratio * gamma.cdf(times, protocol.hrf_undershoot_s))

    def box(times: Floats) -> Floats:
        return step(times) - step(times - protocol.duration_s)

    fine = np.arange(0.0, 40.0, 0.01)
    return np.asarray(box(np.asarray(times_s, dtype=np.float64)) / box(fine).max(), dtype=np.float64)


def run_events(stimuli: pd.DataFrame, protocol: BoldProtocol, rng: np.random.Generator) -> pd.DataFrame:
    """Return one run's events: every stimulus once, in random order.

    Parameters
    ----------
    stimuli : DataFrame
        With `stimulus_id`, `file` and labels.
    protocol : BoldProtocol
        Gives onsets and durations.
    rng : Generator
        Draws the order.

    Returns
    -------
    events : DataFrame
        BIDS columns `onset` and `duration` (seconds), `stim_file`, `trial_type` (the category), and the
        other labels.
    """
    shown = stimuli.iloc[rng.permutation(len(stimuli))].reset_index(drop=True)
    shown.insert(0, "onset", protocol.lead_s + protocol.spacing_s * np.arange(len(shown)))
    shown.insert(1, "duration", protocol.duration_s)
    # The ids are the stems of the files, and stay out as BIDS has no column for them.
    return shown.drop(columns="stimulus_id").rename(columns={"file": "stim_file", "category": "trial_type"})


def n_volumes(n_events: int, protocol: BoldProtocol) -> int:
    """Return how many volumes hold a run's events and the rest around them."""
    return int(np.ceil((2 * protocol.lead_s + n_events * protocol.spacing_s) / protocol.tr_s))


def shared_share(onsets_s: ArrayLike, protocol: BoldProtocol) -> float:
    """Return how much of a response that all events share is left when the run's mean is taken out.

    Relative to what is left of one event's own response. Without much rest the run's mean holds most of the
    shared response: about 0.5 for events 12 seconds apart.

    Parameters
    ----------
    onsets_s : array-like of shape (n_events,)
        In seconds.
    protocol : BoldProtocol
        Gives the HRF, the volumes and the window.
    """
    times, design = _design(onsets_s, protocol)
    delay = times[:, None] - np.asarray(onsets_s, dtype=np.float64)
    # (n_volumes, n_events): which volumes each event's response is read from
    inside = (delay >= protocol.window_s[0]) & (delay < protocol.window_s[1])
    read = inside.T @ (design - design.mean(axis=0)) / inside.sum(axis=0)[:, None]
    return float(read.sum(axis=1).mean() / np.diag(read).mean())


def bold_run(
    responses: Floats, onsets_s: ArrayLike, snr: Floats, protocol: BoldProtocol, rng: np.random.Generator
) -> Floats:
    """Return one run's time series in percent of the baseline.

    The part of a voxel's response that all stimuli share is made larger by the reciprocal of
    :func:`shared_share`, so that it stands as planted once the run's mean has been taken out.

    Parameters
    ----------
    responses : ndarray of shape (n_events, n_voxels)
        Planted response to each event, of variance about 1; every stimulus once. Voxels without signal
        hold zeros.
    onsets_s : array-like of shape (n_events,)
        In seconds.
    snr : ndarray of shape (n_voxels,)
        Peak signal over noise of one presentation; 0 where a voxel has no signal.
    protocol : BoldProtocol
        The rest.
    rng : Generator
        Draws noise and drifts.

    Returns
    -------
    percent : ndarray of shape (n_volumes, n_voxels)
        Volume k is taken at ``k * tr_s`` seconds.
    """
    times, design = _design(onsets_s, protocol)
    shared = responses.mean(axis=0)
    amplitude = responses - shared + shared / shared_share(onsets_s, protocol)
    # A region's own signal stays the same; the noise around it follows from the ratio asked for.
    is_active = snr > 0
    noise_percent = protocol.spread_percent / np.where(is_active, snr, _quiet(snr))
    evoked = design @ ((amplitude * protocol.spread_percent + protocol.mean_percent) * is_active)
    noise = _ar1((len(times), len(snr)), protocol.ar1, rng) * noise_percent
    drift = _drift(times, len(snr), rng) * protocol.drift_percent
    return np.asarray(evoked + noise + drift, dtype=np.float64)


def _design(onsets_s: ArrayLike, protocol: BoldProtocol) -> tuple[Floats, Floats]:
    """Return the time of each volume, and each event's response in it, (n_volumes, n_events)."""
    onsets = np.asarray(onsets_s, dtype=np.float64)
    times = np.asarray(protocol.tr_s * np.arange(n_volumes(len(onsets), protocol)), dtype=np.float64)
    return times, event_response(times[:, None] - onsets, protocol)


def _quiet(snr: Floats) -> float:
    """Return the ratio that sets the noise of voxels without signal: that of a typical voxel with signal."""
    return float(np.median(snr[snr > 0])) if (snr > 0).any() else 1.0


def _ar1(shape: tuple[int, int], rho: float, rng: np.random.Generator) -> Floats:
    white = rng.standard_normal(shape)
    # The first volume is drawn from the stationary distribution, so the noise has variance 1 throughout.
    white[1:] *= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], white, axis=0), dtype=np.float64)


def _drift(times: Floats, n_voxels: int, rng: np.random.Generator) -> Floats:
    """Return slow drifts: a line of standard deviation 1 over voxels and time, and fainter slow cosines."""
    span = times / max(times[-1], 1.0)
    line = np.sqrt(3) * (2 * span - 1)
    basis = np.stack([line, 0.1 * np.cos(2 * np.pi * span), 0.1 * np.cos(3 * np.pi * span)], axis=1)
    return np.asarray(basis @ rng.standard_normal((basis.shape[1], n_voxels)), dtype=np.float64)
