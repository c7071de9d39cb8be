"""Pseudo-populations: units recorded one by one, each with trials of the same conditions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError
from ...preprocessing.spike_counts import TICKS_PER_SECOND, bin_edges
from ...recordings.recording import Recording
from .._assembly import dataset_of
from .._dataset import DATASETS, Dataset
from ._raster_files import RasterUnit, raster_units
from ._trials import Window

PSEUDO_POPULATION = (
    "The units are a pseudo-population: they were not recorded at once, and trials of one condition were put "
    "side by side in the order in which each unit had them. Correlations of noise between units mean nothing."
)


def read_rasters(
    path: str | Path,
    *,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    stimulus_label: str | None = None,
    n_repeats: int | None = None,
    onset_sample: int | None = None,
    sample_s: float = 0.001,
    subject: str = "subject",
    roi: str | None = None,
) -> Recording:
    """Read a unit per file and put trials of the same condition side by side.

    Parameters
    ----------
    path : str or Path
        A folder or a zip of MATLAB files, one per unit, in the format of the Neural Decoding Toolbox:
        `raster_data` (n_trials, n_times) with numbers of spikes in steps of `sample_s`, `raster_labels` with
        a label per trial, and `raster_site_info`.
    start_s, stop_s : float
        Window, in seconds from onset. Whole steps of `sample_s`. Half-open: the step that begins at `stop_s`
        is outside.
    bin_s : float, optional
        Width of the bins that the window is cut into; by default the spikes of the whole window are one
        number.
    stimulus_label : str, optional
        The field of `raster_labels` that names the stimulus; needed where there are several.
    n_repeats : int, optional
        Take so many trials of every stimulus, from the units that have them; the others are left out. By
        default all units stay, and of each stimulus as many trials as every unit has.
    onset_sample : int, optional
        The column of `raster_data`, counted from 1, that begins at stimulus onset; by default each file's
        `raster_site_info.alignment_event_time`.
    sample_s : float, default=0.001
        Time from column to column, in seconds.
    subject : str
        Name of the subject.
    roi : str, optional
        Region of all units.

    Returns
    -------
    recording : Recording
        data (n_samples, n_units[, n_bins]) in spikes, a sample per stimulus and repetition: sorted by
        stimulus, repetitions in the order of each unit's trials. `times_s` are the middles of the bins. The
        samples have the labels that say something about the stimulus (one value each), the channels what
        `raster_site_info` says, as `site_...`.

    Raises
    ------
    MissingDataError
        If there is no such folder or zip.
    InputError
        If a file is no raster, the window does not fit, the stimulus label is not clear, or a unit has no
        trial of a stimulus.

    References
    ----------
    Meyers EM (2013). The neural decoding toolbox. Frontiers in Neuroinformatics 7:8,
    doi:10.3389/fninf.2013.00008.
    """
    edges = bin_edges(start_s=start_s, stop_s=stop_s, bin_s=bin_s)
    label, counts, trials = stimulus_label, [], []
    sites: list[dict[str, object]] = []
    for unit in raster_units(Path(path)):
        label = _choose_label(unit, label)
        columns = _columns(unit, edges, onset_sample, sample_s)
        counts.append(np.add.reduceat(unit.data[:, : columns[-1]], columns[:-1], axis=1, dtype=np.int64))
        trials.append(pd.DataFrame(unit.labels))
        sites.append({"name": unit.name, **{f"site_{key}": value for key, value in unit.site.items()}})
    check_unique(f"units of {path}", [str(site["name"]) for site in sites])
    by_unit = [_rows_of(table[label]) for table in trials]
    names = [str(site["name"]) for site in sites]
    kept, repeats, notes = _repeats(by_unit, names, n_repeats)
    data = np.stack(
        [np.concatenate([counts[u][by_unit[u][s][:n]] for s, n in repeats.items()]) for u in kept], axis=1
    ).astype(np.float32)
    return Recording(
        data if bin_s is not None else data[:, :, 0],
        _samples(repeats, [trials[u] for u in kept], str(label)),
        _channels([sites[u] for u in kept], roi),
        times_s=Window(start_s, stop_s, bin_s).times_s,
        subject=subject,
        modality="spikes",
        unit="spikes",
        notes=(PSEUDO_POPULATION, *notes),
    )


@DATASETS.register(
    "rasters",
    modality="spikes",
    subjects="one",
    stimuli="your own",
    shape="stimuli x repetitions x units (x bins)",
    unit="spikes",
    licence="your own",
    citation="Meyers 2013, Frontiers in Neuroinformatics 7:8, doi:10.3389/fninf.2013.00008",
    source="your own files: MATLAB rasters of the Neural Decoding Toolbox, a folder or zip with one per unit",
    sha256={},
    summary="Single units in MATLAB raster files, put together to a pseudo-population.",
)
def load_rasters(
    *,
    path: Path,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    stimulus_label: str | None = None,
    n_repeats: int | None = None,
    onset_sample: int | None = None,
    sample_s: float = 0.001,
    subject: str = "subject",
    roi: str | None = None,
    stimuli: Path | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read a pseudo-population.

    Parameters
    ----------
    path : Path
        See :func:`read_rasters`.
    start_s, stop_s, bin_s, stimulus_label, n_repeats, onset_sample, sample_s, subject, roi
        See :func:`read_rasters`.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    conditions : str, optional
        Column of the samples that carries the condition, where it is not the stimulus.

    Returns
    -------
    dataset : Dataset
        One subject. `labels` are the labels that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If there is no such folder or zip.
    InputError
        See :func:`read_rasters`.
    """
    recording = read_rasters(
        path,
        start_s=start_s,
        stop_s=stop_s,
        bin_s=bin_s,
        stimulus_label=stimulus_label,
        n_repeats=n_repeats,
        onset_sample=onset_sample,
        sample_s=sample_s,
        subject=subject,
        roi=roi,
    )
    files = (path,) if path.is_file() else tuple(sorted(path.glob("*.mat")))
    return dataset_of("rasters", [recording], files=files, stimuli=stimuli, conditions=conditions)


