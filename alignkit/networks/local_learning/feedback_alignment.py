"""Direct feedback alignment: the output's error reaches every layer through fixed random weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._images import square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._perceptron import Perceptron, check_shapes, grey_pixels, one_hot

Rule = Literal["feedback-alignment", "readout", "backprop"]


class FeedbackAlignment(Perceptron):
    """Hidden layers ``l1``, ``l2``, ... of hyperbolic tangents, and a linear ``readout``.

    Beside them ``alignment.l1`` and so on: the cosine of each image's feedback with its gradient, taking the
    network's own decision for the target, (n_images, 1).

    Parameters
    ----------
    n_pixels : int
        Height times width of an image.
    hidden : sequence of int
        Units of each hidden layer.
    n_classes : int
        Units of the readout.
    rule : {"feedback-alignment", "readout", "backprop"}, default="feedback-alignment"
        See :func:`direct_feedback_alignment`.
    """

    def __init__(
        self, n_pixels: int, hidden: Sequence[int], n_classes: int, *, rule: Rule = "feedback-alignment"
    ) -> None:
        super().__init__(n_pixels, hidden, n_classes, torch.tanh)
        self.rule = rule
        self.alignment = nn.ModuleDict({f"l{k}": nn.Identity() for k in range(1, len(hidden) + 1)})
        # Each layer has its own feedback, not a slice of another's; sd 1 / sqrt(n_units) as in the paper.
        for number, units in enumerate(hidden, start=1):
            self.register_buffer(f"feedback{number}", torch.randn(units, n_classes) / units**0.5)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes) of images (n_images, 3, height, width)."""
        activities = [grey_pixels(images, self.n_pixels)]
        for stage in self.stages:
            activities.append(stage(activities[-1]))
        scores: Tensor = self.readout(activities[-1])
        if not self.training:
            with torch.no_grad():
                error = scores.softmax(1) - one_hot(scores.argmax(1), self.n_classes, scores)
                ours, theirs = self.feedback(activities, error), self.gradients(activities, error)
                for number, (a, b) in enumerate(zip(ours, theirs, strict=True), start=1):
                    self.alignment[f"l{number}"](torch.cosine_similarity(a, b).unsqueeze(1))
        return scores

    def feedback(self, activities: list[Tensor], error: Tensor) -> list[Tensor]:
        """Return ``(B_l e) f'(a_l)`` of every hidden layer, (n_images, n_units).

        Parameters
        ----------
        activities : list of Tensor
            Pixels and hidden activities, from input to output.
        error : Tensor of shape (n_images, n_classes)
            Probabilities minus targets.
        """
        return [
            (error @ self.get_buffer(f"feedback{number}").T) * (1 - activity.square())
            for number, activity in enumerate(activities[1:], start=1)
        ]

    def gradients(self, activities: list[Tensor], error: Tensor) -> list[Tensor]:
        """Return what backpropagation sends instead, in the same form."""
        found: list[Tensor] = []
        above, weight = error, self.readout.weight
        for stage, activity in zip(reversed(self.stages), reversed(activities[1:]), strict=True):
            above = (above @ weight) * (1 - activity.square())
            weight = stage.linear.weight
            found.insert(0, above)
        return found

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Put what the rule sends to each layer, times what the layer reads, into ``.grad``.

        Parameters
        ----------
        inputs : Tensor of shape (n_images, 3, height, width)
        targets : Tensor of shape (n_images,)

        Returns
        -------
        logged : dict of str to Tensor
            ``loss``, the cross-entropy, and ``alignment_1``, ``alignment_2``, ...: the cosine of the
            feedback's weight update with backpropagation's, per hidden layer.
        """
        self.zero_grad()
        with torch.no_grad():
            activities, error, loss = self._errors(inputs, targets)
            ours, theirs = self.feedback(activities, error), self.gradients(activities, error)
            sent = {"feedback-alignment": ours, "backprop": theirs, "readout": []}[self.rule]
            for stage, signal, below in zip(self.stages, sent, activities, strict=False):
                _set_gradient(stage.linear, signal, below)
            _set_gradient(self.readout, error, activities[-1])
            cosines = _cosines(ours, theirs, activities)
        return {"loss": loss, **{f"alignment_{k}": each for k, each in enumerate(cosines, start=1)}}

    def _errors(self, inputs: Tensor, targets: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        activities = [grey_pixels(inputs, self.n_pixels)]
        for stage in self.stages:
            activities.append(stage.activation(stage.linear(activities[-1])))
        scores = self.readout(activities[-1])
        error = scores.softmax(1) - one_hot(targets, self.n_classes, scores)
        return activities, error, nn.functional.cross_entropy(scores, targets)


def alignment(module: FeedbackAlignment, inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Return how far direct feedback points where backpropagation would, per hidden layer.

    Parameters
    ----------
    module : FeedbackAlignment
        However it was trained.
    inputs : Tensor of shape (n_images, 3, height, width)
    targets : Tensor of shape (n_images,)

    Returns
    -------
    cosines : dict of str to float
        From layer name to the cosine, in [-1, 1], of the two updates of that layer's weights. Of random
        directions it is about 0 with a standard deviation of one over the root of their dimension.

    Raises
    ------
    InputError
        If `module` has no feedback weights.
    """
    if not isinstance(module, FeedbackAlignment):
        raise InputError(
            f"`module` must be a FeedbackAlignment, got {type(module).__name__}. "
            'Build it with `build_network("direct-feedback-alignment").module`.'
        )
    with torch.no_grad():
        activities, error, _ = module._errors(inputs, targets)
        found = _cosines(module.feedback(activities, error), module.gradients(activities, error), activities)
    return {f"l{number}": float(each) for number, each in enumerate(found, start=1)}


