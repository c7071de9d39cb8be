from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import identify_layers, threshold_grid, topological_transform


def layers(n_instances=6, n_layers=4, n_stimuli=14, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    clouds = rng.standard_normal((n_layers, n_stimuli, 5))
    noisy = clouds + noise * rng.standard_normal((n_instances, n_layers, n_stimuli, 5))
    return np.array([[pdist(cloud) for cloud in instance] for instance in noisy])


def by_hand(vectors, held_out, left_out=None):
    """Return which layers of an instance are nearest to their own centroid."""
    others = [i for i in range(len(vectors)) if i not in (held_out, left_out)]
    centroids = vectors[others].mean(axis=0)
    distances = np.linalg.norm(vectors[held_out][:, None] - centroids, axis=2)
    return distances.argmin(axis=1)


def test_identification_equals_nearest_centroids_by_hand():
    values = layers(noise=1.5)
    result = identify_layers(values, transform="none")
    for instance in range(6):
        hits = by_hand(values, instance) == np.arange(4)
        assert result.by_instance[instance] == hits.mean()
    assert result.accuracy == result.by_instance.mean()
    assert 0.25 < result.accuracy < 1
    assert result.confusion.sum() == 24
    assert np.trace(result.confusion) / 24 == pytest.approx(result.accuracy)
    assert result.standard_error == pytest.approx(result.by_instance.std(ddof=1) / np.sqrt(6))
    assert np.isnan(result.chosen).all()


def test_thresholds_are_chosen_without_the_held_out_instance():
    values = layers(noise=1.5)
    lower, upper = threshold_grid(3)
    result = identify_layers(values, lower=lower, upper=upper)
    vectors = topological_transform(values.reshape(-1, values.shape[-1]), lower=lower, upper=upper)
    vectors = vectors.reshape(len(lower), *values.shape)
    for held_out in range(6):
        accuracy = [
            np.mean([by_hand(member, i, held_out) == np.arange(4) for i in range(6) if i != held_out])
            for member in vectors
        ]
        best = np.flatnonzero((lower == result.chosen[held_out, 0]) & (upper == result.chosen[held_out, 1]))
        assert accuracy[best[0]] == max(accuracy)
        hits = by_hand(vectors[best[0]], held_out) == np.arange(4)
        assert result.by_instance[held_out] == hits.mean()
    for member, accuracy in zip(vectors, result.grid_accuracy, strict=True):
        assert accuracy == pytest.approx(identify_layers(member, transform="none").accuracy)


def test_the_best_of_a_grid_is_optimistic_and_the_chosen_one_is_not():
    rng = np.random.default_rng(0)
    lower, upper = threshold_grid(6)
    best, chosen = [], []
    for _ in range(15):
        noise = rng.random((6, 4, 45))
        result = identify_layers(noise, lower=lower, upper=upper)
        best.append(result.grid_accuracy.max())
        chosen.append(result.accuracy)
    # A layer's own centroid lacks its noise and is no farther than others: chance is a quarter.
    assert np.mean(best) > 0.35
    assert abs(np.mean(chosen) - 0.25) < 3 * np.std(chosen) / np.sqrt(15)


def test_the_held_out_instance_does_not_change_what_is_chosen_for_it():
    values = layers(noise=1.5)
    changed = values.copy()
    changed[2] = np.random.default_rng(5).random(values[2].shape)
    lower, upper = threshold_grid(4)
    before, after = (identify_layers(v, lower=lower, upper=upper).chosen[2] for v in (values, changed))
    np.testing.assert_array_equal(before, after)


def test_ranks_do_not_see_how_an_instance_scales_its_distances():
    values = layers(noise=0.5)
    warped = values ** np.linspace(0.5, 3, 6)[:, None, None]
    assert identify_layers(values, transform="none").accuracy == 1
    assert identify_layers(warped, transform="none").accuracy < 0.9
    for transform in ("rank", "geo-topological", "geodesic"):
        before, after = (identify_layers(v, transform=transform) for v in (values, warped))
        assert before.accuracy == after.accuracy > 0.9
    scaled = values * np.linspace(1, 9, 6)[:, None, None]
    assert identify_layers(scaled, transform="none").accuracy < 0.9
    assert identify_layers(scaled, transform="none", distance="correlation").accuracy == 1


def test_the_whole_range_of_ranks_equals_ranks():
    values = layers(noise=1.5)
    ranks = identify_layers(values, transform="rank")
    whole = identify_layers(values, transform="geo-topological")
    np.testing.assert_array_equal(ranks.confusion, whole.confusion)
    np.testing.assert_array_equal(whole.chosen, np.tile([0.0, 1.0], (6, 1)))


def test_tensors_come_back_as_tensors_and_input_is_left_alone():
    torch = pytest.importorskip("torch")
    values = layers()
    before = values.copy()
    found = identify_layers(torch.from_numpy(values), lower=0.2, upper=0.8)
    assert isinstance(found.by_instance, torch.Tensor)
    np.testing.assert_array_equal(
        found.by_instance.numpy(), identify_layers(values, lower=0.2, upper=0.8).by_instance
    )
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.ones((2, 3, 6)), {}, "at least 3 instances and 2 layers, got `rdms` with 2 and 3"),
        (np.ones((5, 1, 6)), {}, "got `rdms` with 5 and 1"),
        (
            layers(3),
            {"lower": [0, 0.1], "upper": 1},
            "at least 4 instances to choose thresholds and 2 layers",
        ),
        (np.ones((4, 3, 6)), {}, "RDM 0 is constant"),
        (np.ones((4, 3, 6)), {"transform": "none", "distance": "correlation"}, "transformed RDM is constant"),
        (np.full((4, 3, 6), np.nan), {}, "`rdms` holds 72 NaN"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(values, options, message):
    with pytest.raises(InputError, match=message):
        identify_layers(values, **options)


def test_unknown_options_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'geo-topological'"):
        identify_layers(layers(), transform="topological")
    with pytest.raises(UnknownNameError, match="correlation, euclidean"):
        identify_layers(layers(), distance="manhattan")


def test_what_holds_no_pairs_of_stimuli_is_refused():
    with pytest.raises(InputError, match="at least the 3 pairs of 3 stimuli, got 0"):
        identify_layers(np.ones((3, 2, 0)), transform="none")
    with pytest.raises(InputError, match="4 pairs are not the pairs of any number of stimuli"):
        identify_layers(np.random.default_rng(0).random((3, 2, 4)), transform="none")
