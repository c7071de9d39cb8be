"""Series, masks and labels of one hemisphere: GIfTI, and FreeSurfer's mgh, mgz and annot."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file
from ._runs import SeriesFile

_GIFTI = (".gii", ".gii.gz")
_MGH = (".mgh", ".mgz")
_MESH_INTENTS = ("NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE")
# Names that atlases give to vertices without a region.
_NO_REGION = frozenset(
    {
        "???",
        "unknown",
        "background",
        "medial_wall",
        "medialwall",
        "freesurfer_defined_medial_wall",
        "background+freesurfer_defined_medial_wall",
    }
)


@dataclass(frozen=True)
class _Extent:
    """What the beginning of a GIfTI file says: sizes, and a time step in whatever unit."""

    n_volumes: int
    n_vertices: int
    time_step: float | None


def open_surface_series(path: str | Path) -> tuple[SeriesFile, int]:
    """Open a series on one hemisphere; return it and the number of vertices.

    Raises
    ------
    InputError
        If the file is a mesh, holds a single map, or is no surface file.
    """
    path = require_file(path)
    name = path.name.lower()
    if name.endswith(_GIFTI):
        extent = _gifti_extent(path)
        tr_s, note = _time_step(path, extent.time_step)
    elif name.endswith(_MGH):
        extent, tr_s, note = _mgh_extent(path)
    else:
        raise InputError(
            f"{path} has the suffix {path.suffix!r}; a surface series is .func.gii, .mgh or .mgz."
        )
    if extent.n_volumes < 2:
        raise InputError(f"{path} holds {extent.n_volumes} volume(s); a series needs at least 2.")
    shape = (extent.n_volumes, extent.n_vertices)
    return SeriesFile(path, extent.n_volumes, partial(_read_maps, path, shape), tr_s, note), extent.n_vertices


def read_vertices(path: str | Path, n_vertices: int, *, what: str) -> NDArray[np.float32]:
    """Read one value per vertex: the first map of a GIfTI or mgh file."""
    path = require_file(path)
    values = _read_maps(path, None)
    _check_size(path, values.shape[1], n_vertices, what)
    return np.asarray(values[0], dtype=np.float32)


def read_labels(path: str | Path, n_vertices: int) -> NDArray[Any]:
    """Read the name of every vertex's region, ``""`` for none, from ``.label.gii`` or ``.annot``."""
    path = require_file(path)
    name = path.name.lower()
    if name.endswith(".annot"):
        from nibabel.freesurfer.io import read_annot

        with readable(path, "a FreeSurfer annotation"):
            numbers, _, found = read_annot(path)  # type: ignore[no-untyped-call]
            names = {number: label.decode() for number, label in enumerate(found)}
    elif name.endswith(_GIFTI):
        image = _load(path)
        with readable(path, "GIfTI labels"):
            names = {int(key): str(label) for key, label in image.labeltable.get_labels_as_dict().items()}
            numbers = np.asarray(image.darrays[0].data).ravel()
    else:
        raise InputError(f"{path} has the suffix {path.suffix!r}; surface labels are .label.gii or .annot.")
    _check_size(path, len(numbers), n_vertices, "atlas")
    return label_names(path, np.asarray(numbers).astype(np.int64), names)


def label_names(path: str | Path, numbers: NDArray[np.int64], names: dict[int, str]) -> NDArray[Any]:
    """Return the name of every number; ``""`` below 0, and for names that say that there is no region."""
    unknown = [int(number) for number in np.unique(numbers) if number > 0 and int(number) not in names]
    if unknown:
        raise InputError(f"{path} has no name for the region number(s) {', '.join(map(str, unknown[:10]))}.")
    known = {number: "" if name.lower() in _NO_REGION else name for number, name in names.items()}
    return np.array([known.get(int(number), "") if number >= 0 else "" for number in numbers], dtype=object)


def _check_size(path: Path, n_found: int, n_vertices: int, what: str) -> None:
    if n_found != n_vertices:
        raise InputError(
            f"the {what} {path} has {n_found} vertices but the series has {n_vertices}; both must be on one "
            "mesh, such as fsaverage5 with 10242 and fsaverage6 with 40962."
        )


