from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import RidgeEncoder, partition
from alignkit.encoders.banded import BandedRidgeEncoder
from alignkit.encoders.partition import variance_partition
from alignkit.metrics.variance import product_measure
from alignkit.stats import fdr

ALPHAS = np.logspace(-1, 5, 10)
FAST = {"alphas": ALPHAS, "n_weights": 4, "n_permutations": 200}


def make_spaces(n_samples=150, seed=0, correlated=False, widths=(6, 15, 25)):
    """Return an informative space and two inert ones, which are mixed from it where `correlated`."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((n_samples, widths[0]))
    spaces = {"informative": first}
    for number, width in enumerate(widths[1:]):
        mixed = first @ rng.standard_normal((widths[0], width)) / np.sqrt(widths[0])
        noise = rng.standard_normal((n_samples, width))
        spaces[f"inert{number}"] = mixed + 0.5 * noise if correlated else noise
    return spaces, rng


def make_responses(spaces, rng, n_channels, gain=1.0):
    first = spaces["informative"]
    signal = first @ rng.standard_normal((first.shape[1], n_channels)) / np.sqrt(first.shape[1])
    return gain * signal + rng.standard_normal((len(first), n_channels))


@pytest.mark.parametrize("encoder", ["banded", "ridge"])
def test_parts_shares_and_shapley_values_add_up_to_the_joint_r2(encoder):
    spaces, rng = make_spaces()
    Y = make_responses(spaces, rng, 8) + 3
    found = variance_partition(spaces, Y, encoder=encoder, **FAST)
    for parts in (found.parts, found.product, found.shapley):
        np.testing.assert_allclose(parts.sum(axis=0), found.joint, atol=1e-10)
    np.testing.assert_allclose(found.unique, found.parts[:3])
    full = found.subsets.index(("informative", "inert0", "inert1"))
    without = found.subsets.index(("inert0", "inert1"))
    np.testing.assert_allclose(found.unique[0], found.r2[full] - found.r2[without])


def test_r2_of_subsets_is_that_of_the_encoders_fitted_to_the_training_part():
    spaces, rng = make_spaces()
    Y = make_responses(spaces, rng, 5)
    train, test = np.arange(100), np.arange(100, 150)
    options = {"cv": [(train, test)], "inner_cv": KFold(4), **FAST}
    found = variance_partition(spaces, Y, encoder="ridge", **options)
    for subset, r2 in zip(found.subsets, found.r2, strict=True):
        X = np.concatenate([spaces[name] for name in subset], axis=1)
        peer = RidgeEncoder(cv=KFold(4), alphas=ALPHAS).fit(X[train], Y[train])
        np.testing.assert_allclose(r2, explained_variance(Y[test], peer.predict(X[test])), atol=1e-8)
    banded = variance_partition(spaces, Y, **options)
    single = found.subsets.index(("inert1",))
    np.testing.assert_allclose(banded.r2[single], found.r2[single], atol=1e-10)


def test_r2_is_pooled_over_test_parts():
    spaces, rng = make_spaces()
    Y = make_responses(spaces, rng, 5)
    folds = list(KFold(3).split(Y))
    found = variance_partition(spaces, Y, encoder="ridge", cv=folds, inner_cv=KFold(4), **FAST)
    X = np.concatenate(list(spaces.values()), axis=1)
    errors, total = 0.0, 0.0
    for train, test in folds:
        predicted = RidgeEncoder(cv=KFold(4), alphas=ALPHAS).fit(X[train], Y[train]).predict(X[test])
        errors += len(test) * (Y[test] - predicted).var(axis=0)
        total += ((Y[test] - Y[test].mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(found.joint, 1 - errors / total, atol=1e-8)


def test_the_product_measure_is_that_of_the_joint_encoder():
    spaces, rng = make_spaces()
    Y = make_responses(spaces, rng, 5)
    train, test = np.arange(100), np.arange(100, 150)
    found = variance_partition(spaces, Y, encoder="ridge", cv=[(train, test)], inner_cv=KFold(4), **FAST)
    alone = RidgeEncoder(cv=KFold(4), alphas=ALPHAS)
    joint = alone.fit(np.concatenate(list(spaces.values()), axis=1)[train], Y[train])
    peer = BandedRidgeEncoder(spaces={name: X.shape[1] for name, X in spaces.items()})
    peer.coef_, peer.intercept_, peer.n_features_in_ = joint.coef_, joint.intercept_, joint.n_features_in_
    peer.spaces_ = {"informative": np.arange(6), "inert0": np.arange(6, 21), "inert1": np.arange(21, 46)}
    parts = np.stack(list(peer.predict_parts(np.concatenate(list(spaces.values()), axis=1)[test]).values()))
    parts -= parts.mean(axis=1, keepdims=True)
    expected = product_measure(Y[test] - Y[test].mean(axis=0), parts)
    np.testing.assert_allclose(found.product, expected, atol=1e-8)


def test_the_level_of_a_test_part_counts_neither_for_nor_against_a_model():
    spaces, rng = make_spaces()
    Y = make_responses(spaces, rng, 5)
    train, test = np.arange(100), np.arange(100, 150)
    raised = Y.copy()
    raised[test] += 3.0
    options = {"cv": [(train, test)], "inner_cv": KFold(4), **FAST}
    np.testing.assert_allclose(
        variance_partition(spaces, raised, **options).r2,
        variance_partition(spaces, Y, **options).r2,
        atol=1e-6,
    )


def explained_variance(measured, predicted):
    return 1 - (measured - predicted).var(axis=0) / measured.var(axis=0)


def test_a_planted_split_is_found():
    rng = np.random.default_rng(0)
    common = rng.standard_normal((400, 3))
    spaces = {
        "left": np.column_stack([common, rng.standard_normal((400, 3))]),
        "right": np.column_stack([common, rng.standard_normal((400, 3))]),
    }
    Y = np.column_stack(
        [
            spaces["left"][:, 3:] @ [1, 1, 1],
            spaces["right"][:, 3:] @ [1, 1, 1],
            common @ [1, 1, 1],
            np.zeros(400),
        ]
    ) + rng.standard_normal((400, 4))
    found = variance_partition(spaces, Y, **FAST)
    left, right, shared = found.parts
    np.testing.assert_allclose(left, [0.75, 0, 0, 0], atol=0.06)
    np.testing.assert_allclose(right, [0, 0.75, 0, 0], atol=0.06)
    np.testing.assert_allclose(shared, [0, 0, 0.75, 0], atol=0.06)
    np.testing.assert_array_equal(found.unique_p_corrected < 0.05, [[1, 0, 0, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(found.joint_p_corrected < 0.05, [1, 1, 1, 0])


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_inert_spaces_are_called_unique_no_more_often_than_the_level(correlated, gain):
    rejected = []
    for seed in range(3):
        spaces, rng = make_spaces(100, seed, correlated, widths=(6, 12))
        found = variance_partition(spaces, make_responses(spaces, rng, 100, gain), **FAST)
        rejected.append(found.unique_p[1] < 0.05)
    # Three standard errors of 300 tests above .05.
    assert np.mean(rejected) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def autocorrelated(rng, shape, memory=0.8):
    values = rng.standard_normal(shape)
    for row in range(1, len(values)):
        values[row] = memory * values[row - 1] + np.sqrt(1 - memory**2) * values[row]
    return values


def test_blocks_keep_the_level_in_time_series():
    rejected = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        spaces = {"informative": autocorrelated(rng, (160, 4)), "inert": autocorrelated(rng, (160, 10))}
        Y = spaces["informative"] @ rng.standard_normal((4, 100)) + 2 * autocorrelated(rng, (160, 100))
        found = variance_partition(spaces, Y, cv=KFold(4), inner_cv=KFold(4), blocks=10, **FAST)
        assert found.n_blocks == 16
        rejected.append(found.unique_p[1] < 0.05)
    assert np.mean(rejected) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_p_is_never_zero_and_corrected_over_the_channels_of_a_space():
    spaces, rng = make_spaces()
    Y = make_responses(spaces, rng, 10, gain=5)
    found = variance_partition(spaces, Y, correction="by", **FAST)
    assert found.unique_p[0].min() == pytest.approx(1 / 201)
    assert found.n_permutations == 200
    for p, corrected in zip(found.unique_p, found.unique_p_corrected, strict=True):
        np.testing.assert_allclose(corrected, fdr(p, method="by"))
    np.testing.assert_allclose(found.joint_p_corrected, fdr(found.joint_p, method="by"))
    assert (found.unique_p >= found.joint_p).all()


def test_groups_are_the_blocks_and_stay_on_one_side():
    spaces, rng = make_spaces(60)
    repeats = np.repeat(np.arange(60), 2)
    spaces = {name: X[repeats] for name, X in spaces.items()}
    Y = make_responses(spaces, rng, 4)
    found = variance_partition(spaces, Y, groups=repeats, **FAST)
    assert found.n_blocks == 60
    few = variance_partition(spaces, Y, groups=np.arange(120) // 20, cv=3, inner_cv=2, **FAST)
    assert few.n_blocks == 6
    assert few.n_permutations == 64


def test_blocks_of_channels_do_not_change_the_result(monkeypatch):
    spaces, rng = make_spaces(80)
    Y = make_responses(spaces, rng, 7)
    whole = variance_partition(spaces, Y, **FAST)
    monkeypatch.setattr(partition, "BLOCK_ELEMENTS", 900)
    blocked = variance_partition(spaces, Y, **FAST)
    np.testing.assert_allclose(blocked.parts, whole.parts, atol=1e-10)
    np.testing.assert_array_equal(blocked.unique_p, whole.unique_p)


def test_a_constant_channel_has_no_parts_and_p_of_one():
    spaces, rng = make_spaces(80)
    Y = make_responses(spaces, rng, 3)
    Y[:, 1] = 0.1
    found = variance_partition(spaces, Y, **FAST)
    for values in (found.r2, found.parts, found.product, found.shapley):
        np.testing.assert_array_equal(values[:, 1], 0)
    np.testing.assert_array_equal(found.unique_p[:, 1], 1)
    assert found.joint_p[1] == 1


def test_the_table_is_tidy():
    spaces, rng = make_spaces(80)
    found = variance_partition(spaces, make_responses(spaces, rng, 3), **FAST)
    frame = found.to_frame()
    assert list(frame.columns) == ["channel", "quantity", "spaces", "value", "p", "p_corrected"]
    assert len(frame) == 3 * (7 + 7 + 3 + 3 + 3)
    joint = frame.query("quantity == 'r2' and spaces == 'informative + inert0 + inert1'")
    np.testing.assert_array_equal(joint["value"], found.joint)
    np.testing.assert_array_equal(joint["p"], found.joint_p)
    assert frame.query("quantity == 'r2'")["p"].notna().sum() == 3
    unique = frame.query("quantity == 'unique' and spaces == 'inert1'")
    np.testing.assert_array_equal(unique["value"], found.unique[2])
    np.testing.assert_array_equal(unique["p_corrected"], found.unique_p_corrected[2])


def test_the_same_seed_gives_the_same_bits_and_inputs_are_left_alone():
    spaces, rng = make_spaces(80)
    Y = make_responses(spaces, rng, 4)
    copies = {name: X.copy() for name, X in spaces.items()}, Y.copy()
    first = variance_partition(spaces, Y, random_state=1, **FAST)
    again = variance_partition(spaces, Y, random_state=1, **FAST)
    other = variance_partition(spaces, Y, random_state=2, **FAST)
    np.testing.assert_array_equal(first.parts, again.parts)
    np.testing.assert_array_equal(first.unique_p, again.unique_p)
    assert np.abs(first.parts - other.parts).max() > 0
    for name, X in spaces.items():
        np.testing.assert_array_equal(X, copies[0][name])
    np.testing.assert_array_equal(Y, copies[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spaces": {"a": np.ones((20, 2))}}, "2 to 6 feature spaces, got 1"),
        ({"spaces": {str(k): np.ones((20, 2)) for k in range(7)}}, "2 to 6 feature spaces, got 7"),
        ({"spaces": [np.ones((20, 2))] * 2}, "`spaces` must map names to arrays, got list"),
        ({"spaces": {"a": np.ones((20, 2)), "b": np.ones((19, 2))}}, r"`spaces\['b'\]` and `Y` .* 19 and 20"),
        ({"Y": np.ones((20, 0))}, r"`Y` has no channels, got shape \(20, 0\)"),
        ({"Y": np.full((20, 1), np.nan)}, "`Y` holds 20 NaN"),
        (
            {"cv": [(np.arange(10), np.arange(10, 20)), (np.arange(5), np.arange(10, 15))]},
            "tests sample 10 in 2",
        ),
        ({"cv": 20}, r"test part of fold 0 has 1 row\(s\), but needs at least 2"),
        ({"cv": [(np.arange(15), np.arange(10, 20))]}, r"fold 0 has 5 row\(s\) in both its training and"),
        ({"cv": [(np.arange(10), np.arange(10, 25))]}, "test part of fold 0 names row 20, .* 20 samples"),
        ({"blocks": 10}, r"leaves 2 independent block\(s\) .* at least 5"),
        ({"n_permutations": 0}, "`n_permutations` must be at least 1, got 0"),
        ({"blocks": 0}, "`blocks` must be at least 1 sample long, got 0"),
        ({"blocks": np.arange(19)}, r"name the block of each of the 20 samples, got shape \(19,\)"),
        (
            {"inner_cv": [(np.arange(5), np.arange(5, 10))]},
            "`inner_cv` is a list of 1 folds, but the training parts of 5 test parts differ",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    rng = np.random.default_rng(0)
    given = {
        "spaces": {"a": rng.standard_normal((20, 2)), "b": rng.standard_normal((20, 3))},
        "Y": rng.standard_normal((20, 2)),
        **FAST,
        **change,
    }
    with pytest.raises(InputError, match=message):
        variance_partition(given.pop("spaces"), given.pop("Y"), **given)


@pytest.mark.parametrize(("name", "value"), [("encoder", "lasso"), ("correction", "bonferroni")])
def test_unknown_options_are_refused(name, value):
    spaces, rng = make_spaces(30)
    with pytest.raises(UnknownNameError, match=f"`{name}` is '{value}'"):
        variance_partition(spaces, make_responses(spaces, rng, 2), **{name: value})
