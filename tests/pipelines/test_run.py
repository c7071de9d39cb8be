from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import DiskFullError, InputError, MissingDataError
from alignkit.pipelines import load_config, rebuild_report, run_config
from alignkit.recordings import Scores

sys.path.insert(0, str(Path(__file__).parent))
from toy import write_config


def run(path, out):
    config, base = load_config(path)
    return run_config(config, base=base, out=out, command="alignkit run toy.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a finished run and the cache that it filled."""
    folder = tmp_path_factory.mktemp("toy")
    before = os.environ.get("ALIGNKIT_CACHE")
    os.environ["ALIGNKIT_CACHE"] = str(folder / "cache")
    try:
        result = run(write_config(folder / "data"), folder / "run")
    finally:
        if before is not None:
            os.environ["ALIGNKIT_CACHE"] = before
    return folder, result


def test_the_run_folder_holds_all_that_it_promises(finished):
    folder, result = finished
    found = {path.name for path in (folder / "run").iterdir()}
    assert found == {
        "config.yaml", "log.jsonl", "manifest.json", "plan.json", "report.html", "scores.csv",
        "scores.parquet", "summary",
    }  # fmt: skip
    page = result.report.read_text(encoding="utf-8")
    assert "<title>" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    assert set(manifest["models"]) == {"pixels", "gabor-energy"}


def test_csv_and_parquet_hold_the_same_scores(finished):
    folder, result = finished
    csv, parquet = (Scores.load(folder / "run" / f"scores.{kind}") for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(csv.table, parquet.table, check_exact=False, rtol=1e-12)
    assert len(csv) == len(result.summary.scores)


def test_the_planted_model_leads(finished):
    _, result = finished
    rows = [row for row in result.ranking() if row["metric"] == "ridge r"]
    assert rows[0]["model"] == "pixels"
    assert rows[0]["value"] > 0.6
    assert any("pixels leads by ridge r" in finding for finding in result.summary.headline)


def test_p_is_corrected_over_models_and_the_correction_is_named(finished):
    _, result = finished
    table = result.summary.scores.table
    rows = table[
        (table["subject"] == "all") & (table["layer"] == "(chosen)") & (table["metric"] == "ridge r")
    ]
    assert (rows["p_corrected"] >= rows["p"]).all()
    assert set(rows["correction"]) == {"FDR (Benjamini-Hochberg)"}


def test_a_run_folder_runs_again_from_itself_with_the_same_bits(finished, monkeypatch, tmp_path):
    folder, first = finished
    monkeypatch.setenv("ALIGNKIT_CACHE", str(folder / "cache"))
    again = run(folder / "run", tmp_path / "again")
    assert again.made == 0
    assert (tmp_path / "again" / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path / "empty"))
    fresh = run(folder / "run", tmp_path / "fresh")
    assert fresh.found == 0
    assert (tmp_path / "fresh" / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()


def test_a_changed_stored_result_is_made_again_and_reported(finished, monkeypatch, tmp_path):
    folder, _ = finished
    monkeypatch.setenv("ALIGNKIT_CACHE", str(folder / "cache"))
    victim = next((folder / "cache" / "store" / "encoding").iterdir()) / "arrays.npz"
    victim.write_bytes(b"broken")
    result = run(folder / "run", tmp_path / "again")
    assert result.made == 1
    assert any("is damaged (arrays.npz was changed)" in warning for warning in result.summary.warnings)
    assert (tmp_path / "again" / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()


def test_the_page_is_rebuilt_from_the_results(finished, tmp_path):
    folder, result = finished
    path = rebuild_report(folder / "run", out=tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == result.report.read_text(encoding="utf-8")
    with pytest.raises(MissingDataError, match="holds no finished run"):
        rebuild_report(tmp_path)


def test_the_results_of_another_configuration_are_gone_when_a_run_starts(finished, tmp_path):
    folder, _ = finished
    run(folder / "run", tmp_path / "out")
    path = tmp_path / "out" / "config.yaml"
    text = path.read_text()
    start = text.index("kind: cka")
    text = text[:start] + re.sub(r"\n  (kernel|debiased|distance): .*", "", text[start:])
    path.write_text(text.replace("kind: cka", "kind: classify"))
    with pytest.raises(InputError, match="have no column .run."):
        run(tmp_path / "out", tmp_path / "out")
    assert not (tmp_path / "out" / "scores.csv").exists()
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_folder_of_something_else_is_not_touched(finished, tmp_path):
    folder, _ = finished
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that no run wrote"):
        run(folder / "run", tmp_path)
    with pytest.raises(InputError, match="is a file; name a folder"):
        run(folder / "run", tmp_path / "thesis.txt")


@pytest.mark.parametrize("after", [0.15, 0.6])
def test_a_run_killed_at_some_instant_ends_with_the_same_results(finished, tmp_path, after):
    folder, _ = finished
    environment = {**os.environ, "ALIGNKIT_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "alignkit", "run", str(folder / "run"), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    store = tmp_path / "cache" / "store"
    deadline = time.monotonic() + 60
    # Killed a moment after the first stage was reached: imports alone take longer than the work.
    while not store.is_dir() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()
    leftovers = [path for path in (tmp_path / "cache").rglob(".tmp-*")]
    assert leftovers == []


def test_a_full_disk_keeps_what_was_done(finished, monkeypatch, tmp_path):
    folder, _ = finished
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path / "cache"))
    real = Path.write_text

    def full(self, *args, **kwargs):
        if self.name == "manifest.json" and "cka" in str(self):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(DiskFullError, match="no space left to write"):
            run(folder / "run", tmp_path / "out")
    assert not (tmp_path / "out" / "scores.csv").exists()
    result = run(folder / "run", tmp_path / "out")
    assert result.found >= 5
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind: pixels", "kind: pixel"), "models: 'pixel', did you mean 'pixels'"),
        (("kind: matrix", "kind: matrics"), "datasets: 'matrics', did you mean 'matrix'"),
        (("- cka", "- ckaa"), "comparisons: 'ckaa', did you mean 'cka'"),
        (
            ("    size: 16", "    sise: 16"),
            "model 'pixels': the option 'sise', did you mean 'size'",
        ),
        (("recording: rec.npz", "recording: nowhere.npz"), "nowhere.npz"),
        (("stimuli: stimuli", "stimuli: nowhere"), "nowhere"),
        (("title: toy", "titel: toy"), "the key 'titel', did you mean 'title'"),
    ],
)
def test_every_mistake_in_a_configuration_is_named(tmp_path, change, message):
    path = write_config(tmp_path / "data")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError, match=message):
        run(path, tmp_path / "out")


