"""Texts through a language model, and from hidden states to a row per word or text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._core.device import pick_device
from .._core.errors import InputError
from .._core.progress import track

if TYPE_CHECKING:
    import torch

    from ..networks._language import LanguageModel


@dataclass(frozen=True)
class Batch:
    """What the model gave for some texts: hidden states, and where each token ends in its text."""

    hidden: Sequence[torch.Tensor]
    pooled: torch.Tensor | None
    mask: torch.Tensor
    ends: torch.Tensor


def passes(
    model: LanguageModel, texts: Sequence[str], step: int, device: str, *, remedy: str
) -> Iterator[Batch]:
    """Run texts through the model, `step` at a time, all layers in one pass.

    Raises
    ------
    InputError
        If a text has more tokens than the model takes; `remedy` says what to do.
    """
    import torch

    place = pick_device(device)
    takes = signature(model.module.forward).parameters
    # Nothing is generated: keys and values of earlier tokens would only fill memory.
    options = {"use_cache": False} if "use_cache" in takes else {}
    with torch.inference_mode(), _placed(model.module, place):
        for first in track(range(0, len(texts), step), f"features of {model.name}"):
            tokens = _padded(model, texts[first : first + step], remedy)
            ends = tokens.pop("ends").to(place)
            given = {key: value.to(place) for key, value in tokens.items() if key in takes}
            output = model.module(**given, output_hidden_states=True, **options)
            pooled = output.get("pooler_output") if model.pooling == "own" else None
            yield Batch(output.hidden_states, pooled, tokens["attention_mask"].bool().to(place), ends)


def _padded(model: LanguageModel, texts: Sequence[str], remedy: str) -> dict[str, torch.Tensor]:
    """Return tokens of texts, filled up on the right: many tokenizers have no padding, or put it left."""
    import torch

    found = model.tokenizer(
        list(texts), padding=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    longest = max(map(len, found["input_ids"]))
    if longest > model.max_tokens:
        raise InputError(
            f"{model.name!r} takes texts of at most {model.max_tokens} tokens, got one of {longest}; "
            f"{remedy}."
        )
    padding = getattr(model.tokenizer, "pad_token_id", None) or 0
    rows: dict[str, list[list[int]]] = {
        "input_ids": found["input_ids"],
        "attention_mask": [[1] * len(ids) for ids in found["input_ids"]],
        "ends": [[end for _, end in offsets] for offsets in found["offset_mapping"]],
    }
    if "token_type_ids" in found:
        rows["token_type_ids"] = found["token_type_ids"]
    return {
        key: torch.tensor(
            [row + [padding if key == "input_ids" else 0] * (max(longest, 1) - len(row)) for row in each]
        )
        for key, each in rows.items()
    }


def rows_of(
    model: LanguageModel,
    batch: Batch,
    layer: str,
    own: torch.Tensor,
    of: torch.Tensor | None = None,
) -> NDArray[np.float32]:
    """Return a row per word or text: the mean over the tokens of `own`, or the sentence's vector."""
    import torch

    if layer == "sentence":
        rows = torch.nn.functional.normalize(_sentences(model, batch), dim=1)
        rows = rows if of is None else rows[of]
    else:
        hidden = batch.hidden[model.layers.index(layer)].float()
        weights = own.float()[..., None]
        rows = ((hidden if of is None else hidden[of]) * weights).sum(1) / weights.sum(1)
    values: NDArray[np.float32] = rows.cpu().numpy().copy()
    return values


def _sentences(model: LanguageModel, batch: Batch) -> torch.Tensor:
    last = batch.hidden[-1].float()
    if batch.pooled is not None:
        return batch.pooled.float()
    if model.pooling == "first":
        return last[:, 0]
    if model.pooling == "last":
        ends = batch.mask.sum(1) - 1
        return last[range(len(last)), ends]
    weights = batch.mask.float()[..., None]
    return (last * weights).sum(1) / weights.sum(1)


@contextmanager
def _placed(module: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Put the module on the device for a while."""
    before = next(module.parameters()).device
    module.to(device).eval()
    try:
        yield
    finally:
        module.to(before)
