"""Labelled images to learn from: digits, shapes, or the folders of classes of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_array, digest_json
from ...recordings.stimuli import IMAGE_SUFFIXES, StimulusSet
from .shapes import SHAPES, shape_images

if TYPE_CHECKING:
    from PIL.Image import Image

NAMED = ("digits", "shapes")
N_SHAPE_IMAGES = 4000
SHAPE_SIZE = 64


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with a class each.

    Attributes
    ----------
    name : str
        What reports call the set.
    labels : int64 array of shape (n_images,)
        Places in `classes`.
    classes : tuple of str
        Names of the classes, at least two.
    open : callable
        From an image's number to the image, as RGB.
    digest : str
        Of images and labels.
    """

    name: str
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    open: Callable[[int], Image]
    digest: str

    def __len__(self) -> int:
        return len(self.labels)


def labelled_images(source: str | Path, *, seed: int = 0) -> LabelledImages:
    """Return a labelled set by name, or from a folder with a folder of images per class.

    Parameters
    ----------
    source : str or path
        ``"digits"`` (1,797 handwritten digits of 8 by 8 pixels, shipped with scikit-learn), ``"shapes"``
        (4,000 drawn images of eight outlines, see :func:`shape_images`), or a folder.
    seed : int, default=0
        Draws the shapes.

    Raises
    ------
    MissingDataError
        If there is no such set or folder.
    InputError
        If the folder holds fewer than two classes, or a class without two images.
    """
    if str(source) == "digits":
        return _digits()
    if str(source) == "shapes":
        images, labels = shape_images(N_SHAPE_IMAGES, size=SHAPE_SIZE, random_state=seed)
        return _in_memory(f"shapes (seed {seed})", images, labels, SHAPES)
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise MissingDataError(
            f"the training set {str(source)!r}, {did_you_mean(str(source), list(NAMED))} A folder of classes "
            "serves too, and there is none of that name."
        )
    return _of_folder(folder)


def _digits() -> LabelledImages:
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.round(digits.images / 16 * 255).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=3)
    return _in_memory(
        "digits (scikit-learn)", images, digits.target.astype(np.int64), tuple(map(str, range(10)))
    )


def _in_memory(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: tuple[str, ...]
) -> LabelledImages:
    from PIL import Image

    digest = digest_json([digest_array(images), digest_array(labels)])
    return LabelledImages(name, labels, classes, lambda number: Image.fromarray(images[number]), digest)


def _of_folder(folder: Path) -> LabelledImages:
    classes = sorted(
        each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
    )
    if len(classes) < 2:
        raise InputError(
            f"{folder} holds {len(classes)} folder(s) of images, wanted one per class, at least two classes."
        )
    rows = []
    for label, name in enumerate(classes):
        files = sorted(
            path
            for path in (folder / name).iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        )
        if len(files) < 2:
            raise InputError(
                f"the class {name!r} of {folder} has {len(files)} image(s), wanted at least two."
            )
        rows += [(f"{name}/{path.name}", label) for path in files]
    files_of, labels = zip(*rows, strict=True)
    stimuli = StimulusSet(pd.DataFrame({"stimulus_id": files_of, "file": files_of}), folder)
    return LabelledImages(
        folder.name,
        np.array(labels, dtype=np.int64),
        tuple(classes),
        lambda number: stimuli.open(files_of[number]),
        digest_json([stimuli.digest, list(labels)]),
    )
