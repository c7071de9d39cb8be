"""Layers whose weights are functions of time, held as coefficients of a basis."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from ..._core.errors import InputError

Basis = Literal["legendre", "fourier"]


def step_centres(n_steps: int) -> torch.Tensor:
    """Return the centres of equal steps of [-1, 1], float64.

    A mean over samples there is a midpoint rule, which is what lets the same function be sampled at another
    rate.
    """
    return (2 * torch.arange(n_steps, dtype=torch.float64) + 1) / n_steps - 1


def basis_functions(basis: Basis, n_functions: int, places: torch.Tensor) -> torch.Tensor:
    """Return the first functions of a basis, orthonormal under the mean over [-1, 1].

    Legendre polynomials by degree, or 1 and pairs of sine and cosine by frequency.

    Parameters
    ----------
    basis : {"legendre", "fourier"}
        Which.
    n_functions : int
        How many.
    places : Tensor of shape (n_places,)
        In [-1, 1], float64.

    Returns
    -------
    values : Tensor of shape (n_functions, n_places)
        float32.

    Examples
    --------
    >>> basis_functions("legendre", 2, step_centres(4))
    tensor([[ 1.0000,  1.0000,  1.0000,  1.0000],
            [-1.2990, -0.4330,  0.4330,  1.2990]])
    """
    if basis == "fourier":
        rows = [torch.ones_like(places)]
        for order in range(1, n_functions // 2 + 1):
            angle = torch.pi * order * places
            rows += [2**0.5 * angle.sin(), 2**0.5 * angle.cos()]
        return torch.stack(rows[:n_functions]).float()
    degrees = [torch.ones_like(places), places]
    for degree in range(2, n_functions):
        # Bonnet's recursion.
        higher = (2 * degree - 1) * places * degrees[-1] - (degree - 1) * degrees[-2]
        degrees.append(higher / degree)
    scale = (2 * torch.arange(n_functions) + 1).double().sqrt()
    return (torch.stack(degrees[:n_functions]) * scale[:, None]).float()


class FunctionalConv(nn.Module):
    """Mean of a signal times a kernel that is a sum of a few functions, at every place where it fits.

    ::

        out_f(t) = 1/D  integral over D of  sum_c sum_k a[f, c, k] B_k(s) x_c(t + s)  ds

    Parameters
    ----------
    n_inputs, n_outputs, n_functions : int
        Maps in, maps out, and functions of the basis.
    n_samples : int
        How often the kernel is sampled; coefficients do not depend on it.
    basis : {"legendre", "fourier"}
        Which functions.
    """

    values: torch.Tensor

    def __init__(
        self, n_inputs: int, n_outputs: int, *, n_functions: int, n_samples: int, basis: Basis
    ) -> None:
        super().__init__()
        self.basis: Basis = basis
        self.coefficients = nn.Parameter(
            torch.randn(n_outputs, n_inputs, n_functions) * (2 / n_inputs) ** 0.5
        )
        self.register_buffer("values", torch.empty(0), persistent=False)
        self.sample(n_samples)

    @property
    def n_samples(self) -> int:
        """Samples of the kernel."""
        return int(self.values.shape[1])

    def sample(self, n_samples: int) -> None:
        """Sample the kernel so often from now on; no less often than it has functions."""
        check_kernel(self.coefficients.shape[2], n_samples)
        sampled = basis_functions(self.basis, self.coefficients.shape[2], step_centres(n_samples))
        self.values = sampled.to(self.coefficients.device)

    def kernel(self) -> torch.Tensor:
        """Return the kernel, shape (n_outputs, n_inputs, n_samples)."""
        return self.coefficients @ self.values

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, n_inputs, n_times) to (n, n_outputs, n_times - n_samples + 1)."""
        return nn.functional.conv1d(maps, self.kernel() / self.n_samples)


class FunctionalDense(nn.Module):
    """Mean over time of maps weighted by functions of time, plus a bias.

    Parameters
    ----------
    n_inputs, n_outputs, n_functions : int
        Maps in, numbers out, and functions of the basis; with one function, which is constant, the mean over
        time is all that counts.
    basis : {"legendre", "fourier"}
        Which functions.
    overhang : float, default=0.0
        Samples at either end of the maps that reach over the span of time they stand for: half of one for
        every convolution. They are left out, in part or whole, so that the span does not depend on the rate.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, *, n_functions: int, basis: Basis, overhang: float = 0.0
    ) -> None:
        super().__init__()
        self.basis: Basis = basis
        self.overhang = overhang
        self.coefficients = nn.Parameter(torch.randn(n_outputs, n_inputs, n_functions) / n_inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, n_inputs, n_times) to (n, n_outputs)."""
        n_times = maps.shape[2]
        span = n_times - 2 * self.overhang
        edges = torch.arange(n_times + 1, dtype=torch.float64)
        edges = (edges.clamp(self.overhang, n_times - self.overhang) - self.overhang) / span
        shares = edges.diff()
        centres = edges[1:] + edges[:-1] - 1
        values = basis_functions(self.basis, self.coefficients.shape[2], centres) * shares
        moments = maps @ values.T.to(maps)
        return torch.einsum("nck,ock->no", moments, self.coefficients) + self.bias


def unit_variance(signals: torch.Tensor) -> torch.Tensor:
    """Centre every channel over time and divide it by its standard deviation; constant channels give zeros.

    Parameters
    ----------
    signals : Tensor of shape (n_trials, n_channels, n_times)
        In any unit: nothing absolute is added to the deviation.

    Returns
    -------
    normalised : Tensor of shape (n_trials, n_channels, n_times)
        Mean 0, variance 1 or 0.
    """
    # Volts and tesla are so small that their squares would vanish in float32.
    largest = signals.abs().amax(dim=2, keepdim=True)
    scaled = signals / torch.where(largest > 0, largest, 1)
    centred = scaled - scaled.mean(dim=2, keepdim=True)
    deviation = centred.square().mean(dim=2, keepdim=True).sqrt()
    # What is left of a constant channel is the rounding of its mean.
    return torch.where(deviation > 1e-6, centred / deviation.clamp_min(1e-6), 0)


def check_kernel(n_functions: int, n_samples: int) -> None:
    """Refuse a kernel that is sampled too rarely for its functions to differ."""
    if n_samples < n_functions:
        raise InputError(
            f"a kernel of {n_samples} samples cannot hold {n_functions} functions. Take a longer `kernel_s`, "
            "fewer `n_functions`, or a higher sampling rate."
        )
