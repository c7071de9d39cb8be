"""Sensors, sources and presentations that the planted data for decoders share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.checks import check_option
from .._core.errors import InputError
from ..recordings.geometry import SensorGeometry
from ..recordings.recording import Recording
from .meeg import MeegProtocol, region_waveform, sensor_info

if TYPE_CHECKING:
    import mne

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Modality = Literal["eeg", "meg"]
Layouts = Literal["same", "random"]
SubjectMaps = Literal["shared", "rotated"]
# The sphere that stands for the head (see meeg.py), and how deep the sources lie below the electrodes.
_HEAD_CENTRE_M = np.array([0.0, 0.0, 0.04])
_SOURCE_RADIUS_M = 0.065
# Peaks lie in the middle of what follows onset, so that no course is cut at either end of the epoch.
_FIRST_PEAK, _LAST_PEAK, _WIDTH = 0.2, 0.8, 0.1


def check_counts(**counts: tuple[int, int]) -> None:
    """Refuse the first count, given as (value, least), that is below its least."""
    for name, (value, least) in counts.items():
        if value < least:
            raise InputError(f"`{name}` must be at least {least}, got {value}.")


def check_snr(name: str, snr: float) -> None:
    """Refuse a ratio of variances that is negative or no number; infinity stands for no noise."""
    if not snr >= 0:
        raise InputError(f"`{name}` must be at least 0 (inf for no noise), got {snr}.")


def protocol_of(n_times: int, sfreq_hz: float, tmin_s: float) -> MeegProtocol:
    """Return the epoch of `n_times` samples from `tmin_s`, which must reach past onset.

    Raises
    ------
    InputError
        If the rate is not above 0, or fewer than two samples come after onset.
    """
    if not sfreq_hz > 0:
        raise InputError(f"`sfreq_hz` must be above 0, got {sfreq_hz}.")
    last_s = tmin_s + (n_times - 1) / sfreq_hz
    if n_times < 3 or last_s < 2 / sfreq_hz:
        raise InputError(
            f"an epoch of {n_times} times at {sfreq_hz:g} Hz from {tmin_s:g} s ends at {last_s:g} s; it must "
            "have three times or more and end two or more after onset. Raise `n_times` or `tmin_s`."
        )
    return MeegProtocol(sfreq_hz=sfreq_hz, tmin_s=tmin_s, tmax_s=last_s)


def subject_sensors(
    modality: Modality,
    n_channels: int,
    layouts: Layouts,
    sfreq_hz: float,
    rngs: Iterable[np.random.Generator],
) -> list[mne.Info]:
    """Return the sensors of each subject: some of the montage's, the same or drawn anew.

    Raises
    ------
    InputError
        If the montage has fewer sensors, or no more than are drawn at random.
    """
    import mne

    check_option("modality", modality, ("eeg", "meg"))
    check_option("layouts", layouts, ("same", "random"))
    whole = sensor_info(modality, sfreq_hz)
    n_all = len(whole["ch_names"])
    if not 2 <= n_channels <= n_all:
        raise InputError(f"`n_channels` must lie in 2..{n_all} for {modality}, got {n_channels}.")
    if layouts == "random" and n_channels == n_all:
        raise InputError(
            f"random layouts draw from the {n_all} sensors of {modality}, so `n_channels` must be below "
            f"{n_all}, got {n_channels}."
        )
    spread = np.sort(_spread_out(_places(whole), n_channels))
    infos = []
    for rng in rngs:
        kept = spread if layouts == "same" else np.sort(rng.choice(n_all, size=n_channels, replace=False))
        infos.append(mne.pick_info(whole, kept, copy=True))
    return infos


def source_fields(info: mne.Info, n_sources: int, rng: np.random.Generator) -> Floats:
    """Return what each source adds to the sensors, (n_channels, n_sources), root mean square 1.

    Sources are tangential current dipoles spread evenly below the upper half of the head. Potentials are
    those in an unbounded conductor; of the magnetic field, the part along each coil's normal that the dipole
    itself makes (outside a sphere the volume currents add nothing to it where the normal is radial).
    """
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(n_sources) + 2 * np.pi * rng.random()
    height = 1 - 0.95 * (np.arange(n_sources) + 0.5) / n_sources
    flat = np.sqrt(1 - height**2)
    outward = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
    direction = rng.standard_normal((n_sources, 3))
    direction -= (direction * outward).sum(axis=1, keepdims=True) * outward
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    offset = _places(info)[:, None] - (_HEAD_CENTRE_M + _SOURCE_RADIUS_M * outward)
    # (n_channels, n_sources, 3)
    if "eeg" in info.get_channel_types(unique=True):
        seen = (offset * direction).sum(axis=2)
    else:
        normals = np.array([channel["loc"][9:12] for channel in info["chs"]])
        seen = (np.cross(direction, offset) * normals[:, None]).sum(axis=2)
    fields = seen / np.linalg.norm(offset, axis=2) ** 3
    return np.asarray(fields / np.sqrt((fields**2).mean(axis=0)), dtype=np.float64)


def random_rotation(n_dims: int, rng: np.random.Generator) -> Floats:
    """Return an orthogonal matrix drawn uniformly, shape (n_dims, n_dims)."""
    q, r = np.linalg.qr(rng.standard_normal((n_dims, n_dims)))
    return np.asarray(q * np.sign(np.diag(r)), dtype=np.float64)


def latent_courses(protocol: MeegProtocol, n_latents: int, rng: np.random.Generator) -> Floats:
    """Return Gaussian time courses of height 1 whose peaks spread over the epoch, (n_latents, n_times)."""
    last_s = protocol.times_s[-1]
    peaks = rng.permutation(np.linspace(_FIRST_PEAK, _LAST_PEAK, n_latents)) * last_s
    return np.stack([region_waveform(protocol.times_s, peak_s=p, width_s=_WIDTH * last_s) for p in peaks])


def signal_scale(
    snr: float, latents: Floats, patterns: Floats, courses: Floats, protocol: MeegProtocol
) -> float:
    """Return what patterns are multiplied with, so that the planted variance is `snr` (1 for infinity).

    The variance is that over stimuli, averaged over sensors and the times from onset.
    """
    after = courses[:, protocol.times_s >= -1e-9]
    covariance = np.cov(latents, rowvar=False, bias=True).reshape(latents.shape[1], -1)
    # The mean over sensors and times of p' C p, with p the pattern times the course at that time.
    weights = (patterns.T @ patterns / len(patterns)) * (after @ after.T / after.shape[1])
    return float(np.sqrt((1.0 if np.isinf(snr) else snr) / (weights * covariance).sum()))


def responses_of(latents: Floats, patterns: Floats, courses: Floats) -> Floats:
    """Return what latents make of the sensors, shape (n_stimuli, n_channels, n_times)."""
    responses = np.einsum("nk,ck,kt->nct", latents, patterns, courses, optimize=True)
    return np.asarray(responses, dtype=np.float64)


def presentations(names: tuple[str, ...], n_repetitions: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the order in which stimuli are shown: every run shows each once, two runs are a session.

    Columns: `stimulus_id`, `repetition`, `session` and `run` (all from 1; runs are numbered throughout), and
    `stimulus` (position in `names`).
    """
    order = np.concatenate([rng.permutation(len(names)) for _ in range(n_repetitions)])
    run = np.repeat(np.arange(1, n_repetitions + 1), len(names))
    return pd.DataFrame(
        {
            "stimulus_id": [names[row] for row in order],
            "repetition": run,
            "session": (run + 1) // 2,
            "run": run,
            "stimulus": order,
        }
    )


