from __future__ import annotations

import numpy as np
import pytest
import zarr
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders._storage import write_fitted
from alignkit.decoders.linear._alpha_choice import alpha_scores, best_alphas
from alignkit.decoders.linear.ridge_decoder import ALPHAS, RidgeDecoder
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.recording import Recording
from alignkit.recordings.study import Study
from alignkit.solvers import ridge_cv


def make(
    n_subjects=1, n_stimuli=60, noise=0.5, n_dims=4, n_target_times=None, seed=0, channels=None, repeats=2
):
    """Subjects with maps (and numbers of channels) of their own, who saw every stimulus twice."""
    rng = np.random.default_rng(seed)
    names = [f"image {i}" for i in range(n_stimuli)]
    shape = (n_stimuli, n_dims) if n_target_times is None else (n_stimuli, n_dims, n_target_times)
    embeddings = rng.standard_normal(shape)
    flat = embeddings.reshape(n_stimuli, -1)
    recordings = []
    for number in range(n_subjects):
        n_channels = channels or 8 + 2 * number
        mixing = rng.standard_normal((flat.shape[1], n_channels, 6))
        mixing[..., :2] = 0  # nothing before onset
        order = rng.permutation(np.tile(np.arange(n_stimuli), repeats))
        data = np.einsum("nd,dct->nct", flat[order], mixing)
        data += noise * rng.standard_normal(data.shape)
        data = data * np.logspace(-6, 0, n_channels)[:, None] + 3
        recordings.append(
            Recording.from_arrays(
                data,
                [names[i] for i in order],
                times_s=np.arange(-2, 4) * 0.1,
                subject=f"sub-{number}",
            )
        )
    return Trials.of(Study.of(*recordings), Targets(tuple(names), embeddings.astype(np.float32)))


def split(trials, n_training=40, n_validation=10):
    numbers = np.array([int(name.split()[1]) for name in trials.table["stimulus_id"]])
    bounds = [0, n_training, n_training + n_validation, 10_000]
    return [
        trials.take(np.flatnonzero((numbers >= start) & (numbers < stop)))
        for start, stop in zip(bounds, bounds[1:], strict=False)
    ]


def wanted(trials):
    return trials.targets.gallery[trials.column("target")]


def test_a_planted_linear_map_is_found_and_the_shuffled_one_is_not():
    training, _, test = split(make(noise=0.3))
    predicted = RidgeDecoder().fit(training).predict(test)
    assert np.corrcoef(predicted.ravel(), wanted(test).ravel())[0, 1] > 0.95
    rng = np.random.default_rng(0)
    table = training.table.assign(target=rng.permutation(training.table["target"].to_numpy()))
    shuffled = RidgeDecoder().fit(Trials(training.study, training.targets, table)).predict(test)
    assert abs(np.corrcoef(shuffled.ravel(), wanted(test).ravel())[0, 1]) < 0.3


@pytest.mark.parametrize("n_channels", [8, 40])
def test_the_map_equals_scikit_learns_at_the_penalty_that_its_grid_search_takes(n_channels):
    training, validation, test = split(make(noise=3.0, channels=n_channels))
    decoder = RidgeDecoder().fit(training, validation=validation)
    flat = [part.read().reshape(len(part), -1).astype(np.float64) for part in (training, validation, test)]
    split_by = PredefinedSplit(np.repeat([-1, 0], [len(training), len(validation)]))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": list(ALPHAS)},
        cv=split_by,
        scoring="r2",
        refit=False,
    )
    search.fit(np.concatenate(flat[:2]), np.concatenate([wanted(training), wanted(validation)]))
    alpha = search.best_params_["ridge__alpha"]
    assert ALPHAS[0] < alpha < ALPHAS[-1]
    np.testing.assert_array_equal(decoder.alphas_["sub-0"], np.full(4, alpha))
    peer = make_pipeline(StandardScaler(), Ridge(alpha)).fit(flat[0], wanted(training))
    np.testing.assert_allclose(decoder.predict(test), peer.predict(flat[2]), atol=1e-5)
    assert decoder.chosen_by_ == "R2 on the validation part"


