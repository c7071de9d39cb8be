"""The areas of the CORnets, and the networks that chain them."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (64, 128, 256, 512)
AREAS = ("V1", "V2", "V4", "IT")
S_TIMES = (2, 4, 2)

Wiring = Literal["sequential", "delayed", "feedforward"]

_GROUPS = 32
_EXPANSION = 4


class Decoder(nn.Module):
    """Mean over positions, then a linear readout: (n, channels, height, width) to (n, n_classes)."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Return class scores."""
        scores: Tensor = self.linear(maps.mean((2, 3)))
        return scores


class ZArea(nn.Module):
    """Convolution, rectification and pooling by maximum (3 wide, step 2)."""

    def __init__(
        self, channels_in: int, channels: int, *, kernel: int = 3, stride: int = 1, pooling: bool = True
    ) -> None:
        super().__init__()
        # Without pooling every second response is kept as it is, so shapes and parameters stay the same.
        self.conv = nn.Conv2d(channels_in, channels, kernel, stride=stride, padding=kernel // 2)
        self.pool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1) if pooling else nn.MaxPool2d(1, stride=2)
        self.output = nn.Identity()

    def forward(self, below: Tensor) -> Tensor:
        """Map (n, channels_in, height, width) to (n, channels, height / 2 stride, width / 2 stride)."""
        answer: Tensor = self.output(self.pool(F.relu(self.conv(below))))
        return answer


class CornetZ(nn.Module):
    """CORnet-Z: four feed-forward areas and a decoder.

    Parameters
    ----------
    n_classes : int
        Number of scores.
    pooling : bool, default=True
        Pool by maximum; False keeps every second response instead.
    """

    def __init__(self, *, n_classes: int, pooling: bool = True) -> None:
        super().__init__()
        self.V1 = ZArea(3, CHANNELS[0], kernel=7, stride=2, pooling=pooling)
        add_z_areas(self, n_classes, pooling=pooling)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to class scores (n, n_classes)."""
        return run_areas(self, self.V1(images))


def add_z_areas(module: nn.Module, n_classes: int, *, pooling: bool = True) -> None:
    """Give a module the areas V2, V4, IT and the decoder of CORnet-Z, not yet initialised."""
    for name, channels_in, channels in zip(AREAS[1:], CHANNELS, CHANNELS[1:], strict=False):
        module.add_module(name, ZArea(channels_in, channels, pooling=pooling))
    module.add_module("decoder", Decoder(CHANNELS[-1], n_classes))


def add_s_areas(
    module: nn.Module, n_classes: int, *, times: tuple[int, ...] = S_TIMES, tied: bool = True
) -> None:
    """Give a module the areas V2, V4, IT and the decoder of CORnet-S, not yet initialised."""
    for name, channels_in, channels, n_times in zip(AREAS[1:], CHANNELS, CHANNELS[1:], times, strict=False):
        module.add_module(name, SArea(channels_in, channels, n_times=n_times, tied=tied))
    module.add_module("decoder", Decoder(CHANNELS[-1], n_classes))


class RCell(nn.Module):
    """One update of a recurrent area: ``relu(GN(conv(relu(GN(conv_in(below))) + state)))``."""

    def __init__(self, channels_in: int, channels: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels_in, channels, kernel, stride=stride, padding=kernel // 2)
        self.norm_in = nn.GroupNorm(_GROUPS, channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, channels)

    def drive(self, below: Tensor) -> Tensor:
        """Return what comes in from below, (n, channels, rows, columns)."""
        return F.relu(self.norm_in(self.conv_in(below)))

    def forward(self, drive: Tensor, state: Tensor | None) -> Tensor:
        """Return the new state, of the shape of `drive`."""
        held = drive if state is None else drive + state
        return F.relu(self.norm(self.conv(held)))


class RArea(nn.Module):
    """A recurrent area; its cell is the same at every step, or one of its own for each (`n_cells`)."""

    def __init__(self, channels_in: int, channels: int, *, kernel: int, stride: int, n_cells: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride
        self.cells = nn.ModuleList(
            RCell(channels_in, channels, kernel=kernel, stride=stride) for _ in range(n_cells)
        )
        self.output = nn.Identity()

    def forward(self, below: Tensor, state: Tensor | None, step: int) -> Tensor:
        """Return the state after `step`; `below` is the input (n, channels_in, height, width)."""
        cell = self._cell(step)
        answer: Tensor = self.output(cell(cell.drive(below), state))
        return answer

    def wait(self, nothing: Tensor, step: int) -> Tensor:
        """Return the state while no input has come: `nothing` are zeros of the area's own shape."""
        answer: Tensor = self.output(self._cell(step)(nothing, None))
        return answer

    def _cell(self, step: int) -> RCell:
        cell = self.cells[step if len(self.cells) > 1 else 0]
        assert isinstance(cell, RCell)
        return cell


