from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.pipelines import RunConfig, load_config
from alignkit.pipelines.run import check_data, resolve_config
from alignkit.pipelines.validate import validate_config

sys.path.insert(0, str(Path(__file__).parent))
from toy import write_config


@pytest.fixture
def path(tmp_path):
    """Return a configuration with its data."""
    return write_config(tmp_path)


def test_the_sentence_counts_networks_and_names_comparisons(path):
    assert validate_config(path)["sentence"] == "2 network(s) on matrix, compared by rsa, ridge, cka"


def test_defaults_are_written_out_and_paths_absolute(path, tmp_path):
    config = validate_config(path)["config"]
    assert config["dataset"]["recording"] == str(tmp_path / "rec.npz")
    assert config["dataset"]["stimuli"] == str(tmp_path / "stimuli")
    assert config["dataset"]["transpose"] is False
    assert config["models"][0]["size"] == 16
    assert config["models"][1]["n_orientations"] == 8
    expected = {"kind": "rsa", "models": None, "distance": "correlation", "comparison": "spearman"}
    assert config["comparisons"][0].items() >= expected.items()
    assert config["comparisons"][1]["n_folds"] == 5
    assert config["inference"]["n_bootstrap"] == 60
    assert config["inference"]["confidence"] == 0.95


def test_what_was_checked_is_a_configuration_that_checks_to_itself(path, tmp_path):
    config = validate_config(path)["config"]
    assert RunConfig.model_validate(config).model_dump(mode="json") == config


def test_nothing_is_run_or_written(tmp_path):
    path = write_config(tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    validate_config(path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("kind: pixels", "kind: pixel"), UnknownNameError, "models: 'pixel', did you mean 'pixels'"),
        (("kind: matrix", "kind: matrics"), UnknownNameError, "datasets: 'matrics', did you mean 'matrix'"),
        (("- cka", "- ckaa"), UnknownNameError, "comparisons: 'ckaa', did you mean 'cka'"),
        (("recording: rec", "recordings: rec"), InputError, "dataset 'matrix': the option 'recordings'"),
        (("  recording: rec.npz\n", ""), InputError, "dataset 'matrix': recording: field required"),
        (("- ridge", "- {kind: ridge, n_folds: many}"), InputError, "comparison 'ridge': n_folds: .*'many'"),
        (("- rsa", "- {kind: rsa, comparison: tau}"), InputError, "comparison 'rsa': comparison: .*'tau'"),
        (("size: 16", "size: [16]"), InputError, "model 'pixels': size: "),
        (("n_bootstrap: 60", "n_bootstrap: 6"), InputError, "inference.n_bootstrap: .*equal to 50, got 6"),
    ],
)
def test_a_mistake_is_named_with_its_place(path, change, error, message):
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(error, match=message):
        validate_config(path)


def test_a_missing_configuration_is_said(tmp_path):
    with pytest.raises(MissingDataError, match="nowhere.yaml does not exist"):
        validate_config(tmp_path / "nowhere.yaml")


def test_data_that_are_missing_and_scores_of_one_name_are_refused(path):
    text = path.read_text()
    path.write_text(text.replace("rec.npz", "nowhere.npz"))
    with pytest.raises(MissingDataError, match="nowhere.npz does not exist"):
        validate_config(path)
    path.write_text(text.replace("  - cka\n", "  - {kind: ridge, n_folds: 4}\n"))
    with pytest.raises(InputError, match="two comparisons of kind 'ridge' would give scores of one name"):
        validate_config(path)
    path.write_text(text.replace("  - cka\n", "  - {kind: cka, models: [hmax]}\n"))
    with pytest.raises(InputError, match="comparison 'cka': 'hmax', which is not known"):
        validate_config(path)


def test_tracks_are_models_that_a_comparison_may_name(real_data):
    real_data("alice_fmri")
    config, base = load_config(Path(__file__).resolve().parents[2] / "examples" / "alice.yaml")
    check_data(resolve_config(config, base), base)
    wrong = config.comparisons[-1].model_copy(update={"models": ["word-rat"]})
    with pytest.raises(InputError, match="'word-rat', did you mean 'word-rate'"):
        check_data(resolve_config(config.model_copy(update={"comparisons": [wrong]}), base), base)


def decoding(folder: Path, **more) -> Path:
    """Write a decoding configuration over a matrix of 24 trials in 4 runs."""
    import json

    import numpy as np
    import pandas as pd

    np.save(folder / "rec.npy", np.random.default_rng(0).standard_normal((24, 5)))
    table = pd.DataFrame({"stimulus_id": ["a", "b"] * 12, "run": np.arange(24) // 6})
    table.to_csv(folder / "samples.csv", index=False)
    content = {
        "dataset": {"kind": "matrix", "recording": "rec.npy", "samples": "samples.csv"},
        "target": {"label": "stimulus_id"}, "decoders": ["lda"], **more,
    }  # fmt: skip
    (folder / "decode.yaml").write_text(json.dumps(content))
    return folder / "decode.yaml"


def test_a_decoding_configuration_is_told_by_its_decoders(tmp_path):
    found = validate_config(decoding(tmp_path))
    assert found["sentence"] == "the classes of 'stimulus_id' of matrix, decoded by lda"
    assert found["config"]["decoders"][0]["shrinkage"] == "auto"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"split": {"folds": 50}}, "must lie between 2 and the 4 units"),
        ({"split": {"test": 4}}, "leave nothing of 4"),
        ({"times": {"windows": "sliding"}}, "`times` needs times"),
        ({"target": {"label": "stimulus"}}, "`target: label`: 'stimulus', did you mean 'stimulus_id'"),
        (
            {"target": {"model": "pixels"}, "decoders": ["ridge"]},
            "needs the stimuli, and 'matrix' comes without",
        ),
        ({"decoders": ["ridge"]}, "is of embeddings, and classes are decoded"),
    ],
)
def test_what_decoding_would_refuse_is_refused_without_fitting(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        validate_config(decoding(tmp_path, **more))
