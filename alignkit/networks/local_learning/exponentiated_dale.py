"""Dale's law by exponentiated gradients: weights are multiplied, so that no sign ever flips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from ._perceptron import Perceptron, check_positive, check_shapes

Rule = Literal["exponentiated", "gradient", "clamped"]


class ExponentiatedGradient(torch.optim.Optimizer):
    """Multiply weights by ``exp(-lr sign(w) g)``; the logarithm of their size moves by ``-lr sign(w) g``.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        A group with ``"additive": True`` (biases, which may change sign) takes plain gradient steps. A
        weight that is zero stays zero.
    lr : float
        Learning rate of weights.
    lr_additive : float, optional
        Of additive groups; `lr` by default.
    cap : float, default=1.0
        Largest change of a weight's logarithm in one step: factors stay between ``exp(-cap)`` and its
        inverse.
    momentum : float, default=0.0
        Of the logarithm (and of additive groups as usual).
    noise : float, default=0.0
        Standard deviation, per root of lr, of Gaussian steps of the logarithm: weights of zero gradient then
        follow geometric Brownian motion.
    generator : torch.Generator, optional
        Draws the noise; needed where there is any.

    Raises
    ------
    InputError
        If a number is out of its range, or there is noise without a generator.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        lr_additive: float | None = None,
        cap: float = 1.0,
        momentum: float = 0.0,
        noise: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        check_positive("lr", lr)
        check_positive("cap", cap)
        check_positive("noise", noise, zero=True)
        if not 0 <= momentum < 1:
            raise InputError(f"`momentum` must be in [0, 1), got {momentum}.")
        if noise and generator is None:
            raise InputError(f"`noise` is {noise}, which needs a `generator`; give a seeded torch.Generator.")
        self.generator = generator
        defaults = {"cap": cap, "momentum": momentum, "noise": noise, "additive": False}
        super().__init__(params, {"lr": lr, "lr_additive": lr_additive, **defaults})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; `closure` evaluates the loss anew, as in other optimisers."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        if group["additive"]:
            rate = group["lr"] if group["lr_additive"] is None else group["lr_additive"]
            parameter.sub_(rate * self._remembered(parameter, parameter.grad, group["momentum"]))
            return
        downhill = self._remembered(parameter, parameter.grad * parameter.sign(), group["momentum"])
        change = -group["lr"] * downhill
        if group["noise"]:
            drawn = torch.randn(parameter.shape, generator=self.generator).to(parameter)
            change = change + group["noise"] * group["lr"] ** 0.5 * drawn
        parameter.mul_(change.clamp(-group["cap"], group["cap"]).exp())

    def _remembered(self, parameter: Tensor, direction: Tensor, momentum: float) -> Tensor:
        if not momentum:
            return direction
        state = self.state[parameter]
        state["velocity"] = momentum * state.get("velocity", torch.zeros_like(direction)) + direction
        velocity: Tensor = state["velocity"]
        return velocity


class ClampedDescent(torch.optim.SGD):
    """Gradient descent that puts a weight to zero where a step would flip its sign."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; biases (of one dimension) may change sign."""
        weights = [p for group in self.param_groups for p in group["params"] if p.ndim > 1]
        signs = [weight.sign() for weight in weights]
        loss: float | None = super().step(closure)
        for weight, sign in zip(weights, signs, strict=True):
            weight.mul_(weight.sign() == sign)
        return loss


class DalePerceptron(Perceptron):
    """Rectified hidden layers ``l1``, ``l2``, ... and a ``readout`` whose every input unit has one sign.

    Columns of a weight matrix are what one unit sends. The sign of each is drawn once and kept in
    ``sign1``, ``sign2``, ... (n_in,), 1 excitatory and -1 inhibitory, the readout's last. Sizes are
    half-normal at the start.

    Parameters
    ----------
    n_pixels : int
        Height times width of an image.
    hidden : sequence of int
        Units of each hidden layer.
    n_classes : int
        Units of the readout.
    rule : {"exponentiated", "gradient", "clamped"}, default="exponentiated"
        See :func:`dale_exponentiated`.
    inhibitory : float, default=0.5
        Share of units that inhibit.
    cap : float, default=1.0
        Largest change of a weight's logarithm in one step.
    """

    def __init__(
        self,
        n_pixels: int,
        hidden: Sequence[int],
        n_classes: int,
        *,
        rule: Rule = "exponentiated",
        inhibitory: float = 0.5,
        cap: float = 1.0,
    ) -> None:
        super().__init__(n_pixels, hidden, n_classes, torch.relu)
        self.rule = rule
        self.cap = cap
        for number, layer in enumerate(self.linear_layers, start=1):
            n_in = layer.in_features
            sign = torch.ones(n_in)
            sign[torch.randperm(n_in)[: round(inhibitory * n_in)]] = -1
            # Mean square 2 / n_in, as rectified units want. Not log-normal: that is for learning to bring.
            size = torch.randn(layer.weight.shape).abs() * (2 / n_in) ** 0.5
            layer.weight.data = size * sign
            nn.init.zeros_(layer.bias)
            self.register_buffer(f"sign{number}", sign)

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """All affine maps, from input to output."""
        return [*(stage.linear for stage in self.stages), self.readout]

    def make_optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return the rule's optimiser: weights by `lr`, biases by plain gradient descent of the same rate."""
        if self.rule != "exponentiated":
            descent = ClampedDescent if self.rule == "clamped" else torch.optim.SGD
            return descent(self.parameters(), lr=lr)
        weights = [layer.weight for layer in self.linear_layers]
        biases = [layer.bias for layer in self.linear_layers]
        groups = [{"params": weights}, {"params": biases, "additive": True}]
        return ExponentiatedGradient(groups, lr=lr, cap=self.cap)

    def sign_flips(self) -> int:
        """Return how many weights have the sign their unit must not have; zero weights do not count."""
        return sum(
            int((layer.weight.sign() == -self.get_buffer(f"sign{number}")).sum())
            for number, layer in enumerate(self.linear_layers, start=1)
        )

    def weight_skewness(self) -> dict[str, tuple[float, float]]:
        """Return, per layer, the skewness of the sizes of weights and of their logarithms, without zeros."""
        names = [*(f"l{number}" for number in range(1, self.n_hidden + 1)), "readout"]
        found = {}
        for name, layer in zip(names, self.linear_layers, strict=True):
            sizes = layer.weight.detach().abs().flatten()
            sizes = sizes[sizes > 0].double()
            found[name] = (_skewness(sizes), _skewness(sizes.log()))
        return found


