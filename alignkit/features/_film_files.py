"""Reading films: GIF, PNG and WebP by Pillow, all else by PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError, MissingDataError

if TYPE_CHECKING:
    from PIL.Image import Image

ANIMATION_SUFFIXES = (".gif", ".png", ".apng", ".webp")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ogv")

# Browsers show frames that say nothing, or next to nothing, for so long.
_UNSAID_S = 0.1


@dataclass(frozen=True, eq=False)
class Film:
    """A film's frames by the time they are first shown.

    Attributes
    ----------
    path : Path
    onset_s : ndarray of shape (n_frames,)
        When each frame is first shown, rising, the first at 0.
    duration_s : float
        Until the last frame ends.
    """

    path: Path
    onset_s: NDArray[np.float64]
    duration_s: float

    def shown_at(self, times_s: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the number of the frame that is shown at each time; the first before, the last after."""
        numbers = np.searchsorted(self.onset_s, np.asarray(times_s) + 1e-6, side="right") - 1
        return np.clip(numbers, 0, len(self.onset_s) - 1)

    def frames(self, numbers: Sequence[int]) -> Iterator[tuple[int, Image]]:
        """Yield (number, RGB image) for the numbers that are asked for, rising, in one reading."""
        wanted = set(map(int, numbers))
        read = _animation_frames if _is_animation(self.path) else _video_frames
        yield from read(self.path, wanted, len(self.onset_s))


def open_film(path: str | Path) -> Film:
    """Return a film whose frames are read when they are asked for.

    Parameters
    ----------
    path : path
        An animated GIF, PNG or WebP; MP4, MOV, AVI, MKV, WebM and others where PyAV is there.

    Raises
    ------
    MissingDataError
        If there is no such file, or PyAV is needed and not installed.
    InputError
        If it is no film, or a still picture.
    """
    place = Path(path)
    if not place.is_file():
        raise MissingDataError(f"the film {place} does not exist.")
    if place.suffix.lower() not in ANIMATION_SUFFIXES + VIDEO_SUFFIXES:
        known = ", ".join(ANIMATION_SUFFIXES + VIDEO_SUFFIXES)
        raise InputError(f"{place} does not look like a film: its suffix is none of {known}.")
    ends_s = _animation_ends(place) if _is_animation(place) else _video_ends(place)
    if len(ends_s) < 2:
        raise InputError(f"{place} holds {len(ends_s)} frame(s), wanted a film of at least 2.")
    return Film(place, np.concatenate([[0.0], ends_s[:-1]]), float(ends_s[-1]))


def _is_animation(path: Path) -> bool:
    return path.suffix.lower() in ANIMATION_SUFFIXES


def _animation_ends(path: Path) -> NDArray[np.float64]:
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            # Pillow knows how long a frame of WebP is shown once it has been decoded.
            lengths = []
            for frame in ImageSequence.Iterator(image):
                frame.load()
                lengths.append(float(frame.info.get("duration", 0)) / 1000)
    except (UnidentifiedImageError, OSError, SyntaxError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a film ({error}); replace or remove it.") from error
    ends: NDArray[np.float64] = np.cumsum([each if each > 0.01 else _UNSAID_S for each in lengths])
    return ends


def _animation_frames(path: Path, wanted: set[int], n_frames: int) -> Iterator[tuple[int, Image]]:
    from PIL import Image

    with Image.open(path) as image:
        for number in range(min(n_frames, max(wanted) + 1)):
            image.seek(number)
            if number in wanted:
                yield number, _on_white(image)


def _on_white(image: Image) -> Image:
    from PIL import Image as pillow

    if image.mode == "RGB":
        return image.copy()
    rgba = image.convert("RGBA")
    white = pillow.new("RGBA", rgba.size, (255, 255, 255, 255))
    return pillow.alpha_composite(white, rgba).convert("RGB")


def _pyav(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingDataError(
            f'reading {path.suffix} needs PyAV; pip install "alignkit[video]", or convert {path.name} to an '
            "animated WebP or PNG."
        ) from error
    return av


def _video_ends(path: Path) -> NDArray[np.float64]:
    av = _pyav(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path} holds no pictures; a film is wanted.")
            stream = container.streams.video[0]
            unit_s = float(stream.time_base)
            packets = [p for p in container.demux(stream) if p.pts is not None and p.size]
    except av.FFmpegError as error:
        raise InputError(f"{path} cannot be read as a film ({error}); replace or remove it.") from error
    # Frames are stored in the order of decoding, and their times say when each is shown.
    shown = sorted((packet.pts * unit_s, (packet.duration or 0) * unit_s) for packet in packets)
    if not shown:
        raise InputError(f"{path} holds 0 frame(s), wanted a film of at least 2.")
    starts = [start for start, _ in shown]
    steps = [later - earlier for earlier, later in pairwise(starts)]
    last = shown[-1][1] or (float(np.median(steps)) if steps else 0.0)
    ends: NDArray[np.float64] = np.array([*starts[1:], starts[-1] + last]) - starts[0]
    return ends


def _video_frames(path: Path, wanted: set[int], n_frames: int) -> Iterator[tuple[int, Image]]:
    av = _pyav(path)
    left = set(wanted)
    try:
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(container.streams.video[0])):
                if number in left:
                    left.remove(number)
                    yield number, frame.to_image()
                if not left:
                    return
    except av.FFmpegError as error:
        raise InputError(f"{path} cannot be read as a film ({error}); replace or remove it.") from error
    raise InputError(
        f"{path} ends {len(left)} frame(s) before its index says (of {n_frames}); it is cut off or damaged."
    )
