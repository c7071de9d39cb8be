import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics._rounding import check_range, check_size, constant_along, equal_rows


def test_what_varies_by_rounding_alone_is_constant_and_what_varies_by_more_is_not():
    ulp = np.spacing(0.1)
    values = np.array([[0.1, 0.0, 1e8, 0.1, -0.1], [0.1 + ulp, 0.0, 1e8 + 1e-6, 0.1 + 20 * ulp, 0.1]])
    np.testing.assert_array_equal(constant_along(values, axis=0), [True, True, False, False, False])
    np.testing.assert_array_equal(constant_along(values.T, axis=1), [True, True, False, False, False])


def test_rows_are_equal_only_where_all_of_them_are():
    values = np.tile([0.1, 3.0, 1e8], (5, 1)) * (1 + 1.1e-16 * np.arange(5)[:, None])
    assert equal_rows(values, values - values.mean(axis=0))
    # The first row at the mean of all is not yet enough.
    values[3] += [0.1, 0.0, 0.0]
    values[4] -= [0.1, 0.0, 0.0]
    assert not equal_rows(values, values - values.mean(axis=0))
    assert not equal_rows(np.zeros((2, 1)), np.array([[1.0], [-1.0]]))


@pytest.mark.parametrize("values", [[1e61, 1.0], [-1e61, np.nan], [1e-61, -1e-62], [np.inf, 0.0]])
def test_sizes_whose_powers_leave_float64_are_refused_with_the_largest(values):
    with pytest.raises(InputError, match=r"`X` holds numbers of up to (1e.61|1e-61|inf), whose powers leave"):
        check_range("X", np.array(values))


def test_any_unit_of_measurement_missing_values_and_zeros_are_fine():
    for values in ([1e-30, -1e30], [np.nan, 1.0], [np.nan, np.nan], [0.0, 0.0], []):
        check_range("X", np.array(values))
    check_size("X", 0.0)
