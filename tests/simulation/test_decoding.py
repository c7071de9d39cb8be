from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError
from alignkit.recordings import Study
from alignkit.simulation.decoding import simulate_decoding

pytest.importorskip("mne")
UNIT_V = 5e-6
SMALL = {"n_stimuli": 12, "n_repetitions": 2, "n_dims": 4, "n_channels": 12, "n_times": 20}


def rows_of(planted, recording):
    return [planted.names.index(name) for name in recording.stimulus_ids]


def held_out(planted, model):
    """Return the mean correlation of dimensions and top-1 retrieval, of the last quarter of the stimuli."""
    recording = planted.study["sub-01"].average_repetitions().align(planted.names)
    X = recording.data.reshape(len(recording.data), -1).astype(np.float64) / recording.data.std()
    first = len(X) * 3 // 4
    truth = planted.embeddings[first:].astype(np.float64)
    guess = model.fit(X[:first], planted.embeddings[:first]).predict(X[first:])
    cosines = guess @ (truth / np.linalg.norm(truth, axis=1, keepdims=True)).T
    r = np.mean([np.corrcoef(guess[:, k], truth[:, k])[0, 1] for k in range(truth.shape[1])])
    return r, (cosines.argmax(axis=1) == np.arange(len(truth))).mean()


@pytest.mark.parametrize("modality", ["eeg", "meg"])
@pytest.mark.parametrize("mapping", ["linear", "nonlinear"])
def test_the_signal_to_noise_ratio_is_what_it_says(modality, mapping):
    planted = simulate_decoding(
        n_stimuli=60, n_channels=32, mapping=mapping, modality=modality, snr=0.3, random_state=1
    )
    recording = planted.study["sub-01"]
    clean = planted.noise_free("sub-01")
    noise = recording.data - clean[rows_of(planted, recording)]
    signal = clean[:, :, recording.times_s >= -1e-9].var(axis=0).mean()
    assert recording.unit == ("V" if modality == "eeg" else "T")
    # The noise of 240 trials with neighbours that share it is known to about a hundredth.
    assert signal / noise.var(axis=0).mean() == pytest.approx(0.3, rel=0.03)


def test_infinite_snr_leaves_no_noise_and_zero_leaves_nothing_else():
    clear = simulate_decoding(**SMALL, snr=np.inf)
    recording = clear.study["sub-01"]
    expected = clear.noise_free("sub-01")[rows_of(clear, recording)]
    np.testing.assert_allclose(recording.data, expected, rtol=1e-5, atol=1e-6 * UNIT_V)
    assert not simulate_decoding(**SMALL, snr=0.0).noise_free("sub-01").any()


def test_snr_changes_only_the_size_of_the_signal():
    weak, strong = (simulate_decoding(**SMALL, snr=snr) for snr in (0.1, 0.4))
    np.testing.assert_array_equal(weak.embeddings, strong.embeddings)
    np.testing.assert_allclose(2 * weak.noise_free("sub-01"), strong.noise_free("sub-01"), rtol=1e-9)
    noise = [
        each.study["sub-01"].data - each.noise_free("sub-01")[rows_of(each, each.study["sub-01"])]
        for each in (weak, strong)
    ]
    np.testing.assert_allclose(*noise, atol=1e-5 * UNIT_V)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    one, two = (simulate_decoding(**SMALL, mapping="nonlinear", random_state=3) for _ in range(2))
    assert one.study.digest == two.study.digest
    assert one.embeddings.tobytes() == two.embeddings.tobytes()
    assert simulate_decoding(**SMALL, mapping="nonlinear", random_state=4).study.digest != one.study.digest


def test_another_subject_changes_nothing_of_the_first():
    alone, two = (simulate_decoding(**SMALL, n_subjects=n, layouts="random") for n in (1, 2))
    assert alone.study["sub-01"].digest == two.study["sub-01"].digest


