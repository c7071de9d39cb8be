from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize, scaled_dot_product_attention

from alignkit._core.errors import InputError
from alignkit.networks.dynamics.modern_hopfield import ModernHopfield, modern_hopfield


def _vectors(n_patterns: int, n_neurons: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(n_patterns, n_neurons, generator=generator, dtype=torch.float64), dim=1)


def _error(n_patterns: int, beta: float, seed: int, n_steps: int = 1) -> float:
    """Return the mean squared distance of patterns (of length 1) from what is recalled of noisy ones."""
    patterns = _vectors(n_patterns, 64, seed)
    noise = torch.randn(50, 64, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    recalled = ModernHopfield(patterns, beta=beta, n_steps=n_steps)(patterns[:50] + 0.3 * noise / 8)
    return float((recalled - patterns[:50]).square().sum(1).mean())


@pytest.mark.parametrize("beta", [0.2, 1 / 8, 5.0])
def test_a_step_is_softmax_attention_over_the_patterns(beta):
    patterns, cues = _vectors(20, 64, 0), _vectors(7, 64, 1)
    ours = ModernHopfield(patterns, beta=beta, n_steps=1)(cues)
    theirs = scaled_dot_product_attention(cues[None], patterns[None], patterns[None], scale=beta)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("beta", [0.5, 4.0, 32.0])
def test_energy_never_rises_and_is_never_negative(beta):
    for seed in range(5):
        memory = ModernHopfield(_vectors(50, 16, seed), beta=beta, n_steps=8)
        cues = 2 * _vectors(20, 16, seed + 100)
        heard = [memory.energy_of(cues)]
        memory.energy.register_forward_hook(lambda m, i, o, heard=heard: heard.append(o))
        memory(cues)
        energies = torch.cat(heard, 1)
        assert float(energies.diff(dim=1).max()) < 1e-12
        assert float(energies.min()) >= 0


@pytest.mark.parametrize("seed", range(5))
def test_thousands_of_patterns_are_recalled_in_one_step_and_the_warm_twin_gives_their_mean(seed):
    for n_patterns in (200, 2000):
        assert _error(n_patterns, 64.0, seed) < 1e-3
        assert _error(n_patterns, 0.1, seed) > 0.5
    patterns = _vectors(200, 64, seed)
    states = ModernHopfield(patterns, beta=0.1)(patterns[:9])
    assert float((states - patterns.mean(0)).norm(dim=1).max()) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_twenty_thousand_patterns_are_recalled_in_one_step(seed):
    assert _error(20_000, 64.0, seed) < 1e-3


def test_weights_are_a_distribution_over_patterns():
    memory = ModernHopfield(_vectors(5, 8, 0), beta=3.0)
    heard: list[torch.Tensor] = []
    memory.weights.register_forward_hook(lambda m, i, o: heard.append(o))
    memory(_vectors(4, 8, 1))
    assert len(heard) == 3
    torch.testing.assert_close(heard[0].sum(1), torch.ones(4, dtype=torch.float64))


def test_images_are_cues_of_length_one_whatever_their_contrast():
    module = modern_hopfield(image_size=16, n_patterns=20).module
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        cues = module.cue(image)
        torch.testing.assert_close(cues.norm(dim=1), torch.ones(2))
        torch.testing.assert_close(module.cue(0.4 + image / 3), cues, atol=1e-5, rtol=0)
    torch.testing.assert_close(module.memory.patterns.norm(dim=1), torch.ones(20))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"one pattern per row, got shape \(3,\)"):
        ModernHopfield(torch.zeros(3), beta=1.0)
    with pytest.raises(InputError, match="`beta` must be positive, got 0"):
        modern_hopfield(image_size=8, n_patterns=2, beta=0)
    with pytest.raises(InputError, match="`n_steps` must be at least 1, got 0"):
        modern_hopfield(n_steps=0)
