"""Which public set a folder is, by its name or by its files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .._dataset import DATASETS, Dataset
from ..public._lookup import PublicSet

# Modules of `alignkit.datasets.public`; the set's constant and registry name follow from the module's.
_MODULES = (
    "algonauts2023", "alice", "bold5000", "haxby2001", "hbn_eeg", "images92", "it_zhang_desimone",
    "kamitani_god", "lebel2023", "majajhong2015", "meg_masc", "n170_muse", "n400_words", "nsd",
    "oddball_eeglab", "pereira2018", "things_eeg2", "things_fmri", "things_meg", "v4_cowley",
)  # fmt: skip


@dataclass(frozen=True)
class KnownSet:
    """A public set that a folder is.

    Attributes
    ----------
    kind : str
        Its registry name.
    public : PublicSet
        Its facts.
    load : callable
        Its loader.
    missing : tuple of str
        Files that should be there and are not.
    """

    kind: str
    public: PublicSet
    load: Callable[..., Dataset]
    missing: tuple[str, ...]

    @property
    def needs_options(self) -> tuple[str, ...]:
        """Options of the loader that have no default."""
        empty = inspect.Parameter.empty
        parameters = inspect.signature(self.load).parameters.items()
        return tuple(name for name, parameter in parameters if parameter.default is empty)

    def dataset(self, folder: Path) -> dict[str, Any]:
        """Return the options that read it."""
        return {"kind": self.kind, "path": str(folder.resolve())}


def known_set(folder: Path) -> KnownSet | None:
    """Return the public set that a folder is; None where neither its name nor its files are of one."""
    name = folder.resolve().name
    for module in _MODULES:
        public: PublicSet = getattr(import_module(f"alignkit.datasets.public.{module}"), module.upper())
        kind = module.replace("_", "-")
        wanted = (*public.sha256, *public.needs)
        missing = tuple(each for each in wanted if not (folder / each).exists())
        if name in (public.folder, kind, module) or (wanted and not missing):
            return KnownSet(kind, public, DATASETS[kind], missing)
    return None
