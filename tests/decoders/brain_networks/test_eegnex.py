"""EEGNeX: both variants of the original, a reach that short kernels do not have, and a lateralised rhythm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks.eegnex import EEGNeX, eegnex
from alignkit.decoders.brain_networks.shallow import shallow_fbcsp

RATE_HZ = 64.0
LAYOUT = Layout(4, 64, sfreq_hz=RATE_HZ)
TIMES_S = torch.arange(64) / RATE_HZ


def rhythms(n_trials: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return trials with 10 Hz of random phase on both sides, stronger on the left or on the right."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_trials) % 2
    phases = 2 * torch.pi * torch.rand(n_trials, 2, 1, generator=generator)
    sources = torch.sin(2 * torch.pi * 10 * TIMES_S + phases)
    amplitudes = torch.where(nn.functional.one_hot(labels, 2).bool(), 1.5, 0.5)
    patterns = torch.tensor([[1.0, 0.6, 0.0, 0.0], [0.0, 0.0, 0.6, 1.0]])
    signals = torch.einsum("nst,ns,sc->nct", sources, amplitudes, patterns)
    return signals + torch.randn(n_trials, 4, 64, generator=generator), labels


def pairs(n_trials: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return trials with two bumps 400 ms apart, of one sign or of two: neither says anything alone."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_trials) % 2
    first_s = 0.1 + 0.4 * torch.rand(n_trials, 1, generator=generator)
    sign = torch.randint(0, 2, (n_trials, 1), generator=generator) * 2.0 - 1
    second = torch.where(labels == 1, 1.0, -1.0)[:, None]
    bumps = [torch.exp(-(((TIMES_S - centre) / 0.03) ** 2)) for centre in (first_s, first_s + 0.4)]
    source = 2 * sign * (bumps[0] + second * bumps[1])
    signals = source[:, None] * torch.tensor([1.0, 0.5, -0.5, -1.0])[:, None]
    return signals + 0.4 * torch.randn(n_trials, 4, 64, generator=generator), labels


def fit(network: nn.Module, signals: torch.Tensor, labels: torch.Tensor, *, epochs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
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


@pytest.mark.parametrize("variant", ["paper_code", "braindecode"])
def test_lateralised_rhythm_is_learnt(variant):
    network = eegnex(LAYOUT, 2, variant=variant, n_wide=8)
    fit(network, *rhythms(128, seed=1), epochs=5)
    assert accuracy(network, *rhythms(200, seed=2)) >= 0.85


def test_shuffled_labels_give_chance():
    assert abs(_accuracies_of_shuffled(5).mean() - 0.5) < 0.1


@pytest.mark.slow
def test_many_shuffles_give_chance_within_their_spread():
    scores = _accuracies_of_shuffled(20)
    assert abs(scores.mean() - 0.5) < 3 * scores.std(ddof=1) / 20**0.5


def test_what_lies_400_ms_apart_is_related():
    network = eegnex(LAYOUT, 2, n_wide=16)
    fit(network, *pairs(256, seed=1), epochs=8)
    assert accuracy(network, *pairs(200, seed=2)) >= 0.85


@pytest.mark.slow
def test_what_lies_400_ms_apart_is_out_of_reach_of_short_kernels_and_of_power():
    short = eegnex(LAYOUT, 2, kernel_length=4, dilated_length=2)
    power = shallow_fbcsp(LAYOUT, 2)
    for network in (short, power):
        fit(network, *pairs(320, seed=1), epochs=20)
        assert accuracy(network, *pairs(400, seed=2)) < 0.65


def test_sizes_of_both_variants():
    # 8 x 64; norm 16; 32 x 8 x 64; norm 64; spatial 64 x 64; norm 128; 32 x 64 x 16; norm 64; 8 x 32 x 16;
    # norm 16; then 8 maps of 256 / 4 = 64 samples, which leave 16 in pools of 4 and (64 + 2) // 8 = 8 in the
    # port's.
    body = 512 + 16 + 16_384 + 64 + 4_096 + 128 + 32_768 + 64 + 4_096 + 16
    layout = Layout(64, 256, sfreq_hz=128.0)
    for variant, left in (("paper_code", 16), ("braindecode", 8)):
        network = eegnex(layout, 4, variant=variant)
        assert sum(w.numel() for w in network.parameters()) == body + 8 * left * 4 + 4
    assert body + 8 * 8 * 4 + 4 == 58_404


def test_variants_differ_in_the_first_elu():
    def has_elu(network: EEGNeX) -> bool:
        return any(isinstance(layer, nn.ELU) for layer in network.temporal.layers)

    assert has_elu(eegnex(LAYOUT, 2, variant="paper_code"))
    assert not has_elu(eegnex(LAYOUT, 2, variant="braindecode"))


def test_pools_of_the_script_average_only_real_samples_at_the_edges():
    pool = eegnex(Layout(2, 70, sfreq_hz=128.0), 2).after_spatial[2]
    # 6 samples in pools of 4: one is padded before and one behind.
    values = torch.tensor([[[3.0, 6.0, 9.0, 1.0, 2.0, 3.0]]])
    torch.testing.assert_close(pool(values), torch.tensor([[[6.0, 2.0]]]))


def test_dilated_filters_reach_four_times_their_length():
    network = eegnex(LAYOUT, 2).eval()
    layer = network.dilated[2]
    impulse = torch.zeros(1, 32, 201)
    impulse[..., 100] = 1
    seen = layer(impulse).abs().sum(1)[0].nonzero().flatten()
    assert (seen.max() - seen.min()).item() == 4 * 15


def test_bounds_hold_after_every_step():
    signals, labels = rhythms(16, seed=5)
    network = eegnex(LAYOUT, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(outputs_of(network, signals), labels).backward()
        optimizer.step()
        assert network.spatial.held_weight.norm(dim=-1).max() <= 1 + 1e-5
        assert network.dense.held_weight.norm(dim=-1).max() <= 0.25 + 1e-5
    assert network.spatial.weight.norm(dim=-1).max() > 1.1


def test_absent_channels_change_nothing():
    signals, _ = rhythms(6, seed=6)
    small, wide = eegnex(LAYOUT, 2).eval(), eegnex(Layout(6, 64, sfreq_hz=RATE_HZ), 2).eval()
    filters = wide.spatial.weight.detach().clone()
    filters[..., :4] = small.spatial.held_weight.detach()
    wide.load_state_dict({**small.state_dict(), "spatial.weight": filters})
    wide.spatial.max_norm = None
    padded = torch.cat([signals, torch.zeros(6, 2, 64)], dim=1)
    torch.testing.assert_close(outputs_of(wide, padded), outputs_of(small, signals), atol=1e-5, rtol=1e-4)


def test_evaluation_does_not_depend_on_what_else_is_in_the_batch():
    network = eegnex(LAYOUT, 2).eval()
    signals, _ = rhythms(6, seed=7)
    alone = torch.cat([outputs_of(network, signals[row : row + 1]) for row in range(6)])
    torch.testing.assert_close(alone, outputs_of(network, signals), atol=1e-5, rtol=1e-5)


def test_double_precision_gives_the_same_numbers():
    network = eegnex(LAYOUT, 2).eval()
    signals = rhythms(4, seed=0)[0]
    single = outputs_of(network, signals)
    network.double()
    signals = signals.double()
    torch.testing.assert_close(outputs_of(network, signals).float(), single, atol=1e-4, rtol=1e-4)


def test_same_seed_gives_the_same_weights():
    one, same, other = (eegnex(LAYOUT, 2, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.dense.weight, same.dense.weight)
    assert not torch.equal(one.dense.weight, other.dense.weight)


@pytest.mark.parametrize(("variant", "least"), [("paper_code", 16), ("braindecode", 32)])
def test_too_short_trials_are_refused_with_the_least_that_serves(variant, least):
    with pytest.raises(InputError, match=f"eegnex needs trials of at least {least} times.*got {least - 1}"):
        eegnex(Layout(4, least - 1, sfreq_hz=128.0), 2, variant=variant)
    network = eegnex(Layout(4, least, sfreq_hz=128.0), 2, variant=variant)
    assert outputs_of(network, torch.randn(2, 4, least)).shape == (2, 2)


def test_pools_of_one_sample_serve_slow_signals():
    slow = Layout(4, 12, sfreq_hz=10.0)
    for variant in ("paper_code", "braindecode"):
        assert outputs_of(eegnex(slow, 2, variant=variant), torch.randn(2, 4, 12)).shape == (2, 2)


def test_unknown_variants_and_missing_rates_are_refused():
    with pytest.raises(UnknownNameError, match="`variant` is 'paper'.*'paper_code'"):
        eegnex(LAYOUT, 2, variant="paper")
    with pytest.raises(InputError, match="eegnex scales `pool_1` with the sampling frequency"):
        eegnex(Layout(4, 64), 2, kernel_length=8)
    with pytest.raises(InputError, match="`n_wide` must be at least 1, got 0"):
        eegnex(LAYOUT, 2, n_wide=0)


def _accuracies_of_shuffled(n_shuffles: int) -> np.ndarray:
    scores = []
    for seed in range(n_shuffles):
        signals, labels = rhythms(64, seed=seed)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        network = eegnex(LAYOUT, 2, n_wide=8, seed=seed)
        fit(network, signals, labels[order], epochs=3)
        scores.append(accuracy(network, *rhythms(200, seed=100 + seed)))
    return np.array(scores)


@torch.no_grad()
def test_a_trial_of_zeros_is_read_the_same_alone_and_beside_others():
    network = eegnex(LAYOUT, 3)
    signals = 1 + 3 * torch.randn(
        8, LAYOUT.n_channels, LAYOUT.n_times, generator=torch.Generator().manual_seed(0)
    )
    # So that the running statistics are not those of the start, by which zeros would stay zeros.
    outputs_of(network.train(), signals)
    network.eval()
    signals[2] = 0
    torch.testing.assert_close(outputs_of(network, signals[2:3])[0], outputs_of(network, signals)[2])


@torch.no_grad()
def test_a_batch_of_zeros_leaves_the_statistics_of_single_channels_alone():
    network = eegnex(LAYOUT, 3).train()
    outputs_of(network, torch.zeros(4, LAYOUT.n_channels, LAYOUT.n_times))
    norms = [layer for layer in network.temporal.layers if isinstance(layer, nn.BatchNorm1d)]
    assert norms and all(int(norm.num_batches_tracked) == 0 for norm in norms)
