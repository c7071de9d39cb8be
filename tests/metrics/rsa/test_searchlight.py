from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import compare_rdms, crossnobis, noise_covariance, rdm
from alignkit.metrics.rsa.neighbourhoods import spatiotemporal_neighbours, volume_neighbours
from alignkit.metrics.rsa.searchlight import iterate_searchlight_rdms, searchlight_compare, searchlight_rdms

N_PATTERNS = 9
PLAIN = ["correlation", "cosine", "euclidean", "squared-euclidean"]


@pytest.fixture(scope="module")
def spheres():
    return volume_neighbours(np.argwhere(np.ones((5, 4, 4))), radius_mm=1.5)


@pytest.fixture(scope="module")
def patterns(spheres):
    # A large offset per channel and per pattern, as raw images have.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_PATTERNS, spheres.shape[1]))
    return X + 3 * rng.standard_normal(spheres.shape[1]) + 3 * rng.standard_normal((N_PATTERNS, 1))


@pytest.fixture(scope="module")
def models():
    return np.random.default_rng(1).random((2, N_PATTERNS * (N_PATTERNS - 1) // 2))


def channels_of(spheres, centre):
    return spheres.indices[spheres.indptr[centre] : spheres.indptr[centre + 1]]


@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_every_sphere_has_the_rdm_of_its_columns(patterns, spheres, method, batch_size):
    ours = searchlight_rdms(patterns, spheres, method=method, batch_size=batch_size)
    for centre, distances in enumerate(ours):
        expected = rdm(patterns[:, channels_of(spheres, centre)], method=method)
        np.testing.assert_allclose(distances, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("weighting", ["number", "equal"])
@pytest.mark.parametrize("balanced", [True, False])
def test_crossnobis_of_every_sphere_is_that_of_its_columns(spheres, weighting, balanced):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((24, spheres.shape[1]))
    conditions = np.arange(24) % 4
    runs = np.arange(24) // 8 if balanced else rng.permutation(np.arange(24) // 6)
    options = {"conditions": conditions, "runs": runs, "weighting": weighting}
    ours = searchlight_rdms(X, spheres, method="crossnobis", **options)
    for centre, distances in enumerate(ours):
        expected = crossnobis(X[:, channels_of(spheres, centre)], conditions, runs, weighting=weighting)
        np.testing.assert_allclose(distances, expected, rtol=1e-10, atol=1e-10)


def test_residuals_whiten_every_sphere_by_its_own_noise(spheres):
    rng = np.random.default_rng(3)
    X, conditions, runs = rng.standard_normal((8, 80)), np.arange(8) % 4, np.arange(8) // 4
    residuals = rng.standard_normal((40, 80)) * rng.gamma(2, size=80)
    some = spheres[:10]
    crossed = searchlight_rdms(
        X, some, method="crossnobis", conditions=conditions, runs=runs, residuals=residuals, dof=36
    )
    plain = searchlight_rdms(X, some, method="mahalanobis", residuals=residuals)
    for centre in range(10):
        channels = channels_of(some, centre)
        precision = np.linalg.inv(noise_covariance(residuals[:, channels], dof=36))
        expected = crossnobis(X[:, channels], conditions, runs, precision=precision)
        np.testing.assert_allclose(crossed[centre], expected, rtol=1e-8, atol=1e-10)
        precision = np.linalg.inv(noise_covariance(residuals[:, channels]))
        expected = rdm(X[:, channels], method="mahalanobis", precision=precision)
        np.testing.assert_allclose(plain[centre], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", PLAIN)
def test_float32_patterns_give_float32_rdms_near_those_of_float64(patterns, spheres, method):
    ours = searchlight_rdms(patterns.astype(np.float32), spheres, method=method)
    assert ours.dtype == np.float32
    expected = searchlight_rdms(patterns.astype(np.float32).astype(np.float64), spheres, method=method)
    assert expected.dtype == np.float64
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(
    "comparison", ["bures", "cosine", "pearson", "rho-a", "spearman", "tau-a", "whitened-cosine"]
)
def test_scores_are_those_of_the_rdms(patterns, spheres, models, comparison):
    method = "squared-euclidean" if comparison == "bures" else "correlation"
    if comparison == "bures":
        models = np.stack([rdm(patterns[:, k : k + 20], method=method) for k in (0, 40)])
    ours = searchlight_compare(patterns, spheres, models, method=method, comparison=comparison)
    expected = compare_rdms(models, searchlight_rdms(patterns, spheres, method=method), method=comparison)
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("comparison", ["cosine", "pearson", "spearman"])
def test_pairs_without_a_model_value_are_left_out(patterns, spheres, models, comparison):
    holed = models.copy()
    holed[0, 3:9] = np.nan
    ours = searchlight_compare(patterns, spheres, holed, comparison=comparison)
    expected = compare_rdms(holed, searchlight_rdms(patterns, spheres), method=comparison)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


@pytest.mark.parametrize("comparison", ["cosine", "pearson", "spearman"])
def test_a_condition_of_one_run_is_left_out_of_the_comparison(spheres, comparison):
    rng = np.random.default_rng(0)
    X, conditions = rng.standard_normal((11, 80)), np.r_[np.arange(5), np.arange(5), 5]
    runs = np.r_[np.zeros(5), np.ones(6)]
    model = rng.random(15)
    options = {"method": "crossnobis", "conditions": conditions, "runs": runs}
    rdms = searchlight_rdms(X, spheres, **options)
    assert np.isnan(rdms).sum(axis=1).tolist() == [5] * len(rdms)
    ours = searchlight_compare(X, spheres, model, comparison=comparison, **options)
    np.testing.assert_allclose(ours, compare_rdms(model[None], rdms, method=comparison), rtol=1e-10)


def test_batches_come_with_their_centres_once_each(patterns, spheres):
    whole = searchlight_rdms(patterns, spheres)
    seen = []
    for centres, rdms in iterate_searchlight_rdms(patterns, spheres, batch_size=3):
        assert len(centres) <= 3
        np.testing.assert_allclose(rdms, whole[centres], rtol=1e-12, atol=1e-14)
        seen.extend(centres)
    assert sorted(seen) == list(range(spheres.shape[0]))


@pytest.mark.parametrize("comparison", ["pearson", "spearman", "cosine"])
def test_where_there_is_no_rdm_there_is_nan_and_nowhere_else(patterns, models, comparison):
    X = patterns[:, :12].copy()
    X[2, 4:8] = 0.1
    neighbours = csr_array(np.array([[1] * 12, [0] * 12, [0] * 4 + [1] * 4 + [0] * 4, [1] + [0] * 11]))
    rdms = searchlight_rdms(X, neighbours)
    pairs = np.stack(np.triu_indices(N_PATTERNS, k=1))
    np.testing.assert_array_equal(np.isnan(rdms[2]), (pairs == 2).any(axis=0))
    assert np.isnan(rdms).sum(axis=1).tolist() == [0, 36, 8, 36]
    scores = searchlight_compare(X, neighbours, models, comparison=comparison)
    np.testing.assert_array_equal(np.isnan(scores), [[False, True, True, True]] * 2)


@pytest.mark.parametrize("comparison", ["pearson", "spearman", "cosine"])
def test_distances_that_are_all_the_same_cannot_be_compared(models, comparison):
    X = np.full((N_PATTERNS, 2), 0.3)
    scores = searchlight_compare(X, csr_array([[1, 1]]), models, method="euclidean", comparison=comparison)
    assert np.isnan(scores).all()


def test_stored_zeros_are_no_neighbours(patterns):
    stored = csr_array((np.array([1.0, 0.0, 1.0]), np.array([0, 1, 2]), np.array([0, 3])), shape=(1, 80))
    expected = rdm(patterns[:, [0, 2]], method="euclidean")
    np.testing.assert_allclose(
        searchlight_rdms(patterns, stored, method="euclidean")[0], expected, rtol=1e-10
    )
    assert stored.nnz == 3


def test_a_spatiotemporal_searchlight_takes_channels_and_times():
    X = np.random.default_rng(0).standard_normal((6, 4, 5))
    space = csr_array(np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool))
    neighbours = spatiotemporal_neighbours(space, n_times=5, window=3)
    ours = searchlight_rdms(X.reshape(6, -1), neighbours).reshape(2, 3, -1)
    np.testing.assert_allclose(ours[1, 2], rdm(X[:, 2:, 2:].reshape(6, -1)), rtol=1e-10)


def test_a_planted_sphere_is_found_and_a_volume_of_noise_is_at_chance():
    rng = np.random.default_rng(0)
    positions = np.argwhere(np.ones((9, 9, 9)))
    spheres = volume_neighbours(positions, radius_mm=2.0, affine=np.eye(4))
    planted = np.linalg.norm(positions - [3, 4, 5], axis=1) <= 2.0
    latent = rng.standard_normal((20, 5))
    noise = rng.standard_normal((20, len(positions)))
    X = noise.copy()
    X[:, planted] += latent @ rng.standard_normal((5, planted.sum()))
    model = rdm(latent, method="euclidean")
    options = {"method": "euclidean", "comparison": "pearson"}
    found = searchlight_compare(X, spheres, model, **options)[0]
    assert positions[found.argmax()].tolist() == [3, 4, 5]
    assert found.max() > 0.6
    null = searchlight_compare(noise, spheres, model, **options)[0]
    far = np.linalg.norm(positions - [3, 4, 5], axis=1) > 4.5
    assert abs(null.mean()) < 0.05
    assert np.abs(null).max() < found.max() - 0.2
    np.testing.assert_allclose(found[far], null[far], rtol=1e-9, atol=1e-12)


def test_scores_equal_those_of_rsatoolbox(patterns, spheres, models):
    peer = pytest.importorskip("rsatoolbox.util.searchlight", exc_type=ImportError)
    around = [channels_of(spheres, centre) for centre in range(20)]
    theirs = peer.get_searchlight_RDMs(
        patterns, np.arange(20), around, np.arange(N_PATTERNS), method="correlation", verbose=False
    )
    ours = searchlight_rdms(patterns, spheres[:20])
    np.testing.assert_allclose(ours, theirs.dissimilarities, rtol=1e-9)


def test_torch_in_gives_torch_out_with_the_same_numbers(patterns, spheres, models):
    X = torch.from_numpy(patterns)
    rdms = searchlight_rdms(X, spheres)
    scores = searchlight_compare(X, spheres, torch.from_numpy(models))
    assert isinstance(rdms, torch.Tensor)
    assert isinstance(scores, torch.Tensor)
    np.testing.assert_array_equal(rdms.numpy(), searchlight_rdms(patterns, spheres))
    np.testing.assert_array_equal(scores.numpy(), searchlight_compare(patterns, spheres, models))


@pytest.mark.parametrize("method", [*PLAIN, "crossnobis"])
def test_input_is_not_changed(patterns, spheres, models, method):
    labels = {"conditions": np.arange(9) % 3, "runs": np.arange(9) // 3} if method == "crossnobis" else {}
    model = models[:, :3] if method == "crossnobis" else models
    for order in ("C", "F"):
        X = np.array(patterns, order=order)
        searchlight_compare(X, spheres, model, method=method, comparison="pearson", **labels)
        np.testing.assert_array_equal(X, patterns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbours": np.eye(80)}, "`neighbours` must be a sparse array.*there are 80; got ndarray"),
        ({"neighbours": csr_array((3, 79))}, r"there are 80; got shape \(3, 79\)"),
        ({"X": np.full((3, 80), np.nan)}, "240 NaN or infinite"),
        ({"X": np.ones((1, 80))}, "`X` needs at least 2 rows, got 1"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"method": "crossnobis"}, "method 'crossnobis' needs `conditions` and `runs`"),
        ({"runs": np.arange(9)}, "method 'correlation' takes no `conditions` and `runs`"),
        ({"residuals": np.eye(80)}, "method 'correlation' takes no `residuals`"),
        ({"method": "mahalanobis"}, "method 'mahalanobis' needs `residuals`"),
        ({"method": "mahalanobis", "residuals": np.eye(79)}, r"there are 80; got shape \(79, 79\)"),
        ({"method": "mahalanobis", "residuals": np.ones((9, 80))}, r"80 channel\(s\).*the first is column 0"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(patterns, spheres, change, message):
    given = {"X": patterns, "neighbours": spheres} | change
    with pytest.raises(InputError, match=message):
        searchlight_rdms(given.pop("X"), given.pop("neighbours"), **given)


def test_unusable_models_are_refused(patterns, spheres):
    with pytest.raises(InputError, match="must hold the 36 pairs of 9 patterns, got 35"):
        searchlight_compare(patterns, spheres, np.ones(35))
    with pytest.raises(InputError, match="RDM 0 of `a` is constant over the 36 pairs"):
        searchlight_compare(patterns, spheres, np.ones(36), comparison="pearson")
    with pytest.raises(UnknownNameError, match="`comparison` is 'pearsons', did you mean 'pearson'"):
        searchlight_compare(patterns, spheres, np.ones(36), comparison="pearsons")
    with pytest.raises(UnknownNameError, match="`method` is 'poisson'"):
        searchlight_rdms(patterns, spheres, method="poisson")


def test_a_channel_stored_twice_is_a_neighbour_once_and_numbers_must_be_finite():
    X = np.random.default_rng(0).standard_normal((6, 4))
    twice = csr_array((np.ones(4), [0, 1, 1, 3], [0, 4]), shape=(1, 4))
    once = csr_array(np.array([[1, 1, 0, 1]]))
    np.testing.assert_array_equal(searchlight_rdms(X, twice), searchlight_rdms(X, once))
    assert twice.nnz == 4
    with pytest.raises(InputError, match="`neighbours.data` holds 1 NaN"):
        searchlight_rdms(X, csr_array(np.array([[1.0, np.nan, 0.0, 1.0]])))
    with pytest.raises(
        InputError, match="`neighbours` must be bool, or numbers that are not 0, got complex128"
    ):
        searchlight_rdms(X, once.astype(complex))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_two_channels_correlate_with_one_or_minus_one_exactly(kind):
    # Left to rounding, equal distances would be ordered by it, and rank correlations with them.
    X = np.random.default_rng(0).standard_normal((24, 2)).astype(kind)
    found = searchlight_rdms(X, csr_array(np.ones((1, 2))))[0]
    rising = X[:, 0] < X[:, 1]
    np.testing.assert_array_equal(squareform(found), 2.0 * (rising[:, None] != rising))
    np.testing.assert_array_equal(rdm(X), found)


def test_half_precision_is_computed_in_full():
    X = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float16)
    spheres = csr_array(np.ones((1, 4)))
    found = searchlight_rdms(X, spheres, method="euclidean")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, searchlight_rdms(X.astype(np.float64), spheres, method="euclidean"))


def test_noise_that_cannot_be_inverted_is_refused():
    X = np.random.default_rng(0).standard_normal((6, 3))
    noise = np.random.default_rng(1).standard_normal((2, 3))[[0, 1, 0, 1, 0, 1, 0, 1]]
    with pytest.raises(
        InputError, match="the noise covariance of the 3 channels around a centre is singular"
    ):
        searchlight_rdms(X, csr_array(np.ones((1, 3))), method="mahalanobis", residuals=noise)


@pytest.mark.parametrize(("kind", "size"), [(np.float32, 1e3), (np.float64, 1e7)])
@pytest.mark.parametrize("method", ["euclidean", "squared-euclidean", "correlation", "cosine"])
def test_small_distances_beside_a_large_common_pattern_or_one_large_pattern_keep_their_digits(
    kind, size, method
):
    X = np.random.default_rng(0).standard_normal((12, 40))
    common = (X + size * np.linspace(0, 1, 40)).astype(kind)
    outlier = (X * np.where(np.arange(12) == 0, size, 1)[:, None]).astype(kind)
    for values in (common, outlier):
        found = searchlight_rdms(values, csr_array(np.ones((1, 40))), method=method)[0]
        expected = rdm(values.astype(np.float64), method=method)
        np.testing.assert_allclose(found, expected, rtol=1e-4 if kind == np.float32 else 1e-7)
