from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics import rdm
from alignkit.metrics.rsa.poisson_crossvalidated import crossvalidated_poisson

CONDITIONS, RUNS = np.tile(np.arange(4), 3), np.repeat(np.arange(3), 4)


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(3.0, size=(12, 10)).astype(float)


def folds(counts, prior_rate=1.0, prior_weight=0.1):
    """Return the distances of each fold by the definition: the run left out gives the logarithms."""
    rates = (counts.reshape(3, 4, 10) + prior_weight * prior_rate) / (1 + prior_weight)
    first, second = np.triu_indices(4, k=1)
    found = []
    for fold in range(3):
        train = np.delete(rates, fold, axis=0).mean(axis=0)
        logs = np.log(rates[fold])
        found.append(((train[first] - train[second]) * (logs[first] - logs[second])).mean(axis=1))
    return np.array(found)


@pytest.mark.parametrize(("rate", "weight"), [(1.0, 0.1), (2.0, 0.5)])
def test_distances_are_the_mean_of_all_folds_not_the_last_one(counts, rate, weight):
    ours = crossvalidated_poisson(counts, CONDITIONS, RUNS, prior_rate=rate, prior_weight=weight)
    np.testing.assert_allclose(ours, folds(counts, rate, weight).mean(axis=0), rtol=1e-10)
    assert np.abs(ours - folds(counts, rate, weight)[-1]).max() > 0.01


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_the_peer_keeps_the_last_fold_alone(counts):
    calc = pytest.importorskip("rsatoolbox.rdm", exc_type=ImportError).calc_rdm
    dataset = pytest.importorskip("rsatoolbox.data", exc_type=ImportError).Dataset
    data = dataset(counts, obs_descriptors={"c": CONDITIONS, "r": RUNS})
    theirs = calc(data, method="poisson_cv", descriptor="c", cv_descriptor="r").dissimilarities[0]
    np.testing.assert_allclose(theirs, folds(counts)[-1], rtol=1e-9)
    assert np.abs(theirs - crossvalidated_poisson(counts, CONDITIONS, RUNS)).max() > 0.01


def test_the_same_rates_in_every_run_give_the_plain_divergence(counts):
    repeated = np.tile(counts[:4], (3, 1))
    ours = crossvalidated_poisson(repeated, CONDITIONS, RUNS)
    np.testing.assert_allclose(ours, rdm(counts[:4], method="poisson"), rtol=1e-10)


def test_equal_rates_are_at_zero_on_average_where_the_plain_divergence_is_above():
    rng = np.random.default_rng(1)
    conditions, runs = np.tile([0, 1], 4), np.repeat(np.arange(4), 2)
    draws, plain = [], []
    for _ in range(1000):
        counts = rng.poisson(4.0, size=(8, 10))
        draws.append(crossvalidated_poisson(counts, conditions, runs)[0])
        plain.append(rdm(counts.reshape(4, 2, 10).mean(axis=0), method="poisson")[0])
    assert np.mean(draws) == pytest.approx(0, abs=4 * np.std(draws) / np.sqrt(1000))
    assert np.mean(plain) > 0.3


def test_trials_of_a_cell_are_averaged_and_runs_count_the_same(counts):
    conditions, runs = np.array([0, 0, 1, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 1])
    X = counts[:7]
    cells = np.stack([X[[0, 1]].mean(0), X[2], X[3], X[4:].mean(0)])
    expected = crossvalidated_poisson(cells, [0, 1, 0, 1], [0, 0, 1, 1])
    np.testing.assert_allclose(crossvalidated_poisson(X, conditions, runs), expected, rtol=1e-12)


def test_a_missing_cell_leaves_its_run_out_of_the_means(counts):
    keep = (CONDITIONS != 3) | (RUNS != 2)
    ours = crossvalidated_poisson(counts[keep], CONDITIONS[keep], RUNS[keep])
    rates = (counts.reshape(3, 4, 10) + 0.1) / 1.1
    logs = np.log(rates)

    def mean_product(i, j):
        pairs = [(f, g) for f in range(3) for g in range(3) if f != g]
        pairs = [(f, g) for f, g in pairs if (i < 3 or f < 2) and (j < 3 or g < 2)]
        return np.mean([rates[f, i] @ logs[g, j] for f, g in pairs]) / 10

    expected = mean_product(0, 0) + mean_product(3, 3) - mean_product(0, 3) - mean_product(3, 0)
    assert ours[2] == pytest.approx(expected, rel=1e-9)


def test_a_condition_of_one_run_has_nan_distances(counts):
    keep = (CONDITIONS != 2) | (RUNS == 1)
    ours = crossvalidated_poisson(counts[keep], CONDITIONS[keep], RUNS[keep])
    touched = (np.stack(np.triu_indices(4, k=1), 1) == 2).any(1)
    np.testing.assert_array_equal(np.isnan(ours), touched)


def test_conditions_come_in_sorted_order_and_integers_are_fine(counts):
    names = np.array(["d", "c", "b", "a"])[CONDITIONS]
    ours = crossvalidated_poisson(counts.astype(int), names, RUNS)
    np.testing.assert_allclose(ours, crossvalidated_poisson(counts, 3 - CONDITIONS, RUNS), rtol=1e-12)


def test_torch_in_gives_torch_out_and_nothing_is_changed(counts):
    before = counts.copy()
    ours = crossvalidated_poisson(torch.from_numpy(counts), CONDITIONS, RUNS)
    assert isinstance(ours, torch.Tensor)
    np.testing.assert_array_equal(ours.numpy(), crossvalidated_poisson(counts, CONDITIONS, RUNS))
    np.testing.assert_array_equal(counts, before)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (-np.ones((12, 10)), {}, "takes rates, but `X` goes down to -1"),
        (np.zeros((12, 10)), {"prior_weight": 0.0}, "zero rates"),
        (np.ones((12, 10)), {"prior_rate": -1.0}, "must not be negative, got -1 and 0.1"),
        (np.ones((11, 10)), {}, r"got shape \(12,\) for 11 rows"),
        (np.full((12, 10), np.nan), {}, "120 NaN"),
    ],
)
def test_unusable_input_is_refused(X, options, message):
    with pytest.raises(InputError, match=message):
        crossvalidated_poisson(X, CONDITIONS, RUNS, **options)


def test_a_negative_count_is_found_even_where_the_mean_is_positive(counts):
    counts[0, 0] = -0.5
    with pytest.raises(InputError, match="goes down to -0.5"):
        crossvalidated_poisson(counts, np.zeros(12) + np.arange(12) % 2, np.arange(12) // 6)


def test_no_condition_in_two_runs_is_refused(counts):
    with pytest.raises(InputError, match="no condition comes in two runs"):
        crossvalidated_poisson(counts, CONDITIONS, np.zeros(12))
