from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks.dynamics.capacity import lagged, memory_capacity
from alignkit.networks.dynamics.ei_neurons import EIReservoir, global_factor
from alignkit.networks.standard._random_weights import seeded

N_DELAYS = 40
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)


def _noise(n_times: int, seed: int) -> torch.Tensor:
    return 2 * torch.rand(n_times, 1, generator=torch.Generator().manual_seed(seed)) - 1


def _reservoir(seed: int, *, target_rate: float = 0.4, factor: float = 1.0) -> EIReservoir:
    reservoir = seeded(lambda: EIReservoir(1, target_rate=target_rate), seed)
    reservoir.scale_inhibition(factor)
    return reservoir


def _adapted(seed: int, *, target_rate: float = 0.4, n_times: int = 3000) -> EIReservoir:
    reservoir = _reservoir(seed, target_rate=target_rate)
    reservoir.adapt(_noise(n_times, seed + 100))
    return reservoir


def _run(reservoir: EIReservoir, seed: int, n_times: int = 2200) -> tuple[float, torch.Tensor]:
    """Return the memory capacity and the mean rate of every neuron."""
    inputs = _noise(n_times, seed)
    with torch.inference_mode():
        rates = reservoir(inputs[None])[0]
    past = lagged(inputs[200:, 0].numpy(), n_delays=N_DELAYS)
    return memory_capacity(rates[200 + N_DELAYS - 1 :].numpy(), past), rates[200:].mean(0)


def _rate_error(rates: torch.Tensor, target_rate: float = 0.4) -> float:
    return float((rates - target_rate).abs().mean())


def test_every_neuron_excites_or_inhibits_and_none_does_both():
    reservoir = _adapted(0, n_times=200)
    excites, inhibits = reservoir.excitation.sum(0) > 0, reservoir.inhibition.sum(0) > 0
    assert not (excites & inhibits).any()
    assert int(excites.sum()) == 160
    assert float(reservoir.excitation.min()) >= 0
    assert float(reservoir.inhibition.min()) >= 0


def test_one_step_follows_the_equation():
    reservoir = _reservoir(0)
    rates, inputs = torch.rand(2, 200, generator=torch.Generator().manual_seed(0)), _noise(2, 1)
    weights = reservoir.excitation - reservoir.inhibition
    current = rates @ weights.T + inputs @ reservoir.entry.T - 0.25
    torch.testing.assert_close(reservoir.step(rates, inputs), torch.sigmoid(4 * current))


def test_one_step_of_adaptation_is_the_local_rule_on_synapses_that_exist():
    reservoir = _reservoir(0)
    before = reservoir.inhibition.clone()
    inputs = _noise(1, 0)
    with torch.inference_mode():
        after = reservoir(inputs[None])[0, 0]
    reservoir.adapt(inputs, rate=0.5)
    change = 0.5 * torch.outer(after - 0.4, torch.full((200,), 0.4))
    torch.testing.assert_close(reservoir.inhibition, (before + change * (before > 0)).clamp(min=0))


def test_adaptation_leaves_excitation_and_inputs_as_they_were():
    raw, adapted = _reservoir(0), _adapted(0, n_times=50)
    assert torch.equal(raw.excitation, adapted.excitation)
    assert torch.equal(raw.entry, adapted.entry)
    assert not torch.equal(raw.inhibition, adapted.inhibition)


def test_targets_may_differ_between_neurons_and_are_met():
    reservoir = seeded(lambda: EIReservoir(1, target_rate=0.3, rate_spread=0.5), 0)
    assert float(reservoir.targets.min()) < 0.16 and float(reservoir.targets.max()) > 0.44
    reservoir.adapt(_noise(1500, 100))
    _, rates = _run(reservoir, 0, 700)
    # A few neurons have no inhibitory input to adapt.
    assert float((rates - reservoir.targets).abs().mean()) < 0.03
    assert float(torch.corrcoef(torch.stack((rates, reservoir.targets)))[0, 1]) > 0.7


def test_the_global_factor_meets_the_mean_rate_and_leaves_the_reservoir_as_it_was():
    reservoir = _reservoir(0)
    before = reservoir.inhibition.clone()
    factor = global_factor(reservoir, _noise(300, 1), 0.5)
    assert torch.equal(reservoir.inhibition, before)
    reservoir.scale_inhibition(factor)
    assert float(_run(reservoir, 0, 400)[1].mean()) == pytest.approx(0.5, abs=0.02)


def _gate(seed: int) -> None:
    adapted, rates = _run(_adapted(seed), seed)
    dominated, _ = _run(_reservoir(seed, factor=0.25), seed)
    assert _rate_error(rates) < 0.03
    assert adapted > 1.6 * dominated
    twin = _reservoir(seed)
    twin.scale_inhibition(global_factor(twin, _noise(300, seed + 100), 0.4))
    assert _rate_error(_run(twin, seed)[1]) > 0.05


def test_adapted_rates_meet_their_target_and_memory_beats_excitation_while_the_twin_misses_it():
    _gate(0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_adapted_rates_and_memory_on_more_seeds(seed):
    _gate(seed)


@pytest.mark.slow
def test_adapted_memory_beats_the_best_global_factor_for_a_target_of_three_or_four_tenths():
    wins = {0.3: 0, 0.4: 0}
    for seed in range(5):
        best = max(_run(_reservoir(seed, factor=factor), seed)[0] for factor in FACTORS)
        for target_rate in wins:
            adapted, _ = _run(_adapted(seed, target_rate=target_rate), seed)
            wins[target_rate] += adapted > best
    assert min(wins.values()) >= 4


def test_shares_and_factors_out_of_range_are_refused():
    with pytest.raises(InputError, match="`target_rate` must be between 0 and 1, both excluded, got 1.5"):
        EIReservoir(1, target_rate=1.5)
    with pytest.raises(InputError, match="leave rates below 1, got 0.5 at a `target_rate` of 0.8"):
        EIReservoir(1, target_rate=0.8, rate_spread=0.5)
    with pytest.raises(InputError, match="`factor` must be at least 0, .* got -1"):
        _reservoir(0).scale_inhibition(-1)
