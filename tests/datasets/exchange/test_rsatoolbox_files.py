"""rsatoolbox's HDF5: it reads what we write, and we read what it writes."""

from __future__ import annotations

import pickle
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS
from alignkit.datasets.exchange import rsatoolbox_dataset  # noqa: F401
from alignkit.datasets.exchange.rsatoolbox_files import (
    from_rsatoolbox,
    read_rsatoolbox,
    to_rsatoolbox,
    write_rsatoolbox,
)
from alignkit.recordings import RDMs, Recording

peer = pytest.importorskip("rsatoolbox")


def recording(times_s=None, **columns):
    rng = np.random.default_rng(0)
    shape = (4, 3) if times_s is None else (4, 3, len(times_s))
    samples = pd.DataFrame(
        {"stimulus_id": list("abab"), "run": [1, 1, 2, 2], "new": [True, False] * 2, **columns}
    )
    channels = pd.DataFrame({"name": ["n1", "n2", "n3"], "roi": ["V4", "IT", ""]})
    data = rng.standard_normal(shape).astype(np.float32)
    return Recording(data, samples, channels, times_s=times_s, subject="s1", modality="spikes", unit="Hz")


def rdms():
    values = np.random.default_rng(1).random((2, 6))
    table = pd.DataFrame({"subject": ["s1", "s2"], "roi": ["V1", "IT"], "session": [1, 2]})
    return RDMs(values, tuple("abcd"), table, "correlation")


def dataset_of_peer(thing):
    descriptors = {"subject": thing.subject, "modality": thing.modality, "unit": thing.unit}
    obs = {name: thing.samples[name].to_numpy(dtype=None) for name in thing.samples}
    obs["stimulus_id"] = np.array(thing.stimulus_ids)
    channels = {name: np.array(list(thing.channels[name])) for name in thing.channels}
    if thing.times_s is None:
        return peer.data.Dataset(thing.data, descriptors, obs, channels)
    return peer.data.TemporalDataset(
        thing.data, descriptors | {"time_unit": "s"}, obs, channels, {"time": thing.times_s}
    )


TIMES = [None, np.array([-0.1, 0.0, 0.1])]


@pytest.mark.parametrize("times_s", TIMES)
def test_rsatoolbox_loads_what_we_write(tmp_path, times_s):
    ours = recording(times_s)
    write_rsatoolbox(tmp_path / "a.h5", ours)
    loaded = peer.data.dataset.load_dataset(str(tmp_path / "a.h5"))
    assert loaded == dataset_of_peer(ours)
    assert to_rsatoolbox(ours) == dataset_of_peer(ours)


@pytest.mark.parametrize("times_s", TIMES)
def test_we_load_what_rsatoolbox_writes(tmp_path, times_s):
    ours = recording(times_s)
    theirs = dataset_of_peer(ours)
    theirs.save(str(tmp_path / "a.h5"))
    for back in (read_rsatoolbox(tmp_path / "a.h5"), from_rsatoolbox(theirs)):
        np.testing.assert_array_equal(back.data, ours.data)
        pd.testing.assert_frame_equal(back.samples, ours.samples, check_like=True)
        pd.testing.assert_frame_equal(back.channels, ours.channels, check_like=True)
        assert (back.subject, back.modality, back.unit) == ("s1", "spikes", "Hz")
        assert times_s is None or np.array_equal(back.times_s, times_s)


def test_a_recording_comes_back_with_the_same_digest_of_data_and_facts(tmp_path):
    ours = recording()
    write_rsatoolbox(tmp_path / "a.hdf5", ours)
    back = read_rsatoolbox(tmp_path / "a.hdf5")
    pd.testing.assert_frame_equal(back.samples, ours.samples, check_like=True)
    np.testing.assert_array_equal(back.data, ours.data)


def test_dissimilarities_go_both_ways(tmp_path):
    ours = rdms()
    write_rsatoolbox(tmp_path / "r.h5", ours)
    loaded = peer.rdm.load_rdm(str(tmp_path / "r.h5"))
    np.testing.assert_array_equal(loaded.get_matrices(), ours.square())
    assert loaded.dissimilarity_measure == "correlation"
    assert list(loaded.pattern_descriptors["stimulus_id"]) == list("abcd")
    assert loaded == to_rsatoolbox(ours)
    loaded.save(str(tmp_path / "back.h5"))
    for back in (
        read_rsatoolbox(tmp_path / "r.h5"),
        read_rsatoolbox(tmp_path / "back.h5"),
        from_rsatoolbox(loaded),
    ):
        np.testing.assert_array_equal(back.values, ours.values)
        assert back.stimulus_ids == ours.stimulus_ids
        assert back.measure == "correlation"
        pd.testing.assert_frame_equal(back.table, ours.table, check_like=True)


