"""One engine for every measure: all layers, regions and subjects, and what a report says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ...recordings.scores import HIGHER, LOWER, Scores
from ..candidates import Candidate
from ._choice import how_layers_are_chosen
from ._comparison import Context, Outcome, read_arrays, write_part
from ._measure import Measure
from ._measure_scores import by_halves, compute
from ._region import Column, Region, RegionCeiling, Spread, layer_columns, layers_of
from ._systems import Brains, brain_systems, mean_system

Floats = NDArray[np.float64]
MEASURE_VERSION = 3


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
    said: list[str] = []
    candidates = _candidates(context, kind, measure)
    left_out = [c.name for c in context.candidates if c not in candidates]
    if left_out:
        said.append(f"{measure.metric}: {', '.join(left_out)} has no features and takes no part.")
    columns = layer_columns(candidates)
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
        region, messages = _region(context, kind, measure, brains, columns, roi)
        said += [f"{measure.metric}: {message}" for message in messages]
        parts.append(region.scores())
        tables.append(region.differences())
        if not np.isfinite(region.ceiling.upper):
            unknown.append(roi)
    several = len(context.dataset.subjects) > 1 and not measure.pooled
    bound = "noise floor" if measure.lower_is_closer else "ceiling"
    if unknown:
        said.append(f"{measure.metric} has no {bound} in {', '.join(unknown)}.")
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        audit=((measure.metric, "clean", _audit(measure, columns, several)),),
        methods=(_methods(context, measure, several),),
        references=measure.references,
        warnings=tuple(dict.fromkeys(said)),
        notes={measure.metric: _note(context, measure, several)},
        without_zero=() if measure.zero_is_chance else (measure.metric,),
    )


def _candidates(context: Context, kind: str, measure: Measure) -> list[Candidate]:
    found = [c for c in context.candidates if c.features is not None or not measure.needs_patterns]
    if not found:
        wanted = "networks with features" if measure.needs_patterns else "models"
        raise InputError(f"`{kind}` needs {wanted}; name some under `models`.")
    return found


def _audit(measure: Measure, columns: list[Column], several: bool) -> str:
    said = measure.fits or "nothing is fitted to responses"
    if max(map(len, layers_of(columns))) > 1:
        said += f"; layers are chosen on {'other subjects' if several else 'the other half of the stimuli'}"
    return said


def _region(
    context: Context, kind: str, measure: Measure, brains: Brains, columns: list[Column], roi: str
) -> tuple[Region, list[str]]:
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
        make=lambda folder: write_part(folder, compute(measure, brains, columns, inference, seed)),
    )
    arrays = read_arrays(folder)
    halved = by_halves(measure, brains, columns)
    region = Region(
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
        n_chosen=len(brains.stimulus_ids) // 2 if halved else None,
        closer=LOWER if measure.lower_is_closer else HIGHER,
    )
    return region, [str(message) for message in arrays["messages"]]


def _note(context: Context, measure: Measure, several: bool) -> str:
    over = ", mean over subjects" if several else ""
    confidence = f"{context.inference.confidence:.0%}"
    return f"{measure.note}{over}; {confidence} interval from a jackknife; n counts stimuli."


def _methods(context: Context, measure: Measure, several: bool) -> str:
    choice = how_layers_are_chosen(several)
    layered = any(len(candidate.layers) > 1 for candidate in context.candidates)
    halved = not several and not measure.size_free
    if halved:
        choice += "; as values depend on the number of stimuli, models of one layer are scored so as well"
    resampled = "subjects and blocks of stimuli" if several else "blocks of stimuli"
    against = "the same choice in each exchange" if halved else "the best of each exchange"
    count = min(context.inference.n_permutations, measure.max_permutations)
    p = (
        "Exchanging stimuli does not change it, so that there is no p against that."
        if measure.permute is None
        else f"p: {count} exchanges of stimuli, p = (b + 1) / (m + 1)"
        f"{f', for a chosen layer against {against}' if layered else ''}."
    )
    return (
        f"{measure.methods} {f'Of several layers, {choice}. ' if layered else ''}Intervals and differences "
        f"come from a jackknife over {resampled} (each stimulus with its near-duplicates), with t of the "
        f"smaller sample's degrees of freedom. {p}"
    )
