from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit import ChannelScores, Scores
from alignkit._core.errors import InputError, MissingDataError
from alignkit.recordings.scores import COLUMNS, closeness


def row(**changes) -> dict:
    return {"subject": "01", "roi": "V1", "model": "m", "layer": "l", "metric": "rsa", "fold": "all",
            "value": 0.5, "ci_low": 0.4, "ci_high": 0.6, **changes}  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_saved_scores_come_back_the_same_with_names_as_text(tmp_path, suffix):
    scores = Scores(pd.DataFrame([row(), row(subject="NA", model="None", value=1 / 3, ci_low=np.nan)]))
    scores.save(tmp_path / f"scores.{suffix}")
    loaded = Scores.load(tmp_path / f"scores.{suffix}")
    pd.testing.assert_frame_equal(loaded.table, scores.table, check_dtype=False, check_exact=True)
    assert loaded.table["subject"].to_list() == ["01", "NA"]


def test_missing_columns_are_filled_and_ordered():
    table = Scores(pd.DataFrame([{"subject": "a", "value": 1}])).table
    assert tuple(table.columns) == COLUMNS
    assert table.loc[0, "model"] == ""
    assert np.isnan(table.loc[0, "p"])


def test_concat_and_select():
    one, two = Scores(pd.DataFrame([row()])), Scores(pd.DataFrame([row(roi="IT")]))
    both = Scores.concat([one, Scores(pd.DataFrame(columns=list(COLUMNS))), two])
    assert len(both) == 2
    assert both.select(roi="IT").table["roi"].to_list() == ["IT"]
    assert len(Scores.concat([])) == 0


def test_to_frame_is_a_copy():
    scores = Scores(pd.DataFrame([row()]))
    frame = scores.to_frame()
    frame["value"] = 9.0
    assert scores.table["value"].to_list() == [0.5]


def test_scores_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no column\(s\) score"):
        Scores(pd.DataFrame([{"score": 1}]))
    with pytest.raises(InputError, match=r"1 score\(s\) come more than once, such as .*'m'"):
        Scores(pd.DataFrame([row(), row()]))
    with pytest.raises(InputError, match=r"interval \[0.6, 0.7\] of 'm' excludes its estimate 0.5"):
        Scores(pd.DataFrame([row(ci_low=0.6, ci_high=0.7)]))
    with pytest.raises(InputError, match="no column 'region'"):
        Scores(pd.DataFrame([row()])).select(region="V1")
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(MissingDataError, match=f"{name} is missing"):
            Scores.load(tmp_path / name)


def channel_scores() -> ChannelScores:
    values = np.array([[0.1, 0.2, np.nan], [0.3, 0.5, 0.1]])
    channels = pd.DataFrame({"name": ["x", "y", "z"], "roi": "V4"})
    return ChannelScores(
        values, ("l1", "l2"), channels, subject="s", model="m", metric="ridge", unit="r"
    )  # fmt: skip


def test_channel_scores_become_a_tidy_table():
    table = channel_scores().to_frame()
    assert len(table) == 6
    chosen = table[(table["layer"] == "l2") & (table["name"] == "y")]
    assert chosen[["value", "roi", "subject", "measured_in"]].to_numpy().tolist() == [[0.5, "V4", "s", "r"]]


def test_saved_channel_scores_come_back_the_same(tmp_path):
    channel_scores().save(tmp_path / "scores")
    loaded = ChannelScores.load(tmp_path / "scores")
    np.testing.assert_array_equal(loaded.values, channel_scores().values)
    assert repr(loaded) == repr(channel_scores())
    assert "best layer's median 0.3" in repr(loaded)


def test_channel_scores_of_the_wrong_shape_are_refused():
    with pytest.raises(InputError, match=r"shape \(n_layers, n_channels\) = \(1, 2\), got \(2, 2\)"):
        ChannelScores(np.ones((2, 2)), ("l",), pd.DataFrame({"name": ["x", "y"]}), "s", "m", "ridge", "r")


def test_a_distance_is_the_closer_the_lower_it_is():
    table = Scores(
        pd.DataFrame(
            {
                "subject": "all",
                "model": ["a", "b", "a", "b"],
                "metric": ["r", "r", "angle", "angle"],
                "value": [0.1, 0.2, 0.1, 0.2],
                "closer": ["", "higher", "lower", "lower"],
            }
        )
    ).table
    assert list(table["closer"]) == ["higher", "higher", "lower", "lower"]
    assert list(closeness(table)) == [0.1, 0.2, -0.1, -0.2]
    with pytest.raises(InputError, match="`closer` must be 'higher', 'lower' or 'neither', got 'up'"):
        Scores(pd.DataFrame({"model": ["a"], "value": [1.0], "closer": ["up"]}))
