"""What stands in the tables is what stands in the scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from alignkit.recordings import Scores
from alignkit.reports import RunSummary, _format
from alignkit.reports.tables import caption, difference_table, layer_table, result_tables


def test_every_cell_equals_its_row_of_the_scores(summary: RunSummary) -> None:
    table = next(t for t in result_tables(summary.scores, notes={}, group_mean=False) if t.metric == "cka")
    chosen = summary.scores.select(subject="all", layer="(chosen)", metric="cka").table
    found = 0
    for group in table.groups:
        for model, cells in group.rows:
            for roi, cell in zip(table.regions, cells, strict=True):
                row = chosen[(chosen["model"] == model) & (chosen["roi"] == roi)].iloc[0]
                assert cell is not None
                assert group.family == row["family"]
                assert cell.value == f"{row['value']:.3f}".replace("-", "\u2212")
                assert cell.interval == _format.interval(row["ci_low"], row["ci_high"])
                assert cell.of_ceiling == _format.percent(row["value"] / row["ceiling_upper"])
                assert cell.p == _format.p_value(row["p_corrected"])
                found += 1
    assert found == len(chosen) == 16


def test_the_best_of_each_region_is_marked_once(summary: RunSummary) -> None:
    table = result_tables(summary.scores, notes={}, group_mean=False)[0]
    best = [
        (roi, model)
        for group in table.groups
        for model, cells in group.rows
        for roi, cell in zip(table.regions, cells, strict=True)
        if cell is not None and cell.best
    ]
    assert sorted(best) == [("EVC", "gabor-energy"), ("IT", "animacy")]


def test_group_mean_stands_apart_and_against_no_ceiling(summary: RunSummary) -> None:
    rows = summary.scores.to_frame()
    # Even a ratio that a caller computed by mistake is not shown.
    rows.loc[rows["metric"].str.contains("group mean"), "normalized"] = 1.3
    tables = result_tables(Scores(rows), notes={}, group_mean=True)
    assert [table.metric for table in tables] == ["rsa-spearman group mean"]
    assert not tables[0].has_ceiling
    assert tables[0].ceilings == ("", "")
    assert "no ceiling" in tables[0].caption
    others = result_tables(Scores(rows), notes={}, group_mean=False)
    assert [table.metric for table in others] == ["rsa-spearman", "cka"]


def test_ceilings_name_their_estimator_and_error(summary: RunSummary) -> None:
    table = result_tables(summary.scores, notes={}, group_mean=False)[0]
    assert table.ceilings[0] == (
        "ceiling 0.242 to 0.392, SE 0.021 (leave-one-subject-out, rank-transformed)"
    )  # fmt: skip


def test_ceilings_that_differ_by_model_are_given_as_a_range(summary: RunSummary) -> None:
    rows = summary.scores.select(metric="cka", roi="IT", layer="(chosen)").to_frame()
    rows["ceiling_lower"] = rows["ceiling_upper"] = np.linspace(0.5, 0.7, len(rows))
    table = result_tables(Scores(rows), notes={}, group_mean=False)[0]
    assert table.ceilings == ("ceilings differ by model, 0.500 to 0.700 (leave-one-subject-out)",)


def test_of_ceiling_says_what_was_divided_by_what(summary: RunSummary) -> None:
    rows = summary.scores.select(metric="cka", layer="(chosen)").table
    assert "value divided by the upper bound of the ceiling" in caption(rows, with_ratio=True)
    single = rows.assign(ceiling_lower=rows["ceiling_upper"])
    assert "value divided by the ceiling" in caption(single, with_ratio=True)
    other = rows.assign(normalized=rows["normalized"] ** 2)
    assert "as the run computed it" in caption(other, with_ratio=True)


def test_columns_without_content_are_left_out(bare: RunSummary) -> None:
    table = result_tables(bare.scores, notes={}, group_mean=False)[0]
    assert (table.has_family, table.has_interval, table.has_ceiling, table.has_p) == (False,) * 4
    assert table.span == 1
    assert table.regions == ("all channels",)


def test_a_model_that_was_not_run_in_a_region_has_no_cell(summary: RunSummary) -> None:
    rows = summary.scores.to_frame()
    rows = rows[~((rows["model"] == "pixels") & (rows["roi"] == "IT"))]
    table = result_tables(Scores(rows), notes={}, group_mean=False)[0]
    cells = {model: cells for group in table.groups for model, cells in group.rows}
    assert cells["pixels"][0] is not None
    assert cells["pixels"][1] is None


def test_uncorrected_p_is_called_so_and_gets_no_stars(summary: RunSummary) -> None:
    rows = summary.scores.to_frame().assign(p_corrected=np.nan)
    table = result_tables(Scores(rows), notes={}, group_mean=False)[0]
    assert "not corrected" in table.caption
    shown = [cell for group in table.groups for _, cells in group.rows for cell in cells if cell]
    assert {cell.stars for cell in shown} == {""}
    assert "< .001" in {cell.p for cell in shown}


def test_caption_names_unit_n_and_correction(summary: RunSummary) -> None:
    rows = summary.scores.select(metric="cka", layer="(chosen)").table
    text = caption(rows, "Mean over subjects.")
    assert text.startswith("Mean over subjects. Unit: debiased CKA; n = 15.")
    assert "p is corrected (Benjamini-Hochberg over 16 tests)" in text


def test_layers_are_listed_in_order_of_depth(summary: RunSummary) -> None:
    rows = summary.scores.table
    layers = rows[(rows["metric"] == "cka") & (rows["subject"] == "all") & (rows["layer"] != "(chosen)")]
    table = layer_table(layers)
    hmax = [row for row in table.rows if row[0] == "hmax"]
    assert [row[1:3] for row in hmax] == [("1", "S1"), ("2", "C1"), ("3", "S2"), ("4", "C2")]
    first = layers[(layers["model"] == "hmax") & (layers["layer"] == "S1") & (layers["roi"] == "EVC")].iloc[0]
    assert hmax[0][3].startswith(f"{first['value']:.3f} [")


def test_differences_are_listed_as_given(summary: RunSummary) -> None:
    table = difference_table(summary.differences)
    first = summary.differences.iloc[0]
    assert table.rows[0][:4] == (
        first["roi"], first["model_a"], first["model_b"], _format.number(first["difference"])
    )  # fmt: skip
    assert len(table.rows) == len(summary.differences) == 56


def test_scores_are_not_changed_by_drawing_up_tables(summary: RunSummary) -> None:
    before = summary.scores.to_frame()
    result_tables(summary.scores, notes={}, group_mean=False)
    difference_table(summary.differences)
    pd.testing.assert_frame_equal(summary.scores.table, before)
    assert replace(summary, title="x").scores is summary.scores


def test_of_distances_the_lowest_is_the_best_and_comes_first() -> None:
    values = {"far": 0.9, "near": 0.2, "middle": 0.5}
    shared = {"subject": "all", "layer": "(chosen)", "fold": "all", "metric": "shape", "closer": "lower"}
    scores = Scores(pd.DataFrame([{**shared, "model": m, "value": v, "n": 9} for m, v in values.items()]))
    (table,) = result_tables(scores, notes={}, group_mean=False)
    (group,) = table.groups
    assert [model for model, _ in group.rows] == ["near", "middle", "far"]
    assert [cell.best for _, (cell,) in group.rows if cell is not None] == [True, False, False]
    assert "Lower is closer." in table.caption


def test_windows_are_told_by_model_with_the_peak_first():
    from alignkit.reports.tables import time_table

    table = pd.DataFrame(
        {
            "subject": "all", "roi": "IT", "model": ["m"] * 3, "layer": "(chosen)", "fold": "all",
            "metric": "rsa", "time_s": [0.0, 0.1, 0.2], "value": [0.0, 0.5, 0.4],
            "p_corrected": [0.8, 0.01, 0.02],
        }
    )  # fmt: skip
    made = time_table(Scores(table).table)
    assert made.rows == (("IT", "m", "100 ms", "0.500", ".010", "2 of 3", "100 to 200 ms"),)
