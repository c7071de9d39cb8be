from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks.convolutional import BrainConv, brain_conv

N_TIMES = 24
SMALL = {"attention_outputs": 12, "n_frequencies": 6, "width": 16, "n_layers": 4}


def layout_of(n_subjects: int = 2, n_channels: int = 9, n_times: int = N_TIMES) -> Layout:
    places = torch.rand(n_subjects, n_channels, 2, generator=torch.Generator().manual_seed(1))
    return Layout(n_channels, n_times, n_subjects, sfreq_hz=100.0, positions=places)


def batch_of(layout: Layout, n_trials: int = 6, seed: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    signals = torch.randn(n_trials, layout.n_channels, layout.n_times, generator=generator)
    return signals, torch.arange(n_trials) % layout.n_subjects


def used(network: BrainConv, layout: Layout) -> BrainConv:
    """Return the network in evaluation mode, its batch norm statistics those of a batch."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(*batch_of(layout, 64, seed=9))
    return network.eval()


def test_an_output_sees_135_samples_at_the_defaults() -> None:
    n_times, middle = 181, 90
    layout = layout_of(n_subjects=1, n_channels=3, n_times=n_times)
    # The number of layers, the kernel and the dilations are those of the paper; widths do not matter here.
    network = brain_conv(
        layout, 2, target_times=n_times, attention_outputs=4, width=8, n_frequencies=2
    ).eval()
    signals = torch.randn(1, 3, n_times, dtype=torch.float64, requires_grad=True)
    network.double()(signals, torch.zeros(1, dtype=torch.long))[0, :, middle].sum().backward()
    assert signals.grad is not None
    seen = torch.nonzero(signals.grad.abs().sum((0, 1))).flatten()
    assert (int(seen[0]), int(seen[-1])) == (middle - 67, middle + 67)
    assert len(seen) == 135


def test_widths_are_those_of_the_paper_at_the_defaults() -> None:
    network = brain_conv(layout_of(), 1024, target_times=N_TIMES)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes["sensors.heads"] == (270, 2048)
    assert shapes["subject_layer.maps.1"] == (270, 270)
    convolutions = [shape for name, shape in shapes.items() if "trunk" in name and name.endswith("0.weight")]
    assert convolutions == [(320, 270, 3), *[(320, 320, 3)] * 9]
    gates = [shape for name, shape in shapes.items() if name.endswith("gate.weight")]
    assert gates == [(640, 320, 3)] * 5
    assert (shapes["head.0.weight"], shapes["head.2.weight"]) == ((640, 320, 1), (1024, 640, 1))


def test_permuting_sensors_with_their_places_changes_nothing() -> None:
    layout = layout_of()
    network = used(brain_conv(layout, 5, **SMALL), layout)
    signals, subjects = batch_of(layout)
    order = torch.randperm(layout.n_channels, generator=torch.Generator().manual_seed(3))
    before = network(signals, subjects)
    without_places = network(signals[:, order], subjects)
    network.sensors.positions = network.sensors.positions[:, order]
    with_places = network(signals[:, order], subjects)
    assert (with_places - before).abs().max() < 1e-5
    assert (without_places - before).abs().max() > 1e-2


def test_a_convolution_over_channels_is_not_invariant_to_their_order() -> None:
    layout = layout_of()
    network = used(brain_conv(layout, 5, spatial_attention=False, **SMALL), layout)
    signals, subjects = batch_of(layout)
    order = torch.randperm(layout.n_channels, generator=torch.Generator().manual_seed(3))
    assert (network(signals[:, order], subjects) - network(signals, subjects)).abs().max() > 1e-2


@pytest.mark.parametrize("spatial_attention", [True, False])
def test_in_evaluation_a_trial_is_read_alike_alone_and_among_others(spatial_attention: bool) -> None:
    layout = layout_of(3)
    network = used(brain_conv(layout, 5, spatial_attention=spatial_attention, **SMALL), layout)
    signals, subjects = batch_of(layout, 9)
    together = network(signals, subjects)
    alone = torch.cat([network(signals[[i]], subjects[[i]]) for i in range(9)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.equal(network(signals, subjects), together)


def test_sensors_are_dropped_in_training_only() -> None:
    layout = layout_of()
    network = used(brain_conv(layout, 5, sensor_dropout=0.4, **SMALL), layout)
    signals, subjects = batch_of(layout)
    assert torch.equal(network(signals, subjects), network(signals, subjects))
    network.train()
    assert not torch.equal(network(signals, subjects), network(signals, subjects))


def test_moving_a_sensor_a_little_moves_the_outputs_a_little() -> None:
    layout = layout_of()
    network = used(brain_conv(layout, 5, **SMALL), layout)
    signals, subjects = batch_of(layout)
    before, shifts = network(signals, subjects), []
    for step in (1e-4, 1e-3):
        network.sensors.positions = layout.positions.clone()
        network.sensors.positions[:, 0] += step
        shifts.append(float((network(signals, subjects) - before).abs().max().detach()))
    assert 0 < shifts[0] < shifts[1] < 0.1
    assert shifts[1] / shifts[0] == pytest.approx(10, rel=0.3)


def test_padded_channels_and_channels_without_a_place_do_not_matter() -> None:
    layout = layout_of()
    assert layout.positions is not None
    layout.positions[:, 7:] = torch.nan
    network = used(brain_conv(layout, 5, **SMALL), layout)
    signals, subjects = batch_of(layout)
    changed = signals.clone()
    changed[:, 7:] = 100.0
    assert torch.equal(network(changed, subjects), network(signals, subjects))


def test_time_is_kept_pooled_in_windows_or_aggregated_by_learned_weights() -> None:
    layout = layout_of()
    signals, subjects = batch_of(layout)
    kept = used(brain_conv(layout, 5, target_times=N_TIMES, **SMALL), layout)
    halved = brain_conv(layout, 5, target_times=N_TIMES // 2, **SMALL).eval()
    halved.load_state_dict(kept.state_dict())
    trunk = kept.trunk(kept.subject_layer(kept.mixing(kept.sensors(signals, subjects)), subjects))
    assert torch.allclose(kept(signals, subjects), kept.head(trunk))
    windows = trunk.reshape(6, -1, N_TIMES // 2, 2).mean(-1)
    assert torch.allclose(halved(signals, subjects), kept.head(windows), atol=1e-6)
    aggregated = brain_conv(layout, 5, **SMALL).eval()
    aggregated.load_state_dict(kept.state_dict(), strict=False)
    affine = aggregated.pooling.aggregation
    step = trunk @ affine.weight[0] + affine.bias
    assert torch.allclose(aggregated(signals, subjects), kept.head(step[..., None])[..., 0], atol=1e-6)


def test_same_seed_same_bits_and_torchs_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    first, second, other = (brain_conv(layout_of(), 5, seed=s, **SMALL) for s in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.sensors.heads, other.sensors.heads)


def test_double_precision_and_a_round_trip_of_weights_agree() -> None:
    layout = layout_of()
    network = used(brain_conv(layout, 5, seed=1, **SMALL), layout)
    again = brain_conv(Layout(9, N_TIMES, 2, positions=torch.rand(2, 9, 2)), 5, **SMALL).eval()
    again.load_state_dict(network.state_dict())
    signals, subjects = batch_of(layout)
    before = network(signals, subjects)
    assert torch.equal(again(signals, subjects), before)
    assert torch.allclose(network.double()(signals.double(), subjects).float(), before, atol=1e-4)


def test_calibration_of_a_new_subject_trains_nothing_else() -> None:
    layout = layout_of()
    network = used(brain_conv(layout, 5, **SMALL), layout)
    signals, subjects = batch_of(layout)
    before = network(signals, subjects).detach()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    added = network.add_subject(torch.rand(9, 2))
    assert [tuple(parameter.shape) for parameter in added] == [(12, 12)]
    expected = torch.stack([state["subject_layer.maps.0"], state["subject_layer.maps.1"]]).mean(0)
    assert torch.equal(added[0], expected)
    new = torch.full((6,), 2)
    optimiser = torch.optim.Adam(added, lr=0.05)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = network(signals, new).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert torch.equal(network(signals, subjects), before)
    for name, value in state.items():
        if name != "sensors.positions":
            assert torch.equal(network.state_dict()[name], value), name
    grown = Layout(9, N_TIMES, 3, positions=network.sensors.positions)
    again = brain_conv(grown, 5, **SMALL).eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(signals, new), network(signals, new))


def test_without_a_subject_layer_there_is_nothing_to_calibrate() -> None:
    network = brain_conv(layout_of(), 5, subject_layer=False, **SMALL).eval()
    assert network.add_subject(torch.rand(9, 2)) == []
    assert network(torch.randn(1, 9, N_TIMES), torch.tensor([2])).isfinite().all()


def test_networks_that_cannot_be_built_say_why() -> None:
    with pytest.raises(InputError, match=r"must be odd, so that time stays in place, got 4"):
        brain_conv(layout_of(), 5, kernel_size=4)
    with pytest.raises(InputError, match=r"kernel of 7 samples needs trials of at least 7 times, got 6"):
        brain_conv(layout_of(n_times=6), 5, kernel_size=7)
    with pytest.raises(InputError, match=r"needs trials of at least 3 times, got 1.*take residual-mlp"):
        brain_conv(layout_of(n_times=1), 5)
    with pytest.raises(InputError, match=r"the recordings have none.*set `spatial_attention` to false"):
        brain_conv(Layout(9, N_TIMES), 5)
    with pytest.raises(InputError, match=r"`target_times` must lie in 1\.\.24, the times of a trial, got 25"):
        brain_conv(layout_of(), 5, target_times=25)
    with pytest.raises(InputError, match=r"`target_times` must lie in 1\.\.24.*got 0"):
        brain_conv(layout_of(), 5, target_times=0)


@dataclass
class Planted:
    """Series of sources, what each subject's sensors get of them, and noise."""

    layout: Layout
    maps: torch.Tensor
    noise: float
    smooth: int = 5

    @classmethod
    def of(cls, n_subjects: int, n_sensors: int, n_sources: int, n_times: int, noise: float) -> Planted:
        rng = np.random.default_rng(7)
        # Each brain rotates the sources in its own way, under sensors at the same places.
        places = torch.tensor(rng.random((n_sensors, 2)), dtype=torch.float32).expand(n_subjects, -1, -1)
        leads = leads_to(places, torch.tensor(rng.random((n_sources, 2)), dtype=torch.float32))
        rotations = [np.linalg.qr(rng.standard_normal((n_sources, n_sources)))[0] for _ in range(n_subjects)]
        maps = leads @ torch.tensor(np.stack(rotations), dtype=torch.float32)
        return cls(Layout(n_sensors, n_times, n_subjects, 50.0, places), maps, noise)

    @classmethod
    def with_caps_that_differ(
        cls, n_subjects: int, n_sensors: int, n_sources: int, n_times: int, noise: float
    ) -> Planted:
        # Brains are the same, but every subject's sensors sit elsewhere in the sources' fields.
        rng = np.random.default_rng(8)
        places = torch.tensor(rng.random((n_subjects, n_sensors, 2)), dtype=torch.float32)
        waves = torch.tensor(rng.normal(0, 4, (2, n_sources)), dtype=torch.float32)
        maps = torch.cos(places @ waves + torch.tensor(rng.uniform(0, 6, n_sources), dtype=torch.float32))
        return cls(Layout(n_sensors, n_times, n_subjects, 50.0, places), maps, noise)

    def of_subjects(self, subjects: slice) -> Planted:
        positions = self.layout.positions
        assert positions is not None
        positions = positions[subjects]
        layout = Layout(self.layout.n_channels, self.layout.n_times, len(positions), 50.0, positions)
        return Planted(layout, self.maps[subjects], self.noise)

    def draw(self, n_trials: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return signals, subjects and sources of so many trials."""
        generator = torch.Generator().manual_seed(seed)
        n_sensors, n_sources = self.maps.shape[1:]
        shape = (n_trials, n_sources, self.layout.n_times + self.smooth - 1)
        sources = functional.avg_pool1d(torch.randn(shape, generator=generator), self.smooth, stride=1)
        sources = sources * math.sqrt(self.smooth)
        subjects = torch.randint(self.layout.n_subjects, (n_trials,), generator=generator)
        clean = self.maps[subjects] @ sources
        return clean + self.noise * torch.randn(clean.shape, generator=generator), subjects, sources


def leads_to(places: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return what each sensor gets of each source: a bump of its distance."""
    leads = torch.exp(-torch.cdist(places, centres).square() / 0.08)
    return leads / leads.square().sum(-1).mean().sqrt()


def matches(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the likeness of estimates, as they are, with normalised candidates."""
    return outputs.flatten(1) @ functional.normalize(targets.flatten(1), dim=1).T


def train(
    network: nn.Module, planted: Planted, *, n_updates: int, batch: int, lr: float, shuffled: bool = False
) -> None:
    optimiser = torch.optim.Adam(network.parameters(), lr=lr)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network.train()
        for update in range(n_updates):
            signals, subjects, sources = planted.draw(batch, seed=1000 + update)
            if shuffled:
                sources = sources.roll(1, dims=0)
            loss = functional.cross_entropy(matches(network(signals, subjects), sources), torch.arange(batch))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval()


def top1(network: nn.Module, planted: Planted, *, n_trials: int = 100, seed: int = 5) -> float:
    signals, subjects, sources = planted.draw(n_trials, seed)
    with torch.no_grad():
        scores = matches(network(signals, subjects), sources)
    return float((scores.argmax(1) == torch.arange(n_trials)).float().mean())


def test_loss_at_the_start_is_that_of_guessing() -> None:
    planted = Planted.of(2, 24, 8, 60, noise=0.0)
    network = brain_conv(planted.layout, 8, n_layers=4, width=48, target_times=60).train()
    signals, subjects, sources = planted.draw(64, 0)
    loss = functional.cross_entropy(matches(network(signals, subjects), sources), torch.arange(64))
    assert loss.item() == pytest.approx(math.log(64), abs=0.1)


TINY = {"attention_outputs": 16, "n_frequencies": 4, "sensor_dropout": 0.1, "n_layers": 2, "width": 16}


def test_a_subject_layer_tells_opposite_brains_apart_and_wrong_pairs_teach_nothing() -> None:
    planted = Planted.of(2, 10, 4, 12, noise=0.5)
    planted.maps[1] = -planted.maps[0]

    def reached(*, subject_layer: bool = True, shuffled: bool = False) -> float:
        network = brain_conv(planted.layout, 4, subject_layer=subject_layer, target_times=12, **TINY)
        train(network, planted, n_updates=80, batch=32, lr=1e-2, shuffled=shuffled)
        return top1(network, planted)

    assert reached() > 0.7
    assert reached(subject_layer=False) < 0.1
    assert reached(shuffled=True) < 0.06


def test_spatial_attention_reads_a_cap_it_was_never_trained_on() -> None:
    everyone = Planted.with_caps_that_differ(9, 16, 4, 12, noise=0.3)
    planted, new = everyone.of_subjects(slice(8)), everyone.of_subjects(slice(8, 9))
    assert new.layout.positions is not None
    places = new.layout.positions[0]
    signals, subjects, sources = new.draw(100, 6)

    def reached(places: torch.Tensor, *, spatial_attention: bool = True) -> float:
        options = TINY | {"spatial_attention": spatial_attention, "subject_layer": False}
        network = brain_conv(planted.layout, 4, target_times=12, **options)
        train(network, planted, n_updates=120, batch=32, lr=1e-2)
        network.add_subject(places)
        with torch.no_grad():
            scores = matches(network(signals, subjects + 8), sources)
        return float((scores.argmax(1) == torch.arange(100)).float().mean())

    with_places = reached(places)
    assert with_places > 0.8
    assert reached(places, spatial_attention=False) < with_places - 0.4
    assert reached(places.roll(5, dims=0)) < with_places - 0.4


@pytest.mark.slow
def test_a_subject_layer_finds_sources_that_places_do_not_tell_apart_at_full_size() -> None:
    planted = Planted.of(3, 24, 8, 60, noise=4.0)
    reached = {}
    for subject_layer in (True, False):
        network = brain_conv(
            planted.layout, 8, n_layers=4, width=48, subject_layer=subject_layer, target_times=60
        )
        train(network, planted, n_updates=160, batch=64, lr=3e-3)
        reached[subject_layer] = np.mean([top1(network, planted, seed=seed) for seed in range(5)])
    assert reached[True] - reached[False] >= 0.04
