from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit.networks.local_learning._equilibrium_modules import EquilibriumPropagation
from alignkit.networks.local_learning.equilibrium_propagation import equilibrium_propagation


def _module(seed=0, **options) -> EquilibriumPropagation:
    """20 + 10 + 10 units that settle to rounding."""
    settings = {"n_free": 150, "n_nudged": 150, **options}
    return equilibrium_propagation(image_size=4, hidden=[20, 10], seed=seed, **settings).module.double()


def _batch(seed=0, n=4):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 3, 4, 4, generator=generator).double()
    return images, torch.randint(0, 10, (n,), generator=generator)


def _gradients(module):
    return torch.cat([p.grad.flatten() for p in module.parameters()])


def _at_rest(module, images, labels):
    """The gradient by differentiating through every step to rest."""
    module.rule, rule = "backprop", module.rule
    module.learn(images, labels)
    module.rule = rule
    return _gradients(module)


def _relative_error(seed, **options):
    module, (images, labels) = _module(seed, feedback="tied", **options), _batch(seed)
    wanted = _at_rest(module, images, labels)
    module.learn(images, labels)
    return float((_gradients(module) - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_the_gradient_falls_as_the_square_of_a_centred_nudge_and_as_a_one_sided_one(seed):
    betas = np.array([0.01, 0.03, 0.1])
    for n_phases, slope, most in ((2, 2.0, 5e-4), (1, 1.0, 0.05)):
        errors = [_relative_error(seed, beta=float(beta), n_phases=n_phases) for beta in betas]
        assert np.polyfit(np.log(betas), np.log(errors), 1)[0] == pytest.approx(slope, abs=0.1)
        assert errors[0] < most


def test_a_circle_of_nudges_in_the_complex_plane_is_exact_where_a_centred_one_is_not():
    assert _relative_error(0, beta=0.5, n_phases=8) < 1e-5
    assert _relative_error(0, beta=0.5, n_phases=2) > 1e-3


def test_a_tied_weights_update_is_the_contrast_of_two_products():
    module, (images, labels) = _module(feedback="tied", beta=0.2), _batch()
    module.learn(images, labels)
    pixels = images.mean(1).flatten(1)
    target = torch.nn.functional.one_hot(labels, 10).double()
    products = []
    with torch.no_grad():
        for sign in (1, -1):
            strength = torch.full((4, 1), sign * 0.2, dtype=torch.float64)
            states = module.settle(pixels, target=target, strength=strength)
            rates = [each.sigmoid() for each in states]
            products.append(rates[1].T @ rates[0] / 4)
    wanted = -(products[0] - products[1]) / 0.4
    torch.testing.assert_close(module.layers[1].weight.grad, wanted, rtol=1e-7, atol=1e-10)


def _error_and_adjoint(module, images, labels):
    """What nudging says of every unit, and what the gradient at rest says, side by side."""
    pixels = images.mean(1).flatten(1)
    target = torch.nn.functional.one_hot(labels, 10).double()
    with torch.no_grad():
        free = module.settle(pixels)
    error = torch.cat(module.nudge(pixels, free, target).errors, dim=1)
    sizes = [each.shape[1] for each in free]
    J = torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for k, (layer, down) in enumerate(zip(module.layers[1:], module.downward(), strict=True)):
        low, high = slice(starts[k], starts[k + 1]), slice(starts[k + 1], starts[k + 2])
        J[high, low], J[low, high] = layer.weight.detach(), down.detach()
    adjoint = []
    for row in range(len(images)):
        rates = torch.cat([each[row] for each in free]).sigmoid()
        D = torch.diag(rates * (1 - rates))
        pull = torch.zeros(len(J), dtype=torch.float64)
        pull[-10:] = rates[-10:] - target[row]
        adjoint.append(-D @ torch.linalg.solve(torch.eye(len(J), dtype=torch.float64) - J.T @ D, pull))
    return error, torch.stack(adjoint), J


def _cosine(module, images, labels):
    """Of the part of the error that has to travel down."""
    error, adjoint, _ = (each[:, :-10] for each in _error_and_adjoint(module, images, labels))
    return float(torch.cosine_similarity(error.flatten(), adjoint.flatten(), dim=0))


@pytest.mark.parametrize("seed", range(5))
def test_the_error_is_the_adjoint_when_weights_are_tied_and_is_not_when_they_are_unrelated(seed):
    images, labels = _batch(seed)
    assert _cosine(_module(seed, feedback="tied", beta=0.01), images, labels) > 0.9999
    assert _cosine(_module(seed, feedback="separate", beta=0.01), images, labels) < 0.95


def test_homeostasis_measures_the_asymmetry_of_the_jacobian():
    module, (images, labels) = _module(), _batch(n=1)
    free = [each.detach() for each in module.settle(images.mean(1).flatten(1))]
    _, _, J = _error_and_adjoint(module, images, labels)
    rates = torch.cat(free, dim=1)[0].sigmoid()
    root = torch.diag((rates * (1 - rates)).sqrt())
    A = root @ J @ root
    odd = (A - A.T).square().sum() / 2
    generator = torch.Generator().manual_seed(0)
    many = [each.expand(20000, -1) for each in free]
    noise = [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in many]
    with torch.no_grad():
        drawn = module.homeostatic_loss(many, noise)
        share = module.asymmetry(free)
    assert abs(float(drawn.mean() - odd)) < 4 * float(drawn.std()) / 20000**0.5
    assert float(share) == pytest.approx(float(odd / A.square().sum()), rel=1e-9)


def test_tied_weights_have_no_asymmetry_and_unrelated_ones_about_one():
    images, _ = _batch()
    for feedback, low, high in (("tied", 0.0, 1e-12), ("separate", 0.7, 1.3)):
        module = _module(feedback=feedback)
        with torch.no_grad():
            share = module.asymmetry(module.settle(images.mean(1).flatten(1)))
        assert low <= float(share.min())
        assert float(share.max()) <= high


def _after_homeostasis(seed, weight):
    """Cosine of error and adjoint before and after 60 steps of homeostasis alone."""
    module, (images, labels) = _module(seed, beta=0.01, homeostasis=weight), _batch(seed, 16)
    before = _cosine(module, images, labels)
    optimizer = torch.optim.Adam([*(each.weight for each in module.layers[1:]), *module.feedback], lr=0.03)
    with torch.no_grad():
        free = module.settle(images.mean(1).flatten(1))
    for _ in range(60):
        optimizer.zero_grad()
        if weight:
            module._symmetrise(free)
        optimizer.step()
    return before, _cosine(module, images, labels)


@pytest.mark.parametrize("seed", range(5))
def test_homeostasis_alone_turns_the_error_towards_the_gradient(seed):
    before, after = _after_homeostasis(seed, 1.0)
    assert after > before + 0.05
    assert after > 0.9
    before, after = _after_homeostasis(seed, 0.0)
    assert after == before


def test_layers_are_states_at_rest_and_their_change(heard):
    module, (images, _) = _module(beta=0.01), _batch()
    names = ("u_free", "u_nudged", "error", "jacobian.asymmetry")
    found = heard(module, images, names)
    assert torch.equal(found["u_free"][:, -10:], found["scores"])
    assert found["jacobian.asymmetry"].shape == (4, 1)
    moved = (found["u_nudged"].sigmoid() - found["u_free"].sigmoid()) / 0.01
    torch.testing.assert_close(moved, found["error"], rtol=0.2, atol=1e-3)
    again = module.settle(
        images.mean(1).flatten(1), states=list(found["u_free"].split([20, 10, 10], dim=1)), n_steps=1
    )
    torch.testing.assert_close(torch.cat(again, dim=1), found["u_free"], rtol=0, atol=1e-8)


def test_it_learns_digits_and_its_jacobian_becomes_symmetric(digits, train):
    data = digits(8)
    network = equilibrium_propagation(image_size=8, hidden=[48], n_free=15, n_nudged=10)
    accuracy = train(network, data, epochs=6, lr=2e-2)
    logged = network.module.learn(data[0][:64], data[1][:64])
    assert accuracy > 0.85
    assert float(logged["asymmetry"]) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_its_recipe_learns_digits_and_its_twin_stays_asymmetric(digits, train, seed, record_property):
    data, found = digits(16), {}
    for homeostasis, rule in ((1.0, "equilibrium"), (0.0, "equilibrium"), (0.0, "backprop")):
        network = equilibrium_propagation(seed=seed, homeostasis=homeostasis, rule=rule)
        accuracy = train(network, data, seed=seed)
        logged = network.module.learn(data[0][:64], data[1][:64])
        found[homeostasis, rule] = accuracy, float(logged["asymmetry"])
    record_property("accuracy, asymmetry", f"{found}")
    assert found[1.0, "equilibrium"][0] > 0.95
    assert found[1.0, "equilibrium"][1] < 0.05
    assert found[0.0, "equilibrium"][1] > 0.2
