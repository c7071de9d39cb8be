"""What was shown: a table and the media files it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.checks import check_option, check_unique
from .._core.errors import InputError, MissingDataError
from .._core.hashing import digest_file, digest_json

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
# TIFF's tag SMaxSampleValue.
_LARGEST_VALUE = 341


@dataclass(frozen=True, eq=False)
class StimulusSet:
    """Stimuli in a fixed order, each with a unique id, and a file or a text.

    Attributes
    ----------
    table : DataFrame
        A row per stimulus: `stimulus_id` (str, unique), `file` (relative to `folder`) or of texts `text`, and
        any labels.
    folder : Path
        Where the files are. No file may lie outside it. Texts have none of their own.
    kind : {"image", "text", "audio", "video"}
        What they are.
    """

    table: pd.DataFrame
    folder: Path = field(default_factory=Path)
    kind: Literal["image", "text", "audio", "video"] = "image"

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", self.table.reset_index(drop=True))
        object.__setattr__(self, "folder", Path(self.folder).resolve())
        check_option("kind", self.kind, ("image", "text", "audio", "video"))
        for column in ("stimulus_id", self._content):
            if column not in self.table:
                raise InputError(f"a table of {self.kind} stimuli needs a column {column!r}.")
        ids = [str(i) for i in self.table["stimulus_id"]]
        object.__setattr__(self, "table", self.table.assign(stimulus_id=ids))
        check_unique("stimulus_id", ids)
        if not len(self.table):
            raise InputError("a stimulus set needs at least one stimulus, got none.")
        if self.kind == "text":
            _check_texts(self.table)
            return
        for file in self.table["file"]:
            path = (self.folder / str(file)).resolve()
            if not path.is_relative_to(self.folder):
                raise InputError(f"the stimulus file {file!r} lies outside {self.folder}.")
            if not path.is_file():
                raise MissingDataError(f"the stimulus file {path} is missing.")

    @classmethod
    def from_folder(cls, folder: str | Path) -> StimulusSet:
        """Take every image of a folder, sorted by name; the id is the file's stem.

        Raises
        ------
        MissingDataError
            If there is no such folder.
        InputError
            If it holds no image, or two files with one stem.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise MissingDataError(f"the stimulus folder {folder} does not exist.")
        files = sorted(
            path.name
            for path in folder.iterdir()
            # macOS puts "._name.jpg" beside files on foreign disks; they are no images.
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        )
        if not files:
            raise InputError(f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}).")
        stems = [Path(file).stem for file in files]
        return cls(pd.DataFrame({"stimulus_id": stems, "file": files}), folder)

    @classmethod
    def from_texts(cls, stimulus_ids: Sequence[str], texts: Sequence[str]) -> StimulusSet:
        """Take texts (words, sentences, passages) as they are.

        Raises
        ------
        InputError
            If there are not as many texts as ids, a text is empty, or an id comes twice.
        """
        if len(stimulus_ids) != len(texts):
            raise InputError(f"there are {len(stimulus_ids)} stimulus ids but {len(texts)} texts.")
        table = pd.DataFrame({"stimulus_id": list(stimulus_ids), "text": list(texts)})
        return cls(table, kind="text")

    @property
    def stimulus_ids(self) -> list[str]:
        """Ids in order."""
        return [str(i) for i in self.table["stimulus_id"]]

    @cached_property
    def content_digests(self) -> dict[str, str]:
        """Digest of each stimulus's bytes, by id."""
        if self.kind == "text":
            return {i: digest_json(self.text(i)) for i in self.stimulus_ids}
        return {i: digest_file(self.path(i)) for i in self.stimulus_ids}

    def near_duplicates(self, *, threshold: float = 0.99) -> list[str]:
        """Return, per stimulus, the first one that it is a version of (itself where it stands alone).

        Pictures are brought to 16 x 16 pixels; two are versions of one when their grey values, or a chain
        of such pairs, correlate above `threshold`: copies, other sizes, formats and compressions. A change of
        colours or contents is not found by this.

        Parameters
        ----------
        threshold : float, default=0.99
            Pearson's r; pictures without contrast are versions of pictures of the same brightness only.

        Texts are versions of one where they differ in case, spaces or punctuation only. Sounds and films
        where their files are the same.
        """
        if self.kind != "image":
            keys = [self._likeness(i) for i in self.stimulus_ids]
            first_of = {key: i for key, i in reversed(list(zip(keys, self.stimulus_ids, strict=True)))}
            return [first_of[key] for key in keys]
        from PIL import Image as pillow
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        box = pillow.Resampling.BOX
        grey = [self.open(i).convert("L").resize((16, 16), box) for i in self.stimulus_ids]
        pixels = np.stack([np.asarray(image, dtype=np.float64).ravel() for image in grey])
        centred = pixels - pixels.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(centred, axis=1, keepdims=True)
        flat = norm[:, 0] < 1.0
        unit = np.where(flat[:, None], 0.0, centred / np.where(norm > 0, norm, 1.0))
        alike = [np.flatnonzero(unit @ row > threshold) for row in unit]
        for i in np.flatnonzero(flat):
            same = flat & (np.abs(pixels.mean(axis=1) - pixels[i].mean()) < 0.5)
            alike[i] = np.flatnonzero(same)
        rows = np.repeat(np.arange(len(unit)), [len(found) for found in alike])
        links = csr_array((np.ones(len(rows)), (rows, np.concatenate(alike))), shape=(len(unit),) * 2)
        _, component = connected_components(links, directed=False)
        first = {label: i for i, label in reversed(list(enumerate(component)))}
        return [self.stimulus_ids[first[label]] for label in component]

    @property
    def digest(self) -> str:
        """Digest of ids and bytes, in order."""
        return digest_json(list(self.content_digests.items()))

    def __len__(self) -> int:
        return len(self.table)

    def path(self, stimulus_id: str) -> Path:
        """Return the file of one stimulus."""
        if self.kind == "text":
            raise InputError("texts have no files of their own; use `text`.")
        return self.folder / self._of(stimulus_id)

    def text(self, stimulus_id: str) -> str:
        """Return one text."""
        if self.kind != "text":
            raise InputError(f"{self.kind} stimuli have no text; use `path` or `open`.")
        return self._of(stimulus_id)

    def open(self, stimulus_id: str) -> Image:
        """Return one image, as RGB of eight bits, upright; transparent pixels are laid on white.

        It is turned and mirrored as the EXIF orientation of the file says, as browsers and viewers do.
        Sixteen bits are scaled to eight. Where pixels are floating-point numbers, 1 is white; where they
        are whole numbers of 32 bits, 65535 is; or what a TIFF declares as its SMaxSampleValue.

        Raises
        ------
        InputError
            If the file is no image, holds several frames, or has more than 179 million pixels; or if
            pixels of 32 bits are NaN, below 0, or above white.
        """
        from PIL import Image, UnidentifiedImageError

        if self.kind != "image":
            raise InputError(f"{self.kind} stimuli cannot be opened as images.")
        path = self.path(stimulus_id)
        try:
            with Image.open(path) as image:
                n_frames = getattr(image, "n_frames", 1)
                if n_frames > 1:
                    raise InputError(f"{path} holds {n_frames} frames; a still image is wanted.")
                return _as_rgb(image, path)
        except Image.DecompressionBombError as error:
            raise InputError(f"{path} is too large to open ({error}); scale it down.") from error
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise InputError(f"{path} cannot be read as an image ({error}); replace or remove it.") from error

    def select(self, stimulus_ids: Sequence[str]) -> StimulusSet:
        """Return the stimuli with these ids, in that order."""
        stimulus_ids = [str(i) for i in stimulus_ids]
        missing = [i for i in stimulus_ids if i not in self._contents]
        if missing:
            place = "among the texts" if self.kind == "text" else f"in {self.folder}"
            raise InputError(
                f"{len(missing)} of {len(stimulus_ids)} stimuli are not {place}: {', '.join(missing[:5])}. "
                f"Add the {self._content}s, or drop their responses."
            )
        return replace(self, table=self.table.set_index("stimulus_id", drop=False).loc[list(stimulus_ids)])

    @property
    def _content(self) -> str:
        return "text" if self.kind == "text" else "file"

    @cached_property
    def _contents(self) -> dict[str, str]:
        return dict(zip(self.stimulus_ids, self.table[self._content].astype(str), strict=True))

    def _of(self, stimulus_id: str) -> str:
        if stimulus_id not in self._contents:
            raise InputError(f"{stimulus_id!r} is no stimulus of this set of {len(self)} {self.kind}s.")
        return self._contents[stimulus_id]

    def _likeness(self, stimulus_id: str) -> str:
        if self.kind != "text":
            return self.content_digests[stimulus_id]
        text = self.text(stimulus_id)
        return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split()) or text

    def __repr__(self) -> str:
        labels = [c for c in self.table.columns if c not in ("stimulus_id", self._content)]
        described = f"; labels {', '.join(map(str, labels))}" if labels else ""
        place = "" if self.kind == "text" else f" in {self.folder}"
        return f"StimulusSet({len(self)} {self.kind}s{place}{described})"


