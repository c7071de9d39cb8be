from __future__ import annotations

import numpy as np
import pytest
from ripser import ripser
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.progress import reporting
from alignkit.metrics import METRICS
from alignkit.metrics.topology.divergence import representation_topology_divergence


@pytest.fixture(scope="module")
def clouds():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    return X, X + 0.2 * rng.standard_normal((60, 2)), rng.standard_normal((60, 2))


def rtd(X, Y, **options):
    return representation_topology_divergence(pdist(X), pdist(Y), **options)


def divergence_by_definition(a, b):
    """All points of either copy, by the whole block matrix, in single precision."""
    first, second = (squareform(rdm) / np.quantile(squareform(rdm), 0.9) for rdm in (a, b))
    block = np.block([[np.zeros_like(first), first], [first, np.minimum(first, second)]])
    bars = ripser(block, distance_matrix=True)["dgms"][1]
    return float((bars[:, 1] - bars[:, 0]).sum())


def test_divergence_of_the_known_clouds(clouds):
    X, noisy, other = clouds
    np.testing.assert_allclose(rtd(X, noisy).draws, [[2.4530790, 1.9884259]], rtol=1e-6)
    np.testing.assert_allclose(rtd(X, other).draws, [[5.1642663, 5.2141229]], rtol=1e-6)
    assert rtd(X, noisy).value == pytest.approx((2.453079 + 1.988426) / 2, rel=1e-6)


def test_divergence_equals_that_of_the_whole_block_matrix():
    rng = np.random.default_rng(1)
    for n_units in (1, 3, 20):
        a, b = (pdist(rng.standard_normal((25, n_units))) for _ in range(2))
        expected = [divergence_by_definition(a, b), divergence_by_definition(b, a)]
        found = representation_topology_divergence(a, b).draws[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_two_pairs_joined_the_other_way_differ_by_a_component_and_a_loop():
    first, second = [1.0, 3.0, 3.0, 3.0, 3.0, 1.0], [3.0, 1.0, 3.0, 3.0, 1.0, 3.0]
    found = representation_topology_divergence(first, second, normalise="none")
    # From 1 to 3 the first has two components where both together have one, and lacks a loop of theirs.
    np.testing.assert_array_equal(found.draws, [[4, 4]])
    by_largest = representation_topology_divergence(first, second, normalise="max")
    assert by_largest.value == pytest.approx(4 / 3, rel=1e-12)


def test_a_system_does_not_diverge_from_its_rotated_scaled_copy(clouds):
    X = clouds[0]
    rotation = np.linalg.qr(clouds[2][:2])[0]
    assert rtd(X, X).value == 0
    assert rtd(X, 3 * X).value == 0
    assert rtd(X, X @ rotation + 5).value == pytest.approx(0, abs=1e-9)
    assert rtd(X, 3 * X, normalise="none").value > 1


def test_more_noise_diverges_more(clouds):
    X, noise = clouds[0], np.random.default_rng(3).standard_normal((60, 2))
    values = [rtd(X, X + size * noise).value for size in (0, 0.05, 0.3, 2)]
    assert values == sorted(values)
    assert values[-1] > 2 * values[1]


def test_it_sees_which_stimulus_is_which(clouds):
    X = clouds[0]
    order = np.random.default_rng(0).permutation(60)
    assert rtd(X, X[order]).value > 4
    together = rtd(X[order], clouds[1][order]).value
    assert together == pytest.approx(rtd(X, clouds[1]).value, rel=1e-9)


def test_the_directions_swap_with_the_systems(clouds):
    forward, backward = rtd(*clouds[:2]), rtd(clouds[1], clouds[0])
    np.testing.assert_array_equal(forward.draws, backward.draws[:, ::-1])
    assert forward.value == backward.value
    assert METRICS["rtd"](pdist(clouds[0]), pdist(clouds[1])) == forward.value


def test_draws_are_subsets_whose_mean_and_spread_are_reported(clouds):
    found = rtd(*clouds[:2], n_stimuli=30, n_draws=6)
    assert found.draws.shape == (6, 2)
    assert found.n_stimuli == 30
    assert found.value == found.draws.mean()
    assert found.sd == pytest.approx(found.draws.mean(axis=1).std(ddof=1))
    assert 0 < found.value < rtd(*clouds[:2]).value
    again = rtd(*clouds[:2], n_stimuli=30, n_draws=6)
    np.testing.assert_array_equal(found.draws, again.draws)
    assert (rtd(*clouds[:2], n_stimuli=30, n_draws=6, random_state=1).draws != found.draws).any()
    assert rtd(clouds[0], clouds[0], n_stimuli=30, n_draws=2).value == 0
    assert rtd(*clouds[:2], n_stimuli=60).sd == 0
    seen = []
    with reporting(lambda *step: seen.append(step)):
        rtd(*clouds[:2], n_stimuli=10, n_draws=2)
    assert [step[1] for step in seen] == [0, 1, 2]


def test_tensors_come_back_as_tensors_and_arrays_are_left_alone(clouds):
    torch = pytest.importorskip("torch")
    a, b = pdist(clouds[0]), pdist(clouds[1])
    kept = a.copy(), b.copy()
    plain = representation_topology_divergence(a, b)
    tensors = representation_topology_divergence(torch.from_numpy(a), torch.from_numpy(b))
    assert isinstance(tensors.draws, torch.Tensor)
    assert tensors.value == plain.value
    np.testing.assert_array_equal(a, kept[0])
    np.testing.assert_array_equal(b, kept[1])


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.ones(6), np.ones(10), {}, "of the same stimuli, got 4 and 5.*compare_topology"),
        (np.ones(1), np.ones(1), {}, "`a` needs at least 3 stimuli, got 2"),
        (np.ones(6), -np.ones(6), {}, "`b` holds 6 negative distances"),
        (np.ones(6), np.full(6, np.nan), {}, "`b` holds 6 NaN"),
        (np.ones(6), np.zeros(6), {}, "the 0.9 quantile of `b` is 0"),
        (np.zeros(6), np.ones(6), {"normalise": "max"}, "the largest distance of `a` is 0"),
        (np.ones(6), np.ones(6), {"n_stimuli": 5}, "`n_stimuli` must be from 3 to 4.*got 5"),
        (np.ones(6), np.ones(6), {"n_stimuli": 2}, "from 3 to 4.*got 2"),
        (np.ones(6), np.ones(6), {"n_stimuli": 3, "n_draws": 1}, "`n_draws` must be at least 2.*got 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, options, message):
    with pytest.raises(InputError, match=message):
        representation_topology_divergence(a, b, **options)


def test_an_unknown_normalisation_names_the_known():
    with pytest.raises(UnknownNameError, match="`normalise` is 'median'.*max, none, quantile"):
        representation_topology_divergence(np.ones(6), np.ones(6), normalise="median")


def test_two_constant_systems_do_not_diverge():
    assert representation_topology_divergence(np.ones(6), 3 * np.ones(6)).value == 0
    assert representation_topology_divergence(np.zeros(6), np.zeros(6), normalise="none").value == 0
