from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.simulation.anatomy import occipital_grid, place_regions
from alignkit.simulation.responses import DEFAULT_REGIONS, Region


def test_the_grid_is_the_mni_brain_at_four_millimetres_where_the_affine_says():
    from nilearn.datasets import load_mni152_brain_mask

    grid = occipital_grid()
    np.testing.assert_array_equal(np.diag(grid.affine)[:3], 4)
    template = load_mni152_brain_mask(resolution=4)
    inverse = np.linalg.inv(template.affine)
    index = np.round(grid.coordinates_mm @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    assert (np.asarray(template.dataobj)[tuple(index.T)] == 1).all()
    assert 2000 < grid.mask.sum() < 4000
    assert not grid.mask.all()


def test_regions_lie_where_they_are_said_to_and_do_not_overlap():
    grid = occipital_grid()
    labels = place_regions(grid, DEFAULT_REGIONS)
    for number, region in enumerate(DEFAULT_REGIONS, start=1):
        places = grid.coordinates_mm[labels == number]
        assert len(places) == region.n_voxels
        right = places[places[:, 0] >= 0]
        assert len(right) == region.n_voxels / 2
        assert np.linalg.norm(right.mean(axis=0) - region.centre_mm) < 8


def test_a_region_that_does_not_fit_is_refused_with_the_room_there_is():
    with pytest.raises(InputError, match="region 'huge' wants 2500 voxels near .* lower `n_voxels`"):
        place_regions(occipital_grid(), [Region("huge", "pixels", "pixels", n_voxels=5000)])
    with pytest.raises(InputError, match="region 'front' wants 50 voxels .* but 0 of 4 mm are free"):
        far = Region("front", "pixels", "pixels", centre_mm=(10.0, 60.0, 0.0))
        place_regions(occipital_grid(), [far])