def _cosines(ours: list[Tensor], theirs: list[Tensor], activities: list[Tensor]) -> list[Tensor]:
    return [
        torch.cosine_similarity((a.T @ below).flatten(), (b.T @ below).flatten(), dim=0)
        for a, b, below in zip(ours, theirs, activities, strict=False)
    ]


def _set_gradient(layer: nn.Linear, signal: Tensor, below: Tensor) -> None:
    layer.weight.grad = signal.T @ below / len(signal)
    layer.bias.grad = signal.mean(0)


def direct_feedback_alignment(
    *,
    image_size: int = 16,
    hidden: list[int] | None = None,
    n_classes: int = 10,
    rule: Rule = "feedback-alignment",
    seed: int = 0,
) -> Network:
    """Build a perceptron that learns by direct feedback alignment.

    Hidden layer l is taught by ``(B_l e) f'(a_l)``: e is the softmax minus the target, B_l random and fixed.
    The readout follows its true gradient. As it learns, its weights come to send errors back as the random
    ones do (:func:`alignment`).

    Parameters
    ----------
    image_size : int, default=16
        Height and width, in pixels, that images are brought to; they are read in grey.
    hidden : list of int, optional
        Units of each hidden layer; [256, 256] by default.
    n_classes : int, default=10
        Units of the readout.
    rule : {"feedback-alignment", "readout", "backprop"}, default="feedback-alignment"
        "backprop" sends the true gradient, "readout" teaches the readout alone: in both twins the random
        feedback keeps no closer to the gradient than chance.
    seed : int, default=0
        Draws weights and feedback; twins of one seed start alike.

    Returns
    -------
    network : Network
        Layers ``l1``, ``l2``, ... and ``readout``; also ``alignment.l1`` and so on, one number per image.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Nøkland A (2016). Direct feedback alignment provides learning in deep neural networks. NeurIPS.
    arXiv:1609.01596

    Launay J, Poli I, Boniface F, Krzakala F (2020). Direct feedback alignment scales to modern deep
    learning tasks and architectures. NeurIPS. arXiv:2006.12878
    """
    sizes = [256, 256] if hidden is None else list(hidden)
    check_option("rule", rule, ("feedback-alignment", "readout", "backprop"))
    check_shapes(image_size, sizes, n_classes, seed)
    options: dict[str, Any] = {
        "image_size": image_size,
        "hidden": sizes,
        "n_classes": n_classes,
        "seed": seed,
    }
    name = "direct-feedback-alignment" + ("" if rule == "feedback-alignment" else f"-{rule}")
    matched = partial(direct_feedback_alignment_backprop, **options) if rule != "backprop" else None
    return declared(
        name,
        seeded(lambda: FeedbackAlignment(image_size**2, sizes, n_classes, rule=rule), seed),
        square(image_size),
        layers=(*(f"l{number}" for number in range(1, len(sizes) + 1)), "readout"),
        recipe=Recipe(optimizer="sgd", lr=0.1, epochs=40, batch_size=64),
        matched=matched,
        options={**options, "rule": rule},
    )


def direct_feedback_alignment_backprop(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`direct_feedback_alignment` with ``rule="backprop"``: its standard twin.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`direct_feedback_alignment`.

    Returns
    -------
    network : Network
    """
    return direct_feedback_alignment(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="backprop", seed=seed
    )


def direct_feedback_alignment_readout(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`direct_feedback_alignment` with ``rule="readout"``: hidden layers stay as they were drawn.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`direct_feedback_alignment`.

    Returns
    -------
    network : Network
    """
    return direct_feedback_alignment(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="readout", seed=seed
    )
