from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import crossnobis, rdm


@pytest.fixture
def trials():
    return np.random.RandomState(0).randn(20, 8)


CONDITIONS = np.arange(20) % 5
RUNS = np.arange(20) // 5


def direct(X, conditions, runs, i, j):
    """Return the distance by the definition: all trial pairs of different runs."""

    def mean_product(a, b):
        pairs = itertools.product(np.flatnonzero(conditions == a), np.flatnonzero(conditions == b))
        return np.mean([X[k] @ X[m] for k, m in pairs if runs[k] != runs[m]]) / X.shape[1]

    return mean_product(i, i) + mean_product(j, j) - 2 * mean_product(i, j)


def test_distances_equal_the_published_toolbox_values(trials):
    expected = [
        -0.108133377, 0.0229443506, 0.0876804951, -0.4412594803, 0.2152439764,
        0.2441626377, 0.0948245107, 0.1156176123, 0.0198505912, 0.2228229363,
    ]  # fmt: skip
    np.testing.assert_allclose(crossnobis(trials, CONDITIONS, RUNS), expected, atol=1e-9)


def test_an_unbalanced_design_equals_the_definition(trials):
    conditions = np.array([0, 0, 0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 2, 0, 0, 1, 1, 2, 2, 1])
    runs = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3])
    expected = [direct(trials, conditions, runs, i, j) for i, j in [(0, 1), (0, 2), (1, 2)]]
    np.testing.assert_allclose(crossnobis(trials, conditions, runs), expected, rtol=1e-10)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_an_unbalanced_design_equals_rsatoolbox(trials):
    peer = pytest.importorskip("rsatoolbox.rdm.calc_unbalanced", exc_type=ImportError)
    dataset = pytest.importorskip("rsatoolbox.data", exc_type=ImportError).Dataset
    rows = np.array([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 16, 17])
    data = dataset(trials[rows], obs_descriptors={"c": CONDITIONS[rows], "r": RUNS[rows]})
    theirs = peer.calc_rdm_unbalanced(data, method="crossnobis", descriptor="c", cv_descriptor="r")
    ours = crossnobis(trials[rows], CONDITIONS[rows], RUNS[rows])
    np.testing.assert_allclose(ours, theirs.dissimilarities[0], rtol=1e-9)


def test_conditions_come_in_sorted_order_whatever_order_the_trials_have(trials):
    names = np.array(["e", "d", "c", "b", "a"])[CONDITIONS]
    shuffled = np.random.default_rng(0).permutation(20)
    expected = crossnobis(trials, 4 - CONDITIONS, RUNS)
    ours = crossnobis(trials[shuffled], names[shuffled], RUNS[shuffled])
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_distances_equal_the_reference_values():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 4, 5)) + rng.standard_normal((4, 5))
    ours = crossnobis(X.reshape(12, 5), np.tile(np.arange(4), 3), np.repeat(np.arange(3), 4))
    np.testing.assert_allclose(ours, [2.553475, 0.462206, 0.857131, 2.988799, 6.130092, 0.723377], atol=1e-6)


def leave_one_run_out(X, precision):
    """Return the distances of each run with the mean of the others, averaged; X is (runs, i, channels)."""
    first, second = np.triu_indices(X.shape[1], k=1)
    found = []
    for run in range(len(X)):
        test, train = X[run], np.delete(X, run, axis=0).mean(axis=0)
        found.append(
            np.einsum("ij,jk,ik->i", train[first] - train[second], precision, test[first] - test[second])
        )
    return np.mean(found, axis=0) / X.shape[2]


def test_a_balanced_design_equals_leaving_one_run_out(trials):
    root = np.random.default_rng(1).standard_normal((8, 8))
    ours = crossnobis(trials, CONDITIONS, RUNS, precision=root @ root.T)
    np.testing.assert_allclose(ours, leave_one_run_out(trials.reshape(4, 5, 8), root @ root.T), rtol=1e-10)


@pytest.fixture
def precisions():
    roots = np.random.default_rng(2).standard_normal((4, 8, 8))
    return roots @ roots.transpose(0, 2, 1) + np.eye(8)


