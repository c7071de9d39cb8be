"""Which rows of an unfinished extraction are safely on the disk."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._core.atomic import write_text
from .._core.hashing import digest_file

logger = logging.getLogger(__name__)

JOURNAL = "chunks.jsonl"


class Journal:
    """A line per group of rows: where it ends, and the digests of the files that hold it.

    Lines are only ever added, each flushed to the disk after the files it speaks of, so that a line that can
    be read, of files that agree with it, is true whenever the process was killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL

    def add(self, stop: int, files: Iterable[str]) -> None:
        """Note that rows before `stop` are there; `files` are relative to the folder."""
        digests: dict[str, str | None] = {}
        for name in files:
            path = self.folder / name
            # zarr writes no file for a chunk of zeros.
            digests[name] = digest_file(path) if path.is_file() else None
            if path.is_file():
                _flush(path)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stop": stop, "files": digests}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def whole_rows(self) -> int:
        """Return how many rows are there undamaged, and forget what was noted after them."""
        lines, n_noted = self._lines()
        good: list[dict[str, Any]] = []
        for line in lines:
            if not all(self._is_whole(name, digest) for name, digest in line["files"].items()):
                break
            good.append(line)
        stop = int(good[-1]["stop"]) if good else 0
        if len(good) < n_noted:
            logger.warning("%s is damaged after row %d; later rows are made again", self.folder, stop)
        self._keep(good)
        return stop

    def remove(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)

    def _lines(self) -> tuple[list[dict[str, Any]], int]:
        try:
            texts = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        except (FileNotFoundError, UnicodeDecodeError):
            return [], 0
        # The last line is cut where the process was killed while it wrote it: no damage.
        texts = [text for text in texts if text.endswith("\n")]
        lines: list[dict[str, Any]] = []
        for text in texts:
            try:
                line = json.loads(text)
                lines.append({"stop": int(line["stop"]), "files": dict(line["files"])})
            except (ValueError, KeyError, TypeError):
                break
        return lines, len(texts)

    def _is_whole(self, name: str, digest: str | None) -> bool:
        path = self.folder / name
        if digest is None or not path.is_file():
            return digest is None and not path.exists()
        return digest_file(path) == digest

    def _keep(self, lines: list[dict[str, Any]]) -> None:
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))
        known = {name for line in lines for name in line["files"]}
        for path in self.folder.glob("layer-*.zarr/c/**/*"):
            if path.is_file() and path.relative_to(self.folder).as_posix() not in known:
                path.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
