from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys

import pytest

from alignkit.pipelines.store import MANIFEST, Store, find_damage

RECIPE = {"version": 1, "parameters": {"a": 1}, "inputs": {"data": "x"}}


def write(content):
    def make(folder):
        (folder / "part").mkdir()
        (folder / "part" / "x.txt").write_text(content)

    return make


def refuse(folder):
    raise AssertionError("made again although it was there")


def test_a_result_is_made_once_and_found_by_another_store(tmp_path):
    first = Store(tmp_path).get("stage", **RECIPE, make=write("one"))
    again = Store(tmp_path)
    assert again.get("stage", **RECIPE, make=refuse) == first
    assert (again.made, again.found) == (0, 1)
    assert json.loads((first / MANIFEST).read_text())["parameters"] == {"a": 1}


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"parameters": {"a": 2}}, {"inputs": {"data": "y"}}, {"inputs": {}}]
)
def test_whatever_a_result_is_made_from_changes_its_key(tmp_path, change):
    store = Store(tmp_path)
    assert store.get("stage", **RECIPE, make=write("a")) != store.get(
        "stage", **{**RECIPE, **change}, make=write("b")
    )
    assert store.made == 2


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest"])
def test_a_damaged_result_is_named_and_made_again(tmp_path, damage, caplog):
    folder = Store(tmp_path).get("stage", **RECIPE, make=write("good"))
    if damage == "changed":
        (folder / "part" / "x.txt").write_text("bad!")
    elif damage == "missing":
        (folder / "part" / "x.txt").unlink()
    else:
        (folder / MANIFEST).write_text("{")
    store = Store(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert store.get("stage", **RECIPE, make=write("good")) == folder
    assert (folder / "part" / "x.txt").read_text() == "good"
    assert "is damaged" in caplog.text
    assert len(store.repaired) == 1
    assert find_damage(folder) == ""


def test_a_failing_stage_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stage failed")

    with pytest.raises(RuntimeError, match="stage failed"):
        Store(tmp_path).get("stage", **RECIPE, make=fail)
    assert os.listdir(tmp_path / "stage") == []


def test_a_stage_killed_at_any_instant_is_made_again(tmp_path):
    script = (
        "import os, signal, sys, pathlib\n"
        "from alignkit.pipelines.store import Store\n"
        "def make(folder):\n"
        "    (folder / 'half.txt').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "recipe = dict(version=1, parameters={'a': 1}, inputs={'data': 'x'})\n"
        "Store(pathlib.Path(sys.argv[1])).get('stage', **recipe, make=make)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    folder = Store(tmp_path).get("stage", **RECIPE, make=write("whole"))
    assert sorted(os.listdir(folder)) == [MANIFEST, "part"]
    assert os.listdir(tmp_path / "stage") == [folder.name]


def test_the_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path / "elsewhere"))
    assert Store().root == tmp_path / "elsewhere" / "store"


def test_a_resumable_result_finds_what_a_killed_process_left(tmp_path):
    store = Store(tmp_path)
    calls = []

    def make(folder):
        calls.append(sorted(path.name for path in folder.iterdir()))
        (folder / f"part{len(calls)}").write_text("x")
        if len(calls) == 1:
            raise KeyboardInterrupt

    recipe = {"version": 1, "parameters": {}, "inputs": {}, "make": make, "resumable": True}
    with pytest.raises(KeyboardInterrupt):
        store.get("features", **recipe)
    folder = store.get("features", **recipe)
    assert calls == [[], ["part1"]]
    assert {path.name for path in folder.iterdir()} == {"part1", "part2", "manifest.json"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert store.get("features", **recipe) == folder
    assert len(calls) == 2
