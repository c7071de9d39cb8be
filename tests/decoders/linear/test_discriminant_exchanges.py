from __future__ import annotations

import numpy as np
import pytest

from alignkit.decoders.linear import classifiers
from alignkit.decoders.linear._discriminant_exchanges import solve_exchanges
from alignkit.decoders.linear.classifiers import DiscriminantOverTimes
from alignkit.decoders.linear.over_times import LinearOverTimes


def planted(n_classes: int = 2, n_channels: int = 5, n_exchanges: int = 4):
    """Signals in unlike units with offsets, exchanged labels, and training parts without each fifth."""
    rng = np.random.default_rng(n_classes)
    X = rng.standard_normal((3, 80, n_channels)) @ rng.standard_normal((n_channels, n_channels))
    X = X * np.geomspace(1e-6, 1e3, n_channels) * rng.uniform(0.5, 2, (1, 80, 1)) + 5.0
    labels = np.stack([rng.permutation(np.arange(80) % n_classes) for _ in range(n_exchanges)])
    return X, labels, [np.flatnonzero(np.arange(80) % 5 != fold) for fold in range(5)]


def fitted_singly(estimator, X, labels, trainings):
    """Return weights as every exchange has them by itself; several classes about their mean."""
    (coef, intercept) = zip(
        *LinearOverTimes.weights_of_exchanges(estimator, X, labels, trainings), strict=True
    )
    return about_mean(np.concatenate(coef)), about_mean(np.concatenate(intercept))


def about_mean(values):
    return values - values.mean(axis=-1, keepdims=True) if values.shape[-1] > 1 else values


def of(n_classes: int, **options: object) -> DiscriminantOverTimes:
    estimator = DiscriminantOverTimes(**options)
    estimator.classes_ = np.arange(n_classes)
    return estimator


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("shrinkage", ["auto", 0.3, None])
def test_weights_are_those_of_every_exchange_by_itself(n_classes, standardize, shrinkage):
    X, labels, trainings = planted(n_classes)
    X[1, :, 2] = 0.1 if standardize else 7.0  # constant
    options = {"shrinkage": shrinkage, "standardize": standardize}
    coef, intercept, sound = solve_exchanges(X, labels, trainings, n_classes=n_classes, **options)
    assert sound.all()
    expected = fitted_singly(of(n_classes, **options), X, labels, trainings)
    scale = np.abs(expected[0]).max(axis=(0, 1, 2, 4), keepdims=True)
    np.testing.assert_allclose(about_mean(coef) / scale, expected[0] / scale, atol=1e-7)
    np.testing.assert_allclose(about_mean(intercept), expected[1], atol=1e-7 * np.abs(expected[1]).max())


def test_an_exchange_in_which_a_class_hardly_varies_is_told_and_fitted_by_itself():
    X, labels, trainings = planted()
    X[:, labels[1] == 0, 3] = 5.0 + 1e-9 * X[:, labels[1] == 0, 3]
    sound = solve_exchanges(X, labels, trainings, n_classes=2, shrinkage="auto", standardize=True)[2]
    assert sound.tolist() == [True, False, True, True]
    found = np.concatenate([coef for coef, _ in of(2).weights_of_exchanges(X, labels, trainings)])
    expected = fitted_singly(of(2), X, labels, trainings)[0]
    scale = np.abs(expected).max(axis=(1, 2, 4), keepdims=True)
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-9)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("n_channels", [6, 90])
def test_blocks_and_many_channels_change_nothing(n_channels, monkeypatch):
    X, labels, trainings = planted(n_channels=n_channels)
    before = X.copy()
    whole = np.concatenate([coef for coef, _ in of(2).weights_of_exchanges(X, labels, trainings)])
    monkeypatch.setattr(classifiers, "_BLOCK_ELEMENTS", 1)
    single = [coef for coef, _ in of(2).weights_of_exchanges(X, labels, trainings)]
    assert len(single) == 4
    np.testing.assert_allclose(np.concatenate(single), whole, rtol=1e-7, atol=1e-10 * np.abs(whole).max())
    np.testing.assert_array_equal(X, before)
