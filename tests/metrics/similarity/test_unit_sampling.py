from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics import cka, hsic
from alignkit.metrics.similarity.unit_sampling import population_cka, population_hsic


@pytest.fixture(scope="module")
def populations():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((40, 6))
    X, Y = latents @ rng.standard_normal((6, 3000)), latents @ rng.standard_normal((6, 3000))
    draws = [
        (X[:, rng.choice(3000, 8, replace=False)], Y[:, rng.choice(3000, 8, replace=False)])
        for _ in range(300)
    ]
    return X, Y, draws


def test_terms_equal_the_sum_over_pairs_of_different_units():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((7, 4)), rng.standard_normal((7, 3))

    def mean_over_units(A, B, same):
        pairs = [(a, b) for a in range(A.shape[1]) for b in range(B.shape[1]) if not (same and a == b)]
        values = [hsic(np.outer(A[:, a], A[:, a]), np.outer(B[:, b], B[:, b])) for a, b in pairs]
        return np.mean(values)

    expected = mean_over_units(X, Y, False), mean_over_units(X, X, True), mean_over_units(Y, Y, True)
    np.testing.assert_allclose(population_hsic(X, Y), expected, rtol=1e-10)


def test_few_units_of_equal_populations_score_one_where_debiased_cka_does_not(populations):
    X, Y, draws = populations
    assert cka(X, Y) == pytest.approx(0.9976, abs=5e-4)
    assert np.mean([cka(*draw) for draw in draws]) == pytest.approx(0.58, abs=0.02)
    cross, own_x, own_y = np.mean([population_hsic(*draw) for draw in draws], axis=0)
    assert cross / np.sqrt(own_x * own_y) == pytest.approx(1.01, abs=0.03)


def test_terms_of_samples_average_to_the_terms_of_the_populations(populations):
    X, Y, draws = populations
    found = np.array([population_hsic(*draw) for draw in draws])
    errors = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - population_hsic(X, Y)) < 3 * errors).all()


def test_samples_of_unrelated_populations_score_about_zero():
    rng = np.random.default_rng(0)
    found = [
        population_cka(rng.standard_normal((60, 3)) @ A, rng.standard_normal((60, 3)) @ B)
        for A, B in rng.standard_normal((100, 2, 3, 10))
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.03)


def test_it_does_not_change_with_shifts_scale_and_order_but_with_rotations():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((50, 4))
    X, Y = latents @ rng.standard_normal((4, 9)), latents @ rng.standard_normal((4, 12))
    value = population_cka(X, Y)
    assert population_cka(3 * X[:, ::-1] + 5, Y) == pytest.approx(value, rel=1e-9)
    assert population_cka(Y, X) == pytest.approx(value, rel=1e-12)
    rotation = np.linalg.qr(rng.standard_normal((9, 9)))[0]
    assert abs(population_cka(X @ rotation, Y) - value) > 1e-3


def test_tensors_give_the_same_number(populations):
    X, Y = populations[2][0]
    tensors = torch.from_numpy(X), torch.from_numpy(Y)
    assert population_cka(*tensors) == pytest.approx(population_cka(X, Y), rel=1e-12)


def test_one_unit_and_unusable_responses_are_refused():
    X = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(InputError, match="`Y` must hold at least 2 units, got 1"):
        population_cka(X, X[:, :1])
    with pytest.raises(InputError, match="`X` needs at least 4 rows, got 3"):
        population_cka(X[:3], X[:3])
    with pytest.raises(InputError, match="same number of samples, got 6 and 5"):
        population_cka(X, X[:5])


def test_units_that_agree_in_nothing_give_nan():
    # Each unit answers to one stimulus of its own.
    assert np.isnan(population_cka(np.eye(8)[:, :5], np.random.default_rng(0).standard_normal((8, 3))))


def test_a_self_similarity_estimated_below_zero_gives_nan():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((30, 6, 2))
    below = [X for X in samples if population_hsic(X, X)[1] < 0]
    assert below
    assert np.isnan([population_cka(X, samples[0]) for X in below]).all()
