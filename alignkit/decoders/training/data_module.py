"""Batches of trials that stream from disk, in an order that does not depend on where the data lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._layout import Layout
from .._objective import Batch
from .._reading import read_with_times
from ..layouts import layout_of
from ..trials import Trials
from ._order import Indices, batch_edges, loads, rows_in_memory, subjects_in_turn
from .augmentation import Augmentation, augment
from .plan import TrainingPlan
from .scaling import Scaling

# The validation part is the smaller one; together they stay within the buffer.
_SHARES = {"training": 0.8, "validation": 0.2}


class TrialsModule(pl.LightningDataModule):
    """Trials as batches for Lightning.

    Parameters
    ----------
    training : Trials
        What weights are fitted to; every subject of its study has trials in it.
    validation : Trials, optional
        What the epoch is chosen by.
    plan : TrainingPlan, optional
        Batch size, buffer, balance of subjects, augmentation, seed.
    layout : Layout, optional
        To whose channels signals are padded; by default that of the training part's study.
    scaling : Scaling, optional
        By default fitted on the training part as the plan says.
    least_batch : int, default=1
        Of the objective: fewer trials never make a batch.
    least_last : int, default=1
        Fewer trials make no last batch of the training part, but join the one before: 2 for networks with
        batch norm, which has nothing to norm a single value by.
    first_epoch : int, default=0
        How many epochs lie behind, where a training goes on.
    first_subject : int, default=0
        Code of the first subject.

    Raises
    ------
    InputError
        If a part is smaller than `least_batch`, the validation part has a subject, channels or times that the
        training part has not, or the augmentation does not fit the data.

    Notes
    -----
    Channels are taken as they stand: a network with weights for each channel needs those of all subjects in
    one order, which `NetworkDecoder` sees to. Signals are read in blocks of neighbouring rows, drawn at
    random; those that `plan.buffer_mb` holds are shuffled together. Where a subject's trials all fit, they
    are read once and shuffled fully.
    """

    def __init__(
        self,
        training: Trials,
        validation: Trials | None = None,
        *,
        plan: TrainingPlan | None = None,
        layout: Layout | None = None,
        scaling: Scaling | None = None,
        least_batch: int = 1,
        least_last: int = 1,
        first_epoch: int = 0,
        first_subject: int = 0,
    ) -> None:
        super().__init__()
        self.plan = TrainingPlan() if plan is None else plan
        self.layout = layout_of(training.study) if layout is None else layout
        self.scaling = fitted_scaling(training, self.plan) if scaling is None else scaling
        self.first_epoch = first_epoch
        varied = self.plan.augmentation
        varied.check(sfreq_hz=self.layout.sfreq_hz, are_classes=training.targets.are_classes)
        shared = (self.layout, self.scaling, self.plan, least_batch, first_subject)
        self.training = _Part("training", training, *shared, varied, least_last=least_last)
        self.validation = None
        if validation is not None:
            check_same_channels(training, validation)
            chosen = validation.of_subjects([s for s in training.subjects if s in set(validation.subjects)])
            codes = [training.subjects.index(subject) for subject in chosen.subjects]
            self.validation = _Part("validation", chosen, *shared, Augmentation(), codes)

    @property
    def epoch(self) -> int:
        """Epochs that lie behind, counting earlier runs of the same training."""
        trainer = getattr(self, "trainer", None)
        return self.first_epoch + (0 if trainer is None else trainer.current_epoch)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the epoch in hand; each is a `Batch`."""
        return self._loader(self.training)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Return the validation part's batches, the same in every epoch."""
        return [] if self.validation is None else self._loader(self.validation)

    def _loader(self, part: _Part) -> DataLoader[Batch]:
        if self.plan.n_workers:
            # Before the processes part ways, so that what fits in memory is read once.
            part.read_what_fits()
        return DataLoader(
            _Stream(self, part),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=self.plan.n_workers,
            # The loader's own draws leave dropout alone.
            generator=torch.Generator().manual_seed(self.plan.seed),
        )


