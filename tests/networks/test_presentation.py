from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.networks import Network, build_network
from alignkit.networks._images import ImagePreparation, square
from alignkit.networks._presentation import present, present_to


def _image(height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_equal_widths_change_nothing():
    prepare = square(16)
    for image in (_image(31, 50), _image(16, 16)):
        shown = present(prepare, stimulus_degrees=8, visual_degrees=8)(image)
        assert torch.equal(shown, prepare(image))


@pytest.mark.parametrize(("size", "ratio"), [(40, 2), (41, 2), (40, 1.5), (33, 3)])
def test_a_smaller_image_lies_in_the_exact_middle_at_its_own_scale(size, ratio):
    image = _image(size, size)
    canvas = np.asarray(present(square(8), stimulus_degrees=4, visual_degrees=4 * ratio).canvas(image))
    margin = (canvas.shape[0] - size) // 2
    assert canvas.shape[0] == canvas.shape[1] == size + 2 * margin
    assert abs(canvas.shape[0] - ratio * size) <= 1
    np.testing.assert_array_equal(canvas[margin : margin + size, margin : margin + size], np.asarray(image))
    outside = np.ones(canvas.shape[:2], bool)
    outside[margin : margin + size, margin : margin + size] = False
    assert set(canvas[outside].ravel()) == {128}


def test_a_larger_image_loses_its_border_evenly():
    image = _image(40, 60)
    canvas = present(square(8), stimulus_degrees=16, visual_degrees=8).canvas(image)
    np.testing.assert_array_equal(np.asarray(canvas), np.asarray(image)[10:30, 15:45])


def test_a_bar_has_the_width_in_degrees_that_it_was_shown_with():
    # A bar of half of an image shown 4 degrees wide is 2 degrees: a quarter of a field of 8.
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[:, 16:48] = 255
    shown = present(square(32), stimulus_degrees=4, visual_degrees=8)(Image.fromarray(pixels))
    row = shown[0, 16]
    assert float((row - 128 / 255).sum() / (1 - 128 / 255)) == pytest.approx(8, abs=0.05)


NEAREST = 0
CROPPED = ImagePreparation(shortest_edge=256, crop=(224, 224), resample=NEAREST)


@pytest.mark.parametrize(
    "prepare",
    [
        CROPPED,
        ImagePreparation(size=(256, 256), crop=(224, 224), resample=NEAREST),
        ImagePreparation(longest_edge=256, crop=(224, 224), resample=NEAREST),
        ImagePreparation(size=(224, 224), resample=NEAREST),
        # Cut out of less than the crop: the rest of the input is filled up, and counts as field.
        ImagePreparation(shortest_edge=192, crop=(224, 224), resample=NEAREST),
    ],
)
def test_the_input_is_the_field_to_the_pixel_whatever_the_preparation_crops(prepare):
    # 4 of 8 degrees are 112 of 224 pixels: here the image's own.
    image = _image(112, 112)
    seen = present(prepare, stimulus_degrees=4, visual_degrees=8, surround="black")(image)
    expected = np.zeros((224, 224, 3), np.float32)
    expected[56:168, 56:168] = np.asarray(image) / np.float32(255)
    np.testing.assert_allclose(seen.permute(1, 2, 0).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(112, 56), (56, 84)])
