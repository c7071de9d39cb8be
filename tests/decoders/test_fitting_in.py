from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignkit import Recording
from alignkit._core.errors import InputError, MissingDataError
from alignkit.decoders.fitting_in import Expected, fit_in
from alignkit.recordings.geometry import SensorGeometry
from alignkit.simulation.meeg import sensor_info

TIMES = np.arange(20) / 100 - 0.05


@pytest.fixture(scope="module")
def eeg() -> Recording:
    """Smooth fields over 64 electrodes: sums of a few slow functions of their places."""
    import pandas as pd

    info = sensor_info("eeg", 100.0)
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    places /= np.linalg.norm(places, axis=1).mean()
    rng = np.random.default_rng(0)
    smooth = np.concatenate([places, places**2], axis=1) @ rng.standard_normal((6, 30 * 20))
    data = 1e-5 * smooth.reshape(64, 30, 20).transpose(1, 0, 2)
    return Recording(
        data.astype(np.float32), pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(30)]}),
        pd.DataFrame({"name": info["ch_names"]}), times_s=TIMES, geometry=SensorGeometry(info),
        modality="eeg", unit="V",
    )  # fmt: skip


def without(recording: Recording, *names: str) -> Recording:
    keep = [i for i, name in enumerate(recording.channels["name"]) if name not in names]
    return recording.select(channels=keep)


def renamed(recording: Recording, change) -> Recording:
    channels = recording.channels.assign(name=[change(name) for name in recording.channels["name"]])
    return replace(recording, channels=channels, geometry=None)


def test_a_recording_that_fits_is_handed_on_as_it_is(eeg):
    fitted, notes = fit_in(eeg, Expected.of(eeg))
    assert notes == ()
    np.testing.assert_array_equal(fitted.data, eeg.data)


def test_channels_are_ordered_by_name_and_it_is_told(eeg):
    shuffled = eeg.select(channels=np.random.default_rng(1).permutation(64))
    fitted, notes = fit_in(shuffled, Expected.of(eeg))
    np.testing.assert_array_equal(fitted.data, eeg.data)
    assert list(fitted.channels["name"]) == list(eeg.channels["name"])
    assert notes == ("The channels were brought into the decoder's order, by name.",)


def test_names_of_other_conventions_are_the_same_channel(eeg):
    old = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
    other = renamed(eeg, lambda name: f"EEG {old.get(name, name).upper()}-Ref")
    fitted, notes = fit_in(other, Expected.of(eeg))
    np.testing.assert_array_equal(fitted.data, eeg.data)
    assert "EEG FP1-Ref is Fp1" in notes[0]


def test_unknown_channels_are_left_out_and_named(eeg):
    known = without(eeg, "Cz")
    fitted, notes = fit_in(eeg, Expected.of(known))
    np.testing.assert_array_equal(fitted.data, known.data)
    assert notes == ("1 channel(s) that the decoder does not know were left out: Cz.",)


def test_missing_sensors_are_interpolated_better_than_by_the_mean(eeg):
    gone = ["Cz", "PO7", "F3"]
    fitted, notes = fit_in(without(eeg, *gone), Expected.of(eeg))
    rows = [list(eeg.channels["name"]).index(name) for name in gone]
    truth = eeg.data[:, rows]
    error = np.abs(fitted.data[:, rows] - truth).mean()
    of_mean = np.abs(eeg.data.mean(1, keepdims=True) - truth).mean()
    assert error < 0.2 * of_mean
    kept = [i for i in range(64) if i not in rows]
    np.testing.assert_allclose(fitted.data[:, kept], eeg.data[:, kept], rtol=1e-6)
    assert "3 missing channel(s) were interpolated from the others: F3, PO7, Cz" in notes[-1]


def test_longer_trials_are_cut_and_it_is_told(eeg):
    times = np.arange(30) / 100 - 0.1
    rng = np.random.default_rng(2)
    data = 1e-5 * rng.standard_normal((30, 64, 30)).astype(np.float32)
    longer = replace(eeg, data=data, times_s=times)
    fitted, notes = fit_in(longer, Expected.of(eeg))
    np.testing.assert_array_equal(fitted.data, data[:, :, 5:25])
    np.testing.assert_array_equal(fitted.times_s, TIMES)
    assert notes == ("Trials were cut to -0.05 to 0.14 s.",)


