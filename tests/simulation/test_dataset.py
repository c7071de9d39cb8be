from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.folders import cache_folder
from alignkit.datasets import DATASETS
from alignkit.simulation import _simulate, responses, simulated

SMALL = {"n_subjects": 1, "n_images": 8, "n_repetitions": 2}


@pytest.fixture(autouse=True)
def _quick_models(monkeypatch):
    """Plant random units instead of networks: what is tested here is the keeping and the reading."""

    def units(stimuli, regions):
        return {
            r.name: np.random.default_rng(len(r.name)).gamma(2.0, size=(len(stimuli), 50)) for r in regions
        }

    monkeypatch.setattr(responses, "model_features", units)
    monkeypatch.setattr(_simulate, "model_features", units)


def test_the_dataset_is_registered_with_its_facts():
    facts = DATASETS.facts("simulated")
    assert facts["licence"] == "generated"
    assert DATASETS["simulated"] is simulated


@pytest.mark.parametrize(
    ("modality", "unit", "n_channels"),
    [("fmri", "percent signal change", None), ("eeg", "V", 64), ("meg", "T", 102)],
)
def test_recordings_stimuli_labels_and_truth_come_together(modality, unit, n_channels):
    dataset = simulated(modality=modality, **SMALL)
    recording = dataset.study["sub-01"]
    assert dataset.name == "simulated"
    assert (recording.unit, recording.n_samples, recording.modality) == (unit, 16, modality)
    assert n_channels in (None, recording.n_channels)
    assert (
        set(recording.stimulus_ids) == set(dataset.stimuli.stimulus_ids) == set(dataset.labels["stimulus_id"])
    )
    assert list(dataset.labels.columns) == ["stimulus_id", "category", "contour", "kind"]
    assert dataset.truth.set_index("roi")["model"].to_dict() == {"EVC": "gabor-energy", "LOC": "hmax"}
    assert "Simulated, not measured" in dataset.notes[0]


def test_fmri_has_regions_and_a_volume_to_put_values_back():
    recording = simulated(**SMALL).study["sub-01"]
    assert recording.rois == ["EVC", "LOC"]
    assert recording.geometry.space == "MNI152NLin2009aSym"
    assert recording.select(roi="LOC").n_channels == 100


def test_it_is_written_once_and_read_again(monkeypatch):
    first = simulated(**SMALL)

    def never(*args, **kwargs):
        raise AssertionError("written again")

    monkeypatch.setattr(_simulate, "simulate", never)
    again = simulated(**SMALL)
    assert again.study.digest == first.study.digest
    assert len(list((cache_folder() / "simulated").iterdir())) == 1
    with pytest.raises(AssertionError, match="written again"):
        simulated(**SMALL, random_state=1)


def test_new_code_never_meets_old_data(monkeypatch):
    simulated(**SMALL)
    monkeypatch.setattr(_simulate, "_code_digest", lambda: "another")
    simulated(**SMALL)
    assert len(list((cache_folder() / "simulated").iterdir())) == 2


def test_a_folder_of_ones_own_is_kept_while_the_choice_is_the_same(tmp_path):
    simulated(**SMALL, folder=tmp_path / "set")
    stamp = (tmp_path / "set" / "simulation.json").stat().st_ino
    simulated(**SMALL, folder=tmp_path / "set")
    assert (tmp_path / "set" / "simulation.json").stat().st_ino == stamp
    simulated(**SMALL, snr=3.0, folder=tmp_path / "set")
    assert "3.0" in (tmp_path / "set" / "truth.tsv").read_text()


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        simulated(**SMALL, folder=tmp_path)


def test_bad_options_are_refused():
    with pytest.raises(UnknownNameError, match="`modality` is 'mge', did you mean 'meg'"):
        simulated(modality="mge")
    with pytest.raises(InputError, match="`n_subjects` must be at least 1, got 0"):
        simulated(n_subjects=0)
    with pytest.raises(InputError, match="`snr` of region 'EVC' must be above 0, got -1"):
        simulated(snr=-1)


def test_importing_the_family_is_light():
    heavy = ("torch", "mne", "nilearn", "nibabel", "transformers", "matplotlib")
    code = f"import sys, alignkit.simulation; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
