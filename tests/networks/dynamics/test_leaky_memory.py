from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.dynamics.leaky_memory import ELMNeuron, branch_inputs, elm_neuron, elm_neuron_short
from alignkit.networks.standard._random_weights import seeded

# The table of the authors' repository, for the 1,278 inputs of their cortical neuron.
PARAMETERS = {
    1: 4601,
    2: 4708,
    3: 4823,
    5: 5077,
    7: 5363,
    10: 5852,
    15: 6827,
    20: 8002,
    25: 9377,
    30: 10952,
    40: 14702,
    50: 19252,
    75: 34127,
    100: 54002,
}
LONGEST = 150.0


def _spikes(n_samples: int, n_times: int, seed: int) -> torch.Tensor:
    """Return excitatory and inhibitory spikes of a cortical cell's inputs, with signs."""
    generator = torch.Generator().manual_seed(seed)
    spikes = (torch.rand(n_samples, n_times, 1278, generator=generator) < 0.02).float()
    spikes[..., 639:] *= -1
    return spikes


def _decay(seed: int, tau_memory: tuple[float, float]) -> tuple[np.ndarray, float]:
    """Return how long memories stay correlated after the input, and which share lasts 100 steps.

    Both over different pasts, so that what all have in common (a resting point) does not count.
    """
    neuron = seeded(lambda: ELMNeuron(tau_memory=tau_memory), seed)
    heard: list[torch.Tensor] = []
    neuron.memory.register_forward_hook(lambda m, i, o: heard.append(o))
    silence = torch.zeros(16, 400, 1278)
    with torch.inference_mode():
        neuron(torch.cat((_spikes(16, 60, seed), silence), 1))
    memory = torch.stack(heard[60:])
    memory = memory - memory.mean(1, keepdim=True)
    likeness = (memory * memory[:1]).mean(1) / memory[0].square().mean(0)
    is_gone = torch.cat((likeness, torch.zeros(1, likeness.shape[1]))) < 1 / np.e
    lengths = memory.square().mean(1).sum(1).sqrt()
    return is_gone.int().argmax(0).numpy(), float(lengths[100] / lengths[0])


@pytest.mark.parametrize(("n_memory", "n_parameters"), PARAMETERS.items())
def test_parameters_are_those_of_the_authors_table(n_memory, n_parameters):
    neuron = ELMNeuron(n_memory=n_memory)
    assert sum(each.numel() for each in neuron.parameters()) == n_parameters


def test_without_updates_memories_and_branches_decay_as_their_time_constants_say():
    neuron = ELMNeuron(n_memory=5)
    nn.init.zeros_(neuron.mlp[2].weight)
    nn.init.zeros_(neuron.mlp[2].bias)
    memory, branch = torch.ones(1, 5), torch.ones(1, 45)
    with torch.inference_mode():
        for _ in range(40):
            branch, memory = neuron.step(branch, memory, torch.zeros(1, 1278))
    tau = 1000 ** torch.linspace(0, 1, 5)
    torch.testing.assert_close(memory[0], torch.exp(-40 / tau), rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(branch[0], torch.full((45,), float(np.exp(-40 / 5))), rtol=1e-4, atol=0)


def test_one_step_follows_the_equations():
    neuron = seeded(lambda: ELMNeuron(4, n_memory=3, n_branches=2, n_synapses=2), 0)
    neuron.synapses.data.copy_(torch.tensor([[0.5, -1.0], [2.0, 0.25]]))
    inputs = torch.tensor([[1.0, 3.0, -2.0, -4.0]])
    branch, memory = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.1, 0.2, 0.3]])
    with torch.inference_mode():
        new_branch, new_memory = neuron.step(branch, memory, inputs)
        # Branch 1 hears inputs 0 and 2, branch 2 inputs 1 and 3; a negative synapse is shut.
        drive = torch.tensor([[0.5 * 1.0, 2.0 * 3.0 + 0.25 * -4.0]])
        expected = float(np.exp(-1 / 5)) * branch + drive
        torch.testing.assert_close(new_branch, expected)
        tau = torch.tensor([1.0, 1000**0.5, 1000.0])
        kept = torch.exp(-1 / tau) * memory
        delta = 1.7159 * torch.tanh(2 / 3 * neuron.mlp(torch.cat((expected, kept), 1)))
        torch.testing.assert_close(new_memory, kept + (1 - torch.exp(-5 / tau)) * delta)


def test_branches_mix_excitation_and_inhibition_and_reach_every_input():
    routing = branch_inputs(1278, n_branches=45, n_synapses=100)
    assert routing.unique().numel() == 1278
    assert ((routing < 639).sum(1) == 50).all()


def _gate(seed: int) -> None:
    tau = ELMNeuron(tau_memory=(1.0, LONGEST)).tau_m.numpy()
    lengths, kept = _decay(seed, (1.0, LONGEST))
    assert np.corrcoef(lengths, tau)[0, 1] > 0.9
    assert kept > 0.05
    lengths, kept = _decay(seed, (1.0, 1.0))
    assert np.corrcoef(lengths, tau)[0, 1] < 0.6
    assert kept < 1e-3


def test_memories_last_as_long_as_their_time_constants_and_the_twin_forgets():
    _gate(0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_memories_on_more_seeds(seed):
    _gate(seed)


def test_dark_pixels_inhibit_bright_ones_excite_and_grey_is_silence():
    module = elm_neuron(image_size=10, n_branches=4).module
    heard: list[torch.Tensor] = []
    module.neuron.branch.register_forward_hook(lambda m, i, o: heard.append(o))
    for level, sign in ((1.0, 1), (0.0, -1), (0.5, 0)):
        heard.clear()
        with torch.inference_mode():
            module(torch.full((1, 3, 10, 10), level))
        assert len(heard) == 10
        assert (heard[0].sign() == sign).all() or float(heard[0].abs().max()) < 1e-5 * (sign == 0)


def test_the_twin_has_the_same_weights_and_only_shorter_time_constants():
    ours, theirs = elm_neuron().module.state_dict(), elm_neuron_short().module.state_dict()
    differing = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert differing == {"neuron.tau_m", "neuron.keep_m", "neuron.write_m"}
    assert (theirs["neuron.tau_m"] == 1).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"`sequence` must have shape .* 1278\), got \(2, 3, 4\)"):
        ELMNeuron()(torch.zeros(2, 3, 4))
    with pytest.raises(InputError, match=r"got `tau_memory` \(2.0, 1.0\), `tau_branch` 5.0, `dt` 1.0"):
        ELMNeuron(tau_memory=(2.0, 1.0))
    with pytest.raises(InputError, match="`n_inputs` must be even .* at least 5, .* got 4"):
        branch_inputs(4, n_branches=2, n_synapses=5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"timescales": "long"}, UnknownNameError, "Known: short, spread"),
        ({"tau_longest": 0.5}, InputError, "`tau_longest` must be at least 1 step, got 0.5"),
        ({"n_memory": 0}, InputError, "`n_memory` must be at least 1, got 0"),
        ({"image_size": 8}, InputError, "at least 20, .* got 16"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        elm_neuron(**options)
