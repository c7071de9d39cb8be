from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials.responses import fit_single_trials

CHOSEN = ("hrf_index", "fraction", "noise_pool", "noise_component_errors", "on_off_r2", "n_noise_components")


def with_test_runs(simulate):
    """Return six runs, of which two show test stimuli only, and one a test trial after a pause."""
    simulated = simulate(3, n_runs=6, n_stimuli=20, n_voxels=120, shared=1.0)
    events = [table.copy() for table in simulated.events]
    for table in events[4:]:
        table["stimulus_id"] = "test-" + table["stimulus_id"]
    gone = events[0].index[-5:]
    events[0] = events[0].drop(gone[:-1])
    events[0].loc[gone[-1], "stimulus_id"] = "test-s3"
    hold_out = sorted({name for table in events for name in table["stimulus_id"] if name.startswith("test")})
    return simulated, events, hold_out


def scrambled(simulated, events, window_s=20.0):
    rng = np.random.default_rng(9)
    runs = [run.copy() for run in simulated.runs]
    for number in (4, 5):
        runs[number] = rng.permuted(runs[number], axis=0) + 5 * rng.standard_normal(runs[number].shape)
    last = events[0].iloc[-1]
    times = (np.arange(len(runs[0])) + 0.5) * simulated.tr_s
    follows = (times >= last["onset_s"]) & (times <= last["onset_s"] + 1.0 + window_s)
    assert follows.sum() >= 10
    runs[0][follows] += 5 * rng.standard_normal((follows.sum(), runs[0].shape[1]))
    return runs


@pytest.mark.parametrize("unit", ["percent", "data"])
def test_no_volume_of_a_held_out_trial_moves_a_hyper_parameter(simulate, unit):
    simulated, events, hold_out = with_test_runs(simulate)
    options = {"tr_s": simulated.tr_s, "hold_out": hold_out, "unit": unit}
    found = fit_single_trials(simulated.runs, events, **options)
    other = fit_single_trials(scrambled(simulated, events), events, **options)
    for name in CHOSEN:
        np.testing.assert_array_equal(getattr(found, name), getattr(other, name))
    assert found.n_noise_components > 0
    # Nor does it move a response in another run.
    elsewhere = found.trials["run"].isin([2, 3, 4]).to_numpy()
    np.testing.assert_array_equal(found.betas[elsewhere], other.betas[elsewhere])
    assert f"{len(hold_out)} stimuli were held out: no volume until 20 s after" in found.notes[-1]


def test_without_holding_out_they_do(simulate):
    simulated, events, _ = with_test_runs(simulate)
    found = fit_single_trials(simulated.runs, events, tr_s=simulated.tr_s)
    other = fit_single_trials(scrambled(simulated, events), events, tr_s=simulated.tr_s)
    assert (found.hrf_index != other.hrf_index).mean() > 0.05
    assert (found.fraction != other.fraction).mean() > 0.2
    assert "None was held out" in found.notes[-1]


def test_labels_of_held_out_trials_tell_nothing_even_among_others(simulate):
    simulated = simulate(4, n_stimuli=20, n_voxels=80)
    hold_out = [f"s{i}" for i in range(8)]
    shuffled = []
    rng = np.random.default_rng(0)
    for table in simulated.events:
        changed = table.copy()
        rows = changed["stimulus_id"].isin(hold_out)
        changed.loc[rows, "stimulus_id"] = rng.permutation(changed.loc[rows, "stimulus_id"])
        shuffled.append(changed)
    options = {"tr_s": simulated.tr_s, "hold_out": hold_out, "hold_out_by": "labels"}
    found = fit_single_trials(simulated.runs, simulated.events, **options)
    other = fit_single_trials(simulated.runs, shuffled, **options)
    for name in (*CHOSEN, "betas"):
        np.testing.assert_array_equal(getattr(found, name), getattr(other, name))
    free = {"tr_s": simulated.tr_s}
    one = fit_single_trials(simulated.runs, simulated.events, **free)
    two = fit_single_trials(simulated.runs, shuffled, **free)
    assert (one.fraction != two.fraction).any()


