from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.encoders import FIRDesign, lanczos_resample
from alignkit.pipelines.comparisons import Context, encoders, partition
from alignkit.pipelines.config import InferenceOptions, RunConfig, TimingOptions
from alignkit.pipelines.continuous import TimeSplitter, design_of, ready, track_candidates
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.run import _compare
from alignkit.pipelines.store import Store
from alignkit.pipelines.summarise import _parts, summarise
from alignkit.recordings import Recording, Scores, Study
from alignkit.recordings.tracks import Track

TR_S, N = 2.0, 240


def make_track(name, seed, n_events=600, n_units=2, **more):
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(0, N * TR_S, n_events))
    return Track(name, rng.standard_normal((n_events, n_units)), onset, onset + 0.2, **more)


def make_dataset(n_subjects=3, noise=1.0, start_s=20.0, runs=None):
    """Return subjects whose region A follows the track "true", two and three samples later; B is noise."""
    tracks = (make_track("true", 1), make_track("inert", 2))
    onset_s = start_s + np.arange(N) * TR_S
    moved = Track("true", tracks[0].values, tracks[0].onset_s + start_s, tracks[0].offset_s + start_s)
    inert = Track("inert", tracks[1].values, tracks[1].onset_s + start_s, tracks[1].offset_s + start_s)
    rate = lanczos_resample(moved.values, moved.midpoint_s, onset_s + TR_S / 2)
    driven = FIRDesign((2, 3)).fit_transform(rate).sum(axis=1)
    recordings = []
    for subject in range(n_subjects):
        rng = np.random.default_rng(10 + subject)
        drift = 20 * np.linspace(-1, 1, N) ** 3 + 100
        data = np.column_stack(
            [driven / driven.std() + noise * rng.standard_normal(N), rng.standard_normal(N)]
        )
        samples = {"stimulus_id": [f"t{i:03d}" for i in range(N)], "onset_s": onset_s}
        recordings.append(
            Recording(
                (data + drift[:, None]).astype(np.float32),
                pd.DataFrame(samples if runs is None else {**samples, "run": runs}),
                pd.DataFrame({"name": ["a", "b"], "roi": ["A", "B"]}),
                subject=f"s{subject}",
                modality="fmri",
            )
        )
    return Dataset("story", study=Study.of(*recordings), tracks=(moved, inert))


@pytest.fixture
def make_context(tmp_path):
    def make(dataset, **timing):
        options = TimingOptions(**timing)
        cleaned, axis = ready(dataset, options)
        return Context(
            dataset=cleaned,
            rois=("A", "B"),
            candidates=tuple(track_candidates(cleaned, axis, options, True)),
            inference=InferenceOptions(n_bootstrap=100, n_permutations=199),
            plan=Plan(0, 1, "cpu", {}),
            store=Store(tmp_path),
            axis=axis,
        )

    return make


def of(outcome, roi, model):
    return outcome.scores.select(subject="all", roi=roi, model=model, layer="(chosen)").table.iloc[0]


def test_the_track_that_drives_a_region_predicts_held_out_time_and_nothing_else_does(make_context):
    outcome = encoders.ridge(make_context(make_dataset()))
    true = of(outcome, "A", "true")
    assert true["value"] > 0.5
    assert true["p"] <= 0.01
    assert true["ci_low"] > 0.3
    for roi, model in (("A", "inert"), ("B", "true"), ("B", "inert")):
        assert abs(of(outcome, roi, model)["value"]) < 0.2
        assert of(outcome, roi, model)["p"] > 0.02
    assert {verdict for _, verdict, _ in outcome.audit} == {"clean"}
    assert "samples left out beside each" in outcome.audit[0][2]


def test_the_response_comes_after_the_events(make_context):
    later = of(encoders.ridge(make_context(make_dataset(), delays=[2, 3])), "A", "true")
    earlier = of(encoders.ridge(make_context(make_dataset(), delays=[-3, -2])), "A", "true")
    assert later["value"] > 0.5 > 0.25 > earlier["value"]


