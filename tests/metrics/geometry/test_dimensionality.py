from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import helmert

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.threads import fixed_threads
from alignkit.metrics import hsic
from alignkit.metrics.geometry.dimensionality import (
    effective_rank,
    participation_ratio,
    signal_participation_ratio,
)

FALLING = 1 / np.arange(1, 1001)


@pytest.fixture(autouse=True)
def one_thread():
    """Hold BLAS at one thread: other work on the machine would make small products wait."""
    with fixed_threads(1):
        yield


@pytest.fixture(scope="module")
def falling():
    """Return centred responses whose covariance has the eigenvalues 1 / k, times 1000."""
    return helmert(1001).T * np.sqrt(FALLING)


def test_eigenvalues_of_one_over_k_have_known_dimensions(falling):
    assert participation_ratio(falling) == pytest.approx(34.084, abs=1e-3)
    assert effective_rank(falling) == pytest.approx(786.64, abs=5e-3)
    assert effective_rank(falling, method="covariance") == pytest.approx(179.65, abs=5e-3)


def test_the_papers_epsilon_adds_to_the_rank(falling):
    assert effective_rank(falling, epsilon=1e-7) == pytest.approx(787.12, abs=5e-3)
    assert effective_rank(np.eye(4), epsilon=1e-7) > 4


