"""Synthetic continuous recordings, with MNE."""

from __future__ import annotations

import numpy as np
import pytest

NAMES = ["Fz", "Cz", "Pz", "Oz", "C3", "C4", "P3", "P4"]


@pytest.fixture
def make_raw():
    """Return a function that makes a recording of noise, or of the data given."""
    mne = pytest.importorskip("mne")

    def make(data=None, *, kinds="eeg", sfreq=100.0, seconds=20, first_samp=0, positions=True, seed=0):
        n_channels = len(NAMES) if data is None else len(data)
        if data is None:
            data = 1e-5 * np.random.default_rng(seed).standard_normal((n_channels, int(seconds * sfreq)))
        names = [*NAMES, *(f"X{i}" for i in range(n_channels))][:n_channels]
        info = mne.create_info(names, sfreq, kinds)
        raw = mne.io.RawArray(data, info, first_samp=first_samp, verbose="error")
        if positions:
            raw.set_montage("biosemi64", on_missing="ignore", verbose="error")
        return raw

    return make
