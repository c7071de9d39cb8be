"""Where public sets lie on this computer, and what to say when they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._core.errors import InputError, MissingDataError
from ..._core.folders import data_folders
from ..._core.hashing import digest_file
from ._download import Download, fetch


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
        `modality`, `subjects`, `stimuli`, `size`, `shape`, `unit`, `licence`, `citation`, `source`,
        `summary`.
    needs : tuple of str
        Further files or folders that must be there, whose digests are not published.
    downloads : tuple of Download
        Files that can be had without an account.
    """

    folder: str
    sha256: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()

    def declared(self) -> dict[str, Any]:
        """Return the facts for the registry."""
        return {**self.facts, "sha256": dict(self.sha256)}


def find_set(
    public: PublicSet,
    *,
    path: str | Path | None = None,
    verify: bool = False,
    download: bool = False,
    only: Sequence[str] | None = None,
) -> Path:
    """Return the folder of a public set.

    Parameters
    ----------
    public : PublicSet
        The set.
    path : str or Path, optional
        Folder of a local copy; by default it is looked up in the folders of ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the digests of its main files, and of the files that can be downloaded, with the declared
        ones.
    download : bool, default=False
        Get what is missing and can be had without an account.
    only : sequence of str, optional
        Of the downloads, the files that are wanted; by default all.

    Raises
    ------
    MissingDataError
        If it is not there: what it is, where it comes from, and where to put it.
    InputError
        If `download` is asked of a set that needs an account, or a digest differs.
    """
    places = [Path(path)] if path is not None else [root / public.folder for root in data_folders()]
    found = next((place for place in places if place.is_dir()), None)
    known = [each.file for each in public.downloads]
    for name in only or ():
        if name not in known:
            raise InputError(
                f"{name!r}, which is no download of {public.folder!r}. Known: {', '.join(known) or 'none'}."
            )
    wanted = [each for each in public.downloads if only is None or each.file in only]
    if download:
        if not wanted:
            raise InputError(
                f"{public.folder!r} cannot be downloaded by a program; get it from {public.facts['source']} "
                f"(licence: {public.facts['licence']}) and give its folder as `path`."
            )
        found = found or places[0]
        fetch(found, wanted)
    if found is None:
        raise MissingDataError(_how_to_get(public, places))
    missing = [name for name in (*public.sha256, *public.needs) if not (found / name).exists()]
    if missing:
        raise MissingDataError(
            f"{found} is not whole: {', '.join(missing)} is missing. It comes from {public.facts['source']}."
        )
    if verify:
        declared = {name: ("sha256", digest) for name, digest in public.sha256.items()}
        declared |= {each.file: (each.algorithm, each.digest) for each in wanted}
        if not declared:
            raise InputError(
                f"no digests are known of what is wanted of {public.folder!r}, so that nothing can be "
                "verified; leave `verify` out."
            )
        for name, (algorithm, digest) in declared.items():
            if (found / name).is_file():
                _verify(found / name, algorithm, digest, public)
    return found


def _verify(path: Path, algorithm: str, declared: str, public: PublicSet) -> None:
    actual = digest_file(path, algorithm=algorithm)
    if actual != declared:
        raise InputError(
            f"{path} differs from the published file ({algorithm.upper().replace('SHA256', 'SHA-256')} "
            f"{actual[:12]}..., declared {declared[:12]}...); get it again from {public.facts['source']}."
        )


def _how_to_get(public: PublicSet, places: list[Path]) -> str:
    looked = ", ".join(str(place) for place in places)
    files = ", ".join((*public.sha256, *public.needs)) or "its files"
    by_itself = "pass `download=True` to fetch it, or " if public.downloads else ""
    return (
        f"the public set {public.folder!r} is not on this computer (looked for {looked}). It is: "
        f"{public.facts['summary']} Get it from {public.facts['source']} "
        f"(licence: {public.facts['licence']}): {by_itself}put {files} into {places[0]}, or set "
        "ALIGNKIT_DATA to the folder that holds it."
    )
