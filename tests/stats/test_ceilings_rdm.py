from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import rdm_ceiling, split_half_rdm_ceiling, weighted_similarity

REFERENCE = {
    "cosine": (0.9719395676, 0.9805647845),
    "pearson": (0.6762174028, 0.7830777678),
    "spearman": (0.7036540698, 0.7971095875),
    "rho-a": (0.7035573123, 0.7969257795),
    "kendall": (0.512962963, 0.6033670034),
}


@pytest.mark.parametrize(("method", "bounds"), REFERENCE.items())
def test_reference_values_of_the_bounds(six_noisy_rdms, method, bounds):
    ceiling = rdm_ceiling(six_noisy_rdms[0], method=method)
    assert (ceiling.lower, ceiling.upper) == pytest.approx(bounds, abs=1e-9)
    assert (ceiling.unit, ceiling.divides) == (f"rdm-{method}", "nothing")


def test_second_set_of_reference_values():
    rng = np.random.default_rng(0)
    rdms = rng.random(66) + 0.3 * rng.standard_normal((10, 66))
    rdms -= rdms.min()
    expected = {
        "pearson": (0.647775, 0.724025),
        "cosine": (0.974596, 0.979462),
        "spearman": (0.654304, 0.723165),
        "rho-a": (0.654276, 0.723127),
    }
    for method, bounds in expected.items():
        ceiling = rdm_ceiling(rdms, method=method)
        assert (ceiling.lower, ceiling.upper) == pytest.approx(bounds, abs=1e-6), method


@pytest.mark.parametrize("method", ["cosine", "pearson", "spearman", "rho-a"])
def test_no_model_exceeds_the_upper_bound_and_the_truth_lies_between(method):
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(20):
        truth = rng.random(66)
        rdms = truth + 0.5 * rng.standard_normal((8, 66))
        ceiling = rdm_ceiling(rdms, method=method)
        candidates = [truth, rdms.mean(axis=0), *rdms, *rng.random((5, 66))]
        scores = weighted_similarity(rdms, candidates, method=method).mean(axis=0)
        assert scores.max() <= ceiling.upper + 1e-12
        inside.append((scores[0] - ceiling.lower, ceiling.upper - scores[0]))
    assert (np.mean(inside, axis=0) > 0).all()


def test_all_rdms_of_a_subject_are_left_out_together(six_noisy_rdms):
    rdms = six_noisy_rdms[0]
    subjects = ["a", "a", "b", "b", "c", "c"]
    ceiling = rdm_ceiling(rdms, method="pearson", subjects=subjects)
    z = (rdms - rdms.mean(axis=1, keepdims=True)) / rdms.std(axis=1, keepdims=True)
    lower = []
    for subject in "abc":
        own = np.array([s == subject for s in subjects])
        lower.append(np.mean([np.corrcoef(z[~own].mean(axis=0), d)[0, 1] for d in rdms[own]]))
    assert ceiling.lower == pytest.approx(np.mean(lower))
    assert ceiling.lower < rdm_ceiling(rdms, method="pearson").lower


def test_every_subject_counts_the_same(six_noisy_rdms):
    rdms = six_noisy_rdms[0]
    doubled = rdm_ceiling(rdms[[0, 0, 1, 1, 2, 2]], method="pearson", subjects=[0, 0, 1, 1, 2, 2])
    single = rdm_ceiling(rdms[:3], method="pearson")
    assert (doubled.lower, doubled.upper) == pytest.approx((single.lower, single.upper))


def test_agrees_with_rsatoolbox_for_groups_of_unequal_size(six_noisy_rdms):
    inference = pytest.importorskip("rsatoolbox.inference")
    rdm = pytest.importorskip("rsatoolbox.rdm")
    subjects = [0, 0, 0, 1, 2, 2]
    rdms = rdm.RDMs(six_noisy_rdms[0], rdm_descriptors={"subject": subjects})
    expected = inference.boot_noise_ceiling(rdms, method="cosine", rdm_descriptor="subject")
    ceiling = rdm_ceiling(six_noisy_rdms[0], method="cosine", subjects=subjects)
    assert (ceiling.lower, ceiling.upper) == pytest.approx(expected)


