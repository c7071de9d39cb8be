from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials.hemodynamics import hrf_library, trial_design
from alignkit.preprocessing.single_trials.reliability import ncsnr_of_trials
from alignkit.preprocessing.single_trials.responses import fit_single_trials

OLS = {"hrf": "canonical", "denoise": False, "fractions": None}


def split_half(found, voxels):
    """Return the correlation over stimuli between the means of the first and the last half of the runs."""
    runs = found.trials["run"].to_numpy()
    first = runs <= runs.max() // 2
    table = pd.DataFrame(found.betas[:, voxels])
    ids = found.trials["stimulus_id"]
    a, b = (table[rows].groupby(ids[rows]).mean().to_numpy() for rows in (first, ~first))
    return np.mean([np.corrcoef(a[:, v], b[:, v])[0, 1] for v in range(a.shape[1])])


def likeness(found, simulated, voxels):
    truth = simulated.of_trials(found.trials)
    return np.mean([np.corrcoef(found.betas[:, v], truth[:, v])[0, 1] for v in voxels])


def test_ncsnr_tuned_with_its_own_repeats_is_too_high_and_the_notes_say_so():
    rng = np.random.default_rng(0)
    runs = [100 + rng.standard_normal((70, 150)) for _ in range(6)]
    events = [
        pd.DataFrame(
            {
                "stimulus_id": [f"s{i}" for i in rng.permutation(30)],
                "onset_s": 4.0 * np.arange(30),
                "duration_s": 2.0,
            }
        )
        for _ in runs
    ]
    half = [f"s{i}" for i in range(15)]
    options = {
        "default": {},
        "least squares": OLS,
        "held out": {"hold_out": half, "hold_out_by": "labels"},
        "all held out": {"hold_out": [f"s{i}" for i in range(30)], "hold_out_by": "labels"},
        "by fit": {"denoise": False, "fractions": None, "hrf_choice": "fit"},
        "given": {"hrf": "canonical", "denoise": 2, "fractions": 0.5},
    }
    fits = {name: fit_single_trials(runs, events, tr_s=2.0, **given) for name, given in options.items()}
    said = {
        name: [note for note in fit.notes if note.startswith("ncsnr and noise ceilings are too high")]
        for name, fit in fits.items()
    }
    assert {name: len(notes) for name, notes in said.items()} == {
        "default": 1, "least squares": 0, "held out": 1, "all held out": 0, "by fit": 0, "given": 0
    }  # fmt: skip
    assert "repeats of 30 stimuli" in said["default"][0]
    assert "`hold_out`, or plain least squares, instead" in said["default"][0]
    assert "repeats of 15 stimuli" in said["held out"][0]
    assert "`ncsnr_of_trials` of the held-out trials instead" in said["held out"][0]
    mean = {name: np.nanmean(fit.ncsnr) for name, fit in fits.items()}
    assert mean["default"] > 2 * mean["least squares"]
    rows = fits["held out"].trials["stimulus_id"].isin(half).to_numpy()
    fair = ncsnr_of_trials(
        fits["held out"].betas[rows], fits["held out"].trials["stimulus_id"][rows].to_list()
    )
    assert np.nanmean(fair) < 0.8 * mean["default"]


@pytest.fixture(scope="module")
def stages(simulate):
    """Return fits that go further and further, of data with every difficulty."""
    simulated = simulate(1, shared=0.8, n_voxels=240)
    options = {
        "fixed": OLS,
        "shape": {"denoise": False, "fractions": None},
        "denoised": {"fractions": None},
        "shrunk": {},
    }
    fits = {
        name: fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, **given)
        for name, given in options.items()
    }
    return simulated, fits


def test_every_stage_makes_responses_more_reliable_and_truer(stages):
    simulated, fits = stages
    voxels = np.flatnonzero(simulated.sd > 0)
    reliability = [split_half(fit, voxels) for fit in fits.values()]
    truth = [likeness(fit, simulated, voxels) for fit in fits.values()]
    assert (np.diff(reliability) > 0.01).all(), reliability
    assert (np.diff(truth) > 0.01).all(), truth


def test_voxels_without_a_response_stay_without(stages):
    simulated, fits = stages
    silent = np.flatnonzero(simulated.sd == 0)
    assert abs(split_half(fits["shrunk"], silent)) < 0.1
    assert np.median(fits["shrunk"].ncsnr[silent]) < 0.2
    assert np.median(fits["shrunk"].ncsnr[simulated.sd > 2]) > 1


