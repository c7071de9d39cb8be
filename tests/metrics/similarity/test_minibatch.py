from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.metrics import cka
from alignkit.metrics.similarity.minibatch import minibatch_cka, minibatches


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 20))
    return X, X[:, :10] + rng.standard_normal((600, 10)), rng


def biased_batches(batches):
    """Return the ratio of summed biased terms: the mistake that the unbiased ones avoid."""
    totals = np.zeros(3)
    for X, Y in batches:
        X, Y = X - X.mean(0), Y - Y.mean(0)
        totals += [np.sum((A.T @ B) ** 2) for A, B in ((X, Y), (X, X), (Y, Y))]
    return totals[0] / np.sqrt(totals[1] * totals[2])


def test_batches_equal_known_values_where_biased_batches_are_far_off(planted):
    X, Y, rng = planted
    assert cka(X, Y) == pytest.approx(0.3350, abs=5e-5)
    assert cka(X, Y, debiased=False) == pytest.approx(0.3498, abs=5e-5)
    known = {20: (0.3438, 0.6022), 60: (0.3318, 0.4538), 200: (0.3347, 0.3770)}
    for batch_size, (expected, wrong) in known.items():
        batches = list(minibatches(X, Y, batch_size=batch_size, random_state=rng))
        assert minibatch_cka(batches) == pytest.approx(expected, abs=5e-5)
        assert biased_batches(batches) == pytest.approx(wrong, abs=5e-5)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_one_batch_of_all_stimuli_is_debiased_cka(planted, kernel):
    X, Y, _ = planted
    options = {"kernel": kernel, "bandwidth": 0.7}
    assert minibatch_cka([(X[:80], Y[:80])], **options) == pytest.approx(
        cka(X[:80], Y[:80], **options), rel=1e-12
    )


def test_batches_are_unbiased_and_more_epochs_come_closer(planted):
    X, Y, _ = planted
    errors = {}
    for n_epochs in (1, 8):
        found = [
            minibatch_cka(minibatches(X, Y, batch_size=24, n_epochs=n_epochs, random_state=seed))
            for seed in range(12)
        ]
        errors[n_epochs] = np.std(found)
    assert np.mean(found) == pytest.approx(cka(X, Y), abs=0.005)
    assert errors[8] < errors[1] / 2


def test_gaussian_batches_share_the_width_of_the_first(planted):
    X, Y, _ = planted
    first, second = (X[:100], Y[:100]), (1e-3 * X[100:200], Y[100:200])
    # With a width of its own the second batch would look like any other; with the first's it is one point.
    assert minibatch_cka([first, second], kernel="rbf") != pytest.approx(
        minibatch_cka([first, (X[100:200], Y[100:200])], kernel="rbf"), abs=0.01
    )
    estimates = [
        minibatch_cka(minibatches(X, Y, batch_size=60, n_epochs=3, random_state=seed), kernel="rbf")
        for seed in range(4)
    ]
    assert np.mean(estimates) == pytest.approx(cka(X, Y, kernel="rbf"), abs=0.03)


def test_batches_of_unequal_sizes_count_by_their_stimuli(planted):
    X, Y, _ = planted

    def terms(rows):
        from alignkit.metrics import hsic

        K, L = X[rows] @ X[rows].T, Y[rows] @ Y[rows].T
        return np.array([hsic(K, L), hsic(K, K), hsic(L, L)])

    parts = [slice(0, 30), slice(30, 40)]
    cross, own_x, own_y = 30 * terms(parts[0]) + 10 * terms(parts[1])
    found = minibatch_cka([(X[part], Y[part]) for part in parts])
    assert found == pytest.approx(cross / np.sqrt(own_x * own_y), rel=1e-10)


def test_batches_of_one_category_each_miss_the_categories():
    rng = np.random.default_rng(0)
    categories = np.repeat(np.arange(10), 20)
    means = 4 * rng.standard_normal((10, 6))
    X, Y = (means[categories] + rng.standard_normal((200, 6)) for _ in range(2))
    blocks = [(X[i : i + 20], Y[i : i + 20]) for i in range(0, 200, 20)]
    assert minibatch_cka(blocks) < 0.1
    assert minibatch_cka(minibatches(X, Y, batch_size=20, random_state=0)) > 0.9


