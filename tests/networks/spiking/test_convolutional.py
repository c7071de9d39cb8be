from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, build_network
from alignkit.networks.spiking.convolutional import spiking_conv
from alignkit.networks.spiking.early_exit import (
    calibrate_gap,
    exit_by_confidence,
    exit_by_gap,
    fixed_accuracy,
)

NAMES = ["spiking-conv", "spiking-conv-hard", "spiking-conv-mpbn", "spiking-conv-no-mpbn"]
SMALL = {"image_size": 16, "widths": [16, 32, 64]}


def _digits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images = torch.from_numpy(digits.images[order] / 16).float()[:, None]
    return functional.interpolate(images, scale_factor=2).expand(-1, 3, -1, -1), torch.from_numpy(
        digits.target[order]
    )


def _train(module, images, labels, *, n_epochs: int, seed: int) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(seed)
    module.train()
    for _ in range(n_epochs):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()
    module.eval()


def _heard(network, images, layers=None) -> dict[str, torch.Tensor]:
    heard = defaultdict(list)
    hooks = [
        network.module.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: heard[name].append(o)
        )
        for name in layers or network.layers
    ]
    with torch.inference_mode():
        heard["scores"].append(network.module(images))
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(outputs, -1) for name, outputs in heard.items()}


def _images(n: int = 6, size: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_every_tap_tells_each_step_and_rates_are_the_mean_of_spikes(name):
    network = build_network(name, SMALL)
    heard = _heard(network, _images())
    for number, width in enumerate(SMALL["widths"], 1):
        spikes = heard[f"conv{number}.spikes"]
        side = 16 // 2**number
        assert spikes.shape == (6, width, side, side, 8)
        assert set(spikes.unique().tolist()) == {0.0, 1.0}
        torch.testing.assert_close(heard[f"conv{number}.rate"][..., 0], spikes.mean(-1))
        silent = (spikes.cumsum(-1) == 0).sum(-1)
        assert torch.equal(heard[f"conv{number}.latency"][..., 0], silent.float())
        # Without training every population is heard, and none is saturated.
        assert 0.02 < float(spikes.mean()) < 0.8
    torch.testing.assert_close(heard["scores"][..., 0], heard["logits"][..., -1] / 8)


@pytest.mark.parametrize("name", [*NAMES, "spiking-conv-relu"])
def test_facts_are_those_of_the_network_and_the_matched_twin_has_as_many_parameters(name):
    network, facts = build_network(name), NETWORKS.facts(name)
    assert network.n_parameters == facts["parameters"]
    assert all(network.module.get_submodule(layer) is not None for layer in facts["layers"])
    assert facts.get("twin", name) in NETWORKS
    if network.matched is not None:
        matched = network.matched()
        assert matched.name == facts["matched"]
        assert abs(matched.n_parameters / network.n_parameters - 1) < 0.01


@pytest.mark.parametrize("name", [*NAMES, "spiking-conv-relu"])
def test_a_network_is_built_again_from_its_options(name):
    network = build_network(name, {**SMALL, "n_classes": 3, "seed": 5})
    assert build_network(name, network.options).weights_digest() == network.weights_digest()


@pytest.mark.parametrize("name", ["spiking-conv", "spiking-conv-mpbn"])
def test_features_do_not_depend_on_the_batch_and_a_rerun_gives_the_same_bits(name):
    network, images = build_network(name, SMALL), _images(9)
    whole = _heard(network, images)
    again = _heard(network, images)
    for size in (1, 2, 5):
        part = _heard(network, images[:size])
        for layer in network.layers:
            torch.testing.assert_close(part[layer], whole[layer][:size], rtol=1e-5, atol=1e-6)
            assert torch.equal(again[layer], whole[layer])


def test_the_twins_differ_from_their_network_in_the_mechanism_and_not_in_the_draw():
    ours, hard = (build_network(name, SMALL).module for name in ("spiking-conv", "spiking-conv-hard"))
    assert torch.equal(ours.synapses1[0].weight, hard.synapses1[0].weight)
    assert (ours.conv1.reset, hard.conv1.reset) == ("soft", "hard")
    assert (ours.conv1.surrogate, hard.conv1.surrogate) == ("rectified", "rectangle")
    normed, plain = (
        build_network(name, SMALL).module for name in ("spiking-conv-mpbn", "spiking-conv-no-mpbn")
    )
    assert normed.conv1.norm is not None
    assert plain.conv1.norm is None
    assert normed.conv1.decay == plain.conv1.decay == 0.25


def test_the_seed_draws_the_weights_and_leaves_torch_s_own_generator():
    torch_state = torch.get_rng_state()
    digests = [spiking_conv(image_size=16, widths=[8, 8, 8], seed=s).weights_digest() for s in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert digests[0] == digests[1] != digests[2]


def test_deciding_early_stops_where_the_rule_on_the_summed_logits_does():
    network, images = spiking_conv(**SMALL, n_steps=6), _images(12)
    logits = _heard(network, images)["logits"].numpy()
    for quantile in (0.2, 0.7):
        top = np.sort(logits, 1)
        beta = float(np.quantile(top[:, -1] - top[:, -2], quantile))
        predictions, steps = network.module.decide(images, beta=beta)
        exits = exit_by_gap(logits, beta=beta)
        assert steps.tolist() == exits.steps.tolist()
        assert predictions.tolist() == exits.predictions.tolist()
        assert 1 <= exits.mean_steps < 6


def test_it_learns_digits_in_two_passes():
    images, labels = _digits(0)
    network = spiking_conv(image_size=16, widths=[12, 24, 48], n_steps=4)
    _train(network.module, images[:1000], labels[:1000], n_epochs=2, seed=0)
    with torch.inference_mode():
        accuracy = (network.module(images[1000:]).argmax(1) == labels[1000:]).float().mean()
    assert float(accuracy) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_variant_learns_digits(name):
    images, labels = _digits(0)
    network = build_network(name, SMALL)
    _train(network.module, images[:1200], labels[:1200], n_epochs=6, seed=0)
    with torch.inference_mode():
        accuracy = (network.module(images[1200:]).argmax(1) == labels[1200:]).float().mean()
    assert float(accuracy) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_gap_saves_most_steps_at_equal_accuracy_on_digits(seed):
    images, labels = _digits(seed)
    network = spiking_conv(**SMALL, seed=seed)
    _train(network.module, images[:1000], labels[:1000], n_epochs=6, seed=seed)
    logits = _heard(network, images[1000:], ["logits"])["logits"].numpy()
    truth = labels[1000:].numpy()
    exits = exit_by_gap(logits[400:], beta=calibrate_gap(logits[:400]))
    fixed = fixed_accuracy(logits[400:], truth[400:], n_steps=exits.mean_steps)
    assert exits.mean_steps < 4
    assert exits.accuracy(truth[400:]) >= fixed_accuracy(logits[400:], truth[400:], n_steps=8) - 0.005
    assert exits.accuracy(truth[400:]) >= fixed
    # Not calibrated, the mean output is never sure of itself and takes far more steps.
    unsure = exit_by_confidence(logits[400:], threshold=0.9, output="mean")
    assert unsure.mean_steps > 2 * exits.mean_steps


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"image_size": 8}, InputError, "`image_size` must be at least 16, got 8"),
        ({"n_steps": 0}, InputError, "`n_steps` must be at least 1, got 0"),
        ({"n_classes": 1}, InputError, "`n_classes` must be at least 2, got 1"),
        ({"widths": [8, 8]}, InputError, r"`widths` must be three numbers of channels, got \[8, 8\]"),
        ({"widths": [8, 0, 8]}, InputError, "`widths` must be at least 1, got 0"),
        ({"seed": -1}, InputError, "`seed` must be at least 0, got -1"),
        ({"reset": "softer"}, UnknownNameError, "did you mean 'soft'"),
        ({"decay": 2.0}, InputError, "`decay` must be in"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        spiking_conv(**options)


def test_an_early_exit_in_training_is_refused():
    module = spiking_conv(image_size=16, widths=[4, 4, 4]).module.train()
    with pytest.raises(InputError, match="got a module in training"):
        module.decide(_images(2), beta=1.0)
