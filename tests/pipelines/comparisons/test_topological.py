from __future__ import annotations

import pytest

from alignkit._core.errors import InputError
from alignkit.metrics import compare_rdms, rdm, topological_transform
from alignkit.pipelines.comparisons import topological


@pytest.mark.parametrize("form", ["geo-topological", "geodesic"])
def test_the_planted_model_leads_after_the_transform(make_context, chosen, form):
    outcome = topological.topological_rsa(make_context(), form=form, distance="euclidean")
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["value"] > other["value"] + 0.1
    assert true["p"] == 0.01
    assert chosen(outcome, "B", "true")["p"] > 0.05
    assert true["ceiling_lower"] < true["ceiling_upper"]


def test_a_score_is_the_comparison_of_transformed_matrices(make_context, planted):
    context = make_context(n_subjects=1)
    outcome = topological.topological_rsa(context, lower=0.1, upper=0.6)
    recording = context.dataset.study["sub0"].select(roi="A").average_repetitions()
    layer = planted["other"].features.matrix("only", recording.stimulus_ids)
    changed = [topological_transform(rdm(X), lower=0.1, upper=0.6) for X in (layer, recording.data)]
    found = outcome.scores.select(subject="all", roi="A", model="other", layer="only").table["value"].iloc[0]
    assert found == pytest.approx(compare_rdms(*changed, method="pearson"))


def test_quantiles_must_rise(make_context):
    with pytest.raises(InputError, match="must be 0 <= `lower` < `upper` <= 1, got 0.8 and 0.2"):
        topological.topological_rsa(make_context(), lower=0.8, upper=0.2)
