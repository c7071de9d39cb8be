from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import false_discovery_control

from alignkit.pipelines.comparisons import Outcome, Picture
from alignkit.pipelines.config import parse_config
from alignkit.pipelines.pictures import MAX_MODEL_PICTURES
from alignkit.pipelines.summarise import describe, summarise
from alignkit.pipelines.time_findings import p_text
from alignkit.recordings import ChannelScores, Scores, StimulusSet

P = {("A", "true"): 0.001, ("A", "other"): 0.04, ("B", "true"): 0.03, ("B", "other"): 0.5}
DIFFERENCES = ("roi", "metric", "model_a", "model_b", "difference", "se", "p")


def row(roi, model, value, **changes):
    return {
        "subject": "all", "roi": roi, "model": model, "family": "toy", "layer": "(chosen)",
        "metric": "rsa", "fold": "all", "value": value, **changes,
    }  # fmt: skip


def rows(metric="rsa", **changes):
    values = {("A", "true"): 0.5, ("A", "other"): 0.3, ("B", "true"): 0.1, ("B", "other"): 0.2}
    return [
        row(roi, model, values[roi, model], p=P[roi, model], metric=metric, **changes) for roi, model in P
    ]


def outcome(table, differences=(), **facts):
    return Outcome(Scores(pd.DataFrame(table)), pd.DataFrame(differences, columns=DIFFERENCES), **facts)


@pytest.fixture
def summary_of(make_context):
    """Return a function that summarises outcomes on the toy study."""

    def make(*outcomes, correction="bh", title="", warnings=(), **facts):
        context = make_context(n_subjects=2)
        context = replace(context, dataset=replace(context.dataset, **facts))
        inference = {"correction": correction}
        config = parse_config(
            {"title": title, "dataset": "toy", "comparisons": ["rsa", "ridge"], "inference": inference}
        )
        return summarise(config, context, outcomes, config_yaml="", command="", log_warnings=warnings)

    return make


def corrected(summary, metric="rsa", layer="(chosen)"):
    table = summary.scores.table
    table = table[(table["metric"] == metric) & (table["layer"] == layer) & (table["subject"] == "all")]
    return table.set_index(["roi", "model"])["p_corrected"].to_dict()


@pytest.mark.parametrize(("method", "name"), [("bh", "Benjamini-Hochberg"), ("by", "Benjamini-Yekutieli")])
def test_p_is_corrected_over_all_regions_and_models_of_a_metric(summary_of, method, name):
    found = summary_of(outcome(rows()), correction=method)
    expected = false_discovery_control(list(P.values()), method=method)
    assert corrected(found) == pytest.approx(dict(zip(P, expected, strict=True)))
    assert set(found.scores.table["correction"]) == {f"FDR ({name})"}
    assert any(name in text for text in found.methods)


def test_metrics_single_layers_and_subjects_are_no_part_of_a_metrics_correction(summary_of):
    layers = [
        row("A", "true", 0.4, layer="early", p=0.02),
        row("A", "true", 0.6, layer="late", p=0.03),
    ]
    others = [
        row("A", "true", 0.9, metric="cka", p=0.2),
        row("A", "true", 0.5, subject="sub0", p=0.9),
        row("A", "true", 0.5, fold="1", p=0.9),
        row("A", "true", 0.5, metric="rsa group mean", layer="late"),
    ]
    found = summary_of(outcome([*rows(), *layers, *others[1:]]), outcome(others[:1]))
    expected = false_discovery_control(list(P.values()))
    everyone = found.scores.table.query("subject == 'all' and fold == 'all'")
    chosen = everyone[(everyone["metric"] == "rsa") & (everyone["layer"] == "(chosen)")]
    np.testing.assert_allclose(chosen["p_corrected"], expected)
    assert corrected(found, layer="early") == pytest.approx({("A", "true"): 0.03})  # min(2 * 0.02, 0.03)
    assert corrected(found, layer="late") == pytest.approx({("A", "true"): 0.03})
    assert corrected(found, "cka") == pytest.approx({("A", "true"): 0.2})
    rest = found.scores.table.query("subject != 'all' or fold != 'all' or metric == 'rsa group mean'")
    assert len(rest) == 3
    assert rest["p_corrected"].isna().all()
    assert set(rest["correction"]) == {""}


