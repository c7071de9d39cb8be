from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.decoders import evaluate, split_trials
from alignkit.pipelines.decoding import scoring
from alignkit.pipelines.decoding.differences import difference_rows
from alignkit.pipelines.decoding.scoring import fit_part, parts_of
from alignkit.pipelines.decoding.targets import fitted_targets
from alignkit.pipelines.decoding.task import trials_of
from alignkit.pipelines.store import Store

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import MLP, PLAN, scores_of, seen_stimuli, settings, told_apart, with_data

KIND = {"label": "kind"}


def value_of(one, score, subject="all", repetitions=None):
    rows = one.table[(one.table["subject"] == subject) & (one.table["score"] == score)]
    if repetitions is not None:
        rows = rows[rows["repetitions"] == repetitions]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


def held_out_rows(part, split):
    shown = pd.concat([p.table for p in (split.training, split.validation) if p is not None])
    seen = set(zip(shown["subject"], shown["row"], strict=True))
    return [
        place
        for place, pair in enumerate(zip(part.trials.table["subject"], part.trials.table["row"], strict=True))
        if pair not in seen
    ]


def written(decoder, folder):
    decoder.save(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_scores_pooled_over_folds_equal_a_loop_with_scikit_learn(tmp_path):
    config = settings(KIND, decoders=["lda"], split={"folds": 3})
    (part,), (one,) = scores_of(config, told_apart(n_classes=3, per_run=9), None, tmp_path)
    data, codes = part.trials.read(), part.trials.column("target")
    accuracy, balanced, covered = [], [], []
    for split in part.splits:
        test = held_out_rows(part, split)
        train = np.setdiff1d(np.arange(len(codes)), test)
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        peer = make_pipeline(StandardScaler(), lda).fit(data[train], codes[train])
        accuracy.append((peer.predict(data[test]) == codes[test]).mean())
        balanced.append(balanced_accuracy_score(codes[test], peer.predict(data[test])))
        covered += test
    assert sorted(covered) == list(range(len(codes)))  # every trial is held out once
    assert value_of(one, "accuracy") == pytest.approx(np.mean(accuracy), abs=1e-12)
    assert value_of(one, "balanced accuracy") == pytest.approx(np.mean(balanced), abs=1e-12)
    assert 0.4 < np.mean(accuracy) < 1.0  # or the comparison would say little


KINDS = ("lda", "logistic")


@pytest.mark.parametrize("subjects", ["single", "joint"])
def test_differences_of_classes_are_those_of_the_scores(tmp_path, subjects):
    crippled = {"kind": "logistic", "C": 1e-4}
    config = settings(KIND, decoders=["lda", crippled], split={"folds": 3}, subjects=subjects)
    _, scored = scores_of(config, told_apart(2, n_classes=3, gain=0.7), None, tmp_path)
    table = difference_rows(config, scored).set_index("metric")
    for metric in ("accuracy", "balanced accuracy"):
        if metric in table.index:
            own = {name: [value_of(one, metric) for one in scored if one.decoder == name] for name in KINDS}
            means = [np.mean(own[name]) for name in KINDS]
            assert table.loc[metric, "difference"] == pytest.approx(means[0] - means[1], abs=1e-12)
    assert len(table)


def test_each_subject_has_a_decoder_of_its_own_or_all_have_one(tmp_path):
    dataset, embeddings = seen_stimuli(2)
    _, single = scores_of(settings(), dataset, embeddings, tmp_path)
    assert [one.scope for one in single] == ["sub1", "sub2"]
    assert [{name for name, _ in one.fitted.seen_.samples} for one in single] == [{"sub1"}, {"sub2"}]
    _, (joint,) = scores_of(settings(subjects="joint"), dataset, embeddings, tmp_path)
    assert joint.scope == "all"
    assert {name for name, _ in joint.fitted.seen_.samples} == {"sub1", "sub2"}
    # Ridge has a map for each subject by default: one decoder of both is the same two maps.
    for one in single:
        assert value_of(joint, "top-1", one.scope) == pytest.approx(value_of(one, "top-1"))


def test_subjects_who_saw_the_same_stimuli_have_the_same_ones_held_out(tmp_path):
    dataset, embeddings = seen_stimuli(3)
    config = settings()
    parts = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    assert len({part.splits[0].held_out.units for part in parts}) == 1


def test_embeddings_are_fitted_to_the_training_part_alone(tmp_path):
    dataset, embeddings = seen_stimuli()
    config = settings({"model": "pixels", "components": 3})
    (part,) = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    training = part.splits[0].training.table["stimulus_id"].tolist()
    assert len(set(training)) < 24
    expected = fitted_targets(embeddings, training, components=3)
    np.testing.assert_array_equal(part.trials.targets.values, expected.values)


def test_trainings_from_several_seeds_differ_and_linear_decoders_have_one(tmp_path):
    dataset, embeddings = seen_stimuli()
    _, scored = scores_of(settings(decoders=[MLP, "ridge"], seeds=2), dataset, embeddings, tmp_path)
    assert [(one.decoder, one.seed) for one in scored] == [("mlp", 0), ("mlp", 1), ("ridge", 0)]
    first, second = (written(one.fitted, tmp_path / str(one.seed)) for one in scored[:2])
    assert first["decoder.safetensors"] != second["decoder.safetensors"]
    assert scored[0].fitted.chosen_by_ != scored[2].fitted.chosen_by_


def test_linear_decoders_get_the_validation_part_too_and_networks_choose_by_it(tmp_path):
    dataset, embeddings = seen_stimuli()
    (part,), (mlp, ridge) = scores_of(settings(decoders=[MLP, "ridge"]), dataset, embeddings, tmp_path)
    split = part.splits[0]
    both = len(split.training) + len(split.validation)
    assert len(ridge.fitted.seen_.samples) == len(mlp.fitted.seen_.samples) == both
    assert "validation" in mlp.fitted.chosen_by_
    assert "cross-validation over units in the training part" in ridge.fitted.chosen_by_


@pytest.mark.parametrize("kind", ["retrieval", "classes"])
def test_controls_are_at_chance_where_decoders_are_near_the_ceiling(tmp_path, kind):
    if kind == "retrieval":
        dataset, embeddings = seen_stimuli(n_stimuli=60, noise=0.1)
        config, score, chance = settings(shuffled=True, split={"test": 20}), "top-1", 1 / 20
    else:
        dataset, embeddings = told_apart(gain=3.0, n_runs=12), None
        config = settings(KIND, decoders=["lda"], shuffled=True, split={"test": 4})
        score, chance = "balanced accuracy", 1 / 2
    _, (real, control) = scores_of(config, dataset, embeddings, tmp_path)
    assert (real.shuffled, control.shuffled) == (False, True)
    assert value_of(real, score) > 0.9
    row = control.table[(control.table["score"] == score) & (control.table["subject"] == "all")].iloc[0]
    assert row["ci_low"] <= chance <= row["ci_high"]
    assert row["p"] > 0.05


def test_decoders_of_averages_are_fitted_to_means_and_have_seen_every_trial(monkeypatch, tmp_path):
    dataset, embeddings = seen_stimuli(noise=1.0)
    given = []
    real = scoring.fitted_decoder

    def watched(component, training, validation, **facts):
        given.append(training)
        return real(component, training, validation, **facts)

    monkeypatch.setattr(scoring, "fitted_decoder", watched)
    config = settings(decoders=[{"kind": "ridge", "average": True}])
    (part,), (one,) = scores_of(config, dataset, embeddings, tmp_path)
    training = part.splits[0].training
    names = training.table["stimulus_id"].to_numpy()
    assert given[0].table["stimulus_id"].tolist() == list(dict.fromkeys(names))
    means = np.stack([training.read()[names == name].mean(axis=0) for name in dict.fromkeys(names)])
    np.testing.assert_allclose(given[0].read(), means, rtol=1e-5, atol=1e-6)
    assert one.fitted.seen_.samples == {("sub1", int(row)) for row in training.table["row"]}
    # Another split holds out stimuli that it has seen: the audit knows them although they were averaged.
    other = split_trials(part.trials, test=6, seed=99)
    with pytest.raises(InputError, match="was fitted to or chosen by .* of what is held out"):
        evaluate(one.fitted, other.held_out, n_bootstraps=0, n_permutations=0)


def test_a_decoder_of_one_subject_is_refused_on_its_own_training_trials(tmp_path):
    dataset, embeddings = seen_stimuli()
    config = settings()
    (part,) = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    decoder = fit_part(config.decoders[0], part.trials, None, seed=0, plan=PLAN, store=Store(tmp_path))
    with pytest.raises(InputError, match="trial.s. and .* unit.s. and .* stimuli"):
        evaluate(decoder, part.splits[0].held_out)


@pytest.mark.parametrize("kind", ["retrieval", "classes"])
def test_other_held_out_responses_change_no_decoder_and_no_epoch(tmp_path, kind):
    if kind == "retrieval":
        (dataset, embeddings), target, decoders = seen_stimuli(), None, [MLP, "ridge"]
    else:
        network = {**MLP, "objective": "classification", "training": {**MLP["training"], "patience": 1}}
        dataset, embeddings, target = told_apart(), None, KIND
        decoders = [network, "lda", {"kind": "logistic", "C": [0.01, 1.0]}]
    config = settings(target, decoders=decoders)
    (part,), before = scores_of(config, dataset, embeddings, tmp_path / "a")
    rows = held_out_rows(part, part.splits[0])
    assert rows

    def noise(data, recording):
        data[rows] = 50 * np.random.default_rng(1).standard_normal(data[rows].shape)
        return data

    (again,), after = scores_of(config, with_data(dataset, noise), embeddings, tmp_path / "b")
    assert held_out_rows(again, again.splits[0]) == rows
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        kept = written(one.fitted, tmp_path / f"{number}a")
        assert kept == written(other.fitted, tmp_path / f"{number}b")
        assert one.fitted.describe() == other.fitted.describe()
    score = "top-1" if kind == "retrieval" else "accuracy"
    assert value_of(before[1], score) > value_of(after[1], score)  # what is held out did change


def test_what_is_held_out_reaches_no_fit(monkeypatch, tmp_path):
    dataset, embeddings = seen_stimuli(2)
    given = []
    real = scoring.fitted_decoder

    def watched(component, training, validation, **facts):
        given.extend(part for part in (training, validation) if part is not None)
        return real(component, training, validation, **facts)

    monkeypatch.setattr(scoring, "fitted_decoder", watched)
    config = settings(decoders=["ridge", {"kind": "ridge", "name": "means", "average": True}], shuffled=True)
    parts, _ = scores_of(config, dataset, embeddings, tmp_path)
    held_out = set(parts[0].splits[0].held_out.units)
    assert len(given) == 8  # two decoders and their controls of two subjects
    assert not any(held_out & set(part.table["unit"]) for part in given)


@pytest.mark.parametrize("place", ["training", "validation"])
def test_the_held_out_part_cannot_be_given_to_a_fit(tmp_path, place):
    dataset, embeddings = seen_stimuli()
    config = settings(decoders=[MLP])
    (part,) = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    split = part.splits[0]
    given = {"training": split.training, "validation": split.validation, place: split.held_out}
    with pytest.raises(InputError, match=f"`{place}` must be Trials, got HeldOut"):
        fit_part(config.decoders[0], **given, seed=0, plan=PLAN, store=Store(tmp_path))


def test_the_same_seed_gives_the_same_scores_and_another_one_other_parts(tmp_path):
    dataset, embeddings = seen_stimuli(noise=2.0)
    tables = [
        scores_of(settings(seed=seed), dataset, embeddings, tmp_path / str(run))[1][0].table
        for run, seed in enumerate((0, 0, 1))
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    assert not tables[0].equals(tables[2])


def test_folds_of_embeddings_are_refused_with_the_reason():
    dataset, embeddings = seen_stimuli()
    config = settings(split={"folds": 3})
    with pytest.raises(InputError, match="`split: folds` is for classes"):
        parts_of(config, trials_of(config, dataset, embeddings), embeddings)


def test_classes_are_decoded_from_single_trials_unless_a_number_of_averages_is_named(tmp_path):
    dataset = told_apart()
    _, (plain,) = scores_of(settings(KIND, decoders=["lda"]), dataset, None, tmp_path)
    _, (means,) = scores_of(settings(KIND, decoders=["lda"], repetitions=[1, 2]), dataset, None, tmp_path)
    assert set(plain.table["repetitions"]) == {"1"}
    assert set(means.table["repetitions"]) == {"1", "2"}


def test_controls_of_classes_lie_around_chance_where_classes_lie_far_apart(tmp_path):
    found = []
    for seed in range(8):
        config = settings(KIND, decoders=["lda"], shuffled=True, split={"folds": 2})
        dataset = told_apart(gain=3.0, seed=seed, n_runs=8)
        _, (_, control) = scores_of(config, dataset, None, tmp_path / str(seed))
        found.append(value_of(control, "balanced accuracy"))
    # Plain exchanges give .2 to .3 here: by chance they keep, or reverse, what tells the classes apart.
    assert abs(np.mean(found) - 0.5) < 0.1
    assert np.std(found) < 0.15


@pytest.mark.parametrize(("n_held_out", "finite"), [(1, False), (3, True)])
def test_a_single_held_out_unit_has_no_interval_and_few_have_students(tmp_path, n_held_out, finite):
    config = settings(KIND, decoders=["lda"], split={"test": n_held_out})
    _, (one,) = scores_of(config, told_apart(gain=0.5), None, tmp_path)
    row = one.table[one.table["score"] == "balanced accuracy"].iloc[0]
    assert np.isfinite(row["ci_low"]) == finite
    assert np.isfinite(row["p"])
    if finite:
        result = one.evaluation.results["all", "1"]
        # Units of one size with classes in equal shares: the jackknife's values are the units' own scores.
        own = pd.Series(result.predicted == result.truth).groupby(result.units).mean()
        low, high = student.interval(0.95, len(own) - 1, own.mean(), own.std() / np.sqrt(len(own)))
        assert row[["ci_low", "ci_high"]].tolist() == pytest.approx([max(low, 0), min(high, 1)])
