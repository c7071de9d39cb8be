from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.preprocessing.meeg.noise_normalization import MultivariateNoiseNormalizer

CONDITIONS = np.repeat(["cat", "dog", "house"], 20)
N_CHANNELS, N_TIMES = 5, 8


@parametrize_with_checks(
    [
        MultivariateNoiseNormalizer(),
        MultivariateNoiseNormalizer(pooling="each_time", shrinkage="diagonal"),
    ]
)
def test_it_keeps_the_rules_of_scikit_learn(estimator, check):
    check(estimator)


def epochs(seed=0, *, strength=3.0):
    """Conditions with a pattern each, in correlated noise whose mixture is known."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((N_CHANNELS, N_CHANNELS)) + 2 * np.eye(N_CHANNELS)
    patterns = np.random.default_rng(5).standard_normal((3, N_CHANNELS, N_TIMES))
    noise = mixing @ rng.standard_normal((len(CONDITIONS), N_CHANNELS, N_TIMES))
    return strength * np.repeat(patterns, 20, axis=0) + noise, mixing @ mixing.T


def residuals(X, conditions=CONDITIONS):
    out = X.copy()
    for name in np.unique(conditions):
        out[conditions == name] -= out[conditions == name].mean(axis=0)
    return out


def test_whitened_training_residuals_have_the_identity_as_covariance():
    X, _ = epochs()
    normalizer = MultivariateNoiseNormalizer(shrinkage="none").fit(X, CONDITIONS)
    left = residuals(normalizer.transform(X))
    pooled = np.einsum("nct,ndt->cd", left, left) / (N_TIMES * (len(X) - 3))
    np.testing.assert_allclose(pooled, np.eye(N_CHANNELS), atol=1e-10)


def test_with_a_sigma_per_time_the_residuals_are_white_at_every_time():
    X, _ = epochs()
    X[:, :, 4] *= 10
    normalizer = MultivariateNoiseNormalizer(pooling="each_time", shrinkage="none").fit(X, CONDITIONS)
    left = residuals(normalizer.transform(X))
    for time in range(N_TIMES):
        covariance = left[:, :, time].T @ left[:, :, time] / (len(X) - 3)
        np.testing.assert_allclose(covariance, np.eye(N_CHANNELS), atol=1e-9)
    pooled = MultivariateNoiseNormalizer(shrinkage="none").fit(X, CONDITIONS)
    left = residuals(pooled.transform(X))[:, :, 0]
    assert np.abs(left.T @ left / (len(X) - 3) - np.eye(N_CHANNELS)).max() > 0.5


def test_the_noise_is_found_whatever_the_conditions_show():
    X, truth = epochs()
    found = MultivariateNoiseNormalizer().fit(X, CONDITIONS).covariance_
    np.testing.assert_allclose(found, truth, atol=0.2 * np.abs(truth).max())
    without = MultivariateNoiseNormalizer().fit(X).covariance_
    assert np.abs(without - truth).max() > 3 * np.abs(found - truth).max()


def test_shrinkage_is_ledoit_and_wolfs_on_the_residuals():
    X, _ = epochs()
    normalizer = MultivariateNoiseNormalizer(shrinkage="identity").fit(X, CONDITIONS)
    left = residuals(X)
    expected = np.mean([ledoit_wolf(left[:, :, t])[0] * 60 / 57 for t in range(N_TIMES)], axis=0)
    np.testing.assert_allclose(normalizer.covariance_, expected, rtol=1e-8)


def test_per_epoch_the_covariance_is_over_the_times_within_each():
    X, _ = epochs()
    normalizer = MultivariateNoiseNormalizer(pooling="epoch", shrinkage="none").fit(X)
    expected = np.mean([np.cov(epoch) for epoch in X], axis=0)
    np.testing.assert_allclose(normalizer.covariance_, expected, rtol=1e-10)


def test_test_epochs_do_not_change_what_was_fitted():
    X, _ = epochs()
    train = np.arange(60) % 4 != 0
    before = MultivariateNoiseNormalizer().fit(X[train], CONDITIONS[train])
    spoiled = X.copy()
    spoiled[~train] = 1e3 * np.random.default_rng(1).standard_normal(spoiled[~train].shape)
    after = MultivariateNoiseNormalizer().fit(spoiled[train], CONDITIONS[train])
    np.testing.assert_array_equal(before.whitener_, after.whitener_)
    whitener = before.whitener_.copy()
    before.transform(spoiled[~train])
    np.testing.assert_array_equal(before.whitener_, whitener)


def test_an_invertible_mixture_of_channels_changes_no_distance_after_it():
    X, _ = epochs()
    mixture = np.random.default_rng(3).standard_normal((N_CHANNELS, N_CHANNELS)) + 3 * np.eye(N_CHANNELS)

    def distances(data):
        means = np.stack([data[CONDITIONS == name].mean(axis=0) for name in np.unique(CONDITIONS)])
        return [np.linalg.norm(means[i] - means[j]) for i, j in ((0, 1), (0, 2), (1, 2))]

    def whitened(data, **options):
        return MultivariateNoiseNormalizer(**options).fit(data, CONDITIONS).transform(data)

    mixed = mixture @ X
    np.testing.assert_allclose(
        distances(whitened(mixed, shrinkage="none")), distances(whitened(X, shrinkage="none")), rtol=1e-8
    )
    assert not np.allclose(distances(mixed), distances(X), rtol=0.1)


def test_the_empty_direction_of_an_average_reference_stays_empty():
    X, _ = epochs()
    X = X - X.mean(axis=1, keepdims=True)
    normalizer = MultivariateNoiseNormalizer(shrinkage="none").fit(X, CONDITIONS)
    whitened = normalizer.transform(X)
    variances = np.linalg.eigvalsh(normalizer.whitener_ @ normalizer.covariance_ @ normalizer.whitener_.T)
    np.testing.assert_allclose(variances, [0, 1, 1, 1, 1], atol=1e-8)
    assert np.abs(whitened).max() < 20


def test_inputs_stay_and_single_precision_stays():
    X, _ = epochs()
    X = X.astype(np.float32)
    before = X.copy()
    whitened = MultivariateNoiseNormalizer().fit(X, CONDITIONS).transform(X)
    assert whitened.dtype == np.float32
    np.testing.assert_array_equal(X, before)


def test_conditions_that_do_not_fit_or_do_not_repeat_are_refused():
    X, _ = epochs()
    with pytest.raises(InputError, match=r"`y` must name the condition of each of 60 epochs, got \(59,\)"):
        MultivariateNoiseNormalizer().fit(X, CONDITIONS[:-1])
    with pytest.raises(InputError, match=r"0 epochs \(n_samples = 60\) are of a condition with another"):
        MultivariateNoiseNormalizer().fit(X, np.arange(60))


def test_epochs_without_times_other_times_and_channels_without_noise_are_refused():
    X, _ = epochs()
    with pytest.raises(InputError, match="pooling 'epoch' needs epochs of at least 3 times, got 1"):
        MultivariateNoiseNormalizer(pooling="epoch").fit(X[:, :, 0])
    with pytest.raises(InputError, match="`X` has 5 times, but the noise was estimated at 8"):
        MultivariateNoiseNormalizer(pooling="each_time").fit(X, CONDITIONS).transform(X[:, :, :5])
    with pytest.raises(InputError, match=r"must be epochs x channels \[x times\], got shape \(1, 2, 3, 4\)"):
        MultivariateNoiseNormalizer().fit(np.ones((1, 2, 3, 4)))
    flat = X.copy()
    flat[:, 2] = 1.0
    with pytest.raises(InputError, match="1 channel.* constant, the first is column 2"):
        MultivariateNoiseNormalizer().fit(flat, CONDITIONS)


def test_channels_of_different_units_are_refused_with_one_target_and_fine_with_their_own():
    X, _ = epochs()
    X[:, 0] *= 1e-6
    with pytest.raises(InputError, match="different units. Set `shrinkage` to 'diagonal'"):
        MultivariateNoiseNormalizer().fit(X, CONDITIONS)
    whitened = MultivariateNoiseNormalizer(shrinkage="diagonal").fit(X, CONDITIONS).transform(X)
    left = residuals(whitened)
    assert left.std(axis=(0, 2)) == pytest.approx(np.ones(N_CHANNELS), abs=0.15)


def test_distances_are_those_of_the_inverse_square_root_of_sigma():
    X, _ = epochs()
    normalizer = MultivariateNoiseNormalizer(shrinkage="none").fit(X, CONDITIONS)
    values, vectors = np.linalg.eigh(normalizer.covariance_)
    classic = (vectors / np.sqrt(values)) @ vectors.T @ X
    ours = normalizer.transform(X)
    np.testing.assert_allclose(
        np.linalg.norm(ours[0] - ours[25], axis=0),
        np.linalg.norm(classic[0] - classic[25], axis=0),
        rtol=1e-8,
    )
