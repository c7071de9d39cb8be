from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.dynamics.capacity import memory_capacity
from alignkit.networks.dynamics.copying import copy_sequences
from alignkit.networks.dynamics.wave_rnn import (
    WaveCopier,
    WaveRNN,
    travelling_share,
    wave_rnn,
    wave_rnn_identity,
    wave_spectrum,
)
from alignkit.networks.standard._random_weights import seeded


def _noise(n_samples: int, n_times: int, seed: int) -> torch.Tensor:
    return torch.rand(n_samples, n_times, 1, generator=torch.Generator().manual_seed(seed))


def _capacity(recurrence: str, n_positions: int, seed: int) -> float:
    wave = WaveRNN(1, n_positions=n_positions, n_channels=1, recurrence=recurrence)
    # Once round the ring, from silence; later the sum of what is n steps apart is all that is left.
    sequence = _noise(12 * n_positions, n_positions, seed)
    with torch.inference_mode():
        states = wave(sequence)[:, -1, 0]
    return memory_capacity(states.numpy(), sequence[:, :, 0].flip(1).numpy())


def _recall(
    recurrence: str, seed: int, *, delay: int, n_items: int, n_positions: int, n_steps: int, lr: float
) -> float:
    """Return the share of items that are said right after training on the copy task."""
    network = wave_rnn(task="copy", recurrence=recurrence, image_size=8, n_positions=n_positions, seed=seed)
    module = network.module.train()
    optimizer = torch.optim.Adam(module.parameters(), lr)
    generator = np.random.default_rng(seed)
    for _ in range(n_steps):
        inputs, targets = copy_sequences(32, delay=delay, n_items=n_items, random_state=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs), targets).backward()
        nn.utils.clip_grad_norm_(module.parameters(), network.recipe.clip)
        optimizer.step()
    inputs, targets = copy_sequences(256, delay=delay, n_items=n_items, random_state=generator)
    with torch.inference_mode():
        said = module(inputs).argmax(1)
    return float((said == targets)[:, -n_items:].float().mean())


def test_before_training_the_state_is_the_past_shifted_by_one_position_per_step():
    wave = WaveRNN(1, n_positions=9, n_channels=2)
    sequence = _noise(3, 7, 0)
    with torch.inference_mode():
        states = wave(sequence)
    expected = torch.zeros(3, 9)
    expected[:, :7] = sequence[:, :, 0].flip(1)
    for channel in range(2):
        assert torch.equal(states[:, -1, channel], expected)


def test_the_ring_closes():
    wave = WaveRNN(1, n_positions=5, n_channels=1)
    sequence = _noise(2, 7, 0)
    with torch.inference_mode():
        last = wave(sequence)[:, -1, 0]
    torch.testing.assert_close(last[:, 0], sequence[:, 6, 0] + sequence[:, 1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_untrained_memory_is_the_length_of_the_ring_with_waves_and_about_one_without(seed):
    assert _capacity("wave", 24, seed) > 0.95 * 24
    assert _capacity("identity", 24, seed) < 0.15 * 24


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_untrained_memory_at_the_papers_size(seed):
    assert _capacity("wave", 100, seed) > 95
    assert _capacity("identity", 100, seed) < 15


def test_trained_to_copy_waves_recall_and_the_twin_does_not():
    task = {"delay": 3, "n_items": 4, "n_positions": 12, "n_steps": 150, "lr": 1.5e-2}
    assert _recall("wave", 0, **task) > 0.9
    assert _recall("identity", 0, **task) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_trained_to_copy_over_twenty_steps(seed):
    task = {"delay": 20, "n_items": 10, "n_positions": 48, "n_steps": 500, "lr": 5e-3}
    assert _recall("wave", seed, **task) > 0.98
    assert _recall("identity", seed, **task) < 0.75


@pytest.mark.parametrize("seed", range(5))
def test_waves_travel_and_the_twin_stands(seed):
    shares = []
    for recurrence in ("wave", "identity"):
        wave = WaveRNN(1, n_positions=32, n_channels=1, recurrence=recurrence)
        with torch.inference_mode():
            shares.append(travelling_share(wave(_noise(4, 32, seed))[:, :, 0]))
    assert shares[0] > 0.5
    assert abs(shares[1]) < 0.05


def test_the_spectrum_of_a_plane_wave_is_one_pair_of_frequencies_and_its_sign_the_direction():
    time, place = torch.arange(16)[:, None], torch.arange(32)[None]
    right = torch.cos(2 * torch.pi * (4 * place / 32 - 2 * time / 16))
    power = wave_spectrum(right)
    assert sorted(tuple(peak) for peak in (power > 0.01 * power.max()).nonzero().tolist()) == [
        (2, 28),
        (14, 4),
    ]
    assert travelling_share(right) == pytest.approx(1)
    assert travelling_share(right.flip(1)) == pytest.approx(-1)
    assert travelling_share(right + right.flip(1)) == pytest.approx(0, abs=1e-6)
    assert travelling_share(torch.ones(4, 4)) == 0


def test_pixels_are_read_in_the_order_of_lines():
    network = wave_rnn(reads="pixels", image_size=4, n_positions=16, n_channels=1)
    image = torch.linspace(0, 1, 16).view(1, 1, 4, 4).expand(-1, 3, -1, -1)
    heard: list[torch.Tensor] = []
    network.module.wave.h.register_forward_hook(lambda m, i, o: heard.append(o))
    with torch.inference_mode():
        network.module(image)
    assert len(heard) == 16
    torch.testing.assert_close(heard[-1][0, 0].flip(0), torch.linspace(0, 1, 16))


def test_the_copier_reads_images_as_symbols():
    copier = seeded(lambda: WaveCopier(image_size=2, n_positions=4, n_channels=1, recurrence="wave"), seed=0)
    image = torch.tensor([0.0, 0.2, 0.99, 1.0]).view(1, 1, 2, 2).expand(-1, 3, -1, -1)
    assert copier.symbols_of(image).tolist() == [[1, 2, 8, 8]]
    with torch.inference_mode():
        torch.testing.assert_close(copier(image), copier(torch.tensor([[1, 2, 8, 8]])))
    assert wave_rnn(task="copy").recipe.data == "copy"


def test_the_twin_differs_in_the_recurrence_only():
    ours, theirs = wave_rnn().module.state_dict(), wave_rnn_identity().module.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == ["wave.recurrent.weight"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"task": "copying"}, UnknownNameError, "did you mean 'copy'"),
        ({"reads": "row"}, UnknownNameError, "did you mean 'rows'"),
        ({"recurrence": "waves"}, UnknownNameError, "did you mean 'wave'"),
        ({"n_positions": 2}, InputError, "`n_positions` must be at least 3, got 2"),
        ({"n_classes": 1}, InputError, "`n_classes` must be at least 2, got 1"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        wave_rnn(**options)


def test_states_without_positions_have_no_spectrum():
    with pytest.raises(InputError, match=r"times and positions, got shape \(3,\)"):
        wave_spectrum(torch.zeros(3))