def test_shrunk_responses_keep_their_scale(stages):
    simulated, fits = stages
    voxels = simulated.sd > 2
    truth = simulated.of_trials(fits["shrunk"].trials)[:, voxels]
    # The baseline is 100: per cent are the simulation's unit.
    slope = (fits["denoised"].betas[:, voxels] * truth).sum() / (truth**2).sum()
    assert slope == pytest.approx(1, abs=0.1)
    means = fits["shrunk"].betas.mean(axis=0), fits["denoised"].betas.mean(axis=0)
    np.testing.assert_allclose(*means, atol=1e-4)


def test_trivial_choices_are_ordinary_least_squares(simulate):
    simulated = simulate(n_voxels=30)
    plain = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, unit="data", **OLS)
    tuned = fit_single_trials(
        simulated.runs,
        simulated.events,
        tr_s=1.5,
        unit="data",
        hrf=hrf_library()[7],
        fractions=[1.0],
        denoise=0,
    )
    start = 0
    for series, table in zip(simulated.runs, simulated.events, strict=True):
        n_volumes = len(series)
        design = trial_design(table["onset_s"], table["duration_s"], n_volumes=n_volumes, tr_s=1.5)
        drift = np.vander(np.linspace(-1, 1, n_volumes), round(n_volumes * 1.5 / 120) + 1)
        wanted = np.linalg.lstsq(np.concatenate([design, drift], axis=1), series, rcond=None)[0][:40]
        rows = slice(start, start + 40)
        np.testing.assert_allclose(plain.betas[rows], wanted, rtol=1e-6, atol=1e-6)
        start += 40
    np.testing.assert_allclose(tuned.betas, plain.betas, rtol=1e-6, atol=1e-6)
    assert (tuned.fraction == 1).all()
    assert plain.notes == ()


def test_least_squares_all_is_nilearns_model_with_a_condition_per_trial(simulate):
    first_level = pytest.importorskip("nilearn.glm.first_level")
    simulated = simulate(n_voxels=20, n_runs=1)
    series, table = simulated.runs[0], simulated.events[0]
    found = fit_single_trials(
        [series], [table], tr_s=1.5, unit="data", scan_time="start", polynomial_degree=2, **OLS
    )
    events = pd.DataFrame(
        {
            "onset": table["onset_s"],
            "duration": table["duration_s"],
            "trial_type": [f"trial{i:02d}" for i in range(40)],
        }
    )
    frames = np.arange(len(series)) * 1.5
    design = first_level.make_first_level_design_matrix(
        frames, events, hrf_model="spm", drift_model="polynomial", drift_order=2, oversampling=200
    )
    labels, results = first_level.run_glm(series, design.to_numpy(), noise_model="ols")
    theirs = results[labels[0]].theta[:40]
    # Their regressors have another height, and onsets on a raster of TR / 200.
    height = design.iloc[:, :40].max().mean() / 1.0
    ours = found.betas
    for voxel in range(20):
        assert np.corrcoef(ours[:, voxel], theirs[:, voxel])[0, 1] > 0.9995
    assert np.median(theirs * height / ours) == pytest.approx(1, abs=0.03)
    own = trial_design(
        table["onset_s"], table["duration_s"], n_volumes=len(series), tr_s=1.5, scan_time="start"
    )
    same = np.concatenate([own, design.iloc[:, 40:].to_numpy()], axis=1)
    labels, results = first_level.run_glm(series, same, noise_model="ols")
    np.testing.assert_allclose(ours, results[labels[0]].theta[:40], rtol=1e-5, atol=1e-5)


def test_least_squares_separate_is_nilearns_model_per_trial(simulate):
    first_level = pytest.importorskip("nilearn.glm.first_level")
    simulated = simulate(n_voxels=8, n_runs=1, n_stimuli=20)
    series, table = simulated.runs[0], simulated.events[0]
    options = {**OLS, "estimator": "lss", "unit": "data", "polynomial_degree": 1}
    found = fit_single_trials([series], [table], tr_s=1.5, **options)
    design = trial_design(table["onset_s"], table["duration_s"], n_volumes=len(series), tr_s=1.5)
    drift = np.vander(np.arange(len(series)), 2)
    for trial in range(20):
        own = design[:, [trial]]
        model = np.concatenate([own, design.sum(axis=1, keepdims=True) - own, drift], axis=1)
        labels, results = first_level.run_glm(series, model, noise_model="ols")
        np.testing.assert_allclose(found.betas[trial], results[labels[0]].theta[0], rtol=1e-5, atol=1e-5)


