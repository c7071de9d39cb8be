from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.encoders import RidgeEncoder
from alignkit.networks import NETWORKS, Network
from alignkit.networks._images import square
from alignkit.pipelines import Given, compare_models, fit_encoder, predict_responses, run_config
from alignkit.pipelines.config import InferenceOptions
from alignkit.recordings import Scores

sys.path.insert(0, str(Path(__file__).parent))
from toy import write_recording


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    """Draw a tenth of what a fit draws: nothing here looks at the width of an interval."""
    few = InferenceOptions(n_bootstrap=60, n_permutations=99)

    def run(config, **arguments):
        return run_config(config.model_copy(update={"inference": few}), **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alignkit.pipelines.fit.run_config", run)
        yield


def given(files, **more):
    return Given((files["recording"],), samples=files["samples"], stimuli=files["stimuli"], **more)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Return the files of a recording, the result of a fit, and its folder."""
    folder = tmp_path_factory.mktemp("fit")
    files = write_recording(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIGNKIT_CACHE", str(folder / "cache"))
        result = fit_encoder(given(files), out=folder / "fit", model="pixels")
    return files, result, folder / "fit"


@pytest.fixture
def copy(fitted, tmp_path):
    """Return a function that copies the fitted encoder with some facts of `encoder.json` changed."""

    def make(**changes):
        folder = tmp_path / "copy"
        shutil.copytree(fitted[2], folder)
        path = folder / "encoder.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return folder

    return make


def predict(model, stimuli, out):
    predict_responses(model=model, stimuli=stimuli, out=out)
    return pd.read_csv(out, dtype={"stimulus_id": str})


def test_the_encoder_is_scored_on_held_out_stimuli_and_kept(fitted):
    files, result, folder = fitted
    row = result.ranking()[0]
    assert (row["model"], row["metric"]) == ("pixels", "ridge r")
    assert row["value"] > 0.8  # channels are linear in the colours
    assert row["of_ceiling"] == pytest.approx(1.0, abs=0.15)
    facts = json.loads((folder / "encoder.json").read_text())
    assert facts["model"] == {
        "kind": "pixels", "name": None, "layers": None, "checkpoints": None, "size": 32
    }  # fmt: skip
    assert facts["layers"][0] == "pixels"
    assert facts["channels"] == [f"c{i}" for i in range(8)]
    assert facts["fitted_on"]["n_stimuli"] == 30
    assert facts["fitted_on"]["dataset"]["recording"] == str(files["recording"])
    assert Scores.load(folder / "scores.csv").select(layer="(chosen)", subject="all").table["value"].iloc[
        0
    ] == pytest.approx(row["value"])


def test_predictions_follow_the_responses_that_were_recorded(fitted, tmp_path):
    files, _, folder = fitted
    table = predict(folder, files["stimuli"], tmp_path / "p.csv")
    ids = pd.read_csv(files["samples"])["stimulus_id"]
    with np.load(files["recording"]) as recorded:
        mean = pd.DataFrame(recorded["data"]).groupby(ids).mean()
    assert list(table["stimulus_id"]) == list(mean.index)
    for c in range(8):
        assert np.corrcoef(table[f"c{c}"], mean[c])[0, 1] > 0.95


def test_predictions_are_the_kept_weights_times_the_features(fitted, tmp_path):
    files, _, folder = fitted
    table = predict(folder, files["stimuli"], tmp_path / "p.csv")
    encoder = RidgeEncoder.load(folder / "encoder")
    images = [Image.open(path).convert("RGB") for path in sorted(files["stimuli"].iterdir())]
    shrunk = [np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)) / 255 for image in images]
    X = np.stack([image.transpose(2, 0, 1).ravel() for image in shrunk])
    np.testing.assert_allclose(table.to_numpy()[:, 1:].astype(float), encoder.predict(X), atol=0.02)


def test_new_images_get_the_rows_of_their_own_names(fitted, tmp_path):
    files, _, folder = fitted
    every = predict(folder, files["stimuli"], tmp_path / "all.csv").set_index("stimulus_id")
    (tmp_path / "new").mkdir()
    for new, old in (("zebra", "im03"), ("01", "im07")):
        shutil.copy(files["stimuli"] / f"{old}.png", tmp_path / "new" / f"{new}.png")
    some = predict(folder, tmp_path / "new", tmp_path / "some.csv").set_index("stimulus_id")
    assert list(some.index) == ["01", "zebra"]
    np.testing.assert_allclose(some.loc["zebra"], every.loc["im03"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(some.loc["01"], every.loc["im07"], rtol=1e-5, atol=1e-6)


def test_csv_and_npz_hold_the_same(fitted, tmp_path):
    files, _, folder = fitted
    table = predict(folder, files["stimuli"], tmp_path / "p.csv")
    sentence = predict_responses(model=folder, stimuli=files["stimuli"], out=tmp_path / "p.npz")
    assert sentence == f"wrote 30 stimuli x 8 channels to {tmp_path / 'p.npz'}"
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["channels", "data", "stimulus_ids"]
        assert arrays["stimulus_ids"].tolist() == list(table["stimulus_id"])
        assert arrays["channels"].tolist() == list(table.columns[1:])
        np.testing.assert_allclose(arrays["data"], table.iloc[:, 1:].to_numpy(), rtol=1e-6)


def test_by_default_predictions_lie_beside_the_encoder_and_have_the_same_bits_each_time(fitted, copy):
    files, _, _ = fitted
    folder = copy()
    found = []
    for _ in range(2):
        predict_responses(model=folder, stimuli=files["stimuli"])
        found.append((folder / "predictions.csv").read_bytes())
    assert found[0] == found[1]


def test_other_weights_than_those_of_the_fit_are_refused(fitted, copy, tmp_path):
    files, _, _ = fitted
    with pytest.raises(InputError, match="the weights of 'pixels' here are not those that the encoder was"):
        predict_responses(model=copy(weights="0" * 64), stimuli=files["stimuli"], out=tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"model": {"kind": "pixels"}}'])
def test_a_damaged_description_is_named(fitted, copy, content):
    files, _, _ = fitted
    folder = copy()
    (folder / "encoder.json").write_text(content)
    with pytest.raises(InputError, match=r"encoder.json is damaged \(.*\); fit the encoder again"):
        predict_responses(model=folder, stimuli=files["stimuli"])


def test_a_folder_without_an_encoder_and_one_without_weights_are_named(fitted, copy, tmp_path):
    files, _, _ = fitted
    with pytest.raises(MissingDataError, match=r"holds no fitted encoder \(no encoder.json\)"):
        predict_responses(model=tmp_path, stimuli=files["stimuli"])
    folder = copy()
    shutil.rmtree(folder / "encoder")
    with pytest.raises(MissingDataError, match="encoder"):
        predict_responses(model=folder, stimuli=files["stimuli"])


def test_missing_stimuli_are_named(fitted, tmp_path):
    with pytest.raises(MissingDataError, match="nowhere does not exist"):
        predict_responses(model=fitted[2], stimuli=tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["p.txt", "p", "p.CSV", "p.csv.gz"])
def test_another_suffix_is_refused_and_nothing_written(fitted, tmp_path, name):
    files, _, folder = fitted
    with pytest.raises(InputError, match=r"must end in .csv, .npz, .nii.gz"):
        predict_responses(model=folder, stimuli=files["stimuli"], out=tmp_path / "out" / name)
    assert not (tmp_path / "out").exists()


def copy_and_blur(*, size: int = 8) -> Network:
    """Build a network whose first layer is the image and whose second keeps only its mean colour."""
    from torch import nn

    module = nn.Sequential()
    module.add_module("copy", nn.Identity())
    module.add_module("blur", nn.AdaptiveAvgPool2d(1))
    preparation = square(size)
    return Network(
        name="copy-and-blur",
        family="toy",
        module=module.eval(),
        layers=("copy", "blur"),
        preprocess=preparation,
        preprocessing={"image": preparation.facts()},
    )


@pytest.mark.parametrize(
    ("named", "kept", "scored"), [(None, "copy", {"copy", "blur"}), ("blur", "blur", {"blur"})]
)
def test_the_best_layer_is_kept_unless_one_is_named(fitted, tmp_path, monkeypatch, named, kept, scored):
    monkeypatch.setitem(NETWORKS._objects, "copy-and-blur", copy_and_blur)
    files, _, _ = fitted
    result = fit_encoder(given(files), out=tmp_path / "fit", model="copy-and-blur", layer=named)
    assert json.loads((tmp_path / "fit" / "encoder.json").read_text())["layers"] == [kept]
    assert set(result.summary.scores.table["layer"]) == {"(chosen)", *scored}
    encoder = RidgeEncoder.load(tmp_path / "fit" / "encoder")
    assert encoder.n_features_in_ == {"copy": 3 * 8 * 8, "blur": 3}[kept]
    assert predict(tmp_path / "fit", files["stimuli"], tmp_path / "p.csv").shape == (30, 9)


def test_unknown_layers_models_and_metrics_are_named(fitted, tmp_path):
    files, _, _ = fitted
    with pytest.raises(InputError, match="`layers` of 'pixels' holds 'pixel', did you mean 'pixels'"):
        fit_encoder(given(files), out=tmp_path / "a", model="pixels", layer="pixel")
    with pytest.raises(UnknownNameError, match="models: 'pixel', did you mean 'pixels'"):
        fit_encoder(given(files), out=tmp_path / "b", model="pixel")
    with pytest.raises(UnknownNameError, match="comparisons: 'rigde', did you mean 'ridge'"):
        compare_models(given(files), out=tmp_path / "c", models=["pixels"], metrics=["rigde"])
    assert not (tmp_path / "a" / "encoder.json").exists()


def test_missing_recordings_are_named(fitted, tmp_path):
    files = {**fitted[0], "recording": tmp_path / "nowhere.npz"}
    with pytest.raises(MissingDataError, match="nowhere.npz"):
        fit_encoder(given(files), out=tmp_path / "out", model="pixels")


def test_the_encoder_within_a_fitted_folder_is_not_taken_for_a_damaged_one(fitted, tmp_path):
    files, _, folder = fitted
    with pytest.raises(InputError, match="is the encoder alone; give the folder above"):
        predict_responses(model=folder / "encoder", stimuli=files["stimuli"], out=tmp_path / "p.csv")
