"""Leaky integrate-and-fire neurons, and the gradients that stand in for a spike's."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .membrane_rectifier import rectifier_slope

Reset = Literal["hard", "soft"]
Surrogate = Literal["atan", "triangle", "rectangle", "rectified"]

RESETS: tuple[Reset, ...] = ("hard", "soft")
_SCALES: dict[Surrogate, float] = {"atan": 2.0, "triangle": 1.0, "rectangle": 0.5, "rectified": 1.0}
SURROGATES: tuple[Surrogate, ...] = tuple(_SCALES)


class State(NamedTuple):
    """What a population carries from step to step; every tensor is (n_images, ...) as its current.

    Attributes
    ----------
    membrane : Tensor
        Potential after the reset.
    current : Tensor
        Synaptic current.
    n_spikes : Tensor
        Spikes so far.
    latency : Tensor
        Steps without a first spike so far.
    """

    membrane: Tensor
    current: Tensor
    n_spikes: Tensor
    latency: Tensor


def surrogate_slope(x: Tensor, *, surrogate: Surrogate = "atan", scale: float | None = None) -> Tensor:
    """Return what stands for the derivative of a spike by how far the membrane is above threshold.

    With x that distance and a the scale::

        atan       a / (2 (1 + (pi a x / 2)^2))
        triangle   max(0, 1 - |x| / a) / a
        rectangle  1 / (2 a) where |x| < a, else 0
        rectified  slope of the membrane rectifier at 1/2 + x / a, over a, where |x| < a / 2, else 0

    Parameters
    ----------
    x : Tensor
        Membrane minus threshold.
    surrogate : {"atan", "triangle", "rectangle", "rectified"}, default="atan"
        Which.
    scale : float, optional
        The scale a: 2, 1, 1/2 and 1 by default. A larger one is narrower for "atan", wider for the rest.

    Returns
    -------
    slope : Tensor of the shape of `x`
        Non-negative, largest at 0; its integral over x is 1.

    References
    ----------
    Neftci EO, Mostafa H, Zenke F (2019). Surrogate gradient learning in spiking neural networks. IEEE
    Signal Processing Magazine 36(6):51-63. https://doi.org/10.1109/MSP.2019.2931595

    Examples
    --------
    >>> surrogate_slope(torch.tensor([0.0, 0.5, 2.0]), surrogate="triangle")
    tensor([1.0000, 0.5000, 0.0000])
    """
    check_option("surrogate", surrogate, SURROGATES)
    a = _SCALES[surrogate] if scale is None else scale
    if surrogate == "atan":
        return a / 2 / (1 + (math.pi / 2 * a * x) ** 2)
    if surrogate == "triangle":
        return (1 - x.abs() / a).clamp(min=0) / a
    if surrogate == "rectangle":
        return (x.abs() < a).to(x.dtype) / (2 * a)
    return rectifier_slope(0.5 + x / a) * (x.abs() < a / 2) / a


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, surrogate: Surrogate, scale: float | None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.surrogate, ctx.scale = surrogate, scale
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slope = surrogate_slope(x, surrogate=ctx.surrogate, scale=ctx.scale)
        return gradients[0] * slope, None, None


def spike(x: Tensor, *, surrogate: Surrogate = "atan", scale: float | None = None) -> Tensor:
    """Return 1 where `x` is at least 0, else 0; gradients flow through :func:`surrogate_slope`.

    Parameters
    ----------
    x : Tensor
        Membrane minus threshold.
    surrogate, scale
        As for :func:`surrogate_slope`.

    Returns
    -------
    spikes : Tensor of the shape and dtype of `x`
        Zeros and ones.
    """
    spikes: Tensor = _Spike.apply(x, surrogate, scale)  # type: ignore[no-untyped-call]
    return spikes


class LIF(nn.Module):
    """A population of leaky integrate-and-fire neurons; every call is one step of time.

    With input x, synaptic decay a, gain g, decay d and threshold h::

        i_t = a i_{t-1} + x_t        u_t = d u_{t-1} + g i_t        s_t = 1 where u_t >= h

    and then the reset: ``u_t <- u_t (1 - s_t)`` (hard) or ``u_t <- u_t - r s_t`` (soft). The reset sends
    no gradient back. Submodules are taps: ``current`` (i_t), ``membrane`` (u_t before the reset) and
    ``spikes`` run once per step, ``rate`` and ``latency`` once at the end, in :meth:`finish`.

    Parameters
    ----------
    decay : float, default=0.9
        Of the membrane per step, in [0, 1]; 1 does not leak.
    threshold : float, default=1.0
        Positive.
    reset : {"hard", "soft"}, default="hard"
        To zero, or down by `drop`: the soft one loses none of what came in.
    drop : float, optional
        What the soft reset takes off; the threshold by default.
    synaptic_decay : float, default=0.0
        In [0, 1); 0 has the input act at once and only once.
    gain : float, default=1.0
        From current to membrane.
    surrogate : {"atan", "triangle", "rectangle", "rectified"}, default="atan"
        See :func:`surrogate_slope`; "rectified" is the membrane rectifier of Guo et al.
    scale : float, optional
        Of the surrogate.
    norm : Module, optional
        Between membrane and threshold only, such as a ``MembraneNorm``; it is the submodule
        ``membrane.norm``.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Neftci EO, Mostafa H, Zenke F (2019). Surrogate gradient learning in spiking neural networks. IEEE
    Signal Processing Magazine 36(6):51-63. https://doi.org/10.1109/MSP.2019.2931595

    Examples
    --------
    >>> neuron, state, potentials = LIF(synaptic_decay=0.8, gain=0.1), None, []
    >>> for _ in range(9):
    ...     spikes, state = neuron(torch.ones(1, 1), state)
    ...     potentials.append(round(state.membrane.item(), 4))
    >>> potentials
    [0.1, 0.27, 0.487, 0.7335, 0.9963, 0.0, 0.3951, 0.7717, 0.0]
    """

    threshold: Tensor
    sign: Tensor

    def __init__(
        self,
        *,
        decay: float = 0.9,
        threshold: float = 1.0,
        reset: Reset = "hard",
        drop: float | None = None,
        synaptic_decay: float = 0.0,
        gain: float = 1.0,
        surrogate: Surrogate = "atan",
        scale: float | None = None,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        _check_ranges(decay, threshold, synaptic_decay, scale)
        check_option("surrogate", surrogate, SURROGATES)
        self.decay, self.synaptic_decay, self.gain = decay, synaptic_decay, gain
        self.reset = check_option("reset", reset, RESETS)
        self.drop = threshold if drop is None else drop
        self.surrogate, self.scale = surrogate, scale
        # Buffers, because folding a norm makes both of them values per channel.
        self.register_buffer("threshold", torch.tensor(threshold))
        self.register_buffer("sign", torch.tensor(1.0))
        self.current = nn.Identity()
        self.membrane = nn.Identity()
        self.spikes = nn.Identity()
        self.rate = nn.Identity()
        self.latency = nn.Identity()
        if norm is not None:
            self.membrane.add_module("norm", norm)

    @property
    def norm(self) -> nn.Module | None:
        """What stands between membrane and threshold."""
        return dict(self.membrane.named_children()).get("norm")

    def forward(self, current: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Advance by one step.

        Parameters
        ----------
        current : Tensor of shape (n_images, n_channels, ...)
            Input of this step.
        state : State, optional
            As the step before returned it; at rest when missing.

        Returns
        -------
        spikes : Tensor of the shape of `current`
            Zeros and ones.
        state : State
        """
        if state is None:
            rest = torch.zeros_like(current)
            state = State(rest, rest, rest, rest)
        if self.synaptic_decay:
            current = torch.add(current, state.current, alpha=self.synaptic_decay)
        current = self.current(current)
        drive = current if self.gain == 1 else current * self.gain
        membrane = self.membrane(torch.add(drive, state.membrane, alpha=self.decay))
        spikes = self.spikes(spike(self._above(membrane), surrogate=self.surrogate, scale=self.scale))
        fired = spikes.detach()
        if self.reset == "hard":
            after = torch.addcmul(membrane, membrane, fired, value=-1)
        else:
            after = torch.sub(membrane, fired, alpha=self.drop)
        n_spikes = state.n_spikes + spikes
        return spikes, State(after, current, n_spikes, state.latency + (n_spikes.detach() == 0))

    def finish(self, state: State, n_steps: int) -> tuple[Tensor, Tensor]:
        """Send rate and latency through their taps, once all steps are done.

        Parameters
        ----------
        state : State
            After the last step.
        n_steps : int
            How many there were.

        Returns
        -------
        rate : Tensor
            Spikes per step, in [0, 1].
        latency : Tensor
            Steps before the first spike, counted from 0; `n_steps` where there was none.
        """
        return self.rate(state.n_spikes / n_steps), self.latency(state.latency)

    def fold(self, threshold: Tensor, sign: Tensor) -> None:
        """Put a threshold per channel in the place of the norm; with a sign of -1 it is an upper one."""
        self.threshold, self.sign = threshold, sign
        del self.membrane.norm

    def _above(self, membrane: Tensor) -> Tensor:
        norm = self.norm
        decisive = membrane if norm is None else norm(membrane)
        if self.threshold.ndim == 0:
            return decisive - self.threshold
        shape = (-1,) + (1,) * (membrane.ndim - 2)
        above: Tensor = (decisive - self.threshold.view(shape)) * self.sign.view(shape)
        return above


def _check_ranges(decay: float, threshold: float, synaptic_decay: float, scale: float | None) -> None:
    if not 0 <= decay <= 1:
        raise InputError(f"`decay` must be in [0, 1], got {decay}.")
    if not 0 <= synaptic_decay < 1:
        raise InputError(f"`synaptic_decay` must be in [0, 1), got {synaptic_decay}.")
    if threshold <= 0:
        raise InputError(f"`threshold` must be positive, got {threshold}.")
    if scale is not None and scale <= 0:
        raise InputError(f"`scale` must be positive, got {scale}.")
