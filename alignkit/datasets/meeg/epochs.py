"""Epochs, evoked responses and continuous data of MNE as recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique
from ..._core.errors import InputError
from ...preprocessing.meeg.epoching import drop_summary, epoch_samples
from ...preprocessing.meeg.sensors import (
    NO_MONTAGE,
    channel_table,
    modality_of,
    picked_channels,
    place_sensors,
    require_positions,
    shared_unit,
)
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording
from ._amplitudes import check_amplitudes

if TYPE_CHECKING:
    import mne


def recording_of_epochs(
    epochs: mne.BaseEpochs,
    *,
    subject: str,
    stimulus_column: str | None = None,
    picks: str | Sequence[str] = "data",
    montage: str | None = None,
    notes: Sequence[str] = (),
    where: str = "the epochs",
) -> Recording:
    """Turn MNE epochs into a recording.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        Left as they are.
    subject : str
        Name of the subject.
    stimulus_column : str, optional
        Column of the metadata that names the stimulus. By default `stimulus_id` where there is such a column,
        else the names of the events.
    picks : str or sequence of str, default="data"
        Channel types (``"eeg"``, ``"mag"``, ``"grad"``) or names, as MNE takes them. Channels marked bad are
        left out, unless they are named.
    montage : str, optional
        For sensors without positions: the name of a standard montage of MNE (``"biosemi64"``), a file of
        positions, or ``"none"`` to do without, and so without maps.
    notes : sequence of str
        Put before the recording's own notes.
    where : str
        How messages call the epochs, such as their file's name.

    Returns
    -------
    recording : Recording
        data (n_epochs, n_channels, n_times) in V, T, T/m or M; samples hold the metadata; channels hold
        `kind`, `unit` and positions in head coordinates (mm). Notes tell of epochs that were dropped, bad
        channels and applied projectors.

    Raises
    ------
    InputError
        If there is no epoch, no stimulus as wanted, a sensor without a position, a NaN, amplitudes
        that no sensor records (such as microvolts stored as volts), or `picks` leaves
        nothing.

    Examples
    --------
    >>> import mne, numpy as np
    >>> info = mne.create_info(["Fz", "Cz"], 100.0, "eeg")
    >>> epochs = mne.EpochsArray(np.zeros((3, 2, 5)), info, verbose="error")
    >>> recording_of_epochs(epochs, subject="s1", montage="standard_1020").data.shape
    (3, 2, 5)
    """
    if not epochs.preload:
        epochs = epochs.copy().load_data()
    if not len(epochs):
        dropped = drop_summary(epochs)
        because = f"all were dropped: {dropped}" if dropped else "all were dropped before it was saved"
        raise InputError(f"{where} holds no epoch; {because}.")
    info, keep = sensors_of(epochs, picks=picks, montage=montage, where=where)
    # Picks copy, in double precision; all channels in their order come without.
    is_whole = np.array_equal(keep, np.arange(len(epochs.ch_names)))
    data = epochs.get_data(picks=None if is_whole else keep, copy=False, verbose="error")
    _refuse_nan(data, info["ch_names"], where)
    small = check_amplitudes(data, info, subject=subject, where=where)
    dropped = drop_summary(epochs)
    return Recording(
        np.ascontiguousarray(data, dtype=np.float32),
        epoch_samples(epochs, stimulus_column, where=where),
        channels := channel_table(info),
        times_s=np.asarray(epochs.times, dtype=np.float64),
        geometry=None if montage == NO_MONTAGE else SensorGeometry(info),
        subject=subject,
        modality=modality_of(info),
        unit=shared_unit(channels["unit"].to_list()),
        notes=(
            *notes,
            *((f"{subject}: epochs were dropped: {dropped}.",) if dropped else ()),
            *sensor_notes(epochs, subject, picks),
            *small,
        ),
    )


def recording_of_raw(
    raw: mne.io.BaseRaw,
    *,
    subject: str,
    picks: str | Sequence[str] = "data",
    montage: str | None = None,
    run: int | str | None = None,
    notes: Sequence[str] = (),
    where: str = "the recording",
) -> Recording:
    """Turn a continuous recording into one whose samples are its time points, for stories and films.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Resampled to what the analysis needs: every sample becomes a row.
    subject, picks, montage, notes, where
        As in :func:`recording_of_epochs`.
    run : int or str, optional
        Of the samples.

    Returns
    -------
    recording : Recording
        data (n_samples, n_channels); samples have `stimulus_id` (``t0``, ``t1``, ... with the run before it),
        `onset_s` from the first sample, and `run` where it is given.

    Raises
    ------
    InputError
        If there is a sensor without a position, a NaN, amplitudes
        that no sensor records (such as microvolts stored as volts), or `picks` leaves nothing.
    """
    info, keep = sensors_of(raw, picks=picks, montage=montage, where=where)
    data = raw.get_data(picks=keep, verbose="error")
    _refuse_nan(data[None], info["ch_names"], where)
    small = check_amplitudes(data[None], info, subject=subject, where=where)
    prefix = "" if run is None else f"run-{run}_"
    times = np.arange(raw.n_times) / float(raw.info["sfreq"])
    samples = pd.DataFrame({"stimulus_id": [f"{prefix}t{i}" for i in range(len(times))], "onset_s": times})
    channels = channel_table(info)
    return Recording(
        np.ascontiguousarray(data.T, dtype=np.float32),
        samples if run is None else samples.assign(run=run),
        channels,
        geometry=None if montage == NO_MONTAGE else SensorGeometry(info),
        subject=subject,
        modality=modality_of(info),
        unit=shared_unit(channels["unit"].to_list()),
        notes=(*notes, *sensor_notes(raw, subject, picks), *small),
    )


def recording_of_evokeds(
    evokeds: Sequence[mne.Evoked],
    *,
    subject: str,
    picks: str | Sequence[str] = "data",
    montage: str | None = None,
    where: str = "the evoked responses",
) -> Recording:
    """Turn evoked responses into a recording with a sample per condition.

    Parameters
    ----------
    evokeds : sequence of mne.Evoked
        With the same channels and times; their comments are the conditions, each its own.
    subject, picks, montage, where
        As in :func:`recording_of_epochs`.

    Returns
    -------
    recording : Recording
        data (n_conditions, n_channels, n_times); samples have `stimulus_id` (the comment) and
        `n_repetitions` (trials averaged).

    Raises
    ------
    InputError
        If channels or times differ, two conditions have one name, or amplitudes are none that sensors record.
    """
    first = evokeds[0]
    for evoked in evokeds[1:]:
        same_times = len(evoked.times) == len(first.times) and np.allclose(evoked.times, first.times)
        if evoked.ch_names != first.ch_names or not same_times:
            raise InputError(
                f"the conditions {first.comment!r} and {evoked.comment!r} of {where} differ in channels or "
                "times, so they make no one recording. Read them apart, by `conditions`."
            )
    names = [str(evoked.comment) for evoked in evokeds]
    check_unique(f"conditions of {where}", names)
    info, keep = sensors_of(first, picks=picks, montage=montage, where=where)
    data = np.stack([evoked.data[keep] for evoked in evokeds])
    _refuse_nan(data, info["ch_names"], where)
    small = check_amplitudes(data, info, subject=subject, where=where)
    channels = channel_table(info)
    return Recording(
        np.ascontiguousarray(data, dtype=np.float32),
        pd.DataFrame({"stimulus_id": names, "n_repetitions": [int(evoked.nave) for evoked in evokeds]}),
        channels,
        times_s=np.asarray(first.times, dtype=np.float64),
        geometry=None if montage == NO_MONTAGE else SensorGeometry(info),
        subject=subject,
        modality=modality_of(info),
        unit=shared_unit(channels["unit"].to_list()),
        notes=(*sensor_notes(first, subject, picks), *small),
    )


def sensors_of(
    measured: Any, *, picks: str | Sequence[str], montage: str | None, where: str
) -> tuple[mne.Info, NDArray[np.intp]]:
    """Return the ``Info`` of the picked channels with their places, and their indices.

    `measured` is left as it is.
    """
    import mne

    keep = picked_channels(measured.info, picks, where=where)
    info = mne.pick_info(measured.info, keep, copy=True, verbose="error")
    if montage == NO_MONTAGE:
        return info, keep
    placed = mne.EvokedArray(np.zeros((len(keep), 1)), info, verbose="error")
    place_sensors(placed, montage, where=where)
    require_positions(placed.info, where=where)
    return placed.info, keep


def sensor_notes(measured: Any, subject: str, picks: str | Sequence[str]) -> list[str]:
    """Return what a reader should know of bad channels and projectors."""
    notes = []
    bads = list(measured.info["bads"]) if isinstance(picks, str) else []
    if bads:
        notes.append(f"{subject}: {len(bads)} channels marked bad were left out: {', '.join(bads)}.")
    applied = [projector["desc"] for projector in measured.info["projs"] if projector["active"]]
    if applied:
        notes.append(f"{subject}: {len(applied)} signal-space projectors were applied: {', '.join(applied)}.")
    return notes


def _refuse_nan(data: NDArray[np.floating[Any]], names: Sequence[str], where: str) -> None:
    """Refuse NaN in data of shape (n, n_channels, n_times), naming the channels."""
    # A sum is as finite as its parts, and needs no array of their number.
    if np.isfinite(data.sum()):
        return
    finite = np.isfinite(data)
    lost = [name for name, is_lost in zip(names, ~finite.all(axis=(0, 2)), strict=True) if is_lost]
    raise InputError(
        f"{int((~finite).sum())} values of {where} are NaN or infinite, in {len(lost)} of {len(names)} "
        f"channels ({', '.join(lost[:5])}). Mark these channels bad, or annotate the stretch as bad."
    )
