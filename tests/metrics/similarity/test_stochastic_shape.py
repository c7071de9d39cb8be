from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import norm

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics.similarity import _rotation_search as rotation_search
from alignkit.metrics.similarity.procrustes import shape_distance
from alignkit.metrics.similarity.stochastic_shape import gaussian_shape_distance, stochastic_shape_distance


def rotation(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def noisy_pair(n_repeats=12, n_stimuli=10, n_units=4, seed=0):
    """Return trials of two systems that share some of their means, with stimulus-dependent noise."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((2, n_stimuli, n_units))
    means[1] = (means[0] + means[1]) @ rotation(n_units, 5)
    spread = rng.standard_normal((2, n_stimuli, n_units, n_units)) / np.sqrt(n_units)
    noise = rng.standard_normal((2, n_repeats, n_stimuli, n_units))
    return tuple(means[:, None] + np.einsum("srij,sijk->srik", noise, spread))


def planar_rotations(n_angles=720):
    angles = np.arange(n_angles) * 2 * np.pi / n_angles
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    turns = np.moveaxis(turns, 2, 0)
    return np.concatenate([turns, turns * [1, -1]])


def bures(A, B):
    root = sqrtm(A).real
    return np.trace(A) + np.trace(B) - 2 * np.trace(sqrtm(root @ B @ root)).real


def test_gaussian_distances_equal_known_values():
    rs = np.random.RandomState(0)
    rs.randn(20 * 8 + 20 * 8 + 20 * 12 + 50 * 6)
    rs.rand(45)
    rs.randn(6 * 45)
    means_x, means_y = rs.randn(5, 4), rs.randn(5, 4)
    covs = np.array([0.1 * (i + 1) * np.eye(4) for i in range(5)])
    for alpha, expected in ((0, 0.7737720171746794), (1, 2.146499024041871), (2, 2.9353352425000523)):
        found = gaussian_shape_distance(means_x, covs, means_y, covs[::-1], alpha=alpha, center=False)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 1.7])
def test_the_gaussian_minimum_over_all_planar_rotations_is_found(alpha):
    X, Y = noisy_pair(n_units=2)
    means = [side.mean(axis=0) - side.mean(axis=(0, 1)) for side in (X, Y)]
    covs = [np.stack([np.cov(side[:, i].T) for i in range(side.shape[1])]) for side in (X, Y)]

    def squared(T):
        gaps = alpha * np.sum((means[0] - means[1] @ T) ** 2, axis=1)
        return np.mean(gaps + [(2 - alpha) * bures(A, T.T @ B @ T) for A, B in zip(*covs, strict=True)])

    grid = planar_rotations(90)
    coarse = [squared(T) for T in grid]
    turns = np.linspace(-0.05, 0.05, 41)
    near = grid[int(np.argmin(coarse))]
    fine = [squared(near @ np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])) for t in turns]
    found = stochastic_shape_distance(X, Y, alpha=alpha, squared=True)
    assert found <= min(fine) * (1 + 1e-9)
    assert found == pytest.approx(min(fine), rel=1e-5)
    given = gaussian_shape_distance(means[0], covs[0], means[1], covs[1], alpha=alpha)
    assert given == pytest.approx(np.sqrt(found), rel=1e-6)


def test_the_energy_minimum_over_all_planar_rotations_is_found():
    X, Y = noisy_pair(n_units=2)
    X, Y = (np.swapaxes(side - side.mean(axis=(0, 1)), 0, 1) for side in (X, Y))
    between = min(np.mean([cdist(x, y @ T) for x, y in zip(X, Y, strict=True)]) for T in planar_rotations())
    n_repeats = X.shape[1]
    within = [np.mean([cdist(x, x).sum() for x in side]) / (n_repeats * (n_repeats - 1)) for side in (X, Y)]
    trials = [np.swapaxes(side, 0, 1) for side in (X, Y)]
    found = stochastic_shape_distance(*trials, kind="energy", squared=True)
    assert found == pytest.approx(between - sum(within) / 2, rel=1e-3)
    assert found <= between - sum(within) / 2 + 1e-9


def test_energy_distance_of_two_normals_equals_the_known_value():
    quantiles = norm.ppf((np.arange(1000) + 0.5) / 1000)[:, None, None]
    found = stochastic_shape_distance(quantiles, quantiles + 1, kind="energy", center=False, squared=True)
    assert found == pytest.approx(0.270903, abs=2e-3)


def test_commuting_covariances_under_means_that_fix_the_rotation_have_the_closed_distance():
    means = 1e4 * np.random.default_rng(0).standard_normal((6, 2))
    covs = [np.tile(np.diag(values), (6, 1, 1)) for values in ([1.0, 4.0], [9.0, 1.0])]
    assert gaussian_shape_distance(means, covs[0], means, covs[1]) ** 2 == pytest.approx(5, rel=1e-6)


def test_restarts_leave_a_saddle_where_the_first_start_stays():
    means, covs = np.zeros((2, 2)), [np.tile(np.diag(v), (2, 1, 1)) for v in ([1.0, 4.0], [9.0, 1.0])]
    stuck = gaussian_shape_distance(means, covs[0], means, covs[1], n_restarts=0)
    assert stuck**2 == pytest.approx(5, rel=1e-6)
    assert gaussian_shape_distance(means, covs[0], means, covs[1]) ** 2 == pytest.approx(1, rel=1e-6)


def test_random_starts_cover_rotations_and_reflections():
    starts = []

    def objective(T):
        starts.append(np.linalg.det(T))
        return 1.0, T

    search = rotation_search.Search(n_restarts=8, max_iter=1, tol=0, random_state=0)
    rotation_search.best_rotation(objective, np.eye(2), search)
    assert sorted(round(det) for det in starts[1:9]) == [-1] * 4 + [1] * 4


def test_alpha_2_is_twice_the_squared_deterministic_distance():
    X, Y = noisy_pair()
    expected = np.sqrt(2 / 10) * shape_distance(X.mean(axis=0), Y.mean(axis=0), kind="euclidean")
    assert stochastic_shape_distance(X, Y, alpha=2) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["gaussian", "energy"])
def test_rotated_and_moved_trials_are_the_same_system(kind):
    X, Y = noisy_pair()
    moved = X @ rotation(4) + 3
    squared = stochastic_shape_distance(X, moved, kind=kind, squared=True)
    if kind == "gaussian":
        assert stochastic_shape_distance(X, moved) < 1e-6
    else:
        # Unbiased: a trial meets itself in the other system, but not in its own.
        assert squared < 0
        assert stochastic_shape_distance(X, moved, kind=kind) == 0
    before = stochastic_shape_distance(X, Y, kind=kind)
    assert stochastic_shape_distance(moved, Y, kind=kind) == pytest.approx(before, rel=1e-7)
    assert stochastic_shape_distance(Y, X, kind=kind) == pytest.approx(before, rel=1e-7)
    assert stochastic_shape_distance(X[:, ::-1], Y[:, ::-1], kind=kind) == pytest.approx(before, rel=1e-7)
    assert abs(stochastic_shape_distance(2 * X, Y, kind=kind) - before) > 1e-2


@pytest.mark.parametrize("kind", ["gaussian", "energy"])
def test_numbers_of_repeats_and_units_may_differ(kind):
    X, Y = noisy_pair(n_units=3)
    Y = np.concatenate([Y, Y[:4] + 0.1])
    expected = stochastic_shape_distance(X, Y, kind=kind)
    padded = np.pad(X, ((0, 0), (0, 0), (0, 2)))
    assert stochastic_shape_distance(padded, Y, kind=kind) == pytest.approx(expected, rel=1e-6)
    # Many units in few dimensions are reduced without loss.
    wide = X @ rotation(400)[:3]
    assert stochastic_shape_distance(wide, Y, kind=kind) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["gaussian", "energy"])
def test_the_triangle_inequality_holds(kind):
    rng = np.random.default_rng(0)
    for _ in range(5):
        spreads = (1, 2, 4)
        sides = [s * rng.standard_normal((60, 4, 2)) + 2 * rng.standard_normal((4, 2)) for s in spreads]
        pairs = ((0, 1), (1, 2), (0, 2))
        xy, yz, xz = (stochastic_shape_distance(sides[i], sides[j], kind=kind) for i, j in pairs)
        assert 0 < xz <= xy + yz + 1e-6
        assert xy <= xz + yz + 1e-6
        assert yz <= xy + xz + 1e-6


def test_noise_that_differs_is_seen_where_means_do_not():
    rng = np.random.default_rng(0)
    means = rng.standard_normal((10, 4))
    X, Y = means + rng.standard_normal((200, 10, 4)), means + 3 * rng.standard_normal((200, 10, 4))
    same = means + rng.standard_normal((200, 10, 4))
    for kind in ("gaussian", "energy"):
        assert stochastic_shape_distance(X, Y, kind=kind) > 3 * stochastic_shape_distance(X, same, kind=kind)


def test_few_repeats_have_a_floor_that_shrinkage_lowers():
    rng = np.random.default_rng(0)
    trials = rng.standard_normal((10, 6)) + rng.standard_normal((12, 10, 6))
    halves = trials[:6], trials[6:]
    floors = [stochastic_shape_distance(*halves, shrinkage=s) for s in (0.0, 0.5, 1.0)]
    assert floors[0] > floors[1] > floors[2] > 0.5
    many = rng.standard_normal((10, 6)) + rng.standard_normal((800, 10, 6))
    assert stochastic_shape_distance(many[:400], many[400:]) < floors[2] / 2


def test_shrinkage_is_towards_the_mean_covariance():
    X, Y = noisy_pair()
    sides = []
    for side in (X, Y):
        covs = np.stack([np.cov(side[:, i].T) for i in range(10)])
        sides += [side.mean(axis=0), 0.7 * covs + 0.3 * covs.mean(axis=0)]
    assert stochastic_shape_distance(X, Y, shrinkage=0.3) == pytest.approx(
        gaussian_shape_distance(*sides), rel=1e-6
    )


def test_no_step_raises_the_cost(monkeypatch):
    X, Y = noisy_pair(n_units=6)
    descend, costs = rotation_search._descend, []

    def one_by_one(objective, state, n_steps, tol):
        for _ in range(n_steps):
            costs.append(state.cost)
            state = descend(objective, state, 1, tol)
        return state

    monkeypatch.setattr(rotation_search, "_descend", one_by_one)
    stochastic_shape_distance(X, Y, alpha=0.3, n_restarts=0, max_iter=60)
    assert len(costs) > 20
    assert (np.diff(costs) <= 1e-12).all()
    assert costs[-1] < costs[0]


def test_the_same_seed_gives_the_same_bits_and_inputs_are_left_alone():
    X, Y = noisy_pair()
    before = X.copy()
    found = {stochastic_shape_distance(X, Y, alpha=0.2, random_state=3) for _ in range(2)}
    assert len(found) == 1
    np.testing.assert_array_equal(X, before)


def test_a_search_that_is_cut_short_says_so():
    X, Y = noisy_pair()
    for kind in ("gaussian", "energy"):
        with pytest.warns(UserWarning, match="still improving after 2 steps; the distance is an upper bound"):
            stochastic_shape_distance(X, Y, kind=kind, max_iter=2)


def test_one_unit_one_stimulus_repeated_trials_and_integers_are_fine():
    X = np.array([[[1], [2]], [[1], [2]], [[1], [4]]])
    assert stochastic_shape_distance(X, -X) == pytest.approx(0, abs=1e-7)
    assert stochastic_shape_distance(X, 2 * X, kind="energy") > 0
    single = stochastic_shape_distance(X[:, :1], X[:, 1:], center=False)
    assert single == pytest.approx(np.sqrt((8 / 3 - 1) ** 2 + 4 / 3), rel=1e-9)


def test_bad_trials_are_refused_with_their_numbers():
    X, Y = noisy_pair()
    with pytest.raises(InputError, match="same stimuli, got 10 and 9"):
        stochastic_shape_distance(X, Y[:, :9])
    with pytest.raises(InputError, match="at least 2 repeats.*got shape \\(1, 10, 4\\)"):
        stochastic_shape_distance(X[:1], Y)
    with pytest.raises(InputError, match="2 stimuli .to be centred., got shape \\(12, 1, 4\\)"):
        stochastic_shape_distance(X, Y[:, :1])
    with pytest.raises(InputError, match="`Y_trials` must have 3 dimension"):
        stochastic_shape_distance(X, Y[0])
    with pytest.raises(InputError, match="`X_trials` holds 4 NaN"):
        stochastic_shape_distance(
            np.where(np.arange(12)[:, None, None] + np.arange(10)[:, None] == 0, np.nan, X), Y
        )


def test_options_out_of_range_are_refused_with_their_numbers():
    X, Y = noisy_pair()
    with pytest.raises(InputError, match="`alpha` goes from 0 .* got 2.5"):
        stochastic_shape_distance(X, Y, alpha=2.5)
    with pytest.raises(InputError, match="are for kind 'gaussian', got 0.5 and 0 with 'energy'"):
        stochastic_shape_distance(X, Y, kind="energy", alpha=0.5)
    with pytest.raises(InputError, match="`shrinkage` is a share from 0 to 1, got 2"):
        stochastic_shape_distance(X, Y, shrinkage=2)
    with pytest.raises(InputError, match="got -1, 1e-09 and 1000"):
        stochastic_shape_distance(X, Y, n_restarts=-1)
    with pytest.raises(UnknownNameError, match="did you mean 'gaussian'"):
        stochastic_shape_distance(X, Y, kind="gauss")


def test_bad_covariances_are_refused_with_their_numbers():
    means, covs = np.random.default_rng(0).standard_normal((5, 3)), np.tile(np.eye(3), (5, 1, 1))
    with pytest.raises(
        InputError, match="`covs_y` must hold one covariance .*\\(5, 3, 3\\), got shape \\(4, 3, 3\\)"
    ):
        gaussian_shape_distance(means, covs, means, covs[:4])
    with pytest.raises(InputError, match="`covs_x` must hold symmetric"):
        gaussian_shape_distance(means, covs + np.triu(np.ones((3, 3))), means, covs)
    with pytest.raises(InputError, match="`covs_x` must hold covariances, but the smallest eigenvalue is -1"):
        gaussian_shape_distance(means, -covs, means, covs)
    with pytest.raises(InputError, match="same stimuli, got 5 and 4"):
        gaussian_shape_distance(means, covs, means[:4], covs[:4])


def test_torch_gives_the_same_numbers():
    torch = pytest.importorskip("torch")
    X, Y = noisy_pair()
    for kind in ("gaussian", "energy"):
        found = stochastic_shape_distance(torch.from_numpy(X), torch.from_numpy(Y), kind=kind)
        assert found == pytest.approx(stochastic_shape_distance(X, Y, kind=kind), rel=1e-12)
