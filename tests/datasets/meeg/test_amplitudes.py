from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.meeg.continuous import read_meeg
from alignkit.datasets.meeg.epochs import recording_of_epochs, recording_of_evokeds, recording_of_raw
from alignkit.datasets.meeg.evoked import read_evoked
from alignkit.datasets.meeg.fif import read_fif

mne = pytest.importorskip("mne")
pytestmark = [
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Encountered small dimension"),
]


def epochs_of(kind, scale, *, offset=0.0, n_channels=4):
    rng = np.random.default_rng(0)
    data = scale * rng.standard_normal((5, n_channels, 30)) + offset
    info = mne.create_info(n_channels, 100.0, kind)
    return mne.EpochsArray(data, info, verbose="error")


@pytest.mark.parametrize(
    ("kind", "limit", "unit", "scale"),
    [
        ("eeg", 5e-3, "V", "1e-06"),
        ("eog", 5e-3, "V", "1e-06"),
        ("seeg", 5e-2, "V", "1e-06"),
        ("mag", 1e-9, "T", "1e-15"),
        ("grad", 1e-7, "T/m", "1e-13"),
    ],
)
def test_values_above_the_band_of_their_kind_are_refused_and_those_below_pass(kind, limit, unit, scale):
    options = {"subject": "s1", "montage": "none", "picks": kind}
    high, low = epochs_of(kind, 1.5 * limit), epochs_of(kind, 0.7 * limit)
    message = f"the {kind} channels of .* {unit}, more than the {limit:g} {unit}"
    for make in (
        lambda epochs: recording_of_epochs(epochs, **options),
        lambda epochs: recording_of_evokeds([mne.EvokedArray(epochs.get_data()[0], epochs.info)], **options),
        lambda epochs: recording_of_raw(
            mne.io.RawArray(np.hstack(epochs.get_data()), epochs.info, verbose="error"), **options
        ),
    ):
        assert make(low).notes == ()
        with pytest.raises(InputError, match=message) as caught:
            make(high)
        assert f"Scale the data by {float(scale):g}" in str(caught.value).replace("1e-6,", "1e-06,")


def test_microvolts_stored_as_volts_are_refused_in_files(make_raw, save_raw, tmp_path):
    raw = make_raw()
    raw.apply_function(lambda values: values * 1e6)
    epochs = mne.Epochs(raw, tmin=0, tmax=0.4, baseline=None, preload=True, verbose="error")
    epochs.save(tmp_path / "a-epo.fif", verbose="error")
    epochs.average().save(tmp_path / "a-ave.fif", verbose="error")
    wanted = "values like microvolts stored as V"
    with pytest.raises(InputError, match=rf"a-epo\.fif have a median .*{wanted}"):
        read_fif(tmp_path / "a-epo.fif", subject="s1")
    with pytest.raises(InputError, match=rf"a-ave\.fif have a median .*{wanted}"):
        read_evoked(tmp_path / "a-ave.fif", subject="s1")
    for whole in (True, False):
        with pytest.raises(InputError, match=wanted):
            read_meeg(save_raw(raw, ".fif", stem=f"a{whole}"), subject="s1", epochs=whole)


def test_swapped_bytes_are_refused():
    epochs = epochs_of("eeg", 1e-5)
    with np.errstate(invalid="ignore"):
        epochs._data = epochs._data.astype(np.float32).byteswap().astype(np.float64)
    epochs._data[~np.isfinite(epochs._data)] = 0
    with pytest.raises(InputError, match=r"microvolts stored as V|values beyond 1 V"):
        recording_of_epochs(epochs, subject="s1", montage="none")


def test_one_channel_beyond_a_volt_is_named_and_an_offset_below_it_passes():
    epochs = epochs_of("eeg", 1e-5)
    epochs._data[2, 3, 7] = -7e8
    with pytest.raises(InputError, match=r"1 eeg channels of .* beyond 1 V, up to 7e\+08 V in 3; .*damaged"):
        recording_of_epochs(epochs, subject="s1", montage="none")
    assert recording_of_epochs(epochs_of("eeg", 1e-5, offset=0.3), subject="s1", montage="none").notes == ()


def test_eeg_that_hardly_varies_is_noted():
    notes = recording_of_epochs(epochs_of("eeg", 1e-11), subject="s1", montage="none").notes
    assert len(notes) == 1
    assert notes[0].startswith("s1: the EEG channels have a median standard deviation of 1e-11 V") or (
        "e-12 V" in notes[0]
    )


@pytest.mark.parametrize("modality", ["eeg", "meg"])
def test_simulated_noise_lies_within_the_band(modality):
    from alignkit.simulation.meeg import MeegProtocol, sensor_info, sensor_noise

    protocol = MeegProtocol()
    info = sensor_info(modality, protocol.sfreq_hz)
    noise = sensor_noise(info, 4, protocol, np.random.default_rng(0))
    noise *= protocol.noise_v if modality == "eeg" else protocol.noise_t
    epochs = mne.EpochsArray(noise, info, verbose="error")
    notes = recording_of_epochs(epochs, subject="s1").notes
    assert not any("standard deviation" in note for note in notes)


def test_amplitudes_of_real_recordings_pass(real_data):
    folder = real_data("meeg_formats")
    for name in ("test.edf", "test.bdf", "test.vhdr", "test_ctf_comp_raw.fif"):
        recording = read_meeg(folder / name, subject="s1", epochs=False, montage="none")
        assert not any("standard deviation" in note for note in recording.notes)
    evoked = read_evoked(folder / "test-ave.fif.gz", subject="s1", montage="none")
    assert {"mag", "grad", "eeg"} <= set(evoked.channels["kind"])
    assert not any("standard deviation" in note for note in evoked.notes)
