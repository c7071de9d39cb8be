from __future__ import annotations

import numpy as np
import pandas as pd

from alignkit.pipelines.time_findings import p_text, time_findings
from alignkit.recordings import Scores


def scores(values, p, **changes):
    return Scores(
        pd.DataFrame(
            {
                "subject": "all", "roi": "all", "model": "m", "layer": "(chosen)", "fold": "all",
                "metric": "rsa", "time_s": np.arange(len(values)) * 0.1, "value": values, "p_corrected": p,
                **changes,
            }
        )
    )  # fmt: skip


def test_peak_and_stretches_are_said():
    found = time_findings(scores([0, 0.2, 0.5, 0.1, 0.3], [1, 0.01, 0.0005, 0.2, 0.04]), ["rsa"], ["all"])
    assert found == [
        "m by rsa peaks at 200 ms (0.500; p < .001 corrected); 3 of 5 windows are told from nothing "
        "(100 to 200 ms, 400 ms)."
    ]


def test_nothing_is_said_to_be_nothing():
    found = time_findings(scores([0, 0.2, 0.1], [1, 0.5, 0.7]), ["rsa"], ["all"])
    assert found == [
        "m by rsa peaks at 100 ms (0.200; p = .500 corrected); none of 3 windows is told from nothing."
    ]


def test_the_peak_of_a_distance_is_its_least_value():
    found = time_findings(scores([3, 1, 2], [np.nan] * 3, closer="lower"), ["rsa"], ["all"])
    assert found == ["m by rsa peaks at 100 ms (1.000)."]


def test_a_model_without_values_is_said_to_have_none():
    found = time_findings(scores([np.nan] * 2, [np.nan] * 2), ["rsa"], ["all"])
    assert found == ["m by rsa has no value at any time."]


def test_p_is_written_as_in_print():
    assert (p_text(0.0004), p_text(0.0321)) == ("< .001", "= .032")
