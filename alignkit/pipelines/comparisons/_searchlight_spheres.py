"""Which channels lie around which in a recording's own space: spheres of voxels, discs of vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_file, digest_json
from ...metrics import surface_neighbours, volume_neighbours
from ...recordings.geometry import AnyGeometry, VolumeGeometry
from ...recordings.recording import Recording
from ...recordings.surface_geometry import HEMISPHERES, SurfaceGeometry

Index = NDArray[np.intp]
Meshes = tuple[Path | None, Path | None]
# Its white surfaces come with nilearn.
BUNDLED = "fsaverage5"


def check_geometry(recording: Recording, meshes: Meshes) -> VolumeGeometry | SurfaceGeometry:
    """Return where a recording's channels are, refusing what has no neighbourhoods in millimetres."""
    geometry: AnyGeometry | None = recording.geometry
    if geometry is None:
        raise InputError(
            f"`searchlight-rsa` needs to know where channels are, but the recording of "
            f"{recording.subject!r} has no geometry. Load it from NIfTI, or give it a VolumeGeometry or "
            "SurfaceGeometry; without one, use `rsa` in regions."
        )
    if isinstance(geometry, VolumeGeometry):
        return geometry
    if not isinstance(geometry, SurfaceGeometry):
        raise InputError(
            f"`searchlight-rsa` goes through voxels or vertices, but the recording of {recording.subject!r} "
            f"has {geometry.kind}; use `rsa`."
        )
    for hemisphere, size, path in zip(HEMISPHERES, geometry.n_vertices, meshes, strict=True):
        if size and path is None and geometry.space != BUNDLED:
            raise InputError(
                f"distances along the {hemisphere} surface of {recording.subject!r} ({geometry.space}) need "
                f"its mesh: give `mesh_{hemisphere}`, the file of the white or mid-thickness surface."
            )
        if size and path is not None and not path.is_file():
            raise MissingDataError(f"`mesh_{hemisphere}`: {path} is missing; check the path.")
    return geometry


def digest_place(geometry: VolumeGeometry | SurfaceGeometry, meshes: Meshes) -> str:
    """Return a digest of everything that neighbourhoods follow from, but for the radius."""
    files = [None if path is None else digest_file(path) for path in meshes]
    return digest_json([geometry.digest, files if isinstance(geometry, SurfaceGeometry) else []])


def neighbours_of(
    geometry: VolumeGeometry | SurfaceGeometry, meshes: Meshes, *, radius_mm: float
) -> csr_array:
    """Return the channels within a radius of each channel, shape (n_channels, n_channels)."""
    if isinstance(geometry, VolumeGeometry):
        return volume_neighbours(geometry.coordinates_mm, radius_mm=radius_mm, affine=geometry.affine)
    points, triangles, start = [], [], 0
    for hemisphere, size, path in zip(HEMISPHERES, geometry.n_vertices, meshes, strict=True):
        if size:
            vertices, faces = _read_mesh(geometry, hemisphere, size, path)
            points.append(vertices)
            triangles.append(faces + start)
            start += size
    around = surface_neighbours(np.concatenate(points), np.concatenate(triangles), radius_mm=radius_mm)
    rows = vertex_numbers(geometry)
    return csr_array(around[rows][:, rows])


def vertex_numbers(geometry: SurfaceGeometry) -> Index:
    """Return each channel's vertex, the right hemisphere's counted on from the left one's."""
    right = geometry.hemispheres == "right"
    return np.asarray(geometry.vertices + np.where(right, geometry.n_vertices[0], 0), dtype=np.intp)


def shared_channels(geometries: list[VolumeGeometry | SurfaceGeometry]) -> list[Index] | None:
    """Return each subject's channels at the places that all have; None where they share no space.

    Two native spaces have nothing to do with each other, whatever their grids.
    """
    first = geometries[0]
    if len(geometries) < 2 or not all(_same_space(first, other) for other in geometries[1:]):
        return None
    places = [_places(geometry) for geometry in geometries]
    common = places[0]
    for other in places[1:]:
        common = np.intersect1d(common, other)
    if not len(common):
        return None
    orders = [np.argsort(place) for place in places]
    return [
        order[np.searchsorted(place, common, sorter=order)]
        for place, order in zip(places, orders, strict=True)
    ]


def _same_space(a: VolumeGeometry | SurfaceGeometry, b: VolumeGeometry | SurfaceGeometry) -> bool:
    if a.space != b.space or a.space == "native":
        return False
    if isinstance(a, VolumeGeometry) and isinstance(b, VolumeGeometry):
        return tuple(a.shape) == tuple(b.shape) and np.allclose(a.affine, b.affine, atol=1e-4)
    if isinstance(a, SurfaceGeometry) and isinstance(b, SurfaceGeometry):
        return tuple(a.n_vertices) == tuple(b.n_vertices)
    return False


def _places(geometry: VolumeGeometry | SurfaceGeometry) -> Index:
    if isinstance(geometry, SurfaceGeometry):
        return vertex_numbers(geometry)
    return np.asarray(np.ravel_multi_index(tuple(geometry.voxels.T), geometry.shape), dtype=np.intp)


def _read_mesh(
    geometry: SurfaceGeometry, hemisphere: str, size: int, path: Path | None
) -> tuple[NDArray[np.float64], Index]:
    from nilearn.datasets import load_fsaverage
    from nilearn.surface import load_surf_mesh

    mesh = (
        load_fsaverage(BUNDLED)["white_matter"].parts[hemisphere]
        if path is None
        else load_surf_mesh(str(path))
    )
    vertices = np.asarray(mesh.coordinates, dtype=np.float64)
    if len(vertices) != size:
        raise InputError(
            f"the {hemisphere} mesh must have the {size} vertices of {geometry.space}, got {len(vertices)}; "
            f"give the mesh that the recording was sampled on as `mesh_{hemisphere}`."
        )
    return vertices, np.asarray(mesh.faces, dtype=np.intp)
