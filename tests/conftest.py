"""Shared fixtures: where real recordings are, and a quiet, reproducible environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if _REAL_DATA.is_dir():
    os.environ.setdefault("ALIGNKIT_DATA", str(_REAL_DATA))
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def real_data():
    """Return a function that gives the folder of a real set, or skips the test with a reason."""
    from alignkit._core.folders import data_folders

    def find(name: str) -> Path:
        for folder in data_folders():
            if (folder / name).is_dir():
                return folder / name
        pytest.skip(f"the real data {name!r} are in no folder of ALIGNKIT_DATA")

    return find
