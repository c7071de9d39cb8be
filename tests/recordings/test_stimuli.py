from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit import StimulusSet
from alignkit._core.errors import InputError, MissingDataError


def save(path, value=0, mode="RGB", size=(4, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("b.png", "a.jpg", "c.png")):
        save(tmp_path / "stimuli" / name, (number * 50, 0, 0))
    return tmp_path / "stimuli"


def test_a_folder_gives_its_images_by_stem_sorted(folder):
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.jpg").write_bytes(b"resource fork")
    stimuli = StimulusSet.from_folder(folder)
    assert stimuli.stimulus_ids == ["a", "b", "c"]
    assert stimuli.path("b") == folder.resolve() / "b.png"
    assert len(stimuli) == 3


def test_select_goes_by_id_and_keeps_labels(folder):
    table = pd.DataFrame({"stimulus_id": [1, 2], "file": ["a.jpg", "b.png"], "kind": ["x", "y"]})
    chosen = StimulusSet(table, folder).select(["2"])
    assert chosen.table["kind"].to_list() == ["y"]
    assert repr(chosen) == f"StimulusSet(1 images in {folder.resolve()}; labels kind)"


def test_the_digest_follows_bytes_and_order(folder):
    stimuli = StimulusSet.from_folder(folder)
    assert stimuli.digest == StimulusSet.from_folder(folder).digest
    assert stimuli.digest != stimuli.select(["b", "a", "c"]).digest
    save(folder / "a.jpg", (1, 2, 3))
    assert stimuli.digest != StimulusSet.from_folder(folder).digest


def test_every_mode_opens_as_rgb_and_transparency_becomes_white(folder):
    save(folder / "grey.png", 128, "L")
    save(folder / "clear.png", (0, 0, 0, 0), "RGBA")
    stimuli = StimulusSet.from_folder(folder)
    assert np.unique(np.asarray(stimuli.open("grey"))).tolist() == [128]
    assert np.unique(np.asarray(stimuli.open("clear"))).tolist() == [255]
    assert stimuli.open("grey").mode == "RGB"


def test_sixteen_bit_images_are_scaled_and_not_cut(folder):
    ramp = np.linspace(0, 65535, 12).round().astype(np.uint16).reshape(3, 4)
    Image.fromarray(ramp).save(folder / "deep.png")
    opened = np.asarray(StimulusSet.from_folder(folder).open("deep"))[..., 0]
    np.testing.assert_allclose(opened, ramp / 65535 * 255, atol=0.5)


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        # A dark image stays dark: white does not depend on what an image shows.
        (np.array([[0.0, 0.1, 0.2]], np.float32), None, [0, 26, 51]),
        (np.array([[0.0, 51.0, 102.0]], np.float32), 255.0, [0, 51, 102]),
        (np.array([[0, 257, 65535]], np.int32), None, [0, 1, 255]),
        (np.array([[0, 1000, 100_000]], np.int32), 100_000, [0, 3, 255]),
    ],
)
def test_pixels_of_32_bits_are_scaled_by_what_is_white(tmp_path, values, declared, expected):
    tags = {} if declared is None else {341: declared}
    Image.fromarray(values).save(tmp_path / "deep.tif", tiffinfo=tags)
    opened = np.asarray(StimulusSet.from_folder(tmp_path).open("deep"))
    assert opened[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.array([[0.0, 200.0]], np.float32),
            "floating-point pixels from 0 to 200; wanted 0 to 1. Scale all",
        ),
        (np.array([[-0.5, 1.0]], np.float32), "floating-point pixels from -0.5 to 1; wanted 0 to 1"),
        (np.array([[0.5, np.nan]], np.float32), "floating-point pixels from nan to nan"),
        (np.array([[0.5, np.inf]], np.float32), "floating-point pixels from 0.5 to inf"),
        (np.array([[0, 70_000]], np.int32), "32-bit pixels from 0 to 70000; wanted 0 to 65535"),
        (np.array([[-1, 0]], np.int32), "32-bit pixels from -1 to 0"),
    ],
)
def test_pixels_that_are_no_brightness_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "deep.tif")
    with pytest.raises(InputError, match=message):
        StimulusSet.from_folder(tmp_path).open("deep")


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(1, None), (2, "FLIP_LEFT_RIGHT"), (3, "ROTATE_180"), (6, "ROTATE_270"), (8, "ROTATE_90")],
)
def test_images_come_upright_as_their_exif_orientation_says(tmp_path, suffix, orientation, turn):
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
    stored = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274] = orientation
    more = {"lossless": True} if suffix == "webp" else {}
    stored.save(tmp_path / f"photo.{suffix}", exif=exif, **more)
    opened = StimulusSet.from_folder(tmp_path).open("photo")
    upright = stored if turn is None else stored.transpose(Image.Transpose[turn])
    np.testing.assert_array_equal(np.asarray(opened), np.asarray(upright))


