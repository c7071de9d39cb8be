from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics import stochastic_shape_distance
from alignkit.pipelines.comparisons import stochastic


def test_the_planted_model_is_the_closest(make_context, chosen, planted):
    candidates = [replace(planted["true"], layers=("late",)), planted["other"]]
    context = make_context(n_subjects=1, candidates=candidates)
    outcome = stochastic.stochastic_shape(context, form="energy", n_components=4, n_stimuli=24)
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["closer"] == "lower"
    assert true["value"] < other["value"]
    assert true["p"] == 0.01
    assert true["ceiling_upper"] < other["value"]
    assert "halves of the repeats" in true["ceiling_estimator"]


@pytest.mark.parametrize("noise", ["isotropic", "signal", "poisson"])
def test_each_noise_varies_as_it_says(make_context, noise):
    context = make_context(n_subjects=1)
    brains = stochastic._brains(context, "A", 6, None)
    brains = replace(
        brains, systems=[replace(brains.systems[0], trials=np.tile(brains.systems[0].trials, (100, 1, 1)))]
    )
    column = stochastic.Column(context.candidates[0], "late")
    trials = stochastic._noisy(column, brains, noise, 6, 0).trials
    variances = trials.var(axis=0, ddof=1)
    by_axis, by_stimulus = variances.mean(axis=0), variances.sum(axis=1)
    along = np.corrcoef(by_axis, trials.mean(axis=0).var(axis=0))[0, 1]
    assert (along > 0.99) == (noise == "signal")
    assert (by_axis.max() / by_axis.min() < 1.2) == (noise == "isotropic")
    assert (by_stimulus.max() / by_stimulus.min() > 2) == (noise == "poisson")


def test_a_network_gets_the_recordings_noise_and_signal(make_context):
    context = make_context(n_subjects=1)
    brains = stochastic._brains(context, "A", 6, None)
    trials = brains.systems[0].trials
    assert trials.shape == (4, 48, 6)
    assert (trials.mean(axis=0) ** 2).sum(axis=1).mean() == pytest.approx(1.0)
    column = stochastic.Column(context.candidates[0], "late")
    made = stochastic._noisy(column, brains, "isotropic", 6, 0).trials
    noise = [values.var(axis=0, ddof=1).sum(axis=1).mean() for values in (trials, made)]
    assert noise[1] == pytest.approx(noise[0])
    # The means of both hold a quarter of the noise, and together have variance 1.
    assert (made.mean(axis=0) ** 2).sum(axis=1).mean() == pytest.approx(1.0, abs=0.1)


def test_a_score_is_the_metric_between_the_trials(make_context):
    context = make_context(n_subjects=1)
    outcome = stochastic.stochastic_shape(context, form="energy", n_components=4)
    brains = stochastic._brains(context, "A", 4, 200)
    column = stochastic.Column(context.candidates[1], "only")
    seed = stochastic.derive_seed(0, "stochastic-shape", "other", "only")
    made = stochastic._noisy(column, brains, "isotropic", 4, seed).trials
    expected = stochastic_shape_distance(
        made, brains.systems[0].trials, kind="energy", squared=True, n_restarts=2, tol=1e-6
    )
    found = outcome.scores.select(subject="all", roi="A", model="other", layer="only").table["value"].iloc[0]
    assert found == pytest.approx(expected)


def test_repeats_and_signal_are_needed(make_context, planted):
    context = make_context(n_subjects=1)
    recording = context.dataset.study["sub0"]
    once = recording.select(samples=np.arange(60))
    with pytest.raises(InputError, match="needs every stimulus at least twice; 'sub0' has some only 1 time"):
        stochastic._equal_repeats(once, list(dict.fromkeys(once.stimulus_ids)))
    with pytest.raises(InputError, match="`n_components` must be at least 1 and `n_stimuli` at least 8"):
        stochastic.stochastic_shape(context, n_components=-1)
    with pytest.raises(InputError, match="belong to form 'gaussian'"):
        stochastic.stochastic_shape(context, form="energy", alpha=0.3)
    with pytest.raises(InputError, match="`noise` is 'pink'"):
        stochastic.stochastic_shape(context, noise="pink")
