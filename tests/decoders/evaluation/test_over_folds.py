"""Pooled folds are means over folds, with p that holds its level."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.over_folds import pool_folds
from alignkit.decoders.evaluation.parts import folds_of_trials

QUICK = {"n_bootstraps": 0, "n_permutations": 99}


def evaluated(trials, make, n_folds=4, **options):
    return [
        evaluate(make().fit(fold.training), fold.held_out, seed=number, **{**QUICK, **options})
        for number, fold in enumerate(folds_of_trials(trials, n_folds=n_folds))
    ]


def test_pooled_scores_are_means_over_folds(labelled, least):
    folds = evaluated(labelled(effect=0.8), least)
    pooled = pool_folds(folds)
    row = pooled.table.set_index("score").loc["balanced accuracy"]
    values = [fold.value("balanced accuracy") for fold in folds]
    assert row["value"] == pytest.approx(np.mean(values))
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    assert row["p"] == 0.01
    assert row["n_folds"] == 4
    assert (pooled.card.n_trials, pooled.card.n_units, pooled.card.n_stimuli) == (80, 8, 6)
    assert "means over 4 folds" in pooled.card.to_text()
    assert pooled.card.times_evaluated == 1


def test_pooled_retrieval_has_no_p_without_exchanges(embedded, least):
    pooled = pool_folds(evaluated(embedded(), least, repetitions=("all",), n_permutations=0))
    table = pooled.table.set_index("score")
    assert table.loc["top-1", "value"] > 0.5
    assert table.loc["mean rank", "chance"] == 5.5
    assert table["p"].isna().all()
    assert pooled.null == {}


def test_folds_that_do_not_go_together_are_refused(labelled, least):
    folds = evaluated(labelled(), least)
    with pytest.raises(InputError, match="at least 2 folds, got 1"):
        pool_folds(folds[:1])
    with pytest.raises(InputError, match="folds were evaluated with one seed"):
        pool_folds([folds[0], folds[0]])
    other = evaluated(labelled(), least, repetitions=("all",))
    with pytest.raises(InputError, match="differ in subjects or repetitions"):
        pool_folds([folds[0], other[1]])


@pytest.mark.slow
def test_p_over_folds_is_small_by_chance_as_seldom_as_it_says(labelled, least):
    p = []
    for seed in range(200):
        trials = labelled(n_runs=5, n_per_run=12, effect=0.0, seed=seed)
        folds = evaluated(trials, least, n_folds=5, n_permutations=79)
        p.append(pool_folds(folds).table.set_index("score").loc["AUC", "p"])
    share = np.mean(np.array(p) <= 0.05)
    print(share)
    assert share <= 0.09