def test_least_squares_separate_goes_through_all_stages_but_the_last(simulate):
    simulated = simulate(1, shared=1.5, n_voxels=240)
    found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, estimator="lss")
    assert found.n_noise_components > 0
    assert (found.fraction == 1).all()
    assert "Responses were not shrunk: with least squares separate every trial has a model." in found.notes
    voxels = np.flatnonzero(simulated.sd > 1)
    plain = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, estimator="lss", **OLS)
    assert split_half(found, voxels) > split_half(plain, voxels) + 0.1


def test_confounds_are_taken_out_exactly(simulate):
    simulated = simulate(n_voxels=20, n_runs=2)
    rng = np.random.default_rng(0)
    confounds = [rng.standard_normal((len(run), 3)) for run in simulated.runs]
    moved = [
        run + table @ rng.standard_normal((3, 20)) * 10
        for run, table in zip(simulated.runs, confounds, strict=True)
    ]
    options = {"tr_s": 1.5, "confounds": confounds, "unit": "data", **OLS}
    still = fit_single_trials(simulated.runs, simulated.events, **options)
    found = fit_single_trials(moved, simulated.events, **options)
    np.testing.assert_allclose(found.betas, still.betas, atol=1e-5)
    del options["confounds"]
    assert np.abs(fit_single_trials(moved, simulated.events, **options).betas - still.betas).max() > 1


def test_per_cent_do_not_change_with_the_scanners_gain(simulate):
    simulated = simulate(n_voxels=60)
    gain = np.random.default_rng(0).uniform(5, 50, 60)
    found = fit_single_trials([run * gain for run in simulated.runs], simulated.events, tr_s=1.5)
    wanted = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    np.testing.assert_allclose(found.betas, wanted.betas, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.hrf_index, wanted.hrf_index)
    assert found.unit == "percent signal change"


def test_the_order_of_events_and_of_voxels_does_not_matter(simulate):
    simulated = simulate(n_voxels=60)
    turned = [table.iloc[::-1].reset_index(drop=True) for table in simulated.events]
    order = np.random.default_rng(0).permutation(60)
    found = fit_single_trials([run[:, order] for run in simulated.runs], turned, tr_s=1.5)
    wanted = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    np.testing.assert_allclose(found.betas, wanted.betas[:, order], atol=1e-4)
    pd.testing.assert_frame_equal(found.trials, wanted.trials)


def test_a_rerun_has_the_same_bits_and_leaves_its_input_alone(simulate):
    simulated = simulate(n_voxels=80, n_stimuli=20, shared=1.0)
    before = [run.copy() for run in simulated.runs], [table.copy() for table in simulated.events]
    found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    again = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    assert found.betas.dtype == np.float32
    assert found.betas.tobytes() == again.betas.tobytes()
    assert found.ncsnr.tobytes() == again.ncsnr.tobytes()
    assert found.notes == again.notes
    for run, old in zip(simulated.runs, before[0], strict=True):
        np.testing.assert_array_equal(run, old)
    for table, old in zip(simulated.events, before[1], strict=True):
        pd.testing.assert_frame_equal(table, old)


def test_blocks_of_voxels_change_nothing(simulate, monkeypatch):
    simulated = simulate(n_voxels=80, n_stimuli=20, shared=1.0)
    wanted = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    monkeypatch.setattr("alignkit.preprocessing.single_trials._runs.BLOCK_ELEMENTS", 2**13)
    found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    np.testing.assert_allclose(found.betas, wanted.betas, atol=1e-4)
    np.testing.assert_array_equal(found.hrf_index, wanted.hrf_index)
    np.testing.assert_array_equal(found.fraction, wanted.fraction)


def test_single_precision_series_give_the_same_responses(simulate):
    simulated = simulate(n_voxels=30)
    found = fit_single_trials([run.astype(np.float32) for run in simulated.runs], simulated.events, tr_s=1.5)
    wanted = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    np.testing.assert_allclose(found.betas, wanted.betas, atol=1e-3)


