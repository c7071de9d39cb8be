"""Text as bytes: a tokenizer with nothing to learn, and windows of text to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..._core.errors import InputError
from ..._core.random import RandomState, as_generator
from .._images import check_count

N_BYTES = 256


class ByteTokens(dict[str, torch.Tensor]):
    """Tensors of a batch of texts, by name."""

    def to(self, device: torch.device | str) -> ByteTokens:
        """Return the same on another device."""
        return ByteTokens({name: tensor.to(device) for name, tensor in self.items()})


class ByteTokenizer:
    """Turns texts into their UTF-8 bytes, one token each, called as fast Hugging Face tokenizers are."""

    def __call__(
        self,
        texts: Sequence[str],
        *,
        padding: bool = True,
        truncation: bool = False,
        return_offsets_mapping: bool = False,
        return_tensors: str = "pt",
    ) -> ByteTokens:
        """Return int64 tensors of shape (n_texts, n_tokens).

        Parameters
        ----------
        texts : sequence of str
            None of them empty.
        padding, truncation, return_tensors
            Only True, False and ``"pt"`` are known.
        return_offsets_mapping : bool, default=False
            Whether to add ``offset_mapping``, (n_texts, n_tokens, 2): the characters a byte stands for.

        Returns
        -------
        tokens : ByteTokens
            ``input_ids``, padded with zeros behind the text, and ``attention_mask``, 1 for bytes of the
            text.

        Raises
        ------
        InputError
            If a text is empty or cannot be written in UTF-8, or an option is not known.
        """
        if not padding or truncation or return_tensors != "pt":
            raise InputError(
                "bytes come padded, whole and as tensors; got "
                f"padding={padding}, truncation={truncation}, return_tensors={return_tensors!r}."
            )
        pieces = [_bytes_of(text, number) for number, text in enumerate(texts)]
        longest = max(len(ids) for ids, _ in pieces)
        ids = np.zeros((len(pieces), longest), np.int64)
        mask = np.zeros_like(ids)
        offsets = np.zeros((*ids.shape, 2), np.int64)
        for row, (values, places) in enumerate(pieces):
            ids[row, : len(values)], mask[row, : len(values)] = values, 1
            offsets[row, : len(values), 0], offsets[row, : len(values), 1] = places, places + 1
        found = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if return_offsets_mapping:
            found["offset_mapping"] = torch.from_numpy(offsets)
        return ByteTokens(found)


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


def _bytes_of(text: str, number: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], ...]:
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"text {number} cannot be written in UTF-8: {error}.") from error
    if not encoded:
        raise InputError(f"text {number} is empty; leave it out.")
    values = np.frombuffer(encoded, np.uint8)
    # A byte of the form 10xxxxxx goes on with a character; all others start one.
    places = np.cumsum((values & 0xC0) != 0x80) - 1
    return values, places
