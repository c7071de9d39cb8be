"""The quality of fMRI runs: signal, motion, spikes, timing, one run in memory at a time."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..fmri._volumes import as_mask, grid_of, open_image, read_volume
from ._beside import read_event_times, read_motion
from ._volume_series import VolumeSeries, open_volume_series
from .copies import RunPrint
from .event_timing import (
    EventTimes,
    check_apart,
    check_inside,
    check_repetition_time,
    check_twice,
    event_figures,
)
from .report import Check, Curve, Findings, Histogram, Slices, as_doubles, warn_if
from .run_by_run import EVENTS, READABLE, SIDECAR, look_at_each
from .volume_measures import SeriesMoments, framewise_displacement, standardized_dvars

FINITE = "every volume holds numbers"
SIGNAL = "temporal signal-to-noise"
MOTION = "the head lay still"
SPIKES = "no volume leaps"
MASK = "the mask is in the series' space"
_LOW_TSNR = 20.0
_FD_MM, _FD_SHARE = 0.5, 0.2
_LEAP, _LEAP_SHARE = 1.5, 0.05
_MOST_VOXELS = 10_000
# Below it, what nilearn takes off the edges of a mask would be most of it.
_LEAST_SIDE = 16
_COLUMNS = (
    "run", "volumes", "TR (s)", "voxels", "tSNR", "mean FD (mm)", "max FD (mm)", "FD > .5 mm", "leaps",
    "events",
)  # fmt: skip


@dataclass(frozen=True)
class VolumeRun:
    """One run and what belongs to it.

    Attributes
    ----------
    name, subject : str
        How it is called, and whose it is.
    files : tuple of Path
        One, or the surfaces of two hemispheres.
    events, motion, mask : Path or None
        What was found.
    sidecar_tr_s : float or None
        The repetition time of its metadata.
    has_sidecar : bool or None
        None where none is wanted.
    is_rest : bool
        Then no events are missed.
    group : str
        What it should be like, such as its task.
    problem : str
        Why what belongs to it is not clear.
    """

    name: str
    subject: str
    files: tuple[Path, ...]
    events: Path | None = None
    motion: Path | None = None
    mask: Path | None = None
    sidecar_tr_s: float | None = None
    has_sidecar: bool | None = None
    is_rest: bool = False
    group: str = ""
    problem: str = ""


@dataclass(frozen=True)
class _Signal:
    """What two looks at a run's volumes gave."""

    mask: NDArray[np.bool_]
    tsnr: NDArray[np.float64]
    level: NDArray[np.float64]
    dvars: NDArray[np.float64]
    digest: str
    is_centred: bool
    levels: dict[str, float]


def volume_quality(runs: Sequence[VolumeRun]) -> Findings:
    """Check fMRI runs, one after the other, and against each other.

    Parameters
    ----------
    runs : sequence of VolumeRun
        Of one data set. One that cannot be read is a failed check, and the rest goes on.

    Returns
    -------
    findings : Findings
        Temporal signal-to-noise after a linear detrend, framewise displacement (Power et al. 2012),
        standardised DVARS, events against the run, repetition times, copies, and a row per run.
    """
    return look_at_each(runs, _look, "looking at fMRI runs", title="fMRI runs", columns=_COLUMNS)


