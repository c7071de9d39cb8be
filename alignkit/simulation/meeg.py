"""MEG and EEG epochs of a simulated participant, written as FIF with sensor positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from .._core.errors import InputError
from ..recordings.stimuli import StimulusSet
from .participants import TASK
from .responses import Region

if TYPE_CHECKING:
    import mne

Floats = NDArray[np.float64]
# A sphere stands for the head. The template's brain is moved into it and shrunk to fit.
_HEAD_CENTRE_M = np.array([0.0, 0.0, 0.04])
_BRAIN_CENTRE_MM = np.array([0.0, -18.0, 10.0])
_SHRINK = 0.85
_INNER_RADIUS_M = 0.075
_N_MAGNETOMETERS = 102
_N_BACKGROUND = 200
_N_DIPOLES = 100
_SPREAD_MM = 15.0
_N_TOPOGRAPHIES = 24


@dataclass(frozen=True)
class MeegProtocol:
    """How epochs are cut and what their noise is like.

    Attributes
    ----------
    sfreq_hz : float
        Sampling frequency.
    tmin_s, tmax_s : float
        First and last time, in seconds from onset.
    width_s : float
        Standard deviation of a region's Gaussian time course, in seconds.
    noise_v, noise_t : float
        Standard deviation of the noise at an average sensor, in V (EEG) and T (MEG).
    ar1 : float
        Correlation of the noise from one time point to the next, in [0, 1).
    white_share : float
        Part of the noise's variance that each sensor has to itself, in [0, 1]; the rest comes from dipoles
        all over the brain, so that neighbours share it.
    """

    sfreq_hz: float = 100.0
    tmin_s: float = -0.1
    tmax_s: float = 0.4
    width_s: float = 0.025
    noise_v: float = 5e-6
    noise_t: float = 1e-13
    ar1: float = 0.8
    white_share: float = 0.3

    def __post_init__(self) -> None:
        if self.tmax_s <= self.tmin_s:
            raise InputError(f"`tmax_s` must be after `tmin_s`, got {self.tmin_s} to {self.tmax_s}.")
        if not 0 <= self.ar1 < 1:
            raise InputError(f"`ar1` must be at least 0 and below 1, got {self.ar1}.")

    @property
    def times_s(self) -> Floats:
        """Times of an epoch, in seconds from onset."""
        n_times = round((self.tmax_s - self.tmin_s) * self.sfreq_hz) + 1
        return np.asarray(self.tmin_s + np.arange(n_times) / self.sfreq_hz)


def sensor_info(modality: str, sfreq_hz: float) -> mne.Info:
    """Return sensors with positions: 64 EEG electrodes of the 10-10 system, or 102 magnetometers on a helmet.

    Parameters
    ----------
    modality : {"eeg", "meg"}
        Which sensors.
    sfreq_hz : float
        Sampling frequency.
    """
    import mne

    if modality == "eeg":
        montage = mne.channels.make_standard_montage("biosemi64")
        return mne.create_info(montage.ch_names, sfreq_hz, "eeg").set_montage(montage)
    names = [f"MAG{number + 1:03d}" for number in range(_N_MAGNETOMETERS)]
    info = mne.create_info(names, sfreq_hz, "mag")
    with info._unlock():
        info["dev_head_t"] = mne.transforms.Transform("meg", "head")
    for channel, location in zip(info["chs"], _helmet(_N_MAGNETOMETERS), strict=True):
        channel["loc"][:] = location
    return info


def region_waveform(times_s: ArrayLike, *, peak_s: float, width_s: float) -> Floats:
    """Return a region's time course: a Gaussian of height 1 around its peak.

    Parameters
    ----------
    times_s : array-like
        In seconds from onset.
    peak_s, width_s : float
        Centre and standard deviation, in seconds.
    """
    times = np.asarray(times_s, dtype=np.float64)
    return np.asarray(np.exp(-0.5 * ((times - peak_s) / width_s) ** 2), dtype=np.float64)


def write_meeg_participant(
    folder: Path,
    subject: str,
    *,
    modality: str,
    stimuli: StimulusSet,
    regions: Sequence[Region],
    responses: Mapping[str, Floats],
    n_repetitions: int,
    protocol: MeegProtocol,
    rng: np.random.Generator,
) -> None:
    """Write one participant's epochs to ``<subject>/<modality>/<subject>_task-images_epo.fif``.

    A region's responses are mixed into field patterns of currents near its centres (a spherical head), see
    :func:`region_patterns`, and follow its time course.

    Parameters
    ----------
    folder : Path
        Of the set.
    subject : str
        Such as ``sub-01``.
    modality : {"eeg", "meg"}
        Which sensors.
    stimuli : StimulusSet
        Shown `n_repetitions` times each, in random order.
    regions : sequence of Region
        What is active.
    responses : mapping of str to ndarray of shape (n_stimuli, n_voxels)
        Standardised noise-free responses by region name.
    n_repetitions : int
        Presentations of each stimulus.
    protocol : MeegProtocol
        How epochs are cut.
    rng : Generator
        This participant's own.
    """
    import mne

    info = sensor_info(modality, protocol.sfreq_hz)
    rows = np.concatenate([rng.permutation(len(stimuli)) for _ in range(n_repetitions)])
    data = sensor_noise(info, len(rows), protocol, rng)
    for region in regions:
        pattern = region_patterns(info, region, responses[region.name], rng)
        course = region_waveform(protocol.times_s, peak_s=region.peak_s, width_s=protocol.width_s)
        data += pattern[rows][:, :, None] * course
    if modality == "eeg":
        data -= data.mean(axis=1, keepdims=True)
    data *= protocol.noise_v if modality == "eeg" else protocol.noise_t
    metadata = stimuli.table.drop(columns="file").iloc[rows].reset_index(drop=True)
    metadata["repetition"] = np.repeat(np.arange(1, n_repetitions + 1), len(stimuli))
    event_id = {name: code for code, name in enumerate(stimuli.stimulus_ids, start=1)}
    length = len(protocol.times_s)
    events = np.stack([np.arange(len(rows)) * length, np.zeros_like(rows), rows + 1], axis=1)
    epochs = mne.EpochsArray(
        data, info, events, protocol.tmin_s, event_id, metadata=metadata, proj=False, verbose="error"
    )
    path = folder / subject / modality / f"{subject}_task-{TASK}_epo.fif"
    path.parent.mkdir(parents=True)
    epochs.save(path, overwrite=True, verbose="error")


def region_patterns(info: mne.Info, region: Region, responses: Floats, rng: np.random.Generator) -> Floats:
    """Return what a region adds to every sensor at its peak, for every stimulus, in units of the noise.

    Voxels are mixed at random, with weights that sum to zero over voxels (what all voxels share cancels, as
    fields of opposed currents do), into the 24 field patterns that currents in the region make
    most strongly. These are taken as equally strong; a real head weakens the finer ones.

    Parameters
    ----------
    info : mne.Info
        The sensors.
    region : Region
        Gives place and signal-to-noise ratio.
    responses : ndarray of shape (n_stimuli, n_voxels)
        Planted responses.
    rng : Generator
        Draws dipoles and mixing.

    Returns
    -------
    patterns : ndarray of shape (n_stimuli, n_channels)
        Standard deviation over stimuli, root mean square over sensors: `region.snr`.
    """
    n_voxels = responses.shape[1]
    side = np.where(np.arange(_N_DIPOLES) % 2, -1.0, 1.0)[:, None]
    centres = np.array(region.centre_mm) * np.hstack([side, np.ones((_N_DIPOLES, 2))])
    gain = _dipole_fields(info, centres + _SPREAD_MM * rng.standard_normal(centres.shape), rng)
    if "eeg" in info.get_channel_types(unique=True):
        gain = gain - gain.mean(axis=0)
    topographies = np.linalg.svd(gain, full_matrices=False)[0][:, :_N_TOPOGRAPHIES]
    mixing = rng.standard_normal((n_voxels, topographies.shape[1]))
    if n_voxels > 1:
        mixing -= mixing.mean(axis=0)
    patterns = responses @ mixing @ topographies.T
    return np.asarray(patterns * region.snr / np.sqrt(patterns.var(axis=0).mean()), dtype=np.float64)


def sensor_noise(info: mne.Info, n_epochs: int, protocol: MeegProtocol, rng: np.random.Generator) -> Floats:
    """Return noise of variance 1 at an average sensor, shape (n_epochs, n_channels, n_times).

    Correlated in time (AR(1)) and between sensors (dipoles all over the brain, and each sensor's own).
    """
    directions = rng.standard_normal((_N_BACKGROUND, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radius = 85.0 * rng.uniform(0.3, 1.0, size=(_N_BACKGROUND, 1)) ** (1 / 3)
    gain = _dipole_fields(info, _BRAIN_CENTRE_MM + radius * directions, rng)
    covariance = gain @ gain.T
    covariance /= np.trace(covariance) / len(covariance)
    n_channels = len(covariance)
    covariance = (1 - protocol.white_share) * covariance + protocol.white_share * np.eye(n_channels)
    mixing = np.linalg.cholesky(covariance + 1e-9 * np.eye(n_channels))
    n_times = len(protocol.times_s)
    white = rng.standard_normal((n_channels, n_epochs, n_times))
    # The first point is drawn from the stationary distribution, so the variance is 1 throughout.
    white[..., 1:] *= np.sqrt(1 - protocol.ar1**2)
    own = lfilter([1.0], [1.0, -protocol.ar1], white, axis=-1).reshape(n_channels, -1)
    mixed = (mixing @ own).reshape(n_channels, n_epochs, n_times)
    return np.ascontiguousarray(mixed.transpose(1, 0, 2), dtype=np.float64)


def _dipole_fields(info: mne.Info, positions_mm: Floats, rng: np.random.Generator) -> Floats:
    """Return the field of unit dipoles of random orientation at the sensors, (n_channels, n_dipoles)."""
    import mne

    orientations = rng.standard_normal(positions_mm.shape)
    orientations /= np.linalg.norm(orientations, axis=1, keepdims=True)
    places = _HEAD_CENTRE_M + _SHRINK * (positions_mm - _BRAIN_CENTRE_MM) / 1000
    # A dipole outside the brain's sphere would be dropped without a word; it is pulled to its edge.
    offset = places - _HEAD_CENTRE_M
    offset *= np.minimum(1.0, _INNER_RADIUS_M / np.linalg.norm(offset, axis=1, keepdims=True))
    places = _HEAD_CENTRE_M + offset
    sphere = mne.make_sphere_model(tuple(_HEAD_CENTRE_M), 0.09, info=info, verbose="error")
    sources = mne.setup_volume_source_space(
        pos={"rr": places, "nn": orientations}, sphere=sphere, sphere_units="m", verbose="error"
    )
    is_eeg = "eeg" in info.get_channel_types(unique=True)
    forward = mne.make_forward_solution(
        info, trans=None, src=sources, bem=sphere, meg=not is_eeg, eeg=is_eeg, verbose="error"
    )
    free = forward["sol"]["data"].reshape(len(info["ch_names"]), -1, 3)
    # (n_channels, n_dipoles, 3) along each dipole's own direction
    return np.asarray(np.einsum("cdk,dk->cd", free, orientations), dtype=np.float64)


def _helmet(n_sensors: int) -> Floats:
    """Return MNE locations, (n_sensors, 12): points spread evenly over a helmet, coils facing its centre."""
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(n_sensors)
    # Down to a little below the sphere's equator, as helmets reach the back of the head.
    height = 1 - (np.arange(n_sensors) + 0.5) / n_sensors * 1.25
    normal = np.stack([*(np.sqrt(1 - height**2) * f(turn) for f in (np.cos, np.sin)), height], axis=1)
    first = np.stack([-np.sin(turn), np.cos(turn), np.zeros(n_sensors)], axis=1)
    return np.hstack([_HEAD_CENTRE_M + 0.115 * normal, first, np.cross(normal, first), normal])