class _Stream(IterableDataset[Batch]):
    """The batches of an epoch; of several devices or workers each makes its own."""

    def __init__(self, module: TrialsModule, part: _Part) -> None:
        self.module = module
        self.part = part

    def __len__(self) -> int:
        return self.part.n_batches // self._n_devices

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        trainer = getattr(self.module, "trainer", None)
        rank = 0 if trainer is None else trainer.global_rank
        # As many for every device, since each waits for the others at every step.
        numbers = range(rank, len(self) * self._n_devices, self._n_devices)
        yield from self.part.batches(self.module.epoch, set(numbers[first::step]))

    @property
    def _n_devices(self) -> int:
        trainer = getattr(self.module, "trainer", None)
        return 1 if trainer is None else int(trainer.world_size)


class _Part:
    """Trials of one part, read in the order of an epoch."""

    def __init__(
        self,
        name: str,
        trials: Trials,
        layout: Layout,
        scaling: Scaling,
        plan: TrainingPlan,
        least_batch: int,
        first_subject: int,
        augmentation: Augmentation,
        codes: list[int] | None = None,
        *,
        least_last: int = 1,
    ) -> None:
        self.name, self.trials, self.layout, self.plan = name, trials, layout, plan
        self.augmentation = augmentation
        self.codes = np.array(range(len(trials.subjects)) if codes is None else codes) + first_subject
        self.n_channels = np.array([trials.study[s].n_channels for s in trials.subjects])
        self.columns = {name: trials.column(name) for name in ("stimulus", "group", "target")}
        budget = plan.buffer_mb * 2**20 * _SHARES[name] / len(trials.subjects)
        own = trials.subject_codes
        self.subjects = [
            _Subject(trials, code, np.flatnonzero(own == code), scaling, int(self.codes[code]), budget)
            for code in range(len(trials.subjects))
        ]
        self.balanced = name == "training" and plan.subjects == "balanced"
        counts = [len(subject.trials) for subject in self.subjects]
        n_places = max(counts) * sum(n > 0 for n in counts) if self.balanced else sum(counts)
        self.edges = batch_edges(n_places, plan.batch_size, least_batch, part=name, least_last=least_last)

    @property
    def n_batches(self) -> int:
        return len(self.edges) - 1

    def read_what_fits(self) -> None:
        for subject in self.subjects:
            subject.read_if_it_fits()

    def batches(self, epoch: int, wanted: set[int]) -> Iterator[Batch]:
        """Yield the batches of those numbers, in their order."""
        # A validation part is shuffled as well, lest batches hold neighbours only, but once and for all.
        key = (self.name, str(epoch)) if self.name == "training" else (self.name,)
        rng = np.random.default_rng(derive_seed(self.plan.seed, "order", *key))
        turn = subjects_in_turn([len(s.trials) for s in self.subjects], balanced=self.balanced, rng=rng)
        for subject, n_places in zip(
            self.subjects, np.bincount(turn, minlength=len(self.subjects)), strict=True
        ):
            subject.start(int(n_places), rng)
        for number, (start, stop) in enumerate(zip(self.edges[:-1], self.edges[1:], strict=True)):
            codes = turn[start:stop]
            if number in wanted:
                yield self._batch(codes, epoch, number)
            else:
                for code, n_trials in enumerate(np.bincount(codes)):
                    self.subjects[code].skip(int(n_trials))
        for subject in self.subjects:
            subject.stop()

    def _batch(self, codes: Indices, epoch: int, number: int) -> Batch:
        signals = np.zeros((len(codes), self.layout.n_channels, self.layout.n_times), dtype=np.float32)
        trials = np.empty(len(codes), dtype=np.intp)
        for code in np.unique(codes):
            places = np.flatnonzero(codes == code)
            trials[places], own = self.subjects[code].take(len(places))
            signals[places, : own.shape[1]] = own
        subjects = self.codes[codes].astype(np.int64)
        targets = self._targets(trials)
        if not self.augmentation.is_off:
            signals, targets = augment(
                signals,
                targets,
                subjects,
                augmentation=self.augmentation,
                n_channels=self.n_channels[codes],
                sfreq_hz=self.layout.sfreq_hz,
                rng=np.random.default_rng(
                    derive_seed(self.plan.seed, "augmentation", str(epoch), str(number))
                ),
            )
        stimuli, groups = (self.columns[name][trials].astype(np.int64) for name in ("stimulus", "group"))
        arrays = (signals, subjects, targets, stimuli, groups, trials.astype(np.int64))
        return Batch(*map(torch.from_numpy, arrays))

    def _targets(self, trials: Indices) -> NDArray[np.generic]:
        values, rows = self.trials.targets.values, self.columns["target"][trials]
        return rows.astype(np.int64) if values is None else values[rows]