def _look(run: VolumeRun) -> tuple[Findings, RunPrint, tuple[Any, ...]]:
    series = open_volume_series(run.files)
    tr_s = run.sidecar_tr_s or series.header_tr_s
    mask, mask_check = _given_mask(run, series)
    signal, finite = _signal(run, series, mask)
    readable = Check(READABLE, run.name, "pass", f"{series.n_volumes} volumes of {series.n_points} values.")
    events, event_checks = _events(run)
    checks = [readable, finite, *mask_check, *event_checks]
    figures: list[Any] = []
    shown = Findings()
    if signal is not None:
        checks += _signal_checks(run, signal)
        figures += _signal_figures(run, series, signal, tr_s)
    moved, found = _motion(run, series.n_volumes, tr_s)
    checks += found.checks
    figures += found.figures
    timing = check_repetition_time(
        header_s=series.header_tr_s, sidecar_s=run.sidecar_tr_s, events=events, n_volumes=series.n_volumes,
        where=run.name,
    )  # fmt: skip
    checks.append(timing)
    if events is not None and len(events) and tr_s:
        checks.append(check_inside(events, series.n_volumes * tr_s, run.name))
        checks += [check_twice(events, run.name), check_apart(events, run.name)]
        shown = event_figures(events, series.n_volumes * tr_s, run.name)
    alike = {
        "repetition time": f"{tr_s:g} s" if tr_s else "unknown",
        "number of volumes": str(series.n_volumes),
    }
    if series.grid is not None:
        alike["grid"] = str(series.grid)
    if events is not None and len(events):
        alike["source of the events' names"] = f"column {events.column}" if events.column else "none"
    seen = RunPrint(
        run.name, run.subject, run.name if signal is None else signal.digest, series.header, run.group, alike,
        {} if signal is None else signal.levels,
    )  # fmt: skip
    row = _row(run, series, signal, moved, tr_s, events)
    return Findings(tuple(checks), (), tuple(figures), found.notes) + shown, seen, row


def _given_mask(run: VolumeRun, series: VolumeSeries) -> tuple[NDArray[np.bool_] | None, list[Check]]:
    if run.mask is None or series.grid is None:
        return None, []
    try:
        image = open_image(run.mask)
        if not grid_of(image).is_same(series.grid):
            detail = (
                f"{run.mask.name} lies on {grid_of(image)}, the series on {series.grid}; it was not used."
            )
            return None, [Check(MASK, run.name, "warn", detail)]
        values, _ = read_volume(run.mask, series.grid, what="mask", resample=False)
        inside = as_mask(values, run.mask)
    except InputError as error:
        return None, [Check(MASK, run.name, "warn", f"The mask was not used: {error}")]
    return inside.ravel(), [Check(MASK, run.name, "pass", f"{int(inside.sum())} voxels of {run.mask.name}.")]


def _signal(
    run: VolumeRun, series: VolumeSeries, mask: NDArray[np.bool_] | None
) -> tuple[_Signal | None, Check]:
    moments = SeriesMoments()
    hasher = hashlib.sha256()
    for block in series.chunks():
        moments.add(block)
        hasher.update(np.ascontiguousarray(block).tobytes())
    if moments.n_empty_volumes:
        detail = f"{moments.n_empty_volumes} of {series.n_volumes} volumes hold no number at all."
        finite = Check(FINITE, run.name, "fail", detail)
    elif moments.n_lost.any():
        n_voxels = int((moments.n_lost > 0).sum())
        within = "" if mask is None else f", {int((moments.n_lost[mask] > 0).sum())} of them in the mask"
        is_inside = mask is not None and bool((moments.n_lost[mask] > 0).any())
        detail = f"{n_voxels} of {series.n_points} voxels hold NaN or infinity in some volume{within}."
        finite = Check(FINITE, run.name, "fail" if is_inside else "warn", detail)
    else:
        finite = Check(FINITE, run.name, "pass", f"All {series.n_volumes} volumes.")
    usable = (moments.n_lost == 0) & (moments.noise > 0)
    if not usable.any():
        if finite.verdict == "pass":
            finite = Check(FINITE, run.name, "fail", "No voxel changes over time.")
        return None, finite
    inside = (_brain(series, moments.mean) if mask is None else mask) & usable
    inside = inside if inside.any() else usable
    chosen = np.flatnonzero(inside)
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _MOST_VOXELS)).astype(np.intp)]
    part = np.concatenate([block[:, chosen] for block in series.chunks()])
    mean, noise = moments.mean[inside], moments.noise[inside]
    is_centred = bool(np.median(np.abs(mean)) < np.median(noise))
    levels = {"median noise": float(np.median(noise))}
    if not is_centred:
        levels["median level"] = float(np.median(np.abs(mean)))
    level = part.mean(axis=1, dtype=np.float64)
    level = level - level.mean() if is_centred else 100 * (level / level.mean() - 1)
    dvars = standardized_dvars(part)
    return _Signal(inside, moments.tsnr, level, dvars, hasher.hexdigest(), is_centred, levels), finite


