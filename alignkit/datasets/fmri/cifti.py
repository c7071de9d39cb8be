"""From CIFTI series (grayordinates) to a recording, and values per channel back to a CIFTI map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..._core.atomic import atomic_file
from ..._core.checks import check_option
from ..._core.errors import InputError
from ...preprocessing.signals import Detrend, Standardize
from ...recordings._map_values import as_maps
from ...recordings.recording import Recording
from ._confounds import ConfoundColumns
from ._grayordinates import (
    brain_models,
    cifti_series,
    common_models,
    grayordinate_names,
    open_cifti,
    open_cifti_series,
    select_grayordinates,
)
from ._runs import Average, RunOptions, check_files, read_recording
from ._usable import Usable
from .single_trials import SingleTrialOptions

Structures = Literal["cortex", "all"]
_ENDING = ".dscalar.nii"


def read_cifti_bold(
    bold: Sequence[str | Path],
    *,
    structures: Structures = "cortex",
    events: Sequence[str | Path] | None = None,
    volume_labels: str | Path | None = None,
    confounds: Sequence[str | Path] | None = None,
    confound_columns: ConfoundColumns = "none",
    atlas: str | Path | None = None,
    tr_s: float | None = None,
    start_time_s: float | None = None,
    drop_volumes: int = 0,
    delay_s: float = 5.0,
    average: Average = "event",
    glm: SingleTrialOptions | None = None,
    duration_s: float | None = None,
    detrend: Detrend = "linear",
    high_pass_hz: float | None = None,
    standardize: Standardize = "percent",
    rest: str = "rest",
    id_column: str | None = None,
    space: str | None = None,
    subject: str = "subject",
) -> Recording:
    """Read one subject's fMRI runs in grayordinates, as :func:`read_bold` reads volumes.

    Parameters
    ----------
    bold : sequence of paths
        ``.dtseries.nii`` files, one per run, all with the same grayordinates.
    structures : {"cortex", "all"}
        The vertices of the two cortical surfaces, or also the voxels below them.
    events, volume_labels, confounds, confound_columns
        See :func:`read_bold`.
    atlas : path, optional
        A ``.dlabel.nii`` whose first map gives channels a `roi`; they are matched by structure and vertex or
        voxel, so that it may have the medial wall that the series lacks. Channels are then its labelled ones.
    tr_s, start_time_s, drop_volumes, delay_s, average, glm, duration_s, detrend, high_pass_hz, standardize
        See :func:`read_bold`. Smooth before, with Connectome Workbench: it needs the meshes.
    rest, id_column, subject
        See :func:`read_bold`.
    space : str, optional
        Name of the mesh; by default ``"fsLR-32k"`` for 32492 vertices per hemisphere, or else ``"native"``.

    Returns
    -------
    recording : Recording
        Channels have `structure`, `vertex` (-1 for voxels), and with ``structures="all"`` the place of voxels
        in millimetres. `geometry` is a :class:`SurfaceGeometry` for the cortex, and None for all structures,
        which no one geometry holds: :func:`write_cifti` puts values of either back into a ``.dscalar.nii``.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        As :func:`read_bold`; and if a file is no CIFTI series, or runs have other grayordinates.
    """
    check_option("structures", structures, ("cortex", "all"))
    if isinstance(bold, str | Path):
        raise InputError("`bold` and `events` are sequences of paths, one for each run; got a single path.")
    options = RunOptions(
        subject,
        events=events,
        volume_labels=volume_labels,
        confounds=confounds,
        confound_columns=confound_columns,
        tr_s=tr_s,
        start_time_s=start_time_s,
        drop_volumes=drop_volumes,
        delay_s=delay_s,
        average=average,
        glm=glm,
        duration_s=duration_s,
        detrend=detrend,
        high_pass_hz=high_pass_hz,
        standardize=standardize,
        rest=rest,
        id_column=id_column,
    )
    paths = [Path(path) for path in bold]
    check_files(paths, options)
    images = [open_cifti_series(path) for path in paths]
    models = common_models(paths, images)
    places = select_grayordinates(models, structures, atlas)
    files = [cifti_series(path, image, places.inside) for path, image in zip(paths, images, strict=True)]
    usable = Usable(int(places.inside.sum()), what="grayordinates")
    return read_recording(
        files,
        options,
        usable,
        places,
        locate=lambda keep: places.geometry(keep, space) if structures == "cortex" else None,
    )


def write_cifti(
    path: str | Path,
    recording: Recording,
    values: ArrayLike,
    *,
    like: str | Path,
    names: Sequence[str] | None = None,
    fill: float = np.nan,
) -> Path:
    """Write a value per channel as a CIFTI map that Connectome Workbench opens.

    Parameters
    ----------
    path : path
        Where to write; it ends with ``.dscalar.nii``, which may be left out. Written whole or not at all.
    recording : Recording
        Of :func:`read_cifti_bold`, or some of its channels.
    values : array-like of shape (n_channels,) or (n_maps, n_channels)
        In any unit. Written as float32.
    like : path
        A CIFTI file with the grayordinates to write, such as one of the series.
    names : sequence of str, optional
        A name per map; by default ``map 1`` and so on.
    fill : float, default=nan
        What grayordinates outside the recording get.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    InputError
        If the recording has channels that `like` lacks, for shapes that do not fit, and for another ending.
    """
    import nibabel as nib
    from nibabel.cifti2.cifti2_axes import ScalarAxis

    maps, labels = as_maps(values, names, recording.n_channels)
    target = Path(path)
    if target.suffix == ".nii" and not target.name.endswith(_ENDING):
        raise InputError(f"`path` is {target.name!r}; a CIFTI map ends with {_ENDING!r}.")
    target = target if target.name.endswith(_ENDING) else target.with_name(target.name + _ENDING)
    models = brain_models(Path(like), open_cifti(Path(like)))
    row = {name: number for number, name in enumerate(grayordinate_names(models))}
    missing = [name for name in recording.channels["name"] if name not in row]
    if missing:
        raise InputError(
            f"{len(missing)} of {recording.n_channels} channels are no grayordinates of {like}, such as "
            f"{missing[0]!r}. Give one of the files that the recording was read from."
        )
    dense = np.full((len(maps), len(models)), fill, dtype=np.float32)
    dense[:, [row[name] for name in recording.channels["name"]]] = maps
    image: Any = nib.Cifti2Image(dense, (ScalarAxis(labels), models))  # type: ignore[no-untyped-call]
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS")
    with atomic_file(target) as temporary:
        image.to_filename(temporary)
    return target
