from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings.recording import Recording
from alignkit.recordings.surface_geometry import SurfaceGeometry

VERTICES = np.array([4, 0, 2, 6, 0])
HEMISPHERES = np.array(["right", "left", "left", "right", "right"])


def geometry():
    """Channels in no order, the hemispheres mixed, meshes of unlike size."""
    return SurfaceGeometry(VERTICES, HEMISPHERES, (3, 7), "toy")


def test_each_value_stands_at_its_vertex_of_its_hemisphere_and_nan_elsewhere():
    values = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 2.0, np.nan, 4.0, 5.0]])
    left = geometry().to_gifti(values, hemisphere="left", names=["first", "second"], unit="r")
    right = geometry().to_gifti(values, hemisphere="right")
    np.testing.assert_allclose(left.darrays[0].data, [0.2, np.nan, 0.3], rtol=1e-6)
    np.testing.assert_allclose(left.darrays[1].data, [2.0, np.nan, np.nan])
    expected = [0.5, np.nan, np.nan, np.nan, 0.1, np.nan, 0.4]
    np.testing.assert_allclose(right.darrays[0].data, expected, rtol=1e-6)
    assert {array.data.dtype for array in [*left.darrays, *right.darrays]} == {np.dtype(np.float32)}
    assert left.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    assert right.meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert [array.meta["Name"] for array in left.darrays] == ["first", "second"]
    assert [array.meta["Name"] for array in right.darrays] == ["map 1", "map 2"]
    assert (left.meta["Unit"], left.meta["Space"]) == ("r", "toy")


def test_what_is_outside_the_recording_gets_the_fill():
    image = geometry().to_gifti(np.ones(5), hemisphere="left", fill=0.0)
    np.testing.assert_array_equal(image.darrays[0].data, [1, 0, 1])


def test_masks_give_the_vertices_left_first():
    made = SurfaceGeometry.of_mask([True, False, True], np.arange(7) % 2 == 0, space="toy")
    assert made.vertices.tolist() == [0, 2, 0, 2, 4, 6]
    assert made.hemispheres.tolist() == ["left"] * 2 + ["right"] * 4
    assert made.n_vertices == (3, 7)
    only_right = SurfaceGeometry.of_mask([], [True, True])
    assert only_right.n_vertices == (0, 2)
    assert only_right.hemispheres.tolist() == ["right", "right"]


def test_a_recording_keeps_it_through_selection_and_a_file(tmp_path):
    recording = Recording(
        np.arange(10, dtype=np.float32).reshape(2, 5),
        pd.DataFrame({"stimulus_id": ["a", "b"]}),
        pd.DataFrame({"name": list("vwxyz")}),
        geometry=geometry(),
    ).select(channels=[3, 1])
    recording.save(tmp_path / "saved")
    loaded = Recording.load(tmp_path / "saved")
    assert loaded.geometry.vertices.tolist() == [6, 0]
    assert loaded.geometry.hemispheres.tolist() == ["right", "left"]
    assert loaded.geometry.n_vertices == (3, 7)
    assert loaded.geometry.space == "toy"
    assert loaded.digest == recording.digest
    assert loaded.geometry.digest != geometry().digest


def test_the_digest_knows_vertex_hemisphere_size_and_space():
    swapped = [1, 0, 2, 3, 4]
    others = [
        SurfaceGeometry(VERTICES[swapped], HEMISPHERES[swapped], (3, 7), "toy"),
        SurfaceGeometry(VERTICES, HEMISPHERES, (3, 8), "toy"),
        SurfaceGeometry(VERTICES, HEMISPHERES, (3, 7), "other"),
    ]
    assert len({geometry().digest, *(other.digest for other in others)}) == 4
    assert geometry().digest == geometry().digest


def test_bad_vertices_are_refused():
    with pytest.raises(InputError, match=r"both have shape \(n_channels,\), got \(5,\) and \(4,\)"):
        SurfaceGeometry(VERTICES, HEMISPHERES[:4], (3, 7))
    with pytest.raises(InputError, match="`vertices` must hold whole numbers, got float64"):
        SurfaceGeometry(VERTICES * 1.0, HEMISPHERES, (3, 7))
    with pytest.raises(InputError, match="`hemispheres` is 'L'"):
        SurfaceGeometry(np.array([0]), np.array(["L"]), (3, 3))
    with pytest.raises(InputError, match=r"lie in 0..5 in the right hemisphere, got 0..6"):
        SurfaceGeometry(VERTICES, HEMISPHERES, (3, 6))
    with pytest.raises(InputError, match="1 vertices of the left hemisphere more than once"):
        SurfaceGeometry(np.array([1, 1]), np.array(["left", "left"]), (3, 3))
    with pytest.raises(InputError, match=r"`right` must be a boolean mask .* got int64 of shape \(2,\)"):
        SurfaceGeometry.of_mask([True], np.array([0, 1]))
    with pytest.raises(InputError, match="`hemisphere` is 'both'"):
        geometry().to_gifti(np.ones(5), hemisphere="both")
    with pytest.raises(InputError, match=r"with n_channels 5, got \(2, 3\)"):
        geometry().to_gifti(np.ones((2, 3)), hemisphere="left")
