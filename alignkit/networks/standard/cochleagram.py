"""A cochleagram: envelopes of gammatone filters, compressed, as the cochlea is modelled."""

from __future__ import annotations

from math import log1p

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..._core.errors import InputError
from .._images import check_count
from .._network import Network, declared
from ._sound_preparation import SoundPreparation

# Of the fourth-order filter, in units of its equivalent rectangular bandwidth (Patterson et al. 1992).
_BANDWIDTH = 1.019
# At 50 Hz the envelope has fallen to 1e-4 of its peak after 86 ms.
_LONGEST_S = 0.1


class Cochleagram(nn.Module):
    """Envelopes of a bank of gammatone filters, averaged over frames.

    Parameters
    ----------
    rate_hz : int
        Samples per second.
    centres_hz : array of shape (n_bands,)
        Where each filter's gain is 1.
    n_hop : int
        Samples of a frame; frames follow each other without overlap.
    exponent : float
        The envelope is raised to it.
    """

    def __init__(self, *, rate_hz: int, centres_hz: NDArray[np.float64], n_hop: int, exponent: float) -> None:
        super().__init__()
        self.n_hop, self.exponent = n_hop, exponent
        times = np.arange(1, round(_LONGEST_S * rate_hz) + 1)[None] / rate_hz
        widths = _BANDWIDTH * equivalent_bandwidth_hz(centres_hz)[:, None]
        envelopes = times**3 * np.exp(-2 * np.pi * widths * times)
        envelopes /= envelopes.sum(1, keepdims=True)
        # Twice the positive frequencies: a tone of amplitude 1 then has an envelope of 1.
        filters = 2 * envelopes * np.exp(2j * np.pi * centres_hz[:, None] * times)
        self.register_buffer("filters", torch.from_numpy(filters.astype(np.complex64)))
        self.envelope, self.cochleagram = nn.Identity(), nn.Identity()

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Return compressed envelopes, (n_sounds, n_frames, n_bands), for (n_sounds, n_samples)."""
        n_samples = sounds.shape[1]
        n_frames = n_samples // self.n_hop
        filters = self.get_buffer("filters")
        n_fft = n_samples + filters.shape[1]
        spectrum = torch.fft.fft(sounds, n_fft)
        bands = []
        for one in filters:
            # One band at a time: all at once would hold n_bands copies of every sound.
            filtered = torch.fft.ifft(spectrum * torch.fft.fft(one, n_fft))[:, : n_frames * self.n_hop]
            bands.append(filtered.abs().reshape(len(sounds), n_frames, self.n_hop).mean(2))
        envelope = self.envelope(torch.stack(bands, 2))
        compressed: torch.Tensor = self.cochleagram(envelope**self.exponent)
        return compressed


def cochleagram(
    *,
    rate_hz: int = 16000,
    hop_s: float = 0.010,
    n_bands: int = 64,
    lowest_hz: float = 50.0,
    highest_hz: float | None = None,
    exponent: float = 0.3,
) -> Network:
    """Build the cochleagram.

    Filter of centre f: ``t^3 exp(-2 pi b t) cos(2 pi f t)`` with ``b = 1.019 ERB(f)``, of gain 1 at f;
    the envelope is the modulus of its analytic signal. It is causal: low bands lag by ``3 / (2 pi b)``,
    15 ms at 50 Hz and 0.6 ms at 7 kHz.

    Parameters
    ----------
    rate_hz : int, default=16000
        Sounds are brought to so many samples per second.
    hop_s : float, default=0.010
        Length of a frame, over which envelopes are averaged, in seconds.
    n_bands : int, default=64
        Filters, evenly spaced in equivalent rectangular bandwidths.
    lowest_hz, highest_hz : float, default=50 and 0.45 of `rate_hz`
        Centres of the lowest and the highest filter.
    exponent : float, default=0.3
        Compression of the envelope; 1 leaves it as it is.

    Returns
    -------
    network : Network
        Of modality "audio". Layers ``envelope`` and ``cochleagram``, its compressed form; of a sound
        within -1 and 1.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Patterson RD, et al. (1992). Complex sounds and auditory images. In: Auditory Physiology and Perception,
    429-446. Pergamon.
    Glasberg BR, Moore BCJ (1990). Derivation of auditory filter shapes from notched-noise data. Hearing
    Research 47:103-138. https://doi.org/10.1016/0378-5955(90)90170-T

    Examples
    --------
    >>> cochleagram(n_bands=8).layers
    ('envelope', 'cochleagram')
    """
    check_count("rate_hz", rate_hz, least=1000)
    check_count("n_bands", n_bands, least=1)
    top = 0.45 * rate_hz if highest_hz is None else highest_hz
    if not 0 < lowest_hz <= top < rate_hz / 2:
        raise InputError(
            f"`lowest_hz` and `highest_hz` must rise and lie between 0 and {rate_hz / 2:g} Hz (half of "
            f"`rate_hz`), got {lowest_hz} and {top}."
        )
    if hop_s <= 0 or exponent <= 0:
        raise InputError(f"`hop_s` and `exponent` must be positive, got {hop_s} and {exponent}.")
    n_hop = max(1, round(hop_s * rate_hz))
    module = Cochleagram(
        rate_hz=rate_hz,
        centres_hz=_evenly_spaced(lowest_hz, top, n_bands),
        n_hop=n_hop,
        exponent=exponent,
    )
    numbers = {"n_bands": n_bands, "lowest_hz": lowest_hz, "highest_hz": top, "exponent": exponent}
    preparation = SoundPreparation(
        rate_hz=rate_hz,
        first_s=n_hop / 2 / rate_hz,
        step_s=n_hop / rate_hz,
        n_frames=lambda n_samples: n_samples // n_hop,
        least_s=n_hop / rate_hz,
        described=numbers,
    )
    return declared(
        "cochleagram",
        module,
        preparation,
        modality="audio",
        preprocessing={"sound": preparation.facts()},
        options={"rate_hz": rate_hz, "hop_s": hop_s, **numbers},
    )


def equivalent_bandwidth_hz(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the equivalent rectangular bandwidth of the auditory filter (Glasberg and Moore 1990).

    Examples
    --------
    >>> equivalent_bandwidth_hz(np.array([1000.0])).round(2)
    array([132.64])
    """
    return 24.7 * (4.37 * np.asarray(frequency_hz) / 1000 + 1)


def _evenly_spaced(lowest_hz: float, highest_hz: float, n_bands: int) -> NDArray[np.float64]:
    # The number of bandwidths below a frequency grows as this logarithm.
    low, high = (log1p(4.37 * edge / 1000) for edge in (lowest_hz, highest_hz))
    centres: NDArray[np.float64] = np.expm1(np.linspace(low, high, n_bands)) * 1000 / 4.37
    return centres
