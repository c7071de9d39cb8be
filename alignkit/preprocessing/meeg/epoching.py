"""Epochs of a continuous recording around a table of events, and what the epochs' rows are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ._quiet import quiet_mne
from .events import event_samples, event_table

if TYPE_CHECKING:
    import mne

_STIMULUS = "stimulus_id"
# The window ran over an end of the recording, in MNE's words.
_NO_DATA = ("NO_DATA", "TOO_SHORT")


def epochs_of_raw(
    raw: mne.io.BaseRaw,
    events: pd.DataFrame,
    *,
    tmin_s: float,
    tmax_s: float,
    baseline_s: tuple[float, float] | None = None,
    reject: Mapping[str, float] | None = None,
    flat: Mapping[str, float] | None = None,
    reject_by_annotation: bool = True,
    event_column: str | None = None,
    where: str = "the recording",
) -> mne.Epochs:
    """Cut a recording around events.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Cleaned or not.
    events : DataFrame
        A row per event. `onset_s` (or `onset`): seconds from the recording's first sample; `duration` and any
        other columns become the epochs' metadata, where the onset is `onset_s` and the duration
        `duration_s`.
    tmin_s, tmax_s : float
        Of the epochs, in seconds from onset; both included.
    baseline_s : tuple of float, optional
        Start and end of the window whose mean is subtracted from each epoch and channel, in seconds from
        onset.
    reject, flat : mapping of str to float, optional
        Largest and least peak-to-peak amplitude by channel type, in its unit: ``{"eeg": 100e-6}`` (V),
        ``"mag"`` (T), ``"grad"`` (T/m). Channels marked bad do not count.
    reject_by_annotation : bool, default=True
        Drop epochs that overlap an annotation whose name begins with ``bad``.
    event_column : str, optional
        Column that names the events; by default the first of `stimulus_id`, `trial_type`, `event` and
        `description` that is there.
    where : str
        How messages call the recording.

    Returns
    -------
    epochs : mne.Epochs
        Loaded, with metadata and MNE's drop log; data channels, and those that `reject` or `flat` name.

    Raises
    ------
    InputError
        If events lie outside the recording (with their number and the likely shift), two fall on one sample,
        an onset is no time, the windows do not fit, or no epoch is left (with the drop log's summary).

    Examples
    --------
    >>> import mne, numpy as np, pandas as pd
    >>> raw = mne.io.RawArray(np.zeros((1, 500)), mne.create_info(["Fz"], 100.0, "eeg"), verbose="error")
    >>> events = pd.DataFrame({"onset": [1.0, 2.5], "stimulus_id": ["cat", "dog"]})
    >>> epochs = epochs_of_raw(raw, events, tmin_s=-0.1, tmax_s=0.4)
    >>> epochs.metadata["stimulus_id"].to_list()
    ['cat', 'dog']
    """
    import mne

    table = event_table(events, event_column=event_column, where=where)
    _check_window(raw, tmin_s, tmax_s, baseline_s, where)
    samples, codes = event_samples(raw, table, where=where)
    kinds = set(raw.get_channel_types())
    for name, limits in (("reject", reject), ("flat", flat)):
        for kind in limits or ():
            if kind not in kinds:
                raise InputError(f"`{name}` names channels of type {kind!r}, {did_you_mean(kind, kinds)}")
        check_limits(name, limits)
    with quiet_mne():
        epochs = mne.Epochs(
            raw,
            samples,
            codes,
            tmin_s,
            tmax_s,
            baseline=baseline_s,
            picks=_kept_channels(raw, {*(reject or ()), *(flat or ())}, where),
            reject=None if reject is None else dict(reject),
            flat=None if flat is None else dict(flat),
            reject_by_annotation=reject_by_annotation,
            metadata=table.drop(columns="event"),
            preload=True,
            verbose="error",
        )
    if not len(epochs):
        raise InputError(
            f"none of the {len(table)} events of {where} gave an epoch: {drop_summary(epochs)}. "
            "Check the bad channels, the filter and the unit, or raise `reject`."
        )
    return epochs


def check_limits(name: str, limits: Mapping[str, float] | None) -> None:
    """Refuse limits of amplitude that are not above 0.

    Raises
    ------
    InputError
        With the channel type and its limit.
    """
    for kind, limit in (limits or {}).items():
        if not limit > 0:
            raise InputError(
                f"`{name}` of {kind!r} channels must be above 0, got {limit:g}; it is a peak-to-peak "
                "amplitude in V, T or T/m."
            )


def drop_summary(epochs: mne.BaseEpochs) -> str:
    """Return why epochs were dropped, the most frequent reason first; empty where none was.

    Epochs that were not asked for (MNE's "IGNORED") do not count.
    """
    reasons = [reason for entry in epochs.drop_log for reason in entry[:1] if reason != "IGNORED"]
    if not reasons:
        return ""
    is_channel = set(epochs.ch_names)
    channels = Counter(
        reason for entry in epochs.drop_log if entry for reason in entry if reason in is_channel
    )
    counted = Counter("amplitude" if reason in is_channel else reason for reason in reasons)
    parts = []
    for reason, count in counted.most_common():
        if reason == "amplitude":
            worst = ", ".join(f"{name} in {n}" for name, n in channels.most_common(3))
            parts.append(f"{count} by amplitude ({worst})")
        elif reason in _NO_DATA:
            parts.append(f"{count} whose window runs over an end of the recording")
        elif reason.upper().startswith("BAD"):
            parts.append(f"{count} in a stretch annotated {reason!r}")
        else:
            parts.append(f"{count} as {reason!r}")
    return "; ".join(parts)


def epoch_samples(
    epochs: mne.BaseEpochs, stimulus_column: str | None = None, *, where: str = "the epochs"
) -> pd.DataFrame:
    """Return a row per epoch: `stimulus_id`, `event`, the metadata, and `repetition`.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        With metadata or not.
    stimulus_column : str, optional
        Column of the metadata that names the stimulus; by default `stimulus_id` where there is such a column,
        else the names of the events.
    where : str
        How messages call the epochs.

    Raises
    ------
    InputError
        If there is no such column, or an epoch has no stimulus.
    """
    names = {code: name for name, code in epochs.event_id.items()}
    event = [names[code] for code in epochs.events[:, 2]]
    table = pd.DataFrame() if epochs.metadata is None else epochs.metadata.reset_index(drop=True)
    if stimulus_column is not None and stimulus_column not in table:
        columns = list(map(str, table.columns))
        raise InputError(
            f"the metadata of {where} have no column {stimulus_column!r}, "
            f"{did_you_mean(stimulus_column, columns)}"
        )
    column = stimulus_column or _STIMULUS
    ids = table[column] if column in table else pd.Series(event)
    if ids.isna().any() or (ids.astype(str) == "").any():
        row = int((ids.isna() | (ids.astype(str) == "")).to_numpy().argmax())
        raise InputError(f"epoch {row} of {where} has no {column!r}; drop it, or fill the metadata in.")
    samples = pd.DataFrame({_STIMULUS: ids.astype(str).to_list(), "event": event})
    for name in table.columns:
        if str(name) not in samples and name != column:
            values = table[name]
            samples[str(name)] = values if pd.api.types.is_numeric_dtype(values) else values.astype(str)
    if "repetition" not in samples:
        samples["repetition"] = samples.groupby(_STIMULUS, sort=False).cumcount() + 1
    return samples


def _check_window(
    raw: mne.io.BaseRaw,
    tmin_s: float,
    tmax_s: float,
    baseline_s: tuple[float, float] | None,
    where: str,
) -> None:
    if not tmin_s < tmax_s:
        raise InputError(f"`tmin_s` must come before `tmax_s`, got {tmin_s:g} and {tmax_s:g} s.")
    lasts = raw.n_times / float(raw.info["sfreq"])
    if tmax_s - tmin_s > lasts:
        raise InputError(f"epochs of {tmax_s - tmin_s:g} s were asked for, but {where} lasts {lasts:g} s.")
    if baseline_s is None:
        return
    start, stop = baseline_s
    grace = 0.5 / float(raw.info["sfreq"])
    if not tmin_s - grace <= start < stop <= tmax_s + grace:
        raise InputError(
            f"`baseline_s` is {start:g} to {stop:g} s; it must lie within the epochs, "
            f"{tmin_s:g} to {tmax_s:g} s."
        )


def _kept_channels(raw: mne.io.BaseRaw, named: set[str], where: str) -> list[str]:
    import mne

    data = mne.pick_types(
        raw.info, meg=True, eeg=True, seeg=True, ecog=True, dbs=True, csd=True, fnirs=True, exclude=()
    )
    wanted = set(data)
    if not wanted:
        kinds = ", ".join(sorted(set(raw.get_channel_types())))
        raise InputError(f"{where} has no M/EEG, intracranial or fNIRS channel, only {kinds}.")
    kinds = raw.get_channel_types()
    return [name for i, name in enumerate(raw.ch_names) if i in wanted or kinds[i] in named]
