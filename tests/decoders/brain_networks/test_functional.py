"""Functional network: blind to shifts, at home at any sampling rate, with few coefficients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks._functional_layers import (
    FunctionalConv,
    FunctionalDense,
    basis_functions,
    step_centres,
    unit_variance,
)
from alignkit.decoders.brain_networks.functional import functional_network

RATE_HZ = 100.0
LAYOUT = Layout(3, 150, sfreq_hz=RATE_HZ)


def bumps(centres_s: torch.Tensor, *, rate_hz: float = RATE_HZ, duration_s: float = 1.5) -> torch.Tensor:
    """Return a smooth bump in three channels, one trial for each centre."""
    n_times = round(duration_s * rate_hz)
    # Centres of samples, so that twice the rate covers the same time.
    times_s = (torch.arange(n_times) + 0.5) / rate_hz
    shape = torch.exp(-0.5 * ((times_s - centres_s[:, None]) / 0.04) ** 2)
    return shape[:, None] * torch.tensor([1.0, -0.5, 0.2])[:, None]


def outputs_of(network: nn.Module, signals: torch.Tensor) -> torch.Tensor:
    return network(signals, torch.zeros(len(signals), dtype=torch.int64))


@pytest.mark.parametrize("basis", ["legendre", "fourier"])
def test_basis_is_orthonormal_under_the_mean(basis):
    values = basis_functions(basis, 7, step_centres(4000)).double()
    torch.testing.assert_close(values @ values.T / 4000, torch.eye(7, dtype=torch.float64), atol=1e-4, rtol=0)


def test_basis_equals_numpys_polynomials():
    values = basis_functions("legendre", 5, step_centres(9))
    places = (2 * np.arange(9) + 1) / 9 - 1
    expected = np.polynomial.legendre.legvander(places, 4).T * np.sqrt(2 * np.arange(5) + 1)[:, None]
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-6)


def test_fourier_basis_is_one_and_pairs_of_sine_and_cosine():
    place = 1 / 3
    values = basis_functions("fourier", 3, torch.tensor([place]).double())[:, 0]
    expected = [1, math.sqrt(2) * math.sin(math.pi * place), math.sqrt(2) * math.cos(math.pi * place)]
    torch.testing.assert_close(values, torch.tensor(expected))


def test_convolution_is_the_mean_of_signal_times_kernel():
    layer = FunctionalConv(2, 1, n_functions=2, n_samples=4, basis="legendre")
    signals = torch.randn(1, 2, 10, generator=torch.Generator().manual_seed(0))
    kernel = torch.einsum("ock,kl->ocl", layer.coefficients, basis_functions("legendre", 2, step_centres(4)))
    by_hand = [(kernel[0] * signals[0, :, t : t + 4]).sum() / 4 for t in range(7)]
    torch.testing.assert_close(layer(signals)[0, 0], torch.stack(by_hand))


def test_dense_layer_is_the_mean_of_maps_times_weights_of_time():
    layer = FunctionalDense(2, 3, n_functions=4, basis="fourier")
    maps = torch.randn(5, 2, 30, generator=torch.Generator().manual_seed(0))
    weights = layer.coefficients @ basis_functions("fourier", 4, step_centres(30))
    torch.testing.assert_close(layer(maps), torch.einsum("nct,oct->no", maps, weights) / 30 + layer.bias)


def test_shifts_change_nothing_unless_the_network_may_learn_when():
    layout = Layout(3, 250, sfreq_hz=RATE_HZ)
    trials = bumps(torch.tensor([0.75, 1.0, 1.28, 1.6]), duration_s=2.5)
    blind = functional_network(layout, 4).eval()
    outputs = outputs_of(blind, trials)
    assert (outputs - outputs[:1]).abs().max() < 1e-3
    # Not because all trials look the same to it.
    assert (outputs_of(blind, -trials) - outputs).abs().max() > 0.1
    # The twin that must fail: weights that depend on time.
    timed = functional_network(layout, 4, n_dense_functions=3).eval()
    outputs = outputs_of(timed, trials)
    assert (outputs - outputs[:1]).abs().max() > 0.05


def test_same_weights_serve_at_twice_the_rate_where_a_plain_network_fails():
    centres = torch.linspace(0.4, 1.1, 8)
    slow, fast = bumps(centres), bumps(centres, rate_hz=2 * RATE_HZ)
    network = functional_network(LAYOUT, 4).eval()
    expected = outputs_of(network, slow)
    error = (outputs_of(network.at_rate(2), fast) - expected).norm() / expected.norm()
    assert error < 0.02
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = nn.Sequential(nn.Conv1d(3, 20, 25), nn.ELU(), nn.Conv1d(20, 20, 25), nn.ELU())
    of_plain = [plain(unit_variance(signals)).mean(dim=2) for signals in (slow, fast)]
    assert (of_plain[1] - of_plain[0]).norm() / of_plain[0].norm() > 0.1


@pytest.mark.parametrize("basis", ["legendre", "fourier"])
@pytest.mark.parametrize("factor", [0.5, 1.6, 4])
def test_other_rates_and_bases_agree_too(basis, factor):
    network = functional_network(
        LAYOUT, 4, basis=basis, n_dense_functions=2, n_functions=5, kernel_s=0.3
    ).eval()
    centres = torch.linspace(0.4, 1.1, 4)
    expected = outputs_of(network, bumps(centres))
    other = outputs_of(network.at_rate(factor), bumps(centres, rate_hz=factor * RATE_HZ))
    assert (other - expected).norm() / expected.norm() < 0.02


def test_resampled_network_is_a_copy():
    network = functional_network(LAYOUT, 2)
    faster = network.at_rate(2)
    assert faster.convolutions[0].n_samples == 2 * network.convolutions[0].n_samples == 50
    for one, other in zip(network.parameters(), faster.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one is not other


def test_what_is_trained_does_not_grow_with_the_rate():
    sizes = []
    for rate in (100.0, 1000.0):
        network = functional_network(Layout(3, round(1.5 * rate), sfreq_hz=rate), 2)
        sizes.append(sum(weight.numel() for weight in network.parameters()))
    assert sizes[0] == sizes[1] == 20 * 3 * 8 + 20 * 20 * 8 + 2 * 20 + 2
    assert network.convolutions[0].n_samples == 250


def test_a_bump_is_found_at_places_that_training_never_showed():
    generator = torch.Generator().manual_seed(0)

    def trials(n_trials, low, high):
        labels = torch.arange(n_trials) % 2
        centres = low + (high - low) * torch.rand(n_trials, generator=generator)
        noise = torch.randn(n_trials, 3, 150, generator=generator)
        return 3 * bumps(centres) * labels[:, None, None] + noise, labels

    network = functional_network(LAYOUT, 2, n_layers=1)
    signals, labels = trials(256, 0.3, 0.6)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(outputs_of(network, signals), labels).backward()
        optimizer.step()
    unseen, truth = trials(300, 0.9, 1.2)
    assert (outputs_of(network.eval(), unseen).argmax(1) == truth).float().mean() >= 0.85
    nothing, _ = trials(300, 0.9, 1.2)
    guesses = outputs_of(network, nothing - nothing.roll(1, 0)).argmax(1)
    shuffled = truth[torch.randperm(300, generator=generator)]
    assert abs((guesses == shuffled).float().mean() - 0.5) < 0.12


def test_unit_variance_holds_in_any_unit_and_constants_give_zeros():
    signals = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0))
    for unit in (1.0, 1e-6, 1e-13, 1e9):
        normalised = unit_variance(signals * unit)
        torch.testing.assert_close(normalised.std(dim=2, correction=0), torch.ones(2, 3))
        torch.testing.assert_close(normalised.mean(dim=2), torch.zeros(2, 3), atol=1e-5, rtol=0)
    constant = torch.stack([torch.zeros(50), torch.full((50,), 0.1), torch.full((50,), 1234.567)])[None]
    assert (unit_variance(constant) == 0).all()


def test_padded_channels_change_nothing():
    small = functional_network(LAYOUT, 2).eval()
    wide = functional_network(Layout(5, 150, sfreq_hz=RATE_HZ), 2).eval()
    coefficients = wide.convolutions[0].coefficients.detach().clone()
    coefficients[:, :3] = small.convolutions[0].coefficients.detach()
    wide.load_state_dict({**small.state_dict(), "convolutions.0.coefficients": coefficients})
    signals = bumps(torch.tensor([0.5, 0.7]))
    padded = torch.cat([signals, torch.zeros(2, 2, 150)], dim=1)
    torch.testing.assert_close(outputs_of(wide, padded), outputs_of(small, signals), atol=1e-6, rtol=1e-5)


def test_evaluation_does_not_depend_on_what_else_is_in_the_batch():
    network = functional_network(LAYOUT, 2, dropout=0.5).eval()
    signals = bumps(torch.linspace(0.3, 1.2, 6))
    alone = torch.cat([outputs_of(network, signals[row : row + 1]) for row in range(6)])
    torch.testing.assert_close(alone, outputs_of(network, signals), atol=1e-6, rtol=1e-5)


def test_double_precision_gives_the_same_numbers():
    network = functional_network(LAYOUT, 2, n_dense_functions=3).eval()
    signals = bumps(torch.tensor([0.5, 0.9]))
    single = outputs_of(network, signals)
    network.double()
    signals = signals.double()
    torch.testing.assert_close(outputs_of(network, signals).float(), single, atol=1e-4, rtol=1e-4)


def test_same_seed_gives_the_same_weights_and_signals_are_not_changed():
    one, same, other = (functional_network(LAYOUT, 2, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.dense.coefficients, same.dense.coefficients)
    assert not torch.equal(one.dense.coefficients, other.dense.coefficients)
    signals = bumps(torch.tensor([0.5]))
    before = signals.clone()
    outputs_of(one, signals)
    assert torch.equal(signals, before)


def test_too_short_trials_are_refused_with_the_least_that_serves():
    with pytest.raises(InputError, match="functional needs trials of at least 51 times.*got 50"):
        functional_network(Layout(3, 50, sfreq_hz=RATE_HZ), 2, kernel_s=0.25)
    network = functional_network(Layout(3, 51, sfreq_hz=RATE_HZ), 2, kernel_s=0.25)
    assert outputs_of(network, torch.randn(2, 3, 51)).isfinite().all()


def test_kernels_with_fewer_samples_than_functions_are_refused():
    with pytest.raises(InputError, match="a kernel of 5 samples cannot hold 8 functions"):
        functional_network(LAYOUT, 2, kernel_s=0.05)
    with pytest.raises(InputError, match="a kernel of 2 samples cannot hold 8 functions"):
        functional_network(LAYOUT, 2).at_rate(0.1)


def test_unknown_bases_and_missing_rates_are_refused():
    with pytest.raises(UnknownNameError, match="`basis` is 'fourrier', did you mean 'fourier'"):
        functional_network(LAYOUT, 2, basis="fourrier")
    with pytest.raises(InputError, match="functional scales `kernel_s` with the sampling frequency"):
        functional_network(Layout(3), 2)
    with pytest.raises(InputError, match="`n_layers` must be at least 1, got 0"):
        functional_network(LAYOUT, 2, n_layers=0)
