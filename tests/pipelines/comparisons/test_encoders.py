from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import COMPARISONS, RECIPES, _encoding_data, encoders
from alignkit.pipelines.options import check_options
from alignkit.recordings import RDMs


def test_the_planted_model_is_found_and_the_empty_region_stays_empty(make_context, chosen):
    outcome = encoders.ridge(make_context())
    a, b = chosen(outcome, "A", "true"), chosen(outcome, "B", "true")
    assert a["p"] == 0.01
    assert a["value"] > 0.5
    assert a["ci_low"] < a["value"] < a["ci_high"]
    # Near the ceiling, and never divided by a reliability instead of its root.
    assert 0.8 < a["normalized"] < 1.1
    assert a["normalized"] == pytest.approx(a["value"] / a["ceiling_upper"])
    assert abs(b["value"]) < 0.2
    assert b["p"] > 0.02
    assert chosen(outcome, "A", "other")["value"] < a["value"] - 0.3


@pytest.mark.parametrize("kind", sorted(RECIPES))
def test_every_encoder_finds_the_planted_model_and_leaves_the_empty_region_empty(make_context, chosen, kind):
    outcome = COMPARISONS[kind](make_context(n_subjects=2))
    a, b = chosen(outcome, "A", "true"), chosen(outcome, "B", "true")
    assert a["metric"] == f"{kind} r"
    assert a["value"] > 0.5
    assert a["p"] <= 0.02
    assert abs(b["value"]) < 0.25
    assert chosen(outcome, "A", "other")["value"] < a["value"] - 0.3
    assert f"(`{kind}`)" in outcome.methods[0]
    assert outcome.references


def test_channels_and_folds_are_reported_and_the_audit_is_clean(make_context):
    outcome = encoders.ridge(make_context(n_subjects=1))
    assert {row[1] for row in outcome.audit} == {"clean"}
    true = next(
        scores for scores in outcome.channels if scores.model == "true" and len(scores.channels) == 12
    )
    assert true.layers == ("(chosen)", "early", "late")
    np.testing.assert_allclose(true.values[0], true.values[2], atol=0.3)
    folds = outcome.scores.select(subject="sub0", roi="A", model="true").table
    assert sorted(folds["fold"]) == ["0", "1", "2", "3", "4", "all"]


def test_held_out_r_agrees_with_scikit_learn(make_context, planted):
    context = make_context(n_subjects=1, candidates=[planted["other"]])
    outcome = encoders.ridge(context, alphas=[10.0])

    responses = _encoding_data.all_responses(context, "ridge", n_folds=5, groups=None)["A", "sub0"]
    X, Y = planted["other"].features.matrix("only", responses.stimulus_ids), responses.Y
    expected = []
    for train, test in responses.folds:
        mean, sd = X[train].mean(0), X[train].std(0)
        model = RidgeCV(alphas=[10.0]).fit((X[train] - mean) / sd, Y[train])
        predicted = model.predict((X[test] - mean) / sd)
        expected.append([np.corrcoef(predicted[:, c], Y[test, c])[0, 1] for c in range(12)])
    found = next(s for s in outcome.channels if list(s.channels["roi"])[0] == "A").values[1]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-4)


def test_without_repeats_there_is_no_ceiling(make_context, chosen):
    study = make_context(n_subjects=1).dataset.study
    single = study["sub0"].average_repetitions()
    single = type(single)(single.data, single.samples[["stimulus_id"]], single.channels, subject="sub0")
    outcome = encoders.ridge(make_context(dataset=Dataset("toy", study=type(study).of(single))))
    row = chosen(outcome, "A", "true")
    assert np.isnan(row["ceiling_upper"])
    assert np.isnan(row["normalized"])


def test_the_same_seed_gives_the_same_bits(make_context):
    one, two = encoders.ridge(make_context(1, cache="a")), encoders.ridge(make_context(1, cache="b"))
    pd.testing.assert_frame_equal(one.scores.table, two.scores.table, check_exact=True)


def test_what_it_needs_is_said(make_context):
    rdms = RDMs(
        np.random.default_rng(0).random((1, 48 * 47 // 2)),
        tuple(f"s{i:02d}" for i in range(48)),
        pd.DataFrame({"subject": ["a"]}),
    )
    with pytest.raises(InputError, match="`ridge` needs recordings; the dataset holds dissimilarities only"):
        encoders.ridge(make_context(dataset=Dataset("toy", rdms=rdms)))


def test_options_are_those_of_the_encoder_and_those_of_all():
    assert set(inspect.signature(COMPARISONS["pls"]).parameters) == {
        "context", "n_components", "n_inner", "n_folds", "n_splits", "groups",
    }  # fmt: skip
    checked = check_options(COMPARISONS["pls"], {"n_components": [2, 5]}, where="here")
    assert checked == {"n_components": [2, 5], "n_inner": 5, "n_folds": 5, "n_splits": 20, "groups": None}
    with pytest.raises(InputError, match="here: the option 'n_component', did you mean 'n_components'"):
        check_options(COMPARISONS["pls"], {"n_component": 3}, where="here")
    with pytest.raises(TypeError, match="ridge has no option 'n_components'"):
        encoders.ridge(None, n_components=3)


def test_options_reach_the_encoder(make_context, chosen):
    few = COMPARISONS["principal-components"](make_context(n_subjects=1), n_components=1)
    many = COMPARISONS["principal-components"](make_context(n_subjects=1), n_components=6)
    assert chosen(few, "A", "true")["value"] < chosen(many, "A", "true")["value"] - 0.1
