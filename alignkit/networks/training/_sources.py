"""From the name of a set to what a network learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_json
from .labelled_images import labelled_images

if TYPE_CHECKING:
    from .teaching import Lesson


@dataclass(frozen=True, eq=False)
class Source:
    """What is learned from.

    Attributes
    ----------
    name : str
        What reports call it.
    digest : str
        Of its content.
    serves : tuple of str
        The `data` of recipes that it serves.
    lesson : callable
        From a network and a seed to what is trained on and what is held out.
    classes : tuple of str
        Names of the classes, of labelled images.
    """

    name: str
    digest: str
    serves: tuple[str, ...]
    lesson: Callable[[Any, int], Lesson]
    classes: tuple[str, ...] = ()


def source_of(data: str | Path, *, texts: bool, seed: int) -> Source:
    """Return what a name stands for: images, sequences, or for a language model (`texts`) a file of text.

    Raises
    ------
    MissingDataError
        If there is no such set or file.
    InputError
        If a file is no text in UTF-8.
    """
    if str(data) == "copy":
        name = f"copy task (seed {seed})"
        return Source(
            name, digest_json(["copy", seed]), ("copy",), lambda _, s: _lessons().copy_lesson(seed=s)
        )
    path = Path(data).expanduser()
    if texts or path.is_file():
        if not path.is_file():
            raise MissingDataError(f"the text {path} does not exist; name a file of plain text.")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is no text in UTF-8 ({error}).") from error
        digest = digest_json(text)
        return Source(path.name, digest, ("text",), lambda _, s: _lessons().text_lesson(text, seed=s))
    images = labelled_images(data, seed=seed)
    return Source(
        images.name,
        images.digest,
        ("labels", "images"),
        lambda network, s: _lessons().image_lesson(network, images, seed=s),
        images.classes,
    )


def _lessons() -> Any:
    # It imports torch.
    from . import lessons

    return lessons
