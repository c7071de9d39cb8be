"""The ranking shows the scores, in order, each where it belongs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from alignkit._core.errors import InputError
from alignkit.recordings import Scores
from alignkit.reports import RunSummary, plot_ranking

ORDER = ["gabor-energy", "hf:microsoft/resnet-50", "hf:facebook/dinov2-small", "hmax", "random-resnet50",
         "pixels", "random-vit-s", "animacy"]  # fmt: skip


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [
        text.get_text() for text in figure.texts
    ]


def marks(figure: Figure, *, large: bool) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for collection in figure.axes[0].collections:
        if isinstance(collection, PathCollection) and (collection.get_sizes()[0] > 50) == large:
            found.extend(tuple(map(float, offset)) for offset in np.asarray(collection.get_offsets()))
    return found


@pytest.fixture
def figure(summary: RunSummary) -> Figure:
    return plot_ranking(summary.scores, roi="EVC", metric="rsa-spearman")


def test_models_stand_from_best_to_worst_at_their_values(summary: RunSummary, figure: Figure) -> None:
    rows = summary.scores.select(subject="all", roi="EVC", metric="rsa-spearman", layer="(chosen)").table
    value = dict(zip(rows["model"], rows["value"], strict=True))
    assert marks(figure, large=True) == [(pytest.approx(value[m]), i) for i, m in enumerate(ORDER)]
    shown = texts(figure)
    assert [text for text in shown if text in ORDER] == ORDER
    assert [text for text in shown if text in {"0.231", "\u22120.004"}] == ["0.231", "\u22120.004"]


def test_every_subject_is_a_dot(summary: RunSummary, figure: Figure) -> None:
    rows = summary.scores.select(roi="EVC", metric="rsa-spearman", layer="(chosen)").table
    subjects = rows.loc[rows["subject"] != "all", "value"]
    assert sorted(x for x, _ in marks(figure, large=False)) == pytest.approx(sorted(subjects))


def test_intervals_run_from_low_to_high(summary: RunSummary, figure: Figure) -> None:
    lines = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    ends = [tuple(c.get_segments()[0][:, 0]) for c in lines if len(c.get_segments()) == 1]
    row = summary.scores.select(subject="all", roi="EVC", metric="rsa-spearman", model="hmax",
                                layer="(chosen)").table.iloc[0]  # fmt: skip
    assert (row["ci_low"], row["ci_high"]) in ends


def test_stars_are_those_of_the_corrected_p(summary: RunSummary, figure: Figure) -> None:
    rows = summary.scores.select(subject="all", roi="EVC", metric="rsa-spearman", layer="(chosen)").table
    expected = [("***" if p < 0.001 else "**" if p < 0.01 else "*" if p < 0.05 else "")
                for p in rows.sort_values("value", ascending=False)["p_corrected"]]  # fmt: skip
    assert [text for text in texts(figure) if set(text) <= {"*"}] == expected
    uncorrected = Scores(summary.scores.to_frame().assign(p_corrected=np.nan))
    bare = plot_ranking(uncorrected, roi="EVC", metric="rsa-spearman")
    assert not any("*" in text for text in texts(bare))


def test_ceiling_is_a_band_with_its_name(figure: Figure) -> None:
    band = figure.axes[0].patches[0]
    box: Any = band.get_extents().transformed(figure.axes[0].transData.inverted())
    assert (box.x0, box.x1) == (pytest.approx(0.242), pytest.approx(0.392))
    assert "noise ceiling 0.242 to 0.392, SE 0.021" in " ".join(figure.texts[i].get_text() for i in range(1))


def test_group_mean_is_never_drawn_against_a_ceiling(summary: RunSummary) -> None:
    figure = plot_ranking(summary.scores, roi="EVC", metric="rsa-spearman group mean")
    assert len(figure.axes[0].patches) == 0
    assert not any("ceiling" in text for text in texts(figure))


def test_chance_is_a_named_line_and_zero_an_unnamed_one(summary: RunSummary, figure: Figure) -> None:
    assert not any("chance" in text for text in texts(figure))
    other = plot_ranking(summary.scores, roi="EVC", metric="cka", reference=0.125)
    assert "chance 0.125" in texts(other)


def test_axis_names_metric_and_unit(figure: Figure) -> None:
    assert figure.axes[0].get_xlabel() == "rsa-spearman (Spearman r)"


def test_a_model_without_a_value_comes_last_and_draws(summary: RunSummary) -> None:
    rows = summary.scores.to_frame()
    rows.loc[rows["model"] == "gabor-energy", ["value", "ci_low", "ci_high"]] = np.nan
    figure = plot_ranking(Scores(rows), roi="EVC", metric="cka", width=364)
    assert [text for text in texts(figure) if text in ORDER][-1] == "gabor-energy"
    assert "–" in texts(figure)


def test_dollars_and_markup_in_a_name_stay_as_they_are(bare: RunSummary) -> None:
    rows = bare.scores.to_frame().assign(model="a$b_c$ <x>")
    figure = plot_ranking(Scores(rows), roi="", metric="ridge r")
    assert "a$b_c$ <x>" in texts(figure)
    assert not any(text.get_parse_math() for text in figure.axes[0].texts)


def test_unknown_region_is_refused(summary: RunSummary) -> None:
    with pytest.raises(InputError, match=r"no model-level result has roi 'V9' and metric 'cka'"):
        plot_ranking(summary.scores, roi="V9", metric="cka")
