"""A summary comes back from the disk as it went."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.reports import RunSummary, render


def test_a_full_summary_comes_back_as_it_went(summary: RunSummary, tmp_path: Path) -> None:
    summary.save(tmp_path / "summary")
    back = RunSummary.load(tmp_path / "summary")
    for name in (
        "title", "sentence", "facts", "coverage", "headline", "rdm_thumbnails", "audit", "warnings",
        "methods", "references", "config_yaml", "versions", "command", "metric_notes", "chance",
    ):  # fmt: skip
        assert getattr(back, name) == getattr(summary, name), name
    pd.testing.assert_frame_equal(back.scores.table, summary.scores.table)
    pd.testing.assert_frame_equal(back.differences, summary.differences)
    assert back.truth is not None
    assert summary.truth is not None
    pd.testing.assert_frame_equal(back.truth, summary.truth)
    assert back.rdms is not None
    assert summary.rdms is not None
    assert back.rdms.digest == summary.rdms.digest
    for mine, theirs in zip(summary.maps, back.maps, strict=True):
        assert (theirs.title, theirs.subject, theirs.model) == (mine.title, mine.subject, mine.model)
        np.testing.assert_array_equal(np.asarray(mine.image.dataobj), np.asarray(theirs.image.dataobj))
        np.testing.assert_array_equal(mine.image.affine, theirs.image.affine)
        assert (theirs.metric, theirs.unit, theirs.space) == (mine.metric, mine.unit, mine.space)


def test_page_of_a_loaded_summary_is_the_same_page(small: RunSummary, tmp_path: Path) -> None:
    small.save(tmp_path / "summary")
    assert render(RunSummary.load(tmp_path / "summary")) == render(small)


def test_a_bare_summary_comes_back_with_nothing_added(bare: RunSummary, tmp_path: Path) -> None:
    bare.save(tmp_path / "bare")
    back = RunSummary.load(tmp_path / "bare")
    assert back.rdms is None
    assert back.truth is None
    assert back.channel_values is None
    assert back.maps == ()
    assert len(back.differences) == 0


def test_saving_again_replaces_the_whole_folder(
    summary: RunSummary, bare: RunSummary, tmp_path: Path
) -> None:
    summary.save(tmp_path / "run")
    bare.save(tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["differences.parquet", "scores.parquet", "summary.json"]


def test_nothing_is_pickled(summary: RunSummary, tmp_path: Path) -> None:
    summary.save(tmp_path / "run")
    suffixes = {path.suffix for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib", ".npy"}


def test_channel_values_come_back(bare: RunSummary, tmp_path: Path) -> None:
    table = pd.DataFrame({"roi": "V4", "model": "pixels", "metric": "ridge r", "value": [0.1, np.nan, 0.3]})
    replace(bare, channel_values=table).save(tmp_path / "run")
    back = RunSummary.load(tmp_path / "run").channel_values
    assert back is not None
    pd.testing.assert_frame_equal(back, table)


def test_tables_without_their_columns_are_refused(bare: RunSummary, summary: RunSummary) -> None:
    with pytest.raises(
        InputError, match=r"`differences` lacks the column\(s\) se, p, p_corrected, correction"
    ):
        columns = ["roi", "metric", "model_a", "model_b", "difference"]
        replace(bare, differences=pd.DataFrame(columns=columns))
    with pytest.raises(InputError, match=r"`truth` lacks the column\(s\) planted_model"):
        replace(bare, truth=pd.DataFrame({"roi": ["EVC"]}))
    with pytest.raises(InputError, match=r"`channel_values` lacks the column\(s\) model, metric, value"):
        replace(bare, channel_values=pd.DataFrame({"roi": ["EVC"]}))
    assert summary.rdms is not None
    nameless = replace(summary.rdms, table=summary.rdms.table.drop(columns="role"))
    with pytest.raises(InputError, match=r"`rdms.table` lacks the column\(s\) role"):
        replace(bare, rdms=nameless)


def test_thumbnails_must_match_the_stimuli(summary: RunSummary, bare: RunSummary) -> None:
    with pytest.raises(InputError, match=r"one picture per stimulus of `rdms` \(92\) or none, got 91"):
        replace(summary, rdm_thumbnails=summary.rdm_thumbnails[1:])
    with pytest.raises(InputError, match=r"\(0\) or none, got 1"):
        replace(bare, rdm_thumbnails=(b"png",))


def test_a_folder_that_is_no_summary_is_named(bare: RunSummary, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"is no saved RunSummary: it has no summary.json"):
        RunSummary.load(tmp_path)
    bare.save(tmp_path / "run")
    facts = tmp_path / "run" / "summary.json"
    whole = facts.read_text()
    facts.write_text(whole[:20])
    with pytest.raises(InputError, match=r"summary.json is damaged"):
        RunSummary.load(tmp_path / "run")
    facts.write_text(json.dumps({**json.loads(whole), "format": 99}))
    with pytest.raises(InputError, match=r"'RunSummary' of format 99, wanted 'RunSummary' of format 1"):
        RunSummary.load(tmp_path / "run")


def test_a_missing_map_is_named(summary: RunSummary, tmp_path: Path) -> None:
    summary.save(tmp_path / "run")
    (tmp_path / "run" / "maps" / "001.nii.gz").unlink()
    with pytest.raises(MissingDataError, match=r"001.nii.gz is missing"):
        RunSummary.load(tmp_path / "run")
