from __future__ import annotations

import logging

import pytest

from alignkit.features._journal import JOURNAL, Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    for number in range(3):
        path = tmp_path / "layer-000.zarr" / "c" / str(number)
        path.mkdir(parents=True)
        (path / "0").write_bytes(bytes([number]) * 10)
        journal.add(4 * (number + 1), [f"layer-000.zarr/c/{number}/0"])
    return journal


def test_what_was_noted_is_found_again(journal):
    assert journal.whole_rows() == 12
    assert Journal(journal.folder).whole_rows() == 12


def test_a_line_cut_short_by_a_kill_is_passed_over_in_silence(journal, caplog):
    with journal.path.open("a") as file:
        file.write('{"stop": 16, "fil')
    assert journal.whole_rows() == 12
    assert not caplog.text


@pytest.mark.parametrize("spoil", ["change", "lose", "extra"])
def test_rows_count_up_to_the_first_file_that_is_damaged(journal, caplog, spoil):
    path = journal.folder / "layer-000.zarr" / "c" / "1" / "0"
    if spoil == "change":
        path.write_bytes(b"other")
    elif spoil == "lose":
        path.unlink()
    else:
        lines = journal.path.read_text().splitlines(keepends=True)
        journal.path.write_text(lines[0] + "nonsense\n" + lines[2])
    with caplog.at_level(logging.WARNING):
        assert journal.whole_rows() == 4
    assert "is damaged after row 4; later rows are made again" in caplog.text
    # What was noted behind the damage is gone, and with it its files.
    assert journal.path.read_text().count("\n") == 1
    assert [p.parent.name for p in journal.folder.glob("layer-000.zarr/c/*/0")] == ["0"]


def test_files_nobody_noted_are_removed(journal):
    stray = journal.folder / "layer-000.zarr" / "c" / "3"
    stray.mkdir()
    (stray / "0.abc.partial").write_bytes(b"half")
    assert journal.whole_rows() == 12
    assert not list(stray.iterdir())


def test_a_chunk_of_zeros_has_no_file_and_is_whole(journal):
    journal.add(16, ["layer-000.zarr/c/3/0"])
    assert journal.whole_rows() == 16


def test_no_journal_is_no_rows(tmp_path):
    assert Journal(tmp_path).whole_rows() == 0
    (tmp_path / JOURNAL).write_bytes(b"\xff\xfe\x00")
    assert Journal(tmp_path).whole_rows() == 0
