"""Fitting and predicting on the formats of scanners and amplifiers, from their files to maps."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines import Given, fit_encoder, predict_responses, run_config
from alignkit.pipelines.config import InferenceOptions

sys.path.insert(0, str(Path(__file__).parent))
from toy import write_recording

N_IMAGES = 30
PLACES = {"Fz": (0, 0.06, 0.08), "Cz": (0, 0, 0.1), "Pz": (0, -0.06, 0.08), "Oz": (0, -0.1, 0.02)}


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    few = InferenceOptions(n_bootstrap=60, n_permutations=99)

    def run(config, **arguments):
        return run_config(config.model_copy(update={"inference": few}), **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alignkit.pipelines.fit.run_config", run)
        yield


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Return a folder of images, and two numbers of each that channels can follow."""
    folder = tmp_path_factory.mktemp("images") / "data"
    files = write_recording(folder, n_images=N_IMAGES, n_repeats=1)
    with np.load(files["recording"]) as recording:
        return files["stimuli"], recording["data"][:, :2] / recording["data"][:, :2].std(axis=0)


@pytest.fixture(scope="module")
def epochs(colours, tmp_path_factory):
    """Return an epochs file whose electrode Oz follows the first number at 200 ms, and the images."""
    import mne

    stimuli, signal = colours
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(N_IMAGES), 2)
    data = 1e-6 * rng.standard_normal((len(rows), 4, 5))
    data[:, 3, 3] += 3e-6 * signal[rows, 0]
    info = mne.create_info(list(PLACES), 10.0, "eeg")
    info.set_montage(mne.channels.make_dig_montage(PLACES, coord_frame="head"))
    metadata = pd.DataFrame({"stimulus_id": [f"im{i:02d}" for i in rows]})
    events = np.column_stack([np.arange(len(rows)), np.zeros(len(rows), int), np.ones(len(rows), int)])
    made = mne.EpochsArray(data, info, events, tmin=-0.1, metadata=metadata, verbose="error")
    path = tmp_path_factory.mktemp("eeg") / "one person-epo.fif"
    made.save(path, verbose="error")
    return path, stimuli


@pytest.fixture(scope="module")
def fitted_epochs(epochs, tmp_path_factory):
    path, stimuli = epochs
    out = tmp_path_factory.mktemp("fit") / "fif"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIGNKIT_CACHE", str(out.parent / "cache"))
        return fit_encoder(Given((path,), stimuli=stimuli, subject="s1"), out=out, model="pixels"), out


def test_every_time_of_epochs_is_fitted_and_scored_in_windows(fitted_epochs):
    result, out = fitted_epochs
    table = result.summary.scores.table
    course = table[(table["layer"] == "(chosen)") & (table["subject"] == "all") & (table["fold"] == "all")]
    assert len(course["time_s"].dropna().unique()) == 5
    facts = json.loads((out / "encoder.json").read_text())
    assert facts["times_s"] == pytest.approx([-0.1, 0, 0.1, 0.2, 0.3])
    assert facts["fitted_on"]["subject"] == "s1"


def test_predicted_epochs_follow_what_was_planted_at_its_place_and_time(fitted_epochs, colours, tmp_path):
    import mne

    _, out = fitted_epochs
    stimuli, signal = colours
    said = predict_responses(model=out, stimuli=stimuli, out=tmp_path / "p.npz")
    assert f"{N_IMAGES} stimuli x 4 channels x 5 times" in said
    with np.load(tmp_path / "p.npz") as file:
        predicted = file["data"]
        assert list(file["channels"]) == list(PLACES)
        np.testing.assert_allclose(file["times_s"], [-0.1, 0, 0.1, 0.2, 0.3], atol=1e-9)
    assert np.corrcoef(predicted[:, 3, 3], signal[:, 0])[0, 1] > 0.9
    spread = predicted.std(axis=0)
    assert spread[3, 3] == spread.max()
    predict_responses(model=out, stimuli=stimuli, out=tmp_path / "p-ave.fif")
    evokeds = mne.read_evokeds(tmp_path / "p-ave.fif", verbose="error")
    assert [evoked.comment for evoked in evokeds] == [f"im{i:02d}" for i in range(N_IMAGES)]
    np.testing.assert_allclose(evokeds[4].data, predicted[4], rtol=1e-5, atol=1e-12)


def test_a_window_of_epochs_is_averaged_and_has_no_times(epochs, tmp_path):
    path, stimuli = epochs
    out = tmp_path / "window"
    fit_encoder(Given((path,), stimuli=stimuli), out=out, model="pixels", window_s=(0.2, 0.2))
    assert json.loads((out / "encoder.json").read_text())["times_s"] is None
    predict_responses(model=out, stimuli=stimuli)
    assert list(pd.read_csv(out / "predictions.csv").columns) == ["stimulus_id", *PLACES]


