"""From a layer's output to one row of units per stimulus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._core.checks import check_option
from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

Pooling = Literal[
    "flatten",
    "mean",
    "max",
    "class-token",
    "grid-2",
    "grid-3",
    "grid-4",
    "grid-5",
    "grid-6",
    "grid-7",
    "grid-8",
]

POOLINGS: tuple[Pooling, ...] = (
    "flatten",
    "mean",
    "max",
    "class-token",
    "grid-2",
    "grid-3",
    "grid-4",
    "grid-5",
    "grid-6",
    "grid-7",
    "grid-8",
)


def pool(output: torch.Tensor, pooling: Pooling, *, channels_last: bool = False) -> torch.Tensor:
    """Return a layer's output as (n_stimuli, n_units).

    Parameters
    ----------
    output : Tensor of shape (n_stimuli, n_units), (n_stimuli, n_tokens, n_units) or \
            (n_stimuli, n_maps, height, width)
        Activations to a batch.
    pooling : {"flatten", "mean", "max", "class-token", "grid-2", ..., "grid-8"}
        ``"flatten"`` keeps every unit, and with it where in the image something is; ``"mean"`` averages
        maps over positions and tokens over tokens (the class token among them), ``"max"`` takes the largest;
        ``"class-token"`` takes the first token; ``"grid-4"`` averages each map over 4 x 4 cells of (nearly)
        equal size, which keeps coarsely where something is: (n_stimuli, n_maps * 16), cells row by row
        within a map. Outputs that are (n_stimuli, n_units) stay as they are.
    channels_last : bool, default=False
        Whether outputs of four axes are (n_stimuli, height, width, n_maps) instead. ``"flatten"`` keeps the
        order of units that the output has.

    Returns
    -------
    pooled : Tensor of shape (n_stimuli, n_units)

    Raises
    ------
    InputError
        If there are no tokens to take the first of, maps are smaller than the grid, or the shape is none of
        the above.

    Examples
    --------
    >>> import torch
    >>> pool(torch.ones(2, 3, 4, 4), "mean").shape
    torch.Size([2, 3])
    >>> pool(torch.ones(2, 3, 4, 4), "grid-2").shape
    torch.Size([2, 12])
    """
    check_option("pooling", pooling, POOLINGS)
    if output.ndim == 2 or (pooling == "flatten" and output.ndim > 2):
        return output.flatten(1)
    if channels_last and output.ndim == 4:
        output = output.permute(0, 3, 1, 2)
    if pooling in ("mean", "max") and output.ndim in (3, 4):
        positions = (1,) if output.ndim == 3 else (2, 3)
        return output.mean(positions) if pooling == "mean" else output.amax(positions)
    if pooling == "class-token" and output.ndim == 3:
        return output[:, 0]
    if pooling.startswith("grid-") and output.ndim == 4:
        return _on_grid(output, int(pooling.removeprefix("grid-")))
    wanted = {
        "class-token": "(n_stimuli, n_tokens, n_units)",
        "mean": "tokens or maps",
        "max": "tokens or maps",
    }
    raise InputError(
        f"pooling {pooling!r} wants {wanted.get(pooling, '(n_stimuli, n_maps, height, width)')}, got shape "
        f"{tuple(output.shape)}; use 'flatten' or other layers."
    )


def _on_grid(maps: torch.Tensor, n_cells: int) -> torch.Tensor:
    from torch.nn.functional import adaptive_avg_pool2d

    if min(maps.shape[2:]) < n_cells:
        raise InputError(
            f"pooling 'grid-{n_cells}' wants maps of at least {n_cells} x {n_cells}, got shape "
            f"{tuple(maps.shape)}; use a coarser grid or 'flatten'."
        )
    return adaptive_avg_pool2d(maps, n_cells).flatten(1)