def planted_recording(
    subject: str, info: mne.Info, protocol: MeegProtocol, samples: pd.DataFrame, data: Floats
) -> Recording:
    """Return responses in standard deviations of the noise, as a recording in V or T.

    Parameters
    ----------
    subject : str
        Its name.
    info : mne.Info
        The sensors.
    protocol : MeegProtocol
        How epochs are cut.
    samples : DataFrame
        As :func:`presentations` makes them; their position among the stimuli is left out.
    data : ndarray of shape (n_trials, n_channels, n_times)
        Signal and noise.
    """
    is_eeg = "eeg" in info.get_channel_types(unique=True)
    return Recording(
        (data * unit_of(info, protocol)).astype(np.float32),
        samples.drop(columns="stimulus"),
        pd.DataFrame({"name": info["ch_names"], "kind": "eeg" if is_eeg else "mag"}),
        times_s=protocol.times_s,
        geometry=SensorGeometry(info),
        subject=subject,
        modality="eeg" if is_eeg else "meg",
        unit="V" if is_eeg else "T",
    )


def unit_of(info: mne.Info, protocol: MeegProtocol) -> float:
    """Return the standard deviation of the noise at an average sensor, in V or T."""
    return protocol.noise_v if "eeg" in info.get_channel_types(unique=True) else protocol.noise_t


def _places(info: mne.Info) -> Floats:
    return np.array([channel["loc"][:3] for channel in info["chs"]], dtype=np.float64)


def _spread_out(places: Floats, n_kept: int) -> Indices:
    """Return `n_kept` places that lie far from one another: each is the farthest from those before it."""
    kept = [int(places[:, 2].argmax())]
    nearest = np.linalg.norm(places - places[kept[0]], axis=1)
    for _ in range(n_kept - 1):
        kept.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[kept[-1]], axis=1))
    return np.array(kept, dtype=np.intp)
