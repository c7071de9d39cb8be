from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from alignkit._core.errors import InputError
from alignkit.metrics.geometry.separation import generalised_discrimination_value as gdv


def by_definition(X, labels):
    """Return the value by its printed formula."""
    scaled = 0.5 * (X - X.mean(axis=0)) / X.std(axis=0)
    groups = [scaled[labels == name] for name in np.unique(labels)]
    within = np.mean([pdist(group).mean() for group in groups])
    between = [cdist(a, b).mean() for i, a in enumerate(groups) for b in groups[i + 1 :]]
    return (within - np.mean(between)) / np.sqrt(X.shape[1])


def test_known_values():
    X = np.random.default_rng(0).standard_normal((100, 10))
    labels = np.repeat([0, 1], 50)
    assert gdv(X + 3 * labels[:, None], labels) == pytest.approx(-0.532651, abs=1e-6)
    assert gdv(X, labels) == pytest.approx(0.0015, abs=5e-5)
    one_hot = np.repeat(np.eye(10), 3, axis=0)
    assert gdv(one_hot, np.repeat(np.arange(10), 3)) == pytest.approx(-0.745356, abs=1e-6)
    assert gdv(np.repeat([[0.0, 5.0], [3.0, 9.0]], 4, axis=0), np.repeat([0, 1], 4)) == pytest.approx(-1)


def test_the_value_equals_its_formula_for_unequal_classes_in_any_order():
    rng = np.random.default_rng(0)
    labels = np.array(list("aaabbbbbccccccc"))
    X = (
        rng.standard_normal((15, 6))
        + 2 * rng.standard_normal((3, 6))[np.unique(labels, return_inverse=True)[1]]
    )
    order = rng.permutation(15)
    expected = by_definition(X, labels)
    assert gdv(X, labels) == pytest.approx(expected, rel=1e-10)
    assert gdv(X[order], labels[order]) == pytest.approx(expected, rel=1e-10)


def test_unrelated_labels_are_at_chance_and_constant_units_do_not_count():
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((60, 8)), np.repeat([0, 1, 2], 20)
    null = [gdv(X, rng.permutation(labels)) for _ in range(50)]
    assert np.mean(null) == pytest.approx(0, abs=0.003)
    assert gdv(np.column_stack([X, np.full(60, 4)]), labels) == pytest.approx(gdv(X, labels), rel=1e-12)


def test_integers_and_tensors_give_the_same_and_input_is_left_alone():
    X, labels = np.random.default_rng(0).integers(0, 9, (10, 3)), np.repeat([0, 1], 5)
    before = X.copy()
    value = gdv(X, labels)
    assert gdv(torch.from_numpy(X), torch.from_numpy(labels)) == value
    assert gdv(X[:, :1].astype(float), labels) == pytest.approx(by_definition(X[:, :1], labels), rel=1e-10)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("X", "labels", "message"),
    [
        (np.eye(4), [0, 1, 0], "same number of samples, got 4 and 3"),
        (np.eye(4), [0, 0, 0, 0], "`labels` must name at least 2 classes, got 1"),
        (np.eye(4), [0, 0, 0, 1], "at least 2 samples, but 1 of 2 have fewer, the first 1"),
        (np.eye(4), [[0, 1, 0, 1]], r"one entry per row of `X`, got shape \(1, 4\)"),
        (np.eye(4), [0, 0, 1, np.nan], "`labels` holds 1 NaN"),
        (np.ones((4, 3)), [0, 0, 1, 1], "all 3 units of `X` are constant"),
        (np.full((4, 3), np.nan), [0, 0, 1, 1], r"`X` holds 12 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_input_is_refused(X, labels, message):
    with pytest.raises(InputError, match=message):
        gdv(X, labels)
