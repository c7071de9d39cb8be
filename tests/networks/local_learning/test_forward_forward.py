from __future__ import annotations

import pytest
import torch

from alignkit.networks import build_network
from alignkit.networks.local_learning.forward_forward import (
    ForwardForward,
    labelled,
    unit_mean_square,
)


def _sparsity(values: torch.Tensor) -> float:
    """Hoyer's: 0 when all units are alike, 1 when one speaks alone; units of silent rows do not count."""
    values = values[values.norm(dim=1) > 0]
    root = values.shape[1] ** 0.5
    return float(((root - values.abs().sum(1) / values.norm(dim=1)) / (root - 1)).mean())


def _batch(n=12):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 3, 8, 8, generator=generator), torch.arange(n) % 10


def _losses_by_layer(rule):
    module = build_network("forward-forward", {"image_size": 8, "hidden": [20, 15, 10], "rule": rule}).module
    return module, module.losses(*_batch())


def test_no_gradient_crosses_layers():
    module, losses = _losses_by_layer("forward-forward")
    for mine, loss in enumerate(losses):
        weights = [stage.linear.weight for stage in module.stages]
        found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        assert [each is not None for each in found] == [layer == mine for layer in range(3)]


def test_with_backpropagated_goodness_it_does():
    module, losses = _losses_by_layer("goodness-backprop")
    found = torch.autograd.grad(losses[2], [stage.linear.weight for stage in module.stages])
    assert all(float(each.norm()) > 0 for each in found)


def test_a_layers_update_is_the_written_out_rule():
    module = build_network("forward-forward", {"image_size": 8, "hidden": [20, 15]}).module.double()
    images, labels = _batch()
    images = images.double()
    wrong = module._wrong(labels)
    module.draws.count.zero_()
    module.learn(images, labels)
    pixels, eye = images.mean(1).flatten(1), torch.eye(10, dtype=torch.float64)
    expected = torch.zeros_like(module.stages[1].linear.weight)
    for sign, who in ((1, labels), (-1, wrong)):
        below = module.stages[0].respond(labelled(pixels, eye[who]))
        read = below / below.square().mean(1, keepdim=True).sqrt()
        answer = torch.relu(module.stages[1].linear(read))
        margin = answer.square().mean(1) - 2.0
        slope = -sign * torch.sigmoid(-sign * margin)
        expected += (slope.unsqueeze(1) * 2 * answer / 15).T @ read / len(labels)
    torch.testing.assert_close(module.stages[1].linear.weight.grad, expected.detach(), rtol=1e-6, atol=1e-9)


def test_wrong_labels_are_wrong_and_spread_evenly():
    module = ForwardForward(64, [4], 10)
    labels = torch.arange(10).repeat(500)
    wrong = module._wrong(labels)
    assert not (wrong == labels).any()
    counts = ((wrong - labels) % 10).bincount(minlength=10)[1:]
    assert float(counts.min()) > 0.85 * 5000 / 9


def test_a_layer_reads_direction_but_not_length():
    module = ForwardForward(64, [30], 10)
    inputs = torch.rand(5, 74)
    torch.testing.assert_close(module.l1.respond(inputs), module.l1.respond(7 * inputs))
    torch.testing.assert_close(unit_mean_square(inputs).square().mean(1), torch.ones(5))


def test_the_label_has_the_scale_of_the_image():
    pixels = torch.rand(5, 64)
    label = torch.eye(10)[:5]
    both, brighter = labelled(pixels, label), labelled(3 * pixels, label)
    torch.testing.assert_close(3 * both, brighter)
    torch.testing.assert_close(both[:, 64:].norm(dim=1), pixels.norm(dim=1) / 4)


def test_scores_are_the_goodness_of_all_layers_with_each_label(heard):
    module = build_network("forward-forward", {"image_size": 8, "hidden": [20, 15]}).module
    images, _ = _batch()
    found = heard(module, images, ("goodness", "l1", "l1.normed"))
    pixels = images.mean(1).flatten(1)
    third = torch.nn.functional.one_hot(torch.full((12,), 3), 10).float()
    answers = module.responses(labelled(pixels, third))
    torch.testing.assert_close(found["scores"][:, 3], sum(each.square().mean(1) for each in answers))
    assert torch.equal(found["goodness"], found["scores"])
    torch.testing.assert_close(found["l1.normed"], unit_mean_square(found["l1"]))


def test_more_classes_than_pixels_are_fine():
    module = build_network("forward-forward", {"image_size": 4, "hidden": [8], "n_classes": 20}).module
    assert module(torch.rand(2, 3, 4, 4)).shape == (2, 20)


def _mechanism(digits, train, heard, *, seed, size, hidden, epochs, lr=None):
    """Accuracy, and sparsity of the second layer, of the rule and of its twin."""
    data, found = digits(size), {}
    for name in ("forward-forward", "forward-forward-backprop"):
        network = build_network(name, {"image_size": size, "hidden": hidden, "seed": seed})
        accuracy = train(network, data, epochs=epochs, lr=lr, seed=seed)
        found[name] = accuracy, _sparsity(heard(network.module, data[2], ("l2",))["l2"])
    return found["forward-forward"], found["forward-forward-backprop"]


def test_it_learns_digits_with_sparser_layers_than_its_twin(digits, train, heard):
    ours, twin = _mechanism(digits, train, heard, seed=0, size=8, hidden=[100, 100], epochs=10, lr=5e-3)
    assert ours[0] > 0.85
    assert ours[1] > twin[1] + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_its_recipe_reaches_the_gate_on_every_seed(digits, train, heard, seed, record_property):
    ours, twin = _mechanism(digits, train, heard, seed=seed, size=16, hidden=None, epochs=None)
    record_property("accuracy, sparsity", f"{ours} {twin}")
    assert ours[0] > 0.9
    assert twin[0] > 0.95
    assert ours[1] > twin[1] + 0.2
