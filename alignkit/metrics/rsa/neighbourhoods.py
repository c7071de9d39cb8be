"""Which channels lie around which: spheres in a volume, discs on a surface, for searchlights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse, kron
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from ..._core.checks import check_array
from ..._core.errors import InputError
from ..._core.progress import track
from .._arrays import as_array
from .._rounding import check_range

Neighbours = csr_array
Floats = NDArray[np.float64]

# A distance that is the radius but for rounding lies inside.
_ROUNDING = 1e-9
# Places looked up at once: 32 MiB.
_CHUNK_ELEMENTS = 2**22
# How far a position may be from its voxel's centre, in voxels.
_OFF_GRID = 1e-3
# No image has voxels farther out than this.
_FAR_VOXEL = 2**31
# Vertices that are walked from at once; their searches share one small part of the mesh.
_SOURCES = 256
# More voxels than this in the box around all positions, and a tree is used: 1 GiB of indices.
_LARGEST_BOX = 2**27


def volume_neighbours(
    positions_mm: ArrayLike,
    *,
    radius_mm: float,
    affine: ArrayLike | None = None,
    min_channels: int = 1,
) -> Neighbours:
    """Find the channels within a radius of each channel.

    Parameters
    ----------
    positions_mm : array of shape (n_channels, 3)
        Centres of voxels, sensors or electrodes in millimetres. Of a mask image it is
        ``nibabel.affines.apply_affine(affine, numpy.argwhere(mask))``.
    radius_mm : float
        Channels at this distance or nearer belong to the sphere. At 2.9 voxels it has 93 of them.
    affine : array of shape (4, 4), optional
        Voxel indices to millimetres, of positions that are voxels of one grid. The same result, only found
        by table, which is several times faster.
    min_channels : int, default=1
        Centres with fewer channels around them get none, so that a searchlight leaves them out.

    Returns
    -------
    neighbours : scipy.sparse.csr_array of bool, shape (n_channels, n_channels)
        Row i holds the channels around channel i, itself among them; indices are sorted.

    Raises
    ------
    InputError
        If positions are not finite or not three-dimensional, the radius is not positive, or positions are
        not on the grid of `affine` or share a voxel of it.

    Examples
    --------
    >>> volume_neighbours([[0, 0, 0], [3, 0, 0], [9, 0, 0]], radius_mm=3.0).toarray().astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    positions = check_array("positions_mm", as_array(positions_mm), ndim=2, dtype=np.float64)
    check_range("positions_mm", positions)
    if positions.shape[1] != 3:
        raise InputError(f"`positions_mm` must have shape (n_channels, 3), got {positions.shape}.")
    reach = _check_radius(radius_mm)
    if not min_channels >= 1:
        raise InputError(f"`min_channels` must be at least 1, got {min_channels}.")
    counts, indices = _by_tree(positions, reach) if affine is None else _by_grid(positions, reach, affine)
    kept = counts >= min_channels
    if not kept.all():
        indices = indices[np.repeat(kept, counts)]
        counts = np.where(kept, counts, 0)
    return _as_neighbours(counts, indices, len(positions))