def test_held_out_responses_are_estimated_all_the_same(simulate):
    simulated, events, hold_out = with_test_runs(simulate)
    found = fit_single_trials(simulated.runs, events, tr_s=simulated.tr_s, hold_out=hold_out)
    rows = found.trials["stimulus_id"].isin(hold_out).to_numpy()
    names = found.trials["stimulus_id"].str.removeprefix("test-")
    truth = simulated.of_trials(pd.DataFrame({"stimulus_id": names}))
    strong = np.flatnonzero(simulated.sd > 1)
    r = [np.corrcoef(found.betas[rows, v], truth[rows, v])[0, 1] for v in strong]
    assert np.mean(r) > 0.6


def test_in_pure_noise_only_what_was_held_out_is_unreliable(simulate):
    """Shapes chosen by repeats make repeats alike; those of held-out stimuli stay as unlike as they are."""
    inside, outside = [], []
    for seed in range(4):
        simulated = simulate(seed, n_runs=6, n_stimuli=20, n_voxels=100, responding=0.0)
        events = [table.copy() for table in simulated.events]
        for table in events[4:]:
            table["stimulus_id"] = "test-" + table["stimulus_id"]
        hold_out = sorted(events[4]["stimulus_id"])
        found = fit_single_trials(simulated.runs, events, tr_s=1.5, denoise=False, hold_out=hold_out)
        order = found.trials.sort_values(["run", "stimulus_id"]).index
        runs = found.betas[order].reshape(6, 20, 100)
        for first, second, kept in ((0, 1, inside), (2, 3, inside), (4, 5, outside)):
            kept += [np.corrcoef(runs[first, :, v], runs[second, :, v])[0, 1] for v in range(100)]
    assert np.mean(inside) > 0.035
    assert abs(np.mean(outside)) < 0.02


def test_nothing_left_to_choose_from_is_refused(simulate):
    simulated = simulate(n_stimuli=10, n_runs=2, n_voxels=40)
    everything = [f"s{i}" for i in range(10)]
    with pytest.raises(InputError, match="until 20 s after each held-out trial nothing is left .*'labels'"):
        fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hold_out=everything)
    # Where nothing is chosen, nothing needs to be left.
    plain = {"hrf": "canonical", "denoise": False, "fractions": None, "tr_s": 1.5}
    one = fit_single_trials(simulated.runs, simulated.events, hold_out=everything, **plain)
    np.testing.assert_array_equal(
        one.betas, fit_single_trials(simulated.runs, simulated.events, **plain).betas
    )


def test_the_scale_of_shrunken_responses_is_not_that_of_held_out_trials(simulate):
    simulated, events, hold_out = with_test_runs(simulate)
    options = {"tr_s": 1.5, "hrf": "canonical", "denoise": False, "fractions": 0.4, "hold_out": hold_out}
    found = fit_single_trials(simulated.runs, events, **options)
    other = fit_single_trials(scrambled(simulated, events), events, **options)
    elsewhere = found.trials["run"].isin([2, 3, 4]).to_numpy()
    np.testing.assert_array_equal(found.betas[elsewhere], other.betas[elsewhere])


def test_what_is_held_out_must_be_there(simulate):
    simulated = simulate(n_stimuli=10, n_runs=2, n_voxels=40)
    with pytest.raises(InputError, match="names 1 stimuli that no run shows, such as 'cat'"):
        fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hold_out=["s1", "cat"])
    with pytest.raises(InputError, match="a list of stimulus ids, got the text 's1'"):
        fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hold_out="s1")
    with pytest.raises(InputError, match="`hold_out_window_s` must be at least 0 seconds, got -1"):
        fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hold_out_window_s=-1)
