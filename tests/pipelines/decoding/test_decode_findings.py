from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from alignkit.pipelines.decoding.findings import decoding_findings, doubts_about
from alignkit.recordings import Scores
from alignkit.reports.summary import DIFFERENCE_COLUMNS


def scores(*rows: tuple[str, str, float, float]) -> Scores:
    """Return scores of (model, metric, value, corrected p) with intervals of .1 about them."""
    table = pd.DataFrame(rows, columns=["model", "metric", "value", "p_corrected"])
    control = table["model"].str.endswith("shuffled")
    return Scores(
        table.assign(
            subject="all", roi="all", layer="(chosen)", fold="all", ci_low=table["value"] - 0.05,
            ci_high=table["value"] + 0.05, family=np.where(control, "shuffled control", "linear"),
        )
    )  # fmt: skip


def differences(a: str, b: str, metric: str, p: float) -> pd.DataFrame:
    row = {"roi": "all", "metric": metric, "model_a": a, "model_b": b, "difference": 0.1, "se": 0.01, "p": p,
           "p_corrected": p, "correction": ""}  # fmt: skip
    return pd.DataFrame([row])[list(DIFFERENCE_COLUMNS)]


def ridge(*, alphas=None, lowest_alpha=1e8, shuffled=False, ci_low=0.0):
    facts = {
        "kind": "ridge",
        "parameters": {"alphas": alphas},
        "subjects": {"s1": {"lowest_alpha": lowest_alpha}},
    }
    table = pd.DataFrame(
        [{"subject": "all", "score": "top-1", "value": 0.3, "ci_low": ci_low, "chance": 0.1}]
    )
    return SimpleNamespace(
        decoder="ridge", shuffled=shuffled, table=table, fitted=SimpleNamespace(describe=lambda: facts)
    )


def test_who_leads_stands_against_chance_the_next_and_the_control():
    table = scores(("lda", "balanced accuracy", 0.6, 0.01), ("net", "balanced accuracy", 0.55, 0.02),
                   ("lda, shuffled", "balanced accuracy", 0.51, np.nan))  # fmt: skip
    (sentence,) = decoding_findings(
        table, differences("net", "lda", "balanced accuracy", 0.2), {"balanced accuracy": 0.5}, "1"
    )
    assert sentence == (
        "lda names the class, every class weighted alike, in 60.0 % [55.0, 65.0]. Chance is 50.0 % (p = .010 "
        "corrected). Next: net, 55.0 % (difference p = .200 corrected). Fitted to exchanged targets: 51.0 %."
    )


def test_a_score_that_is_not_told_from_chance_is_said_to_be_so():
    table = scores(("ridge", "top-1 of 20", 0.06, 0.4))
    (sentence,) = decoding_findings(table, pd.DataFrame(columns=list(DIFFERENCE_COLUMNS)),
                                    {"top-1 of 20": 0.05}, "all")  # fmt: skip
    assert "ridge has the right one of 20 stimuli first in 6.0 %" in sentence
    assert "that is not told from chance, 5.0 % (p = .400 corrected)" in sentence


@pytest.mark.parametrize(
    ("main", "metric", "starts"),
    [
        ("all", "top-5 of 20", "From the mean of all presentations, ridge"),
        ("2", "top-5 of 20", "From the mean of 2 presentations, ridge"),
        ("all", "top-1 of 20, 1 repetition", "From single presentations, ridge"),
        ("all", "top-1 of 20, 4 repetitions", "From the mean of 4 presentations, ridge"),
    ],
)
def test_a_sentence_says_what_was_averaged(main, metric, starts):
    names = list(dict.fromkeys([metric, "top-1 of 20, 1 repetition"]))
    table = scores(*[("ridge", name, 0.4, 0.01) for name in names])
    found = decoding_findings(table, pd.DataFrame(columns=list(DIFFERENCE_COLUMNS)),
                              dict.fromkeys(names, 0.1), main)  # fmt: skip
    assert found[names.index(metric)].startswith(starts)


def test_findings_are_few_and_the_table_holds_the_rest():
    names = ["top-1 of 20", "top-5 of 20", "top-10 of 20", "MRR"]
    table = scores(*[("ridge", name, 0.4, 0.01) for name in names])
    found = decoding_findings(table, pd.DataFrame(columns=list(DIFFERENCE_COLUMNS)),
                              dict.fromkeys(names, 0.1), "all")  # fmt: skip
    assert len(found) == 2


@pytest.mark.parametrize(
    ("alphas", "lowest", "warns"), [(None, 1e8, True), (None, 1e3, False), ([1.0], 1.0, True)]
)
def test_a_ridge_at_its_strongest_penalty_is_named(alphas, lowest, warns):
    assert bool(doubts_about([ridge(alphas=alphas, lowest_alpha=lowest)])) is warns


def test_a_control_above_chance_is_named_and_one_at_chance_is_not():
    (doubt,) = doubts_about([ridge(shuffled=True, ci_low=0.2)])
    assert "ridge, fitted to exchanged targets, scores 0.300 in top-1" in doubt
    assert doubts_about([ridge(shuffled=True, ci_low=0.05)]) == []
