"""Functional network: kernels are functions of time, so that they know no sampling rate and no onset."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from torch import nn

from ..._core.checks import check_option
from .._layout import Layout
from .._seeding import seeded
from ._functional_layers import Basis, FunctionalConv, FunctionalDense, check_kernel, unit_variance
from ._temporal_filters import need_counts, need_times, samples_lasting


class FunctionalNetwork(nn.Module):
    """Channels of unit variance over time, functional convolutions with ELU, and a functional dense layer.

    Parameters
    ----------
    n_channels, n_outputs : int
        Sizes.
    n_filters, n_layers, n_functions : int
        Maps of every convolution, convolutions, and functions that make up a kernel.
    kernel_length : int
        Samples of the kernels.
    n_dense_functions : int
        Functions that weight the last maps over time; 1 takes their mean.
    basis : {"legendre", "fourier"}
        Which functions.
    dropout : float
        Share of maps that are dropped in training before the dense layer, in [0, 1).
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        *,
        n_filters: int,
        n_layers: int,
        n_functions: int,
        kernel_length: int,
        n_dense_functions: int,
        basis: Basis,
        dropout: float,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            FunctionalConv(
                n_channels if layer == 0 else n_filters,
                n_filters,
                n_functions=n_functions,
                n_samples=kernel_length,
                basis=basis,
            )
            for layer in range(n_layers)
        )
        # Whole maps, so that a dropped value is dropped at any sampling rate.
        self.dropout = nn.Dropout1d(dropout)
        self.dense = FunctionalDense(
            n_filters, n_outputs, n_functions=n_dense_functions, basis=basis, overhang=n_layers / 2
        )

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Return outputs of trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32; constant channels count as zero.
        subjects : Tensor of shape (n_trials,)
            Not used: all subjects share all weights.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            Embeddings, or scores of classes before the softmax.
        """
        maps = unit_variance(signals)
        for convolution in self.convolutions:
            maps = nn.functional.elu(convolution(maps))
        outputs: torch.Tensor = self.dense(self.dropout(maps))
        return outputs

    def at_rate(self, factor: float) -> Self:
        """Return a copy for signals that are sampled `factor` times as often.

        The functions stay the same; only how often they are sampled changes.

        Parameters
        ----------
        factor : float
            Above 0; 2 for twice the sampling rate.

        Returns
        -------
        network : FunctionalNetwork
            With copies of the same coefficients.

        Raises
        ------
        InputError
            If a kernel would have fewer samples than functions.
        """
        other = copy.deepcopy(self)
        for layer in other.modules():
            if isinstance(layer, FunctionalConv):
                layer.sample(round(layer.n_samples * factor))
        return other


def functional_network(
    layout: Layout,
    n_outputs: int,
    *,
    n_filters: int = 20,
    n_layers: int = 2,
    n_functions: int = 8,
    kernel_s: float = 0.25,
    n_dense_functions: int = 1,
    basis: Literal["legendre", "fourier"] = "legendre",
    dropout: float = 0.0,
    seed: int = 0,
) -> FunctionalNetwork:
    """Build a functional network.

    With `n_dense_functions` of 1 outputs do not change when what is in a trial comes earlier or later, as
    long as it stays further from the edges than all kernels together reach. Weights learnt at one sampling
    rate serve at another (:meth:`FunctionalNetwork.at_rate`). Since channels are brought to unit variance,
    absolute power is not seen.

    Parameters
    ----------
    layout : Layout
        Channels, times and sampling frequency.
    n_outputs : int
        What the objective wants.
    n_filters : int, default=20
        Maps of every convolution.
    n_layers : int, default=2
        Convolutions.
    n_functions : int, default=8
        Functions that make up a kernel, which are all that is trained of it.
    kernel_s : float, default=0.25
        How long a kernel lasts, in seconds.
    n_dense_functions : int, default=1
        Functions that weight the last maps over time; above 1 the network also learns when.
    basis : {"legendre", "fourier"}, default="legendre"
        Polynomials, or 1 and pairs of sine and cosine.
    dropout : float, default=0.0
        In training, of whole maps before the last layer.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : FunctionalNetwork
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).

    Raises
    ------
    InputError
        If trials are shorter than the kernels, a kernel has fewer samples than functions, there is no
        sampling frequency, the basis is not known, or a count is below 1.

    References
    ----------
    .. [1] Heinrichs, Heim & Weber (2023). Functional neural networks: shift invariant models for functional
       data with applications to EEG classification. ICML, PMLR 202, 12866-12881.

    Examples
    --------
    >>> network = functional_network(Layout(16, 250, sfreq_hz=250.0), 2)
    >>> network.convolutions[0].kernel().shape, network.convolutions[0].coefficients.shape
    (torch.Size([20, 16, 62]), torch.Size([20, 16, 8]))
    """
    check_option("basis", basis, ("legendre", "fourier"))
    need_counts(
        n_filters=n_filters,
        n_layers=n_layers,
        n_functions=n_functions,
        n_dense_functions=n_dense_functions,
    )
    length = samples_lasting(kernel_s, layout, network="functional", option="kernel_s")
    check_kernel(n_functions, length)
    least = n_layers * length + n_dense_functions
    need_times(least, layout.n_times, network="functional", remedy="a shorter `kernel_s` or fewer `n_layers`")
    with seeded(seed):
        return FunctionalNetwork(
            layout.n_channels,
            n_outputs,
            n_filters=n_filters,
            n_layers=n_layers,
            n_functions=n_functions,
            kernel_length=length,
            n_dense_functions=n_dense_functions,
            basis=basis,
            dropout=dropout,
        )
