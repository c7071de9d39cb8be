from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks.local_learning.exponentiated_dale import (
    ExponentiatedGradient,
    dale_clamped,
    dale_exponentiated,
    dale_gradient,
)


def _weights(n=40, seed=0):
    values = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return nn.Parameter(values.view(8, -1))


def test_the_logarithm_of_a_weights_size_moves_by_the_signed_gradient():
    weight = _weights()
    before = weight.detach().clone()
    weight.grad = _weights(seed=1).detach() * 0.1
    ExponentiatedGradient([weight], lr=0.3).step()
    moved = weight.detach().abs().log() - before.abs().log()
    torch.testing.assert_close(moved, -0.3 * before.sign() * weight.grad, rtol=1e-12, atol=1e-14)
    assert torch.equal(weight.detach().sign(), before.sign())


def test_steps_add_up_in_the_logarithm():
    once, twice = _weights(), _weights()
    for parameter, lr, n_steps in ((once, 0.4, 1), (twice, 0.2, 2)):
        parameter.grad = torch.ones_like(parameter)
        optimizer = ExponentiatedGradient([parameter], lr=lr)
        for _ in range(n_steps):
            optimizer.step()
    torch.testing.assert_close(once, twice)


def test_a_step_is_capped_and_zero_stays_zero():
    weight = nn.Parameter(torch.tensor([[2.0, -2.0, 0.0]]))
    weight.grad = torch.tensor([[1e6, 1e6, 1.0]])
    ExponentiatedGradient([weight], lr=1.0, cap=0.5).step()
    factor = torch.tensor(0.5).exp()
    torch.testing.assert_close(weight.detach(), torch.stack([2 / factor, -2 * factor, factor * 0])[None])


def test_biases_take_plain_steps_and_may_change_sign():
    bias = nn.Parameter(torch.tensor([0.1, -0.1]))
    bias.grad = torch.tensor([1.0, -1.0])
    ExponentiatedGradient([{"params": [bias], "additive": True}], lr=0.5).step()
    torch.testing.assert_close(bias.detach(), torch.tensor([-0.4, 0.4]))
    ExponentiatedGradient([{"params": [bias], "additive": True}], lr=0.5, lr_additive=0.1).step()
    torch.testing.assert_close(bias.detach(), torch.tensor([-0.5, 0.5]))


def test_momentum_lives_in_the_logarithm():
    weight = nn.Parameter(torch.tensor([[2.0]]))
    optimizer = ExponentiatedGradient([weight], lr=0.1, momentum=0.5)
    weight.grad = torch.ones(1, 1)
    optimizer.step()
    optimizer.step()
    assert weight.item() == pytest.approx(2 * float(torch.tensor(-0.1 - 0.15).exp()), rel=1e-6)


def test_multiplicative_noise_is_a_random_walk_of_the_logarithm():
    weight = nn.Parameter(torch.cat([torch.ones(1, 20000), -torch.ones(1, 20000)], dim=1))
    weight.grad = torch.zeros_like(weight)
    generator = torch.Generator().manual_seed(0)
    optimizer = ExponentiatedGradient([weight], lr=0.04, noise=0.5, generator=generator)
    for _ in range(25):
        optimizer.step()
    logs = weight.detach().abs().log()
    # sd = noise sqrt(lr n_steps) = 0.5
    assert float(logs.std()) == pytest.approx(0.5, rel=0.02)
    assert float(logs.mean()) == pytest.approx(0, abs=0.01)
    assert (weight[:, :20000] > 0).all()
    assert (weight[:, 20000:] < 0).all()


