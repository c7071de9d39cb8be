from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from alignkit._core.errors import InputError
from alignkit.networks import Learner, build_network
from alignkit.networks.vision.topographic import (
    cluster_score,
    plain_sheet,
    selectivity_maps,
    spatial_loss,
    topographic_sheet,
)

SIDE = 16
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)


def _digits():
    data = load_digits()
    images = torch.from_numpy(data.images / 16).float()[:, None].expand(-1, 3, -1, -1)
    return images, torch.from_numpy(data.target)


def _trained(alpha: float, seed: int, n_steps: int, lr: float):
    """Return accuracy, and each sheet's mean cluster score in place and with places shuffled."""
    images, labels = _digits()
    module = topographic_sheet(grid=8, image_size=8, alpha=alpha, seed=seed).module
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = torch.from_numpy(order[:1400]), torch.from_numpy(order[1400:])
    optimizer = torch.optim.Adam(module.parameters(), lr)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n_steps):
        batch = train[torch.randint(len(train), (128,), generator=generator)]
        module.learn(images[batch], labels[batch])
        optimizer.step()
    with torch.inference_mode():
        accuracy = float((module(images[test]).argmax(1) == labels[test]).float().mean())
        answers = module.activations(images[test])
    scores = []
    for sheet, values in zip((module.sheet1, module.sheet2), answers, strict=True):
        places = sheet.positions.numpy()
        shuffled = np.random.default_rng(seed).permutation(places)
        maps = selectivity_maps(values.numpy(), labels[test].numpy())
        scores.append(
            [np.mean([cluster_score(each, where) for each in maps]) for where in (places, shuffled)]
        )
    return accuracy, np.array(scores)


def _check_gates(seed: int, n_steps: int, lr: float) -> None:
    accuracy, scores = _trained(2.5, seed, n_steps, lr)
    plain_accuracy, plain_scores = _trained(0.0, seed, n_steps, lr)
    assert (scores[:, 0] > 0.4).all()
    assert (np.abs(scores[:, 1]) < 0.1).all()
    # The twin fails: its maps are as scattered as shuffled ones.
    assert (np.abs(plain_scores) < 0.1).all()
    assert accuracy > plain_accuracy - 0.02


def test_checkerboards_halves_and_random_maps_have_the_scores_that_edges_counted_by_hand_give():
    board = np.where(GRID.sum(1) % 2 == 0, 1.0, -1.0)
    halves = np.where(GRID[:, 0] < SIDE // 2, 1.0, -1.0)
    assert cluster_score(board, GRID) == -1
    # 480 edges, of which the 16 across the middle join unlike units.
    assert cluster_score(halves, GRID) == pytest.approx((464 - 16) / 480)
    generator = np.random.default_rng(0)
    shuffled = [cluster_score(generator.permutation(halves), GRID) for _ in range(200)]
    assert np.mean(shuffled) == pytest.approx(-1 / 255, abs=0.01)
    assert max(abs(np.array(shuffled))) < 0.2


def test_the_cluster_score_ignores_scale_offset_and_the_order_of_units():
    generator = np.random.default_rng(1)
    values = generator.normal(size=SIDE**2)
    order = generator.permutation(SIDE**2)
    score = cluster_score(values, GRID, radius=2.0)
    assert cluster_score(3 * values - 7, GRID, radius=2.0) == pytest.approx(score)
    assert cluster_score(values[order], GRID[order], radius=2.0) == pytest.approx(score)
    assert cluster_score(values, 5 * GRID, radius=10.0) == pytest.approx(score)


def test_the_spatial_loss_is_the_formula_on_every_pair():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(30, 6, dtype=torch.float64, generator=generator)
    places = torch.rand(6, 2, dtype=torch.float64, generator=generator)
    correlation = np.corrcoef(values.numpy().T)
    pairs = [(i, j) for i in range(6) for j in range(i)]
    r = [correlation[i, j] for i, j in pairs]
    nearness = [1 / (1 + float((places[i] - places[j]).norm())) for i, j in pairs]
    wanted = (1 - np.corrcoef(r, nearness)[0, 1]) / 2
    assert float(spatial_loss(values, places)) == pytest.approx(wanted, abs=1e-12)


def test_the_spatial_loss_is_zero_where_correlation_is_a_line_in_nearness():
    # Three units whose pairs correlate by 0.8, 0.5 and 0.5 lie 1, 2 and 2 apart (nearness 1/2, 1/3, 1/3).
    wanted = np.array([[1, 0.8, 0.5], [0.8, 1, 0.5], [0.5, 0.5, 1]])
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 4)) @ np.eye(4))[0]
    basis = np.linalg.qr(np.column_stack([np.ones(50), basis]))[0][:, 1:4]
    values = torch.from_numpy(basis @ np.linalg.cholesky(wanted).T)
    places = torch.tensor([[-0.5, 0.0], [0.5, 0.0], [0.0, 15**0.5 / 2]], dtype=torch.float64)
    assert float(spatial_loss(values, places)) == pytest.approx(0, abs=1e-12)
    swapped = places[[0, 2, 1]]
    assert float(spatial_loss(values, swapped)) == pytest.approx(0.75, abs=1e-12)