def test_error_bars_match_the_spread_over_samples():
    rng = np.random.default_rng(2)
    truth = rng.random(190)
    draws = []
    for _ in range(150):
        # Subjects differ in how noisy they are, which is what the bounds vary by.
        noise = np.exp(rng.normal(-0.7, 0.5, (10, 1)))
        draws.append(rdm_ceiling(truth + noise * rng.standard_normal((10, 190)), method="pearson"))
    for name in ("lower", "upper"):
        spread = np.std([getattr(draw, name) for draw in draws], ddof=1)
        assert np.mean([getattr(draw, f"se_{name}") for draw in draws]) == pytest.approx(spread, rel=0.25)


def test_two_subjects_have_bounds_without_error_bars(six_noisy_rdms):
    ceiling = rdm_ceiling(six_noisy_rdms[0][:2], method="spearman")
    assert ceiling.lower < ceiling.upper
    assert np.isnan([ceiling.se_lower, ceiling.se_upper]).all()


@pytest.mark.parametrize(("region", "bounds"), [("EVC", (0.242, 0.392)), ("IT", (0.453, 0.542))])
def test_human_visual_cortex_has_the_known_ceilings(real_data, region, bounds):
    path = real_data(f"images92/fmri_cichy2014/fmri_{region}_RDMs.npz")
    rdms = np.load(path, allow_pickle=False)["Net_RDM"]
    rows, columns = np.triu_indices(92, 1)
    ceiling = rdm_ceiling(rdms[:, rows, columns], method="spearman")
    assert (round(ceiling.lower, 3), round(ceiling.upper, 3)) == pytest.approx(bounds, abs=1e-9)
    assert 0.01 < ceiling.se_lower < 0.1


def _halves(rng, signal, n_splits):
    repeats = signal + 1.5 * rng.standard_normal((8, *signal.shape))
    rows, columns = np.triu_indices(len(signal), 1)
    rdms = [[], []]
    for _ in range(n_splits):
        order = rng.permutation(8)
        for half, members in zip(rdms, (order[:4], order[4:]), strict=True):
            mean = repeats[members].mean(axis=0)
            half.append(((mean[rows] - mean[columns]) ** 2).mean(axis=1))
    return np.array(rdms[0]), np.array(rdms[1])


def test_split_half_ceiling_is_what_the_true_rdm_reaches():
    rng = np.random.default_rng(3)
    rows, columns = np.triu_indices(30, 1)
    reached, ceilings = [], []
    for _ in range(60):
        signal = rng.standard_normal((30, 15))
        truth = ((signal[rows] - signal[columns]) ** 2).mean(axis=1)
        a, b = _halves(rng, signal, 4)
        reached.append(weighted_similarity((a + b) / 2, truth, method="pearson").mean())
        ceilings.append(split_half_rdm_ceiling(a, b, method="pearson"))
    assert np.mean([c.upper for c in ceilings]) == pytest.approx(np.mean(reached), abs=0.02)
    spread = np.std([c.upper for c in ceilings], ddof=1)
    assert np.mean([c.se_upper for c in ceilings]) == pytest.approx(spread, rel=0.4)


def test_split_half_ceiling_of_equal_halves_is_one_and_of_opposite_halves_undefined():
    rdm = np.random.default_rng(4).random(45)
    ceiling = split_half_rdm_ceiling(rdm, rdm, method="spearman")
    assert (ceiling.lower, ceiling.upper) == pytest.approx((1.0, 1.0))
    assert (ceiling.unit, ceiling.divides) == ("rdm-spearman", "rdm-spearman")
    opposite = split_half_rdm_ceiling(rdm, -rdm, method="pearson")
    assert np.isnan([opposite.upper, opposite.se_upper]).all()


def test_bad_input_is_refused(six_noisy_rdms):
    rdms = six_noisy_rdms[0]
    with pytest.raises(InputError, match="at least 2 subjects .* got 1. For one subject"):
        rdm_ceiling(rdms[:1], method="pearson")
    with pytest.raises(InputError, match="each of the 6 RDMs, got 2 names"):
        rdm_ceiling(rdms, method="pearson", subjects=["a", "b"])
    constant = np.vstack([rdms, np.ones(45)])
    with pytest.raises(InputError, match=r"1 RDM\(s\) without variance, the first in row 6"):
        rdm_ceiling(constant, method="spearman")
    with pytest.raises(InputError, match="`method` is 'cosine'"):
        split_half_rdm_ceiling(rdms, rdms, method="cosine")
    with pytest.raises(InputError, match=r"same shape, got \(6, 45\) and \(5, 45\)"):
        split_half_rdm_ceiling(rdms, rdms[:5], method="pearson")
    with pytest.raises(InputError, match="has 44 pairs"):
        split_half_rdm_ceiling(rdms[:, :44], rdms[:, :44], method="pearson")
