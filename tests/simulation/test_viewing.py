from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError
from alignkit.simulation.viewing import simulate_blurred_viewing

pytest.importorskip("mne")
SMALL = {"n_stimuli": 10, "n_channels": 12, "n_dims": 6}


def shown(planted, recording):
    return np.array([planted.names.index(name) for name in recording.stimulus_ids])


def explained(planted, target):
    """Return what a linear decoder of clean trials explains of the features of the last fifth of images."""
    recording = planted.study["sub-01"]
    clean = recording.samples["clean"].to_numpy()
    rows = shown(planted, recording)
    X = recording.data.reshape(len(rows), -1).astype(np.float64) / recording.data.std()
    first = len(target) * 4 // 5
    train, test = clean & (rows < first), clean & (rows >= first)
    return Ridge(alpha=1e-2).fit(X[train], target[rows[train]]).score(X[test], target[rows[test]])


def test_features_are_those_of_the_image_at_each_blur():
    planted = simulate_blurred_viewing(**SMALL)
    images = planted.images.astype(np.float64)
    for level, sigma in enumerate((0.8, 1.6, 3.2)):
        blurred = gaussian_filter(images, (0, sigma, sigma), mode="wrap")
        np.testing.assert_allclose(planted.extract(blurred), planted.features[:, level], atol=1e-5)
    np.testing.assert_allclose(planted.extract(images), planted.sharp, atol=1e-6)
    assert 0 <= images.min() < images.max() <= 1


def test_the_more_blur_the_less_of_the_sharp_features_is_left():
    planted = simulate_blurred_viewing(**SMALL | {"n_stimuli": 60})
    versions = [planted.sharp, *planted.features.transpose(1, 0, 2)]
    likeness = [np.corrcoef(planted.sharp.ravel(), version.ravel())[0, 1] for version in versions]
    assert np.all(np.diff(likeness) < -0.1)


def test_with_a_mismatch_clean_trials_carry_the_usual_blur_and_not_the_detail():
    planted = simulate_blurred_viewing(n_stimuli=300, n_dims=16, n_channels=24, snr=np.inf)
    assert explained(planted, planted.features[:, 1]) > 0.99
    assert explained(planted, planted.sharp) < 0.6


def test_without_a_mismatch_trials_carry_the_detail():
    planted = simulate_blurred_viewing(n_stimuli=300, n_dims=16, n_channels=24, snr=np.inf, mismatch=False)
    assert explained(planted, planted.sharp) > 0.99


def test_noisy_trials_carry_the_strongest_blur():
    planted = simulate_blurred_viewing(**SMALL, snr=np.inf, noisy_share=0.5)
    recording = planted.study["sub-01"]
    rows, clean = shown(planted, recording), recording.samples["clean"].to_numpy()
    # A response is linear in what is carried, so that both kinds of trial follow from one matrix.
    carried = np.where(clean[:, None], planted.features[rows, 1], planted.features[rows, 2])
    flat = recording.data.reshape(len(rows), -1)
    left = flat - carried @ np.linalg.lstsq(carried, flat, rcond=None)[0]
    assert np.abs(left).max() < 1e-4 * np.abs(flat).max()


def test_a_mix_of_blurs_has_its_shares_and_its_strong_trials_are_the_noisy_ones():
    planted = simulate_blurred_viewing(**SMALL | {"n_stimuli": 100}, blur_mix=(0.1, 0.3, 0.6))
    samples = planted.study["sub-01"].samples
    assert samples["blur"].value_counts().to_dict() == {"strong": 120, "usual": 60, "weak": 20}
    assert np.array_equal(samples["clean"], samples["blur"] != "strong")


def test_every_trial_carries_the_blur_that_it_says_with_its_gain():
    gains = (1.5, 1.0, 0.4)
    planted = simulate_blurred_viewing(
        **SMALL | {"n_stimuli": 30}, snr=np.inf, blur_mix=(0.3, 0.4, 0.3), blur_gains=gains
    )
    recording = planted.study["sub-01"]
    level = np.array([("weak", "usual", "strong").index(blur) for blur in recording.samples["blur"]])
    carried = np.array(gains)[level, None] * planted.features[shown(planted, recording), level]
    flat = recording.data.reshape(len(level), -1)
    left = flat - carried @ np.linalg.lstsq(carried, flat, rcond=None)[0]
    assert np.abs(left).max() < 1e-4 * np.abs(flat).max()


