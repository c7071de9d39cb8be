"""Forward-Forward: every layer learns alone to tell right pairs of image and label from wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.random import derive_seed
from .._images import square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._perceptron import Draws, Perceptron, check_positive, check_shapes, grey_pixels, one_hot

# Of the root mean square of 64 pixels of a digit, a label of the pixels' own maximum is about this much.
_LABEL_OF_NORM = 0.25

Rule = Literal["forward-forward", "goodness-backprop", "backprop"]


class GoodnessLayer(nn.Module):
    """Rectified responses to the direction, never the length, of what comes in.

    ``normed`` taps the responses as the next layer reads them: divided by their root mean square.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.normed = nn.Identity()

    def respond(self, inputs: Tensor) -> Tensor:
        """Return responses (n, n_out) unheard by hooks, for passes with hypothetical labels."""
        return torch.relu(self.linear(unit_mean_square(inputs)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return responses, (n, n_out)."""
        responses = self.respond(inputs)
        self.normed(unit_mean_square(responses))
        return responses


class ForwardForward(nn.Module):
    """Layers ``l1``, ``l2``, ... and the ``goodness`` of every class.

    An image comes with a label: one more input per class, of a fixed share of the image's norm. The
    goodness of a layer is the mean of its squared responses; a class's score is the goodness of all layers
    together when the image comes with that class.

    Parameters
    ----------
    n_pixels : int
        Height times width of an image.
    hidden : sequence of int
        Units of each layer.
    n_classes : int
        Labels.
    threshold : float, default=2.0
        Goodness at which a layer is undecided.
    sharpness : float, default=1.0
        Of its decision: ``sigmoid(sharpness * (goodness - threshold))`` is the probability of a right pair.
    local : bool, default=True
        Keep gradients within layers. Without it the same objectives are backpropagated through all layers.
    seed : int, default=0
        Draws the wrong labels.
    """

    def __init__(
        self,
        n_pixels: int,
        hidden: Sequence[int],
        n_classes: int,
        *,
        threshold: float = 2.0,
        sharpness: float = 1.0,
        local: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_pixels = n_pixels
        self.n_classes = n_classes
        self.n_hidden = len(hidden)
        self.threshold = threshold
        self.sharpness = sharpness
        self.local = local
        sizes = [n_pixels + n_classes, *hidden]
        for number, (n_in, n_out) in enumerate(zip(sizes[:-1], hidden, strict=True), start=1):
            self.add_module(f"l{number}", GoodnessLayer(n_in, n_out))
        self.goodness = nn.Identity()
        self.draws = Draws(seed)

    @property
    def stages(self) -> list[GoodnessLayer]:
        """Layers, from input to output."""
        found = [getattr(self, f"l{number + 1}") for number in range(self.n_hidden)]
        return [each for each in found if isinstance(each, GoodnessLayer)]

    def forward(self, images: Tensor) -> Tensor:
        """Return the goodness of each class, (n_images, n_classes), of images (n_images, 3, height, width).

        The layers themselves are heard once, with the neutral label: every class in equal parts.
        """
        pixels = grey_pixels(images, self.n_pixels)
        neutral = pixels.new_full((len(pixels), self.n_classes), 1 / self.n_classes)
        activities = labelled(pixels, neutral)
        for stage in self.stages:
            activities = stage(activities)
        labels = torch.eye(self.n_classes, dtype=pixels.dtype, device=pixels.device)
        scores = [
            torch.stack([each.square().mean(1) for each in self.responses(labelled(pixels, label))]).sum(0)
            for label in labels.unsqueeze(1).expand(-1, len(pixels), -1)
        ]
        goodness: Tensor = self.goodness(torch.stack(scores, dim=1))
        return goodness

    def responses(self, inputs: Tensor) -> list[Tensor]:
        """Return every layer's responses to labelled images (n, n_pixels + n_classes), unheard by hooks."""
        found = []
        for stage in self.stages:
            inputs = stage.respond(inputs.detach() if self.local else inputs)
            found.append(inputs)
        return found

    def losses(self, inputs: Tensor, targets: Tensor) -> list[Tensor]:
        """Return the loss of each layer: cross-entropy of right and wrong pairs."""
        pixels = grey_pixels(inputs, self.n_pixels)
        right = self.responses(labelled(pixels, one_hot(targets, self.n_classes, pixels)))
        wrong = self.responses(labelled(pixels, one_hot(self._wrong(targets), self.n_classes, pixels)))
        return [
            nn.functional.softplus(-self._margin(yes)).mean()
            + nn.functional.softplus(self._margin(no)).mean()
            for yes, no in zip(right, wrong, strict=True)
        ]

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Put each layer's gradient of its own loss into ``.grad``.

        Parameters
        ----------
        inputs : Tensor of shape (n_images, 3, height, width)
        targets : Tensor of shape (n_images,)

        Returns
        -------
        logged : dict of str to Tensor
            ``loss`` (mean over layers) and ``loss_1``, ``loss_2``, ... of each.
        """
        self.zero_grad()
        with torch.enable_grad():
            losses = self.losses(inputs, targets)
            # The graphs of layers do not meet, so that the sum's gradient is each layer's own.
            torch.autograd.backward(torch.stack(losses).sum())
        logged = {f"loss_{number}": each.detach() for number, each in enumerate(losses, start=1)}
        return {"loss": torch.stack(list(logged.values())).mean(), **logged}

    def _margin(self, responses: Tensor) -> Tensor:
        return self.sharpness * (responses.square().mean(1) - self.threshold)

    def _wrong(self, targets: Tensor) -> Tensor:
        shift = torch.randint(1, self.n_classes, targets.shape, generator=self.draws.generator())
        return (targets + shift.to(targets)) % self.n_classes


def unit_mean_square(values: Tensor) -> Tensor:
    """Divide each row by its root mean square, so that no layer reads the goodness of the one before."""
    return values / (values.square().mean(1, keepdim=True).sqrt() + 1e-8)


def labelled(pixels: Tensor, labels: Tensor) -> Tensor:
    """Put labels beside pixels: (n, n_pixels + n_classes); a label has a quarter of the image's norm."""
    size = _LABEL_OF_NORM * pixels.norm(dim=1, keepdim=True)
    return torch.cat([pixels, labels * size], dim=1)


def forward_forward(
    *,
    image_size: int = 16,
    hidden: list[int] | None = None,
    n_classes: int = 10,
    threshold: float = 2.0,
    sharpness: float = 1.0,
    rule: Rule = "forward-forward",
    seed: int = 0,
) -> Network:
    """Build a network that learns by Forward-Forward.

    Layer l answers ``h = relu(W n(h_below) + b)``, where n divides by the root mean square; its loss is the
    cross-entropy of ``sigmoid(k (mean(h^2) - threshold))`` for images with their label against images with
    a wrong one. Nothing is sent back from layer to layer.

    Parameters
    ----------
    image_size : int, default=16
        Height and width, in pixels, that images are brought to; they are read in grey.
    hidden : list of int, optional
        Units of each layer; [400, 400] by default.
    n_classes : int, default=10
        Labels.
    threshold : float, default=2.0
        Goodness at which a layer is undecided.
    sharpness : float, default=1.0
        The factor k.
    rule : {"forward-forward", "goodness-backprop", "backprop"}, default="forward-forward"
        "goodness-backprop" sends the same losses back through all layers. "backprop" is a perceptron of as
        many weights (a readout in place of the labels) that learns by cross-entropy.
    seed : int, default=0
        Draws weights and wrong labels.

    Returns
    -------
    network : Network
        Layers ``l1``, ``l2``, ... (heard with the neutral label) and ``goodness`` (n_classes); also
        ``l1.normed`` and so on. The perceptron has ``readout`` instead of ``goodness``.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Hinton G (2022). The forward-forward algorithm: some preliminary investigations. arXiv:2212.13345

    Tosato N, Basile L, Ballarin E, de Alteriis G, Cazzaniga A, Ansuini A (2023). Emergent representations
    in networks trained with the forward-forward algorithm. arXiv:2305.18353
    """
    sizes = [400, 400] if hidden is None else list(hidden)
    check_option("rule", rule, ("forward-forward", "goodness-backprop", "backprop"))
    check_shapes(image_size, sizes, n_classes, seed)
    check_positive("threshold", threshold)
    check_positive("sharpness", sharpness)
    options: dict[str, Any] = {
        "image_size": image_size,
        "hidden": sizes,
        "n_classes": n_classes,
        "threshold": threshold,
        "sharpness": sharpness,
        "seed": seed,
    }

    def build() -> nn.Module:
        if rule == "backprop":
            return Perceptron(image_size**2, sizes, n_classes)
        return ForwardForward(
            image_size**2,
            sizes,
            n_classes,
            threshold=threshold,
            sharpness=sharpness,
            local=rule == "forward-forward",
            seed=derive_seed(seed, "forward-forward", "wrong labels"),
        )

    names = tuple(f"l{number}" for number in range(1, len(sizes) + 1))
    return declared(
        "forward-forward-backprop" if rule == "backprop" else "forward-forward",
        seeded(build, seed),
        square(image_size),
        layers=(*names, "readout" if rule == "backprop" else "goodness"),
        recipe=Recipe(optimizer="adam", lr=1e-3, epochs=40, batch_size=64),
        matched=None if rule == "backprop" else partial(forward_forward, **options, rule="backprop"),
        options={**options, "rule": rule},
    )


def forward_forward_backprop(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`forward_forward` with ``rule="backprop"``: its standard twin.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`forward_forward`.

    Returns
    -------
    network : Network
    """
    return forward_forward(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="backprop", seed=seed
    )
