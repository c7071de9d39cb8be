"""Training: what is learned, what is kept, what a killed process leaves, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from alignkit._core.errors import InputError, MissingDataError
from alignkit._core.random import derive_seed
from alignkit.networks import (
    NETWORKS,
    Network,
    Recipe,
    build_network,
    epochs_of,
    labelled_images,
    train_network,
    trained_language,
)
from alignkit.networks._images import square
from alignkit.networks.training import _sources, lessons, teaching
from alignkit.networks.training._files import STATE, WEIGHTS, read_facts, read_tensors


class _Linear(nn.Module):
    def __init__(self, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(3 * 64, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.readout(self.dropout(images.flatten(1)))


def _linear(
    *, n_classes: int = 10, lr: float = 0.01, momentum: float = 0.0, dropout: float = 0.0, seed: int = 0
) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = _Linear(n_classes, dropout)
    optimizer = "sgd" if momentum else "adam"
    return Network(
        name="linear",
        family="test",
        module=module.eval(),
        layers=("readout",),
        preprocess=square(8),
        notes=("Weights are random (seed 0).", "It is linear."),
        recipe=Recipe(lr=lr, momentum=momentum, optimizer=optimizer, epochs=3, batch_size=32),
    )


@pytest.fixture(autouse=True)
def _few_digits(monkeypatch):
    """A third of the digits: enough to learn from, and quick."""
    whole = labelled_images("digits")
    few = replace(whole, labels=whole.labels[:600])
    monkeypatch.setattr(
        _sources, "labelled_images", lambda data, **_: few if data == "digits" else labelled_images(data)
    )


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(NETWORKS._objects, "linear", _linear)
    monkeypatch.setitem(NETWORKS._facts, "linear", {"learns": True})


def test_a_linear_readout_learns_the_digits(tmp_path):
    training = train_network("linear", data="digits", out=tmp_path / "t", epochs=8)
    losses = [row["loss"] for row in training.history]
    assert losses == sorted(losses, reverse=True)
    assert training.history[-1]["held_out_accuracy"] > 0.9
    assert [row["epoch"] for row in training.history] == list(range(1, 9))


def test_labels_without_a_relation_are_not_learned(tmp_path, monkeypatch):
    digits = _sources.labelled_images("digits")
    shuffled = np.random.default_rng(0).permutation(digits.labels)
    monkeypatch.setattr(_sources, "labelled_images", lambda *a, **k: _with_labels(digits, shuffled))
    training = train_network("linear", data="digits", out=tmp_path / "t", epochs=5)
    assert training.history[-1]["held_out_accuracy"] < 0.2


def _with_labels(images, labels):
    from dataclasses import replace

    return replace(images, labels=labels)


def test_held_out_images_are_never_trained_on():
    images = labelled_images("digits")
    lesson = lessons.image_lesson(_linear(), images, seed=3)
    training, held_out = set(lesson.training.numbers), set(lesson.held_out.numbers)
    assert not training & held_out
    assert training | held_out == set(range(len(images)))
    counts = np.bincount(images.labels[sorted(held_out)])
    assert counts.min() >= 0.19 * np.bincount(images.labels).min()


@pytest.mark.parametrize("options", [{"dropout": 0.3}, {"momentum": 0.9, "lr": 0.05}])
def test_training_killed_after_an_epoch_ends_with_the_weights_of_an_unbroken_one(
    tmp_path, monkeypatch, options
):
    unbroken = train_network("linear", data="digits", out=tmp_path / "whole", options=options, epochs=4)
    measure = teaching.measure
    calls = []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(teaching, "measure", dies)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train_network("linear", data="digits", out=tmp_path / "cut", options=options, epochs=4)
    assert (tmp_path / "cut" / STATE).is_file()
    assert not (tmp_path / "cut" / WEIGHTS).is_file()
    resumed = train_network("linear", data="digits", out=tmp_path / "cut", options=options, epochs=4)
    assert len(calls) == 3 + 2
    assert resumed.history == unbroken.history
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert not (tmp_path / "cut" / STATE).exists()


def test_a_finished_training_is_found_and_not_repeated(tmp_path, monkeypatch):
    first = train_network("linear", data="digits", out=tmp_path / "t", epochs=2)
    monkeypatch.setattr(teaching, "teach_batch", None)
    assert train_network("linear", data="digits", out=tmp_path / "t", epochs=2) == first


def test_a_trained_network_comes_back_with_its_weights_and_its_untrained_twin(tmp_path):
    train_network("linear", data="digits", out=tmp_path / "t", epochs=3, keep_epochs=True)
    network = build_network(f"trained:{tmp_path / 't'}")
    images, labels = _held_out(network)
    assert (network.module(images).argmax(1) == labels).float().mean() > 0.8
    assert network.trained
    assert "trained by alignkit on digits" in network.notes[0]
    assert not any(note.startswith("Weights are random") for note in network.notes)
    twin = network.untrained()
    assert not twin.trained
    assert twin.weights_digest() == _linear().weights_digest()
    assert epochs_of(tmp_path / "t") == [0, 1, 2, 3]
    epochs = [build_network(f"trained:{tmp_path / 't'}@{k}") for k in range(4)]
    assert epochs[0].weights_digest() == twin.weights_digest()
    assert epochs[3].weights_digest() == network.weights_digest()
    assert [each.trained for each in epochs] == [False, True, True, True]


def _held_out(network):
    seed = derive_seed(0, "held out")
    lesson = lessons.image_lesson(network, _sources.labelled_images("digits"), seed=seed)
    pairs = [lesson.held_out[i] for i in range(len(lesson.held_out))]
    return torch.stack([image for image, _ in pairs]), torch.stack([label for _, label in pairs])


def test_a_rule_of_its_own_is_used_instead_of_backpropagation(tmp_path, monkeypatch):
    class _Own(_Linear):
        def learn(self, inputs, targets):
            for parameter in self.parameters():
                parameter.grad = torch.ones_like(parameter)
            return {"loss": torch.tensor(1.5)}

    def build(*, n_classes: int = 10, seed: int = 0) -> Network:
        network = _linear(n_classes=n_classes, lr=0.5, momentum=0.0, seed=seed)
        module = _Own(n_classes, 0.0)
        module.load_state_dict(network.module.state_dict())
        recipe = Recipe(optimizer="sgd", lr=0.5, epochs=1, batch_size=2000)
        return Network("own", "test", module, ("readout",), square(8), recipe=recipe)

    monkeypatch.setitem(NETWORKS._objects, "linear", build)
    training = train_network("linear", data="digits", out=tmp_path / "t")
    network = build_network(f"trained:{tmp_path / 't'}")
    # One batch, one step of 0.5 down a gradient of ones.
    difference = network.module.readout.weight - build().module.readout.weight
    torch.testing.assert_close(difference, torch.full_like(difference, -0.5))
    assert training.history[0]["loss"] == 1.5


def test_the_seed_decides_every_bit(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_network("linear", data="digits", out=tmp_path / name, epochs=1, seed=seed)
    a, b, c = ((tmp_path / name / WEIGHTS).read_bytes() for name in "abc")
    assert a == b != c


def test_torch_s_own_generator_is_left_as_it_was(tmp_path):
    before = torch.get_rng_state()
    train_network("linear", data="digits", out=tmp_path / "t", epochs=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_explodes_is_said(tmp_path):
    with pytest.raises(InputError, match=r"loss became (nan|inf).*smaller learning rate"):
        train_network("linear", data="digits", out=tmp_path / "t", lr=1e38, options={"momentum": 0.9})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "`epochs` must be a positive"),
        ({"lr": -1.0}, "`lr` must be a positive"),
        ({"lr": float("nan")}, "`lr` must be a positive number, got nan"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train_network("linear", data="digits", out=tmp_path / "t", **changes)


def test_a_network_that_learns_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="'pixels' learns nothing"):
        train_network("pixels", data="digits", out=tmp_path / "t")


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="holds files that no training wrote"):
        train_network("linear", data="digits", out=tmp_path / "mine")
    train_network("linear", data="digits", out=tmp_path / "t", epochs=1)
    with pytest.raises(InputError, match="`n_classes` is 5, and digits .* has 10 classes; leave it out"):
        train_network("linear", data="digits", out=tmp_path / "n", options={"n_classes": 5})
    with pytest.raises(InputError, match="holds another training .*other than this one in: options, seed"):
        train_network("linear", data="digits", out=tmp_path / "t", epochs=1, seed=5)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file; name a folder"):
        train_network("linear", data="digits", out=tmp_path / "file")


def test_missing_and_damaged_trainings_are_named(tmp_path):
    with pytest.raises(MissingDataError, match="holds no trained network"):
        build_network(f"trained:{tmp_path}")
    train_network("linear", data="digits", out=tmp_path / "t", epochs=1)
    with pytest.raises(MissingDataError, match="did not keep epoch 7; kept are none"):
        build_network(f"trained:{tmp_path / 't'}@7")
    record = tmp_path / "t" / "network.json"
    text = record.read_text()
    record.write_text(text.replace('"format": 1', '"format": 9'))
    with pytest.raises(InputError, match="has format 9, this alignkit reads 1"):
        build_network(f"trained:{tmp_path / 't'}")
    record.write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        build_network(f"trained:{tmp_path / 't'}")
    record.write_text(json.dumps({"alignkit": "encoder"}))
    with pytest.raises(InputError, match="does not describe a trained network"):
        build_network(f"trained:{tmp_path / 't'}")
    changed = json.loads(text)
    changed["options"]["n_classes"] = 4
    record.write_text(json.dumps(changed))
    with pytest.raises(InputError, match="are not those of 'linear'.*size mismatch"):
        build_network(f"trained:{tmp_path / 't'}")
    record.write_text(text)
    (tmp_path / "t" / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(InputError, match="weights.safetensors is damaged"):
        build_network(f"trained:{tmp_path / 't'}")
    (tmp_path / "t" / WEIGHTS).unlink()
    with pytest.raises(MissingDataError, match="is missing"):
        build_network(f"trained:{tmp_path / 't'}")


def test_a_damaged_unfinished_training_is_named(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / STATE).write_bytes(b"nothing")
    with pytest.raises(InputError, match="is damaged.*remove it and train again"):
        train_network("linear", data="digits", out=tmp_path / "t")


def stop_after_an_epoch(folder, monkeypatch):
    """Leave what a training of two epochs leaves that is killed in the second."""
    measure = teaching.measure
    calls = []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, SystemExit)):
        patch.setattr(teaching, "measure", dies)
        train_network("linear", data="digits", out=folder, epochs=2)


def test_a_flipped_bit_of_an_unfinished_training_is_seen(tmp_path, monkeypatch):
    stop_after_an_epoch(tmp_path / "t", monkeypatch)
    path = tmp_path / "t" / STATE
    content = path.read_bytes()
    for place, message in (
        (len(content) - 3, "its tensors are not those that were written.*train"),
        (content.index(b'\\"loss\\": ') + 12, "its digest is another. Remove it and train again"),
    ):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match=message):
            train_network("linear", data="digits", out=tmp_path / "t", epochs=2)
    path.write_bytes(content)
    assert len(train_network("linear", data="digits", out=tmp_path / "t", epochs=2).history) == 2


def test_weights_without_a_digest_are_read_and_an_unfinished_training_is_not(tmp_path, monkeypatch):
    train_network("linear", data="digits", out=tmp_path / "w", epochs=1)
    weights = read_tensors(tmp_path / "w" / WEIGHTS)
    save_file(weights, tmp_path / "w" / WEIGHTS)
    assert build_network(f"trained:{tmp_path / 'w'}").trained
    stop_after_an_epoch(tmp_path / "t", monkeypatch)
    path = tmp_path / "t" / STATE
    save_file(read_tensors(path), path, metadata={"facts": json.dumps(read_facts(path))})
    with pytest.raises(InputError, match="has no digest, by which damage would show.*Remove it and train"):
        train_network("linear", data="digits", out=tmp_path / "t", epochs=2)


def test_a_flipped_bit_of_finished_weights_is_seen(tmp_path):
    train_network("linear", data="digits", out=tmp_path / "t", epochs=1)
    path = tmp_path / "t" / WEIGHTS
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="weights.safetensors is damaged: its tensors are not those"):
        build_network(f"trained:{tmp_path / 't'}")


@pytest.mark.slow
def test_the_copy_task_is_learned_by_waves_and_not_by_their_twin(tmp_path):
    recalled = {}
    for kind in ("wave-rnn", "wave-rnn-identity"):
        training = train_network(kind, data="copy", out=tmp_path / kind, options={"task": "copy"}, epochs=2)
        recalled[kind] = training.history[-1]["held_out_accuracy"]
    # Chance is one of eight symbols.
    assert recalled["wave-rnn"] > 0.6
    assert recalled["wave-rnn-identity"] < 0.3


def test_sequences_are_trained_on_and_only_recalled_symbols_count(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "N_SEQUENCES", 100)
    options = {"task": "copy", "n_positions": 12, "n_channels": 2}
    training = train_network("wave-rnn", data="copy", out=tmp_path / "t", options=options, epochs=1)
    assert 0 <= training.history[-1]["held_out_accuracy"] < 0.5
    assert build_network(f"trained:{tmp_path / 't'}").trained
    targets = torch.tensor([[0, 0, 3, 4], [0, 0, 5, 6]])
    # The blanks are all right: they say nothing.
    assert teaching._n_right(torch.tensor([[0, 0, 3, 4], [0, 0, 5, 1]]), targets) == 1.5
    assert teaching._n_right(torch.zeros(2, 4, dtype=torch.int64), targets) == 0
    assert teaching._n_right(torch.tensor([1, 2]), torch.tensor([1, 3])) == 1


def test_a_text_is_learned_byte_by_byte_and_its_last_fifth_is_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "N_PIECES", 500)
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat. " * 100, encoding="utf-8")
    options = {"n_neurons": 64, "n_dims": 16, "n_levels": 1}
    training = train_network(
        "dragon-hatchling", data=text, out=tmp_path / "t", options=options, epochs=1, lr=5e-3
    )
    # Without learning anything it would be the logarithm of 256, which is 5.5.
    assert training.history[-1]["held_out_loss"] < 3.5
    model = trained_language(name=str(tmp_path / "t"))
    assert model.trained
    assert model.family == "language"
    with pytest.raises(InputError, match="holds a language model, which takes texts"):
        build_network(f"trained:{tmp_path / 't'}")


def test_networks_and_data_that_do_not_go_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="'linear' learns from labels, and 'copy' is no such set"):
        train_network("linear", data="copy", out=tmp_path / "t")
    with pytest.raises(MissingDataError, match="the text .*digits does not exist; name a file of plain text"):
        train_network("dragon-hatchling", data="digits", out=tmp_path / "t")
    (tmp_path / "noise.bin").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="is no text in UTF-8"):
        train_network("dragon-hatchling", data=tmp_path / "noise.bin", out=tmp_path / "t")
    train_network("linear", data="digits", out=tmp_path / "images", epochs=1)
    with pytest.raises(InputError, match="holds a network of images; a language model is wanted"):
        trained_language(name=str(tmp_path / "images"))


def test_an_image_network_s_training_is_no_language_model_s_text(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 500)
    with pytest.raises(InputError, match="'linear' learns from labels, and .*a.txt.* is no such set"):
        train_network("linear", data=tmp_path / "a.txt", out=tmp_path / "t")


def test_the_matched_twin_is_trained_the_same_way_and_found_by_the_comparison(tmp_path, monkeypatch):
    from alignkit.networks import matched_twin

    def plain(*, n_classes: int = 10, seed: int = 0) -> Network:
        return _linear(n_classes=n_classes, seed=seed + 50)

    monkeypatch.setitem(NETWORKS._objects, "plain", plain)
    monkeypatch.setitem(NETWORKS._facts, "plain", {"learns": True})
    monkeypatch.setitem(NETWORKS._facts, "linear", {"learns": True, "matched": "plain"})
    train_network("linear", data="digits", out=tmp_path / "t", epochs=2, twin=True)
    twin = matched_twin(build_network(f"trained:{tmp_path / 't'}"))
    assert twin.name == "t:digits-matched"
    assert twin.trained
    assert "plain was trained by alignkit on digits (scikit-learn) for 2 epochs" in twin.notes[0]
    assert not any("may be training rather than" in note for note in twin.notes)
    train_network("linear", data="digits", out=tmp_path / "alone", epochs=1)
    network = build_network(f"trained:{tmp_path / 'alone'}")
    random = matched_twin(replace(network, matched=lambda: plain()))
    assert any("may be training rather than" in note for note in random.notes)


def test_training_sees_none_of_the_held_out_images(tmp_path, monkeypatch):
    seen = []
    teach = teaching.teach_batch

    def watched(network, inputs, targets):
        seen.extend(image.numpy().tobytes() for image in inputs)
        return teach(network, inputs, targets)

    monkeypatch.setattr(teaching, "teach_batch", watched)
    train_network("linear", data="digits", out=tmp_path / "t", epochs=1)
    images, _ = _held_out(build_network(f"trained:{tmp_path / 't'}"))
    assert not set(seen) & {image.numpy().tobytes() for image in images}
    assert len(set(seen)) > 470


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("topographic-sheet", {"side": 6, "image_size": 8, "grid": 4}),
        ("akorn-objects", {"image_size": 8, "n_channels": 16}),
        ("forward-forward", {"image_size": 8, "hidden": [20, 20]}),
        ("vone", {"image_size": 32, "visual_degrees": 2.0}),
    ],
)
def test_networks_that_draw_for_themselves_end_as_unbroken_ones(tmp_path, monkeypatch, kind, options):
    few = replace(_sources.labelled_images("digits"), labels=labelled_images("digits").labels[:120])
    monkeypatch.setattr(_sources, "labelled_images", lambda *a, **k: few)
    whole = train_network(kind, data="digits", out=tmp_path / "whole", options=options, epochs=2)
    measure, calls = teaching.measure, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise InputError("killed")
        return measure(*arguments)

    monkeypatch.setattr(teaching, "measure", dies)
    with pytest.raises(InputError, match="killed"):
        train_network(kind, data="digits", out=tmp_path / "cut", options=options, epochs=2)
    resumed = train_network(kind, data="digits", out=tmp_path / "cut", options=options, epochs=2)
    assert resumed.history == whole.history
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_twin_that_does_not_exist_is_said_before_training(tmp_path):
    with pytest.raises(InputError, match="'linear' names no matched twin that learns"):
        train_network("linear", data="digits", out=tmp_path / "t", twin=True)
    assert not (tmp_path / "t").exists()
