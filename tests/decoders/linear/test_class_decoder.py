"""Decoders of classes: pipelines of scikit-learn as oracles, planted classes, files, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.linear.class_decoder import DiscriminantDecoder, LogisticDecoder
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.recording import Recording
from alignkit.recordings.study import Study

BOTH = [LogisticDecoder, DiscriminantDecoder]
NAMES = ("face", "house", "tool")


def make(n_subjects=1, n_trials=90, n_classes=3, strength=1.5, seed=0, own_channels=True, order=None):
    """Subjects with patterns of classes at the later three of six times; ten runs."""
    rng = np.random.default_rng(seed)
    recordings = []
    for number in range(n_subjects):
        n_channels = 5 + (2 * number if own_channels else 0)
        codes = np.arange(n_trials) % n_classes if order is None else np.asarray(order)
        patterns = rng.standard_normal((n_classes, n_channels))
        data = rng.standard_normal((n_trials, n_channels, 6))
        data[..., 3:] += strength * patterns[codes][..., None]
        recording = Recording.from_arrays(
            data * 1e-6 + 5e-6,
            [f"image {i}" for i in range(n_trials)],
            times_s=np.arange(-2, 4) * 0.1,
            subject=f"sub-{number}",
        )
        samples = recording.samples.assign(
            kind=[NAMES[code] for code in codes], run=[f"run {i * 10 // n_trials}" for i in range(n_trials)]
        )
        recordings.append(replace(recording, samples=samples))
    return Trials.of(Study.of(*recordings), Targets(NAMES[:n_classes]), labels="kind", units="run")


def split(trials, first="run 6", second="run 8"):
    runs = trials.table["unit"].to_numpy()
    return (
        trials.take(runs < first),
        trials.take((runs >= first) & (runs < second)),
        trials.take(runs >= second),
    )


def accuracy(decoder, trials):
    return (decoder.predict(trials).argmax(axis=1) == trials.column("target")).mean()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("options", [{}, {"window_s": [0.1, 0.3]}, {"average_window": True}])
@pytest.mark.parametrize("decoder", BOTH)
def test_probabilities_are_those_of_a_pipeline_on_flattened_trials(decoder, options, n_classes):
    training, _, test = split(make(n_classes=n_classes, strength=0.5))
    peer = make_pipeline(
        StandardScaler(),
        LogisticRegression(tol=1e-10, max_iter=10_000)
        if decoder is LogisticDecoder
        else LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    )

    def flat(trials):
        data = trials.read().astype(np.float64)
        data = data[..., 3:] if "window_s" in options else data
        return data.mean(axis=2) if "average_window" in options else data.reshape(len(data), -1)

    peer.fit(flat(training), training.column("target"))
    scores = decoder(**options).fit(training).predict(test)
    np.testing.assert_allclose(softmax(scores, axis=1), peer.predict_proba(flat(test)), atol=2e-5)
    np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-4)


@pytest.mark.parametrize("decoder", BOTH)
def test_planted_classes_are_decoded_and_shuffled_ones_are_not(decoder):
    trials = make(n_trials=300)
    training, _, test = split(trials)
    assert accuracy(decoder().fit(training), test) > 0.9
    before = decoder(window_s=[-0.2, 0.0]).fit(training)
    assert abs(accuracy(before, test) - 1 / 3) < 0.16
    rng = np.random.default_rng(0)
    null = []
    for _ in range(20):
        table = training.table.assign(target=rng.permutation(training.column("target")))
        null.append(accuracy(decoder().fit(replace(training, table=table)), test))
    assert abs(np.mean(null) - 1 / 3) < 0.06


@pytest.mark.parametrize("decoder", BOTH)
def test_subjects_have_maps_of_their_own_channels(decoder):
    trials = make(n_subjects=2)
    training, _, test = split(trials)
    fitted = decoder().fit(training)
    assert fitted.describe()["subjects"]["sub-1"]["n_channels"] == 7
    alone = decoder().fit(training.of_subjects(["sub-1"])).predict(test.of_subjects(["sub-1"]))
    places = (test.table["subject"] == "sub-1").to_numpy()
    np.testing.assert_array_equal(fitted.predict(test)[places], alone)


@pytest.mark.parametrize("decoder", BOTH)
def test_a_joint_map_uses_all_subjects_each_z_scored_by_itself(decoder):
    trials = make(n_subjects=1, n_trials=40, n_classes=2, strength=0.6)
    own = trials.study["sub-0"]
    # The same subject in other units.
    twin = replace(own, subject="sub-1", data=np.asarray(own.data) * 50 + 1)
    both = Trials.of(Study.of(own, twin), trials.targets, labels="kind", units="run")
    training, _, test = split(both)
    fitted = decoder(subjects="joint").fit(training)
    scores = fitted.predict(test)
    half = len(scores) // 2
    np.testing.assert_allclose(scores[:half], scores[half:], atol=0.02)


def test_joint_maps_need_the_same_channels():
    with pytest.raises(InputError, match="`subjects` is 'joint', but subjects differ in their channels"):
        LogisticDecoder(subjects="joint").fit(make(n_subjects=2))
    with pytest.raises(UnknownNameError, match="`subjects` is 'jont', did you mean 'joint'"):
        LogisticDecoder(subjects="jont")


def likelihood(peer, X, codes):
    return np.log(peer.predict_proba(X)[np.arange(len(X)), codes]).mean()


def test_C_is_chosen_by_the_likelihood_of_the_validation_part():
    training, validation, _ = split(make(n_trials=120, strength=0.5))
    grid = [1e-4, 1e-2, 1.0, 100.0]
    decoder = LogisticDecoder(C=grid).fit(training, validation=validation)
    X, y = training.read().reshape(len(training), -1), training.column("target")
    held_out, codes = validation.read().reshape(len(validation), -1), validation.column("target")
    scores = [
        likelihood(
            make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=5000)).fit(X, y), held_out, codes
        )
        for C in grid
    ]
    assert decoder.C_ == {"sub-0": grid[int(np.argmax(scores))]}
    assert decoder.chosen_by_ == "log-likelihood of classes on the validation part"


def test_C_is_chosen_over_units_of_the_training_part_where_there_is_no_other():
    training, _, test = split(make(n_trials=120, strength=0.3))
    decoder = LogisticDecoder(C=[100.0, 1e-3], cv=3).fit(training)
    assert decoder.C_["sub-0"] == 1e-3
    assert (
        decoder.chosen_by_ == "log-likelihood of classes by cross-validation over units in the training part"
    )
    fixed = LogisticDecoder(C=1e-3).fit(training)
    assert fixed.chosen_by_ == "nothing was chosen"
    np.testing.assert_array_equal(decoder.predict(test), fixed.predict(test))


def test_choosing_C_in_the_span_of_few_trials_gives_the_same():
    training, validation, _ = split(make(n_trials=60, strength=0.5))
    wide = LogisticDecoder(C=[0.01, 1.0])
    wide.fit(training)
    part = wide._gather(
        training,
        {"sub-0": wide._maps["sub-0"].flat},
        *({"sub-0": np.zeros(30)}, {"sub-0": np.full(30, 1e-6)}),
    )
    rows = np.arange(20), np.arange(20, len(part.codes))
    found = wide._likelihoods(part, rows[0], part, rows[1], np.array([0.01, 1.0]))
    X = part.signals
    for score, C in zip(found, [0.01, 1.0], strict=True):
        peer = make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=1e-10, max_iter=5000))
        peer.fit(X[rows[0]], part.codes[rows[0]])
        assert score == pytest.approx(likelihood(peer, X[rows[1]], part.codes[rows[1]]), abs=1e-5)


@pytest.mark.parametrize(
    "decoder",
    [
        LogisticDecoder(C=[0.1, 1.0], window_s=[0.0, 0.3], cv=3),
        DiscriminantDecoder(shrinkage=0.5, average_window=True),
    ],
)
def test_what_is_loaded_predicts_the_same_bits(decoder, tmp_path):
    training, _, test = split(make(n_subjects=2))
    decoder.fit(training).save(tmp_path / "decoder")
    loaded = type(decoder).load(tmp_path / "decoder")
    np.testing.assert_array_equal(loaded.predict(test), decoder.predict(test))
    assert loaded.describe() == decoder.describe()
    assert loaded.seen_ == decoder.seen_
    assert json.loads(json.dumps(decoder.describe())) == decoder.describe()


def test_another_kind_and_what_is_not_fitted_are_refused(tmp_path):
    training, _, _ = split(make())
    DiscriminantDecoder().fit(training).save(tmp_path / "decoder")
    with pytest.raises(InputError, match="is of the kind 'lda', not 'logistic'"):
        LogisticDecoder.load(tmp_path / "decoder")
    with pytest.raises(InputError, match="not fitted yet"):
        DiscriminantDecoder().save(tmp_path / "other")
    with pytest.raises(InputError, match="not fitted yet"):
        DiscriminantDecoder().describe()


@pytest.mark.parametrize("decoder", BOTH)
def test_too_few_trials_and_classes_are_refused(decoder):
    trials = make()
    codes = trials.column("target")
    with pytest.raises(InputError, match=r"has 2 trial\(s\) of sub-0 for 3 classes"):
        decoder().fit(trials.take([0, 1]))
    with pytest.raises(InputError, match="the training part of sub-0 holds one class, 'house'"):
        decoder().fit(trials.take(codes == 1))
    with pytest.raises(InputError, match=r"1 class\(es\) have no trial of sub-0 in the training part: tool"):
        decoder().fit(trials.take(codes < 2))


def test_a_discriminant_needs_more_trials_than_classes():
    with pytest.raises(InputError, match="needs more samples than classes, got 3 for 3 classes"):
        DiscriminantDecoder().fit(make().take([0, 1, 2]))


def test_embeddings_are_refused():
    trials = make()
    values = np.eye(len(trials), 4, dtype=np.float32)
    embedded = Trials.of(trials.study, Targets(tuple(trials.table["stimulus_id"]), values))
    with pytest.raises(InputError, match="'lda' decodes classes, but the targets are embeddings"):
        DiscriminantDecoder().fit(embedded)


def test_other_subjects_classes_channels_and_windows_are_refused():
    trials = make(n_subjects=2)
    training, _, test = split(trials)
    decoder = LogisticDecoder().fit(training.of_subjects(["sub-0"]))
    with pytest.raises(InputError, match="not fitted on the subject 'sub-1', but on sub-0"):
        decoder.predict(test)
    turned = Trials.of(test.study, Targets(NAMES[::-1]), labels="kind")
    with pytest.raises(InputError, match="tells face, house, tool apart, but .* are tool, house, face"):
        decoder.predict(turned)
    with pytest.raises(InputError, match="no time of 'sub-0' lies in `window_s`, 1 to 2 s"):
        LogisticDecoder(window_s=[1.0, 2.0]).fit(training)
    with pytest.raises(InputError, match="not fitted yet"):
        LogisticDecoder().predict(test)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"C": 0.0}, "`C` must be above 0, got 0"),
        ({"C": [1.0, -2.0]}, "`C` must be above 0, got -2"),
        (
            {"C": [0.1, 1.0], "cv": 1},
            r"`cv` is 1, but .* has 6 unit\(s\) and 18 trial\(s\) of its rarest class",
        ),
        ({"C": [0.1, 1.0], "cv": 7}, "Use 2 to 6 folds, a validation part, or one `C`"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    training, _, _ = split(make())
    with pytest.raises(InputError, match=message):
        LogisticDecoder(**options).fit(training)


def test_a_class_in_one_unit_only_cannot_be_cross_validated():
    order = np.arange(90) % 2
    order[:9] = 2
    trials = make(order=order)
    with pytest.raises(InputError, match="all trials of the class 'tool' of sub-0 are in one of the 3 folds"):
        LogisticDecoder(C=[0.1, 1.0], cv=3).fit(trials)


def test_a_subject_without_validation_trials_cannot_choose_C():
    training, validation, _ = split(make(n_subjects=2))
    with pytest.raises(InputError, match="the validation part has no trial of sub-1"):
        LogisticDecoder(C=[0.1, 1.0]).fit(training, validation=validation.of_subjects(["sub-0"]))


def test_a_shrinkage_that_is_no_share_is_refused():
    with pytest.raises(InputError, match="`shrinkage` must be 'auto', None or a number"):
        DiscriminantDecoder(shrinkage=2.0).fit(make())


@pytest.mark.parametrize("decoder", BOTH)
def test_the_same_seed_gives_the_same_bits(decoder):
    training, _, test = split(make())
    options = {"C": [0.1, 1.0]} if decoder is LogisticDecoder else {}
    first, second = (decoder(**options).fit(training).predict(test) for _ in range(2))
    np.testing.assert_array_equal(first, second)
