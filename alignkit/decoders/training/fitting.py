"""The training loop: stop early, keep the best epoch, and be killed without losing more than an epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from ..._core.device import pick_device
from ..._core.errors import InputError
from ..._core.hashing import digest_json
from ...networks.training._files import join_state, read_facts, read_tensors, split_state, write_tensors
from ...networks.training.teaching import epochs_shown, quiet
from .._objective import Objective
from ..trials import Trials
from .data_module import TrialsModule
from .module import Decoding, Gallery, Row
from .plan import TrainingPlan

logger = logging.getLogger(__name__)
Tensors = dict[str, torch.Tensor]
_MOMENTUM = 0.9
_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes
    ----------
    history : tuple of dict
        A row per epoch: `epoch` (from 1), `training_loss` and what was measured on the validation part.
    best_epoch : int
        Whose weights were kept.
    chosen_by : str
        What chose it.
    """

    history: tuple[Row, ...]
    best_epoch: int
    chosen_by: str


def train(
    network: nn.Module,
    objective: Objective,
    data: TrialsModule,
    *,
    plan: TrainingPlan,
    state: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    frozen: bool = False,
) -> Course:
    """Train a network and its objective in place; they end with the weights of the epoch that was kept.

    Parameters
    ----------
    network, objective : Module
        Only parameters that require a gradient are trained.
    data : TrialsModule
        Training part and, where the plan has patience, validation part.
    plan : TrainingPlan
        Numbers.
    state : path, optional
        File that is written after each epoch: weights, optimiser, best weights and history in one, so that
        they are of one epoch whenever the process dies. A training that finds it goes on from there; on a
        CPU it ends with the same bits as one that never stopped.
    identity : mapping, optional
        JSON values that say which training this is; a file of another one is refused.
    frozen : bool, default=False
        Leave both in evaluation mode throughout.

    Returns
    -------
    course : Course

    Raises
    ------
    InputError
        If there is no validation part to choose by, the file is of another training or damaged, it went past
        the epoch whose weights this plan would keep, the loss is no number any more, or the precision needs a
        GPU.
    """
    picked = pick_device(plan.device)
    if plan.precision == "16" and picked.type != "cuda":
        raise InputError('`precision` "16" needs a GPU; use "bf16" or "32" on a CPU.')
    check_choice(plan, has_validation=data.validation is not None, are_classes=objective.classes)
    keeper = _Keeper(plan, data.validation is not None, state, identity or {})
    optimizer_state = keeper.take_up(network, objective)
    if not keeper.is_over:
        n_behind = len(keeper.history)
        data.first_epoch = n_behind
        decoding = Decoding(
            network,
            objective,
            optimizer_factory(plan),
            seed=plan.seed,
            first_epoch=n_behind,
            optimizer_state=optimizer_state,
            rate=plan.rate,
            gallery=None if data.validation is None else gallery_of(data.validation.trials),
            frozen=frozen,
            after_epoch=keeper.after_epoch,
        )
        _run(decoding, data, plan, picked, n_epochs=plan.epochs - n_behind)
        network.cpu()
        objective.cpu()
    _load(network, objective, keeper.best)
    network.eval()
    objective.eval()
    return Course(tuple(keeper.history), keeper.best_epoch, keeper.chosen_by)


def _run(
    decoding: Decoding, data: TrialsModule, plan: TrainingPlan, picked: torch.device, *, n_epochs: int
) -> None:
    gpu = picked.type == "cuda"
    devices: Any = 1
    if gpu:
        devices = plan.n_devices if plan.n_devices > 1 else [picked.index or 0]
    with quiet(), torch.random.fork_rng(devices=[picked] if gpu else []):
        trainer = pl.Trainer(
            max_epochs=n_epochs,
            accelerator="gpu" if gpu else "cpu",
            devices=devices,
            strategy=plan.strategy,
            precision=_PRECISIONS[plan.precision],  # type: ignore[arg-type]
            gradient_clip_val=plan.clip,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
        )
        with epochs_shown(trainer, n_epochs):
            trainer.fit(decoding, datamodule=data)


