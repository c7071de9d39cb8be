from __future__ import annotations

import subprocess
import sys

import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import LANGUAGE_MODELS, NETWORKS, build_network
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
# Options that make building cheap and leave the number of parameters and the layers as they are.
CHEAP: dict[str, dict[str, object]] = {
    "liquid": {"n_first_images": 8},
    "liquid-stdp": {"n_first_images": 8},
    "random-mobilenet-v2": {"image_size": 64},
    "random-resnet18": {"image_size": 64},
    "sparse-coding": {"n_steps": 10},
    "sparse-coding-l1": {"n_steps": 10},
}
# Sources and plain networks that only stand beside others have no paper of their own.
WITHOUT_PAPER = {"hf", "hf-audio", "hf-video", "matched-cnn", "pixels", "trained"}
WITHOUT_PAPER |= {"spiking-conv-relu", "spiking-recurrent-tanh"}


def _buildable():
    for row in NETWORKS.rows():
        if not row.get("required"):
            large = row.get("parameters", 0) > LARGE
            yield pytest.param(row["name"], marks=[pytest.mark.slow] if large else [])


@pytest.mark.parametrize("name", list(_buildable()))
def test_declared_facts_are_those_of_the_network_that_is_built(name):
    facts = NETWORKS.facts(name)
    network = NETWORKS[name](**CHEAP.get(name, {}))
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


@pytest.mark.parametrize("registry", [NETWORKS, LANGUAGE_MODELS], ids=["networks", "language"])
def test_every_declaration_says_what_the_network_is(registry):
    for row in registry.rows():
        name = row["name"]
        assert {"family", "mechanism", "layers", "paper", "trained", "summary"} <= set(row), name
        assert all(row[key] for key in ("family", "mechanism", "summary")), name
        assert isinstance(row["trained"], bool), name
        assert bool(row["layers"]) == ("required" not in row), name
        assert bool(row["paper"]) == (name not in WITHOUT_PAPER), name


@pytest.mark.parametrize("registry", [NETWORKS, LANGUAGE_MODELS], ids=["networks", "language"])
def test_every_control_is_a_registered_network_and_none_is_its_own(registry):
    for row in registry.rows():
        assert isinstance(row.get("controls", ()), tuple), row["name"]
        controls = [row[key] for key in ("twin", "matched") if key in row] + list(row.get("controls", ()))
        assert len(set(controls)) == len(controls), row["name"]
        assert row["name"] not in controls
        for control in controls:
            assert control in registry, f"{row['name']} names {control!r}"
            assert row["name"] not in registry.facts(control).get("controls", ())


def test_listing_needs_neither_torch_nor_transformers():
    code = (
        "import sys; from alignkit.networks import NETWORKS; NETWORKS.rows(); "
        "print({'torch', 'transformers', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
