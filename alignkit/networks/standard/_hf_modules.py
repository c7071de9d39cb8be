"""Bare models, tokenizers and settings of Hugging Face places, for text, sounds and films."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from ..._core.errors import InputError
from ._hf_files import Place, check_loaded, load_from
from ._hub import first_line, hub_answers, quiet
from ._random_weights import seeded

T = TypeVar("T")
Weights = Literal["pretrained", "random"]

# Training masks inputs with them; nothing that reads uses them, and fine-tuned checkpoints leave them out.
_UNUSED = ("masked_spec_embed", "mask_token")


def module_of(place: Place, *, weights: Weights, seed: int, what: str) -> Any:
    """Return the bare model of a place, in float32 and evaluation mode.

    Weights that a checkpoint leaves out, such as an unused pooler, are drawn under seed 0.

    Raises
    ------
    MissingDataError
        If it is neither in the cache nor to be had from the hub.
    InputError
        If it cannot be built, or its weights are not those of its architecture.
    """
    from transformers import AutoConfig, AutoModel

    if weights == "random":
        config = loaded(place, AutoConfig.from_pretrained, what=what)
        make: Any = AutoModel.from_config

        def draw(local: bool) -> Any:
            with _one_kind_of_error():
                return seeded(lambda: make(config, dtype=torch.float32), seed)

        with quiet(), silent():
            return load_from(place, draw, what=what).float().eval()
    pretrained: Any = AutoModel.from_pretrained
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, info = loaded(place, pretrained, what=what, use_safetensors=True, output_loading_info=True)
    missing = [key for key in info.get("missing_keys", ()) if not key.endswith(_UNUSED)]
    check_loaded(place.title, {**info, "missing_keys": missing})
    return model.float().eval()


def loaded(place: Place, loader: Callable[..., T], *, what: str, **options: Any) -> T:
    """Return what a ``from_pretrained`` of transformers gives, from the folder, the cache or the hub."""

    def load(local: bool) -> T:
        with _one_kind_of_error():
            return loader(
                place.source,
                revision=place.revision or "main",
                local_files_only=local,
                trust_remote_code=False,
                **options,
            )

    with quiet(), silent():
        return load_from(place, load, what=what)


def settings_of(place: Place, *files: str) -> dict[str, Any]:
    """Return the content of the first of these JSON files that is there; nothing where none is.

    Raises
    ------
    InputError
        If the file is no JSON object.
    """
    for file in files:
        path = _optional(place, file)
        if path is None:
            continue
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is no JSON file ({first_line(error)}); get it again.") from error
        if not isinstance(content, dict):
            raise InputError(f"{path} holds a {type(content).__name__}, wanted an object; get it again.")
        return content
    return {}


def origin_of(place: Place, *, trained: bool, seed: int) -> str:
    """Return where the weights come from, as reports say it."""
    shown = f"the folder {place.source}" if place.folder else f"the Hugging Face hub, {place.title}"
    if trained:
        return f"Weights were read from {shown}."
    return f"Weights are random (seed {seed}), of the architecture in {shown}."


@contextmanager
def silent() -> Iterator[None]:
    """Keep warnings of transformers' own loading, about which a user can do nothing, off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _one_kind_of_error() -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, AttributeError, ImportError) as error:
        raise ValueError(first_line(error)) from error


def _optional(place: Place, file: str) -> str | None:
    """Return the path of a file, or None where the model has none of that name."""
    if place.folder is not None:
        folders = (place.folder, place.settings or place.folder)
        return next((str(each / file) for each in folders if (each / file).is_file()), None)
    from transformers.utils.hub import cached_file

    def found(local: bool) -> str | None:
        path: str | None = cached_file(
            place.source,
            file,
            revision=place.revision or "main",
            local_files_only=local,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        return path

    # The cache holds what was asked for before; an optional file may not have been.
    return found(True) or (found(False) if hub_answers() else None)
