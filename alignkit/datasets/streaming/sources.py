"""What can be converted for streaming: continuous recordings, read piece by piece."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique
from ..._core.errors import InputError
from ...recordings.recording import Recording

if TYPE_CHECKING:
    import mne

FACTS = ("recording", "subject", "session", "task", "run", "unit", "sfreq_hz", "n_samples")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,199}")
_SECONDS_AT_ONCE = 30.0


@dataclass(frozen=True, eq=False)
class ContinuousRecording:
    """A continuous recording that is read when it is written elsewhere.

    Attributes
    ----------
    name : str
        Unique; becomes a folder's name, so letters, digits and ``._+=-`` only.
    data : array of shape (n_samples, n_channels), or function
        Real numbers; or a function without arguments that returns pieces of them, in order, so that no more
        than a piece is ever in memory.
    channels : DataFrame, or sequence of str
        A row per channel with `name`; or the names.
    sfreq_hz : float
        Sampling rate.
    subject, session, task, run : str
        What it is of.
    unit : str
        Of the data, such as ``"V"``.
    labels : mapping
        Further facts, numbers or texts, such as an age or a diagnosis.

    Examples
    --------
    >>> rest = ContinuousRecording("sub-1_rest", np.zeros((500, 2)), ["Fz", "Cz"], 100.0, subject="sub-1")
    >>> [piece.shape for piece in rest.pieces()]
    [(500, 2)]
    """

    name: str
    data: NDArray[Any] | Callable[[], Iterable[NDArray[Any]]]
    channels: pd.DataFrame | Sequence[str]
    sfreq_hz: float
    subject: str = "subject"
    session: str = ""
    task: str = ""
    run: str = ""
    unit: str = "arbitrary"
    labels: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        table = self.channels
        if not isinstance(table, pd.DataFrame):
            table = pd.DataFrame({"name": [str(name) for name in table]})
        object.__setattr__(self, "channels", table.reset_index(drop=True))
        if not _SAFE_NAME.fullmatch(self.name):
            raise InputError(
                f"`name` is {self.name!r}; it becomes a folder, so it is made of letters, digits and ._+=- "
                "and begins with a letter or digit."
            )
        if "name" not in table or not len(table):
            raise InputError(f"the channels of {self.name!r} need a column 'name' and at least one row.")
        check_unique(f"channels of {self.name}", list(table["name"]))
        if not (np.isfinite(self.sfreq_hz) and self.sfreq_hz > 0):
            raise InputError(f"`sfreq_hz` of {self.name!r} must be above 0, got {self.sfreq_hz}.")
        taken = sorted(set(self.labels) & set(FACTS))
        if taken:
            raise InputError(
                f"the labels of {self.name!r} have names of facts: {', '.join(taken)}; rename them."
            )
        odd = [key for key, value in self.labels.items() if not isinstance(value, str | int | float | bool)]
        if odd:
            raise InputError(
                f"the labels {', '.join(map(repr, odd))} of {self.name!r} are neither numbers nor texts."
            )

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels, in order."""
        return [str(name) for name in pd.DataFrame(self.channels)["name"]]

    def facts(self) -> dict[str, Any]:
        """Return what is kept of it beside the data."""
        given = {key: getattr(self, key) for key in ("subject", "session", "task", "run", "unit")}
        labels = {str(key): _plain(value) for key, value in self.labels.items()}
        return {"recording": self.name, **given, "sfreq_hz": float(self.sfreq_hz), "labels": labels}

    def pieces(self) -> Iterator[NDArray[Any]]:
        """Yield the data, a piece of shape (n, n_channels) after the other, checked."""
        n_channels = len(self.channel_names)
        start = 0
        for given in self.data() if callable(self.data) else (self.data,):
            piece = np.asarray(given)
            if piece.ndim != 2 or piece.shape[1] != n_channels:
                raise InputError(
                    f"the data of {self.name!r} must have shape (n_samples, {n_channels}), got {piece.shape}"
                    + (". Time is the first axis: transpose them." if piece.shape[0] == n_channels else ".")
                )
            if piece.dtype.kind not in "fiub":
                raise InputError(f"the data of {self.name!r} must be real numbers, got {piece.dtype}.")
            bad = ~np.isfinite(piece)
            if bad.any():
                row, channel = (int(i) for i in np.argwhere(bad)[0])
                raise InputError(
                    f"{self.name!r} holds NaN or infinity: {int(bad.sum())} value(s) of a piece, the first "
                    f"in {self.channel_names[channel]!r} at {(start + row) / self.sfreq_hz:.3f} s. "
                    "Interpolate or cut them out."
                )
            start += len(piece)
            yield piece


