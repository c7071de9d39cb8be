from __future__ import annotations

import copy

import pytest
import torch

from alignkit.networks.local_learning.predictive_coding import PredictiveCoding, predictive_coding


def _module(seed=0, **options) -> PredictiveCoding:
    return predictive_coding(image_size=8, hidden=[64, 64], seed=seed, **options).module.double()


def _one(data, number=0, n=1):
    return data[0][number : number + n].double(), data[1][number : number + n]


def _target(labels):
    return torch.nn.functional.one_hot(labels, 10).double()


def _loss(module, images, labels):
    scores = module.ascend(images.mean(1).flatten(1))[-1]
    return (scores - _target(labels)).square().sum(1).mean() / 2


def _gradients(module):
    return torch.cat([p.grad.flatten() for p in module.parameters()])


def _cosine(a, b):
    return float(torch.cosine_similarity(a, b, dim=0))


def _backprop(module, images, labels):
    return torch.autograd.grad(_loss(module, images, labels), list(module.parameters()))


def _implicit_step(module, images, labels, lr):
    """The step to argmin of loss + ||change||^2 / (2 lr), found by another optimiser."""
    moved = copy.deepcopy(module)
    before = [p.detach().clone() for p in module.parameters()]
    optimizer = torch.optim.LBFGS(
        moved.parameters(),
        max_iter=400,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        distance = sum((p - q).square().sum() for p, q in zip(moved.parameters(), before, strict=True))
        value = _loss(moved, images, labels) + distance / (2 * lr)
        value.backward()
        return value

    optimizer.step(closure)
    return torch.cat([(q - p.detach()).flatten() for p, q in zip(moved.parameters(), before, strict=True)])


@pytest.mark.parametrize("seed", range(5))
def test_with_fixed_predictions_the_update_is_backpropagation(digits, seed):
    module = _module(seed, rule="fixed-prediction", n_steps=300)
    images, labels = _one(digits(8), 10 * seed, 10)
    module.learn(images, labels)
    for parameter, wanted in zip(module.parameters(), _backprop(module, images, labels), strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("proximal", [True, False])
def test_the_energy_never_rises_while_activities_settle(digits, proximal):
    module = _module(proximal=proximal, n_steps=60)
    images, labels = _one(digits(8), 0, 50)
    energy = module.settle(images.mean(1).flatten(1), _target(labels)).energy
    assert float(energy.diff(dim=0).max()) <= 1e-12
    assert float((energy[-1] / energy[0]).max()) < 1


def test_settling_ends_where_the_energy_is_stationary(digits):
    module = _module(n_steps=800)
    images, labels = _one(digits(8), 0, 3)
    pixels = images.mean(1).flatten(1)
    settled = module.settle(pixels, _target(labels))
    free = [each.clone().requires_grad_() for each in settled.activities[1:-1]]
    rates = [pixels, *(each.tanh() for each in free)]
    ends = [*free, _target(labels)]
    energy = sum(
        (p * (z - layer(r)).square().sum(1, keepdim=True)).sum() / 2
        for p, z, layer, r in zip(
            module._precisions(rates, even=False), ends, module.maps, rates, strict=True
        )
    )
    assert all(float(each.abs().max()) < 1e-8 for each in torch.autograd.grad(energy, free))


@pytest.mark.parametrize("lr", [0.05, 1.0, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_one_images_update_is_implicit_gradient_descent_and_backpropagation_is_not(digits, seed, lr):
    images, labels = _one(digits(8), 64 * seed)
    module = _module(seed, n_steps=300)
    module.make_optimizer(lr)
    wanted = _implicit_step(module, images, labels, lr)
    module.learn(images, labels)
    torch.testing.assert_close(lr * _gradients(module), wanted, rtol=1e-3, atol=1e-5)
    explicit = torch.cat([each.flatten() for each in _backprop(module, images, labels)])
    assert _cosine(explicit, wanted) < 0.995
    if lr >= 1:
        even = _module(seed, n_steps=300, proximal=False)
        even.learn(images, labels)
        assert _cosine(explicit, wanted) < _cosine(_gradients(even), wanted) < 0.98


@pytest.mark.parametrize("lr", [0.1, 0.5, 2.0])
def test_one_step_lowers_the_loss_at_every_rate_where_backpropagation_overshoots(digits, lr):
    fallen = {"inference": 0, "backprop": 0}
    for rule in fallen:
        for seed in range(20):
            module = _module(seed, rule=rule)
            images, labels = _one(digits(8), 64 * seed)
            optimizer = module.make_optimizer(lr)
            before = _loss(module, images, labels).item()
            module.learn(images, labels)
            optimizer.step()
            fallen[rule] += _loss(module, images, labels).item() < before
    assert fallen["inference"] == 20
    assert fallen["backprop"] <= {0.1: 20, 0.5: 5, 2.0: 5}[lr]


def test_the_rate_of_the_optimiser_is_kept_with_the_weights():
    module = _module()
    module.make_optimizer(0.7)
    other = _module()
    other.load_state_dict(module.state_dict())
    assert float(other.step) == pytest.approx(0.7)


def test_layers_are_prediction_activity_and_their_difference(digits, heard):
    network = predictive_coding(image_size=8, hidden=[30, 20])
    images = digits(8)[2][:8]
    found = heard(network.module, images, network.layers)
    for number in (1, 2, 3):
        error = found[f"z{number}"] - found[f"prediction{number}"]
        torch.testing.assert_close(found[f"e{number}"], error)
        assert float(error.abs().max()) > 1e-4
    decision = torch.nn.functional.one_hot(found["scores"].argmax(1), 10).float()
    assert torch.equal(found["z3"], decision)


@pytest.mark.parametrize("rule", ["inference", "backprop"])
def test_layers_do_not_depend_on_how_many_images_settle_at_once(digits, heard, rule):
    network = predictive_coding(rule=rule)
    images = digits(16)[2][:64]
    whole = heard(network.module, images, network.layers)
    for number in range(64):
        alone = heard(network.module, images[number : number + 1], network.layers)
        for layer in network.layers:
            wanted = whole[layer][number]
            assert wanted.dtype == torch.float32
            assert float((alone[layer][0] - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max()), layer


def test_it_learns_digits(digits, train):
    assert train(predictive_coding(image_size=8, hidden=[64]), digits(8), epochs=4) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_its_recipe_learns_digits_on_every_seed(digits, train, seed, record_property):
    found = [
        train(predictive_coding(seed=seed, rule=rule), digits(16), seed=seed)
        for rule in ("inference", "backprop")
    ]
    record_property("accuracy", f"{found}")
    assert min(found) > 0.92