def test_a_crop_of_an_image_that_is_no_square_has_the_scale_of_its_width(width, height):
    image = _image(height, width)
    seen = present(CROPPED, stimulus_degrees=8 * width / 224, visual_degrees=8, surround="black")(image)
    left, top = (224 - width) // 2, (224 - height) // 2
    expected = np.zeros((224, 224, 3), np.float32)
    expected[top : top + height, left : left + width] = np.asarray(image) / np.float32(255)
    np.testing.assert_allclose(seen.permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_an_image_as_wide_as_the_field_fills_the_input_and_loses_nothing_to_the_crop():
    image = _image(224, 224)
    seen = present(CROPPED, stimulus_degrees=8, visual_degrees=8)(image)
    np.testing.assert_allclose(seen.permute(1, 2, 0).numpy(), np.asarray(image) / 255, atol=1e-6)


def test_an_image_larger_than_the_field_is_cut_to_it():
    image = _image(448, 448)
    seen = present(CROPPED, stimulus_degrees=16, visual_degrees=8)(image)
    np.testing.assert_allclose(
        seen.permute(1, 2, 0).numpy(), np.asarray(image)[112:336, 112:336] / 255, atol=1e-6
    )


def test_a_crop_without_a_size_has_no_degrees():
    shown = present(ImagePreparation(crop=(224, 224)), stimulus_degrees=4, visual_degrees=8)
    with pytest.raises(InputError, match="cuts 224 pixels out of images as large as their files"):
        shown(_image(50, 50))


@pytest.mark.parametrize(
    ("surround", "colour"), [("black", (0, 0, 0)), ("white", (255, 255, 255)), ("mean", (10, 100, 200))]
)
def test_the_surround_is_a_choice(surround, colour):
    image = Image.fromarray(np.tile(np.array([[[0, 90, 190]], [[20, 110, 210]]], np.uint8), (4, 8, 1)))
    shown = present(square(8), stimulus_degrees=1, visual_degrees=2, surround=surround)
    assert shown.canvas(image).getpixel((0, 0)) == colour


def test_an_image_that_fills_many_fields_keeps_at_least_its_middle():
    canvas = present(square(8), stimulus_degrees=1000, visual_degrees=1).canvas(_image(10, 11))
    assert canvas.size == (1, 2)


def test_degrees_are_part_of_the_facts_and_the_key():
    shown = present(square(8), stimulus_degrees=4, visual_degrees=8)
    assert shown.facts() == {
        **square(8).facts(),
        "stimulus_degrees": 4.0,
        "visual_degrees": 8.0,
        "surround": "grey",
    }
    network = present_to(build_network("pixels"), stimulus_degrees=4, visual_degrees=8)
    assert network.preprocessing["presentation"] == {
        "stimulus_degrees": 4.0,
        "visual_degrees": 8.0,
        "surround": "grey",
    }
    assert network.preprocessing["image"] == build_network("pixels").preprocessing["image"]


def test_the_key_says_that_the_field_is_what_a_crop_leaves():
    shown = present(CROPPED, stimulus_degrees=4, visual_degrees=8)
    assert shown.facts() == {**CROPPED.facts(), **shown.degrees()}
    plain = build_network("pixels")
    cropping = Network("toy", "toy", plain.module, plain.layers, CROPPED, visual_degrees=8.0)
    degrees = present_to(cropping, stimulus_degrees=4).preprocessing["presentation"]
    assert degrees["field"] == "what the crop leaves"


def test_a_network_that_declares_its_field_is_shown_at_it():
    plain = build_network("pixels")
    declared = Network("toy", "toy", plain.module, plain.layers, plain.preprocess, visual_degrees=8.0)
    image = _image(20, 20)
    ours = present_to(declared, stimulus_degrees=4).preprocess(image)
    assert torch.equal(ours, present(plain.preprocess, stimulus_degrees=4, visual_degrees=8)(image))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stimulus_degrees": 0, "visual_degrees": 8}, "`stimulus_degrees` must be a positive .* got 0"),
        ({"stimulus_degrees": 4, "visual_degrees": float("inf")}, "`visual_degrees` must be .* got inf"),
        ({"stimulus_degrees": True, "visual_degrees": 8}, "`stimulus_degrees` must be .* got True"),
        ({"stimulus_degrees": 4, "visual_degrees": 8, "surround": "gray"}, "did you mean 'grey'"),
    ],
)
def test_widths_that_are_none_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        present(square(8), **options)


def test_a_canvas_that_no_memory_holds_is_refused():
    shown = present(square(8), stimulus_degrees=0.01, visual_degrees=100)
    with pytest.raises(InputError, match="10 x 10 pixels shown 0.01 degrees wide needs a canvas of 100000 x"):
        shown(_image(10, 10))


def test_a_network_without_a_declared_field_asks_for_it():
    with pytest.raises(InputError, match="'pixels' does not say how many degrees.*give `visual_degrees`"):
        present_to(build_network("pixels"), stimulus_degrees=4)


def test_sounds_have_no_width():
    plain = build_network("pixels")
    sound = Network("ear", "toy", plain.module, plain.layers, plain.preprocess, modality="audio")
    with pytest.raises(InputError, match="'ear' takes audio, which has no width"):
        present_to(sound, stimulus_degrees=4)
