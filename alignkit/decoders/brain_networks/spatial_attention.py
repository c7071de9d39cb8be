"""Spatial attention: channels are mixed by where their sensors are, not by which column they stand in."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..._core.errors import InputError


def fourier_code(positions: torch.Tensor, *, n_frequencies: int = 32, margin: float = 0.2) -> torch.Tensor:
    """Return the Fourier code of places in the unit square.

    With x' = x + margin, y' = y + margin and the period 1 + 2 margin, the code holds
    cos(2 pi (k x' + l y') / period) for k, l = 0 .. n_frequencies - 1, then the sines.

    Parameters
    ----------
    positions : Tensor of shape (..., 2)
        In [0, 1]; without NaN.
    n_frequencies : int, default=32
        Frequencies of each axis.
    margin : float, default=0.2
        Keeps opposite edges of the square apart although the code is periodic.

    Returns
    -------
    code : Tensor of shape (..., 2 * n_frequencies ** 2)
        In [-1, 1].

    References
    ----------
    Defossez et al. (2023), Decoding speech perception from non-invasive brain recordings, Nature Machine
    Intelligence 5, doi:10.1038/s42256-023-00714-5, section "Spatial attention".

    Examples
    --------
    >>> fourier_code(torch.tensor([0.5, 0.5]), n_frequencies=2)[:4].round(decimals=4).tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    # A half-precision module still needs full angles: a turn of the fastest wave is 1 / 22 of the square.
    full = positions.to(torch.promote_types(positions.dtype, torch.float32))
    steps = torch.arange(n_frequencies, device=full.device, dtype=full.dtype)
    angle = (2 * math.pi / (1 + 2 * margin)) * (full + margin).unsqueeze(-1) * steps
    # (..., 2, n_frequencies)
    (cos_x, cos_y), (sin_x, sin_y) = angle.cos().unbind(-2), angle.sin().unbind(-2)
    # Waves of x + y as products: 4 K evaluations of cosine and sine instead of 2 K^2.
    cosine = _outer(cos_x, cos_y) - _outer(sin_x, sin_y)
    sine = _outer(sin_x, cos_y) + _outer(cos_x, sin_y)
    return torch.cat([cosine, sine], dim=-1).to(positions.dtype)


