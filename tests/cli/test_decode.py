from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from alignkit.cli.app import app

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "decoding"))
from planted_trials import SEEN, write_seen_config


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_seen_config(tmp_path_factory.mktemp("decode") / "data")


def alignkit(*arguments):
    """Run the command in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "alignkit", "decode", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_help_says_what_a_configuration_names_and_what_cannot_choose():
    done = CliRunner().invoke(app, ["decode", "--help"], env={"COLUMNS": "120", "TERM": "dumb"})
    assert done.exit_code == 0
    for text in ("target", "ridge", "Nothing that is", "--out", "--device", "--json"):
        assert text in done.output


def test_decode_prints_its_findings_as_json_and_writes_where_it_was_told(config, tmp_path):
    done = alignkit(config, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["folder"] == str(tmp_path / "out")
    assert result["computed"] == 5
    best = next(row for row in result["ranking"] if row["metric"] == "top-1 of 12")
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    own = scores[(scores["model"] == best["model"]) & (scores["metric"] == "top-1 of 12")]
    assert best["value"] == pytest.approx(own["value"].iloc[0])
    assert "alignkit decode" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(("  test: 12", "  tests: 12"), "'tests', did you mean 'test'", marks=pytest.mark.slow),
        (("- ridge\n", "- rigde\n"), "decoders: 'rigde', did you mean 'ridge'"),
    ],
)
def test_a_mistake_is_one_line_and_a_code_of_two(config, tmp_path, change, message):
    path = config.parent / "wrong.yaml"
    assert change[0] in SEEN
    path.write_text(SEEN.replace(*change))
    done = alignkit(path, "--out", tmp_path / "out", "--json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "test: [12", "- a list", ""])
def test_a_file_that_is_no_configuration_is_named(tmp_path, content):
    path = tmp_path / "nothing.yaml"
    if content is not None:
        path.write_text(content)
    done = alignkit(path)
    assert done.returncode == 2
    assert "nothing.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