def test_precisions_of_runs_are_averaged_as_covariances_for_each_pair(trials, precisions):
    X, covariances = trials.reshape(4, 5, 8), np.linalg.inv(precisions)
    first, second = np.triu_indices(5, k=1)
    found = []
    for f, g in itertools.combinations(range(4), 2):
        between = np.linalg.inv((covariances[f] + covariances[g]) / 2)
        differences = [X[run][first] - X[run][second] for run in (f, g)]
        found.append(np.einsum("ij,jk,ik->i", differences[0], between, differences[1]) / 8)
    ours = crossnobis(trials, CONDITIONS, RUNS, precision=precisions)
    np.testing.assert_allclose(ours, np.mean(found, axis=0), rtol=1e-9)
    shifted = crossnobis(trials + 1e5, CONDITIONS, RUNS, precision=precisions)
    np.testing.assert_allclose(shifted, ours, atol=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_precisions_of_runs_equal_rsatoolbox(trials, precisions):
    calc = pytest.importorskip("rsatoolbox.rdm", exc_type=ImportError).calc_rdm
    dataset = pytest.importorskip("rsatoolbox.data", exc_type=ImportError).Dataset
    data = dataset(trials, obs_descriptors={"c": CONDITIONS, "r": RUNS})
    theirs = calc(data, method="crossnobis", descriptor="c", cv_descriptor="r", noise=list(precisions))
    ours = crossnobis(trials, CONDITIONS, RUNS, precision=precisions)
    np.testing.assert_allclose(ours, theirs.dissimilarities[0], rtol=1e-9)


def test_one_precision_for_all_runs_is_that_precision(trials, precisions):
    keep = np.delete(np.arange(20), [3, 11, 17])
    ours = crossnobis(trials[keep], CONDITIONS[keep], RUNS[keep], precision=np.stack([precisions[0]] * 4))
    expected = crossnobis(trials[keep], CONDITIONS[keep], RUNS[keep], precision=precisions[0])
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_precisions_that_do_not_fit_are_refused(trials, precisions):
    with pytest.raises(InputError, match=r"or \(4, 8, 8\) with one for each run.*got \(3, 8, 8\)"):
        crossnobis(trials, CONDITIONS, RUNS, precision=precisions[:3])
    precisions[2, 0], precisions[2, :, 0] = 0, 0
    with pytest.raises(InputError, match="`precision` of run 2 is singular"):
        crossnobis(trials, CONDITIONS, RUNS, precision=precisions)


def test_large_float32_products_are_far_more_exact_than_the_noise():
    rng = np.random.default_rng(0)
    conditions, runs = np.tile(np.arange(520), 2), np.repeat(np.arange(2), 520)
    X = rng.standard_normal((1040, 4000)).astype(np.float32)
    exact = crossnobis(X.astype(np.float64), conditions, runs)
    error = np.abs(crossnobis(X, conditions, runs) - exact).max()
    assert 0 < error < 1e-3 * np.sqrt(8 / (2 * 4000))
    # All the patterns of a run alike but for little: float32 would not tell them apart.
    alike = np.float32(0.01) * X + X[0]
    np.testing.assert_allclose(
        crossnobis(alike, conditions, runs),
        crossnobis(alike.astype(np.float64), conditions, runs),
        rtol=1e-6,
        atol=1e-14,
    )


def test_trials_in_any_memory_and_any_order_give_the_same(trials):
    expected = crossnobis(trials, CONDITIONS, RUNS)
    np.testing.assert_allclose(crossnobis(np.asfortranarray(trials), CONDITIONS, RUNS), expected, rtol=1e-12)
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_allclose(
        crossnobis(trials[order], CONDITIONS[order], RUNS[order]), expected, rtol=1e-10, atol=1e-12
    )


def test_torch_in_gives_torch_out_with_the_same_numbers(trials):
    ours = crossnobis(torch.from_numpy(trials), torch.from_numpy(CONDITIONS), RUNS)
    assert isinstance(ours, torch.Tensor)
    np.testing.assert_array_equal(ours.numpy(), crossnobis(trials, CONDITIONS, RUNS))


def test_precision_whitens_the_channels(trials):
    root = np.random.default_rng(1).standard_normal((8, 8))
    whitened = crossnobis(trials @ root, CONDITIONS, RUNS)
    np.testing.assert_allclose(
        crossnobis(trials, CONDITIONS, RUNS, precision=root @ root.T), whitened, rtol=1e-9
    )


def test_the_same_pattern_in_every_run_gives_the_plain_distance(trials):
    patterns = trials[:5]
    repeated = np.tile(patterns, (3, 1))
    ours = crossnobis(repeated, np.tile(np.arange(5), 3), np.repeat(np.arange(3), 5))
    np.testing.assert_allclose(ours, rdm(patterns, method="squared-euclidean"), rtol=1e-10)


def test_noise_alone_gives_zero_on_average_with_the_variance_of_theory():
    rng = np.random.default_rng(1)
    conditions, runs = np.tile([0, 1], 4), np.repeat(np.arange(4), 2)
    draws = [crossnobis(rng.standard_normal((8, 10)), conditions, runs)[0] for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(0, abs=0.02)
    assert np.std(draws) == pytest.approx(np.sqrt(8 / (4 * 3 * 10)), rel=0.05)


def test_a_balanced_design_ignores_a_common_shift(trials):
    expected = crossnobis(trials, CONDITIONS, RUNS)
    np.testing.assert_allclose(crossnobis(trials + 1e6, CONDITIONS, RUNS), expected, atol=1e-8)


def test_equal_weighting_averages_the_trials_of_a_run_first(trials):
    conditions, runs = np.array([0, 0, 1, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 1])
    X = trials[:7]
    cells = np.stack([X[[0, 1]].mean(0), X[2], X[3], X[4:7].mean(0)])
    expected = crossnobis(cells, [0, 1, 0, 1], [0, 0, 1, 1])
    np.testing.assert_allclose(crossnobis(X, conditions, runs, weighting="equal"), expected, rtol=1e-10)
    assert not np.allclose(crossnobis(X, conditions, runs), expected)


def test_both_weightings_agree_on_a_balanced_design(trials):
    runs = RUNS // 2
    equal = crossnobis(trials, CONDITIONS, runs, weighting="equal")
    np.testing.assert_allclose(crossnobis(trials, CONDITIONS, runs), equal, rtol=1e-9)


def test_a_condition_of_one_run_has_nan_distances(trials):
    keep = (CONDITIONS != 2) | (RUNS == 1)
    distances = crossnobis(trials[keep], CONDITIONS[keep], RUNS[keep])
    touched = (np.stack(np.triu_indices(5, k=1), 1) == 2).any(1)
    np.testing.assert_array_equal(np.isnan(distances), touched)


def test_input_is_not_changed(trials):
    before = trials.copy()
    crossnobis(trials, CONDITIONS, RUNS)
    np.testing.assert_array_equal(trials, before)


@pytest.mark.parametrize(
    ("conditions", "runs", "message"),
    [
        (
            CONDITIONS[:19],
            RUNS,
            r"`conditions` must hold one label per row of `X`, got shape \(19,\) for 20 rows",
        ),
        (CONDITIONS, RUNS[:, None], r"`runs` must hold one label per row of `X`, got shape \(20, 1\)"),
        (np.zeros(20), RUNS, "must name at least 2 conditions, got 1"),
        (CONDITIONS, np.zeros(20), "no condition comes in two runs"),
    ],
)
def test_unusable_labels_are_refused(trials, conditions, runs, message):
    with pytest.raises(InputError, match=message):
        crossnobis(trials, conditions, runs)


def test_an_unknown_weighting_is_refused(trials):
    with pytest.raises(UnknownNameError, match="`weighting` is 'runs'"):
        crossnobis(trials, CONDITIONS, RUNS, weighting="runs")


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_and_mixed_labels_are_refused(trials, missing):
    labels = np.array([missing, *range(1, len(trials))], dtype=object)
    for name, given in (("conditions", (labels, RUNS)), ("runs", (CONDITIONS, labels))):
        with pytest.raises(InputError, match=rf"`{name}` holds 1 NaN or missing label"):
            crossnobis(trials, *given)


def test_half_precision_trials_of_an_unbalanced_design_are_computed_in_full(trials):
    half, conditions, runs = trials[:-1].astype(np.float16), CONDITIONS[:-1], RUNS[:-1]
    expected = crossnobis(half.astype(np.float64), conditions, runs)
    np.testing.assert_array_equal(crossnobis(half, conditions, runs), expected)


def test_trials_without_channels_are_refused(trials):
    with pytest.raises(InputError, match=r"`X` has no channels, got shape \(\d+, 0\)"):
        crossnobis(trials[:, :0], CONDITIONS, RUNS)