def test_rdms_that_rsatoolbox_computed_agree_with_their_definition(tmp_path):
    ours = recording()
    named = peer.data.Dataset(ours.data, obs_descriptors={"stimulus_id": np.array(ours.stimulus_ids)})
    theirs = peer.rdm.calc_rdm(named, method="euclidean", descriptor="stimulus_id")
    theirs.save(str(tmp_path / "r.h5"))
    back = read_rsatoolbox(tmp_path / "r.h5", stimuli="stimulus_id")
    a, b = ours.data[[0, 2]].mean(axis=0), ours.data[[1, 3]].mean(axis=0)
    assert back.measure == "squared euclidean"
    np.testing.assert_allclose(back.values, [[((a - b) ** 2).mean()]], rtol=1e-5)
    assert back.stimulus_ids == ("a", "b")


def test_names_that_people_use_are_taken_and_noted(tmp_path):
    theirs = peer.data.Dataset(np.eye(3), obs_descriptors={"conds": np.array([1.0, 2.0, 1.0])})
    theirs.save(str(tmp_path / "a.h5"))
    back = read_rsatoolbox(tmp_path / "a.h5")
    assert back.stimulus_ids == ["1", "2", "1"]
    assert back.channels["name"].to_list() == ["c0", "c1", "c2"]
    assert back.notes == (
        "The descriptor 'conds' was taken for the stimulus_id.",
        "The channels have no names in the file; they were numbered.",
    )


def test_what_is_not_clear_is_asked(tmp_path):
    obs = {"conds": np.arange(3), "stim": np.arange(3), "x": np.arange(3)}
    theirs = peer.data.Dataset(np.eye(3), obs_descriptors=obs)
    with pytest.raises(
        InputError, match="has the descriptors stim and conds; choose which is the stimulus_id"
    ):
        from_rsatoolbox(theirs)
    assert from_rsatoolbox(theirs, stimuli="conds").stimulus_ids == ["0", "1", "2"]
    with pytest.raises(InputError, match="has no descriptor 'cond', did you mean 'conds'"):
        from_rsatoolbox(theirs, stimuli="cond")
    bare = peer.data.Dataset(np.eye(3), obs_descriptors={"x": np.arange(3)})
    with pytest.raises(InputError, match="does not say which stimulus .*`stimuli`. It has x"):
        from_rsatoolbox(bare)
    unnamed = peer.rdm.RDMs(np.ones((1, 3)))
    with pytest.raises(InputError, match="does not name its patterns.*It has index"):
        from_rsatoolbox(unnamed)
    numbered = from_rsatoolbox(unnamed, stimuli="index")
    assert (numbered.stimulus_ids, numbered.subjects, numbered.measure) == (
        ("0", "1", "2"),
        ["sub-01"],
        "unknown",
    )


def test_times_need_a_unit_or_a_note():
    obs = {"stimulus_id": np.array(["a", "b"])}
    counted = peer.data.TemporalDataset(np.ones((2, 3, 4)), obs_descriptors=obs)
    with pytest.raises(InputError, match="its times are the numbers 0 to 3, which rsatoolbox puts"):
        from_rsatoolbox(counted)
    np.testing.assert_allclose(from_rsatoolbox(counted, time_unit="ms").times_s, [0, 0.001, 0.002, 0.003])
    timed = peer.data.TemporalDataset(
        np.ones((2, 3, 2)), obs_descriptors=obs, time_descriptors={"time": np.array([0.1, 0.2])}
    )
    assert "they were taken for seconds" in from_rsatoolbox(timed).notes[-1]
    with pytest.raises(InputError, match="`time_unit` must be 's' or 'ms', got 'min'"):
        from_rsatoolbox(timed, time_unit="min")


def test_pickles_are_refused_whatever_they_are_called(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(dataset_of_peer(recording()).to_dict()))
    (tmp_path / "b.h5").write_bytes(pickle.dumps({"x": 1}))
    for name in ("a.pkl", "b.h5"):
        with pytest.raises(
            InputError, match=f"{name} is a pickle, which can run any program.*file_type='hdf5'"
        ):
            read_rsatoolbox(tmp_path / name)


def test_files_of_another_kind_are_refused(tmp_path):
    write_rsatoolbox(tmp_path / "a.h5", recording())
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut.h5 cannot be read as an rsatoolbox file"):
        read_rsatoolbox(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(InputError, match="is no Dataset, TemporalDataset or RDMs of rsatoolbox; it holds x"):
        read_rsatoolbox(tmp_path / "other.h5")
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["dissimilarities"] = h5py.ExternalLink("a.h5", "measurements")
    with pytest.raises(InputError, match="the HDF5 link 'dissimilarities' of .* points to another file"):
        read_rsatoolbox(tmp_path / "linked.h5")
    with pytest.raises(MissingDataError, match="gone.h5 does not exist"):
        read_rsatoolbox(tmp_path / "gone.h5")
    with pytest.raises(InputError, match="the rsatoolbox int is no Dataset"):
        from_rsatoolbox(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"measurements": np.ones(3)},
            r"a Dataset must be real numbers of 2 dimensions, got float64 of shape \(3,\)",
        ),
        ({"measurements": np.ones((4, 3)) * 1j}, "got complex128"),
        ({"measurements": np.ones((4, 2))}, "the descriptor 'name' has 3 entries for 2 rows"),
    ],
)
def test_contents_that_do_not_fit_are_refused(tmp_path, change, message):
    write_rsatoolbox(tmp_path / "a.h5", recording())
    with h5py.File(tmp_path / "a.h5", "a") as file:
        for name, value in change.items():
            del file[name]
            file[name] = value
    with pytest.raises(InputError, match=message):
        read_rsatoolbox(tmp_path / "a.h5")


