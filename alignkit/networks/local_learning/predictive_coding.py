"""Predictive coding: activities settle first, then each weight follows the error beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._perceptron import check_positive, check_shapes, grey_pixels, one_hot

Rule = Literal["inference", "fixed-prediction", "backprop"]
Affine = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Settled:
    """Where activities came to rest.

    Attributes
    ----------
    activities : list of Tensor
        ``z_0`` (the image) to ``z_L`` (the target), each (n_images, n_units).
    rates : list of Tensor
        ``f(z_0)`` to ``f(z_{L-1})``, what each map reads: of the image, the image itself.
    predictions, errors : list of Tensor
        Of ``z_1`` to ``z_L``: what the layer below says, and how far off it is.
    precisions : list of Tensor
        Weights of the errors in the energy, each (n_images, 1).
    energy : Tensor of shape (n_steps + 1, n_images)
        Half the squared errors, summed over layers, before each step and at the end.
    """

    activities: list[Tensor]
    rates: list[Tensor]
    predictions: list[Tensor]
    errors: list[Tensor]
    precisions: list[Tensor]
    energy: Tensor


class PredictiveCoding(nn.Module):
    """Layers of activities ``z1``, ``z2``, ..., their ``prediction1``, ... and errors ``e1``, ...

    The map of layer l predicts ``mu_{l+1} = W_l f(z_l) + b_l``, with f the hyperbolic tangent (of the image:
    the image itself). Activities settle by walking down ``F = 1/2 sum p_l ||z_l - mu_l||^2`` with image and
    target held; then ``dW_l = lr p_{l+1} e_{l+1} f(z_l)^T``.

    Parameters
    ----------
    n_pixels : int
        Height times width of an image.
    hidden : sequence of int
        Units of each hidden layer.
    n_classes : int
        Units of the last layer.
    rule : {"inference", "fixed-prediction", "backprop"}, default="inference"
        See :func:`predictive_coding`.
    proximal : bool, default=True
        Weigh errors so that F is the proximal problem of the loss, and the update of one image, once settled,
        a step of implicit gradient descent. Without it all precisions are one.
    n_steps : int, default=20
        Steps of settling.
    rate : float, default=0.2
        Their size.
    step : float, default=0.02
        The rate of learning that precisions stand for, until `make_optimizer` sets it; kept with the weights.
    """

    step: Tensor

    def __init__(
        self,
        n_pixels: int,
        hidden: Sequence[int],
        n_classes: int,
        *,
        rule: Rule = "inference",
        proximal: bool = True,
        n_steps: int = 20,
        rate: float = 0.2,
        step: float = 0.02,
    ) -> None:
        super().__init__()
        self.n_pixels = n_pixels
        self.n_classes = n_classes
        self.rule = rule
        self.proximal = proximal
        self.n_steps = n_steps
        self.rate = rate
        self.register_buffer("step", torch.tensor(step))
        sizes = [n_pixels, *hidden, n_classes]
        maps = [nn.Linear(n_in, n_out) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]
        self.maps = nn.ModuleList(maps)
        for number in range(1, len(sizes)):
            for tap in ("prediction", "z", "e"):
                self.add_module(f"{tap}{number}", nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes): the last layer before anything settles.

        Layers are heard once, when activities have settled with the network's own decision held as target:
        without any target all errors would be zero. They settle in double precision: errors are small
        differences of large numbers, and in single precision their rounding would tell the size of the batch.
        """
        pixels = grey_pixels(images, self.n_pixels)
        scores = self.ascend(pixels)[-1]
        exact = pixels.double()
        settled = self.settle(exact, one_hot(scores.argmax(1), self.n_classes, exact))
        for number in range(len(self.maps)):
            for tap, found in (
                ("prediction", settled.predictions[number]),
                ("z", settled.activities[number + 1]),
                ("e", settled.errors[number]),
            ):
                self.get_submodule(f"{tap}{number + 1}")(found.to(pixels.dtype))
        return scores

    def ascend(self, pixels: Tensor) -> list[Tensor]:
        """Return ``z_0`` to ``z_L`` with every prediction fulfilled, from pixels (n_images, n_pixels)."""
        activities = [pixels]
        for layer in self.maps:
            activities.append(layer(_rates(activities)[-1]))
        return activities

    def settle(self, pixels: Tensor, target: Tensor, *, fixed: bool = False) -> Settled:
        """Settle activities between an image and a target.

        Parameters
        ----------
        pixels : Tensor of shape (n_images, n_pixels)
            Their precision is that of settling.
        target : Tensor of shape (n_images, n_classes)
        fixed : bool, default=False
            Keep predictions and slopes as they were before settling, and all precisions one; errors then
            come to be those of backpropagation.

        Returns
        -------
        settled : Settled
        """
        energies = []
        with torch.no_grad():
            maps = self._maps_in(pixels.dtype)
            activities = [pixels]
            for weight, bias in maps[:-1]:
                activities.append(nn.functional.linear(_rates(activities)[-1], weight, bias))
            activities.append(target)
            for step in range(self.n_steps + 1):
                if not (step and fixed):
                    rates = _rates(activities[:-1])
                    predictions = [
                        nn.functional.linear(rate, *affine) for affine, rate in zip(maps, rates, strict=True)
                    ]
                    precisions = self._precisions(rates, even=fixed or not self.proximal)
                errors = [z - mu for z, mu in zip(activities[1:], predictions, strict=True)]
                weighted = [p * e for p, e in zip(precisions, errors, strict=True)]
                energies.append(_energy(errors, weighted))
                if step < self.n_steps:
                    self._move(activities, maps, rates, weighted, precisions, even=fixed or not self.proximal)
        return Settled(activities, rates, predictions, errors, precisions, torch.stack(energies))

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Put minus the rule's update, the mean over images, into ``.grad``.

        Parameters
        ----------
        inputs : Tensor of shape (n_images, 3, height, width)
        targets : Tensor of shape (n_images,)

        Returns
        -------
        logged : dict of str to Tensor
            ``loss``, half the squared distance of scores to targets; and ``energy`` once settled.
        """
        pixels = grey_pixels(inputs, self.n_pixels)
        target = one_hot(targets, self.n_classes, pixels)
        self.zero_grad()
        with torch.set_grad_enabled(self.rule == "backprop"):
            loss = (self.ascend(pixels)[-1] - target).square().sum(1).mean() / 2
        if self.rule == "backprop":
            torch.autograd.backward(loss)
            return {"loss": loss.detach()}
        settled = self.settle(pixels, target, fixed=self.rule == "fixed-prediction")
        # Precisions are those of lr times the loss, and the optimiser multiplies by lr.
        scale = self.step if self.proximal and self.rule == "inference" else 1.0
        for number, layer in enumerate(self.maps):
            update = settled.errors[number] * settled.precisions[number] / scale
            layer.weight.grad = -update.T @ settled.rates[number] / len(update)
            layer.bias.grad = -update.mean(0)
        return {"loss": loss, "energy": settled.energy[-1].mean()}

    def make_optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return plain gradient descent, and let the precisions be those of its rate."""
        self.step.fill_(lr)
        return torch.optim.SGD(self.parameters(), lr=lr)

    def _maps_in(self, dtype: torch.dtype) -> list[Affine]:
        """Return weight and bias of each map in a precision."""
        named = [(each.get_parameter("weight"), each.get_parameter("bias")) for each in self.maps]
        return [(weight.to(dtype), bias.to(dtype)) for weight, bias in named]

    def _precisions(self, rates: list[Tensor], *, even: bool) -> list[Tensor]:
        """Return the weights of errors, (n_images, 1) each."""
        sizes = [rate.square().sum(1, keepdim=True) + 1 for rate in rates]
        if even:
            return [torch.ones_like(size) for size in sizes]
        # The smallest change of W and b that moves a prediction by e costs ||e||^2 / (||f||^2 + 1); the
        # target itself is not reached but approached, by lr times the loss.
        return [*(1 / size for size in sizes[:-1]), self.step / (1 + self.step * sizes[-1])]

    def _move(
        self,
        activities: list[Tensor],
        maps: list[Affine],
        rates: list[Tensor],
        weighted: list[Tensor],
        precisions: list[Tensor],
        *,
        even: bool,
    ) -> None:
        for number in range(1, len(activities) - 1):
            pull = weighted[number] @ maps[number][0]
            if not even:
                # A precision falls with the squared norm s of what is read: dp/ds = -p^2, for all layers.
                pull = pull + weighted[number].square().sum(1, keepdim=True) * rates[number]
            change = (1 - rates[number].square()) * pull - weighted[number - 1]
            # Divided by its precision, an activity settles in as many steps whatever the rate of learning.
            activities[number] = activities[number] + self.rate * change / precisions[number - 1]