def _check_texts(table: pd.DataFrame) -> None:
    empty = [str(i) for i, t in zip(table["stimulus_id"], table["text"], strict=True) if not str(t).strip()]
    if empty or table["text"].isna().any():
        raise InputError(f"the stimuli {', '.join(empty[:5]) or '(missing)'} have no text; drop them.")


def _as_rgb(image: Image, path: Path) -> Image:
    from PIL import Image as pillow
    from PIL import ImageOps

    # What a TIFF declares goes when the image is turned.
    declared = getattr(image, "tag_v2", {}).get(_LARGEST_VALUE)
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        # More than eight bits are scaled to eight, not cut.
        values = np.asarray(image, dtype=np.float64)
        white = _white(values, image.mode, declared, path)
        image = pillow.fromarray(np.round(values / white * 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white_page = pillow.new("RGBA", rgba.size, (255, 255, 255, 255))
        return pillow.alpha_composite(white_page, rgba).convert("RGB")
    return image.convert("RGB")


def _white(values: NDArray[np.float64], mode: str, declared: Any, path: Path) -> float:
    """Return the value that is white, which never depends on what the image shows."""
    if mode.startswith("I;16"):
        return 65535.0
    kind, white = ("floating-point", 1.0) if mode == "F" else ("32-bit", 65535.0)
    if declared is not None:
        white = float(np.max(declared))
    # Written so that NaN fails it too.
    if not (0 < white < np.inf and values.min() >= 0 and values.max() <= white):
        raise InputError(
            f"{path} has {kind} pixels from {values.min():g} to {values.max():g}; wanted 0 to {white:g}. "
            "Scale all images of the set alike, or declare the value of white (TIFF tag SMaxSampleValue)."
        )
    return white
