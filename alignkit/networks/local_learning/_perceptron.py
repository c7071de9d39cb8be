"""What the networks of this room share: grey pixels in, layers by name, draws that resume.

The numbers of their recipes (rates, passes, sizes of batches) were chosen on scikit-learn's handwritten
digits, the set whose accuracies are reported of these networks: settings and test images were never kept
apart. The accuracies say that a rule learns, not how well it would do on images nobody had tried it on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..._core.errors import InputError
from .._images import check_count

Activation = Callable[[Tensor], Tensor]


class Stage(nn.Module):
    """An affine map and a pointwise activation: (n, n_in) to (n, n_out)."""

    def __init__(self, n_in: int, n_out: int, activation: Activation) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        """Return activities, (n, n_out)."""
        return self.activation(self.linear(inputs))


class Perceptron(nn.Module):
    """Grey pixels, hidden layers ``l1``, ``l2``, ..., and a linear ``readout``.

    Parameters
    ----------
    n_pixels : int
        Height times width of an image.
    hidden : sequence of int
        Units of each hidden layer.
    n_classes : int
        Units of the readout.
    activation : callable
        Of the hidden layers, pointwise.
    """

    def __init__(
        self, n_pixels: int, hidden: Sequence[int], n_classes: int, activation: Activation = torch.relu
    ) -> None:
        super().__init__()
        self.n_pixels = n_pixels
        self.n_classes = n_classes
        self.n_hidden = len(hidden)
        for number, (n_in, n_out) in enumerate(zip([n_pixels, *hidden], hidden, strict=False), start=1):
            self.add_module(f"l{number}", Stage(n_in, n_out, activation))
        self.readout = nn.Linear(hidden[-1], n_classes)

    @property
    def stages(self) -> list[Stage]:
        """Hidden layers, from input to output."""
        found = [getattr(self, f"l{number + 1}") for number in range(self.n_hidden)]
        return [each for each in found if isinstance(each, Stage)]

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes) of images (n_images, 3, height, width)."""
        activities = grey_pixels(images, self.n_pixels)
        for stage in self.stages:
            activities = stage(activities)
        scores: Tensor = self.readout(activities)
        return scores


class Draws(nn.Module):
    """A seed and a count of draws, kept with the weights: resumed training draws what it would have."""

    count: Tensor

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed % 2**31
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def generator(self) -> torch.Generator:
        """Return the generator of the next draw, on the CPU."""
        self.count += 1
        return torch.Generator().manual_seed(self.seed * 2**32 + int(self.count))


def grey_pixels(images: Tensor, n_pixels: int) -> Tensor:
    """Return the mean of the colours, (n_images, n_pixels)."""
    pixels = images.mean(1).flatten(1)
    if pixels.shape[1] != n_pixels:
        raise InputError(
            f"this network takes images of {n_pixels} pixels, got {tuple(images.shape[2:])}. "
            "Use its `preprocess`, or build it with another `image_size`."
        )
    return pixels


def one_hot(targets: Tensor, n_classes: int, like: Tensor) -> Tensor:
    """Return targets as rows of zeros with a one, (n, n_classes), in the dtype of `like`."""
    return torch.nn.functional.one_hot(targets.long(), n_classes).to(like)


def check_shapes(image_size: int, hidden: Sequence[int], n_classes: int, seed: int) -> None:
    """Refuse sizes that no network of this room can have."""
    check_count("image_size", image_size, least=4)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)
    if not hidden:
        raise InputError("`hidden` must name at least one layer, got none; such as [256, 256].")
    for units in hidden:
        check_count("hidden", units, least=1)


def check_positive(name: str, value: float, *, zero: bool = False) -> None:
    """Refuse a number that is not positive (or, with `zero`, negative)."""
    if not (value > 0 or (zero and value == 0)):
        raise InputError(f"`{name}` must be {'at least 0' if zero else 'positive'}, got {value}.")
