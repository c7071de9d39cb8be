"""What a network makes of films, clip by clip or frame by frame: of many, or of a long one with its times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .._core.checks import check_option
from .._core.device import pick_device
from .._core.errors import InputError
from ..networks._images import check_count
from ..recordings.features import Features
from ..recordings.stimuli import StimulusSet
from ..recordings.tracks import Track
from ._film_files import Film, open_film
from ._hooks import check_layers
from ._time_windows import Window, adjacent_windows, binned, in_bins, n_bins_of, outputs_of, past_windows
from ._timed_results import check_seconds, facts_of, features_of, listed_files, tracks_of_file
from .pooling import POOLINGS, Pooling, pool

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network


def film_features(
    films: StimulusSet | Sequence[str | Path],
    network: Network,
    *,
    layers: Sequence[str] | None = None,
    rate_hz: float | None = None,
    past_only: bool = False,
    frames_hz: float | None = None,
    pooling: Pooling = "mean",
    duration_s: float | None = None,
    average: bool = False,
    batch_size: int = 4,
    device: str = "auto",
) -> Features:
    """Return what each layer makes of each film, all layers in one pass.

    A network of films is shown clips of as many frames, at as many per second, as it was made for. They
    follow each other, the last one moved back to end with the film; with `past_only` there is a clip for
    each bin, which ends with it, so that features know nothing of what comes later. Where there is no film
    yet, or no more, its first or last frame is held. A network of images is shown single frames. Steps of a
    layer are averaged in bins of ``1 / rate_hz`` seconds.

    Parameters
    ----------
    films : StimulusSet of kind "video" or sequence of path
        Ids of paths are their stems.
    network : Network
        Of modality "video" or "image".
    layers : sequence of str, optional
        By default the network's own.
    rate_hz : float, optional
        Bins per second; by default the steps of the network. Needed for networks of images.
    past_only : bool, default=False
        Whether clips end with the bin they are for.
    frames_hz : float, optional
        For networks of images: frames that are shown per second; by default one in the middle of each bin.
    pooling : {"mean", "flatten", "class-token", ...}, default="mean"
        For networks of images: see :func:`alignkit.features.pool`.
    duration_s : float, optional
        Only so much of the start of every film.
    average : bool, default=False
        Whether bins are averaged, which leaves no time.
    batch_size : int, default=4
        Clips, or frames, per pass. It changes results by rounding only.
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
        If the network takes sounds, a file is no film or too short, films last differently and are not
        averaged, an option is out of its range, or the network gives NaN.
    MissingDataError
        If a file is missing, or reading it needs a library that is not installed.
    """
    files = listed_files(films, kind="video")
    runner = _Runner(network, layers, rate_hz, past_only, frames_hz, pooling, duration_s, batch_size, device)
    return features_of(runner, files, average=average)


def film_tracks(
    film: str | Path,
    network: Network,
    *,
    layers: Sequence[str] | None = None,
    rate_hz: float | None = None,
    past_only: bool = False,
    frames_hz: float | None = None,
    pooling: Pooling = "mean",
    onset_s: float = 0.0,
    batch_size: int = 4,
    device: str = "auto",
) -> tuple[Track, ...]:
    """Return a track per layer for one long film.

    Parameters
    ----------
    film : path
        Its file.
    network, layers, rate_hz, past_only, frames_hz, pooling, batch_size, device
        See :func:`film_features`.
    onset_s : float, default=0
        When the film starts, on the clock of the recording, in seconds.

    Returns
    -------
    tracks : tuple of Track
        Named ``NETWORK:LAYER``; each event is a bin of ``1 / rate_hz`` seconds.

    Raises
    ------
    InputError
        Where :func:`film_features` does.
    """
    runner = _Runner(network, layers, rate_hz, past_only, frames_hz, pooling, None, batch_size, device)
    return tracks_of_file(runner, Path(film), onset_s=onset_s)


class _Runner:
    """The options of one call, checked, and what they make of one file."""

    def __init__(
        self,
        network: Network,
        layers: Sequence[str] | None,
        rate_hz: float | None,
        past_only: bool,
        frames_hz: float | None,
        pooling: Pooling,
        duration_s: float | None,
        batch_size: int,
        device: str,
    ) -> None:
        if network.modality not in ("video", "image"):
            raise InputError(
                f"{network.name!r} is a network of modality {network.modality!r}, wanted one of films or "
                "images."
            )
        check_option("pooling", pooling, POOLINGS)
        self.network, self.layers, self.pooling = network, check_layers(network, layers), pooling
        self.takes_clips = network.modality == "video"
        # A preparation of films, or of images.
        self.preparation = cast(Any, network.preprocess)
        self.rate_hz = self._rate_hz(check_seconds("rate_hz", rate_hz, unit="Hz"))
        self.frames_hz = check_seconds("frames_hz", frames_hz, unit="Hz") or self.rate_hz
        if self.takes_clips and frames_hz is not None:
            raise InputError(
                f"{network.name!r} takes clips at a rate of its own; give `frames_hz` when it is built."
            )
        self.past_only, self.duration_s = past_only, check_seconds("duration_s", duration_s)
        self.batch_size = check_count("batch_size", batch_size, least=1)
        self.device = pick_device(device)
        self.facts = facts_of(network, self.device, batch_size) | {
            "rate_hz": self.rate_hz,
            "past_only": past_only,
            "duration_s": duration_s,
            **({} if self.takes_clips else {"frames_hz": self.frames_hz, "pooling": pooling}),
        }

    def _rate_hz(self, rate_hz: float | None) -> float:
        if not self.takes_clips:
            if rate_hz is None:
                raise InputError(f"{self.network.name!r} takes images, which have no rate; give `rate_hz`.")
            return rate_hz
        least = 1 / self.preparation.window_s
        if rate_hz is not None and rate_hz < least - 1e-9:
            raise InputError(
                f"`rate_hz` is {rate_hz:g}, but clips of {self.network.name!r} last {1 / least:g} s: bins "
                f"would not be covered. Take at least {least:g} and average."
            )
        return rate_hz or float(1 / self.preparation.step_s)

    def of(self, path: Path) -> dict[str, NDArray[np.float32]]:
        """Return (n_bins, n_units) per layer for one file."""
        film = open_film(path)
        length_s = min(film.duration_s, self.duration_s or film.duration_s)
        n_bins_of(length_s, self.rate_hz, str(path))
        return self._clips(film, length_s) if self.takes_clips else self._frames(film, length_s)

    def _clips(self, film: Film, length_s: float) -> dict[str, NDArray[np.float32]]:
        cut = past_windows if self.past_only else adjacent_windows
        windows = cut(length_s, self.rate_hz, self.preparation.window_s, reaches=True)
        offsets = np.array(self.preparation.offsets_s)
        # What lies beyond the part that is wanted is not shown.
        latest = np.nextafter(length_s, 0) - 1e-5
        wanted = {w: film.shown_at(np.clip(w.start_s + offsets, 0, latest)) for w in windows}
        reading = _Reading(film, list(wanted.values()))

        def frames(output: torch.Tensor, window: Window) -> tuple[torch.Tensor, NDArray[np.float64]]:
            return self.preparation.steps(output), self.preparation.times_s()

        return binned(
            self.network,
            self.layers,
            windows,
            lambda window: self.preparation(reading.take(wanted[window])),
            frames,
            rate_hz=self.rate_hz,
            batch_size=self.batch_size,
            device=self.device,
        )

    def _frames(self, film: Film, length_s: float) -> dict[str, NDArray[np.float32]]:
        import torch

        n_bins = n_bins_of(length_s, self.rate_hz, str(film.path))
        n_frames = max(1, int(length_s * self.frames_hz + 1e-6))
        times = (np.arange(n_frames, dtype=np.float64) + 0.5) / self.frames_hz
        numbers = film.shown_at(np.minimum(times, length_s - 1e-5))
        reading = _Reading(film, [numbers[k : k + 1] for k in range(len(numbers))])
        rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self.layers}
        for first in range(0, len(numbers), self.batch_size):
            part = numbers[first : first + self.batch_size]
            images = [self.preparation(reading.take(part[k : k + 1])[0]) for k in range(len(part))]
            outputs = outputs_of(self.network, self.layers, torch.stack(images).to(self.device))
            for name in self.layers:
                rows[name].append(pool(outputs[name], self.pooling).float().cpu().numpy())
        whole = Window(0.0, length_s, 0, n_bins)
        return {
            name: in_bins(np.concatenate(each), times, whole, self.rate_hz) for name, each in rows.items()
        }


class _Reading:
    """Frames of a film in the order of clips that may overlap, each decoded once and kept while needed."""

    def __init__(self, film: Film, clips: Sequence[NDArray[np.intp]]) -> None:
        self.frames: Iterator[tuple[int, Any]] = film.frames(sorted({int(n) for c in clips for n in c}))
        # After a clip, frames before the earliest one of all clips to come can go.
        firsts = np.array([clip.min() for clip in clips])
        self.needed_from = [*np.minimum.accumulate(firsts[::-1])[::-1][1:].tolist(), np.inf]
        self.kept: dict[int, Any] = {}
        self.n_taken = 0

    def take(self, numbers: NDArray[np.intp]) -> list[Any]:
        """Return the images of the next clip."""
        while numbers.max() not in self.kept:
            number, image = next(self.frames)
            self.kept[number] = image
        images = [self.kept[int(number)] for number in numbers]
        limit = self.needed_from[self.n_taken]
        self.n_taken += 1
        for number in [n for n in self.kept if n < limit]:
            del self.kept[number]
        return images
