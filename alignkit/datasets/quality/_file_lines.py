"""Files as the readers of named files want them: below one folder, with plain names."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from ..bids.entities import parse_name


def named_files(*groups: Sequence[Path]) -> tuple[Path, list[list[str]]]:
    """Return the deepest folder that holds all files, and each group's paths below it, as patterns."""
    resolved = [[path.resolve() for path in group] for group in groups]
    folder = Path(os.path.commonpath([path.parent for group in resolved for path in group]))
    return folder, [
        [glob.escape(path.relative_to(folder).as_posix()) for path in group] for group in resolved
    ]


def pattern_of(folder: Path, paths: Sequence[Path]) -> str | None:
    """Return the one pattern below `folder`, with ``{subject}``, that names a file of each subject."""
    patterns = set()
    for path in paths:
        below = glob.escape(path.relative_to(folder).as_posix())
        label = subject_of(path)
        if f"sub-{label}" not in below:
            return None
        patterns.add(below.replace(f"sub-{label}", "sub-{subject}"))
    subjects = [subject_of(path) for path in paths]
    return patterns.pop() if len(patterns) == 1 and len(set(subjects)) == len(subjects) else None


def subject_of(path: Path) -> str:
    """Return whose a file is, by its name or its folders; ``"subject"`` where they do not say."""
    label = parse_name(path.name).entities.get("sub")
    if label is not None:
        return label
    folders = [
        part for part in path.resolve().parts[:-1] if part.lower().startswith(("sub-", "sub0", "subj"))
    ]
    return folders[-1].removeprefix("sub-") if folders else "subject"
