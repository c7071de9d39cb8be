from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.meeg.continuous import read_meeg
from alignkit.datasets.meeg.raw import open_raw, open_raw_with_notes

pytest.importorskip("mne")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Encountered small dimension"),
]


def set_dimension(path, signal, unit, *, label=None):
    content = bytearray(path.read_bytes())
    n_signals = int(content[252:256])
    start = 256 + 96 * n_signals + 8 * signal
    content[start : start + 8] = unit.encode("latin-1").ljust(8)
    if label is not None:
        content[256 + 16 * signal : 272 + 16 * signal] = label.encode().ljust(16)
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
@pytest.mark.parametrize("unit", ["", "furlong", "nV", "UV"])
def test_dimensions_that_would_be_read_as_volts_are_refused(make_raw, save_raw, suffix, unit):
    path = save_raw(make_raw(), suffix)
    set_dimension(path, 1, unit)
    with pytest.raises(InputError, match=rf"1 signals of .*\(Cz '{unit}'\), and would be read as volts"):
        open_raw(path)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1.0), ("\u00b5V", 1.0), ("mV", 1e3), ("V", 1e6)])
def test_dimensions_that_are_voltages_are_scaled(make_raw, save_raw, unit, factor):
    path = save_raw(make_raw(), ".edf")
    before = open_raw(path).get_data()
    set_dimension(path, 1, unit)
    after = open_raw(path).get_data()
    np.testing.assert_allclose(after[1], factor * before[1], rtol=1e-6)
    np.testing.assert_array_equal(after[[0, 2, 3]], before[[0, 2, 3]])


def test_signals_that_are_no_electrodes_are_left_out_of_the_eeg(make_raw, save_raw):
    path = save_raw(make_raw(), ".edf")
    set_dimension(path, 3, "DegC", label="Temp rectal")
    raw, notes = open_raw_with_notes(path)
    assert raw.get_channel_types() == ["eeg"] * 3 + ["misc"]
    assert notes == ("a.edf: Temp rectal is in 'DegC', no voltage; it is no part of the EEG.",)
    recording = read_meeg(path, subject="s1", epochs=False, montage="biosemi64")
    assert recording.channels["name"].to_list() == ["Fz", "Cz", "Pz"]
