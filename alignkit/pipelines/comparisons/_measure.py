"""One engine for every comparison of two systems over the same stimuli: cka, shape, curvature and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...recordings.scores import HIGHER, LOWER, Scores
from ...stats import two_factor_jackknife
from ...stats.ceilings_repeats import jackknife_se
from ..candidates import Candidate
from ..config import InferenceOptions
from ._choice import LayerScores, choose_layers
from ._comparison import Context, Outcome, read_arrays, write_part
from ._region import Column, Region, RegionCeiling, Spread, layer_columns, p_of_layers
from ._systems import Brains, Distance, System, brain_systems, mean_system, model_system

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
MEASURE_VERSION = 1


@dataclass(frozen=True)
class Measure:
    """How two systems are compared, and what a report says of it.

    Attributes
    ----------
    metric, unit : str
        As in the table of scores.
    prepare : callable
        From a :class:`System` to whatever `compare` takes; done once per system.
    compare : callable
        From the model's and the brain's prepared systems to a number.
    permute : callable or None
        From a prepared system and an order of its stimuli to the same with its stimuli exchanged. None
        where exchanging them changes nothing, so that it tests nothing.
    pool : callable or None
        From several prepared systems to the one that is closest to all, for a ceiling over subjects.
    ceiling : callable or None
        From a region's systems and a seed to its ceiling, or None where the pool has to serve.
    brains, model : callable or None
        From a region to its systems, and from a layer and these to its system, where they are not the mean
        responses and the features.
    version : int
        Counts up when the same settings would give other numbers.
    settings : mapping
        What the numbers depend on besides the data.
    distance : str
        Between the patterns of two stimuli.
    needs_patterns : bool
        Whether dissimilarities alone are not enough.
    lower_is_closer : bool
        Whether it is a distance.
    bounded : bool
        Whether it lies in [-1, 1] as a correlation does, so that intervals are taken on Fisher's z.
    n_blocks : int
        Of the jackknife over stimuli.
    max_permutations : int
        Where one costs much, at most so many.
    pooled : bool
        Whether models are held against the mean dissimilarities of all subjects, for costs' sake.
    note : str
        What the value is.
    methods : str
        A sentence or two for the methods section.
    references : tuple of str
        What to cite.
    """

    metric: str
    unit: str
    prepare: Callable[[System], Any]
    compare: Callable[[Any, Any], float]
    note: str
    methods: str
    references: tuple[str, ...]
    permute: Callable[[Any, Index], Any] | None = None
    pool: Callable[[Sequence[Any]], Any] | None = None
    ceiling: Callable[[Brains, int], RegionCeiling | None] | None = None
    brains: Callable[[str], Brains] | None = None
    model: Callable[[Column, Brains], System] | None = None
    version: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    distance: Distance = "squared-euclidean"
    needs_patterns: bool = False
    lower_is_closer: bool = False
    bounded: bool = True
    n_blocks: int = 40
    max_permutations: int = 10_000
    pooled: bool = False


def compare_by(context: Context, kind: str, measure: Measure) -> Outcome:
    """Compare every layer of every model with each region of every subject.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    kind : str
        Name of the comparison.
    measure : Measure
        What is computed.

    Returns
    -------
    outcome : Outcome
        Scores per subject, layer and model, ceilings where they are known, differences.
    """
    parts: list[Scores] = []
    tables: list[pd.DataFrame] = []
    unknown = []
    columns = layer_columns(_candidates(context, measure))
    for roi in track(context.rois, measure.metric):
        brains = (
            measure.brains(roi)
            if measure.brains
            else brain_systems(
                context, roi, distance=measure.distance, kind=kind, patterns=measure.needs_patterns
            )
        )
        if measure.pooled and len(brains.systems) > 1:
            brains = mean_system(brains)
        region = _region(context, kind, measure, brains, columns, roi)
        parts.append(region.scores())
        tables.append(region.differences())
        if not np.isfinite(region.ceiling.upper):
            unknown.append(roi)
    several = len(context.dataset.subjects) > 1 and not measure.pooled
    where = "other subjects" if several else "the other half of the stimuli"
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        audit=((measure.metric, "clean", f"nothing is fitted to responses; layers are chosen on {where}"),),
        methods=(_methods(context, measure, several),),
        references=measure.references,
        warnings=(f"{measure.metric} has no ceiling in {', '.join(unknown)}.",) if unknown else (),
        notes={measure.metric: _note(context, measure, several)},
    )


def _candidates(context: Context, measure: Measure) -> list[Candidate]:
    return [c for c in context.candidates if c.features is not None or not measure.needs_patterns]


def _region(
    context: Context, kind: str, measure: Measure, brains: Brains, columns: list[Column], roi: str
) -> Region:
    seed = derive_seed(context.plan.seed, kind, roi)
    inference = context.inference
    folder = context.store.get(
        kind,
        version=MEASURE_VERSION * 1000 + measure.version,
        parameters={
            "settings": dict(measure.settings),
            "distance": measure.distance,
            "seed": seed,
            "inference": inference.model_dump(mode="json"),
            "columns": [[column.name, column.layer] for column in columns],
            "plan": context.plan.key(),
        },
        inputs={
            "brain": brains.digest,
            "units": digest_array(brains.units),
            "models": digest_json([column.candidate.digest for column in columns]),
        },
        make=lambda folder: write_part(folder, _compute(measure, brains, columns, inference, seed)),
    )
    arrays = read_arrays(folder)
    return Region(
        roi=roi,
        metric=measure.metric,
        unit=measure.unit,
        subjects=brains.subjects,
        columns=columns,
        layers=arrays["layers"],
        chosen=arrays["chosen"],
        p_layers=arrays["p_layers"],
        p_chosen=arrays["p_chosen"],
        spread=Spread.from_arrays(arrays),
        ceiling=RegionCeiling.from_arrays(arrays),
        n=len(brains.stimulus_ids),
        closer=LOWER if measure.lower_is_closer else HIGHER,
    )


def _compute(
    measure: Measure, brains: Brains, columns: list[Column], inference: InferenceOptions, seed: int
) -> dict[str, NDArray[Any]]:
    """Return all numbers of a region; inside, larger is closer, so that distances have the other sign."""
    systems = [
        measure.model(column, brains)
        if measure.model
        else model_system(column, brains.stimulus_ids, measure.distance)
        for column in columns
    ]
    sign = -1.0 if measure.lower_is_closer else 1.0

    def make_scorer(indices: Index, half: NDArray[np.bool_] | None) -> LayerScores:
        def score(weights: Floats) -> Floats:
            kept = weights > 0 if half is None else (weights > 0) & half
            keep = np.flatnonzero(kept[brains.units])
            models = [measure.prepare(systems[i].take(keep)) for i in indices]
            regions = [measure.prepare(system.take(keep)) for system in brains.systems]
            return np.array([[sign * measure.compare(a, b) for a in models] for b in regions])

        return score

    n_units = int(brains.units.max()) + 1
    everything = np.ones(n_units)
    with fixed_threads(1):
        layers = make_scorer(np.arange(len(columns)), None)(everything)
        chosen_scores = choose_layers(layers, make_scorer, columns, n_units=n_units, seed=seed)
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
        p = _p(
            measure, models, regions, layers, chosen, columns,
            n_stimuli=len(brains.stimulus_ids), n_permutations=inference.n_permutations, seed=seed,
        )  # fmt: skip
        known = measure.ceiling(brains, seed) if measure.ceiling else None
        ceiling = known or _pooled_ceiling(measure, regions)
    kept = Spread.of(spread, bounded=measure.bounded)
    return {
        "layers": sign * layers,
        "chosen": sign * chosen,
        **p,
        **(kept.negated() if measure.lower_is_closer else kept).to_arrays(),
        **ceiling.to_arrays(),
    }


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
    null = np.empty((min(n_permutations, measure.max_permutations), len(models)))
    for row in track(range(len(null)), "permutations"):
        order = rng.permutation(n_stimuli)
        exchanged = [measure.permute(region, order) for region in regions]
        null[row] = [sign * np.mean([measure.compare(model, b) for b in exchanged]) for model in models]
    return p_of_layers(layers, chosen, null, columns)


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


def _note(context: Context, measure: Measure, several: bool) -> str:
    over = ", mean over subjects" if several else ""
    confidence = f"{context.inference.confidence:.0%}"
    return f"{measure.note}{over}; {confidence} interval from a jackknife; n counts stimuli."


def _methods(context: Context, measure: Measure, several: bool) -> str:
    choice = (
        "each subject's layer is the one that is best on average over the other subjects"
        if several
        else "layers are chosen on a random half of the stimuli and scored on the other half, both ways"
    )
    layered = any(len(candidate.layers) > 1 for candidate in _candidates(context, measure))
    resampled = "subjects and blocks of stimuli" if several else "blocks of stimuli"
    count = min(context.inference.n_permutations, measure.max_permutations)
    p = (
        "Exchanging stimuli does not change it, so that there is no p against that."
        if measure.permute is None
        else f"p: {count} exchanges of stimuli, p = (b + 1) / (m + 1)"
        f"{', for a chosen layer against the best of each exchange' if layered else ''}."
    )
    return (
        f"{measure.methods} {f'Of several layers, {choice}. ' if layered else ''}Intervals and differences "
        f"come from a jackknife over {resampled} (each stimulus with its near-duplicates), with t of the "
        f"smaller sample's degrees of freedom. {p}"
    )