@pytest.mark.parametrize("shape", [(50, 12), (30, 45)])
@pytest.mark.parametrize("standardize", [True, False])
def test_scores_of_penalties_equal_the_solvers(shape, standardize):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape) * np.logspace(-1, 1, shape[1]) + 2
    Y = X[:, :3] + rng.standard_normal((shape[0], 3)) * [0.1, 1, 100]
    rows = np.arange(shape[0])
    folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    grid = np.logspace(-3, 5, 9)
    scores = alpha_scores(X, Y, grid, folds, standardize=standardize)
    for row, alpha in enumerate(grid):
        expected = ridge_cv(X, Y, alphas=[alpha], folds=folds, standardize=standardize, device="cpu")
        np.testing.assert_allclose(scores[row], expected.cv_scores, atol=1e-9)
    expected = ridge_cv(X, Y, alphas=grid, folds=folds, standardize=standardize, device="cpu")
    np.testing.assert_array_equal(best_alphas(scores, grid, per_output=True), expected.best_alphas)
    together = grid[scores.mean(axis=1).argmax()]
    np.testing.assert_array_equal(best_alphas(scores, grid, per_output=False), [together] * 3)


def test_of_equal_penalties_the_largest_is_taken():
    np.testing.assert_array_equal(
        best_alphas(np.zeros((3, 2)), np.array([1.0, 9.0, 4.0]), per_output=True), 9
    )


def test_a_penalty_for_every_dimension_follows_its_noise():
    trials = make(noise=0.1)
    values = np.array(trials.targets.values)
    values[:, 3] = np.random.default_rng(1).standard_normal(len(values))  # in no channel
    trials = Trials(trials.study, Targets(trials.targets.names, values), trials.table)
    decoder = RidgeDecoder(per_dimension=True).fit(split(trials)[0])
    alphas = decoder.alphas_["sub-0"]
    assert alphas[3] > 1e3 * alphas[:3].max()
    assert len(set(RidgeDecoder().fit(split(trials)[0]).alphas_["sub-0"])) == 1
    assert decoder.chosen_by_ == "cross-validation over units in the training part"


def test_the_penalty_is_chosen_over_units_and_not_over_trials():
    """Repetitions of a stimulus with noise of its own: split apart, they call for hardly any penalty."""
    rng = np.random.default_rng(0)
    names = [f"image {i}" for i in range(30)]
    order = np.repeat(np.arange(30), 4)
    pattern = rng.standard_normal((30, 50))
    data = pattern[order] + 0.05 * rng.standard_normal((120, 50))
    recording = Recording.from_arrays(data, [names[i] for i in order], subject="sub-0")
    trials = Trials.of(Study.of(recording), Targets(tuple(names), rng.standard_normal((30, 2))))
    whole = RidgeDecoder().fit(trials).alphas_["sub-0"][0]
    apart = Trials(trials.study, trials.targets, trials.table.assign(unit=[str(i) for i in range(120)]))
    assert RidgeDecoder().fit(apart).alphas_["sub-0"][0] < 1e-2 * whole


def test_subjects_have_maps_of_their_own():
    training, _, test = split(make(n_subjects=2))
    both = RidgeDecoder().fit(training)
    for name in ("sub-0", "sub-1"):
        alone = RidgeDecoder().fit(training.of_subjects([name]))
        rows = np.flatnonzero(test.table["subject"] == name)
        np.testing.assert_allclose(
            both.predict(test)[rows], alone.predict(test.of_subjects([name])), rtol=1e-5, atol=1e-6
        )


def test_one_map_serves_subjects_who_share_it():
    trials = make(n_subjects=1, noise=4.0, n_stimuli=60, repeats=4)
    recording = trials.study["sub-0"]
    halves = []
    for number in range(2):
        part = recording.select(samples=np.arange(number, recording.n_samples, 2))
        gain = np.float32(1 + 9 * number)  # another amplifier, with an offset
        halves.append(
            Recording.from_arrays(
                part.data * gain + number,
                part.stimulus_ids,
                times_s=recording.times_s,
                subject=f"sub-{number}",
            )
        )
    shared = Trials.of(Study.of(*halves), trials.targets)
    training, _, test = split(shared)

    def correlation(subjects):
        predicted = RidgeDecoder(subjects=subjects).fit(training).predict(test)
        return np.corrcoef(predicted.ravel(), wanted(test).ravel())[0, 1]

    assert correlation("joint") > correlation("separate") + 0.02


