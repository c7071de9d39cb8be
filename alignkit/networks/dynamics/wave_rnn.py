"""Wave-RNN: a recurrent network whose hidden state carries what it read as waves that travel along it."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._reading import grey_images
from .copying import N_DATA_SYMBOLS, N_SYMBOLS

Recurrence = Literal["wave", "identity"]


class WaveRNN(nn.Module):
    """Recurrent network with a circular convolution that starts as a shift by one position per step.

    ``h_t = relu(w * h_{t-1} + V x_t + b)``: h has channels of positions on a ring, w is a convolution of
    width 3, and V reaches, before training, only the first position of every channel.

    Parameters
    ----------
    n_inputs : int
        Numbers per step.
    n_positions : int, default=100
        Length of the ring. After that many steps old and new inputs mix.
    n_channels : int, default=6
        Rings.
    recurrence : {"wave", "identity"}, default="wave"
        What w is at first: the shift by one, or the identity, under which no wave runs.

    References
    ----------
    Keller TA, Muller L, Sejnowski T, Welling M (2024). Traveling waves encode the recent past and enhance
    sequence learning. ICLR. https://arxiv.org/abs/2309.08045
    """

    def __init__(
        self, n_inputs: int, *, n_positions: int = 100, n_channels: int = 6, recurrence: Recurrence = "wave"
    ) -> None:
        super().__init__()
        check_option("recurrence", recurrence, ("wave", "identity"))
        self.n_positions, self.n_channels = n_positions, n_channels
        self.recurrent = nn.Conv1d(n_channels, n_channels, 3, padding=1, padding_mode="circular", bias=False)
        self.drive = nn.Linear(n_inputs, n_channels * n_positions)
        self.h = nn.Identity()
        with torch.no_grad():
            # Tap 0 of three reads the position before; tap 1 the position itself.
            self.recurrent.weight.zero_()
            own = range(n_channels)
            self.recurrent.weight[own, own, 0 if recurrence == "wave" else 1] = 1
            entry = torch.zeros(n_channels, n_positions, n_inputs)
            # One input drives every ring by 1, as in the paper; several must differ to be told apart. None
            # is negative, as relu would stop it.
            entry[:, 0] = torch.rand(n_channels, n_inputs) if n_inputs > 1 else 1.0
            self.drive.weight.copy_(entry.flatten(0, 1))
            self.drive.bias.zero_()

    def step(self, state: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return the state after one more input.

        Parameters
        ----------
        state : Tensor of shape (n_samples, n_channels, n_positions)
        inputs : Tensor of shape (n_samples, n_inputs)
        """
        driven = self.drive(inputs).view(state.shape)
        tapped: torch.Tensor = self.h(torch.relu(self.recurrent(state) + driven))
        return tapped

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return all states, (n_samples, n_times, n_channels, n_positions), from silence on.

        Parameters
        ----------
        sequence : Tensor of shape (n_samples, n_times, n_inputs)
        """
        state = sequence.new_zeros(len(sequence), self.n_channels, self.n_positions)
        states = []
        for inputs in sequence.unbind(1):
            state = self.step(state, inputs)
            states.append(state)
        return torch.stack(states, 1)


class WaveReader(nn.Module):
    """Reads a grey image row by row, or pixel by pixel, and classifies it from the last state.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels.
    reads : {"rows", "pixels"}
        What comes in one step.
    n_classes : int
    n_positions, n_channels, recurrence
        See :class:`WaveRNN`.
    """

    def __init__(
        self,
        *,
        image_size: int,
        reads: Literal["rows", "pixels"],
        n_classes: int,
        n_positions: int,
        n_channels: int,
        recurrence: Recurrence,
    ) -> None:
        super().__init__()
        self.image_size, self.reads = image_size, reads
        self.wave = WaveRNN(
            image_size if reads == "rows" else 1,
            n_positions=n_positions,
            n_channels=n_channels,
            recurrence=recurrence,
        )
        self.readout = nn.Linear(n_channels * n_positions, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return class scores, (n_images, n_classes), of images (n_images, 3, image_size, image_size)."""
        rows = grey_images(images, size=self.image_size)
        sequence = rows if self.reads == "rows" else rows.flatten(1).unsqueeze(2)
        scores: torch.Tensor = self.readout(self.wave(sequence)[:, -1].flatten(1))
        return scores


