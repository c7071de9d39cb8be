"""Where a Hugging Face model lies, and what is in its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..._core.errors import InputError, MissingDataError
from ._hub import first_line, from_hub
from .checkpoints import checkpoint_folder

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A folder, or a repository on the hub, and one of its revisions.

    Attributes
    ----------
    source : str
        Path or name for transformers.
    title : str
        How reports call it.
    revision : str, optional
        Of the hub.
    folder : Path, optional
        Where it is local.
    settings : Path, optional
        Folder of the preprocessing where it is not that of the weights: trainers leave it beside their
        checkpoints.
    """

    source: str
    title: str
    revision: str | None = None
    folder: Path | None = None
    settings: Path | None = None

    @property
    def paper(self) -> str:
        """Address on the hub; none for a folder."""
        return "" if self.folder else f"https://huggingface.co/{self.source}"


def find_place(name: str, *, weights: bool) -> Place:
    """Return where ``NAME_OR_FOLDER`` or ``NAME_OR_FOLDER@REVISION`` lies.

    Raises
    ------
    MissingDataError
        If it is written as a folder, and there is none.
    InputError
        If the folder holds no safetensors although `weights` are wanted.
    """
    whole = Path(name).expanduser()
    base, at, revision = name.rpartition("@")
    if whole.is_dir() or not at:
        base, revision = name, ""
    path = folder_of(base)
    if path is not None:
        folder = checkpoint_folder(path, revision) if revision else path
        check_files(folder, weights=weights)
        # The name of a folder given as "." or ".." is that of the folder it stands for.
        title = folder.resolve().name if not revision else f"{path.resolve().name}@{folder.name}"
        beside = path if revision and not (folder / "preprocessor_config.json").is_file() else None
        return Place(str(folder), title, folder=folder, settings=beside)
    return Place(base, name, revision=revision or None)


def folder_of(name: str) -> Path | None:
    """Return the folder of that name; None where it can only be a name on the hub.

    Raises
    ------
    MissingDataError
        If it is written as a folder, and there is none.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise MissingDataError(f"the model folder {path} does not exist.")
    return None


def check_files(folder: Path, *, weights: bool) -> None:
    """Refuse a folder that holds no model, or pickled weights only.

    Raises
    ------
    MissingDataError
        If there is no configuration.
    InputError
        If `weights` are wanted and there are none as safetensors.
    """
    if not (folder / "config.json").is_file():
        raise MissingDataError(f"{folder} holds no config.json; it is no folder of a Hugging Face model.")
    if weights and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} holds no *.safetensors. Pickled weights (.bin, .pt) can run code and are not "
            "opened; load them where you trust them and save with `save_pretrained`, which writes "
            "safetensors."
        )


def load_from(place: Place, load: Callable[[bool], T], *, what: str) -> T:
    """Return what ``load(local)`` gives, with one kind of error whatever transformers raises."""
    from safetensors import SafetensorError

    kinds: tuple[type[Exception], ...] = (ValueError, RuntimeError, SafetensorError)
    if place.folder is not None:
        kinds = (*kinds, OSError)
    try:
        return load(True) if place.folder is not None else from_hub(place.source, load)
    except InputError:
        raise
    except kinds as error:
        raise InputError(
            f"{place.source} cannot be loaded as a Hugging Face {what}: {first_line(error)}"
        ) from error


def read_settings(place: Place, *, local: bool) -> dict[str, Any]:
    """Return the settings of the image preprocessing, with the defaults of its class."""
    from transformers import AutoImageProcessor, ImageProcessingMixin

    source = str(place.settings or place.source)
    revision = place.revision or "main"
    try:
        load: Any = AutoImageProcessor.from_pretrained
        processor = load(source, revision=revision, local_files_only=local, trust_remote_code=False)
        settings: dict[str, Any] = processor.to_dict()
    except ImportError:
        # Processors that exist for torchvision only: the file says all that is needed.
        settings, _ = ImageProcessingMixin.get_image_processor_dict(
            source, revision=revision, local_files_only=local
        )
    return settings


def check_loaded(name: str, info: dict[str, Any]) -> None:
    """Refuse weights that leave a part of the model to chance.

    Raises
    ------
    InputError
        With the number of tensors that are missing or of another shape, and the first of them.
    """
    mismatched = sorted(info.get("mismatched_keys", ()))
    if mismatched:
        key, came, wanted = mismatched[0]
        raise InputError(
            f"the weights of {name!r} have another shape than the model's in {len(mismatched)} tensors "
            f"(first {key}, {tuple(came)} instead of {tuple(wanted)}); the files are not those of this "
            "architecture. Download them again."
        )
    missing = sorted(key for key in info.get("missing_keys", ()) if "pooler" not in key)
    if missing:
        raise InputError(
            f"the weights of {name!r} lack {len(missing)} of the model's tensors (first "
            f"{missing[0]}), which would be random; the files are not those of this architecture. Download "
            "them again."
        )
