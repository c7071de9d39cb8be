from __future__ import annotations

import numpy as np

from alignkit.preprocessing.single_trials._repeats import Repeats


def setting(seed=0, compared=None):
    rng = np.random.default_rng(seed)
    stimuli = rng.integers(0, 6, 24)
    stimuli[-1] = 6  # shown once
    runs = np.repeat([0, 1, 2], 8)
    sessions = np.repeat([0, 1], [8, 16])
    used = np.ones(24, dtype=bool) if compared is None else compared
    return Repeats(stimuli, runs, sessions, used), stimuli, runs, sessions, rng.standard_normal((24, 5))


def pairs(stimuli, runs, compared):
    return [
        (i, j)
        for i in range(len(runs))
        for j in range(len(runs))
        if stimuli[i] == stimuli[j] and runs[i] != runs[j] and compared[i] and compared[j]
    ]


def test_partners_are_the_same_stimulus_in_other_runs():
    compared = np.ones(24, dtype=bool)
    compared[[3, 11]] = False
    repeats, stimuli, runs, _, betas = setting(compared=compared)
    listed = pairs(stimuli, runs, compared)
    counts = np.bincount([i for i, _ in listed], minlength=24)
    np.testing.assert_array_equal(repeats.n_partners, counts)
    assert counts[[3, 11, 23]].tolist() == [0, 0, 0]
    wanted = np.zeros_like(betas)
    for i, j in listed:
        wanted[i] += betas[j]
    np.testing.assert_allclose(repeats.partner_sum(betas), wanted, atol=1e-12)
    np.testing.assert_allclose(repeats.partner_mean(betas)[0], wanted[0] / counts[0])
    assert repeats.n_stimuli == len({stimuli[i] for i, _ in listed})


def test_the_difference_is_the_mean_over_pairs_of_z_scored_responses():
    repeats, stimuli, runs, sessions, reference = setting()
    candidate = 0.3 * reference + 0.1 * np.random.default_rng(1).standard_normal(reference.shape)
    scored, other = reference.copy(), candidate.copy()
    for session in (0, 1):
        here = sessions == session
        mean, sd = reference[here].mean(axis=0), reference[here].std(axis=0)
        scored[here], other[here] = (reference[here] - mean) / sd, (candidate[here] - mean) / sd
    listed = pairs(stimuli, runs, np.ones(24, dtype=bool))
    wanted = np.mean([(other[j] - scored[i]) ** 2 for i, j in listed], axis=0)
    np.testing.assert_allclose(repeats.difference(reference).of(candidate), wanted, rtol=1e-10)


def test_trials_that_are_not_compared_change_nothing():
    compared = np.ones(24, dtype=bool)
    compared[[0, 5, 9, 20]] = False
    repeats, *_, betas = setting(compared=compared)
    scrambled = betas.copy()
    scrambled[~compared] = 1e6
    np.testing.assert_array_equal(
        repeats.difference(betas).of(0.5 * betas), repeats.difference(scrambled).of(0.5 * scrambled)
    )
    np.testing.assert_array_equal(
        repeats.partner_mean(betas)[compared], repeats.partner_mean(scrambled)[compared]
    )


def test_a_constant_voxel_has_no_difference():
    repeats, *_, betas = setting()
    betas[:, 0] = 3.0
    assert np.isfinite(repeats.difference(betas).of(betas)).all()
    assert repeats.difference(betas).of(betas)[0] == 0