def _choose_label(unit: RasterUnit, wanted: str | None) -> str:
    known = list(unit.labels)
    if wanted is None and len(known) > 1:
        raise InputError(
            f"{unit.place} has several labels per trial; choose the one that names the stimulus with "
            f"`stimulus_label`: {', '.join(known)}."
        )
    chosen = wanted if wanted is not None else known[0]
    if chosen not in known:
        raise InputError(f"{unit.place}: `stimulus_label` is {chosen!r}, {did_you_mean(chosen, known)}")
    return chosen


def _columns(
    unit: RasterUnit, edges: NDArray[np.int64], onset_sample: int | None, sample_s: float
) -> NDArray[np.int64]:
    """Return the column, counted from 0, at which each bin begins, and the one after the last."""
    step = round(sample_s * TICKS_PER_SECOND)
    # Up to a nanosecond per edge: the edges were rounded.
    if step < 1 or (np.abs(edges - np.rint(edges / max(step, 1)) * step) > 1).any():
        raise InputError(
            f"`start_s`, `stop_s` and `bin_s` must be whole steps of the rasters ({sample_s:g} s each), got "
            f"edges at {', '.join(f'{edge / TICKS_PER_SECOND:g}' for edge in edges[:3])} ... s."
        )
    onset = onset_sample if onset_sample is not None else unit.site.get("alignment_event_time")
    if onset is None or isinstance(onset, str):
        raise InputError(
            f"{unit.place} does not say when the stimulus came (raster_site_info.alignment_event_time); give "
            "the column that begins at its onset, counted from 1, as `onset_sample`."
        )
    columns: NDArray[np.int64] = (int(onset) - 1 + np.rint(edges / step)).astype(np.int64)
    n_columns = unit.data.shape[1]
    if columns[0] < 0 or columns[-1] > n_columns:
        first, last = (1 - int(onset)) * sample_s, (n_columns + 1 - int(onset)) * sample_s
        raise InputError(
            f"{unit.place} holds {first:g} to {last:g} s from onset, the window is "
            f"{edges[0] / TICKS_PER_SECOND:g} to {edges[-1] / TICKS_PER_SECOND:g} s. Shorten it, or check "
            "`onset_sample` and `sample_s`."
        )
    return columns


