from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import noise_covariance


@pytest.fixture
def residuals():
    rs = np.random.RandomState(0)
    rs.randn(20, 8), rs.randn(20, 8), rs.randn(20, 12)
    return rs.randn(50, 6) @ np.diag([1, 2, 3, 1, 2, 3])


@pytest.fixture
def correlated():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((30, 8)) @ np.diag(np.linspace(0.5, 2, 8))
    noise[:, 1] += 0.8 * noise[:, 0]
    return noise


@pytest.mark.parametrize(
    ("shrinkage", "first"),
    [
        ("diagonal", [0.8478959074, -0.0097396573, 0.0723729422]),
        ("identity", [1.5750249383, -0.031967091, 0.2375394088]),
        ("univariate", [0.8478959074, 0.0, 0.0]),
        ("none", [0.8478959074, -0.0398952625, 0.2964516563]),
    ],
)
def test_covariances_equal_the_published_toolbox_values(residuals, shrinkage, first):
    covariance = noise_covariance(residuals, shrinkage=shrinkage)
    np.testing.assert_allclose(covariance[0, :3], first, atol=1e-9)
    assert np.trace(covariance) == pytest.approx(27.041242230565217, abs=1e-9)
    np.testing.assert_array_equal(covariance, covariance.T)


def test_identity_shrinkage_equals_scikit_learn(correlated):
    expected, _ = ledoit_wolf(correlated)
    ours = noise_covariance(correlated, dof=30, shrinkage="identity")
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_no_shrinkage_equals_numpy(correlated):
    np.testing.assert_allclose(
        noise_covariance(correlated, shrinkage="none"), np.cov(correlated.T), rtol=1e-10
    )


def test_diagonal_shrinkage_takes_off_the_known_share_of_the_correlations(correlated):
    full = noise_covariance(correlated, dof=30, shrinkage="none")
    shrunk = noise_covariance(correlated, dof=29, shrinkage="diagonal") * 29 / 30
    assert 1 - shrunk[0, 1] / full[0, 1] == pytest.approx(0.771350, abs=1e-6)


def test_shrunk_covariances_can_be_inverted_with_more_channels_than_samples():
    noise = np.random.default_rng(0).standard_normal((10, 40))
    assert np.linalg.matrix_rank(noise_covariance(noise, shrinkage="none")) == 9
    for shrinkage in ("diagonal", "identity"):
        assert np.linalg.eigvalsh(noise_covariance(noise, shrinkage=shrinkage))[0] > 0


def test_many_samples_leave_nothing_to_shrink():
    root = np.array([[1.0, 0.8], [0.0, 0.6]])
    noise = np.random.default_rng(0).standard_normal((50_000, 2)) @ root
    full = noise_covariance(noise, shrinkage="none")
    for shrinkage in ("diagonal", "identity"):
        np.testing.assert_allclose(noise_covariance(noise, shrinkage=shrinkage), full, rtol=1e-3)


def test_a_shift_changes_nothing_and_a_scale_squares(correlated):
    for shrinkage in ("diagonal", "identity", "none", "univariate"):
        covariance = noise_covariance(correlated, shrinkage=shrinkage)
        np.testing.assert_allclose(
            noise_covariance(correlated + 5, shrinkage=shrinkage), covariance, atol=1e-12
        )
        np.testing.assert_allclose(
            noise_covariance(3 * correlated, shrinkage=shrinkage), 9 * covariance, rtol=1e-9
        )


def test_fewer_degrees_of_freedom_give_a_larger_covariance(correlated):
    ratio = noise_covariance(correlated, dof=20, shrinkage="none") / noise_covariance(
        correlated, dof=29, shrinkage="none"
    )
    np.testing.assert_allclose(ratio, 29 / 20)


def test_uncorrelated_channels_need_no_special_case():
    covariance = noise_covariance([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    np.testing.assert_allclose(covariance, np.eye(2) * 4 / 3)


def test_input_is_not_changed(correlated):
    before = correlated.copy()
    noise_covariance(correlated)
    np.testing.assert_array_equal(correlated, before)


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (np.eye(2), {}, "`residuals` needs at least 3 rows, got 2"),
        ([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]], {}, r"1 channel\(s\) of `residuals` are constant.* column 1"),
        (np.eye(4), {"dof": 0}, "above 0 and at most the number of samples, 4; got 0"),
        (np.eye(4), {"dof": 5}, "at most the number of samples, 4; got 5"),
    ],
)
def test_unusable_input_is_refused(value, options, message):
    with pytest.raises(InputError, match=message):
        noise_covariance(value, **options)


def test_an_unknown_shrinkage_is_refused(correlated):
    with pytest.raises(UnknownNameError, match="`shrinkage` is 'eye'"):
        noise_covariance(correlated, shrinkage="eye")


def test_torch_in_gives_torch_out_with_the_same_numbers(residuals):
    ours = noise_covariance(torch.from_numpy(residuals))
    assert isinstance(ours, torch.Tensor)
    np.testing.assert_array_equal(ours.numpy(), noise_covariance(residuals))


def test_residuals_without_channels_are_refused():
    with pytest.raises(InputError, match=r"`residuals` has no channels, got shape \(5, 0\)"):
        noise_covariance(np.zeros((5, 0)))
