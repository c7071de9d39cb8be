"""Which subjects of a public set are wanted, by the set's names or by their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError


def choose_subjects(
    wanted: Sequence[int | str] | None, known: Sequence[str], *, is_there: Callable[[str], bool], where: str
) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the wanted subjects, and a note where they are not all of the set's.

    Parameters
    ----------
    wanted : sequence of int or str, optional
        Names as the set has them, or their numbers: ``1``, ``"01"`` and ``"subj01"`` are one subject. By
        default every subject whose files are there.
    known : sequence of str
        All subjects of the set, each ending in its number.
    is_there : callable
        Tells whether a subject's files are on this computer.
    where : str
        Where the files were looked for, for errors.

    Raises
    ------
    InputError
        If none is named, or one is named twice.
    UnknownNameError
        If the set has no such subject (close matches listed).
    MissingDataError
        If the files of a subject are not there.
    """
    if wanted is None:
        chosen = [name for name in known if is_there(name)]
        if not chosen:
            raise MissingDataError(f"{where} holds no subject of the set; it has {', '.join(known)}.")
    else:
        if not wanted:
            raise InputError(f"`subjects` is empty; name some of {', '.join(known)}, or leave it out.")
        chosen = [_named(one, known) for one in wanted]
        check_unique("subjects", chosen)
        absent = [name for name in chosen if not is_there(name)]
        if absent:
            there = [name for name in known if is_there(name)]
            raise MissingDataError(
                f"the files of {', '.join(absent)} are not in {where}; there are those of "
                f"{', '.join(there) or 'no subject'}. Get them, or leave the subject out."
            )
    if len(chosen) == len(known):
        return chosen, ()
    return chosen, (f"{len(chosen)} of the set's {len(known)} subjects are here: {', '.join(chosen)}.",)


def _named(one: int | str, known: Sequence[str]) -> str:
    text = str(one)
    if text in known:
        return text
    numbered = {int(_number(name)): name for name in known}
    if text.isdigit() and int(text) in numbered:
        return numbered[int(text)]
    raise UnknownNameError(f"a subject of `subjects` is {text!r}, {did_you_mean(text, known)}")


def _number(name: str) -> str:
    found = re.search(r"(\d+)$", name)
    if found is None:
        raise InputError(f"the subject {name!r} has no number.")
    return found.group(1)
