from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.exchange.mne_epochs import to_mne_epochs
from alignkit.recordings import Recording

TIMES = np.arange(5) / 200 - 0.01


def recording(unit="V", /, *, kinds=("eeg", "eeg", "mag"), times_s=TIMES, geometry=None, **columns):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4, 3, len(times_s))).astype(np.float32)
    samples = pd.DataFrame({"stimulus_id": ["cat", "dog", "cat", "ant"], "repetition": [1, 1, 2, 1]})
    channels = pd.DataFrame({"name": ["Fz", "Cz", "M1"], "kind": list(kinds), **columns})
    return Recording(data, samples, channels, times_s=np.asarray(times_s), geometry=geometry, unit=unit)


def test_epochs_hold_the_values_events_and_metadata():
    ours = recording()
    epochs = to_mne_epochs(ours)
    np.testing.assert_array_equal(epochs.get_data().astype(np.float32), ours.data)
    np.testing.assert_allclose(epochs.times, TIMES, atol=1e-12)
    assert epochs.info["sfreq"] == 200.0
    assert epochs.event_id == {"cat": 1, "dog": 2, "ant": 3}
    assert len(epochs["cat"]) == 2
    assert epochs.metadata["repetition"].to_list() == [1, 1, 2, 1]
    assert epochs.get_channel_types() == ["eeg", "eeg", "mag"]


def test_they_come_back_as_the_same_recording():
    from alignkit.datasets.meeg.epochs import recording_of_epochs

    montage = mne.channels.make_standard_montage("biosemi64").get_positions()["ch_pos"]
    ours = recording(kinds=("eeg",) * 3)
    ours = Recording(
        np.float32(1e-5) * ours.data,
        ours.samples,
        ours.channels.assign(
            name=["Fz", "Cz", "Pz"],
            **{
                f"{axis}_mm": [1000 * montage[n][i] for n in ("Fz", "Cz", "Pz")]
                for i, axis in enumerate("xyz")
            },
        ),
        times_s=ours.times_s,
        unit="V",
    )
    back = recording_of_epochs(to_mne_epochs(ours), subject="subject")
    np.testing.assert_array_equal(back.data, ours.data)
    np.testing.assert_allclose(back.times_s, ours.times_s, atol=1e-12)
    assert back.stimulus_ids == ours.stimulus_ids
    assert back.unit == "V"
    places = ["x_mm", "y_mm", "z_mm"]
    np.testing.assert_allclose(back.channels[places], ours.channels[places], atol=1e-3)
    again = to_mne_epochs(back)
    np.testing.assert_array_equal(again.get_data().astype(np.float32), ours.data)
    assert again.info["chs"][1]["loc"][2] == pytest.approx(ours.channels["z_mm"][1] / 1000, abs=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-6), ("mV", 1e-3), ("V", 1.0)])
def test_values_are_in_si_units(unit, factor):
    ours = recording(unit)
    np.testing.assert_allclose(to_mne_epochs(ours).get_data(), ours.data * np.float64(factor), rtol=1e-6)


def test_channels_speak_for_themselves_where_units_are_mixed_and_others_are_named():
    mixed = recording("mixed", unit=["uV", "uV", "fT"])
    np.testing.assert_allclose(
        to_mne_epochs(mixed).get_data()[:, :, 0],
        mixed.data[:, :, 0] * np.array([1e-6, 1e-6, 1e-15]),
        rtol=1e-6,
    )
    scored = to_mne_epochs(recording("z"))
    np.testing.assert_array_equal(scored.get_data().astype(np.float32), recording("z").data)
    assert scored.info["description"] == "values in z, not in the SI units that MNE shows"


def test_projectors_stay_unapplied_and_the_recording_as_it_was():
    info = mne.create_info(["Fz", "Cz", "M1"], 1000.0, "eeg")
    info["projs"].append(
        mne.Projection(
            active=False,
            data={
                "nrow": 1,
                "ncol": 3,
                "row_names": None,
                "col_names": info["ch_names"],
                "data": np.ones((1, 3)),
            },
        )
    )
    from alignkit.recordings.geometry import SensorGeometry

    ours = recording(geometry=SensorGeometry(info))
    epochs = to_mne_epochs(ours)
    np.testing.assert_array_equal(epochs.get_data().astype(np.float32), ours.data)
    assert (epochs.info["sfreq"], info["sfreq"]) == (200.0, 1000.0)
    assert not epochs.proj


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times_s": [0.0]}, "has 1 time.s.; epochs need at least 2"),
        ({"times_s": [0.0, 0.1, 0.3]}, "evenly spaced and rise, got steps of 0.1 to 0.2 s"),
        ({"kinds": ("neuron",) * 3}, "kinds that MNE does not know"),
        ({"kinds": ("eeg", None, "eeg")}, "nothing says what kind the channels"),
    ],
)
def test_recordings_that_are_no_epochs_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        to_mne_epochs(recording(**options))
    flat = Recording.from_arrays(np.eye(2), ["a", "b"])
    with pytest.raises(InputError, match=r"has 0 time\(s\)"):
        to_mne_epochs(flat)
