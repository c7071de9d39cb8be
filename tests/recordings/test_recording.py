"""Recording: what a row is decides, never where it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alignkit import Recording
from alignkit._core.errors import InputError, MissingDataError
from alignkit.recordings import VolumeGeometry


def make(n_samples: int = 6, n_channels: int = 4, seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)
    ids = [f"s{i % (n_samples // 2)}" for i in range(n_samples)]
    recording = Recording.from_arrays(rng.standard_normal((n_samples, n_channels)), ids, subject="sub-01")
    return replace(recording, channels=recording.channels.assign(roi=["V1", "V1", "V4", ""][:n_channels]))


def test_average_repetitions_is_the_mean_of_each_stimulus_in_order_of_first_appearance():
    recording = Recording.from_arrays([[1.0, 10], [2, 20], [5, 50], [4, 40]], ["b", "a", "b", "a"])
    averaged = recording.average_repetitions()
    assert averaged.stimulus_ids == ["b", "a"]
    np.testing.assert_array_equal(averaged.data, [[3, 30], [3, 30]])
    assert averaged.samples["n_repetitions"].to_list() == [2, 2]


def test_average_repetitions_keeps_columns_that_do_not_differ_and_drops_those_that_do():
    recording = make()
    samples = recording.samples.assign(category=["x", "y", "y"] * 2, run=[1, 1, 1, 2, 2, 2], empty=np.nan)
    averaged = replace(recording, samples=samples).average_repetitions()
    assert list(averaged.samples.columns) == ["stimulus_id", "category", "empty", "n_repetitions"]
    assert averaged.samples["category"].to_list() == ["x", "y", "y"]


def test_averaging_twice_is_averaging_once():
    once = make().average_repetitions()
    twice = once.average_repetitions()
    np.testing.assert_array_equal(once.data, twice.data)
    assert twice.samples["n_repetitions"].to_list() == [2, 2, 2]


@given(
    arrays(np.float32, (7, 2), elements=st.floats(-1e3, 1e3, width=32)),
    st.lists(st.sampled_from("abcd"), min_size=7, max_size=7),
    st.permutations(range(7)),
)
def test_average_repetitions_agrees_with_pandas_and_ignores_the_order_of_samples(data, ids, order):
    recording = Recording.from_arrays(data, ids)
    averaged = recording.average_repetitions()
    expected = pd.DataFrame(data.astype(float)).groupby(pd.Series(ids)).mean()
    aligned = averaged.align(list(expected.index))
    np.testing.assert_allclose(aligned.data, expected.to_numpy(), rtol=1e-6, atol=1e-6)
    shuffled = recording.select(samples=np.array(order)).average_repetitions().align(averaged.stimulus_ids)
    np.testing.assert_allclose(shuffled.data, averaged.data, rtol=1e-6, atol=1e-4)


def test_average_repetitions_averages_every_time_point():
    data = np.arange(2 * 1 * 3, dtype=float).reshape(2, 1, 3)
    averaged = Recording.from_arrays(data, ["a", "a"], times_s=[0, 0.1, 0.2]).average_repetitions()
    np.testing.assert_array_equal(averaged.data, [[[1.5, 2.5, 3.5]]])


def test_averaging_leaves_the_recording_as_it_was():
    recording = make()
    before, samples = recording.data.copy(), recording.samples.copy()
    recording.average_repetitions()
    recording.split_repetitions(0)
    np.testing.assert_array_equal(recording.data, before)
    pd.testing.assert_frame_equal(recording.samples, samples)


def test_split_repetitions_gives_disjoint_halves_of_floor_k_by_2():
    # Powers of two: the sum of a half tells which presentations are in it.
    ids = ["a"] * 5 + ["b"] * 2 + ["once"]
    recording = Recording.from_arrays(2.0 ** np.arange(8)[:, None], ids)
    first, second = recording.split_repetitions(3)
    assert first.stimulus_ids == second.stimulus_ids == ["a", "b"]
    for row, count in ((0, 2), (1, 1)):
        one, two = int(first.data[row, 0] * count), int(second.data[row, 0] * count)
        assert one & two == 0
        assert one.bit_count() == two.bit_count() == count
    assert first.samples["n_repetitions"].to_list() == [2, 1]


def test_split_repetitions_is_reproducible_and_random():
    recording = make(40, 3)
    recording = replace(recording, samples=pd.DataFrame({"stimulus_id": ["a", "b"] * 20}))
    one, _ = recording.split_repetitions(1)
    same, _ = recording.split_repetitions(1)
    other, _ = recording.split_repetitions(2)
    np.testing.assert_array_equal(one.data, same.data)
    assert not np.array_equal(one.data, other.data)


def test_split_repetitions_refuses_single_presentations():
    with pytest.raises(InputError, match="no stimulus was repeated"):
        Recording.from_arrays(np.eye(2), ["a", "b"]).split_repetitions()


def test_repetitions_has_nan_where_a_repeat_is_missing():
    cube = Recording.from_arrays([[1.0], [2], [3]], ["a", "b", "a"]).repetitions()
    np.testing.assert_array_equal(cube, [[[1], [3]], [[2], [np.nan]]])


def test_align_goes_by_id_and_not_by_position():
    recording = Recording.from_arrays([[1.0], [2], [3]], ["a", "b", "c"])
    aligned = recording.align(["c", "a"])
    np.testing.assert_array_equal(aligned.data, [[3], [1]])
    assert aligned.stimulus_ids == ["c", "a"]


def test_align_takes_numbers_for_the_ids_they_are_written_as():
    recording = Recording.from_arrays([[1.0], [2]], [7, 8])
    np.testing.assert_array_equal(recording.align([8]).data, [[2]])
    with pytest.raises(InputError, match="1 of 1 stimuli have no response .*: 9"):
        recording.align([9])


def test_align_names_the_stimuli_without_a_response():
    with pytest.raises(InputError, match="2 of 3 stimuli have no response .*'sub-01': dog, cow"):
        make().average_repetitions().align(["s0", "dog", "cow"])


def test_align_refuses_repetitions_and_says_what_to_do():
    with pytest.raises(InputError, match="3 samples .* repeat a stimulus, such as 's0'; call `average_rep"):
        make().align(["s0"])


def test_ids_are_text_in_memory_as_after_a_file():
    recording = Recording(
        np.eye(2, dtype=np.float32), pd.DataFrame({"stimulus_id": [1, "1"]}), pd.DataFrame({"name": [0, 1]})
    )
    assert recording.average_repetitions().n_samples == 1
    assert recording.channels["name"].to_list() == ["0", "1"]


def test_select_keeps_a_region_with_its_geometry():
    geometry = VolumeGeometry(np.eye(4), (2, 2, 1), np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]))
    recording = replace(make(), geometry=geometry)
    chosen = recording.select(roi="V4")
    np.testing.assert_array_equal(chosen.data, recording.data[:, [2]])
    np.testing.assert_array_equal(chosen.geometry.voxels, [[0, 1, 0]])
    assert recording.rois == ["V1", "V4"]


def test_select_keeps_the_order_of_indices_for_samples_and_channels():
    recording = make()
    chosen = recording.select(samples=[4, 1], channels=[2, 0])
    np.testing.assert_array_equal(chosen.data, recording.data[[4, 1]][:, [2, 0]])
    assert chosen.channels["name"].to_list() == ["c2", "c0"]
    within = recording.select(roi="V1", channels=[2, 1])
    assert within.channels["name"].to_list() == ["c1"]


def test_select_takes_masks():
    recording = make()
    chosen = recording.select(samples=np.arange(6) < 2, channels=np.array([False, True, True, False]))
    np.testing.assert_array_equal(chosen.data, recording.data[:2, 1:3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"roi": "V2"}, "`roi` is 'V2', .*Known: V1, V4"),
        ({"samples": [6]}, r"`samples` must lie in 0\.\.5, got 6\.\.6"),
        ({"channels": [-1]}, r"`channels` must lie in 0\.\.3, got -1\.\.-1"),
        ({"samples": [True, False]}, r"mask `samples` must have 6 entries, got shape \(2,\)"),
        ({"samples": [0.5]}, "`samples` must hold whole numbers or a mask, got float64"),
        ({"samples": []}, "nothing is left: 0 samples and 4 channels"),
        ({"roi": "V4", "channels": [0]}, "nothing is left: 6 samples and 0 channels"),
    ],
)
def test_select_says_what_is_wrong(arguments, message):
    with pytest.raises(InputError, match=message):
        make().select(**arguments)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_saved_recording_comes_back_the_same(tmp_path, lazy):
    geometry = VolumeGeometry(np.diag([2.0, 2, 2, 1]), (2, 2, 1), np.argwhere(np.ones((2, 2, 1))), "MNI152")
    recording = replace(make(), geometry=geometry, notes=("a note",), modality="fmri", unit="z")
    recording.save(tmp_path / "rec")
    loaded = Recording.load(tmp_path / "rec", lazy=lazy)
    np.testing.assert_array_equal(loaded.data[...], recording.data)
    assert isinstance(loaded.data, np.ndarray) is not lazy
    pd.testing.assert_frame_equal(loaded.samples, recording.samples, check_dtype=False)
    assert loaded.digest == recording.digest
    assert (loaded.subject, loaded.modality, loaded.unit, loaded.notes) == (
        "sub-01",
        "fmri",
        "z",
        ("a note",),
    )
    assert loaded.geometry.space == "MNI152"
    np.testing.assert_array_equal(loaded.geometry.affine, geometry.affine)
    np.testing.assert_array_equal(loaded.select(roi="V1").data, recording.select(roi="V1").data)


def test_a_saved_recording_keeps_its_times(tmp_path):
    recording = Recording.from_arrays(np.ones((2, 1, 3)), ["a", "b"], times_s=[-0.1, 0.0, 0.1])
    recording.save(tmp_path / "rec")
    np.testing.assert_array_equal(Recording.load(tmp_path / "rec").times_s, [-0.1, 0.0, 0.1])


def test_the_digest_changes_with_every_part():
    recording = replace(
        make(), geometry=VolumeGeometry(np.eye(4), (2, 2, 1), np.argwhere(np.ones((2, 2, 1))), "native")
    )
    moved = VolumeGeometry(np.diag([2.0, 1, 1, 1]), (2, 2, 1), np.argwhere(np.ones((2, 2, 1))), "native")
    others = [
        replace(recording, data=recording.data + 1),
        replace(recording, samples=recording.samples.assign(run=1)),
        replace(recording, channels=recording.channels.assign(roi="V2")),
        replace(recording, subject="sub-02"),
        replace(recording, unit="z"),
        replace(recording, geometry=moved),
        replace(recording, geometry=replace(recording.geometry, space="MNI152")),
    ]
    digests = {recording.digest, *(other.digest for other in others)}
    assert len(digests) == len(others) + 1
    assert recording.digest == replace(recording).digest


def test_loading_says_what_is_not_there(tmp_path):
    with pytest.raises(MissingDataError, match="is no saved Recording"):
        Recording.load(tmp_path)


def test_the_repr_says_what_it_holds():
    assert repr(make()) == (
        "Recording(sub-01, unknown, arbitrary: 6 samples of 3 stimuli; 4 channels; regions V1, V4)"
    )
    timed = Recording.from_arrays(np.ones((2, 1, 3)), ["a", "b"], times_s=[-0.1, 0.0, 0.1])
    assert "3 times (-0.1 to 0.1 s)" in repr(timed)


def _with(**changes):
    return lambda: replace(make(), **changes)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Recording.from_arrays([1.0], ["a"]), r"must be samples x channels .*got shape \(1,\)"),
        (lambda: Recording.from_arrays(np.ones((2, 2)), ["a"]), "`samples` has 1 rows .* needs 2"),
        (
            lambda: Recording.from_arrays(np.ones((1, 2)), ["a"], channel_names=["x", "x"]),
            "`channels.name` must be unique, .*'x'",
        ),
        (lambda: Recording.from_arrays([[np.nan, 1]], ["a"]), r"holds 1 NaN .* at index \(0, 0\)"),
        (lambda: Recording.from_arrays(np.ones((1, 2, 3)), ["a"]), "`times_s` goes with data of three"),
        (
            lambda: Recording.from_arrays(np.ones((1, 2, 3)), ["a"], times_s=[0, 1]),
            "`times_s` has 2 entries but `data` has 3 times",
        ),
        (_with(data=np.ones((6, 4))), "must be float32, got float64"),
        (_with(data=np.ones((6, 0), np.float32)), r"`data` is empty: shape \(6, 0\)"),
        (_with(data=np.ones(6, np.float32)), r"must be samples x channels .*got shape \(6,\)"),
        (_with(samples=pd.DataFrame({"id": range(6)})), "`samples` needs a column 'stimulus_id', got id"),
        (_with(samples=pd.DataFrame({"stimulus_id": [None, *"abcde"]})), "stimulus_id` is empty in row 0"),
        (
            _with(geometry=VolumeGeometry(np.eye(4), (1, 1, 1), np.zeros((1, 3), int))),
            "`geometry` has 1 channels but `data` has 4",
        ),
    ],
)
def test_a_recording_that_does_not_fit_together_is_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_a_window_is_averaged_with_both_ends():
    data = np.arange(2 * 1 * 5, dtype=np.float32).reshape(2, 1, 5)
    recording = Recording.from_arrays(data, ["a", "b"], times_s=[-0.1, 0.0, 0.1, 0.2, 0.3])
    window = recording.average_window(0.1, 0.3)
    np.testing.assert_allclose(window.data[:, 0], [3.0, 8.0])
    assert window.times_s is None
    with pytest.raises(InputError, match="no time of 'subject' lies in 1 to 2 s; it has -0.1 to 0.3 s"):
        recording.average_window(1, 2)
    with pytest.raises(InputError, match="has no times, so no window can be averaged"):
        window.average_window(0, 1)
