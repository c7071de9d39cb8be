"""A convolutional network of spiking neurons that looks at one image for several steps of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._settling import settle, settled_note
from ._steady import steady
from .lif import LIF, Reset, State, Surrogate
from .matched import spiking_conv_relu
from .membrane_norm import MembraneNorm

DEFAULT_WIDTHS = (32, 64, 128)
RECIPE = Recipe(data="labels", optimizer="adam", lr=3e-3, epochs=10, batch_size=64)


@dataclass(frozen=True)
class LIFOptions:
    """What the neurons of a network are.

    Attributes
    ----------
    decay : float
    reset : {"hard", "soft"}
    surrogate : {"atan", "triangle", "rectangle", "rectified"}
        As for :class:`LIF`.
    membrane_norm : bool
        Whether the membrane is normalised on its way to the threshold.
    """

    decay: float
    reset: Reset
    surrogate: Surrogate
    membrane_norm: bool = False

    def population(self, n_channels: int) -> LIF:
        """Return a population of such neurons."""
        norm = MembraneNorm(n_channels) if self.membrane_norm else None
        return LIF(
            decay=self.decay, threshold=0.5, reset=self.reset, drop=1.0, surrogate=self.surrogate, norm=norm
        )


class SpikingConvolutional(nn.Module):
    """Strided convolutions between populations of LIF neurons, read out by a linear layer.

    The image is a constant current into the first population. Populations are the submodules
    ``conv1``, ``conv2``, ... with the taps of :class:`LIF`; ``logits`` is the sum of the read-out over
    the steps so far.

    Parameters
    ----------
    widths : sequence of int
        Channels of each population; each halves height and width.
    n_classes : int
    n_steps : int
        How long it looks.
    neurons : LIFOptions
        Decay, reset, surrogate, and whether the membrane is normalised. The threshold is 1/2 and the soft
        reset takes off 1: the scale on which the membrane rectifier works.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        n_classes: int,
        n_steps: int,
        neurons: LIFOptions,
    ) -> None:
        super().__init__()
        self.n_steps, self.n_populations = n_steps, len(widths)
        for number, (n_in, n_out) in enumerate(pairwise((3, *widths)), 1):
            convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
            self.add_module(f"synapses{number}", nn.Sequential(convolution, nn.BatchNorm2d(n_out)))
            self.add_module(f"conv{number}", neurons.population(n_out))
        self.readout = nn.Linear(widths[-1], n_classes)
        self.logits = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, height, width)
            In [0, 1].

        Returns
        -------
        scores : Tensor of shape (n_images, n_classes)
            Mean of the read-out over steps.
        """
        drive = steady(self.get_submodule("synapses1"), images)
        states: list[State | None] = [None] * self.n_populations
        summed: Tensor | float = 0.0
        for _ in range(self.n_steps):
            answer, states = self._step(drive, states)
            summed = self.logits(summed + answer)
        for number, state in enumerate(states, 1):
            if state is not None:
                self._population(number).finish(state, self.n_steps)
        return torch.as_tensor(summed) / self.n_steps

    @torch.no_grad()
    def decide(self, images: Tensor, *, beta: float) -> tuple[Tensor, Tensor]:
        """Answer each image as soon as its largest summed logit leads by more than `beta`.

        An image that has its answer takes no further part, so that the time saved is real.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, height, width)
        beta : float
            See :func:`alignkit.networks.spiking.early_exit.calibrate_gap`.

        Returns
        -------
        predictions : int64 Tensor of shape (n_images,)
        steps : int64 Tensor of shape (n_images,)
            1 to n_steps.
        """
        if self.training:
            raise InputError("an early exit is taken in evaluation mode, got a module in training.")
        drive = steady(self.get_submodule("synapses1"), images)
        predictions = torch.zeros(len(images), dtype=torch.long, device=images.device)
        steps = torch.full_like(predictions, self.n_steps)
        open_ = torch.arange(len(images), device=images.device)
        states: list[State | None] = [None] * self.n_populations
        summed = torch.zeros(len(images), self.readout.out_features, device=images.device)
        for step in range(1, self.n_steps + 1):
            answer, states = self._step(drive, states)
            summed = summed + answer
            best = summed.topk(2, dim=1)
            done = best.values[:, 0] - best.values[:, 1] > beta
            if step == self.n_steps:
                done = torch.ones_like(done)
            predictions[open_[done]], steps[open_[done]] = best.indices[done, 0], step
            if done.all():
                break
            drive, summed, open_ = drive[~done], summed[~done], open_[~done]
            states = [s and State(*(value[~done] for value in s)) for s in states]
        return predictions, steps

    def _step(self, drive: Tensor, states: Sequence[State | None]) -> tuple[Tensor, list[State | None]]:
        after: list[State | None] = []
        current = drive
        for number, state in enumerate(states, 1):
            if number > 1:
                current = steady(self.get_submodule(f"synapses{number}"), current)
            current, state = self._population(number)(current, state)
            after.append(state)
        return steady(self.readout, current.mean((2, 3))), after

    def _population(self, number: int) -> LIF:
        population = self.get_submodule(f"conv{number}")
        assert isinstance(population, LIF)  # noqa: S101 -- made in __init__; tells the type checker
        return population


def spiking_conv(
    *,
    image_size: int = 64,
    n_steps: int = 8,
    n_classes: int = 10,
    widths: list[int] | None = None,
    decay: float = 1.0,
    reset: Reset = "soft",
    surrogate: Surrogate = "rectified",
    seed: int = 0,
) -> Network:
    """Build the spiking convolutional network: soft reset and membrane rectifier.

    Parameters
    ----------
    image_size : int, default=64
        Height and width, in pixels, that images are brought to; at least 16.
    n_steps : int, default=8
        Steps of time for which it looks at an image.
    n_classes : int, default=10
        At least 2.
    widths : list of int, optional
        Channels of each of the three populations; [32, 64, 128] by default.
    decay : float, default=1.0
        Of the membrane per step; 1 does not leak.
    reset : {"soft", "hard"}, default="soft"
        See :class:`LIF`.
    surrogate : {"rectified", "atan", "triangle", "rectangle"}, default="rectified"
        The gradient of a spike; "rectified" is the membrane rectifier.
    seed : int, default=0
        Draws the weights, and the procedural images of the batch-norm statistics.

    Returns
    -------
    network : Network
        Layers ``conv1.membrane`` and ``conv1.spikes`` (one call per step), ``conv1.rate`` and
        ``conv1.latency`` (one call), the same of ``conv2`` and ``conv3``, and ``logits`` (per step,
        summed).

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    A spike is all or nothing: where rounding differs (another machine, another number of threads) a
    membrane within a rounding error of threshold may fire or not, and later layers with it. Sums are
    taken so that the size of the batch does not matter.

    References
    ----------
    Guo Y, Chen Y, Zhang L, Wang Y, Liu X, Tong X, Ou Y, Huang X, Ma Z (2022). Reducing information loss
    for spiking neural networks. ECCV. https://arxiv.org/abs/2307.04356
    """
    sizes = _Sizes(image_size, n_steps, n_classes, widths, seed)
    neurons = {"decay": decay, "reset": reset, "surrogate": surrogate}
    return _build("spiking-conv", sizes, LIFOptions(decay, reset, surrogate), options=neurons)


def spiking_conv_hard(
    *,
    image_size: int = 64,
    n_steps: int = 8,
    n_classes: int = 10,
    widths: list[int] | None = None,
    decay: float = 1.0,
    seed: int = 0,
) -> Network:
    """Build the twin of :func:`spiking_conv` that resets to zero and rectifies no membrane.

    Parameters
    ----------
    image_size, n_steps, n_classes, widths, decay, seed
        As for :func:`spiking_conv`.

    Returns
    -------
    network : Network
    """
    sizes = _Sizes(image_size, n_steps, n_classes, widths, seed)
    neurons = LIFOptions(decay, "hard", "rectangle")
    return _build("spiking-conv-hard", sizes, neurons, options={"decay": decay})


def spiking_conv_mpbn(
    *,
    image_size: int = 64,
    n_steps: int = 8,
    n_classes: int = 10,
    widths: list[int] | None = None,
    decay: float = 0.25,
    seed: int = 0,
) -> Network:
    """Build the spiking convolutional network with batch norm between membrane and threshold.

    Parameters
    ----------
    image_size, n_steps, n_classes, widths, seed
        As for :func:`spiking_conv`.
    decay : float, default=0.25
        Of the membrane per step.

    Returns
    -------
    network : Network
        Layers as :func:`spiking_conv`, and ``conv1.membrane.norm`` and so on, the normalised membrane,
        which :func:`fold_thresholds` takes out again.

    References
    ----------
    Guo Y, Zhang Y, Chen Y, Peng W, Liu X, Zhang L, Huang X, Ma Z (2023). Membrane potential batch
    normalization for spiking neural networks. ICCV. https://arxiv.org/abs/2308.08359
    """
    sizes = _Sizes(image_size, n_steps, n_classes, widths, seed)
    neurons = LIFOptions(decay, "hard", "rectangle", membrane_norm=True)
    return _build("spiking-conv-mpbn", sizes, neurons, options={"decay": decay})


def spiking_conv_no_mpbn(
    *,
    image_size: int = 64,
    n_steps: int = 8,
    n_classes: int = 10,
    widths: list[int] | None = None,
    decay: float = 0.25,
    seed: int = 0,
) -> Network:
    """Build the twin of :func:`spiking_conv_mpbn` with batch norm after the convolutions only.

    Parameters
    ----------
    image_size, n_steps, n_classes, widths, decay, seed
        As for :func:`spiking_conv_mpbn`.

    Returns
    -------
    network : Network
    """
    sizes = _Sizes(image_size, n_steps, n_classes, widths, seed)
    neurons = LIFOptions(decay, "hard", "rectangle")
    return _build("spiking-conv-no-mpbn", sizes, neurons, options={"decay": decay})


@dataclass(frozen=True)
class _Sizes:
    image_size: int
    n_steps: int
    n_classes: int
    widths: list[int] | None
    seed: int

    def __post_init__(self) -> None:
        check_count("image_size", self.image_size, least=16)
        check_count("n_steps", self.n_steps, least=1)
        check_count("n_classes", self.n_classes, least=2)
        check_count("seed", self.seed, least=0)
        if self.widths is not None and len(self.widths) != len(DEFAULT_WIDTHS):
            raise InputError(f"`widths` must be three numbers of channels, got {self.widths}.")
        for width in self.widths or ():
            check_count("widths", width, least=1)


def _build(name: str, sizes: _Sizes, neurons: LIFOptions, *, options: dict[str, Any]) -> Network:
    widths = sizes.widths or list(DEFAULT_WIDTHS)

    def build() -> SpikingConvolutional:
        return SpikingConvolutional(
            widths=widths, n_classes=sizes.n_classes, n_steps=sizes.n_steps, neurons=neurons
        )

    # One seed for all: a twin differs from its network in the mechanism, not in its draw.
    module = seeded(build, derive_seed(sizes.seed, "spiking-conv"))
    settle(module, image_size=sizes.image_size, seed=derive_seed(sizes.seed, "spiking-conv", "batch-norm"))
    shared = {"image_size": sizes.image_size, "n_classes": sizes.n_classes, "seed": sizes.seed}
    return declared(
        name,
        module,
        square(sizes.image_size),
        recipe=RECIPE,
        matched=partial(spiking_conv_relu, widths=sizes.widths, **shared),
        options={**shared, "n_steps": sizes.n_steps, "widths": sizes.widths, **options},
        notes=(settled_note(sizes.seed),),
    )
