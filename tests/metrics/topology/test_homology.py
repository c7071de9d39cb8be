from __future__ import annotations

import numpy as np
import pytest
from ripser import ripser
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError
from alignkit.metrics.topology import homology
from alignkit.metrics.topology.homology import persistent_homology


def polygon(n_corners):
    angle = 2 * np.pi * np.arange(n_corners) / n_corners
    return np.column_stack([np.cos(angle), np.sin(angle)])


def torus(around, tube):
    distance = 2 + np.cos(tube)
    return np.column_stack([distance * np.cos(around), distance * np.sin(around), np.sin(tube)])


def cloud(n_points, n_units, seed=0):
    return np.random.default_rng(seed).standard_normal((n_points, n_units))


def lifetimes(diagram):
    return np.sort(diagram[:, 1] - diagram[:, 0])[::-1]


def test_the_12_gon_has_one_loop_from_its_side_to_its_triangle():
    found = persistent_homology(pdist(polygon(12)))
    side = 2 * np.sin(np.pi / 12)
    np.testing.assert_allclose(found[1], [[side, np.sqrt(3)]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[0][:, 1], [side] * 11 + [np.inf], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found[0][:, 0], 0)
    assert found.n_essential == (1, 0)
    assert found.n_stimuli == 12


def test_the_20_gon_has_one_loop_at_the_known_scales():
    found = persistent_homology(pdist(polygon(20)))
    expected = [[2 * np.sin(np.pi / 20), 2 * np.sin(7 * np.pi / 20)]]
    np.testing.assert_allclose(found[1], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(expected, [[0.312869, 1.782013]], atol=1e-6)


def test_the_longest_loops_of_a_random_torus_equal_known_values():
    rs = np.random.RandomState(1)
    for shape in ((120, 30), (30, 6), (120, 6)):
        rs.randn(*shape)
    tube, around = 2 * np.pi * rs.rand(200, 2).T
    found = persistent_homology(pdist(torus(around, tube)))
    # The published values were computed in float32.
    np.testing.assert_allclose(lifetimes(found[1])[:3], [1.2209057212, 1.0253199339, 0.8425001502], rtol=2e-6)


def test_an_even_torus_has_betti_numbers_1_2():
    around, tube = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in (24, 12)))
    found = persistent_homology(pdist(torus(around.ravel(), tube.ravel())), max_distance=1.4)
    assert found.betti_numbers(1.2) == (1, 2)


def test_a_flat_torus_has_two_loops_and_one_void():
    first, second = (values.ravel() for values in np.meshgrid(np.arange(6), np.arange(6)))
    corners = polygon(6)
    found = persistent_homology(pdist(np.hstack([corners[first], corners[second]])), max_dim=2)
    assert found.betti_numbers(1.5) == (1, 2, 1)
    # 36 squares, one bounded by the others, fill at their diagonal; two loops last as a hexagon's do.
    assert len(found[1]) == 35 + 2
    np.testing.assert_allclose(found[1][:35], [[1, np.sqrt(2)]] * 35, atol=1e-12)
    np.testing.assert_allclose(found[1][35:], [[1, np.sqrt(3)]] * 2, atol=1e-12)


def test_the_octahedron_is_a_sphere():
    found = persistent_homology(pdist(np.vstack([np.eye(3), -np.eye(3)])), max_dim=2)
    assert found[1].shape == (0, 2)
    np.testing.assert_allclose(found[2], [[np.sqrt(2), 2]], atol=1e-12)


def test_two_clusters_are_two_components_until_their_gap():
    points = np.concatenate([cloud(20, 3), cloud(20, 3, seed=1) + [20, 0, 0]])
    found = persistent_homology(pdist(points))
    gap = squareform(pdist(points))[:20, 20:].min()
    assert lifetimes(found[0][:-1])[0] == gap
    assert found.betti_numbers(gap * 0.99) == (2, 0)
    assert found.betti_numbers(gap) == (1, 0)