def test_equal_directions_are_counted():
    X = np.vstack([np.eye(5), -np.eye(5)])
    assert participation_ratio(X) == pytest.approx(5, rel=1e-12)
    assert effective_rank(X) == pytest.approx(5, rel=1e-12)
    assert effective_rank(X, method="covariance") == pytest.approx(5, rel=1e-12)


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_the_ratio_equals_that_of_the_eigenvalues(shape):
    X = np.random.default_rng(0).standard_normal(shape) * np.arange(1, shape[1] + 1)
    eigenvalues = np.linalg.eigvalsh(np.cov(X.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert participation_ratio(X) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shape", [(12, 7), (7, 30)])
def test_the_correction_is_the_unbiased_hsic(shape):
    X = np.random.default_rng(0).standard_normal(shape) + 5
    expected = np.trace(np.cov(X.T)) ** 2 / hsic(X @ X.T, X @ X.T)
    assert participation_ratio(X, corrected=True) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n_samples", "biased"), [(20, 13.77), (100, 33.22), (1000, 47.62)])
def test_few_samples_hide_directions_unless_corrected(n_samples, biased):
    rng = np.random.default_rng(0)
    draws = [rng.standard_normal((n_samples, 50)) for _ in range(100 if n_samples < 1000 else 5)]
    plain = np.mean([participation_ratio(X) for X in draws])
    assert plain == pytest.approx(biased, rel=0.02)
    assert biased == pytest.approx(1 / (1 / 50 + 1 / (n_samples - 1)), rel=1e-3)
    corrected = np.mean([participation_ratio(X, corrected=True) for X in draws])
    assert corrected == pytest.approx(50, rel=0.04)


def test_trial_noise_adds_directions_unless_repeats_are_crossed():
    rng = np.random.default_rng(0)
    basis = np.diag(np.r_[np.ones(5), np.full(25, 0.2)])
    truth = np.trace(basis**2) ** 2 / np.trace(basis**4)
    plain, crossed = [], []
    for _ in range(40):
        signal = rng.standard_normal((100, 30)) @ basis + 3
        trials = signal + 0.7 * rng.standard_normal((3, 100, 30))
        plain.append(participation_ratio(trials.mean(axis=0), corrected=True))
        crossed.append(signal_participation_ratio(trials))
    assert np.mean(crossed) == pytest.approx(truth, rel=0.05)
    assert np.mean(plain) > 1.4 * truth


def test_repeats_without_noise_give_the_corrected_ratio():
    X = np.random.default_rng(0).standard_normal((15, 6))
    assert signal_participation_ratio([X, X]) == pytest.approx(
        participation_ratio(X, corrected=True), rel=1e-10
    )


def test_no_signal_is_said_by_nan_or_is_seen_as_chance():
    rng = np.random.default_rng(0)
    found = [signal_participation_ratio(rng.standard_normal((2, 10, 30))) for _ in range(40)]
    # The estimated sum of squares has mean 0: about half of the time it is below.
    assert 0.2 < np.mean(np.isnan(found)) < 0.8
    assert np.nanmedian(found) < 2


def test_an_estimate_below_zero_is_nan():
    # Points that are all equally far from each other share no direction.
    assert np.isnan(participation_ratio(np.eye(4), corrected=True))


def test_one_unit_has_one_dimension_and_integers_are_fine():
    X = np.arange(6)[:, None]
    assert participation_ratio(X) == pytest.approx(1, rel=1e-12)
    assert effective_rank(X) == pytest.approx(1, rel=1e-12)
    integers = np.random.default_rng(0).integers(0, 9, (10, 4))
    assert participation_ratio(integers) == participation_ratio(integers.astype(float))


def test_constant_units_and_repeated_samples_change_nothing_they_should_not():
    X = np.random.default_rng(0).standard_normal((12, 5))
    with_constant = np.column_stack([X, np.full(12, 7.0)])
    assert participation_ratio(with_constant) == pytest.approx(participation_ratio(X), rel=1e-12)
    assert participation_ratio(np.vstack([X, X])) == pytest.approx(participation_ratio(X), rel=1e-12)
    assert effective_rank(np.column_stack([X, np.zeros(12)])) == pytest.approx(effective_rank(X), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales_neither_vanish_nor_overflow(scale):
    X = np.random.default_rng(0).standard_normal((12, 5))
    for measure in (participation_ratio, effective_rank):
        assert measure(scale * X) == pytest.approx(measure(X), rel=1e-10)


def test_tensors_give_equal_numbers_and_input_is_left_alone():
    X = np.random.default_rng(0).standard_normal((12, 5))
    before = X.copy()
    for measure in (participation_ratio, effective_rank):
        assert measure(torch.from_numpy(X)) == pytest.approx(measure(X), rel=1e-12)
    trials = np.stack([X, X + 0.1])
    assert signal_participation_ratio(torch.from_numpy(trials)) == signal_participation_ratio(trials)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((1, 3)), {}, "`X` needs at least 2 rows, got 1"),
        (np.eye(3), {"corrected": True}, "`X` needs at least 4 rows, got 3"),
        (np.ones((5, 3)), {}, "all 5 rows of `X` are equal: there is no variance"),
        (np.ones((5, 0)), {}, r"`X` has no units, got shape \(5, 0\)"),
        (np.full((4, 2), np.inf), {}, r"`X` holds 8 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_patterns_are_refused(X, options, message):
    with pytest.raises(InputError, match=message):
        participation_ratio(X, **options)


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        (np.ones((1, 5, 3)), "`trials` needs at least 2 rows, got 1"),
        (np.ones((2, 3, 3)), r"at least 4 stimuli and 1 unit, got shape \(2, 3, 3\)"),
        (np.ones((2, 5, 3)), "all stimuli of `trials` have equal responses"),
        (np.ones((5, 3)), r"`trials` must have 3 dimension\(s\), got shape \(5, 3\)"),
    ],
)
def test_unusable_trials_are_refused(trials, message):
    with pytest.raises(InputError, match=message):
        signal_participation_ratio(trials)


def test_unusable_options_of_the_rank_are_refused():
    with pytest.raises(InputError, match="`X` is all zero"):
        effective_rank(np.zeros((3, 2)))
    with pytest.raises(InputError, match="all 3 rows of `X` are equal"):
        effective_rank(np.ones((3, 2)), method="covariance")
    with pytest.raises(InputError, match="`epsilon` must be 0 or more and finite, got -1"):
        effective_rank(np.eye(3), epsilon=-1)
    with pytest.raises(UnknownNameError, match="`method` is 'rank'"):
        effective_rank(np.eye(3), method="rank")


def test_equal_responses_whose_mean_is_rounded_have_no_variance():
    with pytest.raises(InputError, match="all stimuli of `trials` have equal responses"):
        signal_participation_ratio(np.full((3, 7, 4), 0.1))
    noise = np.random.default_rng(0).integers(-1, 2, (7, 4))
    with pytest.raises(InputError, match="all 7 rows of `X` are equal"):
        participation_ratio(0.1 * (1 + 1.1e-16 * noise))
