"""The figure of networks and their twins: what is drawn where."""

from __future__ import annotations

import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.reports.twins import plot_twins, twin_rows


def table():
    rows = [
        ("V4", "r", "hmax", "hmax-untrained", "untrained", 0.40, 0.30, 0.10, 0.01, 0.002, 0.004),
        ("V4", "r", "hmax", "hmax-matched", "matched", 0.40, 0.45, -0.05, 0.02, 0.3, 0.3),
        ("V4", "r", "cornet", "cornet-untrained", "untrained", 0.20, 0.21, -0.01, 0.02, 0.7, 0.7),
    ]
    columns = [
        "roi", "metric", "model", "twin", "kind", "value", "twin_value", "difference", "se", "p",
        "p_corrected",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("width", [548, 364])
def test_every_network_has_a_row_the_best_first_and_stars_where_it_differs(width):
    figure = plot_twins(table(), roi="V4", metric="r", width=width)
    axes, key = figure.axes
    values = [tuple(round(x, 3) for x in c.get_offsets()[:, 0].tolist()) for c in axes.collections]
    assert sorted(v[0] for v in values) == [0.2, 0.21, 0.3, 0.4, 0.45]
    rows = {round(float(c.get_offsets()[0, 0]), 2): float(c.get_offsets()[0, 1]) for c in axes.collections}
    assert rows[0.4] == rows[0.3] == rows[0.45] < rows[0.2] == rows[0.21]
    stars = [text.get_text() for text in axes.texts if "*" in text.get_text()]
    assert stars == ["*○"]
    assert [text.get_text() for text in key.texts] == [
        "network", "untrained twin", "matched twin: standard, without the mechanism",
    ]  # fmt: skip


def test_a_region_without_twins_is_refused():
    with pytest.raises(InputError, match="no network has a twin in roi 'IT'"):
        plot_twins(table(), roi="IT", metric="r")


def test_the_table_holds_every_pair():
    rows = twin_rows(table()).rows
    assert len(rows) == 3
    assert rows[0][:4] == ("V4", "hmax", "hmax-untrained", "untrained")