@pytest.mark.parametrize("max_distance", [None, 1.1])
def test_bars_equal_those_of_ripser_up_to_its_single_precision(max_distance):
    distances = pdist(cloud(60, 3))
    found = persistent_homology(distances, max_dim=2, max_distance=max_distance)
    limit = np.inf if max_distance is None else max_distance
    expected = ripser(squareform(distances), maxdim=2, thresh=limit, distance_matrix=True)["dgms"]
    for bars, reference in zip(found.diagrams, expected, strict=True):
        ordered = reference[np.lexsort((reference[:, 1], reference[:, 0]))]
        np.testing.assert_allclose(bars, ordered, rtol=1e-6)


def test_every_birth_and_death_is_a_distance_to_the_last_bit():
    distances = pdist(cloud(50, 2))
    found = persistent_homology(distances)
    assert np.isin(found[1], distances).all()
    assert np.isin(found[0][:-1, 1], distances).all()
    assert len(found[1]) > 5


def test_components_die_along_the_minimum_spanning_tree():
    distances = pdist(cloud(40, 4))
    found = persistent_homology(distances, max_dim=0)
    assert len(found.diagrams) == 1
    tree = minimum_spanning_tree(squareform(distances)).data
    np.testing.assert_array_equal(found[0][:-1, 1], np.sort(tree))


def test_a_loop_too_short_for_single_precision_is_found():
    side, diagonal = 1.0, 1.0 + 1e-9
    square = [side, diagonal, side, side, diagonal, side]
    np.testing.assert_array_equal(persistent_homology(square)[1], [[side, diagonal]])
    assert ripser(squareform(square), distance_matrix=True)["dgms"][1].shape == (0, 2)


def test_rounding_makes_no_bars():
    rotation = np.linalg.qr(cloud(2, 2))[0]
    for n_corners in (12, 16, 30):
        assert len(persistent_homology(pdist(1e3 * polygon(n_corners) @ rotation))[1]) == 1


def test_equal_stimuli_are_one_component_and_change_nothing_else():
    points = cloud(15, 2)
    once, twice = persistent_homology(pdist(points)), persistent_homology(pdist(np.vstack([points, points])))
    for bars, expected in zip(twice.diagrams, once.diagrams, strict=True):
        np.testing.assert_array_equal(bars, expected)
    assert twice.n_stimuli == 30
    constant = persistent_homology(np.zeros(6))
    np.testing.assert_array_equal(constant[0], [[0, np.inf]])
    assert constant[1].shape == (0, 2)


def test_the_end_of_the_filtration_leaves_open_what_is_alive_there():
    distances = pdist(cloud(50, 2))
    whole = persistent_homology(distances)
    end = np.median(whole[1])
    cut = persistent_homology(distances, max_distance=end)
    for bars, expected in zip(cut.diagrams, whole.diagrams, strict=True):
        born = expected[expected[:, 0] <= end]
        open_ended = np.where(born[:, 1] > end, np.inf, born[:, 1])
        by_birth = np.column_stack([born[:, 0], open_ended])
        np.testing.assert_array_equal(bars, by_birth[np.lexsort((by_birth[:, 1], by_birth[:, 0]))])
    assert cut.n_essential == whole.betti_numbers(end)
    nothing = persistent_homology(distances, max_distance=0)
    assert nothing.n_essential == (50, 0)


def test_a_monotone_map_of_the_distances_maps_the_bars():
    distances = pdist(cloud(30, 3))
    plain, mapped = persistent_homology(distances), persistent_homology(np.log1p(distances))
    for bars, expected in zip(mapped.diagrams, plain.diagrams, strict=True):
        np.testing.assert_allclose(bars, np.log1p(expected), rtol=1e-13)


def test_bars_do_not_depend_on_the_order_of_stimuli_and_do_on_the_pairing_of_distances():
    points, rng = cloud(25, 3), np.random.default_rng(1)
    found = persistent_homology(pdist(points))
    reordered = persistent_homology(pdist(points[rng.permutation(25)]))
    np.testing.assert_allclose(reordered[1], found[1], rtol=1e-12)
    shuffled = persistent_homology(rng.permutation(pdist(points)))
    assert len(shuffled[1]) > 2 * len(found[1])


