from __future__ import annotations

import numpy as np
import pytest

from alignkit.preprocessing.single_trials.responses import fit_single_trials

PLAIN = {"denoise": False, "fractions": None}


@pytest.mark.parametrize("hrf_choice", ["cross-validation", "fit"])
def test_the_shape_of_strong_voxels_is_found(simulate, hrf_choice):
    simulated = simulate(sd=(6.0, 6.0), spacing_s=6.0, n_voxels=120)
    found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hrf_choice=hrf_choice, **PLAIN)
    strong = simulated.sd > 0
    assert (found.hrf_index == simulated.shapes)[strong].mean() > 0.9
    # Without a response there is nothing to find: chance is one in twenty.
    assert (found.hrf_index == simulated.shapes)[~strong].mean() < 0.2


def test_predicting_other_runs_beats_fitting_in_weak_voxels(simulate):
    simulated = simulate(sd=(0.8, 0.8), n_voxels=200, responding=1.0)
    off, likeness = {}, {}
    for choice in ("cross-validation", "fit"):
        found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hrf_choice=choice, **PLAIN)
        truth = simulated.of_trials(found.trials)
        off[choice] = np.abs(found.hrf_index - simulated.shapes).mean()
        likeness[choice] = np.mean([np.corrcoef(found.betas[:, v], truth[:, v])[0, 1] for v in range(200)])
    assert off["cross-validation"] < 0.7 * off["fit"]
    assert likeness["cross-validation"] > likeness["fit"] + 0.03


def test_trials_without_a_repeat_do_not_disturb_the_choice(simulate):
    simulated = simulate(sd=(6.0, 6.0), spacing_s=6.0, n_voxels=60, responding=1.0)
    events = [table.copy() for table in simulated.events]
    for run, table in enumerate(events):
        once = table.index[:12]
        table.loc[once, "stimulus_id"] = [f"only-{run}-{i}" for i in range(12)]
    found = fit_single_trials(simulated.runs, events, tr_s=1.5, **PLAIN)
    assert (found.hrf_index == simulated.shapes).mean() > 0.9
    shown = found.trials.groupby("stimulus_id")["run"].nunique()
    assert found.notes[-1].startswith(f"{(shown > 1).sum()} of {len(shown)} stimuli, shown in more than one")


def test_without_repeats_the_shape_is_fitted_and_a_note_says_so(simulate):
    simulated = simulate(sd=(6.0, 6.0), n_stimuli=60, n_in_run=20, n_runs=3, n_voxels=60, spacing_s=6.0)
    found = fit_single_trials(simulated.runs, simulated.events, tr_s=1.5, hrf="library")
    assert (found.hrf_index == simulated.shapes)[simulated.sd > 0].mean() > 0.8
    said = " ".join(found.notes)
    assert "shape of the response could not be cross-validated" in said
    assert "Shared noise was not regressed out: no stimulus is repeated in another run" in said
    assert "Responses were not shrunk: no stimulus is repeated in another run" in said
    assert "No ncsnr" in said
    assert found.n_noise_components == 0
    assert (found.fraction == 1).all()
    assert np.isnan(found.ncsnr).all()
