from __future__ import annotations

import pytest
import torch
from PIL import Image

from alignkit.networks import LANGUAGE_MODELS, NETWORKS, Network, procedural_images

FAMILIES = ("dynamics", "associative memory")
NAMES = [row["name"] for row in NETWORKS.rows() if row["family"] in FAMILIES]
DRAGONS = [name for name in LANGUAGE_MODELS if name.startswith("dragon")]


@pytest.fixture(scope="module")
def built() -> dict[str, Network]:
    return {name: NETWORKS[name]() for name in NAMES}


def _images(network: Network, n_images: int) -> torch.Tensor:
    images = procedural_images(n_images, size=40, random_state=5)
    return torch.stack([network.preprocess(Image.fromarray(each)) for each in images])


def _features(network: Network, images: torch.Tensor) -> dict[str, torch.Tensor]:
    heard: dict[str, list[torch.Tensor]] = {}
    modules = dict(network.module.named_modules())
    hooks = [
        modules[layer].register_forward_hook(
            lambda m, i, o, layer=layer: heard.setdefault(layer, []).append(o.clone())
        )
        for layer in network.layers
    ]
    with torch.inference_mode():
        network.module(images)
    for hook in hooks:
        hook.remove()
    return {layer: torch.stack(steps, -1) for layer, steps in heard.items()}


def test_all_networks_of_this_room_are_here():
    assert len(NAMES) == 17
    assert len(DRAGONS) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_default_build_is_what_its_facts_declare(built, name):
    network, facts = built[name], NETWORKS.facts(name)
    assert network.name == name
    assert network.n_parameters == facts["parameters"]
    assert network.layers == facts["layers"]
    assert (network.recipe is not None) == facts.get("learns", False)
    assert not network.module.training


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_the_batch_or_on_what_ran_before(built, name):
    network = built[name]
    images = _images(network, 5)
    whole, again = _features(network, images), _features(network, images)
    assert list(whole) and set(whole) == set(network.layers)
    alone = [_features(network, images[[row]]) for row in range(5)]
    for layer, values in whole.items():
        assert values.isfinite().all()
        assert torch.equal(values, again[layer])
        one_by_one = torch.cat([each[layer] for each in alone])
        scale = float(values.abs().max())
        torch.testing.assert_close(one_by_one, values, rtol=1e-5, atol=1e-5 * scale)


# What retrieves the mean of all patterns has next to the same energy for every image.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "modern-hopfield-diffuse"])
def test_images_differ_in_every_layer(built, name):
    for layer, values in _features(built[name], _images(built[name], 2)).items():
        assert not torch.equal(values[0], values[1]), layer


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone(built, name):
    state = torch.random.get_rng_state()
    assert NETWORKS[name]().weights_digest() == built[name].weights_digest()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name in NAMES if NETWORKS.facts(name).get("twin")])
def test_the_matched_twin_has_as_many_parameters_and_the_same_layers(built, name):
    network = built[name]
    twin = network.matched()
    assert twin.name == NETWORKS.facts(name)["twin"]
    assert twin.n_parameters == network.n_parameters
    assert twin.layers == network.layers
    assert twin.matched is None
    images = _images(network, 2)
    last = network.layers[-1]
    assert not torch.equal(_features(network, images)[last], _features(twin, images)[last])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_imprinted_has_an_untrained_twin(built, name):
    network = built[name]
    is_whole = network.trained and "twin" in NETWORKS.facts(name)
    assert (network.untrained is not None) == is_whole
    if network.untrained is not None:
        assert not network.untrained().trained
        assert network.untrained().name == f"{name}-untrained"


@pytest.mark.parametrize("name", DRAGONS)
def test_a_language_model_is_what_its_facts_declare(name):
    model, facts = LANGUAGE_MODELS[name](), LANGUAGE_MODELS.facts(name)
    assert model.name == name
    assert model.layers == facts["layers"]
    assert sum(each.numel() for each in model.module.parameters()) == facts["parameters"]
    assert model.weights_digest() == LANGUAGE_MODELS[name]().weights_digest()
