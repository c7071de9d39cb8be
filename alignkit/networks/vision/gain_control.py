"""Adaptive gain control: a ring of orientation units with fixed wiring, and gains that follow the stimuli."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from ..procedural import procedural_images
from ._gabor_modules import LUMINANCE, GaborScale, quadrature_filters

ADAPT_TO = ("image", "context")

# Cycles per image, and the width along the wave over that across.
_FREQUENCIES = (4.0, 8.0, 16.0)
_ASPECT = 0.5
_N_SCALING_IMAGES = 16
_SLOWEST = 0.05
_STEP = 0.1


def ring_weights(n_units: int, *, weight: float, width: float = 20.0) -> Tensor:
    """Return recurrent weights between orientations that fall off with their angle.

    Parameters
    ----------
    n_units : int
        Orientations, evenly spaced over 180 degrees.
    weight : float
        Sum of what one unit receives; below 1 in absolute value, or the ring would run away.
    width : float, default=20.0
        Standard deviation of the Gaussian, in degrees.

    Returns
    -------
    weights : float64 Tensor of shape (n_units, n_units)
        Symmetric and circulant; zero on the diagonal.

    Raises
    ------
    InputError
        If `weight` is not within (-1, 1).
    """
    if not -1 < weight < 1:
        raise InputError(f"`weight` must be between -1 and 1, got {weight}.")
    angle = 180 * torch.arange(n_units, dtype=torch.float64) / n_units
    away = (angle[:, None] - angle[None] + 90) % 180 - 90
    weights = torch.exp(-((away / width) ** 2) / 2)
    weights.fill_diagonal_(0)
    return weight * weights / weights.sum(1, keepdim=True)


def steady_state(drive: Tensor, gain: Tensor, weights: Tensor) -> Tensor:
    """Return where the ring settles: ``r = (I - G W)^-1 G f``.

    Parameters
    ----------
    drive : Tensor of shape (..., n_samples, n_units)
        Feed-forward input f.
    gain : Tensor of shape (..., n_units)
        The diagonal of G, positive.
    weights : Tensor of shape (n_units, n_units)
        The recurrent weights W.

    Returns
    -------
    response : Tensor of shape (..., n_samples, n_units)
    """
    system = torch.diag_embed(1 / gain) - weights
    settled: Tensor = torch.linalg.solve(system, drive.transpose(-1, -2)).transpose(-1, -2)
    return settled


def objective(gain: Tensor, moment: Tensor, weights: Tensor, *, cost: float, homeostasis: float) -> Tensor:
    """Return what gains are chosen to make small.

    ``E[||f - (I - W) r||^2 + cost ||r||^2] / 2 + homeostasis ||g - 1||^2 / 2``: keep the drive readable,
    fire little, stay near the gain of 1. With gains of 1 the first term vanishes.

    Parameters
    ----------
    gain : Tensor of shape (..., n_units)
    moment : Tensor of shape (..., n_units, n_units)
        Second moments ``E[f f^T]`` of the drive in this context.
    weights : Tensor of shape (n_units, n_units)
    cost, homeostasis : float
        Factors of the second and third term.

    Returns
    -------
    value : Tensor of shape (...)
    """
    second, burden = _terms(gain, moment, weights, cost)[1:]
    power = second.diagonal(dim1=-2, dim2=-1)
    return ((burden * power).sum(-1) + homeostasis * ((gain - 1) ** 2).sum(-1)) / 2


def optimal_gains(
    moment: Tensor, weights: Tensor, *, cost: float = 1.0, homeostasis: float = 1.0, n_steps: int = 200
) -> Tensor:
    """Return the gains that minimise :func:`objective`, from gains of 1 downhill.

    Parameters
    ----------
    moment, weights, cost, homeostasis
        As for :func:`objective`.
    n_steps : int, default=200
        Gradient steps.

    Returns
    -------
    gain : Tensor of shape (..., n_units)
        In [0.05, 1].
    """
    gain = torch.ones(moment.shape[:-1], dtype=moment.dtype, device=moment.device)
    power = moment.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True)
    step = _STEP / (1 + power + homeostasis)
    for _ in range(n_steps):
        slope = _slope(gain, moment, weights, cost, homeostasis)
        # A gain above 1 would have an unstable ring within reach.
        gain = (gain - step * slope).clamp(_SLOWEST, 1)
    return gain


def tuning(n_units: int, angles: Tensor, *, width: float = 20.0) -> Tensor:
    """Return the drive of every unit by gratings: von Mises tuning curves with a peak of 1.

    Parameters
    ----------
    n_units : int
        Orientations, evenly spaced over 180 degrees.
    angles : Tensor of shape (n_stimuli,)
        In degrees.
    width : float, default=20.0
        About the standard deviation of a curve, in degrees.

    Returns
    -------
    drive : float64 Tensor of shape (n_stimuli, n_units)
    """
    preferred = math.pi * torch.arange(n_units, dtype=torch.float64) / n_units
    away = torch.deg2rad(angles.double())[:, None] - preferred
    return torch.exp((torch.cos(2 * away) - 1) / (2 * math.radians(width)) ** 2)


def context_moment(n_units: int, *, adapter: float | None, share: float = 0.5) -> Tensor:
    """Return the second moments of the drive when one orientation is shown more than others.

    Parameters
    ----------
    n_units : int
    adapter : float or None
        Its orientation, in degrees; None for all equally often.
    share : float, default=0.5
        Of presentations that show the adapter.

    Returns
    -------
    moment : float64 Tensor of shape (n_units, n_units)
    """
    each = tuning(n_units, torch.arange(0, 180, 1.0))
    moment = each.T @ each / len(each)
    if adapter is None:
        return moment
    shown = tuning(n_units, torch.tensor([adapter]))
    return (1 - share) * moment + share * shown.T @ shown


class GainControl(nn.Module):
    """Orientation energies at several scales and places; one ring at each, all with the same gains.

    Parameters
    ----------
    weights : Tensor of shape (n_units, n_units)
        Of the ring.
    gains : Tensor of shape (n_units,) or None
        Of the context; None for gains that follow each image.
    image_size, grid : int
    cost, homeostasis : float
        See :func:`objective`.
    """

    def __init__(
        self,
        weights: Tensor,
        gains: Tensor | None,
        *,
        image_size: int,
        grid: int,
        cost: float,
        homeostasis: float,
    ) -> None:
        super().__init__()
        self.luminance: Tensor
        self.weights: Tensor
        self.gains: Tensor | None
        self.scale: Tensor
        self.margin = image_size // 4
        self.cost = cost
        self.homeostasis = homeostasis
        padded = image_size + 2 * self.margin
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1))
        self.register_buffer("weights", weights.float())
        self.register_buffer("gains", None if gains is None else gains.float())
        self.register_buffer("scale", torch.tensor(1.0))
        self.scales = nn.ModuleList(
            GaborScale(
                quadrature_filters(padded, frequency / image_size, len(weights), _ASPECT),
                margin=self.margin,
                grid=grid,
                log_offset=None,
            )
            for frequency in _FREQUENCIES
        )
        self.drive = nn.Identity()
        self.gain = nn.Identity()
        self.response = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return (n_images, n_scales * n_units, grid, grid) from RGB in [0, 1]."""
        energies = self.energies(images) * self.scale
        n_images, n_scales, n_units, rows, columns = energies.shape
        self.drive(energies.flatten(1, 2))
        # One sample of the ring per scale and place.
        samples = energies.permute(0, 1, 3, 4, 2).flatten(1, 3)
        gain = self.gain(self.gains_for(samples))
        settled = steady_state(samples, gain, self.weights)
        laid = settled.view(n_images, n_scales, rows, columns, n_units).permute(0, 1, 4, 2, 3)
        response: Tensor = self.response(laid.flatten(1, 2))
        return response

    def energies(self, images: Tensor) -> Tensor:
        """Return (n_images, n_scales, n_units, grid, grid)."""
        grey = (images * self.luminance).sum(1, keepdim=True)
        padded = nn.functional.pad(grey, (self.margin,) * 4, mode="replicate")
        spectrum = torch.fft.fft2(padded)
        return torch.stack([scale(spectrum) for scale in self.scales], dim=1)

    def gains_for(self, samples: Tensor) -> Tensor:
        """Return the gains (n_images, n_units) for drives (n_images, n_samples, n_units)."""
        if self.gains is not None:
            return self.gains.expand(len(samples), -1)
        moment = samples.transpose(1, 2) @ samples / samples.shape[1]
        return optimal_gains(moment, self.weights, cost=self.cost, homeostasis=self.homeostasis)


