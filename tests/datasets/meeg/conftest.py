"""Small continuous recordings in the formats of laboratories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

NAMES = ["Fz", "Cz", "Pz", "Oz"]
ONSETS = [1.0, 5.0, 12.0, 15.5]
WORDS = ["cat", "dog", "cat", "owl"]


@pytest.fixture
def make_raw():
    """Return a function that makes 20 s of EEG with a response on Pz 0.2 s after each of four words."""
    mne = pytest.importorskip("mne")

    def make(*, sfreq=100.0, seed=0, annotated=True, positions=True, names=NAMES):
        rng = np.random.default_rng(seed)
        data = 1e-5 * rng.standard_normal((len(names), int(20 * sfreq)))
        for onset in ONSETS:
            data[2, int(round((onset + 0.2) * sfreq))] += 2e-4
        raw = mne.io.RawArray(data, mne.create_info(list(names), sfreq, "eeg"), verbose="error")
        if positions:
            raw.set_montage("biosemi64", on_missing="ignore", verbose="error")
        if annotated:
            raw.set_annotations(mne.Annotations(ONSETS, [0.0] * 4, WORDS))
        return raw

    return make


@pytest.fixture
def word_events():
    """Return the events of `make_raw` as a table."""
    return pd.DataFrame({"onset": ONSETS, "duration": 0.3, "trial_type": WORDS, "animacy": list("aabb")})


@pytest.fixture
def save_raw(tmp_path):
    """Return a function that writes a recording in a format, and returns the file to open."""

    def save(raw, suffix, *, stem="a", folder=tmp_path):
        import mne

        folder.mkdir(parents=True, exist_ok=True)
        if suffix == ".fif":
            path = folder / f"{stem}_raw.fif"
            raw.save(path, verbose="error")
            return path
        path = folder / f"{stem}{suffix}"
        mne.export.export_raw(path, raw, verbose="error")
        return path

    return save
