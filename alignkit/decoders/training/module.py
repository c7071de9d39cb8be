"""One thin Lightning module: a network, an objective and a way to make the optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import nn

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._objective import Batch, Objective

Row = dict[str, float]


class Gallery(NamedTuple):
    """Stimuli that retrieval is measured among.

    Attributes
    ----------
    stimuli : Tensor of shape (n_stimuli,)
        Codes as in a batch, rising.
    embeddings : Tensor of shape (n_stimuli, n_dims[, n_target_times])
        float32.
    """

    stimuli: torch.Tensor
    embeddings: torch.Tensor


class Decoding(pl.LightningModule):
    """Train a network to put out what an objective compares with the stimuli.

    Whatever is random in training (dropout, generators that modules hold) is drawn anew from a seed of the
    epoch's own, so that a training that goes on after an epoch ends as if it had never stopped. It logs
    `training_loss` and, with a validation part, `validation_loss` and `validation_retrieval` (mean
    reciprocal rank among the gallery, in (0, 1]) or `validation_accuracy`.

    Parameters
    ----------
    network : Module
        Forward takes signals (n_trials, n_channels, n_times) and subjects (n_trials,).
    objective : Objective
        Its parameters are trained along.
    make_optimizer : callable
        Takes the list of parameters that are trained, returns a torch optimiser.
    seed : int, default=0
        Of everything random.
    first_epoch : int, default=0
        How many epochs lie behind.
    optimizer_state : dict, optional
        Of the optimiser at the end of those.
    rate : callable, optional
        Takes an epoch, counted from 0, and returns what the learning rate is multiplied by.
    gallery : Gallery, optional
        The validation part's stimuli; without it retrieval is not measured.
    frozen : bool, default=False
        Leave network and objective in evaluation mode, so that running statistics stay as they are.
    after_epoch : callable, optional
        Called with (row of measures, module) after each epoch whose losses are numbers.
    """

    gallery_stimuli: torch.Tensor | None
    gallery_embeddings: torch.Tensor | None

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        make_optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        *,
        seed: int = 0,
        first_epoch: int = 0,
        optimizer_state: dict[str, Any] | None = None,
        rate: Callable[[int], float] | None = None,
        gallery: Gallery | None = None,
        frozen: bool = False,
        after_epoch: Callable[[Row, Decoding], None] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.seed = seed
        self.first_epoch = first_epoch
        self.frozen = frozen
        self._make_optimizer = make_optimizer
        self._optimizer_state = optimizer_state
        self._rate = rate
        self._after_epoch = after_epoch
        self._base_rates: list[float] = []
        for name in Gallery._fields:
            value = None if gallery is None else getattr(gallery, name)
            self.register_buffer(f"gallery_{name}", value, persistent=False)

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Return decoded embeddings, or scores of classes.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            Scaled and padded as in training.
        subjects : Tensor of shape (n_trials,)
            int64.
        """
        return self.objective.embed(self.network(signals, subjects))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser, as it was where a training goes on."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if not parameters:
            raise InputError("neither the network nor the objective has parameters that could be trained.")
        optimizer = self._make_optimizer(parameters)
        self._base_rates = [float(group["lr"]) for group in optimizer.param_groups]
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return optimizer

    def on_fit_start(self) -> None:
        """Remember torch's generator, which every epoch seeds."""
        self._generator_state = torch.get_rng_state()

    def on_fit_end(self) -> None:
        """Put torch's generator back."""
        torch.set_rng_state(self._generator_state)

    def on_train_epoch_start(self) -> None:
        """Draw everything random of this epoch from seeds of its own."""
        torch.manual_seed(derive_seed(self.seed, "epoch", str(self.epoch)))
        for name, module in self.named_modules():
            for value in vars(module).values():
                if isinstance(value, torch.Generator):
                    value.manual_seed(derive_seed(self.seed, "generator", name, str(self.epoch)))
        self.network.train(not self.frozen)
        self.objective.train(not self.frozen)
        if self._rate is not None:
            optimizer: Any = self.optimizers()
            for group, base in zip(optimizer.param_groups, self._base_rates, strict=True):
                group["lr"] = base * self._rate(self.epoch)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        loss: torch.Tensor = self.objective(self.network(batch.signals, batch.subjects), batch)
        self._log("training_loss", loss, batch)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        """Measure a batch of the validation part."""
        outputs = self.network(batch.signals, batch.subjects)
        self._log("validation_loss", self.objective(outputs, batch), batch)
        if self.objective.classes:
            right = self.objective.embed(outputs).argmax(1) == batch.targets
            self._log("validation_accuracy", right.float().mean(), batch)
        elif self.gallery_stimuli is not None and self.gallery_embeddings is not None:
            truth = torch.searchsorted(self.gallery_stimuli, batch.stimuli)
            ranks = ranks_of(self.objective.embed(outputs).float(), self.gallery_embeddings, truth)
            self._log("validation_retrieval", (1 / ranks).mean(), batch)

    def on_train_epoch_end(self) -> None:
        """Refuse a loss that is no number, and hand on what was measured."""
        row = {"epoch": float(self.epoch + 1)}
        for name, value in self.trainer.callback_metrics.items():
            if name.startswith(("training_", "validation_")):
                row[name] = float(value)
        for name, measured in row.items():
            if not math.isfinite(measured):
                kept = (
                    f" What was learned until epoch {self.epoch} is kept where the training has a folder: "
                    f"the same training with `epochs={self.epoch}` ends with it."
                )
                raise InputError(
                    f"the {name.replace('_', ' ')} became {measured} in epoch {self.epoch + 1}. Choose a "
                    "smaller learning rate, clip the gradient, or train in 32-bit."
                    + (kept if self.epoch else "")
                )
        if self._after_epoch is not None:
            self._after_epoch(row, self)

    @property
    def epoch(self) -> int:
        """Epochs that lie behind, counting earlier runs of the same training."""
        return self.first_epoch + self.current_epoch

    def _log(self, name: str, value: torch.Tensor, batch: Batch) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=len(batch.signals), sync_dist=True)


def ranks_of(decoded: torch.Tensor, gallery: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the rank of each trial's own stimulus by cosine similarity, 1 the best; ties share their mean.

    Parameters
    ----------
    decoded : Tensor of shape (n_trials, n_dims[, n_target_times])
        Of the network.
    gallery : Tensor of shape (n_stimuli, n_dims[, n_target_times])
        What is ranked.
    truth : Tensor of shape (n_trials,)
        Row of the gallery.

    Returns
    -------
    ranks : Tensor of shape (n_trials,)
        In [1, n_stimuli].

    Examples
    --------
    >>> ranks_of(torch.tensor([[1.0, 0.1]]), torch.eye(2), torch.tensor([1]))
    tensor([2.])
    """
    normal = nn.functional.normalize
    similarity = normal(decoded.flatten(1), dim=1) @ normal(gallery.flatten(1), dim=1).T
    own = similarity.gather(1, truth[:, None])
    better, equal = (similarity > own).sum(1), (similarity == own).sum(1)
    return better + (equal + 1) / 2
