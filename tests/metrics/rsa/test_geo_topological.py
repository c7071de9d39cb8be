from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.sparse.csgraph import floyd_warshall
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS, geodesic_transform, rdm, threshold_grid, topological_transform

SMALL = pdist(np.random.default_rng(0).standard_normal((6, 3)))


@pytest.fixture
def published():
    return rdm(np.random.RandomState(0).randn(20, 8), method="squared-euclidean")


def shortest(lengths, edges):
    """Return all shortest paths by relaxing every pair over every stimulus; zeros are edges."""
    matrix = squareform(np.where(edges, lengths, np.inf))
    np.fill_diagonal(matrix, 0)
    for via in range(len(matrix)):
        matrix = np.minimum(matrix, matrix[:, via, None] + matrix[via])
    return matrix[np.triu_indices(len(matrix), k=1)]


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return geodesic_transform(*args, **kwargs)


def test_ranked_and_value_based_members_equal_known_values():
    ranked = topological_transform(SMALL, lower=0.2, upper=0.8)
    expected = [0, 0.6190, 0.2619, 1, 0.0238, 0.7381, 0.1429, 0.9762, 0, 1, 1, 0.8571, 0.3810, 0, 0.5]
    np.testing.assert_allclose(ranked, expected, atol=5e-5)
    values = topological_transform(SMALL, lower=0.2, upper=0.8, rank=False)
    np.testing.assert_allclose(values[:4], [0, 0.4753, 0.1782, 1], atol=5e-5)


@pytest.mark.parametrize(
    ("lower", "upper", "first", "total"),
    [
        (0, 1, [0.1300556583, 0.8098679566, 0.3920003402, 0.6151714094, 0.7334207447], 71.71100216417167),
        (0.2, 0.8, [0, 1, 0.5821467898, 1, 1], 93.14054102953867),
        (0.3, 0.6, [0, 1, 0.8475348609, 1, 1], 100.3160865030136),
        (0.4, 0.45, [0, 1, 1, 1, 1], 110.37056460237812),
    ],
)
def test_value_based_members_equal_the_published_toolbox(published, lower, upper, first, total):
    found = topological_transform(published, lower=lower, upper=upper, rank=False)
    np.testing.assert_allclose(found[:5], first, rtol=1e-6)
    assert found.sum() == pytest.approx(total, rel=1e-9)


def test_plain_transforms_of_the_published_toolbox_are_members(published):
    np.testing.assert_array_equal(rankdata(published)[:5], [22, 182, 109, 163, 177])
    ranks = topological_transform(published, lower=0, upper=1) * (len(published) - 1) + 1
    np.testing.assert_allclose(ranks, rankdata(published), rtol=1e-12)
    assert ranks.sum() == pytest.approx(18145)
    roots = rdm(np.random.RandomState(0).randn(20, 8), method="euclidean")
    assert roots.sum() == pytest.approx(268.0067969207398, rel=1e-12)


def test_the_input_is_never_changed():
    # The published toolbox overwrites the caller's RDM, so that a second call transforms garbage.
    values = np.stack([SMALL, SMALL[::-1]])
    before = values.copy()
    first = topological_transform(values, lower=0.2, upper=0.8, rank=False)
    geodesic_transform(values, rank=False)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(topological_transform(values, lower=0.2, upper=0.8, rank=False), first)
    assert not np.shares_memory(topological_transform(values, lower=0, upper=1, rank=False), values)


def test_the_whole_grid_in_one_call_equals_one_by_one():
    values = np.stack([SMALL, np.round(SMALL, 1)])
    lower, upper = threshold_grid(4)
    assert len(lower) == 10
    assert (lower < upper).all()
    for change in (topological_transform, quiet):
        grid = change(values, lower=lower, upper=upper)
        assert grid.shape == (10, 2, 15)
        for found, one, other in zip(grid, lower, upper, strict=True):
            np.testing.assert_array_equal(found, change(values, lower=one, upper=other))
            np.testing.assert_array_equal(found[0], change(values[0], lower=one, upper=other))
    square = topological_transform(SMALL, lower=np.array([[0.1], [0.2]]), upper=[0.5, 0.7, 0.9])
    assert square.shape == (2, 3, 15)


