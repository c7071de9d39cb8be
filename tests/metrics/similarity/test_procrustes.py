from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import compare_rdms
from alignkit.metrics.similarity.procrustes import shape_distance, shape_distance_from_grams


@pytest.fixture
def known():
    rs = np.random.RandomState(0)
    X = rs.randn(20, 8)
    Y = rs.randn(20, 8) @ np.diag(np.arange(1, 9)) * 0.3 + 0.7 * X
    return X, Y, rs.randn(20, 12)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    return X, X @ rng.standard_normal((5, 7)) + 0.5 * rng.standard_normal((60, 7))


def nuclear(X, Y):
    """Return the distance by its definition, both sides centred and padded."""
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    norms = np.linalg.norm(X) * np.linalg.norm(Y)
    return np.arccos(np.linalg.svd(X.T @ Y, compute_uv=False).sum() / norms)


@pytest.mark.parametrize(
    ("alpha", "angle", "distance"),
    [
        (0.0, 0.8210920241956509, 15.901508360519513),
        (0.5, 0.9477699095539254, 17.504048630927247),
        (1.0, 0.9785945976580539, 17.89486051456548),
    ],
)
def test_distances_from_cca_to_procrustes_equal_known_values(known, alpha, angle, distance):
    X, Y, _ = known
    assert shape_distance(X, Y, alpha=alpha) == pytest.approx(angle, rel=1e-10)
    assert shape_distance(X, Y, kind="euclidean", alpha=alpha) == pytest.approx(distance, rel=1e-10)
    grams = X @ X.T, Y @ Y.T
    assert shape_distance_from_grams(*grams, alpha=alpha) == pytest.approx(angle, rel=1e-10)
    assert shape_distance_from_grams(*grams, kind="euclidean", alpha=alpha) == pytest.approx(
        distance, rel=1e-10
    )


def test_unequal_numbers_of_units_equal_known_values_and_zero_padding(known, pair):
    X, _, Z = known
    assert shape_distance(X, Z) == pytest.approx(1.0486217577907484, rel=1e-10)
    X, Y = pair
    padded = np.pad(X, ((0, 0), (0, 2)))
    for kind, expected in (("euclidean", 30.201813), ("angular", 0.632904)):
        assert shape_distance(X, Y, kind=kind) == pytest.approx(expected, abs=5e-7)
        assert shape_distance(padded, Y, kind=kind) == pytest.approx(
            shape_distance(X, Y, kind=kind), rel=1e-12
        )
    assert shape_distance(X, Y, alpha=0) == pytest.approx(0.734841, abs=5e-7)
    assert shape_distance(X, Y, alpha=0.5) == pytest.approx(0.623151, abs=5e-7)


def test_matchings_of_units_equal_known_values(known):
    X, Y, _ = known
    assert shape_distance(X, Y, group="permutation") == pytest.approx(1.1048531815395846, rel=1e-10)
    euclidean = shape_distance(X, Y, kind="euclidean", group="permutation")
    assert euclidean == pytest.approx(19.48772531374955, rel=1e-10)
    # With equal numbers of units shares are permutations, and norms are per unit.
    soft = {"group": "soft-permutation"}
    assert shape_distance(X, Y, **soft) == pytest.approx(1.1048531815395846, rel=1e-10)
    assert shape_distance(X, Y, kind="euclidean", **soft) == pytest.approx(euclidean / np.sqrt(8), rel=1e-10)


def test_the_best_permutation_is_found_also_where_units_stay_alone():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((9, 3)), rng.standard_normal((9, 5))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    padded = np.pad(X, ((0, 0), (0, 2)))
    best = min(np.linalg.norm(padded - Y[:, list(order)]) for order in permutations(range(5)))
    for first, second in ((X, Y), (Y, X)):
        found = shape_distance(first, second, kind="euclidean", group="permutation")
        assert found == pytest.approx(best, rel=1e-12)
    assert shape_distance(X[:, :1], -X[:, :1], group="permutation") == pytest.approx(np.pi)


def test_reflections_are_taken_out_too(pair):
    X = pair[0]
    mirrored = X * [-1, 1, 1, 1, 1]
    assert shape_distance(X, mirrored) < 1e-12
    # What proper rotations alone reach is far from 0.
    A = X - X.mean(axis=0)
    U, s, Vt = np.linalg.svd(A.T @ (mirrored - mirrored.mean(axis=0)))
    signs = np.array([1, 1, 1, 1, np.linalg.det(U @ Vt)])
    assert np.arccos((s * signs).sum() / np.linalg.norm(A) ** 2) > 0.5


