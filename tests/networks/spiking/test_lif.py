from __future__ import annotations

import math

import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.spiking.lif import LIF, SURROGATES, spike, surrogate_slope


def _run(neuron: LIF, currents: torch.Tensor):
    state, spikes, after = None, [], []
    for current in currents:
        fired, state = neuron(current, state)
        spikes.append(fired)
        after.append(state.membrane)
    return torch.stack(spikes), torch.stack(after), state


def test_the_trace_of_a_unit_current_is_the_known_one():
    # A synapse of 5 ms and a membrane of 10 ms in steps of 1 ms: 1 - 1/5, 1 - 1/10 and a gain of 1/10.
    neuron = LIF(decay=0.9, synaptic_decay=0.8, gain=0.1, threshold=1.0, reset="hard")
    spikes, membrane, _ = _run(neuron, torch.ones(9, 1, 1))
    known = [0.1, 0.27, 0.487, 0.7335, 0.9963, 0, 0.3951, 0.7717, 0]
    assert [round(value, 4) for value in membrane.flatten().tolist()] == known
    assert spikes.flatten().tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(("reset", "holds"), [("soft", True), ("hard", False)])
def test_only_the_soft_reset_fires_at_the_rate_of_its_input(reset, holds):
    n_steps, inputs = 200, torch.linspace(0, 1, 101, dtype=torch.float64)[None]
    neuron = LIF(decay=1.0, reset=reset).double()
    spikes, _, state = _run(neuron, inputs.expand(n_steps, 1, -1))
    rate, _ = neuron.finish(state, n_steps)
    torch.testing.assert_close(rate, spikes.mean(0))
    error = (rate - inputs).abs()
    assert (float(error.max()) <= 1 / n_steps + 1e-12) is holds
    if not holds:
        assert float(error.max()) > 0.4
        assert float(error.mean()) > 0.1


def test_the_soft_reset_loses_no_charge():
    currents = torch.rand(50, 1, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    neuron = LIF(decay=1.0, threshold=0.5, reset="soft", drop=0.75).double()
    spikes, membrane, _ = _run(neuron, currents)
    torch.testing.assert_close(membrane[-1] + 0.75 * spikes.sum(0), currents.sum(0))


@pytest.mark.parametrize(
    ("surrogate", "integral"),
    [
        ("atan", lambda x: torch.atan(math.pi * x) / math.pi),
        ("triangle", lambda x: x.sign() * (x.abs().clamp(max=1) - x.abs().clamp(max=1) ** 2 / 2)),
        ("rectangle", lambda x: x.clamp(-0.5, 0.5)),
        ("rectified", lambda x: torch.tanh(3 * x.clamp(-0.5, 0.5)) / (2 * math.tanh(1.5))),
    ],
)
def test_each_surrogate_is_the_slope_of_its_smooth_step(surrogate, integral):
    x = torch.linspace(-2.03, 2.03, 400, dtype=torch.float64)
    numeric = (integral(x + 1e-6) - integral(x - 1e-6)) / 2e-6
    torch.testing.assert_close(surrogate_slope(x, surrogate=surrogate), numeric, rtol=1e-6, atol=1e-6)
    far = torch.tensor([1e6], dtype=torch.float64)
    assert float(integral(far) - integral(-far)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("scale", [None, 0.7])
def test_the_gradient_of_a_spike_is_the_formula(surrogate, scale):
    x = torch.linspace(-1.5, 1.5, 31, dtype=torch.float64, requires_grad=True)
    weights = torch.arange(31, dtype=torch.float64)
    spikes = spike(x, surrogate=surrogate, scale=scale)
    (spikes * weights).sum().backward()
    assert torch.equal(spikes, (x >= 0).double())
    expected = weights * surrogate_slope(x.detach(), surrogate=surrogate, scale=scale)
    torch.testing.assert_close(x.grad, expected, rtol=0, atol=0)


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_no_gradient_flows_back_through_the_reset(reset):
    decay = 0.8
    first = torch.tensor([[0.9]], dtype=torch.float64, requires_grad=True)
    neuron = LIF(decay=decay, threshold=0.5, reset=reset).double()
    fired, state = neuron(first)
    later, _ = neuron(torch.tensor([[0.3]], dtype=torch.float64), state)
    later.sum().backward()
    kept = 0.0 if reset == "hard" else 1.0
    left = 0.9 * (1 - fired.item()) if reset == "hard" else 0.9 - 0.5
    above = torch.tensor(decay * left + 0.3 - 0.5, dtype=torch.float64)
    assert first.grad.item() == pytest.approx(float(surrogate_slope(above)) * decay * kept)


def test_taps_run_once_per_step_and_tell_rate_and_latency():
    neuron = LIF(decay=1.0, reset="soft")
    calls: dict[str, list[torch.Tensor]] = {}
    for name, tap in neuron.named_children():
        tap.register_forward_hook(lambda m, i, out, name=name: calls.setdefault(name, []).append(out))
    currents = torch.tensor([1.0, 0.4, 0.0]).expand(5, 1, 3)
    spikes, _, state = _run(neuron, currents)
    neuron.finish(state, 5)
    assert {name: len(outputs) for name, outputs in calls.items()} == {
        "current": 5, "membrane": 5, "spikes": 5, "rate": 1, "latency": 1,
    }  # fmt: skip
    torch.testing.assert_close(calls["rate"][0], torch.tensor([[1.0, 0.4, 0.0]]))
    # Counted from 0; as many as there are steps for the silent one.
    assert calls["latency"][0].tolist() == [[0.0, 2.0, 5.0]]
    # Before the reset, so that the membrane shows what made it fire.
    assert float(calls["membrane"][2][0, 1]) == pytest.approx(1.2)
    assert torch.equal(torch.stack(calls["spikes"]), spikes)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"decay": 1.5}, InputError, r"`decay` must be in \[0, 1\], got 1.5"),
        ({"synaptic_decay": 1.0}, InputError, r"`synaptic_decay` must be in \[0, 1\), got 1.0"),
        ({"threshold": 0.0}, InputError, "`threshold` must be positive, got 0.0"),
        ({"scale": -1.0}, InputError, "`scale` must be positive, got -1.0"),
        ({"reset": "sof"}, UnknownNameError, "did you mean 'soft'"),
        ({"surrogate": "arctan"}, UnknownNameError, "did you mean .*'atan'"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        LIF(**options)


def test_an_unknown_surrogate_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'triangle'"):
        surrogate_slope(torch.zeros(1), surrogate="triangel")