def test_descriptors_that_are_no_columns_are_left_out_and_told(tmp_path):
    theirs = peer.data.Dataset(np.eye(2), obs_descriptors={"stimulus_id": ["a", "b"], "place": np.eye(2)})
    assert (
        "The descriptor 'place' of shape (2, 2) is no column; it was left out."
        in from_rsatoolbox(theirs).notes
    )


def test_what_rsatoolbox_could_not_read_back_is_not_written(tmp_path):
    for wrong, message in (
        (
            recording(label=["é", "b", "c", "d"]),
            "the column 'label' holds 'é', which rsatoolbox cannot read back",
        ),
        (recording(**{"a/b": [1, 2, 3, 4]}), "the column 'a/b' has a '/' in its name"),
    ):
        with pytest.raises(InputError, match=message):
            write_rsatoolbox(tmp_path / "a.h5", wrong)
    with pytest.raises(InputError, match="rsatoolbox knows its files by .h5 or .hdf5, got 'a.pkl'"):
        write_rsatoolbox(tmp_path / "a.pkl", recording())
    assert list(tmp_path.iterdir()) == []


def test_without_rsatoolbox_files_are_read_and_only_objects_need_it(tmp_path, monkeypatch):
    write_rsatoolbox(tmp_path / "a.h5", recording())
    for name in [name for name in sys.modules if name.split(".")[0] == "rsatoolbox"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert read_rsatoolbox(tmp_path / "a.h5").n_samples == 4
    with pytest.raises(MissingDataError, match="pip install rsatoolbox"):
        to_rsatoolbox(recording())


def test_the_dataset_takes_a_file_per_subject(tmp_path):
    paths = []
    for subject in ("s1", "s2"):
        one = recording(animate=[1, 0, 1, 0])
        paths.append(tmp_path / f"{subject}.h5")
        data = one.data + np.float32(subject == "s2")
        write_rsatoolbox(paths[-1], Recording(data, one.samples, one.channels, subject=subject))
    for name in "ab":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    dataset = DATASETS["rsatoolbox"](files=paths, stimuli=tmp_path, conditions="animate")
    assert dataset.subjects == ["s1", "s2"]
    assert dataset.stimuli.stimulus_ids == ["a", "b"]
    assert dataset.conditions == "animate"
    assert dataset.files == tuple(paths)


def test_the_dataset_joins_dissimilarities_by_name_of_the_pattern(tmp_path):
    ours = rdms()
    turned = ours.align(list("dcba"))
    write_rsatoolbox(tmp_path / "a.h5", ours)
    write_rsatoolbox(tmp_path / "b.h5", turned)
    dataset = DATASETS["rsatoolbox"](files=[tmp_path / "a.h5", tmp_path / "b.h5"])
    np.testing.assert_array_equal(dataset.rdms.values, np.concatenate([ours.values, ours.values]))
    assert dataset.rois == ["IT", "V1"]


def test_files_that_do_not_go_together_are_refused(tmp_path):
    write_rsatoolbox(tmp_path / "d.h5", recording())
    write_rsatoolbox(tmp_path / "r.h5", rdms())
    other = RDMs(np.ones((1, 3)), tuple("abc"), pd.DataFrame({"subject": ["x"]}), "correlation")
    write_rsatoolbox(tmp_path / "o.h5", other)
    again = RDMs(rdms().values, tuple("abcd"), rdms().table, "euclidean")
    write_rsatoolbox(tmp_path / "m.h5", again)
    load = DATASETS["rsatoolbox"]
    for names, options, message in (
        ("dr", {}, "holds datasets and RDMs .d.h5: a dataset, r.h5: RDMs"),
        ("ro", {}, "hold RDMs of different patterns"),
        ("rm", {}, "'euclidean' and .* 'correlation'; dissimilarities of different measures"),
        ("r", {"conditions": "x"}, "`conditions` goes with datasets"),
        ("", {}, "`files` names no file"),
        ("d", {"conditions": "x"}, "`conditions` is 'x', the samples have"),
    ):
        with pytest.raises(InputError, match=message):
            load(files=[tmp_path / f"{name}.h5" for name in names], **options)