class WaveCopier(nn.Module):
    """Reads symbols and says after every one which symbol is asked for: the copy task.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels, of images that are read as symbols.
    n_positions, n_channels, recurrence
        See :class:`WaveRNN`.
    """

    def __init__(self, *, image_size: int, n_positions: int, n_channels: int, recurrence: Recurrence) -> None:
        super().__init__()
        self.image_size = image_size
        self.wave = WaveRNN(N_SYMBOLS, n_positions=n_positions, n_channels=n_channels, recurrence=recurrence)
        self.readout = nn.Linear(n_channels * n_positions, N_SYMBOLS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return scores of the ten symbols, (n_samples, 10, n_times), after every step.

        Parameters
        ----------
        inputs : int64 Tensor of shape (n_samples, n_times), or Tensor (n_images, 3, height, width)
            Symbols (see :func:`copy_sequences`). The pixels of an image are read as the symbols 1 to 8,
            from dark to bright.
        """
        symbols = self.symbols_of(inputs) if inputs.is_floating_point() else inputs
        one_hot = nn.functional.one_hot(symbols, N_SYMBOLS).to(self.readout.weight.dtype)
        scores: torch.Tensor = self.readout(self.wave(one_hot).flatten(2))
        return scores.transpose(1, 2)

    def symbols_of(self, images: torch.Tensor) -> torch.Tensor:
        """Return the symbols, (n_images, image_size ** 2), that images in [0, 1] are read as."""
        pixels = grey_images(images, size=self.image_size).flatten(1)
        return 1 + (pixels * N_DATA_SYMBOLS).long().clamp(0, N_DATA_SYMBOLS - 1)


def wave_spectrum(states: torch.Tensor) -> torch.Tensor:
    """Return the power of every temporal by every spatial frequency, averaged over the other axes.

    Parameters
    ----------
    states : Tensor of shape (..., n_times, n_positions)

    Returns
    -------
    power : Tensor of shape (n_times, n_positions)
        In the order of ``fftfreq``; the mean over time and positions is taken off before.
    """
    if states.ndim < 2:
        raise InputError(f"`states` must have times and positions, got shape {tuple(states.shape)}.")
    centred = states - states.mean((-2, -1), keepdim=True)
    power = torch.fft.fft2(centred).abs() ** 2
    mean: torch.Tensor = power.reshape(-1, *power.shape[-2:]).mean(0)
    return mean


def travelling_share(states: torch.Tensor) -> float:
    """Return how much more power travels to higher positions than to lower ones.

    Power off both axes of the space-time spectrum, at frequencies of unlike sign (towards higher
    positions) less that at frequencies of like sign, as a share of all power.

    Parameters
    ----------
    states : Tensor of shape (..., n_times, n_positions)

    Returns
    -------
    share : float
        In [-1, 1]: near 1 for a wave towards higher positions, near 0 for standing patterns.
    """
    power = wave_spectrum(states)
    time = torch.fft.fftfreq(power.shape[0], dtype=power.dtype, device=power.device)[:, None]
    space = torch.fft.fftfreq(power.shape[1], dtype=power.dtype, device=power.device)[None]
    # The highest frequency of an even length stands for both signs.
    direction = -torch.sign(time * space) * (time > -0.5) * (space > -0.5)
    total = float(power.sum())
    return float((direction * power).sum()) / total if total > 0 else 0.0


def wave_rnn(
    *,
    task: Literal["labels", "copy"] = "labels",
    reads: Literal["rows", "pixels"] = "rows",
    image_size: int = 32,
    n_positions: int = 100,
    n_channels: int = 6,
    recurrence: Recurrence = "wave",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build Wave-RNN.

    Parameters
    ----------
    task : {"labels", "copy"}, default="labels"
        What it is to learn: classes of images read row by row or pixel by pixel, or to repeat symbols
        after a delay, with images read as symbols, pixel by pixel (:class:`WaveCopier`).
    reads : {"rows", "pixels"}, default="rows"
        What comes in one step; of no account for ``"copy"``.
    image_size : int, default=32
        Height and width, in pixels, that images are brought to. There are as many steps as rows, or as
        pixels.
    n_positions, n_channels : int, default=100, 6
        As in the paper's copy task.
    recurrence : {"wave", "identity"}, default="wave"
        ``"identity"`` is the twin without waves.
    n_classes : int, default=10
        Of no account for ``"copy"``.
    seed : int, default=0
        Draws how inputs drive the rings, and the readout.

    Returns
    -------
    network : Network
        Layer ``wave.h``, (n_channels, n_positions) per step.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Keller TA, Muller L, Sejnowski T, Welling M (2024). Traveling waves encode the recent past and enhance
    sequence learning. ICLR. https://arxiv.org/abs/2309.08045

    Examples
    --------
    >>> wave_rnn(image_size=8, n_positions=10).layers
    ('wave.h',)
    """
    check_option("task", task, ("labels", "copy"))
    check_option("reads", reads, ("rows", "pixels"))
    check_option("recurrence", recurrence, ("wave", "identity"))
    counts = {"image_size": image_size, "n_positions": n_positions, "n_channels": n_channels}
    for name, value in (counts | {"n_classes": n_classes}).items():
        check_count(name, value, least=2 if name in ("image_size", "n_classes") else 1)
    check_count("n_positions", n_positions, least=3)
    check_count("seed", seed, least=0)

    def build() -> nn.Module:
        if task == "copy":
            return WaveCopier(**counts, recurrence=recurrence)
        return WaveReader(**counts, reads=reads, n_classes=n_classes, recurrence=recurrence)

    options: dict[str, Any] = {"task": task, "reads": reads, **counts, "n_classes": n_classes, "seed": seed}
    is_wave = recurrence == "wave"
    preparation = square(image_size)
    return declared(
        "wave-rnn" if is_wave else "wave-rnn-identity",
        seeded(build, derive_seed(seed, "wave-rnn")),
        preparation,
        preprocessing={"image": preparation.facts(), "parameters": {"reads": reads, "task": task}},
        recipe=Recipe(data=task, lr=2e-3, clip=1.0, batch_size=128, epochs=30),
        matched=partial(wave_rnn_identity, **options) if is_wave else None,
        options=options | {"recurrence": recurrence},
    )


def wave_rnn_identity(
    *,
    task: Literal["labels", "copy"] = "labels",
    reads: Literal["rows", "pixels"] = "rows",
    image_size: int = 32,
    n_positions: int = 100,
    n_channels: int = 6,
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`wave_rnn` with ``recurrence="identity"``: as many weights, and no wave to start from.

    Parameters
    ----------
    task, reads, image_size, n_positions, n_channels, n_classes, seed
        As for :func:`wave_rnn`.

    Returns
    -------
    network : Network

    References
    ----------
    Le QV, Jaitly N, Hinton GE (2015). A simple way to initialize recurrent networks of rectified linear
    units. https://arxiv.org/abs/1504.00941
    """
    return wave_rnn(
        task=task,
        reads=reads,
        image_size=image_size,
        n_positions=n_positions,
        n_channels=n_channels,
        recurrence="identity",
        n_classes=n_classes,
        seed=seed,
    )