class SpatialAttention(nn.Module):
    """Weighted means over channels, with weights that are a learned function of the sensors' places.

    Output o of a subject's trial is sum_c w_oc X_c, where w_o is the softmax over channels of
    h_o . e(p_c), e the Fourier code of the place and h_o learned. Channels may be permuted together with
    their places, may differ in number between subjects, and sensors may move a little, all without
    retraining. Sensors at one place (the gradiometers and magnetometer of a triplet) get equal weights.

    Parameters
    ----------
    positions : Tensor of shape (n_subjects, n_channels, 2)
        In [0, 1]; NaN for channels that are to be ignored: always, in training and after.
    n_outputs : int, default=270
        Weighted means.
    n_frequencies : int, default=32
        Of the code, for each axis.
    margin : float, default=0.2
        Of the code.
    dropout_radius : float, default=0.2
        In training, channels within this distance of a random centre are ignored; one centre for the batch,
        uniform in the unit square, from torch's generator. 0: none. A subject all of whose sensors lie in
        the disc keeps them.

    Raises
    ------
    InputError
        If a subject has no sensor with a known place.

    References
    ----------
    Defossez et al. (2023), doi:10.1038/s42256-023-00714-5. Equation 2 there counts frequencies from 1; ours
    count from 0, so that the code has waves along a single axis. The constant among them changes nothing.

    Examples
    --------
    >>> attention = SpatialAttention(torch.rand(1, 5, 2), n_outputs=4)
    >>> attention(torch.ones(2, 5, 7), torch.tensor([0, 0])).shape
    torch.Size([2, 4, 7])
    """

    positions: torch.Tensor

    def __init__(
        self,
        positions: torch.Tensor,
        *,
        n_outputs: int = 270,
        n_frequencies: int = 32,
        margin: float = 0.2,
        dropout_radius: float = 0.2,
    ) -> None:
        super().__init__()
        _check_places(positions)
        n_dims = 2 * n_frequencies**2
        self.n_frequencies = n_frequencies
        self.margin = margin
        self.dropout_radius = dropout_radius
        self.heads = nn.Parameter(torch.randn(n_outputs, n_dims) / math.sqrt(n_dims))
        self.register_buffer("positions", positions.detach().clone().float())

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Mix channels.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            In any unit.
        subjects : Tensor of shape (n_trials,)
            int64, from 0.

        Returns
        -------
        mixed : Tensor of shape (n_trials, n_outputs, n_times)
            In the unit of the signals.
        """
        present, which = torch.unique(subjects, return_inverse=True)
        weights = self.weights(present)
        if len(present) == 1:
            return weights[0] @ signals
        return weights[which] @ signals

    def weights(self, subjects: torch.Tensor) -> torch.Tensor:
        """Return the weights of some subjects' channels.

        Parameters
        ----------
        subjects : Tensor of shape (n_chosen,)
            int64, from 0.

        Returns
        -------
        weights : Tensor of shape (n_chosen, n_outputs, n_channels)
            Not negative, with sums of 1 over channels; 0 for channels without a place.
        """
        positions = self.positions[subjects]
        ignored = positions.isnan().any(-1)
        if self.training and self.dropout_radius > 0:
            ignored = self._drop_disc(positions, ignored)
        code = fourier_code(positions.nan_to_num(), n_frequencies=self.n_frequencies, margin=self.margin)
        scores = self.heads @ code.transpose(1, 2)
        # (n_chosen, n_outputs, n_channels)
        return scores.masked_fill(ignored.unsqueeze(1), -torch.inf).softmax(dim=-1)

    def add_subject(self, positions: torch.Tensor | None = None) -> list[nn.Parameter]:
        """Take in one more subject's sensors.

        Parameters
        ----------
        positions : Tensor of shape (n_channels, 2), optional
            Places; by default those of the other subjects, where all have the same.

        Returns
        -------
        parameters : list of Parameter
            Empty: attention is shared by all subjects.

        Raises
        ------
        InputError
            If places are not given although subjects differ in theirs, have another shape, or none is known.
        """
        known = self.positions
        if positions is None:
            if not torch.equal(known.nan_to_num(nan=-1.0), known[:1].nan_to_num(nan=-1.0).expand_as(known)):
                raise InputError(
                    "the subjects' sensors are at different places, so a new subject needs `positions`."
                )
            positions = known[0]
        if tuple(positions.shape) != tuple(known.shape[1:]):
            raise InputError(
                f"`positions` of a new subject must have shape {tuple(known.shape[1:])}, got "
                f"{tuple(positions.shape)}. Pad with NaN."
            )
        _check_places(positions.unsqueeze(0), first=len(known))
        self.positions = torch.cat([known, positions.to(known).unsqueeze(0)])
        return []

    def _drop_disc(self, positions: torch.Tensor, ignored: torch.Tensor) -> torch.Tensor:
        centre = torch.rand(2, device=positions.device)
        # The distance to a place that is not known is NaN, which is not within any radius.
        dropped = ignored | ((positions - centre).norm(dim=-1) <= self.dropout_radius)
        return torch.where(dropped.all(-1, keepdim=True), ignored, dropped)


def _check_places(positions: torch.Tensor, *, first: int = 0) -> None:
    nowhere = positions.isnan().any(-1).all(-1)
    if bool(nowhere.any()):
        codes = ", ".join(str(first + int(code)) for code in nowhere.nonzero())
        raise InputError(
            f"spatial attention needs the places of sensors, but subject(s) {codes} (counted from 0) have "
            "none. Give these recordings a montage, or set `spatial_attention` to false."
        )


def _outer(along_x: torch.Tensor, along_y: torch.Tensor) -> torch.Tensor:
    return (along_x.unsqueeze(-1) * along_y.unsqueeze(-2)).flatten(-2)
