from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.preprocessing.meeg.cleaning import Cleaning, clean_raw

mne = pytest.importorskip("mne")


def test_the_chain_is_mnes_in_the_stated_order(make_raw):
    raw = make_raw(sfreq=200.0)
    raw.info["bads"] = ["Pz"]
    ours, _ = clean_raw(
        raw,
        Cleaning(
            high_pass_hz=1.0, low_pass_hz=40.0, notch_hz=(50.0,), reference="average", resample_hz=100.0
        ),
    )
    theirs = raw.copy().load_data(verbose="error")
    every = list(range(8))
    theirs.notch_filter([50.0], picks=every, verbose="error").filter(1.0, 40.0, picks=every, verbose="error")
    theirs.set_eeg_reference("average", projection=False, verbose="error").resample(100.0, verbose="error")
    np.testing.assert_array_equal(ours.get_data(), theirs.get_data())
    assert ours.info["bads"] == ["Pz"]


@pytest.mark.parametrize("method", ["fir", "iir"])
def test_filters_take_out_what_lies_outside_and_keep_what_lies_inside(make_raw, method):
    time = np.arange(4000) / 200
    slow, alpha, mains = (np.sin(2 * np.pi * hertz * time) for hertz in (0.05, 10.0, 50.0))
    raw = make_raw(1e-5 * np.tile(slow + alpha + mains, (4, 1)), sfreq=200.0)
    cleaned, _ = clean_raw(
        raw, Cleaning(high_pass_hz=1.0, low_pass_hz=30.0, notch_hz=[50.0], filter_method=method)
    )
    middle = slice(800, 3200)
    np.testing.assert_allclose(cleaned.get_data()[0, middle], 1e-5 * alpha[middle], atol=0.3e-6)


def test_the_average_reference_leaves_bad_channels_out_of_the_mean(make_raw):
    data = 1e-5 * np.random.default_rng(0).standard_normal((8, 500))
    data[3] += 1.0
    raw = make_raw(data)
    raw.info["bads"] = ["Oz"]
    cleaned, _ = clean_raw(raw, Cleaning(reference="average"))
    good = np.delete(np.arange(8), 3)
    assert np.abs(cleaned.get_data()[good].mean(axis=0)).max() < 1e-18
    assert np.abs(cleaned.get_data()[good]).max() < 1e-3
    named, _ = clean_raw(raw, Cleaning(reference=["Fz", "Cz"]))
    np.testing.assert_allclose(named.get_data()[2], data[2] - data[:2].mean(axis=0), atol=1e-18)


def test_bad_channels_are_marked_by_name_or_found_and_told(make_raw):
    data = 1e-5 * np.random.default_rng(0).standard_normal((8, 2000))
    data[5] *= 40
    raw = make_raw(data)
    raw.info["bads"] = ["Fz"]
    assert clean_raw(raw, Cleaning())[0].info["bads"] == ["Fz"]
    assert clean_raw(raw, Cleaning(bad_channels=["Pz"]))[0].info["bads"] == ["Fz", "Pz"]
    found, notes = clean_raw(raw, Cleaning(bad_channels="find"), where="s1")
    assert found.info["bads"] == ["Fz", "C4"]
    assert notes == ("s1: 1 bad channels were found: C4 (noisy, 40 x the median spread).",)
    with pytest.raises(InputError, match="`bad_channels` names 'Px', .*Known"):
        clean_raw(raw, Cleaning(bad_channels=["Px"]))


def test_an_interpolated_channel_is_near_what_it_was(make_raw):
    montage = mne.channels.make_standard_montage("biosemi32")
    places = np.array(list(montage.get_positions()["ch_pos"].values()))
    rng = np.random.default_rng(0)
    topography = places @ rng.standard_normal((3, 500))
    info = mne.create_info(montage.ch_names, 100.0, "eeg")
    raw = mne.io.RawArray(1e-4 * topography, info, verbose="error").set_montage(montage)
    truth = raw.get_data()[12].copy()
    raw._data[12] = 1.0
    raw.info["bads"] = [raw.ch_names[12]]
    cleaned, notes = clean_raw(raw, Cleaning(interpolate=True), where="s1")
    assert np.corrcoef(cleaned.get_data()[12], truth)[0, 1] > 0.99
    assert cleaned.info["bads"] == []
    assert notes == (f"s1: 1 bad channels were interpolated: {raw.ch_names[12]}.",)


def test_channels_that_cannot_be_interpolated_stay_bad_and_places_are_needed(make_raw):
    raw = make_raw(kinds=["eeg"] * 7 + ["dbs"])
    raw.info["bads"] = ["Fz", "P4"]
    cleaned, notes = clean_raw(raw, Cleaning(interpolate=True))
    assert cleaned.info["bads"] == ["P4"]
    assert "Fz; P4 cannot be and stay bad." in notes[0]
    placeless = make_raw(positions=False)
    placeless.info["bads"] = ["Fz"]
    with pytest.raises(
        InputError, match="cannot be interpolated: 8 sensors have no position .*Set `montage`"
    ):
        clean_raw(placeless, Cleaning(interpolate=True))


