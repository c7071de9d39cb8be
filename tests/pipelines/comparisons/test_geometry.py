from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics import participation_ratio
from alignkit.pipelines.comparisons import geometry


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
