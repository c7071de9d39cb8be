from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics.matching.rosetta import rosetta_units


def zoo(n_models=4, n=300, n_own=10, noise=0.4, seed=0):
    """Return models that share two units, the last two in each, at other gains."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 2))
    return [
        np.hstack(
            [
                rng.standard_normal((n, n_own)),
                (k + 1) * (shared + noise * rng.standard_normal((n, 2))) + 10,
            ]
        )
        for k in range(n_models)
    ]


def test_units_that_all_models_share_are_found_and_chance_finds_none():
    models = zoo()
    found = rosetta_units(models, n_shuffles=3, least_correlation=0.5)
    assert [group.tolist() for group in found.groups] == [
        [[k, unit] for k in range(4)] for unit in _order(found, (10, 11))
    ]
    assert found.n_models.tolist() == [4, 4]
    assert found.group_correlations.min() > 0.75
    assert found.chance_full_groups == 0
    assert found.chance_correlations.size == 0


def _order(found, units):
    first = int(found.groups[0][0, 1])
    return [first, next(unit for unit in units if unit != first)]


def test_mutual_pairs_exist_in_noise_too_which_the_chance_level_shows():
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal((300, 12)) for _ in range(3)]
    found = rosetta_units(noise, n_shuffles=5)
    assert len(found.pair_correlations) > 5
    assert found.pair_correlations.mean() == pytest.approx(found.chance_correlations.mean(), abs=0.02)
    planted = rosetta_units(zoo(), n_shuffles=5)
    assert planted.pair_correlations.max() > 2 * planted.chance_correlations.max()


def test_pairs_are_mutual_nearest_neighbours():
    models = [np.random.default_rng(seed).standard_normal((50, 9)) for seed in range(2)]
    r = np.corrcoef(models[0].T, models[1].T)[:9, 9:]
    for k in (1, 3):
        expected = [
            (i, j)
            for i in range(9)
            for j in range(9)
            if (r[i] > r[i, j]).sum() < k and (r[:, j] > r[i, j]).sum() < k and r[i, j] > 0
        ]
        found = rosetta_units(models, n_neighbors=k)
        assert [(i, j) for _, i, _, j in found.pairs] == expected
        np.testing.assert_allclose(found.pair_correlations, [r[pair] for pair in expected], rtol=1e-10)


def test_pairs_chain_across_models_that_are_no_pair_themselves():
    rng = np.random.default_rng(0)
    a, c = rng.standard_normal((2, 500, 1))
    decoy = 0.8 * a + 0.4 * rng.standard_normal((500, 1))
    # a and c meet only in the middle model; a's best in the last model is the decoy.
    models = [a, a + c, np.hstack([c, decoy])]
    found = rosetta_units(models)
    pairs = {tuple(pair) for pair in found.pairs.tolist()}
    assert (0, 0, 1, 0) in pairs
    assert (0, 0, 2, 1) in pairs
    assert (0, 0, 2, 0) not in pairs
    assert [2, 0] in found.groups[0].tolist()
    assert found.n_models[0] == 3


@pytest.mark.parametrize("batch_size", [1, 7, 300])
def test_batches_change_nothing(batch_size, tmp_path):
    models = zoo()
    expected = rosetta_units(models)
    np.save(tmp_path / "model.npy", models[0].astype(np.float32))
    mapped = np.load(tmp_path / "model.npy", mmap_mode="r")
    found = rosetta_units(models, batch_size=batch_size)
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    np.testing.assert_allclose(found.pair_correlations, expected.pair_correlations, rtol=1e-12)
    from_file = rosetta_units([mapped, *models[1:]], batch_size=batch_size)
    np.testing.assert_allclose(from_file.group_correlations[:2], expected.group_correlations[:2], rtol=1e-5)


def test_sums_in_float64_keep_digits_that_float32_sums_lose():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 1))
    models = [(x + 1000).astype(np.float32), (2 * x - 3000).astype(np.float32)]
    found = rosetta_units(models, batch_size=13)
    expected = np.corrcoef(models[0][:, 0].astype(float), models[1][:, 0].astype(float))[0, 1]
    assert found.pair_correlations[0] == pytest.approx(expected, rel=1e-12)


def test_constant_units_are_left_out_and_counted():
    models = zoo(n_models=2)
    models[0] = np.insert(models[0], 0, 0.1, axis=1)
    found = rosetta_units(models, n_neighbors=20, least_correlation=-1)
    assert found.n_constant.tolist() == [1, 0]
    assert 0 not in found.pairs[:, 1]


def test_no_pair_at_all_gives_empty_results():
    x = np.random.default_rng(0).standard_normal((30, 1))
    found = rosetta_units([x, -x], n_shuffles=0)
    assert found.groups == ()
    assert found.pairs.shape == (0, 4)
    assert found.n_models.size == found.group_correlations.size == 0
    assert np.isnan(found.chance_full_groups)


def test_tensors_come_back_with_equal_numbers_and_inputs_are_left_alone():
    models = zoo()
    before = models[0].copy()
    found = rosetta_units([torch.from_numpy(model) for model in models])
    assert isinstance(found.groups[0], torch.Tensor)
    expected = rosetta_units(models)
    np.testing.assert_array_equal(found.pairs.numpy(), expected.pairs)
    np.testing.assert_array_equal(found.chance_correlations.numpy(), expected.chance_correlations)
    np.testing.assert_array_equal(models[0], before)


def test_unusable_input_is_refused_with_the_numbers():
    models = zoo(n=20)
    with pytest.raises(InputError, match="at least two models' responses, got 1"):
        rosetta_units(models[:1])
    with pytest.raises(InputError, match=r"`models\[0\]` and `models\[1\]` must have the same .* 20 and 9"):
        rosetta_units([models[0], models[1][:9]])
    with pytest.raises(InputError, match=r"`models\[1\]` holds 1 NaN"):
        rosetta_units([models[0], np.where(np.arange(240).reshape(20, 12) == 100, np.nan, models[1])])
    with pytest.raises(InputError, match=r"none of the 2 units of `models\[0\]` varies"):
        rosetta_units([np.ones((20, 2)), models[1]])
    with pytest.raises(InputError, match="got 0, 5 and 1"):
        rosetta_units(models, n_neighbors=0, batch_size=5)


def test_what_is_no_sequence_of_models_and_an_impossible_least_correlation_are_refused():
    with pytest.raises(InputError, match="`models` must be a sequence of arrays .*, got NoneType"):
        rosetta_units(None)
    X = np.random.default_rng(0).standard_normal((9, 3))
    for least in (float("nan"), 1.0):
        with pytest.raises(InputError, match="`least_correlation` must be a correlation below 1, got"):
            rosetta_units([X, X], least_correlation=least)
    assert len(rosetta_units(values for values in (X, X[:, ::-1])).groups) == 3


def test_a_unit_that_varies_by_rounding_alone_is_constant():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((9, 3))
    flat = 0.1 * (1 + 1.1e-16 * rng.integers(-1, 2, (9, 1)))
    assert rosetta_units([X, np.hstack([X, flat])]).n_constant.tolist() == [0, 1]
