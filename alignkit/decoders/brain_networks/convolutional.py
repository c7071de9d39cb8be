"""A convolutional network for M/EEG: spatial attention, a subject layer, dilated residual convolutions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ..._core.errors import InputError
from .._layout import Layout
from .._seeding import seeded
from .pooling_over_time import PoolingOverTime
from .spatial_attention import SpatialAttention
from .subject_layer import SubjectLayer


def brain_conv(
    layout: Layout,
    n_outputs: int,
    *,
    spatial_attention: bool = True,
    attention_outputs: int = 270,
    n_frequencies: int = 32,
    sensor_dropout: float = 0.2,
    subject_layer: bool = True,
    n_layers: int = 10,
    width: int = 320,
    kernel_size: int = 3,
    dilation_growth: int = 2,
    dilation_period: int = 5,
    dropout: float = 0.0,
    target_times: int | None = None,
    seed: int = 0,
) -> BrainConv:
    """Build the convolutional network of Defossez et al. (2023).

    Parameters
    ----------
    layout : Layout
        Of the recordings; with `spatial_attention`, places of sensors for every subject.
    n_outputs : int
        Numbers of an output.
    spatial_attention : bool, default=True
        Mix sensors by their places. Otherwise by a 1 x 1 convolution over channels, so that all subjects
        need the same channels in the same order.
    attention_outputs : int, default=270
        Virtual channels that sensors are mixed into, either way.
    n_frequencies : int, default=32
        Of the places' Fourier code, for each axis.
    sensor_dropout : float, default=0.2
        Radius, in the unit square, of the disc of sensors that a training batch does without.
    subject_layer : bool, default=True
        Give each subject a matrix of its own over virtual channels.
    n_layers : int, default=10
        Convolutions with batch norm and GELU; the ones that keep their width are residual. A gated linear
        unit follows every second.
    width : int, default=320
        Channels of the convolutions.
    kernel_size : int, default=3
        In samples; odd.
    dilation_growth : int, default=2
        Dilation is ``dilation_growth ** (layer % dilation_period)``.
    dilation_period : int, default=5
        Layers after which dilation starts again from 1.
    dropout : float, default=0.0
        After each activation, in [0, 1).
    target_times : int or None, default=None
        None: targets have no time, and a learned affine map over time leaves one step. Otherwise outputs
        keep this many steps, at most those of a trial.
    seed : int, default=0
        Of the weights.

    Returns
    -------
    network : BrainConv
        Puts out (n_trials, n_outputs), or (n_trials, n_outputs, target_times). At the defaults an output
        sees 135 samples before pooling, 1.1 s at 120 Hz.

    Raises
    ------
    InputError
        If places are missing, the kernel is even, or a trial has fewer times than the kernel.

    Notes
    -----
    Inputs are to be robustly scaled (median, interquartile range) and clamped, as in the paper: batch norm
    comes after the first convolution, and a convolution of signals in tesla is below its epsilon.

    References
    ----------
    Defossez, Caucheteux, Rapin, Kabeli and King (2023), Decoding speech perception from non-invasive brain
    recordings, Nature Machine Intelligence 5, doi:10.1038/s42256-023-00714-5. Pooling over time: Benchetrit,
    Banville and King (2024), ICLR, arXiv:2310.19812.

    Examples
    --------
    >>> layout = Layout(n_channels=6, n_times=20, n_subjects=2, positions=torch.rand(2, 6, 2))
    >>> network = brain_conv(layout, 8, attention_outputs=5, width=7, n_layers=2)
    >>> network(torch.ones(3, 6, 20), torch.tensor([0, 1, 1])).shape
    torch.Size([3, 8])
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise InputError(f"`kernel_size` must be odd, so that time stays in place, got {kernel_size}.")
    least = max(2, kernel_size)
    if layout.n_times < least:
        raise InputError(
            f"brain-conv with a kernel of {kernel_size} samples needs trials of at least {least} times, got "
            f"{layout.n_times}. For responses without times take residual-mlp."
        )
    if spatial_attention and layout.positions is None:
        raise InputError(
            "spatial attention needs the places of sensors, but the recordings have none. Give them a "
            "montage, or set `spatial_attention` to false."
        )
    with seeded(seed):
        return BrainConv(
            _sensors(layout, spatial_attention, attention_outputs, n_frequencies, sensor_dropout),
            nn.Conv1d(attention_outputs, attention_outputs, 1),
            SubjectLayer(attention_outputs, layout.n_subjects) if subject_layer else None,
            _trunk(
                attention_outputs, n_layers, width, kernel_size, dilation_growth, dilation_period, dropout
            ),
            PoolingOverTime(layout.n_times, target_times=target_times),
            _head(width if n_layers else attention_outputs, n_outputs),
        )


