"""What every language model hands over, and the registry of language models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, Literal

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.registry import Registry
from ._recipe import Recipe

if TYPE_CHECKING:
    import torch

Reading = Literal["both ways", "left to right"]
SentencePooling = Literal["mean", "first", "last", "own"]

_HUB_PREFIX = "hf:"


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
        Hidden layers from input to output, then, where the model has a vector for a whole text,
        ``"sentence"``: the last hidden layer pooled as `pooling` says, brought to length 1.
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
    reads : {"both ways", "left to right"}
        Whether a token is informed by those after it.
    pooling : {"mean", "first", "last", "own"}
        What ``"sentence"`` is: the mean of the last hidden layer over all tokens, its first or its last
        token, or the `pooler_output` that the module gives.
    untrained : callable, optional
        Builds the same network before training; None where it is untrained itself.
    options : mapping
        What the factory was called with, as JSON values.
    recipe : Recipe, optional
        How it is trained here; None where it is not.
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
    reads: Reading = "both ways"
    pooling: SentencePooling = "mean"
    untrained: Callable[[], LanguageModel] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)

    def weights_digest(self) -> str:
        """Return the digest of all parameters and buffers, by name."""
        from .._core.hashing import digest_array, digest_json

        state = self.module.state_dict()
        return digest_json({name: digest_array(value.cpu().numpy()) for name, value in state.items()})


LANGUAGE_MODELS: Registry[Callable[..., LanguageModel]] = Registry("language models")


def build_language_model(kind: str, options: Mapping[str, Any] | None = None) -> LanguageModel:
    """Build the language model of that name.

    Parameters
    ----------
    kind : str
        A registered name, or ``hf:`` and a Hugging Face name or folder.
    options : mapping, optional
        Keyword arguments of the model's factory.

    Returns
    -------
    model : LanguageModel

    Raises
    ------
    UnknownNameError
        If there is no language model of that name; close matches are listed.
    InputError
        If the factory has no such option, or one that it needs is missing.
    """
    given = dict(options or {})
    if kind.startswith(_HUB_PREFIX):
        given["name"] = kind.removeprefix(_HUB_PREFIX)
        kind = "hf"
    factory = LANGUAGE_MODELS[kind]
    parameters = signature(factory).parameters
    for option in given:
        if option not in parameters:
            raise InputError(
                f"an option of the language model {kind!r} is {option!r}, "
                f"{did_you_mean(option, list(parameters))}"
            )
    missing = [n for n, p in parameters.items() if p.default is Parameter.empty and n not in given]
    if missing:
        hint = " Write `hf:NAME_OR_FOLDER`." if kind == "hf" else ""
        raise InputError(f"the language model {kind!r} needs the option(s) {', '.join(missing)}.{hint}")
    return factory(**given)
