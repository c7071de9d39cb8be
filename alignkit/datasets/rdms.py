"""Data that were published as dissimilarity matrices only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError
from ..recordings.rdms import RDMs
from ._arrays import read_array, read_names, readable, require_file
from ._dataset import DATASETS, Dataset
from ._stimuli import match_stimuli
from ._tables import label_table, read_table

# Largest asymmetry and diagonal that is taken for rounding, relative to the largest entry.
_TOLERANCE = 1e-6


def read_rdms(path: str | Path, *, variable: str | None = None) -> NDArray[np.float64]:
    """Read square dissimilarity matrices from a file.

    Parameters
    ----------
    path : str or Path
        ``.npz``, ``.npy``, ``.mat`` or ``.h5`` with one array of shape (n_rdms, n, n), (n, n, n_rdms),
        (n, n), or condensed (n_rdms, n (n - 1) / 2) in the order of ``scipy.spatial.distance.squareform``;
        or a ``.mat`` with the struct array `RDMs` (fields `RDM`, `name`) of the MATLAB RSA toolbox.
    variable : str, optional
        Which array of the file: by default ``rdms``, or the only one that fits.

    Returns
    -------
    squares : ndarray of shape (n_rdms, n, n)
        Symmetric, zero on the diagonal; NaN where a pair was not measured.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it holds no dissimilarity matrices, or its axes cannot be told apart.
    """
    structs = read_rdm_structs(path, variable=variable)
    if structs is not None:
        return structs[0]
    array = read_array(path, variable=variable, ndims=(1, 2, 3), default="rdms").astype(np.float64)
    return _as_squares(Path(path), array)


def read_rdm_structs(
    path: str | Path, *, variable: str | None = None
) -> tuple[NDArray[np.float64], list[str]] | None:
    """Read the matrices and names of a MATLAB struct array; None where the file holds none.

    Structs stand in the order of the array's last axis changing fastest.
    """
    path = require_file(path)
    if path.suffix.lower() != ".mat":
        return None
    import h5py
    from scipy.io import loadmat, whosmat

    if h5py.is_hdf5(path):
        return None
    with readable(path, "a MATLAB file"):
        structs = [name for name, _, kind in whosmat(path) if kind == "struct" and variable in (None, name)]
        if not structs:
            return None
        records: NDArray[Any] = loadmat(path, variable_names=structs[:1])[structs[0]].ravel()
    fields = records.dtype.names or ()
    if "RDM" not in fields:
        raise InputError(f"{path}: the struct {structs[0]} has no field 'RDM', it has {', '.join(fields)}.")
    matrices = [np.asarray(record["RDM"], dtype=np.float64) for record in records]
    sizes = {matrix.shape for matrix in matrices}
    if len(sizes) > 1:
        raise InputError(f"{path}: the matrices of {structs[0]} have several sizes: {sorted(sizes)}.")
    names = [_struct_name(record, number) for number, record in enumerate(records)]
    return _as_squares(path, np.stack(matrices)), names


@DATASETS.register(
    "rdms",
    modality="any",
    subjects="1 or more",
    stimuli="your own",
    shape="matrices x stimuli x stimuli",
    unit="dissimilarity",
    licence="your own",
    citation="",
    source="your own files: matrices, a table of their rows, a table of the matrices, a folder of images",
    sha256={},
    summary="Dissimilarity matrices (npz, npy, mat, h5; square or condensed) with the stimuli of their rows.",
)
def load_rdms(
    *,
    rdms: Path | list[Path],
    samples: Path | None = None,
    table: Path | None = None,
    stimuli: Path | None = None,
    variable: str | None = None,
    roi: str | list[str] | None = None,
    measure: str = "unknown",
) -> Dataset:
    """Read dissimilarity matrices, one file or one per region.

    Parameters
    ----------
    rdms : Path or list of Path
        See :func:`read_rdms`. Several files must have the same stimuli in the same order.
    samples : Path, optional
        A table with a row per row of the matrices and a column `stimulus_id`; further columns that sort
        the stimuli into categories become labels. Needed with `stimuli`, unless the file itself holds a text
        array ``stimulus_id``.
    table : Path, optional
        A row per matrix (over all files, in order) with `subject` and where known `roi`, `session`. By
        default the matrices of each file are the subjects ``sub-01``, ``sub-02`` and so on.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    variable : str, optional
        Which array of the file.
    roi : str or list of str, optional
        Region of the matrices, one for each file.
    measure : str
        The dissimilarity, such as ``"correlation"``.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If the parts do not fit each other.
    """
    paths = [Path(rdms)] if isinstance(rdms, str | Path) else [Path(path) for path in rdms]
    if not paths:
        raise InputError("`rdms` names no file.")
    squares = [read_rdms(path, variable=variable) for path in paths]
    sizes = [matrices.shape[1] for matrices in squares]
    if len(set(sizes)) > 1:
        pairs = ", ".join(f"{path.name}: {size}" for path, size in zip(paths, sizes, strict=True))
        raise InputError(f"the files of `rdms` have different numbers of stimuli ({pairs}).")
    described = _matrix_table(table, [len(m) for m in squares], roi, len(paths))
    stimulus_table, notes = _stimulus_table(paths[0], samples, sizes[0], needed=stimuli is not None)
    ids = list(stimulus_table["stimulus_id"])
    images, more = (None, ()) if stimuli is None else match_stimuli(stimuli, ids)
    return Dataset(
        name="rdms",
        rdms=RDMs.from_square(np.concatenate(squares), ids, described, measure=measure),
        stimuli=images,
        labels=label_table(stimulus_table),
        files=(*paths, *(path for path in (samples, table) if path is not None)),
        notes=(*notes, *more),
    )


def _as_squares(path: Path, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if array.ndim == 3:
        return _pick_axes(path, array)
    if array.ndim == 2 and array.shape[0] == array.shape[1] and _are_dissimilarities(array[None]):
        return array[None]
    condensed = np.atleast_2d(array)
    n_pairs = condensed.shape[1]
    n = (1 + int(np.sqrt(1 + 8 * n_pairs))) // 2
    if n * (n - 1) // 2 != n_pairs or n < 2:
        raise InputError(
            f"{path} has shape {array.shape}: neither square, symmetric and zero on the diagonal, nor "
            f"condensed (n (n - 1) / 2 columns; {n_pairs} is no such number)."
        )
    rows, columns = np.triu_indices(n, 1)
    squares = np.zeros((len(condensed), n, n))
    squares[:, rows, columns] = squares[:, columns, rows] = condensed
    return squares


def _pick_axes(path: Path, array: NDArray[np.float64]) -> NDArray[np.float64]:
    first = array if array.shape[1] == array.shape[2] else None
    last = array.transpose(2, 0, 1) if array.shape[0] == array.shape[1] else None
    fitting = [each for each in (first, last) if each is not None and _are_dissimilarities(each)]
    if len(fitting) == 1:
        return np.ascontiguousarray(fitting[0])
    if fitting:
        raise InputError(
            f"{path} has shape {array.shape} and is symmetric along either end, so matrices and stimuli "
            "cannot be told apart; save it condensed, as (n_rdms, n_pairs)."
        )
    if first is None and last is None:
        raise InputError(f"{path} has shape {array.shape}; wanted (n_rdms, n, n) or (n, n, n_rdms).")
    raise InputError(
        f"{path} of shape {array.shape} holds no dissimilarities: they must be symmetric with zero on the "
        "diagonal. Similarities r become dissimilarities as 1 - r."
    )


def _are_dissimilarities(squares: NDArray[np.float64]) -> bool:
    values = np.nan_to_num(squares, nan=0.0)
    slack = _TOLERANCE * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    # Infinities are left to the container, which names them.
    with np.errstate(invalid="ignore"):
        is_symmetric = np.allclose(values, values.transpose(0, 2, 1), rtol=0, atol=slack)
    return is_symmetric and bool((np.abs(np.diagonal(values, axis1=1, axis2=2)) <= slack).all())


def _struct_name(record: Any, number: int) -> str:
    if "name" not in (record.dtype.names or ()):
        return f"rdm-{number + 1:02d}"
    return "".join(np.asarray(record["name"]).ravel().astype(str)).strip()


def _matrix_table(
    table: Path | None, counts: Sequence[int], roi: str | list[str] | None, n_files: int
) -> pd.DataFrame:
    if table is not None:
        if roi is not None:
            raise InputError("give the regions either as `roi` or as a column of `table`, not both.")
        described = read_table(table, needs=["subject"])
        if len(described) != sum(counts):
            raise InputError(f"{table} has {len(described)} rows but there are {sum(counts)} matrices.")
        return described
    subjects = [f"sub-{number + 1:02d}" for count in counts for number in range(count)]
    described = pd.DataFrame({"subject": subjects})
    if roi is not None:
        rois = [roi] if isinstance(roi, str) else list(roi)
        if len(rois) != n_files:
            raise InputError(f"`roi` names {len(rois)} regions for {n_files} files; give one for each file.")
        described["roi"] = np.repeat(rois, counts)
    elif n_files > 1:
        raise InputError(
            f"{n_files} files need `roi` (one for each file) or `table` (a row for each matrix)."
        )
    return described


def _stimulus_table(
    path: Path, samples: Path | None, n_stimuli: int, *, needed: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if samples is not None:
        table = read_table(samples, needs=["stimulus_id"])
        if len(table) != n_stimuli:
            raise InputError(f"{samples} has {len(table)} rows but the matrices have {n_stimuli} stimuli.")
        return table, ()
    names = read_names(path, ("stimulus_id", "stimulus_ids"))
    if names is not None:
        if len(names) != n_stimuli:
            raise InputError(f"{path} names {len(names)} stimuli but its matrices have {n_stimuli}.")
        return pd.DataFrame({"stimulus_id": names}), ()
    if needed:
        raise InputError(
            f"{path} does not say which stimulus each row is, and images are never matched by position; give "
            "`samples`, a table with a column 'stimulus_id' in the order of the rows."
        )
    ids = [f"stimulus-{number + 1:04d}" for number in range(n_stimuli)]
    return pd.DataFrame({"stimulus_id": ids}), ("The stimuli have no names in the file; they were numbered.",)
