"""Listening to named layers of a network while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .._core.checks import check_unique, did_you_mean
from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network


def check_layers(network: Network, layers: Sequence[str] | None) -> tuple[str, ...]:
    """Return the layers to listen to: those asked for, or the network's own."""
    if layers is None:
        return network.layers
    if isinstance(layers, str) or not layers:
        raise InputError(f"`layers` must be a list of at least one layer name, got {layers!r}.")
    check_unique("layers", layers)
    known = {name for name, _ in network.module.named_modules() if name}
    for layer in layers:
        if layer not in known:
            # A network has hundreds of modules: the message lists its own layers and what comes near.
            near = get_close_matches(str(layer), sorted(known), n=5, cutoff=0.5)
            options = sorted({*network.layers, *near})
            raise InputError(f"`layers` of {network.name!r} holds {layer!r}, {did_you_mean(layer, options)}")
    return tuple(layers)


@contextmanager
def listening(network: Network, layers: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """Yield a dictionary that fills with each layer's outputs; hooks go whatever happens."""
    heard: dict[str, list[Any]] = {layer: [] for layer in layers}

    def hook(layer: str) -> Any:
        def keep(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            heard[layer].append(output)

        return keep

    handles = []
    try:
        for layer in layers:
            handles.append(network.module.get_submodule(layer).register_forward_hook(hook(layer)))
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def as_tensor(outputs: Sequence[Any], *, network: str, layer: str, n_stimuli: int) -> torch.Tensor:
    """Return the one tensor, batch first, that a layer gave.

    Raises
    ------
    InputError
        If the layer did not run once, gave no tensor, or not one row per stimulus.
    """
    import torch

    if len(outputs) != 1:
        raise InputError(
            f"layer {layer!r} of {network!r} ran {len(outputs)} times in one pass, wanted once; "
            "choose a layer outside the part that is skipped or used again."
        )
    output = outputs[0]
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
