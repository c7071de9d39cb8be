"""Open files of public sets, fetched once and checked against their published digests."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..._core.atomic import explain_full_disk, remove_leftovers
from ..._core.errors import DiskFullError, InputError, MissingDataError
from ..._core.progress import track

logger = logging.getLogger(__name__)

_ALGORITHMS = ("sha256", "sha1", "md5")
_SCHEMES = ("https://", "http://", "ftp://")


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
        n_digits = 2 * hashlib.new(self.algorithm, usedforsecurity=False).digest_size
        if len(self.digest) != n_digits or not set(self.digest) <= set("0123456789abcdef"):
            raise InputError(
                f"the {self.algorithm} digest of {self.file!r} is {self.digest!r}; {n_digits} hexadecimal "
                "digits are wanted."
            )
        if not self.url.startswith(_SCHEMES):
            raise InputError(
                f"the download {self.file!r} comes from {self.url!r}; http, https or ftp wanted."
            )
        # A name is read as other systems would read it too.
        paths = PurePosixPath(self.file), PureWindowsPath(self.file)
        if any(path.is_absolute() or path.drive or path.root or ".." in path.parts for path in paths):
            raise InputError(f"the download {self.file!r} leaves its folder.")


def fetch(folder: Path, downloads: Sequence[Download]) -> list[Path]:
    """Fetch the files that are not there, and check each; a file that is there and right is kept.

    A file that is there and differs from the published one is replaced, once the right one has come.

    Raises
    ------
    MissingDataError
        If a file cannot be reached.
    InputError
        If what comes differs from what was published (nothing of it is kept), or the folder cannot be
        written.
    DiskFullError
        If there is no space left.
    """
    paths = []
    for each in track(list(downloads), f"fetching into {folder}"):
        target = folder / each.file
        try:
            with explain_full_disk(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                remove_leftovers(target.parent)
                _retrieve(each, target)
        except DiskFullError:
            raise
        except PermissionError as error:
            raise InputError(
                f"{target} cannot be written ({error}); give another folder as `path`."
            ) from error
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


def _retrieve(each: Download, target: Path) -> None:
    import pooch

    speaker = pooch.get_logger()
    level = speaker.level
    # pooch talks on standard error by itself; here progress is told by `track`.
    speaker.setLevel(logging.WARNING)
    logger.info("fetching %s", each.url)
    try:
        pooch.retrieve(
            each.url,
            known_hash=f"{each.algorithm}:{each.digest}",
            fname=target.name,
            path=target.parent,
            progressbar=False,
        )
    finally:
        speaker.setLevel(level)
