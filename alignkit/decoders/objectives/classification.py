"""Cross-entropy of classes, each as heavy as the others if wanted."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._objective import Batch, Objective
from .info_nce import exact

ClassWeights = Literal["equal", "balanced"]


class Classification(Objective):
    """Cross-entropy of the scores of classes; see :func:`classification`.

    Attributes
    ----------
    weights : Tensor of shape (n_classes,)
        Of a trial of each class; 1 until :meth:`set_target_statistics`.
    """

    classes = True
    weights: Tensor

    def __init__(self, n_classes: int, *, class_weights: ClassWeights, label_smoothing: float) -> None:
        super().__init__()
        if n_classes < 2:
            raise InputError(f"classification needs at least 2 classes, got {n_classes}.")
        check_option("class_weights", class_weights, get_args(ClassWeights))
        if not 0 <= label_smoothing < 1:
            raise InputError(f"`label_smoothing` must be in [0, 1), got {label_smoothing}.")
        self.n_outputs = n_classes
        self.class_weights: ClassWeights = class_weights
        self.label_smoothing = label_smoothing
        self.register_buffer("weights", torch.ones(n_classes))

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss; see :class:`Objective`."""
        classes = batch.targets
        if outputs.shape[:2] != (len(classes), self.n_outputs) or classes.ndim != 1:
            raise InputError(
                f"classification wants outputs of shape (n_trials, {self.n_outputs}) and a class per trial, "
                f"got {tuple(outputs.shape)} and targets of shape {tuple(classes.shape)}."
            )
        weights = self.weights[classes].view((-1,) + (1,) * (outputs.ndim - 2))
        if outputs.ndim == 3:
            classes = classes[:, None].expand(-1, outputs.shape[2])
        losses = F.cross_entropy(
            exact(outputs), classes, reduction="none", label_smoothing=self.label_smoothing
        )
        # The weights' mean over the training part is 1. Dividing by their sum in the batch instead would let
        # a rare class weigh less whenever it comes.
        return (weights * losses).mean()

    def set_target_statistics(self, values: NDArray[Any] | Tensor) -> None:
        """Weigh classes by how often the training part has them, where they are to be balanced.

        Parameters
        ----------
        values : int array of shape (n_trials,)
            Class of each trial of the training part.
        """
        if self.class_weights == "balanced":
            counts = np.bincount(np.asarray(values), minlength=self.n_outputs)
            n_present = np.count_nonzero(counts)
            # A class that never comes has no weight to have.
            weights = np.where(counts > 0, counts.sum() / (n_present * np.maximum(counts, 1)), 0)
            self.weights.copy_(torch.from_numpy(weights))


def classification(
    n_dims: int,
    *,
    n_trials: int = 0,
    class_weights: ClassWeights = "equal",
    label_smoothing: float = 0.0,
) -> Classification:
    """Build the objective of putting out the class.

    Parameters
    ----------
    n_dims : int
        Number of classes, and of what the network must put out; at least 2.
    n_trials : int, default=0
        Of the training part; not needed.
    class_weights : {"equal", "balanced"}, default="equal"
        "balanced": trials of rare classes weigh more, so that all classes weigh the same in the training
        part.
    label_smoothing : float, default=0.0
        Share of a trial that is spread evenly over all classes; in [0, 1).

    Returns
    -------
    objective : Classification
        Its loss is 0 or above, log(n_classes) where all scores are equal.

    Raises
    ------
    InputError
        If an option is out of its range; by the loss, if outputs or targets have another shape.

    Examples
    --------
    >>> classification(4).classes
    True
    """
    return Classification(n_dims, class_weights=class_weights, label_smoothing=label_smoothing)
