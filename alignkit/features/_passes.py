"""One pass of a network over a batch, and what its layers gave, reduced to rows of units."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from .._core.random import derive_seed
from ._hooks import as_tensor
from .pooling import Pooling, pool
from .projection import SparseProjection

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network

Steps = Literal["all", "mean", "last"]

STEPS: tuple[Steps, ...] = ("all", "mean", "last")


class Reduction:
    """Pooling, then projection of layers with more units than `most_units`, by a matrix per layer.

    Parameters
    ----------
    pooling : str
        See :func:`alignkit.features.pool`.
    most_units : int, optional
        None keeps every unit.
    seed : int
        Of the extraction; each layer's matrix has a seed derived from it.
    channels_last : collection of str
        Layers whose maps are (n_stimuli, height, width, n_maps).
    """

    def __init__(
        self, pooling: Pooling, most_units: int | None, seed: int, channels_last: Collection[str] = ()
    ) -> None:
        self.pooling = pooling
        self.most_units = most_units
        self.seed = seed
        self.channels_last = channels_last
        self.n_units: dict[str, int] = {}
        self.projections: dict[str, SparseProjection] = {}

    def __call__(self, layer: str, output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows (n_stimuli, kept), float32 and of their own memory, and which of them are finite."""
        import torch

        single = output if output.dtype == torch.float32 else output.float()
        try:
            pooled = pool(single, self.pooling, channels_last=layer in self.channels_last)
        except InputError as error:
            raise InputError(f"layer {layer!r}: {error}") from error
        finite = _finite_rows(pooled)
        self.n_units[layer] = pooled.shape[1]
        if self.most_units is not None and pooled.shape[1] > self.most_units:
            return self._projection(layer, pooled.shape[1])(pooled), finite
        # A later module may write over this output in place.
        own = pooled.clone() if pooled.data_ptr() == output.data_ptr() else pooled
        return own.contiguous(), finite

    def _projection(self, layer: str, n_units: int) -> SparseProjection:
        if layer not in self.projections:
            assert self.most_units is not None
            seed = derive_seed(self.seed, "projection", layer)
            self.projections[layer] = SparseProjection(n_units, self.most_units, seed)
        return self.projections[layer]


@dataclass(frozen=True, eq=False)
class PassRows:
    """What one pass gave, on its way to the disk.

    Attributes
    ----------
    ids : sequence of str
        The stimuli.
    rows : dict of str to Tensor
        Of each layer, (n_stimuli, kept) or (n_stimuli, kept, steps), in host memory.
    finite : dict of str to Tensor
        Of each layer, (n_stimuli,), whether activations are neither NaN nor infinite.
    copied : torch.cuda.Event or None
        Happens when the copies from a GPU have arrived.
    """

    ids: Sequence[str]
    rows: dict[str, torch.Tensor]
    finite: dict[str, torch.Tensor]
    copied: Any = None

    def arrays(self, network: str) -> dict[str, NDArray[np.float32]]:
        """Return the rows as arrays once they are there.

        Raises
        ------
        InputError
            If any is NaN or infinite, with the layer and the first such stimulus.
        """
        if self.copied is not None:
            self.copied.synchronize()
        for layer, finite in self.finite.items():
            if not finite.all():
                first = self.ids[int((~finite).nonzero()[0, 0])]
                raise InputError(
                    f"layer {layer!r} of {network!r} gives NaN or infinite activations, first for "
                    f"the stimulus {first!r}. Look at that image, or check the network's weights and "
                    "preprocessing."
                )
        return {layer: rows.numpy() for layer, rows in self.rows.items()}


