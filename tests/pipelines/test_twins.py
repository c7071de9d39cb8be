"""Networks and their twins in one run: what is added, what is corrected, what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS, Network
from alignkit.networks._images import square
from alignkit.pipelines.candidates import Candidate, expanded, named_networks, network_candidates
from alignkit.pipelines.config import FeatureOptions, ModelComponent
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.store import Store
from alignkit.pipelines.twins import share_twins, twin_findings, twin_table, with_twins
from alignkit.recordings import Scores, StimulusSet
from alignkit.stats import fdr


def _tiny(*, seed: int = 1, trained: bool = True) -> Network:
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 12))
    with torch.no_grad():
        module[1].weight.copy_(torch.randn(12, 48, generator=generator))
        module[1].bias.zero_()
    return Network(
        "tiny",
        "test",
        module.eval(),
        ("1",),
        square(4),
        trained=trained,
        untrained=(lambda: _tiny(seed=99, trained=False)) if trained else None,
        matched=(lambda: _tiny(seed=5, trained=False)) if trained else None,
    )


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(NETWORKS._objects, "tiny", _tiny)
    monkeypatch.setitem(NETWORKS._facts, "tiny", {"family": "test", "summary": "x"})


@pytest.fixture
def stimuli(tmp_path):
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(generator.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(
            tmp_path / f"s{number}.png"
        )
    return StimulusSet.from_folder(tmp_path)


def take(stimuli, tmp_path, models, **more):
    plan = Plan(0, 1, "cpu", {"numpy": "2"})
    return network_candidates(
        [ModelComponent.model_validate(m) for m in models],
        stimuli,
        FeatureOptions(),
        store=Store(tmp_path / "store"),
        plan=plan,
        base=tmp_path,
        **more,
    )


def test_twins_are_added_where_they_are_asked_for(stimuli, tmp_path):
    alone = take(stimuli, tmp_path, ["tiny", "pixels"])
    assert [c.name for c in alone] == ["tiny", "pixels"]
    every = take(stimuli, tmp_path, ["tiny", "pixels"], twins=("untrained", "matched"))
    assert [c.name for c in every] == ["tiny", "tiny-untrained", "tiny-matched", "pixels"]
    assert [c.twin_of for c in every] == [(), (("tiny", "untrained"),), (("tiny", "matched"),), ()]
    first, twin = (c.features.matrix("1") for c in every[:2])
    assert not np.allclose(first, twin)
    assert [c.trained for c in every[:3]] == [True, False, False]


def test_a_twin_of_a_renamed_model_is_that_model_s(stimuli, tmp_path):
    found = take(stimuli, tmp_path, [{"kind": "tiny", "name": "mine"}], twins=("untrained",))
    assert [(c.name, c.twin_of) for c in found] == [
        ("mine", ()),
        ("mine-untrained", (("mine", "untrained"),)),
    ]


def test_a_twin_that_two_networks_share_stands_once(stimuli, tmp_path):
    twin = Candidate("t", "f", ("l",), "same", twin_of=(("a", "untrained"),))
    again = Candidate("t", "f", ("l",), "same", twin_of=(("b", "untrained"),))
    other = Candidate("t", "f", ("l",), "other")
    (shared,) = share_twins([twin, again])
    assert shared.twin_of == (("a", "untrained"), ("b", "untrained"))
    # One name for two things is not hidden: the run refuses it.
    assert [c.digest for c in share_twins([twin, other])] == ["same", "other"]


def test_networks_without_a_twin_have_none():
    from alignkit.networks import build_network

    assert [kind for _, kind in with_twins(build_network("pixels"), ["untrained", "matched"])] == [None]


def _scores(values):
    rows = [
        {
            "subject": "all", "roi": "V4", "model": name, "family": "f", "layer": "(chosen)", "metric": "r",
            "fold": "all", "value": value,
        }
        for name, value in values.items()
    ]  # fmt: skip
    return Scores(pd.DataFrame(rows))


def test_only_planned_pairs_are_corrected_and_signs_follow_the_network():
    names = ["a", "a-u", "b", "b-u", "c"]
    scores = _scores(dict(zip(names, [0.5, 0.3, 0.2, 0.4, 0.1], strict=True)))
    pairs = [(x, y) for i, x in enumerate(names) for y in names[i + 1 :]]
    differences = pd.DataFrame(
        {
            "roi": "V4", "metric": "r",
            # The twin stands first in some pairs: the sign must turn.
            "model_a": [y if x == "b" else x for x, y in pairs],
            "model_b": [x if x == "b" else y for x, y in pairs],
            "difference": [0.2 if (x, y) in (("a", "a-u"), ("b", "b-u")) else 0.0 for x, y in pairs],
            "se": 0.05,
            "p": [{("a", "a-u"): 0.01, ("b", "b-u"): 0.04}.get(pair, 0.9) for pair in pairs],
        }
    )  # fmt: skip
    candidates = [
        Candidate(n, "f", ("l",), n, twin_of=((n[0], "untrained"),) if n.endswith("-u") else ())
        for n in names
    ]
    table = twin_table(candidates, scores, differences, "bh").set_index("model")
    assert table["difference"].to_dict() == {"a": 0.2, "b": -0.2}
    assert table["twin_value"].to_dict() == {"a": 0.3, "b": 0.4}
    np.testing.assert_allclose(table["p_corrected"], fdr(np.array([0.01, 0.04]), method="bh"))
    said = twin_findings(table.reset_index(), scores)
    assert said == [
        "V4, r: 1 of 2 networks are ahead of their untrained twins, 1 behind, 0 not told apart "
        "(mean difference +0.000)."
    ]


def test_one_pair_is_told_by_name():
    scores = _scores({"a": 0.5, "a-u": 0.3})
    differences = pd.DataFrame(
        [
            {
                "roi": "V4",
                "metric": "r",
                "model_a": "a",
                "model_b": "a-u",
                "difference": 0.2,
                "se": 0.1,
                "p": 0.2,
            }
        ]
    )
    candidates = [
        Candidate("a", "f", ("l",), "1"),
        Candidate("a-u", "f", ("l",), "2", twin_of=(("a", "matched"),)),
    ]
    table = twin_table(candidates, scores, differences, "bh")
    (said,) = twin_findings(table, scores)
    assert said.startswith("V4, r: a is not told apart from its matched twin")


def test_all_networks_are_those_without_a_name_to_give_and_no_twins():
    names = named_networks(["all"])
    assert {"pixels", "gabor-energy", "hmax"} <= set(names)
    assert not {"hf", "trained", "hmax-untrained"} & set(names)


def test_wildcards_take_every_trained_network(tmp_path):
    for name in ("b", "a"):
        (tmp_path / "nets" / name).mkdir(parents=True)
    found = named_networks([f"trained:{tmp_path}/nets/*", "pixels", "pixels"])
    assert found == [f"trained:{tmp_path}/nets/a", f"trained:{tmp_path}/nets/b", "pixels"]
    with pytest.raises(InputError, match="no folder matches"):
        named_networks([f"trained:{tmp_path}/none/*"])


def test_checkpoints_become_a_model_each(tmp_path):
    for step in ("checkpoint-20", "checkpoint-100"):
        (tmp_path / "vit" / step).mkdir(parents=True)
        (tmp_path / "vit" / step / "config.json").write_text("{}")
    (tmp_path / "net" / "epochs").mkdir(parents=True)
    for epoch in (0, 2):
        (tmp_path / "net" / "epochs" / f"epoch-{epoch:04d}.safetensors").write_bytes(b"")
    models = [
        ModelComponent(kind="hf:vit", name="vit", checkpoints="all"),
        ModelComponent(kind="trained:net", checkpoints="all"),
        ModelComponent(kind="hf:vit", checkpoints=["checkpoint-20"]),
        ModelComponent(kind="pixels"),
    ]
    made = expanded(models, tmp_path)
    assert [m.name for m in made] == [
        "vit@checkpoint-20", "vit@checkpoint-100", "trained:net@0", "trained:net@2", "hf:vit@checkpoint-20",
        None,
    ]  # fmt: skip
    assert made[1].kind == f"hf:{tmp_path / 'vit'}@checkpoint-100"


def test_a_twin_that_answers_exactly_as_the_network_is_left_out(stimuli, tmp_path, monkeypatch):
    def undecided(*, seed: int = 1) -> Network:
        network = _tiny(seed=seed, trained=False)
        return replace(network, matched=lambda: replace(_tiny(seed=seed, trained=False), name="rule"))

    monkeypatch.setitem(NETWORKS._objects, "undecided", undecided)
    monkeypatch.setitem(NETWORKS._facts, "undecided", {"family": "test", "summary": "x"})
    found = take(stimuli, tmp_path, [{"kind": "undecided", "name": "mine"}, "tiny"], twins=("matched",))
    assert [c.name for c in found] == ["mine", "tiny", "tiny-matched"]
