from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics import node_curvature, ollivier_ricci, rdm, representation_graph
from alignkit.pipelines.comparisons import curvature


@pytest.mark.parametrize("kind", ["ollivier", "augmented-forman"])
def test_a_model_with_the_brains_geometry_has_its_curvature(make_context, chosen, kind):
    outcome = curvature.curvature(make_context(), curvature=kind, k=6, distance="euclidean")
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["value"] > 0.3
    assert true["value"] > other["value"] + 0.1
    assert true["p"] == 0.01
    assert true["ceiling_lower"] < true["ceiling_upper"] <= 1
    assert abs(chosen(outcome, "B", "true")["value"]) < 0.3


def test_a_score_is_the_correlation_of_node_curvatures(make_context, planted):
    context = make_context(n_subjects=1)
    outcome = curvature.curvature(context, k=5, distance="euclidean")
    recording = context.dataset.study["sub0"].select(roi="A").average_repetitions()
    nodes = [
        node_curvature(
            ollivier_ricci(representation_graph(rdm(values, method="euclidean"), k=5), length_scale="median")
        )
        for values in (planted["other"].features.matrix("only", recording.stimulus_ids), recording.data)
    ]
    found = outcome.scores.select(subject="all", roi="A", model="other", layer="only").table["value"].iloc[0]
    assert found == pytest.approx(np.corrcoef(*nodes)[0, 1], abs=1e-9)


def test_graphs_that_say_nothing_are_refused(make_context):
    with pytest.raises(InputError, match="`k` must be at least 2 neighbours, got 1"):
        curvature.curvature(make_context(), k=1)
    with pytest.raises(InputError, match="`alpha` belongs to curvature 'ollivier'"):
        curvature.curvature(make_context(), curvature="forman", alpha=0.9)
    with pytest.raises(InputError, match="`k` is 30, more than half of the 48 stimuli"):
        curvature.curvature(make_context(), k=30)
