"""Where public sets lie on this computer, and what to say when they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._core.errors import InputError, MissingDataError
from ..._core.folders import data_folders
from ..._core.hashing import digest_file


@dataclass(frozen=True)
class PublicSet:
    """Declared facts of a public set: what the registry lists and the lookup needs.

    Attributes
    ----------
    folder : str
        Its folder's name inside a data folder.
    sha256 : mapping of str to str
        Main files, relative to the folder, and their digests. All of them must be there.
    facts : mapping
        `modality`, `subjects`, `stimuli`, `shape`, `unit`, `licence`, `citation`, `source`, `summary`.
    """

    folder: str
    sha256: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def declared(self) -> dict[str, Any]:
        """Return the facts for the registry."""
        return {**self.facts, "sha256": dict(self.sha256)}


def find_set(public: PublicSet, *, path: str | Path | None = None, verify: bool = False) -> Path:
    """Return the folder of a public set.

    Parameters
    ----------
    public : PublicSet
        The set.
    path : str or Path, optional
        Folder of a local copy; by default it is looked up in the folders of ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the SHA-256 of its main files with the declared ones.

    Raises
    ------
    MissingDataError
        If it is not there: what it is, where it comes from, and where to put it.
    InputError
        If `verify` is set and a file differs.
    """
    places = [Path(path)] if path is not None else [root / public.folder for root in data_folders()]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise MissingDataError(_how_to_get(public, places))
    missing = [name for name in public.sha256 if not (found / name).is_file()]
    if missing:
        raise MissingDataError(
            f"{found} is not whole: {', '.join(missing)} is missing. It comes from {public.facts['source']}."
        )
    if verify:
        for name, declared in public.sha256.items():
            actual = digest_file(found / name)
            if actual != declared:
                raise InputError(
                    f"{found / name} differs from the published file (SHA-256 {actual[:12]}..., declared "
                    f"{declared[:12]}...); get it again from {public.facts['source']}."
                )
    return found


def _how_to_get(public: PublicSet, places: list[Path]) -> str:
    looked = ", ".join(str(place) for place in places)
    return (
        f"the public set {public.folder!r} is not on this computer (looked for {looked}). It is: "
        f"{public.facts['summary']} Get it from {public.facts['source']} "
        f"(licence: {public.facts['licence']}), put {', '.join(public.sha256)} into {places[0]}, or "
        "set ALIGNKIT_DATA to the folder that holds it."
    )
