"""Ranks by hand, ties, chance of what knows nothing, and the same numbers by brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest, pearsonr, rankdata

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation import _ranks
from alignkit.decoders.evaluation.retrieval import rank_stimuli, retrieve

QUICK = {"n_bootstraps": 0, "n_permutations": 0}


def planted(n_stimuli=40, n_repetitions=1, noise=1.0, n_dims=16, seed=0):
    rng = np.random.default_rng(seed)
    gallery = rng.standard_normal((n_stimuli, n_dims))
    truth = rng.permutation(np.repeat(np.arange(n_stimuli), n_repetitions))
    return gallery[truth] + noise * rng.standard_normal((len(truth), n_dims)), gallery, truth


def test_ranks_and_scores_equal_those_by_hand():
    gallery = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    found = retrieve([[0.9, 0.1], [0.9, 0.1], [1.0, 0.2]], gallery, [0, 1, 2], k_way=(2, 3), **QUICK)
    assert found.ranks.tolist() == [1, 2, 3]
    assert found.value("top-1") == pytest.approx(1 / 3)
    assert found.value("mean rank") == found.value("median rank") == 2
    assert found.value("MRR") == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found.value("2-way") == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found.value("3-way") == found.value("top-1")
    chance = found.table.set_index("score")["chance"]
    assert chance["top-1"] == pytest.approx(1 / 3)
    assert chance["MRR"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert chance["mean rank"] == chance["median rank"] == 2


def test_ties_count_as_the_mean_over_their_orders():
    # The right entry ties with one other (both at 0), below one and above none.
    found = retrieve([[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [1], k_way=(2, 3), **QUICK)
    assert (found.better.tolist(), found.tied.tolist(), found.ranks.tolist()) == ([1], [1], [2.5])
    assert found.value("top-1") == 0
    assert found.value("MRR") == pytest.approx((1 / 2 + 1 / 3) / 2)
    # Against the better one it loses, against the other it wins half of the time.
    assert found.value("2-way") == pytest.approx(0.25)


@pytest.mark.parametrize("similarity", ["cosine", "correlation", "dot", "euclidean"])
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_a_constant_decoder_is_at_chance_exactly(similarity, constant):
    _, gallery, truth = planted(n_repetitions=3)
    found = retrieve(np.full((len(truth), 16), constant), gallery, truth, similarity=similarity, **QUICK)
    np.testing.assert_allclose(found.table["value"], found.table["chance"])


def test_a_constant_decoder_gains_nothing_from_a_stimulus_shown_often():
    gallery = np.eye(4)
    found = retrieve(np.tile(gallery[0], (9, 1)), gallery, [0] * 6 + [1, 2, 3], **QUICK)
    assert found.value("top-1") == pytest.approx(1 / 4)


def test_a_random_decoder_is_at_chance_within_its_null_over_seeds():
    inside, values = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        gallery = rng.standard_normal((30, 8))
        found = retrieve(
            rng.standard_normal((30, 8)), gallery, np.arange(30), n_permutations=100, n_bootstraps=0
        )
        row = found.table.set_index("score").loc["2-way"]
        inside += row["null_low"] <= row["value"] <= row["null_high"]
        values.append(row["value"])
    assert abs(np.mean(values) - 0.5) < 0.03
    assert inside >= 33


def test_similarities_rank_as_their_definitions_do():
    decoded, gallery, truth = planted(n_stimuli=12, noise=2.0)
    measures = {
        "cosine": lambda x, z: x @ z / np.linalg.norm(x) / np.linalg.norm(z),
        "correlation": lambda x, z: pearsonr(x, z)[0],
        "dot": lambda x, z: x @ z,
        "euclidean": lambda x, z: -np.linalg.norm(x - z),
    }
    for name, measure in measures.items():
        table = np.array([[measure(x, z) for z in gallery] for x in decoded])
        wanted = rankdata(-table, axis=1)[np.arange(12), truth]
        np.testing.assert_allclose(retrieve(decoded, gallery, truth, similarity=name, **QUICK).ranks, wanted)


def test_embeddings_over_time_are_compared_as_one_row():
    decoded, gallery, truth = planted(n_dims=24)
    flat = retrieve(decoded, gallery, truth, **QUICK)
    timed = retrieve(decoded.reshape(-1, 6, 4), gallery.reshape(-1, 6, 4), truth, **QUICK)
    assert np.array_equal(flat.ranks, timed.ranks)


def test_exact_k_way_equals_all_choices_of_foils():
    decoded, gallery, truth = planted(n_stimuli=7, noise=3.0)
    # Two entries in one direction tie for every trial.
    gallery[3] = 2 * gallery[2]
    found = retrieve(decoded, gallery, truth, k_way=(2, 3, 5), **QUICK)
    scores = decoded @ gallery.T / np.linalg.norm(decoded, axis=1)[:, None] / np.linalg.norm(gallery, axis=1)
    for k in (2, 3, 5):
        won = []
        for row, right in zip(np.round(scores, 9), truth, strict=True):
            for foils in combinations([i for i in range(7) if i != right], k - 1):
                others = row[list(foils)]
                won.append((others <= row[right]).all() / (1 + (others == row[right]).sum()))
        assert found.value(f"{k}-way") == pytest.approx(np.mean(won))


def test_exact_k_way_equals_sampled_k_way_in_a_big_gallery():
    decoded, gallery, truth = planted(n_stimuli=300, noise=3.0)
    found = retrieve(decoded, gallery, truth, **QUICK)
    rng, others = np.random.default_rng(1), 299
    # Foils that beat the right entry: none of 49 drawn from 299.
    sampled = np.mean([rng.hypergeometric(found.better, others - found.better, 49) == 0 for _ in range(400)])
    assert found.value("50-way") == pytest.approx(sampled, abs=0.006)


def test_equal_entries_and_entries_of_a_group_count_once():
    decoded, gallery, truth = planted(n_stimuli=10)
    doubled = np.concatenate([gallery, gallery])
    again = retrieve(decoded, doubled, np.where(truth % 2, truth + 10, truth), **QUICK)
    alone = retrieve(decoded, gallery, truth, **QUICK)
    assert again.n_gallery == 10
    assert np.array_equal(again.ranks, alone.ranks)
    near = doubled + np.random.default_rng(0).normal(0, 0.01, doubled.shape)
    grouped = retrieve(decoded, near, truth, same=list("abcdefghij") * 2, **QUICK)
    apart = retrieve(decoded, near, truth, **QUICK)
    assert (grouped.n_gallery, apart.n_gallery) == (10, 20)
    assert grouped.value("top-1") > apart.value("top-1")


def test_blocks_change_nothing(monkeypatch):
    decoded, gallery, truth = planted(n_repetitions=2)
    options = {"n_bootstraps": 50, "n_permutations": 20}
    for similarity in ("cosine", "euclidean"):
        whole = retrieve(decoded, gallery, truth, similarity=similarity, **options)
        with monkeypatch.context() as patch:
            patch.setattr(_ranks, "_ELEMENTS", 100)
            parted = retrieve(decoded, gallery, truth, similarity=similarity, **options)
        assert np.array_equal(whole.better, parted.better)
        np.testing.assert_allclose(whole.null, parted.null)


def test_the_null_is_that_of_exchanged_identities():
    decoded, gallery, truth = planted(n_stimuli=5, n_repetitions=2, noise=2.0)
    found = retrieve(decoded, gallery, truth, n_permutations=300, n_bootstraps=0)
    possible = set()
    for order in np.array(np.meshgrid(*[range(5)] * 5)).reshape(5, -1).T:
        if len(set(order)) == 5:
            exchanged = retrieve(decoded, gallery, order[truth], **QUICK)
            possible.add(round(exchanged.value("MRR"), 9))
    assert set(found.null["MRR"].round(9)) <= possible
    assert len(set(found.null["MRR"].round(9))) > 50


def test_p_is_small_with_a_relation_and_uniform_enough_without():
    decoded, gallery, truth = planted(noise=2.0)
    found = retrieve(decoded, gallery, truth, n_permutations=200, n_bootstraps=0)
    table = found.table.set_index("score")
    assert table.loc[["top-5", "MRR", "mean rank", "2-way"], "p"].max() == pytest.approx(1 / 201)
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = retrieve(
            rng.standard_normal((20, 4)),
            rng.standard_normal((20, 4)),
            np.arange(20),
            n_permutations=60,
            n_bootstraps=0,
        )
        p.append(noise.table.set_index("score").loc["MRR", "p"])
    assert np.mean(np.array(p) <= 0.05) <= 0.12
    assert 0.4 < np.mean(p) < 0.62


def test_intervals_hold_their_estimate_and_shrink_with_stimuli():
    widths = []
    for n_stimuli in (20, 200):
        decoded, gallery, truth = planted(n_stimuli=n_stimuli, noise=2.0)
        table = retrieve(decoded, gallery, truth, n_permutations=0, n_bootstraps=300).table
        assert ((table["ci_low"] <= table["value"]) & (table["value"] <= table["ci_high"])).all()
        row = table.set_index("score").loc["2-way"]
        widths.append(row["ci_high"] - row["ci_low"])
    assert widths[1] < widths[0] / 2


def test_no_hit_at_all_still_has_an_interval():
    gallery = np.eye(30)
    found = retrieve(np.roll(gallery, 1, axis=0), gallery, np.arange(30), n_permutations=0)
    row = found.table.set_index("score").loc["top-1"]
    assert row["value"] == row["ci_low"] == 0
    assert row["ci_high"] == pytest.approx(1 - 0.025 ** (1 / 30))


def test_repetitions_do_not_narrow_the_interval_of_stimuli():
    decoded, gallery, truth = planted(n_stimuli=30, noise=2.0)
    once = retrieve(decoded, gallery, truth, n_permutations=0).table.set_index("score")
    copies = retrieve(np.tile(decoded, (20, 1)), gallery, np.tile(truth, 20), n_permutations=0)
    many = copies.table.set_index("score")
    assert many.loc["2-way", "ci_low"] == pytest.approx(once.loc["2-way", "ci_low"], abs=1e-9)


def test_the_binomial_p_is_that_of_scipy():
    decoded, gallery, truth = planted(noise=1.5)
    found = retrieve(decoded, gallery, truth, **QUICK)
    hits = round(found.value("top-5") * 40)
    assert found.binomial_p(5) == pytest.approx(binomtest(hits, 40, 5 / 40, alternative="greater").pvalue)
    with pytest.raises(InputError, match="80 trials show 40 stimuli"):
        retrieve(np.tile(decoded, (2, 1)), gallery, np.tile(truth, 2), **QUICK).binomial_p()


def test_the_same_seed_gives_the_same_bits_and_inputs_stay():
    decoded, gallery, truth = planted()
    copies = decoded.copy(), gallery.copy(), truth.copy()
    first, second = (retrieve(decoded, gallery, truth, n_permutations=20, seed=3) for _ in range(2))
    assert first.table.equals(second.table)
    assert first.null.equals(second.null)
    assert all(np.array_equal(a, b) for a, b in zip(copies, (decoded, gallery, truth), strict=True))


def test_ranking_a_trial_without_truth_lists_the_closest_first():
    decoded, gallery, truth = planted(noise=0.3)
    entries, values = rank_stimuli(decoded, gallery, n_best=3)
    assert np.array_equal(entries[:, 0], truth)
    assert (np.diff(values, axis=1) <= 0).all()
    with pytest.raises(InputError, match="`n_best` must be at least 1, got 0"):
        rank_stimuli(decoded, gallery, n_best=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoded": [[np.nan, 1.0]]}, r"`decoded` holds 1 NaN or infinite value\(s\)"),
        ({"truth": [3]}, "rows of the gallery, 0 to 2, got 3 to 3. Every stimulus that was shown must be in"),
        ({"truth": [0, 1]}, "a whole number for each of the 1 trials"),
        ({"gallery": [[1.0, 2.0, 3.0]]}, r"rows of one shape, got \(2,\) and \(3,\)"),
        ({"gallery": [[1.0, 2.0]] * 3}, "the gallery holds one stimulus in 3 entries"),
        ({"same": [1, 2]}, "`same` must label all 3 entries of the gallery, got 2"),
        ({"same": [1, None, 2]}, "`same` has no label for 1 entries"),
        ({"similarity": "cosin"}, "did you mean 'cosine'"),
        ({"k_way": (1,)}, "`k_way` must hold numbers from 2 on, got 1"),
        ({"confidence": 95}, "`confidence` must lie between 0 and 1, such as 0.95, got 95"),
    ],
)
def test_bad_input_is_refused_with_the_reason(change, message):
    given = {"decoded": [[1.0, 0.0]], "gallery": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], "truth": [0], **change}
    with pytest.raises(InputError, match=message):
        retrieve(given.pop("decoded"), given.pop("gallery"), given.pop("truth"), **given)


def test_a_score_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no score 'top-5' in a gallery of 2"):
        retrieve([[1.0, 0.0]], np.eye(2), [0], **QUICK).value("top-5")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_stimuli", "n_repetitions", "noise"), [(120, 1, 3.0), (120, 1, 6.0), (60, 5, 6.0)]
)
def test_intervals_cover_the_truth_as_often_as_they_say(n_stimuli, n_repetitions, noise):
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((n_stimuli, 32))
    truth = np.repeat(np.arange(n_stimuli), n_repetitions)
    tables = []
    for _ in range(300):
        decoded = gallery[truth] + noise * rng.standard_normal((len(truth), 32))
        found = retrieve(decoded, gallery, truth, n_permutations=0, n_bootstraps=500)
        tables.append(found.table.set_index("score"))
    shares = {}
    for name in ("top-1", "top-5", "MRR", "2-way"):
        mean = np.mean([table.loc[name, "value"] for table in tables])
        held = [table.loc[name, "ci_low"] <= mean <= table.loc[name, "ci_high"] for table in tables]
        shares[name] = float(np.mean(held))
    assert all(0.91 <= share <= 0.998 for share in shares.values()), shares
    print(shares)


def test_scores_of_trials_average_to_those_of_the_table():
    decoded, gallery, truth = planted(n_stimuli=30)
    gallery[7:9] = gallery[3:5] + 0.0
    decoded[5] = 0.0
    found = retrieve(decoded, gallery, truth, names=[f"s{i}" for i in range(30)], **QUICK)
    tied = found.stimuli
    for score in ("top-5", "MRR", "mean rank", "2-way"):
        values = found.of_trials(score)
        by_stimulus = [values[tied == stimulus].mean() for stimulus in np.unique(tied)]
        assert np.mean(by_stimulus) == pytest.approx(found.value(score))
    constant = int(np.flatnonzero(found.tied == found.n_gallery - 1)[0])
    harmonic = (1 / np.arange(1, found.n_gallery + 1)).mean()
    assert found.of_trials("MRR")[constant] == pytest.approx(harmonic) != 1 / found.ranks[constant]
    assert found.names.tolist() == [f"s{i}" for i in truth]
    with pytest.raises(InputError, match="no score 'top-28' of a trial in a gallery of 28"):
        found.of_trials("top-28")
    with pytest.raises(InputError, match="must name all 30 entries of the gallery, got 2"):
        retrieve(decoded, gallery, truth, names=["a", "b"], **QUICK)


@pytest.mark.parametrize("n_sets", [120, pytest.param(1500, marks=pytest.mark.slow)])
def test_the_interval_of_few_reciprocal_ranks_covers_chance(n_sets):
    inside = 0
    for seed in range(n_sets):
        rng = np.random.default_rng([seed, 12])
        found = retrieve(
            rng.standard_normal((12, 5)), rng.standard_normal((12, 5)), np.arange(12), k_way=(),
            n_bootstraps=200, n_permutations=0, seed=seed,
        )  # fmt: skip
        row = found.table.set_index("score").loc["MRR"]
        inside += row["ci_low"] <= row["chance"] <= row["ci_high"]
    assert inside / n_sets >= 0.92
