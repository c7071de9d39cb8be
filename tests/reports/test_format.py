"""Numbers look the same wherever they stand."""

from __future__ import annotations

import pytest

from alignkit.reports import _format


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2314, "0.231"), (-0.2316, "\u22120.232"), (-0.0001, "0.000"), (float("nan"), "–"), (12.0, "12.000")],
)
def test_numbers_have_three_decimals_and_a_true_minus(value: float, text: str) -> None:
    assert _format.number(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0002, "< .001"), (0.001, ".001"), (0.0231, ".023"), (1.0, "1.000"), (float("nan"), "–"),
     (0.04996, ".04996"), (0.0499, ".0499"), (0.05, ".050"), (0.00996, ".00996"), (0.388, ".388")],
)  # fmt: skip
def test_p_never_rounds_over_a_threshold(p: float, text: str) -> None:
    assert _format.p_value(p) == text


def test_stars_follow_the_unrounded_p() -> None:
    values = (0.0009, 0.001, 0.0099, 0.01, 0.0499, 0.05, float("nan"))
    assert [_format.stars(p) for p in values] == ["***", "**", "**", "*", "*", "", ""]


def test_an_interval_needs_both_ends() -> None:
    assert _format.interval(-0.1, 0.25) == "[\u22120.100, 0.250]"
    assert _format.interval(float("nan"), 0.25) == ""


def test_counts_name_their_range() -> None:
    assert _format.count_range([15, 15, float("nan")]) == "15"
    assert _format.count_range([12, 1500]) == "12 to 1,500"
    assert _format.count_range([float("nan")]) == ""


def test_listing_reads_as_a_sentence() -> None:
    assert [_format.listing(names) for names in ([], ["a"], ["a", "b", "c"])] == ["", "a", "a, b and c"]
    assert _format.percent(0.589) == "59\u202f%"