def test_differences_are_corrected_over_pairs_and_regions_of_a_metric(summary_of):
    one = [("A", "rsa", "true", "other", 0.2, 0.1, 0.01), ("B", "rsa", "true", "other", -0.1, 0.1, 0.04)]
    two = [("A", "cka", "true", "other", 0.2, 0.1, 0.03)]
    found = summary_of(outcome(rows(), one), outcome(rows("cka"), two)).differences
    values = dict(zip(zip(found["metric"], found["roi"], strict=True), found["p_corrected"], strict=True))
    assert values == pytest.approx({("rsa", "A"): 0.02, ("rsa", "B"): 0.04, ("cka", "A"): 0.03})
    assert found["difference"].tolist() == [0.2, -0.1, 0.2]


def test_a_difference_that_could_not_be_tested_does_not_count(summary_of):
    pairs = [("A", "rsa", "true", "other", 0.2, 0.1, 0.01), ("B", "rsa", "true", "other", 0.0, 0.0, np.nan)]
    found = summary_of(outcome(rows(), pairs)).differences
    np.testing.assert_array_equal(found["p_corrected"], [0.01, np.nan])


def test_without_pairs_the_table_of_differences_is_empty_and_whole(summary_of):
    found = summary_of(outcome(rows())).differences
    assert len(found) == 0
    assert list(found.columns) == [*DIFFERENCES, "p_corrected", "correction"]


def test_a_finding_says_value_interval_ceiling_p_and_the_margin(summary_of):
    table = rows()
    table[0] |= {"ci_low": 0.4, "ci_high": 0.6, "ceiling_lower": 0.7, "ceiling_upper": 0.9}
    pairs = [("A", "rsa", "other", "true", -0.2, 0.1, 0.01), ("B", "rsa", "other", "true", 0.1, 0.1, 0.8)]
    assert summary_of(outcome(table, pairs)).headline == (
        "A: true leads by rsa (0.500 [0.400, 0.600]; ceiling 0.700 to 0.900; p = .004 corrected), ahead of "
        "other (0.300; difference p = .020 corrected).",
        "B: other leads by rsa (0.200; p = .500 corrected), not told apart from true (0.100; difference "
        "p = .800 "
        "corrected).",
    )


def test_of_distances_the_lowest_comes_first(summary_of):
    table = [row("A", "true", 0.3, closer="lower"), row("A", "other", 0.5, closer="lower")]
    assert summary_of(outcome(table)).headline == (
        "A: true is closest by rsa (0.300), before other (0.500).",
    )


def test_a_ceiling_without_lower_bound_and_chance_are_said(summary_of):
    table = [row("A", "true", 0.5, ceiling_upper=0.8, metric="accuracy")]
    found = summary_of(outcome(table, chance={"accuracy": 0.125}))
    assert found.headline == ("A: true scores by accuracy (0.500; ceiling 0.800; chance 0.125).",)
    assert found.chance == {"accuracy": 0.125}


def test_a_lower_bound_alone_is_no_ceiling(summary_of):
    found = summary_of(outcome([row("A", "true", 0.5, ceiling_lower=0.8)]))
    assert found.headline == ("A: true scores by rsa (0.500).",)


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0004, "< .001"), (0.001, "= .001"), (0.05, "= .050"), (0.2, "= .200"), (1.0, "= 1.000")],
)
def test_p_values_are_written_without_a_leading_zero(p, text):
    assert p_text(p) == text


def test_group_mean_rows_never_lead(summary_of):
    table = [*rows(), row("A", "other", 0.99, metric="rsa group mean")]
    found = summary_of(outcome(table))
    assert len(found.headline) == 2
    assert found.headline[0].startswith("A: true leads by rsa (0.500")
    assert not any("group mean" in finding for finding in found.headline)