def gain_control(
    *,
    image_size: int = 96,
    n_units: int = 16,
    grid: int = 6,
    weight: float = 0.7,
    adapt_to: Literal["image", "context"] = "image",
    adapter: float | None = None,
    cost: float = 1.0,
    homeostasis: float = 1.0,
    seed: int = 0,
) -> Network:
    """Build adaptive gain control on the orientation energies of an image.

    At every place and scale, units of `n_units` orientations in a ring settle at ``(I - G W)^-1 G f``. W is
    fixed; the gains G alone follow the stimuli: they trade the fidelity of the response against its cost.

    Parameters
    ----------
    image_size : int, default=96
        Height and width, in pixels, that images are brought to; at least 64.
    n_units : int, default=16
        Orientations, evenly spaced over 180 degrees.
    grid : int, default=6
        The energies are averaged over `grid` by `grid` equal areas.
    weight : float, default=0.7
        Sum of the recurrent weights onto a unit, within (-1, 1); 0 is the twin without recurrence.
    adapt_to : {"image", "context"}, default="image"
        Whether gains follow the places of the image itself, or have followed gratings before it.
    adapter : float, optional
        Orientation, in degrees, that half of those gratings have; without it all are equally frequent.
        An orientation of 0 varies from left to right, as in ``gabor-energy``.
    cost, homeostasis : float, default=1.0
        See :func:`objective`.
    seed : int, default=0
        Draws the procedural images that set the scale of the drive (their mean square is 1).

    Returns
    -------
    network : Network
        Layers ``drive`` and ``response`` (3 * n_units, grid, grid) and ``gain`` (n_units).

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    The law of propagation is the paper's. Its objective is here as it was reconstructed from the abstract,
    and adaptation to one image is ours, since images come without a history.

    References
    ----------
    Duong LR, Bredenberg C, Heeger DJ, Simoncelli EP (2023). Adaptive coding efficiency in recurrent
    cortical circuits via gain control. https://arxiv.org/abs/2305.19869
    """
    check_option("adapt_to", adapt_to, ADAPT_TO)
    check_count("image_size", image_size, least=64)
    check_count("n_units", n_units, least=4)
    check_count("grid", grid, least=1)
    check_count("seed", seed, least=0)
    if cost < 0 or homeostasis < 0:
        raise InputError(f"`cost` and `homeostasis` must not be negative, got {cost} and {homeostasis}.")
    if adapter is not None and adapt_to == "image":
        raise InputError('`adapter` is for `adapt_to="context"`; gains that follow the image have none.')
    weights = ring_weights(n_units, weight=weight)
    gains = None
    if adapt_to == "context":
        moment = context_moment(n_units, adapter=adapter)
        gains = optimal_gains(moment, weights, cost=cost, homeostasis=homeostasis)
    module = GainControl(weights, gains, image_size=image_size, grid=grid, cost=cost, homeostasis=homeostasis)
    drawn = procedural_images(
        _N_SCALING_IMAGES, size=image_size, random_state=derive_seed(seed, "gain-control", "images")
    )
    with torch.no_grad():
        images = torch.from_numpy(drawn.astype(np.float32) / 255).permute(0, 3, 1, 2)
        module.scale.fill_(1 / float(module.energies(images).square().mean().sqrt()))
    options: dict[str, Any] = {
        "image_size": image_size,
        "n_units": n_units,
        "grid": grid,
        "adapt_to": adapt_to,
        "adapter": adapter,
        "cost": cost,
        "homeostasis": homeostasis,
        "seed": seed,
    }
    return declared(
        "gain-control" if weight else "gain-control-uncoupled",
        module,
        square(image_size),
        matched=partial(gain_control, weight=0.0, **options) if weight else None,
        options={"weight": weight, **options},
        notes=("Gains follow the image itself." if gains is None else f"Gains follow gratings ({adapter}).",),
    )


