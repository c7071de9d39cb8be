from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics.similarity.canonical import canonical_correlations, cca, pwcca, svcca

FEW_SAMPLES = pytest.mark.filterwarnings("ignore:.*samples of .* dimensions:UserWarning")


@pytest.fixture
def known():
    rs = np.random.RandomState(0)
    X = rs.randn(20, 8)
    Y = rs.randn(20, 8) @ np.diag(np.arange(1, 9)) * 0.3 + 0.7 * X
    return X[:, :4], Y[:, :4]


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    return X, X @ rng.standard_normal((5, 7)) + 0.5 * rng.standard_normal((60, 7))


@FEW_SAMPLES
def test_canonical_correlations_equal_known_values(known):
    expected = [0.9683004715, 0.9132122728, 0.7917767, 0.4024083462]
    np.testing.assert_allclose(canonical_correlations(*known), expected, atol=2e-9)
    assert cca(*known) == pytest.approx(0.7689244473713454, rel=1e-12)


def test_all_members_of_the_family_equal_known_values(pair):
    X, Y = pair
    rho = canonical_correlations(X, Y)
    np.testing.assert_allclose(rho, [0.993429, 0.973838, 0.970495, 0.901441, 0.550159], atol=5e-7)
    assert cca(X, Y) == pytest.approx(0.877872, abs=5e-7)
    assert np.mean(rho**2) == pytest.approx(0.798479, abs=5e-7)
    assert pwcca(X, Y) == pytest.approx(0.884682, abs=5e-7)
    assert pwcca(Y, X) == pytest.approx(0.946430, abs=5e-7)
    assert svcca(X, Y) == pytest.approx(0.877199, abs=5e-7)


@FEW_SAMPLES
def test_pwcca_is_the_papers_formula_not_that_of_the_published_code(known):
    X, Y = known
    mean, A, B = X.mean(axis=0), X - X.mean(axis=0), Y - Y.mean(axis=0)
    whitener = [np.linalg.inv(np.linalg.cholesky(M.T @ M)) for M in (A, B)]
    roots = []
    for M in (A, B):
        values, vectors = np.linalg.eigh(M.T @ M)
        roots.append((vectors / np.sqrt(values)) @ vectors.T)
    U, rho, _ = np.linalg.svd(roots[0] @ A.T @ B @ roots[1])
    # Coefficients that are not whitened, means put back: the value that the published code gives.
    directions = np.linalg.qr(A @ U + mean)[0]
    weights = np.abs(directions.T @ X).sum(axis=1)
    assert weights @ rho / weights.sum() == pytest.approx(0.85040623624296, rel=1e-10)
    U, rho, _ = np.linalg.svd(whitener[0] @ A.T @ B @ whitener[1].T)
    weights = np.abs(U.T @ whitener[0] @ A.T @ A).sum(axis=1)
    assert pwcca(X, Y) == pytest.approx(weights @ rho / weights.sum(), rel=1e-12)
    assert pwcca(X + 100, Y) == pytest.approx(pwcca(X, Y), rel=1e-10)


def test_independent_responses_have_the_expected_mean_squared_correlation():
    rng = np.random.default_rng(0)
    draws = [
        np.mean(canonical_correlations(rng.standard_normal((150, 8)), rng.standard_normal((150, 20))) ** 2)
        for _ in range(40)
    ]
    assert np.mean(draws) == pytest.approx(20 / 149, abs=0.005)


def test_linear_maps_change_cca_of_neither_side_and_svcca_of_both(pair):
    X, Y = pair
    mixing = np.random.default_rng(1).standard_normal((5, 5)) @ np.diag([1, 1e-3, 10, 1, 1e3])
    assert cca(X @ mixing + 5, Y) == pytest.approx(cca(X, Y), rel=1e-9)
    assert abs(svcca(X @ mixing, Y) - svcca(X, Y)) > 0.01
    turned = np.linalg.qr(mixing)[0]
    assert svcca(X @ turned, Y) == pytest.approx(svcca(X, Y), rel=1e-12)
    assert abs(pwcca(X @ turned, Y) - pwcca(X, Y)) > 1e-4


