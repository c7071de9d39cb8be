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


def test_several_maps_make_an_image_of_four_dimensions():
    values = np.arange(6.0).reshape(2, 3)
    image = VolumeGeometry(AFFINE, (3, 3, 2), VOXELS).to_image(values, fill=-1.0)
    volume = np.asarray(image.dataobj)
    assert volume.shape == (3, 3, 2, 2)
    assert volume.dtype == np.float32
    np.testing.assert_array_equal(volume[tuple(VOXELS.T)], values.T)
    assert (volume == -1).sum() == 2 * (18 - 3)


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
    with pytest.raises(InputError, match=r"with n_channels 3, got \(2,\)"):
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


def _sensors(mne):
    info = mne.create_info(["Fz", "MEG1", "Pz"], 250.0, ["eeg", "mag", "eeg"])
    places = {name: [0.01 * number, 0.0, 0.1] for number, name in enumerate(["Fz", "Pz"])}
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    return SensorGeometry(info)


def test_sensor_maps_are_evoked_responses_in_the_order_of_the_channels():
    mne = pytest.importorskip("mne")
    geometry = _sensors(mne).select(np.array([2, 1, 0]))
    values = np.array([[0.1, np.nan, 0.3], [1.0, 2.0, 3.0]])
    first, second = geometry.to_evokeds(values, names=["early", "late"], unit="r")
    assert (first.comment, second.comment) == ("early", "late")
    assert first.ch_names == ["Pz", "MEG1", "Fz"]
    np.testing.assert_array_equal(first.data, values[:1].T)
    np.testing.assert_array_equal(first.times, [0.0])
    assert first.info["description"] == "values per sensor, unit r"
    assert geometry.info["description"] is None


def test_time_resolved_sensor_maps_keep_their_times():
    mne = pytest.importorskip("mne")
    geometry, times = _sensors(mne), np.arange(-2, 6) * 0.02
    values = np.random.default_rng(0).random((3, 8))
    (evoked,) = geometry.to_evokeds(values, times_s=times)
    np.testing.assert_allclose(evoked.times, times, atol=1e-12)
    np.testing.assert_array_equal(evoked.data, values)
    assert evoked.info["lowpass"] <= evoked.info["sfreq"] / 2
    (single,) = geometry.to_evokeds(values[None, :, :1], times_s=[0.17])
    np.testing.assert_allclose(single.times, [0.17], atol=0.5 / 250)


def test_bad_times_of_sensor_maps_are_refused():
    geometry = _sensors(pytest.importorskip("mne"))
    with pytest.raises(InputError, match=r"evenly spaced and rise, got steps of 0.1 to 0.2 s"):
        geometry.to_evokeds(np.zeros((3, 3)), times_s=[0.0, 0.1, 0.3])
    with pytest.raises(InputError, match=r"got steps of -0.1 to -0.1 s"):
        geometry.to_evokeds(np.zeros((3, 3)), times_s=[0.2, 0.1, 0.0])
    with pytest.raises(InputError, match=r"with n_channels 3 and n_times 4, got \(3, 3\)"):
        geometry.to_evokeds(np.zeros((3, 3)), times_s=[0.0, 0.1, 0.2, 0.3])
    with pytest.raises(InputError, match=r"`times_s` must have shape \(n_times,\), got \(1, 3\)"):
        geometry.to_evokeds(np.zeros((3, 3)), times_s=[[0.0, 0.1, 0.2]])


def test_no_facts_are_no_geometry(tmp_path):
    assert load_geometry(tmp_path, None) is None