def test_responses_without_stimuli_and_unknown_regions_are_named(tmp_path):
    path = write_config(tmp_path / "data")
    (tmp_path / "data" / "stimuli" / "im03.png").unlink()
    with pytest.raises(InputError, match="im03"):
        run(path, tmp_path / "out")
    other = write_config(tmp_path / "more")
    other.write_text(other.read_text() + "rois: [V1]\n")
    with pytest.raises(InputError, match="'V1' is no region of"):
        run(other, tmp_path / "out")


def test_a_label_with_a_networks_name_is_refused(tmp_path):
    path = write_config(tmp_path / "data")
    text = path.read_text().replace("    size: 16\n", "    size: 16\n    name: same condition\n")
    runs = pd.DataFrame({"stimulus_id": [f"im{i:02d}" for i in range(30)] * 2})
    runs.to_csv(tmp_path / "data" / "samples.csv", index=False)
    path.write_text(text.replace("  stimuli: stimuli\n", "  stimuli: stimuli\n  conditions: stimulus_id\n"))
    with pytest.raises(InputError, match="a network and a label are both called 'same condition'"):
        run(path, tmp_path / "out")


def test_channels_that_never_change_are_left_out_and_named(tmp_path):
    path = write_config(tmp_path / "data")
    with np.load(tmp_path / "data" / "rec.npz") as file:
        data = file["data"].copy()
    data[:, :3] = 7.0
    np.savez(tmp_path / "data" / "rec.npz", data=data)
    result = run(path, tmp_path / "out")
    assert "subject: 3 of 8 channels never change and are left out." in result.summary.warnings
    np.savez(tmp_path / "data" / "rec.npz", data=np.ones_like(data))
    with pytest.raises(InputError, match="all 8 channels of 'subject' are constant"):
        run(path, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_near_copies_of_a_picture_stay_on_one_side_and_give_no_score(tmp_path):
    path = write_config(tmp_path / "data")
    stimuli = tmp_path / "data" / "stimuli"
    for i in range(15):
        copy = Image.open(stimuli / f"im{i:02d}.png").resize((24, 24), Image.Resampling.NEAREST)
        copy.save(stimuli / f"im{i + 15:02d}.png")
    rng = np.random.default_rng(1)
    noise = np.tile(rng.standard_normal((15, 8)), (4, 1)) + 0.1 * rng.standard_normal((60, 8))
    np.savez(tmp_path / "data" / "rec.npz", data=noise.astype(np.float32))
    path.write_text(path.read_text().replace("  - rsa\n", "").replace("  - cka\n", ""))
    result = run(path, tmp_path / "out")
    # Copies on both sides of a split would give about .9.
    assert all(row["value"] < 0.4 for row in result.ranking())
