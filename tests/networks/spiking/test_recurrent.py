from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS, build_network
from alignkit.networks.spiking.recurrent import spiking_recurrent

NAMES = ["spiking-recurrent", "spiking-recurrent-frozen", "spiking-recurrent-constant"]
SMALL = {"image_size": 16, "n_hidden": 32}


def _digits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images = torch.from_numpy(digits.images[order] / 16).float()[:, None]
    return functional.interpolate(images, scale_factor=2).expand(-1, 3, -1, -1), torch.from_numpy(
        digits.target[order]
    )


def _train(module, images, labels, *, n_epochs: int, seed: int) -> None:
    optimizer = module.make_optimizer(3e-3)
    generator = torch.Generator().manual_seed(seed)
    module.train()
    for _ in range(n_epochs):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()
    module.eval()


def _accuracy(module, images, labels) -> float:
    with torch.inference_mode():
        return float((module(images).argmax(1) == labels).float().mean())


def _heard(network, images) -> dict[str, torch.Tensor]:
    heard = defaultdict(list)
    hooks = [
        network.module.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: heard[name].append(o)
        )
        for name in network.layers
    ]
    with torch.inference_mode():
        heard["scores"].append(network.module(images))
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(outputs, -1) for name, outputs in heard.items()}


def _images(n: int = 6, size: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_every_tap_tells_each_row(name):
    network = build_network(name, SMALL)
    heard = _heard(network, _images())
    for population in ("hidden1", "hidden2"):
        spikes = heard[f"{population}.spikes"]
        assert spikes.shape == (6, 32, 16)
        torch.testing.assert_close(heard[f"{population}.rate"][..., 0], spikes.mean(-1))
        assert torch.equal(heard[f"{population}.latency"][..., 0], (spikes.cumsum(-1) == 0).sum(-1).float())
        assert 0.02 < float(spikes.mean()) < 0.8
    torch.testing.assert_close(heard["scores"][..., 0], heard["logits"][..., -1] / 16)


def test_a_row_is_not_seen_before_its_time():
    network, images = build_network("spiking-recurrent", SMALL), _images()
    changed = images.clone()
    changed[:, :, 10] = 1 - changed[:, :, 10]
    before, after = _heard(network, images), _heard(network, changed)
    for layer in ("hidden1.membrane", "hidden2.membrane", "logits"):
        assert torch.equal(before[layer][..., :10], after[layer][..., :10])
    assert not torch.equal(before["hidden1.membrane"][..., 10:], after["hidden1.membrane"][..., 10:])


def test_it_reads_sequences_of_any_length_as_it_reads_rows():
    network, images = build_network("spiking-recurrent", SMALL), _images()
    rows = images.permute(0, 2, 1, 3).flatten(2)
    with torch.inference_mode():
        logits = network.module.read(torch.cat([rows, rows], 1))
        first = network.module.read(rows)
        scores = network.module(images)
    assert logits.shape == (6, 10, 32)
    torch.testing.assert_close(logits[..., :16], first)
    torch.testing.assert_close(first[..., -1] / 16, scores)


@pytest.mark.parametrize("name", [*NAMES, "spiking-recurrent-tanh"])
def test_facts_are_those_of_the_network_and_the_matched_network_has_as_many_parameters(name):
    network, facts = build_network(name), NETWORKS.facts(name)
    assert network.n_parameters == facts["parameters"]
    assert all(network.module.get_submodule(layer) is not None for layer in facts["layers"])
    assert facts.get("twin", name) in NETWORKS
    if network.matched is not None:
        matched = network.matched()
        assert matched.name == facts["matched"]
        # Frozen delays are parameters that are not trained, and the graded network trains all it has.
        trains = 1.57 if name == "spiking-recurrent-frozen" else 1.0
        assert matched.n_parameters / network.n_parameters == pytest.approx(trains, abs=0.01)
        total = sum(p.numel() for p in network.module.parameters())
        assert abs(matched.n_parameters / total - 1) < 0.01


@pytest.mark.parametrize("name", [*NAMES, "spiking-recurrent-tanh"])
def test_a_network_is_built_again_from_its_options(name):
    network = build_network(name, {**SMALL, "n_classes": 3, "seed": 5})
    assert build_network(name, network.options).weights_digest() == network.weights_digest()


def test_features_do_not_depend_on_the_batch_and_a_rerun_gives_the_same_bits():
    network, images = build_network("spiking-recurrent", SMALL), _images(9)
    whole, again = _heard(network, images), _heard(network, images)
    for size in (1, 2, 5):
        part = _heard(network, images[:size])
        for layer in network.layers:
            torch.testing.assert_close(part[layer], whole[layer][:size], rtol=1e-5, atol=1e-6)
            assert torch.equal(again[layer], whole[layer])


def test_delays_learn_and_narrow_in_training_and_the_twins_keep_theirs():
    images, labels = _digits(0)
    moved, widths = {}, {}
    for name in NAMES:
        options = {**SMALL, "annealing_steps": 6} if name == "spiking-recurrent" else SMALL
        module = build_network(name, options).module
        before, start = module.delay1.position.detach().clone(), module.delay1.sigma
        _train(module, images[:512], labels[:512], n_epochs=1, seed=0)
        moved[name] = float((module.delay1.position.detach() - before).abs().max())
        widths[name] = (start, module.delay1.sigma)
    assert moved["spiking-recurrent"] > 0.5
    assert moved["spiking-recurrent-frozen"] == 0
    assert widths["spiking-recurrent"] == pytest.approx((4.5, 0.23))
    assert widths["spiking-recurrent-frozen"] == pytest.approx((0.23, 0.23))
    assert widths["spiking-recurrent-constant"] == (0.5, 0.5)


def test_positions_learn_a_hundred_times_as_fast():
    groups = spiking_recurrent(**SMALL).module.make_optimizer(1e-3).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 0.1])
    assert len(groups[1]["params"]) == 2
    frozen = build_network("spiking-recurrent-frozen", SMALL).module.make_optimizer(1e-3)
    assert len(frozen.param_groups) == 1


def test_it_learns_digits_a_little_in_a_few_passes():
    images, labels = _digits(0)
    network = spiking_recurrent(image_size=16, n_hidden=48, annealing_steps=20)
    _train(network.module, images[:1000], labels[:1000], n_epochs=4, seed=0)
    assert _accuracy(network.module, images[1000:], labels[1000:]) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_learns_digits_and_loses_little_by_rounding_delays(seed):
    images, labels = _digits(seed)
    module = spiking_recurrent(image_size=16, n_hidden=128, seed=seed).module
    _train(module, images[:1200], labels[:1200], n_epochs=16, seed=seed)
    assert _accuracy(module, images[1200:], labels[1200:]) > 0.9
    rounded = _accuracy(module, images[:1200], labels[:1200])
    # Only the kernels as in training; the statistics of batch norm stay.
    module.delay1.train()
    module.delay2.train()
    assert abs(_accuracy(module, images[:1200], labels[:1200]) - rounded) < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 4}, "`image_size` must be at least 8, got 4"),
        ({"n_hidden": 0}, "`n_hidden` must be at least 1, got 0"),
        ({"n_classes": 1}, "`n_classes` must be at least 2, got 1"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"n_delays": 4}, "`n_delays` must be odd"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        spiking_recurrent(**options)
