from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS, build_network

SWIN = [(3136, 96), (784, 192), (196, 384), (49, 768), (49, 768)]


@pytest.mark.parametrize(
    ("name", "whole", "width"),
    [("random-deit-tiny", 5_717_416, 192), ("random-swin-tiny", 28_288_354, 768)],
)
def test_it_has_the_parameters_of_the_published_network_without_its_classifier(name, whole, width):
    assert build_network(name).n_parameters == NETWORKS.facts(name)["parameters"]
    assert NETWORKS.facts(name)["parameters"] == whole - 1000 * (width + 1)


def test_swins_layers_are_the_hidden_states_of_transformers():
    network = build_network("random-swin-tiny")
    heard: list[torch.Tensor] = []
    for layer in network.layers:
        network.module.get_submodule(layer).register_forward_hook(lambda m, i, o: heard.append(o))
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        network.module(images)
        theirs = network.module.model(images, output_hidden_states=True).hidden_states
    assert [tuple(each.shape[1:]) for each in heard] == SWIN
    for ours, state in zip(heard, theirs, strict=True):
        assert torch.equal(ours, state)


def test_every_block_of_deit_can_be_asked_for():
    network = build_network("random-deit-tiny", {"image_size": 32})
    names = {name for name, _ in network.module.named_children()}
    assert names == {"embedding", "norm", *(f"block{k}" for k in range(1, 13))}


@pytest.mark.parametrize(("name", "multiple"), [("random-deit-tiny", 16), ("random-swin-tiny", 32)])
def test_image_sizes_that_patches_do_not_fill_are_refused(name, multiple):
    with pytest.raises(InputError, match=f"multiple of {multiple} .the patches., got 250"):
        build_network(name, {"image_size": 250})


def test_images_smaller_than_swins_windows_are_refused():
    with pytest.raises(InputError, match="`image_size` must be at least 224, got 192"):
        build_network("random-swin-tiny", {"image_size": 192})


def test_seeds_decide_the_weights():
    one, again, other = (
        build_network("random-deit-tiny", {"image_size": 32, "seed": seed}).weights_digest()
        for seed in (0, 0, 1)
    )
    assert one == again != other