@dataclass(eq=False)
class _Subject:
    """One subject's trials: a load of them in memory at a time, or all where they fit."""

    part: Trials
    own_code: int
    trials: Indices
    scaling: Scaling
    code: int
    budget: float

    def __post_init__(self) -> None:
        self.recording = self.part.study[self.part.subjects[self.own_code]]
        self.rows = self.part.column("row")[self.trials]
        row_bytes = 4 * int(np.prod(self.recording.data.shape[1:], dtype=np.int64))
        self.block_rows, self.held_rows = rows_in_memory(row_bytes, self.budget)
        self._all: NDArray[np.float32] | None = None
        self._loads: Iterator[Indices]
        self.stop()

    def start(self, n_places: int, rng: np.random.Generator) -> None:
        """Begin an epoch in which so many trials will be taken."""
        self._loads = iter(
            loads(
                self.rows,
                block_rows=self.block_rows,
                held_rows=self.held_rows,
                n_wanted=n_places,
                rng=rng,
            )
        )

    def stop(self) -> None:
        """Let go of what an epoch held."""
        self._loads = iter([])
        self._load, self._at = np.empty(0, dtype=np.intp), 0
        self._signals: NDArray[np.float32] | None = None

    def read_if_it_fits(self) -> None:
        """Read all trials once, where the buffer holds them."""
        if self._all is None and 0 < len(self.rows) <= self.held_rows:
            self._all = self._read(np.arange(len(self.rows)))

    def skip(self, n_trials: int) -> None:
        """Pass over trials without reading them."""
        for _ in self._pieces(n_trials):
            pass

    def take(self, n_trials: int) -> tuple[Indices, NDArray[np.float32]]:
        """Return the next trials: their numbers in the part, and their scaled signals."""
        numbers, signals = [], []
        for piece in self._pieces(n_trials):
            numbers.append(self.trials[self._load[piece]])
            signals.append(self._held()[self._load[piece] if self._all is not None else piece])
        if len(signals) == 1:
            return numbers[0], signals[0]
        return np.concatenate(numbers), np.concatenate(signals)

    def _pieces(self, n_trials: int) -> Iterator[slice]:
        while n_trials:
            if self._at == len(self._load):
                # The old load goes before the new one comes.
                self._signals = None
                self._load, self._at = next(self._loads), 0
            n_here = min(n_trials, len(self._load) - self._at)
            yield slice(self._at, self._at + n_here)
            self._at += n_here
            n_trials -= n_here

    def _held(self) -> NDArray[np.float32]:
        self.read_if_it_fits()
        if self._all is not None:
            return self._all
        if self._signals is None:
            self._signals = self._read(self._load)
        return self._signals

    def _read(self, positions: Indices) -> NDArray[np.float32]:
        return self.scaling.apply(read_with_times(self.recording, self.rows[positions]), self.code)


def fitted_scaling(training: Trials, plan: TrainingPlan) -> Scaling:
    """Return the scaling that a plan wants, fitted on the training part."""
    return Scaling.fit(
        training, kind=plan.scaling, clamp=plan.clamp, seed=plan.seed, buffer_mb=plan.buffer_mb
    )


def check_same_channels(training: Trials, validation: Trials) -> None:
    """Refuse a validation part with subjects, channels or times that the training part has not."""
    for subject in validation.table["subject"].unique():
        if subject not in training.subjects:
            raise InputError(
                f"the validation part has trials of {subject!r}, of whom the training part has none. "
                "Validate with the subjects that are trained on."
            )
        ours, theirs = training.study[subject], validation.study[subject]
        if list(ours.channels["name"]) != list(theirs.channels["name"]):
            raise InputError(
                f"the channels of {subject!r} differ between the training and the validation part. Give both "
                "the same channels in one order."
            )
        if ours.data.shape[1:] != theirs.data.shape[1:]:
            raise InputError(
                f"trials of {subject!r} have shape {tuple(ours.data.shape[1:])} in the training and "
                f"{tuple(theirs.data.shape[1:])} in the validation part."
            )


def _as_it_is(batch: Any) -> Any:
    return batch
