from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from alignkit._core.errors import InputError
from alignkit.decoders._objective import Batch
from alignkit.decoders.objectives.regression import TargetStatistics, regression


def _batch(targets: Tensor) -> Batch:
    rows = torch.arange(len(targets))
    return Batch(rows, rows, targets, rows, rows, rows)


def _targets(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.5, 20, shape[1]).view((-1,) + (1,) * (len(shape) - 2))
    return 3 * spread + spread * torch.randn(*shape, generator=generator)


def _standardized(values: np.ndarray) -> np.ndarray:
    axes = tuple(axis for axis in range(values.ndim) if axis != 1)
    return (values - values.mean(axes, keepdims=True)) / values.std(axes, keepdims=True)


@pytest.mark.parametrize("shape", [(40, 6), (40, 6, 5)])
def test_squared_errors_are_those_of_standardised_targets(shape):
    targets = _targets(*shape)
    outputs = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    objective = regression(6)
    objective.set_target_statistics(targets)
    wanted = ((outputs.numpy() - _standardized(targets.numpy())) ** 2).mean()
    assert objective(outputs, _batch(targets)).item() == pytest.approx(wanted, rel=1e-4)


def test_the_best_constant_has_an_error_of_one_and_the_target_itself_of_zero():
    targets = _targets(50, 6)
    objective = regression(6)
    objective.set_target_statistics(targets.numpy())
    assert objective(torch.zeros(50, 6), _batch(targets)).item() == pytest.approx(1, abs=1e-5)
    perfect = objective.statistics.standardized(targets)
    assert objective(perfect, _batch(targets)).item() == 0
    torch.testing.assert_close(objective.embed(perfect), targets, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("shape", [(30, 6), (30, 6, 5)])
def test_cosine_and_correlation_are_those_of_whole_trials(shape):
    targets = _targets(*shape)
    outputs = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    x, z = outputs.numpy().reshape(30, -1), _standardized(targets.numpy()).reshape(30, -1)
    cosines = (x * z).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(z, axis=1)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, z, strict=True)]
    for loss, similar in (("cosine", cosines), ("correlation", correlations)):
        objective = regression(6, loss=loss)
        objective.set_target_statistics(targets)
        assert objective(outputs, _batch(targets)).item() == pytest.approx(1 - np.mean(similar), rel=1e-4)


def test_length_matters_to_squared_errors_only_and_an_offset_not_to_the_correlation():
    targets = _targets(30, 6)
    outputs = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    losses = {}
    for loss in ("mse", "cosine", "correlation"):
        objective = regression(6, loss=loss)
        objective.set_target_statistics(targets)
        losses[loss] = [objective(o, _batch(targets)).item() for o in (outputs, 3 * outputs, outputs + 20)]
        assert loss == "mse" or losses[loss][1] == pytest.approx(losses[loss][0], rel=1e-5)
    assert losses["mse"][1] > losses["mse"][0] + 0.5
    assert losses["correlation"][2] == pytest.approx(losses["correlation"][0], rel=1e-3)
    assert abs(losses["cosine"][2] - losses["cosine"][0]) > 0.01


@pytest.mark.parametrize("loss", ["cosine", "correlation"])
def test_what_is_embedded_does_not_depend_on_a_length_that_the_loss_does_not_see(loss):
    targets = _targets(30, 6)
    objective = regression(6, loss=loss)
    objective.set_target_statistics(targets)
    outputs = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    found = objective.embed(outputs)
    torch.testing.assert_close(objective.embed(7 * outputs), found)
    squares = objective.statistics.standardized(found).square().mean(1)
    torch.testing.assert_close(squares, torch.ones(30), rtol=1e-4, atol=1e-4)


def test_without_standardising_targets_are_taken_as_they_are():
    targets = _targets(10, 3)
    objective = regression(3, standardize=False)
    objective.set_target_statistics(targets)
    outputs = torch.zeros(10, 3)
    assert objective(outputs, _batch(targets)).item() == pytest.approx(targets.square().mean().item())
    assert torch.equal(objective.embed(targets), targets)


def test_statistics_survive_saving_and_a_constant_number_stays_finite():
    targets = _targets(20, 3)
    targets[:, 1] = 0.1
    objective = regression(3)
    objective.set_target_statistics(targets)
    assert objective.statistics.sd[1] == 1
    other = regression(3)
    other.load_state_dict(objective.state_dict())
    assert torch.equal(other.statistics.mean, objective.statistics.mean)
    assert objective(torch.zeros(20, 3), _batch(targets)).isfinite()


def test_statistics_agree_with_numpy_far_from_zero():
    values = 1e4 + np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    statistics = TargetStatistics(4)
    statistics.set(values)
    np.testing.assert_allclose(statistics.sd, values.astype(np.float64).std(0), rtol=1e-3)
    np.testing.assert_allclose(statistics.mean, values.astype(np.float64).mean(0), rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "cosine", "correlation"])
def test_zeros_and_half_precision_give_finite_losses_and_gradients(loss):
    targets = _targets(8, 4)
    targets[0] = 0
    outputs = torch.zeros(8, 4, dtype=torch.bfloat16)
    outputs[4:] = 1000 * torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).bfloat16()
    outputs.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = regression(4, loss=loss)(outputs, _batch(targets))
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and outputs.grad.isfinite().all()
    assert regression(4, loss=loss).embed(outputs).isfinite().all()


def test_bad_options_and_shapes_are_refused():
    with pytest.raises(InputError, match="`loss` is 'msr', did you mean 'mse'"):
        regression(4, loss="msr")
    with pytest.raises(
        InputError, match="a correlation over the numbers of a target needs at least 2, got 1"
    ):
        regression(1, loss="correlation")
    with pytest.raises(InputError, match=r"shape \(3, 5\), the targets have \(3, 4\)"):
        regression(4)(torch.zeros(3, 5), _batch(torch.zeros(3, 4)))
    with pytest.raises(InputError, match=r"\(n_trials, 4, n_target_times\), got \(3, 5\)"):
        regression(4).set_target_statistics(torch.zeros(3, 5))
