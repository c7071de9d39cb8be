"""BOLD5000 on miniatures of its second release's volumes and tables, and of its BIDS tree."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.bold5000 import load_bold5000

SHAPE = (5, 4, 3)
AFFINE = np.array([[2.0, 0, 0, -9], [0, 2, 0, -7], [0, 0, 2, -5], [0, 0, 0, 1]])
KIND = "GLMbetas-TYPED-FITHRF-GLMDENOISE-RR"
# Sessions have different numbers of trials, as the real ones do (10 or 9 runs of 37).
COUNTS = (12, 9)
SCENES = [f"airport{k}.jpg" for k in range(6)]
COCO = [f"COCO_train2014_{k:012d}.jpg" for k in range(6)]
IMAGENET = [f"n{1440764 + k:08d}_{90 + k}.JPEG" for k in range(6)]
REPEATED = "homeoffice6.jpg"
REGIONS = {
    "LHEarlyVis": (0, 0),
    "RHEarlyVis": (4, 0),
    "LHPPA": (0, 1),
    "RHPPA": (4, 1),
    "RHLOC": (4, 2),
    "LHOPA": (1, 3),
    "RHRSC": (3, 3),
}


def names() -> list[str]:
    """Return the lines of CSI1_imgnames.txt: repeated pictures bear the mark rep_."""
    order = list(np.random.default_rng(2).permutation([*SCENES, *COCO, *IMAGENET]))
    for place in (2, 10, 15):
        order.insert(place, f"rep_{REPEATED}")
    return [str(name) for name in order]


def stem(name: str) -> str:
    return name.removeprefix("rep_").rpartition(".")[0]


LATENT = {
    stem(name): np.random.default_rng(k).standard_normal(3) for k, name in enumerate(sorted(set(names())))
}


def responses(subject: str) -> np.ndarray:
    """Return (n_trials, n_voxels of the volume), in per cent."""
    rng = np.random.default_rng(int(subject[-1]))
    latent = np.stack([LATENT[stem(name)] for name in names()])
    weights = rng.standard_normal((3, int(np.prod(SHAPE))))
    return (latent @ weights + 0.4 * rng.standard_normal((len(latent), weights.shape[1]))).astype(np.float32)


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, tr_s: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    if tr_s is not None:
        image.header.set_zooms((2.0, 2.0, 2.0, tr_s))
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def region(label: str) -> np.ndarray:
    x, y = REGIONS[label]
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[x, y:, 0] = 1
    return mask


def write_masks(root: Path, subject: str) -> None:
    folder = root / f"derivatives/spm/sub-{subject}"
    for label in REGIONS:
        # The published masks of one subject are misnamed just so.
        written = label.replace("LOC", "LO").replace("RHRSC", "RHRRSC") if subject == "CSI2" else label
        save(folder / f"sub-{subject}_mask-{written}.nii.gz", region(label))


def write_subject(root: Path, subject: str, affine: np.ndarray = AFFINE) -> None:
    volumes = responses(subject).T.reshape(*SHAPE, -1)
    start = 0
    for session, count in enumerate(COUNTS, start=1):
        path = root / f"{subject}_{KIND}_ses-{session:02d}.nii.gz"
        save(path, np.ascontiguousarray(volumes[..., start : start + count]), affine)
        start += count
    (root / f"{subject}_imgnames.txt").write_text("\n".join(names()) + "\n")
    brain = np.zeros(SHAPE, dtype=np.uint8)
    brain[:, :, 0] = 1
    save(root / f"{subject}_brainmask.nii.gz", brain, affine)
    write_masks(root, subject)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    # Two sessions stand for fifteen: only their number is smaller.
    for module in ("_bold5000_betas", "_bold5000_files"):
        monkeypatch.setattr(
            f"alignkit.datasets.public.{module}.N_SESSIONS",
            dict.fromkeys(["CSI1", "CSI2", "CSI3", "CSI4"], 2),
        )
    root = tmp_path / "bold5000"
    write_subject(root, "CSI1")
    write_subject(root, "CSI2")
    return root


def flat(label: str) -> np.ndarray:
    return np.flatnonzero(region(label).ravel())


def test_trials_follow_the_list_of_pictures_across_sessions(root):
    recording = load_bold5000(path=root, subjects=(1,), roi=()).study["CSI1"]
    assert recording.stimulus_ids == [stem(name) for name in names()]
    assert recording.samples["session"].to_list() == ["01"] * 12 + ["02"] * 9
    brain = np.flatnonzero(np.indices(SHAPE)[2].ravel() == 0)
    assert np.allclose(recording.data, responses("CSI1")[:, brain])
    # The second session alone begins where the first one ended.
    second = load_bold5000(path=root, subjects=(1,), roi=(), sessions=(2,)).study["CSI1"]
    assert second.stimulus_ids == recording.stimulus_ids[12:]
    assert np.array_equal(second.data, recording.data[12:])


def test_repeated_pictures_are_one_stimulus_without_their_mark(root):
    samples = load_bold5000(path=root, subjects=(1,)).study["CSI1"].samples
    repeated = samples[samples["is_repeated"]]
    assert set(repeated["stimulus_id"]) == {"homeoffice6"}
    assert repeated["repetition"].to_list() == [1, 2, 3]
    types = samples.drop_duplicates("stimulus_id")["image_type"].value_counts()
    assert types.to_dict() == {"scenes": 7, "coco": 6, "imagenet": 6}


def test_a_planted_latent_predicts_the_repeated_picture_and_a_shuffled_one_does_not(root):
    recording = load_bold5000(path=root, subjects=(2,), zscore="session").study["CSI2"]
    test = (np.arange(recording.n_samples) % 3 == 0) | recording.samples["is_repeated"].to_numpy()

    def r(latent: dict[str, np.ndarray]) -> float:
        x = np.stack([latent[name] for name in recording.stimulus_ids])
        predicted = Ridge(0.5).fit(x[~test], recording.data[~test]).predict(x[test])
        return float(np.corrcoef(predicted.ravel(), recording.data[test].ravel())[0, 1])

    assert r(LATENT) > 0.5
    shuffled = [np.random.default_rng(k).permutation(list(LATENT.values())) for k in range(30)]
    assert abs(np.mean([r(dict(zip(LATENT, each, strict=True))) for each in shuffled])) < 0.25


def test_regions_join_hemispheres_and_the_first_keeps_a_voxel(root):
    recording = load_bold5000(path=root, subjects=(1,), roi=("PPA", "EarlyVis")).study["CSI1"]
    assert recording.rois == ["EarlyVis", "PPA"]
    assert recording.channels.groupby(["roi", "hemisphere"]).size().to_dict() == {
        ("EarlyVis", "left"): 1, ("EarlyVis", "right"): 1, ("PPA", "left"): 3, ("PPA", "right"): 3,
    }  # fmt: skip
    ppa = recording.select(roi="PPA")
    expected = np.sort(np.concatenate([flat("LHPPA"), flat("RHPPA")]))
    assert np.allclose(ppa.data, responses("CSI1")[:, expected])


def test_misnamed_masks_are_read_and_told(root):
    recording = load_bold5000(path=root, subjects=(2,), roi=("LOC",)).study["CSI2"]
    assert set(recording.channels["roi"]) == {"LOC"} and recording.n_channels == 2
    assert any("sub-CSI2_mask-RHLO.nii.gz was read as the mask of LOC" in note for note in recording.notes)
    assert not any("RRSC" in note for note in recording.notes)
    other = load_bold5000(path=root, subjects=(2,), roi=("RSC",)).study["CSI2"]
    assert other.channels["name"].to_list() == ["x3y3z0"]


def test_scaling_by_session_uses_all_trials_and_says_so(root):
    recording = load_bold5000(path=root, subjects=(1,), zscore="session").study["CSI1"]
    for rows in recording.samples.groupby("session").indices.values():
        assert np.allclose(recording.data[rows].mean(axis=0), 0, atol=1e-5)
        assert np.allclose(recording.data[rows].std(axis=0), 1, atol=1e-5)
    assert recording.unit == "z within session"
    assert any("repeated pictures among them" in note for note in recording.notes)


def test_a_voxel_that_is_constant_in_a_session_is_left_out_of_scaling(root):
    values = responses("CSI1").T.reshape(*SHAPE, -1)[..., :12].copy()
    values[0, 1, 0] = 0
    save(root / f"CSI1_{KIND}_ses-01.nii.gz", values)
    recording = load_bold5000(path=root, subjects=(1,), roi=("PPA",), zscore="session").study["CSI1"]
    assert recording.n_channels == 5 and "x0y1z0" not in set(recording.channels["name"])
    assert any("1 of 6 voxels were dropped: constant in a session" in note for note in recording.notes)


def test_responses_whose_header_names_no_place_are_matched_by_voxel_and_this_is_told(root):
    write_subject(root, "CSI1", affine=np.diag([2.0, 2, 2, 1]))
    recording = load_bold5000(path=root, subjects=(1,), roi=("PPA",)).study["CSI1"]
    assert recording.n_channels == 6 and "x_mm" not in recording.channels
    assert any("header names no place" in note for note in recording.notes)


def test_masks_on_another_grid_are_refused(root):
    shifted = AFFINE.copy()
    shifted[0, 3] += 2
    save(root / "derivatives/spm/sub-CSI1/sub-CSI1_mask-LHPPA.nii.gz", region("LHPPA"), shifted)
    with pytest.raises(InputError, match="mask-LHPPA.nii.gz lies on another grid .*than the responses"):
        load_bold5000(path=root, subjects=(1,), roi=("PPA",))
    small = np.ones((4, 4, 3), dtype=np.uint8)
    save(root / "CSI1_brainmask.nii.gz", small)
    with pytest.raises(InputError, match="brainmask.nii.gz lies on another grid"):
        load_bold5000(path=root, subjects=(1,), roi=())


def write_tables(root: Path, subject: str) -> None:
    folder = root / "BOLD5000_GLMsingle_ROI_betas/py"
    folder.mkdir(parents=True, exist_ok=True)
    for label in REGIONS:
        np.save(folder / f"{subject}_{KIND}_allses_{label}.npy", responses(subject)[:, flat(label)])


def test_tables_of_regions_hold_the_same_responses(root):
    write_tables(root, "CSI1")
    tables = load_bold5000(path=root, subjects=(1,), form="regions", roi=("PPA",)).study["CSI1"]
    volumes = load_bold5000(path=root, subjects=(1,), roi=("PPA",)).study["CSI1"]
    assert np.array_equal(np.sort(tables.data, axis=1), np.sort(volumes.data, axis=1))
    assert tables.stimulus_ids == volumes.stimulus_ids and tables.geometry is None
    assert tables.channels["name"].to_list()[:2] == ["left-PPA-0", "left-PPA-1"]
    whole = load_bold5000(path=root, subjects=(1,), form="regions", roi=("LOC", "EarlyVis"))
    assert whole.study["CSI1"].rois == ["EarlyVis", "LOC"]


def test_tables_that_do_not_fit_are_refused(root):
    with pytest.raises(MissingDataError, match="files of CSI1 are not in .*no subject"):
        load_bold5000(path=root, subjects=(1,), form="regions")
    write_tables(root, "CSI1")
    with pytest.raises(UnknownNameError, match="`roi` names 'V1', .*Known: EarlyVis, LOC, OPA, PPA"):
        load_bold5000(path=root, subjects=(1,), form="regions", roi=("V1",))
    with pytest.raises(InputError, match="tables of regions name no session: leave `sessions`"):
        load_bold5000(path=root, subjects=(1,), form="regions", sessions=(1,))
    path = root / f"BOLD5000_GLMsingle_ROI_betas/py/CSI1_{KIND}_allses_LHPPA.npy"
    np.save(path, np.zeros((5, 2), dtype=np.float32))
    with pytest.raises(InputError, match=r"LHPPA.npy has float32 of shape \(5, 2\); 21 trials"):
        load_bold5000(path=root, subjects=(1,), form="regions", roi=("PPA",))
    (root / "copy").mkdir()
    np.save(root / "copy" / path.name, np.zeros((5, 2), dtype=np.float32))
    with pytest.raises(InputError, match="are both the table of LHPPA; keep one"):
        load_bold5000(path=root, subjects=(1,), form="regions", roi=("PPA",))


def write_bids(root: Path, subject: str, *, fmriprep: bool) -> dict[str, np.ndarray]:
    """Write two sessions of one run: a picture every 10 s (5 volumes); the response comes 4 to 8 s later."""
    rng = np.random.default_rng(11)
    shown = names()[:6], names()[6:12]
    for session, own in enumerate(shown, start=1):
        n_volumes = 5 * len(own) + 5
        series = 1000 + rng.standard_normal((*SHAPE, n_volumes))
        latent = np.stack([LATENT[stem(name)] for name in own])
        weights = np.random.default_rng(5).standard_normal((3, int(np.prod(SHAPE))))
        evoked = (20 * latent @ weights).T.reshape(*SHAPE, -1)
        motion = np.sin(np.arange(n_volumes) / 3.0)
        for trial in range(len(own)):
            series[..., 5 * trial + 2 : 5 * trial + 4] += evoked[..., [trial]]
        base = f"sub-{subject}_ses-{session:02d}_task-5000scenes_run-01_bold"
        func = f"sub-{subject}/ses-{session:02d}/func"
        save(root / func / f"{base}.nii.gz", series.astype(np.float32), tr_s=2.0)
        events = pd.DataFrame(
            {
                "onset": [10.0 * k for k in range(len(own))],
                "duration": 1.0,
                "Subj": 1,
                "Sess": session,
                "Run": 1,
                "Trial": range(1, len(own) + 1),
                "ImgName": own,
                "ImgType": [_type(name) for name in own],
                "StimOn(s)": 0.1,
                "StimOff(s)": 1.1,
                "Response": "n/a",
                "RT": "n/a",
                "stim_file": [f"images/{name}" for name in own],
            }
        )
        events.to_csv(root / func / f"{base.removesuffix('bold')}events.tsv", sep="\t", index=False)
        if fmriprep:
            place = root / "derivatives/fmriprep" / func
            moved = series + 30 * motion
            save(place / f"{base}_space-T1w_preproc.nii.gz", moved.astype(np.float32), tr_s=2.0)
            columns = {name: motion if name == "X" else 0.01 * rng.standard_normal(n_volumes) for name in
                       ("X", "Y", "Z", "RotX", "RotY", "RotZ", "CSF", "WhiteMatter")}  # fmt: skip
            pd.DataFrame(columns).to_csv(place / f"{base}_confounds.tsv", sep="\t", index=False)
    return {"weights": weights}


def _type(name: str) -> str:
    kind = "coco" if "COCO" in name else "imagenet" if name.endswith("JPEG") else "scenes"
    return f"rep_{kind}" if name.startswith("rep_") else kind


@pytest.mark.parametrize("bold", ["raw", "fmriprep"])
def test_series_give_the_response_after_each_picture(root, bold):
    planted = write_bids(root, "CSI1", fmriprep=True)
    options = {"confounds": "motion6"} if bold == "fmriprep" else {}
    dataset = load_bold5000(path=root, subjects=(1,), form="bids", bold=bold, roi=("PPA",), **options)
    recording = dataset.study["CSI1"]
    assert recording.stimulus_ids == [stem(name) for name in names()[:12]]
    assert recording.samples["image_type"].to_list() == [
        _type(name).removeprefix("rep_") for name in names()[:12]
    ]
    assert recording.samples["is_repeated"].sum() == 2
    assert recording.samples["session"].to_list() == ["01"] * 6 + ["02"] * 6
    assert set(recording.channels["roi"]) == {"PPA"} and recording.n_channels == 6
    own = np.sort(np.concatenate([flat("LHPPA"), flat("RHPPA")]))
    expected = np.stack([LATENT[i] for i in recording.stimulus_ids]) @ planted["weights"][:, own]
    assert np.corrcoef(recording.data.ravel(), expected.ravel())[0, 1] > 0.9


def test_motion_is_taken_out_by_the_names_of_the_first_fmriprep(root):
    planted = write_bids(root, "CSI1", fmriprep=True)
    own = np.sort(np.concatenate([flat("LHPPA"), flat("RHPPA")]))

    def r(confounds: str) -> float:
        recording = load_bold5000(
            path=root, subjects=(1,), form="bids", roi=("PPA",), confounds=confounds
        ).study["CSI1"]
        expected = np.stack([LATENT[i] for i in recording.stimulus_ids]) @ planted["weights"][:, own]
        return float(np.corrcoef(recording.data.ravel(), expected.ravel())[0, 1])

    assert r("motion6") > r("none") + 0.02


def test_series_that_are_not_there_are_named(root):
    write_bids(root, "CSI1", fmriprep=False)
    with pytest.raises(MissingDataError, match="space-T1w_preproc.nii.gz does not exist; `bold` chooses"):
        load_bold5000(path=root, subjects=(1,), form="bids")
    with pytest.raises(InputError, match="`confounds` come from fMRIPrep; set `bold` to 'fmriprep'"):
        load_bold5000(path=root, subjects=(1,), form="bids", bold="raw", confounds="motion6")
    with pytest.raises(
        MissingDataError, match="session 7 of CSI1 has no task-5000scenes events .*there are 1, 2"
    ):
        load_bold5000(path=root, subjects=(1,), form="bids", bold="raw", sessions=(1, 7))
    one = load_bold5000(path=root, subjects=(1,), form="bids", bold="raw", sessions=(2,), roi=())
    assert one.study["CSI1"].n_samples == 6 and one.study["CSI1"].n_channels == 60
    with pytest.raises(MissingDataError, match="files of CSI2 are not in"):
        load_bold5000(path=root, subjects=(2,), form="bids")


def test_pictures_are_found_below_a_folder(root, tmp_path):
    folder = tmp_path / "BOLD5000_Stimuli/Scene_Stimuli/Presented_Stimuli"
    for name in {*SCENES, *COCO, *IMAGENET, REPEATED}:
        kind = {"coco": "COCO", "imagenet": "ImageNet", "scenes": "Scene"}[_type(name)]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / kind / name, "JPEG")
    dataset = load_bold5000(path=root, subjects=(1,), stimuli=tmp_path / "BOLD5000_Stimuli")
    assert len(dataset.stimuli) == 19
    assert dataset.stimuli.path("homeoffice6").parent.name == "Scene"


def test_one_subject_is_read_without_the_others(root):
    for path in root.glob("CSI2_*.nii.gz"):
        path.write_bytes(b"damaged")
    assert load_bold5000(path=root, subjects=("CSI1",)).subjects == ["CSI1"]
    with pytest.raises(InputError, match="CSI2_.*_ses-01.nii.gz cannot be read as a NIfTI image"):
        load_bold5000(path=root)


def test_voxels_without_responses_are_left_out(root):
    values = responses("CSI1").T.reshape(*SHAPE, -1)[..., :12].copy()
    values[0, 1, 0, 3] = np.nan
    save(root / f"CSI1_{KIND}_ses-01.nii.gz", values)
    recording = load_bold5000(path=root, subjects=(1,), roi=("PPA",)).study["CSI1"]
    assert recording.n_channels == 5 and recording.geometry.n_channels == 5
    assert any("1 of 6 voxels were dropped" in note for note in recording.notes)
    save(root / f"CSI1_{KIND}_ses-01.nii.gz", np.full_like(values, np.nan))
    with pytest.raises(InputError, match="no chosen voxel of CSI1 has finite responses"):
        load_bold5000(path=root, subjects=(1,), roi=("PPA",))


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(MissingDataError, match="'bold5000' is not on this computer .*OpenNeuro ds001499"):
        load_bold5000(path=tmp_path / "none")
    with pytest.raises(MissingDataError, match="holds no subject of the set; it has CSI1"):
        (tmp_path / "empty").mkdir()
        load_bold5000(path=tmp_path / "empty")
    with pytest.raises(UnknownNameError, match="'csi1', .*Known: CSI1"):
        load_bold5000(path=root, subjects=("csi1",))
    with pytest.raises(MissingDataError, match="files of CSI3 are not in .*CSI1, CSI2"):
        load_bold5000(path=root, subjects=(3,))
    with pytest.raises(InputError, match=r"different numbers in 1..2, got \[3\]"):
        load_bold5000(path=root, subjects=(1,), sessions=(3,))
    with pytest.raises(
        UnknownNameError, match="`roi` names 'FFA', .*Known: EarlyVis, LOC, OPA, PPA, RSC. The masks"
    ):
        load_bold5000(path=root, subjects=(1,), roi=("FFA",))
    (root / "CSI1_brainmask.nii.gz").unlink()
    with pytest.raises(MissingDataError, match="should hold one CSI1_brainmask.nii.gz, found 0"):
        load_bold5000(path=root, subjects=(1,), roi=())
    (root / f"CSI1_{KIND}_ses-01.nii.gz").unlink()
    with pytest.raises(
        MissingDataError, match=r"session 1 of CSI1 is not in .*last chosen one \(2\) are needed"
    ):
        load_bold5000(path=root, subjects=(1,), sessions=(2,))
    (root / "CSI2_imgnames.txt").unlink()
    with pytest.raises(MissingDataError, match="CSI2_imgnames.txt is not in"):
        load_bold5000(path=root, subjects=(2,))


def test_files_that_do_not_fit_each_other_are_refused(root):
    path = root / "CSI1_imgnames.txt"
    path.write_text("\n".join(names()[:-1]) + "\n")
    with pytest.raises(InputError, match="names 20 pictures but the sessions up to 2 of CSI1 have 21 trials"):
        load_bold5000(path=root, subjects=(1,), roi=("PPA",))
    path.write_text("a.jpg\n\nb.jpg\n")
    with pytest.raises(InputError, match="CSI1_imgnames.txt has an empty line"):
        load_bold5000(path=root, subjects=(1,), roi=("PPA",))
    (root / "lists").mkdir()
    (root / "lists/CSI1_imgnames.txt").write_text("a.jpg\n")
    with pytest.raises(InputError, match="imgnames.txt differ; keep one"):
        load_bold5000(path=root, subjects=(1,), roi=("PPA",))
    save(root / "lists" / f"CSI1_{KIND}_ses-01.nii.gz", np.zeros((*SHAPE, 12), dtype=np.float32))
    with pytest.raises(InputError, match="are both session 1; keep one"):
        load_bold5000(path=root, subjects=(1,), roi=("PPA",))
    save(root / "lists/sub-CSI2_mask-LHPPA.nii.gz", region("LHPPA"))
    with pytest.raises(InputError, match="are both masks of PPA; keep one"):
        load_bold5000(path=root, subjects=(2,), roi=("PPA",))
    save(root / f"CSI2_{KIND}_ses-02.nii.gz", np.zeros((4, 4, 3, 9), dtype=np.float32))
    with pytest.raises(InputError, match="ses-02.nii.gz lies on another grid"):
        load_bold5000(path=root, subjects=(2,), roi=())
    save(root / f"CSI2_{KIND}_ses-02.nii.gz", np.zeros(SHAPE, dtype=np.float32))
    with pytest.raises(InputError, match="has 3 dimensions; x, y, z, trials are wanted"):
        load_bold5000(path=root, subjects=(2,), roi=())
