"""What a language model makes of whole texts, and of each word of a story from the words up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.checks import did_you_mean
from .._core.device import pick_device
from .._core.errors import InputError
from .._core.progress import track
from ..networks._images import check_count
from ..recordings.tracks import Track

if TYPE_CHECKING:
    import torch

    from ..networks._language import LanguageModel

_CLITICS = frozenset({"'s", "'ll", "'ve", "'re", "'m", "'d", "n't"})


def word_features(
    words: Sequence[str],
    model: LanguageModel,
    *,
    layers: Sequence[str] | None = None,
    window_words: int = 20,
    batch_size: int = 64,
    device: str = "auto",
) -> dict[str, NDArray[np.float32]]:
    """Return what each layer makes of each word in its left context, all layers in one pass.

    For every word the model reads a window of text that ends with that word: the word itself and the
    ``window_words - 1`` before it (fewer at the start of the story). A hidden layer's features are the mean
    over the tokens of that last word; those of ``"sentence"`` are the window's embedding, as sentences are
    embedded. The model sees both ways within the window, so a word is informed by all that came before,
    and by nothing that comes later.

    Parameters
    ----------
    words : sequence of str, length n_words
        In the order they are heard, without silences. Clitics that stand alone (``'s``, ``n't``) are
        written to the word before them, as in print.
    model : LanguageModel
        Such as :func:`alignkit.networks.load_minilm` gives.
    layers : sequence of str, optional
        By default all of ``model.layers``.
    window_words : int, default=20
        Length of the window in words; 1 takes each word alone.
    batch_size : int, default=64
        Windows per pass. It changes results by rounding only.
    device : str, default="auto"
        "auto" takes CUDA when it is there.

    Returns
    -------
    features : dict of str to ndarray of shape (n_words, n_units)
        float32, by layer, in the order of `layers`. Rows of ``"sentence"`` have length 1.

    Raises
    ------
    InputError
        If a word is empty or has no token, a layer is unknown, a number is out of range, a window has more
        tokens than the model takes, or the model gives NaN.

    References
    ----------
    Jain S, Huth AG (2018). Incorporating context into language encoding models for fMRI. NeurIPS.
    Toneva M, Wehbe L (2019). Interpreting and improving natural-language processing (in machines) with
    natural language-processing (in the brain). NeurIPS. https://arxiv.org/abs/1905.11833
    """
    texts, starts = _windows(_checked_words(words), check_count("window_words", window_words, least=1))
    names = _checked_layers(model, layers)
    step = check_count("batch_size", batch_size, least=1)
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    first = 0
    for batch in _passes(
        model, texts, step, device, remedy=f"choose a smaller `window_words` than {window_words}"
    ):
        last = first + len(batch.mask)
        # A token belongs to the last word when it ends after that word's first letter; the special tokens
        # and the padding end at 0.
        own = batch.ends > batch.ends.new_tensor(starts[first:last])[:, None]
        tokenless = (~own.any(1)).nonzero()
        if len(tokenless):
            word = first + int(tokenless[0])
            raise InputError(
                f"word {word} ({words[word]!r}) has no token of {model.name!r}; leave out what is no word."
            )
        for name in names:
            found[name].append(_rows(model, batch, name, own))
        first = last
    return {name: _finite(model, name, np.concatenate(rows)) for name, rows in found.items()}


def word_tracks(
    words: Track,
    model: LanguageModel,
    *,
    layers: Sequence[str] | None = None,
    window_words: int = 20,
    batch_size: int = 64,
    device: str = "auto",
) -> tuple[Track, ...]:
    """Return a track per layer for timed words.

    Parameters
    ----------
    words : Track
        Its labels are the words.
    model, layers, window_words, batch_size, device
        See :func:`word_features`.

    Returns
    -------
    tracks : tuple of Track
        Named ``MODEL:LAYER``, with the times and labels of `words`; their facts are the digest of the
        weights, the window, the preprocessing and the versions of libraries.

    Raises
    ------
    InputError
        If `words` has no labels, and where :func:`word_features` does.
    """
    if words.labels is None:
        raise InputError(
            f"the track {words.name!r} has no labels, so it has no words; give a track whose labels are them."
        )
    features = word_features(
        words.labels, model, layers=layers, window_words=window_words, batch_size=batch_size, device=device
    )
    facts = {
        "model": model.name,
        "weights": model.weights_digest(),
        "preprocessing": dict(model.preprocessing),
        "window_words": window_words,
        "batch_size": batch_size,
        "device": pick_device(device).type,
        "versions": _versions(),
    }
    return tuple(
        Track(
            f"{model.name}:{layer}",
            values,
            words.onset_s,
            words.offset_s,
            labels=words.labels,
            facts={**facts, "layer": layer},
        )
        for layer, values in features.items()
    )


def sentence_embeddings(
    texts: Sequence[str], model: LanguageModel, *, batch_size: int = 64, device: str = "auto"
) -> NDArray[np.float32]:
    """Return one vector of length 1 per text: the mean of the last layer over all tokens.

    Parameters
    ----------
    texts : sequence of str, length n_texts
        Sentences or short paragraphs.
    model : LanguageModel
        Such as :func:`alignkit.networks.load_minilm` gives.
    batch_size : int, default=64
        Texts per pass. It changes results by rounding only.
    device : str, default="auto"
        "auto" takes CUDA when it is there.

    Returns
    -------
    embeddings : ndarray of shape (n_texts, n_units)
        float32. The product of two rows is the cosine of two texts, in [-1, 1].

    Raises
    ------
    InputError
        If there is no text, a text has more tokens than the model takes, or the model gives NaN.
    """
    last = model.layers[-1]
    return text_features(texts, model, layers=[last], batch_size=batch_size, device=device)[last]


def text_features(
    texts: Sequence[str],
    model: LanguageModel,
    *,
    layers: Sequence[str] | None = None,
    batch_size: int = 64,
    device: str = "auto",
) -> dict[str, NDArray[np.float32]]:
    """Return what each layer makes of whole texts, all layers in one pass.

    Parameters
    ----------
    texts : sequence of str, length n_texts
        Words, sentences or short paragraphs, each read alone.
    model : LanguageModel
        Such as :func:`alignkit.networks.load_minilm` gives.
    layers : sequence of str, optional
        By default all of ``model.layers``.
    batch_size : int, default=64
        Texts per pass. It changes results by rounding only.
    device : str, default="auto"
        "auto" takes CUDA when it is there.

    Returns
    -------
    features : dict of str to ndarray of shape (n_texts, n_units)
        float32, by layer: the mean over all tokens of a text; rows of ``"sentence"`` have length 1.

    Raises
    ------
    InputError
        If there is no text, a layer is unknown, a text has more tokens than the model takes, or the model
        gives NaN.
    """
    listed = _checked_texts("texts", texts)
    names = _checked_layers(model, layers)
    step = check_count("batch_size", batch_size, least=1)
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for batch in _passes(model, listed, step, device, remedy="shorten it, or cut it into sentences"):
        for name in names:
            found[name].append(_rows(model, batch, name, batch.mask))
    return {name: _finite(model, name, np.concatenate(rows)) for name, rows in found.items()}


@dataclass(frozen=True)
class _Batch:
    """What the model gave for some texts: hidden states, and where each token ends in its text."""

    hidden: Sequence[torch.Tensor]
    mask: torch.Tensor
    ends: torch.Tensor


def _passes(
    model: LanguageModel, texts: Sequence[str], step: int, device: str, *, remedy: str
) -> Iterator[_Batch]:
    import torch

    place = pick_device(device)
    with torch.inference_mode(), _placed(model.module, place):
        for first in track(range(0, len(texts), step), f"features of {model.name}"):
            tokens = model.tokenizer(
                list(texts[first : first + step]),
                padding=True,
                truncation=False,
                return_offsets_mapping=True,
                return_tensors="pt",
            )
            longest = tokens["input_ids"].shape[1]
            if longest > model.max_tokens:
                raise InputError(
                    f"{model.name!r} takes texts of at most {model.max_tokens} tokens, got one of {longest}; "
                    f"{remedy}."
                )
            ends = tokens.pop("offset_mapping")[..., 1].to(place)
            mask = tokens["attention_mask"].bool().to(place)
            hidden = model.module(**tokens.to(place), output_hidden_states=True).hidden_states
            yield _Batch(hidden, mask, ends)


def _rows(model: LanguageModel, batch: _Batch, layer: str, own: torch.Tensor) -> NDArray[np.float32]:
    """Return a row per text: the mean over the tokens of `own`, or for the last layer over all of them."""
    import torch

    is_sentence = layer == model.layers[-1]
    hidden = batch.hidden[-1] if is_sentence else batch.hidden[model.layers.index(layer)]
    weights = (batch.mask if is_sentence else own).float()[..., None]
    rows = (hidden.float() * weights).sum(1) / weights.sum(1)
    if is_sentence:
        rows = torch.nn.functional.normalize(rows, dim=1)
    values: NDArray[np.float32] = rows.cpu().numpy().copy()
    return values


def _windows(words: Sequence[str], n_words: int) -> tuple[list[str], list[int]]:
    """Return the text that ends with each word, and where in it that word starts."""
    texts, starts = [], []
    for position, word in enumerate(words):
        text = written(words[max(0, position - n_words + 1) : position + 1])
        texts.append(text)
        starts.append(len(text) - len(word))
    return texts, starts


def written(words: Sequence[str]) -> str:
    """Return words as they are printed: clitics go to the word before them.

    Examples
    --------
    >>> written(["it", "'s", "late", "is", "n't", "it"])
    "it's late isn't it"
    """
    pieces = []
    for position, word in enumerate(words):
        is_attached = not position or word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") in _CLITICS
        pieces.append(word if is_attached else f" {word}")
    return "".join(pieces)


@contextmanager
def _placed(module: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Put the module on the device for a while."""
    before = next(module.parameters()).device
    module.to(device).eval()
    try:
        yield
    finally:
        module.to(before)


