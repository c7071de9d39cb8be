"""Recordings whose stimuli's embeddings are planted in the sensors, by a linear or a non-linear map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.random import RandomState, as_generator
from ..recordings.study import Study
from ._planted_sensors import (
    Layouts,
    Modality,
    SubjectMaps,
    check_counts,
    check_snr,
    latent_courses,
    planted_recording,
    presentations,
    protocol_of,
    random_rotation,
    responses_of,
    signal_scale,
    source_fields,
    subject_sensors,
    unit_of,
)
from .meeg import sensor_noise
from .participants import subject_names

Floats = NDArray[np.float64]
Mapping = Literal["linear", "nonlinear"]
# One dimension in eight decides the sign of the others' activity.
_DIMS_PER_GATE = 8
# tanh(3 g) is beyond .9 in size for three stimuli in five, and smooth.
_STEEPNESS = 3.0


@dataclass(frozen=True, eq=False)
class PlantedDecoding:
    """Recordings with the embeddings that they carry, and how they carry them.

    Attributes
    ----------
    study : Study
        A recording per subject, (n_trials, n_channels, n_times), in V or T. Samples have `stimulus_id`,
        `repetition`, `session` and `run`: every run shows each stimulus once, two runs are a session.
    names : tuple of str
        The stimuli.
    embeddings : ndarray of shape (n_stimuli, n_dims)
        float32, drawn from a standard normal distribution.
    latents : ndarray of shape (n_stimuli, n_dims)
        What drives the sensors.
    courses : ndarray of shape (n_dims, n_times)
        Time course of each latent.
    patterns : dict of str to ndarray of shape (n_channels, n_dims)
        What one unit of each latent adds to the sensors at the height of its course, in V or T, by subject.
    rotation : ndarray of shape (n_dims, n_dims)
        Orthogonal; turns embeddings into the dimensions that the map works on.
    n_gates : int
        How many of these decide the others' sign; 0 for the linear map.
    """

    study: Study
    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    latents: Floats
    courses: Floats
    patterns: dict[str, Floats]
    rotation: Floats
    n_gates: int

    @property
    def linear_share(self) -> float:
        """The largest part of the embeddings' variance that a linear decoder can explain, in (0, 1].

        See the notes of :func:`simulate_decoding`.
        """
        return self.n_gates / len(self.rotation) if self.n_gates else 1.0

    def noise_free(self, subject: str) -> Floats:
        """Return a subject's responses without noise, (n_stimuli, n_channels, n_times), in V or T."""
        return responses_of(self.latents, self.patterns[subject], self.courses)

    def decode(self, latents: ArrayLike) -> Floats:
        """Return the embeddings of latents: the planted map, inverted.

        Parameters
        ----------
        latents : array-like of shape (n_stimuli, n_dims)
            Such as `latents`, or what was read from the sensors. A gate at exactly 0 silences the dimensions
            that it gates; they come out as 0.

        Returns
        -------
        embeddings : ndarray of shape (n_stimuli, n_dims)
            float64.
        """
        values = check_array("latents", latents, ndim=2, dtype=np.float64)
        gates = _gates(values, self.n_gates)
        turned = np.divide(values, gates, out=np.zeros_like(values), where=gates != 0)
        return np.asarray(turned @ self.rotation.T, dtype=np.float64)