def _brain(series: VolumeSeries, mean: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which voxels are brain, by nilearn's rule for echo-planar images; a slice by its brightness."""
    if series.grid is None:
        return np.ones(series.n_points, dtype=bool)
    volume = np.nan_to_num(mean).reshape(series.grid.shape).astype(np.float32)
    if min(volume.shape) >= _LEAST_SIDE:
        import nibabel as nib
        from nilearn.masking import compute_epi_mask

        image = nib.Nifti1Image(volume, series.grid.affine)  # type: ignore[no-untyped-call]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = np.asarray(compute_epi_mask(image).dataobj, dtype=bool).ravel()
            except (ValueError, TypeError):
                found = np.zeros(series.n_points, dtype=bool)
        if found.mean() > 0.01:
            return np.asarray(found)
    bright = np.abs(volume).ravel()
    return np.asarray(bright > 0.3 * np.quantile(bright, 0.98), dtype=np.bool_)


def _signal_checks(run: VolumeRun, signal: _Signal) -> list[Check]:
    values = signal.tsnr[signal.mask]
    middle = float(np.nanmedian(values))
    n_voxels = int(signal.mask.sum())
    if signal.is_centred:
        tsnr = Check(SIGNAL, run.name, "pass", "The series is centred, so it has no signal-to-noise ratio.")
    else:
        verdict = warn_if(middle < _LOW_TSNR)
        detail = (
            f"Median {middle:.1f} over {n_voxels} voxels, after a linear detrend (below {_LOW_TSNR:g}: look)."
        )
        tsnr = Check(SIGNAL, run.name, verdict, detail)
    leaps = int((signal.dvars > _LEAP).sum())
    largest = float(np.nanmax(signal.dvars)) if np.isfinite(signal.dvars).any() else float("nan")
    verdict = warn_if(leaps > _LEAP_SHARE * len(signal.dvars) or largest > 4 * _LEAP)
    count = f"{leaps} of {len(signal.dvars)} volumes"
    detail = f"{count} have a standardised DVARS above {_LEAP:g}; the largest is {largest:.2f}."
    return [tsnr, Check(SPIKES, run.name, verdict, detail)]


def _signal_figures(run: VolumeRun, series: VolumeSeries, signal: _Signal, tr_s: float | None) -> list[Any]:
    times = as_doubles(np.arange(series.n_volumes) * (tr_s or 1.0))
    axis = "seconds" if tr_s else "volume"
    marked = times[np.nan_to_num(signal.dvars) > _LEAP]
    unit = "scanner units" if signal.is_centred else "% of its mean"
    figures: list[Any] = []
    if not signal.is_centred:
        if series.grid is not None:
            figures.append(_slices(run, series, signal))
        values = signal.tsnr[signal.mask]
        figures.append(
            Histogram("Temporal signal-to-noise of voxels", run.name, "tSNR", values[np.isfinite(values)],
                      float(np.nanmedian(values)))
        )  # fmt: skip
    figures += [
        Curve(
            "Global signal", run.name, axis, unit, times, {"mean over voxels": signal.level}, marked=marked
        ),
        Curve(
            "Change between volumes (DVARS)", run.name, axis, "standardised", times, {"DVARS": signal.dvars},
            threshold=_LEAP, marked=marked,
        ),
    ]  # fmt: skip
    return figures


def _slices(run: VolumeRun, series: VolumeSeries, signal: _Signal) -> Slices:
    """Return up to three axial slices through the mask, left on the left."""
    import nibabel as nib

    assert series.grid is not None
    values = np.where(signal.mask, signal.tsnr, np.nan).astype(np.float32).reshape(series.grid.shape)
    image: Any = nib.as_closest_canonical(nib.Nifti1Image(values, series.grid.affine))  # type: ignore[no-untyped-call]
    volume = np.asarray(image.dataobj, dtype=np.float32)
    sizes = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    held = np.flatnonzero(np.isfinite(volume).any(axis=(0, 1)))
    places = np.unique(held[np.round(np.linspace(0, len(held) - 1, 5)[1:4]).astype(int)])
    heights = [float(image.affine[2, 2] * z + image.affine[2, 3]) for z in places]
    return Slices(
        "Temporal signal-to-noise",
        run.name,
        "tSNR",
        tuple(f"z = {round(height)} mm" for height in heights),
        tuple(volume[:, :, z] for z in places),
        tuple((float(sizes[0]), float(sizes[1])) for _ in places),
    )


def _motion(
    run: VolumeRun, n_volumes: int, tr_s: float | None
) -> tuple[NDArray[np.float64] | None, Findings]:
    if run.motion is None:
        return None, Findings()
    try:
        motion, how = read_motion(run.motion, n_volumes=n_volumes)
    except InputError as error:
        return None, Findings((Check(MOTION, run.name, "warn", f"Motion is not known: {error}"),))
    moved = framewise_displacement(motion)
    share = float((moved > _FD_MM).mean())
    verdict = warn_if(bool(moved.mean() > _FD_MM or share > _FD_SHARE or moved.max() > 10 * _FD_MM))
    detail = (
        f"Framewise displacement {moved.mean():.2f} mm in the mean, {moved.max():.2f} mm at most, above "
        f"{_FD_MM:g} mm in {share:.0%} of volumes ({run.motion.name}; {how})."
    )
    times = as_doubles(np.arange(n_volumes) * (tr_s or 1.0))
    curve = Curve(
        "Framewise displacement", run.name, "seconds" if tr_s else "volume", "mm", times, {"FD": moved},
        threshold=_FD_MM, marked=times[moved > _FD_MM],
    )  # fmt: skip
    return moved, Findings((Check(MOTION, run.name, verdict, detail),), (), (curve,))


def _events(run: VolumeRun) -> tuple[EventTimes | None, list[Check]]:
    checks = []
    if run.problem:
        checks.append(Check(SIDECAR, run.name, "warn", run.problem))
    elif run.has_sidecar is not None:
        said = "Metadata say how it was scanned." if run.has_sidecar else "No JSON says how it was scanned."
        checks.append(Check(SIDECAR, run.name, "pass" if run.has_sidecar else "warn", said))
    if run.events is None:
        if not run.is_rest:
            checks.append(Check(EVENTS, run.name, "warn", "No table of events belongs to it."))
        return None, checks
    try:
        events = read_event_times(run.events)
    except InputError as error:
        return None, [*checks, Check(EVENTS, run.name, "fail", str(error))]
    n_names = events.table["name"].nunique()
    detail = f"{len(events)} events of {n_names} names in {run.events.name}."
    return events, [*checks, Check(EVENTS, run.name, "pass" if len(events) else "warn", detail)]


def _row(
    run: VolumeRun,
    series: VolumeSeries,
    signal: _Signal | None,
    moved: NDArray[np.float64] | None,
    tr_s: float | None,
    events: EventTimes | None,
) -> tuple[Any, ...]:
    nothing = float("nan")
    return (
        run.name,
        series.n_volumes,
        nothing if tr_s is None else tr_s,
        0 if signal is None else int(signal.mask.sum()),
        nothing if signal is None or signal.is_centred else float(np.nanmedian(signal.tsnr[signal.mask])),
        nothing if moved is None else float(moved.mean()),
        nothing if moved is None else float(moved.max()),
        nothing if moved is None else float((moved > _FD_MM).mean()),
        nothing if signal is None else int((signal.dvars > _LEAP).sum()),
        0 if events is None else len(events),
    )
