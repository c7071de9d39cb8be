"""Listening to named layers of a network while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .._core.errors import InputError
from ..networks._layers import choose_layers

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network


def check_layers(network: Network, layers: Sequence[str | float] | None) -> tuple[str, ...]:
    """Return the names of the layers to listen to: those asked for, or the network's own."""
    return network.layers if layers is None else choose_layers(network, layers)


@contextmanager
def listening(network: Network, layers: Sequence[str], receive: Callable[[str, Any], None]) -> Iterator[None]:
    """Call ``receive(layer, output)`` whenever a layer has run; hooks go whatever happens."""

    def hook(layer: str) -> Callable[[torch.nn.Module, Any, Any], None]:
        # At once: a later layer may write over this output in place.
        return lambda module, inputs, output: receive(layer, output)

    handles = []
    try:
        for layer in layers:
            handles.append(network.module.get_submodule(layer).register_forward_hook(hook(layer)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def as_tensor(output: Any, *, network: str, layer: str, n_stimuli: int) -> torch.Tensor:
    """Return the one tensor, batch first, of what a layer gave.

    Raises
    ------
    InputError
        If it gave no tensor, or not one row per stimulus.
    """
    import torch

    if isinstance(output, Mapping):
        output = output.get("last_hidden_state", next(iter(output.values()), None))
    while isinstance(output, list | tuple) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise InputError(f"layer {layer!r} of {network!r} gives {type(output).__name__}, wanted a tensor.")
    if output.ndim < 2 or output.shape[0] != n_stimuli:
        raise InputError(
            f"layer {layer!r} of {network!r} gives shape {tuple(output.shape)} for {n_stimuli} stimuli; "
            "wanted the stimuli along the first axis and units along others."
        )
    return output
