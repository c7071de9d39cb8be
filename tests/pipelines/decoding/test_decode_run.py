from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines import load_decode_config, rebuild_report
from alignkit.pipelines.decoding import run as stages
from alignkit.pipelines.decoding.run import decode_config
from alignkit.recordings import Scores
from alignkit.stats import LeakageAudit

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import SEEN, seen_stimuli, settings, told_apart, write_seen_config


def run(path, out):
    config, base = load_decode_config(path)
    return decode_config(config, base=base, out=out, command="alignkit decode planted.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a finished run and the cache that it filled, and the result."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIGNKIT_CACHE", str(folder / "cache"))
        result = run(write_seen_config(folder / "data"), folder / "run")
    return folder, result


def row_of(table, model, metric="top-1 of 12"):
    rows = table[(table["model"] == model) & (table["metric"] == metric) & (table["subject"] == "all")]
    assert len(rows) == 1
    return rows.iloc[0]


def test_planted_images_are_found_and_a_decoder_of_exchanged_targets_finds_none(finished):
    table = finished[1].summary.scores.table
    found, control = row_of(table, "ridge"), row_of(table, "ridge, shuffled")
    assert found["value"] > 0.9
    assert found["p_corrected"] < 0.05
    assert found["n"] == 12
    assert control["ci_low"] <= 1 / 12 <= control["ci_high"]
    assert np.isnan(control["p_corrected"])
    assert finished[1].summary.chance["top-1 of 12"] == pytest.approx(1 / 12)


def test_averages_of_repetitions_are_told_from_single_trials(finished):
    table = finished[1].summary.scores.table
    once = row_of(table, "ridge", "top-1 of 12, 1 repetition")["value"]
    assert once <= row_of(table, "ridge")["value"]


def test_the_run_folder_holds_all_that_it_promises(finished):
    folder, _ = finished
    found = {path.name for path in (folder / "run").iterdir()}
    assert found == {
        "config.yaml", "decoders", "differences.csv", "evaluations.csv", "log.jsonl", "manifest.json",
        "plan.json", "protocol.txt", "report.html", "scores.csv", "scores.parquet", "summary",
    }  # fmt: skip
    entries = json.loads((folder / "run" / "decoders" / "decoding.json").read_text())["decoders"]
    assert [entry["name"] for entry in entries] == ["ridge", "stiff"]


def test_tables_protocol_and_page_say_the_same(finished):
    folder, _ = finished
    out = folder / "run"
    scores = Scores.load(out / "scores.csv").table
    every = pd.read_csv(out / "evaluations.csv", dtype={"repetitions": str})
    assert len(every[["decoder", "shuffled"]].drop_duplicates()) == 4
    for name, shuffled in (("ridge", False), ("stiff", False), ("ridge", True)):
        own = every[(every["decoder"] == name) & (every["shuffled"] == shuffled)]
        kept = own[(own["score"] == "top-1") & (own["repetitions"] == "all")].iloc[0]
        shown = row_of(scores, f"{name}, shuffled" if shuffled else name)
        assert shown[["value", "p"]].tolist() == pytest.approx(kept[["value", "p"]].tolist())
    page, protocol = (out / "report.html").read_text(), (out / "protocol.txt").read_text()
    assert protocol.count("overlap audit") == 2  # a card per decoder, none of controls
    for line in ("12 stimuli (held out)", "24 trials of 12 stimuli", "clean (checked:"):
        assert line in protocol
        assert line in page
    assert f"{row_of(scores, 'ridge')['value']:.3f}" in page


def test_every_card_counts_all_decoders_of_the_run_controls_too(finished):
    protocol = (finished[0] / "run" / "protocol.txt").read_text()
    assert protocol.count("4 decoders were evaluated on this held-out part") == 2
    differences = pd.read_csv(finished[0] / "run" / "differences.csv")
    assert {"metric", "model_a", "model_b", "difference", "p_corrected"} <= set(differences.columns)
    assert len(differences)


def test_csv_and_parquet_hold_the_same_scores(finished):
    folder, _ = finished
    csv, parquet = (Scores.load(folder / "run" / f"scores.{kind}") for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(csv.table, parquet.table, check_exact=False, rtol=1e-12)


def test_the_page_is_rebuilt_from_the_results(finished, tmp_path):
    folder, result = finished
    path = rebuild_report(folder / "run", out=tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == result.report.read_text(encoding="utf-8")


def test_a_run_folder_decodes_again_from_itself_with_the_same_bits(finished, monkeypatch, tmp_path):
    folder, _ = finished
    monkeypatch.setenv("ALIGNKIT_CACHE", str(folder / "cache"))
    again = run(folder / "run", tmp_path / "again")
    assert (again.made, again.found) == (0, 5)  # features, two decoders, two controls
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path / "empty"))
    fresh = run(folder / "run", tmp_path / "fresh")
    assert fresh.found == 0
    for name in ("scores.csv", "evaluations.csv", "protocol.txt", "config.yaml"):
        first = (folder / "run" / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == first
        assert (tmp_path / "fresh" / name).read_bytes() == first


def test_a_run_that_broke_off_after_the_first_decoder_goes_on(finished, monkeypatch, tmp_path):
    from alignkit.pipelines.decoding import scoring

    folder, _ = finished
    real, calls = scoring.fitted_decoder, []

    def once(*args, **kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "fitted_decoder", once)
        with pytest.raises(KeyboardInterrupt):
            run(folder / "run", tmp_path / "out")
    assert not (tmp_path / "out" / "scores.csv").exists()
    assert not (tmp_path / "out" / "decoders").exists()
    result = run(folder / "run", tmp_path / "out")
    assert (result.made, result.found) == (3, 2)
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.1, 0.4])
def test_a_run_killed_at_some_instant_ends_with_the_same_results(finished, tmp_path, after):
    folder, _ = finished
    environment = {**os.environ, "ALIGNKIT_CACHE": str(tmp_path / "cache")}
    out = tmp_path / "out"
    command = [sys.executable, "-m", "alignkit", "decode", str(folder / "run"), "--out", str(out)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    # Imports alone take longer than the work, so that it is killed a moment after the first stage.
    while not (tmp_path / "cache" / "store").is_dir() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (out / "scores.csv").read_bytes() == (folder / "run" / "scores.csv").read_bytes()
    assert list((tmp_path / "cache").rglob(".tmp-*")) == []


def test_the_results_of_another_configuration_are_gone_when_a_run_starts(finished, monkeypatch, tmp_path):
    folder, _ = finished
    out = tmp_path / "out"
    monkeypatch.setenv("ALIGNKIT_CACHE", str(folder / "cache"))
    run(folder / "run", out)

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "score_decoders", broken)
    with pytest.raises(KeyboardInterrupt):
        run(folder / "run", out)
    assert (out / "scores.csv").exists()  # the same configuration: these are its results
    path = out / "config.yaml"
    path.write_text(path.read_text().replace("test: 12", "test: 10"))
    with pytest.raises(KeyboardInterrupt):
        run(out, out)
    assert {each.name for each in out.iterdir()} == {"config.yaml", "log.jsonl", "plan.json"}


