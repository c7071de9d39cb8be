from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit import Recording
from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.decoders import DiscriminantOverTimes, decode_over_times
from alignkit.pipelines.decoding.course import check_times, courses_of
from alignkit.pipelines.decoding.rows import course_rows
from alignkit.pipelines.decoding.scoring import parts_of, score_decoders
from alignkit.pipelines.decoding.task import trials_of
from alignkit.pipelines.store import Store
from alignkit.recordings.study import Study

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import MLP, PLAN, seen_stimuli, settings, told_apart

KIND = {"label": "kind"}
N_TIMES = 4


def over_time(dataset, n_times=N_TIMES, quiet=2):
    """Return the dataset with times, of which the first `quiet` hold noise alone."""
    rng = np.random.default_rng(5)
    made = []
    for recording in dataset.study.values():
        data = np.repeat(np.asarray(recording.data)[:, :, None], n_times, axis=2)
        data += 0.1 * rng.standard_normal(data.shape).astype(np.float32)
        data[:, :, :quiet] = rng.standard_normal(data[:, :, :quiet].shape)
        made.append(
            Recording(data.astype(np.float32), recording.samples, recording.channels,
                      times_s=np.arange(n_times) / 10, subject=recording.subject)
        )  # fmt: skip
    return Dataset(dataset.name, study=Study.of(*made))


def run(config, dataset, embeddings, folder):
    parts = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    check_times(config, parts)
    store = Store(Path(folder) / "store")
    scored = score_decoders(config, parts, plan=PLAN, store=store)
    return parts, scored, courses_of(config, parts, scored, plan=PLAN, store=store), store


def rows(config, courses, subject="all"):
    table = course_rows(config, courses)[0].table
    return table[table["subject"] == subject]


def test_without_times_asked_for_there_are_none(tmp_path):
    _, _, courses, _ = run(settings(KIND, decoders=["lda"]), told_apart(), None, tmp_path)
    assert courses == []


def test_classes_at_each_time_are_those_of_a_direct_call_and_come_from_the_store_again(tmp_path):
    config = settings(
        KIND, decoders=["lda"], split={"folds": 3}, times={"windows": "each", "generalise": True}
    )
    dataset = told_apart(n_times=N_TIMES, gain=1.5)
    parts, scored, (one,), store = run(config, dataset, None, tmp_path)
    direct = decode_over_times(
        DiscriminantOverTimes(shrinkage="auto"), parts[0].trials, n_folds=3, n_permutations=1
    )
    assert one.score == direct.score == "AUC"
    np.testing.assert_allclose(one.patterns, direct.patterns)  # of all trials, whatever the folds
    assert one.generalisation.shape == (N_TIMES, N_TIMES)
    np.testing.assert_allclose(np.diag(one.generalisation), one.value)
    assert (one.p_corrected[:2] > 0.05).all()
    assert (one.p_corrected[2:] < 0.05).all()
    assert one.null.shape == (99, N_TIMES)
    made = store.made
    (again,) = courses_of(config, parts, scored, plan=PLAN, store=store)
    assert store.made == made
    np.testing.assert_array_equal(again.value, one.value)
    assert again.classes == one.classes == ("k0", "k1")


def test_each_subject_has_a_course_and_all_of_them_the_mean_with_p_of_the_mean_null(tmp_path):
    config = settings(KIND, decoders=["lda"], split={"folds": 3}, times={"windows": "each"})
    _, _, courses, _ = run(config, told_apart(2, n_times=N_TIMES, gain=1.5), None, tmp_path)
    assert [one.scope for one in courses] == ["sub1", "sub2"]
    every = rows(config, courses)
    assert every["time_s"].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    mean = np.mean([one.value for one in courses], axis=0)
    np.testing.assert_allclose(every["value"], mean)
    null = np.mean([one.null for one in courses], axis=0)
    np.testing.assert_allclose(every["p"], (1 + (null >= mean - 1e-12).sum(axis=0)) / 100)
    largest = null.max(axis=1)
    np.testing.assert_allclose(
        every["p_corrected"], [(1 + (largest >= value - 1e-12).sum()) / 100 for value in mean]
    )
    assert set(every["n"]) == {2}
    np.testing.assert_allclose(rows(config, courses, "sub2")["value"], courses[1].value)


def test_fewer_units_than_five_are_that_many_folds(tmp_path):
    config = settings(KIND, decoders=["lda"], split={"test": 1}, times={"windows": "each"})
    _, _, (one,), _ = run(config, told_apart(n_times=N_TIMES, n_runs=3), None, tmp_path)
    assert "3 folds of units" in one.how


@pytest.mark.parametrize(
    ("windows", "places"),
    [
        ({"windows": "each"}, [0.0, 0.1, 0.2, 0.3]),
        ({"windows": "sliding", "width_s": 0.1, "step_s": 0.1}, [0.05, 0.15, 0.25]),
        ({"windows": "cumulative", "width_s": 0.1, "step_s": 0.1}, [0.1, 0.2, 0.3]),
    ],
)
def test_retrieval_rises_where_the_signal_starts(tmp_path, windows, places):
    dataset, embeddings = seen_stimuli(n_stimuli=30, noise=0.1, seed=4)
    config = settings(split={"test": 10}, times=windows)
    _, _, (one,), _ = run(config, over_time(dataset), embeddings, tmp_path)
    np.testing.assert_allclose(one.times_s, places)
    assert one.score == "top-1"
    assert one.chance == pytest.approx(0.1)
    assert one.value[-1] > 0.8
    assert one.p_corrected[-1] < 0.05
    assert one.value[0] < 0.4
    assert (one.p_corrected >= one.p).all()
    assert (one.ci_low <= one.value).all()
    assert (one.value <= one.ci_high).all()
    assert one.n == 10
    assert "windows" in one.card.window


