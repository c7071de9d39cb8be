"""A recurrent network of spiking neurons with learned delays that reads an image row by row."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._settling import settle, settled_note
from ._steady import steady
from .delays import DelayedLinear, DelayMode
from .lif import LIF, State
from .matched import rows_in_time, spiking_recurrent_tanh

RECIPE = Recipe(data="labels", optimizer="adam", lr=1e-3, epochs=15, batch_size=64)

# Positions are steps, weights are not: Hammouamri et al. let positions learn a hundred times as fast.
_POSITION_RATE = 100.0


class SpikingRecurrent(nn.Module):
    """Two populations of LIF neurons behind delayed synapses; the first also drives itself.

    Row t of the image is the input of step t. Populations are the submodules ``hidden1`` and
    ``hidden2`` with the taps of :class:`LIF`; ``logits`` is the sum of the read-out over the rows so far.
    All steps of the first population come before the first of the second.

    Parameters
    ----------
    n_inputs : int
        Numbers in a row: three times its width.
    n_hidden : int
        Neurons of each population.
    n_classes : int
    n_delays : int
        Length of the delay kernels in rows, odd.
    mode, annealing_steps
        As for :class:`DelayedLinear`.
    decay : float
        Of the membranes per row.
    """

    def __init__(
        self,
        *,
        n_inputs: int,
        n_hidden: int,
        n_classes: int,
        n_delays: int,
        mode: DelayMode,
        annealing_steps: int,
        decay: float,
    ) -> None:
        super().__init__()
        delays: dict[str, Any] = {"n_delays": n_delays, "mode": mode, "annealing_steps": annealing_steps}
        self.delay1 = DelayedLinear(n_inputs, n_hidden, **delays)
        self.delay2 = DelayedLinear(n_hidden, n_hidden, **delays)
        self.norm1 = nn.BatchNorm1d(n_hidden)
        self.norm2 = nn.BatchNorm1d(n_hidden)
        self.recurrent1 = nn.Linear(n_hidden, n_hidden, bias=False)
        with torch.no_grad():
            # Spikes are not centred; a strong random loop would drown the rows.
            self.recurrent1.weight.mul_(0.5)
        self.hidden1 = LIF(decay=decay, surrogate="atan", scale=5.0)
        self.hidden2 = LIF(decay=decay, surrogate="atan", scale=5.0)
        self.readout = nn.Linear(n_hidden, n_classes)
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
            Mean of the read-out over rows.
        """
        return self.read(rows_in_time(images))[:, :, -1] / images.shape[2]

    def read(self, sequence: Tensor) -> Tensor:
        """Return the summed read-out at every step of any sequence.

        Parameters
        ----------
        sequence : Tensor of shape (n_samples, n_times, n_inputs)

        Returns
        -------
        logits : Tensor of shape (n_samples, n_classes, n_times)
        """
        drive = self.norm1(steady(self.delay1, sequence.transpose(1, 2)))
        spikes = self._run(self.hidden1, drive, self.recurrent1)
        drive = self.norm2(steady(self.delay2, torch.stack(spikes, 2)))
        answers = steady(self.readout, torch.stack(self._run(self.hidden2, drive, None), 1))
        summed = torch.zeros_like(answers[:, 0])
        steps = []
        for answer in answers.unbind(1):
            summed = self.logits(summed + answer)
            steps.append(summed)
        return torch.stack(steps, 2)

    def make_optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return Adam, with a learning rate for positions that is a hundred times as large.

        Parameters
        ----------
        lr : float
            Of everything else.
        """
        positions = [
            p for name, p in self.named_parameters() if name.endswith("position") and p.requires_grad
        ]
        others = [p for name, p in self.named_parameters() if not name.endswith("position")]
        groups: list[dict[str, Any]] = [{"params": others, "lr": lr}]
        if positions:
            groups.append({"params": positions, "lr": _POSITION_RATE * lr})
        return torch.optim.Adam(groups)

    def _run(self, population: LIF, drive: Tensor, recurrent: nn.Module | None) -> list[Tensor]:
        state: State | None = None
        spikes: list[Tensor] = []
        for current in drive.unbind(2):
            fed_back = steady(recurrent, spikes[-1]) if recurrent is not None and spikes else 0.0
            fired, state = population(current + fed_back, state)
            spikes.append(fired)
        if state is not None:
            population.finish(state, len(spikes))
        return spikes


def spiking_recurrent(
    *,
    image_size: int = 32,
    n_hidden: int = 256,
    n_classes: int = 10,
    n_delays: int = 9,
    annealing_steps: int = 100,
    decay: float = 0.9,
    seed: int = 0,
) -> Network:
    """Build the spiking recurrent network with learned delays.

    Parameters
    ----------
    image_size : int, default=32
        Height and width, in pixels, that images are brought to: the steps of time, and a third of the
        inputs. At least 8.
    n_hidden : int, default=256
        Neurons of each of two populations.
    n_classes : int, default=10
        At least 2.
    n_delays : int, default=9
        Odd; synapses delay by 0 to ``n_delays - 1`` rows.
    annealing_steps : int, default=100
        Training steps over which the delay kernels narrow; a quarter of all.
    decay : float, default=0.9
        Of the membranes per row.
    seed : int, default=0
        Draws weights and delays, and the procedural images of the batch-norm statistics.

    Returns
    -------
    network : Network
        Layers ``hidden1.membrane`` and ``hidden1.spikes`` (one call per row), ``hidden1.rate`` and
        ``hidden1.latency`` (one call), the same of ``hidden2``, and ``logits`` (per row, summed).

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    As for :func:`spiking_conv`, a membrane within a rounding error of threshold may fire or not.

    References
    ----------
    Hammouamri I, Khalfaoui-Hassani I, Masquelier T (2024). Learning delays in spiking neural networks
    using dilated convolutions with learnable spacings. ICLR. https://arxiv.org/abs/2306.17670
    """
    options = {
        "image_size": image_size, "n_hidden": n_hidden, "n_classes": n_classes, "n_delays": n_delays,
        "annealing_steps": annealing_steps, "decay": decay, "seed": seed,
    }  # fmt: skip
    return _build("spiking-recurrent", "annealed", options)


def spiking_recurrent_frozen(
    *,
    image_size: int = 32,
    n_hidden: int = 256,
    n_classes: int = 10,
    n_delays: int = 9,
    decay: float = 0.9,
    seed: int = 0,
) -> Network:
    """Build the twin of :func:`spiking_recurrent` whose delays stay as they were drawn.

    Parameters
    ----------
    image_size, n_hidden, n_classes, n_delays, decay, seed
        As for :func:`spiking_recurrent`.

    Returns
    -------
    network : Network

    Notes
    -----
    It holds as many parameters as :func:`spiking_recurrent` and the same matched network, but trains fewer,
    as its delays are fixed: 159,242 by default, where the graded matched network trains 249,838, 1.57 times
    as many. What the two differ in is not the spikes alone; the matched network is that of the network with
    learned delays.
    """
    options = {
        "image_size": image_size, "n_hidden": n_hidden, "n_classes": n_classes, "n_delays": n_delays,
        "decay": decay, "seed": seed,
    }  # fmt: skip
    return _build("spiking-recurrent-frozen", "frozen", options)


def spiking_recurrent_constant(
    *,
    image_size: int = 32,
    n_hidden: int = 256,
    n_classes: int = 10,
    n_delays: int = 9,
    decay: float = 0.9,
    seed: int = 0,
) -> Network:
    """Build the twin of :func:`spiking_recurrent` whose delay kernels never narrow.

    Parameters
    ----------
    image_size, n_hidden, n_classes, n_delays, decay, seed
        As for :func:`spiking_recurrent`.

    Returns
    -------
    network : Network
    """
    options = {
        "image_size": image_size, "n_hidden": n_hidden, "n_classes": n_classes, "n_delays": n_delays,
        "decay": decay, "seed": seed,
    }  # fmt: skip
    return _build("spiking-recurrent-constant", "constant", options)


def _build(name: str, mode: DelayMode, options: dict[str, Any]) -> Network:
    image_size, n_classes, seed = (int(options[key]) for key in ("image_size", "n_classes", "seed"))
    check_count("image_size", options["image_size"], least=8)
    check_count("n_hidden", options["n_hidden"], least=1)
    check_count("n_classes", options["n_classes"], least=2)
    check_count("seed", options["seed"], least=0)

    def build() -> SpikingRecurrent:
        return SpikingRecurrent(
            n_inputs=3 * image_size,
            n_hidden=options["n_hidden"],
            n_classes=n_classes,
            n_delays=options["n_delays"],
            mode=mode,
            annealing_steps=options.get("annealing_steps", 1),
            decay=options["decay"],
        )

    # One seed for all: a twin differs from its network in the mechanism, not in its draw.
    module = seeded(build, derive_seed(seed, "spiking-recurrent"))
    delayed = (module.delay1, module.delay2)
    # Statistics are for kernels as narrow as in evaluation; training starts with them at their widest.
    for synapses in delayed:
        synapses.n_passes.fill_(synapses.annealing_steps)
    settle(module, image_size=image_size, seed=derive_seed(seed, "spiking-recurrent", "batch-norm"))
    for synapses in delayed:
        synapses.n_passes.zero_()
    return declared(
        name,
        module,
        square(image_size),
        recipe=RECIPE,
        matched=partial(
            spiking_recurrent_tanh,
            image_size=image_size,
            n_hidden=options["n_hidden"],
            n_classes=n_classes,
            seed=seed,
        ),
        options=options,
        notes=(settled_note(seed),),
    )
