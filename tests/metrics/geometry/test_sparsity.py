from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics.geometry.sparsity import hoyer_sparsity, treves_rolls_sparsity


def test_exponential_rates_have_known_sparsity():
    rates = np.random.default_rng(0).exponential(size=(100_000, 1))
    assert treves_rolls_sparsity(rates)[0] == pytest.approx(0.5024, abs=5e-5)
    assert hoyer_sparsity(rates)[0] == pytest.approx(0.2955, abs=5e-5)
    assert 1 - 1 / np.sqrt(2) == pytest.approx(hoyer_sparsity(rates)[0], abs=0.005)


@pytest.mark.parametrize("measure", [treves_rolls_sparsity, hoyer_sparsity])
def test_one_answer_is_1_and_equal_answers_are_0(measure):
    rates = np.zeros((7, 3))
    rates[:, 0], rates[2, 1] = 5, 3
    found = measure(rates)
    np.testing.assert_allclose(found[:2], [0, 1], atol=1e-12)
    assert np.isnan(found[2])


@pytest.mark.parametrize("measure", [treves_rolls_sparsity, hoyer_sparsity])
def test_lifetime_and_population_are_the_two_sides_and_never_mixed(measure):
    rates = np.random.default_rng(0).exponential(size=(20, 6)) * np.arange(1, 7)
    lifetime, population = measure(rates), measure(rates, kind="population")
    assert (lifetime.shape, population.shape) == ((6,), (20,))
    np.testing.assert_array_equal(measure(rates.T, kind="population"), lifetime)
    np.testing.assert_allclose(measure(rates * np.arange(1, 7)), lifetime, rtol=1e-12)
    assert np.abs(measure(rates * np.arange(1, 7), kind="population") - population).max() > 0.01


def test_treves_rolls_equals_its_formula():
    rates = np.random.default_rng(0).integers(0, 5, (12, 4))
    share = rates.mean(axis=0) ** 2 / (rates**2).mean(axis=0)
    np.testing.assert_allclose(treves_rolls_sparsity(rates), (1 - share) / (1 - 1 / 12), rtol=1e-12)


def test_hoyer_takes_the_size_of_responses_of_either_sign():
    X = np.random.default_rng(0).standard_normal((15, 4))
    np.testing.assert_allclose(hoyer_sparsity(X), hoyer_sparsity(np.abs(X)), rtol=1e-12)
    expected = (np.sqrt(15) - np.abs(X).sum(axis=0) / np.linalg.norm(X, axis=0)) / (np.sqrt(15) - 1)
    np.testing.assert_allclose(hoyer_sparsity(X), expected, rtol=1e-12)


def test_registered_means_leave_out_what_does_not_answer():
    rates = np.random.default_rng(0).exponential(size=(9, 5))
    dead = np.column_stack([rates, np.zeros(9)])
    for name in ("treves-rolls-lifetime-sparsity", "hoyer-lifetime-sparsity"):
        assert METRICS[name](dead) == pytest.approx(METRICS[name](rates), rel=1e-12)
    with pytest.raises(InputError, match="none of the 3 has any response"):
        METRICS["hoyer-lifetime-sparsity"](np.zeros((4, 3)))


def test_tensors_come_back_and_extreme_scales_are_fine():
    rates = np.random.default_rng(0).exponential(size=(9, 5))
    found = treves_rolls_sparsity(torch.from_numpy(rates))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), treves_rolls_sparsity(rates))
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(hoyer_sparsity(scale * rates), hoyer_sparsity(rates), rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "X", "options", "message"),
    [
        (treves_rolls_sparsity, [[1.0], [-0.5]], {}, "`rates` must be 0 or more, but the smallest is -"),
        (
            treves_rolls_sparsity,
            [[1.0, 2.0]],
            {},
            "lifetime sparsity is taken over at least 2 stimuli, got 1",
        ),
        (hoyer_sparsity, [[1.0], [2.0]], {"kind": "population"}, "population .* at least 2 units, got 1"),
        (hoyer_sparsity, [[np.nan], [2.0]], {}, r"`X` holds 1 NaN or infinite value\(s\)"),
    ],
)
def test_unusable_input_is_refused(function, X, options, message):
    with pytest.raises(InputError, match=message):
        function(X, **options)


def test_an_unknown_kind_is_refused():
    with pytest.raises(UnknownNameError, match="`kind` is 'units'"):
        hoyer_sparsity(np.eye(3), kind="units")
