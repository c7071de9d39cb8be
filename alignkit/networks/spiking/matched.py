"""The standard twins of the spiking classifiers: the same shapes, graded activations, no spikes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._settling import settle, settled_note

RECIPE = Recipe(data="labels", optimizer="adam", lr=3e-3, epochs=10, batch_size=64)


class RectifiedConvolutional(nn.Module):
    """The spiking convolutional network with rectified linear units, which need no time.

    Parameters
    ----------
    widths : sequence of int
        Channels of each layer; each halves height and width.
    n_classes : int
    """

    def __init__(self, *, widths: Sequence[int], n_classes: int) -> None:
        super().__init__()
        self.n_layers = len(widths)
        for number, (n_in, n_out) in enumerate(pairwise((3, *widths)), 1):
            convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
            self.add_module(f"conv{number}", nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU()))
        self.readout = nn.Linear(widths[-1], n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes) of images (n_images, 3, height, width)."""
        maps = images
        for number in range(1, self.n_layers + 1):
            maps = self.get_submodule(f"conv{number}")(maps)
        scores: Tensor = self.readout(maps.mean((2, 3)))
        return scores


class RowReader(nn.Module):
    """A plain recurrent network that reads an image row by row, from the top.

    Parameters
    ----------
    n_inputs : int
        Numbers in a row: three times its width.
    n_hidden : int
        Units of each of two layers; the first is recurrent.
    n_classes : int
    """

    def __init__(self, *, n_inputs: int, n_hidden: int, n_classes: int) -> None:
        super().__init__()
        self.input1 = nn.Linear(n_inputs, n_hidden, bias=False)
        self.input2 = nn.Linear(n_hidden, n_hidden, bias=False)
        self.norm1 = nn.BatchNorm1d(n_hidden)
        self.norm2 = nn.BatchNorm1d(n_hidden)
        self.recurrent1 = nn.Linear(n_hidden, n_hidden, bias=False)
        nn.init.orthogonal_(self.recurrent1.weight)
        self.hidden1 = nn.Tanh()
        self.hidden2 = nn.Tanh()
        self.readout = nn.Linear(n_hidden, n_classes)
        self.logits = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes): the mean read-out over rows.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, height, width)
        """
        rows = rows_in_time(images)
        drive = self.norm1(self.input1(rows).transpose(1, 2)).transpose(1, 2)
        hidden = torch.zeros_like(drive[:, 0])
        seen = []
        for time in range(drive.shape[1]):
            hidden = self.hidden1(drive[:, time] + self.recurrent1(hidden))
            seen.append(hidden)
        drive = self.norm2(self.input2(torch.stack(seen, 1)).transpose(1, 2))
        summed = torch.zeros(len(images), self.readout.out_features, dtype=drive.dtype, device=drive.device)
        for time in range(drive.shape[2]):
            summed = self.logits(summed + self.readout(self.hidden2(drive[:, :, time])))
        scores: Tensor = summed / drive.shape[2]
        return scores


def rows_in_time(images: Tensor) -> Tensor:
    """Return images (n_images, 3, height, width) as sequences of rows (n_images, height, 3 * width)."""
    return images.permute(0, 2, 1, 3).flatten(2)


def spiking_conv_relu(
    *, image_size: int = 64, n_classes: int = 10, widths: list[int] | None = None, seed: int = 0
) -> Network:
    """Build the standard twin of the spiking convolutional network.

    Parameters
    ----------
    image_size, n_classes, widths, seed
        As for :func:`spiking_conv`.

    Returns
    -------
    network : Network
        Layers ``conv1``, ``conv2`` and ``conv3``; the same number of parameters.
    """
    check_count("image_size", image_size, least=16)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)
    channels = [32, 64, 128] if widths is None else widths
    if len(channels) != 3:
        raise InputError(f"`widths` must be three numbers of channels, got {widths}.")

    def build() -> RectifiedConvolutional:
        return RectifiedConvolutional(widths=channels, n_classes=n_classes)

    module = seeded(build, derive_seed(seed, "spiking-conv"))
    settle(module, image_size=image_size, seed=derive_seed(seed, "spiking-conv", "batch-norm"))
    return declared(
        "spiking-conv-relu",
        module,
        square(image_size),
        recipe=RECIPE,
        options={"image_size": image_size, "n_classes": n_classes, "widths": widths, "seed": seed},
        notes=(settled_note(seed),),
    )


def spiking_recurrent_tanh(
    *, image_size: int = 32, n_hidden: int = 256, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build the standard twin of the spiking recurrent network.

    Its layers are wider by as much as gives it the parameters that the delays take there.

    Parameters
    ----------
    image_size, n_hidden, n_classes, seed
        As for :func:`spiking_recurrent`.

    Returns
    -------
    network : Network
        Layers ``hidden1``, ``hidden2`` and ``logits``, one call per row.
    """
    check_count("image_size", image_size, least=8)
    check_count("n_hidden", n_hidden, least=1)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)
    width = _width_of_equal_count(3 * image_size, n_hidden, n_classes)

    def build() -> RowReader:
        return RowReader(n_inputs=3 * image_size, n_hidden=width, n_classes=n_classes)

    module = seeded(build, derive_seed(seed, "spiking-recurrent"))
    settle(module, image_size=image_size, seed=derive_seed(seed, "spiking-recurrent", "batch-norm"))
    return declared(
        "spiking-recurrent-tanh",
        module,
        square(image_size),
        recipe=RECIPE,
        options={"image_size": image_size, "n_hidden": n_hidden, "n_classes": n_classes, "seed": seed},
        notes=(settled_note(seed), f"Two layers of {width} units, for equal numbers of parameters."),
    )


def _width_of_equal_count(n_inputs: int, n_hidden: int, n_classes: int) -> int:
    """Return the width w of the plain network with the parameters of the delayed one of width h."""
    # Delayed: 2 (n h + h h) + h h + 4 h + c h. Plain: n w + 2 w w + 4 w + c w. Both have c biases.
    wanted = 2 * n_inputs * n_hidden + 3 * n_hidden**2 + (4 + n_classes) * n_hidden
    linear = n_inputs + 4 + n_classes
    root: float = (-linear + (linear**2 + 8 * wanted) ** 0.5) / 4
    return round(root)
