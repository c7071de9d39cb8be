"""What every network hands over, and the registry of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .._core.registry import Registry
from ._recipe import Recipe

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
        In evaluation mode; its forward takes a batch of shape (n_images, 3, height, width), or of what
        `preprocess` makes of one sound or film.
    layers : tuple of str
        Names of submodules whose outputs are the features, from input to output. A submodule that runs
        more than once in a pass gives one output per step of time.
    preprocess : callable
        From one RGB image (sound, film) to a float32 tensor, of shape (3, height, width) for images.
    preprocessing : mapping
        The same in words and numbers, as JSON values: part of the key of its features.
    trained : bool
        Whether its weights were learned from data.
    paper : str
        What to cite.
    notes : tuple of str
        What a reader of a report should know, such as where batch-norm statistics come from.
    mechanism : str
        What sets it apart, in a few words.
    modality : {"image", "audio", "video"}
        What a stimulus is.
    channels_last : tuple of str
        Names of the submodules whose outputs are (n_images, height, width, n_maps), as those of Swin
        transformers are; other outputs of four axes are (n_images, n_maps, height, width). Poolings over
        positions need to know.
    visual_degrees : float, optional
        Width of the visual field, in degrees, that its input stands for.
    recipe : Recipe, optional
        How it is trained; None where nothing is learned.
    untrained : callable, optional
        Builds the same network before training. None where it is untrained itself, or nobody said how.
    matched : callable, optional
        Builds a standard network of as many parameters, without the mechanism.
    options : mapping
        What the factory was called with, as JSON values.
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
    mechanism: str = ""
    modality: Literal["image", "audio", "video"] = "image"
    channels_last: tuple[str, ...] = ()
    visual_degrees: float | None = None
    recipe: Recipe | None = None
    untrained: Callable[[], Network] | None = None
    matched: Callable[[], Network] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)

    def weights_digest(self) -> str:
        """Return the digest of all parameters and buffers, by name."""
        from .._core.hashing import digest_array, digest_json

        state = self.module.state_dict()
        return digest_json(
            {name: digest_array(value.detach().cpu().numpy()) for name, value in state.items()}
        )


NETWORKS: Registry[Callable[..., Network]] = Registry("models")


def declared(name: str, module: torch.nn.Module, preprocess: Callable[..., Any], **more: Any) -> Network:
    """Return a network whose family, layers, mechanism, paper and training state are those declared.

    Parameters
    ----------
    name : str
        As in the registry.
    module : Module
        Is put into evaluation mode.
    preprocess : callable
        With a method ``facts()``, as :class:`ImagePreparation` has.
    **more
        Other attributes of :class:`Network`, or others than those declared.
    """
    facts = NETWORKS.facts(name)
    known = {key: facts[key] for key in ("family", "layers", "mechanism", "paper", "trained") if key in facts}
    image = {"image": preprocess.facts()} if hasattr(preprocess, "facts") else {}
    return Network(
        **{
            "name": name,
            "module": module.eval(),
            "preprocess": preprocess,
            "preprocessing": image,
            **known,
            **more,
        }
    )
