from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks._temporal_spatial import Projection, TemporalSpatial
from alignkit.decoders.brain_networks.nice import nice

LAYOUT = Layout(n_channels=7, n_times=60, n_subjects=2)
SHORT = {"n_filters": 6, "temporal_kernel": 9, "pool": 11, "pool_stride": 4}


def batch_of(n_trials: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    signals = torch.randn(n_trials, 7, 60, generator=torch.Generator().manual_seed(seed))
    return signals, torch.arange(n_trials) % 2


def test_63_channels_and_250_times_make_1440_numbers() -> None:
    network = nice(Layout(n_channels=63, n_times=250), 768).eval()
    features = network.convolutions(torch.randn(2, 63, 250))
    assert features.shape == (2, 1440)
    assert network.projection.linear.weight.shape == (768, 1440)
    assert network.convolutions.n_features == 1440


@pytest.mark.parametrize("n_times", [19, 22, 23, 60, 61])
def test_one_convolution_equals_convolution_and_pooling(n_times: int) -> None:
    block = TemporalSpatial(7, n_times, needed_by="nice", **SHORT).double().eval()
    signals = torch.randn(3, 7, n_times, dtype=torch.float64)
    convolved = functional.conv2d(signals[:, None], block.temporal.weight, block.temporal.bias)
    pooled = functional.avg_pool2d(convolved, (1, 11), (1, 4))
    assert torch.allclose(block._pooled(signals), pooled, atol=1e-12)
    assert block.n_features == 6 * pooled.shape[-1]


def test_the_network_is_its_chain_of_layers() -> None:
    network = nice(LAYOUT, 10, **SHORT)
    convolutions, projection = network.convolutions, network.projection
    signals, subjects = batch_of(32)
    network(signals, subjects)
    network.eval()
    chain = nn.Sequential(
        convolutions.temporal,
        nn.AvgPool2d((1, 11), (1, 4)),
        convolutions.temporal_norm,
        nn.ELU(),
        convolutions.spatial,
        convolutions.spatial_norm,
        nn.ELU(),
        convolutions.mixing,
        nn.Flatten(),
        projection.linear,
    )
    made = chain.eval()(signals[:, None])
    made = functional.layer_norm(made + projection.block[1](functional.gelu(made)), (10,))
    assert torch.allclose(network(signals, subjects), made, atol=1e-5)


def test_weights_start_small_and_normal() -> None:
    network = nice(Layout(n_channels=63, n_times=250), 768)
    assert network.projection.linear.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert network.convolutions.spatial.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert not bool(network.projection.linear.bias.any())


def test_few_outputs_are_not_normalised_since_nothing_would_be_left() -> None:
    scores = torch.tensor([[1.0, 2.0], [1.0, 9.0]])
    plain, normed = Projection(2, 2), Projection(2, 2, final_norm=True)
    for head in (plain, normed):
        nn.init.eye_(head.linear.weight)
        nn.init.zeros_(head.linear.bias)
        nn.init.zeros_(head.block[1].weight)
        nn.init.zeros_(head.block[1].bias)
        head.eval()
    assert torch.equal(plain(scores), scores)
    assert torch.allclose(normed(scores), torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]), atol=1e-4)
    assert isinstance(Projection(4, 8).norm, nn.LayerNorm)
    assert isinstance(Projection(4, 8, final_norm=False).norm, nn.Identity)


def test_with_self_attention_each_channel_sees_the_others_before_the_convolutions() -> None:
    signals, subjects = batch_of()
    network = nice(LAYOUT, 10, variant="sa", **SHORT).eval()
    attention = network.attention
    assert attention is not None
    seen = signals + attention(signals)
    assert torch.allclose(network(signals, subjects), network.projection(network.convolutions(seen)))
    changed = signals.clone()
    changed[:, 0] += 50.0
    assert (attention(changed)[:, 1:] - attention(signals)[:, 1:]).abs().max() > 1e-4
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(attention(signals[:, order]), attention(signals)[:, order], atol=1e-6)


@pytest.mark.parametrize("variant", ["plain", "sa"])
def test_in_evaluation_a_trial_is_read_alike_alone_and_among_others(variant: str) -> None:
    network = nice(LAYOUT, 10, variant=variant, **SHORT)
    signals, subjects = batch_of(16)
    network(signals, subjects)
    network.eval()
    together = network(signals, subjects)
    alone = torch.cat([network(signals[[i]], subjects[[i]]) for i in range(16)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_same_seed_same_bits_and_torchs_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    first, second, other = (nice(LAYOUT, 10, variant="sa", seed=seed, **SHORT) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.projection.linear.weight, other.projection.linear.weight)


def test_trials_that_are_too_short_are_refused_with_the_least_number() -> None:
    nice(Layout(n_channels=3, n_times=75), 10)
    with pytest.raises(
        InputError,
        match=r"nice needs trials of at least 75 times .*, got 74\. Take a longer window, or smaller",
    ):
        nice(Layout(n_channels=3, n_times=74), 10)
    with pytest.raises(InputError, match=r"at least 2 times .*, got 1.*take residual-mlp"):
        nice(Layout(n_channels=3), 10, temporal_kernel=1, pool=1)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"`variant` is 'ga'.*Known: plain, sa"):
        nice(LAYOUT, 10, variant="ga")
