"""Vertices of the two cortical surfaces, and maps on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_option
from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json
from ._map_values import as_maps

if TYPE_CHECKING:
    from nibabel.gifti.gifti import GiftiImage

HEMISPHERES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


@dataclass(frozen=True, eq=False)
class SurfaceGeometry:
    """Vertices of one or both hemispheres' meshes.

    Attributes
    ----------
    vertices : ndarray of shape (n_channels,)
        Index of each channel's vertex in the mesh of its hemisphere, from 0.
    hemispheres : ndarray of shape (n_channels,)
        ``"left"`` or ``"right"`` for each channel.
    n_vertices : tuple of 2 int
        Sizes of the left and the right mesh, such as (10242, 10242) for fsaverage5; 0 for one that is
        not there.
    space : str
        Name of the mesh, such as ``"fsaverage5"``, ``"fsLR-32k"`` or ``"native"``.

    Examples
    --------
    >>> import numpy as np
    >>> geometry = SurfaceGeometry.of_mask(np.array([True, False, True]), np.array([False, True, True]))
    >>> geometry.n_channels, geometry.vertices.tolist(), geometry.n_vertices
    (4, [0, 2, 1, 2], (3, 3))
    """

    vertices: NDArray[np.intp]
    hemispheres: NDArray[np.str_]
    n_vertices: tuple[int, int]
    space: str = "native"
    kind: str = "surface"

    def __post_init__(self) -> None:
        if self.vertices.ndim != 1 or self.hemispheres.shape != self.vertices.shape:
            raise InputError(
                "`vertices` and `hemispheres` must both have shape (n_channels,), got "
                f"{self.vertices.shape} and {self.hemispheres.shape}."
            )
        if self.vertices.dtype.kind not in "iu":
            raise InputError(f"`vertices` must hold whole numbers, got {self.vertices.dtype}.")
        for hemisphere in np.unique(self.hemispheres):
            check_option("hemispheres", str(hemisphere), HEMISPHERES)
        for hemisphere, size in zip(HEMISPHERES, self.n_vertices, strict=True):
            here = self.vertices[self.hemispheres == hemisphere]
            if here.size and (here.min() < 0 or here.max() >= size):
                raise InputError(
                    f"`vertices` must lie in 0..{size - 1} in the {hemisphere} hemisphere, got "
                    f"{here.min()}..{here.max()}. Give the sizes of both meshes as `n_vertices`."
                )
            if len(np.unique(here)) < here.size:
                raise InputError(
                    f"`vertices` holds {here.size - len(np.unique(here))} vertices of the {hemisphere} "
                    "hemisphere more than once. Give each vertex one channel."
                )

    @classmethod
    def of_mask(cls, left: ArrayLike, right: ArrayLike, *, space: str = "native") -> SurfaceGeometry:
        """Build the geometry of data on all vertices of two masks, left ones first.

        Parameters
        ----------
        left, right : array-like of bool, shape (n_vertices of that mesh,)
            True where the recording has a channel; empty for a hemisphere that is not there.
        space : str, default="native"
            Name of the mesh.

        Raises
        ------
        InputError
            For masks that are not one-dimensional and boolean.
        """
        masks = [np.asarray(mask) if np.size(mask) else np.zeros(0, dtype=bool) for mask in (left, right)]
        for name, mask in zip(HEMISPHERES, masks, strict=True):
            if mask.ndim != 1 or mask.dtype != bool:
                raise InputError(
                    f"`{name}` must be a boolean mask of shape (n_vertices,), got {mask.dtype} of shape "
                    f"{mask.shape}."
                )
        indices = [np.flatnonzero(mask) for mask in masks]
        labels = np.repeat(HEMISPHERES, [len(index) for index in indices])
        return cls(np.concatenate(indices), labels, (masks[0].size, masks[1].size), space)

    @property
    def n_channels(self) -> int:
        """Number of vertices with a channel."""
        return len(self.vertices)

    @property
    def digest(self) -> str:
        """Digest of the vertices, the meshes' sizes and the name of the space."""
        vertices = digest_array(np.asarray(self.vertices, dtype=np.int64))
        right = digest_array(self.hemispheres == "right")
        return digest_json([vertices, right, list(map(int, self.n_vertices)), self.space])

    def select(self, index: NDArray[np.intp]) -> SurfaceGeometry:
        """Keep some vertices."""
        return SurfaceGeometry(self.vertices[index], self.hemispheres[index], self.n_vertices, self.space)

    def to_gifti(
        self,
        values: ArrayLike,
        *,
        hemisphere: Literal["left", "right"],
        names: Sequence[str] | None = None,
        unit: str = "",
        fill: float = np.nan,
    ) -> GiftiImage:
        """Return a GIfTI image of one hemisphere with a float32 array per map.

        Parameters
        ----------
        values : array-like of shape (n_channels,) or (n_maps, n_channels)
            For all channels, those of the other hemisphere among them. In any unit.
        hemisphere : {"left", "right"}
            Which one; it is written as the image's ``AnatomicalStructurePrimary``.
        names : sequence of str, optional
            A name per map, which the array's metadata carry. By default ``map 1`` and so on.
        unit : str, optional
            Of the values, for the metadata.
        fill : float, default=nan
            What vertices outside the recording get.

        Returns
        -------
        image : nibabel.gifti.GiftiImage
            Arrays of shape (n_vertices of that mesh,), one per map.

        Raises
        ------
        InputError
            For another hemisphere, or shapes that do not fit.
        """
        import nibabel as nib

        gifti: Any = nib.gifti  # its classes carry no types
        check_option("hemisphere", hemisphere, HEMISPHERES)
        maps, names = as_maps(values, names, self.n_channels)
        here = self.hemispheres == hemisphere
        dense = np.full((len(maps), self.n_vertices[HEMISPHERES.index(hemisphere)]), fill, dtype=np.float32)
        dense[:, self.vertices[here]] = maps[:, here]
        meta = {"AnatomicalStructurePrimary": f"Cortex{hemisphere.title()}", "Space": self.space}
        image: GiftiImage = gifti.GiftiImage(
            meta=gifti.GiftiMetaData(meta | ({"Unit": unit} if unit else {}))
        )
        for name, row in zip(names, dense, strict=True):
            array = gifti.GiftiDataArray(
                row,
                intent="NIFTI_INTENT_NONE",
                datatype="NIFTI_TYPE_FLOAT32",
                meta=gifti.GiftiMetaData({"Name": name}),
            )
            image.add_gifti_data_array(array)  # type: ignore[no-untyped-call]
        return image

    def save(self, folder: Path) -> None:
        """Write to a folder, as plain arrays."""
        right = self.hemispheres == "right"
        np.savez(folder / "geometry.npz", vertices=self.vertices, right=right, n_vertices=self.n_vertices)

    @classmethod
    def load(cls, folder: Path, space: str) -> SurfaceGeometry:
        """Read what :meth:`save` wrote."""
        with np.load(folder / "geometry.npz", allow_pickle=False) as file:
            left, right = (int(n) for n in file["n_vertices"])
            hemispheres = np.where(file["right"], "right", "left")
            return cls(file["vertices"], hemispheres, (left, right), space)