def test_targets_with_times_come_back_in_shape():
    training, _, test = split(make(noise=0.1, n_dims=3, n_target_times=2))
    predicted = RidgeDecoder().fit(training).predict(test)
    assert predicted.dtype == np.float32
    for dim, time in np.ndindex(3, 2):
        assert np.corrcoef(predicted[:, dim, time], wanted(test)[:, dim, time])[0, 1] > 0.95


def test_the_window_holds_both_of_its_ends():
    trials = make(noise=0.1)
    training, _, test = split(trials)
    decoder = RidgeDecoder(window_s=[0.1, 0.2]).fit(training)
    assert decoder.describe()["subjects"]["sub-0"]["n_times"] == 2
    recording = trials.study["sub-0"]
    cut = Recording.from_arrays(
        recording.data[..., 3:5], recording.stimulus_ids, times_s=recording.times_s[3:5], subject="sub-0"
    )
    same = Trials(Study.of(cut), trials.targets, trials.table)
    expected = RidgeDecoder().fit(split(same)[0]).predict(split(same)[2])
    np.testing.assert_array_equal(decoder.predict(test), expected)
    before = RidgeDecoder(window_s=[-0.2, -0.1]).fit(training).predict(test)
    assert abs(np.corrcoef(before.ravel(), wanted(test).ravel())[0, 1]) < 0.3


def test_the_validation_part_chooses_and_is_not_fitted_to():
    training, validation, test = split(make(noise=3.0))
    alone = RidgeDecoder(alphas=[10.0]).fit(training)
    beside = RidgeDecoder(alphas=[10.0]).fit(training, validation=validation)
    np.testing.assert_array_equal(alone.predict(test), beside.predict(test))
    assert alone.chosen_by_ == beside.chosen_by_ == "nothing was chosen"
    assert {row for _, row in beside.seen_.samples} == {
        *training.column("row").tolist(),
        *validation.column("row").tolist(),
    }


def test_the_order_of_trials_does_not_matter():
    training, _, test = split(make(noise=1.0))
    shuffled = training.take(np.random.default_rng(0).permutation(len(training)))
    first, second = RidgeDecoder(alphas=[10.0]).fit(training), RidgeDecoder(alphas=[10.0]).fit(shuffled)
    np.testing.assert_allclose(first.predict(test), second.predict(test), atol=1e-5)
    backwards = test.take(np.arange(len(test))[::-1])
    np.testing.assert_allclose(first.predict(backwards)[::-1], first.predict(test), atol=1e-6)


def test_a_saved_decoder_predicts_the_same_bits(tmp_path):
    training, validation, test = split(make(n_subjects=2, n_target_times=2))
    decoder = RidgeDecoder(window_s=[0.0, 0.3], per_dimension=True, subjects="separate")
    decoder.fit(training, validation=validation).save(tmp_path / "decoder")
    loaded = RidgeDecoder.load(tmp_path / "decoder")
    np.testing.assert_array_equal(loaded.predict(test), decoder.predict(test))
    assert loaded.describe() == decoder.describe()
    assert loaded.seen_ == decoder.seen_
    assert loaded.chosen_by_ == "R2 on the validation part"
    loaded.save(tmp_path / "decoder")  # over itself
    for name in ("decoder.json", "decoder.safetensors"):
        again = (tmp_path / "again", decoder.save(tmp_path / "again"))[0] / name
        assert again.read_bytes() == (tmp_path / "decoder" / name).read_bytes()


def test_the_same_seed_gives_the_same_bits():
    training, _, test = split(make(noise=2.0))
    first, second = (RidgeDecoder(seed=3).fit(training).predict(test) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_kind_and_what_is_not_fitted_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"not fitted yet"):
        RidgeDecoder().save(tmp_path / "decoder")
    with pytest.raises(InputError, match=r"not fitted yet"):
        RidgeDecoder().describe()
    write_fitted(tmp_path / "decoder", "lda", {}, {})
    with pytest.raises(InputError, match=r"kind 'lda', not 'ridge'"):
        RidgeDecoder.load(tmp_path / "decoder")