def _checked_texts(name: str, texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError(f"`{name}` must be a list, got one text ({texts[:40]!r}); put it into a list.")
    listed = [str(text) for text in texts]
    if not listed:
        raise InputError(f"`{name}` is empty; give at least one.")
    return listed


def _checked_words(words: Sequence[str]) -> list[str]:
    listed = _checked_texts("words", words)
    for position, word in enumerate(listed):
        if not word or word != word.strip():
            raise InputError(
                f"word {position} is {word!r}; words are neither empty nor have blanks around them. Leave "
                "silences out."
            )
    return listed


def _checked_layers(model: LanguageModel, layers: Sequence[str] | None) -> list[str]:
    names = list(model.layers if layers is None else layers)
    if not names:
        raise InputError(f"`layers` is empty; choose some of {', '.join(model.layers)}.")
    for name in names:
        if name not in model.layers:
            raise InputError(f"a layer of {model.name!r} is {name!r}, {did_you_mean(name, model.layers)}")
    return list(dict.fromkeys(names))


def _finite(model: LanguageModel, layer: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise InputError(
            f"layer {layer!r} of {model.name!r} gives NaN or infinite values, first for item {int(bad[0])}; "
            "check the model's weights."
        )
    return values


def _versions() -> dict[str, Any]:
    import torch
    import transformers

    from .. import __version__

    return {"alignkit": __version__, "torch": torch.__version__, "transformers": transformers.__version__}
