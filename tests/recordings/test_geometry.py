from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings import SensorGeometry, VolumeGeometry
from alignkit.recordings.geometry import load_geometry

AFFINE = np.array([[-2.0, 0, 0, 10], [0, 3, 0, -5], [0, 0, 4, 1], [0, 0, 0, 1]])
VOXELS = np.array([[0, 0, 0], [1, 2, 0], [2, 1, 1]])


def test_coordinates_are_the_affine_of_the_voxel():
    geometry = VolumeGeometry(AFFINE, (3, 3, 2), VOXELS)
    np.testing.assert_array_equal(geometry.coordinates_mm, [[10, -5, 1], [8, 1, 1], [6, -2, 5]])


def test_an_image_has_each_value_at_its_voxel_and_fill_elsewhere():
    image = VolumeGeometry(AFFINE, (3, 3, 2), VOXELS).to_image([1.0, 2.0, 3.0])
    volume = np.asarray(image.dataobj)
    assert [volume[tuple(voxel)] for voxel in VOXELS] == [1, 2, 3]
    assert np.isnan(volume).sum() == 18 - 3
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_selected_voxels_keep_their_place(tmp_path):
    geometry = VolumeGeometry(AFFINE, (3, 3, 2), VOXELS, "MNI152").select(np.array([2, 0]))
    geometry.save(tmp_path)
    loaded = load_geometry(tmp_path, {"kind": "volume", "space": "MNI152"})
    np.testing.assert_array_equal(loaded.voxels, VOXELS[[2, 0]])
    assert loaded.digest == geometry.digest
    assert loaded.digest != VolumeGeometry(AFFINE, (3, 3, 2), VOXELS, "MNI152").digest


def test_voxels_outside_the_volume_are_refused():
    with pytest.raises(InputError, match=r"outside the volume of shape \(2, 2, 2\)"):
        VolumeGeometry(AFFINE, (2, 2, 2), VOXELS)
    with pytest.raises(InputError, match=r"shape \(n_channels, 3\), got \(3, 2\)"):
        VolumeGeometry(AFFINE, (3, 3, 2), VOXELS[:, :2])
    with pytest.raises(InputError, match=r"`values` must have shape \(3,\), got \(2,\)"):
        VolumeGeometry(AFFINE, (3, 3, 2), VOXELS).to_image([1.0, 2.0])


def test_sensors_keep_their_names_places_and_order(tmp_path):
    mne = pytest.importorskip("mne")
    info = mne.create_info(["Fz", "Cz", "Pz"], 100.0, "eeg")
    places = {name: [0.01 * number, 0.0, 0.1] for number, name in enumerate(info["ch_names"])}
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    geometry = SensorGeometry(info).select(np.array([2, 0]))
    geometry.save(tmp_path)
    loaded = load_geometry(tmp_path, {"kind": "sensors", "space": "head"})
    assert loaded.info["ch_names"] == ["Pz", "Fz"]
    np.testing.assert_allclose(
        [channel["loc"][:3] for channel in loaded.info["chs"]], [places["Pz"], places["Fz"]], atol=1e-6
    )
    assert geometry.digest != SensorGeometry(info).digest


def test_no_facts_are_no_geometry(tmp_path):
    assert load_geometry(tmp_path, None) is None
