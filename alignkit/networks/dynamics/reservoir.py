"""A reservoir of excitatory and inhibitory neurons whose inhibition adapts until each fires as it should."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..procedural import procedural_images
from ..standard._random_weights import seeded
from ._reading import grey_images
from .ei_neurons import EIReservoir, global_factor

Inhibition = Literal["adaptive", "global", "raw"]

_N_ADAPTATION_STEPS = 3000


class ReservoirReader(nn.Module):
    """A reservoir that reads a grey image row by row, and a linear readout of its last and mean rates.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels.
    reservoir : EIReservoir
        Of `image_size` inputs.
    n_classes : int
    """

    def __init__(self, image_size: int, reservoir: EIReservoir, n_classes: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.res = reservoir
        self.readout = nn.Linear(2 * len(reservoir.targets), n_classes)

    def rows(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is read, (n_images, n_rows, n_columns), from -1 (black) to 1 (white)."""
        return 2 * grey_images(images, size=self.image_size) - 1

    def summary(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last and the mean rates, (n_images, 2 * n_neurons)."""
        rates = self.res(self.rows(images))
        return torch.cat((rates[:, -1], rates.mean(1)), 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return class scores, (n_images, n_classes), of images (n_images, 3, image_size, image_size)."""
        scores: torch.Tensor = self.readout(self.summary(images))
        return scores

    @torch.no_grad()
    def fit_readout(self, images: torch.Tensor, labels: torch.Tensor, *, alpha: float = 1e-4) -> None:
        """Set the readout to the ridge regression of classes (1 or 0) on rates.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, image_size, image_size)
        labels : int64 Tensor of shape (n_images,)
            Classes, counted from 0.
        alpha : float, default=1e-4
            Ridge penalty, positive.
        """
        if alpha <= 0:
            raise InputError(f"`alpha` must be positive, got {alpha}.")
        X = self.summary(images).double()
        Y = nn.functional.one_hot(labels, self.readout.out_features).double()
        x_mean, y_mean = X.mean(0), Y.mean(0)
        gram = (X - x_mean).T @ (X - x_mean) + alpha * torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
        weights = torch.linalg.solve(gram, (X - x_mean).T @ (Y - y_mean))
        self.readout.weight.copy_(weights.T)
        self.readout.bias.copy_(y_mean - x_mean @ weights)


def ei_reservoir(
    *,
    image_size: int = 32,
    n_neurons: int = 200,
    density: float = 0.1,
    target_rate: float = 0.4,
    rate_spread: float = 0.0,
    inhibition: Inhibition = "adaptive",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build a reservoir of excitatory and inhibitory neurons that reads images row by row.

    Parameters
    ----------
    image_size : int, default=32
        Height and width, in pixels, that images are brought to; one row comes per step.
    n_neurons : int, default=200
        Four in five are excitatory.
    density : float, default=0.1
        Share of the connections that exist.
    target_rate : float, default=0.4
        What neurons adapt to, in (0, 1).
    rate_spread : float, default=0.0
        How far targets of single neurons lie from it, relative to it; 0 is the same for all.
    inhibition : {"adaptive", "global", "raw"}, default="adaptive"
        Adapted neuron by neuron to rows of procedural images (never of stimuli); or scaled as a whole, to
        the same mean rate over them: the twin; or as it was drawn: the untrained twin.
    n_classes : int, default=10
    seed : int, default=0
        Draws weights and procedural images.

    Returns
    -------
    network : Network
        Layers ``res.rate``, ``res.E`` and ``res.I`` (currents), per step.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Srinivasan K, Plenz D, Girvan M (2025). Boosting reservoir computing with brain-inspired adaptive
    control of E-I balance. https://arxiv.org/abs/2504.12480
    """
    check_option("inhibition", inhibition, ("adaptive", "global", "raw"))
    check_count("image_size", image_size, least=8)
    check_count("n_neurons", n_neurons, least=10)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)

    def build() -> ReservoirReader:
        reservoir = EIReservoir(
            image_size,
            n_neurons=n_neurons,
            density=density,
            target_rate=target_rate,
            rate_spread=rate_spread,
        )
        return ReservoirReader(image_size, reservoir, n_classes)

    module = seeded(build, derive_seed(seed, "ei-reservoir"))
    rows = _procedural_rows(module, seed)
    if inhibition == "adaptive":
        module.res.adapt(rows)
    elif inhibition == "global":
        module.res.scale_inhibition(global_factor(module.res, rows[:500], float(module.res.targets.mean())))
    options: dict[str, Any] = {
        "image_size": image_size,
        "n_neurons": n_neurons,
        "density": density,
        "target_rate": target_rate,
        "rate_spread": rate_spread,
        "n_classes": n_classes,
        "seed": seed,
    }
    is_adaptive = inhibition == "adaptive"
    name = {"adaptive": "ei-reservoir", "global": "ei-reservoir-global", "raw": "ei-reservoir-untrained"}
    return declared(
        name[inhibition],
        module,
        square(image_size),
        recipe=Recipe(data="labels", lr=1e-2, epochs=30),
        untrained=partial(ei_reservoir_untrained, **options) if is_adaptive else None,
        matched=partial(ei_reservoir_global, **options) if is_adaptive else None,
        options=options | {"inhibition": inhibition},
        notes=(f"Weights are random (seed {seed}); inhibition is {inhibition}, set without any stimulus.",),
    )


def ei_reservoir_global(
    *,
    image_size: int = 32,
    n_neurons: int = 200,
    density: float = 0.1,
    target_rate: float = 0.4,
    rate_spread: float = 0.0,
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`ei_reservoir` with ``inhibition="global"``: the same mean rate, by one factor for all.

    Parameters
    ----------
    image_size, n_neurons, density, target_rate, rate_spread, n_classes, seed
        As for :func:`ei_reservoir`.

    Returns
    -------
    network : Network
    """
    return ei_reservoir(
        image_size=image_size,
        n_neurons=n_neurons,
        density=density,
        target_rate=target_rate,
        rate_spread=rate_spread,
        inhibition="global",
        n_classes=n_classes,
        seed=seed,
    )


def ei_reservoir_untrained(
    *,
    image_size: int = 32,
    n_neurons: int = 200,
    density: float = 0.1,
    target_rate: float = 0.4,
    rate_spread: float = 0.0,
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`ei_reservoir` with ``inhibition="raw"``: before any adaptation.

    Parameters
    ----------
    image_size, n_neurons, density, target_rate, rate_spread, n_classes, seed
        As for :func:`ei_reservoir`.

    Returns
    -------
    network : Network
    """
    return ei_reservoir(
        image_size=image_size,
        n_neurons=n_neurons,
        density=density,
        target_rate=target_rate,
        rate_spread=rate_spread,
        inhibition="raw",
        n_classes=n_classes,
        seed=seed,
    )


def _procedural_rows(module: ReservoirReader, seed: int) -> torch.Tensor:
    size = module.image_size
    n_images = -(-_N_ADAPTATION_STEPS // size)
    draw = derive_seed(seed, "ei-reservoir", "images")
    images = procedural_images(n_images, size=size, random_state=draw).astype(np.float32) / 255
    rows = module.rows(torch.from_numpy(images).permute(0, 3, 1, 2)).flatten(0, 1)
    return rows[:_N_ADAPTATION_STEPS]
