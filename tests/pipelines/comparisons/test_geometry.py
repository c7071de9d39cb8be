from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.metrics import METRICS, participation_ratio, rdm
from alignkit.pipelines.comparisons import geometry
from alignkit.recordings import RDMs

IDS = [f"s{i:02d}" for i in range(48)]


def test_the_distance_is_the_log_ratio_of_the_statistics(make_context, planted):
    context = make_context(n_subjects=1)
    outcome = geometry.geometry(context, statistics=["participation-ratio"])
    recording = context.dataset.study["sub0"].select(roi="A").average_repetitions()
    layer = planted["other"].features.matrix("only", recording.stimulus_ids)
    brain, model = participation_ratio(recording.data), participation_ratio(layer)
    rows = outcome.scores.select(subject="all", roi="A").table.set_index(["metric", "model", "layer"])[
        "value"
    ]
    assert rows["participation-ratio apart", "other", "only"] == pytest.approx(abs(np.log(model / brain)))
    assert rows["participation-ratio", "other", "only"] == pytest.approx(model)
    assert rows["participation-ratio", "the recording", ""] == pytest.approx(brain)


def test_a_distance_is_lower_where_it_is_closer_and_a_statistic_neither(make_context):
    table = geometry.geometry(make_context(n_subjects=2), statistics=["effective-rank"]).scores.table
    assert set(table[table["metric"] == "effective-rank apart"]["closer"]) == {"lower"}
    assert set(table[table["metric"] == "effective-rank"]["closer"]) == {"neither"}


def test_statistics_that_are_none_are_named(make_context):
    with pytest.raises(InputError, match="'participation', did you mean"):
        geometry.geometry(make_context(), statistics=["participation"])
    with pytest.raises(InputError, match="`statistics` must name at least one"):
        geometry.geometry(make_context(), statistics=[])


def test_classes_come_from_a_label_column(make_context, planted):
    context = make_context(n_subjects=1)
    labels = pd.DataFrame({"stimulus_id": IDS, "half": ["left", "right"] * (len(IDS) // 2)})
    context = replace(context, dataset=replace(context.dataset, labels=labels))
    name = "generalised-discrimination-value"
    outcome = geometry.geometry(context, statistics=[name], labels="half")
    layer = planted["other"].features.matrix("only", IDS)
    rows = outcome.scores.select(subject="all", roi="A").table.set_index(["metric", "model", "layer"])[
        "value"
    ]
    value = METRICS[name](layer, labels["half"].to_numpy())
    assert rows[name, "other", "only"] == pytest.approx(value)
    apart = abs(value - rows[name, "the recording", ""])
    assert rows[f"{name} apart", "other", "only"] == pytest.approx(apart)
    with pytest.raises(InputError, match="compares classes; name the label column as `labels`"):
        geometry.geometry(context, statistics=[name])
    with pytest.raises(InputError, match="`labels`: 'halves', did you mean 'half'"):
        geometry.geometry(context, statistics=[name], labels="halves")


def test_a_statistic_of_dissimilarities_needs_no_patterns(make_context):
    rdms = RDMs(
        rdm(np.random.default_rng(0).standard_normal((48, 5)))[None],
        tuple(IDS),
        pd.DataFrame({"subject": ["a"]}),
        measure="correlation",
    )
    context = make_context(dataset=Dataset("toy", rdms=rdms))
    table = geometry.geometry(context, statistics=["total-persistence-h0"]).scores.table
    found = table[(table["model"] == "the recording") & (table["subject"] == "all")]["value"].iloc[0]
    assert found == pytest.approx(METRICS["total-persistence-h0"](rdms.values[0]))
