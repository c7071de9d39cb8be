from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.preprocessing.meeg.sensors import (
    channel_table,
    modality_of,
    picked_channels,
    place_sensors,
    require_positions,
    shared_unit,
    units_of,
)

mne = pytest.importorskip("mne")


def test_every_kind_has_its_unit_and_modality():
    kinds = ["eeg", "mag", "grad", "seeg", "hbo", "csd", "misc"]
    info = mne.create_info(len(kinds), 100.0, kinds)
    assert units_of(info) == ["V", "T", "T/m", "V", "M", "V/m^2", "arbitrary"]
    assert channel_table(info)["kind"].to_list() == kinds
    assert modality_of(info) == "meg+eeg+ieeg+fnirs"
    assert shared_unit(["V", "V"]) == "V"
    assert shared_unit(["V", "T"]) == "mixed"


def test_a_montage_by_name_or_file_places_sensors(make_raw, tmp_path):
    raw = make_raw(positions=False)
    assert channel_table(raw.info)["x_mm"].isna().all()
    place_sensors(raw, "biosemi64")
    require_positions(raw.info)
    file = tmp_path / "sensors.sfp"
    file.write_text("".join(f"{name} {0.01 * i} 0.05 0.08\n" for i, name in enumerate(raw.ch_names)))
    other = make_raw(positions=False)
    place_sensors(other, str(file))
    steps = np.diff(channel_table(other.info)["x_mm"])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-4)
    assert steps[0] > 0


def test_template_montages_go_by_their_old_and_new_names(make_raw):
    placed = []
    for name in ("standard_1020", "colin27_1020"):
        raw = make_raw(positions=False)
        place_sensors(raw, name)
        placed.append(channel_table(raw.info))
    assert placed[0].equals(placed[1])


def test_a_montage_without_positions_is_refused(make_raw, tmp_path):
    file = tmp_path / "sensors.sfp"
    file.write_text("Fz nan nan nan\nCz nan nan nan\n")
    with pytest.raises(InputError, match=r"sensors\.sfp (holds no position|cannot be read as a montage)"):
        place_sensors(make_raw(), str(file))


def test_a_montage_that_is_unknown_absent_damaged_or_of_other_names_is_refused(make_raw, tmp_path):
    raw = make_raw()
    with pytest.raises(InputError, match="`montage` is 'biosemi61', did you mean"):
        place_sensors(raw, "biosemi61")
    with pytest.raises(MissingDataError, match=r"the montage file .*no\.elc does not exist"):
        place_sensors(raw, str(tmp_path / "no.elc"))
    (tmp_path / "bad.elc").write_text("nothing")
    with pytest.raises(InputError, match=r"bad\.elc cannot be read as a montage"):
        place_sensors(raw, str(tmp_path / "bad.elc"))
    raw.rename_channels({name: f"E{i}" for i, name in enumerate(raw.ch_names)})
    with pytest.raises(InputError, match="no channel of s1 has a name of the montage 'biosemi64'.*E0, E1"):
        place_sensors(raw, "biosemi64", where="s1")


def test_sensors_without_positions_are_counted_and_named(make_raw):
    raw = make_raw()
    raw.info["chs"][2]["loc"][:3] = np.nan
    with pytest.raises(InputError, match=r"1 of 8 sensors of s1 have no position \(Pz\)"):
        require_positions(raw.info, where="s1")


def test_picks_leave_bad_channels_out_unless_they_are_named(make_raw):
    raw = make_raw()
    raw.info["bads"] = ["Cz"]
    assert 1 not in picked_channels(raw.info, "data")
    np.testing.assert_array_equal(picked_channels(raw.info, ["Cz", "Fz"]), [1, 0])
    with pytest.raises(
        InputError, match="`picks` 'mag' leaves no channel of s1; it has channels of type eeg"
    ):
        picked_channels(raw.info, "mag", where="s1")
    with pytest.raises(InputError, match="`picks` names 'C5' of s1, did you mean 'Cz'.* Known: C3"):
        picked_channels(raw.info, ["Fz", "C5"], where="s1")
