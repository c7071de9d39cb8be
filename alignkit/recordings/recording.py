"""One subject's responses, with what each row and each column is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._core.atomic import atomic_folder
from .._core.checks import check_finite, check_unique, did_you_mean
from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json, digest_table
from .._core.random import RandomState, as_generator
from ._storage import open_array, read_facts, read_table, write_array, write_facts, write_table
from .geometry import AnyGeometry, load_geometry


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of one subject: samples x channels, or samples x channels x times.

    Attributes
    ----------
    data : array of shape (n_samples, n_channels) or (n_samples, n_channels, n_times)
        float32, without NaN; an array in memory or a zarr array that is read when it is sliced.
    samples : DataFrame of n_samples rows
        A row per stimulus presentation. Columns: `stimulus_id` (str, required), and where known
        `repetition`, `session`, `run`, `onset_s`, or any label of the stimulus.
    channels : DataFrame of n_channels rows
        A row per voxel, sensor, electrode or neuron. Columns: `name` (str, unique, required), and where
        known `kind`, `roi`, `x_mm`, `y_mm`, `z_mm`, `unit`.
    times_s : ndarray of shape (n_times,) or None
        Time of each point from stimulus onset, in seconds.
    geometry : VolumeGeometry, SurfaceGeometry, SensorGeometry or None
        To put a value per channel back into its space.
    subject : str
        Name of the subject.
    modality : str
        Such as ``"fmri"``, ``"meg"``, ``"eeg"``, ``"spikes"``.
    unit : str
        Unit of the data, such as ``"percent signal change"``, ``"spikes"``, ``"V"``.

    Examples
    --------
    >>> import numpy as np
    >>> recording = Recording.from_arrays(np.eye(4), ["cat", "dog", "cat", "dog"])
    >>> recording.average_repetitions().data.shape
    (2, 4)
    """

    data: Any
    samples: pd.DataFrame
    channels: pd.DataFrame
    times_s: NDArray[np.float64] | None = None
    geometry: AnyGeometry | None = None
    subject: str = "subject"
    modality: str = "unknown"
    unit: str = "arbitrary"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", self.samples.reset_index(drop=True))
        object.__setattr__(self, "channels", self.channels.reset_index(drop=True))
        _check(self)
        # An id is text: 1 and "1" are one stimulus, before and after a file.
        for name, column in (("samples", "stimulus_id"), ("channels", "name")):
            object.__setattr__(self, name, _with_text(getattr(self, name), column))
        check_unique("channels.name", list(self.channels["name"]))

    @classmethod
    def from_arrays(
        cls,
        data: ArrayLike,
        stimulus_ids: Sequence[str],
        *,
        channel_names: Sequence[str] | None = None,
        times_s: ArrayLike | None = None,
        subject: str = "subject",
        modality: str = "unknown",
        unit: str = "arbitrary",
    ) -> Recording:
        """Build a recording from an array and the stimulus of each row.

        Parameters
        ----------
        data : array-like of shape (n_samples, n_channels[, n_times])
            Responses.
        stimulus_ids : sequence of str, length n_samples
            The same id marks repetitions of a stimulus.
        channel_names : sequence of str, optional
            By default ``c0``, ``c1`` and so on.
        times_s : array-like of shape (n_times,), optional
            In seconds from onset.
        subject, modality, unit : str
            Facts.
        """
        array = np.asarray(data, dtype=np.float32)
        if array.ndim not in (2, 3):
            raise InputError(f"`data` must be samples x channels [x times], got shape {array.shape}.")
        names = list(channel_names) if channel_names is not None else [f"c{i}" for i in range(array.shape[1])]
        return cls(
            array,
            pd.DataFrame({"stimulus_id": [str(i) for i in stimulus_ids]}),
            pd.DataFrame({"name": [str(name) for name in names]}),
            times_s=None if times_s is None else np.asarray(times_s, dtype=np.float64),
            subject=subject,
            modality=modality,
            unit=unit,
        )

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.data.shape[0])

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.data.shape[1])

    @property
    def stimulus_ids(self) -> list[str]:
        """Stimulus of each sample."""
        return [str(i) for i in self.samples["stimulus_id"]]

    @property
    def rois(self) -> list[str]:
        """Names of the regions, sorted; empty where channels have none."""
        if "roi" not in self.channels:
            return []
        return sorted({str(roi) for roi in self.channels["roi"].dropna() if str(roi)})

    @cached_property
    def digest(self) -> str:
        """Digest of the data, both tables, the geometry and the facts."""
        times = None if self.times_s is None else digest_array(self.times_s)
        parts = [digest_array(np.asarray(self.data[...])), digest_table(self.samples)]
        place = None if self.geometry is None else self.geometry.digest
        facts = [self.subject, self.modality, self.unit]
        return digest_json([*parts, digest_table(self.channels), times, place, *facts])

    def select(
        self,
        *,
        roi: str | None = None,
        samples: ArrayLike | None = None,
        channels: ArrayLike | None = None,
    ) -> Recording:
        """Keep some samples and channels.

        Parameters
        ----------
        roi : str, optional
            Keep the channels of this region.
        samples, channels : array-like of int or bool, optional
            Indices, whose order is kept, or a mask.

        Raises
        ------
        InputError
            If there is no such region, or nothing is left.
        """
        keep = np.arange(self.n_channels)
        if roi is not None:
            if roi not in self.rois:
                raise InputError(f"`roi` is {roi!r}, {did_you_mean(roi, self.rois)}")
            keep = keep[(self.channels["roi"] == roi).to_numpy()]
        if channels is not None:
            wanted = _as_index("channels", channels, self.n_channels)
            keep = wanted[np.isin(wanted, keep)]
        rows = np.arange(self.n_samples) if samples is None else _as_index("samples", samples, self.n_samples)
        if not len(keep) or not len(rows):
            raise InputError(f"nothing is left: {len(rows)} samples and {len(keep)} channels were selected.")
        data = np.asarray(self.data[...])[rows][:, keep]
        return replace(
            self,
            data=data,
            samples=self.samples.iloc[rows],
            channels=self.channels.iloc[keep],
            geometry=None if self.geometry is None else self.geometry.select(keep),
        )

    def average_repetitions(self) -> Recording:
        """Return the mean response to each stimulus, in the order of first appearance.

        Sample columns that differ between repetitions of a stimulus are left out; `n_repetitions` is added.
        """
        codes, ids = pd.factorize(self.samples["stimulus_id"])
        counts = np.bincount(codes)
        if "n_repetitions" in self.samples and (counts == 1).all():
            return self
        data = np.asarray(self.data[...])
        means = np.empty((len(ids), *data.shape[1:]), dtype=np.float32)
        by_stimulus = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
        for row, repetitions in enumerate(by_stimulus):
            means[row] = data[repetitions].mean(axis=0, dtype=np.float64)
        return replace(self, data=means, samples=_constant_columns(self.samples, counts))

    def average_window(self, start_s: float, stop_s: float) -> Recording:
        """Return the mean over the times from `start_s` to `stop_s` (both included), in seconds from onset.

        Raises
        ------
        InputError
            If the recording has no times, or none lies in the window.
        """
        if self.times_s is None:
            raise InputError(f"the recording of {self.subject!r} has no times, so no window can be averaged.")
        # A bound that was rounded to milliseconds still takes its own sample.
        inside = (self.times_s >= start_s - 1e-6) & (self.times_s <= stop_s + 1e-6)
        if not inside.any():
            has = f"{self.times_s[0]:g} to {self.times_s[-1]:g} s"
            raise InputError(
                f"no time of {self.subject!r} lies in {start_s:g} to {stop_s:g} s; it has {has}."
            )
        data = np.asarray(self.data[...])[:, :, inside].mean(axis=2, dtype=np.float64)
        return replace(self, data=data.astype(np.float32), times_s=None)

    def split_repetitions(self, random_state: RandomState = None) -> tuple[Recording, Recording]:
        """Return two recordings with a random half of each stimulus's repetitions, averaged.

        Each half holds floor(k / 2) of a stimulus's k repetitions; stimuli shown once are left out.

        Raises
        ------
        InputError
            If no stimulus was repeated.
        """
        rng = as_generator(random_state)
        first: list[int] = []
        second: list[int] = []
        for rows in self.samples.groupby("stimulus_id", sort=False).indices.values():
            half = len(rows) // 2
            order = rng.permutation(rows)
            first.extend(order[:half])
            second.extend(order[half : 2 * half])
        if not first:
            raise InputError("no stimulus was repeated, so repetitions cannot be split into halves.")
        halves = (self.select(samples=np.sort(rows)).average_repetitions() for rows in (first, second))
        a, b = halves
        return a, b.align(a.stimulus_ids)

    def repetitions(self) -> NDArray[np.float64]:
        """Return responses as (n_stimuli, n_repeats, n_channels[, n_times]), NaN where a repeat is missing.

        Stimuli stand in the order of first appearance.
        """
        codes, ids = pd.factorize(self.samples["stimulus_id"])
        data = np.asarray(self.data[...], dtype=np.float64)
        repeat = self.samples.groupby("stimulus_id", sort=False).cumcount().to_numpy()
        cube = np.full((len(ids), int(repeat.max()) + 1, *data.shape[1:]), np.nan)
        cube[codes, repeat] = data
        return cube

    def align(self, stimulus_ids: Sequence[str]) -> Recording:
        """Return the samples in the order of `stimulus_ids`, matched by id, never by position.

        Every id must be in the recording exactly once (average repetitions first).

        Raises
        ------
        InputError
            Naming the stimuli without a response, or shown more than once.
        """
        position = {name: row for row, name in enumerate(self.stimulus_ids)}
        if len(position) < self.n_samples:
            repeated = self.samples["stimulus_id"][self.samples["stimulus_id"].duplicated()].iloc[0]
            raise InputError(
                f"{self.n_samples - len(position)} samples of {self.subject!r} repeat a stimulus, such as "
                f"{repeated!r}; call `average_repetitions` first."
            )
        stimulus_ids = [str(name) for name in stimulus_ids]
        missing = [name for name in stimulus_ids if name not in position]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(stimulus_ids)} stimuli have no response in the recording of "
                f"{self.subject!r}: {', '.join(missing[:5])}. Drop them, or record them."
            )
        rows = np.array([position[name] for name in stimulus_ids], dtype=np.intp)
        return replace(self, data=np.asarray(self.data[...])[rows], samples=self.samples.iloc[rows])

    def save(self, folder: str | Path) -> None:
        """Write to a folder (zarr, parquet, JSON), whole or not at all."""
        with atomic_folder(folder) as temporary:
            write_array(temporary / "data.zarr", np.asarray(self.data[...]))
            write_table(temporary / "samples.parquet", self.samples)
            write_table(temporary / "channels.parquet", self.channels)
            if self.geometry is not None:
                self.geometry.save(temporary)
            write_facts(
                temporary,
                "Recording",
                {
                    "subject": self.subject,
                    "modality": self.modality,
                    "unit": self.unit,
                    "notes": list(self.notes),
                    "times_s": None if self.times_s is None else self.times_s.tolist(),
                    "geometry": self.geometry and {"kind": self.geometry.kind, "space": self.geometry.space},
                },
            )

    @classmethod
    def load(cls, folder: str | Path, *, lazy: bool = False) -> Recording:
        """Read what :meth:`save` wrote; with `lazy`, data stay on disk until they are sliced."""
        facts = read_facts(folder, "Recording")
        folder = Path(folder)
        data = open_array(folder / "data.zarr")
        times_s = facts["times_s"]
        return cls(
            data if lazy else data[...],
            read_table(folder / "samples.parquet"),
            read_table(folder / "channels.parquet"),
            times_s=None if times_s is None else np.array(times_s),
            geometry=load_geometry(folder, facts["geometry"]),
            subject=facts["subject"],
            modality=facts["modality"],
            unit=facts["unit"],
            notes=tuple(facts["notes"]),
        )

    def __repr__(self) -> str:
        n_stimuli = self.samples["stimulus_id"].nunique()
        parts = [f"{self.n_samples} samples of {n_stimuli} stimuli", f"{self.n_channels} channels"]
        if self.times_s is not None:
            parts.append(f"{len(self.times_s)} times ({self.times_s[0]:g} to {self.times_s[-1]:g} s)")
        if self.rois:
            parts.append("regions " + ", ".join(self.rois))
        return f"Recording({self.subject}, {self.modality}, {self.unit}: {'; '.join(parts)})"


