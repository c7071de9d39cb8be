"""A run's log: one JSON object per line, beside its results."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "source": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(content)


class _Collector(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning for the report, once."""
        message = record.getMessage()
        if message not in self._into:
            self._into.append(message)


@contextmanager
def run_log(folder: Path) -> Iterator[list[str]]:
    """Log alignkit's messages to ``log.jsonl`` inside the block; yield the warnings as they come."""
    warnings: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(folder / "log.jsonl", mode="a", encoding="utf-8")
    to_file.setFormatter(_JsonLines())
    collector = _Collector(warnings)
    root = logging.getLogger("alignkit")
    level = root.level
    root.addHandler(to_file)
    root.addHandler(collector)
    root.setLevel(logging.INFO)
    try:
        yield warnings
    finally:
        root.removeHandler(to_file)
        root.removeHandler(collector)
        root.setLevel(level)
        to_file.close()
