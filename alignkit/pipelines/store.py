"""The store: every stage's result under a key that says what it was made from."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core.atomic import atomic_folder, kept_folder, remove_leftovers
from .._core.folders import cache_folder
from .._core.hashing import digest_file, digest_json

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"


@dataclass
class Store:
    """Artefacts in folders named by key: there whole, or made again.

    A key is the digest of (stage, its version, parameters, digests of inputs). An artefact is written to
    a temporary folder, flushed, and renamed; its manifest holds the digest of each file. A damaged
    artefact is found when it is opened, named, and made again.

    Parameters
    ----------
    root : Path, optional
        By default ``ALIGNKIT_CACHE`` or the user's cache folder.
    """

    root: Path = field(default_factory=lambda: cache_folder() / "store")
    made: int = 0
    found: int = 0
    repaired: list[str] = field(default_factory=list)
    _verified: set[Path] = field(default_factory=set)

    def get(
        self,
        stage: str,
        *,
        version: int,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, str],
        make: Callable[[Path], None],
        resumable: bool = False,
    ) -> Path:
        """Return the folder of an artefact, making it where it is missing or damaged.

        Parameters
        ----------
        stage : str
            What is made, such as ``"features"``.
        version : int
            Raised whenever the stage's code changes its results.
        parameters : mapping
            JSON values that the result depends on.
        inputs : mapping of str to str
            Digests of what it is made from.
        make : callable
            Gets an empty folder to write into.
        resumable : bool, default=False
            Whether `make` goes on with what it left when it was killed; its folder is kept for it then.
        """
        recipe = {"stage": stage, "version": version, "parameters": parameters, "inputs": inputs}
        folder = self.root / stage / digest_json(recipe)
        if self._is_whole(folder):
            self.found += 1
            return folder
        remove_leftovers(folder.parent)
        with (kept_folder if resumable else atomic_folder)(folder) as working:
            make(working)
            _write_manifest(working, recipe)
        self._verified.add(folder)
        self.made += 1
        logger.info("made %s %s", stage, folder.name[:12])
        return folder

    def _is_whole(self, folder: Path) -> bool:
        if folder in self._verified:
            return True
        if not folder.is_dir():
            return False
        problem = find_damage(folder)
        if problem:
            logger.warning("the stored result %s is damaged (%s); it is made again", folder, problem)
            self.repaired.append(f"{folder.parent.name}/{folder.name[:12]}: {problem}")
            return False
        self._verified.add(folder)
        return True


def find_damage(folder: Path) -> str:
    """Return what is wrong with an artefact, or an empty string."""
    try:
        files: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} cannot be read"
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if digest_file(path) != digest:
            return f"{name} was changed"
    return ""


def _write_manifest(folder: Path, recipe: Mapping[str, Any]) -> None:
    files = {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({**recipe, "files": files}, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