def optimizer_factory(plan: TrainingPlan) -> Callable[[list[nn.Parameter]], torch.optim.Optimizer]:
    """Return what makes the optimiser that a plan names."""
    if not isinstance(plan.optimizer, str):
        return plan.optimizer

    def make(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": plan.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        if plan.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=plan.lr, momentum=_MOMENTUM)
        return (torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam)(groups, lr=plan.lr)

    return make


def check_choice(plan: TrainingPlan, *, has_validation: bool, are_classes: bool) -> None:
    """Refuse a plan that would choose the epoch by something that is not there."""
    if plan.patience is None:
        return
    if not has_validation:
        raise InputError(
            "the epoch is chosen on a validation part, and there is none. Give `validation`, or fix the "
            "number of epochs with `patience=None`."
        )
    if plan.choose_by == ("retrieval" if are_classes else "accuracy"):
        other = "accuracy" if are_classes else "retrieval"
        raise InputError(
            f"`choose_by` is {plan.choose_by!r}, but the targets are "
            f'{"classes" if are_classes else "embeddings"}. Use "loss" or "{other}".'
        )


def gallery_of(trials: Trials) -> Gallery | None:
    """Return the stimuli of a part with their embeddings; None for classes."""
    if trials.targets.are_classes:
        return None
    stimuli, first = np.unique(trials.column("stimulus"), return_index=True)
    rows = trials.column("target")[first]
    return Gallery(torch.from_numpy(stimuli.astype(np.int64)), torch.from_numpy(trials.targets.gallery[rows]))


class _Keeper:
    """Keeps what the epochs gave, in memory and on disk, and says when it is enough."""

    def __init__(
        self, plan: TrainingPlan, has_validation: bool, state: Path | None, identity: Mapping[str, Any]
    ) -> None:
        self.plan = plan
        self.state = state
        self.identity = dict(identity)
        self.chooses = has_validation and plan.patience is not None
        self.chosen_by = (
            f"validation {plan.choose_by}"
            if self.chooses
            else "nothing was chosen (a fixed number of epochs)"
        )
        self.history: list[Row] = []
        self.best: Tensors = {}

    @property
    def best_epoch(self) -> int:
        """Whose weights are kept, counted from 1: the earliest of the best, or else the last."""
        return self._best_of(len(self.history))

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left, or patience has run out."""
        return self._ends_with(len(self.history))

    def _best_of(self, n_epochs: int) -> int:
        if not self.chooses:
            return n_epochs
        values = np.array([row[f"validation_{self.plan.choose_by}"] for row in self.history[:n_epochs]])
        return 1 + int(values.argmin() if self.plan.choose_by == "loss" else values.argmax())

    def _ends_with(self, n_epochs: int) -> bool:
        if n_epochs >= self.plan.epochs:
            return True
        patience = self.plan.patience
        return bool(
            n_epochs
            and self.chooses
            and patience is not None
            and n_epochs - self._best_of(n_epochs) >= patience
        )

    def after_epoch(self, row: Row, decoding: Decoding) -> None:
        self.history.append(row)
        weights = {name: value.detach().cpu().clone() for name, value in decoding.state_dict().items()}
        if self.best_epoch == len(self.history):
            self.best = weights
        decoding.trainer.should_stop = self.is_over
        if self.state is None or not decoding.trainer.is_global_zero:
            return
        optimizer: Any = decoding.optimizers()
        tensors, rest = split_state(optimizer.optimizer.state_dict())
        parts = {"weights": weights, "optimizer": tensors}
        if self.best is not weights:
            parts["best"] = self.best
        write_tensors(
            self.state,
            {f"{part}.{name}": value for part, named in parts.items() for name, value in named.items()},
            {
                "identity": self.identity,
                "optimizer": rest,
                "history": self.history,
                "best_epoch": self.best_epoch,
            },
        )

    def take_up(self, network: nn.Module, objective: Objective) -> dict[str, Any] | None:
        """Load what a training that was cut short left, and return its optimiser's state."""
        if self.state is None or not self.state.is_file():
            return None
        facts = read_facts(self.state)
        earlier, own = facts.get("identity", {}), self.identity
        other = [key for key in own if digest_json(earlier.get(key)) != digest_json(own[key])]
        if other:
            raise InputError(
                f"{self.state} is of another training (other than this one in: {', '.join(other)}). Name "
                "another folder, or remove the file."
            )
        tensors = read_tensors(self.state)
        weights = _part(tensors, "weights.")
        self.history = list(facts["history"])
        n_behind = len(self.history)
        held = {n_behind: weights, facts["best_epoch"]: _part(tensors, "best.") or weights}
        # A training with less patience would have ended before; it would not know of the epochs since.
        n_epochs = next((n for n in range(1, n_behind) if self._ends_with(n)), n_behind)
        if self._best_of(n_epochs) not in held:
            self._refuse_gone(n_epochs, n_behind, sorted(held))
        self.history = self.history[:n_epochs]
        self.best = held[self.best_epoch]
        _load(network, objective, weights)
        logger.info("%s: going on after epoch %d", self.state, n_epochs)
        return join_state(_part(tensors, "optimizer."), facts["optimizer"])

    def _refuse_gone(self, n_epochs: int, n_behind: int, held: list[int]) -> None:
        raise InputError(
            f"{self.state} holds {n_behind} epochs, with the weights of epoch "
            f"{' and '.join(map(str, held))}; with `epochs={self.plan.epochs}` and "
            f"`patience={self.plan.patience}` the training would end after epoch {n_epochs} with those of "
            f"epoch {self._best_of(n_epochs)}, which are gone. Take the settings it was trained with, or "
            "name another folder."
        )


def _load(network: nn.Module, objective: Objective, weights: Tensors) -> None:
    network.load_state_dict(_part(weights, "network."))
    objective.load_state_dict(_part(weights, "objective."))


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> Tensors:
    return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