class Passes:
    """Listen to a network's layers, step by step, and hand over their rows at the end of each pass.

    Parameters
    ----------
    network : Network
        On its device, in evaluation mode.
    layers : sequence of str
        Those that are listened to.
    reduction : Reduction
        What is kept of each output.
    steps : {"all", "mean", "last"}
        What is kept of a layer that runs several times in a pass.
    """

    def __init__(self, network: Network, layers: Sequence[str], reduction: Reduction, steps: Steps) -> None:
        self.network = network
        self.layers = layers
        self.reduction = reduction
        self.steps = steps
        self.n_steps: dict[str, int] = {}
        self._n_stimuli = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._heard: dict[str, list[torch.Tensor]] = {}
        self._finite: dict[str, torch.Tensor] = {}

    def receive(self, layer: str, output: Any) -> None:
        """Take what a layer gave in one step of the pass in hand."""
        name = self.network.name
        tensor = as_tensor(output, network=name, layer=layer, n_stimuli=self._n_stimuli)
        step = self.n_steps[layer] = self.n_steps.get(layer, 0) + 1
        shape = self._shapes.setdefault(layer, tuple(tensor.shape))
        if tuple(tensor.shape) != shape:
            raise InputError(
                f"layer {layer!r} of {name!r} runs more than once in a pass and gives shape {shape} in step "
                f"1 and {tuple(tensor.shape)} in step {step}; steps of one shape make a series in time. "
                "Choose a layer that is not shared by parts of different sizes."
            )
        rows, finite = self.reduction(layer, tensor)
        heard = self._heard.setdefault(layer, [])
        if heard and self.steps == "mean":
            heard[0] += rows
        elif heard and self.steps == "last":
            heard[0] = rows
        else:
            heard.append(rows)
        self._finite[layer] = finite if step == 1 else self._finite[layer] & finite

    def __call__(self, ids: Sequence[str], images: torch.Tensor) -> PassRows:
        """Run the network on (n_stimuli, ...) images and return the rows of its layers."""
        self._n_stimuli = len(images)
        self.forget()
        self.network.module(images)
        silent = [layer for layer in self.layers if layer not in self._heard]
        if silent:
            raise InputError(
                f"layer {silent[0]!r} of {self.network.name!r} does not run when an image goes through; "
                "choose another."
            )
        rows = {layer: self._series(layer) for layer in self.layers}
        finite = {layer: self._finite[layer] for layer in self.layers}
        self._heard, self._finite = {}, {}
        return _to_host(ids, rows, finite)

    def forget(self) -> None:
        """Let go of what was heard in a pass."""
        self.n_steps, self._shapes, self._heard, self._finite = {}, {}, {}, {}

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return units, kept units, steps and the projection's seed of each layer, after a pass."""
        made = {}
        for layer in self.layers:
            units = self.reduction.n_units[layer]
            projection = self.reduction.projections.get(layer)
            made[layer] = {
                "units": units,
                "kept": units if projection is None else projection.n_out,
                "steps": self.n_steps[layer] if self.steps == "all" else 1,
                "ran": self.n_steps[layer],
                "seed": None if projection is None else projection.seed,
            }
        return made

    def _series(self, layer: str) -> torch.Tensor:
        import torch

        heard = self._heard[layer]
        if len(heard) > 1:
            return torch.stack(heard, 2)
        return (
            heard[0] / self.n_steps[layer] if self.steps == "mean" and self.n_steps[layer] > 1 else heard[0]
        )


def _finite_rows(units: torch.Tensor) -> torch.Tensor:
    import torch

    if units.device.type == "cpu":
        # NaN and infinity reach a sum, which takes a twentieth of the time. So may an overflow: hence
        # the look at each where the sum is not finite.
        if torch.isfinite(units.sum(1)).all():
            return torch.ones(len(units), dtype=torch.bool)
    return torch.isfinite(units).all(1)


def _to_host(ids: Sequence[str], rows: dict[str, torch.Tensor], finite: dict[str, torch.Tensor]) -> PassRows:
    import torch

    device = next(iter(rows.values())).device
    if device.type == "cpu":
        return PassRows(ids, rows, finite)

    def copied(tensor: torch.Tensor) -> torch.Tensor:
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return host.copy_(tensor, non_blocking=True)

    on_host = PassRows(
        ids,
        {layer: copied(values) for layer, values in rows.items()},
        {layer: copied(values) for layer, values in finite.items()},
        torch.cuda.Event(),  # type: ignore[no-untyped-call]
    )
    on_host.copied.record(torch.cuda.current_stream(device))
    return on_host
