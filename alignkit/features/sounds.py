"""What a network makes of sounds, at a frame rate: of many, or of a long one with its times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .._core.device import pick_device
from .._core.errors import InputError
from ..networks._images import check_count
from ..recordings.features import Features
from ..recordings.stimuli import StimulusSet
from ..recordings.tracks import Track
from ._hooks import check_layers
from ._sound_files import read_sound
from ._time_windows import Window, adjacent_windows, binned, past_windows
from ._timed_results import check_seconds, facts_of, features_of, listed_files, tracks_of_file

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network


def sound_features(
    sounds: StimulusSet | Sequence[str | Path],
    network: Network,
    *,
    layers: Sequence[str] | None = None,
    rate_hz: float | None = None,
    window_s: float | None = None,
    context_s: float | None = None,
    duration_s: float | None = None,
    average: bool = False,
    batch_size: int = 8,
    device: str = "auto",
) -> Features:
    """Return what each layer makes of each sound, all layers in one pass.

    A sound is brought to the network's sampling rate, its channels averaged. Frames of a layer are averaged
    in bins of ``1 / rate_hz`` seconds. Without `context_s` a frame knows what comes before and after it in
    its window; with it, the features of a bin come from the `context_s` seconds that end with the bin, so
    that they know nothing of what comes later.

    Parameters
    ----------
    sounds : StimulusSet of kind "audio" or sequence of path
        Ids of paths are their stems.
    network : Network
        Of modality "audio".
    layers : sequence of str, optional
        By default the network's own.
    rate_hz : float, optional
        Bins per second; by default the frames of the network.
    window_s : float, optional
        Longest stretch that is shown at once. A longer sound is shown in windows that follow each other,
        the last one moved back to end with the sound. By default the whole sound, or what the network takes
        at most.
    context_s : float, optional
        Past that is shown for each bin, the bin included, in seconds; at the start of a sound there is less.
    duration_s : float, optional
        Only so much of the start of every sound.
    average : bool, default=False
        Whether bins are averaged, which leaves no time.
    batch_size : int, default=8
        Windows per pass. It changes results by rounding only.
    device : str, default="auto"
        "auto" takes CUDA when it is there.

    Returns
    -------
    features : Features
        Layers of shape (n_stimuli, n_units, n_times), float32, with the middle of each bin in
        ``facts["times_s"]``, in seconds from the start; (n_stimuli, n_units) when averaged.

    Raises
    ------
    InputError
        If the network takes no sounds, a file is no sound, is silent or too short, sounds last differently
        and are not averaged, an option is out of its range, or the network gives NaN.
    MissingDataError
        If a file is missing, or reading it needs a library that is not installed.

    References
    ----------
    Antonello R, Vaidya A, Huth AG (2023). Scaling laws for language encoding models in fMRI. NeurIPS.
    https://arxiv.org/abs/2305.11863
    """
    files = listed_files(sounds, kind="audio")
    runner = _Runner(network, layers, rate_hz, window_s, context_s, duration_s, batch_size, device)
    return features_of(runner, files, average=average)


def sound_tracks(
    sound: str | Path,
    network: Network,
    *,
    layers: Sequence[str] | None = None,
    rate_hz: float | None = 10.0,
    window_s: float | None = None,
    context_s: float | None = None,
    onset_s: float = 0.0,
    batch_size: int = 8,
    device: str = "auto",
) -> tuple[Track, ...]:
    """Return a track per layer for one long sound, such as a story.

    Parameters
    ----------
    sound : path
        Its file.
    network, layers, rate_hz, window_s, context_s, batch_size, device
        See :func:`sound_features`. The speech models of Antonello et al. (2023) were read every 0.1 s with
        ``context_s=16.1``.
    onset_s : float, default=0
        When the sound starts, on the clock of the recording, in seconds.

    Returns
    -------
    tracks : tuple of Track
        Named ``NETWORK:LAYER``; each event is a bin of ``1 / rate_hz`` seconds.

    Raises
    ------
    InputError
        Where :func:`sound_features` does.
    """
    runner = _Runner(network, layers, rate_hz, window_s, context_s, None, batch_size, device)
    return tracks_of_file(runner, Path(sound), onset_s=onset_s)


class _Runner:
    """The options of one call, checked, and what they make of one file."""

    def __init__(
        self,
        network: Network,
        layers: Sequence[str] | None,
        rate_hz: float | None,
        window_s: float | None,
        context_s: float | None,
        duration_s: float | None,
        batch_size: int,
        device: str,
    ) -> None:
        if network.modality != "audio":
            raise InputError(f"{network.name!r} is a network of {network.modality}s, wanted one of sounds.")
        self.network, self.layers = network, check_layers(network, layers)
        # A preparation of sounds: the type of `preprocess` is that of images.
        self.preparation = cast(Any, network.preprocess)
        self.rate_hz = check_seconds("rate_hz", rate_hz, unit="Hz") or 1 / self.preparation.step_s
        self.context_s = check_seconds("context_s", context_s)
        longest = self.preparation.longest_s
        self.window_s = check_seconds("window_s", window_s) or longest
        self.duration_s = check_seconds("duration_s", duration_s)
        for name, value in (("window_s", self.window_s), ("context_s", self.context_s)):
            if longest and value and value > longest:
                raise InputError(
                    f"`{name}` is {value:g} s, but {network.name!r} takes {longest:g} s at most."
                )
        self.batch_size = check_count("batch_size", batch_size, least=1)
        self.device = pick_device(device)
        self.facts = facts_of(network, self.device, batch_size) | {
            "rate_hz": self.rate_hz,
            "window_s": self.window_s,
            "context_s": self.context_s,
            "duration_s": self.duration_s,
        }

    def of(self, path: Path) -> dict[str, NDArray[np.float32]]:
        """Return (n_bins, n_units) per layer for one file."""
        samples, hz = read_sound(path, rate_hz=self.preparation.rate_hz)
        if self.duration_s is not None:
            samples = samples[: round(self.duration_s * hz)]
        duration_s = len(samples) / hz
        least = self.preparation.least_s
        shortest_s = max(least, 1 / self.rate_hz)
        if duration_s < shortest_s - 1e-9:
            raise InputError(
                f"{path} lasts {duration_s:g} s, but {self.network.name!r} needs {shortest_s:g} s for one "
                "frame; leave it out, or raise `rate_hz`."
            )
        if self.context_s is None:
            windows = adjacent_windows(duration_s, self.rate_hz, self.window_s)
        else:
            windows = past_windows(duration_s, self.rate_hz, self.context_s)
        n_least = int(np.ceil(least * hz))

        def shown(window: Window) -> NDArray[np.float32]:
            part = samples[round(window.start_s * hz) : round(window.stop_s * hz)]
            # The first windows of a sound may be shorter than one frame: silence goes before them.
            return np.pad(part, (max(0, n_least - len(part)), 0))

        def frames(output: torch.Tensor, window: Window) -> tuple[torch.Tensor, NDArray[np.float64]]:
            part = shown(window)
            states = self.preparation.frames(output, len(part))
            before_s = len(part) / hz - (window.stop_s - window.start_s)
            return states, self.preparation.times_s(states.shape[1]) - max(0.0, before_s)

        return binned(
            self.network,
            self.layers,
            windows,
            lambda window: self.preparation(shown(window)),
            frames,
            rate_hz=self.rate_hz,
            batch_size=self.batch_size,
            device=self.device,
        )