def _rows_of(labels: pd.Series) -> dict[str, NDArray[np.intp]]:
    """Return the trials of each stimulus, in their order."""
    codes, names = pd.factorize(labels)
    return {str(name): np.flatnonzero(codes == code) for code, name in enumerate(names)}


def _repeats(
    by_unit: Sequence[dict[str, NDArray[np.intp]]], names: Sequence[str], n_repeats: int | None
) -> tuple[list[int], dict[str, int], tuple[str, ...]]:
    """Return the units that stay, the number of trials per stimulus, and what to say about it."""
    stimuli = sorted({stimulus for trials in by_unit for stimulus in trials})
    table = np.array([[len(trials.get(s, ())) for s in stimuli] for trials in by_unit])
    least = 1 if n_repeats is None else n_repeats
    if least < 1:
        raise InputError(f"`n_repeats` must be at least 1, got {n_repeats}.")
    enough = (table >= least).all(axis=1)
    short = [names[u] for u in np.flatnonzero(~enough).tolist()]
    if n_repeats is None and short:
        unit = int(np.flatnonzero(~enough)[0])
        missing = stimuli[int(np.flatnonzero(table[unit] < 1)[0])]
        raise InputError(
            f"{len(short)} of {len(names)} units have no trial of some stimulus: {names[unit]} none of "
            f"{missing!r}. Set `n_repeats` to leave such units out, or take their files away."
        )
    if not enough.any():
        raise InputError(
            f"`n_repeats` is {n_repeats}, but no unit has so many trials of every stimulus; the most that "
            f"a unit has is {int(table.min(axis=1).max())}."
        )
    kept = np.flatnonzero(enough)
    common = table[kept].min(axis=0) if n_repeats is None else np.full(len(stimuli), n_repeats)
    notes = []
    if short:
        notes.append(
            f"{len(short)} of {len(names)} units have fewer than {n_repeats} trials of some stimulus and "
            f"were left out: {', '.join(short[:5])}{' ...' if len(short) > 5 else ''}."
        )
    dropped = table[kept] - common
    if dropped.any():
        fewer = int((table[kept] < table[kept].max(axis=0)).any(axis=1).sum())
        notes.append(
            f"{int(dropped.sum())} of {int(table[kept].sum())} trials were left out (the last of a unit's "
            f"trials of a stimulus), so that all units have the same number: {int(common.min())} to "
            f"{int(common.max())} per stimulus. {fewer} of {len(kept)} units have fewer trials than others."
        )
    return kept.tolist(), dict(zip(stimuli, common.tolist(), strict=True)), tuple(notes)


def _samples(repeats: dict[str, int], trials: Sequence[pd.DataFrame], label: str) -> pd.DataFrame:
    ids = [stimulus for stimulus, n in repeats.items() for _ in range(n)]
    samples = pd.DataFrame({"stimulus_id": ids})
    samples["repetition"] = samples.groupby("stimulus_id", sort=False).cumcount() + 1
    whole = pd.concat(trials, ignore_index=True).groupby(label, sort=False)
    for column in trials[0].columns:
        in_all = all(column in table for table in trials)
        if column != label and in_all and column not in samples and (whole[column].nunique() == 1).all():
            first = whole[column].first()
            samples[str(column)] = [first[i] for i in ids]
    return samples


def _channels(sites: Sequence[dict[str, object]], roi: str | None) -> pd.DataFrame:
    table = pd.DataFrame(list(sites))
    complete = [column for column in table.columns if not table[column].isna().any()]
    table = table[complete].assign(kind="neuron", unit="spikes")
    return table if roi is None else table.assign(roi=roi)
