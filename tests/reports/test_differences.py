"""The triangle of differences has each pair once, with the right sign."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PatchCollection, PathCollection
from matplotlib.figure import Figure

from alignkit._core.errors import InputError
from alignkit.reports import RunSummary, plot_differences
from alignkit.reports.differences import colour_map


def three(p: float = 0.01) -> pd.DataFrame:
    return pd.DataFrame({
        "roi": "V1", "metric": "cka", "model_a": ["a", "c", "b"], "model_b": ["b", "a", "c"],
        "difference": [0.1, -0.3, 0.2], "se": 0.01, "p": p, "p_corrected": [p, p, 0.5], "correction": "Holm",
    })  # fmt: skip


def cells(figure: Figure) -> PatchCollection:
    return next(c for c in figure.axes[0].collections if isinstance(c, PatchCollection))


def test_each_pair_is_the_better_minus_the_worse() -> None:
    figure = plot_differences(three(), roi="V1", metric="cka", order=["a", "b", "c"])
    shown = [text.get_text() for text in figure.axes[0].texts]
    # Rows b and c below a: b-a, c-a, c-b, read as column minus row; only p below .05 gets stars.
    assert [text for text in shown if "." in text] == ["0.10*", "0.30*", "0.20"]


def test_colour_is_even_about_zero() -> None:
    figure = plot_differences(three(), roi="V1", metric="cka", order=["c", "b", "a"])
    faces = cells(figure).get_facecolor()
    # Reversed order: every difference is negative now, the largest takes the scale's far end.
    expected = [colour_map()(0.5 + 0.5 * v / 0.3) for v in (-0.2, -0.3, -0.1)]
    np.testing.assert_allclose(np.asarray(faces), np.asarray(expected))


def test_thirty_models_keep_readable_cells(summary: RunSummary) -> None:
    names = [f"model-{i:02d}" for i in range(30)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    table = pd.DataFrame({
        "roi": "V1", "metric": "cka", "model_a": [a for a, _ in pairs], "model_b": [b for _, b in pairs],
        "difference": 0.1, "p_corrected": [0.01] * 100 + [0.2] * 335,
    })  # fmt: skip
    figure = plot_differences(table, roi="V1", metric="cka", order=names, width=364)
    extent = figure.axes[0].get_window_extent()
    assert extent.width / 30 >= 11
    assert extent.height / 30 >= 17
    assert len(cells(figure).get_paths()) == 435
    dots = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    assert sum(len(c.get_offsets()) for c in dots) == 100  # type: ignore[arg-type]


def test_ranks_name_rows_and_columns() -> None:
    figure = plot_differences(three(), roi="V1", metric="cka", order=["a", "b", "c"], unit="debiased CKA")
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert {"a", "b", "c", "1", "2", "3"} <= set(shown)
    assert figure.texts[0].get_text() == "column minus row (debiased CKA)"


def test_unknown_p_gets_no_mark() -> None:
    figure = plot_differences(three(np.nan), roi="V1", metric="cka", order=["a", "b", "c"])
    assert not any("*" in text.get_text() for text in figure.axes[0].texts)


def test_too_few_models_are_refused() -> None:
    with pytest.raises(InputError, match=r"roi 'V1' and metric 'cka' cover 1 of the 2 models in `order`"):
        plot_differences(three(), roi="V1", metric="cka", order=["a", "z"])