def _check(recording: Recording) -> None:
    data = recording.data
    if len(data.shape) not in (2, 3):
        raise InputError(f"`data` must be samples x channels [x times], got shape {tuple(data.shape)}.")
    if data.shape[0] == 0 or data.shape[1] == 0:
        raise InputError(f"`data` is empty: shape {tuple(data.shape)}.")
    if np.dtype(data.dtype) != np.float32:
        raise InputError(f"`data` must be float32, got {data.dtype}; use `Recording.from_arrays` to convert.")
    for name, table, column, length in (
        ("samples", recording.samples, "stimulus_id", data.shape[0]),
        ("channels", recording.channels, "name", data.shape[1]),
    ):
        if column not in table:
            raise InputError(f"`{name}` needs a column {column!r}, got {', '.join(map(str, table.columns))}.")
        if len(table) != length:
            raise InputError(
                f"`{name}` has {len(table)} rows but `data` of shape {tuple(data.shape)} needs {length}."
            )
        if table[column].isna().any():
            raise InputError(
                f"`{name}.{column}` is empty in row {int(table[column].isna().to_numpy().argmax())}."
            )
    times_s = recording.times_s
    if (len(data.shape) == 3) != (times_s is not None):
        raise InputError("`times_s` goes with data of three dimensions: samples x channels x times.")
    if times_s is not None and len(times_s) != data.shape[2]:
        raise InputError(f"`times_s` has {len(times_s)} entries but `data` has {data.shape[2]} times.")
    if recording.geometry is not None and recording.geometry.n_channels != data.shape[1]:
        raise InputError(
            f"`geometry` has {recording.geometry.n_channels} channels but `data` has {data.shape[1]}."
        )
    # A zarr array is checked when it is written, not read through every time it is opened.
    if isinstance(data, np.ndarray):
        check_finite("data", data)