def test_ridge_decodes_the_linear_map_better_the_higher_the_snr():
    scores = [
        held_out(simulate_decoding(n_dims=8, n_channels=32, snr=snr), Ridge(alpha=alpha))[1]
        for snr, alpha in ((0.0, 1e4), (0.01, 1e3), (1.0, 1e2))
    ]
    # Among 60: chance is 1.7 %, and three standard errors of it 5 %.
    assert scores[0] < 0.07 < 0.15 < scores[1] < 0.8 < 0.95 < scores[2]


def test_without_noise_ridge_recovers_the_linear_map():
    planted = simulate_decoding(n_dims=8, n_channels=32, snr=np.inf)
    r, top_1 = held_out(planted, Ridge(alpha=1e-2))
    assert r > 0.9999
    assert top_1 == 1.0


def test_without_noise_a_linear_decoder_of_the_nonlinear_map_stays_at_its_bound_and_a_quadratic_does_not():
    planted = simulate_decoding(
        n_stimuli=400, n_repetitions=1, n_dims=8, n_channels=24, n_times=30, mapping="nonlinear", snr=np.inf
    )
    assert planted.linear_share == 1 / 8
    linear = [held_out(planted, Ridge(alpha=alpha)) for alpha in (1.0, 1e2, 1e4)]
    n_features = 24 * 30
    curved = KernelRidge(kernel="poly", degree=2, gamma=1 / n_features, coef0=1, alpha=1e-3)
    r, top_1 = held_out(planted, curved)
    # The mean correlation of eight dimensions is at most the root of their mean explained share.
    assert max(score[0] for score in linear) < np.sqrt(1 / 8) + 0.05
    assert max(score[1] for score in linear) < 0.1
    assert r > 0.7
    assert top_1 > 0.6


def test_gated_latents_are_uncorrelated_with_what_they_carry():
    planted = simulate_decoding(
        n_stimuli=20_000, n_repetitions=1, n_channels=2, n_times=14, mapping="nonlinear", snr=np.inf
    )
    turned = planted.embeddings @ planted.rotation
    r = np.corrcoef(turned.T, planted.latents.T)[:16, 16:]
    assert planted.n_gates == 2
    np.testing.assert_allclose(np.diag(r)[:2], 1, atol=1e-6)
    r[[0, 1], [0, 1]] = 0
    # Five standard errors.
    assert np.abs(r).max() < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("mapping", ["linear", "nonlinear"])
def test_the_planted_map_can_be_inverted(mapping):
    planted = simulate_decoding(**SMALL, mapping=mapping)
    before = planted.latents.copy()
    np.testing.assert_allclose(planted.decode(planted.latents), planted.embeddings, atol=1e-6)
    np.testing.assert_array_equal(planted.latents, before)


def test_a_closed_gate_silences_its_dimensions():
    planted = simulate_decoding(**SMALL, mapping="nonlinear")
    np.testing.assert_array_equal(planted.decode(np.zeros((1, 4))), np.zeros((1, 4)))


def test_a_matrix_over_sensors_undoes_the_rotation_of_a_subject():
    planted = simulate_decoding(
        **SMALL | {"n_channels": 32}, n_subjects=2, subject_maps="rotated", snr=np.inf
    )
    one, two = (planted.patterns[subject] for subject in planted.study.subjects)
    matrix, *_ = np.linalg.lstsq(two.T, one.T, rcond=None)
    turned = np.einsum("dc,ndt->nct", matrix, planted.noise_free("sub-02"))
    np.testing.assert_allclose(turned, planted.noise_free("sub-01"), atol=1e-6 * UNIT_V)
    # Without it the two differ as much as two unrelated responses do.
    gap = planted.noise_free("sub-02") - planted.noise_free("sub-01")
    assert gap.var() > 0.5 * planted.noise_free("sub-01").var()


