"""Any language model of the Hugging Face hub, or from a folder in its format."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_json
from .._images import check_count
from .._language import LanguageModel, Reading, SentencePooling
from ._hf_files import Place, find_place
from ._hf_modules import Weights, loaded, module_of, origin_of, settings_of

_WHAT = "language model"
_LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
# Tokenizers without a limit of their own say 1e30.
_NO_LIMIT = 10**9
_POOLINGS: dict[str, SentencePooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "pooling_mode_lasttoken": "last",
}


class TextTower(nn.Module):
    """The text side of a model of pictures and texts.

    Parameters
    ----------
    model : Module
        With `text_model` and `text_projection`, such as transformers' ``CLIPModel``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text_model = model.text_model
        self.text_projection = model.text_projection
        self.config = self.text_model.config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **options: Any) -> Any:
        """Return transformers' output, its `pooler_output` in the space shared with pictures.

        Parameters
        ----------
        input_ids, attention_mask : Tensor of shape (n_texts, n_tokens)
        **options
            Of the text model, such as `output_hidden_states`.
        """
        output = self.text_model(input_ids=input_ids, attention_mask=attention_mask, **options)
        output["pooler_output"] = self.text_projection(output.pooler_output)
        return output


def hf_language(
    *, name: str, weights: Weights = "pretrained", seed: int = 0, max_tokens: int | None = None
) -> LanguageModel:
    """Load a language model: GPT-2, Pythia, Llama, OPT, BERT, RoBERTa, T5's encoder, CLIP's text side.

    Weights are taken from safetensors files only, in float32, and no code of the model's repository is
    run. Whether the model reads left to right is found by trying: a later token is changed, and earlier
    ones either notice or do not.

    Parameters
    ----------
    name : str
        Name on the hub, such as ``openai-community/gpt2`` (the local cache is tried first), with ``@`` and a
        revision for a checkpoint of a training run, such as ``EleutherAI/pythia-70m@step1000``; or a folder
        with ``config.json``, ``tokenizer.json`` and ``model.safetensors``.
    weights : {"pretrained", "random"}, default="pretrained"
        "random" draws them as the architecture starts from; the folder need not hold any.
    seed : int, default=0
        Draws random weights.
    max_tokens : int, optional
        The longest text, in tokens; by default what the configuration says.

    Returns
    -------
    model : LanguageModel
        Layers ``embedding``, ``block1`` ... ``blockN`` are transformers' hidden states, the last one after
        the final normalisation; ``sentence`` is there where the files say how tokens are pooled
        (``1_Pooling`` of sentence-transformers), and for CLIP, whose space of pictures and texts it is.

    Raises
    ------
    MissingDataError
        If there is no such folder, or the name is neither in the cache nor to be had from the hub.
    InputError
        If weights are pickled or missing, the model takes no text, its tokenizer does not say where in the
        text a token is, its length is not known, or an option is out of its range.
    """
    check_count("seed", seed, least=0)
    if max_tokens is not None:
        check_count("max_tokens", max_tokens, least=1)
    check_option("weights", weights, ("pretrained", "random"))
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a Hugging Face name or a folder, as in hf:openai-community/gpt2.")
    trained = weights == "pretrained"
    place = find_place(name, weights=trained)
    module, own_pooling = _text_part(module_of(place, weights=weights, seed=seed, what=_WHAT), place)
    tokenizer = _tokenizer(place)
    n_blocks, reads = _tried(module, tokenizer, place)
    pooling = own_pooling or _pooling(place)
    layers = ("embedding", *(f"block{number + 1}" for number in range(n_blocks)))
    twin = partial(hf_language, name=name, weights="random", seed=seed, max_tokens=max_tokens)
    return LanguageModel(
        name=f"hf:{place.title}" + ("" if trained else "-untrained"),
        family="language" if trained else "random language",
        module=module,
        tokenizer=tokenizer,
        layers=(*layers, "sentence") if pooling else layers,
        max_tokens=max_tokens or _length(module, tokenizer, place),
        preprocessing=_preprocessing(tokenizer, pooling),
        trained=trained,
        paper=place.paper,
        notes=(origin_of(place, trained=trained, seed=seed), f"It reads {reads}."),
        reads=reads,
        pooling=pooling or "mean",
        untrained=twin if trained else None,
        options={"name": name, "weights": weights, "seed": seed, "max_tokens": max_tokens},
    )


