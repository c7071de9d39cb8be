"""Where things lie on this computer, unless the environment says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path


def cache_folder() -> Path:
    """Return where results are kept: ``ALIGNKIT_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("ALIGNKIT_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("alignkit", appauthor=False)


def data_folders() -> list[Path]:
    """Return where public sets are looked up: the folders of ``ALIGNKIT_DATA``, or the user's data folder."""
    chosen = os.environ.get("ALIGNKIT_DATA", "")
    folders = [Path(part).expanduser() for part in chosen.split(os.pathsep) if part]
    return folders or [user_data_path("alignkit", appauthor=False)]
