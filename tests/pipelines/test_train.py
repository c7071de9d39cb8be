"""Training as the command line calls it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS, Network, Recipe
from alignkit.networks._images import square
from alignkit.pipelines import train_model


def _readout(*, n_classes: int = 10, width: int = 0, seed: int = 0) -> Network:
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Flatten(), nn.Linear(192, n_classes))
    recipe = Recipe(lr=0.01, epochs=12, batch_size=64)
    return Network("readout", "test", module.eval(), ("1",), square(8), recipe=recipe)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(NETWORKS._objects, "readout", _readout)
    monkeypatch.setitem(NETWORKS._facts, "readout", {"learns": True})


def test_about_ten_epochs_are_shown_and_the_last_is_one_of_them(tmp_path):
    result = train_model("readout", data="digits", out=tmp_path / "t", options={}, epochs=12)
    epochs = [row["epoch"] for row in result.rows()]
    assert epochs == list(range(1, 13))
    longer = replace(result.training, history=tuple({"epoch": float(k)} for k in range(1, 96)))
    shown = [row["epoch"] for row in replace(result, training=longer).rows()]
    assert (len(shown), shown[-1]) == (11, 95)
    assert result.columns == ("epoch", "loss", "held_out_accuracy")
    assert result.title == "readout on digits (scikit-learn), a fifth held out"
    assert result.to_json()["history"][-1]["held_out_accuracy"] > 0.8


def test_unknown_networks_and_options_are_named(tmp_path):
    with pytest.raises(InputError, match="the network to train is 'readot', did you mean 'readout'"):
        train_model("readot", data="digits", out=tmp_path / "t", options={})
    with pytest.raises(InputError, match="'pixels' has nothing to learn. These have: .*readout"):
        train_model("pixels", data="digits", out=tmp_path / "t", options={})
    with pytest.raises(InputError, match="network 'readout': the option 'widht', did you mean 'width'"):
        train_model("readout", data="digits", out=tmp_path / "t", options={"widht": 3})
    assert not (tmp_path / "t").exists()
