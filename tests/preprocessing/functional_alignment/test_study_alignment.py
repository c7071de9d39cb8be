from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.metrics.correlation import column_correlation
from alignkit.preprocessing.functional_alignment.evaluation import (
    intersubject_correlation,
    segment_matching,
)
from alignkit.preprocessing.functional_alignment.study_alignment import align_study, alignment_scores
from alignkit.recordings import Recording, Study
from alignkit.stats import blocked_folds, grouped_folds

N_SAMPLES, N_SHARED = 120, 3
METHODS = [
    ("procrustes", {"reference": "s1"}),
    ("ridge", {"reference": "s1"}),
    ("srm", {"n_features": N_SHARED}),
    ("srm", {"n_features": N_SHARED, "reference": "s1"}),
    ("hyperalignment", {}),
    ("hyperalignment", {"reference": "s2", "scaling": True}),
]


def make_study(seed=0, *, related=True, n_subjects=5, n_channels=8, noise=0.6, n_times=None):
    """Subjects with a common response in channels of their own, or with nothing in common."""
    rng = np.random.default_rng(seed)
    size = (N_SAMPLES, N_SHARED) if n_times is None else (N_SAMPLES, N_SHARED, n_times)
    shared = rng.standard_normal(size)
    recordings = []
    for k in range(n_subjects):
        own = shared if related else rng.standard_normal(size)
        W = np.linalg.qr(rng.standard_normal((n_channels, N_SHARED)))[0]
        data = np.einsum("sk...,ck->sc...", own, W)
        data = (
            data
            + noise * rng.standard_normal(data.shape)
            + rng.standard_normal((n_channels,) + (1,) * (data.ndim - 2))
        )
        samples = pd.DataFrame(
            {
                "stimulus_id": [f"im{i:03d}" for i in range(N_SAMPLES)],
                "run": np.repeat(np.arange(6), N_SAMPLES // 6),
            }
        )
        recordings.append(
            Recording(
                data.astype(np.float32),
                samples.sample(frac=1, random_state=k) if n_times is None and k == 2 else samples,
                pd.DataFrame({"name": [f"s{k}v{c}" for c in range(n_channels)], "kind": "voxel"}),
                times_s=None if n_times is None else np.arange(n_times) / 100,
                subject=f"s{k}",
                modality="fmri",
                unit="percent signal change",
            )
        )
    if n_times is None:
        # One subject saw the stimuli in another order: responses go with ids, not with rows.
        rows = recordings[2].samples["stimulus_id"].str[2:].astype(int).to_numpy()
        recordings[2] = replace(recordings[2], data=recordings[2].data[rows])
    return Study.of(*recordings)


def held_out(scores, part="held-out"):
    return scores.query("part == @part")["r"].mean()


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_held_out_responses_agree_more_than_by_anatomy(method, options):
    study = make_study()
    scores = alignment_scores(study, align_study(study, method=method, **options))
    assert abs(held_out(scores, "unaligned")) < 0.1
    # Channels of the reference that hold noise alone cannot agree: the gain differs between methods.
    assert held_out(scores) > 0.3
    assert len(scores) == 5 * 5 * 3


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_independent_subjects_do_not_agree_where_it_is_held_out_but_would_in_sample(method, options):
    values = []
    for seed in range(4):
        study = make_study(seed, related=False, n_channels=20)
        scores = alignment_scores(study, align_study(study, method=method, **options))
        values.append([held_out(scores), held_out(scores, "training")])
    fair, flattering = np.mean(values, axis=0)
    # With a reference among the subjects the others are mapped copies of noise: nothing agrees with it.
    assert abs(fair) < 0.05
    assert flattering > 0.15
    assert flattering > 4 * abs(fair)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_maps_have_not_seen_the_samples_that_they_are_applied_to(method, options):
    study = make_study()
    alignment = align_study(study, method=method, **options)
    for fold in (0, 3):
        _, test = alignment.folds[fold]
        ids = {study["s0"].stimulus_ids[i] for i in test}
        scrambled = []
        for recording in study.values():
            rows = np.array([i in ids for i in recording.stimulus_ids])
            data = np.array(recording.data)
            data[rows] = 100 * np.random.default_rng(1).standard_normal(data[rows].shape)
            scrambled.append(replace(recording, data=data))
        again = align_study(Study.of(*scrambled), method=method, **options)
        for subject, each in alignment.maps[fold].items():
            other = again.maps[fold][subject]
            for name in ("weights", "source_mean", "source_scale", "target_mean", "target_scale"):
                np.testing.assert_array_equal(getattr(each, name), getattr(other, name))
        # Other folds were trained on what was scrambled: the test can see a difference.
        kept = 1 if fold == 0 else 0
        assert (alignment.maps[kept]["s0"].source_mean != again.maps[kept]["s0"].source_mean).any()


def test_every_sample_is_made_by_the_fold_that_held_it_out():
    study = make_study()
    alignment = align_study(study, method="procrustes", reference="s1")
    for subject, recording in alignment.held_out.items():
        assert recording.stimulus_ids == study["s0"].stimulus_ids
        own = study[subject].align(recording.stimulus_ids)
        for fold, (_, test) in enumerate(alignment.folds):
            expected = alignment.maps[fold][subject].apply(own.data[test].astype(float))
            np.testing.assert_allclose(recording.data[test], expected, rtol=1e-5, atol=1e-5)
            assert (recording.samples["fold"].to_numpy()[test] == fold).all()
    # The reference is the reference.
    np.testing.assert_allclose(alignment.held_out["s1"].data, study["s1"].data, atol=1e-5)


def test_responses_stand_in_the_channels_and_the_unit_of_the_reference():
    study = make_study()
    for method, options in METHODS:
        alignment = align_study(study, method=method, **options)
        reference = options.get("reference")
        for recording in alignment.held_out.values():
            if reference is None:
                assert recording.unit == "arbitrary"
                assert "Each fold has a common space of its own" in recording.notes[-1]
            else:
                assert recording.unit == "percent signal change"
                assert recording.channels["name"].to_list() == study[reference].channels["name"].to_list()
                assert f"aligned to the channels of {reference} by {method}" in recording.notes[-2]
        assert alignment.reference == (reference or "template")
    assert align_study(study, method="srm", n_features=3).held_out["s0"].channels["name"].to_list() == [
        "feature1", "feature2", "feature3",
    ]  # fmt: skip


def test_a_planted_map_between_two_subjects_is_recovered():
    rng = np.random.default_rng(0)
    data, Q = rng.standard_normal((60, 4)), np.linalg.qr(rng.standard_normal((4, 4)))[0]
    ids = [f"im{i}" for i in range(60)]
    study = Study.of(
        Recording.from_arrays(data, ids, subject="a"), Recording.from_arrays(data @ Q + 2, ids, subject="b")
    )
    for method, options in (("procrustes", {}), ("ridge", {"alphas": [1e-6]}), ("hyperalignment", {})):
        for standardize in (False, True) if method == "ridge" else (False,):
            aligned = align_study(
                study, method=method, reference="b", standardize=standardize, **options
            ).held_out
            np.testing.assert_allclose(aligned["a"].data, aligned["b"].data, atol=1e-4)
            np.testing.assert_allclose(aligned["a"].data, study["b"].data, atol=1e-4)


def test_runs_stay_on_one_side_and_folds_may_be_given():
    study = make_study()
    by_run = align_study(study, method="srm", n_features=3, groups="run", n_folds=3)
    run = np.repeat(np.arange(6), N_SAMPLES // 6)
    for train, test in by_run.folds:
        assert not set(run[train]) & set(run[test])
    blocks = blocked_folds(N_SAMPLES, n_folds=4, gap=3)
    given = align_study(study, method="srm", n_features=3, folds=blocks)
    assert len(given.folds[1][0]) == N_SAMPLES - N_SAMPLES // 4 - 6
    np.testing.assert_array_equal(given.folds[1][1], blocks[1][1])


def test_times_are_mapped_like_samples():
    study = make_study(n_times=4)
    alignment = align_study(study, method="srm", n_features=3)
    assert alignment.held_out["s0"].data.shape == (N_SAMPLES, 3, 4)
    np.testing.assert_allclose(alignment.held_out["s0"].times_s, [0, 0.01, 0.02, 0.03])
    scores = alignment_scores(study, alignment)
    assert held_out(scores) > 0.6 > 0.2 > abs(held_out(scores, "unaligned"))
    _, test = alignment.folds[0]
    expected = alignment.maps[0]["s0"].apply(study["s0"].data[test][:, :, 2].astype(float))
    np.testing.assert_allclose(alignment.held_out["s0"].data[test][:, :, 2], expected, rtol=1e-5, atol=1e-6)


def driven_and_noise(seed, n_stimuli=120, n_channels=30):
    """Subject A driven by eight features, subject B noise: nothing predicts B's responses."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_stimuli, 8))
    driven = features @ rng.standard_normal((8, n_channels)) + rng.standard_normal((n_stimuli, n_channels))
    ids = [f"im{i}" for i in range(n_stimuli)]
    pair = {"A": driven, "B": rng.standard_normal((n_stimuli, n_channels))}
    study = Study.of(*(Recording.from_arrays(data, ids, subject=name) for name, data in pair.items()))
    return features, study


def prediction(features, train, test, responses, truth):
    """Train on features of aligned responses; return the mean r of channels with the other subject's."""
    weights = np.linalg.lstsq(features[train], responses - responses.mean(axis=0), rcond=None)[0]
    return column_correlation(features[test] @ weights, truth).mean()


@pytest.mark.parametrize("method", ["ridge", "procrustes", "hyperalignment"])
def test_a_model_of_one_fold_predicts_nothing_of_noise_and_one_of_samples_across_folds_would(method):
    fair, forbidden = [], []
    for seed in range(4):
        features, study = driven_and_noise(seed)
        alignment = align_study(study, method=method, reference="B")
        for number, (train, test) in enumerate(alignment.folds):
            training, held_out = alignment.fold(number)
            truth = held_out["B"].data
            np.testing.assert_allclose(truth, study["B"].data[test], atol=1e-5)
            fair.append(prediction(features, train, test, training["A"].data, truth))
            across = alignment.held_out["A"].data[train]
            forbidden.append(prediction(features, train, test, across, truth))
    assert abs(np.mean(fair)) < 0.04
    assert np.mean(forbidden) > 0.15
    assert any("Do not divide these samples" in note for note in alignment.held_out["A"].notes)


def test_both_parts_of_a_fold_are_made_by_its_maps():
    study = make_study()
    alignment = align_study(study, method="srm", n_features=3, folds=blocked_folds(N_SAMPLES, gap=4))
    training, held_out = alignment.fold(2)
    for part, rows in zip((training, held_out), alignment.folds[2], strict=True):
        own = study["s3"].data[rows].astype(float)
        expected = alignment.maps[2]["s3"].apply(own)
        np.testing.assert_allclose(part["s3"].data, expected, rtol=1e-5, atol=1e-5)
        assert part["s3"].stimulus_ids == [study["s0"].stimulus_ids[i] for i in rows]
    np.testing.assert_array_equal(held_out["s3"].data, alignment.held_out["s3"].data[alignment.folds[2][1]])
    assert training["s3"].notes[-1] == "Aligned by the maps of fold 2, fitted on these samples."
    assert held_out["s3"].notes[-1] == "Aligned by the maps of fold 2, fitted without these samples."
    with pytest.raises(InputError, match=r"`number` must lie in 0..4, got -1"):
        alignment.fold(-1)


def slow_noise(n_samples=600, n_subjects=3, n_channels=8, shuffled=False, **columns):
    """Independent first-order autoregressive noise as the time courses of several subjects."""
    rng = np.random.default_rng(0)
    recordings = []
    for k in range(n_subjects):
        series = lfilter([1], [1, -0.95], rng.standard_normal((n_samples + 200, n_channels)), axis=0)[200:]
        shown = rng.permutation(n_samples) if shuffled else np.arange(n_samples)
        samples = {"stimulus_id": [f"t{i:03d}" for i in shown], "onset_s": 2.0 * np.arange(n_samples)}
        recordings.append(
            Recording(
                series.astype(np.float32),
                pd.DataFrame(samples | columns),
                pd.DataFrame({"name": [f"v{c}" for c in range(n_channels)], "kind": "voxel"}),
                subject=f"s{k}",
                modality="fmri",
                unit="a.u.",
            )
        )
    return Study.of(*recordings)


@pytest.mark.parametrize("method", ["hyperalignment", "srm"])
def test_slow_noise_agrees_across_shuffled_samples_and_not_across_blocks(method):
    study = slow_noise(2000)
    ids = study["s0"].stimulus_ids
    options = {"n_features": 4} if method == "srm" else {}
    r = {}
    for name, folds in (
        ("shuffled", grouped_folds(ids)),
        ("blocks", blocked_folds(len(ids), n_folds=5, gap=60)),
    ):
        r[name] = held_out(alignment_scores(study, align_study(study, method=method, folds=folds, **options)))
    assert r["shuffled"] > 0.15
    assert abs(r["blocks"]) < 0.06


def test_a_time_course_is_not_shuffled_unasked():
    message = r"time course .*`groups='run'`.*`folds=blocked_folds\(600, n_folds=5, gap=...\)`"
    runs = np.repeat(np.arange(6), 100)
    restarting = np.tile(2.0 * np.arange(100), 6)
    for study in (
        slow_noise(),
        slow_noise(run=runs),
        slow_noise(run=runs, onset_s=restarting),
        slow_noise(onset_s=2.0 * np.arange(600) + 2.0 * (np.arange(600) > 300)),
    ):
        with pytest.raises(InputError, match=message):
            align_study(study, method="hyperalignment")
    by_run = align_study(slow_noise(run=runs), method="hyperalignment", groups="run")
    assert len(by_run.folds) == 5
    jittered = 2.0 * np.arange(600) + np.random.default_rng(0).uniform(0, 1, 600)
    for study in (
        slow_noise(onset_s=jittered),
        slow_noise(onset_s=np.zeros(600)),
        # Neighbours in time of one subject are no neighbours of another.
        slow_noise(shuffled=True),
    ):
        scores = alignment_scores(study, align_study(study, method="hyperalignment"))
        assert len(scores) == 3 * 5 * 3
    assert abs(held_out(scores)) < 0.05


def test_the_penalty_of_a_time_course_is_chosen_by_blocks():
    study = slow_noise()
    folds = blocked_folds(600, n_folds=5, gap=40)
    blocks = align_study(study, method="ridge", reference="s0", folds=folds)
    bare = Study.of(*(replace(r, samples=r.samples.drop(columns="onset_s")) for r in study.values()))
    shuffled = align_study(bare, method="ridge", reference="s0", folds=folds)
    size = {
        name: np.mean([np.abs(maps["s1"].weights).mean() for maps in alignment.maps])
        for name, alignment in (("blocks", blocks), ("shuffled", shuffled))
    }
    # Shuffled rows of slow noise seem to predict each other, and are shrunk less.
    assert size["blocks"] < 0.7 * size["shuffled"]


def test_other_responses_go_through_the_maps_of_a_fold():
    study = make_study()
    alignment = align_study(study, method="procrustes", reference="s1")
    _, test = alignment.folds[2]
    part = Study.of(
        *(recording.align(study["s0"].stimulus_ids).select(samples=test) for recording in study.values())
    )
    mapped = alignment.apply(part, fold=2)
    np.testing.assert_allclose(mapped["s3"].data, alignment.held_out["s3"].data[test], atol=1e-6)
    narrow = Study.of(part["s3"].select(channels=[0, 1]))
    for call, message in (
        (
            lambda: alignment.apply(narrow, fold=2),
            "the map of 's3' was fitted on 8 channels, the recording has 2",
        ),
        (lambda: alignment.apply(part, fold=5), "`fold` must lie in 0..4, got 5"),
        (lambda: alignment.apply(Study.of(replace(part["s3"], subject="x")), fold=0), "a subject is 'x'"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_stimuli_that_not_all_saw_are_left_out_and_the_note_says_so():
    study = make_study()
    short = Study.of(study["s0"].select(samples=np.arange(100)), *(study[s] for s in ("s1", "s2")))
    aligned = align_study(short, method="srm", n_features=3).held_out["s1"]
    assert aligned.n_samples == 100
    assert any(
        "the 100 stimuli that all 3 subjects have; up to 20 samples of 2 sub" in n for n in aligned.notes
    )


def test_the_same_seed_gives_the_same_bits_and_the_study_stays():
    study = make_study()
    before = study.digest
    first, second, other = (
        align_study(study, method="ridge", reference="s1", random_state=seed).held_out["s0"].data
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert Study(dict(study)).digest == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "procrustes"},
            "'procrustes' maps subjects onto one of them: name it as `reference` .s0, s1",
        ),
        ({"method": "ridge", "reference": "s9"}, "`reference` is 's9', did you mean"),
        ({"method": "srm"}, "'srm' needs `n_features`, the number of shared time courses"),
        ({"method": "hyperalignment", "n_features": 3}, "'hyperalignment' takes no `n_features`"),
        ({"method": "srm", "n_features": 3, "scaling": True}, "`scaling` goes with .*, not with 'srm'"),
        ({"method": "srm", "n_features": 3, "alphas": [1.0]}, "`alphas` goes with 'ridge', not with 'srm'"),
        (
            {"method": "hyperalignment", "groups": "scene"},
            "`groups` is 'scene', the samples of 's0' have stim",
        ),
        ({"method": "hyperalignment", "n_folds": 1}, "`n_folds` must be at least 2, got 1"),
        (
            {"method": "hyperalignment", "folds": [([0, 1], [1, 2])]},
            "fold 0 has 'im001' in the training and the",
        ),
        ({"method": "hyperalignment", "folds": [([0, 1, 2], [3])]}, "held out once, but 119 of 120 are not"),
        (
            {"method": "hyperalignment", "folds": [([0], [500])]},
            "fold 0 must hold samples of 0..119 in both parts",
        ),
        (
            {"method": "hyperalignment", "folds": [([], [1])]},
            "fold 0 must hold samples of 0..119 in both parts",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        align_study(make_study(), **options)


def test_subjects_that_cannot_be_matched_are_refused():
    study = make_study()
    one, two = study["s0"], study["s1"]
    other_runs = replace(two, samples=two.samples.assign(run=two.samples["run"][::-1].to_numpy()))
    gap = replace(
        two, samples=two.samples.assign(run=two.samples["run"].astype(float).where(two.samples.index > 3))
    )
    foreign = replace(two, samples=two.samples.assign(stimulus_id=[f"x{i}" for i in range(N_SAMPLES)]))
    twice = replace(
        two, samples=two.samples.assign(stimulus_id=[f"im{i // 2:03d}" for i in range(N_SAMPLES)])
    )
    timed = [
        replace(each, data=each.data[:, :, None], times_s=np.array([time]))
        for each, time in ((one, 0.0), (two, 0.1))
    ]
    for recordings, options, message in (
        ([one], {}, "alignment needs at least 2 subjects, got 1"),
        ([one, foreign], {}, "the 2 subjects have 0 stimuli in common"),
        ([one, twice], {}, "call `average_repetitions` first"),
        ([one, other_runs], {"groups": "run"}, "'run' of 'im000' is 5 for 's1' and 0 for 's0'"),
        ([one, gap], {"groups": "run"}, "'run' is empty for some samples of 's1'"),
        (timed, {}, "'s1' has other times than 's0'"),
        ([one, replace(two, subject="template")], {}, "a subject is called 'template'"),
    ):
        with pytest.raises(InputError, match=message):
            align_study(Study.of(*recordings), method="hyperalignment", **options)
    with pytest.raises(InputError, match="fold 0 has 2 training samples; at least 3 are needed"):
        small = Study.of(*(each.select(samples=np.arange(4)) for each in (one, two)))
        align_study(small, method="hyperalignment", n_folds=2)
    with pytest.raises(UnknownNameError, match="`method` is 'hyper', did you mean 'hyperalignment'"):
        align_study(study, method="hyper")


@pytest.fixture(scope="module")
def listeners():
    """Six regions of 27 people who heard one story, drifts taken out, and blocks of it as folds."""
    from alignkit.datasets import load_alice
    from alignkit.encoders import detrend_runs

    try:
        dataset = load_alice()
    except MissingDataError:
        pytest.skip("the real data 'alice_fmri' are in no folder of ALIGNKIT_DATA")
    clean = (
        replace(each, data=detrend_runs(each.data).astype(np.float32)) for each in dataset.study.values()
    )
    return Study.of(*clean), blocked_folds(362, n_folds=5, gap=10)


def test_real_regions_agree_between_listeners_as_published(listeners):
    study, _ = listeners
    r = intersubject_correlation([recording.data for recording in study.values()]).mean(axis=0)
    np.testing.assert_allclose(r, [0.330, 0.238, 0.423, 0.279, 0.254, 0.190], atol=0.001)


def test_real_listeners_are_told_apart_in_time_better_after_alignment(listeners):
    study, folds = listeners
    alignment = align_study(study, method="hyperalignment", folds=folds)
    found = {}
    for name, each in (("before", study), ("after", alignment.held_out)):
        matched = [
            segment_matching([recording.data[test] for recording in each.values()], width=10)
            for _, test in folds
        ]
        found[name] = np.mean([matching.accuracy for matching in matched])
    assert found["after"] == pytest.approx(0.151, abs=0.005)
    assert found["before"] == pytest.approx(0.128, abs=0.005)
    assert max(matching.chance for matching in matched) < 0.025
    # Six regional means correspond by anatomy already: turned axes share less each, and the samples of the
    # fit would have hidden it.
    scores = alignment_scores(study, alignment)
    parts = [held_out(scores, part) for part in ("unaligned", "held-out", "training")]
    np.testing.assert_allclose(parts, [0.263, 0.211, 0.352], atol=0.003)


def test_what_real_regions_share_is_mostly_one_time_course(listeners):
    study, folds = listeners
    r = {}
    for n_features in (1, 3):
        aligned = align_study(study, method="srm", n_features=n_features, folds=folds).held_out
        parts = [[recording.data[test] for recording in aligned.values()] for _, test in folds]
        r[n_features] = np.mean([intersubject_correlation(part).mean(axis=0) for part in parts], axis=0)
    assert r[1][0] == pytest.approx(0.368, abs=0.003)
    assert r[3][0] == pytest.approx(0.368, abs=0.01)
    assert r[3][1:].max() < 0.2