@pytest.mark.parametrize("shape", [(40, 6), (12, 30)])
def test_rotated_scaled_and_moved_responses_have_distance_0(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    turned = X @ np.linalg.qr(rng.standard_normal((shape[1], shape[1])))[0]
    assert shape_distance(X, 3 * turned + 7) < 1e-12
    assert shape_distance(X, turned + 7, kind="euclidean") < 1e-12
    assert shape_distance(X, turned) == shape_distance(X, turned)
    assert shape_distance(X, 3 * X, kind="euclidean") > 1


@pytest.mark.parametrize("kind", ["angular", "euclidean"])
@pytest.mark.parametrize("group", ["orthogonal", "permutation", "soft-permutation"])
def test_distances_are_symmetric_and_keep_the_triangle_inequality(kind, group):
    rng = np.random.default_rng(0)
    for trial in range(20):
        base = rng.standard_normal((8, 3))
        sides = [base @ rng.standard_normal((3, p)) + 0.3 * rng.standard_normal((8, p)) for p in (2, 3, 5)]
        sides[1] *= 1 + trial / 5
        options = {"kind": kind, "group": group}
        xy, yz, xz = (shape_distance(sides[i], sides[j], **options) for i, j in ((0, 1), (1, 2), (0, 2)))
        assert shape_distance(sides[1], sides[0], **options) == pytest.approx(xy, rel=1e-9)
        assert xz <= xy + yz + 1e-12
        assert xy <= xz + yz + 1e-12
        assert yz <= xy + xz + 1e-12


def test_alpha_between_the_ends_keeps_the_triangle_inequality():
    rng = np.random.default_rng(0)
    for _ in range(20):
        base = rng.standard_normal((40, 3))
        sides = [base @ rng.standard_normal((3, p)) + rng.standard_normal((40, p)) for p in (3, 3, 4)]
        for alpha in (0.0, 0.4):
            xy, yz, xz = (
                shape_distance(sides[i], sides[j], alpha=alpha) for i, j in ((0, 1), (1, 2), (0, 2))
            )
            assert xz <= xy + yz + 1e-12


def test_small_distances_keep_their_digits(pair):
    X = pair[0]
    noise = np.random.default_rng(1).standard_normal(X.shape)
    for kind in ("angular", "euclidean"):
        slopes = [shape_distance(X, X + size * noise, kind=kind) / size for size in (1e-5, 1e-7, 1e-9)]
        np.testing.assert_allclose(slopes, slopes[0], rtol=1e-4)


@pytest.mark.parametrize(("p", "q"), [(150, 180), (400, 150), (300, 300)])
@pytest.mark.parametrize("decay", [0.0, 1.0, 3.0])
def test_the_quick_way_of_large_matrices_is_exact_whatever_the_spectrum(p, q, decay):
    rng = np.random.default_rng(0)
    X, Y = (
        rng.standard_normal((200, k)) @ (rng.standard_normal((k, k)) * np.arange(1.0, k + 1) ** -decay)
        for k in (p, q)
    )
    assert shape_distance(X, Y) == pytest.approx(nuclear(X, Y), rel=1e-9)
    close = X + 0.1 * X.std() * rng.standard_normal(X.shape)
    assert shape_distance(X, close) == pytest.approx(nuclear(X, close), rel=1e-8)


def test_grams_and_squared_distances_stand_for_responses(pair):
    X, Y = pair
    K, L = (-squareform(pdist(side, "sqeuclidean")) / 2 for side in pair)
    for kind in ("angular", "euclidean"):
        assert shape_distance_from_grams(K, L, kind=kind) == pytest.approx(shape_distance(X, Y, kind=kind))
    similarity = compare_rdms(*(pdist(side, "sqeuclidean") for side in pair), method="bures")
    assert np.cos(shape_distance_from_grams(K, L)) == pytest.approx(similarity, rel=1e-9)


def test_the_cosine_of_the_angle_is_the_bures_similarity_of_a_known_pair(known):
    assert np.cos(shape_distance(*known[:2])) == pytest.approx(0.5581892, abs=5e-8)


def test_whitening_without_enough_samples_is_refused_or_warned_of():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((10, 12)), rng.standard_normal((10, 3))
    with pytest.raises(InputError, match="10 samples of 9 and 3 dimensions"):
        shape_distance(X, Y, alpha=0)
    with pytest.warns(UserWarning, match="alpha=0.5. with 10 samples of 9 and 3 dimensions"):
        shape_distance(X, Y, alpha=0.5)
    with pytest.raises(InputError, match="10 samples of 9 and 3 dimensions"):
        shape_distance_from_grams(X @ X.T, Y @ Y.T, alpha=0)


def test_between_the_ends_of_alpha_the_scale_matters_and_at_the_ends_it_does_not(pair):
    X, Y = pair
    for alpha in (0.0, 1.0):
        assert shape_distance(10 * X, Y, alpha=alpha) == pytest.approx(shape_distance(X, Y, alpha=alpha))
    assert abs(shape_distance(10 * X, Y, alpha=0.5) - shape_distance(X, Y, alpha=0.5)) > 1e-3


def test_bad_input_is_refused_with_its_numbers(pair):
    X, Y = pair
    with pytest.raises(InputError, match="same number of samples, got 60 and 50"):
        shape_distance(X, Y[:50])
    with pytest.raises(InputError, match="`alpha` goes from 0 .* got 1.5"):
        shape_distance(X, Y, alpha=1.5)
    with pytest.raises(InputError, match="`alpha` goes from 0 .* got -1"):
        shape_distance_from_grams(X @ X.T, Y @ Y.T, alpha=-1)
    with pytest.raises(InputError, match="rotations only, got 0.5 and 'permutation'"):
        shape_distance(X, Y, alpha=0.5, group="permutation")
    with pytest.raises(UnknownNameError, match="did you mean 'angular'"):
        shape_distance(X, Y, kind="angle")
    with pytest.raises(UnknownNameError, match="`group` is 'rotations'"):
        shape_distance(X, Y, group="rotations")
    with pytest.raises(InputError, match="all 60 rows of `X` are equal"):
        shape_distance(np.ones((60, 2)), Y)
    with pytest.raises(InputError, match="2 NaN or infinite"):
        shape_distance(np.where(X == X[:2, :1].max(), np.inf, X)[:, [0, 0]], Y)
    with pytest.raises(InputError, match="at least 2 rows, got 1"):
        shape_distance(X[:1], Y[:1])


def test_what_is_no_gram_matrix_is_refused(pair):
    K, L = (side @ side.T for side in pair)
    with pytest.raises(InputError, match="`K` must be a square, symmetric .* got shape \\(60, 59\\)"):
        shape_distance_from_grams(K[:, :59], L)
    with pytest.raises(InputError, match="`L` must be a square, symmetric"):
        shape_distance_from_grams(K, L + np.triu(L))
    with pytest.raises(InputError, match="`K` is no Gram matrix: its smallest eigenvalue is -"):
        shape_distance_from_grams(-K, L)
    with pytest.raises(InputError, match="`L` is zero after centring"):
        shape_distance_from_grams(K, np.full((60, 60), 3.3))
    with pytest.raises(InputError, match="same number of samples, got 60 and 40"):
        shape_distance_from_grams(K, L[:40, :40])


@pytest.mark.parametrize("group", ["orthogonal", "permutation", "soft-permutation"])
def test_one_unit_repeated_samples_and_integers_are_fine(group):
    x = np.array([[1], [1], [4], [2]])
    assert shape_distance(x, 3 * x, group=group) == pytest.approx(0, abs=1e-12)
    before = x.copy()
    assert 0 < shape_distance(x, [[1, 0], [1, 0], [3, 1], [0, 2]], group=group) < np.pi / 2
    np.testing.assert_array_equal(x, before)


def test_constant_units_change_no_rotation_and_are_left_out_of_shares(pair):
    X, Y = pair
    padded = np.column_stack([X, np.full(60, 0.1)])
    assert shape_distance(padded, Y) == pytest.approx(shape_distance(X, Y), rel=1e-12)
    soft = {"group": "soft-permutation"}
    with pytest.warns(UserWarning, match="1 of 6 units of `X` are constant"):
        found = shape_distance(padded, Y, **soft)
    assert found == pytest.approx(shape_distance(X, Y, **soft), rel=1e-12)


def test_torch_gives_the_same_numbers(pair):
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(side) for side in pair]
    assert shape_distance(*tensors) == pytest.approx(shape_distance(*pair), rel=1e-12)
    grams = [side @ side.T for side in tensors]
    assert shape_distance_from_grams(*grams) == pytest.approx(shape_distance(*pair), rel=1e-9)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_responses_out_of_the_range_of_float64_are_refused(pair, factor):
    with pytest.raises(InputError, match="`X` holds numbers of up to .*, whose powers leave the range"):
        shape_distance(factor * pair[0], pair[1])