def test_an_image_too_large_to_open_is_refused(folder, monkeypatch):
    # Pillow refuses from twice this number on.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(InputError, match=r"b.png is too large to open \(Image size \(12 pixels\)"):
        StimulusSet.from_folder(folder).open("b")


def test_damaged_and_moving_images_are_named(folder):
    (folder / "a.jpg").write_bytes((folder / "a.jpg").read_bytes()[:50])
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (0, 99)]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:])
    stimuli = StimulusSet.from_folder(folder)
    with pytest.raises(InputError, match="a.jpg cannot be read as an image"):
        stimuli.open("a")
    with pytest.raises(InputError, match="film.gif holds 2 frames; a still image is wanted"):
        stimuli.open("film")


def test_files_outside_the_folder_are_refused(folder, tmp_path):
    save(tmp_path / "secret.png")
    for file in ("../secret.png", str(tmp_path / "secret.png")):
        with pytest.raises(InputError, match="lies outside"):
            StimulusSet(pd.DataFrame({"stimulus_id": ["x"], "file": [file]}), folder)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match=r"link\.png' lies outside"):
        StimulusSet.from_folder(folder)


def test_what_is_missing_is_named(folder, tmp_path):
    stimuli = StimulusSet.from_folder(folder)
    with pytest.raises(InputError, match="1 of 2 stimuli are not in .*: dog. Add the files"):
        stimuli.select(["a", "dog"])
    with pytest.raises(InputError, match="1 of 1 stimuli are not in .*: 7"):
        stimuli.select([7])
    with pytest.raises(InputError, match="'dog' is no stimulus of"):
        stimuli.path("dog")
    with pytest.raises(MissingDataError, match="does not exist"):
        StimulusSet.from_folder(tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match="gone.png is missing"):
        StimulusSet(pd.DataFrame({"stimulus_id": ["x"], "file": ["gone.png"]}), folder)


def test_a_table_that_cannot_be_a_stimulus_set_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="needs a column 'file'"):
        StimulusSet(pd.DataFrame({"stimulus_id": ["x"]}), folder)
    with pytest.raises(InputError, match="at least one stimulus"):
        StimulusSet(pd.DataFrame({"stimulus_id": [], "file": []}), folder)
    save(folder / "a.png")
    with pytest.raises(InputError, match="must be unique, .*'a'"):
        StimulusSet.from_folder(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        StimulusSet.from_folder(tmp_path / "empty")


def test_versions_of_one_picture_are_found_and_others_are_not(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    a, b = (Image.fromarray(each).resize((96, 96)) for each in noise)
    a.save(tmp_path / "a.png")
    a.save(tmp_path / "b.jpg", quality=85)
    a.resize((48, 48)).save(tmp_path / "c.png")
    b.save(tmp_path / "d.png")
    for name, level in (("e", 10), ("f", 10), ("g", 200)):
        Image.new("RGB", (20, 20), (level,) * 3).save(tmp_path / f"{name}.png")
    assert StimulusSet.from_folder(tmp_path).near_duplicates() == ["a", "a", "a", "d", "e", "e", "g"]
