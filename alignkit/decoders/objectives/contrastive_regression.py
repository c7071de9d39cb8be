"""The contrastive loss and a regression of standardised targets, each with a head of its own."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._objective import Batch, Objective
from .._seeding import seeded
from .clip import check_dims, clip
from .info_nce import Treatment, check_same_shape, exact
from .regression import TargetStatistics, squared_error

Heads = Literal["mlp", "linear"]
RetrieveBy = Literal["contrastive", "regression"]


class ContrastiveRegression(Objective):
    """``share * CLIP + (1 - share) * MSE``; see :func:`contrastive_regression`.

    Attributes
    ----------
    contrastive : Clip
        The contrastive part.
    statistics : TargetStatistics
        Of the training targets.
    contrastive_head, regression_head : Module
        From what the network puts out to the numbers of a target.
    """

    least_batch = 2

    def __init__(
        self,
        n_dims: int,
        *,
        share: float,
        heads: Heads,
        n_features: int,
        retrieve_by: RetrieveBy,
        temperature: float,
        same_stimulus: Treatment,
        same_group: Treatment,
        seed: int,
    ) -> None:
        super().__init__()
        check_dims(n_dims)
        if not 0 <= share <= 1:
            raise InputError(f"`share` of the contrastive loss must be in [0, 1], got {share}.")
        if n_features < 1:
            raise InputError(f"`n_features` must be at least 1, got {n_features}.")
        check_option("heads", heads, get_args(Heads))
        check_option("retrieve_by", retrieve_by, get_args(RetrieveBy))
        self.n_outputs = n_features
        self.share = share
        self.retrieve_by: RetrieveBy = retrieve_by
        self.contrastive = clip(
            n_dims, temperature=temperature, same_stimulus=same_stimulus, same_group=same_group
        )
        self.statistics = TargetStatistics(n_dims)
        with seeded(seed):
            self.contrastive_head = _head(heads, n_features, n_dims)
            self.regression_head = _head(heads, n_features, n_dims)

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss; see :class:`Objective`."""
        contrastive = self.contrastive(_each_time(self.contrastive_head, outputs), batch)
        regressed = _each_time(self.regression_head, outputs)
        check_same_shape(regressed, batch.targets)
        with torch.autocast(outputs.device.type, enabled=False):
            error = squared_error(exact(regressed), self.statistics.standardized(batch.targets))
            return torch.as_tensor(self.share * contrastive + (1 - self.share) * error)

    def embed(self, outputs: Tensor) -> Tensor:
        """Return what the head that retrieval uses makes of outputs, in the space of the targets."""
        if self.retrieve_by == "contrastive":
            return _each_time(self.contrastive_head, outputs)
        return self.statistics.restored(_each_time(self.regression_head, outputs))

    def set_target_statistics(self, values: NDArray[Any] | Tensor) -> None:
        """Take mean and standard deviation from the targets of the training part, and only these.

        Parameters
        ----------
        values : array of shape (n_trials, n_dims[, n_target_times])
            Times are taken together with trials.

        Raises
        ------
        InputError
            If the shape does not fit, or a target is zero throughout.
        """
        self.statistics.set(values)
        self.contrastive.set_target_statistics(values)


def contrastive_regression(
    n_dims: int,
    *,
    n_trials: int = 0,
    share: float = 0.75,
    heads: Heads = "mlp",
    n_features: int | None = None,
    retrieve_by: RetrieveBy = "contrastive",
    temperature: float = 0.07,
    same_stimulus: Treatment = "ignore",
    same_group: Treatment = "in",
    seed: int = 0,
) -> ContrastiveRegression:
    """Build the objective of decoding images from MEG: one head to tell stimuli apart, one to rebuild them.

    The contrastive part is symmetric, with both sides normalised and a learned temperature; the regression
    is the mean squared error of targets that are standardised by the training part.

    Parameters
    ----------
    n_dims : int
        Of the targets.
    n_trials : int, default=0
        Of the training part; not needed.
    share : float, default=0.75
        Of the contrastive loss, in [0, 1]; the rest is the regression's.
    heads : {"mlp", "linear"}, default="mlp"
        Layer norm, linear, GELU, linear; or one linear map.
    n_features : int, optional
        How many numbers the network is to put out for the heads; by default `n_dims`.
    retrieve_by : {"contrastive", "regression"}, default="contrastive"
        The head whose output is what was decoded.
    temperature : float, default=0.07
        To start from.
    same_stimulus, same_group : {"ignore", "in", "negatives"}
        What repeats and near-duplicates are to each other; see :func:`clip`.
    seed : int, default=0
        Draws the weights of the heads.

    Returns
    -------
    objective : ContrastiveRegression
        Its loss is 0 or above.

    Raises
    ------
    InputError
        If an option is out of its range; by the loss, if a batch has fewer than 2 trials or outputs are
        not of the targets' shape.

    References
    ----------
    Benchetrit Y, Banville H, King JR (2024). Brain decoding: toward real-time reconstruction of visual
    perception. ICLR. https://arxiv.org/abs/2310.19812 (the layers of the heads are ours)

    Examples
    --------
    >>> contrastive_regression(768, n_features=256).n_outputs
    256
    """
    return ContrastiveRegression(
        n_dims,
        share=share,
        heads=heads,
        n_features=n_dims if n_features is None else n_features,
        retrieve_by=retrieve_by,
        temperature=temperature,
        same_stimulus=same_stimulus,
        same_group=same_group,
        seed=seed,
    )


def _head(heads: Heads, n_features: int, n_dims: int) -> nn.Module:
    if heads == "linear":
        return nn.Linear(n_features, n_dims)
    return nn.Sequential(
        nn.LayerNorm(n_features), nn.Linear(n_features, n_dims), nn.GELU(), nn.Linear(n_dims, n_dims)
    )


def _each_time(head: nn.Module, outputs: Tensor) -> Tensor:
    """Run a head along the second axis, at every time."""
    made: Tensor = head(outputs.movedim(1, -1))
    return made.movedim(-1, 1)
