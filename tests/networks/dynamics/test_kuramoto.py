from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit.networks.dynamics.kuramoto import (
    AttentionCoupling,
    ConvCoupling,
    KuramotoLayer,
    NormReadout,
    on_tangent,
    turned,
    vectors_of,
)
from alignkit.networks.standard._random_weights import seeded


class Wiring(nn.Module):
    """Couples places by a matrix."""

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ij,bcjw->bciw", self.matrix, x)


def _unit(shape: tuple[int, ...], n_dims: int, seed: int) -> torch.Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return nn.functional.normalize(vectors_of(noise, n_dims), dim=2).flatten(1, 2)


def _energies(seed: int, *, gamma: float, symmetric: bool, rotating: bool = False) -> torch.Tensor:
    layer = seeded(
        lambda: KuramotoLayer(
            ConvCoupling(8, width=3, symmetric=symmetric),
            n_channels=8,
            n_dims=4,
            n_steps=1,
            rotating=rotating,
            gamma=gamma,
        ),
        seed,
    ).double()
    # Far stronger than at first, so that a rise would show.
    layer.coupling.weight.data *= 5
    x, c = _unit((2, 8, 5, 5), 4, seed), 0.3 * _unit((2, 8, 5, 5), 4, seed + 100)
    found = [layer.energy_of(x, c)]
    for _ in range(100):
        x = layer.step(x, c)
        found.append(layer.energy_of(x, c))
    return torch.cat(found, 1)


def _groups(seed: int, interaction: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean vector of either of two groups that repel each other, before and after 100 steps."""
    n_places = 40
    group = torch.arange(n_places) % 2
    matrix = 0.3 * (2 * (group[:, None] == group).double() - 1)
    layer = KuramotoLayer(
        Wiring(matrix),
        n_channels=2,
        n_dims=2,
        n_steps=100,
        rotating=False,
        gamma=0.1,
        interaction=interaction,
    )
    x = _unit((1, 2, n_places, 1), 2, seed)

    def means(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[0, :, group == which, 0].mean(1) for which in (0, 1)])

    before = means(x)
    for _ in range(100):
        x = layer.step(x, torch.zeros_like(x))
    return before, means(x)


@torch.no_grad()
@pytest.mark.parametrize("n_dims", [2, 4])
def test_oscillators_stay_on_their_spheres(n_dims):
    layer = seeded(
        lambda: KuramotoLayer(ConvCoupling(8), n_channels=8, n_dims=n_dims, n_steps=6, rotating=True), 0
    )
    lengths: list[torch.Tensor] = []
    layer.x.register_forward_hook(lambda m, i, o: lengths.append(vectors_of(o, n_dims).norm(dim=2)))
    start = _unit((2, 8, 6, 6), n_dims, 0).float()
    layer(start, torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(1)))
    assert len(lengths) == 6
    assert float((torch.stack(lengths) - 1).abs().max()) < 5e-7


def test_a_force_on_the_tangent_is_orthogonal_and_a_force_along_the_vector_is_none():
    x = vectors_of(_unit((2, 8, 3, 3), 4, 0), 4)
    force = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    assert float((on_tangent(x, force) * x).sum(2).abs().max()) < 1e-12
    assert float(on_tangent(x, 3 * x).abs().max()) < 1e-12


def test_turning_is_orthogonal_and_of_the_given_speed():
    x = vectors_of(_unit((1, 4, 2, 2), 2, 0), 2)
    velocity = turned(x, torch.tensor([[0.5], [2.0]], dtype=x.dtype))
    assert float((velocity * x).sum(2).abs().max()) < 1e-12
    expected = torch.tensor([0.5, 2.0], dtype=x.dtype).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    torch.testing.assert_close(velocity.norm(dim=2), expected)


@torch.no_grad()
def test_symmetric_coupling_is_symmetric_as_a_matrix_and_plain_coupling_is_not():
    for symmetric in (True, False):
        coupling = seeded(lambda s=symmetric: ConvCoupling(2, width=3, symmetric=s), 0).double()
        basis = torch.eye(2 * 4 * 4, dtype=torch.float64).view(-1, 2, 4, 4)
        matrix = coupling(basis).flatten(1)
        assert torch.allclose(matrix, matrix.T, atol=1e-12) == symmetric


@torch.no_grad()
@pytest.mark.parametrize("gamma", [0.1, 0.02])
def test_energy_never_rises_where_coupling_is_symmetric_and_nothing_turns(gamma):
    for seed in range(5):
        assert float(_energies(seed, gamma=gamma, symmetric=True).diff(dim=1).max()) < 1e-12


@torch.no_grad()
def test_energy_rises_where_coupling_is_not_symmetric_or_oscillators_turn():
    for seed in range(5):
        assert float(_energies(seed, gamma=0.1, symmetric=False).diff(dim=1).max()) > 1e-6
        turning = _energies(seed, gamma=0.1, symmetric=True, rotating=True)
        assert float(turning.diff(dim=1).max()) > 1e-6


@torch.no_grad()
@pytest.mark.parametrize("seed", range(10))
def test_two_groups_bind_and_part_while_the_twin_stays_incoherent(seed):
    before, after = _groups(seed, "oscillators")
    assert float(before.norm(dim=1).max()) < 0.6
    assert float(after.norm(dim=1).min()) > 0.999
    assert float(torch.cosine_similarity(after[0], after[1], dim=0)) < -0.999
    _, alone = _groups(seed, "stimulus")
    torch.testing.assert_close(alone, before)
    assert float(alone.norm(dim=1).max()) < 0.6


@torch.no_grad()
def test_a_strong_stimulus_is_followed():
    layer = KuramotoLayer(
        Wiring(torch.zeros(4, 4, dtype=torch.float64)), n_channels=4, n_dims=4, n_steps=1, rotating=False
    )
    x, wanted = _unit((2, 4, 4, 3), 4, 0), _unit((2, 4, 4, 3), 4, 1)
    for _ in range(50):
        x = layer.step(x, wanted)
    torch.testing.assert_close(x, wanted, atol=1e-6, rtol=0)


@torch.no_grad()
def test_the_readout_hears_lengths_not_a_common_turn():
    readout = seeded(lambda: NormReadout(4, 2), 0).double()
    readout.mix.bias.zero_()
    # A mixture of whole oscillators, each scaled: turning all of them turns it.
    scales = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mixing = torch.zeros(8, 4, dtype=torch.float64)
    mixing[0::2, 0::2], mixing[1::2, 1::2] = scales[0::2, 0::2], scales[0::2, 0::2]
    readout.mix.weight.copy_(mixing[:, :, None, None])
    x = _unit((1, 4, 3, 3), 2, 0)
    quarter = torch.stack((-x[:, 1::2], x[:, 0::2]), 2).flatten(1, 2)
    torch.testing.assert_close(readout(quarter), readout(x))
    assert float((readout(2 * x) - readout(x)).abs().max()) > 0.1


@torch.no_grad()
def test_attention_reaches_every_place_and_knows_no_order():
    coupling = seeded(lambda: AttentionCoupling(8, n_heads=2), 0)
    x = torch.randn(1, 8, 1, 6, generator=torch.Generator().manual_seed(0))
    shuffled = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(coupling(x)[..., shuffled], coupling(x[..., shuffled]))
    moved = x.clone()
    moved[..., 5] += 1
    assert float((coupling(moved) - coupling(x))[..., 0].abs().max()) > 1e-4
