from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials._runs import (
    RunModel,
    check_confounds,
    nuisance_regressors,
    orthonormal,
    usable_voxels,
    voxel_blocks,
)


def model(series, degree=1, rows=None):
    regressors = nuisance_regressors(len(series), tr_s=2.0, degree=degree, confounds=None)
    basis = orthonormal(regressors if rows is None else regressors[rows])
    return RunModel(1, series, rows, basis, (np.zeros((len(basis), 1)),), np.arange(1))


def test_nuisance_regressors_span_polynomials_and_confounds():
    rng = np.random.default_rng(0)
    confounds = 1000 + rng.standard_normal((30, 2))
    basis = orthonormal(nuisance_regressors(30, tr_s=2.0, degree=2, confounds=confounds))
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)
    time = np.arange(30.0)
    for known in (np.ones(30), time, time**2, confounds[:, 0], confounds[:, 1]):
        np.testing.assert_allclose(basis @ (basis.T @ known), known, rtol=1e-6, atol=1e-10)
    assert np.abs(basis @ (basis.T @ time**3) - time**3).max() > 1


@pytest.mark.parametrize(("minutes", "degree"), [(1, 0), (5, 2), (8, 4)])
def test_the_degree_is_half_the_minutes(minutes, degree):
    found = nuisance_regressors(minutes * 30, tr_s=2.0, degree="auto", confounds=None)
    assert found.shape[1] == degree + 1


def test_confounds_that_repeat_each_other_count_once():
    one = np.random.default_rng(0).standard_normal((30, 1))
    confounds = np.concatenate([one, 2 * one, np.zeros((30, 1)), np.ones((30, 1))], axis=1)
    assert orthonormal(nuisance_regressors(30, tr_s=2.0, degree=0, confounds=confounds)).shape[1] == 2


def test_rows_and_blocks_read_the_same_numbers():
    series = np.random.default_rng(0).integers(0, 1000, (12, 7)).astype(np.int16)
    rows = np.array([0, 2, 3, 7, 8, 11])
    whole = model(series, rows=rows)
    np.testing.assert_array_equal(whole.series(np.arange(1, 4)), series[rows, 1:4])
    np.testing.assert_array_equal(whole.series(np.array([6, 0, 3])), series[rows][:, [6, 0, 3]])
    assert np.concatenate(list(voxel_blocks([whole], np.arange(7)))).tolist() == list(range(7))


def test_voxels_that_cannot_be_used_are_found_and_named():
    rng = np.random.default_rng(0)
    good = 100 + rng.standard_normal((40, 6))
    series = [good.copy(), good + 1]
    series[0][:, 0] = 5.0
    series[1][3, 1] = np.nan
    series[0][:, 2] = 100 + np.arange(40)
    series[1][:, 3] -= 101
    usable, mean, notes = usable_voxels([model(each) for each in series], 6, is_percent=True)
    assert usable.tolist() == [4, 5]
    np.testing.assert_allclose(mean[4:], 100.5, atol=0.5)
    assert "3 of 6 voxels are constant, nothing but drift, or not finite in a run" in notes[0]
    assert "1 of 6 voxels have a mean below their standard deviation" in notes[1]
    assert usable_voxels([model(each) for each in series], 6, is_percent=False)[0].tolist() == [3, 4, 5]


def test_centred_series_have_no_per_cent():
    series = np.random.default_rng(0).standard_normal((40, 5))
    with pytest.raises(InputError, match="5 of 5 voxels have a mean below .* Set `unit` to 'data'"):
        usable_voxels([model(series)], 5, is_percent=True)


def test_nothing_to_use_is_refused():
    with pytest.raises(InputError, match="none of the 3 voxels varies in every run"):
        usable_voxels([model(np.ones((10, 3)))], 3, is_percent=False)


@pytest.mark.parametrize(
    ("confounds", "message"),
    [
        ([np.ones((9, 2))], "confounds of run 1 have 9 rows, but the run has 10 volumes"),
        ([pd.DataFrame({"fd": [np.nan, *range(9)]})], "confounds of run 1` holds 1 NaN"),
        ([], "a table for each of 1 runs, got 0"),
        (pd.DataFrame({"x": range(10)}), "a table for each of 1 runs, got one table"),
    ],
)
def test_confounds_that_do_not_fit_are_refused(confounds, message):
    with pytest.raises(InputError, match=message):
        check_confounds(confounds, [10])


@pytest.mark.parametrize("degree", [-1, 1.5, True, "two"])
def test_a_degree_is_a_whole_number(degree):
    with pytest.raises(InputError, match="`polynomial_degree` must be 'auto' or a whole number"):
        nuisance_regressors(10, tr_s=2.0, degree=degree, confounds=None)
