from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics.topology.comparison import compare_topology
from alignkit.metrics.topology.divergence import representation_topology_divergence
from alignkit.stats.permutation_systems import group_permutation_topology, stimulus_permutation_topology


def blobs(n_members, n_points, seed, n_units=3):
    rng = np.random.default_rng(seed)
    return np.stack([pdist(rng.standard_normal((n_points, n_units))) for _ in range(n_members)])


def rings(n_members, n_points, seed):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_members):
        angle = 2 * np.pi * rng.random(n_points)
        points = np.column_stack([np.cos(angle), np.sin(angle)])
        found.append(pdist(points + 0.1 * rng.standard_normal((n_points, 2))))
    return np.stack(found)


@pytest.fixture(scope="module")
def shared():
    """Subjects with one geometry and noise, and a model with, one without it."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((20, 3))
    subjects = np.stack([pdist(truth + 0.5 * rng.standard_normal((20, 3))) for _ in range(2)])
    models = np.stack([pdist(truth), pdist(rng.standard_normal((20, 3)))])
    return subjects, models


def test_a_model_of_the_same_stimuli_is_found_and_another_is_not(shared):
    subjects, models = shared
    found = stimulus_permutation_topology(subjects, models, n_permutations=39)
    assert found.p[0] == 1 / 40
    assert found.p[1] > 0.1
    expected = [
        np.mean([representation_topology_divergence(rdm, model).value for rdm in subjects])
        for model in models
    ]
    np.testing.assert_allclose(found.observed, expected, rtol=1e-12)
    assert found.null.shape == (39, 2)
    assert found.p_min[0] == 1 / 40
    assert (found.p_min >= found.p).all()


def test_the_null_is_of_whole_stimuli_and_of_both_directions(shared):
    subjects, models = shared
    found = stimulus_permutation_topology(subjects[0], models[0], n_permutations=3, random_state=4)
    generator = np.random.default_rng(4)
    for value in found.null[:, 0]:
        order = generator.permutation(20)
        shuffled = squareform(squareform(models[0])[np.ix_(order, order)])
        expected = representation_topology_divergence(subjects[0], shuffled).value
        assert value == pytest.approx(expected, rel=1e-9)


def test_systems_that_share_nothing_are_at_chance():
    p_values = [
        stimulus_permutation_topology(*blobs(2, 10, seed), n_permutations=9, random_state=seed).p[0]
        for seed in range(120)
    ]
    # p is even on .1, .2, ... 1 for exchangeable stimuli: 4 standard errors.
    assert np.mean(p_values) == pytest.approx(0.55, abs=4 * np.sqrt(0.0825 / 120))
    assert np.mean(np.array(p_values) <= 0.1) < 0.1 + 4 * np.sqrt(0.09 / 120)


@pytest.mark.parametrize("method", ["betti", "wasserstein"])
def test_rings_and_blobs_are_told_apart(method):
    found = group_permutation_topology(rings(4, 25, 0), blobs(4, 25, 1, 2), method=method, dimensions=1)
    assert found.exact
    assert found.null.shape == (69,)
    # Exchanging all labels gives the same loss: no labelling can do better than 2 of 70.
    assert found.p == 2 / 70
    assert found.between > found.within


def test_the_joint_loss_is_that_of_its_definition():
    first, second = blobs(3, 10, 0), rings(2, 10, 1)
    found = group_permutation_topology(first, second, n_permutations=4)
    total = 0.0
    for group in (first, second):
        distances = [compare_topology(a, b).value ** 2 for a, b in combinations(group, 2)]
        total += 2 * sum(distances) / (2 * len(group) * (len(group) - 1))
    assert found.observed == pytest.approx(total, rel=1e-9)
    across = np.mean([compare_topology(a, b).value for a in first for b in second])
    assert found.between == pytest.approx(across, rel=1e-9)
    assert not found.exact
    assert found.null.shape == (4,)


@pytest.mark.parametrize("paired", [False, True])
def test_groups_of_one_kind_are_at_chance(paired):
    p_values = np.array(
        [
            group_permutation_topology(
                blobs(4, 8, 2 * seed), blobs(4, 8, 2 * seed + 1), paired=paired, n_permutations=100
            ).p
            for seed in range(100)
        ]
    )
    # The exact null has pairs of equal values, and p is even on them.
    step = 2 / (16 if paired else 70)
    assert p_values.min() >= step
    assert p_values.mean() == pytest.approx((1 + step) / 2, abs=4 * np.sqrt(1 / 12 / 100))


def test_pairs_of_rings_and_blobs_are_told_apart():
    found = group_permutation_topology(rings(6, 20, 0), blobs(6, 20, 1, 2), paired=True, dimensions=1)
    assert found.exact
    assert found.null.shape == (63,)
    assert found.p == 2 / 64


def test_random_labellings_keep_the_sizes_of_groups_and_pairs():
    first, second = blobs(6, 8, 0), blobs(6, 8, 1)
    for paired in (False, True):
        found = group_permutation_topology(first, second, paired=paired, n_permutations=20)
        again = group_permutation_topology(first, second, paired=paired, n_permutations=20)
        np.testing.assert_array_equal(found.null, again.null)
        other = group_permutation_topology(first, second, paired=paired, n_permutations=20, random_state=1)
        assert (other.null != found.null).any()
        assert not found.exact
        whole = group_permutation_topology(first, second, paired=paired, n_permutations=1000)
        assert whole.exact
        possible = np.append(whole.null, whole.observed)
        assert all(np.isclose(possible, value, rtol=1e-9).any() for value in found.null)
        assert len(whole.null) == (2**6 if paired else 924) - 1


def test_identical_groups_give_no_evidence_and_inputs_stay():
    group = blobs(3, 8, 0)
    kept = group.copy()
    found = group_permutation_topology(group, group)
    assert found.p == 1
    np.testing.assert_array_equal(group, kept)
    result = stimulus_permutation_topology(group[0], group[0], n_permutations=9)
    assert result.observed[0] == 0
    assert result.p[0] == 0.1
    np.testing.assert_array_equal(group, kept)


@pytest.mark.parametrize(
    ("data", "models", "message"),
    [
        (np.ones(6), np.ones(10), "of the same stimuli, got 4 and 5"),
        (np.ones(3), np.ones(3), "at least 4 stimuli, got 3"),
        (np.ones((2, 6)), -np.ones((1, 6)), r"`model_rdms\[0\]` holds 6 negative"),
        (np.vstack([np.ones(6), np.zeros(6)]), np.ones(6), r"quantile of `data_rdms\[1\]` is 0"),
        (np.full(6, np.nan), np.ones(6), "`data_rdms` holds 6 NaN"),
        (np.ones(5), np.ones(5), r"`data_rdms\[0\]` has 5 pairs"),
    ],
)
def test_rdms_that_cannot_be_tested_are_refused(data, models, message):
    with pytest.raises(InputError, match=message):
        stimulus_permutation_topology(data, models)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.ones((1, 6)), np.ones((3, 6)), {}, "at least 2 RDMs, got 1 and 3"),
        (np.ones((2, 6)), np.ones((2, 10)), {}, "equally many stimuli, got 4 and 5"),
        (np.ones((2, 6)), np.ones((3, 6)), {"paired": True}, "equally large, got 2 and 3"),
        (np.ones((2, 6)), np.ones((2, 6)), {"n_permutations": 0}, "at least 1, got 0"),
        (np.ones((2, 6)), np.ones((2, 6)), {"dimensions": ()}, "different numbers of 0 or more"),
    ],
)
def test_groups_that_cannot_be_tested_are_refused(first, second, options, message):
    with pytest.raises(InputError, match=message):
        group_permutation_topology(first, second, **options)


def test_rtd_is_no_distance_of_diagrams():
    with pytest.raises(UnknownNameError, match="`method` is 'rtd'.*betti, bottleneck, wasserstein"):
        group_permutation_topology(np.ones((2, 6)), np.ones((2, 6)), method="rtd")
    with pytest.raises(UnknownNameError, match="`normalise` is 'mean'"):
        stimulus_permutation_topology(np.ones(6), np.ones(6), normalise="mean")