def _with_text(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table.assign(**{column: [str(value) for value in table[column]]})


def _as_index(name: str, value: ArrayLike, length: int) -> NDArray[np.intp]:
    index = np.asarray(value)
    if index.dtype == bool:
        if index.shape != (length,):
            raise InputError(f"the mask `{name}` must have {length} entries, got shape {index.shape}.")
        return np.flatnonzero(index)
    if index.size and index.dtype.kind not in "iu":
        raise InputError(f"`{name}` must hold whole numbers or a mask, got {index.dtype}.")
    if index.size and (index.min() < 0 or index.max() >= length):
        raise InputError(f"`{name}` must lie in 0..{length - 1}, got {index.min()}..{index.max()}.")
    return index.astype(np.intp)


def _constant_columns(samples: pd.DataFrame, counts: NDArray[np.intp]) -> pd.DataFrame:
    grouped = samples.groupby("stimulus_id", sort=False)
    constant = [
        column
        for column in samples.columns
        if column != "stimulus_id" and bool((grouped[column].nunique(dropna=False) == 1).all())
    ]
    table = (
        grouped[constant].first().reset_index()
        if constant
        else pd.DataFrame({"stimulus_id": list(grouped.indices)})
    )
    if not constant:
        table = pd.DataFrame({"stimulus_id": samples["stimulus_id"].drop_duplicates().to_list()})
    return table.assign(n_repetitions=counts)
