from __future__ import annotations

import numpy as np
import pytest

from alignkit import Features
from alignkit._core.errors import InputError, MissingDataError


def make() -> Features:
    maps = np.arange(3 * 2 * 2 * 2, dtype=np.float32).reshape(3, 2, 2, 2)
    return Features({"conv": maps, "head": maps[:, 0, 0]}, ["a", "b", "c"], model="toy", facts={"size": 8})


def test_matrix_flattens_and_matches_rows_by_id():
    features = make()
    np.testing.assert_array_equal(features.matrix("conv", ["c", "a"]), features["conv"][[2, 0]].reshape(2, 8))
    assert features.matrix("head").dtype == np.float32


def test_matrix_takes_one_step_of_a_series_in_time():
    series = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    features = Features({"v": series}, ["a", "b"], model="toy")
    np.testing.assert_array_equal(features.matrix("v", ["b", "a"], step=-1), series[::-1, :, 3])
    assert features.matrix("v").shape == (2, features.n_units("v")) == (2, 12)
    with pytest.raises(InputError, match="layer 'v' of 'toy' has 4 steps of time, got `step` 4"):
        features.matrix("v", step=4)
    with pytest.raises(InputError, match="layer 'head' of 'toy' has 0 steps of time, got `step` 0"):
        make().matrix("head", step=0)


def test_some_rows_are_read_from_disk_by_position(tmp_path):
    make().save(tmp_path / "features")
    loaded = Features.load(tmp_path / "features")
    assert loaded.positions(["c", "a"]) == [2, 0]
    np.testing.assert_array_equal(loaded.rows("conv", [2, 0]), make().matrix("conv", ["c", "a"]))
    np.testing.assert_array_equal(make().rows("conv", [1]), make().matrix("conv", ["b"]))


def test_rows_that_are_not_asked_for_may_hold_nan_and_others_not():
    features = Features({"x": np.array([[np.nan], [1.0]])}, ["a", "b"], model="toy")
    assert features.rows("x", [1]).tolist() == [[1.0]]
    with pytest.raises(InputError, match="layer 'x' of 'toy' hold NaN"):
        features.rows("x", [0])


def test_align_matches_every_layer_by_id():
    aligned = make().align(["b", "a"])
    assert aligned.stimulus_ids == ("b", "a")
    np.testing.assert_array_equal(aligned["head"], make()["head"][[1, 0]])


def test_saved_features_come_back_lazily_with_layers_in_order(tmp_path):
    make().save(tmp_path / "features")
    loaded = Features.load(tmp_path / "features")
    assert loaded.layers == ["conv", "head"]
    assert (loaded.model, loaded.facts) == ("toy", {"size": 8})
    np.testing.assert_array_equal(loaded["conv"], make()["conv"])


def test_a_lost_layer_is_named(tmp_path):
    import shutil

    make().save(tmp_path / "features")
    shutil.rmtree(tmp_path / "features" / "layer-001.zarr")
    with pytest.raises(MissingDataError, match="layer-001.zarr is missing"):
        Features.load(tmp_path / "features")


def test_the_repr_says_what_it_holds():
    assert repr(make()) == "Features(toy, 3 stimuli: conv (2, 2, 2), head (2,))"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Features({}, ["a"], model="toy"), "at least one layer"),
        (lambda: Features({"x": np.ones((2, 1))}, ["a"], model="toy"), "layer 'x' has 2 rows for 1 stimuli"),
        (lambda: Features({"x": np.ones((2, 1))}, ["a", "a"], model="toy"), "must be unique, .*'a'"),
        (lambda: make()["cnv"], "`layer` is 'cnv', did you mean 'conv'"),
        (lambda: make().matrix("head", ["a", "dog"]), "1 stimuli have no features of 'toy': dog"),
        (lambda: make().align([9]), "1 stimuli have no features of 'toy': 9"),
        (
            lambda: Features({"x": np.array([[np.nan]])}, ["a"], model="toy").matrix("x"),
            "layer 'x' of 'toy' hold NaN",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(InputError, match=message):
        build()
