from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.datasets.meeg.csv_files import read_csv_raw

mne = pytest.importorskip("mne")
OPTIONS = {"time_column": "time", "channels": ["Fz", "Cz"], "unit": "uV"}


def table(n_rows=500, rate=100.0, seed=0):
    rng = np.random.default_rng(seed)
    marker = np.zeros(n_rows, dtype=int)
    marker[[50, 51, 52, 200]] = [1, 1, 1, 2]
    columns = {"time": 1e5 + np.arange(n_rows) / rate, "Fz": rng.standard_normal(n_rows) * 20}
    return pd.DataFrame({**columns, "Cz": rng.standard_normal(n_rows) * 20, "marker": marker})


@pytest.fixture
def save(tmp_path):
    def write(frame, name="a.csv"):
        frame.to_csv(tmp_path / name, index=False, sep="\t" if ".tsv" in name else ",")
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_values_come_in_volts_with_markers_where_they_begin(save, name):
    frame = table()
    raw = read_csv_raw(save(frame, name), **OPTIONS, marker_column="marker", montage="standard_1020")
    np.testing.assert_allclose(raw.get_data(), frame[["Fz", "Cz"]].T * 1e-6, rtol=1e-9)
    assert raw.info["sfreq"] == pytest.approx(100.0, rel=1e-6)
    assert list(raw.annotations.description) == ["1", "2"]
    np.testing.assert_allclose(raw.annotations.onset, [0.5, 2.0])


def test_markers_may_be_words(save):
    frame = table()
    frame["marker"] = ["", "cat", "cat", "", "dog"] + [""] * 495
    raw = read_csv_raw(save(frame), **OPTIONS, marker_column="marker")
    assert list(raw.annotations.description) == ["cat", "dog"]
    np.testing.assert_allclose(raw.annotations.onset, [0.01, 0.04])


def test_microvolts_read_as_volts_are_refused_and_volts_as_microvolts(save):
    path = save(table())
    with pytest.raises(
        InputError, match="vary by .* V at the median, .*look like microvolts, set `unit` to 'uV'"
    ):
        read_csv_raw(path, **{**OPTIONS, "unit": "V"})
    with pytest.raises(InputError, match="look like volts, set `unit` to 'V'"):
        read_csv_raw(save(table().assign(Fz=1e-6 * table()["Fz"], Cz=1e-6 * table()["Cz"])), **OPTIONS)
    with pytest.raises(
        InputError, match=r"vary by 1\d.* mV at the median, more than any electrode records; check `unit`"
    ):
        read_csv_raw(save(table()), **{**OPTIONS, "unit": "mV"})
    with pytest.raises(UnknownNameError, match="`unit` is 'µV'"):
        read_csv_raw(path, **{**OPTIONS, "unit": "µV"})


def test_a_gap_is_refused_with_its_place_and_length(save):
    with pytest.raises(
        InputError, match="1 gaps of more than 1.5 samples at .* first of 40 ms before data row 102"
    ):
        read_csv_raw(save(table().drop(index=[101, 102, 103])), **OPTIONS, sfreq_hz=100.0)


