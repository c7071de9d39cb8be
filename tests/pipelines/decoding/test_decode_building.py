from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders import LogisticDecoder, NetworkDecoder, RidgeDecoder
from alignkit.pipelines.decoding.building import build_decoder, resolved_decoder
from alignkit.pipelines.decoding.config import DecoderComponent

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import MLP

NET = {"kind": "network", "network": "eegnet", "objective": "clip"}


def resolve(content):
    content = {"kind": content} if isinstance(content, str) else content
    return resolved_decoder(DecoderComponent.model_validate(content), Path("/base"))


@pytest.mark.parametrize("content", ["ridge", "lda", {"kind": "logistic", "C": [0.1, 1.0]}, NET, MLP])
def test_a_resolved_decoder_names_every_option_and_stays_as_it_is(content):
    once = resolve(content)
    assert set(once.options) >= set(DecoderComponent.model_validate(
        {"kind": content} if isinstance(content, str) else content).options)  # fmt: skip
    assert resolved_decoder(once, Path("/elsewhere")) == once


def test_name_and_averaging_are_kept():
    one = resolve({"kind": "ridge", "name": "mine", "average": True})
    assert (one.name, one.average) == ("mine", True)


def test_what_follows_from_the_run_is_not_among_the_options():
    network = resolve(NET).options
    assert not {"seed", "n_trials"} & (set(network["network"]) | set(network["objective"]))
    assert not {"seed", "device"} & set(network["training"])
    assert "seed" not in resolve("ridge").options


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "ridge", "alpha": [1.0]}, "decoder 'ridge': the option 'alpha', did you mean 'alphas'"),
        ({"kind": "ridge", "name": "my own", "alphas": "many"}, "decoder 'my own': alphas.*got 'many'"),
        ({"kind": "ridge", "seed": 3}, "the option 'seed' follows from the run's `seed`"),
        ({**NET, "networks": "eegnet"}, "the option 'networks', did you mean 'network'"),
        ({"kind": "network", "objective": "clip"}, "needs a `network`, such as `network: eegnet`"),
        ({"kind": "network", "network": "eegnet"}, "needs a `objective`, such as `objective: clip`"),
        ({**NET, "network": ["eegnet"]}, "are named by `kind`, got"),
        ({**NET, "network": {"dropout": 0.1}}, "are named by `kind`, got"),
        ({**NET, "network": {"kind": "eegnet", "drop": 0.1}}, "'network', 'eegnet': the option 'drop'"),
        ({**NET, "training": ["epochs"]}, "`training` must hold `key: value` lines, got"),
        ({**NET, "training": {"epoch": 3}}, "training: the option 'epoch', did you mean 'epochs'"),
        ({**NET, "training": {"seed": 3}}, "training: the option 'seed'"),
        ({**NET, "training": {"epochs": "many"}}, "training: epochs.*got 'many'"),
        ({**NET, "training": {"epochs": 0}}, "`epochs` of a plan must be at least 1, got 0"),
        ({**NET, "training": {"augmentation": {"mixupp": 1}}}, "the option 'mixupp', did you mean"),
        ({**NET, "training": {"augmentation": None}}, "augmentation"),
    ],
)  # fmt: skip
def test_every_mistake_is_named(content, message):
    with pytest.raises(InputError, match=message):
        resolve(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rigde", "decoders: 'rigde', did you mean 'ridge'"),
        ({**NET, "network": "egnet"}, "brain networks: 'egnet', did you mean 'eegnet'"),
        ({**NET, "objective": "klip"}, "objectives: 'klip', did you mean 'clip'"),
    ],
)
def test_unknown_names_come_with_the_closest_ones(content, message):
    with pytest.raises(UnknownNameError, match=message):
        resolve(content)


def test_decoders_are_built_with_their_options_and_the_seed_of_the_run(tmp_path):
    ridge = build_decoder(resolve({"kind": "ridge", "alphas": [3.0]}), seed=5, device="cpu")
    assert isinstance(ridge, RidgeDecoder)
    assert (ridge.alphas, ridge.seed) == ([3.0], 5)
    logistic = build_decoder(resolve({"kind": "logistic", "C": [0.5]}), seed=6, device="cpu")
    assert isinstance(logistic, LogisticDecoder)
    assert (logistic.C, logistic.seed) == ([0.5], 6)
    network = build_decoder(resolve(MLP), seed=7, device="cpu", folder=tmp_path)
    assert isinstance(network, NetworkDecoder)
    assert (network.plan.epochs, network.plan.seed, network.plan.device) == (3, 7, "cpu")
    assert (network.network["width"], network.folder) == (16, tmp_path)