def test_the_default_is_the_mix_of_usual_and_strong_blur():
    one, two = (
        simulate_blurred_viewing(**SMALL, blur_mix=mix, noisy_share=share)
        for mix, share in ((None, 0.2), ((0, 0.8, 0.2), 0.15))
    )
    assert one.study.digest == two.study.digest
    assert set(one.study["sub-01"].samples["blur"]) == {"usual", "strong"}


def test_without_a_mismatch_no_blur_is_carried_whatever_the_mix():
    planted = simulate_blurred_viewing(**SMALL, snr=np.inf, blur_mix=(0.3, 0.4, 0.3), mismatch=False)
    recording = planted.study["sub-01"]
    assert set(recording.samples["blur"]) == {"none"}
    rows = shown(planted, recording)
    first, second = np.argsort(rows, kind="stable").reshape(-1, 2).T
    np.testing.assert_array_equal(recording.data[first], recording.data[second])


def test_selective_features_of_what_blur_takes_away_fall_silent():
    planted = simulate_blurred_viewing(**SMALL | {"n_dims": 12, "n_stimuli": 100}, selective=True)
    versions = (planted.sharp, *planted.features.transpose(1, 0, 2))
    # (versions, features): one in six is coarse, the others in turn middle and fine.
    heard = np.stack([version.std(axis=0) for version in versions])
    heard /= heard[0]
    coarse, middle, fine = heard[:, 0::6], heard[:, 1::2], heard[:, 2::6]
    assert coarse.min() > 0.7
    assert middle[1].min() > 0.7 and 0.4 < middle[2].min() < middle[2].max() < 0.8 and middle[3].max() < 0.35
    assert fine[1].max() < 0.6 and fine[2].max() < 0.3
    # The twin, whose features mix all bands, loses about as much of each.
    mixed = simulate_blurred_viewing(**SMALL | {"n_dims": 12, "n_stimuli": 100})
    even = mixed.features[:, 1].std(axis=0) / mixed.sharp.std(axis=0)
    assert even.max() / even.min() < 2 < 3 < heard[2].max() / heard[2].min()


def test_the_noise_of_trials_is_what_it_says():
    noisy, clear = (simulate_blurred_viewing(n_stimuli=200, snr=snr) for snr in (0.5, np.inf))
    one, two = noisy.study["sub-01"], clear.study["sub-01"]
    clean = one.samples["clean"].to_numpy()
    assert clean.mean() == pytest.approx(0.85)
    noise = (one.data - np.sqrt(0.5) * two.data) / 5e-6
    assert noise[clean].std() == pytest.approx(1, rel=0.02)
    assert noise[~clean].std() == pytest.approx(2, rel=0.05)


def test_the_control_differs_in_what_is_carried_alone():
    one, two = (simulate_blurred_viewing(**SMALL, mismatch=mismatch) for mismatch in (True, False))
    np.testing.assert_array_equal(one.images, two.images)
    first, second = one.study["sub-01"], two.study["sub-01"]
    assert first.samples.drop(columns="blur").equals(second.samples.drop(columns="blur"))
    assert first.digest != second.digest


def test_the_same_seed_gives_the_same_bits():
    one, two, three = (simulate_blurred_viewing(**SMALL, n_subjects=2, random_state=s) for s in (1, 1, 2))
    assert one.study.digest == two.study.digest != three.study.digest
    assert one.features.tobytes() == two.features.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_stimuli": 1}, "`n_stimuli` must be at least 2, got 1"),
        ({"n_subjects": 0}, "`n_subjects` must be at least 1, got 0"),
        ({"snr": -1.0}, "`snr` must be at least 0 .inf for no noise., got -1"),
        ({"noisy_share": 1.5}, r"`noisy_share` must lie in \[0, 1\], got 1.5"),
        ({"noise_ratio": 0.5}, "`noise_ratio` must be at least 1 and finite, got 0.5"),
        ({"blur_mix": (0.5, 0.5)}, r"`blur_mix` must be three numbers of 0 or above, .* got \(0.5, 0.5\)"),
        ({"blur_mix": (0.5, 0.7, -0.2)}, r"`blur_mix` must be three .* got \(0.5, 0.7, -0.2\)"),
        ({"blur_mix": (0.5, 0.2, 0.2)}, r"`blur_mix` must sum to 1, got \(0.5, 0.2, 0.2\)"),
        ({"blur_gains": (1, 1, np.inf)}, r"`blur_gains` must be three .* got \(1.0, 1.0, inf\)"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        simulate_blurred_viewing(**SMALL | change)
