"""Pooled folds are means over folds, with p that holds its level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.over_folds import pool_folds
from alignkit.decoders.evaluation.parts import folds_of_trials
from alignkit.decoders.trials import Trials

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


def test_stimuli_that_come_back_in_other_folds_count_once(labelled, least):
    # Only the last run shows classes through other stimuli.
    trials = labelled()
    table = trials.table.assign(
        stimulus_id=[f"{name}/{unit}" if unit in ("run-6", "run-7") else name
                     for name, unit in zip(trials.table["stimulus_id"], trials.table["unit"], strict=True)]
    )  # fmt: skip
    trials = Trials(trials.study, trials.targets, table)
    pooled = pool_folds(evaluated(trials, least))
    assert pooled.card.n_stimuli == table["stimulus_id"].nunique()
    most = max(fold.card.n_stimuli for fold in pooled.folds)
    assert pooled.card.n_stimuli > most
    seen = frozenset().union(*(fold.stimuli_seen for fold in pooled.folds))
    assert pooled.card.n_stimuli_seen == len(seen)


def test_the_interval_knows_that_folds_share_training_data(labelled, least):
    pooled = pool_folds(evaluated(labelled(effect=0.3), least))
    values = np.array([fold.value("AUC") for fold in pooled.folds])
    row = pooled.table.set_index("score").loc["AUC"]
    half = t.ppf(0.975, 3) * values.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3)
    assert row["ci_low"] == pytest.approx(max(values.mean() - half, 0))
