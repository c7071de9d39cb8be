"""Equilibrium propagation: the difference between two resting states is the gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..._core.checks import check_option
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._equilibrium_modules import EquilibriumPropagation, Feedback, Rule
from ._perceptron import check_positive, check_shapes


def equilibrium_propagation(
    *,
    image_size: int = 16,
    hidden: list[int] | None = None,
    n_classes: int = 10,
    rule: Rule = "equilibrium",
    feedback: Feedback = "separate",
    homeostasis: float = 1.0,
    beta: float = 0.1,
    n_phases: int = 2,
    n_free: int = 40,
    n_nudged: int = 20,
    rate: float = 0.5,
    seed: int = 0,
) -> Network:
    """Build a network that learns by equilibrium propagation, with Jacobian homeostasis.

    The network rests; its output is nudged towards and away from the target; and each weight follows the
    difference of its two rates' product, ``dW_ij ~ (rho_i rho_j)_beta - (rho_i rho_j)_-beta) / 2 beta``. Of
    weights that are the same up and down that is the gradient of the loss at rest. Of separate ones it is
    not, until homeostasis has made the Jacobian symmetric.

    Parameters
    ----------
    image_size : int, default=16
        Height and width, in pixels, that images are brought to; they are read in grey.
    hidden : list of int, optional
        Units of each hidden layer; [128] by default.
    n_classes : int, default=10
        Units of the last layer.
    rule : {"equilibrium", "backprop"}, default="equilibrium"
        "backprop" differentiates through every step of the free phase: the twin.
    feedback : {"separate", "tied"}, default="separate"
        Whether weights down are parameters of their own, drawn independently, or those up.
    homeostasis : float, default=1.0
        Weight of the loss that makes separate weights agree; 0 switches it off.
    beta : float, default=0.1
        Strength of the nudge.
    n_phases : int, default=2
        Nudged phases: 1 one-sided, 2 centred, more on a circle in the complex plane.
    n_free, n_nudged : int
        Steps to rest, without and with nudge; 40 and 20 by default.
    rate : float, default=0.5
        Size of a step, in units of the time constant.
    seed : int, default=0
        Draws weights and noise.

    Returns
    -------
    network : Network
        Layers ``u_free``, ``u_nudged`` and ``error`` (hidden units and output side by side); also
        ``jacobian.asymmetry``, one number per image.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    On scikit-learn's digits homeostasis made the Jacobian symmetric (asymmetry .01, against .5 without), but
    classification no better than without: the gain in accuracy of Laborieux and Zenke was not seen.

    References
    ----------
    Scellier B, Bengio Y (2017). Equilibrium propagation. Frontiers in Computational Neuroscience 11:24.
    https://doi.org/10.3389/fncom.2017.00024

    Laborieux A, Zenke F (2024). Improving equilibrium propagation without weight symmetry through Jacobian
    homeostasis. ICLR. arXiv:2309.02214
    """
    sizes = [128] if hidden is None else list(hidden)
    check_option("rule", rule, ("equilibrium", "backprop"))
    check_option("feedback", feedback, ("tied", "separate"))
    check_shapes(image_size, sizes, n_classes, seed)
    for name, value in (("n_phases", n_phases), ("n_free", n_free), ("n_nudged", n_nudged)):
        check_count(name, value, least=1)
    check_positive("beta", beta)
    check_positive("rate", rate)
    check_positive("homeostasis", homeostasis, zero=True)
    shape: dict[str, Any] = {"image_size": image_size, "hidden": sizes, "n_classes": n_classes, "seed": seed}
    numbers: dict[str, Any] = {
        "homeostasis": homeostasis,
        "beta": beta,
        "n_phases": n_phases,
        "n_free": n_free,
        "n_nudged": n_nudged,
        "rate": rate,
    }

    def build() -> EquilibriumPropagation:
        noise = derive_seed(seed, "equilibrium-propagation", "homeostasis")
        return EquilibriumPropagation(
            image_size**2,
            sizes,
            n_classes,
            rule=rule,
            feedback=feedback,
            homeostasis=homeostasis,
            beta=beta,
            n_phases=n_phases,
            n_free=n_free,
            n_nudged=n_nudged,
            rate=rate,
            seed=noise,
        )

    unrelated = feedback == "separate" and homeostasis == 0
    suffix = "-backprop" if rule == "backprop" else "-asymmetric" if unrelated else ""
    return declared(
        f"equilibrium-propagation{suffix}",
        seeded(build, seed),
        square(image_size),
        recipe=Recipe(optimizer="adam", lr=5e-3, epochs=20, batch_size=64),
        matched=None
        if rule == "backprop"
        else partial(equilibrium_propagation, **shape, **numbers, feedback=feedback, rule="backprop"),
        options={**shape, **numbers, "feedback": feedback, "rule": rule},
    )


def equilibrium_propagation_backprop(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`equilibrium_propagation` with ``rule="backprop"``: its standard twin.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`equilibrium_propagation`.

    Returns
    -------
    network : Network
    """
    return equilibrium_propagation(
        image_size=image_size, hidden=hidden, n_classes=n_classes, rule="backprop", seed=seed
    )


def equilibrium_propagation_asymmetric(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`equilibrium_propagation` with ``homeostasis=0``: weights up and down stay unrelated.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`equilibrium_propagation`.

    Returns
    -------
    network : Network
    """
    return equilibrium_propagation(
        image_size=image_size, hidden=hidden, n_classes=n_classes, homeostasis=0.0, seed=seed
    )
