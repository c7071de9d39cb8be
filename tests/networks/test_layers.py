from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks import Network
from alignkit.networks._images import square
from alignkit.networks._layers import choose_layers


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Identity()
        self.output = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.attention(x))


@pytest.fixture(scope="module")
def network() -> Network:
    encoder = nn.Module()
    # Eleven, so that the order of names as texts is not the order of the network.
    encoder.layer = nn.ModuleList(_Block() for _ in range(11))
    module = nn.Module()
    module.encoder = encoder
    module.stages = nn.ModuleList(nn.ModuleList(_Block() for _ in range(2)) for _ in range(3))
    module.row = nn.Sequential(nn.Sequential(nn.Identity(), nn.ReLU()))
    layers = tuple(f"encoder.layer.{k}" for k in range(11))
    return Network("toy", "toy", module, layers, square(8))


def test_names_are_taken_in_the_order_they_were_asked_for(network):
    wanted = ["encoder.layer.3", "encoder.layer.1.output"]
    assert choose_layers(network, wanted) == tuple(wanted)


def test_a_star_stays_within_its_level_and_keeps_the_order_of_the_network(network):
    assert choose_layers(network, ["encoder.layer.*"]) == network.layers
    assert choose_layers(network, ["encoder.layer.?"]) == network.layers[:10]
    assert choose_layers(network, ["encoder.layer.[0-2]"]) == network.layers[:3]
    assert choose_layers(network, ["encoder.layer.[!1-9]"]) == network.layers[:1]


def test_two_stars_cross_levels(network):
    found = choose_layers(network, ["encoder.**.output"])
    assert found == tuple(f"encoder.layer.{k}.output" for k in range(11))


def test_lists_in_lists_are_reached_level_by_level(network):
    found = choose_layers(network, ["stages.*.*"])
    assert found == tuple(f"stages.{stage}.{block}" for stage in range(3) for block in range(2))


@pytest.mark.parametrize(
    ("depth", "layer"),
    [(0, 0), (0.5, 5), ("0.5", 5), (1, 10), ("1.0", 10), (0.04, 0), (0.05, 1), ("1e-1", 1)],
)
def test_a_depth_counts_the_declared_layers_from_first_to_last(network, depth, layer):
    assert choose_layers(network, [depth]) == (f"encoder.layer.{layer}",)


def test_a_text_that_is_a_name_is_not_a_depth():
    module = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Identity()), nn.ReLU(), nn.ReLU())
    network = Network("row", "toy", module, ("0", "1", "2"), square(8))
    assert choose_layers(network, ["1"]) == ("1",)
    assert choose_layers(network, ["0.1"]) == ("0.1",)
    assert choose_layers(network, [1]) == ("2",)
    assert choose_layers(network, ["1.0"]) == ("2",)


def test_a_layer_that_is_meant_twice_comes_once(network):
    assert choose_layers(network, ["0.5", "encoder.layer.5", "encoder.layer.[45]"]) == (
        "encoder.layer.5",
        "encoder.layer.4",
    )


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["encoder.layers.3"], r"`layers` of 'toy' holds 'encoder.layers.3', did you mean .*encoder.layer.3"),
        (["encoder.layers.*"], r"holds 'encoder.layers.\*', did you mean .*encoder.layer.0"),
        (["nothing"], "holds 'nothing', which is not known. Known: encoder.layer.0"),
        ([1.5], "holds the depth 1.5; depths go from 0"),
        (["-0.1"], "holds the depth -0.1"),
        (["nan"], "holds the depth nan"),
        ([True], "holds 'True'"),
        (["encoder.layer.0", "encoder.layer.0"], "`layers` must be unique.*'encoder.layer.0'"),
        ("encoder.layer.0", "must be a list of at least one layer name, got 'encoder.layer.0'"),
        ([], r"must be a list of at least one layer name, got \[\]"),
    ],
)
def test_what_stands_for_no_layer_is_refused(network, wanted, message):
    with pytest.raises(InputError, match=message):
        choose_layers(network, wanted)
