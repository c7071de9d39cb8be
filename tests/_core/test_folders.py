from __future__ import annotations

import os
from pathlib import Path

from alignkit._core.folders import cache_folder, data_folders


def test_the_environment_decides(monkeypatch, tmp_path):
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("ALIGNKIT_DATA", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert cache_folder() == tmp_path / "c"
    assert data_folders() == [tmp_path / "a", tmp_path / "b"]


def test_without_it_the_users_own_folders_are_used(monkeypatch):
    monkeypatch.delenv("ALIGNKIT_CACHE")
    monkeypatch.delenv("ALIGNKIT_DATA", raising=False)
    assert "alignkit" in str(cache_folder())
    assert all(isinstance(folder, Path) and "alignkit" in str(folder) for folder in data_folders())
