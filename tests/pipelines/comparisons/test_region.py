from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines.candidates import Candidate
from alignkit.pipelines.comparisons._comparison import read_arrays, write_part
from alignkit.pipelines.comparisons._region import (
    Region,
    RegionCeiling,
    Spread,
    layer_columns,
    layers_of,
    p_of_layers,
)
from alignkit.stats import two_factor_bootstrap

DEEP = Candidate(name="deep", family="network", layers=("early", "late"), digest="d")
FLAT = Candidate(name="flat", family="category", layers=("only",), digest="f")
COLUMNS = layer_columns([DEEP, FLAT])
ESTIMATE = np.array([0.3, 0.5])


def spread():
    return Spread(
        ci_low=ESTIMATE - 0.1,
        ci_high=ESTIMATE + 0.2,
        differences=ESTIMATE[:, None] - ESTIMATE[None, :],
        se_differences=np.array([[0.0, 0.05], [0.05, 0.0]]),
        p_differences=np.array([[np.nan, 0.02], [0.02, np.nan]]),
    )


def region(ceiling=None, **changes):
    values = {
        "roi": "IT",
        "metric": "rsa",
        "unit": "rho",
        "subjects": ["ann", "bob"],
        "columns": COLUMNS,
        "layers": np.array([[0.1, 0.2, 0.4], [0.3, 0.6, 0.6]]),
        "chosen": np.array([[0.2, 0.4], [0.4, 0.6]]),
        "p_layers": np.array([0.5, 0.04, 0.01]),
        "p_chosen": np.array([0.06, 0.01]),
        "spread": spread(),
        "ceiling": ceiling or RegionCeiling(0.6, 0.8, 0.05, "leave one out"),
        "n": 48,
    }
    return Region(**{**values, **changes})


def test_columns_are_grouped_by_model_in_order():
    assert [(column.name, column.layer) for column in COLUMNS] == [
        ("deep", "early"), ("deep", "late"), ("flat", "only"),
    ]  # fmt: skip
    assert [group.tolist() for group in layers_of(COLUMNS)] == [[0, 1], [2]]


def test_each_subject_has_a_row_per_model_with_its_chosen_value():
    table = region().scores().table
    rows = table[table["subject"] != "all"]
    assert rows.set_index(["subject", "model"])["value"].to_dict() == {
        ("ann", "deep"): 0.2, ("bob", "deep"): 0.4, ("ann", "flat"): 0.4, ("bob", "flat"): 0.6,
    }  # fmt: skip
    assert set(rows["layer"]) == {"(chosen)"}
    assert rows[["p", "ci_low", "ceiling_upper", "normalized"]].isna().all().all()


def test_each_layer_has_a_row_with_the_mean_over_subjects_and_its_p():
    table = region().scores().table
    rows = table[(table["subject"] == "all") & (table["layer"] != "(chosen)")].set_index(["model", "layer"])
    assert rows["value"].to_dict() == pytest.approx(
        {("deep", "early"): 0.2, ("deep", "late"): 0.4, ("flat", "only"): 0.5}
    )
    assert rows["p"].tolist() == [0.5, 0.04, 0.01]
    assert set(rows["ceiling_lower"]) == {0.6}
    assert set(rows["ceiling_upper"]) == {0.8}
    assert rows[["normalized", "ci_low"]].isna().all().all()


def test_each_model_has_a_row_with_interval_p_and_ceiling():
    table = region().scores().table
    rows = table[(table["subject"] == "all") & (table["layer"] == "(chosen)")].set_index("model")
    assert rows["value"].to_dict() == pytest.approx({"deep": 0.3, "flat": 0.5})
    assert rows["ci_low"].to_dict() == pytest.approx({"deep": 0.2, "flat": 0.4})
    assert rows["ci_high"].to_dict() == pytest.approx({"deep": 0.5, "flat": 0.7})
    assert rows["p"].to_dict() == {"deep": 0.06, "flat": 0.01}
    assert rows["family"].to_dict() == {"deep": "network", "flat": "category"}
    assert set(rows["ceiling_estimator"]) == {"leave one out"}
    assert set(rows["ceiling_se"]) == {0.05}
    assert set(table["roi"]) == {"IT"}
    assert set(table["unit"]) == {"rho"}
    assert set(table["n"]) == {48}
    assert len(table) == 2 * 2 + 3 + 2


@pytest.mark.parametrize(("divides", "share"), [(True, 0.3 / 0.8), (False, np.nan)])
def test_only_a_ceiling_that_divides_normalizes(divides, share):
    table = region(RegionCeiling(np.nan, 0.8, 0.05, "root of reliability", divides)).scores().table
    row = table[(table["subject"] == "all") & (table["layer"] == "(chosen)") & (table["model"] == "deep")]
    assert row["normalized"].iloc[0] == pytest.approx(share, nan_ok=True)


def test_an_unknown_ceiling_gives_no_share():
    table = region(RegionCeiling()).scores().table
    assert table[["ceiling_lower", "ceiling_upper", "ceiling_se", "normalized"]].isna().all().all()


