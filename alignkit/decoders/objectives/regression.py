"""Regression of embeddings: squared errors, cosine or correlation with standardised targets."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._objective import Batch, Objective
from .clip import check_dims
from .info_nce import check_same_shape, exact, inverse_norm

Loss = Literal["mse", "cosine", "correlation"]


class TargetStatistics(nn.Module):
    """Mean and standard deviation of every number of the training targets.

    Attributes
    ----------
    mean, sd : Tensor of shape (n_dims,)
        Over trials (and times); 0 and 1 until :meth:`set`. A number that never varies has an sd of 1.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_dims))
        self.register_buffer("sd", torch.ones(n_dims))

    def set(self, values: NDArray[Any] | Tensor) -> None:
        """Take them from the targets of the training part, (n_trials, n_dims[, n_target_times])."""
        targets = values if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values))
        if targets.ndim not in (2, 3) or targets.shape[1] != len(self.mean):
            raise InputError(
                f"the training targets must have shape (n_trials, {len(self.mean)}) or (n_trials, "
                f"{len(self.mean)}, n_target_times), got {tuple(targets.shape)}."
            )
        over = [axis for axis in range(targets.ndim) if axis != 1]
        variance, mean = torch.var_mean(exact(targets), dim=over, correction=0)
        self.mean.copy_(mean)
        # Rounding leaves a constant with a variance of its own.
        constant = variance <= (torch.finfo(variance.dtype).eps * mean).square()
        self.sd.copy_(torch.where(constant, 1, variance).sqrt())

    def standardized(self, values: Tensor) -> Tensor:
        """Return targets with mean 0 and sd 1 in the training part."""
        mean, sd = self._beside(values)
        return (exact(values) - mean) / sd

    def restored(self, values: Tensor) -> Tensor:
        """Return standardised values in the space of the targets."""
        mean, sd = self._beside(values)
        return exact(values) * sd + mean

    def _beside(self, values: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * (values.ndim - 2)
        return self.mean.view(shape), self.sd.view(shape)


class Regression(Objective):
    """Distance of outputs from standardised targets; see :func:`regression`.

    Attributes
    ----------
    statistics : TargetStatistics
        Of the training targets.
    """

    def __init__(self, n_dims: int, *, loss: Loss, standardize: bool) -> None:
        super().__init__()
        check_dims(n_dims)
        check_option("loss", loss, get_args(Loss))
        if loss == "correlation" and n_dims < 2:
            raise InputError(f"a correlation over the numbers of a target needs at least 2, got {n_dims}.")
        self.n_outputs = n_dims
        self.loss: Loss = loss
        self.standardize = standardize
        self.statistics = TargetStatistics(n_dims)

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss; see :class:`Objective`."""
        check_same_shape(outputs, batch.targets)
        with torch.autocast(outputs.device.type, enabled=False):
            predicted, wanted = exact(outputs), self.statistics.standardized(batch.targets)
            if self.loss == "mse":
                return squared_error(predicted, wanted)
            predicted, wanted = predicted.flatten(1), wanted.flatten(1)
            if self.loss == "correlation":
                predicted = predicted - predicted.mean(1, keepdim=True)
                wanted = wanted - wanted.mean(1, keepdim=True)
            return (1 - cosine(predicted, wanted)).mean()

    def embed(self, outputs: Tensor) -> Tensor:
        """Return outputs in the space of the targets.

        The cosine and the correlation say nothing of length: outputs are brought to a mean square of 1,
        that of a standardised target, before its scale and mean are put back.
        """
        standardized = exact(outputs)
        if self.loss != "mse":
            flat = standardized.flatten(1)
            if self.loss == "correlation":
                flat = flat - flat.mean(1, keepdim=True)
            length = math.sqrt(flat.shape[1])
            standardized = (flat * inverse_norm(flat)[:, None] * length).view_as(standardized)
        return self.statistics.restored(standardized)

    def set_target_statistics(self, values: NDArray[Any] | Tensor) -> None:
        """Take mean and standard deviation from the targets of the training part, and only these.

        Parameters
        ----------
        values : array of shape (n_trials, n_dims[, n_target_times])
            Times are taken together with trials.

        Raises
        ------
        InputError
            If the shape does not fit.
        """
        if self.standardize:
            self.statistics.set(values)


def regression(n_dims: int, *, n_trials: int = 0, loss: Loss = "mse", standardize: bool = True) -> Regression:
    """Build the objective of putting out the target itself.

    Parameters
    ----------
    n_dims : int
        Of the targets, and of what the network must put out.
    n_trials : int, default=0
        Of the training part; not needed.
    loss : {"mse", "cosine", "correlation"}, default="mse"
        Mean squared error; or 1 - the cosine, or 1 - Pearson's r, of a trial's output with its target, over
        all numbers of the trial.
    standardize : bool, default=True
        Give every number of the targets mean 0 and sd 1 in the training part, so that none outweighs the
        others; what is decoded is brought back.

    Returns
    -------
    objective : Regression
        Its loss is 0 or above; standardised squared errors of the best constant are 1, and 1 - cosine or r
        of a chance output is 1 in the mean, and 2 at most.

    Raises
    ------
    InputError
        If an option is out of its range; by the loss, if outputs are not of the targets' shape.

    Examples
    --------
    >>> regression(768, loss="cosine").least_batch
    1
    """
    return Regression(n_dims, loss=loss, standardize=standardize)


def squared_error(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared error over trials and numbers."""
    return (predicted - wanted).square().mean()


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine of each pair of rows, in [-1, 1]; 0, without a gradient, where a row is zero."""
    return (first * second).sum(1) * inverse_norm(first) * inverse_norm(second)
