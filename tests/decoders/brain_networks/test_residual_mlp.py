"""Residual perceptron: subjects share a space and nothing else; a new one can be calibrated alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks.residual_mlp import ResidualMLP, residual_mlp

LAYOUT = Layout(12, n_subjects=3)


def signals_of(n_trials: int, *, seed: int = 0, n_channels: int = 12) -> torch.Tensor:
    return torch.randn(n_trials, n_channels, 1, generator=torch.Generator().manual_seed(seed))


def planted(n_trials: int, *, n_subjects: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return responses of subjects whose channels mix the same four latents in ways of their own."""
    mixing = torch.randn(n_subjects, 4, 12, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(n_trials, 4, generator=generator)
    subjects = torch.arange(n_trials) % n_subjects
    noise = 0.3 * torch.randn(n_trials, 12, generator=generator)
    signals = torch.einsum("nl,nlc->nc", latents, mixing[subjects]) + noise
    # Products of latents: no affine map of the channels has them.
    targets = torch.stack([latents[:, 0] * latents[:, 1], latents[:, 2].abs()], dim=1)
    return signals[..., None], subjects, targets


def fit(network, parameters, data, *, steps: int) -> None:
    signals, subjects, targets = data
    optimizer = torch.optim.AdamW(list(parameters), lr=5e-3, weight_decay=1e-2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(signals, subjects), targets).backward()
            optimizer.step()


@torch.no_grad()
def explained(network: nn.Module, data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> float:
    signals, subjects, targets = data
    network.eval()
    error = (network(signals, subjects) - targets).square().mean(0)
    return float((1 - error / targets.var(0, correction=0)).mean())


def test_nonlinear_code_of_several_subjects_is_learnt_where_an_affine_map_fails():
    data, unseen = planted(900, n_subjects=3, seed=1), planted(600, n_subjects=3, seed=2)
    network = residual_mlp(LAYOUT, 2, width=64, input_dropout=0.0, dropout=0.0)
    fit(network, network.parameters(), data, steps=80)
    assert explained(network, unseen) > 0.5
    # The bound of any affine map: fitted on the unseen trials themselves, subject by subject.
    errors = []
    for subject in range(3):
        rows = unseen[1] == subject
        x = torch.cat([unseen[0][rows, :, 0], torch.ones(int(rows.sum()), 1)], dim=1)
        errors.append((unseen[2][rows] - x @ torch.linalg.lstsq(x, unseen[2][rows]).solution).square())
    affine = 1 - torch.cat(errors).mean(0) / unseen[2].var(0, correction=0)
    assert affine.mean() < 0.2


def test_a_new_subject_is_calibrated_through_its_own_layer_alone():
    data = planted(900, n_subjects=3, seed=1)
    old = data[1] < 2
    network = residual_mlp(Layout(12, n_subjects=2), 2, width=64, input_dropout=0.0, dropout=0.0)
    fit(network, network.parameters(), tuple(part[old] for part in data), steps=80)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    own = network.add_subject()
    assert [tuple(parameter.shape) for parameter in own] == [(64, 12), (64,)]
    torch.testing.assert_close(own[0], (kept["subject_weights.0"] + kept["subject_weights.1"]) / 2)
    unseen = tuple(part[2::3] for part in planted(600, n_subjects=3, seed=2))
    before = explained(network, unseen)
    fit(network, own, tuple(part[~old] for part in data), steps=80)
    assert explained(network, unseen) > max(before, 0.0) + 0.2
    for name, value in kept.items():
        assert torch.equal(network.state_dict()[name], value), name


def test_subjects_are_isolated():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    signals, subjects = signals_of(6), torch.tensor([0, 1, 2, 0, 1, 2])
    before = network(signals, subjects)
    network(signals[subjects == 1], torch.ones(2, dtype=torch.int64)).sum().backward()
    touched = [weight.grad is not None for weight in network.subject_weights]
    assert touched == [False, True, False]
    with torch.no_grad():
        network.subject_weights[1][0].add_(1.0)
    after = network(signals, subjects)
    assert torch.equal(after[subjects != 1], before[subjects != 1])
    assert not torch.allclose(after[subjects == 1], before[subjects == 1])


def test_layers_go_with_subjects_and_rows_keep_their_places():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    signals, subjects = signals_of(7), torch.tensor([2, 0, 0, 2, 1, 0, 2])
    together = network(signals, subjects)
    for row in range(7):
        weight, bias = network.subject_weights[subjects[row]], network.subject_biases[subjects[row]]
        shared = network.after_subject(signals[row, :, 0] @ weight.T + bias)
        for block in network.blocks:
            shared = shared + block(shared)
        torch.testing.assert_close(together[row], network.readout(shared), atol=1e-5, rtol=1e-5)


def test_padded_channels_change_nothing():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    signals, subjects = signals_of(4), torch.zeros(4, dtype=torch.int64)
    signals[:, 8:] = 0
    before = network(signals, subjects)
    before.sum().backward()
    assert (network.subject_weights[0].grad[:, 8:] == 0).all()
    with torch.no_grad():
        network.subject_weights[0][:, 8:] = 100.0
    torch.testing.assert_close(network(signals, subjects), before)


def test_times_count_as_further_channels():
    network = residual_mlp(Layout(4, 5), 2, width=16)
    assert network.subject_weights[0].shape == (16, 20)
    assert network(torch.randn(3, 4, 5), torch.zeros(3, dtype=torch.int64)).shape == (3, 2)


def test_evaluation_does_not_depend_on_what_else_is_in_the_batch():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    signals, subjects = signals_of(6), torch.tensor([0, 1, 2, 2, 1, 0])
    together = network(signals, subjects)
    alone = torch.cat([network(signals[r : r + 1], subjects[r : r + 1]) for r in range(6)])
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        network(signals[order], subjects[order]), together[order], atol=1e-6, rtol=1e-5
    )


def test_half_precision_goes_through():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    signals, subjects = signals_of(6), torch.tensor([0, 1, 2, 2, 1, 0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network(signals, subjects)
    torch.testing.assert_close(half.float(), network(signals, subjects), atol=0.05, rtol=0.05)


def test_double_precision_gives_the_same_numbers():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    signals = signals_of(4)
    single = network(signals, torch.tensor([0, 1, 2, 0]))
    network.double()
    signals = signals.double()
    torch.testing.assert_close(
        network(signals, torch.tensor([0, 1, 2, 0])).float(), single, atol=1e-4, rtol=1e-4
    )


def test_same_seed_gives_the_same_weights_and_leaves_the_global_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (residual_mlp(LAYOUT, 2, width=16, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.readout.weight, same.readout.weight)
    assert not torch.equal(one.readout.weight, other.readout.weight)


def test_a_saved_network_with_an_added_subject_can_be_read():
    network = residual_mlp(LAYOUT, 2, width=16).eval()
    network.add_subject()
    again = residual_mlp(Layout(12, n_subjects=4), 2, width=16, seed=9).eval()
    again.load_state_dict(network.state_dict())
    signals, subjects = signals_of(4), torch.full((4,), 3)
    assert torch.equal(again(signals, subjects), network(signals, subjects))


def test_subjects_without_a_layer_are_refused():
    network: ResidualMLP = residual_mlp(LAYOUT, 2, width=16)
    for code in (3, -1):
        with pytest.raises(InputError, match=f"subject {code} has no input layer; this network has 3"):
            network(signals_of(2), torch.tensor([0, code]))


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="`width` must be at least 1, got 0"):
        residual_mlp(LAYOUT, 2, width=0)
    with pytest.raises(InputError, match="`n_blocks` must be at least 0, got -1"):
        residual_mlp(LAYOUT, 2, n_blocks=-1)