def test_growing_windows_end_at_the_score_of_the_whole_trial(tmp_path):
    # Networks choose by the validation part; a linear decoder is fitted to both parts, in windows as well.
    dataset, embeddings = seen_stimuli(n_stimuli=30, noise=4.0)
    average = {"kind": "ridge", "name": "means", "average": True}
    config = settings(
        decoders=["ridge", average, MLP], split={"test": 10}, times={"windows": "cumulative", "width_s": 0.3}
    )
    _, scored, courses, _ = run(config, over_time(dataset, quiet=0), embeddings, tmp_path)
    assert [one.decoder for one in courses] == ["ridge", "means", "mlp"]
    for one, course in zip(scored, courses, strict=True):
        assert course.value[-1] == pytest.approx(one.evaluation.value("top-1", repetitions="all"))
    assert 0.0 < courses[0].value[-1] < 1.0  # not where every fit would do
    assert "fitted anew to each" in courses[0].card.window
    assert "zeros outside each" in courses[2].card.window


def test_windows_of_classes_are_pooled_over_all_folds(tmp_path):
    dataset = told_apart(n_times=N_TIMES, gain=1.0)
    times = {"windows": "sliding", "width_s": 0.1, "step_s": 0.1}
    config = settings(KIND, decoders=["lda"], split={"folds": 3}, times=times)
    (part,), _, (one,), _ = run(config, dataset, None, tmp_path)
    assert one.n == 48
    assert one.score == "accuracy"
    data, codes = part.trials.read(), part.trials.column("target")
    for place, inside in enumerate((slice(0, 2), slice(1, 3), slice(2, 4))):
        scores = []
        for split in part.splits:
            train = split.training.table["row"].to_numpy()
            test = np.setdiff1d(np.arange(48), train)
            lda = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
            window = data[:, :, inside].reshape(48, -1)
            scores.append(lda.fit(window[train], codes[train]).score(window[test], codes[test]))
        assert one.value[place] == pytest.approx(np.mean(scores))
    assert "3 folds" in one.card.uncertainty
    assert "corrected over windows" in one.card.uncertainty


def test_windows_of_several_subjects_have_a_corrected_p_of_their_mean(tmp_path):
    dataset, embeddings = seen_stimuli(2, n_stimuli=30, noise=0.1)
    config = settings(split={"test": 10}, times={"windows": "each"})
    _, _, courses, _ = run(config, over_time(dataset), embeddings, tmp_path)
    every = rows(config, courses)
    assert every["p_corrected"].notna().all()
    assert every["p_corrected"].iloc[-1] < 0.05
    assert set(every["correction"]) == {"largest score over times"}


def test_controls_and_further_trainings_have_no_course(tmp_path):
    dataset, embeddings = seen_stimuli(n_stimuli=20)
    config = settings(decoders=[MLP], seeds=2, shuffled=True, times={"windows": "cumulative", "width_s": 0.3})
    _, scored, courses, _ = run(config, over_time(dataset), embeddings, tmp_path)
    assert (len(scored), len(courses)) == (3, 1)


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("stimuli", {"times": {"generalise": True}}, "`times: generalise` is of linear classifiers"),
        (
            "classes",
            {"times": {"windows": "sliding", "generalise": True}},
            "`times: generalise` is of linear",
        ),
        ("network", {"times": {"generalise": True}}, "`times: generalise` is of linear classifiers"),
        ("network", {"times": {}}, "`times: windows: each` needs a linear decoder"),
        (
            "classes",
            {"times": {"windows": "sliding", "width_s": 9.0}},
            "`width_s` is 9 s, longer than the trial",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_fitted(kind, content, message):
    if kind == "stimuli":
        (dataset, embeddings), target, decoders = seen_stimuli(), None, ["ridge"]
    else:
        dataset, embeddings, target = told_apart(), None, KIND
        decoders = ["lda"] if kind == "classes" else [{**MLP, "objective": "classification"}]
    config = settings(target, decoders=decoders, **content)
    parts = parts_of(config, trials_of(config, over_time(dataset), embeddings), embeddings)
    with pytest.raises(InputError, match=message):
        check_times(config, parts)


def test_recordings_without_times_or_with_other_times_are_named():
    config = settings(KIND, decoders=["lda"], times={"windows": "each"})
    plain = told_apart(2)
    with pytest.raises(InputError, match="`times` needs times, and the recording of 'sub1' has none"):
        check_times(config, parts_of(config, trials_of(config, plain, None), None))
    first, second = over_time(plain).study.values()
    later = Dataset("d", study=Study.of(first, replace(second, times_s=second.times_s + 0.05)))
    with pytest.raises(InputError, match="those of 'sub2' are not those of 'sub1'"):
        check_times(config, parts_of(config, trials_of(config, later, None), None))


def test_rows_over_time_do_not_collide_with_the_scores(tmp_path):
    config = settings(KIND, decoders=["lda", "logistic"], split={"folds": 3}, times={"windows": "each"})
    _, _, courses, _ = run(config, told_apart(n_times=N_TIMES), None, tmp_path)
    scores, chance = course_rows(config, courses)
    assert isinstance(scores.table, pd.DataFrame)
    assert set(scores.table["metric"]) == {"AUC over time"}
    assert chance == {"AUC over time": 0.5}
    assert scores.table.groupby("model")["time_s"].nunique().tolist() == [N_TIMES, N_TIMES]