def test_ranked_members_do_not_see_increasing_maps_and_value_based_ones_do():
    options = {"lower": 0.1, "upper": 0.7}
    for change in (topological_transform, quiet):
        ranked = change(SMALL, **options)
        np.testing.assert_allclose(change(np.exp(SMALL) + 3, **options), ranked, atol=1e-12)
        straight = change(SMALL, rank=False, **options)
        np.testing.assert_allclose(change(2 * SMALL + 1, rank=False, **options), straight, atol=1e-12)
        assert np.abs(change(np.exp(SMALL), rank=False, **options) - straight).max() > 1e-3


def test_equal_thresholds_leave_only_who_is_near():
    binary = topological_transform(SMALL, lower=0.5, upper=0.5)
    np.testing.assert_array_equal(binary, SMALL > np.median(SMALL))
    nearly = topological_transform(SMALL, lower=0.5, upper=0.5 + 1e-9)
    np.testing.assert_array_equal(nearly, binary)


def test_thresholds_that_fall_into_a_tie_make_a_step():
    tied = np.array([1.0, 2.0, 2.0, 2.0, 2.0, 3.0])
    found = topological_transform(tied, lower=0.3, upper=0.6)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 0, 1])


def test_quantiles_are_of_the_pairs_and_not_of_the_square_matrix():
    # The diagonal's zeros would lower every quantile.
    matrix = squareform(SMALL)
    low = np.quantile(SMALL, 0.2)
    assert np.quantile(matrix, 0.2) < low
    found = topological_transform(SMALL, lower=0.2, upper=0.9, rank=False)
    np.testing.assert_array_equal(found == 0, SMALL <= low)


def test_missing_pairs_stay_missing_and_count_in_no_quantile():
    gaps = np.stack([SMALL, SMALL])
    gaps[0, [2, 7]] = np.nan
    for rank in (True, False):
        found = topological_transform(gaps, lower=0.2, upper=0.8, rank=rank)
        kept = ~np.isnan(gaps[0])
        assert np.isnan(found[0, ~kept]).all()
        whole = np.delete(SMALL, [2, 7])
        np.testing.assert_allclose(
            found[0, kept], topological_transform(whole, lower=0.2, upper=0.8, rank=rank), atol=1e-12
        )
        np.testing.assert_array_equal(found[1], topological_transform(SMALL, lower=0.2, upper=0.8, rank=rank))
    step = topological_transform(gaps, lower=0.5, upper=0.5)
    assert np.isnan(step[0, [2, 7]]).all()


@pytest.mark.parametrize(("lower", "upper"), [(0, 1), (0.1, 0.6), (0.4, 0.5), (0.3, 0.3)])
def test_adaptive_geodesics_equal_relaxation_with_edges_of_length_zero(lower, upper):
    rng = np.random.default_rng(0)
    for n in (6, 25):
        values = pdist(rng.standard_normal((n, 3)))
        lengths = topological_transform(values, lower=lower, upper=upper)
        expected = shortest(lengths, lengths < 1)
        found = quiet(values, lower=lower, upper=upper)
        joined = np.isfinite(expected)
        np.testing.assert_allclose(found[joined], expected[joined], atol=1e-12)
        assert np.isfinite(found).all()