def test_units_that_do_not_vary_are_left_out_and_spoil_no_gradient():
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(30, 6, dtype=torch.float64, generator=generator)
    places = torch.rand(6, 2, dtype=torch.float64, generator=generator)
    dead = values.clone()
    dead[:, 2] = 0.5
    dead.requires_grad_()
    loss = spatial_loss(dead, places)
    loss.backward()
    rest = [0, 1, 3, 4, 5]
    assert loss.item() == pytest.approx(float(spatial_loss(values[:, rest], places[rest])))
    assert bool(torch.isfinite(dead.grad).all())
    assert float(dead.grad[:, 2].abs().max()) == 0
    assert float(spatial_loss(torch.zeros(30, 6), places)) == 0


def test_selectivity_is_welchs_t():
    from scipy.stats import ttest_ind

    generator = np.random.default_rng(0)
    values, labels = generator.normal(size=(40, 3)), np.repeat([5, 2, 9, 2], 10)
    maps = selectivity_maps(values, labels)
    for row, label in zip(maps, (2, 5, 9), strict=True):
        expected = ttest_ind(values[labels == label], values[labels != label], equal_var=False).statistic
        np.testing.assert_allclose(row, expected)


def test_learning_follows_the_gradient_of_both_losses():
    module = topographic_sheet(grid=4, side=6, image_size=8, radius=10.0, n_neighbourhoods=1).module
    assert isinstance(module, Learner)
    images, labels = (each[:200] for each in _digits())
    logged = module.learn(images, labels)
    found = {name: value.grad.clone() for name, value in module.named_parameters()}
    # With such a radius every neighbourhood is the whole sheet.
    first, second = module.activations(images)
    task = torch.nn.functional.cross_entropy(module(images), labels)
    spatial = spatial_loss(first, module.sheet1.positions) + spatial_loss(second, module.sheet2.positions)
    wanted = torch.autograd.grad(task + 2.5 * spatial, list(module.parameters()))
    for gradient, (name, value) in zip(wanted, found.items(), strict=True):
        torch.testing.assert_close(value, gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert float(logged["loss"]) == pytest.approx((task + 2.5 * spatial).item(), rel=1e-5)


def test_the_untrained_sheet_has_no_map():
    images, labels = _digits()
    module = topographic_sheet(grid=8, image_size=8).module
    with torch.inference_mode():
        values = module.activations(images)[1].numpy()
    maps = selectivity_maps(values, labels.numpy())
    assert abs(np.mean([cluster_score(each, module.sheet2.positions.numpy()) for each in maps])) < 0.1


def test_a_short_training_makes_maps_that_the_twin_has_not():
    _check_gates(seed=0, n_steps=60, lr=3e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_maps_are_smooth_at_no_cost_in_accuracy(seed):
    _check_gates(seed=seed, n_steps=400, lr=1e-3)


def test_the_twin_has_the_same_weights_and_places_before_training():
    network, twin = topographic_sheet(), plain_sheet()
    assert network.weights_digest() == twin.weights_digest() == network.matched().weights_digest()
    assert (network.module.alpha, twin.module.alpha) == (2.5, 0.0)
    assert (network.name, twin.name) == ("topographic-sheet", "plain-sheet")
    assert topographic_sheet(seed=1).weights_digest() != network.weights_digest()
    assert network.n_parameters == build_network("plain-sheet").n_parameters == 265226


def test_every_unit_has_a_place_of_its_own_in_another_order_on_each_sheet():
    module = topographic_sheet().module
    for sheet in (module.sheet1, module.sheet2):
        assert {tuple(place) for place in sheet.positions.int().tolist()} == {tuple(p) for p in GRID.tolist()}
    assert not torch.equal(module.sheet1.positions, module.sheet2.positions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -1.0}, "`alpha` must not be negative, got -1.0"),
        ({"radius": 0.5}, "`radius` must be at least 1, .* got 0.5"),
        ({"grid": 40}, "`image_size` must be at least 40, got 32"),
        ({"side": 2}, "`side` must be at least 3, got 2"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        topographic_sheet(**options)


def test_maps_that_cannot_be_scored_are_refused():
    with pytest.raises(InputError, match="all equal"):
        cluster_score(np.ones(4), GRID[:4])
    with pytest.raises(InputError, match="no two units are within `radius` 0.5"):
        cluster_score(np.arange(4.0), GRID[:4], radius=0.5)
    with pytest.raises(InputError, match="got 4 and 5"):
        cluster_score(np.arange(4.0), GRID[:5])
    with pytest.raises(InputError, match="has 1 sample.* all others 3"):
        selectivity_maps(np.ones((4, 2)), [0, 1, 1, 1])
