"""From a name and options to a network."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

from .._core.checks import did_you_mean
from .._core.errors import InputError
from ._language import LANGUAGE_MODELS
from ._network import NETWORKS, Network


def split_kind(kind: str) -> tuple[str, dict[str, Any]]:
    """Split ``source:name`` into a registered name and the options that stand behind the colon.

    Sources are the registered networks (and language models) that need an option ``name`` and no other,
    such as ``hf``, ``timm`` and ``torchvision``.

    Parameters
    ----------
    kind : str
        As written in a configuration.

    Returns
    -------
    factory : str
        A name for the registry; `kind` itself where there is no colon.
    options : dict
        ``{"name": ...}``, or nothing.

    Raises
    ------
    UnknownNameError
        If there is no such source; close matches are listed.
    InputError
        If what stands before the colon takes no name.

    Examples
    --------
    >>> split_kind("hf:facebook/dinov2-small")
    ('hf', {'name': 'facebook/dinov2-small'})
    >>> split_kind("pixels")
    ('pixels', {})
    """
    source, colon, name = kind.partition(":")
    if not colon:
        return kind, {}
    registry: Any = LANGUAGE_MODELS if source in LANGUAGE_MODELS else NETWORKS
    if not _takes_name(registry.facts(source)):
        rows = (*NETWORKS.rows(), *LANGUAGE_MODELS.rows())
        sources = sorted(row["name"] for row in rows if _takes_name(row))
        raise InputError(
            f"the model {source!r} takes no name, got {kind!r}. Write `{source}`; a name follows "
            f"{', '.join(f'`{each}:`' for each in sources)} only."
        )
    return source, {"name": name}


def build_network(kind: str, options: Mapping[str, Any] | None = None) -> Network:
    """Build the network of that name.

    Parameters
    ----------
    kind : str
        A registered name; or ``hf:``, ``timm:`` or ``torchvision:`` and a name there (or a folder).
    options : mapping, optional
        Keyword arguments of the network's factory.

    Returns
    -------
    network : Network

    Raises
    ------
    UnknownNameError
        If there is no network of that name; close matches are listed.
    InputError
        If the factory has no such option, or one that it needs is missing.

    Examples
    --------
    >>> build_network("pixels", {"size": 8}).layers
    ('pixels',)
    """
    source, named = split_kind(kind)
    given = {**(options or {}), **named}
    factory = NETWORKS[source]
    parameters = signature(factory).parameters
    for option in given:
        if option not in parameters:
            raise InputError(
                f"an option of the model {source!r} is {option!r}, {did_you_mean(option, list(parameters))}"
            )
    missing = [n for n, p in parameters.items() if p.default is Parameter.empty and n not in given]
    if missing:
        hint = f" Write `{source}:NAME_OR_FOLDER`." if missing == ["name"] else ""
        raise InputError(f"the model {source!r} needs the option(s) {', '.join(missing)}.{hint}")
    return factory(**given)


def _takes_name(facts: Mapping[str, Any]) -> bool:
    return tuple(facts.get("required", ())) == ("name",)
