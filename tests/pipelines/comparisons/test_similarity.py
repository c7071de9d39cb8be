from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import similarity
from alignkit.recordings import RDMs


@pytest.mark.parametrize(
    "compare",
    [
        lambda c: similarity.canonical(c, n_components=5),
        lambda c: similarity.singular_vector(c, n_components=5),
        lambda c: similarity.projection_weighted(c, n_components=5),
        lambda c: similarity.matching(c),
        lambda c: similarity.matching(c, method="soft"),
        lambda c: similarity.matching(c, method="semi", n_units=4),
    ],
)
@pytest.mark.filterwarnings("ignore:.*samples.*:UserWarning")
def test_the_planted_model_leads_where_it_drives_the_region_and_nowhere_else(make_context, chosen, compare):
    outcome = compare(make_context(n_subjects=2))
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["value"] > other["value"]
    assert true["p"] <= 0.02
    assert chosen(outcome, "B", "true")["p"] > 0.05
    assert true["ci_low"] < true["value"] < true["ci_high"]


def test_units_are_needed_and_counts_must_be_positive(make_context):
    ids = tuple(f"s{i:02d}" for i in range(48))
    values = np.random.default_rng(0).random((1, 48 * 47 // 2))
    rdms = RDMs(values, ids, pd.DataFrame({"subject": ["a"]}), measure="correlation")
    with pytest.raises(InputError, match="`cca` needs recordings; the dataset holds dissimilarities only"):
        similarity.canonical(make_context(dataset=Dataset("toy", rdms=rdms)))
    with pytest.raises(InputError, match="`n_components` must be at least 1, got 0"):
        similarity.canonical(make_context(), n_components=0)
    with pytest.raises(InputError, match="`n_units` must be at least 1, got 0"):
        similarity.matching(make_context(), n_units=0)


def test_without_networks_the_comparison_says_so(make_context, planted):
    labels = replace(planted["other"], features=None, values=np.arange(48) % 2, layers=("half",))
    with pytest.raises(InputError, match="`cca` needs networks with features; name some under `models`"):
        similarity.canonical(make_context(candidates=[labels]))


def test_labels_that_cannot_take_part_are_named(make_context, planted):
    labels = replace(planted["other"], name="half", features=None, values=np.arange(48) % 2, layers=("half",))
    context = make_context(n_subjects=1, candidates=[planted["other"], labels])
    outcome = similarity.canonical(context, n_components=4)
    assert any("half has no features and takes no part" in warning for warning in outcome.warnings)
    assert outcome.without_zero == ("cca",)
