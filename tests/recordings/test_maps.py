from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings import SensorGeometry, VolumeGeometry
from alignkit.recordings import maps as module
from alignkit.recordings.maps import write_maps
from alignkit.recordings.surface_geometry import SurfaceGeometry

# An oblique, flipped affine, and voxels in no order.
AFFINE = np.array([[-2.0, 0.3, 0, 10], [0.1, 3, 0, -5], [0, 0.2, 4, 1], [0, 0, 0, 1]])
VOXELS = np.array([[2, 1, 1], [0, 3, 0], [1, 2, 4], [0, 0, 0]])
VOLUME = VolumeGeometry(AFFINE, (3, 4, 5), VOXELS, "MNI152NLin2009cAsym")
SURFACE = SurfaceGeometry(np.array([4, 0, 2, 6]), np.array(["right", "left", "left", "right"]), (3, 7), "toy")
VALUES = np.array([[0.1, -0.2, 0.3, np.nan], [1.0, 2.0, 3.0, 4.0]])


def sensors(names=("Fz", "MEG1", "Pz", "Cz")):
    mne = pytest.importorskip("mne")
    info = mne.create_info(list(names), 250.0, ["mag" if "MEG" in name else "eeg" for name in names])
    places = {name: [0.02 * n, 0.01 * n, 0.1] for n, name in enumerate(names) if "MEG" not in name}
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    return SensorGeometry(info)


def test_a_volume_holds_every_map_at_its_voxels(tmp_path):
    (file,) = write_maps(tmp_path / "new" / "scores", VOLUME, VALUES, names=["V1", "größer"], unit="r")
    assert file == tmp_path / "new" / "scores.nii.gz"
    image = nib.load(file)
    volume = image.get_fdata()
    assert volume.shape == (3, 4, 5, 2)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(volume[tuple(VOXELS.T)], VALUES.T, rtol=1e-6)
    assert np.isfinite(volume).sum() == 7
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert int(image.header["sform_code"]) == 4  # MNI 152
    facts = json.loads(image.header.extensions[0].get_content())
    assert facts == {"maps": ["V1", "größer"], "unit": "r", "space": "MNI152NLin2009cAsym"}


def test_one_map_has_three_dimensions_and_the_wanted_fill(tmp_path):
    for number, values in enumerate((VALUES[1], VALUES[1:])):
        (file,) = write_maps(tmp_path / f"one{number}.nii", VOLUME, values, fill=0.0)
        volume = nib.load(file).get_fdata()
        assert volume.shape == (3, 4, 5)
        assert volume.sum() == 10.0


def test_selected_channels_go_back_to_their_own_places(tmp_path):
    (file,) = write_maps(tmp_path / "part", VOLUME.select(np.array([2, 0])), [7.0, 8.0])
    volume = nib.load(file).get_fdata()
    assert (volume[1, 2, 4], volume[2, 1, 1], np.isfinite(volume).sum()) == (7.0, 8.0, 2)


def test_surfaces_have_a_file_per_hemisphere(tmp_path):
    files = write_maps(tmp_path / "layer4.2", SURFACE, VALUES, names=["a", "b"], unit="r2")
    assert [file.name for file in files] == ["layer4.2_hemi-L.func.gii", "layer4.2_hemi-R.func.gii"]
    left, right = (nib.load(file) for file in files)
    np.testing.assert_allclose(left.darrays[0].data, [-0.2, np.nan, 0.3], rtol=1e-6)
    np.testing.assert_allclose(right.darrays[1].data, [np.nan] * 4 + [1.0, np.nan, 4.0])
    assert right.darrays[0].data.dtype == np.float32
    assert [array.meta["Name"] for array in right.darrays] == ["a", "b"]
    assert left.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    assert right.meta["Unit"] == "r2"
    only = write_maps(tmp_path / "one.func.gii", SURFACE.select(np.array([1, 2])), [1.0, 2.0])
    assert [file.name for file in only] == ["one_hemi-L.func.gii"]


def test_nilearn_reads_the_surface_maps(tmp_path):
    surface = pytest.importorskip("nilearn.surface")
    _, right = write_maps(tmp_path / "x", SURFACE, VALUES)
    expected = np.full((7, 2), np.nan)
    expected[[4, 6]] = VALUES[:, [0, 3]].T
    np.testing.assert_allclose(surface.load_surf_data(right), expected, rtol=1e-6)


