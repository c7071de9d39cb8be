"""Generic Object Decoding on a miniature in bdpy's layout, of its present and its former writer."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public._bdpy import open_bdpy
from alignkit.datasets.public.kamitani_god import load_kamitani_god, read_god_features, stimulus_id

N_VOXELS = 12
TRAIN = [
    f"{1440764 + 1000 * category}.{picture:06d}" for category in range(6) for picture in (7, 10008, 123456)
]
TEST = [f"{3626115 + category}.{19498 + category:06d}" for category in range(3)]
LATENT = {
    number: np.random.default_rng(k).standard_normal(3) for k, number in enumerate(sorted(TRAIN + TEST))
}
ROIS = {"V1": range(0, 4), "V2": range(4, 6), "LOC": range(6, 9), "LVC": range(0, 6), "VC": range(0, 9)}


def blocks() -> list[tuple[int, str, int]]:
    """Return (data type, number of the picture, run) of every block, in the order of the files."""
    made = [(1, number, 1 + k // 9) for k, number in enumerate(TRAIN)]
    made += [(2, number, 3 + k) for k in range(4) for number in TEST]
    # Imagined objects carry the number of the picture that was seen.
    return made + [(3, number, 7 + k) for k in range(2) for number in TEST]


def voxels(subject: int) -> np.ndarray:
    rng = np.random.default_rng(subject)
    weights = rng.standard_normal((3, N_VOXELS))
    latent = np.stack([LATENT[number] for _, number, _ in blocks()])
    return latent @ weights + 0.5 * rng.standard_normal((len(latent), N_VOXELS))


def write_bdpy(path: Path, columns: dict, extra: dict, *, old: bool = False, dtype=np.float64) -> None:
    """Write columns under their keys, and further keys that say something of columns."""
    matrix = np.hstack([np.asarray(value, dtype=float).reshape(len(value), -1) for value in columns.values()])
    keys, values, at = [], [], 0
    for key, value in columns.items():
        width = np.asarray(value).reshape(len(value), -1).shape[1]
        row = np.full(matrix.shape[1], np.nan)
        row[at : at + width] = 1
        keys.append(key)
        values.append(row)
        for name, marks in extra.get(key, {}).items():
            row = np.full(matrix.shape[1], np.nan)
            row[at : at + width] = marks
            keys.append(name)
            values.append(row)
        at += width
    names = ("dataSet", "metaData") if old else ("dataset", "metadata")
    with h5py.File(path, "w") as file:
        file.create_dataset(names[0], data=matrix.astype(dtype))
        group = file.create_group(names[1])
        group["key"] = np.array([key.encode() for key in keys])
        group["description"] = np.array([b"1 = " + key.encode() for key in keys])
        group["value"] = np.array(values)
        file.create_group("header")["ctime"] = "now"


def write_subject(root: Path, number: int, *, old: bool = False, values=None, **options) -> Path:
    made = blocks()
    marks = {}
    for name, inside in ROIS.items():
        row = np.full(N_VOXELS, np.nan)
        row[list(inside)] = 1
        marks[f"ROI_{name}"] = row
    marks |= {f"voxel_{axis}": np.arange(N_VOXELS) * 3.0 - 10 for axis in "xyz"}
    columns = {
        "VoxelData": voxels(number) if values is None else values,
        "DataType": [kind for kind, _, _ in made],
        "Run": [run for _, _, run in made],
        ("Label" if old else "stimulus_id"): [float(number) for _, number, _ in made],
    }
    path = root / f"Subject{number}.h5"
    write_bdpy(path, columns, {"VoxelData": marks}, old=old, **options)
    return path


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "kamitani_god"
    root.mkdir()
    write_subject(root, 1)
    write_subject(root, 3, old=True)
    return root


@pytest.mark.parametrize("old", [False, True])
def test_both_writers_give_the_same_recording(root, old):
    write_subject(root, 1, old=old)
    recording = load_kamitani_god(path=root, subjects=(1,)).study["Subject1"]
    assert np.array_equal(recording.data, voxels(1)[:-6].astype(np.float32))
    assert recording.samples["part"].to_list() == ["train"] * 18 + ["test"] * 12
    assert recording.samples["run"].to_list() == [run for _, _, run in blocks()][:-6]


def test_ids_are_text_of_six_decimals_and_never_floats(root):
    assert stimulus_id(1440764.000007) == "n01440764_7"
    assert stimulus_id(3626115.019498) == "n03626115_19498"
    # One more sum, and the float differs while the picture is the same.
    number = 3626115.0 + 0.019498
    assert stimulus_id(number) == stimulus_id(np.nextafter(number, np.inf)) == "n03626115_19498"
    recording = load_kamitani_god(path=root, subjects=(1,)).study["Subject1"]
    assert recording.stimulus_ids[:3] == ["n01440764_7", "n01440764_10008", "n01440764_123456"]
    assert recording.stimulus_ids[18:21] == ["n03626115_19498", "n03626116_19499", "n03626117_19500"]
    assert recording.samples["repetition"].to_list()[18:] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert recording.samples["category"][1] == "n01440764"


def test_imagined_objects_are_stimuli_of_their_own(root):
    dataset = load_kamitani_god(path=root, subjects=(1,), parts=("test", "imagery"))
    recording = dataset.study["Subject1"]
    imagined = recording.samples[recording.samples["part"] == "imagery"]
    assert set(imagined["stimulus_id"]) == {"imagined-n03626115", "imagined-n03626116", "imagined-n03626117"}
    averaged = recording.average_repetitions()
    seen = voxels(1)[18:30].reshape(4, 3, -1).mean(axis=0)
    assert np.allclose(averaged.data[:3], seen, atol=1e-5)
    assert averaged.samples["n_repetitions"].to_list() == [4, 4, 4, 2, 2, 2]


def test_a_planted_latent_predicts_the_test_pictures_and_a_shuffled_one_does_not(root):
    recording = load_kamitani_god(path=root, subjects=(3,)).study["Subject3"]
    number = {stimulus_id(float(text)): text for text in LATENT}
    train = (recording.samples["part"] == "train").to_numpy()
    test = recording.select(samples=~train).average_repetitions()

    def r(latent: dict[str, np.ndarray]) -> float:
        x, y = (
            np.stack([latent[number[i]] for i in ids])
            for ids in (np.array(recording.stimulus_ids)[train], test.stimulus_ids)
        )
        predicted = Ridge(0.1).fit(x, recording.data[train]).predict(y)
        return float(np.corrcoef(predicted.ravel(), test.data.ravel())[0, 1])

    assert r(LATENT) > 0.5
    shuffled = [np.random.default_rng(k).permutation(list(LATENT.values())) for k in range(30)]
    assert abs(np.mean([r(dict(zip(LATENT, each, strict=True))) for each in shuffled])) < 0.3


def test_regions_come_from_the_metadata(root):
    whole = load_kamitani_god(path=root, subjects=(1,)).study["Subject1"]
    assert whole.channels["roi"].to_list() == ["V1"] * 4 + ["V2"] * 2 + ["LOC"] * 3 + [""] * 3
    assert whole.channels["VC"].sum() == 9
    assert whole.channels["x_mm"].to_list()[:3] == [-10, -7, -4]
    part = load_kamitani_god(path=root, subjects=(1,), roi=("LOC", "ROI_LVC")).study["Subject1"]
    assert part.channels["roi"].to_list() == ["LVC"] * 6 + ["LOC"] * 3
    assert np.array_equal(part.data, whole.data[:, :9])
    assert part.channels["name"].to_list() == [f"voxel-{k}" for k in range(9)]


def test_reading_in_small_blocks_changes_nothing(root, monkeypatch):
    whole = load_kamitani_god(path=root, subjects=(1,), parts=("test",)).study["Subject1"]
    monkeypatch.setattr("alignkit.datasets.public._bdpy._BLOCK_BYTES", 8 * N_VOXELS * 5)
    assert (
        load_kamitani_god(path=root, subjects=(1,), parts=("test",)).study["Subject1"].digest == whole.digest
    )


def write_features(path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    numbers = [float(number) for number in [*TRAIN, *TEST]]
    categories = sorted({int(number) for number in numbers})
    n = len(numbers) + len(categories)
    layers = {"cnn1": rng.standard_normal((n, 5)), "cnn8": rng.standard_normal((n, 4))}
    kinds = [1] * len(TRAIN) + [2] * len(TEST) + [3] * len(categories)
    columns = layers | {
        "ImageID": [*numbers, *categories],
        "CatID": [int(number) for number in [*numbers, *categories]],
        "FeatureType": kinds,
    }
    write_bdpy(path, columns, {})
    return layers


def test_published_features_have_the_ids_of_the_responses(root):
    layers = write_features(root / "ImageFeatures.h5")
    recording = load_kamitani_god(path=root, subjects=(1,), parts=("test",)).study["Subject1"]
    features = read_god_features(root, part="test")
    assert features.layers == ["cnn1", "cnn8"]
    averaged = recording.average_repetitions()
    assert np.allclose(features.matrix("cnn8", averaged.stimulus_ids), layers["cnn8"][18:21], atol=1e-6)
    means = read_god_features(root / "ImageFeatures.h5", part="category", layers=("cnn1",))
    assert means.layers == ["cnn1"] and means.stimulus_ids[0] == "n01440764"
    assert np.allclose(means["cnn1"], layers["cnn1"][21:], atol=1e-6)
    with pytest.raises(UnknownNameError, match="a layer of .*ImageFeatures.h5 is 'cnn9', did you mean"):
        read_god_features(root, layers=("cnn9",))


def test_features_of_a_part_that_is_not_there_are_refused(root):
    write_bdpy(
        root / "ImageFeatures.h5", {"cnn1": np.ones((2, 3)), "ImageID": [1, 2], "FeatureType": [1, 1]}, {}
    )
    with pytest.raises(InputError, match="has no features of the part 'test'"):
        read_god_features(root, part="test")
    with pytest.raises(MissingDataError, match="nothing.h5 does not exist"):
        read_god_features(root / "nothing.h5")


def test_pictures_are_taken_from_a_folder_where_imagined_ones_have_none(root, tmp_path):
    for part, numbers in (("training", TRAIN), ("test", TEST)):
        (tmp_path / "images" / part).mkdir(parents=True)
        for number in numbers:
            Image.new("RGB", (3, 3)).save(
                tmp_path / "images" / part / f"{stimulus_id(float(number))}.JPEG", "JPEG"
            )
    dataset = load_kamitani_god(
        path=root, subjects=(1,), parts=("train", "test", "imagery"), stimuli=tmp_path / "images"
    )
    assert len(dataset.stimuli) == 21
    assert any("Imagined objects have no picture" in note for note in dataset.notes)
    assert set(dataset.labels["category"]) == {f"n0{text.split('.')[0]}" for text in LATENT}


def test_one_subject_is_read_without_the_others(root):
    (root / "Subject3.h5").write_bytes(b"damaged")
    assert load_kamitani_god(path=root, subjects=("Subject1",)).subjects == ["Subject1"]
    with pytest.raises(InputError, match="Subject3.h5 cannot be read as HDF5"):
        load_kamitani_god(path=root)


def test_voxels_without_finite_responses_are_left_out(root):
    values = voxels(1)
    values[2, 5] = np.nan
    write_subject(root, 1, values=values)
    recording = load_kamitani_god(path=root, subjects=(1,)).study["Subject1"]
    assert "voxel-5" not in set(recording.channels["name"]) and recording.n_channels == 11
    assert any("1 voxels with values that are not finite" in note for note in recording.notes)
    write_subject(root, 1, values=np.full_like(values, np.nan))
    with pytest.raises(InputError, match="no chosen voxel of .*Subject1.h5 has finite responses"):
        load_kamitani_god(path=root, subjects=(1,))


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(MissingDataError, match="'kamitani_god' is not on this computer .*figshare"):
        load_kamitani_god(path=tmp_path / "none")
    with pytest.raises(MissingDataError, match="holds no subject of the set; it has Subject1"):
        load_kamitani_god(path=tmp_path)
    with pytest.raises(UnknownNameError, match="'subject9', .*Known: Subject1"):
        load_kamitani_god(path=root, subjects=("subject9",))
    with pytest.raises(MissingDataError, match="files of Subject2 are not in .*Subject1, Subject3"):
        load_kamitani_god(path=root, subjects=(2,))
    with pytest.raises(UnknownNameError, match="`roi` names 'V5', .*Known: LOC, LVC, V1, V2, VC"):
        load_kamitani_god(path=root, roi=("V5",))
    with pytest.raises(InputError, match="has no voxel in no region"):
        load_kamitani_god(path=root, roi=())
    with pytest.raises(InputError, match="`parts` is empty"):
        load_kamitani_god(path=root, parts=())
    with pytest.raises(UnknownNameError, match="`parts` is 'imagined', did you mean 'imagery'"):
        load_kamitani_god(path=root, parts=("imagined",))


def test_damaged_and_other_files_are_refused(root):
    path = root / "Subject1.h5"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="Subject1.h5 cannot be read as HDF5 .*cut short"):
        load_kamitani_god(path=root, subjects=(1,))
    with h5py.File(path, "w") as file:
        file["data"] = 1
    with pytest.raises(InputError, match="has no 'dataSet': 'dataSet', .*Known: data"):
        load_kamitani_god(path=root, subjects=(1,))
    write_subject(root, 1, dtype=np.float32)
    with pytest.raises(InputError, match="holds float32, which cannot carry the pictures' numbers"):
        load_kamitani_god(path=root, subjects=(1,))
    write_subject(root, 1)
    with h5py.File(path, "r+") as file:
        values = file["metadata/value"][:, :-1]
        del file["metadata/value"]
        file["metadata/value"] = values
    with pytest.raises(InputError, match=r"do not go with `value` of shape \(12, 14\); keys x columns"):
        load_kamitani_god(path=root, subjects=(1,))


def test_columns_that_say_nothing_known_are_refused(root):
    path = root / "Subject1.h5"
    made = {"VoxelData": np.ones((2, 3)), "DataType": [1, 4], "stimulus_id": [1.5, 2.5]}
    write_bdpy(path, made, {})
    with pytest.raises(InputError, match="a DataType is 4; 1, 2 and 3 are known"):
        load_kamitani_god(path=root, subjects=(1,))
    write_bdpy(path, made | {"DataType": [3, 3]}, {})
    with pytest.raises(InputError, match="has no block of train, test"):
        load_kamitani_god(path=root, subjects=(1,))
    write_bdpy(path, made | {"DataType": np.ones((2, 2))}, {})
    with pytest.raises(InputError, match="'DataType' selects 2 columns, one is wanted"):
        load_kamitani_god(path=root, subjects=(1,))
    with (
        pytest.raises(InputError, match="a key is 'DataTyp', did you mean 'DataType'"),
        open_bdpy(path) as data,
    ):
        data.numbers("DataTyp")
