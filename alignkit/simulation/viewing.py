"""Recordings that carry a blurred version of what was seen, on some trials more blurred than on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from .._core.checks import check_array
from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ..recordings.study import Study
from ._planted_sensors import (
    Modality,
    check_counts,
    check_snr,
    latent_courses,
    planted_recording,
    presentations,
    protocol_of,
    responses_of,
    signal_scale,
    source_fields,
    subject_sensors,
)
from .meeg import sensor_noise
from .participants import subject_names

Floats = NDArray[np.float64]
_SIZE = 48
# Gaussian blurs that the stimuli come in, standard deviation in pixels: less than usual, usual, more.
_LEVELS_PX = (0.8, 1.6, 3.2)
_WEAK, _USUAL, _STRONG = range(3)
_LEVEL_NAMES = np.array(["weak", "usual", "strong"])
# What is in an image: a coarse band that every blur leaves, one that the usual blur halves and the strongest
# removes, and one that even the weakest removes. Between two blurs each, with standard deviations.
_BANDS_PX = ((3.0, None), (1.2, 2.4), (0.0, 0.8))
_WEIGHTS = (1.0, 1.5, 1.5)
# The bands that six features see where they are selective; what is coarse fills few of them.
_SEEN = np.array([0, 1, 2, 1, 2, 1])
# Grey levels, so that hardly a pixel leaves [0, 1].
_MEAN, _SD = 0.5, 0.12
# Of the two-layer network behind the features.
_N_HIDDEN = 256


@dataclass(frozen=True, eq=False)
class PlantedViewing:
    """Recordings of images, the images' features at several blurs, and which trials carry which.

    Attributes
    ----------
    study : Study
        A recording per subject, (n_trials, n_channels, n_times), in V or T. Samples have `stimulus_id`,
        `clean` (bool), `blur` ("weak", "usual", "strong"; "none" where trials carry all detail),
        `repetition`, `session` and `run`; every run shows each stimulus once.
    names : tuple of str
        The stimuli.
    images : ndarray of shape (n_stimuli, 48, 48)
        float32, grey levels in [0, 1].
    features : ndarray of shape (n_stimuli, 3, n_dims)
        float32; of the image with less blur than usual, the usual blur, and more.
    sharp : ndarray of shape (n_stimuli, n_dims)
        float32; of the image as it is.
    mixing : tuple of two ndarrays, (48 * 48, n_hidden) and (n_hidden, n_dims)
        Weights of the network behind the features.
    """

    study: Study
    names: tuple[str, ...]
    images: NDArray[np.float32]
    features: NDArray[np.float32]
    sharp: NDArray[np.float32]
    mixing: tuple[Floats, Floats]

    def extract(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the features of images, such as those that were blurred in another way.

        Parameters
        ----------
        images : array-like of shape (n_images, 48, 48)
            Grey levels in [0, 1].

        Returns
        -------
        features : ndarray of shape (n_images, n_dims)
            float32; of variance about 1 for sharp images.
        """
        return _features(check_array("images", images, ndim=3, dtype=np.float64), self.mixing)


