from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit import Recording
from alignkit._core.errors import InputError
from alignkit.decoders.decoder import Seen
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.study import Study


def recording(subject: str, names: str, n_channels: int = 3) -> Recording:
    rng = np.random.default_rng(len(subject) + ord(subject[-1]))
    return Recording.from_arrays(rng.standard_normal((len(names), n_channels, 4)), list(names),
                                 times_s=np.arange(4) / 10, subject=subject)  # fmt: skip


def embeddings(names: str) -> Targets:
    return Targets(tuple(names), np.array([[ord(name), 1.0] for name in names]))


def test_targets_are_matched_by_name_whatever_their_order():
    trials = Trials.of(Study.of(recording("s1", "abca")), embeddings("xcba"))
    values = trials.targets.gallery[trials.column("target")][:, 0]
    assert values.tolist() == [ord(name) for name in "abca"]
    assert trials.column("stimulus").tolist() == [0, 1, 2, 0]


def test_stimuli_of_several_subjects_share_their_codes():
    trials = Trials.of(Study.of(recording("s1", "ab"), recording("s2", "ba")), embeddings("ab"))
    assert trials.column("stimulus").tolist() == [0, 1, 1, 0]
    assert trials.subject_codes.tolist() == [0, 0, 1, 1]


def test_a_group_named_like_a_stimulus_is_another_group():
    trials = Trials.of(Study.of(recording("s1", "ab")), embeddings("ab"), groups={"a": "b"})
    assert trials.column("group").tolist() == [0, 1]


def test_units_are_a_column_of_the_samples_or_the_group():
    one = recording("s1", "abab")
    samples = one.samples.assign(run=[1, 1, 2, 2])
    runs = Recording(one.data, samples, one.channels, times_s=one.times_s, subject="s1")
    assert Trials.of(Study.of(runs), embeddings("ab"), units="run").table["unit"].tolist() == [
        "1",
        "1",
        "2",
        "2",
    ]
    assert Trials.of(Study.of(runs), embeddings("ab")).table["unit"].nunique() == 2


def test_data_are_read_in_the_order_of_the_trials(tmp_path):
    one = recording("s1", "abcdef")
    one.save(tmp_path / "r")
    lazily = Recording.load(tmp_path / "r", lazy=True)
    for study in (Study.of(one), Study.of(lazily)):
        trials = Trials.of(study, embeddings("abcdef")).take([5, 0, 3, 0])
        np.testing.assert_array_equal(trials.read(), one.data[[5, 0, 3, 0]])
        np.testing.assert_array_equal(trials.read([1, 2]), one.data[[0, 3]])


def test_taking_and_choosing_subjects_keep_what_codes_mean():
    trials = Trials.of(Study.of(recording("s1", "ab"), recording("s2", "cb")), embeddings("abc"))
    other = trials.of_subjects(["s2"])
    assert other.column("stimulus").tolist() == [2, 1]
    assert other.subject_codes.tolist() == [0, 0]
    assert trials.take(np.array([False, True, True, False])).column("stimulus").tolist() == [1, 2]


def test_labels_are_those_of_each_trial():
    one = recording("s1", "abc")
    labelled = Recording(one.data, one.samples.assign(size=[1, 2, 3]), one.channels, times_s=one.times_s,
                         subject="s1")  # fmt: skip
    trials = Trials.of(Study.of(labelled), Targets(("1", "2", "3")), labels="size")
    assert trials.take([2, 0]).labels("size") == ["3", "1"]
    assert trials.targets.are_classes and trials.targets.n_dims == 3


def test_versions_of_a_stimulus_have_one_that_is_tested():
    values = np.arange(12, dtype=float).reshape(2, 3, 2)
    targets = Targets(("a", "b"), values, n_variants=3, test_variant=1)
    assert targets.gallery.tolist() == values[:, 1].tolist()
    assert targets.n_dims == 2


def test_digest_follows_rows_and_targets():
    trials = Trials.of(Study.of(recording("s1", "ab")), embeddings("ab"))
    assert trials.digest == Trials.of(Study.of(recording("s1", "ab")), embeddings("ab")).digest
    assert trials.digest != trials.take([1]).digest
    assert trials.digest != Trials.of(Study.of(recording("s1", "ab")), embeddings("abc")).digest


def test_errors_name_what_is_wrong():
    study = Study.of(recording("s1", "ab"))
    with pytest.raises(InputError, match="1 stimuli have no features in the recording of 's1': b"):
        Trials.of(study, embeddings("a"))
    with pytest.raises(InputError, match="values of 'stimulus_id' are no class"):
        Trials.of(study, Targets(("a", "c")), labels="stimulus_id")
    with pytest.raises(InputError, match="classes need `labels`"):
        Trials.of(study, Targets(("a", "b")))
    with pytest.raises(InputError, match="no column 'run'; they have stimulus_id"):
        Trials.of(study, embeddings("ab"), units="run")
    with pytest.raises(InputError, match="there is one class"):
        Targets(("a",))
    with pytest.raises(InputError, match="targets of 1 stimuli hold NaN or infinity: b"):
        Targets(("a", "b"), np.array([[1.0], [np.nan]]))
    with pytest.raises(InputError, match="a row for each of the 2 stimuli"):
        Targets(("a", "b"), np.ones((3, 2)))
    with pytest.raises(InputError, match="no embeddings"):
        _ = Targets(("a", "b")).gallery
    with pytest.raises(InputError, match="no trials left"):
        Trials.of(study, embeddings("ab")).take([])
    with pytest.raises(InputError, match="must have 2 entries"):
        Trials.of(study, embeddings("ab")).take(np.array([True]))
    with pytest.raises(InputError, match=r"lacks the column\(s\) unit"):
        Trials(study, embeddings("ab"), Trials.of(study, embeddings("ab")).table.drop(columns="unit"))


def test_subjects_of_other_channels_are_not_read_together():
    trials = Trials.of(Study.of(recording("s1", "ab"), recording("s2", "ab", 5)), embeddings("ab"))
    with pytest.raises(InputError, match="differ in shape"):
        trials.read()
    assert trials.read([2, 3]).shape == (2, 5, 4)


def test_samples_without_a_value_are_refused():
    one = recording("s1", "ab")
    holes = Recording(one.data, pd.DataFrame({"stimulus_id": ["a", "b"], "run": [1.0, np.nan]}), one.channels,
                      times_s=one.times_s, subject="s1")  # fmt: skip
    with pytest.raises(InputError, match="has no value for 1 sample"):
        Trials.of(Study.of(holes), embeddings("ab"), units="run")


def test_averages_know_what_they_are_the_mean_of():
    one, two = recording("s1", "abab"), recording("s2", "bb")
    trials = Trials.of(Study.of(one, two), embeddings("ab")).take([0, 2, 3, 4, 5])
    means = trials.average_repetitions()
    assert means.table["sources"].tolist() == ["0 2", "3", "0 1"]
    assert means.column("target").tolist() == [0, 1, 1]
    np.testing.assert_allclose(means.read([0])[0], one.data[[0, 2]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(means.read([2])[0], two.data.mean(0), rtol=1e-6)
    assert Seen.of(means).samples == Seen.of(trials).samples
    again = means.take([0, 1, 2]).average_repetitions()
    assert again.table["sources"].tolist() == ["0 2", "3", "0 1"]
    whole = Trials(means.study, means.targets, means.table.assign(stimulus=0, target=0, unit="u"))
    assert whole.average_repetitions().table["sources"].tolist() == ["0 2 3", "0 1"]
    assert Seen.of(whole.average_repetitions()).samples == Seen.of(trials).samples
