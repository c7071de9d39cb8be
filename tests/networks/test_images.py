from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.networks._images import ImagePreparation, check_count, square


def _image(height: int, width: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_an_image_of_the_right_size_is_only_scaled_and_standardised():
    image = _image(8, 8)
    values = square(8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 1.0))(image)
    by_hand = (np.asarray(image) / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 1.0]
    assert values.dtype == torch.float32
    np.testing.assert_allclose(values.numpy(), by_hand.transpose(2, 0, 1), atol=1e-6)


def test_resizing_is_pillows():
    image = _image(30, 50)
    by_hand = np.asarray(image.resize((12, 10), Image.Resampling.BICUBIC)) / 255
    values = ImagePreparation(size=(10, 12))(image).numpy()
    np.testing.assert_allclose(values, by_hand.transpose(2, 0, 1), atol=1e-6)


def test_the_shortest_edge_keeps_the_aspect_ratio_of_both_orientations():
    prepare = ImagePreparation(shortest_edge=10)
    assert prepare(_image(20, 41)).shape == (3, 10, 20)
    assert prepare(_image(41, 20)).shape == (3, 20, 10)


def test_a_crop_takes_the_centre():
    image = Image.fromarray(np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3))
    values = ImagePreparation(crop=(2, 4), scale=1.0)(image).numpy()
    np.testing.assert_array_equal(values, np.asarray(image)[2:4, 1:5].transpose(2, 0, 1))


def test_a_crop_larger_than_the_image_is_padded_with_black():
    values = ImagePreparation(crop=(4, 4), scale=1.0)(Image.new("RGB", (2, 2), (7, 7, 7)))
    assert float(values.sum()) == 7 * 4 * 3
    assert float(values[:, 1:3, 1:3].min()) == 7


def test_facts_are_json_values_that_tell_preparations_apart():
    facts = ImagePreparation(size=(4, 5), resample=2).facts()
    assert facts["size"] == [4, 5]
    assert facts["resample"] == "bilinear"
    assert "crop" not in facts
    assert facts != ImagePreparation(size=(4, 5), resample=3).facts()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resample": 9}, "`resample` is 9; Pillow"),
        ({"std": (1.0, 0.0, 1.0)}, r"`std` must be positive.*0\.0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        ImagePreparation(**options)


@pytest.mark.parametrize(
    ("value", "message"),
    [(2.5, "whole number, got 2.5"), (True, "whole number, got True"), (0, "between 1 and 3, got 0")],
)
def test_counts_are_checked(value, message):
    with pytest.raises(InputError, match=message):
        check_count("n", value, least=1, most=3)


def test_the_longest_edge_keeps_the_aspect_ratio_and_zeros_fill_the_rest():
    prepare = ImagePreparation(longest_edge=10, pad=(10, 12), scale=1.0, mean=(1.0, 1.0, 1.0))
    values = prepare(Image.new("RGB", (40, 20), (7, 7, 7)))
    assert values.shape == (3, 10, 12)
    assert float(values[:, :5, :10].min()) == 6
    assert float(values.sum()) == 6 * 3 * 50


def test_an_image_that_the_padding_cannot_hold_is_refused():
    with pytest.raises(InputError, match="12 x 8 pixels does not fit into the 9 x 9 pixels"):
        ImagePreparation(pad=(9, 9))(_image(8, 12))


def test_channels_can_come_out_in_the_other_order():
    image = _image(4, 4)
    theirs = ImagePreparation(order="BGR")(image)
    assert torch.equal(theirs.flip(0), ImagePreparation()(image))
    assert ImagePreparation(order="BGR").facts()["order"] == "BGR"


@pytest.mark.parametrize(("surplus", "first"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_an_odd_surplus_is_cut_where_torchvision_cuts_it(surplus, first):
    side = 4 + surplus
    image = Image.fromarray(np.repeat(np.arange(side, dtype=np.uint8)[:, None, None], side, 1).repeat(3, 2))
    nearest = ImagePreparation(crop=(4, 4), scale=1.0, rounding="nearest")(image)
    down = ImagePreparation(crop=(4, 4), scale=1.0)(image)
    # round() goes to the even number, as torchvision's does.
    assert float(nearest[0, 0, 0]) == first
    assert float(down[0, 0, 0]) == surplus // 2


def test_facts_of_preparations_that_existed_before_are_unchanged():
    assert set(ImagePreparation(size=(4, 4)).facts()) == {"size", "resample", "scale", "mean", "std"}


def test_another_size_keeps_the_share_of_the_image():
    prepare = ImagePreparation(shortest_edge=256, crop=(224, 224)).at_size(112)
    assert (prepare.shortest_edge, prepare.crop) == (128, (112, 112))
    assert square(224).at_size(64) == square(64)
    assert square(224).at_size(64).input_size == 64
