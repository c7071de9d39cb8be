from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.simulation.images import make_stimuli
from alignkit.simulation.responses import (
    DEFAULT_REGIONS,
    Region,
    check_regions,
    model_features,
    planted_responses,
    truth_table,
)


@pytest.fixture
def units():
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, size=(40, 8)) @ rng.gamma(0.3, size=(8, 300))


def test_region_mean_is_zero_and_pooled_variance_is_one(units):
    planted = planted_responses(units, n_voxels=50, random_state=0)
    assert planted.mean() == pytest.approx(0, abs=1e-12)
    assert planted.var(axis=0).mean() == pytest.approx(1)


def test_one_input_per_voxel_is_a_scaled_copy_of_a_unit(units):
    planted = planted_responses(units, n_voxels=20, n_inputs=1, random_state=0)
    r = np.corrcoef(planted.T, units.T)[:20, 20:]
    np.testing.assert_allclose(r.max(axis=1), 1)


def test_weights_are_never_negative(units):
    """Every voxel lies in the cone of the units: least squares with weights of at least 0 reproduces it."""
    from scipy.optimize import nnls

    few = units[:, :6]
    planted = planted_responses(few, n_voxels=5, n_inputs=3, random_state=1)
    centred = few - few.mean(axis=0)
    for voxel in (planted - planted.mean(axis=0)).T:
        weights, residual = nnls(centred, voxel)
        assert residual < 1e-9
        assert 1 <= (weights > 1e-9).sum() <= 3


def test_correlation_distances_of_the_model_survive_in_its_voxels(units):
    planted = planted_responses(units, n_voxels=400, n_inputs=2, random_state=0)
    r = spearmanr(pdist(planted, "correlation"), pdist(units, "correlation"))[0]
    shuffled = spearmanr(pdist(planted, "correlation"), pdist(units[::-1], "correlation"))[0]
    assert r > 0.6
    assert abs(shuffled) < 0.15


def test_silent_units_are_never_drawn(units):
    units[:, :299] = 5.0
    planted = planted_responses(units, n_voxels=10, random_state=0)
    np.testing.assert_allclose(np.corrcoef(planted.T, units[:, 299])[-1], 1)


def test_the_same_seed_gives_the_same_bits_and_another_subject_other_weights(units):
    before = units.copy()
    first, again, other = (planted_responses(units, n_voxels=9, random_state=seed) for seed in (5, 5, 6))
    assert (first == again).all()
    assert not np.allclose(first, other)
    assert (units == before).all()


def test_units_that_never_vary_are_refused():
    with pytest.raises(InputError, match="none of the 3 units varies over the 5 stimuli"):
        planted_responses(np.ones((5, 3)), n_voxels=2)


@pytest.mark.parametrize("field", ["n_voxels", "snr", "n_inputs", "peak_s"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_region_refuses_numbers_that_are_not_positive(field, value):
    with pytest.raises(InputError, match=f"`{field}` of region 'V4' must be above 0, got {value}"):
        Region("V4", "pixels", "pixels", **{field: value})


def test_a_region_without_a_name_is_refused():
    with pytest.raises(InputError, match="a region needs a name"):
        Region("", "pixels", "pixels")


def test_no_region_and_a_name_that_comes_twice_are_refused():
    with pytest.raises(InputError, match="`regions` needs at least one region"):
        check_regions([])
    with pytest.raises(InputError, match="`regions` must be unique.*'EVC'"):
        check_regions([DEFAULT_REGIONS[0], DEFAULT_REGIONS[0]])


def test_the_truth_names_the_early_and_the_late_model():
    truth = truth_table(DEFAULT_REGIONS).set_index("roi")
    assert truth.loc["EVC", ["model", "layer"]].to_list() == ["gabor-energy", "energy"]
    assert truth.loc["LOC", ["model", "layer"]].to_list() == ["hmax", "c2"]
    assert truth.loc["EVC", "peak_s"] < truth.loc["LOC", "peak_s"]


def test_model_features_are_the_layers_own_units_without_projection(tmp_path):
    stimuli = make_stimuli(tmp_path / "stimuli", n_images=8, size=32)
    regions = [Region("A", "pixels", "pixels"), Region("B", "gabor-energy", "scale1")]
    features = model_features(stimuli, regions)
    expected = np.asarray(stimuli.open(stimuli.stimulus_ids[3]), dtype=np.float32).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(features["A"][3], expected.ravel(), atol=1e-6)
    assert features["B"].shape[0] == 8


def test_an_unknown_model_or_layer_lists_close_matches(tmp_path):
    stimuli = make_stimuli(tmp_path / "stimuli", n_images=8, size=32)
    with pytest.raises(UnknownNameError, match="did you mean 'gabor-energy'"):
        model_features(stimuli, [Region("A", "gabor-enrgy", "energy")])
    with pytest.raises(UnknownNameError, match="`layer` is 'pixel', did you mean 'pixels'"):
        model_features(stimuli, [Region("A", "pixels", "pixel")])
