from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.candidates import CONDITION, Candidate, label_candidates, network_candidates
from alignkit.pipelines.config import FeatureOptions, ModelComponent
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.store import Store
from alignkit.recordings import Features, RDMs, Recording, StimulusSet, Study

IDS = [f"s{i}" for i in range(6)]
LABELS = pd.DataFrame(
    {
        "stimulus_id": IDS,
        "kind": ["cat", "cat", "dog", "dog", "ant", "ant"],
        "alive": [True, True, False, True, True, False],
        "same": ["x"] * 6,
        "number": range(6),
    }
)
GABOR = {"kind": "gabor-energy", "image_size": 32, "highest_frequency": 8, "n_scales": 2, "grid": 4}


def dataset(labels=LABELS, **facts):
    recording = Recording.from_arrays(np.random.default_rng(0).random((6, 4)), IDS)
    return Dataset("toy", study=Study.of(recording), labels=labels, **facts)


def test_columns_that_say_nothing_are_left_out():
    assert [candidate.name for candidate in label_candidates(dataset(), True)] == ["kind", "alive"]


def test_named_columns_come_in_the_order_named():
    assert [candidate.name for candidate in label_candidates(dataset(), ["alive", "kind"])] == [
        "alive",
        "kind",
    ]


@pytest.mark.parametrize("wanted", [False, []])
def test_no_columns_may_be_wanted(wanted):
    assert label_candidates(dataset(), wanted) == []


def test_without_labels_there_is_no_label_model():
    assert label_candidates(dataset(labels=None), True) == []


def test_an_unknown_column_lists_the_known_ones():
    with pytest.raises(InputError, match="`label_models`: 'kinds', did you mean 'kind'.*alive, kind, number"):
        label_candidates(dataset(), ["kinds"])
    with pytest.raises(InputError, match="'stimulus_id'"):
        label_candidates(dataset(), ["stimulus_id"])


def test_in_a_run_wise_design_the_condition_is_a_model_although_every_stimulus_has_its_own():
    found = label_candidates(dataset(labels=None, conditions="stimulus_id"), True)
    assert [candidate.name for candidate in found] == [CONDITION]
    assert found[0].label_rdm(["s1", "s1", "s0"]).tolist() == [0, 1, 1]
    both = label_candidates(dataset(conditions="stimulus_id"), True)
    assert [candidate.name for candidate in both] == ["kind", "alive", CONDITION]


def test_the_labels_of_the_dataset_stay_as_they_are():
    labels = LABELS.copy()
    label_candidates(dataset(labels=labels, conditions="stimulus_id"), True)
    pd.testing.assert_frame_equal(labels, LABELS)


def test_pairs_of_one_category_are_at_zero_and_others_at_one():
    kind = label_candidates(dataset(), ["kind"])[0]
    # cat cat dog: only the first pair is of one kind.
    assert kind.label_rdm(["s0", "s1", "s2"]).tolist() == [0, 1, 1]
    assert kind.label_rdm(["s2", "s0", "s3", "s1"]).tolist() == [1, 0, 1, 1, 0, 1]
    assert (kind.family, kind.layers, kind.features) == ("category", ("category",), None)


def test_categories_are_matched_by_id():
    assert label_candidates(dataset(), ["kind"])[0].labels(["s5", "s0"]).tolist() == ["ant", "cat"]


def test_a_stimulus_without_label_is_named():
    kind = label_candidates(dataset(), ["kind"])[0]
    with pytest.raises(InputError, match="2 stimuli have no label 'kind': x1, x2"):
        kind.labels(["s0", "x1", "x2"])


def test_a_model_with_features_has_no_labels():
    candidate = Candidate(name="net", family="toy", layers=("l",), digest="d")
    with pytest.raises(InputError, match="the model 'net' has features, not labels"):
        candidate.label_rdm(["s0", "s1"])


