from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from alignkit import Recording
from alignkit._core.errors import InputError
from alignkit.decoders.evaluation.over_times import decode_over_times
from alignkit.decoders.linear.classifiers import DiscriminantOverTimes
from alignkit.decoders.linear.ridge import RidgeOverTimes
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.study import Study

TIMES = np.arange(12) / 20 - 0.1


def trials(
    n: int = 160, classes: str = "ab", *, strength: float = 1.5, seed: int = 0, drift: float = 0.0
) -> Trials:
    """Classes in one pattern at times 4-5 and in another at 8-9; runs of 20 trials."""
    rng = np.random.default_rng(seed)
    labels = np.array(list(classes))[np.arange(n) % len(classes)]
    labels = np.concatenate([rng.permutation(part) for part in np.split(labels, n // 20)])
    data = rng.standard_normal((n, 6, 12))
    patterns = rng.standard_normal((2, len(classes), 6))
    for place, times in enumerate(([4, 5], [8, 9])):
        for code, name in enumerate(classes):
            data[np.ix_(labels == name, range(6), times)] += strength * patterns[place, code][:, None]
    data += drift * rng.standard_normal((n // 20, 6)).repeat(20, axis=0)[:, :, None]
    samples = pd.DataFrame({"stimulus_id": labels, "run": np.arange(n) // 20})
    recording = Recording(
        data.astype(np.float32), samples, pd.DataFrame({"name": list("pqrstu")}), times_s=TIMES
    )
    return Trials.of(Study.of(recording), Targets(tuple(classes)), labels="stimulus_id", units="run")


@pytest.mark.parametrize(("classes", "score"), [("ab", "AUC"), ("abcd", "balanced accuracy")])
def test_classes_are_told_apart_when_they_differ_and_never_before(classes, score):
    found = decode_over_times(
        DiscriminantOverTimes(), trials(classes=classes), n_folds="units", n_permutations=199
    )
    assert found.score == score and found.n_units == 8
    coded = np.isin(np.arange(12), [4, 5, 8, 9])
    assert (found.p_corrected[coded] < 0.05).all()
    assert (found.p_corrected[~coded] > 0.05).all()
    assert (found.value[coded] > found.chance + 0.2).all()
    assert (found.ci_low <= found.value).all() and (found.value <= found.ci_high).all()


def test_scores_are_those_of_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_score

    part = trials(80)
    found = decode_over_times(DiscriminantOverTimes(), part, n_folds="units", n_permutations=9)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    y, runs = part.column("target"), part.table["unit"]
    expected = cross_val_score(
        model, part.read()[:, :, 4], y, groups=runs, cv=LeaveOneGroupOut(), scoring="roc_auc"
    )
    np.testing.assert_allclose(found.fold_scores[:, 4], expected, atol=1e-9)


def test_what_is_fitted_to_one_pattern_says_nothing_of_the_other():
    found = decode_over_times(DiscriminantOverTimes(), trials(320), generalise=True, n_permutations=9)
    assert found.generalisation is not None
    np.testing.assert_allclose(np.diag(found.generalisation), found.value, atol=1e-12)
    assert found.generalisation[4, 5] > 0.9
    assert abs(found.generalisation[4, 0] - 0.5) < 0.15


@pytest.mark.parametrize(("refit", "most"), [(True, 5), (False, 3)])
def test_sets_without_an_effect_are_seldom_called_significant(refit, most):
    found = [
        decode_over_times(DiscriminantOverTimes(), trials(80, strength=0, seed=seed), n_folds=4,
                          n_permutations=39, refit=refit, seed=seed)
        for seed in range(20)
    ]  # fmt: skip
    assert abs(np.mean([one.value for one in found]) - 0.5) < 0.02
    # Family-wise: one in twenty sets has any time below .05; without widening it would be one in four.
    assert sum((one.p_corrected < 0.05).any() for one in found) <= most


@pytest.mark.slow
def test_the_refitted_null_holds_its_level_over_all_times():
    found = [
        decode_over_times(DiscriminantOverTimes(), trials(80, strength=0, seed=seed), n_folds=4, seed=seed)
        for seed in range(150)
    ]
    assert 0.01 <= np.mean([(one.p_corrected < 0.05).any() for one in found]) <= 0.10
    assert 0.03 <= np.mean([(one.p < 0.05).mean() for one in found]) <= 0.07


def test_patterns_are_in_the_unit_of_the_data():
    part = trials(320)
    found = decode_over_times(DiscriminantOverTimes(), part, n_permutations=9)
    data, y = part.read(), part.column("target")
    difference = data[y == 1].mean(0) - data[y == 0].mean(0)
    assert np.corrcoef(found.patterns[4, :, 0], difference[:, 4])[0, 1] > 0.97
    bigger = Recording(
        data * 1000, part.study["subject"].samples, part.study["subject"].channels, times_s=TIMES
    )
    scaled = Trials.of(Study.of(bigger), part.targets, labels="stimulus_id", units="run")
    again = decode_over_times(DiscriminantOverTimes(), scaled, n_permutations=9)
    ratio = again.patterns[4, :, 0] / found.patterns[4, :, 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_errors_say_what_is_wanted():
    part = trials(80)
    with pytest.raises(InputError, match="9 folds need as many units, and there are 4"):
        decode_over_times(DiscriminantOverTimes(), part, n_folds=9)
    with pytest.raises(InputError, match="RidgeOverTimes does not"):
        decode_over_times(RidgeOverTimes(), part, n_folds=2)
    with pytest.raises(InputError, match="all trials are of one class"):
        decode_over_times(DiscriminantOverTimes(), part.take(part.column("target") == 0))
    embeddings = Targets(("a", "b"), np.eye(2))
    with pytest.raises(InputError, match="these trials have embeddings"):
        decode_over_times(DiscriminantOverTimes(), Trials.of(part.study, embeddings))
    flat = Study.of(part.study["subject"].average_window(0, 0.1))
    with pytest.raises(InputError, match="has no times"):
        decode_over_times(
            DiscriminantOverTimes(), Trials.of(flat, part.targets, labels="stimulus_id", units="run")
        )
    two = Study.of(part.study["subject"], Recording(part.read() + 1, part.study["subject"].samples,
                   part.study["subject"].channels, times_s=TIMES, subject="other"))  # fmt: skip
    with pytest.raises(InputError, match="one subject at a time, got subject, other"):
        decode_over_times(
            DiscriminantOverTimes(), Trials.of(two, part.targets, labels="stimulus_id", units="run")
        )


def test_the_interval_knows_that_folds_share_training_data():
    found = decode_over_times(DiscriminantOverTimes(), trials(160, strength=0.3), n_folds=4, n_permutations=9)
    half = t.ppf(0.975, 3) * found.fold_scores.std(axis=0, ddof=1) * np.sqrt(1 / 4 + 1 / 3)
    np.testing.assert_allclose(found.ci_low, np.clip(found.value - half, 0, 1))
    np.testing.assert_allclose(found.ci_high, np.clip(found.value + half, 0, 1))


def test_blocks_of_a_class_are_exchanged_whole_and_it_says_so():
    part = trials(80)
    assert decode_over_times(DiscriminantOverTimes(), part, n_folds=2, n_permutations=9).exchanged == (
        "trials within units"
    )
    order = np.lexsort((part.column("target"), part.table["unit"]))
    recording = part.study["subject"]
    blocked = Recording(
        recording.data[order], recording.samples.iloc[order], recording.channels, times_s=TIMES
    )
    again = Trials.of(Study.of(blocked), part.targets, labels="stimulus_id", units="run")
    found = decode_over_times(DiscriminantOverTimes(), again, n_folds=2, n_permutations=19)
    assert found.exchanged == "blocks within units"
    # Of four runs with two blocks each there are sixteen exchanges.
    assert len(np.unique(found.null.round(12), axis=0)) <= 16
