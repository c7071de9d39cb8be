from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines"))
from toy import write_config, write_recording


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cli-cache")


@pytest.fixture
def alignkit(cache):
    """Return a function that runs the command in a process of its own."""

    def run(*arguments, cwd=None):
        environment = {**os.environ, "ALIGNKIT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "alignkit", *map(str, arguments)]
        return subprocess.run(
            command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
        )

    return run


def test_help_names_every_command_and_loads_nothing_heavy(alignkit):
    done = alignkit("--help")
    assert done.returncode == 0
    names = (
        "demo", "run", "report", "fit", "decode", "predict", "compare", "train", "inspect", "list",
        "validate", "doctor",
    )  # fmt: skip
    for name in names:
        assert name in done.stdout
    script = (
        "import sys, alignkit.cli.app\n"
        "print([m for m in ('torch', 'mne', 'nilearn', 'transformers', 'pandas') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_importing_alignkit_loads_nothing_heavy():
    script = (
        "import sys, alignkit\n"
        "print([m for m in ('torch', 'mne', 'nilearn', 'transformers', 'pandas', 'numpy') if m in "
        "sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("models", "gabor-energy"),
        ("metrics", "cka"),
        ("datasets", "simulated"),
        ("encoders", "ridge"),
        ("comparisons", "rsa"),
    ],
)
def test_list_gives_objects_with_a_name(alignkit, family, name):
    done = alignkit("list", family, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert name in [row["name"] for row in rows]
    assert name in alignkit("list", family).stdout


def test_doctor_says_versions_and_disk(alignkit):
    rows = {row["name"]: row for row in json.loads(alignkit("doctor", "--json").stdout)}
    assert rows["torch"]["value"]
    assert "GiB free" in rows["cache (ALIGNKIT_CACHE)"]["note"]


def test_inspect_ends_with_the_yaml_that_reads_it_and_writes_a_report(alignkit, tmp_path):
    paths = write_recording(tmp_path / "data")
    done = alignkit("inspect", paths["recording"])
    assert done.returncode == 0, done.stderr
    assert "dataset:" in done.stdout
    page = tmp_path / "quality.html"
    made = json.loads(alignkit("inspect", paths["recording"], "--report", page, "--json").stdout)
    assert made["quality"]["verdict"] in ("pass", "warn")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    for wrong in (tmp_path / "nothing.nii", tmp_path):
        failed = alignkit("inspect", wrong)
        assert failed.returncode == 2
        assert "Traceback" not in failed.stderr
        assert len(failed.stderr.strip().splitlines()) == 1


def test_fit_then_predict_on_new_images(alignkit, tmp_path):
    paths = write_recording(tmp_path / "data")
    out = tmp_path / "out"
    done = alignkit(
        "fit", "--recording", paths["recording"], "--samples", paths["samples"],
        "--stimuli", paths["stimuli"],
        "--model", "pixels", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").is_file()
    scores = pd.read_csv(out / "scores.csv")
    row = scores[(scores["subject"] == "all") & (scores["layer"] == "(chosen)")].iloc[0]
    assert row["value"] > 0.6
    assert json.loads((out / "encoder.json").read_text())["fitted_on"]["n_stimuli"] == 30

    new = tmp_path / "new"
    new.mkdir()
    for name in ("im00", "im07"):
        Image.open(paths["stimuli"] / f"{name}.png").save(new / f"{name}-again.png")
    done = alignkit("predict", "--model", out, "--stimuli", new)
    assert done.returncode == 0, done.stderr
    assert "wrote 2 stimuli x 8 channels" in done.stdout
    predicted = pd.read_csv(out / "predictions.csv")
    assert list(predicted["stimulus_id"]) == ["im00-again", "im07-again"]
    with np.load(paths["recording"]) as file:
        measured = (file["data"][:30] + file["data"][30:]) / 2
    # Pictures that the encoder was fitted on, under other names, are predicted close to what they evoked.
    assert np.corrcoef(predicted.iloc[:, 1:].to_numpy().ravel(), measured[[0, 7]].ravel())[0, 1] > 0.8
    npz = tmp_path / "p.npz"
    assert alignkit("predict", "--model", out, "--stimuli", new, "--out", npz).returncode == 0
    with np.load(npz, allow_pickle=False) as file:
        np.testing.assert_allclose(file["data"], predicted.iloc[:, 1:], rtol=1e-5)


def test_compare_prints_a_ranking(alignkit, tmp_path):
    paths = write_recording(tmp_path / "data")
    done = alignkit(
        "compare", "--recording", paths["recording"], "--samples", paths["samples"], "--stimuli",
        paths["stimuli"], "--model", "pixels", "--model", "gabor-energy", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ranking = json.loads(done.stdout)["ranking"]
    assert [row["model"] for row in ranking] == ["pixels", "gabor-energy"]
    assert ranking[0]["value"] >= ranking[1]["value"]


def test_validate_resolves_and_refuses(alignkit, tmp_path):
    path = write_config(tmp_path / "data")
    done = alignkit("validate", path, "--json")
    resolved = json.loads(done.stdout)["config"]
    assert resolved["dataset"]["recording"] == str(tmp_path / "data" / "rec.npz")
    path.write_text(path.read_text().replace("- rsa", "- rsaa"))
    done = alignkit("validate", path)
    assert done.returncode == 2
    assert "did you mean 'rsa'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere.yaml"], 2, "nowhere.yaml does not exist"),
        (["report", "nowhere"], 2, "holds no finished run"),
        (["predict", "--model", "nowhere", "--stimuli", "."], 2, "the folder nowhere does not exist"),
        (["list", "modles"], 2, "modles"),
        (["rnu"], 2, "rnu"),
    ],
)
def test_errors_are_one_line_with_the_remedy_and_no_traceback(alignkit, tmp_path, arguments, code, message):
    done = alignkit(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_where(alignkit, tmp_path):
    done = alignkit("run", "nowhere.yaml", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr


def test_an_interruption_says_that_nothing_is_lost(cache, tmp_path):
    path = write_config(tmp_path / "data")
    environment = {**os.environ, "ALIGNKIT_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "alignkit", "run", str(path), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while not (tmp_path / "out" / "plan.json").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Nothing is lost" in error
    assert "Traceback" not in error


def test_version(alignkit):
    import alignkit as package

    assert alignkit("--version").stdout.strip() == f"alignkit {package.__version__}"
