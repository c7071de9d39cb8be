from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings.scores import Scores
from alignkit.reports import RunSummary, render
from alignkit.reports.matrices import Matrix, plot_matrix


def over_times(centre: float | None = 0.5) -> Matrix:
    times = tuple(np.arange(5) / 10 - 0.1)
    values = np.linspace(0.4, 0.9, 25).reshape(5, 5)
    return Matrix("AUC", values, times, times, "trained at (s)", "tested at (s)", "AUC", centre, "All times.")


def classes() -> Matrix:
    return Matrix("Taken for", np.array([[0.9, 0.1], [np.nan, 0.6]]), ("face", "house"), ("face", "house"),
                  "shown", "decoded", "share")  # fmt: skip


def summary() -> RunSummary:
    import pandas as pd

    table = pd.DataFrame({"subject": ["all"], "roi": ["all"], "model": ["ridge"], "layer": ["(chosen)"],
                          "metric": ["top-1"], "fold": ["all"], "value": [0.2]})  # fmt: skip
    return RunSummary(
        title="t", sentence="s", scores=Scores(table), matrices=(over_times(), classes()),
        cards=(("ridge", (("gallery", "120 images <held out>"),)),),
    )  # fmt: skip


def test_chance_is_the_middle_of_the_scale():
    image = plot_matrix(over_times()).axes[0].images[0]
    low, high = image.get_clim()
    assert (low + high) / 2 == pytest.approx(0.5)
    assert high == pytest.approx(0.9)


def test_times_grow_upwards_and_stand_in_the_middle_of_their_pixels():
    axes = plot_matrix(over_times()).axes[0]
    assert axes.images[0].origin == "lower"
    assert axes.images[0].get_extent() == pytest.approx([-0.15, 0.35, -0.15, 0.35])


def test_no_colour_is_drawn_for_scores_that_were_not_reached():
    bar = plot_matrix(over_times(0.5)).axes[1]
    assert bar.get_ylim() == pytest.approx((0.4, 0.9))
    assert plot_matrix(over_times(0.2)).axes[1].get_ylim() == pytest.approx((0.2, 0.9))


def test_shares_are_coloured_from_zero_so_that_small_differences_stay_small():
    assert plot_matrix(classes()).axes[0].images[0].get_clim() == pytest.approx((0.0, 0.9))


@pytest.mark.parametrize("constant", [0.0, 0.5])
def test_a_constant_matrix_is_drawn(constant):
    times = (0.0, 0.1)
    for centre in (None, 0.5):
        image = plot_matrix(
            Matrix("m", np.full((2, 2), constant), times, times, "a", "b", "AUC", centre)
        ).axes[0].images[0]  # fmt: skip
        assert image.get_clim()[0] < image.get_clim()[1]


def test_few_classes_make_a_small_picture_with_upright_names_and_long_names_are_turned():
    few = plot_matrix(classes())
    assert few.get_size_inches()[1] * 72 < 260
    assert {text.get_rotation() for text in few.axes[0].get_xticklabels()} == {0.0}
    names = tuple(f"a long class {i}" for i in range(8))
    many = plot_matrix(Matrix("m", np.eye(8), names, names, "shown", "decoded", "share"))
    assert {text.get_rotation() for text in many.axes[0].get_xticklabels()} == {90.0}


def test_names_stand_from_above_with_their_numbers():
    axes = plot_matrix(classes()).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["face", "house"]
    assert sorted(text.get_text() for text in axes.texts) == [".10", ".60", ".90"]


@pytest.mark.parametrize("width", [364, 548])
def test_nothing_leaves_the_figure(width):
    figures = [plot_matrix(matrix, width=width) for matrix in (classes(), over_times())]
    for figure in figures:
        figure.canvas.draw()
        for axes in figure.axes:
            box = axes.get_tightbbox().transformed(figure.transFigure.inverted())
            assert box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1


def test_another_number_of_names_is_refused():
    with pytest.raises(InputError, match=r"must be \(2, 3\), got \(2, 2\)"):
        Matrix("m", np.eye(2), ("a", "b"), ("a", "b", "c"), "rows", "columns", "unit")


def test_page_shows_matrices_and_protocols_escaped():
    page = render(summary())
    assert "120 images &lt;held out&gt;" in page
    assert 'id="matrices"' in page and 'id="protocol"' in page


def test_summary_keeps_matrices_and_protocols(tmp_path):
    summary().save(tmp_path / "s")
    loaded = RunSummary.load(tmp_path / "s")
    assert loaded.cards == summary().cards
    assert render(loaded) == render(summary())
    np.testing.assert_array_equal(loaded.matrices[1].values, classes().values)
    assert loaded.matrices[0].rows == over_times().rows
