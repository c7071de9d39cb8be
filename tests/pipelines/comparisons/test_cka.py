from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.metrics import cka as cka_metric
from alignkit.pipelines.comparisons import cka
from alignkit.recordings import RDMs


def test_the_planted_model_is_found_near_its_ceiling_and_the_empty_region_stays_empty(make_context, chosen):
    outcome = cka.cka(make_context())
    a, b = chosen(outcome, "A", "true"), chosen(outcome, "B", "true")
    assert a["p"] == 0.01
    # The responses are a random linear map of the true features, which changes their Gram matrix somewhat.
    assert 0.5 < a["normalized"] < 1.1
    assert a["value"] > chosen(outcome, "A", "other")["value"] + 0.2
    assert abs(b["value"]) < 0.2


def test_a_subjects_score_is_the_metric_on_its_mean_responses(make_context, planted):
    context = make_context(n_subjects=1)
    outcome = cka.cka(context)
    recording = context.dataset.study["sub0"].select(roi="A").average_repetitions()
    layer = outcome.scores.select(subject="all", roi="A", model="other", layer="only").table["value"].iloc[0]
    expected = cka_metric(planted["other"].features.matrix("only", recording.stimulus_ids), recording.data)
    assert layer == pytest.approx(expected, abs=1e-9)


def test_the_same_seed_gives_the_same_bits(make_context):
    one, two = cka.cka(make_context(cache="a")), cka.cka(make_context(cache="b"))
    pd.testing.assert_frame_equal(one.scores.table, two.scores.table, check_exact=True)


def test_dissimilarities_that_cannot_be_squared_distances_are_refused(make_context):
    ids = [f"s{i:02d}" for i in range(48)]
    rdms = RDMs(
        np.random.default_rng(0).random((1, 48 * 47 // 2)), tuple(ids), pd.DataFrame({"subject": ["a"]})
    )
    with pytest.raises(
        InputError, match="the dissimilarities are 'unknown', which cannot be turned into inner products"
    ):
        cka.cka(make_context(dataset=Dataset("toy", rdms=rdms)))
