from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.encoders import ENCODERS
from alignkit.pipelines.comparisons import COMPARISONS, RECIPES
from alignkit.pipelines.comparisons._comparison import read_arrays, region_of, write_part
from alignkit.recordings import Recording


def recording(rois=None, times=None):
    shape = (4, 3) if times is None else (4, 3, len(times))
    channels = pd.DataFrame({"name": ["v0", "v1", "v2"]})
    if rois is not None:
        channels["roi"] = rois
    return Recording(
        np.arange(np.prod(shape), dtype=np.float32).reshape(shape),
        pd.DataFrame({"stimulus_id": list("abcd")}),
        channels,
        times_s=None if times is None else np.array(times),
        subject="ann",
    )


def test_arrays_come_back_with_the_same_bits_and_types(tmp_path):
    arrays = {
        "0.layers": np.random.default_rng(0).random((3, 2)),
        "predictions": np.array([[1.1, np.nan]], dtype=np.float32),
        "choice": np.array([2, 0, 1]),
        "name": np.array("split halves"),
        "divides": np.array(True),
        "none": np.empty((0, 4)),
    }
    write_part(tmp_path, arrays)
    back = read_arrays(tmp_path)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_pickled_arrays_are_not_read(tmp_path):
    np.savez(tmp_path / "arrays.npz", trap=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_arrays(tmp_path)


def test_a_region_keeps_its_own_channels():
    found = region_of(recording(rois=["V1", "IT", "V1"]), "V1")
    assert list(found.channels["name"]) == ["v0", "v2"]
    np.testing.assert_array_equal(found.data, recording().data[:, [0, 2]])


def test_all_names_every_channel_of_a_recording_without_regions_only():
    whole = recording()
    assert region_of(whole, "all") is whole
    with pytest.raises(InputError, match="`roi` is 'all', which is not known. Known: IT, V1"):
        region_of(recording(rois=["V1", "IT", "V1"]), "all")


def test_a_region_may_be_called_all():
    assert list(region_of(recording(rois=["all", "rest", "all"]), "all").channels["name"]) == ["v0", "v2"]


def test_times_are_refused_with_their_number():
    with pytest.raises(InputError, match=r"recording of 'ann' has times \(5\); comparisons take one value"):
        region_of(recording(times=[0.0, 0.1, 0.2, 0.3, 0.4]), "all")


def test_every_encoder_is_a_comparison_and_all_say_what_they_need():
    assert set(COMPARISONS) > {"cka", "classify", "curvature", "rsa", "variance-partition", *RECIPES}
    # Receptive fields and time-resolved fits are for other shapes of data; the lasso is an elastic net.
    assert set(RECIPES) - {"lasso"} == set(ENCODERS) - {"trf", "time-resolved"}
    for row in COMPARISONS.rows():
        assert row["summary"], row["name"]
        assert row["needs"], row["name"]
        options = inspect.signature(COMPARISONS[row["name"]]).parameters
        assert set(row.get("named_by", ())) <= set(options), row["name"]
