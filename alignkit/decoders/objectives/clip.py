"""The symmetric contrastive loss with a learned temperature, in which repeats are no negatives."""

from __future__ import annotations

import math
from typing import Any, get_args

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._objective import Batch, Objective
from .info_nce import (
    Direction,
    Normalize,
    Treatment,
    check_batch,
    check_treatments,
    nce_of,
    similarities,
    treated,
)

_MOST_SCALE = 100.0


class Clip(Objective):
    """InfoNCE of a batch; see :func:`clip`.

    Attributes
    ----------
    log_scale : Parameter or Tensor of shape ()
        Natural logarithm of 1 / temperature.
    """

    least_batch = 2
    log_scale: Tensor

    def __init__(
        self,
        n_dims: int,
        *,
        temperature: float,
        learn_temperature: bool,
        normalize: Normalize,
        direction: Direction,
        same_stimulus: Treatment,
        same_group: Treatment,
    ) -> None:
        super().__init__()
        check_dims(n_dims)
        check_temperature(temperature, learned=learn_temperature)
        check_option("normalize", normalize, get_args(Normalize))
        check_option("direction", direction, get_args(Direction))
        check_treatments(same_stimulus=same_stimulus, same_group=same_group)
        self.n_outputs = n_dims
        self.normalize: Normalize = normalize
        self.direction: Direction = direction
        self.same_stimulus: Treatment = same_stimulus
        self.same_group: Treatment = same_group
        start = torch.tensor(math.log(1 / temperature), dtype=torch.float32)
        if learn_temperature:
            self.log_scale = nn.Parameter(start)
        else:
            self.register_buffer("log_scale", start)

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss; see :class:`Objective`."""
        check_batch("a contrastive objective", len(outputs), self.least_batch)
        positives, ignored = treated(
            batch.stimuli, batch.groups, same_stimulus=self.same_stimulus, same_group=self.same_group
        )
        logits = similarities(outputs, batch.targets, normalize=self.normalize) * self.scale()
        return nce_of(logits, positives=positives, ignored=ignored, direction=self.direction)

    def scale(self) -> Tensor:
        """Return 1 / temperature, at most 100 where it is learned."""
        if isinstance(self.log_scale, nn.Parameter):
            # In place: a bound on the value alone would have no gradient beyond it, and hold it there.
            with torch.no_grad():
                self.log_scale.clamp_(max=math.log(_MOST_SCALE))
        return self.log_scale.exp()

    def set_target_statistics(self, values: NDArray[Any] | Tensor) -> None:
        """Refuse training targets that have no direction.

        Parameters
        ----------
        values : array of shape (n_trials, n_dims[, n_target_times])
            Of the training part.

        Raises
        ------
        InputError
            If targets are zero throughout, and have to be normalised.
        """
        if self.normalize != "none":
            check_directions(values)


def clip(
    n_dims: int,
    *,
    n_trials: int = 0,
    temperature: float = 0.07,
    learn_temperature: bool = True,
    normalize: Normalize = "both",
    direction: Direction = "symmetric",
    same_stimulus: Treatment = "ignore",
    same_group: Treatment = "in",
) -> Clip:
    """Build the contrastive objective: a trial's output nearer to its own target than to the others'.

    Parameters
    ----------
    n_dims : int
        Of the targets, and of what the network must put out.
    n_trials : int, default=0
        Of the training part; not needed.
    temperature : float, default=0.07
        Divides the similarities; where it is learned, the one to start from, at least 0.01.
    learn_temperature : bool, default=True
        Whether it is a parameter, which never falls below 0.01.
    normalize : {"both", "targets", "none"}, default="both"
        Which sides are brought to unit length.
    direction : {"symmetric", "predicted_to_target", "target_to_predicted"}, default="symmetric"
        Whether outputs pick among targets, targets among outputs, or the mean of both.
    same_stimulus : {"ignore", "in", "negatives"}, default="ignore"
        What two trials of one stimulus are to each other: left out, positives, or negatives, which
        makes them repel what they share.
    same_group : {"ignore", "in", "negatives"}, default="in"
        The same for near-duplicates, or images of one concept.

    Returns
    -------
    objective : Clip
        Its loss is 0 or above.

    Raises
    ------
    InputError
        If an option is out of its range; by the loss, if a batch has fewer than 2 trials or outputs are
        not of the targets' shape.

    References
    ----------
    Radford A, et al. (2021). Learning transferable visual models from natural language supervision. ICML.
    https://arxiv.org/abs/2103.00020

    Examples
    --------
    >>> objective = clip(512)
    >>> objective.n_outputs, round(objective.scale().item(), 2)
    (512, 14.29)
    """
    return Clip(
        n_dims,
        temperature=temperature,
        learn_temperature=learn_temperature,
        normalize=normalize,
        direction=direction,
        same_stimulus=same_stimulus,
        same_group=same_group,
    )


def one_sided_clip(
    n_dims: int, *, n_trials: int = 0, same_stimulus: Treatment = "ignore", same_group: Treatment = "in"
) -> Clip:
    """Build the contrastive objective of speech decoding from M/EEG.

    Targets are normalised, outputs are not: their length takes the place of a temperature. Outputs pick
    among targets, and not the other way round.

    Parameters
    ----------
    n_dims : int
        Of the targets, and of what the network must put out.
    n_trials : int, default=0
        Of the training part; not needed.
    same_stimulus, same_group : {"ignore", "in", "negatives"}
        See :func:`clip`; the paper's are negatives.

    Returns
    -------
    objective : Clip

    Raises
    ------
    InputError
        As :func:`clip` does.

    References
    ----------
    Defossez A, Caucheteux C, Rapin J, Kabeli O, King JR (2023). Decoding speech perception from
    non-invasive brain recordings. Nat Mach Intell 5:1097-1107. https://doi.org/10.1038/s42256-023-00714-5

    Examples
    --------
    >>> one_sided_clip(1024).normalize
    'targets'
    """
    return clip(
        n_dims,
        temperature=1.0,
        learn_temperature=False,
        normalize="targets",
        direction="predicted_to_target",
        same_stimulus=same_stimulus,
        same_group=same_group,
    )


def check_dims(n_dims: int) -> None:
    """Refuse targets without numbers."""
    if n_dims < 1:
        raise InputError(f"`n_dims` must be at least 1, got {n_dims}.")


def check_temperature(temperature: float, *, learned: bool) -> None:
    """Refuse a temperature that is not positive, or below what a learned one may become."""
    least = 1 / _MOST_SCALE if learned else 0.0
    if not (0 < temperature < math.inf and temperature >= least):
        wanted = f"at least {least}" if learned else "above 0"
        raise InputError(f"`temperature` must be {wanted} and finite, got {temperature}.")


def check_directions(values: NDArray[Any] | Tensor) -> None:
    """Refuse targets of zero length; `values` has a row per trial, and maybe one per version of it."""
    rows = torch.as_tensor(values).flatten(1)
    n_zero = int((rows == 0).all(1).sum())
    if n_zero:
        raise InputError(
            f"{n_zero} of {len(rows)} training targets are zero throughout, so that they point nowhere and "
            "cannot be normalised. Leave these stimuli out, or set `normalize` to 'none'."
        )
