"""Which subjects of a public set are read, where their names do not end in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError


def choose_named_subjects(
    wanted: Sequence[str] | None, present: Sequence[str], *, folder: Path, files: str, prefix: str = ""
) -> list[str]:
    """Return the subjects to read: all that are there, or the named ones.

    Parameters
    ----------
    wanted : sequence of str or None
        As the caller named them, with or without `prefix`.
    present : sequence of str
        Whose files are in `folder`.
    folder : Path
        For the message.
    files : str
        What a subject's file is called, for the message.
    prefix : str
        Such as ``"sub-"``.

    Raises
    ------
    MissingDataError
        If nobody's files are there.
    UnknownNameError
        If a named subject's files are not there, with close matches.
    InputError
        If the list is empty or names someone twice.
    """
    if not present:
        raise MissingDataError(
            f"{folder} holds no file {files}; is it the folder of this set? Its files lie below it as they "
            "were published."
        )
    if wanted is None:
        return list(present)
    if not wanted:
        raise InputError("`subjects` is empty; name some, or leave it out to read all.")
    chosen = [prefix + str(subject).removeprefix(prefix) for subject in wanted]
    check_unique("subjects", chosen)
    for subject in chosen:
        if subject not in present:
            raise UnknownNameError(
                f"{folder} holds no file {files} of the subject {subject!r}, {did_you_mean(subject, present)}"
            )
    return chosen
