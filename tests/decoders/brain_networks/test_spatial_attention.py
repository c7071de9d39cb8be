from __future__ import annotations

import math

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.decoders.brain_networks.spatial_attention import SpatialAttention, fourier_code


def places(n_subjects: int = 2, n_channels: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(n_subjects, n_channels, 2, generator=torch.Generator().manual_seed(seed))


def test_the_code_is_its_definition() -> None:
    positions = places().double()
    code = fourier_code(positions, n_frequencies=5, margin=0.1)
    x, y = (positions + 0.1).unbind(-1)
    angles = [2 * math.pi * (k * x + l * y) / 1.2 for k in range(5) for l in range(5)]  # noqa: E741
    expected = torch.stack([a.cos() for a in angles] + [a.sin() for a in angles], dim=-1)
    assert torch.allclose(code, expected, atol=1e-12)


def test_the_code_keeps_opposite_edges_apart() -> None:
    left, right = fourier_code(torch.tensor([[0.0, 0.5], [1.0, 0.5]]))
    assert (left - right).abs().max() > 1
    # Without a margin the two edges are one place.
    left, right = fourier_code(torch.tensor([[0.0, 0.5], [1.0, 0.5]]), margin=0.0)
    assert torch.allclose(left, right, atol=1e-4)


def test_one_frequency_says_nothing_so_channels_are_averaged() -> None:
    attention = SpatialAttention(places(), n_outputs=3, n_frequencies=1).eval()
    signals = torch.randn(4, 6, 5)
    mixed = attention(signals, torch.tensor([0, 1, 1, 0]))
    assert torch.allclose(mixed, signals.mean(1, keepdim=True).expand(-1, 3, -1), atol=1e-6)


def test_weights_are_those_worked_out_by_hand() -> None:
    # cos(2 pi (x + .2) / 1.4) is -1, 0 and 0 at x = .5, .15 and .85; the fourth channel has no place.
    positions = torch.tensor([[[0.5, 0.3], [0.15, 0.9], [0.85, 0.1], [torch.nan, torch.nan]]])
    attention = SpatialAttention(positions, n_outputs=1, n_frequencies=2).eval()
    with torch.no_grad():
        attention.heads.zero_()
        # Codes stand in the order (k, l) = (0, 0), (0, 1), (1, 0), (1, 1), cosines first.
        attention.heads[0, 2] = math.log(2.0)
    expected = torch.tensor([[0.2, 0.4, 0.4, 0.0]])
    assert torch.allclose(attention.weights(torch.tensor([0]))[0], expected, atol=1e-6)
    signals = torch.tensor([[[10.0, 0.0], [5.0, 1.0], [20.0, 1.0], [1e6, 1e6]]])
    mixed = attention(signals, torch.tensor([0]))
    assert torch.allclose(mixed, torch.tensor([[[12.0, 0.8]]]), atol=1e-5)


def test_weights_are_shares_and_start_spread_over_channels() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        attention = SpatialAttention(places(3, 20)).eval()
    weights = attention.weights(torch.tensor([2, 0]))
    assert weights.shape == (2, 270, 20)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 270), atol=1e-5)
    scores = attention.heads @ fourier_code(attention.positions[0]).T
    # h ~ N(0, 1) / sqrt(2048), and the code has a squared length of 1024.
    assert scores.std().item() == pytest.approx(math.sqrt(0.5), rel=0.1)


def test_each_trial_is_mixed_by_its_own_subjects_places() -> None:
    attention = SpatialAttention(places(3), n_outputs=4, n_frequencies=4).eval()
    signals, subjects = torch.randn(5, 6, 7), torch.tensor([2, 0, 2, 1, 0])
    mixed = attention(signals, subjects)
    for trial, subject in enumerate(subjects):
        weights = attention.weights(subject.reshape(1))[0]
        assert torch.allclose(mixed[trial], weights @ signals[trial], atol=1e-6)


def test_dropout_takes_the_channels_of_one_disc_in_training_only() -> None:
    positions = places(2, 30)
    attention = SpatialAttention(positions, n_outputs=2, n_frequencies=3, dropout_radius=0.3)
    subjects = torch.tensor([0, 1])
    numbers_dropped = []
    with torch.random.fork_rng(devices=[]):
        for seed in range(5):
            torch.default_generator.manual_seed(seed)
            centre = torch.rand(2)
            torch.default_generator.manual_seed(seed)
            dropped = attention.train().weights(subjects)[:, 0] == 0
            assert torch.equal(dropped, (positions - centre).norm(dim=-1) <= 0.3)
            numbers_dropped.append(int(dropped.sum()))
        assert max(numbers_dropped) > 0
        assert bool((attention.eval().weights(subjects) > 0).all())
        state = torch.get_rng_state()
        attention.weights(subjects)
        assert torch.equal(torch.get_rng_state(), state)


def test_a_subject_all_of_whose_sensors_would_be_dropped_keeps_them() -> None:
    positions = places(2, 4)
    positions[1, :2] = torch.nan
    attention = SpatialAttention(positions, n_outputs=2, n_frequencies=3, dropout_radius=2.0).train()
    weights = attention.weights(torch.tensor([0, 1]))
    assert bool((weights[0] > 0).all())
    assert torch.equal(weights[1] > 0, torch.tensor([False, False, True, True]).expand(2, -1))


def test_gradients_are_finite_where_places_are_missing() -> None:
    positions = places()
    positions[:, 3:] = torch.nan
    attention = SpatialAttention(positions, n_outputs=2, n_frequencies=3)
    attention(torch.randn(2, 6, 3), torch.tensor([0, 1])).sum().backward()
    assert attention.heads.grad is not None
    assert bool(attention.heads.grad.isfinite().all())


def test_places_given_are_not_changed() -> None:
    positions = places()
    before = positions.clone()
    attention = SpatialAttention(positions)
    attention.positions.zero_()
    assert torch.equal(positions, before)


def test_a_new_subject_takes_shared_places_or_its_own() -> None:
    shared = places(1).expand(3, -1, -1).clone()
    shared[:, 5] = torch.nan
    attention = SpatialAttention(shared, n_outputs=2, n_frequencies=3).eval()
    assert attention.add_subject() == []
    weights = attention.weights(torch.tensor([0, 3]))
    assert torch.equal(weights[0], weights[1])
    own = places(1, seed=4)[0]
    attention.add_subject(own)
    assert torch.equal(attention.positions[4], own)


def test_places_that_do_not_serve_are_refused() -> None:
    nowhere = places(3)
    nowhere[1] = torch.nan
    with pytest.raises(InputError, match=r"subject\(s\) 1 \(counted from 0\) have none.*to false"):
        SpatialAttention(nowhere)
    attention = SpatialAttention(places())
    with pytest.raises(InputError, match="at different places, so a new subject needs `positions`"):
        attention.add_subject()
    with pytest.raises(InputError, match=r"must have shape \(6, 2\), got \(5, 2\). Pad with NaN"):
        attention.add_subject(torch.rand(5, 2))
    with pytest.raises(InputError, match=r"subject\(s\) 2 \(counted from 0\) have none"):
        attention.add_subject(torch.full((6, 2), torch.nan))
