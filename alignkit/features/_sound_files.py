"""Reading sounds: WAV by SciPy, all else by soundfile."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError, MissingDataError

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf")


def read_sound(path: str | Path, *, rate_hz: int | None = None) -> tuple[NDArray[np.float32], int]:
    """Return the samples of a sound, and how many there are per second.

    Parameters
    ----------
    path : path
        WAV of 8, 16, 24 or 32 bits or of floats; FLAC, Ogg, MP3, AIFF and others where soundfile is there.
    rate_hz : int, optional
        Bring it to so many samples per second (polyphase filtering).

    Returns
    -------
    samples : ndarray of shape (n_samples,)
        float32; full scale is 1. Channels are averaged.
    rate_hz : int

    Raises
    ------
    MissingDataError
        If there is no such file, or soundfile is needed and not installed.
    InputError
        If it is no sound, holds no samples, NaN, or the same value all along.
    """
    place = Path(path)
    if not place.is_file():
        raise MissingDataError(f"the sound {place} does not exist.")
    if place.suffix.lower() not in SOUND_SUFFIXES:
        raise InputError(
            f"{place} does not look like a sound: its suffix is none of {', '.join(SOUND_SUFFIXES)}."
        )
    is_wav = place.suffix.lower() == ".wav"
    samples, found_hz = _read_wav(place) if is_wav else _read_with_soundfile(place)
    samples = _checked(place, samples.mean(1) if samples.ndim == 2 else samples)
    if rate_hz is not None and rate_hz != found_hz:
        samples = _resampled(samples, found_hz, rate_hz)
        found_hz = rate_hz
    return samples.astype(np.float32), found_hz


def _read_wav(path: Path) -> tuple[NDArray[np.float64], int]:
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            # Chunks with names of artists and the like.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate_hz, values = wavfile.read(path)
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise InputError(
            f"{path} cannot be read as WAV ({error}); a file of another kind needs its own suffix."
        ) from error
    except Exception as error:
        # struct.error, which is no ValueError, where the header ends early.
        raise InputError(f"{path} cannot be read as WAV ({error}); get it again.") from error
    if values.dtype == np.uint8:
        return (values.astype(np.float64) - 128) / 128, int(rate_hz)
    if values.dtype.kind == "i":
        # Twenty-four bits come in the upper bytes of thirty-two.
        return values.astype(np.float64) / 2.0 ** (8 * values.dtype.itemsize - 1), int(rate_hz)
    return values.astype(np.float64), int(rate_hz)


def _read_with_soundfile(path: Path) -> tuple[NDArray[np.float64], int]:
    try:
        import soundfile
    except ImportError as error:
        raise MissingDataError(
            f'reading {path.suffix} needs soundfile; pip install "alignkit[audio]", or convert {path.name} '
            "to WAV."
        ) from error
    read: Any = soundfile.read
    try:
        values, rate_hz = read(str(path), dtype="float64")
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as a sound ({error}); replace or remove it.") from error
    return values, int(rate_hz)


def _checked(path: Path, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    if not samples.size:
        raise InputError(f"{path} holds no samples; replace or remove it.")
    bad = int((~np.isfinite(samples)).sum())
    if bad:
        raise InputError(f"{path} holds {bad} NaN or infinite sample(s) of {samples.size}; replace it.")
    if np.ptp(samples) == 0:
        raise InputError(
            f"{path} is silent: all {samples.size} samples are {samples[0]:g}. Replace it, or leave it out."
        )
    return samples


def _resampled(samples: NDArray[np.float64], found_hz: int, rate_hz: int) -> NDArray[np.float64]:
    from scipy.signal import resample_poly

    ratio = Fraction(rate_hz, found_hz)
    resampled: NDArray[np.float64] = resample_poly(samples, ratio.numerator, ratio.denominator)
    return resampled
