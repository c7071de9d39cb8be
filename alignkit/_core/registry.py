"""One registry per family: a name, the thing that is built, and the facts about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from .checks import did_you_mean
from .errors import InputError, UnknownNameError

T = TypeVar("T", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Names of one family, each with a callable and its declared facts.

    Facts are plain values (family, paper, layers, licence, range, direction), so that listings, reports
    and tests read one source and need not build anything. Third parties add names through the
    entry-point group ``alignkit.<family>``, which is read only when a name is missed.

    Parameters
    ----------
    family : str
        Plural noun, such as ``"metrics"``.
    """

    def __init__(self, family: str) -> None:
        self.family = family
        self._objects: dict[str, T] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._homes: dict[str, str] = {}

    def register(self, name: str, **facts: Any) -> Callable[[T], T]:
        """Return a decorator that puts a callable under `name` with its facts."""

        def add(thing: T) -> T:
            if name in self:
                raise InputError(f"{self.family}: the name {name!r} is taken already.")
            self._objects[name] = thing
            self._facts[name] = MappingProxyType(dict(facts))
            return thing

        return add

    def declare(self, name: str, home: str, **facts: Any) -> None:
        """Put a name with its facts here, for a callable that is imported when it is first asked for.

        Parameters
        ----------
        name : str
            Not taken yet.
        home : str
            Module and callable, such as ``"alignkit.networks.vision.hmax:hmax"``.
        **facts
            Plain values.
        """
        if self._homes.get(name) == home and self._facts.get(name) == facts:
            # The same declaration, read again: a test runner that imports a file by its path does so.
            return
        if name in self:
            raise InputError(f"{self.family}: the name {name!r} is taken already.")
        self._homes[name] = home
        self._facts[name] = MappingProxyType(dict(facts))

    def __getitem__(self, name: str) -> T:
        if name not in self._objects and name in self._homes:
            module, callable_name = self._homes[name].split(":")
            self._objects[name] = getattr(import_module(module), callable_name)
        if name not in self._objects:
            self._load_plugin(name)
        return self._objects[name]

    def __contains__(self, name: object) -> bool:
        return name in self._facts

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._facts))

    def __len__(self) -> int:
        return len(self._facts)

    def facts(self, name: str) -> Mapping[str, Any]:
        """Return the declared facts of `name`."""
        self[name]
        return self._facts[name]

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary per name, sorted: `name` and its facts."""
        return [{"name": name, **self._facts[name]} for name in self]

    def _load_plugin(self, name: str) -> None:
        group = f"alignkit.{self.family}"
        found = entry_points(group=group, name=name)
        if not found:
            raise UnknownNameError(
                f"{self.family}: {name!r}, {did_you_mean(name, list(self))} "
                f"Searched alignkit and the entry points {group!r}."
            )
        thing = next(iter(found)).load()
        if name not in self:
            self.register(name)(thing)
