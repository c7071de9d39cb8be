"""A transformer over channels, then convolutions over time and channels."""

from __future__ import annotations

import torch
from torch import nn

from ..._core.errors import InputError
from .._layout import Layout
from .._seeding import seeded
from ._channel_attention import ChannelAttention
from ._temporal_spatial import Projection, TemporalSpatial
from .spatial_attention import fourier_code


def channel_transformer(
    layout: Layout,
    n_outputs: int,
    *,
    n_blocks: int = 1,
    n_heads: int = 4,
    feedforward: int = 256,
    token_dropout: float = 0.25,
    subject_token: bool = True,
    position_code: bool = True,
    n_frequencies: int = 8,
    n_filters: int = 40,
    temporal_kernel: int = 25,
    pool: int = 51,
    pool_stride: int = 5,
    dropout: float = 0.5,
    final_norm: bool | None = None,
    seed: int = 0,
) -> ChannelTransformer:
    """Build a network whose tokens are channels, after ATM.

    Each channel's series, linearly mapped, is a token; to it a code of the sensor's place is added. Tokens
    attend to each other and to a token of the subject, and go on as series through the convolutions of
    :func:`nice`.

    Parameters
    ----------
    layout : Layout
        Of the recordings. The convolution over channels has a weight per channel, so all subjects need the
        same channels in the same order.
    n_outputs : int
        Numbers of an output.
    n_blocks : int, default=1
        Of the transformer.
    n_heads : int, default=4
        Of each block.
    feedforward : int, default=256
        Width of the blocks' inner layer.
    token_dropout : float, default=0.25
        Of the transformer, in [0, 1).
    subject_token : bool, default=True
        Add a learned token for each subject; it is what a new subject can be calibrated by.
    position_code : bool, default=True
        Add a code of each sensor's place, where the layout knows places.
    n_frequencies : int, default=8
        Of that code, for each axis.
    n_filters : int, default=40
        Of the convolutions.
    temporal_kernel, pool, pool_stride : int, default=25, 51, 5
        Of the convolutions, in samples; made for 250 Hz.
    dropout : float, default=0.5
        Of convolutions and projection, in [0, 1).
    final_norm : bool or None, default=None
        End with layer norm over the outputs; by default from 8 outputs on.
    seed : int, default=0
        Of the weights.

    Returns
    -------
    network : ChannelTransformer
        Puts out (n_trials, n_outputs).

    Raises
    ------
    InputError
        If a trial is too short for kernel and pool, saying the least number of times; or there is no block
        or head.

    References
    ----------
    Li, Wei, Li, Zou and Liu (2024), Visual decoding and reconstruction via EEG embeddings with guided
    diffusion, NeurIPS, arXiv:2403.07721. Channels as tokens: Liu et al. (2024), iTransformer, ICLR,
    arXiv:2310.06625.

    Examples
    --------
    >>> layout = Layout(n_channels=6, n_times=40, n_subjects=2)
    >>> network = channel_transformer(layout, 8, temporal_kernel=5, pool=9)
    >>> network(torch.ones(3, 6, 40), torch.tensor([0, 1, 1])).shape
    torch.Size([3, 8])
    """
    if n_blocks < 1 or n_heads < 1:
        raise InputError(f"`n_blocks` and `n_heads` must be at least 1, got {n_blocks} and {n_heads}.")
    with seeded(seed):
        convolutions = TemporalSpatial(
            layout.n_channels,
            layout.n_times,
            n_filters=n_filters,
            temporal_kernel=temporal_kernel,
            pool=pool,
            pool_stride=pool_stride,
            dropout=dropout,
            needed_by="channel-transformer",
        )
        width = layout.n_times
        places = layout.positions if position_code else None
        return ChannelTransformer(
            width,
            [_Block(width, n_heads, feedforward, token_dropout) for _ in range(n_blocks)],
            convolutions,
            Projection(convolutions.n_features, n_outputs, dropout=dropout, final_norm=final_norm),
            places=None if places is None else _Places(places, width, n_frequencies),
            n_subject_tokens=layout.n_subjects if subject_token else 0,
            dropout=token_dropout,
        )