def test_a_folder_of_something_else_is_not_touched(finished, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that no run wrote"):
        run(finished[0] / "run", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("- ridge\n", "- rigde\n"), "decoders: 'rigde', did you mean 'ridge'"),
        (("alphas:", "alpha:"), "decoder 'stiff': the option 'alpha', did you mean 'alphas'"),
        (("- ridge\n", "- lda\n"), "the decoder 'lda' is of classes, and embeddings are decoded"),
        (("test: 12", "test: 40"), "40 unit.s. to hold out and 0 to validate leave nothing of 40"),
        (("test: 12", "folds: 3"), "`split: folds` is for classes"),
        (("kind: pixels", "kind: pixel"), "models: 'pixel', did you mean 'pixels'"),
        (("test: 12", "test: 12\ntimes: {windows: each}"), "`times` needs times, and the recording of 'subj"),
        (("test: 12", "test: 12\nroi: V9"), "V9"),
        (("  stimuli: stimuli\n", ""), "`target: model` needs the stimuli"),
    ],
)
def test_every_mistake_in_a_configuration_is_named_before_anything_is_fitted(
    finished, monkeypatch, tmp_path, change, message
):
    def never(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(stages, "score_decoders", never)
    path = finished[0] / "data" / "wrong.yaml"
    assert change[0] in SEEN
    path.write_text(SEEN.replace(*change))
    with pytest.raises(InputError, match=message):
        run(path, tmp_path / "out")
    assert not (tmp_path / "out" / "scores.csv").exists()


@pytest.fixture
def in_memory(monkeypatch, tmp_path):
    """Return a function that decodes a dataset in memory."""

    def decode(config, dataset, embeddings=None, out="out"):
        monkeypatch.setattr(stages, "load_dataset", lambda *_: dataset)
        monkeypatch.setattr(stages, "embeddings_of", lambda *_, **__: embeddings)
        monkeypatch.setattr(stages, "resolve_decoding", lambda config, base: config)
        return decode_config(config, base=tmp_path, out=tmp_path / out)

    return decode


def test_stimuli_of_equal_embeddings_stay_on_one_side(in_memory):
    dataset, embeddings = seen_stimuli()
    embeddings.values[1:20:2] = embeddings.values[0:20:2]
    audit = in_memory(settings(strict=True), dataset, embeddings).summary.audit
    assert audit[0][1] == "pass"
    assert "equal embeddings" in audit[0][2]


def test_a_leak_stops_a_strict_run():
    leaking = LeakageAudit("leaks", ("fold 0: 1 run in both.",), ("units",))
    parts = [SimpleNamespace(splits=[SimpleNamespace(audit=leaking)])]
    stages._refuse_leaks(settings(), parts)
    with pytest.raises(InputError, match="the parts leak, and the run is strict: fold 0: 1 run in both"):
        stages._refuse_leaks(settings(strict=True), parts)


def test_classes_of_several_subjects_over_time_come_out_whole(in_memory, tmp_path):
    config = settings(
        {"label": "kind"}, decoders=["lda", "logistic"], split={"folds": 2}, shuffled=True,
        times={"windows": "each", "generalise": True},
    )  # fmt: skip
    result = in_memory(config, told_apart(2, n_times=3, n_runs=4), None)
    summary = result.summary
    assert {each.title for each in summary.matrices} >= {"lda, sub1: which class was taken for which"}
    assert len(summary.differences) > 0
    across = [each.title for each in summary.matrices if "fitted at one time" in each.title]
    assert len(across) == 2
    protocol = (tmp_path / "out" / "protocol.txt").read_text()
    assert re.findall(r"^(?:lda|logistic), sub\d$", protocol, re.M) == [
        "lda, sub1", "lda, sub2", "logistic, sub1", "logistic, sub2"
    ]  # fmt: skip
    assert any("peaks at" in finding for finding in summary.headline)
