from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.simulation.conditions import simulate_conditions

pytest.importorskip("mne")
EARLY, LATE, BASELINE = (0.1, 0.2), (0.25, 0.4), (-0.1, 0.0)


def classified(recording, train_s, test_s, model, *, held_out_run=1):
    """Return the area under the curve in the held-out run, of window means, trained in the other runs."""
    first, second = (
        recording.average_window(*window).data.astype(np.float64) for window in (train_s, test_s)
    )
    test = (recording.samples["run"] == held_out_run).to_numpy()
    y = (recording.samples["condition"] == "class2").to_numpy()
    fitted = model.fit(first[~test] * 1e6, y[~test])
    return roc_auc_score(y[test], fitted.decision_function(second[test] * 1e6))


def mean_auc(recording, train_s, test_s, model):
    runs = recording.samples["run"].unique()
    return np.mean([classified(recording, train_s, test_s, model, held_out_run=run) for run in runs])


MODELS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "shrunken": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_changing_code_is_decodable_in_both_windows_and_does_not_generalise(name):
    recording = simulate_conditions(n_runs=8, snr=0.05, run_sd=0.0, random_state=1).study["sub-01"]
    # 320 trials: one standard error of an area at chance is .032.
    assert mean_auc(recording, EARLY, EARLY, MODELS[name]) > 0.9
    assert mean_auc(recording, LATE, LATE, MODELS[name]) > 0.9
    assert abs(mean_auc(recording, EARLY, LATE, MODELS[name]) - 0.5) < 0.1
    assert abs(mean_auc(recording, BASELINE, BASELINE, MODELS[name]) - 0.5) < 0.1


def test_a_sustained_code_generalises_from_one_window_to_the_other():
    recording = simulate_conditions(n_runs=8, snr=0.05, run_sd=0.0, code="sustained").study["sub-01"]
    assert mean_auc(recording, EARLY, LATE, MODELS["shrunken"]) > 0.9
    assert abs(mean_auc(recording, BASELINE, LATE, MODELS["shrunken"]) - 0.5) < 0.1


def test_without_a_code_classes_are_at_chance():
    recording = simulate_conditions(n_runs=8, snr=0.0, run_sd=0.0).study["sub-01"]
    assert abs(mean_auc(recording, EARLY, EARLY, MODELS["shrunken"]) - 0.5) < 0.1


def test_codes_are_orthogonal_before_and_after_whitening():
    planted = simulate_conditions(n_runs=10, snr=1e-6, run_sd=0.0)
    data = planted.study["sub-01"].data.astype(np.float64)
    noise = np.cov(data.transpose(1, 0, 2).reshape(data.shape[1], -1))
    a, b = (planted.patterns["sub-01"][:, code, 0] for code in (0, 1))
    for metric in (
        np.eye(len(a)),
        np.linalg.inv(noise),
        np.linalg.inv(noise + noise.mean() * np.eye(len(a))),
    ):
        assert abs(a @ metric @ b) < 1e-3 * np.sqrt((a @ metric @ a) * (b @ metric @ b))


@pytest.mark.parametrize(("code", "n_codes"), [("changing", 2), ("sustained", 1)])
def test_classes_differ_by_the_snr_at_the_coded_times_alone(code, n_codes):
    strong, none = (
        simulate_conditions(n_stimuli=6, n_runs=2, n_classes=3, code=code, snr=snr).study["sub-01"]
        for snr in (0.3, 0.0)
    )
    planted = simulate_conditions(n_stimuli=6, n_runs=2, n_classes=3, code=code, snr=0.3)
    assert planted.coded.shape == (n_codes, 60)
    added = (strong.data - none.data) / 5e-6
    np.testing.assert_allclose(added[:, :, ~planted.coded.any(axis=0)], 0, atol=1e-5)
    by_class = np.stack([added[strong.samples["condition"] == name].mean(axis=0) for name in planted.classes])
    variance = by_class.var(axis=0).mean(axis=0)
    np.testing.assert_allclose(variance[planted.coded.any(axis=0)], 0.3, rtol=1e-4)
    np.testing.assert_allclose(planted.patterns["sub-01"].sum(axis=2), 0, atol=1e-12)


def test_coded_times_are_those_of_the_windows():
    planted = simulate_conditions(n_stimuli=4, n_runs=1)
    times = planted.study["sub-01"].times_s
    for code, (start, stop) in zip(planted.coded, (EARLY, LATE), strict=True):
        np.testing.assert_allclose(times[code][[0, -1]], [start, stop])


def test_runs_shift_all_their_trials_alike():
    shifted, level = (simulate_conditions(n_runs=6, run_sd=run_sd).study["sub-01"] for run_sd in (0.5, 0.0))
    gap = (shifted.data - level.data) / 5e-6
    by_run = [gap[shifted.samples["run"] == run] for run in range(1, 7)]
    assert max(float(np.ptp(run, axis=(0, 2)).max()) for run in by_run) < 1e-4
    # 192 draws: three standard errors are 15 %.
    assert np.std([run[0, :, 0] for run in by_run]) == pytest.approx(0.5, rel=0.16)


def test_the_same_seed_gives_the_same_bits():
    one, two, three = (
        simulate_conditions(n_stimuli=4, n_runs=2, n_subjects=2, random_state=s).study for s in (1, 1, 2)
    )
    assert one.digest == two.digest != three.digest
    assert one["sub-01"].digest != one["sub-02"].digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_stimuli": 3}, "`n_stimuli` must be at least 4, got 3"),
        ({"n_classes": 1}, "`n_classes` must be at least 2, got 1"),
        ({"n_runs": 0}, "`n_runs` must be at least 1, got 0"),
        ({"snr": np.inf}, "`snr` must be finite"),
        ({"snr": -0.1}, "`snr` must be at least 0 .inf for no noise., got -0.1"),
        ({"run_sd": -1.0}, "`run_sd` must be at least 0, got -1"),
        ({"code": "other"}, "`code` is 'other'.*Known: changing, sustained"),
        ({"n_times": 40}, "coded until 0.4 s, but the epoch of 40 times ends at 0.29 s"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        simulate_conditions(**change)
