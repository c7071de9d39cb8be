from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks._channel_attention import ChannelAttention
from alignkit.decoders.brain_networks.channel_transformer import ChannelTransformer, channel_transformer

SHORT = {"n_filters": 6, "temporal_kernel": 5, "pool": 9, "pool_stride": 4, "feedforward": 16}


def layout_of(n_subjects: int = 2) -> Layout:
    places = torch.rand(n_subjects, 7, 2, generator=torch.Generator().manual_seed(1))
    return Layout(n_channels=7, n_times=30, n_subjects=n_subjects, positions=places)


def batch_of(n_trials: int = 6, n_subjects: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    signals = torch.randn(n_trials, 7, 30, generator=torch.Generator().manual_seed(0))
    return signals, torch.arange(n_trials) % n_subjects


def series_of(network: ChannelTransformer, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
    """Return what the convolutions get."""
    caught = []
    handle = network.convolutions.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    network(signals, subjects)
    handle.remove()
    return caught[0]


def test_attention_is_the_one_worked_out_by_hand() -> None:
    attention = ChannelAttention(1, n_heads=1).eval()
    with torch.no_grad():
        attention.queries_keys_values.weight.copy_(torch.tensor([[1.0], [1.0], [2.0]]))
        attention.queries_keys_values.bias.zero_()
        attention.out.weight.fill_(1.0)
        attention.out.bias.fill_(0.5)
    tokens = torch.tensor([[[1.0], [2.0]]])
    # Scores of the first token 1, 2 and of the second 2, 4; values 2 and 4.
    first, second = torch.tensor([1.0, 2.0]).softmax(0), torch.tensor([2.0, 4.0]).softmax(0)
    values = torch.tensor([2.0, 4.0])
    expected = torch.stack([first @ values, second @ values]) + 0.5
    assert torch.allclose(attention(tokens)[0, :, 0], expected)
    masked = attention(tokens, is_token=torch.tensor([[True, False]]))
    assert torch.allclose(masked[0, :, 0], torch.tensor([2.5, 2.5]))


def test_attention_equals_torchs() -> None:
    attention = ChannelAttention(12, n_heads=3).eval()
    peer = torch.nn.MultiheadAttention(12, 3, batch_first=True).eval()
    peer.load_state_dict(
        {
            "in_proj_weight": attention.queries_keys_values.weight,
            "in_proj_bias": attention.queries_keys_values.bias,
            "out_proj.weight": attention.out.weight,
            "out_proj.bias": attention.out.bias,
        }
    )
    tokens = torch.randn(4, 5, 12)
    there = torch.rand(4, 5) > 0.3
    there[:, 0] = True
    expected = peer(tokens, tokens, tokens, key_padding_mask=~there, need_weights=False)[0]
    assert torch.allclose(attention(tokens, is_token=there), expected, atol=1e-6)


def test_sizes_are_those_of_the_paper_at_the_defaults() -> None:
    network = channel_transformer(Layout(n_channels=63, n_times=250, n_subjects=2), 1024)
    assert network.convolutions.n_features == 1440
    assert network.projection.linear.weight.shape == (1024, 1440)
    # Four heads of 62 numbers, as 250 is no multiple of four.
    assert network.blocks[0].attention.queries_keys_values.weight.shape == (3 * 4 * 62, 250)
    assert network.blocks[0].feedforward[0].weight.shape == (256, 250)


def test_channels_are_treated_alike_up_to_the_convolutions() -> None:
    layout = layout_of()
    signals, subjects = batch_of()
    network = channel_transformer(layout, 8, n_blocks=2, **SHORT).eval()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    before = series_of(network, signals, subjects)
    assert network.places is not None
    network.places.positions = network.places.positions[:, order]
    assert torch.allclose(series_of(network, signals[:, order], subjects), before[:, order], atol=1e-5)


def test_a_token_knows_its_place_its_subject_and_the_other_channels() -> None:
    signals, subjects = batch_of()
    network = channel_transformer(layout_of(), 8, **SHORT).eval()
    before = series_of(network, signals, subjects)
    changed = signals.clone()
    changed[:, 0] = -changed[:, 0]
    assert (series_of(network, changed, subjects) - before)[:, 1:].abs().max() > 1e-3
    with torch.no_grad():
        network.subject_tokens[0].add_(torch.randn(30))
    moved = (series_of(network, signals, subjects) - before).abs().amax((1, 2))
    assert torch.equal(moved > 1e-4, subjects == 0)
    assert network.places is not None
    network.places.positions[1] = network.places.positions[1].flip(0)
    again = series_of(network, signals, subjects)
    assert ((again - before)[subjects == 1]).abs().max() > 1e-2


def test_channels_without_signal_are_no_tokens() -> None:
    signals, subjects = batch_of()
    signals[:, 5:] = 0.0
    network = channel_transformer(layout_of(), 8, **SHORT).eval()
    full = series_of(network, signals, subjects)
    assert not bool(full[:, 5:].any())
    assert network.places is not None
    tokens = network.embedding(signals[:, :5]) + network.places(subjects)[:, :5]
    own = torch.stack(list(network.subject_tokens))[subjects][:, None]
    tokens = torch.cat([tokens, own], 1)
    expected = network.norm(network.blocks[0](tokens, torch.ones(6, 6, dtype=torch.bool)))[:, :5]
    assert torch.allclose(full[:, :5], expected, atol=1e-5)


@pytest.mark.parametrize("subject_token", [True, False])
def test_a_trial_without_any_signal_gives_numbers(subject_token: bool) -> None:
    network = channel_transformer(layout_of(), 8, subject_token=subject_token, **SHORT).eval()
    outputs = network(torch.zeros(2, 7, 30), torch.tensor([0, 1]))
    assert bool(outputs.isfinite().all())
    outputs.sum().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in network.parameters())


def test_sensors_without_a_place_are_read_without_a_code() -> None:
    layout = layout_of()
    assert layout.positions is not None
    layout.positions[:, 2] = torch.nan
    network = channel_transformer(layout, 8, **SHORT).eval()
    assert network.places is not None
    code = network.places(torch.tensor([0, 1]))
    assert not bool(code[:, 2].any())
    assert bool((code[:, :2].abs().amax(-1) > 0).all())
    assert bool(network(*batch_of()).isfinite().all())
    assert channel_transformer(Layout(7, 30), 8, **SHORT).places is None
    assert channel_transformer(layout, 8, position_code=False, **SHORT).places is None


def test_in_evaluation_a_trial_is_read_alike_alone_and_among_others() -> None:
    network = channel_transformer(layout_of(3), 8, **SHORT)
    signals, subjects = batch_of(12, 3)
    network(signals, subjects)
    network.eval()
    together = network(signals, subjects)
    alone = torch.cat([network(signals[[i]], subjects[[i]]) for i in range(12)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_same_seed_same_bits_and_torchs_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    first, second, other = (channel_transformer(layout_of(), 8, seed=seed, **SHORT) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.embedding.weight, other.embedding.weight)


def test_calibration_of_a_new_subject_trains_its_token_alone() -> None:
    network = channel_transformer(layout_of(), 8, **SHORT).eval()
    signals, subjects = batch_of()
    before = network(signals, subjects).detach()
    tokens = [token.detach().clone() for token in network.subject_tokens]
    places = torch.rand(7, 2)
    (added,) = network.add_subject(places)
    assert torch.equal(added, torch.stack(tokens).mean(0))
    new = torch.full((6,), 2)
    target = torch.randn(6, 8)
    optimiser = torch.optim.Adam([added], lr=0.1)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = functional.mse_loss(network(signals, new), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert torch.equal(network(signals, subjects), before)
    grown = channel_transformer(layout_of(3), 8, **SHORT).eval()
    grown.load_state_dict(network.state_dict())
    assert torch.equal(grown(signals, new), network(signals, new))


def test_a_new_subject_without_places_takes_the_mean_of_the_others() -> None:
    network = channel_transformer(layout_of(), 8, subject_token=False, **SHORT)
    assert network.places is not None
    expected = network.places.positions.mean(0)
    assert network.add_subject() == []
    assert torch.allclose(network.places.positions[2], expected)
    with pytest.raises(InputError, match=r"must have shape \(7, 2\), got \(6, 2\). Pad with NaN"):
        network.add_subject(torch.rand(6, 2))


def test_networks_that_cannot_be_built_say_why() -> None:
    with pytest.raises(
        InputError,
        match=r"channel-transformer needs trials of at least 75 times .*, got 1\. .* take residual-mlp",
    ):
        channel_transformer(Layout(n_channels=7), 8)
    with pytest.raises(InputError, match="`n_blocks` and `n_heads` must be at least 1, got 0 and 4"):
        channel_transformer(layout_of(), 8, n_blocks=0, **SHORT)
