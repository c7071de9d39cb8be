"""Maps are drawn where they belong, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure

from alignkit._core.errors import InputError
from alignkit.reports import BrainMap, RunSummary, plot_map
from alignkit.reports.maps import MOST_SLICES, is_mni, map_limits


@pytest.fixture
def volume(summary: RunSummary) -> Callable[[Any], BrainMap]:
    def make(values: Any) -> BrainMap:
        affine = np.diag([2.0, 2.0, 3.0, 1.0])
        return replace(summary.maps[1], image=nib.Nifti1Image(np.asarray(values, dtype=np.float32), affine))

    return make


def images(figure: Figure) -> list[Any]:
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_mni_maps_get_slices_and_a_glass_brain_unknown_to_pyplot(summary: RunSummary) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    figures = plot_map(summary.maps[0])
    assert len(figures) == 2
    assert plt.get_fignums() == before


def test_space_decides_how_a_map_is_drawn(summary: RunSummary) -> None:
    assert is_mni(summary.maps[0])
    assert not is_mni(summary.maps[1])
    assert len(plot_map(summary.maps[1])) == 1


def test_a_single_slice_shows_its_values_and_leaves_the_rest_empty(summary: RunSummary) -> None:
    (figure,) = plot_map(summary.maps[1])
    (drawn, *_) = images(figure)
    shown = np.ma.asarray(drawn.get_array())
    expected = np.asarray(summary.maps[1].image.dataobj)[8:32, 4:16, 0].T
    np.testing.assert_allclose(shown.compressed(), expected.ravel())
    # Two voxels of margin on each side are empty.
    assert shown.shape == (16, 28)


def test_left_stands_left_whatever_way_voxels_are_stored(volume: Callable[[Any], BrainMap]) -> None:
    values = np.zeros((4, 3, 1))
    values[0] = 1.0
    straight = volume(values)
    flipped_image = nib.Nifti1Image(values[::-1].astype(np.float32), np.diag([-2.0, 2.0, 3.0, 1.0]))
    for one in (straight, replace(straight, image=flipped_image)):
        (figure,) = plot_map(one)
        assert np.asarray(images(figure)[0].get_array())[:, 0].tolist() == [1.0, 1.0, 1.0]
        axes = figure.axes[0]
        assert (axes.get_title(loc="left"), axes.get_title(loc="right")) == ("L", "R")


def test_many_slices_are_thinned_evenly_and_named_in_millimetres(volume: Callable[[Any], BrainMap]) -> None:
    (figure,) = plot_map(volume(np.ones((5, 5, 40))))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title().startswith("z")]
    assert len(titles) == MOST_SLICES
    assert (titles[0], titles[-1]) == ("z = 0 mm", "z = 117 mm")


def test_limits_start_at_zero_or_are_even_about_it(volume: Callable[[Any], BrainMap]) -> None:
    positive, negative = volume(np.full((2, 2, 2), 0.5)), volume(np.full((2, 2, 2), -0.75))
    assert map_limits([positive]) == (0.0, 0.5)
    assert map_limits([positive, negative]) == (-0.75, 0.75)


def test_a_map_without_values_or_with_time_is_refused(volume: Callable[[Any], BrainMap]) -> None:
    with pytest.raises(InputError, match=r"the map 'Classification weight' holds no finite value"):
        plot_map(volume(np.full((2, 2, 2), np.nan)))
    with pytest.raises(InputError, match=r"must have 3 dimensions, got shape \(2, 2, 2, 3\)"):
        plot_map(volume(np.ones((2, 2, 2, 3))))
