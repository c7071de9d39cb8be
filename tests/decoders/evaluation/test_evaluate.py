"""Planted embeddings and classes are decoded, noise is at chance, and bad decoders are refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from alignkit._core.errors import InputError
from alignkit.decoders.decoder import Decoder
from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.nulls import shuffle_targets
from alignkit.decoders.evaluation.parts import split_trials
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.study import Study

QUICK = {"n_bootstraps": 0, "n_permutations": 0}


class Who(Decoder):
    """Names the class that is the most frequent in each subject."""

    kind = "who"

    def _fit(self, training, validation):
        self.most = training.table.groupby("subject")["target"].agg(lambda own: own.mode()[0])

    def _predict(self, trials):
        return np.eye(2, dtype=np.float32)[self.most[trials.table["subject"]].to_numpy()]

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError

    def describe(self):
        return {}


def test_planted_embeddings_are_retrieved(embedded, least):
    split = split_trials(embedded(n_stimuli=80, noise=3.0), test=40)
    found = evaluate(least().fit(split.training), split.held_out, n_bootstraps=200, n_permutations=99)
    table = found.table.set_index(["repetitions", "score"])
    assert table.loc[("all", "top-5"), "value"] > 0.5
    assert table.loc[("all", "top-5"), "ci_low"] > 5 / 40
    assert table.loc[("all", "top-5"), "p"] == 0.01


def test_decoders_fitted_to_shuffled_targets_are_at_chance_on_average(embedded, least):
    values = []
    for seed in range(16):
        split = split_trials(embedded(n_stimuli=80, noise=3.0, seed=seed), test=40)
        decoder = least().fit(shuffle_targets(split.training, seed=seed))
        found = evaluate(decoder, split.held_out, repetitions=("all",), **QUICK)
        values.append(found.value("2-way"))
    # A single one may be lucky: signals tell stimuli apart, and a wrong map may resemble the right one.
    assert ttest_1samp(values, 0.5).pvalue > 0.05
    assert abs(np.mean(values) - 0.5) < 0.05


def test_p_is_small_as_seldom_as_it_says_where_signals_tell_nothing(embedded, least):
    p = []
    for seed in range(30):
        split = split_trials(embedded(n_stimuli=40, noise=1e6, seed=seed), test=20)
        found = evaluate(
            least().fit(split.training), split.held_out, repetitions=(1,), n_bootstraps=0, n_permutations=39
        )
        p.append(found.table.set_index("score").loc["2-way", "p"])
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert 0.35 < np.mean(p) < 0.65


def test_planted_classes_are_told_apart_and_noise_is_not(labelled, least, noise):
    split = split_trials(labelled(n_runs=12, effect=1.0), test=6)
    found = evaluate(least().fit(split.training), split.held_out, n_bootstraps=200, n_permutations=99)
    table = found.table.set_index("score")
    assert table.loc["balanced accuracy", "value"] > 0.75
    assert table.loc["AUC", "p"] == 0.01
    assert table.loc["accuracy", "n_trials"] == 60
    nothing = evaluate(noise().fit(split.training), split.held_out, n_bootstraps=200, n_permutations=99)
    assert nothing.table.set_index("score").loc["AUC", "p"] > 0.05


def test_averaged_classes_stay_within_unit_and_class(labelled, least):
    split = split_trials(labelled(n_runs=12, effect=0.4), test=6)
    decoder = least().fit(split.training)
    found = evaluate(decoder, split.held_out, repetitions=(1, "all"), **QUICK)
    counts = found.table.drop_duplicates("repetitions").set_index("repetitions")["n_trials"]
    assert counts.to_dict() == {"1": 60, "all": 36}
    assert found.value("AUC", repetitions="all") > found.value("AUC")


def test_galleries_grow_from_held_out_to_all_to_others(embedded, least):
    trials = embedded(n_stimuli=60, noise=3.0)
    split = split_trials(trials, test=20)
    decoder = least().fit(split.training)
    rng = np.random.default_rng(99)
    names = trials.targets.names + tuple(f"new{i}" for i in range(140))
    values = np.concatenate([trials.targets.values, rng.standard_normal((140, 6))])
    order = rng.permutation(200)
    others = Targets(tuple(names[i] for i in order), values[order])
    found = [evaluate(decoder, split.held_out, gallery=g, **QUICK) for g in ("held-out", "all", others)]
    assert [each.results["all", "1"].n_gallery for each in found] == [20, 60, 200]
    top = [each.value("top-1") for each in found]
    assert top[0] > top[1] > top[2]
    # Chance falls with the gallery; choosing between two does not depend on it.
    assert np.ptp([each.value("2-way") for each in found]) < 0.05
    with pytest.raises(InputError, match="20 held-out stimuli are not in the gallery"):
        evaluate(decoder, split.held_out, gallery=Targets(("x", "y"), np.eye(2, 6)), **QUICK)


def test_near_duplicates_in_the_gallery_count_once(embedded, least):
    pairs = {f"s{i:03d}": i // 2 for i in range(40)}
    split = split_trials(embedded(groups=pairs), test=10)
    found = evaluate(least().fit(split.training), split.held_out, **QUICK)
    assert found.results["all", "1"].n_gallery == 10
    assert "10 stimuli (held out, from 20 entries)" in found.card.to_text()


def test_subjects_are_scored_one_by_one_and_together(embedded, noise):
    split = split_trials(embedded(n_subjects=2), test=20)
    found = evaluate(noise().fit(split.training), split.held_out, repetitions=(1,), **QUICK)
    assert list(dict.fromkeys(found.table["subject"])) == ["p0", "p1", "all"]
    each = [found.value("MRR", subject=s) for s in ("p0", "p1")]
    assert found.value("MRR") == pytest.approx(np.mean(each))
    with pytest.raises(InputError, match="no result of subject 'p2' and 1 repetitions; there are p0 x 1"):
        found.value("MRR", subject="p2")


def test_the_same_seed_gives_the_same_table_and_trials_stay(embedded, least):
    trials = embedded()
    split = split_trials(trials, test=10)
    before = trials.read().copy(), trials.table.copy()
    decoder = least().fit(split.training)
    options = {"n_bootstraps": 50, "n_permutations": 20, "repetitions": (1, 2)}
    first, again = (evaluate(decoder, split.held_out, seed=3, **options).table for _ in range(2))
    assert first.equals(again)
    assert np.array_equal(trials.read(), before[0])
    assert trials.table.equals(before[1])


def test_what_is_decoded_must_be_numbers_of_every_trial(embedded, least):
    class Broken(least):
        def _predict(self, trials):
            decoded = super()._predict(trials)
            decoded[3] = np.nan
            return decoded

    class Short(least):
        def _predict(self, trials):
            return super()._predict(trials)[1:]

    split = split_trials(embedded(), test=10)
    with pytest.raises(InputError, match="NaN or infinity for 1 of 20 held-out trials"):
        evaluate(Broken().fit(split.training), split.held_out, **QUICK)
    with pytest.raises(InputError, match="the decoder gave 19 rows for 20 trials"):
        evaluate(Short().fit(split.training), split.held_out, **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gallery": "test"}, "`gallery` is 'test'"),
        ({"similarity": "cos"}, "`similarity` is 'cos'"),
        ({"subjects": "both"}, "`subjects` is 'both'"),
        ({"averaging": "signal"}, "did you mean 'signals'"),
        ({"interval": "z"}, "`interval` is 'z'"),
        ({"repetitions": ()}, "`repetitions` is empty"),
        ({"repetitions": (5,)}, "5 repetitions cannot be averaged"),
    ],
)
def test_options_that_are_not_known_are_refused(embedded, least, options, message):
    split = split_trials(embedded(), test=10)
    with pytest.raises(InputError, match=message):
        evaluate(least().fit(split.training), split.held_out, **{**QUICK, **options})


def test_only_what_is_held_out_is_evaluated(embedded, least):
    split = split_trials(embedded(), test=10)
    decoder = least()
    with pytest.raises(InputError, match="this decoder is not fitted yet"):
        evaluate(decoder, split.held_out)
    decoder.fit(split.training)
    with pytest.raises(InputError, match="must be the held-out part of `split_trials`, got Trials"):
        evaluate(decoder, split.training)


def test_knowing_who_it_is_tells_nothing(labelled):
    """A decoder that knows the subject alone is at chance where subjects differ in their share of classes."""
    shares = {"p0": [0] * 8 + [1] * 2, "p1": [0] * 2 + [1] * 8}
    parts = [labelled(labels=np.tile(own, 8), effect=0.0, seed=seed, subject=who)
             for seed, (who, own) in enumerate(shares.items())]  # fmt: skip
    study = Study.of(*(part.study[part.subjects[0]] for part in parts))
    trials = Trials.of(study, parts[0].targets, labels="label", units="run")
    split = split_trials(trials, test=4)
    found = evaluate(Who().fit(split.training), split.held_out, n_bootstraps=100, n_permutations=49)
    table = found.table[found.table["subject"] == "all"].set_index("score")
    assert table.loc["AUC", "value"] == 0.5
    assert table.loc["AUC", "p"] == 1.0
    # Pooled, the same decoder would name most classes.
    pooled = found.results["all", "1"]
    assert (pooled.predicted == pooled.truth).mean() == 0.8
    assert (pooled.predicted == (pooled.subjects == "p1")).all()
    assert found.card.chance["accuracy"] == pytest.approx(0.8)


def test_all_is_the_mean_over_subjects_with_their_nulls(embedded, least):
    split = split_trials(embedded(n_subjects=2, noise=3.0), test=12)
    parts = {who: split.of_subjects([who]) for who in ("p0", "p1")}
    decoder = least().fit(split.training)
    options = {"n_bootstraps": 60, "n_permutations": 20, "repetitions": (1,)}
    found = evaluate(decoder, split.held_out, **options)
    each = [found.results[who, "1"] for who in parts]
    both = found.results["all", "1"]
    for score in ("top-1", "MRR", "mean rank", "median rank"):
        assert both.value(score) == pytest.approx(np.mean([one.value(score) for one in each]))
    np.testing.assert_allclose(both.null["MRR"], (each[0].null["MRR"] + each[1].null["MRR"]) / 2)
    np.testing.assert_allclose(both.draws["MRR"], (each[0].draws["MRR"] + each[1].draws["MRR"]) / 2)
    row = both.table.set_index("score").loc["MRR"]
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    assert sorted(both.better) == sorted(np.concatenate([one.better for one in each]))
    for who, one in zip(parts, each, strict=True):
        assert np.array_equal(both.better[both.subjects == who], one.better)
    # Trials stand as they were averaged, and are named.
    shown = sorted(zip(both.names, both.ranks, strict=True))
    apart = [pair for one in each for pair in zip(one.names, one.ranks, strict=True)]
    assert shown == sorted(apart)
    assert '"all" that of the mean of both subjects' in found.card.uncertainty


def test_the_interval_of_all_is_students_over_three_subjects_and_more(labelled, least):
    parts = [labelled(seed=seed, effect=0.5, subject=f"p{seed}") for seed in range(3)]
    study = Study.of(*(part.study[part.subjects[0]] for part in parts))
    trials = Trials.of(study, parts[0].targets, labels="label", units="run")
    split = split_trials(trials, test=4)
    found = evaluate(least().fit(split.training), split.held_out, interval="t", n_permutations=9)
    each = np.array([found.value("AUC", subject=who) for who in trials.subjects])
    row = found.table[found.table["subject"] == "all"].set_index("score").loc["AUC"]
    half = t.ppf(0.975, 2) * each.std(ddof=1) / np.sqrt(3)
    assert row["ci_low"] == pytest.approx(max(each.mean() - half, 0))
    assert row["ci_high"] == pytest.approx(min(each.mean() + half, 1))
    assert "95% Student's interval over the 3 subjects" in found.card.uncertainty
    assert "labels: trials within units, within each subject" in found.card.uncertainty
    two = split.of_subjects(["p0", "p1"])
    pair = evaluate(least().fit(two.training), two.held_out, interval="t", n_permutations=0)
    rows = pair.table.set_index(["subject", "score"])
    widths = {
        who: rows.loc[(who, "AUC"), "ci_high"] - rows.loc[(who, "AUC"), "ci_low"] for who in ("p0", "p1")
    }
    both = rows.loc[("all", "AUC")]
    assert both["ci_high"] - both["ci_low"] <= np.hypot(*widths.values()) / 2 + 1e-9


def test_classes_come_with_truth_and_units_in_one_order(labelled, least):
    trials = labelled(n_runs=12, effect=0.4)
    split = split_trials(trials, test=6)
    result = evaluate(least().fit(split.training), split.held_out, **QUICK).results["all", "1"]
    assert result.value("accuracy") == pytest.approx((result.predicted == result.truth).mean())
    assert set(result.units) == set(split.held_out.units)
    counts = np.unique(result.units, return_counts=True)[1]
    assert (counts == 10).all()


def test_exchanges_follow_the_order_of_recording_and_not_that_of_averages(labelled, least):
    rng = np.random.default_rng(0)
    mixed = np.concatenate([rng.permutation(np.arange(40) % 2) for _ in range(4)])
    for labels, exchanged in ((mixed, "trials"), (np.tile(np.arange(40) // 20, 4), "blocks")):
        split = split_trials(labelled(n_runs=4, n_per_run=40, labels=labels), test=2)
        found = evaluate(least().fit(split.training), split.held_out, **QUICK)
        assert found.results["all", "1"].exchanged == f"{exchanged} within units"
        assert f"exchanges of labels: {exchanged} within units" in found.card.uncertainty
