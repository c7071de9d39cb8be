"""From a name and options to a network."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

from .._core.checks import did_you_mean
from .._core.errors import InputError
from ._network import NETWORKS, Network

_HUB_PREFIX = "hf:"


def build_network(kind: str, options: Mapping[str, Any] | None = None) -> Network:
    """Build the network of that name.

    Parameters
    ----------
    kind : str
        A registered name, or ``hf:`` and a Hugging Face name or folder.
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
    given = dict(options or {})
    if kind.startswith(_HUB_PREFIX):
        given["name"] = kind.removeprefix(_HUB_PREFIX)
        kind = "hf"
    factory = NETWORKS[kind]
    parameters = signature(factory).parameters
    for option in given:
        if option not in parameters:
            raise InputError(
                f"an option of the model {kind!r} is {option!r}, {did_you_mean(option, list(parameters))}"
            )
    missing = [n for n, p in parameters.items() if p.default is Parameter.empty and n not in given]
    if missing:
        hint = " Write `hf:NAME_OR_FOLDER`." if kind == "hf" else ""
        raise InputError(f"the model {kind!r} needs the option(s) {', '.join(missing)}.{hint}")
    return factory(**given)
