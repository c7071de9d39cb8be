from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import build_network, procedural_images
from alignkit.networks.vision._adaptive_whitening import adapt_gains, response_covariance, whitening_gains
from alignkit.networks.vision.gain_control import (
    context_moment,
    gain_control,
    objective,
    optimal_gains,
    ring_weights,
    steady_state,
    tuning,
)

N = 36
ANGLES = 180 * torch.arange(N, dtype=torch.float64) / N
ADAPTER = 90.0
AWAY = (ANGLES - ADAPTER + 90) % 180 - 90


def _images(n: int, size: int = 64) -> torch.Tensor:
    drawn = procedural_images(n, size=size, random_state=11)
    return torch.from_numpy(drawn / 255).float().permute(0, 3, 1, 2)


def _preferred(gain: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the orientation at which each unit answers most, from a parabola through the three best."""
    step = 0.05
    shown = torch.arange(0, 180, step)
    response = steady_state(tuning(N, shown), gain, weights)
    best = response.argmax(0)
    units = torch.arange(N)
    before, at, after = (response[(best + k) % len(shown), units] for k in (-1, 0, 1))
    return shown[best] + step * 0.5 * (before - after) / (before - 2 * at + after)


def _shift(gain: torch.Tensor, weight: float) -> torch.Tensor:
    weights = ring_weights(N, weight=weight)
    moved = _preferred(gain, weights) - _preferred(torch.ones(N, dtype=torch.float64), weights)
    return (moved + 90) % 180 - 90


def _lowered(adapter_width: float = 20.0) -> torch.Tensor:
    return 1 - 0.3 * torch.exp(-((AWAY / adapter_width) ** 2) / 2)


def test_the_steady_state_is_where_the_ring_stands_still():
    weights = ring_weights(N, weight=0.7)
    generator = torch.Generator().manual_seed(0)
    drive = torch.rand(5, N, dtype=torch.float64, generator=generator)
    gain = 0.5 + torch.rand(N, dtype=torch.float64, generator=generator) / 2
    settled = steady_state(drive, gain, weights)
    torch.testing.assert_close(gain * (drive + settled @ weights.T), settled, rtol=1e-12, atol=1e-12)
    walked = torch.zeros_like(drive)
    for _ in range(400):
        walked = gain * (drive + walked @ weights.T)
    torch.testing.assert_close(walked, settled, rtol=1e-10, atol=1e-10)


def test_gains_of_one_leave_the_drive_readable_from_the_response():
    weights = ring_weights(N, weight=0.4)
    drive = tuning(N, torch.tensor([13.0, 77.0]))
    settled = steady_state(drive, torch.ones(N, dtype=torch.float64), weights)
    torch.testing.assert_close(settled - settled @ weights.T, drive, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("weight", "least"), [(0.4, 0.3), (0.7, 1.0)])
def test_lowered_gains_repel_neighbouring_peaks_through_the_recurrence(weight, least):
    shift = _shift(_lowered(), weight)
    at_20 = int((AWAY - 20).abs().argmin())
    assert float(shift[at_20]) > least
    assert float(shift[int((AWAY + 20).abs().argmin())]) == pytest.approx(-float(shift[at_20]), abs=1e-3)
    near = (AWAY.abs() > 1) & (AWAY.abs() < 60)
    assert bool((shift[near] * AWAY[near].sign() > 0.1).all())


def test_without_recurrence_lowered_gains_move_no_peak_at_all():
    assert float(_shift(_lowered(), 0.0).abs().max()) < 1e-6


def test_inhibitory_recurrence_attracts_instead():
    shift = _shift(_lowered(), -0.8)
    assert float(shift[int((AWAY - 20).abs().argmin())]) < -0.3


def test_adaptation_decorrelates_neighbours_only_through_the_recurrence():
    drive = tuning(N, torch.arange(0, 180, 1.0))
    at = int(AWAY.abs().argmin())

    def correlation(gain: torch.Tensor, weight: float) -> float:
        response = steady_state(drive, gain, ring_weights(N, weight=weight)).numpy()
        return float(np.corrcoef(response[:, at], response[:, at + 4])[0, 1])

    unadapted = torch.ones(N, dtype=torch.float64)
    assert correlation(_lowered(), 0.7) < correlation(unadapted, 0.7) - 0.01
    assert correlation(_lowered(), 0.0) == pytest.approx(correlation(unadapted, 0.0), abs=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.4, 0.7])
def test_gains_that_minimise_the_objective_are_lowest_at_the_adapter_and_repel(weight):
    weights = ring_weights(N, weight=weight)
    everywhere = optimal_gains(context_moment(N, adapter=None), weights)
    adapted = optimal_gains(context_moment(N, adapter=ADAPTER), weights)
    assert float(everywhere.max() - everywhere.min()) < 1e-9
    change = adapted / everywhere
    assert int(change.argmin()) == int(AWAY.abs().argmin())
    assert float(change.min()) < 0.9
    assert float(change[AWAY.abs() > 50].min()) > 1
    moved = _preferred(adapted, weights) - _preferred(everywhere, weights)
    at_20 = float(((moved + 90) % 180 - 90)[int((AWAY - 20).abs().argmin())])
    if weight:
        assert at_20 > 0.3
    else:
        assert abs(at_20) < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_optimal_gains_are_those_a_general_minimiser_finds(seed):
    n_units = 8
    generator = torch.Generator().manual_seed(seed)
    samples = torch.rand(20, n_units, dtype=torch.float64, generator=generator)
    moment = samples.T @ samples / 20
    weights = ring_weights(n_units, weight=0.5)

    def value(gain):
        return float(objective(torch.from_numpy(gain), moment, weights, cost=1.0, homeostasis=1.0))

    found = minimize(value, np.full(n_units, 0.8), bounds=[(0.05, 1)] * n_units, tol=1e-12)
    ours = optimal_gains(moment, weights)
    np.testing.assert_allclose(ours.numpy(), found.x, atol=1e-4)
    assert value(ours.numpy()) <= found.fun + 1e-9


def test_the_objective_is_the_expectation_it_says():
    generator = torch.Generator().manual_seed(3)
    drive = torch.rand(30, 8, dtype=torch.float64, generator=generator)
    gain = 0.5 + torch.rand(8, dtype=torch.float64, generator=generator) / 2
    weights = ring_weights(8, weight=0.6)
    response = steady_state(drive, gain, weights)
    misfit = drive - response + response @ weights.T
    wanted = ((misfit**2).sum(1) + 0.7 * (response**2).sum(1)).mean() / 2 + 0.3 * ((gain - 1) ** 2).sum() / 2
    moment = drive.T @ drive / 30
    torch.testing.assert_close(objective(gain, moment, weights, cost=0.7, homeostasis=0.3), wanted)


def test_strong_stimuli_lower_gains_more_than_weak_ones_of_the_same_kind():
    module = gain_control(image_size=64).module
    images = _images(3)
    faint = 0.5 + 0.2 * (images - 0.5)
    heard: list[torch.Tensor] = []
    hook = module.gain.register_forward_hook(lambda m, i, o: heard.append(o))
    with torch.inference_mode():
        module(images)
        module(faint)
    hook.remove()
    assert bool((heard[0].mean(1) < heard[1].mean(1)).all())
    assert 0.05 <= float(heard[0].min())
    assert float(heard[1].max()) <= 1


def test_a_stimulus_is_answered_the_same_whatever_shares_its_batch():
    module = gain_control(image_size=64).module
    images = _images(4)
    with torch.inference_mode():
        together, alone = module(images), torch.cat([module(image[None]) for image in images])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
        assert torch.equal(module(images), together)


def test_responses_settle_for_the_drive_and_gains_that_are_handed_out():
    network = gain_control(image_size=64, n_units=8, grid=2)
    heard = {}
    hooks = [
        network.module.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: heard.update({name: o})
        )
        for name in network.layers
    ]
    with torch.inference_mode():
        network.module(_images(2))
    for hook in hooks:
        hook.remove()
    drive, response = (
        heard[name].view(2, 3, 8, 4).transpose(2, 3).flatten(1, 2) for name in ("drive", "response")
    )
    expected = steady_state(drive, heard["gain"], network.module.weights)
    torch.testing.assert_close(response, expected, rtol=1e-4, atol=1e-5)


def test_the_context_of_an_adapter_gives_all_images_its_gains():
    network = gain_control(image_size=64, adapt_to="context", adapter=45.0)
    gains = network.module.gains
    assert int(gains.argmin()) == 4
    expected = optimal_gains(context_moment(16, adapter=45.0), ring_weights(16, weight=0.7))
    torch.testing.assert_close(gains, expected.float())


def test_the_twin_differs_in_the_recurrence_only():
    network, twin = (
        build_network(name, {"image_size": 64}) for name in ("gain-control", "gain-control-uncoupled")
    )
    ours, theirs = network.module.state_dict(), twin.module.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == ["weights"]
    assert float(twin.module.weights.abs().max()) == 0
    assert network.matched().weights_digest() == twin.weights_digest()
    assert (network.name, twin.name) == ("gain-control", "gain-control-uncoupled")
    assert network.weights_digest() == build_network("gain-control", {"image_size": 64}).weights_digest()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weight": 1.0}, InputError, "`weight` must be between -1 and 1, got 1.0"),
        ({"adapt_to": "imge"}, UnknownNameError, "did you mean 'image'"),
        ({"adapter": 45.0}, InputError, "`adapter` is for"),
        ({"image_size": 32}, InputError, "`image_size` must be at least 64, got 32"),
        ({"cost": -1.0}, InputError, "must not be negative, got -1.0 and 1.0"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        gain_control(**options)


def _frame(n_cells: int, n_interneurons: int, generator: np.random.Generator) -> np.ndarray:
    frame = generator.normal(size=(n_cells, n_interneurons))
    return frame / np.linalg.norm(frame, axis=0)


def _covariance(n_cells: int, generator: np.random.Generator) -> np.ndarray:
    mixing = generator.normal(size=(n_cells, n_cells))
    return mixing @ mixing.T / n_cells + 0.5 * np.eye(n_cells)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_cells", [2, 5, 10])
def test_a_full_frame_of_interneurons_whitens_exactly_and_one_fewer_cannot(n_cells, seed):
    generator = np.random.default_rng(seed)
    covariance = _covariance(n_cells, generator)
    frame = _frame(n_cells, n_cells * (n_cells + 1) // 2, generator)
    response = response_covariance(covariance, frame, whitening_gains(covariance, frame))
    np.testing.assert_allclose(response, np.eye(n_cells), atol=1e-8)
    fewer = frame[:, :-1]
    response = response_covariance(covariance, fewer, whitening_gains(covariance, fewer))
    assert np.abs(response - np.eye(n_cells)).max() > 1e-3


def test_interneurons_that_seek_unit_variance_find_the_exact_gains():
    covariance = np.array([[2.0, 0.9], [0.9, 1.0]])
    angles = np.pi * np.arange(3) / 3
    frame = np.stack([np.cos(angles), np.sin(angles)])
    found = adapt_gains(covariance, frame, n_steps=2000)
    np.testing.assert_allclose(found, whitening_gains(covariance, frame), atol=1e-6)


def test_one_gain_per_cell_equalises_variances_and_leaves_correlations():
    covariance = np.array([[2.0, 0.9], [0.9, 1.5]])
    response = response_covariance(covariance, np.eye(2), adapt_gains(covariance, np.eye(2), n_steps=1000))
    np.testing.assert_allclose(np.diag(response), 1, atol=1e-8)
    assert response[0, 1] == pytest.approx(0.9 / np.sqrt(3), abs=1e-6)


def test_covariances_that_cannot_be_whitened_are_refused():
    with pytest.raises(InputError, match=r"got shapes \(2, 2\) and \(3, 2\)"):
        whitening_gains(np.eye(2), np.ones((3, 2)))
    with pytest.raises(InputError, match="eigenvalues above 0"):
        whitening_gains(np.ones((2, 2)), np.eye(2))
