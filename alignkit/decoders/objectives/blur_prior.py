"""The uncertainty-aware blur prior: how well a trial matches decides how much its image is blurred next."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as distributed
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._objective import Batch, Objective
from .clip import check_dims, check_directions, check_temperature
from .info_nce import Normalize, Treatment, check_batch, check_treatments, nce_of, similarities, treated

N_VARIANTS = 3
WEAK, MEDIUM, STRONG = range(N_VARIANTS)


class BlurPrior(Objective):
    """Contrastive loss with the version of its image that each trial is matched to; see :func:`blur_prior`.

    Attributes
    ----------
    matched : Tensor of shape (n_trials,)
        Moving average of every trial's similarity with its own target, divided by the temperature.
    variant : int64 Tensor of shape (n_trials,)
        The version that the trial is given next: 0 weak, 1 medium, 2 strong blur.
    theta : Parameter of shape ()
        softplus(theta) is 1 / temperature.
    """

    least_batch = 2
    matched: Tensor
    variant: Tensor

    def __init__(
        self,
        n_dims: int,
        *,
        n_trials: int,
        rate: float,
        initial: float,
        share_outside: float,
        temperature: float,
        normalize: Normalize,
        same_stimulus: Treatment,
        same_group: Treatment,
    ) -> None:
        super().__init__()
        check_dims(n_dims)
        if n_trials < 1:
            raise InputError(
                f"the blur prior keeps something for every trial of the training part; `n_trials` must be at "
                f"least 1, got {n_trials}."
            )
        for name, value in (("rate", rate), ("share_outside", share_outside)):
            if not 0 < value < 1:
                raise InputError(f"`{name}` must be between 0 and 1, got {value}.")
        check_temperature(temperature, learned=False)
        check_option("normalize", normalize, ("both", "targets"))
        check_treatments(same_stimulus=same_stimulus, same_group=same_group)
        self.n_outputs = n_dims
        self.rate = rate
        self.width = float(norm.ppf(1 - share_outside / 2))
        self.normalize: Normalize = normalize
        self.same_stimulus: Treatment = same_stimulus
        self.same_group: Treatment = same_group
        self.theta = nn.Parameter(torch.tensor(_inverse_softplus(1 / temperature), dtype=torch.float32))
        self.register_buffer("matched", torch.full((n_trials,), float(initial)))
        self.register_buffer("variant", torch.full((n_trials,), MEDIUM))

    @property
    def uncertainty(self) -> Tensor:
        """How badly each trial has matched, shape (n_trials,); higher is less certain."""
        return -self.matched

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss, and in training settle which versions these trials are given next.

        Parameters
        ----------
        outputs : Tensor of shape (n_trials, n_dims)
            What the network made of `batch.signals`.
        batch : Batch
            With targets of shape (n_trials, 3, n_dims), from weak to strong blur. Outside of training, where
            `batch.trials` counts others, all are given medium blur and nothing is kept.

        Returns
        -------
        loss : Tensor of shape ()
            0 or above.
        """
        check_batch("the blur prior", len(outputs), self.least_batch)
        wanted = (len(outputs), N_VARIANTS, self.n_outputs)
        if tuple(batch.targets.shape) != wanted:
            raise InputError(
                f"the blur prior wants targets of shape {wanted}, with weak, medium and strong blur along "
                f"the second axis, got {tuple(batch.targets.shape)}. Stack the features of three kernels "
                "with `stack_variants`."
            )
        targets = batch.targets[:, MEDIUM]
        if self.training:
            self._check_trials(batch.trials)
            rows = torch.arange(len(outputs), device=batch.targets.device)
            targets = batch.targets[rows, self.variant[batch.trials]]
        logits = similarities(outputs, targets, normalize=self.normalize) * F.softplus(self.theta)
        if self.training:
            self._settle(logits.detach().diagonal(), batch.trials)
        positives, ignored = treated(
            batch.stimuli, batch.groups, same_stimulus=self.same_stimulus, same_group=self.same_group
        )
        return nce_of(logits, positives=positives, ignored=ignored)

    @torch.no_grad()
    def _settle(self, own: Tensor, trials: Tensor) -> None:
        matched = self.rate * own + (1 - self.rate) * self.matched[trials]
        half = self.width * matched.std()
        variant = torch.full_like(trials, MEDIUM)
        variant[own > matched.mean() + half] = WEAK
        variant[own < matched.mean() - half] = STRONG
        # Lightning hands the buffers of the first process to all others before each step.
        trials, matched, variant = _of_all_processes(trials, matched.to(self.matched), variant)
        self.matched[trials] = matched
        self.variant[trials] = variant

    def _check_trials(self, trials: Tensor) -> None:
        # Of a device's own failure at a wrong index nothing could be said.
        if trials.device.type == "cpu" and int(trials.max()) >= len(self.matched):
            raise InputError(
                f"trial {int(trials.max())} came to a blur prior that was made for {len(self.matched)} "
                "trials; `n_trials` must be that of the training part."
            )

    def set_target_statistics(self, values: NDArray[Any] | Tensor) -> None:
        """Refuse training targets that have no direction.

        Parameters
        ----------
        values : array of shape (n_trials, 3, n_dims)
            Of the training part.

        Raises
        ------
        InputError
            If a target is zero throughout in any of its versions.
        """
        check_directions(torch.as_tensor(values).flatten(0, 1))


