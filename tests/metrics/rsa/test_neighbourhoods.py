from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import block_diag, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from alignkit._core.errors import InputError
from alignkit.metrics.rsa import neighbourhoods
from alignkit.metrics.rsa.neighbourhoods import (
    spatiotemporal_neighbours,
    surface_neighbours,
    volume_neighbours,
)


@pytest.fixture
def ball():
    """Voxels of a ball on an oblique grid with unequal steps, in shuffled order."""
    grid = np.stack(np.meshgrid(*[np.arange(9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    voxels = grid[((grid - 4) ** 2).sum(1) <= 17]
    affine = np.array([[2.0, 0.3, 0, -10], [0, 2.5, -0.4, 5], [0.2, 0, 3.0, 7], [0, 0, 0, 1]])
    voxels = np.random.default_rng(0).permutation(voxels)
    return voxels @ affine[:3, :3].T + affine[:3, 3], affine


def sphere(n_points):
    """Return points spread over a unit sphere, and the triangles of their hull."""
    height = 1 - 2 * (np.arange(n_points) + 0.5) / n_points
    angle = np.pi * (1 + 5**0.5) * np.arange(n_points)
    ring = np.sqrt(1 - height**2)
    vertices = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    return vertices, ConvexHull(vertices).simplices


@pytest.mark.parametrize("radius", [2.0, 4.0, 7.5])
def test_volume_neighbours_are_those_within_the_radius(ball, radius):
    positions, affine = ball
    expected = cdist(positions, positions) <= radius
    np.testing.assert_array_equal(volume_neighbours(positions, radius_mm=radius).toarray(), expected)
    by_grid = volume_neighbours(positions, radius_mm=radius, affine=affine)
    np.testing.assert_array_equal(by_grid.toarray(), expected)
    assert by_grid.dtype == bool
    assert by_grid.has_sorted_indices


def test_chunks_of_the_grid_change_nothing(ball, monkeypatch):
    positions, affine = ball
    expected = volume_neighbours(positions, radius_mm=5.0, affine=affine)
    monkeypatch.setattr(neighbourhoods, "_CHUNK_ELEMENTS", 1000)
    assert (volume_neighbours(positions, radius_mm=5.0, affine=affine) != expected).nnz == 0


def test_a_sparse_set_of_voxels_in_a_huge_grid_needs_no_table(ball, monkeypatch):
    positions, affine = ball
    expected = volume_neighbours(positions, radius_mm=5.0)
    monkeypatch.setattr(neighbourhoods, "_LARGEST_BOX", 10)
    assert (volume_neighbours(positions, radius_mm=5.0, affine=affine) != expected).nnz == 0


def test_a_distance_equal_to_the_radius_lies_inside_whatever_the_rounding():
    positions = 0.1 * np.arange(12)[:, None] * [1.0, 0, 0]
    for affine in (None, np.diag([0.1, 0.1, 0.1, 1.0])):
        neighbours = volume_neighbours(positions, radius_mm=0.3, affine=affine)
        assert neighbours.sum(axis=1)[3:-3].tolist() == [7] * 6


def test_a_radius_of_less_than_three_voxels_makes_spheres_of_93_as_rsatoolbox():
    peer = pytest.importorskip("rsatoolbox.util.searchlight", exc_type=ImportError)
    mask = np.ones((9, 9, 9), dtype=int)
    centres, theirs = peer.get_volume_searchlight(mask, radius=3, threshold=1.0)
    positions = 3.0 * np.argwhere(mask)
    ours = volume_neighbours(positions, radius_mm=8.9, affine=np.diag([3.0, 3, 3, 1]))
    assert ours.sum(axis=1).max() == 93
    for centre, channels in zip(centres, theirs, strict=True):
        found = ours.indices[ours.indptr[centre] : ours.indptr[centre + 1]]
        # The peer keeps out spheres that reach beyond the volume; all others are the same.
        if len(found) == 93:
            np.testing.assert_array_equal(found, np.sort(channels))


def test_the_edge_of_the_volume_does_not_wrap_around():
    positions = np.argwhere(np.ones((2, 3, 40)))
    neighbours = volume_neighbours(positions, radius_mm=2.0, affine=np.eye(4)).toarray()
    np.testing.assert_array_equal(neighbours, cdist(positions, positions) <= 2)


def test_centres_with_too_few_channels_get_none():
    positions = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]]
    neighbours = volume_neighbours(positions, radius_mm=1.0, min_channels=3)
    assert neighbours.sum(axis=1).tolist() == [0, 3, 0, 0]


def test_surface_neighbours_are_those_within_the_shortest_path_along_edges(monkeypatch):
    monkeypatch.setattr(neighbourhoods, "_SOURCES", 37)
    vertices, faces = sphere(300)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = np.zeros((300, 300))
    graph[ends[:, 0], ends[:, 1]] = graph[ends[:, 1], ends[:, 0]] = np.linalg.norm(
        vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1
    )
    for radius in (0.1, 0.5, 4.0):
        ours = surface_neighbours(vertices, faces, radius_mm=radius)
        np.testing.assert_array_equal(ours.toarray(), dijkstra(csr_array(graph)) <= radius)
        assert ours.has_sorted_indices


def test_paths_along_the_mesh_are_a_few_per_cent_longer_than_geodesics():
    vertices, faces = sphere(2000)
    ours = surface_neighbours(vertices, faces, radius_mm=0.6)
    geodesic = np.arccos((vertices @ vertices.T).clip(-1, 1))
    assert (geodesic[ours.toarray()] <= 0.6 + 1e-9).all()
    assert ours[:, geodesic[0] <= 0.5][[0]].sum() == (geodesic[0] <= 0.5).sum()


def test_hemispheres_that_lie_in_one_place_do_not_mix():
    vertices, faces = sphere(200)
    one = surface_neighbours(vertices, faces, radius_mm=0.5)
    both = surface_neighbours(np.tile(vertices, (2, 1)), np.concatenate([faces, faces + 200]), radius_mm=0.5)
    np.testing.assert_array_equal(both.toarray(), block_diag([one, one]).toarray())


def test_a_vertex_without_a_face_is_alone_and_two_at_one_place_are_neighbours():
    vertices = [[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    ours = surface_neighbours(vertices, [[0, 1, 2]], radius_mm=0.5)
    np.testing.assert_array_equal(
        ours.toarray().astype(int), [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    few = surface_neighbours(vertices, [[0, 1, 2]], radius_mm=0.5, min_channels=2)
    assert few.sum(axis=1).tolist() == [2, 2, 0, 0]


def test_spatiotemporal_neighbours_are_channels_times_windows():
    space = csr_array(np.array([[1, 1, 0], [0, 1, 1]], dtype=bool))
    ours = spatiotemporal_neighbours(space, n_times=5, window=2, step=2)
    assert ours.shape == (4, 15)
    expected = np.zeros((3, 5), dtype=bool)
    expected[1:, 2:4] = True
    np.testing.assert_array_equal(ours.toarray()[3].reshape(3, 5), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: volume_neighbours(np.eye(2), radius_mm=1), r"shape \(n_channels, 3\), got \(2, 2\)"),
        (lambda: volume_neighbours(np.eye(3), radius_mm=0), "`radius_mm` must be a positive.*got 0"),
        (lambda: volume_neighbours([[0, 0, np.nan]], radius_mm=1), "1 NaN or infinite"),
        (lambda: volume_neighbours(np.eye(3), radius_mm=1, min_channels=0), "at least 1, got 0"),
        (
            lambda: volume_neighbours(0.5 * np.eye(3), radius_mm=1, affine=np.eye(4)),
            "centres of voxels of `affine`, but one is 0.5 voxels off",
        ),
        (
            lambda: volume_neighbours(np.zeros((2, 3)), radius_mm=1, affine=np.eye(4)),
            "several channels in one voxel",
        ),
        (
            lambda: volume_neighbours(np.eye(3), radius_mm=1, affine=np.eye(3)),
            r"`affine` must be an invertible matrix of shape \(4, 4\), got shape \(3, 3\)",
        ),
        (
            lambda: volume_neighbours(np.eye(3), radius_mm=1, affine=np.zeros((4, 4))),
            r"got shape \(4, 4\) of lower rank",
        ),
        (lambda: surface_neighbours(np.eye(2), [[0, 1, 1]], radius_mm=1), r"\(n_vertices, 3\), got \(2, 2\)"),
        (lambda: surface_neighbours(np.eye(3), [[0, 1, 3]], radius_mm=1), r"vertices 0..2, got 0..3"),
        (lambda: surface_neighbours(np.eye(3), [[0.0, 1, 2]], radius_mm=1), "whole numbers.*got float64"),
        (lambda: surface_neighbours(np.eye(3), [[0, 1, 2]], radius_mm=-1), "positive number.*got -1"),
        (lambda: surface_neighbours(np.eye(3), [[0, 1, 2]], radius_mm=1, min_channels=0), "got 0"),
        (
            lambda: spatiotemporal_neighbours(csr_array([[1]]), n_times=3, window=4),
            "`window` must be 1 to 3 time points and `step` at least 1, got 4 and 1",
        ),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_what_is_no_sparse_neighbourhood_is_not_extended_over_time():
    with pytest.raises(
        InputError, match=r"must be a sparse array of shape \(n_centres, n_channels\), got list"
    ):
        spatiotemporal_neighbours([[1, 1]], n_times=3, window=2)


def test_positions_out_of_every_image_are_refused():
    with pytest.raises(InputError, match="lie up to 5e.11 voxels of `affine` from its origin"):
        volume_neighbours([[0.0, 0, 0], [1e12, 0, 0]], radius_mm=2.0, affine=np.diag([2.0, 2, 2, 1]))
    with pytest.raises(InputError, match="`positions_mm` holds numbers of up to 1e.200"):
        volume_neighbours([[0.0, 0, 0], [1e200, 0, 0]], radius_mm=2.0)
