"""What can be named in a configuration, and what this computer has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from .._core.checks import check_option
from .._core.folders import cache_folder, data_folders

FAMILIES = (
    "models", "metrics", "datasets", "encoders", "comparisons", "decoders", "brain-networks", "objectives",
)  # fmt: skip


def catalogue(family: str) -> list[dict[str, Any]]:
    """Return one dictionary per name of a family: `name` and its declared facts.

    Parameters
    ----------
    family : str
        One of :data:`FAMILIES`.
        What to list.
    """
    check_option("family", family, FAMILIES)
    if family == "models":
        from ..networks import LANGUAGE_MODELS, NETWORKS

        return sorted([*NETWORKS.rows(), *LANGUAGE_MODELS.rows()], key=lambda row: row["name"])
    if family == "metrics":
        from ..metrics import METRICS

        return METRICS.rows()
    if family == "datasets":
        from ..datasets import DATASETS
        from ..simulation import simulated

        _ = simulated  # importing it registers the dataset
        return DATASETS.rows()
    if family == "encoders":
        from ..encoders import ENCODERS

        return ENCODERS.rows()
    if family in ("decoders", "brain-networks", "objectives"):
        from ..decoders import BRAIN_NETWORKS, DECODERS, OBJECTIVES

        rows = {
            "decoders": DECODERS.rows,
            "brain-networks": BRAIN_NETWORKS.rows,
            "objectives": OBJECTIVES.rows,
        }
        return rows[family]()
    from .comparisons import COMPARISONS

    return COMPARISONS.rows()


def diagnose() -> list[dict[str, str]]:
    """Return what alignkit finds: versions, devices, folders and the space on their disks."""
    import torch

    from .plan import find_versions

    rows = [{"name": name, "value": value, "note": ""} for name, value in find_versions().items()]
    rows.append(
        {"name": "cores", "value": str(os.cpu_count()), "note": f"torch uses {torch.get_num_threads()}"}
    )
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        note = f"{properties.total_memory / 2**30:.0f} GiB"
        rows.append({"name": "GPU", "value": properties.name, "note": note})
    else:
        rows.append({"name": "GPU", "value": "none", "note": "everything runs on the CPU"})
    rows.append(_disk("cache (ALIGNKIT_CACHE)", cache_folder()))
    rows += [_disk("data (ALIGNKIT_DATA)", folder) for folder in data_folders()]
    return rows


def _disk(name: str, folder: Path) -> dict[str, str]:
    existing = next(parent for parent in (folder, *folder.resolve().parents) if parent.is_dir())
    free = shutil.disk_usage(existing).free / 2**30
    writable = os.access(existing, os.W_OK)
    state = "" if folder.is_dir() else "not there yet, "
    return {
        "name": name,
        "value": str(folder),
        "note": f"{state}{free:.0f} GiB free{'' if writable else ', READ-ONLY'}",
    }
