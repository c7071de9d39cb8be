from __future__ import annotations

from functools import cache

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS, build_network

# What timm or torchvision count for the published network, less its classifier of 1,000 classes.
PUBLISHED = {
    "random-alexnet": (61_100_840, 4096),
    "random-resnet18": (11_689_512, 512),
    "random-convnext-tiny": (28_589_128, 768),
    "random-mobilenet-v2": (3_504_872, 1280),
}
SHAPES = {
    "random-alexnet": [(64, 15, 15), (192, 7, 7), (384, 3, 3), (256, 3, 3), (256, 3, 3), (4096,), (4096,)],
    "random-resnet18": [(64, 16, 16), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)],
    "random-convnext-tiny": [(96, 16, 16), (96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)],
    "random-mobilenet-v2": [(16, 32, 32), (32, 8, 8), (64, 4, 4), (96, 4, 4), (320, 2, 2), (1280, 2, 2)],
}


# Drawing the 57 million weights of AlexNet takes seconds.
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name == "random-alexnet" else []) for name in PUBLISHED
]


@pytest.fixture(scope="module")
def built():
    return cache(lambda name: build_network(name, {"image_size": 64}))


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_parameters_of_the_published_network_without_its_classifier(built, name):
    whole, width = PUBLISHED[name]
    without = whole - 1000 * (width + 1)
    if name == "random-convnext-tiny":
        # The norm of what was pooled over positions belongs to the classifier.
        without -= 2 * width
    assert built(name).n_parameters == NETWORKS.facts(name)["parameters"] == without


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_the_shapes_of_the_paper_and_a_signal(built, name):
    heard: list[torch.Tensor] = []
    module = built(name).module
    hooks = [
        module.get_submodule(layer).register_forward_hook(lambda m, i, o: heard.append(o))
        for layer in built(name).layers
    ]
    with torch.inference_mode():
        module(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    for hook in hooks:
        hook.remove()
    assert [tuple(each.shape[1:]) for each in heard] == SHAPES[name]
    assert all(0.1 < float(each.std()) < 20 for each in heard)
    assert all(float((each[0] - each[1]).abs().max()) > 0 for each in heard)


def test_one_seed_gives_one_network_of_any_image_size_and_leaves_torchs_generator_alone(built):
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    again = build_network("random-resnet18", {"image_size": 96})
    assert torch.equal(torch.rand(3), expected)
    assert again.weights_digest() == built("random-resnet18").weights_digest()
    other = build_network("random-mobilenet-v2", {"image_size": 64, "seed": 1})
    assert other.weights_digest() != built("random-mobilenet-v2").weights_digest()


@pytest.mark.parametrize(("name", "least"), [("random-alexnet", 64), ("random-resnet18", 32)])
def test_tiny_images_are_refused(name, least):
    with pytest.raises(InputError, match=f"`image_size` must be at least {least}, got 16"):
        build_network(name, {"image_size": 16})