def simulate_decoding(
    *,
    n_stimuli: int = 240,
    n_repetitions: int = 4,
    n_dims: int = 16,
    n_channels: int = 64,
    n_times: int = 50,
    sfreq_hz: float = 100.0,
    tmin_s: float = -0.1,
    n_subjects: int = 1,
    snr: float = 0.5,
    mapping: Mapping = "linear",
    modality: Modality = "eeg",
    layouts: Layouts = "same",
    subject_maps: SubjectMaps = "shared",
    random_state: RandomState = 0,
) -> PlantedDecoding:
    """Simulate recordings from which the embeddings of stimuli can be decoded, with a known map and noise.

    Embeddings `e` are drawn from a standard normal distribution and rotated, `z = Q' e`. Every latent has a
    Gaussian time course that peaks at its own time after onset, and a pattern over the sensors, the field of
    a current dipole. The linear map takes `z` for the latents. The non-linear map lets one dimension in eight
    be a gate `g` that the sensors carry as it is, and the others `z_j tanh(3 g)`, each with one of the gates.

    Noise is that of the simulated participants: correlated in time (AR(1)), partly shared by neighbouring
    sensors, of variance 1 at an average sensor before it is given its unit.

    Parameters
    ----------
    n_stimuli, n_repetitions : int
        Stimuli, and presentations of each to every subject.
    n_dims : int, default=16
        Of the embeddings; for the non-linear map at least 2.
    n_channels : int, default=64
        Sensors; at most 64 electrodes (biosemi64) or 102 magnetometers (a helmet). Fewer are spread out.
    n_times, sfreq_hz, tmin_s : int, float, float
        Samples of an epoch, sampling frequency, and its first time in seconds from onset.
    n_subjects : int, default=1
        Named ``sub-01`` and so on; all see the same stimuli, in an order of their own.
    snr : float, default=0.5
        Of one presentation: the variance over stimuli of the response without noise, averaged over sensors
        and over the times from onset, divided by the variance of the noise at an average sensor. 0 plants
        nothing; inf gives responses without noise, of variance 1 before they are given their unit.
    mapping : {"linear", "nonlinear"}, default="linear"
        How embeddings drive the latents.
    modality : {"eeg", "meg"}, default="eeg"
        Which sensors.
    layouts : {"same", "random"}, default="same"
        ``"random"`` draws every subject's sensors anew from the montage.
    subject_maps : {"shared", "rotated"}, default="shared"
        ``"rotated"`` rotates at random which sources show each latent, for every subject: a matrix over
        sensors, one per subject, undoes it.
    random_state : int, Generator or None, default=0
        The same seed gives the same bits. A seed draws stimuli, sensors, sources, order and noise apart from
        one another: `snr` changes the size of the signal only, and another subject nothing of the earlier.

    Returns
    -------
    planted : PlantedDecoding
        Recordings, embeddings and the map.

    Raises
    ------
    InputError
        If a count is too small, there are no such sensors, or an option is not known.

    Notes
    -----
    Why linear decoders are limited by the non-linear map: the dimensions `z` are independent and symmetric
    about 0, and `tanh` is odd. So `E[z_j tanh(3 g) z_j] = E[z_j^2] E[tanh(3 g)] = 0`, likewise
    `E[z_j tanh(3 g) g] = E[z_j] E[tanh(3 g) g] = 0`: a gated dimension is uncorrelated with everything that
    the sensors carry, at every time, whatever the noise. Of `n_dims` dimensions only the gates can be read
    linearly, so that the explained share of the embeddings' variance is at most `n_gates / n_dims`
    (`linear_share`), in the population. Given the gates, the map is inverted by a division; the product of
    two latents already decodes most of it, so that a non-linear decoder need not be deep.

    Examples
    --------
    >>> planted = simulate_decoding(n_stimuli=8, n_repetitions=2, n_dims=4, n_channels=6, n_times=20)
    >>> planted.study["sub-01"].data.shape
    (16, 6, 20)
    """
    check_counts(
        n_stimuli=(n_stimuli, 2),
        n_repetitions=(n_repetitions, 1),
        n_dims=(n_dims, 2 if mapping == "nonlinear" else 1),
        n_subjects=(n_subjects, 1),
    )
    check_snr("snr", snr)
    check_option("mapping", mapping, ("linear", "nonlinear"))
    check_option("subject_maps", subject_maps, ("shared", "rotated"))
    protocol = protocol_of(n_times, sfreq_hz, tmin_s)
    own_stimuli, own_sources, *own = as_generator(random_state).spawn(2 + n_subjects)
    sensors = subject_sensors(modality, n_channels, layouts, sfreq_hz, [rng.spawn(1)[0] for rng in own])
    names = tuple(f"stimulus{number + 1:04d}" for number in range(n_stimuli))
    embeddings = own_stimuli.standard_normal((n_stimuli, n_dims)).astype(np.float32)
    rotation = random_rotation(n_dims, own_sources)
    n_gates = max(1, n_dims // _DIMS_PER_GATE) if mapping == "nonlinear" else 0
    turned = embeddings.astype(np.float64) @ rotation
    latents = turned * _gates(turned, n_gates)
    courses = latent_courses(protocol, n_dims, own_sources)
    # The same sources for everyone, wherever the sensors are.
    source_seed = int(own_sources.integers(2**63))
    patterns: dict[str, Floats] = {}
    recordings = []
    for subject, info, rng in zip(subject_names(n_subjects), sensors, own, strict=True):
        own_map, own_order, own_noise = rng.spawn(3)
        fields = source_fields(info, n_dims, np.random.default_rng(source_seed))
        if subject_maps == "rotated":
            fields = fields @ random_rotation(n_dims, own_map)
        fields *= signal_scale(snr, latents, fields, courses, protocol)
        samples = presentations(names, n_repetitions, own_order)
        data = responses_of(latents[samples["stimulus"]], fields, courses)
        if np.isfinite(snr):
            data += sensor_noise(info, len(samples), protocol, own_noise)
        recordings.append(planted_recording(subject, info, protocol, samples, data))
        patterns[subject] = fields * unit_of(info, protocol)
    study = Study.of(*recordings)
    return PlantedDecoding(study, names, embeddings, latents, courses, patterns, rotation, n_gates)


def _gates(values: Floats, n_gates: int) -> Floats:
    """Return what multiplies each dimension: 1 for the first `n_gates`, tanh(3 g) for those that g gates."""
    factors = np.ones_like(values)
    for column in range(n_gates, values.shape[1] if n_gates else 0):
        factors[:, column] = np.tanh(_STEEPNESS * values[:, (column - n_gates) % n_gates])
    return factors
