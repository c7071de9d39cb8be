from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.decoders.linear.patterns import haufe_patterns


@pytest.fixture
def signal_and_distractor():
    """Channels that hold the signal, the signal with a distractor, and the distractor alone."""
    rng = np.random.default_rng(0)
    signal, distractor = rng.standard_normal((2, 5000))
    X = np.stack([signal, signal + distractor, distractor], axis=1) + 0.3 * rng.standard_normal((5000, 3))
    return X, signal


def test_a_channel_that_only_cancels_noise_has_a_weight_and_no_pattern(signal_and_distractor):
    X, signal = signal_and_distractor
    weights = LinearRegression().fit(X, signal).coef_
    pattern = haufe_patterns(X, weights[:, None])[:, 0]
    assert abs(weights[2]) > 0.2 * np.abs(weights).max()
    assert abs(pattern[2]) < 0.05 * np.abs(pattern).max()
    assert np.corrcoef(pattern, [1, 1, 0])[0, 1] > 0.95
    assert np.corrcoef(weights, [1, 1, 0])[0, 1] < 0.95


def test_patterns_of_strongly_shrunken_weights_only_come_close(signal_and_distractor):
    X, signal = signal_and_distractor
    weights = Ridge(alpha=1e5).fit(X, signal).coef_
    pattern = haufe_patterns(X, weights[:, None])[:, 0]
    assert abs(pattern[2]) > 0.2 * np.abs(pattern).max()


def test_weights_that_invert_a_mixture_give_the_mixture():
    rng = np.random.default_rng(1)
    mixture = rng.standard_normal((6, 3))
    X = rng.standard_normal((200, 3)) @ mixture.T
    np.testing.assert_allclose(haufe_patterns(X, np.linalg.pinv(mixture).T), mixture, atol=1e-10)


def test_one_output_is_the_covariance_of_channels_with_it_over_its_variance():
    rng = np.random.default_rng(2)
    X, weights = rng.standard_normal((50, 4)) + 3, rng.standard_normal((4, 1))
    latent = X @ weights[:, 0]
    expected = [np.cov(X[:, channel], latent)[0, 1] / latent.var(ddof=1) for channel in range(4)]
    np.testing.assert_allclose(haufe_patterns(X, weights)[:, 0], expected, atol=1e-12)


@pytest.mark.parametrize("scale", [False, True])
def test_one_output_equals_mne(scale):
    mne = pytest.importorskip("mne")
    from mne.decoding import LinearModel, get_coef

    rng = np.random.default_rng(3)
    X = rng.standard_normal((120, 8)) @ rng.standard_normal((8, 8))
    y = (X[:, 0] + rng.standard_normal(120) > 0).astype(int)
    seen = StandardScaler().fit_transform(X) if scale else X
    with mne.utils.use_log_level("error"):
        model = LinearModel(LogisticRegression()).fit(seen, y)
    expected = get_coef(model, "patterns_")
    found = haufe_patterns(seen, get_coef(model, "filters_")[:, None], normalise=False)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    if scale:
        raw_weights = get_coef(model, "filters_") / X.std(axis=0)
        found = haufe_patterns(X, raw_weights[:, None], normalise=False)[:, 0]
        np.testing.assert_allclose(found, expected * X.std(axis=0), atol=1e-6)


def test_several_outputs_with_the_targets_as_latent_equal_mne():
    pytest.importorskip("mne")
    from mne.decoding import LinearModel, get_coef

    rng = np.random.default_rng(4)
    X = rng.standard_normal((120, 8)) @ rng.standard_normal((8, 8))
    Y = X @ rng.standard_normal((8, 3)) + rng.standard_normal((120, 3))
    model = LinearModel(Ridge(10.0)).fit(X, Y)
    found = haufe_patterns(X, get_coef(model, "filters_").T, latent=Y)
    np.testing.assert_allclose(found, get_coef(model, "patterns_").T, atol=1e-6)
    assert np.abs(haufe_patterns(X, get_coef(model, "filters_").T) - found).max() > 1e-3


def test_times_are_done_one_by_one():
    rng = np.random.default_rng(5)
    X, weights = rng.standard_normal((40, 5, 3)), rng.standard_normal((3, 5, 2))
    together = haufe_patterns(X, weights)
    for time in range(3):
        np.testing.assert_allclose(together[time], haufe_patterns(X[:, :, time], weights[time]), atol=1e-12)


def test_outputs_that_add_up_to_nothing_have_finite_patterns():
    rng = np.random.default_rng(6)
    X, weights = rng.standard_normal((80, 5)), rng.standard_normal((5, 3))
    weights -= weights.mean(axis=1, keepdims=True)
    patterns = haufe_patterns(X, weights)
    latent = (X - X.mean(axis=0)) @ weights
    # The pattern is the regression of the channels on the outputs, of all the one with the least norm.
    expected = np.linalg.lstsq(latent, X - X.mean(axis=0), rcond=1e-10)[0].T
    np.testing.assert_allclose(patterns, expected, atol=1e-8)
    np.testing.assert_array_equal(haufe_patterns(X, np.zeros((5, 1))), 0)


def test_errors_say_what_came():
    X = np.random.default_rng(0).standard_normal((20, 4, 2))
    with pytest.raises(InputError, match=r"for 4 channels at 2 time\(s\), got shape \(2, 3, 1\)"):
        haufe_patterns(X, np.ones((2, 3, 1)))
    with pytest.raises(InputError, match=r"`weights` must have 3 dimension\(s\), got shape \(4, 1\)"):
        haufe_patterns(X, np.ones((4, 1)))
    with pytest.raises(InputError, match=r"got 20 and 19"):
        haufe_patterns(X[..., 0], np.ones((4, 1)), latent=np.ones(19))
    with pytest.raises(InputError, match=r"each of the 1 outputs of `weights`, got 2"):
        haufe_patterns(X[..., 0], np.ones((4, 1)), latent=np.ones((20, 2)))
    with pytest.raises(InputError, match=r"`X` holds 160 NaN"):
        haufe_patterns(X * np.nan, np.ones((2, 4, 1)))