def test_expectations_survive_the_disk(eeg, tmp_path):
    Expected.of(eeg).save(tmp_path)
    loaded = Expected.load(tmp_path)
    fitted, _ = fit_in(without(eeg, "Cz"), loaded)
    again, _ = fit_in(without(eeg, "Cz"), Expected.of(eeg))
    np.testing.assert_allclose(fitted.data, again.data, rtol=1e-5)
    (tmp_path / "expected.json").write_text('{"channels": 3')
    with pytest.raises(InputError, match="is damaged"):
        Expected.load(tmp_path)
    with pytest.raises(MissingDataError, match=r"no expected\.json"):
        Expected.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: replace(r, modality="meg"), "the recording is meg, and the decoder was fitted on eeg"),
        (lambda r: renamed(r, lambda name: f"X{name}"), "none of the recording's 64 channels .* montage"),
        (lambda r: r.select(channels=range(40)), "24 of the 64 channels .* are missing"),
        (lambda r: replace(r, times_s=TIMES * 2), "sampling rate of 50 Hz, and the decoder .* at 100 Hz"),
        (lambda r: replace(r, times_s=TIMES + 0.1), "trials go from 0.05 to 0.24 s, and .* needs -0.05"),
        (lambda r: r.average_window(-0.05, 0.1), "has no times, and the decoder .* with times"),
        (lambda r: replace(r, unit="uV"), "is in 'uV', and the decoder was fitted on data in 'V'"),
        (lambda r: replace(r, data=r.data * 1e6), "spread 1e[+]06 times as much .* another unit"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_reason(eeg, change, message):
    with pytest.raises(InputError, match=message):
        fit_in(change(eeg), Expected.of(eeg))


def test_missing_channels_without_places_are_named(eeg):
    expected = replace(Expected.of(eeg), geometry=None)
    with pytest.raises(InputError, match="are missing .Cz., and only sensors with known places"):
        fit_in(without(eeg, "Cz"), expected)
    info = eeg.geometry.info.copy()
    info["chs"][list(eeg.channels["name"]).index("Cz")]["loc"][:3] = np.nan
    with pytest.raises(InputError, match="cannot be interpolated: the place of Cz is not known"):
        fit_in(without(eeg, "Cz"), replace(expected, geometry=SensorGeometry(info)))


def test_spikes_need_every_unit():
    rng = np.random.default_rng(0)
    spikes = Recording.from_arrays(rng.poisson(2.0, (20, 8)), [str(i) for i in range(20)], modality="spikes")
    fitted, _ = fit_in(spikes.select(channels=[3, 1, 0, 2, 7, 6, 5, 4]), Expected.of(spikes))
    np.testing.assert_array_equal(fitted.data, spikes.data)
    with pytest.raises(InputError, match="only sensors with known places"):
        fit_in(spikes.select(channels=range(7)), Expected.of(spikes))


def spikes(*names: str) -> Recording:
    rng = np.random.default_rng(0)
    return Recording.from_arrays(rng.poisson(2.0, (20, len(names))), [str(i) for i in range(20)],
                                 channel_names=names, modality="spikes")  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (("T3", "T7", "a", "b", "c"), ("t7", "a", "b", "c")),
        (("FP1", "Fp1", "a", "b", "c"), ("fp1", "a", "b", "c")),
        (("EEG 001", "MEG001", "a", "b", "c", "d", "e", "f"), ("MEG 001", "a", "b", "c", "d", "e", "f")),
        (("E12", "a", "b", "c"), ("E1-2", "a", "b", "c")),
        (("EEG 10", "a", "b", "c"), ("EEG 1-0", "a", "b", "c")),
    ],
)
def test_a_name_that_could_be_two_channels_is_neither(wanted, there):
    with pytest.raises(InputError, match="missing"):
        fit_in(spikes(*there), Expected.of(spikes(*wanted)))


def test_numbers_keep_what_parts_them_and_words_do_not():
    fitted, notes = fit_in(spikes("eeg-001", "E_7", "MLT1-2"), Expected.of(spikes("EEG 001", "e7", "MLT1-2")))
    assert list(fitted.channels["name"]) == ["EEG 001", "e7", "MLT1-2"]
    assert "eeg-001 is EEG 001" in notes[0]


def test_electrodes_without_digitised_points_are_interpolated_about_the_usual_centre(eeg):
    info = eeg.geometry.info.copy()
    with info._unlock():
        info["dig"] = None
    expected = replace(Expected.of(eeg), geometry=SensorGeometry(info))
    fitted, _ = fit_in(without(eeg, "Cz"), expected)
    row = list(eeg.channels["name"]).index("Cz")
    assert np.abs(fitted.data[:, row] - eeg.data[:, row]).mean() < 0.3 * np.abs(eeg.data[:, row]).mean()
