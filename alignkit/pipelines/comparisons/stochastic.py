"""Stochastic shape distance: responses with their trial-to-trial noise, and networks with noise put in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.random import derive_seed
from ...metrics import stochastic_shape_distance
from ...recordings.recording import Recording
from ._comparison import COMPARISONS, Context, Outcome, near_duplicates, region_of
from ._items import numbered
from ._measure import Measure
from ._measure_run import compare_by
from ._region import Column, RegionCeiling
from ._systems import Brains, System

Floats = NDArray[np.float64]
Compare = Callable[[Floats, Floats], float]
Form = Literal["gaussian", "energy"]
Noise = Literal["isotropic", "signal", "poisson"]
# Of the squared distance: far below what another draw of the noise changes.
TOLERANCE = 1e-6
N_SPLITS = 5
_NOISE = {
    "isotropic": "the same in all directions",
    "signal": "with the covariance of the signal over stimuli",
    "poisson": "of each unit with a variance in proportion to its response (rectified at its least one)",
}
_REFERENCES = (
    "Duong LR, Zhou J, Nassar J, Berman J, Olieslagers J, Williams AH (2023). Representational dissimilarity "
    "metric spaces for stochastic neural networks. ICLR. arXiv:2211.11665",
)


@COMPARISONS.register(
    "stochastic-shape",
    summary="shape distance of distributions over repeats, networks with noise like the recording's",
    needs="features; recordings with repeated stimuli",
    paper="Duong et al. 2023, arXiv:2211.11665",
    named_by=("form", "noise", "alpha"),
)
def stochastic_shape(
    context: Context,
    *,
    form: Form = "gaussian",
    alpha: float = 1.0,
    noise: Noise = "isotropic",
    n_components: int = 10,
    n_stimuli: int | None = 100,
    shrinkage: float = 0.5,
) -> Outcome:
    """Compare distributions of responses, not only their means.

    Every system is reduced to its leading principal components over stimuli and scaled to one variance of
    its means. Networks do not vary from trial to trial: they get noise with the recording's ratio of noise to
    signal, and as many repeats.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    form : {"gaussian", "energy"}, default="gaussian"
        Distance between the distributions of a stimulus.
    alpha : float, default=1.0
        Of "gaussian": 0 covariances only, 2 means only.
    noise : {"isotropic", "signal", "poisson"}, default="isotropic"
        What a network's noise is like.
    n_components : int, default=10
        Principal components of each system.
    n_stimuli : int or None, default=100
        At most so many stimuli, evenly spread over all.
    shrinkage : float, default=0.5
        Of covariances towards their mean over stimuli, see
        :func:`alignkit.metrics.stochastic_shape_distance`.

    Returns
    -------
    outcome : Outcome
        Distances, with how far halves of the repeats are apart as the floor (from 4 repeats on: the floor of
        "gaussian" lies somewhat lower, as all repeats are less noisy). With "energy" squared distances, which
        are unbiased by the number of repeats.
    """
    _check(form, noise, n_components, n_stimuli, alpha, shrinkage)
    gaussian = form == "gaussian"
    compare = _comparer(form, alpha, shrinkage)

    def model(column: Column, brains: Brains) -> System:
        seed = derive_seed(context.plan.seed, "stochastic-shape", column.name, column.layer)
        return _noisy(column, brains, noise, n_components, seed)

    words = f"alpha {alpha:g}" if gaussian else "squared"
    measure = Measure(
        metric=f"stochastic-shape ({form}, {words}, {noise} noise)",
        unit="of the signal's root mean square" if gaussian else "of the signal's mean length",
        prepare=_trials,
        compare=compare,
        permute=lambda trials, order: trials[:, order],
        brains=lambda roi: _brains(context, roi, n_components, n_stimuli),
        model=model,
        version=2,
        ceiling=lambda brains, seed: _floor(brains, compare, seed),
        settings={"form": form, "alpha": alpha, "noise": noise, "n": n_components, "shrinkage": shrinkage},
        needs_patterns=True,
        lower_is_closer=True,
        bounded=False,
        n_blocks=10,
        max_permutations=99,
        note="Stochastic shape distance, 0 for the same distributions up to a rotation",
        methods=f"Stochastic shape distance ({form}, {words}): every system is reduced to {n_components} "
        "principal components over stimuli and scaled to one signal variance; networks get Gaussian noise "
        f"{_NOISE[noise]}, with the recording's ratio of noise to signal and as many repeats; one rotation "
        "for all stimuli is sought.",
        references=_REFERENCES,
    )
    return compare_by(context, "stochastic-shape", measure)


def _check(
    form: str, noise: str, n_components: int, n_stimuli: int | None, alpha: float, shrinkage: float
) -> None:
    check_option("form", form, get_args(Form))
    check_option("noise", noise, tuple(_NOISE))
    if n_components < 1 or (n_stimuli is not None and n_stimuli < 8):
        raise InputError(
            f"`n_components` must be at least 1 and `n_stimuli` at least 8, got {n_components} and "
            f"{n_stimuli}."
        )
    if form == "energy" and (alpha != 1.0 or shrinkage != 0.5):
        raise InputError("`alpha` and `shrinkage` belong to form 'gaussian'; leave them out with 'energy'.")


def _comparer(form: Form, alpha: float, shrinkage: float) -> Compare:
    if form == "energy":
        search = partial(stochastic_shape_distance, kind="energy", squared=True)
    else:
        search = partial(stochastic_shape_distance, alpha=alpha, shrinkage=shrinkage)
    return lambda model, brain: float(search(model, brain, n_restarts=2, tol=TOLERANCE))


def _floor(brains: Brains, compare: Compare, seed: int) -> RegionCeiling | None:
    """Return how far halves of the repeats are apart, which is farther than the same system would be."""
    if any(len(_trials(system)) < 4 for system in brains.systems):
        return None
    found = []
    for number, system in enumerate(brains.systems):
        rng = np.random.default_rng(derive_seed(seed, "floor", str(number)))
        trials = _trials(system)
        half = len(trials) // 2
        orders = [rng.permutation(len(trials)) for _ in range(N_SPLITS)]
        found.append([compare(trials[o[:half]], trials[o[half : 2 * half]]) for o in orders])
    upper = float(np.mean(found))
    return RegionCeiling(np.nan, upper, np.nan, f"halves of the repeats, {N_SPLITS} splits")


def _trials(system: System) -> Floats:
    assert system.trials is not None  # they are made with trials
    return system.trials


def _brains(context: Context, roi: str, n_components: int, n_stimuli: int | None) -> Brains:
    study = context.dataset.study
    if study is None:
        raise InputError(
            "`stochastic-shape` needs recordings with repeats, not dissimilarities. Use `shape`."
        )
    ids = study.common_stimuli
    if n_stimuli is not None and len(ids) > n_stimuli:
        ids = [ids[i] for i in np.unique(np.linspace(0, len(ids) - 1, n_stimuli).astype(int))]
    if len(ids) < 8:
        raise InputError(
            f"`stochastic-shape` needs at least 8 stimuli that every subject saw, got {len(ids)}."
        )
    recordings = [region_of(recording, roi) for recording in study.values()]
    systems = [_reduced(_equal_repeats(recording, ids), n_components) for recording in recordings]
    units = numbered(near_duplicates(context, recordings[0], ids) or ids)
    digest = digest_json([[digest_array(_trials(system)) for system in systems], ids])
    return Brains(systems, recordings, study.subjects, ids, units, digest)


def _equal_repeats(recording: Recording, ids: list[str]) -> Floats:
    """Return (n_repeats, n_stimuli, n_channels): of each stimulus the first repeats, as many as all have."""
    shown = list(dict.fromkeys(recording.stimulus_ids))
    repeats = recording.repetitions()[[shown.index(name) for name in ids]]
    valid: NDArray[np.bool_] = np.asarray(np.isfinite(repeats).all(axis=2))
    count = int(valid.sum(axis=1).min())
    if count < 2:
        raise InputError(
            f"`stochastic-shape` needs every stimulus at least twice; {recording.subject!r} has some only "
            f"{count} time(s). Select the repeated stimuli, or use `shape`."
        )
    first = [np.flatnonzero(valid[i])[:count] for i in range(len(ids))]
    return np.stack([trials[rows] for trials, rows in zip(repeats, first, strict=True)], axis=1)


def _reduced(trials: Floats, n_components: int) -> System:
    means = trials.mean(axis=0)
    centred = means - means.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:n_components]
    scale = np.linalg.norm(centred @ axes.T)
    if not scale > 0:
        raise InputError("all stimuli have equal mean responses; leave that region out.")
    size = scale / np.sqrt(len(means))
    return System("squared-euclidean", trials=(trials - means.mean(axis=0)) @ axes.T / size)


def _noisy(column: Column, brains: Brains, noise: Noise, n_components: int, seed: int) -> System:
    assert column.candidate.features is not None  # the measure needs patterns
    features = column.candidate.features.matrix(column.layer, brains.stimulus_ids).astype(np.float64)
    means = features - features.mean(axis=0)
    left, sizes, axes = np.linalg.svd(means, full_matrices=False)
    kept = np.flatnonzero(sizes > 1e-12 * sizes[0])[:n_components]
    if not sizes[0] > 0:
        raise InputError(f"the layer {column.layer!r} of {column.name!r} is constant; leave it out.")
    recorded = [_trials(system) for system in brains.systems]
    level = float(np.mean([trials.var(axis=0, ddof=1).sum(axis=-1).mean() for trials in recorded]))
    n_repeats = min(len(trials) for trials in recorded)
    # The recording's means, of variance 1, hold this share of their noise.
    signal = 1.0 - level / n_repeats
    if signal <= 0:
        raise InputError(
            f"`stochastic-shape`: means over {n_repeats} repeats hold no more than noise: there is no signal "
            "to compare. Use a region that responds, or more repeats."
        )
    scores = left[:, kept] * sizes[kept]
    scores *= np.sqrt(signal * len(scores)) / np.linalg.norm(scores)
    rng = np.random.default_rng(seed)
    shape = (n_repeats, *scores.shape)
    if noise == "poisson":
        rates = features - features.min(axis=0)
        drawn = rng.standard_normal((n_repeats, *features.shape)) * np.sqrt(rates) @ axes[kept].T
    else:
        weights = scores.std(axis=0) if noise == "signal" else np.ones(len(kept))
        drawn = rng.standard_normal(shape) * weights
    drawn *= np.sqrt(level / (drawn.var(axis=0, ddof=1).sum(axis=-1).mean()))
    return System("squared-euclidean", trials=scores + drawn)
