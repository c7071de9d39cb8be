from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import cka_ceiling
from alignkit.stats.ceilings_cka import _hsic1, _kernel


def _u_centred(kernel):
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    rows = kernel.sum(axis=0) / (n - 2)
    centred = kernel - rows - rows[:, None] + kernel.sum() / ((n - 1) * (n - 2))
    return centred - np.diag(np.diag(centred))


def _hsic(X, Y):
    n = len(X)
    return (_u_centred(X @ X.T) * _u_centred(Y @ Y.T)).sum() / (n * (n - 3))


def _debiased_cka(X, Y):
    return _hsic(X, Y) / np.sqrt(_hsic(X, X) * _hsic(Y, Y))


def test_hsic_and_its_leave_one_out_values_agree_with_u_centring():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 5)) + 3.0, rng.standard_normal((12, 7))
    whole, without = _hsic1(_kernel(X), _kernel(Y))
    assert whole == pytest.approx(_hsic(X, Y))
    kept = [np.arange(12) != i for i in range(12)]
    np.testing.assert_allclose(without, [_hsic(X[k], Y[k]) for k in kept])


def test_the_true_model_reaches_the_ceiling_on_average():
    rng = np.random.default_rng(1)
    reached, ceilings = [], []
    for _ in range(60):
        signal = rng.standard_normal((60, 6)) @ rng.standard_normal((6, 40))
        repeats = signal + 6.0 * rng.standard_normal((6, 60, 40))
        mean = repeats.mean(axis=0)
        reached.append(_debiased_cka(signal, mean))
        ceilings.append(cka_ceiling(repeats[:3].mean(axis=0), repeats[3:].mean(axis=0), mean))
    values = np.array([c.upper for c in ceilings])
    assert 0.3 < np.mean(reached) < 0.9  # the noise matters
    assert values.mean() == pytest.approx(np.mean(reached), abs=0.02)
    assert np.mean([c.se_upper for c in ceilings]) == pytest.approx(values.std(ddof=1), rel=0.5)


def test_several_splits_average_the_numerator():
    rng = np.random.default_rng(2)
    repeats = rng.standard_normal((20, 8)) + 0.5 * rng.standard_normal((4, 20, 8))
    mean = repeats.mean(axis=0)
    a = np.stack([repeats[[0, 1]].mean(axis=0), repeats[[0, 2]].mean(axis=0)])
    b = np.stack([repeats[[2, 3]].mean(axis=0), repeats[[1, 3]].mean(axis=0)])
    single = [cka_ceiling(a[k], b[k], mean).upper for k in range(2)]
    assert cka_ceiling(a, b, mean).upper ** 2 == pytest.approx(np.mean(np.square(single)))


def test_noiseless_halves_give_one_whatever_rotation_scale_and_offset():
    rng = np.random.default_rng(3)
    Y = rng.standard_normal((15, 6))
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    moved = 3.0 * Y @ rotation + 7.0
    assert cka_ceiling(Y, Y, Y).upper == pytest.approx(1.0)
    noisy = Y + 0.3 * rng.standard_normal(Y.shape), Y + 0.3 * rng.standard_normal(Y.shape)
    reference = cka_ceiling(*noisy, sum(noisy) / 2).upper
    turned = [3.0 * half @ rotation + 7.0 for half in noisy]
    assert cka_ceiling(*turned, sum(turned) / 2).upper == pytest.approx(reference)
    assert cka_ceiling(moved, moved, moved).upper == pytest.approx(1.0)


def test_halves_without_common_geometry_have_no_ceiling():
    rng = np.random.default_rng(4)
    draws = [rng.standard_normal((2, 10, 30)) for _ in range(40)]
    ceilings = [cka_ceiling(a, b, (a + b) / 2) for a, b in draws]
    undefined = [c for c in ceilings if np.isnan(c.upper)]
    assert 8 < len(undefined) < 32  # HSIC1 of independent halves is below 0 about half of the time
    assert all(np.isnan(c.se_upper) for c in undefined)


def test_bad_input_is_refused():
    Y = np.random.default_rng(0).standard_normal((10, 4))
    with pytest.raises(
        InputError, match=r"`Y_half_b` must have the shape of `Y_mean`, \(10, 4\), .* got \(10, 3\)"
    ):
        cka_ceiling(Y, Y[:, :3], Y)
    with pytest.raises(InputError, match="same number of splits, got 2 and 1"):
        cka_ceiling(np.stack([Y, Y]), Y, Y)
    with pytest.raises(InputError, match="at least 5 rows, got 4"):
        cka_ceiling(Y[:4], Y[:4], Y[:4])
