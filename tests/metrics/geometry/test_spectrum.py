from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.threads import fixed_threads
from alignkit.metrics import METRICS
from alignkit.metrics.geometry.spectrum import (
    cross_validated_spectrum,
    eigenspectrum_decay,
    fit_spectrum_decay,
)


@pytest.fixture(autouse=True)
def one_thread():
    """Hold BLAS at one thread: other work on the machine would make small products wait."""
    with fixed_threads(1):
        yield


def sample(n_samples, n_units, alpha, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_samples, n_units)) * np.arange(1, n_units + 1) ** (-alpha / 2)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 2.5])
@pytest.mark.parametrize("weighting", ["inverse-rank", "equal"])
def test_an_exact_power_law_is_found_exactly(alpha, weighting):
    fit = fit_spectrum_decay(3.0 * np.arange(1, 201.0) ** -alpha, ranks=(11, 120), weighting=weighting)
    assert fit.alpha == pytest.approx(alpha, abs=1e-12)
    assert fit.amplitude == pytest.approx(3.0, rel=1e-12)
    assert fit.alpha_error == pytest.approx(0, abs=1e-7)
    assert fit.r2 == pytest.approx(1, abs=1e-9)
    assert (fit.first_rank, fit.last_rank, fit.error) == (11, 120, "line")


@pytest.mark.parametrize(
    ("alpha", "tail", "whole"), [(0.7, 0.655, 1.05), (1, 0.982, 1.30), (1.5, 1.489, 1.75)]
)
def test_sampling_bends_the_spectrum_by_known_amounts(alpha, tail, whole):
    eigenvalues = np.linalg.eigvalsh(np.cov(sample(4000, 2000, alpha).T))[::-1]
    assert fit_spectrum_decay(eigenvalues, ranks=(11, 100)).alpha == pytest.approx(tail, abs=0.01)
    bent = fit_spectrum_decay(eigenvalues, ranks=(1, 2000), weighting="equal")
    assert bent.alpha == pytest.approx(whole, abs=0.01)


def test_the_line_and_its_error_equal_those_of_weighted_least_squares():
    eigenvalues = np.sort(np.random.default_rng(0).exponential(size=60))[::-1]
    fit = fit_spectrum_decay(eigenvalues, ranks=(5, 50))
    rank = np.arange(5, 51)
    design = np.column_stack([np.ones(46), -np.log(rank)])
    weights = np.diag(1 / rank)
    inverse = np.linalg.inv(design.T @ weights @ design)
    target = np.log(eigenvalues[4:50])
    beta = inverse @ design.T @ weights @ target
    left = target - design @ beta
    assert fit.alpha == pytest.approx(beta[1], rel=1e-10)
    assert fit.alpha_error == pytest.approx(np.sqrt(inverse[1, 1] * (left @ weights @ left) / 44), rel=1e-8)
    assert fit.amplitude == pytest.approx(np.exp(beta[0]), rel=1e-10)


def test_the_jackknife_error_is_that_of_new_samples_and_the_lines_is_too_small():
    fits = [eigenspectrum_decay(sample(300, 60, 1.0, seed), ranks=(2, 25), n_blocks=10) for seed in range(30)]
    spread = np.std([fit.alpha for fit in fits], ddof=1)
    assert np.mean([fit.alpha_error for fit in fits]) == pytest.approx(spread, rel=0.4)
    lines = [eigenspectrum_decay(sample(300, 60, 1.0, s), ranks=(2, 25)).alpha_error for s in range(30)]
    assert np.mean(lines) < 0.7 * spread
    assert fits[0].error == "jackknife"


def test_the_default_range_is_that_of_the_docstring():
    wide = eigenspectrum_decay(sample(400, 300, 1))
    assert (wide.first_rank, wide.last_rank) == (11, 100)
    limited = eigenspectrum_decay(sample(400, 60, 1))
    assert (limited.first_rank, limited.last_rank) == (11, 30)
    short = eigenspectrum_decay(sample(40, 30, 1))
    assert (short.first_rank, short.last_rank) == (1, 10)


def test_eigenvalues_are_those_of_the_covariance_and_rounding_is_no_direction():
    X = np.random.default_rng(0).standard_normal((30, 12)) @ np.random.default_rng(1).standard_normal(
        (12, 20)
    )
    fit = eigenspectrum_decay(X + 100)
    assert len(fit.eigenvalues) == 12
    np.testing.assert_allclose(fit.eigenvalues, np.linalg.eigvalsh(np.cov(X.T))[::-1][:12], rtol=1e-8)


