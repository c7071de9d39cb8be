"""From a named set to the pairs a network learns from and those it is measured on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, TensorDataset

from ..._core.random import derive_seed
from .._network import Network
from ..dynamics._bytes import byte_windows
from ..dynamics.copying import copy_sequences
from .labelled_images import LabelledImages
from .teaching import Lesson

HELD_OUT = 0.2
N_SEQUENCES = 4000
N_PIECES = 1600
PIECE_BYTES = 64
_MOST_BYTES = 2**30


class PreparedImages(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Images as a network takes them, with their classes; kept in memory where they fit in 1 GiB.

    Parameters
    ----------
    images : LabelledImages
        Where they come from.
    numbers : int array of shape (n_samples,)
        Which of them.
    network : Network
        Its `preprocess` is applied.
    """

    def __init__(self, images: LabelledImages, numbers: NDArray[Any], network: Network) -> None:
        self.images = images
        self.numbers = numbers
        self.network = network
        self._kept: dict[int, torch.Tensor] = {}
        self._n_bytes = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        number = int(self.numbers[place])
        label = torch.tensor(int(self.images.labels[number]))
        if number in self._kept:
            return self._kept[number], label
        prepared = self.network.preprocess(self.images.open(number))
        if self._n_bytes + prepared.nbytes <= _MOST_BYTES:
            self._kept[number] = prepared
            self._n_bytes += prepared.nbytes
        return prepared, label


def image_lesson(network: Network, images: LabelledImages, *, seed: int) -> Lesson:
    """Hold out a fifth of each class, drawn by `seed`, and prepare the rest for training."""
    from sklearn.model_selection import train_test_split

    numbers = np.arange(len(images))
    training, held_out = train_test_split(
        numbers, test_size=HELD_OUT, stratify=images.labels, random_state=seed % 2**32
    )
    has_classes = network.recipe is None or network.recipe.data == "labels"
    return Lesson(
        PreparedImages(images, np.sort(training), network),
        PreparedImages(images, np.sort(held_out), network),
        has_classes,
    )


def copy_lesson(*, seed: int) -> Lesson:
    """Draw sequences to be repeated after a delay (10 symbols, 20 blanks), a fifth of them held out."""
    n_held_out = int(HELD_OUT * N_SEQUENCES)
    sizes = {"training": N_SEQUENCES - n_held_out, "held out": n_held_out}
    training, held_out = (
        TensorDataset(*copy_sequences(n, random_state=derive_seed(seed, "copy", name)))
        for name, n in sizes.items()
    )
    return Lesson(training, held_out, has_classes=True)


def text_lesson(text: str, *, seed: int) -> Lesson:
    """Draw pieces of a text; the last fifth of it is held out, so that no byte is on both sides."""
    cut = int((1 - HELD_OUT) * len(text))
    n_held_out = int(HELD_OUT * N_PIECES)
    parts = {"training": (text[:cut], N_PIECES - n_held_out), "held out": (text[cut:], n_held_out)}
    training, held_out = (
        TensorDataset(
            *byte_windows(part, n_windows=n, length=PIECE_BYTES, random_state=derive_seed(seed, "text", name))
        )
        for name, (part, n) in parts.items()
    )
    return Lesson(training, held_out, has_classes=False)