def test_predictions_go_only_where_they_fit(fitted_epochs, epochs, tmp_path):
    _, out = fitted_epochs
    for name, message in (("p.csv", "predictions have times"), ("p.txt", "must end in .csv, .npz")):
        with pytest.raises(InputError, match=message):
            predict_responses(model=out, stimuli=epochs[1], out=tmp_path / name)
    with pytest.raises(InputError, match="maps of a sensors geometry are MNE evoked files"):
        predict_responses(model=out, stimuli=epochs[1], out=tmp_path / "p.nii.gz")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def bids(colours, tmp_path_factory):
    """Return a BIDS folder of two subjects whose first voxel follows the first number, and its two runs."""
    import nibabel as nib

    stimuli, signal = colours
    folder = tmp_path_factory.mktemp("bold") / "bids"
    (folder / "stimuli").mkdir(parents=True)
    for image in stimuli.iterdir():
        (folder / "stimuli" / image.name).write_bytes(image.read_bytes())
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "toy", "BIDSVersion": "1.9.0"}))
    rng = np.random.default_rng(1)
    for subject in ("01", "02"):
        for run in (1, 2):
            order = rng.permutation(N_IMAGES)
            series = 100 + rng.standard_normal((2, 2, 1, 2 * N_IMAGES + 6))
            for place, image in enumerate(order):
                series[0, 0, 0, 2 * place + 3 : 2 * place + 5] += 4 * signal[image, 0]
            image = nib.Nifti1Image(series.astype(np.float32), np.diag([3.0, 3, 3, 1]))
            image.header.set_zooms((3, 3, 3, 2.0))
            image.header.set_xyzt_units("mm", "sec")
            stem = folder / f"sub-{subject}" / "func" / f"sub-{subject}_task-see_run-{run}"
            stem.parent.mkdir(parents=True, exist_ok=True)
            image.to_filename(f"{stem}_bold.nii.gz")
            Path(f"{stem}_bold.json").write_text(json.dumps({"RepetitionTime": 2.0, "TaskName": "see"}))
            table = pd.DataFrame({"onset": 4.0 * np.arange(N_IMAGES), "duration": 4.0})
            table["stim_file"] = [f"im{i:02d}.png" for i in order]
            table.to_csv(f"{stem}_events.tsv", sep="\t", index=False)
    return folder


def peak(out, stimuli, path):
    import nibabel as nib

    predict_responses(model=out, stimuli=stimuli, out=path)
    predicted = nib.load(path).get_fdata()
    assert predicted.shape == (2, 2, 1, N_IMAGES)
    return predicted[0, 0, 0], predicted.std(axis=3)


def test_runs_with_events_are_fitted_and_predicted_as_images(bids, colours, tmp_path):
    stimuli, signal = colours
    func = bids / "sub-01" / "func"
    runs = tuple(func / f"sub-01_task-see_run-{run}_bold.nii.gz" for run in (1, 2))
    tables = tuple(func / f"sub-01_task-see_run-{run}_events.tsv" for run in (1, 2))
    given = Given(runs, stimuli=stimuli, events=tables, subject="p1", options={"delay_s": 6.0})
    fit_encoder(given, out=tmp_path / "fit", model="pixels")
    there, spread = peak(tmp_path / "fit", stimuli, tmp_path / "p.nii.gz")
    assert np.corrcoef(there, signal[:, 0])[0, 1] > 0.9
    assert spread[0, 0, 0] > 2 * np.sort(spread.ravel())[-2]


def test_a_bids_folder_gives_one_named_subject_with_its_own_pictures(bids, colours, tmp_path):
    stimuli, signal = colours
    fit_encoder(Given((bids,), subject="02", options={"delay_s": 6.0}), out=tmp_path / "fit", model="pixels")
    there, _ = peak(tmp_path / "fit", stimuli, tmp_path / "p.nii.gz")
    assert np.corrcoef(there, signal[:, 0])[0, 1] > 0.9
    with pytest.raises(InputError, match="there are 2 subjects, and an encoder is one subject's"):
        fit_encoder(Given((bids,)), out=tmp_path / "both", model="pixels")
    assert not (tmp_path / "both").exists()


def test_data_without_pictures_cannot_be_fitted(epochs, tmp_path):
    with pytest.raises(InputError, match="`fit` needs the images that were shown"):
        fit_encoder(Given((epochs[0],)), out=tmp_path / "out", model="pixels")