def test_sensor_maps_come_back_by_name(tmp_path):
    mne = pytest.importorskip("mne")
    geometry = sensors().select(np.array([3, 1, 0, 2]))
    (file,) = write_maps(tmp_path / "scores", geometry, VALUES, names=["early", "late"], unit="r")
    assert file.name == "scores-ave.fif"
    early, late = mne.read_evokeds(file, verbose="error")
    assert (early.comment, late.comment) == ("early", "late")
    assert early.ch_names == ["Cz", "MEG1", "Fz", "Pz"]
    np.testing.assert_allclose(early.data[:, 0], VALUES[0], rtol=1e-6)
    np.testing.assert_allclose(late.copy().pick(["Fz"]).data, [[3.0]])
    assert early.info["description"] == "values per sensor, unit r"
    place = {channel["ch_name"]: channel["loc"][:3] for channel in early.info["chs"]}
    np.testing.assert_allclose(place["Pz"], [0.04, 0.02, 0.1], atol=1e-6)


def test_projectors_of_the_recording_do_not_touch_the_maps(tmp_path):
    mne = pytest.importorskip("mne")
    raw = mne.io.RawArray(np.zeros((4, 10)), sensors(("Fz", "Oz", "Pz", "Cz")).info, verbose="error")
    raw.set_eeg_reference(projection=True, verbose="error")
    assert raw.info["projs"]
    (file,) = write_maps(tmp_path / "scores", SensorGeometry(raw.info), VALUES[1])
    (evoked,) = mne.read_evokeds(file, verbose="error")
    np.testing.assert_allclose(evoked.data[:, 0], VALUES[1], rtol=1e-6)
    assert raw.info["projs"]


def test_time_resolved_maps_keep_their_times(tmp_path):
    mne = pytest.importorskip("mne")
    values = np.random.default_rng(0).random((2, 4, 6))
    (file,) = write_maps(tmp_path / "r_-ave.fif", sensors(), values, times_s=np.arange(6) * 0.05 - 0.1)
    first, second = mne.read_evokeds(file, verbose="error")
    np.testing.assert_allclose(second.data, values[1], rtol=1e-5)
    np.testing.assert_allclose(first.times, np.arange(6) * 0.05 - 0.1, atol=1e-6)


def test_weights_of_an_encoder_are_maps_like_scores(tmp_path):
    ridge = pytest.importorskip("sklearn.linear_model").Ridge
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 3))
    coef = ridge(alpha=1.0).fit(X, X @ rng.standard_normal((3, 4))).coef_.T  # (n_units, n_channels)
    (file,) = write_maps(tmp_path / "weights", VOLUME, coef, names=["unit 0", "unit 1", "unit 2"])
    np.testing.assert_allclose(nib.load(file).get_fdata()[tuple(VOXELS.T)], coef.T, rtol=1e-6)


def test_files_are_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    files = write_maps(tmp_path / "x", SURFACE, VALUES[0])
    before = [file.read_bytes() for file in files]
    real = SurfaceGeometry.to_gifti

    def fails_on_the_right(self, values, *, hemisphere, **options):
        if hemisphere == "right":
            raise OSError("gone")
        return real(self, values, hemisphere=hemisphere, **options)

    monkeypatch.setattr(module.SurfaceGeometry, "to_gifti", fails_on_the_right)
    with pytest.raises(OSError, match="gone"):
        write_maps(tmp_path / "x", SURFACE, VALUES[1])
    assert [file.read_bytes() for file in files] == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [file.name for file in files]
    monkeypatch.undo()
    write_maps(tmp_path / "x", SURFACE, VALUES[1])
    assert [file.read_bytes() for file in files] != before


def test_bad_input_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(
        InputError, match="`geometry` is None: the recording does not know where its channels"
    ):
        write_maps(tmp_path / "x", None, VALUES)
    with pytest.raises(InputError, match="got str. Of a recording, give `recording.geometry`"):
        write_maps(tmp_path / "x", "fsaverage5", VALUES)
    with pytest.raises(InputError, match=r"with n_channels 4, got \(2, 3\)"):
        write_maps(tmp_path / "x", VOLUME, VALUES[:, :3])
    with pytest.raises(InputError, match=r"1 or 2 dimension\(s\), got shape \(1, 2, 4\)"):
        write_maps(tmp_path / "x", SURFACE, VALUES[None])
    with pytest.raises(InputError, match=r"`names` must name the 2 map\(s\), got 1 name"):
        write_maps(tmp_path / "x", VOLUME, VALUES, names=["one"])
    with pytest.raises(InputError, match="`values` must hold real numbers, got dtype complex128"):
        write_maps(tmp_path / "x", VOLUME, VALUES + 1j)
    with pytest.raises(InputError, match="this geometry is a surface. Write a map per time"):
        write_maps(tmp_path / "x", SURFACE, VALUES, times_s=[0.0, 0.1])
    with pytest.raises(InputError, match=r"'x.func.gii', but maps of a volume geometry are NIfTI files"):
        write_maps(tmp_path / "x.func.gii", VOLUME, VALUES)
    with pytest.raises(InputError, match="is the folder .* Add a file name"):
        write_maps(tmp_path, VOLUME, VALUES)
    assert list(tmp_path.iterdir()) == []
