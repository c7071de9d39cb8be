"""Which files of a folder belong to which subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from ._file_checks import stays_inside

_SUBJECT = "{subject}"
# Recordings of CTF and EGI are folders.
_FOLDERS = (".ds", ".mff")


def find_subject_files(
    folder: str | Path, pattern: str, subjects: Sequence[str] | None = None
) -> dict[str, Path]:
    """Return each subject's file, sorted by subject.

    Parameters
    ----------
    folder : str or Path
        Where to look.
    pattern : str
        With ``{subject}``; ``*`` stands for anything within one name, ``**`` for any folders. Without it,
        `subjects` names the one whose file it is.
    subjects : sequence of str, optional
        Which ones, with or without ``sub-``; by default all.

    Returns
    -------
    files : dict of str to Path
        Where the pattern says ``sub-{subject}``, names begin with ``sub-``.

    Raises
    ------
    MissingDataError
        If nothing is found, or nothing for a named subject.
    InputError
        If the pattern leaves the folder or has no ``{subject}`` for several, a subject has several files, or
        a file is a link that leaves the folder.
    """
    found = find_subject_runs(folder, pattern, subjects)
    for name, files in found.items():
        if len(files) > 1:
            several = ", ".join(str(path.relative_to(folder)) for path in files[:3])
            raise InputError(f"{name!r} has {len(files)} files ({several}); narrow `pattern` to one.")
    return {name: files[0] for name, files in found.items()}


def find_subject_runs(
    folder: str | Path, pattern: str | Sequence[str], subjects: Sequence[str] | None = None
) -> dict[str, list[Path]]:
    """Return each subject's files, sorted by subject and name; several are runs.

    Parameters, what is returned and errors are those of :func:`find_subject_files`, but that a subject may
    have several files, in the order of the patterns where there are several. A pattern may end in the name
    of a folder, such as ``*_meg.ds``.
    """
    folder = Path(folder)
    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    named = [_SUBJECT in each for each in patterns]
    one = subjects is not None and len(subjects) == 1 and not any(named)
    for each in patterns:
        if each.startswith("/") or ".." in each.split("/"):
            raise InputError(f"`pattern` must stay inside the folder, got {each!r}.")
    if not patterns or not (all(named) or one):
        raise InputError(
            f"`pattern` must hold {_SUBJECT!r}, or `subjects` name the one subject whose files it finds; got "
            f"{pattern!r} and {subjects!r}."
        )
    if not folder.is_dir():
        raise MissingDataError(f"the folder {folder} does not exist; check `folder`.")
    prefix = "sub-" if f"sub-{_SUBJECT}" in patterns[0] else ""
    found: dict[str, list[Path]] = {}
    for each in patterns:
        for name, path in _fitting(folder, each):
            found.setdefault(prefix + name if name else str((subjects or [""])[0]), []).append(path)
    names = sorted(found) if subjects is None else [prefix + str(s).removeprefix(prefix) for s in subjects]
    if not names:
        raise MissingDataError(f"{folder} holds no file {pattern!r}; check `folder` and `pattern`.")
    for name in names:
        if name not in found:
            known = did_you_mean(name, list(found))
            raise MissingDataError(f"{folder} holds no file {pattern!r} of {name!r}, {known}")
        for path in found[name]:
            if not stays_inside(path, folder):
                raise InputError(f"{path} is a link that leaves {folder}; copy the file into it.")
    return {name: found[name] for name in names}


def _fitting(folder: Path, pattern: str) -> list[tuple[str, Path]]:
    """Return the files that fit, with the subject that each name holds (or an empty one)."""
    files = [
        path
        for path in sorted(folder.glob(pattern.replace(_SUBJECT, "*")))
        if path.is_file() or path.suffix in _FOLDERS
    ]
    if _SUBJECT not in pattern:
        return [("", path) for path in files]
    expression = _expression(pattern)
    matches = [(expression.fullmatch(path.relative_to(folder).as_posix()), path) for path in files]
    return [(match["subject"], path) for match, path in matches if match]


def _expression(pattern: str) -> re.Pattern[str]:
    """Return a pattern's regular expression; the first ``{subject}`` names it, later ones repeat it."""
    wildcards = {r"\*\*/": "(?:.*/)?", r"\*": "[^/]*"}
    parts = [re.escape(part) for part in pattern.split(_SUBJECT)]
    for wildcard, expression in wildcards.items():
        parts = [part.replace(wildcard, expression) for part in parts]
    return re.compile(parts[0] + "(?P<subject>[^/_]+?)" + "(?P=subject)".join(parts[1:]))
