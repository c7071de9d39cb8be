"""Recordings of stimuli of two or more classes, coded in the sensors at known times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .._core.checks import check_option
from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ..recordings.study import Study
from ._planted_sensors import (
    Modality,
    check_counts,
    check_snr,
    planted_recording,
    presentations,
    protocol_of,
    source_fields,
    subject_sensors,
)
from .meeg import sensor_noise
from .participants import subject_names

if TYPE_CHECKING:
    import mne

Floats = NDArray[np.float64]
Code = Literal["changing", "sustained"]
# In seconds from onset, both ends included. A sustained code lasts from the first to the last.
_WINDOWS_S = ((0.1, 0.2), (0.25, 0.4))


@dataclass(frozen=True, eq=False)
class PlantedConditions:
    """Recordings of classes, and when and where these differ.

    Attributes
    ----------
    study : Study
        A recording per subject, (n_trials, n_channels, n_times), in V or T. Samples have `stimulus_id`,
        `condition`, `repetition`, `session` and `run`; every run shows each stimulus once.
    classes : tuple of str
        Values of `condition`.
    coded : ndarray of shape (n_codes, n_times)
        bool; the times at which each code is there. A changing code has two, a sustained code one.
    patterns : dict of str to ndarray of shape (n_channels, n_codes, n_classes)
        What each class adds to the sensors while a code is there, by subject, in standard deviations of the
        noise. Sums over classes are 0.
    """

    study: Study
    classes: tuple[str, ...]
    coded: NDArray[np.bool_]
    patterns: dict[str, Floats]


def simulate_conditions(
    *,
    n_stimuli: int = 40,
    n_runs: int = 5,
    n_classes: int = 2,
    code: Code = "changing",
    n_channels: int = 32,
    n_times: int = 60,
    sfreq_hz: float = 100.0,
    tmin_s: float = -0.1,
    n_subjects: int = 1,
    snr: float = 0.5,
    run_sd: float = 0.5,
    modality: Modality = "eeg",
    random_state: RandomState = 0,
) -> PlantedConditions:
    """Simulate recordings whose class can be decoded at known times, and at no other.

    A changing code has one set of patterns from 100 to 200 ms and another from 250 to 400 ms; a sustained
    code has one from 100 to 400 ms. The two sets lie in different eigenvectors of the noise's covariance, so
    that what separates the classes in one window says nothing about them in the other, whether a classifier
    whitens, shrinks or does neither: generalisation from one window to the other is at chance.

    Every sensor's noise has variance 1 before it is given its unit, is correlated in time (AR(1)) and partly
    shared by neighbours. Each run shifts all of its trials by a pattern of its own.

    Parameters
    ----------
    n_stimuli : int, default=40
        Taking turns in their class, so that counts differ by one at most; at least two for each class.
    n_runs : int, default=5
        Every run shows each stimulus once.
    n_classes : int, default=2
        Named ``class1`` and so on.
    code : {"changing", "sustained"}, default="changing"
        See above.
    n_channels, n_times, sfreq_hz, tmin_s, modality
        As in :func:`~alignkit.simulation.decoding.simulate_decoding`; the epoch must reach to .4 s.
    n_subjects : int, default=1
        Each has patterns and noise of its own.
    snr : float, default=0.5
        Of one trial: the variance between classes where they are coded, averaged over sensors, divided by
        the variance of the noise. 0 plants nothing.
    run_sd : float, default=0.5
        Standard deviation over runs and sensors of the runs' shifts, in those of the noise.
    random_state : int, Generator or None, default=0
        The same seed gives the same bits.

    Returns
    -------
    planted : PlantedConditions
        Recordings, and when and where classes differ.

    Raises
    ------
    InputError
        If a count is too small, the epoch does not hold the coded times, or an option is not known.

    Examples
    --------
    >>> planted = simulate_conditions(n_stimuli=4, n_runs=2, n_channels=8)
    >>> planted.study["sub-01"].samples["condition"].value_counts().to_dict()
    {'class1': 4, 'class2': 4}
    """
    check_counts(
        n_runs=(n_runs, 1),
        n_classes=(n_classes, 2),
        n_stimuli=(n_stimuli, 2 * n_classes),
        n_subjects=(n_subjects, 1),
    )
    check_snr("snr", snr)
    if np.isinf(snr):
        raise InputError(
            "`snr` must be finite here, since patterns are planted in the noise's own directions."
        )
    if not run_sd >= 0:
        raise InputError(f"`run_sd` must be at least 0, got {run_sd}.")
    protocol = protocol_of(n_times, sfreq_hz, tmin_s)
    coded = _coded(code, protocol.times_s)
    classes = tuple(f"class{number + 1}" for number in range(n_classes))
    names = tuple(f"{classes[row % n_classes]}-{row // n_classes + 1:03d}" for row in range(n_stimuli))
    patterns: dict[str, Floats] = {}
    recordings = []
    for subject, rng in zip(
        subject_names(n_subjects), as_generator(random_state).spawn(n_subjects), strict=True
    ):
        own_patterns, own_order, own_runs, own_noise = rng.spawn(4)
        (info,) = subject_sensors(modality, n_channels, "same", sfreq_hz, [rng])
        samples = presentations(names, n_runs, own_order)
        samples["condition"] = [classes[row % n_classes] for row in samples["stimulus"]]
        data = sensor_noise(info, len(samples), protocol, own_noise)
        data /= data.std(axis=(0, 2), keepdims=True)
        patterns[subject] = np.sqrt(snr) * _patterns(data, info, len(coded), n_classes, own_patterns)
        shown = patterns[subject][:, :, samples["stimulus"] % n_classes]
        data += np.einsum("ckn,kt->nct", shown, coded.astype(np.float64), optimize=True)
        shifts = run_sd * own_runs.standard_normal((n_runs, n_channels, 1))
        data += shifts[samples["run"] - 1]
        recordings.append(planted_recording(subject, info, protocol, samples, data))
    return PlantedConditions(Study.of(*recordings), classes, coded, patterns)


def _coded(code: Code, times_s: Floats) -> NDArray[np.bool_]:
    check_option("code", code, ("changing", "sustained"))
    first, last = _WINDOWS_S[0][0], _WINDOWS_S[-1][1]
    windows = _WINDOWS_S if code == "changing" else ((first, last),)
    # Times are sums of samples; a bound takes the sample that is meant to lie on it.
    coded = np.stack([(times_s >= start - 1e-6) & (times_s <= stop + 1e-6) for start, stop in windows])
    if times_s[-1] < last - 1e-6 or not coded.any(axis=1).all():
        raise InputError(
            f"classes are coded until {last:g} s, but the epoch of {len(times_s)} times ends at "
            f"{times_s[-1]:g} s or is too coarse. Raise `n_times` or `sfreq_hz`."
        )
    return coded


def _patterns(
    noise: Floats, info: mne.Info, n_codes: int, n_classes: int, rng: np.random.Generator
) -> Floats:
    """Return patterns of variance 1 between classes at an average sensor, (n_channels, n_codes, n_classes).

    Codes take turns in the eigenvectors of the noise's covariance, so that they are orthogonal with and
    without whitening.
    """
    n_channels = noise.shape[1]
    covariance = np.einsum("nct,ndt->cd", noise, noise, optimize=True)
    vectors = np.linalg.eigh(covariance)[1]
    fields = source_fields(info, n_codes * n_classes, rng).reshape(n_channels, n_codes, n_classes)
    patterns = np.empty_like(fields)
    for number in range(n_codes):
        own = vectors[:, number::n_codes]
        seen = own @ (own.T @ fields[:, number])
        seen -= seen.mean(axis=1, keepdims=True)
        patterns[:, number] = seen / np.sqrt((seen**2).mean())
    return patterns
