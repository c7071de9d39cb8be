from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import compare_rdms, crossnobis, rdm
from alignkit.metrics.rsa.time_resolved import time_rdms

PLAIN = ["correlation", "cosine", "euclidean", "squared-euclidean"]


@pytest.fixture
def epochs():
    rng = np.random.default_rng(0)
    return rng.standard_normal((8, 6, 20)) + 2 * rng.standard_normal((6, 20)) + rng.standard_normal((8, 1, 1))


@pytest.fixture
def precision():
    root = np.random.default_rng(1).standard_normal((6, 6))
    return root @ root.T + np.eye(6)


@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_every_time_point_has_the_rdm_of_its_patterns(epochs, method, batch_size):
    ours = time_rdms(epochs, method=method, batch_size=batch_size)
    expected = [rdm(epochs[:, :, t], method=method) for t in range(20)]
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize(("window", "step"), [(1, 3), (4, 1), (5, 2), (3, 5), (20, 1)])
def test_a_window_is_averaged_or_joined(epochs, window, step, batch_size):
    starts = range(0, 20 - window + 1, step)
    options = {"window": window, "step": step, "batch_size": batch_size}
    averaged = [rdm(epochs[:, :, s : s + window].mean(axis=-1)) for s in starts]
    np.testing.assert_allclose(time_rdms(epochs, **options), averaged, rtol=1e-10, atol=1e-12)
    joined = [rdm(epochs[:, :, s : s + window].reshape(8, -1), method="euclidean") for s in starts]
    ours = time_rdms(epochs, method="euclidean", within_window="pattern", **options)
    np.testing.assert_allclose(ours, joined, rtol=1e-10)


@pytest.mark.parametrize("weighting", ["number", "equal"])
def test_crossnobis_of_every_time_point_is_that_of_its_trials(precision, weighting):
    rng = np.random.default_rng(2)
    X, conditions, runs = rng.standard_normal((18, 6, 5)), np.arange(18) % 3, rng.integers(0, 3, 18)
    for options in ({}, {"precision": precision}):
        ours = time_rdms(
            X,
            method="crossnobis",
            conditions=conditions,
            runs=runs,
            weighting=weighting,
            batch_size=2,
            **options,
        )
        expected = [
            crossnobis(X[:, :, t], conditions, runs, weighting=weighting, **options) for t in range(5)
        ]
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_mahalanobis_uses_one_precision_for_all_times(epochs, precision):
    ours = time_rdms(epochs, method="mahalanobis", precision=precision)
    expected = [rdm(epochs[:, :, t], method="mahalanobis", precision=precision) for t in range(20)]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_many_patterns_go_through_several_threads_to_the_same_rdms():
    X = np.random.default_rng(0).standard_normal((300, 800, 2))
    ours = time_rdms(X)
    np.testing.assert_allclose(ours[1], rdm(X[:, :, 1]), rtol=1e-10)


def test_a_planted_time_course_is_found_and_the_baseline_is_at_chance():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((30, 4))
    course = np.exp(-0.5 * ((np.arange(40) - 25) / 3) ** 2)
    signal = (latent @ rng.standard_normal((4, 50)))[:, :, None] * course
    X = signal + 2 * rng.standard_normal((30, 50, 40))
    rdms = time_rdms(X, method="euclidean", window=3)
    scores = compare_rdms(rdm(latent, method="euclidean")[None], rdms, method="pearson")[0]
    assert abs(scores.argmax() + 1 - 25) <= 2
    assert scores.max() > 0.5
    assert np.abs(scores[:12]).max() < 0.25


def test_float32_data_give_float32_rdms_near_those_of_float64(epochs):
    given = epochs.astype(np.float32)
    ours = time_rdms(given)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, time_rdms(given.astype(np.float64)), rtol=1e-4, atol=2e-6)


def test_a_pattern_that_is_constant_at_one_time_has_nan_there_alone(epochs):
    epochs[3, :, 7] = 0.1
    missing = np.isnan(time_rdms(epochs))
    pairs = np.stack(np.triu_indices(8, k=1))
    np.testing.assert_array_equal(missing[7], (pairs == 3).any(axis=0))
    assert not np.delete(missing, 7, axis=0).any()


def test_torch_in_gives_torch_out_with_the_same_numbers(epochs):
    ours = time_rdms(torch.from_numpy(epochs))
    assert isinstance(ours, torch.Tensor)
    np.testing.assert_array_equal(ours.numpy(), time_rdms(epochs))


@pytest.mark.parametrize("method", PLAIN)
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_input_of_any_memory_order_is_not_changed(epochs, method, axes):
    given = np.ascontiguousarray(epochs.transpose(axes)).transpose(np.argsort(axes))
    ours = time_rdms(given, method=method)
    np.testing.assert_array_equal(given, epochs)
    np.testing.assert_allclose(ours, time_rdms(epochs, method=method), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 21}, "`window` must be 1 to 20 time points and `step` at least 1, got 21 and 1"),
        ({"step": 0}, "got 1 and 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"method": "mahalanobis"}, "method 'mahalanobis' needs `precision`"),
        ({"precision": np.eye(6)}, "method 'correlation' takes no `precision`"),
        ({"method": "mahalanobis", "precision": np.eye(5)}, r"must be 6 x 6.*got shape \(5, 5\)"),
        ({"X": np.zeros((3, 4))}, r"3 dimension\(s\), got shape \(3, 4\)"),
        ({"X": np.zeros((3, 0, 4))}, "no channels"),
        ({"X": np.full((3, 1, 4), np.inf)}, "12 NaN or infinite"),
        ({"method": "crossnobis", "conditions": np.zeros(8)}, "needs `conditions` and `runs`"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(epochs, change, message):
    options = dict(change)
    X = options.pop("X", epochs)
    with pytest.raises(InputError, match=message):
        time_rdms(X, **options)


def test_unknown_options_list_those_known(epochs):
    with pytest.raises(UnknownNameError, match="`within_window` is 'means', did you mean 'mean'"):
        time_rdms(epochs, within_window="means")
    with pytest.raises(UnknownNameError, match="`method` is 'poisson'"):
        time_rdms(epochs, method="poisson")
