"""Layers that talk both ways: how they come to rest, are nudged, and learn from the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ._perceptron import Draws, grey_pixels, one_hot

Rule = Literal["equilibrium", "backprop"]
Feedback = Literal["tied", "separate"]


@dataclass(frozen=True, eq=False)
class Nudged:
    """What nudging the output does to every layer.

    Attributes
    ----------
    states : list of Tensor
        Resting states of the phase that is nudged towards the target, each (n_images, n_units).
    errors : list of Tensor
        Change of the rates per unit of nudging at no nudging: minus the gradient of the loss by the drive
        of each unit, where the Jacobian is symmetric.
    rates : list of Tensor
        Rates averaged over phases.
    """

    states: list[Tensor]
    errors: list[Tensor]
    rates: list[Tensor]


class EquilibriumPropagation(nn.Module):
    """Layers that talk both ways and come to rest.

    States follow ``du/dt = -u + J rho(u) + W_in x + b - beta d loss / d rho``, rho the logistic function, J
    the weights between neighbouring layers (up: `maps`, down: `feedback`), and the loss half the squared
    distance of the last layer's rates to the target.

    Taps, all layers side by side from the lowest hidden one to the output: ``u_free`` and ``u_nudged``
    (states), ``error``; and ``jacobian.asymmetry``, one number per image. Their target is the network's own
    decision.

    Parameters
    ----------
    n_pixels : int
        Height times width of an image.
    hidden : sequence of int
        Units of each hidden layer.
    n_classes : int
        Units of the last layer.
    rule, feedback, homeostasis, beta, n_phases, n_free, n_nudged, rate
        See :func:`~alignkit.networks.local_learning.equilibrium_propagation.equilibrium_propagation`.
    seed : int, default=0
        Draws the noise of homeostasis.
    """

    def __init__(
        self,
        n_pixels: int,
        hidden: Sequence[int],
        n_classes: int,
        *,
        rule: Rule = "equilibrium",
        feedback: Feedback = "separate",
        homeostasis: float = 1.0,
        beta: float = 0.1,
        n_phases: int = 2,
        n_free: int = 40,
        n_nudged: int = 20,
        rate: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_pixels = n_pixels
        self.n_classes = n_classes
        self.rule = rule
        self.homeostasis = homeostasis
        self.beta = beta
        self.n_phases = n_phases
        self.n_free = n_free
        self.n_nudged = n_nudged
        self.rate = rate
        sizes = [n_pixels, *hidden, n_classes]
        maps = [nn.Linear(n_in, n_out) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]
        self.maps = nn.ModuleList(maps)
        for layer in maps:
            # The logistic function has a slope of a quarter: weights this large keep signals alive.
            nn.init.normal_(layer.weight, std=1.5 / layer.in_features**0.5)
            nn.init.zeros_(layer.bias)
        self.feedback = nn.ParameterList()
        if feedback == "separate":
            self.feedback.extend(
                nn.Parameter(
                    torch.randn(layer.in_features, layer.out_features) * 1.5 / layer.in_features**0.5
                )
                for layer in maps[1:]
            )
        self.u_free, self.u_nudged, self.error = nn.Identity(), nn.Identity(), nn.Identity()
        self.jacobian = nn.ModuleDict({"asymmetry": nn.Identity()})
        self.draws = Draws(seed)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes): states of the last layer, at rest and not nudged."""
        pixels = grey_pixels(images, self.n_pixels)
        free = self.settle(pixels)
        scores = free[-1]
        if not self.training:
            nudged = self.nudge(pixels, free, one_hot(scores.argmax(1), self.n_classes, pixels))
            self.u_free(torch.cat(free, dim=1))
            self.u_nudged(torch.cat(nudged.states, dim=1))
            self.error(torch.cat(nudged.errors, dim=1))
            self.jacobian["asymmetry"](self.asymmetry(free).unsqueeze(1))
        return scores

    @property
    def layers(self) -> list[nn.Linear]:
        """Maps up, from the image on."""
        return [each for each in self.maps if isinstance(each, nn.Linear)]

    def downward(self) -> list[Tensor]:
        """Return the weights from each layer to the one below, (n_below, n_above), without the lowest."""
        return list(self.feedback) or [layer.weight.T for layer in self.layers[1:]]

    def settle(
        self,
        pixels: Tensor,
        *,
        states: list[Tensor] | None = None,
        target: Tensor | None = None,
        strength: Tensor | None = None,
        n_steps: int | None = None,
    ) -> list[Tensor]:
        """Let states come to rest.

        Parameters
        ----------
        pixels : Tensor of shape (n_images, n_pixels)
        states : list of Tensor, optional
            Where to start; zeros by default.
        target : Tensor of shape (n_images, n_classes), optional
            What the output is nudged towards.
        strength : Tensor of shape (n_images, 1), optional
            Of the nudge, real or complex.
        n_steps : int, optional
            Steps of integration; as many as the free phase has by default.

        Returns
        -------
        states : list of Tensor
            Of each layer above the image, (n_images, n_units).
        """
        below = self.layers[0](pixels)
        u = states or [pixels.new_zeros(len(pixels), layer.out_features) for layer in self.layers]
        up = [layer.weight.T.to(u[0]) for layer in self.layers[1:]]
        down = [weight.T.to(u[0]) for weight in self.downward()]
        for _ in range(self.n_free if n_steps is None else n_steps):
            rates = [each.sigmoid() for each in u]
            drives = [below, *(rates[k] @ w + self.layers[k + 1].bias for k, w in enumerate(up))]
            drives = [
                drive + rates[k + 1] @ down[k] if k < len(down) else drive for k, drive in enumerate(drives)
            ]
            if target is not None and strength is not None:
                drives[-1] = drives[-1] - strength * (rates[-1] - target)
            u = [old + self.rate * (drive - old) for old, drive in zip(u, drives, strict=True)]
        return u

    def nudge(self, pixels: Tensor, free: list[Tensor], target: Tensor) -> Nudged:
        """Nudge the output around the free resting state, by `n_phases` points on a circle of radius `beta`.

        One phase is a one-sided difference (off by O(beta)), two a centred one (O(beta^2)), N of them a
        contour integral in the complex plane (O(beta^N)).
        """
        n = self.n_phases
        exact = free[0].dtype if n <= 2 else torch.promote_types(free[0].dtype, torch.complex64)
        angles = torch.arange(n, device=pixels.device) * (2 * torch.pi / n)
        turns = angles.cos().round() if n <= 2 else torch.polar(torch.ones_like(angles), angles)
        turns = turns.to(exact).repeat_interleave(len(pixels)).unsqueeze(1)
        with torch.no_grad():
            states = self.settle(
                pixels.repeat(n, 1),
                states=[each.to(exact).repeat(n, 1) for each in free],
                target=target.repeat(n, 1),
                strength=self.beta * turns,
                n_steps=self.n_nudged,
            )
            rates = [each.sigmoid() for each in states]
            at_rest = [each.sigmoid() for each in free]
            if n == 1:
                errors = [(v - v0) / self.beta for v, v0 in zip(rates, at_rest, strict=True)]
                means = [(v + v0) / 2 for v, v0 in zip(rates, at_rest, strict=True)]
            else:
                errors = [_over_phases(v * turns.conj(), n) / self.beta for v in rates]
                means = [_over_phases(v, n) for v in rates]
        return Nudged([_real(each[: len(pixels)]) for each in states], errors, means)

    def asymmetry(self, free: list[Tensor]) -> Tensor:
        """Return the share of the Jacobian's square that is asymmetric, (n_images,), in [0, 2].

        Of ``A = D^1/2 J D^1/2``, D the slopes of the logistic function at rest: ``||A - A^T||^2 /
        (2 ||A||^2)``. Zero is symmetric, 1 what unrelated weights have.
        """
        slopes = _slopes(free)
        odd, all_ = torch.zeros_like(slopes[0][:, 0]), torch.zeros_like(slopes[0][:, 0])
        for number, (layer, down) in enumerate(zip(self.layers[1:], self.downward(), strict=True)):
            below, above = slopes[number], slopes[number + 1]
            odd = odd + ((below @ (layer.weight - down.T).square().T) * above).sum(1)
            all_ = all_ + ((below @ (layer.weight.square() + down.T.square()).T) * above).sum(1)
        return odd / all_

    def homeostatic_loss(self, free: list[Tensor], noise: list[Tensor]) -> Tensor:
        """Return ``||A e||^2 - e^T A^2 e`` of each image, (n_images,), from noise e of mean 0 and variance 1.

        Over noise its mean is ``tr(A^T A) - tr(A^2) = ||A - A^T||^2 / 2``, which :meth:`asymmetry` divides by
        ``||A||^2``; a unit needs only what reaches it along its own weights.
        """
        slopes = [each.sqrt() for each in _slopes(free)]
        once = self._through_jacobian(noise, slopes)
        twice = self._through_jacobian(once, slopes)
        return torch.stack(
            [(a.square() - e * b).sum(1) for a, b, e in zip(once, twice, noise, strict=True)]
        ).sum(0)

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Put minus the rule's update, the mean over images, into ``.grad``.

        Parameters
        ----------
        inputs : Tensor of shape (n_images, 3, height, width)
        targets : Tensor of shape (n_images,)

        Returns
        -------
        logged : dict of str to Tensor
            ``loss``, half the squared distance of resting rates to targets; ``asymmetry``; and
            ``speed``, the largest change of a rate in one more step, which tells whether it has settled.
        """
        pixels = grey_pixels(inputs, self.n_pixels)
        target = one_hot(targets, self.n_classes, pixels)
        self.zero_grad()
        with torch.set_grad_enabled(self.rule == "backprop"):
            free = self.settle(pixels)
            loss = (free[-1].sigmoid() - target).square().sum(1).mean() / 2
        if self.rule == "backprop":
            torch.autograd.backward(loss)
        free = [each.detach() for each in free]
        if self.rule == "equilibrium":
            self._contrast(pixels, self.nudge(pixels, free, target))
            if self.homeostasis and len(self.feedback):
                self._symmetrise(free)
        with torch.no_grad():
            later = self.settle(pixels, states=free, n_steps=1)
            moved = [(a.sigmoid() - b.sigmoid()).abs().max() for a, b in zip(later, free, strict=True)]
            logged = {"asymmetry": self.asymmetry(free).mean(), "speed": torch.stack(moved).max()}
        return {"loss": loss.detach(), **logged}

    def _contrast(self, pixels: Tensor, nudged: Nudged) -> None:
        below = [pixels, *nudged.rates[:-1]]
        for number, layer in enumerate(self.layers):
            error = nudged.errors[number]
            layer.weight.grad = -error.T @ below[number] / len(pixels)
            layer.bias.grad = -error.mean(0)
            if number:
                down = -nudged.errors[number - 1].T @ nudged.rates[number] / len(pixels)
                if len(self.feedback):
                    self.feedback[number - 1].grad = down
                else:
                    # A tied weight is used twice; both contrasts are its own.
                    layer.weight.grad += down.T

    def _symmetrise(self, free: list[Tensor]) -> None:
        generator = self.draws.generator()
        noise = [torch.randn(each.shape, generator=generator).to(each) for each in free]
        with torch.enable_grad():
            loss = self.homeostasis * self.homeostatic_loss(free, noise).mean()
            weights = [*(layer.weight for layer in self.layers[1:]), *self.feedback]
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad + gradient

    def _through_jacobian(self, values: list[Tensor], slopes: list[Tensor]) -> list[Tensor]:
        scaled = [value * slope for value, slope in zip(values, slopes, strict=True)]
        found = [torch.zeros_like(each) for each in values]
        for number, (layer, down) in enumerate(zip(self.layers[1:], self.downward(), strict=True)):
            found[number + 1] = found[number + 1] + scaled[number] @ layer.weight.T
            found[number] = found[number] + scaled[number + 1] @ down.T
        return [each * slope for each, slope in zip(found, slopes, strict=True)]


def _slopes(states: list[Tensor]) -> list[Tensor]:
    rates = [each.sigmoid() for each in states]
    return [rate * (1 - rate) for rate in rates]


def _over_phases(values: Tensor, n_phases: int) -> Tensor:
    return _real(values.reshape(n_phases, -1, values.shape[1]).mean(0))


def _real(values: Tensor) -> Tensor:
    return values.real if values.is_complex() else values