def _load(path: Path) -> Any:
    import nibabel as nib

    with readable(path, "a surface file"):
        return nib.load(path)


@contextmanager
def _mgh(path: Path) -> Iterator[Any]:
    """Open an mgh file and close it again, which nibabel leaves to the garbage collector."""
    from nibabel.freesurfer.mghformat import MGHImage

    opened = gzip.open(path) if path.suffix.lower() == ".mgz" else path.open("rb")
    with opened as handle, readable(path, "an mgh file"):
        yield MGHImage.from_stream(handle)


def _read_maps(path: Path, shape: tuple[int, int] | None) -> NDArray[np.float32]:
    """Return all maps of a file: (n_maps, n_vertices)."""
    if path.name.lower().endswith(_MGH):
        # FreeSurfer folds vertices into three axes where one would be too long for a volume's header.
        with _mgh(path) as image:
            values = np.asarray(image.dataobj, dtype=np.float32)
        maps = values.reshape(-1, values.shape[3] if values.ndim == 4 else 1, order="F").T
    else:
        image = _load(path)
        with readable(path, "values on a surface"):
            arrays = [np.asarray(array.data, dtype=np.float32) for array in image.darrays]
            maps = np.concatenate([array[None] if array.ndim == 1 else array.T for array in arrays])
    if shape is not None and maps.shape != shape:
        raise InputError(
            f"{path} holds maps of shape {maps.shape} where its first lines announce {shape} (volumes, "
            "vertices); it is cut short or mixed. Write it again."
        )
    return maps


def _gifti_extent(path: Path) -> _Extent:
    """Read the first lines of a GIfTI file, whose values would have to be parsed all at once."""
    n_arrays, key = 0, ""
    shape: tuple[int, ...] = (0,)
    steps: list[float] = []
    with readable(path, "a GIfTI file"):
        opened = gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")
        with opened as handle:
            for event, element in ElementTree.iterparse(handle, events=("start", "end")):
                if event == "start" and element.tag == "GIFTI":
                    n_arrays = int(element.attrib["NumberOfDataArrays"])
                elif event == "start" and element.tag == "DataArray":
                    shape = _shape(path, element)
                elif event == "end" and element.tag == "Name":
                    key = (element.text or "").strip()
                elif event == "end" and element.tag == "Value" and key == "TimeStep":
                    steps.append(float(element.text or "nan"))
                elif event == "start" and element.tag == "Data":
                    break
    if not n_arrays:
        raise InputError(f"{path} holds no data array; a series has one per volume.")
    n_volumes = n_arrays * (shape[1] if len(shape) > 1 else 1)
    return _Extent(n_volumes, shape[0], steps[0] if steps else None)


def _shape(path: Path, element: ElementTree.Element) -> tuple[int, ...]:
    if element.attrib.get("Intent") in _MESH_INTENTS:
        raise InputError(f"{path} holds a mesh, not values; a series on it ends with .func.gii.")
    return tuple(int(element.attrib[f"Dim{axis}"]) for axis in range(int(element.attrib["Dimensionality"])))


def _time_step(path: Path, step: float | None) -> tuple[float | None, str | None]:
    if step is None or not step > 0:
        return None, None
    # FreeSurfer writes milliseconds, others seconds, and the format does not say which.
    is_milli = step >= 50
    unit = "milliseconds" if is_milli else "seconds"
    note = f"The TimeStep of {path.name}, whose unit the format leaves open, was read as {step:g} {unit}."
    return (step / 1000 if is_milli else step), note


def _mgh_extent(path: Path) -> tuple[_Extent, float | None, str | None]:
    with _mgh(path) as image:
        shape = tuple(int(n) for n in image.shape)
        tr_ms = float(image.header["tr"])
    if len(shape) >= 3 and min(shape[:3]) > 1:
        raise InputError(
            f"{path} has shape {shape}: a volume, not vertices of one hemisphere. Read it as a volume, or "
            "project it to the surface first."
        )
    n_volumes = shape[3] if len(shape) == 4 else 1
    return _Extent(n_volumes, int(np.prod(shape[:3])), None), (tr_ms / 1000 if tr_ms > 0 else None), None
