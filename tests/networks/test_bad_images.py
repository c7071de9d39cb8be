"""Files that are unusual images, or none, on their way into a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.networks import build_network
from alignkit.recordings import StimulusSet

GREY = 100


@pytest.fixture(scope="module")
def network():
    return build_network("pixels", {"size": 8})


def _prepared(network, folder: Path) -> np.ndarray:
    stimuli = StimulusSet.from_folder(folder)
    return network.preprocess(stimuli.open(stimuli.stimulus_ids[0])).numpy() * 255


def _rgb() -> Image.Image:
    return Image.new("RGB", (12, 12), (200, 50, 10))


def _cmyk(path: Path) -> None:
    _rgb().convert("CMYK").save(path / "a.jpg", quality=100)


def _palette(path: Path) -> None:
    _rgb().convert("P", palette=Image.Palette.ADAPTIVE).save(path / "a.png")


def _alpha(path: Path) -> None:
    Image.new("RGBA", (12, 12), (200, 50, 10, 255)).save(path / "a.png")


def _lab(path: Path) -> None:
    _rgb().convert("YCbCr").save(path / "a.tif")


@pytest.mark.parametrize("save", [_cmyk, _palette, _alpha, _lab])
def test_other_modes_come_out_as_their_colours(network, save, tmp_path):
    save(tmp_path)
    values = _prepared(network, tmp_path)
    np.testing.assert_allclose(values[:, 4, 4], (200, 50, 10), atol=3)


def test_transparent_pixels_are_white(network, tmp_path):
    Image.new("RGBA", (12, 12), (200, 50, 10, 0)).save(tmp_path / "a.png")
    np.testing.assert_allclose(_prepared(network, tmp_path), 255, atol=0.01)


def test_a_palette_with_a_transparent_colour_is_laid_on_white(network, tmp_path):
    image = Image.new("P", (12, 12), 1)
    image.putpalette([0, 0, 0, 200, 50, 10] + [0] * 762)
    image.save(tmp_path / "a.png", transparency=1)
    np.testing.assert_allclose(_prepared(network, tmp_path), 255, atol=0.01)


def test_sixteen_bits_are_scaled_not_cut(network, tmp_path):
    Image.fromarray(np.full((12, 12), GREY * 257, np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_allclose(_prepared(network, tmp_path), GREY, atol=0.51)


def test_one_bit_images_are_black_and_white(network, tmp_path):
    Image.new("1", (12, 12), 1).save(tmp_path / "a.png")
    np.testing.assert_allclose(_prepared(network, tmp_path), 255, atol=0.01)


def test_mixed_sizes_and_modes_give_one_shape(network, tmp_path):
    Image.new("RGB", (12, 30)).save(tmp_path / "a.png")
    Image.new("L", (200, 7)).save(tmp_path / "b.png")
    Image.new("RGBA", (1, 1)).save(tmp_path / "c.png")
    stimuli = StimulusSet.from_folder(tmp_path)
    assert {network.preprocess(stimuli.open(i)).shape for i in "abc"} == {(3, 8, 8)}


def _animated(path: Path) -> None:
    _rgb().save(path / "a.gif", save_all=True, append_images=[Image.new("RGB", (12, 12))])


def _truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path / "a.png")
    (path / "a.png").write_bytes((path / "a.png").read_bytes()[:2000])


def _empty(path: Path) -> None:
    (path / "a.png").write_bytes(b"")


def _text(path: Path) -> None:
    (path / "a.png").write_text("this is no image")


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (_animated, "a.gif holds 2 frames; a still image is wanted"),
        (_truncated, "a.png cannot be read as an image .*replace or remove it"),
        (_empty, "a.png cannot be read as an image .*replace or remove it"),
        (_text, "a.png cannot be read as an image .*replace or remove it"),
    ],
)
def test_what_is_no_still_image_is_named(network, save, message, tmp_path):
    save(tmp_path)
    with pytest.raises(InputError, match=message):
        _prepared(network, tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no image .*.png"):
        StimulusSet.from_folder(tmp_path)
