"""Trials of several recordings, and what each of them should be decoded to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_unique
from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json, digest_table
from ..recordings.recording import Recording
from ..recordings.study import Study
from ._reading import read_rows

Indices = NDArray[np.intp]
_COLUMNS = ("subject", "row", "stimulus_id", "unit", "stimulus", "group", "target")


@dataclass(frozen=True, eq=False)
class Targets:
    """What trials are decoded to: an embedding per stimulus, or a class.

    Attributes
    ----------
    names : tuple of str
        Stimulus of each row, or the name of each class.
    values : ndarray or None
        (n_stimuli, n_dims), (n_stimuli, n_dims, n_target_times) or, with `n_variants` above 0,
        (n_stimuli, n_variants, n_dims), float32. None for classes.
    n_variants : int, default=0
        Versions of every stimulus, such as degrees of blur; 0: just one.
    test_variant : int, default=0
        The version that decoders are evaluated against.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32] | None = None
    n_variants: int = 0
    test_variant: int = 0

    def __post_init__(self) -> None:
        check_unique("targets.names", list(self.names))
        if self.values is None:
            if len(self.names) < 2:
                raise InputError(
                    f"there is one class ({', '.join(self.names)}); decoding needs at least two."
                )
            return
        values = np.asarray(self.values, dtype=np.float32)
        if values.ndim not in (2, 3) or len(values) != len(self.names):
            raise InputError(
                f"`values` of targets must hold a row for each of the {len(self.names)} stimuli, got shape "
                f"{values.shape}."
            )
        if not np.isfinite(values).all():
            bad = [
                self.names[i] for i in np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(1))
            ]
            raise InputError(
                f"the targets of {len(bad)} stimuli hold NaN or infinity: {', '.join(bad[:5])}. Extract the "
                "features again, or leave these stimuli out."
            )
        object.__setattr__(self, "values", values)

    @property
    def are_classes(self) -> bool:
        """Whether the targets are classes."""
        return self.values is None

    @property
    def n_dims(self) -> int:
        """Numbers of an embedding; of classes how many there are."""
        if self.values is None:
            return len(self.names)
        return int(self.values.shape[2 if self.n_variants else 1])

    @property
    def gallery(self) -> NDArray[np.float32]:
        """What decoded embeddings are compared with, shape (n_stimuli, n_dims[, n_target_times])."""
        if self.values is None:
            raise InputError("classes have no embeddings to retrieve from.")
        return self.values[:, self.test_variant] if self.n_variants else self.values

    @cached_property
    def digest(self) -> str:
        """Digest of names and values."""
        values = None if self.values is None else digest_array(self.values)
        return digest_json([list(self.names), values, self.n_variants, self.test_variant])


