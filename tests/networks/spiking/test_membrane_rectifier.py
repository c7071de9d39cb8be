from __future__ import annotations

import pytest
import torch

from alignkit.networks.spiking.lif import LIF, surrogate_slope
from alignkit.networks.spiking.membrane_rectifier import (
    quantization_error,
    rectifier_slope,
    rectify_membrane,
)


def _potentials(sigma: float, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(20_000, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.5 + sigma * noise


def test_the_rectifier_rises_everywhere_and_keeps_0_one_half_and_1():
    u = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    assert float(rectify_membrane(u).diff().min()) > 0
    fixed = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(rectify_membrane(fixed), fixed)
    # The three pieces as the paper writes them.
    torch.testing.assert_close(rectify_membrane(u[u > 1]), u[u > 1] ** (1 / 3))
    torch.testing.assert_close(rectify_membrane(u[u < 0]), 1 - (1 - u[u < 0]) ** (1 / 3))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_spikes_are_the_same_and_nearer_to_the_rectified_membrane(sigma, seed):
    u = _potentials(sigma, seed)
    assert torch.equal(rectify_membrane(u) >= 0.5, u >= 0.5)
    plain, rectified = (float(quantization_error(u, rectified=flag)) for flag in (False, True))
    assert rectified < 0.5 * plain


def test_the_rectifier_s_error_is_what_a_gaussian_membrane_gave_before():
    assert float(quantization_error(_potentials(0.5), rectified=False)) == pytest.approx(0.110, abs=0.01)
    assert float(quantization_error(_potentials(0.5))) == pytest.approx(0.044, abs=0.005)


def test_the_slope_is_that_of_the_rectifier_with_finite_gradients_everywhere():
    u = torch.linspace(-2, 3, 501, dtype=torch.float64, requires_grad=True)
    rectify_membrane(u).sum().backward()
    assert bool(torch.isfinite(u.grad).all())
    inside = (u > 0) & (u < 1)
    torch.testing.assert_close(u.grad[inside], rectifier_slope(u.detach())[inside])


def test_the_rectified_surrogate_is_a_clipped_straight_through_rectifier():
    u = torch.linspace(-0.6, 1.6, 111, dtype=torch.float64, requires_grad=True)
    rectify_membrane(u).clamp(0, 1).sum().backward()
    ours = surrogate_slope(u.detach() - 0.5, surrogate="rectified")
    off_the_edges = ((u - 0.5).abs() - 0.5).abs() > 1e-9
    torch.testing.assert_close(ours[off_the_edges], u.grad[off_the_edges])


def test_rectified_neurons_spike_as_plain_ones_and_differ_in_gradient_only():
    currents = torch.randn(20, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    spikes, gradients = [], []
    for surrogate in ("rectified", "rectangle"):
        neuron = LIF(decay=0.9, threshold=0.5, reset="soft", drop=1.0, surrogate=surrogate).double()
        given = currents.clone().requires_grad_()
        state, total = None, []
        for current in given:
            fired, state = neuron(current, state)
            total.append(fired)
        torch.stack(total).sum().backward()
        spikes.append(torch.stack(total).detach())
        gradients.append(given.grad)
    assert torch.equal(*spikes)
    assert float((gradients[0] - gradients[1]).abs().max()) > 0.1
