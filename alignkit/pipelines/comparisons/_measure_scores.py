"""The numbers of a measure in one region: scores, chosen layers, intervals, null and ceiling."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...stats import permutation_p, two_factor_jackknife
from ...stats.ceilings_repeats import jackknife_se
from ..config import InferenceOptions
from ._choice import LayerScores, MakeScorer, are_crossed, both_halves, choose_layers, cross_halves
from ._measure import Measure
from ._region import Column, RegionCeiling, Spread, layers_of, p_of_layers
from ._systems import Brains, System, model_system

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
MOST_MESSAGES = 3


def compute(
    measure: Measure, brains: Brains, columns: list[Column], inference: InferenceOptions, seed: int
) -> dict[str, NDArray[Any]]:
    """Return all numbers of a region, as arrays to store.

    Inside, larger is closer: distances have the other sign.
    """
    systems = [
        measure.model(column, brains)
        if measure.model
        else model_system(column, brains.stimulus_ids, measure.distance)
        for column in columns
    ]
    sign = -1.0 if measure.lower_is_closer else 1.0
    make_scorer = _scorer(measure, systems, brains, columns)
    n_units = int(brains.units.max()) + 1
    everything = np.ones(n_units)
    halved = by_halves(measure, brains, columns)
    layers, messages = _with_messages(make_scorer(np.arange(len(columns)), None), everything)
    with fixed_threads(1), warnings.catch_warnings():
        # Said once, of all data, and not again of every part of them.
        warnings.simplefilter("ignore", UserWarning)
        chosen_scores = choose_layers(
            layers, make_scorer, columns, n_units=n_units, seed=seed, all_by_halves=halved
        )
        chosen = chosen_scores(everything)
        spread = two_factor_jackknife(
            lambda keep: chosen_scores(keep.astype(np.float64)),
            len(brains.subjects),
            n_units,
            n_blocks=measure.n_blocks,
            confidence=inference.confidence,
        )
        models = [measure.prepare(system) for system in systems]
        regions = [measure.prepare(system) for system in brains.systems]
        n_permutations = min(inference.n_permutations, measure.max_permutations)
        p = _p(measure, models, regions, layers, chosen, columns,
            n_stimuli=len(brains.stimulus_ids), n_permutations=n_permutations, seed=seed,
        )  # fmt: skip
        crossed = are_crossed(layers_of(columns), len(brains.systems), halved)
        if crossed.any() and measure.permute is not None:
            by_half = _p_by_halves(measure, systems, brains, chosen, columns, n_permutations, seed)
            p["p_chosen"] = np.where(crossed, by_half, p["p_chosen"])
        ceiling = _ceiling(measure, brains, regions, halved, seed)
    kept = Spread.of(spread, bounded=measure.bounded)
    if measure.lower_is_closer and (chosen <= 0).all():
        # What cannot be below 0 has no interval there.
        kept = replace(kept, ci_high=np.minimum(kept.ci_high, 0.0))
    return {
        "layers": sign * layers,
        "chosen": sign * chosen,
        **p,
        **(kept.negated() if measure.lower_is_closer else kept).to_arrays(),
        **ceiling.to_arrays(),
        "messages": np.array(messages, dtype=np.str_),
    }


def _scorer(
    measure: Measure, systems: Sequence[System], brains: Brains, columns: Sequence[Column]
) -> MakeScorer:
    """Return what makes scorers of some columns and some of the stimuli; larger is closer."""
    sign = -1.0 if measure.lower_is_closer else 1.0

    def make_scorer(indices: Index, half: NDArray[np.bool_] | None) -> LayerScores:
        def score(weights: Floats) -> Floats:
            kept = weights > 0 if half is None else (weights > 0) & half
            keep = np.flatnonzero(kept[brains.units])
            models = [prepared(measure, systems[i].take(keep), columns[i]) for i in indices]
            regions = [measure.prepare(system.take(keep)) for system in brains.systems]
            return np.array([[sign * measure.compare(a, b) for a in models] for b in regions])

        return score

    return make_scorer


def _with_messages(score: LayerScores, everything: Floats) -> tuple[Floats, list[str]]:
    """Return the scores of all stimuli, and the first few things that were warned of."""
    with fixed_threads(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layers = score(everything)
    said = dict.fromkeys(str(warning.message) for warning in caught if warning.category is UserWarning)
    return layers, list(said)[:MOST_MESSAGES]


def by_halves(measure: Measure, brains: Brains, columns: Sequence[Column]) -> bool:
    """Say whether models are scored on halves of the stimuli: layers are chosen, and size matters."""
    layered = max(map(len, layers_of(columns))) > 1
    return layered and len(brains.systems) == 1 and not measure.size_free


def prepared(measure: Measure, system: System, column: Column) -> Any:
    """Return a layer as the measure takes it, naming it where it cannot be."""
    try:
        return measure.prepare(system)
    except InputError as error:
        raise InputError(f"the layer {column.layer!r} of {column.name!r}: {error}") from error


def _p(
    measure: Measure,
    models: list[Any],
    regions: list[Any],
    layers: Floats,
    chosen: Floats,
    columns: list[Column],
    *,
    n_stimuli: int,
    n_permutations: int,
    seed: int,
) -> dict[str, Floats]:
    """Hold the mean over subjects against exchanged stimuli, the same exchange for all."""
    if measure.permute is None:
        return {
            "p_layers": np.full(len(columns), np.nan),
            "p_chosen": np.full(chosen.shape[1], np.nan),
        }
    sign = -1.0 if measure.lower_is_closer else 1.0
    rng = np.random.default_rng(derive_seed(seed, "null"))
    null = np.empty((n_permutations, len(models)))
    for row in track(range(len(null)), "permutations"):
        order = rng.permutation(n_stimuli)
        exchanged = [measure.permute(region, order) for region in regions]
        null[row] = [sign * np.mean([measure.compare(model, b) for b in exchanged]) for model in models]
    return p_of_layers(layers, chosen, null, columns)


def _p_by_halves(
    measure: Measure,
    systems: Sequence[System],
    brains: Brains,
    chosen: Floats,
    columns: Sequence[Column],
    n_permutations: int,
    seed: int,
) -> Floats:
    """Hold a model against the same choice and scores, on the same halves, of exchanged stimuli."""
    sign = -1.0 if measure.lower_is_closer else 1.0
    halves = [np.flatnonzero(half[brains.units]) for half in both_halves(int(brains.units.max()) + 1, seed)]
    models = [[measure.prepare(system.take(rows)) for system in systems] for rows in halves]
    groups = layers_of(columns)
    rng = np.random.default_rng(derive_seed(seed, "null by halves"))
    null = np.empty((n_permutations, len(groups)))
    for row in track(range(n_permutations), "permutations"):
        order = rng.permutation(len(brains.stimulus_ids))
        regions = [measure.prepare(brains.systems[0].take(order[rows])) for rows in halves]
        halved = zip(models, regions, strict=True)
        scores = np.array([[sign * measure.compare(model, b) for model in half] for half, b in halved])
        null[row] = cross_halves(scores, groups)
    return np.asarray(permutation_p(chosen.mean(axis=0), null), dtype=np.float64)


def _ceiling(
    measure: Measure, brains: Brains, regions: Sequence[Any], halved: bool, seed: int
) -> RegionCeiling:
    if measure.ceiling is None:
        return _pooled_ceiling(measure, regions)
    if not halved:
        return measure.ceiling(brains, seed) or _pooled_ceiling(measure, regions)
    rows = [np.flatnonzero(half[brains.units]) for half in both_halves(int(brains.units.max()) + 1, seed)]
    found = [measure.ceiling(brains.take(part), seed) for part in rows]
    if found[0] is None or found[1] is None:
        return RegionCeiling()
    lower, upper = (np.mean([getattr(c, name) for c in found]) for name in ("lower", "upper"))
    return replace(found[0], lower=float(lower), upper=float(upper), se=np.nan)


def _pooled_ceiling(measure: Measure, regions: Sequence[Any]) -> RegionCeiling:
    """Bound the mean over subjects by the pool of all subjects and by the pool of the others."""
    if measure.pool is None or len(regions) < 2:
        return RegionCeiling()
    bounds = _bounds(measure, regions)
    se = np.nan
    if len(regions) > 2:
        without = [[*regions[:s], *regions[s + 1 :]] for s in range(len(regions))]
        se = float(jackknife_se(np.array([_bounds(measure, kept) for kept in without]))[0])
    estimator = f"leave-one-subject-out, {len(regions)} subjects, jackknife over subjects"
    return RegionCeiling(bounds[0], bounds[1], se, estimator)


def _bounds(measure: Measure, regions: Sequence[Any]) -> tuple[float, float]:
    assert measure.pool is not None  # the caller looked
    everyone = measure.pool(regions)
    others = [measure.pool([*regions[:s], *regions[s + 1 :]]) for s in range(len(regions))]
    lower = np.mean([measure.compare(pool, region) for pool, region in zip(others, regions, strict=True)])
    upper = np.mean([measure.compare(everyone, region) for region in regions])
    return float(lower), float(upper)