def test_minibatches_go_through_every_row_once_an_epoch_in_batches_of_one_size(planted):
    X, Y, _ = planted
    batches = list(minibatches(X[:50], Y[:50], batch_size=15, n_epochs=2, random_state=0))
    assert [len(x) for x, _ in batches] == [13, 13, 12, 12] * 2
    for epoch in (batches[:4], batches[4:]):
        np.testing.assert_array_equal(
            np.sort(np.concatenate([x for x, _ in epoch]), axis=0), np.sort(X[:50], 0)
        )
    again = list(minibatches(X[:50], Y[:50], batch_size=15, n_epochs=2, random_state=0))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))


def test_a_memory_map_is_read_in_batches_and_left_alone(planted, tmp_path):
    X, Y, _ = planted
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = minibatch_cka(minibatches(X, Y, batch_size=60, random_state=0))
    assert minibatch_cka(minibatches(mapped, Y, batch_size=60, random_state=0)) == expected


def test_tensors_give_the_same_number(planted):
    X, Y, _ = planted
    batches = list(minibatches(X, Y, batch_size=60, random_state=0))
    tensors = ((torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)) for x, y in batches)
    assert minibatch_cka(tensors) == pytest.approx(minibatch_cka(batches), rel=1e-12)


def test_a_side_without_a_geometry_in_any_batch_gives_nan(planted):
    X, _, _ = planted
    assert np.isnan(minibatch_cka([(np.eye(8), X[:8]), (2 * np.eye(8), X[8:16])]))
    assert np.isfinite(minibatch_cka([(np.eye(8), X[:8]), (X[8:16, :8], X[8:16])]))


def test_unusable_batches_are_refused_with_their_number(planted):
    X, Y, _ = planted
    with pytest.raises(InputError, match="`batches` is empty"):
        minibatch_cka([])
    with pytest.raises(InputError, match="batch 1: `X` needs at least 4 rows, got 3"):
        minibatch_cka([(X, Y), (X[:3], Y[:3])])
    with pytest.raises(InputError, match="batch 0: `X` and `Y` must have the same number of samples"):
        minibatch_cka([(X, Y[:9])])
    with pytest.raises(InputError, match="`bandwidth` must be above 0, got -1"):
        minibatch_cka([(X, Y)], kernel="rbf", bandwidth=-1)
    with pytest.raises(InputError, match="at least 4 stimuli each, got `batch_size` = 3 for 600"):
        minibatches(X, Y, batch_size=3)
    with pytest.raises(InputError, match="`batch_size` = 6 for 7 stimuli"):
        minibatches(X[:7], Y[:7], batch_size=6)
    with pytest.raises(InputError, match="`n_epochs` must be at least 1, got 0"):
        minibatches(X, Y, batch_size=20, n_epochs=0)
    with pytest.raises(InputError, match="same number of samples, got 600 and 9"):
        minibatches(X, Y[:9], batch_size=20)


def test_batches_of_other_units_and_what_are_no_batches_are_refused(planted):
    X, Y, _ = planted
    batches = [(X[:8], Y[:8]), (X[8:16, :3], Y[8:16])]
    with pytest.raises(InputError, match=r"batch 1 has 3 and \d+ units, those before .* must be of the same"):
        minibatch_cka(batches)
    with pytest.raises(InputError, match="`batches` must be an iterable of .X, Y., got int"):
        minibatch_cka(3)
    with pytest.raises(InputError, match="must hold pairs .X, Y., but batch 0 is of type ndarray"):
        minibatch_cka(X)
    with pytest.raises(InputError, match="`Y` must be an array or a tensor of shape .* got list"):
        minibatches(X, Y.tolist(), batch_size=8)
    with pytest.raises(InputError, match="batches need at least 4 stimuli each, got `batch_size` = nan"):
        minibatches(X, Y, batch_size=float("nan"))