def blur_prior(
    n_dims: int,
    *,
    n_trials: int = 0,
    rate: float = 0.3,
    initial: float = 1.0,
    share_outside: float = 0.05,
    temperature: float = 0.3667,
    normalize: Normalize = "targets",
    same_stimulus: Treatment = "ignore",
    same_group: Treatment = "in",
) -> BlurPrior:
    """Build the contrastive objective whose targets are blurred as much as the recording of them is unsure.

    Recordings hold less detail than images do, and some less than others. Every image has features at three
    degrees of blur. With s_i the similarity of trial i with its own target over the temperature, and B the
    trials of a batch:

        u_i <- rate * s_i + (1 - rate) * u_i
        band = mean_B(u) -+ z * sd_B(u),   z the normal quantile of 1 - share_outside / 2

    A trial above the band matches well: next time it is given the weakly blurred image. One below is
    given the strongly blurred one, all others the medium one. Trials that are not trained on always are.

    Parameters
    ----------
    n_dims : int
        Of the targets, and of what the network must put out.
    n_trials : int
        Of the training part: each has an average and a version of its own.
    rate : float, default=0.3
        Share of the latest similarity in the moving average, in (0, 1).
    initial : float, default=1.0
        Where averages start.
    share_outside : float, default=0.05
        Of a normal distribution that is outside of the band, in (0, 1).
    temperature : float, default=0.3667
        To start from; it is learned, as the inverse of a softplus. The default is that of the authors' code,
        1 / softplus(log(1 / 0.07)).
    normalize : {"targets", "both"}, default="targets"
        Which sides are brought to unit length. "targets" is the authors'; see the notes.
    same_stimulus, same_group : {"ignore", "in", "negatives"}
        What repeats and near-duplicates are to each other; see :func:`clip`.

    Returns
    -------
    objective : BlurPrior
        Its loss is 0 or above.

    Raises
    ------
    InputError
        If an option is out of its range; by the loss, if a batch has fewer than 2 trials, targets have no
        three versions, or a trial is none of the training part.

    Notes
    -----
    The average is of how well a trial matches, so that low values are uncertain. Where a trial comes twice
    in a batch, one of the two is kept.

    Outputs whose length is free match well by being long, as those of noisy trials with much power are, and
    versions then say little of the trial. With both sides normalised (and a temperature near 0.1) they
    follow how clean a trial is; the band is as wide then, so that `share_outside` may be raised.

    References
    ----------
    Wu H, Li Q, Zhang C, He Z, Ying X (2025). Bridging the vision-brain gap with an uncertainty-aware blur
    prior. CVPR. https://arxiv.org/abs/2503.04207

    Examples
    --------
    >>> objective = blur_prior(512, n_trials=4)
    >>> objective.variant.tolist()
    [1, 1, 1, 1]
    """
    return BlurPrior(
        n_dims,
        n_trials=n_trials,
        rate=rate,
        initial=initial,
        share_outside=share_outside,
        temperature=temperature,
        normalize=normalize,
        same_stimulus=same_stimulus,
        same_group=same_group,
    )


def _inverse_softplus(value: float) -> float:
    return value + math.log(-math.expm1(-value))


def _of_all_processes(*values: Tensor) -> tuple[Tensor, ...]:
    """Return values of this batch and of those that other processes work on, in the same order everywhere."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    n_processes = distributed.get_world_size()
    n_here = torch.tensor([len(values[0])], device=values[0].device)
    counts = [torch.empty_like(n_here) for _ in range(n_processes)]
    distributed.all_gather(counts, n_here)
    most = max(int(count) for count in counts)
    gathered = []
    for value in values:
        padded = F.pad(value, (0, most - len(value)))
        parts = [torch.empty_like(padded) for _ in range(n_processes)]
        distributed.all_gather(parts, padded)
        gathered.append(torch.cat([part[: int(n)] for part, n in zip(parts, counts, strict=True)]))
    return tuple(gathered)