def gain_control_uncoupled(
    *,
    image_size: int = 96,
    n_units: int = 16,
    grid: int = 6,
    adapt_to: Literal["image", "context"] = "image",
    adapter: float | None = None,
    cost: float = 1.0,
    homeostasis: float = 1.0,
    seed: int = 0,
) -> Network:
    """Build :func:`gain_control` without recurrent weights.

    Parameters
    ----------
    image_size, n_units, grid, adapt_to, adapter, cost, homeostasis, seed
        As for :func:`gain_control`.

    Returns
    -------
    network : Network
    """
    return gain_control(
        image_size=image_size,
        n_units=n_units,
        grid=grid,
        weight=0.0,
        adapt_to=adapt_to,
        adapter=adapter,
        cost=cost,
        homeostasis=homeostasis,
        seed=seed,
    )


def _terms(gain: Tensor, moment: Tensor, weights: Tensor, cost: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return (G^-1 - W)^-1, the responses' second moments, and what a unit's squared response costs."""
    inverse = torch.linalg.inv(torch.diag_embed(1 / gain) - weights)
    second = inverse @ moment @ inverse.transpose(-1, -2)
    # In the steady state f - (I - W) r is r (1 / g - 1).
    return inverse, second, (1 / gain - 1) ** 2 + cost


def _slope(gain: Tensor, moment: Tensor, weights: Tensor, cost: float, homeostasis: float) -> Tensor:
    """Return the gradient of :func:`objective`, in closed form: features are made without autograd."""
    inverse, second, burden = _terms(gain, moment, weights, cost)
    through = (inverse.transpose(-1, -2) @ (burden[..., None] * second)).diagonal(dim1=-2, dim2=-1)
    direct = second.diagonal(dim1=-2, dim2=-1) * (1 / gain - 1)
    return (through - direct) / gain**2 + homeostasis * (gain - 1)
