from __future__ import annotations

import pytest
import torch
from torch.nn.functional import pad

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.spiking.delays import DelayedLinear

N_DELAYS, N_PLANTED = 25, 8


def _delayed(*sizes: int, seed: int = 0, **options) -> DelayedLinear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DelayedLinear(*sizes, **options)


def _share_recovered(mode: str, seed: int, n_steps: int = 250) -> tuple[float, float]:
    """Plant delays in 16 trains of 120 steps, learn from the sum; return share exact, mean error in steps."""
    generator = torch.Generator().manual_seed(seed)
    trains = (torch.rand(16, N_PLANTED, 120, generator=generator) < 0.1).float()
    planted = torch.randint(1, N_DELAYS - 1, (N_PLANTED,), generator=generator)
    target = sum(pad(trains[:, [k]], (int(planted[k]), 0))[..., :120] for k in range(N_PLANTED))
    module = _delayed(N_PLANTED, 1, n_delays=N_DELAYS, mode=mode, annealing_steps=n_steps // 2, seed=seed)
    torch.nn.init.ones_(module.weight)
    optimizer = torch.optim.Adam(
        [{"params": [module.weight], "lr": 0.02}, {"params": [module.position], "lr": 0.4}]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    module.train()
    for _ in range(n_steps):
        optimizer.zero_grad()
        (module(trains) - target).square().mean().backward()
        optimizer.step()
        schedule.step()
    exact = (module.delays()[0] == planted).float().mean()
    return float(exact), float((module.position.detach()[0] - planted).abs().mean())


@pytest.mark.parametrize("seed", range(2))
def test_planted_delays_are_recovered_when_the_kernels_narrow_and_not_otherwise(seed):
    exact, error = _share_recovered("annealed", seed)
    assert exact == 1.0
    assert error < 0.1
    assert _share_recovered("constant", seed)[0] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 10))
def test_planted_delays_are_recovered_with_more_seeds(seed):
    assert _share_recovered("annealed", seed)[0] == 1.0
    assert _share_recovered("constant", seed)[0] < 0.5
    assert _share_recovered("frozen", seed)[0] < 0.5


def test_evaluation_delays_each_input_by_the_rounded_position():
    module = _delayed(3, 2, n_delays=7).eval()
    with torch.no_grad():
        module.position.copy_(torch.tensor([[0.2, 2.6, 6.0], [4.4, -3.0, 99.0]]))
    assert module.delays().tolist() == [[0, 3, 6], [4, 0, 6]]
    inputs = torch.randn(4, 3, 12, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(4, 2, 12)
    for i in range(2):
        for j in range(3):
            delay = int(module.delays()[i, j])
            expected[:, i, delay:] += module.weight[i, j].detach() * inputs[:, j, : 12 - delay]
    torch.testing.assert_close(module(inputs).detach(), expected)


def test_nothing_arrives_before_it_was_sent():
    module = _delayed(2, 3, n_delays=5, mode="constant")
    inputs = torch.randn(1, 2, 10, generator=torch.Generator().manual_seed(0))
    changed = inputs.clone()
    changed[..., 6:] += 1
    difference = (module(inputs) - module(changed)).detach().abs().sum((0, 1))
    assert float(difference[:6].max()) == 0
    assert float(difference[6:].min()) > 0


def test_the_training_kernel_is_a_gaussian_bump_of_the_weight_s_area():
    module = _delayed(2, 2, n_delays=9)
    kernel = module.kernel()
    torch.testing.assert_close(kernel.sum(-1), module.weight)
    place = torch.arange(9) - module.position.detach()[..., None]
    bump = torch.exp(-0.5 * (place / module.sigma) ** 2)
    torch.testing.assert_close(
        kernel.detach(), module.weight.detach()[..., None] * bump / bump.sum(-1, keepdim=True)
    )


def test_sigma_falls_exponentially_with_training_passes_only():
    module = _delayed(1, 1, n_delays=25, annealing_steps=4)
    inputs, widths = torch.ones(1, 1, 30), []
    for _ in range(6):
        widths.append(module.sigma)
        module(inputs)
    assert (widths[0], widths[4], widths[5]) == pytest.approx((12.5, 0.23, 0.23))
    ratios = [late / early for early, late in zip(widths[:4], widths[1:5], strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 4)
    before = int(module.n_passes)
    module.eval()(inputs)
    assert int(module.n_passes) == before
    assert _delayed(1, 1, mode="constant").sigma == 0.5


def test_training_puts_positions_back_on_the_kernel():
    module = _delayed(1, 2, n_delays=5)
    with torch.no_grad():
        module.position.copy_(torch.tensor([[-2.0], [9.0]]))
    module(torch.ones(1, 1, 8))
    assert module.position.tolist() == [[0.0], [4.0]]


def test_the_frozen_twin_learns_weights_only():
    module = _delayed(2, 2, mode="frozen")
    module(torch.ones(1, 2, 30)).sum().backward()
    assert module.position.grad is None
    assert float(module.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_delays": 8}, InputError, "`n_delays` must be odd.* got 8"),
        ({"n_delays": 0}, InputError, "`n_delays` must be at least 1, got 0"),
        ({"annealing_steps": 0}, InputError, "`annealing_steps` must be at least 1, got 0"),
        ({"mode": "frosen"}, UnknownNameError, "did you mean 'frozen'"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        DelayedLinear(2, 2, **options)
