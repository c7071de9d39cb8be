"""How a trained network lies on disk: weights in safetensors, everything else in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..._core.atomic import atomic_file, write_text
from ..._core.errors import InputError, MissingDataError

RECORD = "network.json"
WEIGHTS = "weights.safetensors"
STATE = "unfinished.safetensors"
EPOCHS = "epochs"
MATCHED = "matched"
_FORMAT = 1
_KIND = "trained network"


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write what a folder's network is and how it was trained."""
    content = {"alignkit": _KIND, "format": _FORMAT, **record}
    write_text(folder / RECORD, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_record(folder: Path) -> dict[str, Any]:
    """Read what a folder's network is.

    Raises
    ------
    MissingDataError
        If the folder holds no trained network.
    InputError
        If the file is damaged, or of another kind or format.
    """
    path = folder / RECORD
    if not path.is_file():
        raise MissingDataError(
            f"{folder} holds no trained network (no {RECORD}); `alignkit train` writes one."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); train the network again.") from error
    if not isinstance(record, dict) or record.get("alignkit") != _KIND:
        raise InputError(f"{path} does not describe a trained network of alignkit.")
    if record.get("format") != _FORMAT:
        raise InputError(f"{path} has format {record.get('format')}, this alignkit reads {_FORMAT}.")
    return record


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any] | None = None
) -> None:
    """Write tensors, and JSON values beside them, whole or not at all."""
    from safetensors.torch import save_file

    metadata = None if facts is None else {"facts": json.dumps(facts, allow_nan=False)}
    with atomic_file(path) as temporary:
        plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(plain, temporary, metadata=metadata)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors; a missing or damaged file is named."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingDataError(f"{path} is missing; train the network again.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}); train the network again.") from error


def read_facts(path: Path) -> dict[str, Any]:
    """Read the JSON values beside tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and train again.") from error
    return facts


def split_state(state: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Part an optimiser's state into tensors and JSON values."""
    tensors: dict[str, torch.Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for number, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{number}.{name}"] = value
            else:
                values.setdefault(str(number), {})[name] = value
    return tensors, {"values": values, "groups": state["param_groups"]}


def join_state(tensors: Mapping[str, torch.Tensor], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`split_state`."""
    state: dict[int, dict[str, Any]] = {int(n): dict(entries) for n, entries in rest["values"].items()}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    return {"state": state, "param_groups": rest["groups"]}