def test_the_shortest_pair_is_an_edge_of_length_zero_and_not_no_edge(published):
    # The published toolbox hands a dense matrix on, in which the smallest distance, 0, counts as no edge.
    scaled = topological_transform(published, lower=0, upper=1, rank=False)
    ours = geodesic_transform(published, rank=False)
    np.testing.assert_allclose(ours, shortest(scaled, scaled < 1), atol=1e-12)
    theirs = floyd_warshall(squareform(np.where(scaled == 1, 0, scaled)))[np.triu_indices(20, k=1)]
    golden = [0.1300556583, 0.3267521482, 0.3920003402, 0.3412414925, 0.3897039378]
    np.testing.assert_allclose(theirs[:5], golden, rtol=1e-6)
    assert theirs.sum() == pytest.approx(43.968024804478205, rel=1e-9)
    assert (ours <= theirs + 1e-12).all()
    assert ours[scaled.argmin()] == 0 < theirs[scaled.argmin()]


def test_pairs_without_a_path_are_finite_far_away_and_reported():
    X = np.concatenate(
        [np.random.default_rng(0).random((4, 2)), 100 + np.random.default_rng(1).random((4, 2))]
    )
    values = pdist(X)
    with pytest.warns(UserWarning, match="no path joins 16 of 28 pairs of stimuli; they get 3 times"):
        found = geodesic_transform(values, rule="nearest", k=3, gap=3.0)
    across = (X[np.triu_indices(8, 1)[0], 0] < 50) & (X[np.triu_indices(8, 1)[1], 0] > 50)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[across], 3 * found[~across].max())
    with pytest.warns(UserWarning, match="no path joins 16 of 28"):
        binary = geodesic_transform(values, lower=12 / 28, upper=12 / 28)
    np.testing.assert_array_equal(binary, np.where(across, 2.0, 0.0))


def test_a_nearest_neighbour_rule_finds_the_distance_along_a_circle():
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    chords = pdist(np.column_stack([np.cos(angles), np.sin(angles)]))
    steps = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    along = squareform(np.minimum(steps, 24 - steps))
    # The smallest distance is scaled to 0: start the scale lower, with a 25th stimulus beside the first.
    matrix = np.zeros((25, 25))
    matrix[:24, :24] = squareform(chords)
    matrix[24, :24] = matrix[:24, 24] = 5.0
    matrix[24, 0] = matrix[0, 24] = 0.0
    found = squareform(geodesic_transform(squareform(matrix), rule="nearest", k=2, rank=False))[:24, :24]
    ratio = squareform(found, checks=False) / along
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_union_and_mutual_neighbours_are_what_they_say():
    values = pdist(np.array([[0.0], [1.0], [1.9], [5.0]]))
    lengths = topological_transform(values, lower=0, upper=1, rank=False)
    # Nearest: 0 -> 1, 1 -> 2, 2 -> 1, 3 -> 2.
    union = np.array([True, False, False, True, False, True])
    found = geodesic_transform(values, rule="nearest", k=1, rank=False)
    np.testing.assert_allclose(found, shortest(lengths, union), atol=1e-12)
    with pytest.warns(UserWarning, match="no path joins 5 of 6"):
        mutual = geodesic_transform(values, rule="nearest", k=1, neighbours="mutual", rank=False)
    np.testing.assert_array_equal(mutual, np.where(np.arange(6) == 3, 0.0, 2.0))


