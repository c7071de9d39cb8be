from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics.topology.betti import betti_distance
from alignkit.metrics.topology.comparison import compare_topology
from alignkit.metrics.topology.diagrams import diagram_distance
from alignkit.metrics.topology.divergence import representation_topology_divergence
from alignkit.metrics.topology.homology import persistent_homology

METHODS = ["betti", "bottleneck", "rtd", "wasserstein"]
UNLABELLED = ["betti", "bottleneck", "wasserstein"]


def ring(n_points, seed):
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * rng.random(n_points)
    return pdist(np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((n_points, 2)))


def blob(n_points, seed):
    return pdist(np.random.default_rng(seed).standard_normal((n_points, 2)))


@pytest.mark.parametrize("method", METHODS)
def test_a_system_and_its_scaled_copy_are_at_0(method):
    a = blob(30, 0)
    assert compare_topology(a, a, method=method).value == 0
    assert compare_topology(a, 3 * a, method=method).value == pytest.approx(0, abs=1e-12)
    assert compare_topology(a, 3 * a, method=method, normalise="max").value == pytest.approx(0, abs=1e-12)
    assert compare_topology(a, 3 * a, method=method, normalise="none").value > 0.5


@pytest.mark.parametrize("method", UNLABELLED)
def test_rings_are_nearer_to_each_other_than_to_blobs(method):
    same = compare_topology(ring(40, 0), ring(40, 1), method=method, dimensions=1).value
    other = compare_topology(ring(40, 0), blob(40, 1), method=method, dimensions=1).value
    assert other > 1.5 * same


def test_methods_are_those_of_the_diagrams():
    a, b = ring(30, 0), blob(30, 1)
    first, second = persistent_homology(a), persistent_homology(b)
    wasserstein = [diagram_distance(first[k], second[k]) for k in (0, 1)]
    bottleneck = [diagram_distance(first[k], second[k], kind="bottleneck") for k in (0, 1)]
    area = [betti_distance(first[k], second[k]) for k in (0, 1)]
    plain = {"normalise": "none"}
    assert compare_topology(a, b, **plain).value == pytest.approx(sum(wasserstein))
    assert compare_topology(a, b, dimensions=1, **plain).value == pytest.approx(wasserstein[1])
    assert compare_topology(a, b, method="bottleneck", **plain).value == pytest.approx(max(bottleneck))
    assert compare_topology(a, b, method="betti", dimensions=[1, 0], **plain).value == pytest.approx(
        sum(area)
    )
    rtd = representation_topology_divergence(a, b)
    assert compare_topology(a, b, method="rtd").value == rtd.value


def test_only_rtd_sees_which_stimulus_is_which():
    points = np.random.default_rng(0).standard_normal((30, 2))
    a, shuffled = pdist(points), pdist(points[np.random.default_rng(1).permutation(30)])
    for method in UNLABELLED:
        assert compare_topology(a, shuffled, method=method).value == pytest.approx(0, abs=1e-12)
    assert compare_topology(a, shuffled, method="rtd").value > 1


@pytest.mark.parametrize("method", METHODS)
def test_registered_distances_are_symmetric_and_have_the_defaults(method):
    a, b = ring(25, 0), blob(25, 1)
    metric = METRICS["rtd" if method == "rtd" else f"topology-{method}"]
    assert metric(a, b) == compare_topology(a, b, method=method).value
    assert metric(b, a) == pytest.approx(metric(a, b), rel=1e-12)


def test_the_larger_system_is_drawn_down_to_the_smaller():
    small, large = blob(20, 0), blob(50, 1)
    found = compare_topology(small, large, n_draws=5)
    assert found.n_stimuli == 20
    assert found.draws.shape == (5,)
    assert found.sd == pytest.approx(found.draws.std(ddof=1)) and found.sd > 0
    # Without this, the number of components alone would set them apart.
    counts = [len(persistent_homology(rdm, max_dim=0)[0]) for rdm in (small, large)]
    assert counts == [20, 50]
    by_count = diagram_distance(persistent_homology(small)[0], persistent_homology(large)[0])
    assert found.value < by_count


def test_draws_take_the_same_stimuli_of_systems_of_equal_size():
    a = blob(40, 0)
    found = compare_topology(a, a, n_stimuli=15, n_draws=4)
    np.testing.assert_array_equal(found.draws, 0)
    assert found.n_stimuli == 15
    rtd = compare_topology(a, ring(40, 0), method="rtd", n_stimuli=15, n_draws=4)
    assert rtd.draws.shape == (4,)
    whole = compare_topology(a, ring(40, 0), n_draws=4)
    assert (whole.sd, whole.draws.shape) == (0, (1,))


def test_the_same_seed_gives_the_same_bits_and_inputs_stay():
    a, b = blob(20, 0), blob(30, 1)
    kept = a.copy()
    first, second = (compare_topology(a, b, n_draws=3, random_state=5) for _ in range(2))
    np.testing.assert_array_equal(first.draws, second.draws)
    assert (compare_topology(a, b, n_draws=3, random_state=6).draws != first.draws).any()
    np.testing.assert_array_equal(a, kept)


def test_tensors_come_back_as_tensors():
    torch = pytest.importorskip("torch")
    a, b = blob(15, 0), blob(15, 1)
    found = compare_topology(torch.from_numpy(a), torch.from_numpy(b))
    assert isinstance(found.draws, torch.Tensor)
    assert found.value == compare_topology(a, b).value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": ()}, r"different numbers of 0 or more, got \(\)"),
        ({"dimensions": -1}, "got -1"),
        ({"dimensions": (1, 1)}, r"got \(1, 1\)"),
        ({"method": "rtd", "dimensions": 1}, "'rtd' takes no `dimensions`, got 1"),
        ({"method": "rtd"}, "of the same stimuli, got 5 and 4"),
        ({"n_stimuli": 5}, "from 3 to 4, which both systems have, got 5"),
        ({"n_draws": 1}, "at least 2 to know the spread over draws, got 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        compare_topology(np.ones(10), np.ones(6), **options)


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match="`method` is 'wasserstien', did you mean 'wasserstein'"):
        compare_topology(np.ones(6), np.ones(6), method="wasserstien")
    with pytest.raises(UnknownNameError, match="`normalise` is 'mean'"):
        compare_topology(np.ones(6), np.ones(6), normalise="mean")