def test_slow_features_and_responses_that_have_nothing_in_common_score_nothing(make_context):
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.standard_normal((N, 6)), axis=0)
    dataset = make_dataset()
    recordings = [
        replace(r, data=np.cumsum(np.random.default_rng(50 + i).standard_normal((N, 2)), axis=0).astype("f"))
        for i, r in enumerate(dataset.study.values())
    ]
    onset = 20.0 + np.arange(N) * TR_S
    track = Track("slow", slow, onset, onset + TR_S, is_response=True)
    context = make_context(replace(dataset, study=Study.of(*recordings), tracks=(track,)))
    assert context.axis.gap > 10
    outcome = encoders.ridge(context)
    assert of(outcome, "A", "slow")["value"] < 0.3
    assert of(outcome, "A", "slow")["p"] > 0.02


def test_drifts_are_taken_out_and_time_courses_z_scored():
    cleaned, axis = ready(make_dataset(), TimingOptions())
    data = cleaned.study["s0"].data
    np.testing.assert_allclose(data.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.std(axis=0), 1, atol=1e-5)
    assert abs(np.corrcoef(data[:, 1], np.arange(N) ** 3)[0, 1]) < 0.01
    assert axis.tr_s == TR_S


def test_blocks_and_folds_are_contiguous_and_keep_the_gap():
    _, axis = ready(make_dataset(), TimingOptions(gap_s=9.0))
    assert axis.gap == 5
    for train, test in axis.folds(4):
        assert (np.diff(test) == 1).all()
        assert min(abs(train[:, None] - test[None, :]).min(axis=1)) > 5
    assert len(set(axis.blocks)) == int(np.ceil(N / axis.block))
    for train, test in TimeSplitter(3, 4).split(np.zeros((60, 1))):
        assert min(abs(train[:, None] - test[None, :]).min(axis=1)) > 4


