from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignkit._core.errors import InputError, MissingDataError
from alignkit.recordings import Track


@pytest.fixture
def words():
    return Track(
        "words",
        np.arange(6, dtype=np.float32).reshape(3, 2),
        [1.0, 1.5, 3.0],
        [1.5, 2.0, 3.0],
        units=("letters", "rank"),
        labels=("the", "white", "rabbit"),
        facts={"source": "a story"},
    )


def test_a_track_knows_its_size_and_the_middle_of_its_events(words):
    assert (words.n_events, words.n_units) == (3, 2)
    assert words.midpoint_s.tolist() == [1.25, 1.75, 3.0]
    assert words.unit("rank").tolist() == [1, 3, 5]
    assert repr(words) == "Track(words: 3 events from 1 to 3 s, 2 units)"


def test_units_without_names_are_named():
    times = np.arange(2.0)
    assert Track("rate", np.ones((2, 1)), times, times).units == ("rate",)
    assert Track("two", np.ones((2, 2)), times, times).units == ("u0", "u1")


def test_floats_keep_their_precision_and_integers_become_float64(words):
    assert words.values.dtype == np.float32
    times = np.arange(2.0)
    for dtype in (np.int64, np.float16, np.bool_):
        assert Track("t", np.ones((2, 1), dtype=dtype), times, times).values.dtype == np.float64


def test_events_may_overlap_and_start_together():
    track = Track("film", np.ones((3, 1)), [0.0, 0.0, 1.0], [5.0, 1.0, 2.0])
    assert repr(track) == "Track(film: 3 events from 0 to 5 s, 1 unit)"


@pytest.mark.parametrize("labels", [None, ("the", "white", "rabbit")])
@pytest.mark.parametrize("is_response", [False, True])
def test_what_is_saved_comes_back_the_same(tmp_path, words, labels, is_response):
    track = Track(
        "saved", words.values, words.onset_s, words.offset_s, labels=labels, is_response=is_response
    )
    track.save(tmp_path / "track")
    loaded = Track.load(tmp_path / "track")
    np.testing.assert_array_equal(loaded.values, track.values)
    assert loaded.values.dtype == track.values.dtype
    assert (loaded.labels, loaded.is_response) == (labels, is_response)
    assert loaded.digest == track.digest


def test_the_digest_changes_with_everything_that_a_track_is(words):
    def variant(**changes):
        fields = {
            "name": "words",
            "values": words.values,
            "onset_s": words.onset_s,
            "offset_s": words.offset_s,
            "units": words.units,
            "labels": words.labels,
            "facts": words.facts,
        }
        return Track(**(fields | changes)).digest

    assert variant() == words.digest
    changed = [
        variant(name="other"),
        variant(values=words.values + 1),
        variant(values=words.values.astype(np.float64)),
        variant(onset_s=words.onset_s - 0.1),
        variant(offset_s=words.offset_s + 0.1),
        variant(units=("letters", "order")),
        variant(labels=("a", "white", "rabbit")),
        variant(labels=None),
        variant(facts={}),
        variant(is_response=True),
    ]
    assert len({words.digest, *changed}) == len(changed) + 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=20), st.integers(1, 3))
def test_any_sorted_times_make_a_track(onsets, n_units):
    onsets = sorted(onsets)
    track = Track("t", np.ones((len(onsets), n_units)), onsets, np.array(onsets) + 1)
    assert (track.midpoint_s >= track.onset_s).all()
    assert len(set(track.units)) == n_units


def test_inputs_are_not_changed(words):
    onset_s, facts = np.array([0.0, 1.0]), {"a": 1}
    track = Track("t", np.ones((2, 1)), onset_s, onset_s + 1, facts=facts)
    assert onset_s.tolist() == [0.0, 1.0]
    facts["a"] = 2
    assert track.facts == {"a": 1}


def build(values=((1.0,), (2.0,)), onset_s=(0.0, 1.0), offset_s=(1.0, 2.0), name="t", **more):
    return Track(name, np.array(values), np.array(onset_s), np.array(offset_s), **more)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "a track needs a name, got ' '"),
        ({"values": [1.0, 2.0]}, r"`values of the track 't'` must have 2 dimension\(s\), got shape \(2,\)"),
        ({"values": [[1.0], [np.nan]]}, r"1 NaN or infinite value\(s\), the first at index \(1, 0\)"),
        ({"values": [["a"], ["b"]]}, "must hold real numbers, got dtype"),
        ({"values": np.ones((2, 0))}, r"the track 't' has no units: its values have shape \(2, 0\)"),
        (
            {"values": np.ones((0, 1)), "onset_s": (), "offset_s": ()},
            "`values of the track 't'` needs at least 1 rows, got 0",
        ),
        ({"onset_s": (0.0,)}, "`onset_s of the track 't'` has 1 entries, but there are 2 events"),
        ({"offset_s": (1.0, 2.0, 3.0)}, "`offset_s of the track 't'` has 3 entries, but there are 2 events"),
        ({"onset_s": (0.0, np.inf)}, r"`onset_s of the track 't'` holds 1 NaN or infinite"),
        ({"onset_s": (1.0, 0.5)}, r"but event 1 starts at 0.5 s, after one at 1 s. Sort them"),
        ({"offset_s": (1.0, 0.5)}, r"event 1 of the track 't' ends at 0.5 s, before it starts at 1 s"),
        ({"units": ("a", "b")}, "the track 't' has 1 units but 2 names of units"),
        ({"values": np.ones((2, 2)), "units": ("a", "a")}, "`units of the track 't'` must be unique"),
        ({"labels": ("a",)}, "the track 't' has 2 events but 1 labels"),
    ],
)
def test_what_is_no_track_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        build(**changes)


def test_an_unknown_unit_or_folder_is_named(tmp_path, words):
    with pytest.raises(InputError, match="a unit of the track 'words' is 'letter', did you mean 'letters'"):
        words.unit("letter")
    with pytest.raises(MissingDataError, match="is no saved Track"):
        Track.load(tmp_path)
