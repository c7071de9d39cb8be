import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics._labels import unique_labels


@pytest.mark.parametrize(
    "labels",
    [[3, 1, 3], ["b", "a", "b"], [2.5, -1.0, 2.5], pd.Categorical(["y", "x", "y"]), [True, False, True]],
)
def test_labels_are_numbered_in_order(labels):
    names, codes = unique_labels("labels", np.asarray(labels))
    np.testing.assert_array_equal(codes, [1, 0, 1])
    np.testing.assert_array_equal(names[codes], np.asarray(labels))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0.0, np.nan]),
        np.array(["a", None], dtype=object),
        np.array(["a", np.nan], dtype=object),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
        np.array([1, pd.NA], dtype=object),
    ],
)
def test_a_missing_label_is_refused_with_its_place(labels):
    with pytest.raises(InputError, match=r"`runs` holds 1 NaN or missing label\(s\), the first at index 1"):
        unique_labels("runs", labels)


def test_labels_without_an_order_are_refused_with_their_kinds():
    with pytest.raises(InputError, match="`groups` mixes labels of the types int, str, which have no common"):
        unique_labels("groups", np.array([1, "a"], dtype=object))
