from __future__ import annotations

import pandas as pd

from alignkit.pipelines.pictures import by_label


def test_stimuli_of_one_category_are_put_together():
    labels = pd.DataFrame({"stimulus_id": list("abcd"), "kind": ["x", "y", "x", "y"]})
    assert by_label(list("abcd"), labels) == ["a", "c", "b", "d"]


def test_an_order_that_is_grouped_already_stays():
    labels = pd.DataFrame({"stimulus_id": list("abcd"), "kind": ["y", "y", "x", "x"]})
    assert by_label(list("abcd"), labels) == list("abcd")
    assert by_label(list("ba"), None) == ["b", "a"]
