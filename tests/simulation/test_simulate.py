"""Whole simulations, small ones: the files by themselves, and what the readers make of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

import alignkit.simulation as simulation
from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.hashing import digest_file
from alignkit.simulation import Region, simulate
from alignkit.simulation.bold import BoldProtocol
from alignkit.simulation.images import read_stimuli
from alignkit.simulation.responses import model_features

nib = pytest.importorskip("nibabel")

REGIONS = (
    Region("EVC", "gabor-energy", "energy", n_voxels=60, snr=1.5),
    Region("LOC", "pixels", "pixels", n_voxels=40, snr=1.5, centre_mm=(46.0, -72.0, -6.0), peak_s=0.17),
)
SMALL = {"n_images": 16, "n_subjects": 2, "n_repetitions": 2, "regions": REGIONS}


@pytest.fixture(scope="module")
def bold(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bold") / "set"
    simulate(folder, modality="fmri", random_state=7, **SMALL)
    return folder


def func(folder: Path, subject: str, name: str) -> Path:
    return folder / subject / "func" / f"{subject}_task-images_{name}"


def test_the_layout_is_that_of_bids(bold):
    assert json.loads((bold / "dataset_description.json").read_text())["BIDSVersion"]
    participants = pd.read_csv(bold / "participants.tsv", sep="\t")
    assert participants["participant_id"].to_list() == ["sub-01", "sub-02"]
    for subject in participants["participant_id"]:
        for run in (1, 2):
            assert func(bold, subject, f"run-0{run}_bold.nii.gz").is_file()
            assert func(bold, subject, f"run-0{run}_events.tsv").is_file()
        for name in ("mask.nii.gz", "dseg.nii.gz", "dseg.tsv"):
            assert func(bold, subject, name).is_file()


def test_series_mask_and_labels_share_one_mni_grid_and_the_series_tells_its_tr(bold):
    series = nib.load(func(bold, "sub-01", "run-01_bold.nii.gz"))
    mask = nib.load(func(bold, "sub-01", "mask.nii.gz"))
    labels = nib.load(func(bold, "sub-01", "dseg.nii.gz"))
    assert series.header.get_zooms() == (4, 4, 4, 2)
    assert series.header.get_xyzt_units() == ("mm", "sec")
    assert int(series.header["sform_code"]) == 4
    np.testing.assert_array_equal(series.affine, mask.affine)
    np.testing.assert_array_equal(series.affine, labels.affine)
    sidecar = json.loads((bold / "task-images_bold.json").read_text())
    assert sidecar["RepetitionTime"] == 2.0
    inside = np.asarray(mask.dataobj) > 0
    assert (np.asarray(series.dataobj)[~inside] == 0).all()
    assert (np.asarray(labels.dataobj)[~inside] == 0).all()


def test_the_baseline_is_a_thousand_and_noise_a_percent_or_so(bold):
    series = np.asarray(nib.load(func(bold, "sub-01", "run-01_bold.nii.gz")).dataobj, dtype=float)
    labels = np.asarray(nib.load(func(bold, "sub-01", "dseg.nii.gz")).dataobj)
    mask = np.asarray(nib.load(func(bold, "sub-01", "mask.nii.gz")).dataobj) > 0
    background = series[mask & (labels == 0)]
    assert background.mean() == pytest.approx(1000, abs=2)
    assert 2 < background.std(axis=1).mean() < 20


def test_early_voxels_lie_near_the_midline_and_late_ones_to_the_side(bold):
    labels = nib.load(func(bold, "sub-01", "dseg.nii.gz"))
    names = pd.read_csv(func(bold, "sub-01", "dseg.tsv"), sep="\t").set_index("name")["index"]
    for name, centre, count in (("EVC", (10, -90, 0), 60), ("LOC", (46, -72, -6), 40)):
        index = np.argwhere(np.asarray(labels.dataobj) == names[name])
        places = nib.affines.apply_affine(labels.affine, index)
        assert len(places) == count
        mean = np.c_[abs(places[:, 0]), places[:, 1:]].mean(axis=0)
        assert np.linalg.norm(mean - centre) < 8


def test_every_event_lies_inside_its_run_and_names_an_image(bold):
    for subject in ("sub-01", "sub-02"):
        for run in (1, 2):
            events = pd.read_csv(func(bold, subject, f"run-0{run}_events.tsv"), sep="\t")
            series = nib.load(func(bold, subject, f"run-0{run}_bold.nii.gz"))
            length = series.shape[3] * 2.0
            assert len(events) == 16
            assert events["onset"].min() >= 0
            assert (events["onset"] + 20).max() <= length
            assert all((bold / "stimuli" / file).is_file() for file in events["stim_file"])
            assert events["stim_file"].is_unique


def test_the_mean_response_peaks_five_to_six_seconds_after_onset(bold):
    series = np.asarray(nib.load(func(bold, "sub-01", "run-01_bold.nii.gz")).dataobj, dtype=float)
    labels = np.asarray(nib.load(func(bold, "sub-01", "dseg.nii.gz")).dataobj)
    events = pd.read_csv(func(bold, "sub-01", "run-01_events.tsv"), sep="\t")
    course = series[labels > 0].mean(axis=0)
    onsets = (events["onset"] / 2).astype(int)
    evoked = np.mean([course[onset : onset + 6] for onset in onsets], axis=0)
    assert 2 * evoked.argmax() in (4, 6)


def test_the_planted_model_is_found_and_a_shuffled_one_is_not(bold):
    from alignkit.datasets import DATASETS

    study = DATASETS["nifti"](folder=bold, delay_s=4.0, duration_s=4.0).study
    stimuli = read_stimuli(bold / "stimuli")
    features = model_features(stimuli, REGIONS)
    order = np.random.default_rng(0).permutation(len(stimuli))
    score: dict[tuple[str, str], float] = {}
    for roi in ("EVC", "LOC"):
        brain = [
            pdist(each.select(roi=roi).average_repetitions().align(stimuli.stimulus_ids).data, "correlation")
            for each in study.values()
        ]
        for model, units in features.items():
            for name, rows in ((model, slice(None)), (f"{model} shuffled", order)):
                model_rdm = pdist(units[rows], "correlation")
                score[roi, name] = float(np.mean([spearmanr(rdm, model_rdm)[0] for rdm in brain]))
    for roi, other in (("EVC", "LOC"), ("LOC", "EVC")):
        assert score[roi, roi] > 0.35
        assert score[roi, roi] > score[roi, other] + 0.1
        assert abs(score[roi, f"{roi} shuffled"]) < 0.25


def test_voxels_repeat_their_response_in_regions_and_nowhere_else(bold):
    from alignkit.datasets import DATASETS

    recording = DATASETS["nifti"](folder=bold, delay_s=4.0, duration_s=4.0).study["sub-01"]
    a, b = recording.split_repetitions(0)
    r = np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.data.T, b.data.T, strict=True)])
    in_region = recording.channels["roi"].isin(["EVC", "LOC"]).to_numpy()
    assert np.median(r[in_region]) > 0.35
    assert abs(np.median(r[~in_region])) < 0.1


def test_the_same_seed_writes_the_same_bytes(bold, tmp_path):
    simulate(tmp_path / "again", modality="fmri", random_state=7, **SMALL)
    files = sorted(path.relative_to(bold) for path in bold.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    for file in files:
        assert digest_file(bold / file) == digest_file(tmp_path / "again" / file), file


def test_participants_and_seeds_differ(bold, tmp_path):
    name = "run-01_bold.nii.gz"
    assert digest_file(func(bold, "sub-01", name)) != digest_file(func(bold, "sub-02", name))
    simulate(tmp_path / "other", random_state=8, **(SMALL | {"n_subjects": 1}))
    assert digest_file(func(bold, "sub-01", name)) != digest_file(func(tmp_path / "other", "sub-01", name))


def test_more_participants_leave_the_first_as_they_were(bold, tmp_path):
    simulate(tmp_path / "one", random_state=7, **(SMALL | {"n_subjects": 1}))
    name = "run-02_bold.nii.gz"
    assert digest_file(func(bold, "sub-01", name)) == digest_file(func(tmp_path / "one", "sub-01", name))


def test_truth_and_parameters_lie_beside_the_data(bold):
    truth = pd.read_csv(bold / "truth.tsv", sep="\t").set_index("roi")
    assert truth.loc["EVC", "model"] == "gabor-energy"
    assert truth.loc["LOC", ["layer", "snr", "n_voxels"]].to_list() == ["pixels", 1.5, 40]
    parameters = json.loads((bold / "simulation.json").read_text())
    assert parameters["random_state"] == 7
    assert parameters["protocol"]["tr_s"] == 2.0
    assert parameters["regions"][1]["centre_mm"] == [46.0, -72.0, -6.0]


def test_a_set_of_eeg_is_read_back_with_its_positions(tmp_path):
    from alignkit.datasets import DATASETS

    simulate(tmp_path / "eeg", modality="eeg", **(SMALL | {"n_subjects": 1}))
    recording = DATASETS["fif"](folder=tmp_path / "eeg").study["sub-01"]
    assert recording.data.shape == (32, 64, 51)
    assert recording.unit == "V"
    assert recording.channels[["x_mm", "y_mm", "z_mm"]].notna().all(axis=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_subjects": 0}, "`n_subjects` must be at least 1, got 0"),
        ({"n_images": 4}, "`n_images` must be at least 8, got 4"),
        ({"n_repetitions": 0}, "`n_repetitions` must be at least 1, got 0"),
        ({"snr": 0.0}, "`snr` of region 'EVC' must be above 0, got 0.0"),
        ({"snr": float("nan")}, "`snr` of region 'EVC' must be above 0, got nan"),
        ({"regions": ()}, "`regions` needs at least one region"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        simulate(tmp_path / "set", **options)
    assert not list(tmp_path.iterdir())


def test_an_unknown_modality_lists_close_matches(tmp_path):
    with pytest.raises(UnknownNameError, match="`modality` is 'frmi', did you mean 'fmri'"):
        simulate(tmp_path / "set", modality="frmi")


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds other files and would be replaced"):
        simulate(tmp_path, **SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_failure_leaves_nothing_half_written(tmp_path):
    too_many = (Region("EVC", "pixels", "pixels", n_voxels=100_000),)
    with pytest.raises(InputError, match="wants 50000 voxels"):
        simulate(tmp_path / "set", **(SMALL | {"regions": too_many}))
    assert not list(tmp_path.iterdir())


def test_the_scanner_s_settings_reach_the_files(tmp_path):
    protocol = BoldProtocol(tr_s=1.0, spacing_s=6.0)
    simulate(tmp_path / "fast", bold=protocol, **(SMALL | {"n_subjects": 1, "n_repetitions": 1}))
    series = nib.load(func(tmp_path / "fast", "sub-01", "run-01_bold.nii.gz"))
    assert series.header.get_zooms()[3] == 1.0
    assert series.shape[3] == 2 * 12 + 16 * 6


def test_the_family_hands_on_functions_not_modules():
    assert callable(simulation.simulate)
    assert callable(simulation.make_stimuli)
    assert set(simulation.__all__) <= set(dir(simulation))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = simulation.nothing
