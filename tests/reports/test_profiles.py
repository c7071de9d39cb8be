"""Profiles follow the layers, courses follow the time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings import Scores
from alignkit.reports import RunSummary, plot_layer_profile, plot_time_course


def over_time() -> Scores:
    times = np.linspace(-0.1, 0.5, 13)
    rows = [
        {"subject": "all", "roi": "", "model": model, "family": model, "layer": "(chosen)", "fold": "all",
         "metric": "rsa-spearman", "unit": "Spearman r", "time_s": t, "value": scale * max(t, 0.0)}
        for model, scale in (("a", 0.2), ("b", 0.4))
        for t in times[::-1]
    ]  # fmt: skip
    return Scores(pd.DataFrame(rows))


def test_a_profile_holds_the_layers_values_in_order(summary: RunSummary) -> None:
    figure = plot_layer_profile(summary.scores, roi="IT", metric="cka")
    rows = summary.scores.select(subject="all", roi="IT", metric="cka", model="hmax").table
    expected = rows.loc[rows["layer"] != "(chosen)", "value"].to_numpy()
    lines = [np.asarray(line.get_ydata()) for line in figure.axes[0].get_lines()]
    match = [line for line in lines if len(line) == 4 and np.array_equal(line, expected)]
    assert len(match) == 1
    x = [np.asarray(line.get_xdata()) for line in figure.axes[0].get_lines()[:6]]
    assert all(depths[0] == 0 and depths[-1] == 1 for depths in x)


def test_models_with_one_layer_have_no_line(summary: RunSummary) -> None:
    figure = plot_layer_profile(summary.scores, roi="EVC", metric="cka")
    named = {text.get_text() for text in figure.axes[0].texts}
    assert {"hmax", "gabor-energy"} <= named
    assert not {"pixels", "animacy"} & named


def test_labels_never_cover_each_other(summary: RunSummary) -> None:
    figure = plot_layer_profile(summary.scores, roi="EVC", metric="rsa-spearman", width=364)
    heights = sorted(t.xyann[1] for t in figure.axes[0].texts if t.get_text() in MODELS)  # type: ignore[attr-defined]
    assert len(heights) >= 3
    assert min(np.diff(heights)) >= 15 - 1e-6


MODELS = {"gabor-energy", "hmax", "random-resnet50", "random-vit-s"}


def test_profile_stands_against_the_ceiling_of_its_region(summary: RunSummary) -> None:
    figure = plot_layer_profile(summary.scores, roi="IT", metric="rsa-spearman")
    assert any("noise ceiling 0.453 to 0.542" in text.get_text() for text in figure.texts)


def test_no_profile_without_two_layers(bare: RunSummary) -> None:
    with pytest.raises(InputError, match=r"no model has two layers with roi '' and metric 'ridge r'"):
        plot_layer_profile(bare.scores, roi="", metric="ridge r")


def test_a_course_is_sorted_by_time_in_seconds() -> None:
    figure = plot_time_course(over_time(), roi="", metric="rsa-spearman")
    line = figure.axes[0].get_lines()[0]
    np.testing.assert_allclose(np.asarray(line.get_xdata()), np.linspace(-0.1, 0.5, 13))
    np.testing.assert_allclose(np.asarray(line.get_ydata())[-1], 0.1)
    assert figure.axes[0].get_xlabel() == "time from stimulus onset (s)"


def test_no_course_without_times(summary: RunSummary) -> None:
    with pytest.raises(InputError, match=r"no result over time has roi 'EVC' and metric 'cka'"):
        plot_time_course(summary.scores, roi="EVC", metric="cka")