def _rates(activities: list[Tensor]) -> list[Tensor]:
    """Return what the maps read: the image as it is, and the tangent of hidden activities."""
    return [activities[0], *(z.tanh() for z in activities[1:])]


def _energy(errors: list[Tensor], weighted: list[Tensor]) -> Tensor:
    return torch.stack([(e * w).sum(1) / 2 for e, w in zip(errors, weighted, strict=True)]).sum(0)


def predictive_coding(
    *,
    image_size: int = 16,
    hidden: list[int] | None = None,
    n_classes: int = 10,
    rule: Rule = "inference",
    proximal: bool = True,
    n_steps: int = 20,
    rate: float = 0.2,
    seed: int = 0,
) -> Network:
    """Build a predictive-coding network that learns by inference first.

    With image and target held, hidden activities settle where the squared errors of prediction are least;
    each weight then follows the error above it and the activity below it. With the precisions of `proximal`
    the update of a single image, once activities have settled, is a step of implicit gradient descent on the
    squared error of the scores: ``theta_new = argmin lr loss(theta) + 1/2 ||theta - theta_old||^2``.

    Parameters
    ----------
    image_size : int, default=16
        Height and width, in pixels, that images are brought to; they are read in grey.
    hidden : list of int, optional
        Units of each hidden layer; [128, 128] by default.
    n_classes : int, default=10
        Units of the last layer.
    rule : {"inference", "fixed-prediction", "backprop"}, default="inference"
        "fixed-prediction" keeps predictions and slopes while activities settle: the errors are those of
        backpropagation. "backprop" is the twin: the same network, its squared error backpropagated.
    proximal : bool, default=True
        Precisions of the proximal problem; otherwise all are one.
    n_steps : int, default=20
        Steps of settling.
    rate : float, default=0.2
        Their size, in (0, 1].
    seed : int, default=0
        Draws weights.

    Returns
    -------
    network : Network
        For every layer l above the image, ``prediction{l}``, ``z{l}`` and ``e{l}`` (activity minus
        prediction), settled with the network's own decision as target.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    Measured on digits, with two hidden layers of 64 units, against the implicit step as another optimiser
    finds it: the update of one image agrees to a thousandth after 200 steps of settling and more; after the
    20 of the default its cosine is .99 and it is off by 14 to 17 %. A batch's update is the mean of its
    images' updates, which is not the implicit step of their mean loss: of 16 images the cosine is .997 at a
    rate of .02, and .7 at a rate of one.

    References
    ----------
    Alonso N, Millidge B, Krichmar J, Neftci E (2022). A theoretical framework for inference learning.
    NeurIPS. arXiv:2206.00164

    Millidge B, Tschantz A, Buckley CL (2022). Predictive coding approximates backprop along arbitrary
    computation graphs. Neural Computation 34:1329-1368. https://doi.org/10.1162/neco_a_01497
    """
    sizes = [128, 128] if hidden is None else list(hidden)
    check_option("rule", rule, ("inference", "fixed-prediction", "backprop"))
    check_shapes(image_size, sizes, n_classes, seed)
    check_count("n_steps", n_steps, least=1)
    check_positive("rate", rate)
    options: dict[str, Any] = {
        "image_size": image_size,
        "hidden": sizes,
        "n_classes": n_classes,
        "proximal": proximal,
        "n_steps": n_steps,
        "rate": rate,
        "seed": seed,
    }
    lr = 0.02

    def build() -> PredictiveCoding:
        return PredictiveCoding(
            image_size**2,
            sizes,
            n_classes,
            rule=rule,
            proximal=proximal,
            n_steps=n_steps,
            rate=rate,
            step=lr,
        )

    taps = [f"{tap}{number}" for number in range(1, len(sizes) + 2) for tap in ("prediction", "z", "e")]
    return declared(
        "predictive-coding-backprop" if rule == "backprop" else "predictive-coding",
        seeded(build, seed),
        square(image_size),
        layers=tuple(taps),
        recipe=Recipe(optimizer="sgd", lr=lr, epochs=30, batch_size=16),
        matched=None if rule == "backprop" else partial(predictive_coding, **options, rule="backprop"),
        options={**options, "rule": rule},
    )


def predictive_coding_backprop(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`predictive_coding` with ``rule="backprop"``: its standard twin.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`predictive_coding`.

    Returns
    -------
    network : Network
    """
    return predictive_coding(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="backprop", seed=seed
    )