def test_layers_subjects_and_folds_never_lead(summary_of):
    table = [
        *rows(),
        row("A", "other", 0.9, layer="late"),
        row("A", "other", 0.9, subject="sub0"),
        row("A", "other", 0.9, fold="1"),
    ]
    assert summary_of(outcome(table)).headline[0].startswith("A: true leads by rsa (0.500")


LAYERS = [row("A", "true", 0.2, layer="early"), row("A", "true", 0.6, layer="late")]


@pytest.mark.parametrize(("driver", "correct"), [("true", True), ("other", False)])
def test_the_truth_is_held_against_what_was_found(summary_of, driver, correct):
    truth = pd.DataFrame({"roi": ["A"], "model": [driver], "layer": ["late"]})
    pairs = [("A", "rsa", "true", "other", 0.2, 0.1, 0.01)]
    found = summary_of(outcome([*rows(), *LAYERS], pairs), truth=truth).truth
    assert found.to_dict(orient="records") == [
        {
            "roi": "A",
            "planted_model": driver,
            "planted_layer": "late",
            "recovered_model": "true",
            "recovered_layer": "late",
            "value": 0.5,
            "runner_up": "other",
            "margin_p": pytest.approx(0.01),
            "correct": correct,
        }
    ]


def test_with_several_metrics_the_truth_has_a_row_each_that_names_it(summary_of):
    truth = pd.DataFrame({"roi": ["A", "B"], "model": ["true", "true"], "layer": ["late", "late"]})
    found = summary_of(outcome([*rows(), *LAYERS]), outcome(rows("cka")), truth=truth).truth
    assert found[["roi", "recovered_model", "recovered_layer", "correct"]].to_numpy().tolist() == [
        ["A, rsa", "true", "late", True],
        ["A, cka", "true", "", True],
        ["B, rsa", "other", "", False],
        ["B, cka", "other", "", False],
    ]


def test_without_a_known_truth_there_is_no_such_table(summary_of):
    assert summary_of(outcome(rows())).truth is None
    elsewhere = pd.DataFrame({"roi": ["nowhere"], "model": ["true"], "layer": ["late"]})
    assert summary_of(outcome(rows()), truth=elsewhere).truth is None


def test_verdicts_become_the_reports_and_come_once(summary_of):
    audits = (("a", "clean", "x"), ("b", "leaks", "y"), ("c", "skip", "z"), ("a", "clean", "x"))
    found = summary_of(outcome(rows(), audit=audits), outcome(rows("cka"), audit=audits[:1]))
    assert found.audit == (("a", "pass", "x"), ("b", "fail", "y"), ("c", "skip", "z"))


def test_warnings_come_once_the_logs_first_and_the_datasets_last(summary_of):
    found = summary_of(
        outcome(rows(), warnings=("few", "both")),
        outcome(rows("cka"), warnings=("few",)),
        warnings=["log", "both"],
        notes=("note",),
    )
    assert found.warnings == ("log", "both", "few", "note")


def test_channel_values_are_those_of_the_chosen_layer(summary_of):
    def channels(model, names, **columns):
        table = pd.DataFrame({"name": names, **columns})
        values = np.stack([np.arange(len(names)) / 10, np.full(len(names), 9.0)])
        return ChannelScores(values, ("(chosen)", "late"), table, "sub0", model, "ridge r", "r")

    one = outcome(rows(), channels=(channels("true", ["v0", "v1"], roi=["A", "A"]),))
    two = outcome(rows("cka"), channels=(channels("other", ["v0"]),))
    found = summary_of(one, two).channel_values
    assert found[["model", "roi", "channel", "value"]].to_numpy().tolist() == [
        ["true", "A", "v0", 0.0],
        ["true", "A", "v1", 0.1],
        ["other", "all", "v0", 0.0],
    ]
    assert summary_of(outcome(rows())).channel_values is None


IDS = ("w", "x", "y", "z")


def picture(name, role, value, roi="A"):
    model = name.split(", ")[0] if role == "model" else ""
    return Picture(name, role, roi, np.full(6, float(value)), IDS, model)