def simulate_blurred_viewing(
    *,
    n_stimuli: int = 240,
    n_repetitions: int = 2,
    n_dims: int = 32,
    n_channels: int = 64,
    n_times: int = 30,
    sfreq_hz: float = 100.0,
    tmin_s: float = -0.05,
    n_subjects: int = 1,
    snr: float = 1.0,
    noisy_share: float = 0.15,
    noise_ratio: float = 2.0,
    blur_mix: tuple[float, float, float] | None = None,
    blur_gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    selective: bool = False,
    mismatch: bool = True,
    modality: Modality = "eeg",
    random_state: RandomState = 0,
) -> PlantedViewing:
    """Simulate recordings of images whose fine detail they do not carry.

    An image is the sum of a coarse, a middle and a fine band of noise. Its features are those of a fixed
    random network of two layers (tanh), which mixes the bands. With `mismatch`, a clean trial carries the
    features of the image at the usual blur (the middle band at half its strength, no fine one), and a noisy
    trial those at the strongest blur (the coarse band only), under stronger noise. With `blur_mix`, some
    clean trials carry the weakest blur. Without a mismatch, all trials carry the features of the sharp image,
    and noisy ones differ in noise and gain alone.

    Parameters
    ----------
    n_stimuli, n_repetitions, n_dims : int
        Images, presentations of each, and size of the features.
    n_channels, n_times, sfreq_hz, tmin_s, n_subjects, modality
        As in :func:`~alignkit.simulation.decoding.simulate_decoding`. The features drive sources of their
        own linearly.
    snr : float, default=1.0
        Of one clean trial, as in that function; inf leaves out the noise of all trials.
    noisy_share : float, default=0.15
        Part of the trials that are noisy, in [0, 1]; which ones is drawn for every subject. With `blur_mix`
        it has no say.
    noise_ratio : float, default=2.0
        Standard deviation of the noise of a noisy trial, in that of a clean one; at least 1.
    blur_mix : tuple of three float, optional
        Parts of the trials that carry weak, usual and strong blur, which sum to 1; the last are the noisy
        ones. By default (0, 1 - noisy_share, noisy_share).
    blur_gains : tuple of three float, default=(1.0, 1.0, 1.0)
        What the responses in trials with weak, usual and strong blur are multiplied by, 0 or above; `snr` is
        that of usual blur at 1.
    selective : bool, default=False
        Whether each feature sees one band only (of six one the coarse, three the middle, two the fine one),
        so that those of detail that blur takes away fall silent. Otherwise every feature mixes all bands.
    mismatch : bool, default=True
        Whether recordings lack the detail; False is the control.
    random_state : int, Generator or None, default=0
        The same seed gives the same bits, and the same images and noise with and without `mismatch`, or
        whatever the shares of blur are.

    Returns
    -------
    planted : PlantedViewing
        Recordings, images, features and what is known of the trials.

    Raises
    ------
    InputError
        If a count is too small, a share, gain or ratio is out of its range, or `blur_mix` does not sum to 1.

    Notes
    -----
    Blurs are Gaussian with standard deviations of .8, 1.6 and 3.2 pixels. The features are no linear function
    of one another: the fine band changes every feature, and no decoder can tell how from what is carried.

    Where every feature mixes all bands, more blur turns all features alike, and the best guess of one version
    from another is nearly the same up to its length. There it matters little by which blur a trial is
    trained. Where features are selective, a decoder that was trained by more detail than trials carry takes
    the features that detail drives to be small.

    Examples
    --------
    >>> planted = simulate_blurred_viewing(n_stimuli=4, n_channels=8)
    >>> planted.features.shape
    (4, 3, 32)
    """
    check_counts(n_stimuli=(n_stimuli, 2), n_repetitions=(n_repetitions, 1), n_dims=(n_dims, 1))
    check_counts(n_subjects=(n_subjects, 1))
    check_snr("snr", snr)
    if not 0 <= noisy_share <= 1:
        raise InputError(f"`noisy_share` must lie in [0, 1], got {noisy_share}.")
    if not 1 <= noise_ratio < np.inf:
        raise InputError(f"`noise_ratio` must be at least 1 and finite, got {noise_ratio}.")
    shares = _three("blur_mix", (0.0, 1 - noisy_share, noisy_share) if blur_mix is None else blur_mix)
    if abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"`blur_mix` must sum to 1, got {shares}.")
    gains = np.array(_three("blur_gains", blur_gains))
    protocol = protocol_of(n_times, sfreq_hz, tmin_s)
    own_stimuli, own_sources, *own = as_generator(random_state).spawn(2 + n_subjects)
    names = tuple(f"image{number + 1:04d}" for number in range(n_stimuli))
    images = _draw_images(n_stimuli, own_stimuli)
    mixing = _draw_network(n_dims, own_stimuli)
    if selective:
        mixing = _by_band(mixing, images)
    levels = [_features(_blurred(images, level), mixing) for level in _LEVELS_PX]
    sharp = _features(images, mixing)
    carried = np.stack(levels if mismatch else [sharp] * len(levels)).astype(np.float64)
    courses = latent_courses(protocol, n_dims, own_sources)
    source_seed = int(own_sources.integers(2**63))
    (info,) = subject_sensors(modality, n_channels, "same", sfreq_hz, [own_sources])
    fields = source_fields(info, n_dims, np.random.default_rng(source_seed))
    fields *= signal_scale(snr, carried[_USUAL], fields, courses, protocol)
    recordings = []
    for subject, rng in zip(subject_names(n_subjects), own, strict=True):
        own_order, own_noise = rng.spawn(2)
        samples = presentations(names, n_repetitions, own_order)
        blur = _drawn_blur(len(samples), shares, own_order)
        clean = blur != _STRONG
        samples["clean"] = clean
        samples["blur"] = _LEVEL_NAMES[blur] if mismatch else "none"
        data = responses_of(carried[blur, samples["stimulus"]], fields, courses)
        data *= gains[blur, None, None]
        if np.isfinite(snr):
            noise_sd = np.where(clean, 1.0, noise_ratio)[:, None, None]
            data += noise_sd * sensor_noise(info, len(samples), protocol, own_noise)
        recordings.append(planted_recording(subject, info, protocol, samples, data))
    features = np.stack(levels, axis=1)
    return PlantedViewing(Study.of(*recordings), names, images, features, sharp, mixing)


