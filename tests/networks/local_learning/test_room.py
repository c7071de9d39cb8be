"""What holds for every network of the room, whatever its rule."""

from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, Learner, build_network

NAMES = [name for name in NETWORKS if NETWORKS.facts(name)["family"] == "local learning"]
# Options of a small build.
SMALL = {"image_size": 8, "n_classes": 4}


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_every_rule_has_a_network_and_a_twin():
    rules = [name for name in NAMES if NETWORKS.facts(name).get("twin")]
    assert {
        "dale-exponentiated",
        "direct-feedback-alignment",
        "equilibrium-propagation",
        "forward-forward",
        "predictive-coding",
        "soft-hebb",
    } <= set(rules)
    for name in rules:
        assert NETWORKS.facts(name)["twin"] in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_facts_are_those_of_the_default_build(name):
    network, facts = build_network(name), NETWORKS.facts(name)
    assert network.name == name
    assert network.n_parameters == facts["parameters"]
    assert network.layers == facts["layers"]
    assert network.recipe is not None
    assert not network.trained


@pytest.mark.parametrize("name", NAMES)
def test_layers_run_once_and_do_not_depend_on_the_batch(name, images, heard):
    network = build_network(name, SMALL)
    before = images.clone()
    together = heard(network.module, images, network.layers)
    alone = [heard(network.module, images[k : k + 1], network.layers) for k in range(len(images))]
    assert torch.equal(images, before)
    assert together["scores"].shape == (6, 4)
    for layer, values in together.items():
        assert values.shape[0] == 6
        assert torch.isfinite(values).all()
        assert float(values.std(0).max()) > 0, f"{layer} says the same of every image"
        torch.testing.assert_close(values, torch.cat([each[layer] for each in alone]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits_before_and_after_learning(name, images):
    digests = []
    for seed in (0, 0, 1):
        network = build_network(name, {**SMALL, "seed": seed})
        fresh = network.weights_digest()
        _step(network.module.train(), images, network.recipe.lr)
        digests.append((fresh, network.weights_digest()))
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[2][0]
    assert digests[0][0] != digests[0][1]


@pytest.mark.parametrize("name", NAMES)
def test_building_leaves_the_global_generator_alone(name):
    state = torch.random.get_rng_state()
    build_network(name, SMALL)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_learning_overwrites_gradients_and_logs_scalars(name, images):
    module = build_network(name, SMALL).module.train()
    if not isinstance(module, Learner):
        pytest.skip("taught by plain backpropagation")
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    state = {key: value.clone() for key, value in module.state_dict().items()}
    logged = module.learn(images, labels)
    assert "loss" in logged
    assert all(each.ndim == 0 and not each.requires_grad for each in logged.values())
    first = {key: p.grad.clone() for key, p in module.named_parameters() if p.grad is not None}
    module.load_state_dict(state)
    module.learn(images, labels)
    for key, parameter in module.named_parameters():
        if key in first:
            torch.testing.assert_close(parameter.grad, first[key])


@pytest.mark.parametrize("name", NAMES)
def test_sizes_out_of_range_are_refused(name):
    with pytest.raises(InputError, match="`image_size` must be at least 4, got 3"):
        build_network(name, {"image_size": 3})
    with pytest.raises(InputError, match="`n_classes` must be at least 2, got 1"):
        build_network(name, {"n_classes": 1})
    with pytest.raises(InputError, match="`hidden` must name at least one layer"):
        build_network(name, {"hidden": []})
    with pytest.raises(InputError, match="`hidden` must be at least 1, got 0"):
        build_network(name, {"hidden": [0]})


@pytest.mark.parametrize("name", NAMES)
def test_images_of_another_size_are_refused(name, images):
    module = build_network(name).module
    wanted = (
        r"shape \(3, 16, 16\), got \(3, 8, 8\)" if name.startswith("soft") else r"256 pixels, got \(8, 8\)"
    )
    with pytest.raises(InputError, match=f"takes images of {wanted}.*`preprocess`"):
        module(images)
    if isinstance(module, Learner):
        with pytest.raises(InputError, match=f"takes images of {wanted}.*`preprocess`"):
            module.learn(images, torch.zeros(6, dtype=torch.int64))


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("forward-forward", {"rule": "forward"}, UnknownNameError, "did you mean 'forward-forward'"),
        ("forward-forward", {"threshold": 0.0}, InputError, "`threshold` must be positive, got 0"),
        ("forward-forward", {"sharpness": -1.0}, InputError, "`sharpness` must be positive, got -1"),
        ("predictive-coding", {"rule": "inferences"}, UnknownNameError, "did you mean 'inference'"),
        ("predictive-coding", {"n_steps": 0}, InputError, "`n_steps` must be at least 1, got 0"),
        ("predictive-coding", {"rate": 0.0}, InputError, "`rate` must be positive, got 0"),
        ("equilibrium-propagation", {"feedback": "tie"}, UnknownNameError, "did you mean 'tied'"),
        ("equilibrium-propagation", {"beta": 0.0}, InputError, "`beta` must be positive, got 0"),
        ("equilibrium-propagation", {"homeostasis": -1.0}, InputError, "must be at least 0, got -1"),
        ("equilibrium-propagation", {"n_phases": 0}, InputError, "`n_phases` must be at least 1, got 0"),
        ("direct-feedback-alignment", {"rule": "back"}, UnknownNameError, "did you mean 'backprop'"),
        ("soft-hebb", {"hidden": [8, 8, 8], "image_size": 8}, InputError, "too small for 3 blocks"),
        ("soft-hebb", {"inverse_temperature": 0.0}, InputError, "must be positive, got 0"),
        ("dale-exponentiated", {"inhibitory": 1.0}, InputError, "between 0 and 1, got 1.0"),
        ("dale-exponentiated", {"cap": 0.0}, InputError, "`cap` must be positive, got 0"),
    ],
)
def test_options_out_of_range_are_refused(name, options, error, message):
    with pytest.raises(error, match=message):
        build_network(name, options)


@pytest.mark.parametrize("name", [name for name in NAMES if NETWORKS.facts(name).get("twin")])
def test_the_matched_twin_has_the_same_shapes(name):
    network = build_network(name, {**SMALL, "seed": 3})
    twin = network.matched()
    assert twin.options["seed"] == 3
    assert twin.options["image_size"] == 8
    # The perceptron beside Forward-Forward has a readout's biases where the other has labels.
    assert abs(twin.n_parameters - network.n_parameters) <= 10
    assert twin.matched is None


def _step(module, images, lr):
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    bring = getattr(module, "make_optimizer", None)
    free = [p for p in module.parameters() if p.requires_grad]
    optimizer = bring(lr) if bring is not None else torch.optim.SGD(free, lr=lr)
    if isinstance(module, Learner):
        module.learn(images, labels)
    else:
        torch.nn.functional.cross_entropy(module(images), labels).backward()
    optimizer.step()
