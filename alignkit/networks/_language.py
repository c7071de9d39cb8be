"""What every language model hands over, and the registry of language models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.registry import Registry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A model of text that is ready for feature extraction.

    Attributes
    ----------
    name : str
        How reports call it.
    family : str
        Such as ``"language"`` or ``"random language"``.
    module : torch.nn.Module
        In evaluation mode; its forward takes the tokenizer's tensors and gives `hidden_states`, one of
        shape (n_texts, n_tokens, n_units) per entry of `layers` but the last.
    tokenizer : callable
        A fast Hugging Face tokenizer: it says which characters a token stands for.
    layers : tuple of str
        Hidden layers from input to output, then ``"sentence"``: the mean of the last one over all tokens
        of a text, brought to length 1.
    max_tokens : int
        The longest text, in tokens, that the model was made for.
    preprocessing : mapping
        How text becomes tokens and tokens become features, as JSON values: part of the key of features.
    trained : bool
        Whether its weights were learned from data.
    paper : str
        What to cite.
    notes : tuple of str
        What a reader of a report should know.
    """

    name: str
    family: str
    module: torch.nn.Module
    tokenizer: Callable[..., Any]
    layers: tuple[str, ...]
    max_tokens: int
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = False
    paper: str = ""
    notes: tuple[str, ...] = ()

    def weights_digest(self) -> str:
        """Return the digest of all parameters and buffers, by name."""
        from .._core.hashing import digest_array, digest_json

        state = self.module.state_dict()
        return digest_json({name: digest_array(value.cpu().numpy()) for name, value in state.items()})


LANGUAGE_MODELS: Registry[Callable[..., LanguageModel]] = Registry("language models")
