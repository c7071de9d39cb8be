from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks import Network, build_network
from alignkit.networks._images import square
from alignkit.networks.twins import matched_twin, untrained_twin


def _network(n_units: int = 40, *, trained: bool = True) -> Network:
    module = nn.Sequential(nn.Conv2d(3, n_units, 3, bias=False), nn.ReLU())
    return Network(
        "toy",
        "toy family",
        module.eval(),
        ("0", "1"),
        square(40),
        trained=trained,
        untrained=partial(_network, n_units, trained=False) if trained else None,
        options={"seed": 3},
    )


def test_the_untrained_twin_bears_the_name_and_the_family_with_the_word():
    twin = untrained_twin(_network())
    assert (twin.name, twin.family, twin.trained) == ("toy-untrained", "untrained toy family", False)
    assert twin.notes[-1] == "This is toy before training."


def test_what_is_untrained_has_no_untrained_twin():
    assert untrained_twin(_network(trained=False)) is None
    assert untrained_twin(replace(_network(), untrained=None)) is None


@pytest.mark.parametrize("n_units", [20, 100, 3000])
def test_the_matched_twin_has_as_many_parameters_within_two_percent(n_units):
    network = _network(n_units)
    twin = matched_twin(network)
    assert abs(twin.n_parameters / network.n_parameters - 1) < 0.02
    assert (twin.name, twin.family, twin.trained) == ("toy-matched", "matched CNN", False)
    assert twin.preprocess(_image()).shape == (3, 40, 40)
    assert twin.options["seed"] == 3


def test_the_matched_twin_of_a_networks_own_comes_first():
    own = build_network("pixels", {"size": 8})
    twin = matched_twin(replace(_network(), matched=lambda: own))
    assert twin.module is own.module
    assert (twin.name, twin.family) == ("toy-matched", "matched toy family")


def test_small_inputs_get_the_smallest_image_that_five_stages_take():
    network = replace(_network(), preprocess=square(8))
    assert matched_twin(network).options["image_size"] == 32


def test_there_is_no_matched_twin_without_parameters_or_images_or_of_a_twin():
    assert matched_twin(build_network("pixels")) is None
    assert matched_twin(replace(_network(), modality="audio")) is None
    assert matched_twin(matched_twin(_network())) is None


def test_inputs_that_are_no_images_are_refused():
    network = replace(_network(), preprocess=lambda image: torch.zeros(5))
    with pytest.raises(InputError, match=r"'toy' prepares an image as shape \(5,\), wanted"):
        matched_twin(network)


def _image():
    from PIL import Image

    return Image.new("RGB", (50, 60))
