"""The log-mel spectrogram as a network without weights: the sound as most networks of sounds are given it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..._core.errors import InputError
from .._images import check_count
from .._network import Network, declared
from ._sound_preparation import SoundPreparation


class MelSpectrogram(nn.Module):
    """Logarithm of the power in bands that are evenly spaced in pitch.

    Parameters
    ----------
    rate_hz : int
        Samples per second.
    n_window, n_hop : int
        Samples of a frame, and from one to the next. Frames do not reach beyond the ends.
    n_bands : int
        Triangular bands of equal area, evenly spaced in mels (Slaney's scale).
    lowest_hz, highest_hz : float
        Edges of the lowest and highest band.
    floor : float
        Least power.
    """

    window: torch.Tensor
    bands: torch.Tensor

    def __init__(
        self,
        *,
        rate_hz: int,
        n_window: int,
        n_hop: int,
        n_bands: int,
        lowest_hz: float,
        highest_hz: float,
        floor: float,
    ) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        self.n_window, self.n_hop, self.floor = n_window, n_hop, floor
        # A power of two, as finely as the lowest bands need.
        self.n_fft = 2 ** int(np.ceil(np.log2(2 * n_window)))
        bands = mel_filter_bank(
            num_frequency_bins=self.n_fft // 2 + 1,
            num_mel_filters=n_bands,
            min_frequency=lowest_hz,
            max_frequency=highest_hz,
            sampling_rate=rate_hz,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("bands", torch.from_numpy(bands).float())
        self.register_buffer("window", torch.hann_window(n_window))
        self.mel = nn.Identity()

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Return natural logarithms of shape (n_sounds, n_frames, n_bands) for (n_sounds, n_samples)."""
        frames = sounds.unfold(1, self.n_window, self.n_hop) * self.window
        power = torch.fft.rfft(frames, self.n_fft).abs().square()
        logarithm: torch.Tensor = self.mel((power @ self.bands).clamp_min(self.floor).log())
        return logarithm


def mel_spectrogram(
    *,
    rate_hz: int = 16000,
    window_s: float = 0.025,
    hop_s: float = 0.010,
    n_bands: int = 80,
    lowest_hz: float = 50.0,
    highest_hz: float | None = None,
    floor: float = 1e-10,
) -> Network:
    """Build the log-mel spectrogram.

    Parameters
    ----------
    rate_hz : int, default=16000
        Sounds are brought to so many samples per second.
    window_s, hop_s : float, default=0.025 and 0.010
        Length of a frame (Hann), and from one frame to the next, in seconds.
    n_bands : int, default=80
        Bands, evenly spaced in mels.
    lowest_hz, highest_hz : float, default=50 and half of `rate_hz`
        Edges of the lowest and the highest band.
    floor : float, default=1e-10
        Least power before the logarithm, so that silence is finite. It is fixed, so that features do not
        depend on which sounds are in the set.

    Returns
    -------
    network : Network
        Of modality "audio", for :func:`alignkit.features.sounds.sound_features`. Layer ``mel``: natural
        logarithm of the power in each band.

    Raises
    ------
    InputError
        If an option is out of its range, or there are more bands than frequencies to fill them.

    References
    ----------
    Stevens SS, Volkmann J, Newman EB (1937). A scale for the measurement of the psychological magnitude
    pitch. Journal of the Acoustical Society of America 8:185-190. https://doi.org/10.1121/1.1915893

    Examples
    --------
    >>> mel_spectrogram().layers
    ('mel',)
    """
    check_count("rate_hz", rate_hz, least=1000)
    check_count("n_bands", n_bands, least=1)
    top = rate_hz / 2 if highest_hz is None else highest_hz
    if not 0 <= lowest_hz < top <= rate_hz / 2:
        raise InputError(
            f"`lowest_hz` and `highest_hz` must rise and lie between 0 and {rate_hz / 2:g} Hz (half of "
            f"`rate_hz`), got {lowest_hz} and {top}."
        )
    if not 0 < hop_s <= window_s or floor <= 0:
        raise InputError(
            f"`hop_s` must be positive and at most `window_s`, and `floor` positive, got {hop_s}, {window_s} "
            f"and {floor}."
        )
    n_window, n_hop = round(window_s * rate_hz), max(1, round(hop_s * rate_hz))
    numbers = {"n_bands": n_bands, "lowest_hz": lowest_hz, "highest_hz": top, "floor": floor}
    module = _built(rate_hz, n_window, n_hop, n_bands, lowest_hz, top, floor)
    preparation = SoundPreparation(
        rate_hz=rate_hz,
        first_s=n_window / 2 / rate_hz,
        step_s=n_hop / rate_hz,
        n_frames=lambda n_samples: max(0, (n_samples - n_window) // n_hop + 1),
        least_s=n_window / rate_hz,
        described={"window_s": n_window / rate_hz, **numbers},
    )
    return declared(
        "mel-spectrogram",
        module,
        preparation,
        modality="audio",
        preprocessing={"sound": preparation.facts()},
        options={"rate_hz": rate_hz, "window_s": window_s, "hop_s": hop_s, **numbers},
    )


def _built(
    rate_hz: int, n_window: int, n_hop: int, n_bands: int, lowest_hz: float, highest_hz: float, floor: float
) -> MelSpectrogram:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="At least one mel filter")
        try:
            return MelSpectrogram(
                rate_hz=rate_hz,
                n_window=n_window,
                n_hop=n_hop,
                n_bands=n_bands,
                lowest_hz=lowest_hz,
                highest_hz=highest_hz,
                floor=floor,
            )
        except UserWarning as warning:
            raise InputError(
                f"{n_bands} bands from {lowest_hz:g} to {highest_hz:g} Hz are finer than windows of "
                f"{n_window} samples resolve: a band would be empty. Lower `n_bands`, or raise `window_s`."
            ) from warning
