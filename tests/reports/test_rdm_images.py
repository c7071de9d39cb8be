"""Matrices and stimuli become pictures without losing what they show."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import rankdata

from alignkit._core.errors import InputError
from alignkit.reports.rdm_images import (
    axis_layout,
    colours,
    evenly,
    gradient,
    matrix_png,
    percentiles,
    thumbnail_jpeg,
)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_percentiles_keep_only_the_order() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=45)
    expected = 100 * (rankdata(values) - 1) / 44
    np.testing.assert_allclose(percentiles(values), expected)
    np.testing.assert_allclose(percentiles(np.exp(3 * values)), expected)
    assert not np.allclose(percentiles(-values), expected)


def test_percentiles_share_ties_and_keep_what_is_missing() -> None:
    np.testing.assert_array_equal(percentiles(np.array([1.0, np.nan, 1.0, 5.0])), [25, np.nan, 25, 100])
    np.testing.assert_array_equal(percentiles(np.array([np.nan, 2.0])), [np.nan, 50])


def test_a_matrix_is_one_pixel_per_entry_in_the_scale_of_the_page() -> None:
    square = np.array([[np.nan, 0.0, 100.0], [0.0, np.nan, 50.0], [100.0, 50.0, np.nan]])
    pixels = np.asarray(opened(matrix_png(square)).convert("RGB"))
    assert pixels.shape == (3, 3, 3)
    scale = colours(255)
    np.testing.assert_array_equal(pixels[0, 1], scale[0])
    np.testing.assert_array_equal(pixels[0, 2], scale[254])
    np.testing.assert_array_equal(pixels[1, 2], scale[127])
    np.testing.assert_array_equal(pixels[0, 0], (214, 217, 221))
    assert gradient(2) == "#440154, #fde725"


def test_a_large_matrix_shrinks_to_block_means() -> None:
    square = np.kron(np.array([[0.0, 100.0], [100.0, 0.0]]), np.ones((512, 512)))
    pixels = np.asarray(opened(matrix_png(square)).convert("RGB"))
    assert pixels.shape == (512, 512, 3)
    np.testing.assert_array_equal(pixels[0, 0], colours(255)[0])
    np.testing.assert_array_equal(pixels[0, 511], colours(255)[254])


def test_a_stimulus_keeps_its_proportions_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (200, 100), (200, 0, 0, 255)).save(buffer, format="PNG")
    pixels = np.asarray(opened(thumbnail_jpeg(buffer.getvalue(), index=0)), dtype=int)
    assert pixels.shape == (64, 64, 3)
    assert np.abs(pixels[32, 32] - (200, 0, 0)).max() < 6
    assert pixels[4, 32].min() > 249


def test_bytes_that_are_no_picture_are_named() -> None:
    with pytest.raises(InputError, match=r"`rdm_thumbnails\[3\]` is no picture that can be read \(4 bytes\)"):
        thumbnail_jpeg(b"nope", index=3)


@pytest.mark.parametrize("n", [2, 8, 40, 92, 120])
def test_stimuli_along_an_axis_stand_at_their_entry_and_never_overlap(n: int) -> None:
    layout = axis_layout(n)
    places = np.array(layout.offsets)
    centres = places[:, 1] + layout.thumbnail / 2
    np.testing.assert_allclose(centres, (np.arange(n) + 0.5) * layout.cell)
    apart = np.abs(places[:, None] - places[None]).max(axis=-1)[np.triu_indices(n, 1)]
    assert apart.min() >= layout.thumbnail
    assert places[:, 0].min() >= 0
    assert (places[:, 0] + layout.thumbnail).max() <= layout.margin


def test_even_choice_keeps_first_and_last() -> None:
    assert list(evenly(3, 5)) == [0, 1, 2]
    assert list(evenly(9, 3)) == [0, 4, 8]
