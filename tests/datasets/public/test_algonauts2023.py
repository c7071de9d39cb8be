"""Algonauts 2023 on a miniature in its published layout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.algonauts2023 import load_algonauts2023

N_MESH = 30
INSIDE = {"lh": np.arange(3, 12), "rh": np.arange(10, 17)}
N_TRAIN = 24
N_TEST = 4
RETINOTOPIC = {0: "Unknown", 1: "V1v", 2: "V1d"}
STREAMS = {0: "Unknown", 1: "early", 5: "ventral"}


def nsd_rows(subject: str, n: int) -> np.ndarray:
    """Return the pictures' numbers among all, from 0; some are shared between subjects."""
    return np.random.default_rng(int(subject[-2:])).permutation(60)[:n] + 100


LATENT = np.random.default_rng(1).standard_normal((200, 3))


def responses(subject: str, short: str, rows: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng([int(subject[-2:]), short == "rh"])
    weights = rng.standard_normal((3, len(INSIDE[short])))
    values = LATENT[rows] @ weights + 0.5 * rng.standard_normal((len(rows), len(INSIDE[short])))
    return values.astype(np.float32)


def write_masks(folder: Path) -> None:
    folder.mkdir(parents=True)
    for short, inside in INSIDE.items():
        everything = np.zeros(N_MESH, dtype=int)
        everything[inside] = 1
        np.save(folder / f"{short}.all-vertices_fsaverage_space.npy", everything)
        regions, streams = np.zeros(len(inside), dtype=int), np.zeros(len(inside), dtype=int)
        regions[1:3], regions[3], streams[2:6] = 1, 2, 5
        np.save(folder / f"{short}.prf-visualrois_challenge_space.npy", regions)
        np.save(folder / f"{short}.streams_challenge_space.npy", streams)
    np.save(folder / "mapping_prf-visualrois.npy", RETINOTOPIC, allow_pickle=True)
    np.save(folder / "mapping_streams.npy", STREAMS, allow_pickle=True)


def write_pictures(folder: Path, kind: str, rows: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, row in enumerate(rows, start=1):
        image = np.full((4, 4, 3), row, dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{kind}-{number:04d}_nsd-{row:05d}.png")
    (folder / "._train-0001_nsd-00013.png").write_bytes(b"macOS")


def write_subject(root: Path, subject: str) -> None:
    rows = nsd_rows(subject, N_TRAIN + N_TEST)
    train, test = rows[:N_TRAIN], rows[N_TRAIN:]
    write_masks(root / subject / "roi_masks")
    write_pictures(root / subject / "training_split/training_images", "train", train)
    write_pictures(root / subject / "test_split/test_images", "test", test)
    for part, own in (("training", train), ("test", test)):
        folder = root / subject / f"{part}_split/{part}_fmri"
        folder.mkdir(parents=True)
        for short in INSIDE:
            np.save(folder / f"{short}_{part}_fmri.npy", responses(subject, short, rows)[np.isin(rows, own)])


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "algonauts_2023_challenge_data"
    for subject in ("subj01", "subj03"):
        write_subject(root, subject)
    return root


def test_rows_follow_the_number_of_the_picture_and_ids_the_scene_dataset(root):
    dataset = load_algonauts2023(path=root, subjects=(3,))
    recording = dataset.study["subj03"]
    rows = nsd_rows("subj03", N_TRAIN)
    # The counter is from 1, the number behind it from 0: it is the row in nsd_stimuli.hdf5.
    assert recording.samples["image"][0] == "train-0001"
    assert recording.stimulus_ids == [f"nsd-{row:05d}" for row in rows]
    assert np.asarray(dataset.stimuli.open(f"nsd-{rows[5]:05d}"))[0, 0, 0] == rows[5]
    both = nsd_rows("subj03", N_TRAIN + N_TEST)
    expected = np.hstack([responses("subj03", short, both)[:N_TRAIN] for short in ("lh", "rh")])
    assert np.array_equal(recording.data, expected)


def test_regions_come_through_the_mapping_and_unknown_is_none(root):
    channels = load_algonauts2023(path=root, subjects=(1,)).study["subj01"].channels
    assert channels["prf-visualrois"].to_list()[:5] == ["", "V1v", "V1v", "V1d", ""]
    assert channels["streams"].to_list()[:7] == ["", "", "ventral", "ventral", "ventral", "ventral", ""]
    assert channels["roi"].to_list()[:7] == ["", "V1v", "V1v", "V1d", "ventral", "ventral", ""]
    assert channels["name"].to_list()[8:11] == ["left-11", "right-10", "right-11"]


@pytest.mark.parametrize("wanted", ["V1d", "prf-visualrois", "ventral"])
def test_regions_and_groups_are_chosen_by_name(root, wanted):
    whole = load_algonauts2023(path=root, subjects=(1,)).study["subj01"]
    part = load_algonauts2023(path=root, subjects=(1,), roi=(wanted,)).study["subj01"]
    column = whole.channels["streams" if wanted == "ventral" else "prf-visualrois"]
    keep = (column != "" if wanted == "prf-visualrois" else column == wanted).to_numpy()
    assert 0 < keep.sum() < len(keep)
    assert np.array_equal(part.data, whole.data[:, keep])
    assert np.array_equal(part.geometry.vertices, whole.geometry.vertices[keep])


def test_one_hemisphere_keeps_its_places_on_fsaverage(root):
    right = load_algonauts2023(path=root, subjects=(1,), hemisphere="right").study["subj01"]
    assert right.geometry.n_vertices == (0, N_MESH)
    assert right.geometry.vertices.tolist() == INSIDE["rh"].tolist()
    image = right.geometry.to_gifti(right.data[0], hemisphere="right")
    assert np.allclose(image.darrays[0].data[INSIDE["rh"]], right.data[0])


def test_without_the_mask_of_all_vertices_there_is_no_geometry(root):
    for short in INSIDE:
        (root / f"subj01/roi_masks/{short}.all-vertices_fsaverage_space.npy").unlink()
    recording = load_algonauts2023(path=root, subjects=(1,)).study["subj01"]
    assert recording.geometry is None and recording.channels["name"][0] == "left-0"
    assert any("No mask of all vertices" in note for note in recording.notes)


def test_a_planted_latent_predicts_the_test_part_and_a_shuffled_one_does_not(root):
    recording = load_algonauts2023(path=root, subjects=(1,), split="both", stimuli=False).study["subj01"]
    rows = np.array([int(name.removeprefix("nsd-")) for name in recording.stimulus_ids])
    train = (recording.samples["split"] == "training").to_numpy()
    assert train.sum() == N_TRAIN and (~train).sum() == N_TEST

    def r(latent: np.ndarray) -> float:
        predicted = Ridge(0.1).fit(latent[rows[train]], recording.data[train]).predict(latent[rows[~train]])
        return float(np.corrcoef(predicted.ravel(), recording.data[~train].ravel())[0, 1])

    assert r(LATENT) > 0.5
    null = [r(np.random.default_rng(k).permutation(LATENT)) for k in range(30)]
    assert abs(np.mean(null)) < 0.2


def test_pictures_that_two_subjects_saw_are_one_stimulus(root):
    dataset = load_algonauts2023(path=root)
    ids = [set(recording.stimulus_ids) for recording in dataset.study.values()]
    assert ids[0] & ids[1]
    assert set(dataset.stimuli.stimulus_ids) == ids[0] | ids[1]
    assert dataset.subjects == ["subj01", "subj03"]
    assert any("2 of the set's 8 subjects" in note for note in dataset.notes)


def test_one_subject_is_read_without_the_others(root):
    for path in (root / "subj03").rglob("*.npy"):
        path.write_bytes(b"damaged")
    assert load_algonauts2023(path=root, subjects=("subj01",)).subjects == ["subj01"]
    with pytest.raises(InputError, match="lh_training_fmri.npy cannot be read as a NumPy array"):
        load_algonauts2023(path=root)


def test_a_mapping_that_would_run_code_is_refused_and_nothing_runs(root):
    class Runs:
        def __reduce__(self):
            return os.system, (f"touch {root / 'ran'}",)

    np.save(root / "subj01/roi_masks/mapping_streams.npy", np.array(Runs(), dtype=object))
    with pytest.raises(InputError, match="mapping_streams.npy asks for posix.system.*not run"):
        load_algonauts2023(path=root, subjects=(1,))
    assert not (root / "ran").exists()


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(MissingDataError, match="algonauts_2023_challenge_data' is not on this computer"):
        load_algonauts2023(path=tmp_path / "none")
    with pytest.raises(MissingDataError, match="holds no subject of the set"):
        load_algonauts2023(path=tmp_path / "algonauts_2023_challenge_data" / "subj01")
    with pytest.raises(UnknownNameError, match="'subj1', did you mean 'subj0"):
        load_algonauts2023(path=root, subjects=("subj1",))
    with pytest.raises(MissingDataError, match="files of subj02 are not in .*subj01, subj03"):
        load_algonauts2023(path=root, subjects=(2,))
    with pytest.raises(
        UnknownNameError, match="`roi` names 'V1', .*Known: V1d, V1v, prf-visualrois, streams, ventral"
    ):
        load_algonauts2023(path=root, subjects=(1,), roi=("V1",))
    (root / "subj01/test_split/test_fmri/rh_test_fmri.npy").unlink()
    with pytest.raises(MissingDataError, match="challenge withheld the responses .*`split` to 'training'"):
        load_algonauts2023(path=root, subjects=(1,), split="test")
    (root / "subj01/training_split/training_fmri/rh_training_fmri.npy").unlink()
    with pytest.raises(MissingDataError, match="rh_training_fmri.npy does not exist"):
        load_algonauts2023(path=root, subjects=(1,))
    for path in (root / "subj03/training_split/training_images").iterdir():
        path.unlink()
    (root / "subj03/training_split/training_images").rmdir()
    with pytest.raises(MissingDataError, match="training_images does not exist"):
        load_algonauts2023(path=root, subjects=(3,))


def test_files_that_do_not_fit_each_other_are_refused(root):
    folder = root / "subj01"
    pictures = folder / "training_split/training_images"
    last = next(pictures.glob(f"train-{N_TRAIN:04d}_*"))
    content = last.read_bytes()
    last.unlink()
    with pytest.raises(
        InputError, match=r"subj01 has 23 pictures but responses to 24 \(left\), 24 \(right\)"
    ):
        load_algonauts2023(path=root, subjects=(1,))
    last.write_bytes(content)
    next(pictures.glob("train-0003_*")).unlink()
    with pytest.raises(InputError, match="numbered from 1 without a gap .* found 23 with numbers up to 24"):
        load_algonauts2023(path=root, subjects=(1,))


def test_masks_of_another_subject_are_refused(root):
    masks = root / "subj01/roi_masks"
    np.save(masks / "lh.streams_challenge_space.npy", np.zeros(8, dtype=int))
    with pytest.raises(InputError, match=r"region numbers of 9 vertices, got int64 of shape \(8,\)"):
        load_algonauts2023(path=root, subjects=(1,))
    np.save(masks / "lh.streams_challenge_space.npy", np.full(9, 7))
    with pytest.raises(InputError, match=r"mapping_streams.npy has no name for the region\(s\) 7"):
        load_algonauts2023(path=root, subjects=(1,))
    np.save(masks / "mapping_streams.npy", [1, 2])
    with pytest.raises(InputError, match="a dictionary from numbers to names"):
        load_algonauts2023(path=root, subjects=(1,))
    (masks / "lh.streams_challenge_space.npy").unlink()
    np.save(masks / "lh.all-vertices_fsaverage_space.npy", np.ones(12, dtype=int))
    with pytest.raises(InputError, match="marks 12 vertices but the responses have 9"):
        load_algonauts2023(path=root, subjects=(1,))


def test_responses_of_another_kind_are_refused(root):
    path = root / "subj01/training_split/training_fmri/lh_training_fmri.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(InputError, match="lh_training_fmri.npy cannot be read as a NumPy array"):
        load_algonauts2023(path=root, subjects=(1,))
    np.save(path, np.zeros((24, 9), dtype=int))
    with pytest.raises(InputError, match=r"has int64 of shape \(24, 9\); pictures x vertices wanted"):
        load_algonauts2023(path=root, subjects=(1,))
    np.save(path, np.zeros((24, 9), dtype=np.float32))
    test = root / "subj01/test_split/test_fmri/lh_test_fmri.npy"
    np.save(test, np.zeros((4, 8), dtype=np.float32))
    with pytest.raises(InputError, match=r"parts of subj01 have different numbers of vertices \(left\)"):
        load_algonauts2023(path=root, subjects=(1,), split="both")


def test_regions_without_a_vertex_and_no_region_at_all_are_refused(root):
    with pytest.raises(InputError, match="`roi` is empty; name some of V1d, V1v, prf-visualrois"):
        load_algonauts2023(path=root, subjects=(1,), roi=())
    for short, inside in INSIDE.items():
        path = root / f"subj01/roi_masks/{short}.streams_challenge_space.npy"
        np.save(path, np.zeros(len(inside), dtype=int))
    with pytest.raises(InputError, match=r"no vertex of subj01 lies in streams \(left and right\)"):
        load_algonauts2023(path=root, subjects=(1,), roi=("streams",))