def test_an_interval_beside_its_estimate_is_refused():
    with pytest.raises(InputError, match=r"the interval \[0.2, 0.5\] of 'deep' excludes its estimate 0.9"):
        region(chosen=np.array([[0.9, 0.5], [0.9, 0.5]])).scores()


def test_a_difference_is_the_first_model_minus_the_second():
    rows = region().differences()
    assert len(rows) == 1
    row = rows.iloc[0]
    assert (row["model_a"], row["model_b"]) == ("deep", "flat")
    assert row["difference"] == pytest.approx(0.3 - 0.5)
    assert (row["se"], row["p"], row["roi"], row["metric"]) == (0.05, 0.02, "IT", "rsa")


def test_three_models_make_three_pairs_and_one_makes_none():
    three = [
        Candidate(name=name, family="toy", layers=("l",), digest=name) for name in ("high", "low", "middle")
    ]
    means = np.array([0.6, 0.1, 0.3])
    between = Spread(
        means, means, means[:, None] - means[None, :], np.full((3, 3), 0.1), np.full((3, 3), 0.5)
    )
    rows = region(columns=layer_columns(three), spread=between).differences()
    found = {(a, b): d for a, b, d in zip(rows["model_a"], rows["model_b"], rows["difference"], strict=True)}
    assert found == pytest.approx({("high", "low"): 0.5, ("high", "middle"): 0.3, ("low", "middle"): -0.2})
    assert len(region(columns=layer_columns(three[:1])).differences()) == 0


def test_a_chosen_layer_is_held_against_the_largest_layer_of_each_permutation():
    layers, chosen = np.array([[0.5, 0.2, 0.4]]), np.array([[0.45, 0.4]])
    null = np.array([[0.1, 0.6, 0.3], [0.2, 0.1, 0.5], [0.3, 0.2, 0.1]])
    found = p_of_layers(layers, chosen, null, COLUMNS)
    # A tie counts as extreme; the observed labelling is one of four.
    assert found["p_layers"].tolist() == [1 / 4, 3 / 4, 2 / 4]
    # "deep" at 0.45 meets the maxima 0.6, 0.2 and 0.3; held against "early" alone it would get 1 / 4.
    assert found["p_chosen"].tolist() == [2 / 4, 2 / 4]


def test_p_is_of_the_mean_over_subjects():
    layers = np.array([[0.9, 0.0, 0.0], [-0.5, 0.0, 0.0]])  # mean 0.2
    null = np.tile([[0.3], [0.1], [0.1]], (1, 3))
    assert p_of_layers(layers, layers[:, [0, 2]], null, COLUMNS)["p_layers"][0] == 2 / 4


def test_a_spread_takes_its_numbers_from_a_resampling_and_comes_back_from_disk(tmp_path):
    values = np.random.default_rng(0).normal([0.2, 0.5], 0.1, (30, 2))
    result = two_factor_bootstrap(
        lambda w: ((w @ values) / w.sum())[None], 1, 30, n_bootstrap=60, random_state=0
    )
    made = Spread.of(result)
    # Fisher's z: close to the plain interval for small errors, and about the same estimate.
    np.testing.assert_allclose(made.ci_low, result.ci_low, atol=0.005)
    np.testing.assert_allclose(made.ci_high, result.ci_high, atol=0.005)
    assert ((made.ci_low < result.estimate) & (result.estimate < made.ci_high)).all()
    np.testing.assert_array_equal(made.differences, result.difference)
    np.testing.assert_array_equal(made.se_differences, result.difference_se)
    np.testing.assert_array_equal(made.p_differences, result.difference_p)
    assert made.differences[0, 1] == pytest.approx(values[:, 0].mean() - values[:, 1].mean())
    write_part(tmp_path, {**made.to_arrays(), "other": np.zeros(1)})
    back = Spread.from_arrays(read_arrays(tmp_path))
    for name, array in made.to_arrays().items():
        np.testing.assert_array_equal(getattr(back, name), array)


@pytest.mark.parametrize(
    "ceiling",
    [
        RegionCeiling(),
        RegionCeiling(0.5, 0.75, 0.125, "leave-one-subject-out", divides=False),
        RegionCeiling(np.nan, 0.9, 0.01, "Wurzel der Zuverlässigkeit", divides=True),
    ],
)
def test_a_ceiling_comes_back_from_disk(tmp_path, ceiling):
    write_part(tmp_path, ceiling.to_arrays())
    back = RegionCeiling.from_arrays(read_arrays(tmp_path))
    np.testing.assert_array_equal(
        [back.lower, back.upper, back.se], [ceiling.lower, ceiling.upper, ceiling.se]
    )
    assert (back.estimator, back.divides) == (ceiling.estimator, ceiling.divides)


def test_an_interval_of_a_correlation_stays_within_one():
    values = np.random.default_rng(0).normal(0.95, 0.4, 8)
    result = two_factor_bootstrap(lambda w: ((w @ values) / w.sum())[None, None].clip(max=0.99), 1, 8)
    assert result.ci_high[0] > 1.0
    made = Spread.of(result)
    assert made.ci_low[0] < result.estimate[0] < made.ci_high[0] < 1.0