class BrainConv(nn.Module):
    """Sensors to virtual channels, to what subjects share, through convolutions, to outputs.

    Parameters
    ----------
    sensors : Module
        :class:`SpatialAttention`, or a convolution over channels.
    mixing : Module
        A 1 x 1 convolution of virtual channels.
    subject_layer : SubjectLayer or None
        Of as many channels as `sensors` puts out.
    trunk : Module
        Convolutions over time that keep the number of times.
    pooling : PoolingOverTime
        To one step or to those of the targets.
    head : Module
        For each step.
    """

    def __init__(
        self,
        sensors: nn.Module,
        mixing: nn.Module,
        subject_layer: SubjectLayer | None,
        trunk: nn.Module,
        pooling: PoolingOverTime,
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.sensors = sensors
        self.mixing = mixing
        self.subject_layer = subject_layer
        self.trunk = trunk
        self.pooling = pooling
        self.head = head

    @property
    def own_channels(self) -> bool:
        """Whether subjects may have channels of their own: with spatial attention, which goes by places."""
        return isinstance(self.sensors, SpatialAttention)

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Read trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32, scaled and clamped.
        subjects : Tensor of shape (n_trials,)
            int64, from 0.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs) or (n_trials, n_outputs, target_times)
            The former where `target_times` is None.
        """
        virtual = self.sensors(signals, subjects) if self.own_channels else self.sensors(signals)
        virtual = self.mixing(virtual)
        if self.subject_layer is not None:
            virtual = self.subject_layer(virtual, subjects)
        outputs: torch.Tensor = self.head(self.pooling(self.trunk(virtual)))
        return outputs.squeeze(-1) if self.pooling.target_times is None else outputs

    def add_subject(self, positions: torch.Tensor | None = None) -> list[nn.Parameter]:
        """Take in one more subject.

        Parameters
        ----------
        positions : Tensor of shape (n_channels, 2), optional
            Places of its sensors, in [0, 1], NaN where there are none; by default those that all other
            subjects share. Not used without spatial attention.

        Returns
        -------
        parameters : list of Parameter
            What calibration may fit: the new subject's matrix; nothing without a subject layer.

        Raises
        ------
        InputError
            If places do not fit, or are not given although subjects differ in theirs.
        """
        if isinstance(self.sensors, SpatialAttention):
            self.sensors.add_subject(positions)
        return [] if self.subject_layer is None else self.subject_layer.add_subject()


class _DilatedLayer(nn.Module):
    """Convolution, batch norm, GELU; added to its input where widths agree; then, or not, a gate."""

    def __init__(
        self, n_inputs: int, width: int, *, kernel_size: int, dilation: int, dropout: float, gated: bool
    ) -> None:
        super().__init__()
        padding = dilation * (kernel_size // 2)
        self.block = nn.Sequential(
            nn.Conv1d(n_inputs, width, kernel_size, padding=padding, dilation=dilation),
            nn.BatchNorm1d(width),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.is_residual = n_inputs == width
        self.gate = nn.Conv1d(width, 2 * width, kernel_size, padding=kernel_size // 2) if gated else None

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Keep the number of times: (n_trials, n_inputs, n_times) to (n_trials, width, n_times)."""
        made: torch.Tensor = self.block(signals)
        if self.is_residual:
            made = made + signals
        return made if self.gate is None else functional.glu(self.gate(made), dim=1)


def _sensors(
    layout: Layout, spatial_attention: bool, n_outputs: int, n_frequencies: int, radius: float
) -> nn.Module:
    if not spatial_attention:
        return nn.Conv1d(layout.n_channels, n_outputs, 1)
    assert layout.positions is not None
    return SpatialAttention(
        layout.positions, n_outputs=n_outputs, n_frequencies=n_frequencies, dropout_radius=radius
    )


def _trunk(
    n_inputs: int, n_layers: int, width: int, kernel_size: int, growth: int, period: int, dropout: float
) -> nn.Sequential:
    return nn.Sequential(
        *(
            _DilatedLayer(
                width if layer else n_inputs,
                width,
                kernel_size=kernel_size,
                dilation=growth ** (layer % period),
                dropout=dropout,
                gated=layer % 2 == 1,
            )
            for layer in range(n_layers)
        )
    )


def _head(width: int, n_outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(width, 2 * width, 1), nn.GELU(), nn.Conv1d(2 * width, n_outputs, 1))
