"""Numeric arrays out of npy, npz, MATLAB, HDF5 and zarr, and nothing that runs code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.checks import did_you_mean
from .._core.errors import InputError, MissingDataError
from ._zarr_stores import is_number, is_zarr, read_zarr_array, zarr_arrays

ARRAY_SUFFIXES = (".npy", ".npz", ".mat", ".h5", ".hdf5", ".zarr")
_NAMED_SUFFIXES = (".npz", ".mat", ".h5", ".hdf5", ".zarr")
_MATLAB_NUMBERS = frozenset(
    {"double", "single", "logical"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


@dataclass(frozen=True)
class Variable:
    """One array of a file, not yet read."""

    name: str
    shape: tuple[int, ...]
    kind: str
    is_number: bool
    read: Callable[[], Any]

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join(map(str, self.shape)) or 'scalar'} {self.kind})"


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a reader raises into one error that names the file."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as {what} ({type(error).__name__}: {error}); it is damaged, cut short "
            "or of another format. Copy it again, or save it anew."
        ) from error


def require_file(path: str | Path) -> Path:
    """Return `path` when a file is there."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder, a file is wanted" if path.is_dir() else "does not exist"
        raise MissingDataError(f"{path} {what}; check the name and where it lies.")
    return path


def require_array_file(path: str | Path) -> Path:
    """Return `path` when a file, or a zarr store, is there."""
    path = Path(path)
    if is_zarr(path):
        return path
    if path.is_dir() and path.suffix.lower() == ".zarr":
        raise InputError(
            f"{path} is no zarr store: it has neither zarr.json nor .zarray nor .zgroup. It is cut short, or "
            "another folder is meant."
        )
    return require_file(path)


def array_suffix(path: Path) -> str:
    """Return the suffix that says how an array is stored; a zarr store may bear any name."""
    return ".zarr" if path.is_dir() else path.suffix.lower()


def read_array(
    path: str | Path, *, variable: str | None = None, ndims: Sequence[int], default: str = "data"
) -> NDArray[Any]:
    """Read one array of real numbers.

    Parameters
    ----------
    path : str or Path
        A file with one of :data:`ARRAY_SUFFIXES`, or a zarr store.
    variable : str, optional
        Which array of a file that holds several; by default `default`, or the only one that fits.
    ndims : sequence of int
        The dimensions that are fine.
    default : str
        The name that is taken first.

    Returns
    -------
    array : ndarray
        As it lies in the file; MATLAB arrays have the axes that MATLAB shows.

    Raises
    ------
    InputError
        If there is no such array, several would fit, or it holds no real numbers.
    """
    path = require_array_file(path)
    with readable(path, _format(path)), _opened(path) as variables:
        chosen = _choose(path, variables, variable, ndims, default)
        array = np.asarray(chosen.read())
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{path}: {chosen.name} holds {array.dtype} values, real numbers are wanted"
            + (" (take its real part or its modulus)." if array.dtype.kind == "c" else ".")
        )
    if array.ndim not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise InputError(f"{path}: {chosen.name} must have {wanted} dimensions, got shape {array.shape}.")
    return array


def check_links(path: Path) -> None:
    """Refuse an HDF5 file that takes a part of itself from another file.

    Raises
    ------
    InputError
        Naming the link or array that points elsewhere.
    """
    import h5py

    # Named by what is returned: an error that is raised inside of a visit does not come out whole.
    def is_foreign(name: str, item: Any) -> str | None:
        foreign = isinstance(item, h5py.Dataset) and (item.is_virtual or item.external)
        return f"array {name!r}" if foreign else None

    def is_foreign_link(name: str, link: Any) -> str | None:
        return f"link {name!r}" if isinstance(link, h5py.ExternalLink) else None

    with h5py.File(path, "r") as file:
        found = file.visititems(is_foreign) or file.visititems_links(is_foreign_link)
    if found:
        raise InputError(f"the HDF5 {found} of {path} points to another file, which is not followed.")


def choose_array(
    path: Path, *, variable: str | None = None, ndims: Sequence[int], default: str = "data"
) -> str:
    """Return the name of the array that :func:`read_array` reads."""
    with readable(path, _format(path)), _opened(path) as variables:
        return _choose(path, variables, variable, ndims, default).name


