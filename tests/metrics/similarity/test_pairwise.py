from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.progress import reporting
from alignkit.metrics import cka
from alignkit.metrics.similarity.pairwise import all_pairs
from alignkit.metrics.similarity.procrustes import shape_distance


@pytest.fixture
def systems():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((40, 4))
    noisy = [base @ rng.standard_normal((4, p)) + rng.standard_normal((40, p)) for p in (3, 10, 60, 200)]
    return [*noisy, 3 * noisy[1] + 5]


def each(systems, metric):
    return np.array([[metric(X, Y) for Y in systems] for X in systems])


def test_every_pair_equals_the_alignment_of_two(systems):
    np.testing.assert_allclose(all_pairs(systems), each(systems, cka), rtol=1e-10)


@pytest.mark.filterwarnings("ignore:biased CKA:UserWarning")
def test_every_pair_equals_the_biased_alignment_of_two(systems):
    expected = each(systems, lambda X, Y: cka(X, Y, debiased=False))
    np.testing.assert_allclose(all_pairs(systems, metric="biased-cka"), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["angular", "euclidean"])
def test_every_pair_equals_the_distance_of_two(systems, kind):
    metric = {"angular": "procrustes", "euclidean": "euclidean-shape"}[kind]
    expected = each(systems, lambda X, Y: shape_distance(X, Y, kind=kind))
    np.testing.assert_allclose(all_pairs(systems, metric=metric), expected, rtol=1e-10, atol=1e-10)


def test_whitened_pairs_equal_the_distance_of_two(systems):
    few = [X[:, :5] for X in systems]
    expected = each(few, lambda X, Y: shape_distance(X, Y, alpha=0))
    np.testing.assert_allclose(all_pairs(few, metric="procrustes", alpha=0), expected, rtol=1e-9, atol=1e-9)


def test_results_are_symmetric_and_depend_on_no_number_of_threads(systems):
    for metric in ("cka", "procrustes"):
        one, three = (all_pairs(systems, metric=metric, n_jobs=n_jobs) for n_jobs in (1, 3))
        np.testing.assert_array_equal(one, three)
        np.testing.assert_array_equal(one, one.T)
        assert (one.diagonal() == (metric == "cka")).all()


def test_blocks_of_rows_give_what_whole_kernels_give(systems, monkeypatch):
    whole = all_pairs(systems), all_pairs(systems, metric="biased-cka")
    monkeypatch.setattr("alignkit.metrics.similarity._kernel_pairs._BLOCK", 16 * 40 * len(systems))
    parts = all_pairs(systems), all_pairs(systems, metric="biased-cka")
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_large_means_do_not_cost_digits(systems):
    moved = [X + 1e6 for X in systems]
    np.testing.assert_allclose(all_pairs(moved), all_pairs(systems), rtol=1e-7)


def test_debiased_alignment_of_unrelated_systems_is_near_0_and_the_biased_one_is_not():
    rng = np.random.default_rng(0)
    systems = [rng.standard_normal((50, 1000)) for _ in range(5)]
    off = ~np.eye(5, dtype=bool)
    assert np.abs(all_pairs(systems)[off]).max() < 0.1
    assert all_pairs(systems, metric="biased-cka")[off].min() > 0.9


def test_progress_is_reported(systems):
    seen = []
    with reporting(lambda *step: seen.append(step)):
        all_pairs(systems, metric="procrustes")
    assert ("shapes: pairs", 10, 10) in seen


def test_bad_input_is_refused_with_its_numbers(systems):
    with pytest.raises(InputError, match="at least 2 arrays of responses, got 1"):
        all_pairs(systems[:1])
    with pytest.raises(InputError, match="`systems\\[0\\]` and `systems\\[2\\]` must have .* got 40 and 39"):
        all_pairs([*systems[:2], systems[2][1:]])
    with pytest.raises(InputError, match="`systems\\[1\\]` holds 1 NaN"):
        broken = systems[1].copy()
        broken[0, 0] = np.nan
        all_pairs([systems[0], broken])
    with pytest.raises(InputError, match="all 40 rows of `systems\\[1\\]` are equal"):
        all_pairs([systems[0], np.ones((40, 3))], metric="procrustes")
    with pytest.raises(InputError, match="`alpha` is for shape distances, got 0.5"):
        all_pairs(systems, alpha=0.5)
    with pytest.raises(InputError, match="`alpha` goes from 0 .* got 2"):
        all_pairs(systems, metric="procrustes", alpha=2)
    with pytest.raises(InputError, match="at least 4 samples, got 3"):
        all_pairs([X[:3] for X in systems])
    with pytest.raises(InputError, match="`n_jobs` must be 1 or more, got 0"):
        all_pairs(systems, n_jobs=0)
    with pytest.raises(UnknownNameError, match="did you mean 'procrustes'"):
        all_pairs(systems, metric="procrustean")


def test_torch_gives_the_same_numbers(systems):
    torch = pytest.importorskip("torch")
    found = all_pairs([torch.from_numpy(X) for X in systems], metric="procrustes")
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), all_pairs(systems, metric="procrustes"), rtol=1e-12)
