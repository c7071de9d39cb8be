"""Parts share nothing, and what is held out cannot be fitted to or chosen by."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from alignkit import Recording
from alignkit._core.errors import InputError
from alignkit.decoders.decoder import Seen
from alignkit.decoders.evaluation import parts
from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.parts import HeldOut, folds_of_trials, split_trials
from alignkit.decoders.evaluation.retrieval import retrieve
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.study import Study

NOTHING = {"n_bootstraps": 0, "n_permutations": 0, "k_way": ()}
QUICK = {**NOTHING, "repetitions": (1,)}


def test_parts_have_no_unit_stimulus_or_near_duplicate_in_common(embedded):
    pairs = {f"s{i:03d}": i // 2 for i in range(40)}
    trials = embedded(groups=pairs, n_subjects=2)
    split = split_trials(trials, test=0.25, validation=3, seed=1)
    opened = split.held_out._open_for(_fitted(split))[0]
    parts = [split.training, split.validation, opened]
    assert [part.table["group"].nunique() for part in parts] == [12, 3, 5]
    assert sum(len(part) for part in parts) == len(trials)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        for column in ("unit", "stimulus_id", "group"):
            assert not set(parts[first].table[column]) & set(parts[second].table[column])
    # The same stimuli for both subjects.
    assert all(part.table.groupby("stimulus_id")["subject"].nunique().eq(2).all() for part in parts)
    assert (split.audit.verdict, split.audit.findings) == ("clean", ())
    assert "near-duplicates" in split.audit.checked


def _fitted(split):
    class Anything:
        seen_ = Seen.of(split.training, split.validation)

    return Anything()


def test_runs_that_share_stimuli_stay_together_for_embeddings(embedded):
    trials = embedded(n_stimuli=12)
    table = trials.table.copy()
    # Runs 0 and 1 show the same stimuli, and so do 2 and 3, 4 and 5.
    table["unit"] = [f"run {(row // 12) + 2 * (row % 12 // 4)}" for row in trials.column("row")]
    trials = Trials(trials.study, trials.targets, table)
    split = split_trials(trials, test=1)
    assert len(split.held_out.units) == 2
    with pytest.raises(InputError, match=r"share stimuli or near-duplicates with 1 other\(s\): run 1"):
        split_trials(trials, test=["run 0"])
    assert split_trials(trials, test=["run 0", "run 1"]).held_out.units == ("run 0", "run 1")


def test_one_picture_under_two_names_is_found_by_the_audit(embedded):
    trials = embedded(n_stimuli=6)
    values = trials.targets.values.copy()
    values[1] = values[0]
    trials = Trials(trials.study, Targets(trials.targets.names, values), trials.table)
    with pytest.raises(InputError, match="near-duplicates with 1 other"):
        split_trials(trials, test=["stimulus s000"])
    split = split_trials(trials, test=["stimulus s000", "stimulus s001"])
    assert split.audit.verdict == "clean"
    names = trials.table["stimulus_id"].to_numpy()
    for fold in folds_of_trials(trials, n_folds=5):
        held_out = set(fold.held_out.units)
        assert len(held_out & {"stimulus s000", "stimulus s001"}) in (0, 2)
    alone = parts._audit(trials, names == "s000", np.zeros(len(trials), dtype=bool))
    assert "1 pair(s) of stimuli with the same content under two ids" in alone.findings[0]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_class_is_in_every_part_in_its_proportion(labelled, n_classes):
    # Runs of one class each.
    labels = np.repeat([0, 1, 2, 0, 1, 0, 1, 2, 2] if n_classes == 3 else [0, 1, 0, 0, 1, 0, 0, 1, 0], 4)
    trials = labelled(n_runs=9, n_per_run=4, n_classes=n_classes, labels=labels)
    for seed in range(5):
        split = split_trials(trials, test=3, validation=3, seed=seed)
        opened = split.held_out._open_for(_fitted(split))[0]
        for part in (split.training, split.validation, opened):
            assert part.table["target"].nunique() == n_classes


def test_a_class_that_cannot_be_in_every_part_is_named(labelled):
    trials = labelled(n_runs=4, n_per_run=4, labels=np.repeat([0, 0, 0, 1], 4))
    with pytest.raises(InputError, match="class 'b' is not in the (held-out|training) part, in 100 draws"):
        split_trials(trials, test=1)


def test_the_same_seed_gives_the_same_parts_and_another_others(embedded):
    trials = embedded()
    units = [split_trials(trials, test=0.2, seed=seed).held_out.units for seed in (0, 0, 1)]
    assert units[0] == units[1] != units[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 1.0}, r"`test` must be a share below 1 or a whole number of units, got 1.0"),
        ({"test": True}, "`test` must be a share below 1"),
        ({"test": 0}, "`test` must hold out at least one unit, got 0"),
        ({"test": -1}, "got -1"),
        ({"test": 30, "validation": 10}, r"30 unit\(s\) to hold out and 10 to validate leave nothing of 40"),
        ({"test": ["stimulus s999"]}, "`test` names the unit 'stimulus s999', did you mean"),
        ({"test": []}, "`test` names no unit"),
    ],
)
def test_parts_that_cannot_be_are_refused(embedded, options, message):
    with pytest.raises(InputError, match=message):
        split_trials(embedded(), **options)


@pytest.mark.parametrize("n_folds", [4, "units"])
def test_folds_hold_out_every_trial_once(labelled, n_folds):
    trials = labelled()
    folds = folds_of_trials(trials, n_folds=n_folds, validation=1)
    rows = np.concatenate([f.held_out._open_for(_fitted(f))[0].column("row") for f in folds])
    assert sorted(rows) == list(range(80))
    assert all(f.validation.table["unit"].nunique() == 1 for f in folds)
    assert len(folds) == (8 if n_folds == "units" else 4)


def test_folds_that_cannot_be_are_refused(labelled, embedded):
    with pytest.raises(InputError, match="between 2 and the 8 units that can be parted, got 9"):
        folds_of_trials(labelled(), n_folds=9)
    with pytest.raises(InputError, match="the rarest class has 3 trial"):
        folds_of_trials(labelled(labels=[1] * 3 + [0] * 77), n_folds=4)
    with pytest.raises(InputError, match=r"7 unit\(s\) to validate leave nothing to fit to in a fold with 7"):
        folds_of_trials(labelled(), n_folds="units", validation=7)
    assert len(folds_of_trials(embedded(n_stimuli=10), n_folds=5)) == 5


def test_what_is_held_out_cannot_be_fitted_to_or_chosen_by(embedded, least):
    split = split_trials(embedded(), test=0.2, validation=0.2)
    assert isinstance(split.held_out, HeldOut)
    with pytest.raises(InputError, match="`training` must be Trials, got HeldOut"):
        least().fit(split.held_out)
    with pytest.raises(InputError, match="`validation` must be Trials, got HeldOut"):
        least().fit(split.training, validation=split.held_out)


def test_what_is_held_out_shows_no_data(embedded):
    trials = embedded()
    held_out = split_trials(trials, test=0.2).held_out
    shown = {name: getattr(held_out, name) for name in dir(held_out) if not name.startswith("_")}
    assert not any(isinstance(value, (Trials, np.ndarray)) for value in shown.values())
    assert not hasattr(held_out, "read")
    assert not hasattr(held_out, "study")
    assert repr(held_out) == "HeldOut(16 trials of 8 stimuli in 8 units, sealed)"


def test_a_decoder_that_saw_held_out_trials_another_way_is_refused(embedded, least):
    trials = embedded()
    split = split_trials(trials, test=0.2, validation=0.2)
    with pytest.raises(InputError, match=r"16 trial\(s\) and 8 unit\(s\) and 8 stimuli or near-dup"):
        evaluate(least().fit(trials), split.held_out, **QUICK)
    # The same trials handed in as a validation part, to choose the epoch.
    units = trials.table["unit"].isin(split.held_out.units).to_numpy()
    peeking = least().fit(split.training, validation=trials.take(units))
    with pytest.raises(InputError, match="would flatter"):
        evaluate(peeking, split.held_out, **QUICK)


def test_a_decoder_that_saw_another_repetition_of_a_stimulus_is_refused(embedded, least):
    trials = embedded(n_stimuli=20, n_repetitions=3)
    held_out = split_trials(trials, test=4).held_out
    other = trials.take(trials.column("row") < 20)
    with pytest.raises(InputError, match="4 stimuli or near-duplicates"):
        evaluate(least().fit(other), held_out, **QUICK)


def test_a_decoder_that_saw_only_a_near_duplicate_is_refused(embedded, least):
    pairs = {f"s{i:03d}": i // 2 for i in range(20)}
    trials = embedded(n_stimuli=20, groups=pairs)
    held_out = split_trials(trials, test=["group 3"]).held_out
    alike = trials.take(trials.table["stimulus_id"].isin(["s000", "s001", "s007"]).to_numpy())
    renamed = Trials(alike.study, alike.targets, alike.table.assign(unit=alike.table["stimulus_id"]))
    decoder = least().fit(renamed)
    opened = trials.table["stimulus_id"].isin(["s006"]).to_numpy()
    only = Trials(trials.study, trials.targets, trials.table[opened])
    sealed = HeldOut(only, kin={name: group for name, group in pairs.items()}, audit=held_out.audit)
    with pytest.raises(InputError, match="by 1 stimuli or near-duplicates of what is held out"):
        evaluate(decoder, sealed, **QUICK)


def test_a_split_by_chance_leaks_and_flatters(embedded, least):
    """Without units, repetitions fall on both sides: the score rises, and our parts cannot be made so."""
    trials = embedded(n_stimuli=60, n_repetitions=4, noise=12.0)
    rng = np.random.default_rng(0)
    leaky, honest = [], []
    for seed in range(3):
        order = rng.permutation(len(trials))
        test = trials.take(order[:60])
        # One embedding number for each stimulus, learnt by heart: signals carry the stimulus's name.
        decoded = _nearest(trials.take(order[60:]), test)
        leaky.append(_two_way(decoded, test))
        split = split_trials(trials, test=15, seed=seed)
        opened = split.held_out._open_for(_fitted(split))[0]
        decoded = _nearest(split.training, opened)
        honest.append(_two_way(decoded, opened))
    assert np.mean(leaky) > np.mean(honest) + 0.02


def _two_way(decoded, trials):
    options = {**NOTHING, "k_way": (2,)}
    found = retrieve(decoded, trials.targets.gallery, trials.column("target"), **options)
    return found.value("2-way")


def _nearest(training, test):
    distance = ((test.read()[:, None] - training.read()[None]) ** 2).sum(2)
    return training.targets.gallery[training.column("target")[distance.argmin(1)]]


def test_choosing_an_epoch_on_the_test_part_flatters_and_is_told_and_choosing_on_validation_does_not(
    embedded, noise
):
    trials = embedded(n_stimuli=450, n_repetitions=1)
    split = split_trials(trials, test=200, validation=200)
    chosen_by_test, chosen_by_validation = [], []
    for training in range(2):
        epochs = [noise(seed=40 * training + epoch).fit(split.training) for epoch in range(40)]
        tested = [evaluate(epoch, split.held_out, **QUICK) for epoch in epochs]
        scores = np.array([each.value("top-1") for each in tested])
        chosen_by_test.append(scores.max())
        gallery = split.validation.targets.gallery[split.validation.column("target")]
        validated = [
            retrieve(epoch.predict(split.validation), gallery, np.arange(200), **NOTHING).value("top-1")
            for epoch in epochs
        ]
        chosen_by_validation.append(scores[np.argmax(validated)])
    # Chance is 1 of 200: the best of 40 by the test part itself reads as several times that.
    assert np.mean(chosen_by_test) * 200 > 3
    assert np.mean(chosen_by_validation) * 200 < 2
    assert tested[-1].card.times_evaluated == 80
    assert "80 decoders were evaluated on this held-out part in this process" in str(tested[-1])
    assert "the best of 80 would flatter" in str(tested[-1])


def test_the_count_survives_a_second_split_and_forgives_a_second_look(embedded, least, noise):
    trials = embedded()
    decoder = least().fit(split_trials(trials, test=0.2).training)
    for _ in range(2):
        split = split_trials(trials, test=0.2)
        assert evaluate(decoder, split.held_out, **QUICK).card.times_evaluated == 1
    other = noise().fit(split.training)
    assert evaluate(other, split_trials(trials, test=0.2).held_out, **QUICK).card.times_evaluated == 2
    assert split_trials(trials, test=0.2, seed=5).held_out.times_evaluated == 0


def test_subjects_of_what_is_held_out_are_named(embedded):
    split = split_trials(embedded(n_subjects=3), test=0.2, validation=2)
    one = split.of_subjects(["p1"])
    assert one.held_out.subjects == ("p1",)
    assert one.training.subjects == one.validation.subjects == ["p1"]
    assert len(one.held_out) * 3 == len(split.held_out)
    with pytest.raises(InputError, match=r"subjects that are held out \(p0, p1, p2\), got p9"):
        split.held_out.of_subjects(["p9"])


def test_copies_and_other_ways_of_scoring_are_further_looks_at_the_same_part(embedded, least, noise):
    trials = embedded()
    split = split_trials(trials, test=0.2)
    decoder = least().fit(split.training)
    evaluate(decoder, split.held_out, **QUICK)
    for other in (copy.deepcopy(split.held_out), pickle.loads(pickle.dumps(split.held_out))):
        assert other.times_evaluated == 1
    again = split_trials(embedded(), test=0.2).held_out
    assert again.times_evaluated == 1
    for count, options in enumerate(
        ({"similarity": "dot"}, {"gallery": "all"}, {"gallery": trials.targets}, {"similarity": "dot"}),
        start=2,
    ):
        card = evaluate(decoder, again, **{**QUICK, **options}).card
        assert card.times_evaluated == min(count, 4)
    assert "4 decoders were evaluated on this held-out part in this process (each way of scoring" in str(card)


def test_the_same_data_under_other_names_are_refused(labelled, least):
    trials = labelled()
    split = split_trials(trials, test=2)
    opened = split.held_out._open_for(_fitted(split))[0]
    recording = trials.study["p0"]
    rows = opened.column("row")
    copied = Recording(
        recording.data[rows], recording.samples.iloc[rows].assign(run="another"), recording.channels,
        subject="someone",
    )  # fmt: skip
    renamed = Trials.of(Study.of(copied), trials.targets, labels="label", units="run")
    with pytest.raises(InputError, match=r"20 trial\(s\) of the same data, under other names"):
        evaluate(least().fit(renamed), split.held_out, **QUICK)


def test_data_that_do_not_tell_trials_apart_are_no_sign_of_the_same_trial(labelled, least):
    trials = labelled()
    recording = trials.study["p0"]
    few = np.random.default_rng(0).integers(0, 2, recording.data.shape).astype(np.float32)
    for data in (few, np.zeros_like(few), few * 0.3 - 0.1):
        counts = Recording(data, recording.samples, recording.channels, subject="p0")
        own = Trials.of(Study.of(counts), trials.targets, labels="label", units="run")
        assert Seen.of(own).data == frozenset()
        split = split_trials(own, test=2)
        assert evaluate(least().fit(split.training), split.held_out, **QUICK).card.n_trials == 20
    assert len(Seen.of(trials).data) == len(trials)
    assert Seen.from_json(Seen.of(trials).to_json()) == Seen.of(trials)
