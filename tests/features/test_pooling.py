from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.features import pool


def _counting(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)


def test_flatten_keeps_every_unit_in_order():
    maps = _counting(2, 3, 2, 2)
    assert torch.equal(pool(maps, "flatten")[1], torch.arange(12.0, 24.0))


def test_mean_averages_positions_of_maps_and_tokens_of_transformers():
    assert pool(_counting(1, 2, 2, 2), "mean").tolist() == [[1.5, 5.5]]
    assert pool(_counting(1, 3, 2), "mean").tolist() == [[2.0, 3.0]]


def test_mean_does_not_see_where_things_are_and_flatten_does():
    maps = _counting(1, 2, 4, 4)
    shifted = maps.roll(1, 3)
    assert torch.equal(pool(maps, "mean"), pool(shifted, "mean"))
    assert not torch.equal(pool(maps, "flatten"), pool(shifted, "flatten"))


def test_max_takes_the_largest_over_positions_or_tokens():
    assert pool(_counting(1, 2, 2, 2), "max").tolist() == [[3.0, 7.0]]
    assert pool(-_counting(1, 3, 2), "max").tolist() == [[0.0, -1.0]]


@pytest.mark.parametrize("pooling", ["mean", "max", "grid-2"])
def test_maps_along_the_last_axis_are_pooled_as_maps_along_the_first(pooling):
    maps = _counting(2, 3, 4, 4)
    turned = maps.permute(0, 2, 3, 1).contiguous()
    assert torch.equal(pool(turned, pooling, channels_last=True), pool(maps, pooling))
    assert torch.equal(pool(turned, "flatten", channels_last=True), turned.flatten(1))
    tokens = _counting(1, 3, 2)
    assert torch.equal(pool(tokens, "mean", channels_last=True), pool(tokens, "mean"))


def test_a_grid_averages_cells_row_by_row_within_each_map():
    pooled = pool(_counting(1, 2, 4, 4), "grid-2")
    assert pooled.tolist() == [[2.5, 4.5, 10.5, 12.5, 18.5, 20.5, 26.5, 28.5]]


def test_a_grid_of_as_many_cells_as_positions_is_flatten_and_cells_of_uneven_maps_overlap():
    maps = _counting(2, 3, 4, 4)
    assert torch.equal(pool(maps, "grid-4"), pool(maps, "flatten"))
    assert pool(_counting(1, 1, 3, 3), "grid-2").tolist() == [[2.0, 3.0, 5.0, 6.0]]


def test_maps_smaller_than_the_grid_are_refused():
    with pytest.raises(InputError, match=r"'grid-5' wants maps of at least 5 x 5, got shape \(1, 1, 4, 6\)"):
        pool(_counting(1, 1, 4, 6), "grid-5")


def test_tokens_have_no_grid():
    with pytest.raises(InputError, match=r"'grid-2' wants \(n_stimuli, n_maps, height, width\), got shape"):
        pool(_counting(1, 5, 2), "grid-2")


def test_the_class_token_is_the_first():
    assert pool(_counting(2, 3, 2), "class-token").tolist() == [[0.0, 1.0], [6.0, 7.0]]


@pytest.mark.parametrize("pooling", ["flatten", "mean", "max", "class-token", "grid-3"])
def test_rows_of_units_stay_as_they_are(pooling):
    units = _counting(2, 5)
    assert torch.equal(pool(units, pooling), units)


def test_maps_have_no_class_token():
    with pytest.raises(InputError, match=r"wants \(n_stimuli, n_tokens, n_units\), got shape \(1, 2, 3, 3\)"):
        pool(_counting(1, 2, 3, 3), "class-token")


def test_videos_have_no_mean_here():
    with pytest.raises(InputError, match=r"'mean' wants tokens or maps, got shape \(1, 1, 1, 1, 2\)"):
        pool(_counting(1, 1, 1, 1, 2), "mean")


def test_an_unknown_pooling_lists_close_matches():
    with pytest.raises(UnknownNameError, match="did you mean 'class-token'"):
        pool(_counting(1, 2), "class_token")
