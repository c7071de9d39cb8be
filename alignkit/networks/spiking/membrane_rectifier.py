"""The membrane rectifier: potentials are drawn towards 0 and 1, so that a spike tells more of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEEPNESS = 3.0
_EDGE = math.tanh(_STEEPNESS / 2)


def rectify_membrane(u: Tensor) -> Tensor:
    """Return the rectified potential.

    ``phi(u) = u^(1/3)`` above 1, ``1 - (1 - u)^(1/3)`` below 0, and
    ``1/2 + tanh(3 (u - 1/2)) / (2 tanh(3/2))`` between. It rises everywhere and keeps 0, 1/2 and 1, so
    that a threshold of 1/2 gives the same spikes before and after: only the gradient and the distance
    of potential to spike change.

    Parameters
    ----------
    u : Tensor
        Potentials in units in which the threshold is 1/2.

    Returns
    -------
    rectified : Tensor of the shape of `u`

    References
    ----------
    Guo Y, Chen Y, Zhang L, Wang Y, Liu X, Tong X, Ou Y, Huang X, Ma Z (2022). Reducing information loss
    for spiking neural networks. ECCV. https://arxiv.org/abs/2307.04356

    Examples
    --------
    >>> rectify_membrane(torch.tensor([-7.0, 0.0, 0.5, 1.0, 8.0]))
    tensor([-1.0000,  0.0000,  0.5000,  1.0000,  2.0000])
    """
    v = u - 0.5
    inside = torch.tanh(_STEEPNESS * v) / (2 * _EDGE)
    # |v| + 1/2 is u above 1 and 1 - u below 0; clamped, it has a finite slope in the branch not taken.
    outside = v.sign() * ((v.abs() + 0.5).clamp(min=1).pow(1 / 3) - 0.5)
    return 0.5 + torch.where(v.abs() <= 0.5, inside, outside)


def rectifier_slope(u: Tensor) -> Tensor:
    """Return the derivative of :func:`rectify_membrane` between 0 and 1.

    Parameters
    ----------
    u : Tensor
        Potentials; outside [0, 1], where the rectifier's output is clipped and sends nothing back, the
        value has no meaning.

    Returns
    -------
    slope : Tensor of the shape of `u`
        1.66 at 1/2, 0.30 at the edges.
    """
    bend = torch.tanh(_STEEPNESS * (u - 0.5))
    return (1 - bend * bend) * (_STEEPNESS / (2 * _EDGE))


def quantization_error(u: Tensor, *, rectified: bool = True) -> Tensor:
    """Return the mean squared distance of potentials to the spikes they give at a threshold of 1/2.

    Parameters
    ----------
    u : Tensor
        Potentials before the reset.
    rectified : bool, default=True
        Measure from the rectified potentials.

    Returns
    -------
    error : Tensor, a scalar
        Lower is better.
    """
    spikes = (u >= 0.5).to(u.dtype)
    potentials = rectify_membrane(u) if rectified else u
    return (potentials - spikes).square().mean()
