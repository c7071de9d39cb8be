"""Which part of a long sound or film a network is shown for which stretch of its features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from ._hooks import as_tensor, listening

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network

# Times are sums of binary fractions: half a microsecond is no time.
_EPSILON_S = 5e-7

Frames = Callable[["torch.Tensor", "Window"], tuple["torch.Tensor", NDArray[np.float64]]]


@dataclass(frozen=True)
class Window:
    """A stretch that is shown, in seconds, and the bins whose features come from it."""

    start_s: float
    stop_s: float
    first_bin: int
    stop_bin: int


def n_bins_of(duration_s: float, rate_hz: float, what: str) -> int:
    """Return how many whole bins there are."""
    n_bins = floor((duration_s + _EPSILON_S) * rate_hz)
    if n_bins < 1:
        raise InputError(
            f"{what} lasts {duration_s:g} s, less than one bin of {1 / rate_hz:g} s; raise `rate_hz`, "
            "or leave it out."
        )
    return n_bins


def adjacent_windows(
    duration_s: float, rate_hz: float, window_s: float | None, *, reaches: bool = False
) -> list[Window]:
    """Return windows that follow each other, all of one length where the whole is not shorter.

    The last one is moved back to end with the whole, so that it is as long as the others. With `reaches`
    windows are as long as asked for even where the whole is shorter.
    """
    n_bins = n_bins_of(duration_s, rate_hz, "the stimulus")
    if window_s is None or (window_s >= duration_s - _EPSILON_S and not reaches):
        return [Window(0.0, duration_s, 0, n_bins)]
    per_window = max(1, floor((window_s + _EPSILON_S) * rate_hz))
    windows = []
    for first in range(0, n_bins, per_window):
        start_s = max(0.0, min(first / rate_hz, duration_s - window_s))
        windows.append(Window(start_s, start_s + window_s, first, min(n_bins, first + per_window)))
    return windows


def past_windows(
    duration_s: float, rate_hz: float, context_s: float, *, reaches: bool = False
) -> list[Window]:
    """Return a window per bin, which ends with it; with `reaches` the first ones start before 0."""
    windows = []
    for each in range(n_bins_of(duration_s, rate_hz, "the stimulus")):
        stop_s = (each + 1) / rate_hz
        start_s = stop_s - max(context_s, 1 / rate_hz)
        windows.append(Window(start_s if reaches else max(0.0, start_s), stop_s, each, each + 1))
    return windows


def binned(
    network: Network,
    layers: Sequence[str],
    windows: Sequence[Window],
    load: Callable[[Window], torch.Tensor],
    frames: Frames,
    *,
    rate_hz: float,
    batch_size: int,
    device: torch.device,
) -> dict[str, NDArray[np.float32]]:
    """Return (n_bins, n_units) per layer: the mean over the frames whose centre lies in the bin.

    A bin without a centre takes the frame of its window that is nearest to its middle.

    Parameters
    ----------
    load : callable
        From a window to the module's input, without the batch axis.
    frames : callable
        From a layer's output to a batch, and a window, to frames of shape (n_windows, n_frames, n_units) and
        their centres from the window's start, in seconds.
    """
    import torch

    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in layers}
    for batch, inputs in _batches(windows, load, batch_size):
        outputs = outputs_of(network, layers, torch.stack(inputs).to(device))
        for name in layers:
            states, centres = frames(outputs.pop(name), batch[0])
            values = states.float().cpu().numpy()
            for window, rows in zip(batch, values, strict=True):
                found[name].append(in_bins(rows, centres + window.start_s, window, rate_hz))
    return {name: np.concatenate(each) for name, each in found.items()}


def _batches(
    windows: Sequence[Window], load: Callable[[Window], torch.Tensor], batch_size: int
) -> Iterator[tuple[list[Window], list[torch.Tensor]]]:
    """Yield windows with what they show, in order; those of a batch have one length and one shape."""
    for _, group in groupby(windows, key=lambda window: round((window.stop_s - window.start_s) / _EPSILON_S)):
        same = list(group)
        for first in range(0, len(same), batch_size):
            part = same[first : first + batch_size]
            inputs = [load(window) for window in part]
            for _, alike in groupby(zip(part, inputs, strict=True), key=lambda pair: tuple(pair[1].shape)):
                pairs = list(alike)
                yield [window for window, _ in pairs], [each for _, each in pairs]


def outputs_of(network: Network, layers: Sequence[str], batch: torch.Tensor) -> dict[str, Any]:
    """Return what each layer gives for a batch, a copy each: the module may write over its own."""
    outputs: dict[str, Any] = {}

    def receive(layer: str, output: Any) -> None:
        if layer in outputs:
            raise InputError(
                f"layer {layer!r} of {network.name!r} ran more than once in one pass, wanted once; choose a "
                "layer outside the part that is used again."
            )
        tensor = as_tensor(output, network=network.name, layer=layer, n_stimuli=len(batch))
        outputs[layer] = tensor.detach().clone()

    with listening(network, layers, receive):
        network.module(batch)
    silent = [layer for layer in layers if layer not in outputs]
    if silent:
        raise InputError(f"layer {silent[0]!r} of {network.name!r} does not run in a pass; choose another.")
    return outputs


def in_bins(
    rows: NDArray[np.float32], centres_s: NDArray[np.float64], window: Window, rate_hz: float
) -> NDArray[np.float32]:
    """Return (n_bins, n_units) of one window: means of its frames, by the bin that holds their centre."""
    # What lies after the end is padding of the network's own.
    inside = centres_s < window.stop_s + _EPSILON_S
    rows, centres_s = (rows[inside], centres_s[inside]) if inside.any() else (rows[:1], centres_s[:1])
    bins = np.floor((centres_s + _EPSILON_S) * rate_hz).astype(np.int64)
    values = np.empty((window.stop_bin - window.first_bin, rows.shape[1]))
    for position, number in enumerate(range(window.first_bin, window.stop_bin)):
        own = bins == number
        if own.any():
            values[position] = rows[own].mean(0, dtype=np.float64)
        else:
            values[position] = rows[np.argmin(abs(centres_s - (number + 0.5) / rate_hz))]
    return values.astype(np.float32)
