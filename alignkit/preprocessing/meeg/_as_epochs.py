"""Recordings and epochs of MNE, one as the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording
from .epoching import epoch_samples
from .sensors import channel_table, modality_of

if TYPE_CHECKING:
    import mne


class EpochFacts(NamedTuple):
    """What a result takes over from its epochs."""

    samples: pd.DataFrame
    channels: pd.DataFrame
    times_s: NDArray[np.float64]
    subject: str
    modality: str
    notes: tuple[str, ...]


def epoch_facts(given: Recording | mne.BaseEpochs, subject: str | None) -> EpochFacts:
    """Return the tables, times and facts of epochs in either form.

    Raises
    ------
    InputError
        If a recording has no times.
    """
    if isinstance(given, Recording):
        if given.times_s is None:
            raise InputError(f"the recording of {given.subject!r} has no times; epochs are needed.")
        return EpochFacts(
            given.samples,
            given.channels,
            given.times_s,
            subject or given.subject,
            given.modality,
            given.notes,
        )
    return EpochFacts(
        epoch_samples(given),
        channel_table(given.info),
        np.asarray(given.times, dtype=np.float64),
        subject or "subject",
        modality_of(given.info),
        (),
    )


def as_mne_epochs(given: Recording | mne.BaseEpochs) -> mne.BaseEpochs:
    """Return MNE epochs, loaded; those given are left as they are.

    Raises
    ------
    InputError
        If a recording has no times or no sensors.
    """
    import mne

    if not isinstance(given, Recording):
        return given.copy().load_data()
    if given.times_s is None or not isinstance(given.geometry, SensorGeometry):
        raise InputError(
            f"the recording of {given.subject!r} has no {'times' if given.times_s is None else 'sensors'}; "
            "epochs of M/EEG sensors with positions are needed."
        )
    rate = 1.0 / float(np.diff(given.times_s).mean()) if len(given.times_s) > 1 else 1.0
    facts: dict[str, Any] = {**given.geometry.info.copy(), "sfreq": rate, "projs": []}
    facts["lowpass"] = min(float(facts["lowpass"] or rate / 2), rate / 2)
    data = np.asarray(given.data[...], dtype=np.float64)
    return mne.EpochsArray(data, mne.Info(facts), tmin=float(given.times_s[0]), verbose="error")
