"""What every network hands over, and the registry of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.registry import Registry

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Network:
    """A network that is ready for feature extraction.

    Attributes
    ----------
    name : str
        How reports call it.
    family : str
        Such as ``"engineered"``, ``"random CNN"``, ``"random transformer"``, ``"pretrained"``.
    module : torch.nn.Module
        In evaluation mode; its forward takes a batch of shape (n_images, 3, height, width).
    layers : tuple of str
        Names of submodules whose outputs are the features, from input to output.
    preprocess : callable
        From one RGB image to a float32 tensor of shape (3, height, width).
    preprocessing : mapping
        The same in words and numbers, as JSON values: part of the key of its features.
    trained : bool
        Whether its weights were learned from data.
    paper : str
        What to cite.
    notes : tuple of str
        What a reader of a report should know, such as where batch-norm statistics come from.
    """

    name: str
    family: str
    module: torch.nn.Module
    layers: tuple[str, ...]
    preprocess: Callable[[Image], torch.Tensor]
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = False
    paper: str = ""
    notes: tuple[str, ...] = ()

    def weights_digest(self) -> str:
        """Return the digest of all parameters and buffers, by name."""
        from .._core.hashing import digest_array, digest_json

        state = self.module.state_dict()
        return digest_json(
            {name: digest_array(value.detach().cpu().numpy()) for name, value in state.items()}
        )


NETWORKS: Registry[Callable[..., Network]] = Registry("models")
