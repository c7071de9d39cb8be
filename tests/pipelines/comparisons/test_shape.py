from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.metrics import rdm, shape_distance
from alignkit.pipelines.comparisons import shape
from alignkit.recordings import RDMs, Recording, Study

IDS = [f"s{i:02d}" for i in range(48)]


def test_the_planted_model_is_the_closest_and_its_p_is_small(make_context, chosen):
    outcome = shape.shape(make_context())
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["closer"] == "lower"
    assert 0 < true["value"] < other["value"] - 0.2
    assert true["ci_low"] < true["value"] < true["ci_high"]
    assert true["p"] == 0.01
    assert chosen(outcome, "B", "true")["p"] > 0.05


def test_a_difference_is_that_of_the_distances(make_context, chosen):
    outcome = shape.shape(make_context())
    row = outcome.differences[outcome.differences["roi"] == "A"].iloc[0]
    values = [chosen(outcome, "A", row[name])["value"] for name in ("model_a", "model_b")]
    assert row["difference"] == pytest.approx(values[0] - values[1])
    assert row["p"] < 0.05


def test_the_layer_that_is_closest_is_chosen(make_context):
    outcome = shape.shape(make_context(n_subjects=1))
    layers = outcome.scores.select(subject="all", roi="A", model="true").table.set_index("layer")["value"]
    assert layers["late"] < layers["early"]
    assert layers["(chosen)"] < layers["early"]


def test_dissimilarities_give_the_distance_of_the_responses(make_context, planted):
    context = make_context(n_subjects=1)
    recording = context.dataset.study["sub0"].select(roi="A").average_repetitions()
    distances = rdm(recording.data, method="squared-euclidean")
    table = pd.DataFrame({"subject": ["sub0"], "roi": ["A"]})
    rdms = RDMs(distances[None], tuple(recording.stimulus_ids), table, measure="squared-euclidean")
    values = [
        shape.shape(each).scores.select(subject="all", roi="A", model="other", layer="only").table["value"]
        for each in (context, make_context(dataset=Dataset("toy", rdms=rdms), cache="other"))
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


def test_what_cannot_be_meant_is_refused(make_context):
    with pytest.raises(InputError, match="`alpha` must lie in \\[0, 1\\], got 2"):
        shape.shape(make_context(), alpha=2)
    wide = make_context(n_subjects=1)
    rdms = RDMs(
        rdm(np.random.default_rng(0).standard_normal((48, 60)))[None],
        tuple(wide.dataset.study.common_stimuli),
        pd.DataFrame({"subject": ["a"]}),
        measure="correlation",
    )
    with pytest.raises(InputError, match="stimuli in 6 and 47 dimensions then have much the same shape"):
        shape.shape(make_context(dataset=Dataset("toy", rdms=rdms)), alpha=0.5)


def test_below_exchange_a_model_without_the_brains_geometry_has_nothing(make_context, chosen):
    outcome = shape.shape(make_context(), below_exchange=True)
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["closer"] == "higher"
    assert true["value"] > 0.2
    assert abs(other["value"]) < 0.05
    assert true["p"] == 0.01


def test_with_one_subject_and_noise_a_chosen_layer_is_no_closer_than_a_single_one(
    make_context, planted, chosen
):
    # A half of the stimuli is fitted better than all: only what was scored alike can be compared.
    ps, values = [], []
    for seed in range(100, 112):
        rng = np.random.default_rng(seed)
        noise = Recording(
            rng.standard_normal((48, 12)).astype(np.float32),
            pd.DataFrame({"stimulus_id": IDS}),
            pd.DataFrame({"name": [f"v{i}" for i in range(12)]}),
            subject="noise",
            modality="fmri",
        )
        outcome = shape.shape(make_context(dataset=Dataset("toy", study=Study.of(noise)), cache=f"s{seed}"))
        rows = [chosen(outcome, "all", name) for name in ("true", "other")]
        assert [row["n"] for row in rows] == [24, 24]
        ps.append(rows[0]["p"])
        values.append(rows[0]["value"] - rows[1]["value"])
    assert np.mean(ps) > 0.25
    assert sum(p <= 0.05 for p in ps) <= 3
    assert abs(np.mean(values)) < 0.05


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_score_is_the_metric(make_context, planted, alpha):
    context = make_context(n_subjects=1)
    recording = context.dataset.study["sub0"].select(roi="A").average_repetitions()
    layer = planted["other"].features.matrix("only", recording.stimulus_ids)
    table = shape.shape(context, alpha=alpha).scores.select(subject="all", roi="A", layer="only").table
    assert table["value"].iloc[0] == pytest.approx(shape_distance(layer, recording.data, alpha=alpha))


def test_dissimilarities_of_no_points_are_told(make_context):
    values = np.random.default_rng(0).random((1, 48 * 47 // 2)) + 0.1
    rdms = RDMs(values, tuple(IDS), pd.DataFrame({"subject": ["a"]}), measure="correlation")
    outcome = shape.shape(make_context(dataset=Dataset("toy", rdms=rdms)))
    assert any("not squared distances of any points" in warning for warning in outcome.warnings)
