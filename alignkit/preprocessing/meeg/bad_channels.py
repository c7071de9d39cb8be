"""Channels that are flat or far noisier than their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ._spread import robust_spread

if TYPE_CHECKING:
    import mne

_MIN_CHANNELS = 4
# With few channels the spread over channels may be tiny: a bad one is also this many times off.
_MIN_RATIO = 3.0


def find_bad_channels(
    raw: mne.io.BaseRaw, *, threshold: float = 5.0, where: str = "the recording"
) -> dict[str, str]:
    """Find channels that are flat or far noisier, or far quieter, than the others of their kind.

    A channel's spread is its interquartile range over time. It is bad when that is 0, or when its logarithm
    lies more than `threshold` robust standard deviations (1.4826 times the median absolute deviation over the
    good channels of its kind) from their median, and the spread is more than 3 times the median one or less
    than a third of it. Give filtered data: slow drifts hide what is meant.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Filtered.
    threshold : float, default=5.0
        In robust standard deviations.
    where : str
        How messages call the recording.

    Returns
    -------
    reasons : dict of str to str
        Name of each bad channel, and why, in the recording's order; channels that are marked bad already are
        left out.

    Raises
    ------
    InputError
        If a kind has fewer than 4 channels: then no channel is the odd one out.

    Examples
    --------
    >>> import mne, numpy as np
    >>> data = np.random.default_rng(0).standard_normal((6, 500)) * 1e-5
    >>> data[2] *= 40
    >>> raw = mne.io.RawArray(data, mne.create_info(6, 100.0, "eeg"), verbose="error")
    >>> list(find_bad_channels(raw))
    ['2']
    """
    kinds = np.array(raw.get_channel_types())
    reasons: dict[str, str] = {}
    good = [index for index in data_channels(raw) if raw.ch_names[index] not in raw.info["bads"]]
    for kind in dict.fromkeys(kinds[good]):
        members = [index for index in good if kinds[index] == kind]
        if len(members) < _MIN_CHANNELS:
            raise InputError(
                f"{where} has {len(members)} good {kind} channels; bad ones are found among at least "
                f"{_MIN_CHANNELS}. Name them in `bad_channels`, or set it to 'marked'."
            )
        _, spread = robust_spread(raw.get_data(picks=members).T)
        reasons.update(_odd_ones([raw.ch_names[index] for index in members], spread, threshold))
    return {name: reasons[name] for name in raw.ch_names if name in reasons}


def data_channels(raw: mne.io.BaseRaw) -> list[int]:
    """Return the indices of M/EEG, intracranial and fNIRS channels, bad ones too."""
    import mne

    found = mne.pick_types(
        raw.info, meg=True, eeg=True, seeg=True, ecog=True, dbs=True, csd=True, fnirs=True, exclude=()
    )
    return [int(index) for index in found]


def _odd_ones(names: list[str], spread: NDArray[np.float64], threshold: float) -> dict[str, str]:
    flat = ~(spread > 0)
    reasons = {name: "flat" for name, is_flat in zip(names, flat, strict=True) if is_flat}
    if (~flat).sum() < _MIN_CHANNELS:
        return reasons
    log = np.log(np.where(flat, 1.0, spread))
    middle = np.median(log[~flat])
    scatter = 1.4826 * np.median(np.abs(log[~flat] - middle))
    for name, is_flat, value in zip(names, flat, log - middle, strict=True):
        if is_flat or abs(value) < np.log(_MIN_RATIO) or abs(value) <= threshold * scatter:
            continue
        reasons[name] = f"{'noisy' if value > 0 else 'quiet'}, {np.exp(value):.2g} x the median spread"
    return reasons
