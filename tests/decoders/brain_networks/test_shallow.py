"""Shallow network: the power of sources is learnt, their phase cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks.shallow import ShallowFBCSP, shallow_fbcsp

RATE_HZ = 125.0
LAYOUT = Layout(6, 125, sfreq_hz=RATE_HZ)


def oscillations(n_trials: int, *, code: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return trials whose class is in the strength, or only in the phase, of a 10 Hz source."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_trials) % 2
    if code == "amplitude":
        phases = 2 * torch.pi * torch.rand(n_trials, 1, generator=generator)
        strengths = torch.where(labels == 1, 1.5, 0.5)[:, None]
    else:
        phases = torch.pi * labels[:, None].float()
        strengths = torch.full((n_trials, 1), 1.5)
    source = strengths * torch.sin(2 * torch.pi * 10 * torch.arange(125) / RATE_HZ + phases)
    pattern = torch.linspace(1, -1, 6)
    signals = source[:, None] * pattern[:, None] + torch.randn(n_trials, 6, 125, generator=generator)
    return signals, labels


def fit(network: nn.Module, signals: torch.Tensor, labels: torch.Tensor, *, epochs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.0)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(epochs):
            for rows in torch.randperm(len(signals), generator=generator).split(32):
                optimizer.zero_grad()
                nn.functional.cross_entropy(outputs_of(network, signals[rows]), labels[rows]).backward()
                optimizer.step()


def outputs_of(network: nn.Module, signals: torch.Tensor) -> torch.Tensor:
    return network(signals, torch.zeros(len(signals), dtype=torch.int64))


@torch.no_grad()
def accuracy(network: nn.Module, signals: torch.Tensor, labels: torch.Tensor) -> float:
    network.eval()
    return float((outputs_of(network, signals).argmax(1) == labels).float().mean())


def fitted(code: str) -> ShallowFBCSP:
    network = shallow_fbcsp(LAYOUT, 2)
    fit(network, *oscillations(160, code=code, seed=1), epochs=8)
    return network


def test_amplitude_is_learnt():
    assert accuracy(fitted("amplitude"), *oscillations(200, code="amplitude", seed=2)) >= 0.85


def test_phase_alone_is_not_learnt_though_a_linear_readout_has_it():
    signals, labels = oscillations(400, code="phase", seed=2)
    # The limit of the method, not of the code: power says nothing of a shift by half a cycle.
    assert abs(accuracy(fitted("phase"), signals, labels) - 0.5) < 0.1
    linear = nn.Sequential(nn.Flatten(), nn.Linear(750, 2))
    train, train_labels = oscillations(160, code="phase", seed=1)
    optimizer = torch.optim.Adam(linear.parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(linear(train), train_labels).backward()
        optimizer.step()
    assert (linear(signals).argmax(1) == labels).float().mean() > 0.95


def test_sign_of_the_signals_does_not_matter():
    network = fitted("amplitude").eval()
    signals, _ = oscillations(10, code="amplitude", seed=3)
    network.norm.running_mean.zero_()
    nn.init.zeros_(network.norm.bias)
    nn.init.zeros_(network.temporal.bias)
    torch.testing.assert_close(outputs_of(network, -signals), outputs_of(network, signals))


def test_shuffled_labels_give_chance():
    assert abs(_accuracies_of_shuffled(5).mean() - 0.5) < 0.1


@pytest.mark.slow
def test_many_shuffles_give_chance_within_their_spread():
    scores = _accuracies_of_shuffled(20)
    assert abs(scores.mean() - 0.5) < 3 * scores.std(ddof=1) / 20**0.5


def test_size_is_that_of_the_publication():
    # 40 filters of 25 with bias, 40 x 40 x 64 over space, norm 2 x 40; of 256 samples
    # (232 - 75) // 15 + 1 = 11 averages are left: 40 x 11 x 4 + 4.
    by_hand = 40 * 25 + 40 + 40 * 40 * 64 + 80 + 40 * 11 * 4 + 4
    network = shallow_fbcsp(Layout(64, 256, sfreq_hz=250.0), 4)
    assert sum(weight.numel() for weight in network.parameters()) == by_hand == 105_284


def test_one_convolution_equals_the_two_in_a_row():
    network = shallow_fbcsp(LAYOUT, 2).eval()
    nn.init.normal_(network.temporal.bias)
    signals, _ = oscillations(3, code="amplitude", seed=0)
    filtered = nn.functional.conv2d(
        signals[:, None], network.temporal.weight[:, :, None], network.temporal.bias
    )
    expected = nn.functional.conv2d(filtered, network.spatial[..., None])[:, :, 0]
    torch.testing.assert_close(network.sources(signals), expected, atol=1e-5, rtol=1e-5)


def test_durations_stay_at_other_sampling_rates():
    network = shallow_fbcsp(Layout(6, 1000, sfreq_hz=500.0), 2)
    assert network.temporal.kernel_size == (50,)
    assert (network.pool.kernel_size, network.pool.stride) == ((150,), (30,))


def test_padded_channels_change_nothing():
    small, wide = shallow_fbcsp(LAYOUT, 2).eval(), shallow_fbcsp(Layout(9, 125, sfreq_hz=RATE_HZ), 2).eval()
    spatial = wide.spatial.detach().clone()
    spatial[..., :6] = small.spatial.detach()
    wide.load_state_dict({**small.state_dict(), "spatial": spatial})
    signals, _ = oscillations(5, code="amplitude", seed=0)
    padded = torch.cat([signals, torch.zeros(5, 3, 125)], dim=1)
    torch.testing.assert_close(outputs_of(wide, padded), outputs_of(small, signals), atol=1e-5, rtol=1e-4)


def test_silent_trials_give_finite_outputs():
    assert outputs_of(shallow_fbcsp(LAYOUT, 2).eval(), torch.zeros(2, 6, 125)).isfinite().all()


def test_evaluation_does_not_depend_on_what_else_is_in_the_batch():
    network = shallow_fbcsp(LAYOUT, 2).eval()
    signals, _ = oscillations(8, code="amplitude", seed=0)
    alone = torch.cat([outputs_of(network, signals[row : row + 1]) for row in range(8)])
    torch.testing.assert_close(alone, outputs_of(network, signals), atol=1e-5, rtol=1e-5)


def test_double_precision_gives_the_same_numbers():
    network = shallow_fbcsp(LAYOUT, 2).eval()
    signals = oscillations(4, code="amplitude", seed=0)[0]
    single = outputs_of(network, signals)
    network.double()
    signals = signals.double()
    torch.testing.assert_close(outputs_of(network, signals).float(), single, atol=1e-4, rtol=1e-4)


def test_same_seed_gives_the_same_weights():
    one, same, other = (shallow_fbcsp(LAYOUT, 2, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.spatial, same.spatial)
    assert not torch.equal(one.spatial, other.spatial)


def test_too_short_trials_are_refused_with_the_least_that_serves():
    with pytest.raises(InputError, match="shallow-fbcsp needs trials of at least 99 times.*got 98"):
        shallow_fbcsp(Layout(6, 98, sfreq_hz=250.0), 2)
    shortest = shallow_fbcsp(Layout(6, 99, sfreq_hz=250.0), 2)
    assert outputs_of(shortest, torch.randn(2, 6, 99)).shape == (2, 2)


def test_signals_without_a_sampling_rate_need_sizes():
    with pytest.raises(InputError, match="shallow-fbcsp scales `pool_length`"):
        shallow_fbcsp(Layout(6, 100), 2, filter_length=5)


def _accuracies_of_shuffled(n_shuffles: int) -> np.ndarray:
    scores = []
    for seed in range(n_shuffles):
        signals, labels = oscillations(64, code="amplitude", seed=seed)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        network = shallow_fbcsp(LAYOUT, 2, seed=seed)
        fit(network, signals, labels[order], epochs=4)
        scores.append(accuracy(network, *oscillations(200, code="amplitude", seed=100 + seed)))
    return np.array(scores)