def test_pictures_are_the_brain_then_the_best_models_in_order(summary_of):
    names = [f"m{i}" for i in range(7)]
    table = [row("A", name, i / 10) for i, name in enumerate(names)]
    pictures = [picture("A, mean of 2", "brain", 0), *(picture(f"{n}, late", "model", 1) for n in names)]
    found = summary_of(outcome(table, pictures=tuple(pictures))).rdms
    assert list(found.table["name"]) == ["A, mean of 2", *(f"m{i}, late" for i in (6, 5, 4, 3, 2))]
    assert list(found.table["role"]) == ["brain", *["model"] * MAX_MODEL_PICTURES]
    assert found.stimulus_ids == IDS


def test_a_model_is_drawn_once_although_two_regions_have_it(summary_of):
    pictures = [
        picture("A", "brain", 1),
        picture("true", "model", 2),
        picture("B", "brain", 3, "B"),
        picture("true", "model", 2, "B"),
    ]
    found = summary_of(outcome(rows(), pictures=tuple(pictures)), outcome(rows("cka"))).rdms
    assert list(found.table["name"]) == ["A", "B", "true"]
    assert found.values[:, 0].tolist() == [1, 3, 2]


def test_stimuli_of_one_category_are_drawn_together(summary_of):
    labels = pd.DataFrame({"stimulus_id": IDS, "kind": ["b", "a", "b", "a"]})
    pictures = (Picture("A", "brain", "A", np.arange(6.0), IDS),)  # wx wy wz xy xz yz
    found = summary_of(outcome(rows(), pictures=pictures), labels=labels).rdms
    assert found.stimulus_ids == ("x", "z", "w", "y")
    assert found.values[0].tolist() == [4, 0, 3, 2, 5, 1]  # xz xw xy zw zy wy


def test_thumbnails_show_the_stimuli_in_the_order_of_the_matrices(summary_of, tmp_path):
    for i, name in enumerate(IDS):
        Image.new("RGB", (96, 64), (60 * i, 0, 0)).save(tmp_path / f"{name}.png")
    pictures = (Picture("A", "brain", "A", np.ones(6), ("z", "w", "y", "x")),)
    stimuli = StimulusSet.from_folder(tmp_path)
    found = summary_of(outcome(rows(), pictures=pictures), stimuli=stimuli).rdm_thumbnails
    images = [Image.open(io.BytesIO(data)) for data in found]
    assert [image.getpixel((0, 0))[0] for image in images] == [180, 0, 120, 60]
    assert {image.size for image in images} == {(48, 32)}
    assert summary_of(outcome(rows(), pictures=pictures)).rdm_thumbnails == ()


def test_the_question_is_put_into_one_sentence(make_context):
    context = make_context(n_subjects=2)
    config = parse_config({"dataset": "toy", "comparisons": ["rsa", "ridge", "rsa"]})
    assert describe(config, context) == "2 models against 2 subjects of toy in A, B (rsa, ridge)."
    one = replace(make_context(n_subjects=1), rois=("all",))
    assert describe(config, one) == "2 models against 1 subject of toy (rsa, ridge)."


def test_a_title_of_ones_own_is_kept(summary_of):
    assert summary_of(outcome(rows()), title="Mine").title == "Mine"
    assert summary_of(outcome(rows())).title == "toy: which model explains it?"


def test_references_come_once_and_empty_ones_not(summary_of):
    found = summary_of(
        outcome(rows(), references=("paper", "")), outcome(rows("cka"), references=("paper", "second"))
    )
    assert found.references == ("paper", "second")


def test_the_outcomes_stay_as_they_are(summary_of):
    made = outcome(rows())
    before = made.scores.to_frame()
    summary_of(made)
    pd.testing.assert_frame_equal(made.scores.table, before)


def test_a_finding_whose_folds_leak_says_so(summary_of):
    made = outcome([row("A", "true", 0.5)], audit=(("rsa, sub0", "leaks", "fold 0: 1 stimulus"),))
    assert summary_of(made).headline[0].endswith("This is optimistic: the folds leak (see the audit).")
