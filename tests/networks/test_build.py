from __future__ import annotations

import subprocess
import sys

import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, build_network


def test_options_reach_the_factory():
    assert build_network("pixels", {"size": 5}).preprocessing["image"]["size"] == [5, 5]


def test_an_unknown_name_lists_close_matches():
    with pytest.raises(UnknownNameError, match="did you mean 'gabor-energy'"):
        build_network("gabor_energy")


def test_an_unknown_option_lists_close_matches():
    with pytest.raises(InputError, match="option of the model 'pixels' is 'sise', did you mean 'size'"):
        build_network("pixels", {"sise": 5})


def test_hf_without_a_name_says_how_to_write_it():
    with pytest.raises(InputError, match="needs the option.* name. Write `hf:NAME_OR_FOLDER`"):
        build_network("hf")


@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS.facts(name).get("required")])
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
