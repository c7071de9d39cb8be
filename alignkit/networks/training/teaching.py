"""One thin Lightning module that lets any network learn, by its own rule or by backpropagation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..._core.device import pick_device
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from .._recipe import Learner, Recipe

Batch = tuple[torch.Tensor, torch.Tensor]
Row = dict[str, float]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned from, and what is held out to see whether it was learned.

    Attributes
    ----------
    training, held_out : Dataset
        Pairs of (input, target); no sample is in both.
    has_classes : bool
        Whether targets are classes, so that accuracy says something.
    """

    training: Dataset[Any]
    held_out: Dataset[Any]
    has_classes: bool


class Teaching(pl.LightningModule):
    """Hand batches to a network and its optimiser; measure on held-out samples after each epoch.

    Parameters
    ----------
    network : Module
        Learns by its own rule when it is a :class:`Learner`, else by backpropagation of the cross-entropy
        of what its forward returns.
    recipe : Recipe
        Optimiser, numbers, batch size.
    lesson : Lesson
        What is learned from.
    seed : int, default=0
        Orders the samples and draws whatever is random in training, anew in each epoch, so that training
        that goes on after an epoch ends as if it had never stopped.
    first_epoch : int, default=0
        How many epochs lie behind.
    optimizer_state : dict, optional
        Of the optimiser at the end of those epochs.
    after_epoch : callable, optional
        Called with (epoch, row of measures, module) after each epoch; `epoch` counts from 1.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        lesson: Lesson,
        *,
        seed: int = 0,
        first_epoch: int = 0,
        optimizer_state: dict[str, Any] | None = None,
        after_epoch: Callable[[int, Row, Teaching], None] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.recipe = recipe
        self.lesson = lesson
        self.seed = seed
        self.first_epoch = first_epoch
        self._optimizer_state = optimizer_state
        self._after_epoch = after_epoch
        self._losses: list[torch.Tensor] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the network's own optimiser, or the one that the recipe names."""
        optimizer = make_optimizer(self.network, self.recipe)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return optimizer

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of the epoch in hand, in an order of its own."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", str(self._epoch)))
        # A fixed order, because Lightning may begin to read a loader more than once; the loader's own draws
        # come from this generator, so that they leave the network's dropout alone.
        order = torch.randperm(len(self.lesson.training), generator=generator).tolist()  # type: ignore[arg-type]
        return DataLoader(
            self.lesson.training, batch_size=self.recipe.batch_size, sampler=order, generator=generator
        )

    def on_train_epoch_start(self) -> None:
        """Draw everything random of this epoch from seeds of its own."""
        torch.manual_seed(derive_seed(self.seed, "epoch", str(self._epoch)))
        for name, module in self.network.named_modules():
            seed = derive_seed(self.seed, "noise", name, str(self._epoch))
            if hasattr(module, "reseed"):
                module.reseed(seed)
            for value in vars(module).values():
                if isinstance(value, torch.Generator):
                    value.manual_seed(seed)
        self.network.train()
        self._losses = []

    def training_step(self, batch: Batch, index: int) -> None:
        """Take one step."""
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self._losses.append(teach_batch(self.network, *batch)["loss"].detach())
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        optimizer.step()

    def on_train_epoch_end(self) -> None:
        """Measure, and hand on what was measured."""
        loss = float(torch.stack(self._losses).mean())
        epoch = self._epoch + 1
        if not torch.isfinite(torch.tensor(loss)):
            raise InputError(
                f"the training loss became {loss} in epoch {epoch}; choose a smaller learning rate than "
                f"{self.recipe.lr:g}."
            )
        row = {"epoch": float(epoch), "loss": loss, **measure(self.network, self.lesson, self.recipe)}
        if self._after_epoch is not None:
            self._after_epoch(epoch, row, self)

    @property
    def _epoch(self) -> int:
        return self.first_epoch + self.current_epoch


def teach_batch(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    """Fill the gradients of one batch, by the network's own rule or by backpropagation."""
    if isinstance(network, Learner):
        return network.learn(inputs, targets)
    loss = nn.functional.cross_entropy(network(inputs), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    return {"loss": loss.detach()}


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser of a network: its own where it brings one."""
    own = getattr(network, "make_optimizer", None)
    if own is not None:
        made: torch.optim.Optimizer = own(recipe.lr)
        return made
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise InputError("this network has no parameters that could be trained.")
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def measure(network: nn.Module, lesson: Lesson, recipe: Recipe) -> Row:
    """Return the share of held-out samples that are classed rightly, or the held-out loss of a rule.

    The network is left in training mode with empty gradients.
    """
    batches = DataLoader(lesson.held_out, batch_size=recipe.batch_size)
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    network.eval()
    total, n_samples = 0.0, 0
    for inputs, targets in batches:
        inputs, targets = inputs.to(device), targets.to(device)
        if lesson.has_classes:
            with torch.no_grad():
                total += _n_right(network(inputs).argmax(1), targets)
        else:
            with torch.enable_grad():
                total += float(teach_batch(network, inputs, targets)["loss"]) * len(inputs)
        n_samples += len(inputs)
    network.zero_grad()
    network.train()
    return {"held_out_accuracy" if lesson.has_classes else "held_out_loss": total / n_samples}


def _n_right(said: torch.Tensor, targets: torch.Tensor) -> float:
    if targets.ndim == 1:
        return float((said == targets).sum())
    # Of sequences the share of symbols counts; 0 is the blank, which is no feat to recall.
    counts = targets > 0
    return float((((said == targets) & counts).sum(1) / counts.sum(1)).sum())


def teach(teaching: Teaching, *, epochs: int, device: str = "auto") -> None:
    """Run the epochs that are left of `epochs`; on a GPU where there is one.

    Raises
    ------
    InputError
        If the loss stops being a number.
    """
    left = epochs - teaching.first_epoch
    if left < 1:
        return
    picked = pick_device(device)
    with quiet(), torch.random.fork_rng(devices=[]):
        trainer = pl.Trainer(
            max_epochs=left,
            accelerator="gpu" if picked.type == "cuda" else "cpu",
            devices=[picked.index or 0] if picked.type == "cuda" else 1,
            reload_dataloaders_every_n_epochs=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
        )
        with epochs_shown(trainer, left):
            trainer.fit(teaching)
    teaching.network.cpu().eval()


class _Ticks(pl.Callback):
    def __init__(self, bar: Iterator[int]) -> None:
        self.bar = bar

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        next(self.bar, None)


@contextmanager
def epochs_shown(trainer: pl.Trainer, n_epochs: int) -> Iterator[None]:
    """Report the epochs of a trainer as progress."""
    bar = track(range(n_epochs), "epochs")
    next(bar, None)
    callbacks: Any = trainer
    callbacks.callbacks.append(_Ticks(bar))
    yield
    for _ in bar:
        pass


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advice on devices, workers and logging off the terminal."""
    import logging

    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|lightning_utilities")
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*tensorboardX.*")
        try:
            yield
        finally:
            logger.setLevel(level)
