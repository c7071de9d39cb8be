"""Representational similarity analysis of model and brain dissimilarity matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.hashing import digest_array
from ..._core.progress import track
from ..._core.random import derive_seed
from ...metrics import compare_rdms
from ...recordings.scores import Scores
from ._comparison import COMPARISONS, Context, Outcome, Picture, read_arrays, write_part
from ._region import Column, Region, RegionCeiling, Spread, layer_columns, layers_of
from ._rsa_data import (
    DISTANCES,
    HALVES,
    REFERENCES,
    Brain,
    Distance,
    Transform,
    brain_matrices,
    matrix_ceiling,
    model_matrices,
    transformed,
)
from ._rsa_pairwise import PairwiseComparison, compare_pairwise
from ._rsa_scores import score_matrices

Floats = NDArray[np.float64]
Comparison = Literal["spearman", "kendall", "cosine", "pearson", "rho-a"]
RSA_VERSION = 4
MAX_PICTURE_STIMULI = 120
_UNITS = {"spearman": "rho", "kendall": "tau-a", "cosine": "cosine", "pearson": "r", "rho-a": "rho-a"}


@COMPARISONS.register(
    "rsa",
    summary="similarity of model and brain dissimilarity matrices",
    needs="features or labels; recordings or RDMs",
    paper="Kriegeskorte, Mur & Bandettini 2008, doi:10.3389/neuro.06.004.2008",
    named_by=("distance", "comparison"),
)
def rsa(
    context: Context,
    *,
    distance: Distance = "correlation",
    comparison: Comparison | PairwiseComparison = "spearman",
) -> Outcome:
    """Compare every model's dissimilarity matrix with each region's.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    distance : str, default="correlation"
        Between the patterns of two stimuli, in models and (where recordings are given) in the brain.
    comparison : str, default="spearman"
        Between two matrices; ``"kendall"`` is tau-a. "whitened-cosine", "whitened-correlation", "bures" and
        "tau-b" come with intervals from a jackknife and without a ceiling.

    Returns
    -------
    outcome : Outcome
        Scores per subject, layer and model, ceilings, differences, matrices to draw.
    """
    if comparison not in get_args(Comparison):
        return compare_pairwise(context, distance, cast(PairwiseComparison, comparison))
    comparison = cast(Comparison, comparison)
    return compare_matrices(context, f"rsa-{comparison} ({distance})", distance, comparison)


def compare_matrices(
    context: Context,
    metric: str,
    distance: Distance,
    comparison: Comparison,
    transform: Transform | None = None,
) -> Outcome:
    """Compare matrices as they are, or as a transform makes them.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    metric : str
        What the scores are called; names the transform and its settings.
    distance, comparison : str
        As in :func:`rsa`.
    transform : Transform, optional
        What is done to every matrix first.

    Returns
    -------
    outcome : Outcome
        As of :func:`rsa`.
    """
    parts: list[Scores] = []
    tables: list[pd.DataFrame] = []
    pictures: list[Picture] = []
    warnings: list[str] = []
    brains: list[Brain] = []
    for roi in track(context.rois, f"rsa, {comparison}"):
        brain = brain_matrices(context, roi, distance)
        columns = layer_columns(context.candidates)
        models = model_matrices(columns, brain.items, distance)
        if transform is not None:
            brain, models = transformed(brain, transform), transform.apply(models)
        region = _region(context, brain, models, columns, roi, metric, comparison)
        parts.append(region.scores())
        tables.append(region.differences())
        if len(brain.subjects) > 1:
            parts.append(_group_mean(brain, models, columns, roi, f"{metric} group mean", comparison))
        pictures += _pictures(brain, models, columns, region, roi)
        warnings += _warnings(brain, roi, comparison)
        brains.append(brain)
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        pictures=tuple(pictures),
        audit=(_audit(brains[0], context, metric),),
        methods=_methods(brains, distance, comparison, context, transform),
        references=(*REFERENCES, *(transform.references if transform else ())),
        warnings=tuple(dict.fromkeys(warnings)),
        notes=_notes(brains[0], metric, context),
    )


def _region(
    context: Context,
    brain: Brain,
    models: Floats,
    columns: list[Column],
    roi: str,
    metric: str,
    comparison: Comparison,
) -> Region:
    inference = context.inference
    seed = derive_seed(context.plan.seed, "rsa", roi, metric)

    def make(folder: Path) -> None:
        scores = score_matrices(brain, models, columns, comparison=comparison, inference=inference, seed=seed)
        write_part(folder, {**scores, **matrix_ceiling(brain, comparison).to_arrays()})

    folder = context.store.get(
        "rsa",
        version=RSA_VERSION,
        parameters={
            "comparison": comparison,
            "seed": seed,
            "inference": inference.model_dump(mode="json"),
            "columns": [[column.name, column.layer] for column in columns],
            "plan": context.plan.key(),
        },
        inputs={
            "brain": brain.digest,
            "units": digest_array(brain.items.units),
            "models": digest_array(models),
        },
        make=make,
    )
    arrays = read_arrays(folder)
    return Region(
        roi=roi,
        metric=metric,
        unit=_UNITS[comparison],
        subjects=brain.subjects,
        columns=columns,
        layers=arrays["layers"],
        chosen=arrays["chosen"],
        p_layers=arrays["p_layers"],
        p_chosen=arrays["p_chosen"],
        spread=Spread.from_arrays(arrays),
        ceiling=RegionCeiling.from_arrays(arrays),
        n=brain.items.n_units if brain.items.run_wise else len(brain.items.ids),
    )


def _group_mean(
    brain: Brain, models: Floats, columns: list[Column], roi: str, metric: str, comparison: Comparison
) -> Scores:
    mean = brain.values.mean(axis=0)
    values = compare_rdms(mean, models, method=comparison)
    return Scores(
        pd.DataFrame(
            {
                "subject": "all",
                "roi": roi,
                "model": column.name,
                "family": column.candidate.family,
                "layer": column.layer,
                "metric": metric,
                "fold": "all",
                "value": float(value),
                "unit": _UNITS[comparison],
                "n": len(brain.items.ids),
            }
            for column, value in zip(columns, np.ravel(values), strict=True)
        )
    )


def _pictures(brain: Brain, models: Floats, columns: list[Column], region: Region, roi: str) -> list[Picture]:
    if brain.items.run_wise or len(brain.items.ids) > MAX_PICTURE_STIMULI:
        return []
    ids = brain.items.ids
    pictures = [
        Picture(f"{roi}, mean of {len(brain.subjects)}", "brain", roi, brain.values.mean(axis=0), ids)
    ]
    means = region.layers.mean(axis=0)
    for group in layers_of(columns):
        best = int(group[np.argmax(means[group])])
        column = columns[best]
        name = column.name if len(group) == 1 else f"{column.name}, {column.layer}"
        pictures.append(Picture(name, "model", roi, models[best], ids, column.name))
    return pictures


def _audit(brain: Brain, context: Context, metric: str) -> tuple[str, str, str]:
    if all(len(candidate.layers) == 1 for candidate in context.candidates):
        return (metric, "clean", "nothing is fitted or chosen")
    where = "other subjects" if len(brain.subjects) > 1 else "the other half of the stimuli"
    return (metric, "clean", f"nothing is fitted; layers are chosen on {where}")


def _warnings(brain: Brain, roi: str, comparison: Comparison) -> list[str]:
    if len(brain.subjects) == 1 and brain.items.run_wise:
        return ["RSA between the runs of one subject has no ceiling."]
    if len(brain.subjects) > 1 and len(brain.subjects) < 5:
        return [
            f"{roi}: with {len(brain.subjects)} subjects, intervals over new subjects are wide and rough."
        ]
    if len(brain.subjects) == 1 and brain.halves is None:
        return [f"{roi}: one subject and no repeated stimuli, so there is no ceiling."]
    if len(brain.subjects) == 1 and comparison not in HALVES:
        return [f"{roi}: halves of one subject's repetitions give no ceiling in the unit of {comparison}."]
    return []


def _notes(brain: Brain, metric: str, context: Context) -> dict[str, str]:
    several = len(brain.subjects) > 1
    over = "subjects and stimuli" if several else ("runs" if brain.items.run_wise else "stimuli")
    counted = "runs" if brain.items.run_wise else "stimuli"
    confidence = f"{context.inference.confidence:.0%}"
    mean = "Mean over subjects of the similarity" if several else "Similarity"
    return {
        metric: f"{mean} of model and brain matrices; {confidence} interval over {over}; n counts {counted}.",
        f"{metric} group mean": "Similarity of a model's matrix and the mean matrix of all subjects: not "
        "comparable with a ceiling for single subjects.",
    }


def _methods(
    brains: list[Brain],
    distance: str,
    comparison: Comparison,
    context: Context,
    transform: Transform | None,
) -> tuple[str, ...]:
    first = brains[0]
    inference = context.inference
    what = "blocks of different runs" if first.items.run_wise else "stimuli"
    source = context.dataset.rdms
    measured = (
        f"as published ({source.measure})"
        if source is not None
        else f"{DISTANCES[distance]} between the mean patterns of two {what}"
    )
    several = len(first.subjects) > 1
    choice = (
        "each subject's layer is the one that is best on average over the other subjects"
        if several
        else "layers are chosen on a random half of the stimuli and scored on the other half, both ways"
    )
    resampled = "subjects and stimuli" if several else ("runs" if first.items.run_wise else "stimuli")
    draws = f"{inference.n_bootstrap} bootstrap draws over {resampled}, in which copies make no pair"
    engine = f"a jackknife over {resampled}" if comparison == "kendall" else draws
    networks = any(candidate.features is not None for candidate in context.candidates)
    features = f"Models: {DISTANCES[distance]} between features; for labels, " if networks else "Labels: "
    layered = any(len(candidate.layers) > 1 for candidate in context.candidates)
    chosen = f"Where a model has several layers, {choice}. " if layered else ""
    scored = "Scores are means over subjects. " if several else ""
    factors = "the correction for two random factors and " if several else ""
    exchanged = "blocks within runs" if first.items.run_wise else "stimuli"
    return (
        f"RSA. The brain's dissimilarities are {measured}. {features}0 within a category and 1 between. "
        f"{f'{transform.methods} ' if transform else ''}Matrices "
        f"are compared by {_COMPARISONS[comparison]}. {scored}{chosen}Intervals "
        f"({inference.confidence:.0%}, on "
        f"Fisher's z) and differences between models come from {engine}, with {factors}t with the smaller "
        f"sample's degrees of freedom. p against zero: {inference.n_permutations} exchanges of {exchanged}, "
        "p = (b + 1) / (m + "
        f"1){', for a chosen layer against the largest of each exchange' if layered else ''}.",
    )


_COMPARISONS = {
    "spearman": "Spearman's rho",
    "kendall": "Kendall's tau-a",
    "cosine": "their cosine",
    "pearson": "Pearson's r",
    "rho-a": "rho-a",
}
