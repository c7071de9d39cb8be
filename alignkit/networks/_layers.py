"""From what a user writes for layers to names of a network's submodules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from .._core.checks import check_unique, did_you_mean
from .._core.errors import InputError

if TYPE_CHECKING:
    from ._network import Network

_N_SHOWN = 5


def choose_layers(network: Network, wanted: Sequence[str | float]) -> tuple[str, ...]:
    """Return the names of the layers that names, globs and fractional depths stand for.

    Parameters
    ----------
    network : Network
        Its submodules are what can be chosen.
    wanted : sequence of str or float
        Each is the name of a submodule; a glob, in which ``*`` and ``?`` stay within one level of the
        name, ``**`` crosses levels, and ``[0-3]`` is a set of characters; or a depth in [0, 1], a number
        or its text: 0 is the first of the network's declared layers and 1 the last, and the nearest is
        taken (of two as near, the later). A text that is the name of a submodule is that submodule, even
        where it looks like a number.

    Returns
    -------
    layers : tuple of str
        In the order they were asked for, those of one glob in the order of the network; each once.

    Raises
    ------
    InputError
        If nothing is asked for, a text comes twice, a depth lies outside [0, 1], or nothing has the name
        or matches the glob; close matches are listed.

    Examples
    --------
    >>> from alignkit.networks import build_network
    >>> choose_layers(build_network("gabor-energy"), ["0.5", "energy", "scale[12]"])
    ('scale4', 'energy', 'scale1', 'scale2')
    """
    if isinstance(wanted, str) or not len(wanted):
        raise InputError(f"`layers` must be a list of at least one layer name, got {wanted!r}.")
    check_unique("layers", [str(each) for each in wanted])
    known = [name for name, _ in network.module.named_modules() if name]
    chosen: dict[str, None] = {}
    for each in wanted:
        for name in _found(network, each, known):
            chosen.setdefault(name)
    return tuple(chosen)


def _found(network: Network, wanted: str | float, known: list[str]) -> list[str]:
    if isinstance(wanted, str):
        if wanted in known:
            return [wanted]
        if any(sign in wanted for sign in "*?["):
            return _matching(network, wanted, known)
    depth = _depth(wanted)
    if depth is None:
        raise _unknown(network, str(wanted), known)
    if not 0 <= depth <= 1:
        raise InputError(
            f"`layers` of {network.name!r} holds the depth {wanted}; depths go from 0 (the first declared "
            "layer) to 1 (the last)."
        )
    return [network.layers[int(depth * (len(network.layers) - 1) + 0.5)]]


def _depth(wanted: str | float) -> float | None:
    if isinstance(wanted, bool):
        return None
    try:
        return float(wanted)
    except (TypeError, ValueError):
        return None


def _matching(network: Network, glob: str, known: list[str]) -> list[str]:
    pattern = re.compile(_expression(glob))
    found = [name for name in known if pattern.fullmatch(name)]
    if not found:
        # What comes near a glob is what comes near its text with the first of everything.
        raise _unknown(network, glob, known, like=re.sub(r"\*+|\?|\[[^\]]*\]", "0", glob))
    return found


def _expression(glob: str) -> str:
    """Translate a glob into a regular expression; fnmatch's ``*`` would run across levels."""
    meaning = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return "".join(
        meaning.get(part) or (_set(part) if len(part) > 2 and part[0] == "[" else re.escape(part))
        for part in re.split(r"(\*\*|\*|\?|\[[^\]]+\])", glob)
    )


def _set(part: str) -> str:
    inside = part[1:-1].replace("\\", "\\\\")
    return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"


def _unknown(network: Network, wanted: str, known: list[str], *, like: str | None = None) -> InputError:
    # A network has hundreds of modules: the message lists its own layers and what comes near.
    near = get_close_matches(like or wanted, known, n=_N_SHOWN, cutoff=0.5)
    options = sorted({*network.layers, *near})
    return InputError(
        f"`layers` of {network.name!r} holds {wanted!r}, {did_you_mean(like or wanted, options)}"
    )