def test_whole_runs_are_left_out_where_there_are_enough():
    runs = np.repeat([1, 2, 3, 4], N // 4)
    cleaned, axis = ready(make_dataset(runs=runs), TimingOptions())
    for train, test in axis.folds(4):
        assert not set(runs[train]) & set(runs[test])
    assert len({block.split("/")[0] for block in axis.blocks}) == 4
    # A response never crosses from one run into the next.
    design = design_of(cleaned.tracks[0], axis, TimingOptions(delays=[1]))
    assert (design[N // 4] == 0).all()
    assert (design[N // 4 + 1] != 0).any()


def test_samples_out_of_order_are_put_in_order():
    dataset = make_dataset(n_subjects=1)
    order = np.random.default_rng(0).permutation(N)
    shuffled = replace(dataset, study=Study.of(dataset.study["s0"].select(samples=order)))
    one, axis = ready(dataset, TimingOptions())
    two, again = ready(shuffled, TimingOptions())
    np.testing.assert_array_equal(one.study["s0"].data, two.study["s0"].data)
    assert axis.sample_ids == again.sample_ids


def test_trimming_cuts_the_ends_of_every_run():
    runs = np.repeat([1, 2], N // 2)
    cleaned, axis = ready(make_dataset(runs=runs), TimingOptions(trim_s=(10.0, 4.0)))
    assert len(axis.onset_s) == N - 2 * 7
    assert axis.onset_s[0] == 20.0 + 10.0
    assert cleaned.study["s0"].n_samples == N - 14


@pytest.mark.parametrize("response", ["spm", "glover"])
def test_a_canonical_response_takes_the_place_of_delays(response):
    dataset, axis = ready(make_dataset(n_subjects=1), TimingOptions())
    timing = TimingOptions(response=response, derivatives=1)
    single = Track("one", np.ones((1, 1)), [60.0], [60.0])
    design = design_of(single, axis, timing)
    assert design.shape == (N, 2)
    peak = axis.onset_s[design[:, 0].argmax()] + TR_S / 2 - 60.0
    assert 4.0 <= peak <= 7.0
    assert (design[axis.onset_s + TR_S / 2 < 60.0] == 0).all()


def test_predicted_responses_are_matched_by_time():
    _, axis = ready(make_dataset(n_subjects=1), TimingOptions())
    whole = np.arange(0, 600, TR_S)
    track = Track("rows", np.arange(300.0)[:, None], whole, whole + TR_S, is_response=True)
    np.testing.assert_array_equal(design_of(track, axis, TimingOptions())[:, 0], np.arange(10, 10 + N))
    short = Track("rows", np.ones((50, 1)), whole[:50], whole[:50] + TR_S, is_response=True)
    with pytest.raises(InputError, match="holds predicted responses, but none at some of the recorded"):
        design_of(short, axis, TimingOptions())


def test_what_cannot_be_used_is_said(make_context):
    dataset = make_dataset(n_subjects=2)
    with pytest.raises(InputError, match="`tracks`: 'tru', did you mean 'true'"):
        track_candidates(*ready(dataset, TimingOptions()), TimingOptions(), ["tru"])
    one, two = dataset.study.values()
    late = replace(two, samples=two.samples.assign(onset_s=two.samples["onset_s"] + 1.0))
    with pytest.raises(InputError, match="'s1' and 's0' were not sampled at the same times"):
        ready(replace(dataset, study=Study.of(one, late)), TimingOptions())
    timeless = replace(one, samples=one.samples[["stimulus_id"]])
    with pytest.raises(InputError, match="the samples of 's0' have no `onset_s`"):
        ready(replace(dataset, study=Study.of(timeless)), TimingOptions())
    with pytest.raises(InputError, match="`groups` is for separate stimuli"):
        encoders.ridge(make_context(dataset), groups="run")


def test_comparisons_of_separate_stimuli_are_refused(make_context, tmp_path):
    from alignkit.pipelines.config import ComparisonComponent

    with pytest.raises(InputError, match="comparison 'rsa' takes separate stimuli, and 'story' is a cont"):
        _compare(ComparisonComponent(kind="rsa"), make_context(make_dataset()), tmp_path)


def test_findings_of_a_partition_are_one_sentence_per_region_and_never_praise_nothing(make_context):
    context = replace(make_context(make_dataset(n_subjects=5)), rois=("A", "B"))
    config = RunConfig(
        dataset={"kind": "matrix"}, comparisons=[{"kind": "ridge"}, {"kind": "variance-partition"}]
    )
    outcomes = [encoders.ridge(context), partition.partition(context)]
    summary = summarise(config, context, outcomes, config_yaml="", command="")
    sentences = [line for line in summary.headline if "all models together" in line]
    assert len(sentences) == 2
    assert sentences[0].startswith("A: all models together reach a held-out R2 of 0.")
    assert "only true explains 0." in sentences[0]
    assert sentences[1].startswith("B: all models together")
    assert "-0.000" not in " ".join(summary.headline)
    for line in summary.headline:
        if line.startswith("B:") and "ridge r (-" in line:
            assert "is the least bad" in line
    note = summary.metric_notes["ridge r"]
    assert "exchanged stretches of time" in note
    assert "stimuli" not in note
    assert "Stars" not in summary.metric_notes["unique R2"]
    assert ("Continuous stimulus", "480 s, a sample every 2 s") in summary.facts
    assert any("low-passed and sampled at the middle of each sample" in text for text in summary.methods)
    assert any("B: the subjects' time courses share too little" in text for text in summary.warnings)


def test_a_joint_model_that_explains_nothing_is_said_to():
    rows = [
        {"subject": "all", "roi": roi, "metric": metric, "model": model, "fold": "all", "value": value}
        for roi, metric, model, value in (
            ("A", "joint R2", "all models", -0.02),
            ("A", "unique R2", "one", 0.01),
            ("B", "joint R2", "all models", 0.2),
            ("B", "unique R2", "one", -0.0001),
            ("B", "unique R2", "two", 0.0),
        )
    ]
    found = _parts(Scores(pd.DataFrame(rows)), ("A", "B", "C"))
    assert found == [
        "A: all models together explain nothing held out (R2 -0.020).",
        "B: all models together reach a held-out R2 of 0.200; no model alone adds to the others.",
    ]
