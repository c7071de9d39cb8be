"""From BOLD volumes and events to a recording with a sample per event, block, volume or single trial."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..._core.errors import InputError
from ...preprocessing.signals import Detrend, Standardize
from ...recordings.recording import Recording
from ._confounds import ConfoundColumns
from ._runs import Average, RunOptions, SeriesFile, check_files, read_recording
from ._usable import Usable
from ._volumes import check_grids, check_width, header_tr, open_series, open_volumes, read_voxels
from ._voxels import select_voxels
from .single_trials import SingleTrialOptions

Run = str | Path | Sequence[str | Path]


def read_bold(
    bold: Sequence[Run],
    *,
    mask: str | Path | Sequence[str | Path] | None = None,
    events: Sequence[str | Path] | None = None,
    volume_labels: str | Path | None = None,
    confounds: Sequence[str | Path] | None = None,
    confound_columns: ConfoundColumns = "none",
    atlas: str | Path | None = None,
    atlas_labels: str | Path | None = None,
    tr_s: float | None = None,
    start_time_s: float | None = None,
    drop_volumes: int = 0,
    delay_s: float = 5.0,
    average: Average = "event",
    glm: SingleTrialOptions | None = None,
    duration_s: float | None = None,
    smoothing_fwhm_mm: float | None = None,
    detrend: Detrend = "linear",
    high_pass_hz: float | None = None,
    standardize: Standardize = "percent",
    resample_mask: bool = False,
    rest: str = "rest",
    id_column: str | None = None,
    space: str = "native",
    subject: str = "subject",
) -> Recording:
    """Read one subject's fMRI runs as the responses to events or blocks, or volume by volume.

    Each run is cleaned and scaled on its own, so that no run sees another. The response to an event is the
    mean of the volumes that are taken within [onset + delay, onset + delay + duration). With
    ``average="betas"`` it is the trial's weight in a general linear model of all runs instead.

    Parameters
    ----------
    bold : sequence of paths
        4-D NIfTI files, one per run; with `volume_labels`, one file that holds all runs. A run may also be a
        list of its single volumes (3-D files), in order; they carry no repetition time, so give `tr_s`.
    mask : path, str or sequence of paths, optional
        Binary volume on the grid of the series, or ``"mni152-brain"`` or ``"mni152-gray-matter"``. Of
        several, such as one per run, the voxels that all have. By default the voxels of the atlas, or every
        voxel that varies in every run.
    events : sequence of paths, optional
        A BIDS ``events.tsv`` for each run: `onset` and `duration` in seconds, and `stimulus_id`, `stim_file`
        (its stem is the id) or `trial_type`. With ``average="volume"`` they may be left out.
    volume_labels : path, optional
        Instead of events: a label and a run for every volume, as a table or as text.
    confounds : sequence of paths, optional
        A table for each run, a row per volume: fMRIPrep's of any version, another tsv or csv with a header,
        or the six motion parameters without one (``.par``, ``.txt``, ``.1D``).
    confound_columns : {"none", "motion6", "motion24", "motion24+wm+csf"} or list of str
        What is regressed out: the six motion parameters; those, their changes, and the squares of both [1]_;
        or these and the mean signals of white matter and fluid. A list holds columns, patterns such as
        ``"a_comp_cor_0*"``, and these strategies. A value that only a run's first volume lacks is taken from
        the second, as nilearn does.
    atlas : path or str, optional
        Volume of region numbers, or the name of one of nilearn's atlases whose files are on this computer,
        such as ``"schaefer-400"``, ``"aal"`` or ``"harvard-oxford-cort-maxprob-thr25-2mm"``. Gives channels a
        `roi`.
    atlas_labels : path, optional
        Names of the atlas's regions: a table (`index`, `name`) or JSON.
    tr_s : float, optional
        Repetition time in seconds; by default from the header, which must agree with the JSON sidecar.
    start_time_s : float, optional
        When a volume is taken, in seconds after its begin. By default `StartTime` of the sidecar, which
        slice-time correction writes (usually half a repetition time), or else 0; with ``average="betas"``
        half a repetition time, over which the slices are spread.
    drop_volumes : int, default=0
        How many volumes at the begin of every run are left out, such as dummy scans. Events still count from
        the begin of the file.
    delay_s : float, default=5.0
        From stimulus to response, in seconds. Has no part in ``average="volume"`` and ``"betas"``.
    average : {"event", "block", "volume", "betas"}
        Whether every row of the events is a sample, or neighbours with one stimulus that are at most one
        repetition time apart are joined first, or every volume is a sample. With ``"betas"`` every row is a
        trial, and its response is estimated by :func:`alignkit.preprocessing.fit_single_trials`, which tells
        responses apart that overlap. Confounds and drift (polynomials) are regressors of that model. All
        runs are in memory at once, 4 bytes for each volume and voxel.
    glm : SingleTrialOptions, optional
        How betas are estimated; by default with all stages of GLMsingle. **Say there which stimuli are
        `hold_out`**, or the responses to every stimulus are tuned with its own repeats.
    duration_s : float, optional
        Length of the response in seconds, with ``average="betas"`` that of the trial; by default the event's
        own duration.
    smoothing_fwhm_mm : float, optional
        Full width at half maximum of a Gaussian that every volume is smoothed with, before anything else.
    detrend : {"linear", "none"}
        Taken out of every run. Has no part in ``average="betas"``.
    high_pass_hz : float, optional
        Also take out slower cosines than this. Line, cosines and confounds are taken out by one fit; see
        :func:`alignkit.preprocessing.clean_run`.
    standardize : {"percent", "zscore", "none"}
        Percent of the run's mean, standard deviations, or the scanner's unit. With ``average="betas"``
        percent of the mean of all runs; or each run is z-scored before, by the standard deviation that a
        line, confounds and high-pass leave of it, which gives voxels with large and with small signals the
        same weight in a pattern.
    resample_mask : bool, default=False
        Resample mask and atlas to the grid of the series (nearest neighbour) instead of refusing another.
    rest : str, default="rest"
        The label of volumes or trials that are no stimulus.
    id_column : str, optional
        Column of the events that names the stimulus.
    space, subject : str
        Names. Atlases and masks by name need a space that begins with ``MNI``.

    Returns
    -------
    recording : Recording
        Samples have `stimulus_id`, `run`, `onset_s`, `duration_s`, `repetition` (from 1, over the whole
        recording), `session` where file names give one, and the other columns of the events. With
        ``average="volume"`` the id is such as ``"run-1 volume 12"`` (from 1, in the file; also as `volume`),
        `onset_s` is when the volume was taken, from the run's begin, and `event` names what was on.
        With ``average="betas"`` channels have `hrf_index`, `on_off_r2`, `r2` and `fraction`, and where four
        stimuli or more are repeated `ncsnr`, from which :func:`alignkit.preprocessing.noise_ceiling_of`
        makes noise ceilings; :class:`alignkit.preprocessing.SingleTrials` says what they are.
        `geometry` is a :class:`VolumeGeometry`; `notes` say which voxels were dropped and what was assumed.

    Raises
    ------
    MissingDataError
        If a file is not there, or a named atlas is not on this computer.
    InputError
        If files do not fit each other, a series is not 4-D, is empty or has empty volumes, an event lies
        outside its run, no voxel is left, or a model cannot tell the trials of a run apart.

    References
    ----------
    .. [1] Friston KJ, Williams S, Howard R, Frackowiak RSJ, Turner R (1996). Movement-related effects in fMRI
       time-series. Magnetic Resonance in Medicine 35:346. doi:10.1002/mrm.1910350312
    """
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
    runs = [run if isinstance(run, str | Path) else list(run) for run in bold]
    paths = [Path(run) if isinstance(run, str | Path) else Path(run[0] if run else "") for run in runs]
    check_files(paths, options)
    images = [[open_series(run)] if isinstance(run, str | Path) else open_volumes(run) for run in runs]
    grid = check_grids(paths, [of_run[0] for of_run in images])
    check_width(smoothing_fwhm_mm, grid)
    voxels = select_voxels(
        grid, mask=mask, atlas=atlas, atlas_labels=atlas_labels, resample=resample_mask, space=space
    )
    files = [
        _series(path, of_run, voxels.mask, smoothing_fwhm_mm)
        for path, of_run in zip(paths, images, strict=True)
    ]
    usable = Usable(int(voxels.mask.sum()), what="voxels")
    return read_recording(files, options, usable, voxels, locate=lambda keep: voxels.geometry(keep, space))


def _series(path: Path, images: list[Any], mask: Any, fwhm_mm: float | None) -> SeriesFile:
    n_volumes = int(images[0].shape[3]) if len(images) == 1 else len(images)
    tr, note = header_tr(path, images[0]) if len(images) == 1 else (None, None)
    read = partial(read_voxels, path, images, np.asarray(mask), fwhm_mm=fwhm_mm)
    return SeriesFile(path, n_volumes, read, tr, note)
