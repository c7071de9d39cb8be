from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks import build_network
from alignkit.networks.local_learning.feedback_alignment import (
    FeedbackAlignment,
    alignment,
    direct_feedback_alignment,
)


def _batch(n=20):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 3, 8, 8, generator=generator).double(), torch.arange(n) % 10


def _module(rule="feedback-alignment", hidden=(30, 20)) -> FeedbackAlignment:
    return direct_feedback_alignment(image_size=8, hidden=list(hidden), rule=rule).module.double()


def _true_gradients(module, images, labels):
    loss = torch.nn.functional.cross_entropy(module(images), labels)
    return dict(
        zip(
            dict(module.named_parameters()),
            torch.autograd.grad(loss, list(module.parameters())),
            strict=True,
        )
    )


def test_the_first_layers_update_is_the_written_out_rule_and_the_readouts_the_true_gradient():
    module, (images, labels) = _module(), _batch()
    true = _true_gradients(module, images, labels)
    module.learn(images, labels)
    pixels = images.mean(1).flatten(1)
    error = module(images).softmax(1) - torch.nn.functional.one_hot(labels, 10)
    slope = 1 - torch.tanh(module.l1.linear(pixels)) ** 2
    signal = (error @ module.feedback1.T) * slope
    wanted = torch.einsum("ni,nj->ij", signal, pixels) / len(labels)
    torch.testing.assert_close(module.l1.linear.weight.grad, wanted.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(module.l1.linear.bias.grad, signal.mean(0).detach(), rtol=1e-9, atol=1e-12)
    for name in ("readout.weight", "readout.bias"):
        torch.testing.assert_close(module.get_parameter(name).grad, true[name], rtol=1e-9, atol=1e-12)


def test_the_backprop_twin_has_the_true_gradients():
    module, (images, labels) = _module("backprop"), _batch()
    true = _true_gradients(module, images, labels)
    module.learn(images, labels)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, true[name], rtol=1e-9, atol=1e-12)


def test_feedback_that_is_the_way_forward_transposed_is_backpropagation():
    module, (images, labels) = _module(), _batch()
    module.feedback2.copy_(module.readout.weight.detach().T)
    assert alignment(module, images, labels)["l2"] == pytest.approx(1, abs=1e-9)
    module.feedback2.neg_()
    assert alignment(module, images, labels)["l2"] == pytest.approx(-1, abs=1e-9)
    assert abs(alignment(module, images, labels)["l1"]) < 0.5


def test_alignment_is_the_cosine_of_the_two_updates():
    ours, theirs, (images, labels) = _module(), _module("backprop"), _batch()
    logged = ours.learn(images, labels)
    theirs.learn(images, labels)
    found = alignment(ours, images, labels)
    for number in (1, 2):
        a, b = (getattr(each, f"l{number}").linear.weight.grad.flatten() for each in (ours, theirs))
        assert found[f"l{number}"] == pytest.approx(float(torch.cosine_similarity(a, b, dim=0)), abs=1e-9)
        assert float(logged[f"alignment_{number}"]) == pytest.approx(found[f"l{number}"], abs=1e-9)


def test_the_readout_twin_leaves_hidden_layers_alone():
    module, (images, labels) = _module("readout"), _batch()
    module.learn(images, labels)
    assert module.l1.linear.weight.grad is None
    assert float(module.readout.weight.grad.norm()) > 0


def test_layers_have_feedback_of_their_own():
    module = _module(hidden=(30, 30))
    assert not torch.equal(module.feedback1, module.feedback2)
    names = dict(module.named_parameters())
    assert "feedback1" not in names
    assert "feedback1" in dict(module.named_buffers())


def test_alignment_per_image_can_be_heard(heard):
    module, (images, _) = _module(), _batch()
    found = heard(module, images, ("alignment.l1", "alignment.l2"))
    for values in (found["alignment.l1"], found["alignment.l2"]):
        assert values.shape == (20, 1)
        assert float(values.abs().max()) <= 1 + 1e-9


def test_alignment_needs_feedback_weights():
    other = build_network("pixels").module
    with pytest.raises(InputError, match="must be a FeedbackAlignment, got "):
        alignment(other, *_batch())


def _angles(digits, train, *, rule, seed, epochs, hidden=None):
    """Cosines per layer before training and at the end, and the accuracy."""
    network = direct_feedback_alignment(image_size=8, rule=rule, seed=seed, hidden=hidden)
    data = digits(8)
    # After one epoch of this rate layers are half aligned already, so that the start is the reference.
    first = _look(network.module, data)
    accuracy = train(network, data, epochs=epochs, lr=0.5, seed=seed)
    return first, _look(network.module, data), accuracy


def _look(module, data):
    return torch.tensor(list(alignment(module, data[0], data[1]).values()))


def test_the_angle_to_the_gradient_falls_and_in_the_twins_it_does_not(digits, train):
    first, last, accuracy = _angles(
        digits, train, rule="feedback-alignment", seed=0, epochs=12, hidden=[128, 128]
    )
    assert accuracy > 0.93
    assert float((last - first).min()) > 0.1
    assert float(last.min()) > 0.2
    for rule in ("readout", "backprop"):
        first, last, accuracy = _angles(digits, train, rule=rule, seed=0, epochs=6, hidden=[128, 128])
        assert accuracy > 0.8
        assert float(last.abs().max()) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_angle_falls_on_every_seed(digits, train, seed, record_property):
    first, last, accuracy = _angles(digits, train, rule="feedback-alignment", seed=seed, epochs=60)
    record_property("first, last, accuracy", f"{first.tolist()} {last.tolist()} {accuracy}")
    assert accuracy > 0.95
    assert float((last - first).min()) > 0.1
    assert float(last.min()) > 0.2
    for rule in ("readout", "backprop"):
        first, last, accuracy = _angles(digits, train, rule=rule, seed=seed, epochs=60)
        record_property(rule, f"{first.tolist()} {last.tolist()} {accuracy}")
        assert not (float((last - first).min()) > 0.1 and float(last.min()) > 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_its_recipe_learns_digits_on_every_seed(digits, train, seed, record_property):
    accuracy = train(direct_feedback_alignment(seed=seed), digits(16), seed=seed)
    record_property("accuracy", accuracy)
    assert accuracy > 0.95
