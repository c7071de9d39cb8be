from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.cli._output import print_json
from alignkit.pipelines.result import RunResult
from alignkit.recordings import Scores
from alignkit.reports import RunSummary


def row(model, value, **changes):
    return {
        "subject": "all", "roi": "IT", "model": model, "family": "toy", "layer": "(chosen)",
        "metric": "rsa", "fold": "all", "value": value, **changes,
    }  # fmt: skip


ROWS = [
    row("low", 0.1, ci_low=0.05, ci_high=0.1234, p_corrected=0.2, normalized=0.125),
    row("high", 0.7, metric="cka"),
    row("best", 0.9, ci_low=0.8, ci_high=1.0, p_corrected=0.01, normalized=1.1),
    row("middle", 0.5),
    row("elsewhere", 0.2, roi="EVC"),
    # None of these is a model's result.
    row("best", 0.99, layer="late"),
    row("best", 0.98, subject="ann"),
    row("best", 0.97, fold="3"),
    row("best", 0.96, layer="late", metric="rsa group mean"),
]


def result(rows=ROWS, *, found=0, warnings=()):
    summary = RunSummary(
        title="Which model?",
        sentence="Four models.",
        scores=Scores(pd.DataFrame(rows)),
        headline=("best leads.",),
        warnings=warnings,
    )
    return RunResult(Path("/runs/one"), summary, 12.345, 3, found)


def test_the_ranking_holds_models_only_best_first_within_metric_and_region():
    assert [(r["metric"], r["roi"], r["model"], r["value"]) for r in result().ranking()] == [
        ("cka", "IT", "high", 0.7),
        ("rsa", "EVC", "elsewhere", 0.2),
        ("rsa", "IT", "best", 0.9),
        ("rsa", "IT", "middle", 0.5),
        ("rsa", "IT", "low", 0.1),
    ]


def test_the_order_of_the_rows_does_not_matter():
    assert [r["model"] for r in result(ROWS[::-1]).ranking()] == [r["model"] for r in result().ranking()]


def test_a_row_holds_interval_share_of_the_ceiling_and_p():
    rows = {r["model"]: r for r in result().ranking()}
    assert rows["low"]["interval"] == "[0.050, 0.123]"
    assert rows["low"]["of_ceiling"] == 0.125
    assert rows["low"]["p_corrected"] == 0.2
    assert rows["middle"]["interval"] == ""
    assert set(rows["low"]) == set(RunResult.ranking_columns)


def test_without_a_chosen_layer_there_is_no_ranking():
    assert result([row("best", 0.99, layer="late")]).ranking() == []


def test_the_json_is_strict_and_what_is_unknown_is_null(capsys):
    print_json(result().to_json())
    text = capsys.readouterr().out

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    content = json.loads(text, parse_constant=refuse)
    ranking = {r["model"]: r for r in content["ranking"]}
    assert ranking["middle"]["of_ceiling"] is None
    assert ranking["middle"]["p_corrected"] is None
    assert ranking["best"]["of_ceiling"] == 1.1


def test_the_json_says_where_things_are_and_what_was_done():
    content = result(found=2, warnings=("careful",)).to_json()
    assert content["folder"] == "/runs/one"
    assert content["report"] == "/runs/one/report.html"
    assert (content["computed"], content["from_store"], content["seconds"]) == (3, 2, 12.3)
    assert content["headline"] == ["best leads."]
    assert content["warnings"] == ["careful"]
    assert [r["model"] for r in content["ranking"]] == [r["model"] for r in result().ranking()]
    assert not any(isinstance(value, np.generic) for r in content["ranking"] for value in r.values())


@pytest.mark.parametrize(
    ("found", "sentence"),
    [(0, "3 results computed, 12 s"), (2, "3 results computed, 2 from the store, 12 s")],
)
def test_the_text_holds_findings_warnings_and_the_report(found, sentence):
    lines = result(found=found, warnings=("careful",)).to_text().split("\n")
    assert lines == [
        "Which model?",
        "Four models.",
        "",
        "- best leads.",
        "! careful",
        "",
        sentence,
        "report: /runs/one/report.html",
    ]