def _skewness(values: Tensor) -> float:
    centred = values - values.mean()
    return float(centred.pow(3).mean() / centred.square().mean().pow(1.5))


def dale_exponentiated(
    *,
    image_size: int = 16,
    hidden: list[int] | None = None,
    n_classes: int = 10,
    rule: Rule = "exponentiated",
    inhibitory: float = 0.5,
    cap: float = 1.0,
    seed: int = 0,
) -> Network:
    """Build a perceptron that obeys Dale's law and learns by exponentiated gradients.

    What a unit sends has one sign, drawn once. Weights follow ``w <- w exp(-lr sign(w) g)``, g the gradient
    of the cross-entropy: large weights move more than small ones, and none crosses zero.

    Parameters
    ----------
    image_size : int, default=16
        Height and width, in pixels, that images are brought to; they are read in grey.
    hidden : list of int, optional
        Units of each hidden layer; [128] by default.
    n_classes : int, default=10
        Units of the readout.
    rule : {"exponentiated", "gradient", "clamped"}, default="exponentiated"
        "gradient" is plain descent from the same weights, under which signs flip; "clamped" stops at zero,
        where weights pile up.
    inhibitory : float, default=0.5
        Share of units, pixels among them, that inhibit; between 0 and 1.
    cap : float, default=1.0
        Largest change of a weight's logarithm in one step.
    seed : int, default=0
        Draws signs and weights; twins of one seed start alike.

    Returns
    -------
    network : Network
        Layers ``l1``, ``l2``, ... and ``readout``.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    The gradient itself is backpropagated; the law and the rule concern what weights do with it.

    References
    ----------
    Cornford J, Pogodin R, Ghosh A, et al. (2024). Brain-like learning with exponentiated gradients. bioRxiv.
    https://doi.org/10.1101/2024.10.25.620272
    """
    sizes = [128] if hidden is None else list(hidden)
    check_option("rule", rule, ("exponentiated", "gradient", "clamped"))
    check_shapes(image_size, sizes, n_classes, seed)
    check_positive("cap", cap)
    if not 0 < inhibitory < 1:
        raise InputError(f"`inhibitory` must be between 0 and 1, got {inhibitory}.")
    options: dict[str, Any] = {
        "image_size": image_size,
        "hidden": sizes,
        "n_classes": n_classes,
        "seed": seed,
    }
    numbers: dict[str, Any] = {"inhibitory": inhibitory, "cap": cap}
    name = {"exponentiated": "dale-exponentiated", "gradient": "dale-gradient", "clamped": "dale-clamped"}
    return declared(
        name[rule],
        seeded(
            lambda: DalePerceptron(image_size**2, sizes, n_classes, rule=rule, **numbers),
            seed,
        ),
        square(image_size),
        layers=(*(f"l{number}" for number in range(1, len(sizes) + 1)), "readout"),
        recipe=Recipe(optimizer="sgd", lr=0.3, epochs=60, batch_size=64),
        matched=partial(dale_exponentiated, **options, **numbers, rule="gradient")
        if rule != "gradient"
        else None,
        options={**options, **numbers, "rule": rule},
    )


def dale_gradient(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`dale_exponentiated` with ``rule="gradient"``: its twin by plain gradient descent.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`dale_exponentiated`.

    Returns
    -------
    network : Network
    """
    return dale_exponentiated(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="gradient", seed=seed
    )


def dale_clamped(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`dale_exponentiated` with ``rule="clamped"``: signs are kept by cutting weights at zero.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`dale_exponentiated`.

    Returns
    -------
    network : Network
    """
    return dale_exponentiated(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="clamped", seed=seed
    )
