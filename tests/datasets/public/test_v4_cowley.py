from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit._core.folders import cache_folder
from alignkit.datasets import load_v4_cowley
from alignkit.datasets.public import v4_cowley
from alignkit.datasets.public.v4_cowley import unpack_images


def jpeg(value=0):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three natural images with their gaudy versions, two neurons, up to three presentations."""
    monkeypatch.setattr(v4_cowley, "_N_PAIRS", 3)
    with zipfile.ZipFile(tmp_path / "images_201016.zip", "w") as file:
        for number in range(6):
            file.writestr(f"image{number + 1:04d}.jpg", jpeg(number * 40))
    counts = np.arange(36, dtype=np.int8).reshape(2, 6, 3)
    counts[:, 1, 2] = counts[:, 4, 1:] = -1
    np.savez(tmp_path / "responses_raw_201016.npz", counts=counts)
    return tmp_path


@pytest.fixture(scope="module")
def real_set(tmp_path_factory):
    """Load the real set once: its 600 images are flushed to the disk one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIGNKIT_CACHE", str(tmp_path_factory.mktemp("v4")))
        try:
            return load_v4_cowley(verify=True)
        except MissingDataError:
            pytest.skip("the real data 'v4_cowley' are in no folder of ALIGNKIT_DATA")


def test_a_sample_is_one_presentation_and_missing_ones_are_left_out(folder):
    dataset = load_v4_cowley(path=folder)
    recording = dataset.study["PE"]
    assert recording.n_samples == 18 - 3
    counts = np.load(folder / "responses_raw_201016.npz")["counts"]
    np.testing.assert_array_equal(recording.data[:5].T, counts[:, [0, 0, 0, 1, 1], [0, 1, 2, 0, 1]])
    assert recording.samples["repetition"].to_list()[:5] == [1, 2, 3, 1, 2]
    assert (recording.data >= 0).all()
    assert dataset.stimuli.stimulus_ids == [f"image{k:04d}" for k in range(1, 7)]


def test_a_scene_is_a_natural_image_and_its_gaudy_version(folder):
    dataset = load_v4_cowley(path=folder)
    table = dataset.stimuli.table
    assert table["scene"].to_list() == ["scene001", "scene002", "scene003"] * 2
    assert table["image_type"].to_list() == ["natural"] * 3 + ["gaudy"] * 3
    assert list(dataset.labels.columns) == ["stimulus_id", "image_type"]
    by_image = dataset.study["PE"].samples.drop_duplicates("stimulus_id").set_index("stimulus_id")["scene"]
    assert by_image.to_dict() == dict(zip(table["stimulus_id"], table["scene"], strict=True))


def test_images_are_unpacked_once_into_the_cache(folder):
    target = unpack_images(folder / "images_201016.zip")
    assert target.parent == cache_folder() / "datasets"
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir()}
    assert unpack_images(folder / "images_201016.zip") == target
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == before
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_damaged_cache_is_made_again(folder):
    target = unpack_images(folder / "images_201016.zip")
    (target / "image0001.jpg").write_bytes(b"cut")
    (target / "image0002.jpg").unlink()
    unpack_images(folder / "images_201016.zip")
    assert (target / "image0001.jpg").read_bytes() == jpeg(0)
    assert len(list(target.iterdir())) == 6


@pytest.mark.parametrize(
    "name",
    ["../evil.jpg", "/etc/evil.jpg", "a/b.jpg", "..\\evil.jpg", "C:evil.jpg", ".hidden.jpg", "folder/"],
)
def test_paths_that_leave_the_folder_are_not_unpacked(folder, name):
    with zipfile.ZipFile(folder / "bad.zip", "w") as file:
        file.writestr("image0001.jpg", jpeg())
        file.writestr(name, jpeg())
    with pytest.raises(InputError, match="which is no plain file at its top; not unpacked"):
        unpack_images(folder / "bad.zip")
    assert not (cache_folder() / "datasets").exists()


def test_links_other_files_and_bombs_are_not_unpacked(folder):
    link = zipfile.ZipInfo("image0001.jpg")
    link.external_attr = 0o120777 << 16
    for member, content, message in (
        (link, b"/etc/passwd", "no plain file at its top"),
        ("script.py", b"x", "which is no image of this set"),
        ("image0001.jpg", bytes(11 * 2**20), "11534336 bytes.*no image of this set"),
    ):
        with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(member, content)
        with pytest.raises(InputError, match=message):
            unpack_images(folder / "bad.zip")


def test_damaged_archives_are_named_and_leave_nothing(folder):
    path = folder / "images_201016.zip"
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-100])
    with pytest.raises(InputError, match="images_201016.zip cannot be read as a zip of images"):
        load_v4_cowley(path=folder)
    # A flipped byte inside a member is found by its checksum.
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="images_201016.zip cannot be read as a zip of images .*CRC"):
        load_v4_cowley(path=folder)
    assert list((cache_folder() / "datasets").iterdir()) == []


def test_responses_that_do_not_fit_are_refused(folder):
    counts = np.load(folder / "responses_raw_201016.npz")["counts"]
    np.savez(folder / "responses_raw_201016.npz", counts=counts[:, :5])
    with pytest.raises(InputError, match="responses to 6 images, it has responses to 5 and 6 images"):
        load_v4_cowley(path=folder)
    counts[1, 3, 0] = -1
    np.savez(folder / "responses_raw_201016.npz", counts=counts)
    with pytest.raises(InputError, match="neuron 1 misses other presentations of image0004 than neuron 0"):
        load_v4_cowley(path=folder)


def test_the_real_set_is_the_published_one(real_set):
    dataset = real_set
    recording = dataset.study["PE"]
    assert repr(recording) == (
        "Recording(PE, spikes, spikes: 3677 samples of 600 stimuli; 82 channels; regions V4)"
    )
    assert np.bincount(recording.average_repetitions().samples["n_repetitions"])[5:].tolist() == [
        124, 318, 118, 37, 3,
    ]  # fmt: skip
    assert len(dataset.stimuli) == 600
    assert dataset.stimuli.open("image0600").size == (112, 112)


def test_real_gaudy_images_are_the_natural_ones_pushed_to_extremes(real_set):
    stimuli = real_set.stimuli
    chosen = range(1, 301, 30)
    pixels = {
        kind: np.stack([np.asarray(stimuli.open(f"image{k + offset:04d}"), float)[::7, ::7] for k in chosen])
        for kind, offset in (("natural", 0), ("gaudy", 300))
    }
    grey = {kind: values.mean(axis=-1).reshape(len(chosen), -1) for kind, values in pixels.items()}
    likeness = np.corrcoef(grey["natural"], grey["gaudy"])[: len(chosen), len(chosen) :]
    assert (likeness.argmax(axis=1) == np.arange(len(chosen))).all()
    extreme = {kind: ((values < 8) | (values > 247)).mean() for kind, values in pixels.items()}
    assert extreme["gaudy"] > 0.5 > extreme["natural"]


def test_real_split_halves_have_the_known_reliability(real_set):
    recording = real_set.study["PE"]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(20):
        one, two = recording.split_repetitions(rng)
        draws.append([np.corrcoef(a, b)[0, 1] for a, b in zip(one.data.T, two.data.T, strict=True)])
    reliability = np.mean(draws, axis=0)
    assert np.median(reliability) == pytest.approx(0.575, abs=0.01)
    assert np.median(2 * reliability / (1 + reliability)) == pytest.approx(0.730, abs=0.01)
