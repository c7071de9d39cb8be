from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.solvers._held_out import check_parts, path_errors, r2_from_errors


def test_the_running_sum_is_the_error_of_every_number_of_components():
    rng = np.random.default_rng(0)
    scores, weights, truth = (
        rng.standard_normal((9, 5)),
        rng.standard_normal((5, 4)),
        rng.standard_normal((9, 4)),
    )
    direct = [((truth - scores[:, :k] @ weights[:k]) ** 2).sum(0) for k in range(6)]
    np.testing.assert_allclose(path_errors(scores, weights, truth), direct, rtol=1e-12)


def test_a_perfect_fit_has_no_negative_error():
    rng = np.random.default_rng(0)
    scores, weights = rng.standard_normal((50, 5)), rng.standard_normal((5, 400))
    errors = path_errors(scores, weights, scores @ weights)
    assert (errors >= 0).all()
    np.testing.assert_allclose(errors[-1] / errors[0], 0, atol=1e-14)


def test_r2_is_about_the_test_parts_own_mean_and_0_for_a_constant():
    held_out = np.array([[1.0, 0.1], [2.0, 0.1], [3.0, 0.1]])
    np.testing.assert_allclose(r2_from_errors(np.array([0.5, 7.0]), held_out), [0.75, 0])


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([], "`folds` is empty"),
        ([([0, 1], [1, 2])], r"fold 0 has 1 row\(s\) in both .* such as row 1"),
        ([([0, 1], [2, 3]), ([0, 1, 2], [3])], r"test part of fold 1 has 1 row\(s\), but needs at least 2"),
        ([([0], [1, 2])], r"training part of fold 0 has 1 row\(s\)"),
        ([([0, 1], [2, 9])], "names row 9, but there are 5 samples"),
        ([([0.0, 1.0], [2, 3])], "must be a list of row numbers, got dtype float64"),
    ],
)
def test_folds_that_cannot_be_used_are_refused(folds, message):
    with pytest.raises(InputError, match=message):
        check_parts(folds, 5)