def test_subjects_with_shared_maps_and_sensors_differ_in_noise_and_order_alone():
    planted = simulate_decoding(**SMALL, n_subjects=2)
    np.testing.assert_allclose(planted.noise_free("sub-01"), planted.noise_free("sub-02"), rtol=1e-12)
    one, two = planted.study.values()
    assert one.stimulus_ids != two.stimulus_ids
    assert list(one.channels["name"]) == list(two.channels["name"])


def test_random_layouts_move_the_sensors_and_not_the_sources():
    planted = simulate_decoding(**SMALL | {"n_channels": 40}, n_subjects=2, layouts="random")
    one, two = planted.study.values()
    shared = sorted(set(one.channels["name"]) & set(two.channels["name"]))
    assert 10 < len(shared) < 40
    rows = [[list(each.channels["name"]).index(name) for name in shared] for each in (one, two)]
    first, second = planted.patterns["sub-01"][rows[0]], planted.patterns["sub-02"][rows[1]]
    # The same field at a sensor that both have, up to one factor for each source and subject.
    cosines = (first * second).sum(axis=0) / np.linalg.norm(first, axis=0) / np.linalg.norm(second, axis=0)
    np.testing.assert_allclose(cosines, 1, atol=1e-9)


@pytest.mark.parametrize("modality", ["eeg", "meg"])
def test_sensors_have_places_and_every_run_shows_each_stimulus_once(modality):
    planted = simulate_decoding(**SMALL, modality=modality)
    recording = planted.study["sub-01"]
    places = np.array([channel["loc"][:3] for channel in recording.geometry.info["chs"]])
    gaps = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(12, 1)]
    assert gaps.min() > 0.03
    assert recording.geometry.info["ch_names"] == list(recording.channels["name"])
    for column in ("run", "repetition"):
        counts = recording.samples.groupby(column)["stimulus_id"].nunique()
        assert counts.to_dict() == {1: 12, 2: 12}
    np.testing.assert_allclose(np.diff(recording.times_s), 0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_stimuli": 1}, "`n_stimuli` must be at least 2, got 1"),
        ({"n_repetitions": 0}, "`n_repetitions` must be at least 1, got 0"),
        ({"n_dims": 1, "mapping": "nonlinear"}, "`n_dims` must be at least 2, got 1"),
        ({"n_subjects": 0}, "`n_subjects` must be at least 1, got 0"),
        ({"snr": -1.0}, "`snr` must be at least 0 .inf for no noise., got -1"),
        ({"snr": float("nan")}, "`snr` must be at least 0 .inf for no noise., got nan"),
        ({"mapping": "curved"}, "`mapping` is 'curved'.*Known: linear, nonlinear"),
        ({"modality": "fmri"}, "`modality` is 'fmri'.*Known: eeg, meg"),
        ({"layouts": "other"}, "`layouts` is 'other'.*Known: random, same"),
        ({"subject_maps": "own"}, "`subject_maps` is 'own'.*Known: rotated, shared"),
        ({"n_channels": 65}, r"`n_channels` must lie in 2..64 for eeg, got 65"),
        ({"n_channels": 64, "layouts": "random"}, "must be below 64, got 64"),
        ({"sfreq_hz": 0.0}, "`sfreq_hz` must be above 0, got 0"),
        ({"n_times": 10}, "10 times at 100 Hz from -0.1 s ends at -0.01 s"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        simulate_decoding(**SMALL | change)


@pytest.mark.parametrize("modality", ["eeg", "meg"])
def test_what_is_planted_survives_a_file(tmp_path, modality):
    study = simulate_decoding(**SMALL, modality=modality, n_subjects=2, layouts="random").study
    study.save(tmp_path / "study")
    back = Study.load(tmp_path / "study")
    for subject, recording in study.items():
        np.testing.assert_array_equal(back[subject].data, recording.data)
        assert back[subject].samples.equals(recording.samples)
        places = [
            [channel["loc"][:3] for channel in each.geometry.info["chs"]]
            for each in (recording, back[subject])
        ]
        np.testing.assert_allclose(*places, atol=1e-6)
