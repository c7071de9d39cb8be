"""Progress of long loops: silent in the library, shown where the command line asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Reporter = Callable[[str, int, int | None], None]

_reporter: ContextVar[Reporter | None] = ContextVar("alignkit_progress", default=None)


@contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Send every step of :func:`track` to ``reporter(description, done, total)`` inside the block."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield from `iterable` and report how far it is, when someone listens.

    Parameters
    ----------
    iterable : iterable
        What is gone through.
    description : str
        What is being done, for a person.
    total : int, optional
        Number of items, by default the iterable's length where it has one.
    """
    reporter = _reporter.get()
    if reporter is None:
        yield from iterable
        return
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    reporter(description, 0, total)
    for done, item in enumerate(iterable, start=1):
        yield item
        reporter(description, done, total)
