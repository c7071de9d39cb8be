from __future__ import annotations

import shutil

import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.meeg._file_checks import stays_inside
from alignkit.datasets.meeg.raw import open_raw

pytest.importorskip("mne")


def set_file(real_data, folder, data_name):
    """Write the oddball recording's header with another name of its data file."""
    import scipy.io

    source = real_data("eeg_oddball_eeglab")
    folder.mkdir(parents=True)
    loaded = scipy.io.loadmat(source / "eeglab_data.set", struct_as_record=False, squeeze_me=True)
    eeg = loaded["EEG"]
    fields = {name: getattr(eeg, name) for name in eeg._fieldnames}
    fields.update(data=data_name, datfile=data_name)
    scipy.io.savemat(folder / "a.set", {"EEG": fields}, appendmat=False)
    return folder / "a.set", source / "eeglab_data.fdt"


@pytest.mark.parametrize("way", ["above", "absolute", "link"])
def test_an_eeglab_data_file_outside_of_the_folder_is_refused(real_data, tmp_path, way):
    secret = tmp_path / "secret.fdt"
    name = {"above": "../../secret.fdt", "absolute": str(secret), "link": "a.fdt"}[way]
    path, data = set_file(real_data, tmp_path / "deep" / "folder", name)
    shutil.copy(data, secret)
    if way == "link":
        path.with_suffix(".fdt").symlink_to(secret)
    with pytest.raises(InputError, match=r"as its EEG\.data, which lies outside its folder"):
        open_raw(path)


def test_an_eeglab_data_file_beside_its_header_is_read(real_data, tmp_path):
    path, data = set_file(real_data, tmp_path / "folder", "a.fdt")
    shutil.copy(data, path.with_suffix(".fdt"))
    assert open_raw(path).n_times == 30504


def test_links_into_the_annex_of_the_same_tree_stay_inside_and_others_do_not(tmp_path):
    kept = tmp_path / "tree" / ".git" / "annex" / "objects" / "x" / "key"
    kept.parent.mkdir(parents=True)
    kept.touch()
    for name in ("tree", "other"):
        (tmp_path / name / "sub-01").mkdir(parents=True)
        (tmp_path / name / "sub-01" / "a.fif").symlink_to(kept)
    assert stays_inside(tmp_path / "tree" / "sub-01" / "a.fif", tmp_path / "tree" / "sub-01")
    assert not stays_inside(tmp_path / "other" / "sub-01" / "a.fif", tmp_path / "other")