def test_lost_voxels_are_nan_and_noted(simulate):
    simulated = simulate(n_voxels=60)
    runs = [run.copy() for run in simulated.runs]
    runs[1][:, 2] = 7.0
    runs[3][0, 5] = np.nan
    found = fit_single_trials(runs, simulated.events, tr_s=1.5)
    lost = np.isnan(found.betas).all(axis=0)
    assert np.flatnonzero(lost).tolist() == [2, 5]
    assert np.isfinite(found.betas[:, ~lost]).all()
    assert found.hrf_index[[2, 5]].tolist() == [-1, -1]
    for name in ("r2", "fraction", "on_off_r2", "ncsnr"):
        assert np.isnan(getattr(found, name)[[2, 5]]).all()
    assert not found.noise_pool[[2, 5]].any()
    assert found.notes[0].startswith("2 of 60 voxels are constant")


def test_one_run_is_fitted_without_what_needs_two(simulate):
    simulated = simulate(n_voxels=40, n_runs=1)
    found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5)
    assert sum("no stimulus is repeated in another run" in note for note in found.notes) == 3
    assert np.isfinite(found.betas).all()


def test_sessions_are_compared_after_z_scoring_within(simulate):
    simulated = simulate(2, n_voxels=100)
    gains = [1.0, 1.0, 3.0, 3.0]
    runs = [100 + (run - 100) * gain for run, gain in zip(simulated.runs, gains, strict=True)]
    named = fit_single_trials(
        runs, simulated.events, tr_s=1.5, hrf="canonical", denoise=False, sessions=["a", "a", "b", "b"]
    )
    plain = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hrf="canonical", denoise=False)
    unnamed = fit_single_trials(runs, simulated.events, tr_s=1.5, hrf="canonical", denoise=False)
    assert named.trials["session"].tolist() == ["a"] * 80 + ["b"] * 80
    strong = simulated.sd > 1
    assert np.median(named.ncsnr[strong] / plain.ncsnr[strong]) == pytest.approx(1, abs=0.05)
    assert np.median(unnamed.ncsnr[strong]) < 0.8 * np.median(named.ncsnr[strong])


def test_a_response_of_ones_own_is_used(simulate):
    simulated = simulate(n_voxels=60, sd=(6.0, 6.0), spacing_s=6.0)
    own = hrf_library(step_s=0.2)[[2, 9, 17]]
    found = fit_single_trials(
        simulated.runs, simulated.events, tr_s=1.5, hrf=own, hrf_step_s=0.2, denoise=False, fractions=None
    )
    strong = simulated.sd > 0
    assert (np.array([2, 9, 17])[found.hrf_index] == simulated.shapes)[strong].mean() > 0.98
    assert found.hrf_step_s == 0.2


def test_the_ceiling_follows_from_the_ratio(stages):
    found = stages[1]["shrunk"]
    wanted = found.ncsnr**2 / (found.ncsnr**2 + 1 / 4)
    np.testing.assert_allclose(found.noise_ceiling(4), wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hrf": "spm"}, "`hrf` is 'spm'"),
        ({"estimator": "ols"}, "`estimator` is 'ols'"),
        ({"hrf_choice": "best"}, "`hrf_choice` is 'best'"),
        ({"hold_out_by": "runs"}, "`hold_out_by` is 'runs'"),
        ({"unit": "z"}, "`unit` is 'z'"),
        ({"scan_time": "end"}, "`scan_time` is 'end'"),
        ({"denoise": -1}, "`denoise` must be True, False or a number of components, got -1"),
        ({"denoise": 2.5}, "`denoise` must be True, False or a number of components, got 2.5"),
        ({"tr_s": 0}, "`tr_s` must be a positive, finite number of seconds, got 0"),
        ({"hrf_step_s": np.inf}, "`hrf_step_s` must be a positive, finite number of seconds, got inf"),
        ({"estimator": "lss", "fractions": [0.5]}, "`fractions` shorten the responses of one model"),
        ({"sessions": ["one"]}, "a session for each of 2 runs"),
    ],
)
def test_impossible_options_are_refused(simulate, options, message):
    simulated = simulate(n_voxels=4, n_runs=2, n_stimuli=6)
    with pytest.raises(InputError, match=message):
        fit_single_trials(simulated.runs, simulated.events, **{"tr_s": 1.5, **options})