def test_a_gap_is_bridged_only_when_asked_and_annotated(save):
    time = np.arange(500) / 100
    frame = table().assign(Fz=20 * np.sin(2 * np.pi * time))
    raw = read_csv_raw(
        save(frame.drop(index=[101, 102, 103])),
        **OPTIONS,
        sfreq_hz=100.0,
        timestamps="resample",
        marker_column="marker",
    )
    assert raw.n_times == 500
    np.testing.assert_allclose(raw.get_data()[0], 2e-5 * np.sin(2 * np.pi * time), atol=3e-7)
    assert list(raw.annotations.description) == ["1", "bad_gap", "2"]
    np.testing.assert_allclose(raw.annotations.onset, [0.5, 1.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(raw.annotations.duration, [0.0, 0.04, 0.0], atol=1e-6)
    assert "1 gaps of more than 1.5 samples" in raw.info["description"]


def test_stamps_of_packets_are_refused_and_taken_as_even_when_asked(save):
    frame = table()
    # A device that stamps packets of 10 samples when they arrive: late ones overlap.
    frame["time"] = frame["time"] + np.repeat(0.02 * (np.arange(50) % 3), 10)
    with pytest.raises(InputError, match="do not rise at 16 rows, the first data row 31 .*'nominal'"):
        read_csv_raw(save(frame), **OPTIONS)
    raw = read_csv_raw(save(frame), **OPTIONS, sfreq_hz=100.0, timestamps="nominal")
    assert raw.n_times == 500
    assert "16 steps that do not rise; taken as even at 100 Hz" in raw.info["description"]


def test_small_jitter_is_fine_and_told(save):
    frame = table()
    frame["time"] += np.random.default_rng(0).uniform(-0.002, 0.002, 500)
    raw = read_csv_raw(save(frame), **OPTIONS)
    assert raw.info["sfreq"] == pytest.approx(100.0, rel=1e-3)
    assert "with 0 gaps" in raw.info["description"]


def test_a_rate_that_the_timestamps_deny_is_refused(save):
    with pytest.raises(InputError, match="`sfreq_hz` is 128, but the timestamps of .* run at 100 Hz"):
        read_csv_raw(save(table()), **OPTIONS, sfreq_hz=128.0)
    with pytest.raises(InputError, match="`sfreq_hz` must be above 0, got -1"):
        read_csv_raw(save(table()), **OPTIONS, sfreq_hz=-1.0)
    with pytest.raises(InputError, match="without timestamps to go by, `sfreq_hz` is needed"):
        read_csv_raw(save(table()), **{**OPTIONS, "time_column": None})
    with pytest.raises(InputError, match="timestamps of .* do not rise from the first row to the last"):
        read_csv_raw(save(table().assign(time=3.0)), **OPTIONS)
    bare = read_csv_raw(save(table()), **{**OPTIONS, "time_column": None}, sfreq_hz=50.0)
    assert bare.info["sfreq"] == 50.0


def test_runs_of_one_rate_are_joined_with_an_edge_and_others_refused(save):
    files = [save(table(seed=k), f"{k}.csv") for k in range(2)]
    raw = read_csv_raw(files, **OPTIONS)
    assert raw.n_times == 1000
    assert "BAD boundary" in list(raw.annotations.description)
    files.append(save(table(rate=128.0), "c.csv"))
    with pytest.raises(InputError, match="different sampling rates .*c.csv 128 Hz"):
        read_csv_raw(files, **OPTIONS)
    with pytest.raises(InputError, match="`path` is empty"):
        read_csv_raw([], **OPTIONS)


def test_tables_that_lack_or_repeat_columns_are_refused(save, tmp_path):
    with pytest.raises(InputError, match="has no column 'Pz', .*Known: Cz, Fz, marker, time"):
        read_csv_raw(save(table()), **{**OPTIONS, "channels": ["Fz", "Pz"]})
    (tmp_path / "twice.csv").write_text("time,Fz,Fz\n0,1,2\n1,2,3\n")
    with pytest.raises(InputError, match="columns of .* must be unique, .*'Fz'"):
        read_csv_raw(tmp_path / "twice.csv", **{**OPTIONS, "channels": ["Fz"]})
    with pytest.raises(InputError, match="`channels` must be unique"):
        read_csv_raw(save(table()), **{**OPTIONS, "channels": ["Fz", "Fz"]})
    (tmp_path / "empty.csv").write_text("time,Fz,Cz\n")
    with pytest.raises(InputError, match="has no rows"):
        read_csv_raw(tmp_path / "empty.csv", **OPTIONS)


def test_cells_without_a_number_are_refused_with_their_row(save):
    frame = table().astype({"Fz": object})
    frame.loc[7, "Fz"] = "overflow"
    with pytest.raises(InputError, match=r"1 of 500 rows of the column 'Fz' .* data row 8 \('overflow'\)"):
        read_csv_raw(save(frame), **OPTIONS)
    with pytest.raises(InputError, match="2 of 500 rows of the column 'Cz' hold no number"):
        read_csv_raw(save(table().assign(Cz=lambda t: t["Cz"].where(t.index > 1))), **OPTIONS)


def test_a_gzipped_file_cut_short_is_refused(tmp_path):
    content = gzip.compress(table().to_csv(index=False).encode())
    (tmp_path / "a.csv.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.csv\.gz cannot be read as a table"):
        read_csv_raw(tmp_path / "a.csv.gz", **OPTIONS)