class ChannelTransformer(nn.Module):
    """Tokens of channels through transformer blocks, then convolutions and a projection.

    A channel that is zero at all times of a trial (padding, or a channel that was dropped) is no token:
    none attends to it, and it goes on as zeros.

    Parameters
    ----------
    width : int
        Numbers of a token: the times of a trial.
    blocks : list of Module
        From tokens and which of them are there to tokens.
    convolutions : TemporalSpatial
        For `width` times.
    projection : Projection
        To outputs.
    places : Module or None
        What is added to the tokens of each subject's channels.
    n_subject_tokens : int, default=0
        Subjects with a token of their own; 0: none has.
    dropout : float, default=0.0
        Of the tokens.
    """

    def __init__(
        self,
        width: int,
        blocks: list[_Block],
        convolutions: TemporalSpatial,
        projection: Projection,
        *,
        places: _Places | None = None,
        n_subject_tokens: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(width, width)
        self.places = places
        self.subject_tokens = nn.ParameterList(
            nn.Parameter(0.02 * torch.randn(width)) for _ in range(n_subject_tokens)
        )
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.convolutions = convolutions
        self.projection = projection

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Read trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32, whitened or scaled.
        subjects : Tensor of shape (n_trials,)
            int64, from 0.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            float32.
        """
        is_token = (signals != 0).any(-1)
        tokens = self.embedding(signals)
        if self.places is not None:
            tokens = tokens + self.places(subjects)
        present = is_token
        if len(self.subject_tokens):
            own = torch.stack(list(self.subject_tokens))[subjects].unsqueeze(1)
            tokens = torch.cat([tokens, own], dim=1)
            present = torch.cat([is_token, is_token.new_ones(len(signals), 1)], dim=1)
        else:
            # A trial without any signal: softmax over nothing would be NaN.
            present = present | ~present.any(-1, keepdim=True)
        tokens = self.dropout(tokens)
        for block in self.blocks:
            tokens = block(tokens, present)
        series = self.norm(tokens[:, : signals.shape[1]]) * is_token.unsqueeze(-1)
        outputs: torch.Tensor = self.projection(self.convolutions(series))
        return outputs

    def add_subject(self, positions: torch.Tensor | None = None) -> list[nn.Parameter]:
        """Take in one more subject, with the mean of the others' tokens to begin with.

        Parameters
        ----------
        positions : Tensor of shape (n_channels, 2), optional
            Places of its sensors, in [0, 1], NaN where there are none; by default the mean of the other
            subjects'. Not used without a code of places.

        Returns
        -------
        parameters : list of Parameter
            What calibration may fit: the new subject's token; nothing where subjects have none.

        Raises
        ------
        InputError
            If places are not those of as many channels.
        """
        if self.places is not None:
            self.places.add_subject(positions)
        if not len(self.subject_tokens):
            return []
        with torch.no_grad():
            mean = torch.stack(list(self.subject_tokens)).mean(0)
        self.subject_tokens.append(nn.Parameter(mean))
        return [self.subject_tokens[-1]]


class _Places(nn.Module):
    """A linear map of the Fourier code of each sensor's place; zero where it is not known."""

    positions: torch.Tensor

    def __init__(self, positions: torch.Tensor, width: int, n_frequencies: int) -> None:
        super().__init__()
        self.n_frequencies = n_frequencies
        self.linear = nn.Linear(2 * n_frequencies**2, width, bias=False)
        self.register_buffer("positions", positions.detach().clone().float())

    def forward(self, subjects: torch.Tensor) -> torch.Tensor:
        """Return (n_trials, n_channels, width)."""
        present, which = torch.unique(subjects, return_inverse=True)
        positions = self.positions[present]
        known = ~positions.isnan().any(-1, keepdim=True)
        code: torch.Tensor = self.linear(
            fourier_code(positions.nan_to_num(), n_frequencies=self.n_frequencies) * known
        )
        return code[which]

    def add_subject(self, positions: torch.Tensor | None) -> None:
        if positions is None:
            positions = self.positions.nanmean(0)
        if positions.shape != self.positions.shape[1:]:
            raise InputError(
                f"`positions` of a new subject must have shape {tuple(self.positions.shape[1:])}, got "
                f"{tuple(positions.shape)}. Pad with NaN."
            )
        self.positions = torch.cat([self.positions, positions.to(self.positions).unsqueeze(0)])


class _Block(nn.Module):
    """Attention and feedforward, each added to its input and then normalised."""

    def __init__(self, width: int, n_heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.attention = ChannelAttention(width, n_heads=n_heads, dropout=dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(feedforward, width)
        )
        self.feedforward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor, is_token: torch.Tensor) -> torch.Tensor:
        """Keep the shape (n_trials, n_tokens, width)."""
        tokens = self.attention_norm(tokens + self.dropout(self.attention(tokens, is_token=is_token)))
        normed: torch.Tensor = self.feedforward_norm(tokens + self.dropout(self.feedforward(tokens)))
        return normed