def test_a_labels_digest_follows_its_values_and_not_their_type():
    def digest(column):
        return label_candidates(dataset(LABELS.assign(kind=column)), ["kind"])[0].digest

    assert digest([1, 1, 2, 2, 3, 3]) == digest(list("112233"))
    assert digest([1, 1, 2, 2, 3, 3]) != digest([1, 1, 2, 3, 2, 3])


@pytest.fixture
def images(tmp_path):
    """Return a folder of six small images."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "stimuli"
    folder.mkdir()
    for name in IDS:
        values = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


def take(folder, cache, models=("pixels",), seed=0, **options):
    store = Store(Path(cache))
    found = network_candidates(
        [ModelComponent.model_validate(model) for model in models],
        StimulusSet.from_folder(folder),
        FeatureOptions(**options),
        store=store,
        plan=Plan(seed, 1, "cpu", {"numpy": "x"}),
        base=Path(folder),
    )
    return found, store


def test_the_features_are_the_images(images, tmp_path):
    found, _ = take(images, tmp_path / "store", [{"kind": "pixels", "size": 8}], projection=None)
    X = found[0].features.matrix("pixels", ["s4", "s1"])
    values = np.asarray(Image.open(images / "s4.png"), dtype=np.float32) / 255
    np.testing.assert_allclose(X[0], values.transpose(2, 0, 1).ravel(), atol=1e-6)
    assert found[0].family == "engineered"
    assert found[0].stimulus_ids == tuple(IDS)
    assert not found[0].trained


def test_features_come_from_the_store_the_second_time(images, tmp_path, monkeypatch):
    first, store = take(images, tmp_path / "store")
    assert (store.made, store.found) == (1, 0)

    def refuse(*args, **kwargs):
        raise AssertionError("extracted again although the features were there")

    monkeypatch.setattr("alignkit.features.extract", refuse)
    again, store = take(images, tmp_path / "store")
    assert (store.made, store.found) == (0, 1)
    assert again[0].digest == first[0].digest
    np.testing.assert_array_equal(again[0].features["pixels"], first[0].features["pixels"])
    with pytest.raises(AssertionError, match="extracted again"):
        take(images, tmp_path / "store", pooling="mean")


@pytest.fixture
def quick(monkeypatch):
    """Write features that took no computing, where only the key matters."""

    def write(network, stimuli, folder, *, layers, **options):
        number = np.arange(len(stimuli), dtype="f")[:, None]
        made = Features(dict.fromkeys(layers, number), IDS, model="quick")
        made.save(folder / "made")
        for path in (folder / "made").iterdir():
            path.rename(folder / path.name)

    monkeypatch.setattr("alignkit.features.extract", write)


def digest(folder, cache, model="pixels", **options):
    return take(folder, cache, [model], **options)[0][0].digest


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "mean"},
        {"projection": 5},
        {"projection": None},
        {"batch_size": 2},
        {"seed": 1},
        {"model": {"kind": "pixels", "size": 16}},
    ],
)
def test_whatever_decides_the_features_changes_their_key(images, tmp_path, quick, change):
    assert digest(images, tmp_path, **change) != digest(images, tmp_path)


def test_the_layers_change_the_key_and_their_order_is_kept(images, tmp_path):
    every, _ = take(images, tmp_path, [GABOR])
    some, _ = take(images, tmp_path, [{**GABOR, "layers": ["energy", "scale1"]}])
    assert every[0].layers == ("scale1", "scale2", "energy")
    assert some[0].layers == ("energy", "scale1")
    assert some[0].digest != every[0].digest
    for layer in some[0].layers:
        np.testing.assert_array_equal(some[0].features[layer], every[0].features[layer])


@pytest.mark.parametrize("change", [{"grid": 2}, {"log": False}, {"n_orientations": 4}, {"aspect": 2.0}])
def test_options_of_a_network_change_the_key(images, tmp_path, quick, change):
    assert digest(images, tmp_path, {**GABOR, **change}) != digest(images, tmp_path, GABOR)


def test_other_weights_change_the_key(images, tmp_path, quick):
    small = {"kind": "hmax-untrained", "image_size": 96, "n_prototypes": 4, "layers": ["c1"]}
    one, two = (digest(images, tmp_path, {**small, "seed": seed}) for seed in (0, 1))
    assert one != two
    assert digest(images, tmp_path, small) == one


def test_one_changed_pixel_changes_the_key_and_only_that_row(images, tmp_path):
    before, _ = take(images, tmp_path, [{"kind": "pixels", "size": 8}])
    X = before[0].features["pixels"].reshape(6, -1)
    values = np.asarray(Image.open(images / "s2.png")).copy()
    values[0, 0, 0] ^= 255
    Image.fromarray(values).save(images / "s2.png")
    after, store = take(images, tmp_path, [{"kind": "pixels", "size": 8}])
    assert store.made == 1
    assert after[0].digest != before[0].digest
    changed = (after[0].features["pixels"].reshape(6, -1) != X).any(axis=1)
    assert changed.tolist() == [name == "s2" for name in IDS]


def test_a_renamed_image_changes_the_key(images, tmp_path):
    before = digest(images, tmp_path)
    (images / "s5.png").rename(images / "s9.png")
    found, _ = take(images, tmp_path)
    assert found[0].digest != before
    assert found[0].stimulus_ids[-1] == "s9"


def test_a_name_of_ones_own_is_kept_and_changes_no_key(images, tmp_path):
    found, store = take(images, tmp_path, ["pixels", {"kind": "pixels", "name": "my pixels"}])
    assert [candidate.name for candidate in found] == ["pixels", "my pixels"]
    assert found[0].digest == found[1].digest
    assert (store.made, store.found) == (1, 1)


def test_an_unknown_layer_lists_close_matches(images, tmp_path):
    with pytest.raises(InputError, match="`layers` of 'gabor-energy' holds 'scale7'.*did you mean 'scale2'"):
        take(images, tmp_path, [{**GABOR, "layers": ["scale7"]}])


def test_an_unknown_option_of_a_network_names_the_network(images, tmp_path):
    with pytest.raises(InputError, match="model 'pixels': the option 'sise', did you mean 'size'"):
        take(images, tmp_path, [{"kind": "pixels", "sise": 3}])


def test_labels_with_gaps_are_left_out_and_refused_by_name():
    labels = pd.DataFrame({"stimulus_id": list("abcdef"), "kind": ["x", "x", "y", "y", None, None]})
    rdms = RDMs(np.ones((1, 15)), tuple("abcdef"), pd.DataFrame({"subject": ["s"]}))
    dataset = Dataset("toy", rdms=rdms, labels=labels)
    assert label_candidates(dataset, True) == []
    with pytest.raises(InputError, match="'kind' is missing for 2 stimuli; leave it out"):
        label_candidates(dataset, ["kind"])


def _layers_of(module, layers):
    from alignkit.networks import Network
    from alignkit.networks._images import square

    return Network("net", "test", module.eval(), layers, square(4))


def test_layers_that_answer_all_stimuli_alike_are_left_out_and_said(images, tmp_path, monkeypatch, caplog):
    from torch import nn

    from alignkit.networks import NETWORKS

    module = nn.Sequential(nn.Flatten(), nn.Identity(), nn.Threshold(5.0, 1.0))
    monkeypatch.setitem(NETWORKS._facts, "net", {"family": "test", "summary": "x"})
    monkeypatch.setitem(NETWORKS._objects, "net", lambda: _layers_of(module, ("1", "2")))
    (found,), _ = take(images, tmp_path, [{"kind": "net"}])
    assert found.layers == ("1",)
    assert "net: 2 answer all stimuli alike and are left out" in caplog.text
    monkeypatch.setitem(NETWORKS._objects, "net", lambda: _layers_of(module, ("2",)))
    with pytest.raises(InputError, match="net: 2 answer all stimuli alike; there is no other layer"):
        take(images, tmp_path, [{"kind": "net"}])
