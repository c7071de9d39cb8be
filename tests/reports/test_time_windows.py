from __future__ import annotations

import numpy as np
import pandas as pd

from alignkit.reports.time_windows import peak_of, stretches, stretches_text, told_from_nothing


def test_neighbouring_windows_make_a_stretch():
    times = pd.Series([0.0, 0.1, 0.2, 0.3, 0.4])
    assert stretches(times, pd.Series([0.1, 0.2, 0.4])) == [(0.1, 0.2), (0.4, 0.4)]
    assert stretches_text(times, pd.Series([0.4, 0.2, 0.1])) == "100 to 200 ms, 400 ms"
    assert stretches(times, pd.Series([], dtype=float)) == []


def test_the_peak_is_the_highest_value_or_the_least_distance():
    rows = pd.DataFrame({"value": [1.0, np.nan, 3.0], "closer": "higher", "time_s": [0, 1, 2]})
    assert peak_of(rows)["time_s"] == 2
    assert peak_of(rows.assign(closer="lower"))["time_s"] == 0
    assert peak_of(rows.assign(value=np.nan)) is None


def test_windows_are_told_by_corrected_p():
    rows = pd.DataFrame({"time_s": [2.0, 1.0, 0.0], "p_corrected": [0.01, 0.049, 0.05]})
    assert told_from_nothing(rows)["time_s"].tolist() == [1.0, 2.0]