def test_resampling_keeps_a_slow_wave_and_events_in_seconds(make_raw):
    time = np.arange(4000) / 200
    raw = make_raw(1e-5 * np.sin(2 * np.pi * 3.0 * time)[None], sfreq=200.0)
    raw.set_annotations(mne.Annotations([4.0], [0.0], ["cat"]))
    cleaned, _ = clean_raw(raw, Cleaning(resample_hz=50.0))
    expected = 1e-5 * np.sin(2 * np.pi * 3.0 * np.arange(1000) / 50)
    np.testing.assert_allclose(cleaned.get_data()[0, 100:900], expected[100:900], atol=1e-7)
    assert cleaned.annotations.onset.tolist() == [4.0]


def test_clamping_bounds_jumps_and_changes_nothing_else(make_raw):
    data = 1e-5 * np.random.default_rng(0).standard_normal((20, 2000))
    data[18, 700] = 1.0
    raw = make_raw(data, positions=False)
    cleaned, notes = clean_raw(raw, Cleaning(clamp=20.0), where="s1")
    assert cleaned.get_data()[18, 700] == pytest.approx(20e-5, rel=0.05)
    changed = cleaned.get_data() != data
    assert changed.sum() == 1
    assert notes == ("s1: 1 values (0.0025 %) were clamped at 20 robust standard deviations.",)


def test_units_of_meg_stay(make_raw):
    raw = make_raw(1e-13 * np.random.default_rng(0).standard_normal((4, 2000)), kinds="mag", positions=False)
    cleaned, _ = clean_raw(raw, Cleaning(low_pass_hz=30.0))
    assert 1e-14 < cleaned.get_data().std() < 1e-13


def test_the_recording_given_stays_as_it_was(make_raw):
    raw = make_raw()
    before = raw.get_data().copy()
    clean_raw(raw, Cleaning(low_pass_hz=20.0, reference="average", clamp=2.0, bad_channels=["Fz"]))
    np.testing.assert_array_equal(raw.get_data(), before)
    assert raw.info["bads"] == []


def test_mnes_warnings_become_notes(make_raw):
    _, notes = clean_raw(make_raw(seconds=3), Cleaning(high_pass_hz=0.1), where="s1")
    assert any(note.startswith("s1: filter_length (3301) is longer than the signal (300)") for note in notes)


def test_nan_is_refused_with_its_channel_and_time(make_raw):
    data = np.zeros((8, 2000))
    data[2, 500:700] = np.nan
    with pytest.raises(
        InputError, match="channel 'Pz' of s1 holds 200 NaN or infinite values, from 5 to 6.99 s"
    ):
        clean_raw(make_raw(data), Cleaning(), where="s1")


def test_frequencies_beyond_half_the_rate_are_refused(make_raw):
    raw = make_raw()
    with pytest.raises(
        InputError, match="`low_pass_hz` is 60 Hz, but s1 has 100 samples .* between 0 and 50"
    ):
        clean_raw(raw, Cleaning(low_pass_hz=60.0), where="s1")
    with pytest.raises(InputError, match="`notch_hz` is 50 Hz, but"):
        clean_raw(raw, Cleaning(notch_hz=[50.0]))
    with pytest.raises(InputError, match="`resample_hz` is 200, above the 100 Hz of s1"):
        clean_raw(raw, Cleaning(resample_hz=200.0), where="s1")


def test_references_that_are_not_there_or_bad_are_refused(make_raw):
    raw = make_raw()
    raw.info["bads"] = ["Cz"]
    with pytest.raises(InputError, match="`reference` names 'M1'"):
        clean_raw(raw, Cleaning(reference=["M1"]))
    with pytest.raises(InputError, match="`reference` names 'Cz', which is a bad channel of s1"):
        clean_raw(raw, Cleaning(reference=["Cz"]), where="s1")
    with pytest.raises(InputError, match="`reference` is for EEG and intracranial channels; s1 has mag"):
        clean_raw(make_raw(kinds="mag", positions=False), Cleaning(reference="average"), where="s1")


def test_options_are_checked_when_they_are_written():
    with pytest.raises(UnknownNameError, match="`reference` is 'avrage', did you mean 'average'"):
        Cleaning(reference="avrage")
    with pytest.raises(UnknownNameError, match="`bad_channels` is 'Fz', "):
        Cleaning(bad_channels="Fz")
    with pytest.raises(UnknownNameError, match="`filter_method` is 'fft'"):
        Cleaning(filter_method="fft")
    with pytest.raises(InputError, match="`clamp` must be above 0, got 0"):
        Cleaning(clamp=0.0)
    with pytest.raises(InputError, match=r"`high_pass_hz` \(40\) must be below `low_pass_hz` \(1\)"):
        Cleaning(high_pass_hz=40.0, low_pass_hz=1.0)
