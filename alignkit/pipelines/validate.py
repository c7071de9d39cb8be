"""Checking a configuration without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .config import load_config
from .run import check_data, resolve_config


def validate_config(path: Path) -> dict[str, Any]:
    """Check every key, kind and option, and load the data; return the configuration resolved.

    Layers of networks, and sizes that only the data decide, are checked when it runs. Simulated data are
    not made.

    Raises
    ------
    InputError
        Naming the place, what was wanted and what came.
    """
    config, base = load_config(path)
    resolved = resolve_config(config, base)
    if resolved.dataset.kind != "simulated":
        check_data(resolved, base)
    kinds = ", ".join(component.kind for component in resolved.comparisons)
    sentence = f"{len(resolved.models)} network(s) on {resolved.dataset.kind}, compared by {kinds}"
    return {"sentence": sentence, "config": resolved.model_dump(mode="json")}
