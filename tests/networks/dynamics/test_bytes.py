from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks.dynamics._bytes import ByteTokenizer, byte_windows


def test_tokens_are_bytes_and_offsets_the_characters_they_stand_for():
    tokens = ByteTokenizer()(["naïve", "a€"], padding=True, return_offsets_mapping=True, return_tensors="pt")
    assert bytes(tokens["input_ids"][0].tolist()).decode() == "naïve"
    assert tokens["attention_mask"].tolist() == [[1] * 6, [1, 1, 1, 1, 0, 0]]
    assert tokens["offset_mapping"][0, :, 1].tolist() == [1, 2, 3, 3, 4, 5]
    assert tokens["offset_mapping"][1].tolist() == [[0, 1], [1, 2], [1, 2], [1, 2], [0, 0], [0, 0]]


def test_moving_keeps_the_names():
    tokens = ByteTokenizer()(["a"], return_tensors="pt").to("meta")
    assert sorted(tokens) == ["attention_mask", "input_ids"]
    assert tokens["input_ids"].device.type == "meta"


def test_without_padding_lists_are_as_long_as_their_texts():
    tokens = ByteTokenizer()(["ab", "€", ""], return_offsets_mapping=True).to("cpu")
    assert tokens["input_ids"] == [[97, 98], [226, 130, 172], []]
    assert tokens["offset_mapping"][1] == [(0, 1)] * 3
    assert list(map(len, tokens["attention_mask"])) == [2, 3, 0]


def test_targets_are_the_bytes_that_follow():
    inputs, targets = byte_windows("the quick brown fox", n_windows=20, length=6)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    for row in range(20):
        piece = bytes([*inputs[row].tolist(), targets[row, -1].item()]).decode()
        assert piece in "the quick brown fox"
    assert len({tuple(row) for row in inputs.tolist()}) > 3


def test_what_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="text 0 cannot be written in UTF-8"):
        ByteTokenizer()(["\ud800"])
    with pytest.raises(InputError, match="truncation=True, return_tensors=None"):
        ByteTokenizer()(["a"], truncation=True)
    with pytest.raises(InputError, match="more than 6 bytes, `length`; got 6"):
        byte_windows("abcdef", n_windows=1, length=6)
