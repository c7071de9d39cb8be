"""Averages by hand; more repetitions help; subjects weigh the same."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation.averaging import (
    average_decoded,
    average_signals,
    repetition_sets,
)
from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.parts import split_trials


def test_single_trials_are_their_own_sets():
    sets = repetition_sets([0, 1, 0], n_repetitions=1)
    decoded = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    order = sets.first
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_array_equal(average_decoded(decoded, sets), decoded[order])
    assert np.array_equal(np.array([0, 1, 0])[order], sets.stimuli)


def test_all_repetitions_give_the_mean_whatever_their_number():
    sets = repetition_sets([0, 1, 0, 0], n_repetitions="all")
    np.testing.assert_allclose(average_decoded(np.array([[1.0], [7.0], [2.0], [6.0]]), sets), [[3.0], [7.0]])


def test_no_trial_is_in_two_sets_of_a_draw_and_draws_differ():
    stimuli = np.repeat(np.arange(3), 7)
    one = repetition_sets(stimuli, n_repetitions=2, n_draws=1)
    used = (one.weights.toarray() > 0).sum(axis=0)
    assert used.max() == 1
    assert one.weights.shape[0] == 9
    many = repetition_sets(stimuli, n_repetitions=2, n_draws=5)
    assert many.weights.shape[0] == 45
    assert len(np.unique(many.weights.toarray(), axis=0)) > 9
    np.testing.assert_allclose(many.weights.sum(axis=1), 1)
    assert all(len(set(stimuli[row > 0])) == 1 for row in many.weights.toarray())


def test_the_same_seed_draws_the_same_sets():
    stimuli = np.repeat(np.arange(3), 6)
    first, again, other = (repetition_sets(stimuli, n_repetitions=2, seed=seed) for seed in (1, 1, 2))
    assert (first.weights != again.weights).nnz == 0
    assert (first.weights != other.weights).nnz > 0


def test_subjects_of_a_joint_set_weigh_the_same():
    # Subject 0 has three repetitions, subject 1 one.
    sets = repetition_sets([0, 0, 0, 0], n_repetitions="all", subjects=[0, 0, 0, 1], joint=True)
    np.testing.assert_allclose(average_decoded(np.array([[1.0], [2.0], [3.0], [8.0]]), sets), [[5.0]])
    assert sets.subjects.tolist() == [-1]
    apart = repetition_sets([0, 0, 0, 0], n_repetitions="all", subjects=[0, 0, 0, 1])
    np.testing.assert_allclose(average_decoded(np.array([[1.0], [2.0], [3.0], [8.0]]), apart), [[2.0], [8.0]])


def test_averaged_signals_are_the_means_and_a_linear_decoder_cannot_tell(embedded, least):
    trials = embedded(n_stimuli=10, n_repetitions=4, n_times=6, n_subjects=2)
    sets = repetition_sets(trials.column("stimulus"), n_repetitions="all", subjects=trials.subject_codes)
    before = trials.read().copy()
    averaged = average_signals(trials, sets)
    for subject in trials.subjects:
        mine = trials.of_subjects([subject])
        wanted = np.array([mine.read()[mine.column("stimulus") == s].mean(0) for s in range(10)])
        got = averaged.of_subjects([subject])
        np.testing.assert_allclose(got.read(), wanted, rtol=1e-5, atol=1e-6)
        assert got.column("stimulus").tolist() == list(range(10))
    assert np.array_equal(trials.read(), before)
    decoder = least().fit(trials)
    np.testing.assert_allclose(
        decoder.predict(averaged), average_decoded(decoder.predict(trials), sets), atol=1e-4
    )


@pytest.mark.parametrize("averaging", ["decoded", "signals"])
def test_more_repetitions_retrieve_better(embedded, least, averaging):
    trials = embedded(n_stimuli=80, n_repetitions=8, noise=12.0)
    split = split_trials(trials, test=40)
    found = evaluate(
        least().fit(split.training),
        split.held_out,
        repetitions=(1, 2, 4, "all"),
        averaging=averaging,
        n_bootstraps=0,
        n_permutations=0,
    )
    top = [found.value("2-way", repetitions=n) for n in (1, 2, 4, "all")]
    assert np.all(np.diff(top) > 0)
    assert found.value("top-1", repetitions="all") > 1.5 * found.value("top-1")
    table = found.table.drop_duplicates("repetitions").set_index("repetitions")
    assert table["n_stimuli"].eq(40).all()
    assert table["n_trials"].tolist() == [320, 1600, 800, 40]


@pytest.mark.parametrize("averaging", ["decoded", "signals"])
def test_joint_subjects_retrieve_better_than_each(embedded, least, averaging):
    trials = embedded(n_stimuli=60, n_repetitions=2, noise=4.0, n_subjects=3)

    class Each(least):
        def _fit(self, training, validation):
            self.each = {s: least().fit(training.of_subjects([s])) for s in training.subjects}

        def _predict(self, trials):
            out = np.zeros((len(trials), trials.targets.n_dims), dtype=np.float32)
            for s, decoder in self.each.items():
                own = (trials.table["subject"] == s).to_numpy()
                out[own] = decoder.predict(trials.take(own))
            return out

    split = split_trials(trials, test=30)
    decoder = Each().fit(split.training)
    options = {"averaging": averaging, "n_bootstraps": 0, "n_permutations": 0, "repetitions": ("all",)}
    single = evaluate(decoder, split.held_out, **options)
    joint = evaluate(decoder, split.held_out, subjects="joint", **options)
    each = [single.value("2-way", subject=s, repetitions="all") for s in ("p0", "p1", "p2")]
    assert single.value("2-way", repetitions="all") == pytest.approx(np.mean(each))
    assert joint.value("2-way", repetitions="all") > max(each)
    assert set(joint.table["subject"]) == {"all"}
    assert "the mean over what was decoded from p0, p1, p2; fitted on 3" in joint.card.to_text()


def test_what_cannot_be_averaged_is_refused(embedded):
    with pytest.raises(InputError, match="3 repetitions cannot be averaged: 1 stimuli have fewer, the few"):
        repetition_sets([0, 0, 0, 1, 1], n_repetitions=3)
    with pytest.raises(InputError, match="1 stimuli were not shown to all 2 subjects"):
        repetition_sets([0, 0, 1], n_repetitions="all", subjects=[0, 1, 0], joint=True)
    with pytest.raises(InputError, match="`n_repetitions` must be at least 1 or 'all', got 0"):
        repetition_sets([0], n_repetitions=0)
    with pytest.raises(InputError, match="`n_draws` must be at least 1, got 0"):
        repetition_sets([0], n_repetitions=1, n_draws=0)
    with pytest.raises(InputError, match=r"got shapes \(2,\) and \(1,\)"):
        repetition_sets([0, 1], n_repetitions=1, subjects=[0])
    with pytest.raises(InputError, match="the sets are of 2 trials, but 3 were decoded"):
        average_decoded(np.ones((3, 2)), repetition_sets([0, 1], n_repetitions=1))
    trials = embedded(n_stimuli=4, n_subjects=2)
    joint = repetition_sets(
        trials.column("stimulus"), n_repetitions="all", subjects=trials.subject_codes, joint=True
    )
    with pytest.raises(InputError, match="signals of several subjects cannot be averaged"):
        average_signals(trials, joint)
