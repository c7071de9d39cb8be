"""The checkpoints of one training run, in the order in which they were made."""

from __future__ import annotations

import re
from pathlib import Path

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError

# What trainers call the folder of a checkpoint, and then its step.
_NAMED = re.compile(r"(?:checkpoint|ckpt|step|epoch|iter)[-_]?(\d+)")


def checkpoints_of(kind: str) -> list[str]:
    """Return the checkpoints of a local folder as names of networks, from the first to the last step.

    Parameters
    ----------
    kind : str
        Source and folder, such as ``hf:runs/vit``. Its checkpoints are the folders in it that are called
        ``checkpoint-500``, ``step500`` or ``epoch_3`` and hold ``config.json``.

    Returns
    -------
    kinds : list of str
        Such as ``hf:runs/vit@checkpoint-500``, sorted by the number, for :func:`build_network`.

    Raises
    ------
    MissingDataError
        If there is no such folder; checkpoints on a hub are not listed.
    InputError
        If `kind` names no source, or the folder holds no checkpoint.
    """
    source, colon, name = kind.partition(":")
    if not colon:
        raise InputError(f"checkpoints are those of a folder, as in `hf:FOLDER`; got {kind!r}.")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise MissingDataError(
            f"the folder {folder} does not exist. Checkpoints can be listed of local folders only; of a "
            f"network on a hub, name each as `{source}:NAME@REVISION`."
        )
    found = names_in(folder)
    if not found:
        raise InputError(
            f"{folder} holds no checkpoints: folders such as checkpoint-500, step500 or epoch_3 with a "
            "config.json in each."
        )
    return [f"{source}:{name}@{each}" for each in found]


def names_in(folder: Path) -> list[str]:
    """Return the names of a folder's checkpoints, from the first to the last step."""
    steps = {}
    for path in folder.iterdir():
        match = _NAMED.fullmatch(path.name)
        if match and (path / "config.json").is_file():
            steps[path.name] = int(match.group(1))
    return sorted(steps, key=lambda each: (steps[each], each))


def checkpoint_folder(folder: Path, revision: str) -> Path:
    """Return the folder of one checkpoint.

    Raises
    ------
    MissingDataError
        If there is none of that name or number; those that are there are listed.
    """
    for name in (revision, f"checkpoint-{revision}"):
        if name not in ("", ".", "..") and (folder / name).is_dir():
            return folder / name
    raise MissingDataError(
        f"the folder {folder} has no checkpoint {revision!r}, {did_you_mean(revision, names_in(folder))}"
    )
