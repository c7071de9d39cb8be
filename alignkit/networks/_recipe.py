"""How a network learns, as its paper or its author says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Recipe:
    """The optimiser and its numbers, and what is to be learned from.

    Attributes
    ----------
    data : {"labels", "images", "text", "copy"}
        Labelled images, images alone, bytes of text, or sequences to be repeated after a delay.
    optimizer : {"adam", "adamw", "sgd"}
        A module with a method ``make_optimizer(lr)`` brings its own instead.
    lr : float
        Learning rate.
    weight_decay, momentum : float
        Of the optimiser (`momentum` of "sgd").
    epochs : int
        Passes over the training set that suffice on the small sets alignkit ships.
    batch_size : int
        Samples per step.
    clip : float, optional
        Largest norm of the gradient of all parameters together.
    """

    data: Literal["labels", "images", "text", "copy"] = "labels"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    clip: float | None = None


@runtime_checkable
class Learner(Protocol):
    """A module with a learning rule of its own.

    A module without one is trained by backpropagation of the cross-entropy of what its forward returns.
    """

    def learn(self, inputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Put into ``.grad`` of every parameter the direction to walk *down*, and return what to log.

        Parameters
        ----------
        inputs : Tensor of shape (n_samples, ...)
            What forward takes.
        targets : Tensor of shape (n_samples,)
            Classes, counted from 0; rules without a teacher ignore them.

        Returns
        -------
        logged : dict of str to Tensor
            Scalars without gradients; ``"loss"`` among them.
        """
        ...