def test_stimuli_as_near_as_the_last_neighbour_are_neighbours_whatever_their_order():
    corners = pdist(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    found = geodesic_transform(corners, rule="nearest", k=1, rank=False)
    np.testing.assert_array_equal(found, np.zeros(6))


def test_a_quantile_rule_keeps_the_pairs_up_to_it():
    values = pdist(np.random.default_rng(3).standard_normal((15, 2)))
    scaled = topological_transform(values, lower=0, upper=1)
    for upper in (0.4, 1.0):
        expected = shortest(scaled, scaled <= np.quantile(scaled, upper))
        found = quiet(values, rule="quantile", upper=upper)
        np.testing.assert_allclose(found[np.isfinite(expected)], expected[np.isfinite(expected)], atol=1e-12)
    grid = quiet(np.stack([values, values**2]), rule="quantile", upper=[0.4, 1.0])
    assert grid.shape == (2, 2, 105)
    np.testing.assert_allclose(grid[1, 0], found, atol=1e-12)


def test_transforms_go_along_with_a_permutation_of_stimuli():
    order = np.random.default_rng(0).permutation(6)
    shuffled = squareform(squareform(SMALL)[np.ix_(order, order)])
    for change in (METRICS["geo-topological-transform"], METRICS["geodesic-transform"]):
        expected = squareform(squareform(change(SMALL))[np.ix_(order, order)])
        np.testing.assert_allclose(change(shuffled), expected, atol=1e-12)


def test_integers_are_taken_and_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    integers = np.array([5, 1, 2, 9, 3, 4])
    expected = topological_transform(integers.astype(float), lower=0.2, upper=0.8)
    np.testing.assert_array_equal(topological_transform(integers, lower=0.2, upper=0.8), expected)
    found = topological_transform(torch.from_numpy(integers), lower=0.2, upper=0.8)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (SMALL, {"lower": 0.8, "upper": 0.2}, "lower <= upper <= 1, got lower 0.8 and upper 0.2"),
        (SMALL, {"lower": -0.1, "upper": 1}, "got lower -0.1 and upper 1"),
        (SMALL, {"lower": 0.1, "upper": np.nan}, "got lower 0.1 and upper nan"),
        (np.stack([SMALL, np.ones(15)]), {"lower": 0, "upper": 1}, "RDM 1 is constant"),
        ([1.0, 2.0, np.nan], {"lower": 0, "upper": 1}, "at least 3 pairs with a value, row 0 has 2"),
        ([1.0, 2.0, np.inf], {"lower": 0, "upper": 1}, "`rdm` holds 1 infinite"),
    ],
)
def test_unusable_input_of_the_transform_is_refused(values, options, message):
    with pytest.raises(InputError, match=message):
        topological_transform(values, **options)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, np.nan, 2.0], {}, "`rdm` holds 1 NaN or infinite"),
        (np.arange(4.0), {}, "4 pairs are not the pairs of any number of stimuli"),
        (SMALL, {"rule": "nearest", "k": 6}, "`k` must be from 1 to 5, one less than the stimuli, got 6"),
        (SMALL, {"gap": 0.5}, "`gap` must be at least 1, got 0.5"),
        (np.ones(15), {}, "RDM 0 is constant"),
    ],
)
def test_unusable_input_of_the_geodesics_is_refused(values, options, message):
    with pytest.raises(InputError, match=message):
        geodesic_transform(values, **options)


def test_unknown_rules_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="adaptive, nearest, quantile"):
        geodesic_transform(SMALL, rule="isomap")
    with pytest.raises(UnknownNameError, match="mutual, union"):
        geodesic_transform(SMALL, rule="nearest", neighbours="both")


def test_a_grid_needs_a_step():
    with pytest.raises(InputError, match="`n_steps` must be at least 1, got 0"):
        threshold_grid(0)


def test_an_rdm_that_varies_by_rounding_alone_has_no_neighbourhoods():
    noise = np.random.default_rng(0).integers(-1, 2, 28)
    with pytest.raises(InputError, match="RDM 0 is constant"):
        topological_transform(0.1 * (1 + 1.1e-16 * noise), lower=0.2, upper=0.8)


def test_thresholds_must_be_numbers_and_some():
    with pytest.raises(InputError, match="`lower` and `upper` must be numbers, or arrays of them"):
        topological_transform(SMALL, lower="low", upper=0.8)
    with pytest.raises(InputError, match="`lower` and `upper` must be numbers, .* got .2,. and .3,."):
        topological_transform(SMALL, lower=[0.1, 0.2], upper=[0.7, 0.8, 0.9])
    with pytest.raises(InputError, match="`lower` and `upper` are empty"):
        topological_transform(SMALL, lower=[], upper=[])
