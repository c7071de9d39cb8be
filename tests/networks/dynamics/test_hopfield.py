from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.dynamics._hopfield_reader import signs, stored_patterns
from alignkit.networks.dynamics.hopfield import ClassicalHopfield, hebbian_counts, hopfield


def _coins(n_patterns: int, n_neurons: int, seed: int) -> torch.Tensor:
    return signs(torch.rand(n_patterns, n_neurons, generator=torch.Generator().manual_seed(seed)) - 0.5)


def _recalled(load: float, seed: int, *, n_neurons: int, n_cues: int = 5) -> float:
    """Return the mean overlap of patterns with what is recalled of them when a tenth is wrong."""
    patterns = _coins(round(load * n_neurons), n_neurons, seed)
    generator = torch.Generator().manual_seed(seed + 1000)
    wrong = torch.rand(n_cues, n_neurons, generator=generator) < 0.1
    cues = torch.where(wrong, -patterns[:n_cues], patterns[:n_cues])
    state = ClassicalHopfield(patterns, n_steps=20, seed=seed)(cues)
    return float((state * patterns[:n_cues]).mean())


def _energies(update: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return energies after every sweep from random cues under a heavy load, and the weights' last states."""
    memory = ClassicalHopfield(_coins(60, 200, seed), n_steps=60, update=update, seed=seed)
    heard: list[torch.Tensor] = []
    memory.energy.register_forward_hook(lambda m, i, o: heard.append(o))
    last = memory(_coins(30, 200, seed + 1))
    is_at_rest = (memory.sweep(last, list(range(200))) == last).all(1)
    return torch.cat(heard, 1), is_at_rest


def test_weights_are_hebbian_symmetric_and_without_diagonal():
    patterns = _coins(4, 10, 0)
    counts = hebbian_counts(patterns)
    expected = sum(torch.outer(each, each) for each in patterns)
    expected.fill_diagonal_(0)
    assert torch.equal(counts, expected)
    torch.testing.assert_close(ClassicalHopfield(patterns).weights(), expected / 10)


def test_the_energy_is_that_of_the_equation():
    memory = ClassicalHopfield(_coins(4, 10, 0))
    state = _coins(3, 10, 1)
    by_hand = [-0.5 * float(each @ memory.weights() @ each) for each in state]
    torch.testing.assert_close(memory.energy_of(state)[:, 0], torch.tensor(by_hand))


def test_one_pattern_is_recalled_from_any_cue_that_is_mostly_right_and_its_mirror_from_the_rest():
    pattern = _coins(1, 31, 0)
    memory = ClassicalHopfield(pattern)
    cue = pattern.clone()
    cue[:, :15] *= -1
    assert torch.equal(memory(cue), pattern)
    cue[:, 15] *= -1
    assert torch.equal(memory(cue), -pattern)


@pytest.mark.parametrize("seed", range(2))
def test_a_tenth_of_the_neurons_as_load_is_recalled_and_a_fifth_is_not(seed):
    assert _recalled(0.05, seed, n_neurons=500) > 0.99
    assert _recalled(0.20, seed, n_neurons=500) < 0.75


@pytest.mark.slow
def test_capacity_falls_where_the_theory_says():
    overlaps = {
        load: sum(_recalled(load, seed, n_neurons=500) for seed in range(5)) / 5
        for load in (0.05, 0.10, 0.138, 0.16, 0.20)
    }
    assert overlaps[0.05] > 0.99
    assert overlaps[0.10] > 0.97
    assert overlaps[0.20] < 0.6
    assert list(overlaps.values()) == sorted(overlaps.values(), reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_energy_never_rises_and_rest_is_reached_one_by_one_but_not_all_at_once(seed):
    energies, is_at_rest = _energies("asynchronous", seed)
    assert float(energies.diff(dim=1).max()) <= 0
    assert is_at_rest.all()
    _, is_at_rest = _energies("synchronous", seed)
    assert float(is_at_rest.float().mean()) < 0.8


def test_two_neurons_all_at_once_swap_for_ever_and_one_by_one_agree():
    pair = torch.tensor([[1.0, 1.0]])
    cue = torch.tensor([[1.0, -1.0]])
    swapping = ClassicalHopfield(pair, n_steps=3, update="synchronous")
    assert torch.equal(swapping(cue), -cue)
    assert torch.equal(swapping(-cue), cue)
    settled = ClassicalHopfield(pair)(cue)
    assert settled[0, 0] == settled[0, 1]


def test_a_sum_of_zero_counts_as_one():
    assert signs(torch.tensor([0.0, -0.0, -1e-30])).tolist() == [1, 1, -1]


def test_cues_are_not_written_to():
    cue = _coins(2, 50, 1)
    before = cue.clone()
    ClassicalHopfield(_coins(3, 50, 0))(cue)
    assert torch.equal(cue, before)


def test_stored_images_are_recalled_from_noisy_cues_and_coin_tosses_are_other_patterns():
    network = hopfield()
    module = network.module
    stored = stored_patterns(module, 28, "images", 0)
    assert torch.equal(module.memory.counts, hebbian_counts(stored))
    wrong = torch.rand(stored.shape, generator=torch.Generator().manual_seed(0)) < 0.1
    with torch.inference_mode():
        recalled = module.memory(torch.where(wrong, -stored, stored))
    assert float((recalled * stored).mean()) > 0.99
    assert not torch.equal(module.memory.counts, network.untrained().module.memory.counts)


def test_cues_do_not_depend_on_contrast():
    module = hopfield(image_size=16, n_patterns=3).module
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert set(module.cue(image).unique().tolist()) == {-1.0, 1.0}
        assert float((module.cue(0.5 + image / 4) - module.cue(image)).abs().mean()) < 0.05


def test_a_plain_image_is_one_cue_whatever_its_brightness():
    module = hopfield(image_size=16, n_patterns=3).module
    with torch.inference_mode():
        cues = module.cue(torch.linspace(0, 1, 7).view(7, 1, 1, 1).expand(7, 3, 16, 16))
    assert (cues == 1).all()


def test_patterns_other_than_signs_are_refused():
    with pytest.raises(InputError, match=r"must be 1 and -1, .* \(2, 3\) with values up to 2.0"):
        ClassicalHopfield(torch.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"update": "synchron"}, UnknownNameError, "did you mean 'synchronous'"),
        ({"patterns": "image"}, UnknownNameError, "did you mean 'images'"),
        ({"image_size": 4}, InputError, "`image_size` must be at least 8, got 4"),
        ({"n_patterns": 0}, InputError, "`n_patterns` must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        hopfield(**options)