def surface_neighbours(
    vertices_mm: ArrayLike,
    faces: ArrayLike,
    *,
    radius_mm: float,
    min_channels: int = 1,
) -> Neighbours:
    """Find the vertices within a distance along the surface of each vertex.

    The distance is the shortest path along edges of the mesh, which is a few per cent longer than the
    geodesic. Nothing crosses a sulcus or a gap between meshes: give both hemispheres in one call, the faces
    of the second counted on from the vertices of the first.

    Parameters
    ----------
    vertices_mm : array of shape (n_vertices, 3)
        Coordinates in millimetres, of the white or mid-thickness surface (not the inflated one).
    faces : array of int, shape (n_faces, 3)
        The vertices of each triangle.
    radius_mm : float
        Vertices at this distance or nearer belong to the disc.
    min_channels : int, default=1
        Centres with fewer vertices around them get none, so that a searchlight leaves them out.

    Returns
    -------
    neighbours : scipy.sparse.csr_array of bool, shape (n_vertices, n_vertices)
        Row i holds the vertices around vertex i, itself among them; indices are sorted. For a recording of
        some vertices, in any order: ``neighbours[rows][:, rows]``.

    Raises
    ------
    InputError
        If coordinates are not finite or not three-dimensional, faces name vertices that do not exist, or
        the radius is not positive.

    Examples
    --------
    >>> square, triangles = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]]
    >>> surface_neighbours(square, triangles, radius_mm=1.0).toarray().astype(int)[1]
    array([1, 1, 1, 0])
    """
    vertices = check_array("vertices_mm", as_array(vertices_mm), ndim=2, dtype=np.float64)
    check_range("vertices_mm", vertices)
    if vertices.shape[1] != 3:
        raise InputError(f"`vertices_mm` must have shape (n_vertices, 3), got {vertices.shape}.")
    reach = _check_radius(radius_mm)
    if not min_channels >= 1:
        raise InputError(f"`min_channels` must be at least 1, got {min_channels}.")
    graph = _mesh_graph(vertices, faces)
    tree = cKDTree(vertices)
    # The tree's own order keeps vertices together that are close in space.
    blocks = np.array_split(tree.indices, -(-len(vertices) // _SOURCES))
    rows, columns = [], []
    for sources in track(blocks, "surface neighbourhoods"):
        found = _walk(graph, vertices, tree, sources, reach)
        rows.append(found[0])
        columns.append(found[1])
    row, column = np.concatenate(rows), np.concatenate(columns)
    counts = np.bincount(row, minlength=len(vertices))
    kept = (counts >= min_channels)[row]
    row, column, counts = row[kept], column[kept], np.where(counts >= min_channels, counts, 0)
    return _as_neighbours(counts, column[np.argsort(row, kind="stable")], len(vertices))


def spatiotemporal_neighbours(
    neighbours: Neighbours, *, n_times: int, window: int, step: int = 1
) -> Neighbours:
    """Extend neighbourhoods of channels over windows of time.

    Parameters
    ----------
    neighbours : sparse array of shape (n_centres, n_channels)
        The channels around each centre.
    n_times : int
        Time points of the data.
    window : int
        Time points of a window.
    step : int, default=1
        Time points from the start of a window to the next one's; there are
        ``n_windows = (n_times - window) // step + 1``.

    Returns
    -------
    neighbours : scipy.sparse.csr_array of bool, shape (n_centres * n_windows, n_channels * n_times)
        For data ``X (n_patterns, n_channels, n_times)`` given as ``X.reshape(n_patterns, -1)``. A result with
        one value per centre is ``reshape(n_centres, n_windows)``.

    Raises
    ------
    InputError
        If `neighbours` is not sparse, or the window does not fit in the time points.

    Examples
    --------
    >>> spatiotemporal_neighbours(csr_array([[1, 1]]), n_times=3, window=2).toarray().astype(int)
    array([[1, 1, 0, 1, 1, 0],
           [0, 1, 1, 0, 1, 1]])
    """
    # Bound to a name, so that the stubs' base class without attributes is not taken for its type.
    is_sparse = issparse(neighbours)
    if not is_sparse or neighbours.ndim != 2:
        raise InputError(
            f"`neighbours` must be a sparse array of shape (n_centres, n_channels), got "
            f"{type(neighbours).__name__}. Use `volume_neighbours` or `surface_neighbours`."
        )
    if not (1 <= window <= n_times and step >= 1):
        raise InputError(
            f"`window` must be 1 to {n_times} time points and `step` at least 1, got {window} and {step}."
        )
    starts = np.arange(0, n_times - window + 1, step)
    times = (starts[:, None] + np.arange(window)).ravel()
    indptr = window * np.arange(len(starts) + 1)
    windows = csr_array((np.ones(len(times), dtype=bool), times, indptr), shape=(len(starts), n_times))
    found = csr_array(kron(csr_array(neighbours).astype(bool), windows, format="csr"))
    found.sort_indices()
    return found


def _check_radius(radius_mm: float) -> float:
    if not 0 < radius_mm < np.inf:
        raise InputError(f"`radius_mm` must be a positive number of millimetres, got {radius_mm:g}.")
    return float(radius_mm) * (1 + _ROUNDING)


def _as_neighbours(counts: NDArray[np.intp], indices: NDArray[np.integer], n_channels: int) -> Neighbours:
    indptr = np.concatenate([[0], np.cumsum(counts)])
    # Small index types where they hold: they are half of what a whole brain's neighbourhoods weigh.
    kind = np.int32 if indptr[-1] < 2**31 else np.int64
    parts = (np.ones(len(indices), dtype=bool), indices.astype(kind, copy=False), indptr.astype(kind))
    found = csr_array(parts, shape=(n_channels, n_channels))
    found.sort_indices()
    return found


def _by_tree(positions: Floats, reach: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the neighbours of each position, counted and one after the other."""
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    own = np.arange(len(positions))
    row = np.concatenate([pairs[:, 0], pairs[:, 1], own])
    column = np.concatenate([pairs[:, 1], pairs[:, 0], own])
    return np.bincount(row, minlength=len(positions)), column[np.argsort(row, kind="stable")]


def _by_grid(
    positions: Floats, reach: float, affine: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    """Return the same for voxels of one grid, through a table from places to channels."""
    voxels, axes = _voxels(positions, affine)
    # A voxel within reach is at most this many steps away along each axis of the grid.
    steps = np.floor(reach * np.linalg.norm(np.linalg.inv(axes), axis=1)).astype(np.intp)
    voxels = voxels - voxels.min(axis=0) + steps
    shape = voxels.max(axis=0) + 1 + steps
    if np.prod(shape.astype(np.float64)) > _LARGEST_BOX:
        return _by_tree(positions, reach)
    ranges = [np.arange(-step, step + 1) for step in steps]
    offsets = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets @ axes.T, axis=1) <= reach]
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    places = voxels @ strides
    # The edge that `steps` added is empty, so that no offset leaves the table or comes in at its other side.
    table = np.full(int(np.prod(shape)), -1, dtype=np.int32)
    table[places] = np.arange(len(places), dtype=np.int32)
    if (table[places] != np.arange(len(places))).any():
        raise InputError(
            "`positions_mm` holds several channels in one voxel of `affine`. Drop the copies, or leave "
            "`affine` out."
        )
    counts, indices = [], []
    step = max(1, _CHUNK_ELEMENTS // len(offsets))
    for start in range(0, len(places), step):
        around = table.take(places[start : start + step, None] + (offsets @ strides))
        inside = around >= 0
        counts.append(np.count_nonzero(inside, axis=1))
        indices.append(around[inside])
    return np.concatenate(counts), np.concatenate(indices)


def _voxels(positions: Floats, affine: ArrayLike) -> tuple[NDArray[np.intp], Floats]:
    """Return voxel indices, and the millimetres of a step along each axis in columns."""
    matrix = check_array("affine", as_array(affine), ndim=2, dtype=np.float64)
    if matrix.shape != (4, 4) or np.linalg.matrix_rank(matrix[:3, :3]) < 3:
        raise InputError(
            f"`affine` must be an invertible matrix of shape (4, 4), got shape {matrix.shape}"
            f"{' of lower rank' if matrix.shape == (4, 4) else ''}."
        )
    check_range("affine", matrix[:3, :3])
    exact = (positions - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    voxels = np.rint(exact)
    if np.abs(voxels).max() > _FAR_VOXEL:
        raise InputError(
            f"`positions_mm` lie up to {np.abs(voxels).max():.3g} voxels of `affine` from its origin. Give "
            "both in millimetres."
        )
    worst = float(np.abs(exact - voxels).max())
    if worst > _OFF_GRID:
        raise InputError(
            f"`positions_mm` must be centres of voxels of `affine`, but one is {worst:.3g} voxels off. "
            "Give the affine of the image they come from, or leave `affine` out."
        )
    return voxels.astype(np.intp), matrix[:3, :3]


def _mesh_graph(vertices: Floats, faces: ArrayLike) -> csr_array:
    """Return the lengths of the mesh's edges, (n_vertices, n_vertices), both directions stored."""
    triangles = np.asarray(as_array(faces))
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        raise InputError(
            f"`faces` must be whole numbers of shape (n_faces, 3), got {triangles.dtype} of shape "
            f"{triangles.shape}."
        )
    n_vertices = len(vertices)
    if triangles.size and (triangles.min() < 0 or triangles.max() >= n_vertices):
        raise InputError(
            f"`faces` must name vertices 0..{n_vertices - 1}, got {triangles.min()}..{triangles.max()}."
        )
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.intp)
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    ends = ends[ends[:, 0] != ends[:, 1]]
    lengths = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
    # A stored zero is no edge to the search; two vertices at one place are next to each other all the same.
    lengths = np.maximum(lengths, np.finfo(np.float64).tiny)
    both = np.concatenate([ends, ends[:, ::-1]])
    return csr_array((np.tile(lengths, 2), (both[:, 0], both[:, 1])), shape=(n_vertices, n_vertices))


def _walk(
    graph: csr_array, vertices: Floats, tree: cKDTree, sources: NDArray[np.intp], reach: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs (source, vertex within reach along the mesh)."""
    centre = vertices[sources].mean(axis=0)
    radius = np.linalg.norm(vertices[sources] - centre, axis=1).max()
    # No path is shorter than the straight line, so that only this part of the mesh can be reached.
    part = np.sort(tree.query_ball_point(centre, (radius + reach) * (1 + _ROUNDING)))
    distances = dijkstra(
        graph[part][:, part], directed=True, indices=np.searchsorted(part, sources), limit=reach
    )
    source, target = np.nonzero(np.isfinite(distances))
    return sources[source], part[target]
