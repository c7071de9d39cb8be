"""How a decoder's network is trained: every number that changes the result, in one place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..._core.checks import check_option
from ..._core.errors import InputError
from .augmentation import Augmentation

OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("32", "bf16", "16")
MEASURES = ("loss", "retrieval", "accuracy")


@dataclass(frozen=True)
class TrainingPlan:
    """Numbers of a training.

    Attributes
    ----------
    epochs : int, default=100
        At most; exactly that many where nothing stops earlier.
    batch_size : int, default=128
        Trials of a step.
    lr : float, default=3e-4
        Learning rate.
    weight_decay : float, default=0.0
        Of weights with two axes or more; biases, gains and temperatures are never drawn to zero.
    optimizer : {"adam", "adamw", "sgd"} or callable, default="adam"
        A callable gets the list of parameters and returns a torch optimiser; `lr` and `weight_decay` are then
        its own affair.
    schedule : None or "cosine", default=None
        Of the learning rate over `epochs`.
    patience : int or None, default=10
        Stop after so many epochs without a better validation part, and keep the best epoch's weights. None
        trains for `epochs` and keeps the last: then nothing is chosen.
    choose_by : {"loss", "retrieval", "accuracy"}, default="loss"
        What better means: a lower loss, a higher mean reciprocal rank among the validation part's stimuli, or
        a higher share of right classes.
    clip : float or None, default=None
        Largest norm of the gradient.
    precision : {"32", "bf16", "16"}, default="32"
        Mixed precision for the latter two; "16" needs a GPU.
    device : str, default="auto"
        "auto", "cpu" or "cuda".
    n_devices : int, default=1
        GPUs to share the work, through Lightning's `strategy`; each takes every n-th batch.
    strategy : str, default="auto"
        Name of a Lightning strategy, such as "ddp".
    scaling : {"robust", "zscore", "none"}, default="robust"
        Of each subject's channels, fitted on the training part.
    clamp : float or None, default=20.0
        Largest magnitude of scaled signals.
    subjects : {"balanced", "proportional"}, default="balanced"
        Whether a batch holds equal numbers of every subject, those with few trials coming again in an epoch,
        or each trial comes once.
    buffer_mb : float, default=1024.0
        Memory for signals that wait to be used, in MiB. Trials are shuffled among those that it holds, so
        that it changes the order where the data do not fit; where the data lie changes nothing.
    n_workers : int, default=0
        Processes that read ahead, each with a buffer of its own; they do not change the order.
    seed : int, default=0
        Of weights, order, augmentation and dropout.
    augmentation : Augmentation
        All off by default.
    """

    epochs: int = 100
    batch_size: int = 128
    lr: float = 3e-4
    weight_decay: float = 0.0
    optimizer: Literal["adam", "adamw", "sgd"] | Callable[[list[Any]], Any] = "adam"
    schedule: Literal["cosine"] | None = None
    patience: int | None = 10
    choose_by: Literal["loss", "retrieval", "accuracy"] = "loss"
    clip: float | None = None
    precision: Literal["32", "bf16", "16"] = "32"
    device: str = "auto"
    n_devices: int = 1
    strategy: str = "auto"
    scaling: Literal["robust", "zscore", "none"] = "robust"
    clamp: float | None = 20.0
    subjects: Literal["balanced", "proportional"] = "balanced"
    buffer_mb: float = 1024.0
    n_workers: int = 0
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("n_devices", 1), ("n_workers", 0)):
            if getattr(self, name) < least:
                raise InputError(f"`{name}` of a plan must be at least {least}, got {getattr(self, name)}.")
        if self.patience is not None and self.patience < 1:
            raise InputError(
                f"`patience` must be at least 1, or None for a fixed number of epochs, got {self.patience}."
            )
        for name in ("lr", "buffer_mb", "clip", "clamp"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"`{name}` of a plan must be a positive number, got {value}.")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"`weight_decay` must be 0 or above, got {self.weight_decay}.")
        if isinstance(self.optimizer, str):
            check_option("optimizer", self.optimizer, OPTIMIZERS)
        if self.schedule is not None:
            check_option("schedule", self.schedule, ("cosine",))
        check_option("choose_by", self.choose_by, MEASURES)
        check_option("precision", self.precision, PRECISIONS)
        check_option("scaling", self.scaling, ("robust", "zscore", "none"))
        check_option("subjects", self.subjects, ("balanced", "proportional"))

    def rate(self, epoch: int) -> float:
        """Return what the learning rate is multiplied by in an epoch, counted from 0.

        Examples
        --------
        >>> [round(TrainingPlan(epochs=4, schedule="cosine").rate(epoch), 3) for epoch in range(4)]
        [1.0, 0.854, 0.5, 0.146]
        """
        return 0.5 * (1 + math.cos(math.pi * epoch / self.epochs)) if self.schedule else 1.0

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values; an optimiser from Python by its name."""
        values = asdict(self)
        if not isinstance(self.optimizer, str):
            values["optimizer"] = f"python:{getattr(self.optimizer, '__qualname__', self.optimizer)}"
        return values

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the weights after an epoch, and so what a training that goes on must share.

        Neither where it is computed nor when it ends belongs to it; a schedule, however, runs to the last
        epoch, and whether an epoch is chosen decides which weights are kept.
        """
        aside = {"device", "n_workers", "patience"} | (set() if self.schedule else {"epochs"})
        values = {name: value for name, value in self.to_json().items() if name not in aside}
        return {**values, "chooses": self.patience is not None}