def _three(name: str, values: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in values)
    if len(values) != len(_LEVELS_PX) or not all(0 <= value < np.inf for value in values):
        raise InputError(
            f"`{name}` must be three numbers of 0 or above, for weak, usual and strong blur, got {values}."
        )
    return values


def _drawn_blur(n_trials: int, shares: tuple[float, ...], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the level of blur of each trial; the shares hold to within a trial."""
    order = rng.permutation(n_trials)
    n_strong = round(shares[_STRONG] * n_trials)
    blur = np.full(n_trials, _USUAL, dtype=np.intp)
    blur[order[:n_strong]] = _STRONG
    blur[order[n_strong:][: round(shares[_WEAK] * n_trials)]] = _WEAK
    return blur


def _draw_images(n_images: int, rng: np.random.Generator) -> NDArray[np.float32]:
    images = np.zeros((n_images, _SIZE, _SIZE))
    for (narrow, wide), weight in zip(_BANDS_PX, _WEIGHTS, strict=True):
        band = _in_band(rng.standard_normal(images.shape), narrow, wide)
        images += weight * band / band.std()
    images *= _SD / images.std()
    return np.clip(_MEAN + images, 0, 1).astype(np.float32)


def _in_band(images: Floats, narrow_px: float, wide_px: float | None) -> Floats:
    narrow = _blurred(images, narrow_px)
    return narrow if wide_px is None else narrow - _blurred(images, wide_px)


def _blurred(images: ArrayLike, level_px: float) -> Floats:
    images = np.asarray(images, dtype=np.float64)
    if not level_px:
        return images
    return np.asarray(gaussian_filter(images, (0, level_px, level_px), mode="wrap"), dtype=np.float64)


def _draw_network(n_dims: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    first = rng.standard_normal((_SIZE * _SIZE, _N_HIDDEN)) / _SIZE
    return first, rng.standard_normal((_N_HIDDEN, n_dims)) / np.sqrt(_N_HIDDEN)


def _by_band(mixing: tuple[Floats, Floats], images: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return a network each of whose features sees one band of the images, all bands equally well."""
    first, second = mixing[0].copy(), mixing[1].copy()
    pixels = (images.reshape(len(images), -1).astype(np.float64) - _MEAN) / _SD
    unit, feature = (_SEEN[np.arange(n) % len(_SEEN)] for n in second.shape)
    for band, edges in enumerate(_BANDS_PX):
        fields = _in_band(first[:, unit == band].T.reshape(-1, _SIZE, _SIZE), *edges).reshape(-1, _SIZE**2).T
        first[:, unit == band] = fields / (pixels @ fields).std()
        second[:, feature == band] *= np.sqrt(len(unit) / (unit == band).sum())
    return first, second * (unit[:, None] == feature)


def _features(images: ArrayLike, mixing: tuple[Floats, Floats]) -> NDArray[np.float32]:
    pixels = (np.asarray(images, dtype=np.float64).reshape(len(np.asarray(images)), -1) - _MEAN) / _SD
    return np.asarray(np.tanh(pixels @ mixing[0]) @ mixing[1], dtype=np.float32)
