from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alignkit._core.atomic import atomic_file, atomic_folder, remove_leftovers, write_text
from alignkit._core.errors import DiskFullError


def test_a_file_appears_whole(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "whole")
    assert (tmp_path / "deep" / "a.txt").read_text() == "whole"
    assert os.listdir(tmp_path / "deep") == ["a.txt"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="in the middle"), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("in the middle")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_replaces_the_old_one_and_a_failed_one_does_not(tmp_path):
    path = tmp_path / "result"
    for content in ("first", "second"):
        with atomic_folder(path) as temporary:
            (temporary / "part").mkdir()
            (temporary / "part" / "x.txt").write_text(content)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as temporary:
        (temporary / "y.txt").write_text("half")
        raise KeyboardInterrupt
    assert (path / "part" / "x.txt").read_text() == "second"
    assert os.listdir(tmp_path) == ["result"]


def test_a_full_disk_says_where_and_leaves_nothing(tmp_path):
    with pytest.raises(DiskFullError, match="no space left to write .*a.bin.*goes on from there"):
        with atomic_file(tmp_path / "a.bin"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_process_killed_while_writing_leaves_only_a_leftover_that_is_removed_later(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from alignkit._core.atomic import atomic_folder\n"
        "with atomic_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'half.txt').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "result")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "result").exists()
    assert remove_leftovers(tmp_path) == 1
    assert os.listdir(tmp_path) == []


def test_the_leftover_of_a_running_process_stays(tmp_path):
    mine = tmp_path / f".tmp-{os.getpid()}-x"
    mine.mkdir()
    assert remove_leftovers(tmp_path) == 0
    assert mine.is_dir()


def test_the_temporary_file_keeps_the_suffix(tmp_path):
    with atomic_file(tmp_path / "a.nii.gz") as temporary:
        assert Path(temporary).name.endswith("a.nii.gz")
        temporary.write_bytes(b"x")
