"""Values per channel as maps with names, checked once for all formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError


def as_maps(
    values: ArrayLike, names: Sequence[str] | None, n_channels: int, *, n_times: int | None = None
) -> tuple[NDArray[Any], list[str]]:
    """Return (n_maps, n_channels[, n_times]) and a name per map, or refuse.

    One map may come without its first axis. NaN is fine: it says that a channel has no value.
    """
    tail = (n_channels,) if n_times is None else (n_channels, n_times)
    array = check_array("values", values, ndim=(len(tail), len(tail) + 1), finite=False)
    maps = array[None] if array.ndim == len(tail) else array
    if maps.shape[1:] != tail:
        axes = "n_channels" if n_times is None else "n_channels, n_times"
        times = "" if n_times is None else f" and n_times {n_times}"
        raise InputError(
            f"`values` must have shape ({axes}) or (n_maps, {axes}), with n_channels {n_channels}{times}, "
            f"got {array.shape}. The geometry must be that of the channels that the values are of: "
            "`geometry.select(index)` keeps some of them."
        )
    labels = [f"map {number + 1}" for number in range(len(maps))] if names is None else list(map(str, names))
    if len(labels) != len(maps):
        raise InputError(f"`names` must name the {len(maps)} map(s), got {len(labels)} name(s).")
    return maps, labels
