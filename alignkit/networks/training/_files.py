"""How a trained network lies on disk: weights in safetensors, everything else in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..._core.atomic import atomic_file, write_text
from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_array, digest_json

RECORD = "network.json"
WEIGHTS = "weights.safetensors"
STATE = "unfinished.safetensors"
EPOCHS = "epochs"
MATCHED = "matched"
_FORMAT = 1
_KIND = "trained network"
_ENTRY = "alignkit"


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
    """Write tensors, and JSON values beside them, whole or not at all, with digests of both."""
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps(facts, allow_nan=False)
    digests = {"tensors": _digest_of(plain), "facts": digest_json(json.loads(text))}
    # One entry: several would lie in the file in an order of chance.
    metadata = {_ENTRY: f'{{"sha256": {json.dumps(digests)}, "facts": {text}}}'}
    with atomic_file(path) as temporary:
        save_file(plain, temporary, metadata=metadata)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors; a missing or damaged file is named.

    Weights without a digest, as earlier versions wrote them, are read as they are.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingDataError(f"{path} is missing; train the network again.")
    try:
        tensors = load_file(path)
        entry = _entry_of(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); train the network again.") from error
    if entry is not None and entry["sha256"]["tensors"] != _digest_of(tensors):
        raise InputError(
            f"{path} is damaged: its tensors are not those that were written. Remove it and train the "
            "network again."
        )
    return tensors


def read_facts(path: Path) -> dict[str, Any]:
    """Read the JSON values beside the tensors of a training that is not finished.

    Raises
    ------
    InputError
        If the file is damaged, or has no digests: what is read from it is trained further, so that damage
        must not go unnoticed.
    """
    from safetensors import SafetensorError

    try:
        entry = _entry_of(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and train again.") from error
    if entry is None:
        raise InputError(
            f"{path} has no digest, by which damage would show: an earlier alignkit wrote it, or none. "
            "Remove it and train again."
        )
    facts: dict[str, Any] = entry["facts"]
    if digest_json(facts) != entry["sha256"]["facts"]:
        raise InputError(f"{path} is damaged: its digest is another. Remove it and train again.")
    return facts


def _entry_of(path: Path) -> dict[str, Any] | None:
    """Return what lies beside tensors: digests and facts; None in a file of an earlier version."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(_ENTRY)
    if text is None:
        return None
    entry: dict[str, Any] = json.loads(text)
    if not isinstance(entry, dict) or not {"tensors", "facts"} <= set(entry.get("sha256", {})):
        raise ValueError("its digests cannot be read")
    return entry


def _digest_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a digest of names, shapes, types and bytes, whatever order they come in."""
    parts = []
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        # Bytes, since NumPy has no half precision of every kind.
        raw = value.flatten().view(torch.uint8).numpy() if value.numel() else np.empty(0, dtype=np.uint8)
        parts.append([name, list(value.shape), str(value.dtype), digest_array(raw)])
    return digest_json(parts)


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
