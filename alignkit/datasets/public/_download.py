"""Open files of public sets, fetched once and checked against their published digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._core.atomic import remove_leftovers
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track

_ALGORITHMS = ("sha256", "sha1", "md5")


@dataclass(frozen=True)
class Download:
    """A file that anyone may fetch.

    Attributes
    ----------
    file : str
        Where it goes, relative to the set's folder.
    url : str
        Where it comes from (http, https or ftp).
    digest : str
        Its published digest, in hexadecimal digits.
    algorithm : {"sha256", "sha1", "md5"}
        Of the digest; owners publish what they publish.
    """

    file: str
    url: str
    digest: str
    algorithm: str = "sha256"

    def __post_init__(self) -> None:
        if self.algorithm not in _ALGORITHMS:
            raise InputError(f"`algorithm` is {self.algorithm!r}, one of {', '.join(_ALGORITHMS)} is wanted.")
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            raise InputError(f"the download {self.file!r} leaves its folder.")


def fetch(folder: Path, downloads: Sequence[Download]) -> list[Path]:
    """Fetch the files that are not there, and check each; a file that is there and right is kept.

    Raises
    ------
    MissingDataError
        If a file cannot be reached.
    InputError
        If what comes differs from what was published; nothing of it is kept.
    """
    import pooch

    paths = []
    for each in track(list(downloads), f"fetching into {folder}"):
        target = folder / each.file
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        try:
            pooch.retrieve(
                each.url,
                known_hash=f"{each.algorithm}:{each.digest}",
                fname=target.name,
                path=target.parent,
                progressbar=False,
            )
        except ValueError as error:
            raise InputError(
                f"{each.url} gave another file than was published ({each.algorithm} {each.digest[:12]}... "
                "was declared); it was not kept. Try again, or get it by hand."
            ) from error
        except OSError as error:
            raise MissingDataError(
                f"{each.url} cannot be reached ({error}); check the connection, or get the file by hand and "
                f"put it at {target}."
            ) from error
        paths.append(target)
    return paths
