"""Files and weights of Hugging Face models that are not vision models: hub, cache, folder or random."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..._core.errors import InputError, MissingDataError
from .hf import _check_loaded, _folder, _hub_answers, _line, _quiet

T = TypeVar("T")
Weights = Literal["trained", "random"]

# Training masks inputs with it; nothing that reads uses it, and fine-tuned checkpoints leave it out.
_UNUSED = ("masked_spec_embed", "mask_token")


@dataclass(frozen=True)
class Source:
    """A model on the hub, at a revision, or in a folder.

    Attributes
    ----------
    name : str
        As given, without the revision.
    revision : str, optional
        Branch, tag or commit.
    folder : Path, optional
        None for a model of the hub.
    """

    name: str
    revision: str | None
    folder: Path | None

    @property
    def label(self) -> str:
        """How reports call the model."""
        shown = self.folder.name if self.folder else self.name
        return f"{shown}@{self.revision}" if self.revision else shown

    @property
    def place(self) -> str:
        """What transformers takes."""
        return str(self.folder) if self.folder else self.name

    def load(self, loader: Callable[..., T], *, what: str, **options: Any) -> T:
        """Return ``loader(place, ...)``, from the folder or the cache first, then from the hub.

        Raises
        ------
        MissingDataError
            If the model is neither in the cache nor to be had from the hub.
        InputError
            If it is no `what`.
        """
        revision = {"revision": self.revision} if self.revision else {}
        shared = {**revision, **options}
        with _quiet(), _silent():
            try:
                try:
                    return loader(self.place, local_files_only=True, **shared)
                except OSError as error:
                    if self.folder:
                        raise ValueError(_line(error)) from error
                    if not _hub_answers():
                        raise MissingDataError(
                            f"{self.label!r} is not in the local cache, and the Hugging Face hub cannot be "
                            f"reached. {self._remedy}"
                        ) from error
                    return loader(self.place, local_files_only=False, **shared)
            except MissingDataError:
                raise
            except OSError as error:
                raise MissingDataError(
                    f"{self.label!r} could not be had from the Hugging Face hub as safetensors: "
                    f"{_line(error)} Check the name. {self._remedy}"
                ) from error
            except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, ImportError) as error:
                raise InputError(f"{self.place} cannot be loaded as {what}: {_line(error)}") from error

    def settings(self, *files: str) -> dict[str, Any]:
        """Return the content of the first of these JSON files that is there; nothing where none is."""
        for file in files:
            path = self._optional(file)
            if path is None:
                continue
            try:
                content = json.loads(Path(path).read_text(encoding="utf-8"))
            except ValueError as error:
                raise InputError(f"{path} is no JSON file ({_line(error)}); get it again.") from error
            if not isinstance(content, dict):
                raise InputError(f"{path} holds a {type(content).__name__}, wanted an object; get it again.")
            return content
        return {}

    def _optional(self, file: str) -> str | None:
        """Return the path of a file, or None where the model has none of that name."""
        from transformers.utils import cached_file

        def found(place: str, **options: Any) -> str | None:
            path: str | None = cached_file(
                place,
                file,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
                **options,
            )
            return path

        path = self.load(found, what="a folder of a model")
        if path is None and self.folder is None and _hub_answers():
            # The cache holds what was asked for before; an optional file may not have been.
            revision = {"revision": self.revision} if self.revision else {}
            path = found(self.place, local_files_only=False, **revision)
        return path

    @property
    def _remedy(self) -> str:
        revision = f" --revision {self.revision}" if self.revision else ""
        return (
            f"Where there is internet run `hf download {self.name}{revision} --local-dir FOLDER`, bring the "
            "folder here and use `hf:FOLDER`."
        )


def source_of(name: str, *, weights: Weights, example: str) -> Source:
    """Return where ``NAME``, ``NAME@REVISION`` or a folder is.

    Raises
    ------
    MissingDataError
        If a folder is not there or holds no configuration.
    InputError
        If the name is empty, or weights are asked for where there are only pickled ones.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"`name` must be a Hugging Face name or a folder, as in hf:{example}.")
    path = Path(name).expanduser()
    if path.is_dir():
        if weights == "random" and (path / "config.json").is_file():
            return Source(name, None, path)
        return Source(name, None, _folder(name))
    bare, _, revision = name.partition("@")
    if revision and Path(bare).expanduser().is_dir():
        raise InputError(
            f"{name!r} asks for a revision of a folder; revisions are those of the hub. Give the folder of "
            "the checkpoint itself."
        )
    _folder(bare)
    return Source(bare, revision or None, None)


def module_of(source: Source, *, weights: Weights, seed: int, what: str) -> Any:
    """Return the bare model of a source, in float32 and evaluation mode.

    Weights that a checkpoint leaves out, such as an unused pooler, are drawn under seed 0.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    from ._random_weights import seeded

    if weights == "random":
        config = source.load(AutoConfig.from_pretrained, what=what, trust_remote_code=False)
        with _quiet(), _silent():
            try:
                model = seeded(lambda: AutoModel.from_config(config, dtype=torch.float32), seed)
            except (ValueError, LookupError, TypeError) as error:
                raise InputError(f"{source.place} cannot be built as {what}: {_line(error)}") from error
        return model.float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loader: Any = AutoModel.from_pretrained
        model, info = source.load(
            loader, what=what, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    missing = [key for key in info.get("missing_keys", ()) if not key.endswith(_UNUSED)]
    _check_loaded(source.label, {**info, "missing_keys": missing})
    return model.float().eval()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the warnings of transformers' own loading, which a user can do nothing about, to ourselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
