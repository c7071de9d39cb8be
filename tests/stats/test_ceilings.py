from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import Ceiling, normalize_score, rdm_ceiling, split_half_reliability
from alignkit.stats.ceilings import mean_repeats


def _ceiling(value, unit="r"):
    return Ceiling(value, value, 0.1, 0.1, "split-half", unit, unit)


def test_a_correlation_is_divided_by_the_root_of_the_reliability_and_r2_by_the_reliability(repeats):
    result = split_half_reliability(repeats[0])
    r = np.array([0.5, 0.4, 0.3])
    by_r = normalize_score(r, result.to_ceiling(unit="r"), unit="r")
    by_r2 = normalize_score(r**2, result.to_ceiling(unit="r2"), unit="r2")
    np.testing.assert_allclose(by_r, r / np.sqrt(result.reliability))
    np.testing.assert_allclose(by_r**2, by_r2)


def test_the_result_is_never_clipped():
    assert normalize_score(0.9, _ceiling(0.6), unit="r") == pytest.approx(1.5)
    assert normalize_score(-0.3, _ceiling(0.6), unit="r") == pytest.approx(-0.5)


def test_scores_without_a_positive_ceiling_become_nan():
    got = normalize_score([[0.1, 0.2, 0.3]], _ceiling(np.array([0.5, np.nan, 0.0])), unit="r")
    np.testing.assert_allclose(got, [[0.2, np.nan, np.nan]])


def test_an_rsa_score_is_not_divided_by_the_lower_bound(six_noisy_rdms):
    ceiling = rdm_ceiling(six_noisy_rdms[0], method="pearson")
    with pytest.raises(InputError, match="'rdm-pearson' cannot be divided .* bounds to compare a score with"):
        normalize_score(0.3, ceiling, unit="rdm-pearson")


def test_unlike_units_are_refused():
    with pytest.raises(InputError, match="'r' cannot be divided by a ceiling for scores in 'r2'"):
        normalize_score(0.3, _ceiling(0.5, "r2"), unit="r")
    with pytest.raises(InputError, match="'cka' cannot be divided by a ceiling for scores in 'r'"):
        normalize_score(0.3, _ceiling(0.5), unit="cka")
    with pytest.raises(InputError, match="different lower and upper bounds"):
        normalize_score(0.3, Ceiling(0.4, 0.6, 0.1, 0.1, "bounds", "r", "r"), unit="r")


def test_channels_must_fit():
    with pytest.raises(InputError, match=r"ceiling's 3 channels, got shape \(2,\)"):
        normalize_score([0.1, 0.2], _ceiling(np.full(3, 0.5)), unit="r")


def test_a_ceiling_that_names_no_repeats_is_not_checked_for_them():
    with pytest.raises(InputError, match=r"'split-half' is of no number of repeats, so `n_repeats` \(3\)"):
        normalize_score(0.3, _ceiling(0.5), unit="r", n_repeats=3)


def test_counts_are_averaged_as_the_noise_is():
    assert mean_repeats(4) == 4.0
    assert mean_repeats([1, 2, 2, 4]) == pytest.approx(4 / (1 + 0.5 + 0.5 + 0.25))
    for bad, shown in (([2, 0], "0"), ([], "none"), ([np.nan], "nan")):
        with pytest.raises(InputError, match=f"at least 1 for every stimulus, got {shown}"):
            mean_repeats(bad)