def unwritten_chunks(path: Path, name: str) -> tuple[int, int, Any]:
    """Return how many chunks of an HDF5 array were never written, of how many, and what is read for them.

    An array that is stored in one piece is one chunk.
    """
    import h5py

    if not h5py.is_hdf5(path):
        return 0, 0, 0
    with readable(path, _format(path)), h5py.File(path, "r") as file:
        array = file[name]
        if array.chunks is None:
            # A compact array lies in its header: only of a contiguous one the storage may be missing.
            is_missing = array.size > 0 and array.id.get_storage_size() == 0
            return int(is_missing), 1, array.fillvalue
        counts = [-(-n // step) for n, step in zip(array.shape, array.chunks, strict=True)]
        total = int(np.prod(counts))
        return total - int(array.id.get_num_chunks()), total, array.fillvalue


def read_names(path: Path, names: Sequence[str]) -> list[str] | None:
    """Read a text vector called one of `names` from a file of several arrays; None where there is none.

    MATLAB's cell arrays of text and rows of characters count too; texts of MATLAB lose trailing spaces.
    """
    if array_suffix(path) not in _NAMED_SUFFIXES:
        return None
    with readable(path, _format(path)), _opened(path, only=names) as variables:
        for variable in variables:
            if variable.name in names and (len(variable.shape) == 1 or variable.kind in ("cell", "char")):
                return [_as_text(value) for value in np.ravel(variable.read())]
    return None


def _as_text(value: Any) -> str:
    # A cell of MATLAB is an array of one text.
    if isinstance(value, np.ndarray):
        return "".join(map(str, value.ravel())).rstrip()
    return value.decode() if isinstance(value, bytes) else str(value).rstrip()


def _choose(
    path: Path, variables: list[Variable], name: str | None, ndims: Sequence[int], default: str
) -> Variable:
    by_name = {variable.name: variable for variable in variables}
    if name is not None and path.suffix.lower() != ".npy":
        if name not in by_name:
            raise InputError(f"{path} has no variable {name!r}, {did_you_mean(name, list(by_name))}")
        return _refuse_other(path, by_name[name])
    if default in by_name:
        return _refuse_other(path, by_name[default])
    fitting = [v for v in variables if v.is_number and len(v.shape) in ndims]
    # MATLAB stores scalars and vectors as matrices: they only count where nothing larger is there.
    fitting = [v for v in fitting if min(v.shape, default=0) > 1] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if len(variables) == 1:
        return _refuse_other(path, variables[0])
    there = "; ".join(map(str, variables)) or "nothing"
    count = "several arrays" if fitting else "no array"
    raise InputError(f"{path} has {count} that would do; choose one with `variable`. It holds {there}.")


def _refuse_other(path: Path, variable: Variable) -> Variable:
    if variable.kind == "object":
        raise InputError(
            f"{path}: {variable.name} holds Python objects, which are never unpickled; save plain numbers."
        )
    if not variable.is_number:
        raise InputError(f"{path}: {variable.name} is a {variable.kind}, an array of numbers is wanted.")
    return variable


@contextmanager
def _opened(path: Path, only: Sequence[str] | None = None) -> Iterator[list[Variable]]:
    import h5py

    suffix = array_suffix(path)
    if suffix not in ARRAY_SUFFIXES:
        raise InputError(f"{path} has the suffix {suffix!r}; known: {', '.join(ARRAY_SUFFIXES)}.")
    if suffix == ".npy":
        yield [_numpy_variable(path.stem, lambda: np.load(path, allow_pickle=False))]
    elif suffix == ".npz":
        # numpy leaves a damaged archive open when it opens the file itself.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            names = [name for name in file.files if only is None or name in only]
            yield [_numpy_variable(name, partial(file.__getitem__, name)) for name in names]
    elif suffix == ".zarr":
        yield [
            Variable(
                name,
                tuple(array.shape),
                str(array.dtype),
                is_number(array),
                partial(read_zarr_array, path, array),
            )
            for name, array in zarr_arrays(path)
        ]
    elif suffix == ".mat" and not h5py.is_hdf5(path):
        yield _matlab_variables(path)
    else:
        with h5py.File(path, "r") as file:
            yield _hdf5_variables(file, matlab=suffix == ".mat")


def _numpy_variable(name: str, read: Callable[[], Any]) -> Variable:
    try:
        array = read()
    except ValueError as error:
        # numpy refuses pickled objects in words of its own; other arrays of the file may still do.
        if "allow_pickle" in str(error):
            return Variable(name, (), "object", False, read)
        raise
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name} is no numpy array.")
    # Complex numbers are numbers here, so that the message is about them and not about the choice.
    return Variable(name, array.shape, str(array.dtype), array.dtype.kind in "fiubc", lambda: array)


def _matlab_variables(path: Path) -> list[Variable]:
    from scipy.io import loadmat, whosmat

    def reader(name: str) -> Callable[[], Any]:
        return lambda: loadmat(path, variable_names=[name])[name]

    return [
        Variable(name, tuple(shape), kind, kind in _MATLAB_NUMBERS, reader(name))
        for name, shape, kind in whosmat(path)
    ]


def _hdf5_variables(file: Any, *, matlab: bool) -> list[Variable]:
    import h5py

    found: list[Variable] = []

    def add(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name.startswith("#refs#"):
            return
        if item.is_virtual or item.external:
            raise InputError(f"the HDF5 array {name!r} points to another file, which is not followed.")
        matlab_class = _text(item.attrs.get("MATLAB_class", ""))
        is_number = item.dtype.kind in "fiubc" and matlab_class not in ("char", "cell")
        # MATLAB writes column by column: HDF5 shows its arrays with the axes reversed.
        shape = item.shape[::-1] if matlab else item.shape
        kind = matlab_class or str(item.dtype)

        def read() -> Any:
            if matlab and matlab_class in ("cell", "char"):
                return _matlab_texts(file, item)
            values = item[...] if is_number or item.dtype.kind != "O" else item.asstr()[...]
            return values.T if matlab else values

        found.append(Variable(name, tuple(shape), kind, is_number, read))

    # Links to other files are not visited.
    file.visititems(add)
    return found


def _matlab_texts(file: Any, item: Any) -> NDArray[Any]:
    """Return a cell array of texts, or the rows of a character array, of a MATLAB 7.3 file."""
    import h5py

    if item.dtype.kind != "O":
        return np.array(["".join(map(chr, row)) for row in np.atleast_2d(item[...].T)])
    cells = [file[reference] for reference in item[...].T.ravel()]
    if not all(isinstance(cell, h5py.Dataset) and cell.dtype.kind in "u" for cell in cells):
        raise InputError(f"the cell array {item.name!r} holds other things than text.")
    return np.array(["".join(map(chr, cell[...].T.ravel())) for cell in cells])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.is_dir():
        return "a zarr store"
    return {".npy": "a NumPy array", ".npz": "a NumPy archive", ".mat": "a MATLAB file"}.get(suffix, "HDF5")
