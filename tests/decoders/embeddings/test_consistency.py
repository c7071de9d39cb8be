"""Consistency: 1 up to a linear map, chance where nothing is shared, and never from points fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import LinearRegression

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.embeddings.consistency import consistency
from alignkit.stats.blocks import blocked_folds


def slow(rng, n_columns):
    return lfilter([1], [1, -0.99], rng.standard_normal((500, n_columns)), axis=0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_linear_map_of_any_kind_is_consistency_one(rng):
    one = rng.standard_normal((100, 2))
    two = one @ rng.standard_normal((2, 5)) + 3
    result = consistency({"one": one, "two": two}, n_permutations=20)
    np.testing.assert_allclose(result.table["r2"], 1, atol=1e-12)
    assert result.aligned_by == "time"


def test_r2_is_that_of_linear_regression_on_held_out_blocks(rng):
    one = rng.standard_normal((90, 3))
    two = one[:, :2] ** 2 + one[:, 1:] + rng.standard_normal((90, 2))
    table = consistency({"one": one, "two": two}, n_folds=4, gap=3, n_permutations=0).table
    for (source, target), r2 in zip(((one, two), (two, one)), table["r2"], strict=True):
        errors = 0.0
        for train, test in blocked_folds(90, n_folds=4, gap=3):
            predicted = LinearRegression().fit(source[train], target[train]).predict(source[test])
            errors += np.square(target[test] - predicted).sum()
        assert r2 == pytest.approx(1 - errors / np.square(target - target.mean(0)).sum(), abs=1e-10)


def test_the_two_directions_differ_where_one_loses_a_dimension(rng):
    full = rng.standard_normal((200, 3))
    table = consistency({"full": full, "flat": full[:, :1]}, n_permutations=0).table
    by_source = table.set_index("source")["r2"]
    assert by_source["full"] == pytest.approx(1)
    assert by_source["flat"] < 0.5


def test_bins_of_a_label_align_sessions_that_share_no_sample(rng):
    maps = rng.standard_normal((2, 2, 3))
    angles = [rng.uniform(0, 2 * np.pi, n) for n in (500, 700)]
    points = {
        str(i): np.column_stack([np.cos(a), np.sin(a)]) @ m + 0.1 * rng.standard_normal((len(a), 3))
        for i, (a, m) in enumerate(zip(angles, maps, strict=True))
    }
    labels = dict(zip(points, angles, strict=True))
    result = consistency(points, labels=labels, n_permutations=40)
    assert result.aligned_by == "labels"
    assert result.mean > 0.95
    assert result.p == 1 / 41
    assert result.table["n_points"].tolist() == [20, 20]
    unrelated = {"0": rng.permutation(labels["0"]), "1": labels["1"]}
    assert consistency(points, labels=unrelated, n_permutations=40).p > 0.05


def test_names_are_bins_and_those_that_one_lacks_are_left_out(rng):
    places = np.array([f"place {n}" for n in range(12)])
    centres = rng.standard_normal((12, 2))
    rows = {"a": np.tile(np.arange(12), 10), "b": np.tile(np.arange(10), 10)}
    points = {name: centres[row] + 0.01 * rng.standard_normal((len(row), 2)) for name, row in rows.items()}
    result = consistency(points, labels={name: places[row] for name, row in rows.items()}, n_permutations=0)
    assert result.table["n_points"].tolist() == [10, 10]
    assert result.mean > 0.99
    numbers = consistency(points, labels=rows, n_permutations=0)
    ordered = consistency(
        points,
        labels={name: np.char.zfill(row.astype(str), 2) for name, row in rows.items()},
        n_permutations=0,
    )
    assert numbers.table["r2"].tolist() == ordered.table["r2"].tolist()


def test_slow_embeddings_without_the_label_are_at_chance_by_shifts_but_not_by_shuffles():
    p = {"shift": [], "shuffle": []}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        points = {name: slow(rng, 3) for name in "ab"}
        labels = {name: slow(rng, 1)[:, 0] for name in "ab"}
        for null, found in p.items():
            found.append(consistency(points, labels=labels, null=null, n_permutations=19).p)
    # At .05, 2 of 40 are expected; 7 or more come by chance once in 300 times.
    assert sum(value <= 0.05 for value in p["shift"]) < 7
    assert sum(value <= 0.05 for value in p["shuffle"]) >= 7


def test_a_map_that_only_fits_its_own_points_is_not_consistency(rng):
    # 30 dimensions and 40 points: fitted to all of them, R2 would be about .75.
    points = {"one": rng.standard_normal((40, 30)), "two": rng.standard_normal((40, 3))}
    in_sample = LinearRegression().fit(points["one"], points["two"]).score(points["one"], points["two"])
    table = consistency(points, n_permutations=0, n_folds=8).table.set_index("source")
    assert in_sample > 0.6
    assert table["r2"]["one"] < 0


def test_a_collapsed_embedding_has_no_r2(rng):
    points = {"one": rng.standard_normal((50, 2)), "flat": np.full((50, 2), 0.7)}
    table = consistency(points, n_permutations=5).table.set_index("target")
    assert np.isnan(table["r2"]["flat"]) and np.isnan(table["p"]["flat"])
    assert np.isfinite(table["r2"]["one"])


def test_the_same_seed_gives_the_same_null_and_inputs_stay(rng):
    points = {"one": rng.standard_normal((60, 2)), "two": rng.standard_normal((60, 2))}
    kept = {name: value.copy() for name, value in points.items()}
    one, again, other = (consistency(points, n_permutations=9, random_state=seed).null for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert all(np.array_equal(points[name], kept[name]) for name in points)
    none = consistency(points, n_permutations=0)
    assert np.isnan(none.p) and none.null.shape == (0,)
    assert none.to_frame() is none.table


def test_what_cannot_be_compared_is_refused(rng):
    one, two = rng.standard_normal((50, 2)), rng.standard_normal((40, 2))
    with pytest.raises(InputError, match="mapping with at least 2 embeddings, got 1"):
        consistency({"one": one})
    with pytest.raises(InputError, match="mapping with at least 2 embeddings, got list"):
        consistency([one, two])
    with pytest.raises(InputError, match="different numbers of samples: 'one' 50, 'two' 40"):
        consistency({"one": one, "two": two})
    with pytest.raises(InputError, match="`labels` has nothing for the embedding 'two'"):
        consistency({"one": one, "two": two}, labels={"one": np.arange(50)})
    with pytest.raises(InputError, match=r"labels of 'two' must have one value for each of 40 .* \(50,\)"):
        consistency({"one": one, "two": two}, labels=np.arange(50))
    with pytest.raises(InputError, match=r"`labels of 'one'` holds 50 NaN"):
        consistency({"one": one, "two": one}, labels=np.full(50, np.nan))
    with pytest.raises(InputError, match=r"share 3 point\(s\), too few for a map from 2 dimension"):
        consistency({"one": one, "two": one}, labels=np.arange(50) % 3)
    with pytest.raises(InputError, match=r"in 5 folds, which needs 12 to fit"):
        consistency({"one": rng.standard_normal((12, 10)), "two": rng.standard_normal((12, 2))})
    with pytest.raises(InputError, match="`n_bins` must be at least 2, got 1"):
        consistency({"one": one, "two": one}, labels=np.arange(50), n_bins=1)
    with pytest.raises(InputError, match="`n_permutations` must be at least 0, got -1"):
        consistency({"one": one, "two": one}, n_permutations=-1)
    with pytest.raises(UnknownNameError, match="`null` is 'shfit', did you mean 'shift'"):
        consistency({"one": one, "two": one}, null="shfit")
