from __future__ import annotations

import subprocess
import sys

import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, build_network
from alignkit.networks._build import split_kind


def test_options_reach_the_factory():
    assert build_network("pixels", {"size": 5}).preprocessing["image"]["size"] == [5, 5]


def test_an_unknown_name_lists_close_matches():
    with pytest.raises(UnknownNameError, match="did you mean 'gabor-energy'"):
        build_network("gabor_energy")


def test_an_unknown_option_lists_close_matches():
    with pytest.raises(InputError, match="option of the model 'pixels' is 'sise', did you mean 'size'"):
        build_network("pixels", {"sise": 5})


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("pixels", ("pixels", {})),
        ("hf:facebook/dinov2-small@main", ("hf", {"name": "facebook/dinov2-small@main"})),
        ("hf:C:/models/vit", ("hf", {"name": "C:/models/vit"})),
        ("timm:resnet50.a1_in1k", ("timm", {"name": "resnet50.a1_in1k"})),
        ("torchvision:resnet50", ("torchvision", {"name": "resnet50"})),
    ],
)
def test_what_stands_behind_the_colon_is_the_name_in_a_source(kind, parts):
    assert split_kind(kind) == parts


def test_a_source_that_is_not_known_lists_close_matches():
    with pytest.raises(UnknownNameError, match="'tim', did you mean 'timm'"):
        split_kind("tim:resnet50")


def test_a_network_that_takes_no_name_says_which_do():
    with pytest.raises(InputError, match="'pixels' takes no name, got 'pixels:8'.*`hf:`.*`timm:`"):
        build_network("pixels:8")


def test_hf_without_a_name_says_how_to_write_it():
    with pytest.raises(InputError, match="needs the option.* name. Write `hf:NAME_OR_FOLDER`"):
        build_network("hf")


# Drawing the weights of more parameters than this takes seconds.
LARGE = 20_000_000


def _buildable():
    for row in NETWORKS.rows():
        if not row.get("required"):
            large = row.get("parameters", 0) > LARGE
            yield pytest.param(row["name"], marks=[pytest.mark.slow] if large else [])


@pytest.mark.parametrize("name", list(_buildable()))
def test_declared_facts_are_those_of_the_network_that_is_built(name):
    facts = NETWORKS.facts(name)
    network = NETWORKS[name]()
    assert network.name == name
    assert network.layers == facts["layers"]
    assert (network.family, network.trained, network.paper) == (
        facts["family"],
        facts["trained"],
        facts["paper"],
    )
    assert facts.get("parameters", network.n_parameters) == network.n_parameters
    modules = {path for path, _ in network.module.named_modules()}
    assert set(network.layers) <= modules
    assert facts["summary"]


def test_listing_needs_neither_torch_nor_transformers():
    code = (
        "import sys; from alignkit.networks import NETWORKS; NETWORKS.rows(); "
        "print({'torch', 'transformers', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
