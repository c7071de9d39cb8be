"""Keeping an index between runs, as long as no folder of its tree has changed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path

import pandas as pd

from ..._core.atomic import atomic_folder
from ..._core.folders import cache_folder
from ._walk import Tree

logger = logging.getLogger(__name__)

_LAYOUT = 2
# A folder that changed while, or right before, it was looked into may change again within the same tick of
# the file system's clock, and would look unchanged.
_SETTLED_NS = 2_000_000_000


def load_kept(root: Path) -> Tree | None:
    """Return the kept walk of `root`; None where there is none, or a folder has changed since."""
    place = _place(root)
    try:
        facts = json.loads((place / "facts.json").read_text(encoding="utf-8"))
        if facts["layout"] != _LAYOUT or facts["root"] != str(root):
            return None
        folders = dict(facts["folders"])
        if not _is_unchanged(str(root), folders):
            return None
        table = pd.read_parquet(place / "table.parquet")
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.debug("no index of %s was kept (%s)", root, error)
        return None
    notes, links = tuple(facts["notes"]), tuple(facts["links"])
    return Tree(root, table, facts["roots"], folders, notes, facts["started_ns"], links)


def store_kept(tree: Tree) -> None:
    """Keep a walk, unless the tree is still being written."""
    if max(tree.folders.values(), default=0) > tree.started_ns - _SETTLED_NS:
        logger.debug("%s has just been changed: its index is not kept", tree.root)
        return
    facts = {
        "layout": _LAYOUT,
        "root": str(tree.root),
        "roots": tree.roots,
        "folders": tree.folders,
        "notes": list(tree.notes),
        "started_ns": tree.started_ns,
        "links": list(tree.links),
    }
    try:
        with atomic_folder(_place(tree.root)) as temporary:
            tree.table.to_parquet(temporary / "table.parquet", index=False)
            (temporary / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:
        logger.warning("the index of %s could not be kept: %s", tree.root, error)


def _is_unchanged(root: str, folders: dict[str, int]) -> bool:
    for relative, mtime in folders.items():
        if os.stat(f"{root}/{relative}").st_mtime_ns != mtime:  # noqa: PTH116
            return False
    return bool(folders)


def _place(root: Path) -> Path:
    return cache_folder() / "bids-index" / hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
