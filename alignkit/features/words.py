"""What a language model makes of whole texts, and of each word of a story from the words up to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._core.checks import check_option, did_you_mean
from .._core.device import pick_device
from .._core.errors import InputError
from ..networks._images import check_count
from ..recordings.tracks import Track
from ._text_passes import Batch, passes, rows_of

if TYPE_CHECKING:
    import torch

    from ..networks._language import LanguageModel

WordPooling = Literal["mean", "last"]

_CLITICS = frozenset({"'s", "'ll", "'ve", "'re", "'m", "'d", "n't"})


def word_features(
    words: Sequence[str],
    model: LanguageModel,
    *,
    layers: Sequence[str] | None = None,
    window_words: int = 20,
    word_pooling: WordPooling = "mean",
    batch_size: int = 64,
    device: str = "auto",
) -> dict[str, NDArray[np.float32]]:
    """Return what each layer makes of each word in its left context, all layers in one pass.

    For every word the model reads a window of text that ends with that word: the word itself and the
    ``window_words - 1`` before it (fewer at the start of the story). A hidden layer's features are the mean
    over the tokens of that last word, or its last token; those of ``"sentence"`` are the window's embedding,
    as sentences are embedded. A model that reads both ways does so within the window, so a word is informed
    by all that came before in it, and by nothing that comes later. Windows are never cut to a stride: every
    word has the whole of its own.

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
    word_pooling : {"mean", "last"}, default="mean"
        What stands for a word of several tokens. The last one is the only token of a model that reads left
        to right which knows the whole word.
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

    Notes
    -----
    A window is a text of its own, so its first word is written without a space before it, which tokenizers
    such as GPT-2's read otherwise than a word within a text. A model that reads left to right passes once
    over the first `window_words` words, whose windows are beginnings of one text.

    References
    ----------
    Jain S, Huth AG (2018). Incorporating context into language encoding models for fMRI. NeurIPS.
    Toneva M, Wehbe L (2019). Interpreting and improving natural-language processing (in machines) with
    natural language-processing (in the brain). NeurIPS. https://arxiv.org/abs/1905.11833
    """
    listed = _checked_words(words)
    length = check_count("window_words", window_words, least=1)
    check_option("word_pooling", word_pooling, ("mean", "last"))
    names = _checked_layers(model, layers)
    step = check_count("batch_size", batch_size, least=1)
    windows = _windows(listed, length)
    if model.reads == "left to right" and "sentence" not in names:
        windows = _shared_start(windows, model, length)
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    order = np.argsort([word.number for window in windows for word in window.words])
    first = 0
    remedy = f"choose a smaller `window_words` than {window_words}"
    for batch in passes(model, [window.text for window in windows], step, device, remedy=remedy):
        part = windows[first : first + len(batch.mask)]
        rows, own = _tokens_of_words(batch, part, word_pooling, model.name)
        for name in names:
            found[name].append(rows_of(model, batch, name, own, rows))
        first += len(part)
    return {name: _finite(model, name, np.concatenate(each)[order]) for name, each in found.items()}


def word_tracks(
    words: Track,
    model: LanguageModel,
    *,
    layers: Sequence[str] | None = None,
    window_words: int = 20,
    word_pooling: WordPooling = "mean",
    batch_size: int = 64,
    device: str = "auto",
) -> tuple[Track, ...]:
    """Return a track per layer for timed words.

    Parameters
    ----------
    words : Track
        Its labels are the words.
    model, layers, window_words, word_pooling, batch_size, device
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
        words.labels,
        model,
        layers=layers,
        window_words=window_words,
        word_pooling=word_pooling,
        batch_size=batch_size,
        device=device,
    )
    facts = {
        "model": model.name,
        "weights": model.weights_digest(),
        "preprocessing": dict(model.preprocessing),
        "window_words": window_words,
        "word_pooling": word_pooling,
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
    """Return one vector of length 1 per text, pooled over tokens as the model was made for.

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
        If there is no text, a text has more tokens than the model takes, the model gives NaN, or it has no
        vector for whole texts.
    """
    if "sentence" not in model.layers:
        raise InputError(
            f"{model.name!r} has no layer 'sentence': nothing says how its tokens are pooled. Take the mean "
            "over tokens of a hidden layer by `text_features`, or a sentence model."
        )
    return text_features(texts, model, layers=["sentence"], batch_size=batch_size, device=device)["sentence"]


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
    for batch in passes(model, listed, step, device, remedy="shorten it, or cut it into sentences"):
        for name in names:
            found[name].append(rows_of(model, batch, name, batch.mask))
    return {name: _finite(model, name, np.concatenate(rows)) for name, rows in found.items()}


@dataclass(frozen=True)
class _Window:
    """A text, and the words in it that are wanted."""

    text: str
    words: tuple[_Word, ...]


@dataclass(frozen=True)
class _Word:
    """A word: its number in the story, where in the text it starts, and before which token it ends."""

    number: int
    word: str
    start: int
    before: int | None = None


def _tokens_of_words(
    batch: Batch, windows: Sequence[_Window], pooling: WordPooling, model: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each word the text it is in, and which of its tokens stand for it."""
    wanted = [(row, word) for row, window in enumerate(windows) for word in window.words]
    rows = batch.ends.new_tensor([row for row, _ in wanted])
    starts = batch.ends.new_tensor([word.start for _, word in wanted])
    n_tokens = batch.ends.shape[1]
    before = batch.ends.new_tensor([n_tokens if w.before is None else w.before for _, w in wanted])
    positions = batch.ends.new_tensor(range(n_tokens))
    # A token belongs to the last word when it ends after that word's first letter; the special tokens
    # and the padding end at 0.
    own = (batch.ends[rows] > starts[:, None]) & (positions < before[:, None])
    tokenless = (~own.any(1)).nonzero()
    if len(tokenless):
        word = wanted[int(tokenless[0])][1]
        raise InputError(
            f"word {word.number} ({word.word!r}) has no token of {model!r}; leave out what is no word."
        )
    if pooling == "last":
        own = positions == (own * positions).amax(1, keepdim=True)
    return rows, own


def _windows(words: Sequence[str], n_words: int) -> list[_Window]:
    """Return the text that ends with each word, and where in it that word starts."""
    windows = []
    for position, word in enumerate(words):
        text = written(words[max(0, position - n_words + 1) : position + 1])
        windows.append(_Window(text, (_Word(position, word, len(text) - len(word)),)))
    return windows


def _shared_start(windows: list[_Window], model: LanguageModel, n_words: int) -> list[_Window]:
    """Return windows in which the beginnings of the first text are that one text.

    Only beginnings whose tokens are the first tokens of the whole: a tokenizer may join over a border.
    """
    beginnings = windows[:n_words]
    found = model.tokenizer(
        [window.text for window in beginnings],
        padding=False,
        truncation=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    whole = found["input_ids"][-1]
    shared, alone = [], []
    for window, ids, offsets in zip(beginnings, found["input_ids"], found["offset_mapping"], strict=True):
        # What the tokenizer puts at the end of every text ends at 0.
        n_tokens = max((number for number, (_, end) in enumerate(offsets, 1) if end), default=0)
        if ids[:n_tokens] == whole[:n_tokens]:
            shared.append(replace(window.words[0], before=n_tokens))
        else:
            alone.append(window)
    return [_Window(beginnings[-1].text, tuple(shared)), *alone, *windows[n_words:]]


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
