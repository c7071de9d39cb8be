from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.decoders.training.augmentation import Augmentation, augment, mix, shift


def batch(n_trials: int = 400, n_channels: int = 6, n_times: int = 10):
    rng = np.random.default_rng(0)
    signals = rng.standard_normal((n_trials, n_channels, n_times)).astype(np.float32)
    targets = rng.standard_normal((n_trials, 3)).astype(np.float32)
    return signals, targets, np.arange(n_trials, dtype=np.int64) % 2


def varied(signals, targets, subjects, *, seed: int = 0, n_channels: int | None = None, **options: float):
    real = np.full(len(signals), signals.shape[1] if n_channels is None else n_channels)
    return augment(
        signals.copy(),
        targets,
        subjects,
        augmentation=Augmentation(**options),
        n_channels=real,
        sfreq_hz=100.0,
        rng=np.random.default_rng(seed),
    )


def test_by_default_nothing_is_varied() -> None:
    signals, targets, subjects = batch()
    same, same_targets = varied(signals, targets, subjects)
    assert Augmentation().is_off
    assert np.array_equal(same, signals)
    assert np.array_equal(same_targets, targets)


def test_a_shift_moves_later_and_earlier_and_leaves_zeros() -> None:
    signals = np.arange(1.0, 5.0, dtype=np.float32).reshape(1, 1, 4).repeat(4, 0)
    moved = shift(signals, np.array([1, -2, 0, 9]))
    assert moved[:, 0].tolist() == [[0, 1, 2, 3], [3, 4, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]]


def test_shifts_stay_within_the_seconds_asked_for() -> None:
    signals = np.zeros((500, 1, 11), dtype=np.float32)
    signals[:, 0, 5] = 1.0
    moved, _ = varied(signals, np.zeros((500, 1), np.float32), np.zeros(500, np.int64), time_shift_s=0.02)
    peaks = moved[:, 0].argmax(1)
    assert sorted(set(peaks)) == [3, 4, 5, 6, 7]


def test_mixtures_are_convex_and_of_one_subject_with_the_same_weight_for_the_embedding() -> None:
    n = 200
    subjects = np.arange(n, dtype=np.int64) % 2
    # The signal names its trial in an exponent, so that partner and weight can be read off the mixture.
    signals = np.zeros((n, n, 1), dtype=np.float32)
    signals[np.arange(n), np.arange(n), 0] = 1.0
    targets = np.eye(n, dtype=np.float32)
    mixed, mixed_targets = mix(signals, targets, subjects, alpha=0.5, rng=np.random.default_rng(1))
    assert np.array_equal(mixed[:, :, 0], mixed_targets)
    assert np.allclose(mixed_targets.sum(1), 1.0, atol=1e-6)
    for trial in range(n):
        sources = np.flatnonzero(mixed_targets[trial])
        assert set(subjects[sources]) == {subjects[trial]}
        assert mixed_targets[trial, trial] >= 0.5
    assert (mixed_targets.max(1) < 1.0).mean() > 0.8


def test_channels_are_dropped_at_their_rate_whole_or_not_at_all() -> None:
    signals, targets, subjects = batch(n_trials=2000)
    dropped, _ = varied(signals, targets, subjects, channel_dropout=0.3)
    zero = (dropped == 0).all(2)
    assert abs(zero.mean() - 0.3) < 0.02
    assert np.array_equal(dropped[~zero], signals[~zero])


def test_noise_has_its_standard_deviation_and_leaves_padding_at_zero() -> None:
    signals, targets, subjects = batch(n_trials=1000)
    signals[:, 4:] = 0
    noisy, _ = varied(signals, targets, subjects, noise=0.5, n_channels=4)
    assert abs((noisy - signals)[:, :4].std() - 0.5) < 0.01
    assert not noisy[:, 4:].any()


def test_the_seed_decides_and_targets_are_not_changed_in_place() -> None:
    signals, targets, subjects = batch()
    before = targets.copy()
    options = {"mixup": 0.4, "noise": 0.2, "time_shift_s": 0.03, "channel_dropout": 0.1}
    one, two, other = (varied(signals, targets, subjects, seed=seed, **options) for seed in (0, 0, 1))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])
    assert not np.array_equal(one[0], other[0])
    assert np.array_equal(targets, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -1.0}, "`noise` of an augmentation must be 0 or above, got -1.0"),
        ({"channel_dropout": 1.0}, "`channel_dropout` must be below 1, got 1.0"),
    ],
)
def test_rates_that_cannot_be_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmentation(**options)


def test_mixtures_of_classes_and_shifts_without_times_are_refused() -> None:
    with pytest.raises(InputError, match="`mixup` mixes embeddings, but the targets are classes"):
        Augmentation(mixup=0.2).check(sfreq_hz=100.0, are_classes=True)
    with pytest.raises(InputError, match="`time_shift_s` needs responses with times"):
        Augmentation(time_shift_s=0.2).check(sfreq_hz=None, are_classes=False)
