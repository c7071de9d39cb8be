from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.spiking.early_exit import (
    calibrate_gap,
    calibrate_temperature,
    calibration_error,
    exit_by_confidence,
    exit_by_gap,
    fixed_accuracy,
)

N_STEPS = 40


def _rate_coded_digits(seed: int):
    """Return (logits, labels) of validation and test digits: pixels as random spikes, a linear read-out."""
    digits = load_digits()
    pixels, labels = digits.data / 16, digits.target
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pixels))
    readout = LogisticRegression(max_iter=200).fit(pixels[order[:1000]], labels[order[:1000]])

    def run(which):
        spikes = rng.random((N_STEPS, len(which), 64)) < pixels[which]
        return np.moveaxis((spikes @ readout.coef_.T + readout.intercept_).cumsum(0), 0, -1), labels[which]

    return run(order[1000:1400]), run(order[1400:])


@pytest.fixture(scope="module", params=range(5))
def digits(request):
    return _rate_coded_digits(request.param)


def test_the_calibrated_gap_saves_steps_at_equal_accuracy_where_fewer_fixed_steps_cost_some(digits):
    (validation, _), (logits, labels) = digits
    exits = exit_by_gap(logits, beta=calibrate_gap(validation))
    full = fixed_accuracy(logits, labels, n_steps=N_STEPS)
    assert exits.mean_steps < N_STEPS / 3
    # Four of the 397 test digits.
    assert exits.accuracy(labels) >= full - 0.0101
    # The twin: as many steps for all.
    assert fixed_accuracy(logits, labels, n_steps=exits.mean_steps) < exits.accuracy(labels)


def test_a_temperature_from_validation_calibrates_the_mean_output(digits):
    (validation, known), (logits, labels) = digits
    temperature = calibrate_temperature(validation, known, output="mean")
    before = calibration_error(logits, labels, output="mean")
    after = calibration_error(logits, labels, temperature=temperature, output="mean")
    assert after < before / 2


def test_calibrated_evidence_saves_steps_at_equal_accuracy_too(digits):
    (validation, known), (logits, labels) = digits
    temperature = calibrate_temperature(validation, known)
    exits = exit_by_confidence(logits, threshold=0.9, temperature=temperature)
    assert exits.mean_steps < N_STEPS / 3
    assert exits.accuracy(labels) > fixed_accuracy(logits, labels, n_steps=exits.mean_steps)


def test_confidence_in_the_mean_output_without_calibration_can_lose_to_fixed_steps():
    lost = []
    for seed in range(5):
        _, (logits, labels) = _rate_coded_digits(seed)
        exits = exit_by_confidence(logits, threshold=0.6, output="mean")
        lost.append(exits.accuracy(labels) < fixed_accuracy(logits, labels, n_steps=exits.mean_steps))
    assert sum(lost) >= 2


HAND = np.array(
    [
        [[1.0, 3.0, 4.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]],
        [[1.0, 1.0, 1.0], [0.2, 2.0, 4.0], [0.0, 0.0, 0.0]],
    ]
)


def test_the_gap_rule_on_hand_made_logits():
    exits = exit_by_gap(HAND, beta=0.7)
    assert exits.steps.tolist() == [2, 1]
    assert exits.predictions.tolist() == [0, 0]
    assert exits.mean_steps == 1.5
    assert exits.accuracy([0, 1]) == 0.5
    late = exit_by_gap(HAND, beta=100)
    assert late.steps.tolist() == [3, 3]
    assert late.predictions.tolist() == [0, 1]


def test_the_gap_is_calibrated_to_the_largest_that_was_ever_revised():
    # The second sample leads by 0.8 for class 0 before it turns to class 1.
    assert calibrate_gap(HAND) == pytest.approx(0.8)
    assert calibrate_gap(HAND, disagreement=0.5) == 0
    exits = exit_by_gap(HAND, beta=calibrate_gap(HAND))
    assert exits.predictions.tolist() == HAND[:, :, -1].argmax(1).tolist()


def test_confidence_is_the_softmax_of_sum_or_mean():
    p = np.exp(HAND) / np.exp(HAND).sum(1, keepdims=True)
    exits = exit_by_confidence(HAND, threshold=0.8)
    assert exits.steps.tolist() == [
        1 + int((p[0].max(0) > 0.8).argmax()),
        1 + int((p[1].max(0) > 0.8).argmax()),
    ]
    warm = exit_by_confidence(HAND, threshold=0.8, temperature=3.0)
    assert (warm.steps >= exits.steps).all()
    mean = exit_by_confidence(HAND, threshold=0.8, output="mean")
    assert (mean.steps >= exits.steps).all()


def test_fixed_steps_lie_on_the_line_between_whole_ones():
    labels = [0, 1]
    assert [fixed_accuracy(HAND, labels, n_steps=n) for n in (1, 1.5, 2, 3)] == [0.5, 0.75, 1.0, 1.0]


def test_the_calibration_error_by_hand_and_of_a_calibrated_source():
    sure = np.array([[[50.0]], [[0.0]]]).transpose(2, 0, 1).repeat(4, 0)
    assert calibration_error(sure, [0, 0, 0, 1]) == pytest.approx(0.25)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3, 1)) * 2
    p = np.exp(logits[..., 0]) / np.exp(logits[..., 0]).sum(1, keepdims=True)
    labels = (rng.random(20_000)[:, None] > p.cumsum(1)).sum(1)
    assert calibration_error(logits, labels) < 0.02
    assert calibration_error(5 * logits, labels) > 0.1
    assert calibrate_temperature(5 * logits, labels) == pytest.approx(5, rel=0.05)


def test_inputs_are_left_as_they_were():
    before = HAND.copy()
    exit_by_gap(HAND, beta=1.0)
    calibrate_gap(HAND)
    calibrate_temperature(HAND, [0, 1])
    np.testing.assert_array_equal(HAND, before)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: exit_by_gap(HAND, beta=-1), InputError, "`beta` must be at least 0, got -1"),
        (lambda: exit_by_gap(HAND[0], beta=1), InputError, r"`logits` must have 3 dimension.* \(3, 3\)"),
        (lambda: exit_by_gap(HAND[:, :1], beta=1), InputError, r"at least 2 classes, got shape \(2, 1, 3\)"),
        (lambda: exit_by_gap(HAND * np.nan, beta=1), InputError, "`logits` holds 18 NaN"),
        (lambda: exit_by_confidence(HAND, threshold=1), InputError, "`threshold` .* got 1"),
        (
            lambda: exit_by_confidence(HAND, threshold=0.5, temperature=0),
            InputError,
            "`temperature` must be positive, got 0",
        ),
        (
            lambda: exit_by_confidence(HAND, threshold=0.5, output="means"),
            UnknownNameError,
            "did you mean 'mean'",
        ),
        (lambda: fixed_accuracy(HAND, [0, 1], n_steps=4), InputError, "between 1 and 3, .* got 4"),
        (lambda: fixed_accuracy(HAND, [0], n_steps=1), InputError, r"`labels` .* 2, got shape \(1,\)"),
        (lambda: calibrate_gap(HAND, disagreement=1), InputError, "`disagreement` .* got 1"),
        (lambda: calibration_error(HAND, [0, 1], n_bins=0), InputError, "`n_bins` must be at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
