"""The spread over channels is that of the channels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from alignkit._core.errors import InputError
from alignkit.reports import plot_channel_values


def values() -> pd.DataFrame:
    low = pd.DataFrame({"model": "low", "value": np.arange(101) / 1000})
    high = pd.DataFrame({"model": "high", "value": [*(np.arange(101) / 100), np.nan]})
    return pd.concat([low, high]).assign(roi="V4", metric="ridge r")


def test_medians_are_sorted_and_channels_without_value_not_counted() -> None:
    figure = plot_channel_values(values(), roi="V4", metric="ridge r", unit="Pearson r")
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["high", "0.500, n = 101", "low", "0.050, n = 101"]
    assert figure.axes[0].get_xlabel() == "ridge r (Pearson r)"


@pytest.mark.parametrize("width", [548, 364])
def test_lines_cover_quartiles_and_ninety_per_cent(width: int) -> None:
    figure = plot_channel_values(values(), roi="V4", metric="ridge r", width=width)
    lines = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    ends = [c.get_segments()[0][:, 0].tolist() for c in lines[:2]]
    assert ends[0] == pytest.approx([0.05, 0.95])
    assert ends[1] == pytest.approx([0.25, 0.75])


def test_no_channel_is_refused() -> None:
    with pytest.raises(InputError, match=r"no channel has a value with roi 'V1' and metric 'ridge r'"):
        plot_channel_values(values(), roi="V1", metric="ridge r")
