"""Checking a configuration without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .config import load_config
from .run import resolve_config


def validate_config(path: Path) -> dict[str, Any]:
    """Check every key, kind and option; return the configuration with defaults and absolute paths.

    Raises
    ------
    InputError
        Naming the place, what was wanted and what came.
    """
    config, base = load_config(path)
    resolved = resolve_config(config, base)
    kinds = ", ".join(component.kind for component in resolved.comparisons)
    sentence = f"{len(resolved.models)} network(s) on {resolved.dataset.kind}, compared by {kinds}"
    return {"sentence": sentence, "config": resolved.model_dump(mode="json")}
