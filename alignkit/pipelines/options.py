"""From the options written for a `kind` to checked keyword arguments of what the kind names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pydantic

from .._core.checks import did_you_mean
from .._core.errors import InputError


def check_options(
    build: Callable[..., Any], options: Mapping[str, Any], *, where: str, base: Path | None = None
) -> dict[str, Any]:
    """Check options against a callable's keyword-only signature and convert them to its types.

    Parameters
    ----------
    build : callable
        Its annotated keyword-only parameters are the options.
    options : mapping
        What the configuration says.
    where : str
        Where that stands, for the message, such as ``"models[1] (hmax)"``.
    base : Path, optional
        Folder that relative paths start from; by default the working folder.

    Returns
    -------
    options : dict
        Every option of the callable, defaults included; paths absolute.

    Raises
    ------
    InputError
        For an unknown option (close matches listed), a wrong type or a missing one.
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(build).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for name in options:
        if name not in parameters:
            raise InputError(f"{where}: the option {name!r}, {did_you_mean(name, list(parameters))}")
    hints = get_type_hints(build.__init__ if inspect.isclass(build) else build)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters.items()
    }
    config = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    model = pydantic.create_model("Options", __config__=config, **fields)
    try:
        checked = model(**options)
    except pydantic.ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from error
    return {name: _absolute(getattr(checked, name), base) for name in parameters}


def explain(error: pydantic.ValidationError) -> str:
    """Put a pydantic error into one line: where, what was wanted, what came."""
    parts = []
    for problem in error.errors():
        location = ".".join(str(part) for part in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ")
        # What a check of several keys found is told by itself, without all that was given.
        shown = "" if problem["type"] in ("missing", "value_error") else f", got {problem.get('input')!r:.80}"
        where = f"{location}: " if location else ""
        parts.append(f"{where}{said[0].lower()}{said[1:]}{shown}")
    return "; ".join(parts)


def plain(value: Any) -> Any:
    """Turn checked options into JSON and YAML values."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _absolute(value: Any, base: Path | None) -> Any:
    if isinstance(value, Path):
        value = value.expanduser()
        return value if value.is_absolute() else (base or Path.cwd()) / value
    if isinstance(value, list | tuple):
        return type(value)(_absolute(item, base) for item in value)
    return value
