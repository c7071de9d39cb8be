from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.checks import check_array, check_option, check_same_samples, check_unique
from alignkit._core.errors import InputError, UnknownNameError


def test_an_unknown_option_lists_close_matches():
    with pytest.raises(UnknownNameError, match="`metric` is 'spearmen', did you mean 'spearman'"):
        check_option("metric", "spearmen", ["spearman", "kendall"])


def test_an_option_like_nothing_lists_what_is_known():
    with pytest.raises(UnknownNameError, match="Known: kendall, spearman"):
        check_option("metric", "zzz", ["spearman", "kendall"])


def test_nan_is_counted_and_located():
    array = np.zeros((3, 2))
    array[1, 1] = array[2, 0] = np.nan
    with pytest.raises(
        InputError, match=r"`X` holds 2 NaN or infinite value\(s\), the first at index \(1, 1\)"
    ):
        check_array("X", array, ndim=2)


@pytest.mark.parametrize("value", [["a", "b"], [1j, 2j], [object()]])
def test_what_is_no_real_number_is_refused(value):
    with pytest.raises(InputError, match="`X` must hold real numbers, got dtype"):
        check_array("X", np.array(value), ndim=1)


def test_shape_and_row_errors_show_what_came():
    with pytest.raises(InputError, match=r"`X` must have 2 dimension\(s\), got shape \(3,\)"):
        check_array("X", np.zeros(3), ndim=2)
    with pytest.raises(InputError, match="`X` needs at least 4 rows, got 3"):
        check_array("X", np.zeros(3), ndim=1, min_rows=4)


def test_integers_become_float64_and_floats_stay():
    assert check_array("X", np.arange(3), ndim=1).dtype == np.float64
    assert check_array("X", np.zeros(3, np.float32), ndim=1).dtype == np.float32


def test_unequal_samples_show_both_numbers():
    with pytest.raises(InputError, match="same number of samples, got 3 and 4"):
        check_same_samples("X", np.zeros((3, 1)), "Y", np.zeros((4, 1)))


def test_duplicates_are_named_once():
    with pytest.raises(InputError, match=r"2 value\(s\) come more than once: 'a', 'b'"):
        check_unique("ids", ["a", "b", "a", "a", "b", "c"])


def test_ragged_and_masked_data_are_refused():
    with pytest.raises(InputError, match="`X` must be an array, got rows of different lengths"):
        check_array("X", [[1.0, 2.0], [3.0]], ndim=2)
    with pytest.raises(InputError, match="`X` has masked values"):
        check_array("X", np.ma.masked_array([1.0, 2.0], mask=[True, False]), ndim=1)