@pytest.mark.filterwarnings("ignore:.*samples of .* dimensions:UserWarning")
def test_constant_repeated_and_tiny_units_do_not_disturb_ranks(pair):
    X, Y = pair
    # A constant whose mean is off by round-off must not count as a dimension.
    padded = np.column_stack([X[:, :3], np.full(60, 0.1), X[:, 0] + X[:, 1], 1e-15 * X[:, 3:]])
    np.testing.assert_allclose(canonical_correlations(padded, Y), canonical_correlations(X, Y), rtol=1e-9)


def test_one_unit_on_each_side_gives_the_absolute_correlation(pair):
    x, y = pair[0][:, :1], -pair[1][:, :1]
    assert cca(x, y) == pytest.approx(abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]), rel=1e-12)


def test_svcca_counts_variance_not_singular_values():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((100, 4)))[0]
    Q = np.linalg.qr(Q - Q.mean(axis=0))[0]
    X = Q * [10.0, 3.0, 1.0, 0.5]
    # 100 + 9 of 110.25 are .989 of the variance (singular values: .897), so that .98 takes two components.
    Y = X[:, :2] @ rng.standard_normal((2, 2))
    assert svcca(X, Y, variance=0.98) == pytest.approx(1.0, rel=1e-12)
    noisy = np.column_stack([Y, rng.standard_normal((100, 2))])
    assert svcca(X, noisy, variance=1.0) < 0.9


def test_too_few_samples_are_refused_and_scarce_ones_warned_of():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 12)), rng.standard_normal((20, 8))
    for metric in (cca, pwcca, canonical_correlations):
        with pytest.raises(
            InputError, match="20 samples of 12 and 8 dimensions.*n_components` \\(2 or fewer"
        ):
            metric(X, Y)
    with pytest.raises(InputError, match="lower `variance`"):
        svcca(X, Y, variance=1)
    with pytest.warns(
        UserWarning, match="20 samples of 12 and 7 dimensions.*squared canonical correlation of 0.63"
    ):
        cca(X, Y[:, :7])
    assert 0 < cca(rng.standard_normal((20, 500)), Y, n_components=2) < 1


def test_components_are_the_leading_ones(pair):
    X, Y = pair
    leading = [np.linalg.svd(M - M.mean(axis=0))[0][:, :2] for M in (X, Y)]
    assert cca(X, Y, n_components=2) == pytest.approx(cca(*leading), rel=1e-10)
    assert pwcca(X, Y, n_components=2) != pytest.approx(pwcca(X, Y))


def test_bad_input_is_refused_with_its_numbers(pair):
    X, Y = pair
    with pytest.raises(InputError, match="same number of samples, got 60 and 59"):
        cca(X, Y[:-1])
    with pytest.raises(InputError, match="1 NaN or infinite value.*index \\(3, 2\\)"):
        broken = X.copy()
        broken[3, 2] = np.nan
        cca(broken, Y)
    with pytest.raises(InputError, match="all 60 rows of `Y` are equal"):
        svcca(X, np.full((60, 3), 0.1))
    with pytest.raises(InputError, match="`variance` is a share.*got 99"):
        svcca(X, Y, variance=99)
    with pytest.raises(InputError, match="`n_components` must be 1 or more, got 0"):
        cca(X, Y, n_components=0)
    with pytest.raises(InputError, match="at least 2 rows, got 1"):
        cca(X[:1], Y[:1])
    with pytest.raises(InputError, match="`X` has no units"):
        cca(X[:, :0], Y)


def test_integers_are_taken_and_inputs_left_alone(pair):
    X, Y = (np.round(10 * side).astype(int) for side in pair)
    before = X.copy()
    assert pwcca(X, Y) == pwcca(X.astype(float), Y.astype(float))
    np.testing.assert_array_equal(X, before)


def test_torch_gives_the_same_numbers(pair):
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(side) for side in pair]
    rho = canonical_correlations(*tensors)
    assert isinstance(rho, torch.Tensor)
    np.testing.assert_allclose(rho.numpy(), canonical_correlations(*pair), rtol=1e-12)
    for metric in (cca, svcca, pwcca):
        assert metric(*tensors) == pytest.approx(metric(*pair), rel=1e-12)