def as_continuous(thing: ContinuousRecording | Recording | Any) -> ContinuousRecording:
    """Return anything that :func:`write_shards` takes as a continuous recording."""
    if isinstance(thing, ContinuousRecording):
        return thing
    if isinstance(thing, Recording):
        return continuous_of_recording(thing)
    if hasattr(thing, "get_data") and hasattr(thing, "n_times") and hasattr(thing, "first_samp"):
        return continuous_of_raw(thing)
    raise InputError(
        f"a {type(thing).__name__} cannot be streamed; give ContinuousRecording, Recording or mne.io.Raw."
    )


def continuous_of_recording(recording: Recording, *, name: str | None = None) -> ContinuousRecording:
    """Return a recording whose samples are time points.

    Parameters
    ----------
    recording : Recording
        data (n_samples, n_channels); the samples' `onset_s` is evenly spaced.
    name : str, optional
        By default subject, session, task and run, as far as they are known, joined by ``_``.

    Raises
    ------
    InputError
        If it is no time series: it has a time axis per sample, or `onset_s` is missing or uneven.
    """
    samples = recording.samples
    if recording.times_s is not None or "onset_s" not in samples or len(samples) < 2:
        raise InputError(
            f"the recording of {recording.subject!r} is no continuous one: a sample must be a time point, "
            "with its time in `onset_s`. Give epochs one by one, as ContinuousRecording."
        )
    step = np.diff(samples["onset_s"].to_numpy(dtype=np.float64))
    if not (step > 0).all() or np.ptp(step) > 1e-3 * step.mean():
        raise InputError(
            f"the times `onset_s` of {recording.subject!r} must be evenly spaced and rise, got steps of "
            f"{step.min():g} to {step.max():g} s; give runs one by one."
        )
    facts = {
        key: str(samples[key].iloc[0])
        for key in ("session", "task", "run")
        if key in samples and samples[key].nunique() == 1
    }
    parts = [recording.subject, *(f"{key}-{value}" for key, value in facts.items())]
    return ContinuousRecording(
        name or re.sub(r"[^A-Za-z0-9._+=-]", "-", "_".join(parts)),
        lambda: _slices(recording.data),
        recording.channels,
        float(np.round(1 / step.mean(), 6)),
        subject=recording.subject,
        session=facts.get("session", ""),
        task=facts.get("task", ""),
        run=facts.get("run", ""),
        unit=recording.unit,
    )


def continuous_of_raw(
    raw: mne.io.BaseRaw,
    *,
    name: str | None = None,
    subject: str | None = None,
    session: str = "",
    task: str = "",
    run: str = "",
    labels: Mapping[str, str | int | float | bool] | None = None,
) -> ContinuousRecording:
    """Return a Raw object of MNE, which is read thirty seconds at a time.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Its data channels that are not marked bad; it need not be preloaded.
    name : str, optional
        By default the stem of its file.
    subject, session, task, run : str, optional
        By default the entities of a BIDS name (``sub-01_task-rest_eeg``), where it has them.
    labels : mapping, optional
        Further facts.

    Raises
    ------
    InputError
        If there is no name, or no data channel.
    """
    import mne

    files = [Path(file) for file in raw.filenames if file is not None]
    if name is None and not files:
        raise InputError("a Raw object that was made in memory has no file to be named after; give `name`.")
    name = name or files[0].name.split(".")[0]
    said = dict(re.findall(r"(sub|ses|task|run)-([A-Za-z0-9]+)", name))
    picks = mne.pick_types(raw.info, meg=True, eeg=True, ecog=True, seeg=True, dbs=True, fnirs=True)
    if not len(picks):
        raise InputError(f"{name!r} has no data channel; its channels are {set(raw.get_channel_types())}.")
    info = mne.pick_info(raw.info, picks)
    units = {"mag": "T", "grad": "T/m"}
    kinds = info.get_channel_types()
    table = pd.DataFrame(
        {"name": info["ch_names"], "kind": kinds, "unit": [units.get(kind, "V") for kind in kinds]}
    )
    step = max(1, round(_SECONDS_AT_ONCE * raw.info["sfreq"]))

    def pieces() -> Iterator[NDArray[Any]]:
        for start in range(0, raw.n_times, step):
            stop = min(start + step, raw.n_times)
            yield raw.get_data(picks=picks, start=start, stop=stop, verbose="error").T

    return ContinuousRecording(
        name,
        pieces,
        table,
        float(raw.info["sfreq"]),
        subject=subject or (f"sub-{said['sub']}" if "sub" in said else "subject"),
        session=session or said.get("ses", ""),
        task=task or said.get("task", ""),
        run=run or said.get("run", ""),
        unit=table["unit"].iloc[0] if table["unit"].nunique() == 1 else "mixed",
        labels=labels or {},
    )


def _slices(data: Any) -> Iterator[NDArray[Any]]:
    # A zarr array is read a few megabytes at a time.
    rows = max(1, (16 << 20) // (4 * data.shape[1]))
    for start in range(0, data.shape[0], rows):
        yield np.asarray(data[start : start + rows])


def _plain(value: Any) -> Any:
    # JSON knows no scalars of NumPy.
    return value.item() if isinstance(value, np.generic) else value