class CornetR(nn.Module):
    """CORnet-R and CORnet-RT: four areas with a state, updated once per step of time.

    Parameters
    ----------
    n_classes : int
        Number of scores.
    n_steps : int
        Number of steps.
    wiring : {"sequential", "delayed", "feedforward"}
        "sequential" (R): at the first step only V1 has input; from the second on, each area reads what
        the area below answered in the same step. "delayed" (RT): each area reads what the area below
        answered a step ago. "feedforward": the same step from the first one on.
    tied : bool, default=True
        The same weights at every step; False gives every step its own.
    """

    def __init__(self, *, n_classes: int, n_steps: int, wiring: Wiring, tied: bool = True) -> None:
        super().__init__()
        self.n_steps = n_steps
        self.wiring = wiring
        n_cells = 1 if tied else n_steps
        self.V1 = RArea(3, CHANNELS[0], kernel=7, stride=4, n_cells=n_cells)
        for name, channels_in, channels in zip(AREAS[1:], CHANNELS, CHANNELS[1:], strict=False):
            self.add_module(name, RArea(channels_in, channels, kernel=3, stride=2, n_cells=n_cells))
        self.decoder = Decoder(CHANNELS[-1], n_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to the class scores (n, n_classes) after the last step."""
        states: list[Tensor] = []
        for step in range(self.n_steps):
            states = self._advance(images, states, step)
        scores: Tensor = self.decoder(states[-1])
        return scores

    def _advance(self, images: Tensor, before: list[Tensor], step: int) -> list[Tensor]:
        after: list[Tensor] = []
        shape = tuple(images.shape[-2:])
        for number, name in enumerate(AREAS):
            area = self.get_submodule(name)
            assert isinstance(area, RArea)
            shape = tuple((side - 1) // area.stride + 1 for side in shape)
            state = before[number] if before else None
            if number and not before and self.wiring != "feedforward":
                after.append(area.wait(images.new_zeros(len(images), area.channels, *shape), step))
                continue
            below = (before if self.wiring == "delayed" else after)[number - 1] if number else images
            after.append(area(below, state, step))
        return after


class SArea(nn.Module):
    """A bottleneck run `n_times` over its own output, with a skip; every time has its own batch norms.

    Parameters
    ----------
    channels_in, channels : int
        Number of maps below and here.
    n_times : int
        Number of passes.
    tied : bool, default=True
        The same convolutions at every time; False gives every time its own.
    """

    def __init__(self, channels_in: int, channels: int, *, n_times: int, tied: bool = True) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.skip = nn.Conv2d(channels, channels, 1, stride=2, bias=False)
        self.norm_skip = nn.BatchNorm2d(channels)
        n_sets = 1 if tied else n_times
        wide = _EXPANSION * channels
        self.conv1 = nn.ModuleList(nn.Conv2d(channels, wide, 1, bias=False) for _ in range(n_sets))
        self.conv2 = nn.ModuleList(nn.Conv2d(wide, wide, 3, padding=1, bias=False) for _ in range(n_sets))
        self.conv3 = nn.ModuleList(nn.Conv2d(wide, channels, 1, bias=False) for _ in range(n_sets))
        self.norm1 = nn.ModuleList(nn.BatchNorm2d(wide) for _ in range(n_times))
        self.norm2 = nn.ModuleList(nn.BatchNorm2d(wide) for _ in range(n_times))
        self.norm3 = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(n_times))
        self.output = nn.Identity()

    def forward(self, below: Tensor) -> Tensor:
        """Map (n, channels_in, height, width) to (n, channels, height / 2, width / 2)."""
        maps: Tensor = self.conv_in(below)
        for time in range(len(self.norm1)):
            kept = self.norm_skip(self.skip(maps)) if time == 0 else maps
            maps = self.output(F.relu(self._residual(maps, time) + kept))
        return maps

    def _residual(self, maps: Tensor, time: int) -> Tensor:
        number = time if len(self.conv1) > 1 else 0
        wide = F.relu(self.norm1[time](self.conv1[number](maps)))
        # The stride is an argument, not an attribute that is changed, so that forward has no side effect.
        weight = self.conv2[number].weight
        assert isinstance(weight, Tensor)
        wide = F.conv2d(wide, weight, stride=2 if time == 0 else 1, padding=1)
        wide = F.relu(self.norm2[time](wide))
        answer: Tensor = self.norm3[time](self.conv3[number](wide))
        return answer


class Stem(nn.Module):
    """V1 of CORnet-S: two convolutions with batch norm, and a maximum between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS[0], 7, stride=2, padding=3, bias=False)
        self.norm1 = nn.BatchNorm2d(CHANNELS[0])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(CHANNELS[0], CHANNELS[0], 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(CHANNELS[0])
        self.output = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, height, width) to (n, 64, height / 4, width / 4)."""
        maps = self.pool(F.relu(self.norm1(self.conv1(images))))
        answer: Tensor = self.output(F.relu(self.norm2(self.conv2(maps))))
        return answer


class CornetS(nn.Module):
    """CORnet-S: V1, then three areas that run 2, 4 and 2 times over their own output, and a decoder.

    Parameters
    ----------
    n_classes : int
        Number of scores.
    times : tuple of int, default=(2, 4, 2)
        Passes of V2, V4 and IT.
    tied : bool, default=True
        The same convolutions at every pass.
    """

    def __init__(self, *, n_classes: int, times: tuple[int, ...] = S_TIMES, tied: bool = True) -> None:
        super().__init__()
        self.V1 = Stem()
        add_s_areas(self, n_classes, times=times, tied=tied)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to class scores (n, n_classes)."""
        return run_areas(self, self.V1(images))


def run_areas(module: nn.Module, maps: Tensor) -> Tensor:
    """Return the scores of the module's V2, V4, IT and decoder for the maps of V1."""
    for name in (*AREAS[1:], "decoder"):
        maps = module.get_submodule(name)(maps)
    return maps


def initialise(module: nn.Module) -> None:
    """Draw every weight anew: convolutions that keep the variance of what they rectify, no biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
