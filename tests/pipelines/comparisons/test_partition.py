from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.encoders import variance_partition
from alignkit.pipelines.comparisons import _encoding_data, partition


def row(outcome, roi, model, metric, subject="all"):
    table = outcome.scores.select(roi=roi, model=model, metric=metric, subject=subject).table
    assert len(table) == 1
    return table.iloc[0]


def test_the_model_that_drives_a_region_is_unique_in_it_and_no_other_is(make_context):
    outcome = partition.partition(make_context(n_subjects=6))
    for metric in ("unique R2", "product R2", "Shapley R2"):
        true = row(outcome, "A", "true", metric)
        assert true["value"] > 0.3
        assert true["p"] <= 1 / 64 + 1e-9
        assert true["ci_low"] > 0
        assert abs(row(outcome, "A", "other", metric)["value"]) < 0.1
        assert row(outcome, "B", "true", metric)["value"] < 0.1
    assert {verdict for _, verdict, _ in outcome.audit} == {"clean"}


def test_shares_add_up_to_the_joint_r2_in_every_channel(make_context):
    context = make_context(n_subjects=1)
    blocks = _encoding_data.all_responses(context, "x", n_folds=5, groups=None)
    ((split, members),) = _encoding_data.batches_of(blocks).items()
    found = partition._task(
        context, [blocks[member] for member in members], split, {"encoder": "banded", "n_inner": 5}
    )
    for arrays in found:
        for name in ("product", "shapley"):
            np.testing.assert_allclose(arrays[name].sum(axis=0), arrays["joint"], atol=1e-6)


def test_numbers_are_those_of_the_public_function(make_context):
    context = make_context(n_subjects=1)
    outcome = partition.partition(context, encoder="ridge", n_inner=4)
    responses = _encoding_data.all_responses(context, "x", n_folds=5, groups=None)["A", "sub0"]
    spaces = {
        c.name: np.concatenate(
            [c.features.matrix(layer, responses.stimulus_ids) for layer in c.layers], axis=1
        )
        for c in context.candidates
    }
    groups = np.array(responses.groups)
    alone = variance_partition(
        spaces, responses.Y, cv=responses.folds, inner_cv=4, groups=groups, encoder="ridge",
        random_state=partition.derive_seed(0, "variance-partition") % 2**32, n_permutations=99,
    )  # fmt: skip
    for position, name in enumerate(alone.spaces):
        value = row(outcome, "A", name, "unique R2")["value"]
        assert value == pytest.approx(np.median(alone.unique[position]), abs=1e-6)
    assert row(outcome, "A", "all models", "joint R2")["value"] == pytest.approx(
        np.median(alone.joint), abs=1e-6
    )


def test_one_subject_has_values_but_no_test_over_subjects(make_context):
    outcome = partition.partition(make_context(n_subjects=1))
    everyone = row(outcome, "A", "true", "unique R2")
    assert np.isnan(everyone["p"])
    assert np.isnan(everyone["ci_low"])
    assert row(outcome, "A", "true", "unique R2", subject="sub0")["value"] == everyone["value"]


def test_one_model_and_too_many_are_refused(make_context, planted):
    with pytest.raises(InputError, match="takes 2 to 6 models .* got 1"):
        partition.partition(make_context(n_subjects=1, candidates=[planted["true"]]))