@dataclass(frozen=True, eq=False)
class Trials:
    """Rows of recordings, each with a target.

    Attributes
    ----------
    study : Study
        The whole recordings, also where the trials are a part of their rows, so that a row keeps its number:
        what may be seen is told by `table` alone. Data may lie on disk and are read by rows.
    targets : Targets
        What can be decoded.
    table : DataFrame
        A row per trial: `subject` (name), `row` (of the recording), `stimulus_id` (name), `unit` (name of
        what must stay on one side of a split), `stimulus`, `group` (codes; equal codes are the same stimulus,
        and near-duplicates), `target` (row of the targets); of averages also `sources`, the rows that they
        are the mean of, with spaces between.
    """

    study: Study
    targets: Targets
    table: pd.DataFrame

    @classmethod
    def of(
        cls,
        study: Study | Mapping[str, Recording],
        targets: Targets,
        *,
        labels: str | None = None,
        groups: Mapping[str, object] | str | None = None,
        units: str | None = None,
    ) -> Trials:
        """Match every sample of a study with its target, by name and never by position.

        Parameters
        ----------
        study : Study or mapping of str to Recording
            Time-resolved or not; all recordings of one kind.
        targets : Targets
            Embeddings by `stimulus_id`, or classes.
        labels : str, optional
            For classes: the column of the samples that holds the class.
        groups : mapping of str to object, or str, optional
            The near-duplicate group (or concept) of each stimulus by its id, or the column of the samples
            that holds it; by default every stimulus is a group of its own.
        units : str, optional
            Column of the samples whose values stay whole on one side of a split, such as ``"run"``; by
            default the group of the stimulus.

        Returns
        -------
        trials : Trials
            All samples, subject after subject.

        Raises
        ------
        InputError
            If a stimulus has no target, a column is missing, or a sample has no class.
        """
        study = study if isinstance(study, Study) else Study.of(*study.values())
        if targets.are_classes and labels is None:
            raise InputError("classes need `labels`, the column of the samples that holds them.")
        position = {name: row for row, name in enumerate(targets.names)}
        parts = []
        for subject, recording in study.items():
            wanted = recording.stimulus_ids if labels is None else _column(recording, labels)
            missing = list(dict.fromkeys(name for name in wanted if name not in position))
            if missing:
                what = "stimuli have no features" if labels is None else f"values of {labels!r} are no class"
                raise InputError(
                    f"{len(missing)} {what} in the recording of {subject!r}: {', '.join(missing[:5])}. "
                    "Extract them, or leave these samples out."
                )
            stimuli = recording.stimulus_ids
            if isinstance(groups, str):
                grouped = _column(recording, groups)
            else:
                # A group's name never meets the name of a stimulus that has no group.
                grouped = [
                    f"group {groups[name]}" if groups is not None and name in groups else f"stimulus {name}"
                    for name in stimuli
                ]
            parts.append(
                pd.DataFrame(
                    {
                        "subject": subject,
                        "row": np.arange(recording.n_samples),
                        "stimulus_id": stimuli,
                        "unit": grouped if units is None else _column(recording, units),
                        "stimulus": stimuli,
                        "group": grouped,
                        "target": [position[name] for name in wanted],
                    }
                )
            )
        table = pd.concat(parts, ignore_index=True)
        for column in ("stimulus", "group"):
            table[column] = pd.factorize(table[column])[0]
        return cls(study, targets, table)

    def __post_init__(self) -> None:
        lacking = [column for column in _COLUMNS if column not in self.table]
        if lacking:
            raise InputError(f"the table of trials lacks the column(s) {', '.join(lacking)}.")
        if self.table.empty:
            raise InputError("there are no trials left.")
        object.__setattr__(self, "table", self.table.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects of the study, in its order; codes of subjects count these."""
        return self.study.subjects

    @property
    def subject_codes(self) -> Indices:
        """Subject of each trial, counted as in `subjects`."""
        codes = {name: code for code, name in enumerate(self.subjects)}
        return np.array([codes[name] for name in self.table["subject"]], dtype=np.intp)

    def column(self, name: str) -> Indices:
        """Return the codes `row`, `stimulus`, `group` or `target` of each trial."""
        return self.table[name].to_numpy(dtype=np.intp)

    def labels(self, name: str) -> list[str]:
        """Return a column of the recordings' samples, for each trial."""
        columns = {subject: _column(recording, name) for subject, recording in self.study.items()}
        pairs = zip(self.table["subject"], self.table["row"], strict=True)
        return [columns[subject][row] for subject, row in pairs]

    def take(self, rows: ArrayLike) -> Trials:
        """Return some of the trials, by position or mask; codes keep their meaning."""
        return replace(self, table=self.table.iloc[_positions(rows, len(self))])

    def of_subjects(self, subjects: Sequence[str]) -> Trials:
        """Return the trials of some subjects; codes of subjects count the ones that are left."""
        kept = Study.of(*(self.study[name] for name in subjects))
        return replace(self, study=kept, table=self.table[self.table["subject"].isin(list(subjects))])

    def average_repetitions(self) -> Trials:
        """Return the mean trial of each subject, stimulus, target and unit, in the order of first appearance.

        The new recordings lie in memory; `sources` of the table says which trials each is the mean of, of
        means of means too those that were recorded.
        """
        keys = ["subject", "stimulus", "target", "unit"]
        sets = list(self.table.groupby(keys, sort=False).indices.values())
        table = self.table.iloc[[int(rows[0]) for rows in sets]].reset_index(drop=True)
        sources = self.column("row")
        recordings = []
        for subject, recording in self.study.items():
            places = np.flatnonzero((table["subject"] == subject).to_numpy())
            if not len(places):
                recordings.append(recording)
                continue
            means = [read_rows(recording, sources[sets[i]]).mean(axis=0, dtype=np.float64) for i in places]
            samples = recording.samples.iloc[[int(sources[sets[i][0]]) for i in places]]
            recordings.append(replace(recording, data=np.stack(means).astype(np.float32), samples=samples))
            table.loc[places, "row"] = np.arange(len(places))
        known = self.table["sources"] if "sources" in self.table else self.table["row"]
        names = known.astype(str).to_numpy()
        table["sources"] = [
            " ".join(map(str, sorted({int(row) for name in names[rows] for row in name.split()})))
            for rows in sets
        ]
        return replace(self, study=Study.of(*recordings), table=table)

    def read(self, rows: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the data of trials of one number of channels, shape (n_trials, n_channels[, n_times]).

        Raises
        ------
        InputError
            If subjects differ in their channels, or a trial on disk holds NaN.
        """
        table = self.table if rows is None else self.table.iloc[_positions(rows, len(self))]
        shapes = {tuple(self.study[name].data.shape[1:]) for name in table["subject"].unique()}
        if len(shapes) != 1:
            raise InputError(
                f"the recordings differ in shape ({', '.join(map(str, sorted(shapes)))}); read one at a time."
            )
        data = np.empty((len(table), *next(iter(shapes))), dtype=np.float32)
        for places, recording, own in self._by_subject(table):
            data[places] = read_rows(recording, own)
        return data

    @cached_property
    def digest(self) -> str:
        """Digest of the data, the targets and which trials these are."""
        recordings = [recording.digest for recording in self.study.values()]
        return digest_json([recordings, self.targets.digest, digest_table(self.table)])

    def _by_subject(self, table: pd.DataFrame) -> Iterator[tuple[Indices, Recording, Indices]]:
        for subject, recording in self.study.items():
            places = np.flatnonzero((table["subject"] == subject).to_numpy())
            if len(places):
                yield places, recording, table["row"].to_numpy(dtype=np.intp)[places]


def _column(recording: Recording, name: str) -> list[str]:
    if name not in recording.samples:
        known = ", ".join(map(str, recording.samples.columns))
        raise InputError(f"the samples of {recording.subject!r} have no column {name!r}; they have {known}.")
    values = recording.samples[name]
    if values.isna().any():
        raise InputError(
            f"the column {name!r} of {recording.subject!r} has no value for {int(values.isna().sum())} "
            "sample(s); leave these out."
        )
    return [str(value) for value in values]


def _positions(rows: ArrayLike, n_rows: int) -> Indices:
    index = np.asarray(rows)
    if index.dtype == bool:
        if len(index) != n_rows:
            raise InputError(f"the mask of trials must have {n_rows} entries, got {len(index)}.")
        index = np.flatnonzero(index)
    return np.asarray(index, dtype=np.intp)