def _text_part(model: Any, place: Place) -> tuple[Any, SentencePooling | None]:
    """Return the part that takes tokens, and its own vector for a whole text where it has one."""
    config = model.config
    if getattr(config, "is_encoder_decoder", False) and getattr(model, "main_input_name", "") == "input_ids":
        return model.get_encoder(), None
    if config.model_type == "clip" and hasattr(model, "text_projection"):
        return TextTower(model).eval(), "own"
    for part in ("text_model", "language_model"):
        inner = getattr(model, part, None)
        if inner is not None:
            return inner, None
    if getattr(model, "main_input_name", "") != "input_ids":
        raise InputError(
            f"{place.title!r} is a {type(model).__name__}, which takes no text (its input is "
            f"{getattr(model, 'main_input_name', 'not known')!r})."
        )
    return model, None


def _tokenizer(place: Place) -> Any:
    from transformers import AutoTokenizer

    loader: Any = AutoTokenizer.from_pretrained
    tokenizer = loaded(place, loader, what="tokenizer", use_fast=True)
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"the tokenizer of {place.title!r} is a {type(tokenizer).__name__}, which does not say which "
            "characters a token stands for; a fast tokenizer (tokenizer.json) is wanted."
        )
    return tokenizer


def _tried(module: Any, tokenizer: Any, place: Place) -> tuple[int, Reading]:
    """Return how many blocks there are, and how the model reads, from one pass over two texts."""
    special = set(tokenizer.all_special_ids)
    plain = sorted(number for number in tokenizer.get_vocab().values() if number not in special)[:5]
    if len(plain) < 5:
        raise InputError(
            f"the tokenizer of {place.title!r} knows {len(plain)} tokens, wanted at least 5; tokenizer.json "
            "is missing or not that of the model."
        )
    ids = torch.tensor([plain[:4], [*plain[:3], plain[4]]])
    with torch.inference_mode():
        output = module(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    states = getattr(output, "hidden_states", None)
    if not states or len(states) < 2:
        raise InputError(f"{place.title!r} is a {type(module).__name__}, which gives no hidden states.")
    changes = (states[-1][0] - states[-1][1]).abs().amax(1)
    is_causal = bool(changes[:3].max() <= 1e-6 * changes[3])
    return len(states) - 1, "left to right" if is_causal else "both ways"


def _pooling(place: Place) -> SentencePooling | None:
    settings = settings_of(place, "1_Pooling/config.json")
    chosen = sorted(key for key, value in settings.items() if key.startswith("pooling_mode_") and value)
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0] not in _POOLINGS:
        raise InputError(
            f"{place.title!r} pools sentences by {', '.join(chosen)}; known are one of "
            f"{', '.join(_POOLINGS)}. Remove 1_Pooling to do without sentences."
        )
    return _POOLINGS[chosen[0]]


def _length(module: Any, tokenizer: Any, place: Place) -> int:
    tables = [
        part
        for path, part in module.named_modules()
        if path.endswith("position_embeddings") and isinstance(part, nn.Embedding)
    ]
    # RoBERTa counts positions from after the index of padding.
    known = [t.num_embeddings - (0 if t.padding_idx is None else t.padding_idx + 1) for t in tables]
    config = module.config
    if not known:
        known = [v for v in (getattr(config, key, None) for key in _LENGTHS) if isinstance(v, int) and v > 0]
    if 0 < (limit := int(tokenizer.model_max_length)) < _NO_LIMIT:
        known.append(limit)
    if not known:
        raise InputError(
            f"the configuration of {place.title!r} does not say how many tokens it takes; give `max_tokens`."
        )
    return min(known)


def _preprocessing(tokenizer: Any, pooling: SentencePooling | None) -> dict[str, Any]:
    backend = cast(str, tokenizer.backend_tokenizer.to_str())
    return {
        "tokenizer": digest_json(backend),
        "special_tokens": digest_json(sorted(map(str, tokenizer.all_special_tokens))),
        "sentence": f"{pooling}, L2" if pooling else None,
    }