def test_errors_say_what_came():
    trials = make(n_subjects=2)
    training, validation, test = split(trials)
    one = training.of_subjects(["sub-0"])
    recording = trials.study["sub-0"]
    classes = Trials.of(Study.of(recording), Targets(tuple(trials.targets.names), None), labels="stimulus_id")
    fitted = RidgeDecoder(alphas=[1.0]).fit(one)
    order = np.arange(recording.n_channels)[::-1]
    turned = Trials(Study.of(recording.select(channels=order)), one.targets, one.table)
    fewer = Trials(Study.of(recording.select(channels=order[2:])), one.targets, one.table)
    flat = recording.average_window(0.0, 0.3)
    flat = Trials(Study.of(flat), one.targets, one.table)
    later = Recording.from_arrays(
        recording.data, recording.stimulus_ids, times_s=recording.times_s + 0.1, subject="sub-0"
    )
    later = Trials(Study.of(later), one.targets, one.table)
    other = validation.of_subjects(["sub-1"])
    cases = [
        (lambda: RidgeDecoder().fit(classes), r"ridge decodes embeddings, not classes; use .*'logistic'"),
        (lambda: RidgeDecoder(alphas=[0.0, 1.0]).fit(one), r"`alphas` must be positive, got 0"),
        (lambda: RidgeDecoder(cv=41).fit(one), r"`cv` is 41, but 40 unit\(s\) of sub-0 .* 2 to 40"),
        (lambda: RidgeDecoder(window_s=[0.2]).fit(one), r"`window_s` must be a start and .*got \[0.2\]"),
        (lambda: RidgeDecoder(window_s=[0.3, 0.2]).fit(one), r"`window_s` must be .* got \[0.3, 0.2\]"),
        (lambda: RidgeDecoder(window_s=[1, 2]).fit(one), r"lies in `window_s`, 1 to 2 s; it has -0.2 to"),
        (lambda: RidgeDecoder(window_s=[0, 1]).fit(flat), r"'sub-0' has no times; leave `window_s` away"),
        (lambda: RidgeDecoder(subjects="joint").fit(training), r"subjects differ in their channels"),
        (lambda: RidgeDecoder().fit(one.take([0])), r"training part has 1 trial of 'sub-0'"),
        (lambda: RidgeDecoder().fit(training, validation=other), r"part has 0 trial\(s\) of sub-0"),
        (lambda: fitted.predict(test), r"not fitted on the subject 'sub-1', but on sub-0"),
        (lambda: fitted.predict(turned), r"has 8 channels, which are in another order than the 8"),
        (lambda: fitted.predict(fewer), r"has 6 channels, which are others than the 8"),
        (lambda: fitted.predict(flat), r"'sub-0' has no times, but 6 were fitted"),
        (lambda: fitted.predict(later), r"'sub-0' has 6 times, but 6 were fitted, from other seconds"),
        (lambda: RidgeDecoder().predict(test), r"not fitted yet"),
    ]  # fmt: skip
    for call, message in cases:
        with pytest.raises(InputError, match=message):
            call()
    with pytest.raises(UnknownNameError, match=r"`subjects` is 'pooled'"):
        RidgeDecoder(subjects="pooled")


def test_a_recording_on_disk_with_nan_is_refused(tmp_path):
    training, _, _ = split(make())
    training.study["sub-0"].save(tmp_path / "recording")
    lazy = Recording.load(tmp_path / "recording", lazy=True)
    from_disk = Trials(Study.of(lazy), training.targets, training.table)
    np.testing.assert_array_equal(
        RidgeDecoder().fit(from_disk).predict(from_disk), RidgeDecoder().fit(training).predict(training)
    )
    (array,) = (tmp_path / "recording").glob("*.zarr")
    zarr.open_array(array, mode="r+")[int(training.column("row")[5]), 0, 0] = np.nan
    with pytest.raises(InputError, match=r"1 of 80 trials of 'sub-0' hold NaN or infinity, the first in row"):
        RidgeDecoder().fit(from_disk)