def test_crossed_repeats_find_the_signals_spectrum_under_noise():
    rng = np.random.default_rng(0)
    signal = sample(800, 120, 1.0, seed=1)
    trials = signal + 0.3 * rng.standard_normal((2, 800, 120))
    crossed = fit_spectrum_decay(cross_validated_spectrum(trials), ranks=(2, 30)).alpha
    noisy = eigenspectrum_decay(trials.mean(axis=0), ranks=(2, 30)).alpha
    clean = eigenspectrum_decay(signal, ranks=(2, 30)).alpha
    assert abs(crossed - clean) < 0.15
    assert abs(noisy - clean) > 0.25


def test_crossed_repeats_equal_the_plain_loop_and_noise_alone_is_near_zero():
    trials = np.random.default_rng(0).standard_normal((3, 20, 6))
    expected = np.zeros(6)
    for r in range(3):
        own = trials[r] - trials[r].mean(axis=0)
        others = np.mean([trials[s] - trials[s].mean(axis=0) for s in range(3) if s != r], axis=0)
        directions = np.linalg.svd(own)[2].T
        expected += ((own @ directions) * (others @ directions)).sum(axis=0) / 19 / 3
    found = cross_validated_spectrum(trials)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    rng = np.random.default_rng(1)
    noise = np.mean([cross_validated_spectrum(rng.standard_normal((2, 50, 10))) for _ in range(50)], axis=0)
    assert np.abs(noise).max() < 0.1


def test_repeats_without_noise_give_the_plain_spectrum():
    X = sample(30, 40, 1)
    found = cross_validated_spectrum([X, X])
    np.testing.assert_allclose(found, np.linalg.eigvalsh(np.cov(X.T))[::-1][:29], rtol=1e-8)


def test_tensors_come_back_with_equal_numbers_and_input_is_left_alone():
    X = sample(60, 20, 1)
    before = X.copy()
    fit = eigenspectrum_decay(torch.from_numpy(X))
    plain = eigenspectrum_decay(X)
    assert isinstance(fit.eigenvalues, torch.Tensor)
    assert fit.alpha == pytest.approx(plain.alpha, rel=1e-12)
    trials = torch.from_numpy(np.stack([X, X]))
    assert isinstance(cross_validated_spectrum(trials), torch.Tensor)
    np.testing.assert_array_equal(X, before)
    assert METRICS["eigenspectrum-decay"](X) == plain.alpha


def test_the_callers_range_is_left_alone_and_the_result_is_frozen():
    ranks = [2, 9]
    fit = eigenspectrum_decay(sample(60, 20, 1), ranks=ranks)
    assert ranks == [2, 9]
    assert fit.r2 > 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.alpha = 0.0


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((5, 3)), {}, "all 5 rows of `X` are equal: there is no variance"),
        (np.full((5, 3), 1e9 + 0.1), {}, "all 5 rows of `X` are equal"),
        (np.arange(20.0)[:, None], {}, "20 samples of rank 1 leave 0 ranks by default"),
        (sample(20, 9, 1), {"ranks": (3, 4)}, "at least 3 of the 9 ranks, got 3 to 4"),
        (sample(20, 9, 1), {"ranks": (0, 5)}, "at least 3 of the 9 ranks, got 0 to 5"),
        (sample(20, 9, 1), {"ranks": (1, 10)}, "at least 3 of the 9 ranks, got 1 to 10"),
        (sample(20, 9, 1), {"n_blocks": 1}, "`n_blocks` must be from 2 to the number of samples, 20, got 1"),
        (np.full((5, 2), np.nan), {}, r"`X` holds 10 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_input_is_refused(X, options, message):
    with pytest.raises(InputError, match=message):
        eigenspectrum_decay(X, **options)


def test_a_crossed_eigenvalue_below_zero_has_no_logarithm():
    with pytest.raises(InputError, match="the eigenvalue of rank 3 is -0.1, which has no logarithm"):
        fit_spectrum_decay([4.0, 2.0, -0.1, 1.0], ranks=(1, 4))
    with pytest.raises(InputError, match=r"at least 2 stimuli and 1 unit, got shape \(2, 1, 3\)"):
        cross_validated_spectrum(np.ones((2, 1, 3)))
    with pytest.raises(UnknownNameError, match="`weighting` is 'none'"):
        fit_spectrum_decay(np.ones(5), ranks=(1, 5), weighting="none")
