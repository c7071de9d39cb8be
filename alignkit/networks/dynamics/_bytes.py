"""Text as bytes: a tokenizer with nothing to learn, and windows of text to train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from ..._core.errors import InputError
from ..._core.random import RandomState, as_generator
from .._images import check_count

N_BYTES = 256


class ByteTokens(dict[str, Any]):
    """Lists or tensors of a batch of texts, by name."""

    def to(self, device: torch.device | str) -> ByteTokens:
        """Return the same, tensors on another device."""
        moved = {name: each.to(device) if hasattr(each, "to") else each for name, each in self.items()}
        return ByteTokens(moved)


class ByteTokenizer:
    """Turns texts into their UTF-8 bytes, one token each, called as fast Hugging Face tokenizers are."""

    pad_token_id = 0

    def __call__(
        self,
        texts: Sequence[str],
        *,
        padding: bool = False,
        truncation: bool = False,
        return_offsets_mapping: bool = False,
        return_tensors: Literal["pt"] | None = None,
        verbose: bool = False,
    ) -> ByteTokens:
        """Return bytes, as lists of lists or as int64 tensors of shape (n_texts, n_tokens).

        Parameters
        ----------
        texts : sequence of str
        padding : bool, default=False
            Fill texts up to the longest, with zeros behind them.
        truncation : bool, default=False
            Only False is known: no text is cut.
        return_offsets_mapping : bool, default=False
            Whether to add ``offset_mapping``: from which character to which a byte stands for.
        return_tensors : {"pt"}, optional
            Tensors in place of lists.
        verbose : bool, default=False
            Of no account.

        Returns
        -------
        tokens : ByteTokens
            ``input_ids`` and ``attention_mask``, 1 for bytes of the text.

        Raises
        ------
        InputError
            If a text cannot be written in UTF-8, or an option is not known.
        """
        if truncation or return_tensors not in (None, "pt"):
            raise InputError(
                "bytes come whole, as lists or as tensors of torch; got "
                f"truncation={truncation}, return_tensors={return_tensors!r}."
            )
        pieces = [_bytes_of(text, number) for number, text in enumerate(texts)]
        longest = max((len(ids) for ids, _ in pieces), default=0) if padding else 0
        rows: dict[str, list[list[Any]]] = {"input_ids": [], "attention_mask": [], "offset_mapping": []}
        for ids, places in pieces:
            n_more = max(0, longest - len(ids))
            rows["input_ids"].append(ids + [self.pad_token_id] * n_more)
            rows["attention_mask"].append([1] * len(ids) + [0] * n_more)
            rows["offset_mapping"].append([(place, place + 1) for place in places] + [(0, 0)] * n_more)
        if not return_offsets_mapping:
            del rows["offset_mapping"]
        if return_tensors is None:
            return ByteTokens(rows)
        return ByteTokens({name: torch.tensor(each) for name, each in rows.items()})


def byte_windows(
    text: str, *, n_windows: int, length: int = 128, random_state: RandomState = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw pieces of a text, and the byte that follows each of their bytes.

    Parameters
    ----------
    text : str
        Of more than `length` bytes.
    n_windows : int
    length : int, default=128
        Of a piece, in bytes.
    random_state : int, Generator or None, default=0
        The same seed gives the same pieces.

    Returns
    -------
    inputs, targets : int64 Tensor of shape (n_windows, length)
        ``targets`` is one byte on.

    Raises
    ------
    InputError
        If the text is too short, or a number below 1.

    Examples
    --------
    >>> inputs, targets = byte_windows("abab" * 9, n_windows=1, length=4)
    >>> sorted(map(chr, inputs[0].tolist())), bool((inputs[0, 1:] == targets[0, :-1]).all())
    (['a', 'a', 'b', 'b'], True)
    """
    check_count("n_windows", n_windows, least=1)
    check_count("length", length, least=1)
    values = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)
    if values.size <= length:
        raise InputError(f"`text` must have more than {length} bytes, `length`; got {values.size}.")
    starts = as_generator(random_state).integers(0, values.size - length, n_windows)
    windows = torch.from_numpy(values[starts[:, None] + np.arange(length + 1)])
    return windows[:, :-1], windows[:, 1:]


def _bytes_of(text: str, number: int) -> tuple[list[int], list[int]]:
    """Return the bytes of a text, and the number of the character that each belongs to."""
    try:
        values = np.frombuffer(text.encode("utf-8"), np.uint8)
    except UnicodeEncodeError as error:
        raise InputError(f"text {number} cannot be written in UTF-8: {error}.") from error
    # A byte of the form 10xxxxxx goes on with a character; all others start one.
    places = np.cumsum((values & 0xC0) != 0x80) - 1
    return values.tolist(), places.tolist()
