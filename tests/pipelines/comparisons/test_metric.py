from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics import METRICS, predictivity
from alignkit.pipelines.comparisons import metric
from alignkit.recordings import Study

TWO_SIDED = [name for name in METRICS if METRICS.facts(name)["inputs"] in ("RDMs", "graphs", "responses")]
FEW = ["pls-predictivity", "procrustes", "tau-a", "curvature-node-correlation", "one-to-one-matching"]


@pytest.fixture
def small(make_context, planted):
    return make_context(n_subjects=1, candidates=[planted["other"]])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FEW)
def test_a_metric_finds_the_planted_model(make_context, chosen, name):
    options = {"k": 6} if METRICS.facts(name)["inputs"] == "graphs" else {}
    outcome = metric.metric(make_context(n_subjects=1), name=name, **options)
    true, other = (chosen(outcome, "A", model) for model in ("true", "other"))
    sign = -1 if true["closer"] == "lower" else 1
    assert sign * true["value"] > sign * other["value"]
    assert true["p"] <= 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", TWO_SIDED)
def test_every_metric_of_two_systems_runs(small, name):
    options = {"k": 6} if METRICS.facts(name)["inputs"] == "graphs" else {}
    table = metric.metric(small, name=name, n_permutations=0, **options).scores.table
    assert len(table)
    assert np.isfinite(table["value"]).all() or name == "population-cka"


def test_the_other_direction_is_the_metric_with_its_arguments_swapped(small, planted):
    recording = small.dataset.study["sub0"].select(roi="A").average_repetitions()
    layer = planted["other"].features.matrix("only", recording.stimulus_ids)
    for reverse in (False, True):
        outcome = metric.metric(small, name="one-to-one-predictivity", reverse=reverse, n_permutations=0)
        found = outcome.scores.select(subject="all", roi="A", layer="only").table["value"].iloc[0]
        pair = (recording.data, layer) if reverse else (layer, recording.data)
        assert found == pytest.approx(METRICS["one-to-one-predictivity"](*pair))


def test_folds_of_predictions_keep_near_duplicates_together(small, planted):
    groups = [f"scene{i % 12}" for i in range(48)]
    (recording,) = small.dataset.study.values()
    ids = small.dataset.study.common_stimuli
    scene = dict(zip(ids, groups, strict=True))
    samples = recording.samples.assign(scene=[scene[i] for i in recording.stimulus_ids])
    study = Study.of(replace(recording, samples=samples))
    context = replace(small, dataset=replace(small.dataset, study=study, groups="scene"))
    outcome = metric.metric(context, name="ridge-predictivity", n_permutations=0)
    found = outcome.scores.select(subject="all", roi="A", layer="only").table["value"].iloc[0]
    X = planted["other"].features.matrix("only", ids)
    Y = recording.select(roi="A").average_repetitions().align(ids).data
    numbers = [groups.index(g) for g in groups]
    together = predictivity(X, Y, method="ridge", groups=numbers).median
    assert found == pytest.approx(together)
    assert found != pytest.approx(predictivity(X, Y, method="ridge").median)
    assert "near-duplicates together" in outcome.audit[0][2]


def test_options_that_do_nothing_are_refused(small):
    with pytest.raises(InputError, match="procrustes takes responses, and no `k`"):
        metric.metric(small, name="procrustes", k=5)
    with pytest.raises(InputError, match="tau-a takes RDMs, and no `n_units`"):
        metric.metric(small, name="tau-a", n_units=5)
    with pytest.raises(InputError, match="participation-ratio is a statistic of one system; use `geometry`"):
        metric.metric(small, name="participation-ratio")


def test_what_exchanges_do_not_change_has_no_p(small):
    outcome = metric.metric(small, name="topology-bottleneck")
    assert outcome.scores.table["p"].isna().all()
    assert "there is no p" in outcome.methods[0]


def test_names_and_counts_are_checked(small):
    with pytest.raises(InputError, match="`metric`: 'procrustus', did you mean 'procrustes'"):
        metric.metric(small, name="procrustus")
    with pytest.raises(InputError, match="`n_units` must be at least 1"):
        metric.metric(small, name="procrustes", n_units=0)