def test_a_square_matrix_and_integers_are_taken_as_well():
    distances = np.array([1, 2, 1, 1, 2, 1])
    for rdm in (distances, distances.tolist(), squareform(distances)):
        found = persistent_homology(rdm)
        np.testing.assert_array_equal(found[1], [[1, 2]])
        assert found[1].dtype == np.float64


def test_two_stimuli_are_one_bar():
    found = persistent_homology([0.5])
    np.testing.assert_array_equal(found[0], [[0, 0.5], [0, np.inf]])


def test_the_table_has_a_row_per_class():
    frame = persistent_homology(pdist(polygon(12))).to_frame()
    assert frame.columns.tolist() == ["dimension", "birth", "death"]
    assert frame["dimension"].value_counts().to_dict() == {0: 12, 1: 1}
    assert frame["death"].iloc[-1] == pytest.approx(np.sqrt(3), abs=1e-12)


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    distances = pdist(polygon(12))
    plain, tensors = persistent_homology(distances), persistent_homology(torch.from_numpy(distances))
    for bars, expected in zip(tensors.diagrams, plain.diagrams, strict=True):
        assert isinstance(bars, torch.Tensor)
        np.testing.assert_array_equal(bars.numpy(), expected)
    assert tensors.betti_numbers(1.0) == (1, 1)
    assert tensors.n_essential == (1, 0)
    assert len(tensors.to_frame()) == 13


def test_the_rdm_is_left_as_it_was():
    distances = pdist(cloud(20, 3))
    kept = distances.copy()
    persistent_homology(distances, max_dim=2, max_distance=1.0)
    np.testing.assert_array_equal(distances, kept)


@pytest.mark.parametrize(
    ("rdm", "options", "message"),
    [
        ([1.0, np.nan, 1.0], {}, "holds 1 NaN or infinite"),
        ([1.0, np.inf, 1.0], {}, "holds 1 NaN or infinite"),
        ([1.0, -0.25, 1.0], {}, r"holds 1 negative distances, down to -0.25.*cross-validated"),
        ([1.0, 1.0], {}, "has 2 pairs, which are not the pairs"),
        (np.zeros(0), {}, "at least 1 rows, got 0"),
        (np.zeros((1, 1)), {}, "at least 2 stimuli, got 1"),
        (np.zeros((2, 3)), {}, r"or square, got shape \(2, 3\)"),
        ([[0.0, 1.0], [1.5, 0.0]], {}, "must be symmetric.*up to 0.5"),
        ([[1.0, 0.2], [0.2, 1.0]], {}, "zeros on its diagonal, got 1"),
        (["a"], {}, "must hold real numbers"),
        ([1.0], {"max_dim": -1}, "`max_dim` must be 0 or more, got -1"),
        ([1.0], {"max_distance": -2.0}, "`max_distance` must be 0 or more, got -2.0"),
        ([1.0], {"max_distance": np.nan}, "`max_distance` must be 0 or more, got nan"),
    ],
)
def test_what_is_no_filtration_is_refused(rdm, options, message):
    with pytest.raises(InputError, match=message):
        persistent_homology(rdm, **options)


def test_more_distances_than_float32_can_number_are_refused(monkeypatch):
    monkeypatch.setattr(homology, "_LARGEST_INTEGER", 100)
    distances = pdist(cloud(15, 2))
    with pytest.raises(InputError, match="105 different distances; .* fewer than 100"):
        persistent_homology(distances)
    assert persistent_homology(distances, max_dim=0)[0].shape == (15, 2)
    assert len(persistent_homology(distances, max_distance=float(np.median(distances))).diagrams) == 2


def test_more_dimensions_than_the_stimuli_can_have_are_refused():
    square = [1.0, 2.0**0.5, 1.0, 1.0, 2.0**0.5, 1.0]
    assert len(persistent_homology(square, max_dim=2).diagrams) == 3
    with pytest.raises(InputError, match="`max_dim` must be at most 2 for 4 stimuli, got 1000000000"):
        persistent_homology(square, max_dim=10**9)
    assert len(persistent_homology([1.0]).diagrams) == 2
