"""Names of BIDS files, against pybids as an oracle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignkit.datasets.bids.entities import BidsFile, is_folder_format, parse_name

# A name of every datatype, raw and derived, in the folder where it belongs.
PATHS = """
sub-01/anat/sub-01_acq-mprage_ce-gad_rec-norm_run-2_T1w.nii.gz
sub-01/anat/sub-01_inv-1_part-mag_MP2RAGE.nii.gz
sub-01/anat/sub-01_flip-2_mt-on_MTS.nii.gz
sub-01/anat/sub-01_mod-T1w_defacemask.nii.gz
sub-01/ses-pre/func/sub-01_ses-pre_task-rest_acq-fast_dir-AP_run-01_echo-2_part-phase_bold.nii.gz
sub-01/ses-pre/func/sub-01_ses-pre_task-rest_run-01_recording-cardiac_physio.tsv.gz
sub-01/ses-pre/func/sub-01_ses-pre_task-rest_run-01_events.tsv
sub-01/ses-pre/func/sub-01_ses-pre_task-rest_run-01_sbref.json
sub-01/dwi/sub-01_dir-PA_run-1_dwi.bval
sub-01/fmap/sub-01_acq-x_dir-AP_run-1_epi.nii.gz
sub-01/fmap/sub-01_phasediff.json
sub-01/meg/sub-01_task-story_run-3_proc-sss_meg.fif
sub-01/meg/sub-01_acq-crosstalk_meg.fif
sub-01/meg/sub-01_coordsystem.json
sub-01/meg/sub-01_headshape.pos
sub-01/eeg/sub-01_task-n400_run-1_eeg.vhdr
sub-01/eeg/sub-01_task-n400_run-1_eeg.vmrk
sub-01/eeg/sub-01_space-CapTrak_electrodes.tsv
sub-01/ieeg/sub-01_ses-iemu_task-film_run-2_ieeg.edf
sub-01/ieeg/sub-01_space-MNI152NLin6ASym_coordsystem.json
sub-01/beh/sub-01_task-stroop_beh.tsv
sub-01/pet/sub-01_trc-FDG_rec-acdyn_run-1_pet.nii.gz
sub-01/pet/sub-01_recording-manual_blood.tsv
sub-01/perf/sub-01_run-1_asl.nii.gz
sub-01/perf/sub-01_aslcontext.tsv
sub-01/nirs/sub-01_task-tap_run-1_nirs.snirf
sub-01/motion/sub-01_task-walk_tracksys-imu_run-1_motion.tsv
sub-01/mrs/sub-01_nuc-1H_voi-acc_svs.nii.gz
sub-01/micr/sub-01_sample-A_stain-LFB_chunk-01_SEM.ome.tif
task-rest_bold.json
participants.tsv
T1w.json
""".split()
DERIVED = """
sub-01/func/sub-01_task-x_run-1_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz
sub-01/func/sub-01_task-x_run-1_space-T1w_desc-brain_mask.nii.gz
sub-01/func/sub-01_task-x_run-1_desc-confounds_timeseries.tsv
sub-01/func/sub-01_task-x_run-1_hemi-L_space-fsaverage6_bold.func.gii
sub-01/func/sub-01_task-x_run-1_space-fsLR_den-91k_bold.dtseries.nii
sub-01/anat/sub-01_label-GM_probseg.nii.gz
sub-01/anat/sub-01_from-MNI152NLin2009cAsym_to-T1w_mode-image_xfm.h5
sub-01/anat/sub-01_hemi-R_pial.surf.gii
sub-01/anat/sub-01_space-T1w_seg-aparc_dseg.tsv
""".split()
# What pybids calls the entities.
PYBIDS = {
    "sub": "subject", "ses": "session", "acq": "acquisition", "nuc": "nucleus", "voi": "volume",
    "ce": "ceagent", "stain": "staining", "trc": "tracer", "rec": "reconstruction", "dir": "direction",
    "mod": "modality", "seg": "segmentation",
}  # fmt: skip


@pytest.mark.parametrize("path", [*PATHS, *(f"derivatives/fmriprep/{path}" for path in DERIVED)])
def test_entities_suffix_and_extension_are_what_pybids_reads(path):
    bids = pytest.importorskip("bids")
    from bids.layout import Config, parse_file_entities

    expected = parse_file_entities(
        f"/{path}", config=[Config.load("bids"), Config.load("derivatives")], include_unmatched=False
    )
    assert bids.__version__
    expected = {
        name: str(value) for name, value in expected.items() if name not in ("datatype", "fmap", "scans")
    }
    parsed = parse_name(Path(path).name)
    ours = {PYBIDS.get(name, name): value for name, value in parsed.entities.items()}
    if "run" in ours:
        ours["run"], expected["run"] = str(int(ours["run"])), str(int(expected["run"]))
    assert {**ours, "suffix": parsed.suffix, "extension": parsed.extension} == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bold_space-T1w_preproc.nii.gz", "space-T1w_desc-preproc_bold.nii.gz"),
        ("bold_space-T1w_brainmask.nii.gz", "space-T1w_desc-brain_mask.nii.gz"),
        ("bold_confounds.tsv", "desc-confounds_timeseries.tsv"),
        ("bold_space-fsaverage5.L.func.gii", "hemi-L_space-fsaverage5_bold.func.gii"),
        ("T1w_preproc.nii.gz", "desc-preproc_T1w.nii.gz"),
    ],
)
def test_names_of_old_fmriprep_mean_what_todays_names_say(old, new):
    start = "sub-CSI1_ses-01_task-5000scenes_run-01_"
    assert parse_name(start + old) == parse_name(start + new)


def test_a_part_that_is_no_pair_is_a_word_and_the_last_word_is_the_suffix():
    parsed = parse_name("sub-01_extra_task-_bold.nii.gz")
    assert (parsed.entities, parsed.suffix) == ({"sub": "01"}, "bold")
    assert parse_name("README") == parse_name("README")
    assert parse_name("README").extension == ""
    assert parse_name("sub-01_desc-smooth_preproc_bold.nii").entities["desc"] == "smooth"


def test_recordings_that_are_folders_are_known_by_name():
    for name in ("sub-01_task-a_meg.ds", "sub-01_task-a_ieeg.mefd", "sub-01_task-a_meg", "x.zarr"):
        assert is_folder_format(name)
    for name in ("sub-01", "ses-meg", "meg", "sub-01_eeg"):
        assert not is_folder_format(name)


def test_a_file_knows_where_it_lies_and_shows_it(tmp_path):
    file = BidsFile(tmp_path, "sub-1/func/sub-1_bold.nii", "raw", "func", "bold", ".nii", {"sub": "1"})
    assert file.path == tmp_path / "sub-1" / "func" / "sub-1_bold.nii"
    assert (file.name, file.get("sub"), file.get("ses")) == ("sub-1_bold.nii", "1", "")
    assert repr(file) == "BidsFile(raw: sub-1/func/sub-1_bold.nii)"
    assert json.dumps(dict(file.entities)) == '{"sub": "1"}'