def test_a_closure_is_evaluated_with_gradients():
    weight = nn.Parameter(torch.tensor([[2.0]]))
    optimizer = ExponentiatedGradient([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == pytest.approx(4)
    assert weight.item() == pytest.approx(2 * float(torch.tensor(-0.4).exp()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "`lr` must be positive, got 0"),
        ({"lr": 0.1, "cap": 0.0}, "`cap` must be positive, got 0"),
        ({"lr": 0.1, "momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1"),
        ({"lr": 0.1, "noise": -1.0}, "`noise` must be at least 0, got -1"),
        ({"lr": 0.1, "noise": 0.1}, "`noise` is 0.1, which needs a `generator`"),
    ],
)
def test_an_optimiser_out_of_range_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        ExponentiatedGradient([_weights()], **options)


@pytest.mark.parametrize("inhibitory", [0.2, 0.5])
def test_every_column_has_the_sign_of_its_unit_and_the_wanted_share_inhibits(inhibitory):
    module = dale_exponentiated(image_size=8, inhibitory=inhibitory).module
    for number, layer in enumerate(module.linear_layers, start=1):
        sign = module.get_buffer(f"sign{number}")
        assert torch.equal(layer.weight.detach().sign(), sign.expand_as(layer.weight))
        assert float((sign < 0).float().mean()) == pytest.approx(inhibitory, abs=0.01)


def test_twins_start_alike():
    ours, theirs = dale_exponentiated(image_size=8).module, dale_gradient(image_size=8).module
    assert torch.equal(ours.readout.weight, theirs.readout.weight)
    assert torch.equal(ours.sign1, theirs.sign1)


def _trained(build, digits, train, *, seed, size, epochs, lr):
    network = build(image_size=size, seed=seed)
    accuracy = train(network, digits(size), epochs=epochs, lr=lr, seed=seed)
    module = network.module
    zeros = sum(int((layer.weight == 0).sum()) for layer in module.linear_layers)
    return accuracy, module.sign_flips(), zeros, module.weight_skewness()


def _heavy_tails_are_gone_in_the_logarithm(skewness) -> bool:
    return all(abs(log) < plain / 2 for plain, log in skewness.values())


def test_it_learns_digits_without_a_flip_and_the_twins_flip_or_die(digits, train):
    settings = {"seed": 0, "size": 8, "epochs": 15, "lr": 0.5}
    accuracy, flips, zeros, _ = _trained(dale_exponentiated, digits, train, **settings)
    assert accuracy > 0.85
    assert (flips, zeros) == (0, 0)
    settings["epochs"] = 4
    _, flips, zeros, _ = _trained(dale_gradient, digits, train, **settings)
    assert flips > 100
    _, flips, zeros, _ = _trained(dale_clamped, digits, train, **settings)
    assert flips == 0
    assert zeros > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_its_recipe_keeps_signs_and_brings_heavy_tails_on_every_seed(digits, train, seed, record_property):
    settings = {"seed": seed, "size": 16, "epochs": 60, "lr": 0.3}
    accuracy, flips, zeros, skewness = _trained(dale_exponentiated, digits, train, **settings)
    record_property("exponentiated", f"{accuracy} {flips} {zeros} {skewness}")
    assert accuracy > 0.94
    assert (flips, zeros) == (0, 0)
    assert skewness["readout"][0] > 2 * abs(skewness["readout"][1])
    twin, flips, _, skewed = _trained(dale_gradient, digits, train, **settings)
    record_property("gradient", f"{twin} {flips} {skewed}")
    assert flips > 1000
    assert skewness["l1"][0] > 1.2 * skewed["l1"][0]
    assert not _heavy_tails_are_gone_in_the_logarithm(skewed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_on_eight_by_eight_pixels_the_logarithm_takes_the_tail_away(digits, train, seed, record_property):
    settings = {"seed": seed, "size": 8, "epochs": 60, "lr": 0.5}
    accuracy, flips, _, skewness = _trained(dale_exponentiated, digits, train, **settings)
    record_property("exponentiated", f"{accuracy} {flips} {skewness}")
    assert accuracy > 0.94
    assert flips == 0
    assert _heavy_tails_are_gone_in_the_logarithm(skewness)
    _, _, _, twin = _trained(dale_gradient, digits, train, **settings)
    record_property("gradient", f"{twin}")
    assert not _heavy_tails_are_gone_in_the_logarithm(twin)
