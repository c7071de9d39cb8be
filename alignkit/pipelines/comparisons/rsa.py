"""Representational similarity analysis of model and brain dissimilarity matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array
from ..._core.progress import track
from ..._core.random import derive_seed
from ...metrics import compare_rdms
from ...recordings.scores import Scores
from ..candidates import Candidate
from ._answering import answering
from ._comparison import COMPARISONS, Context, Outcome, Picture, read_arrays, write_part
from ._region import Column, Region, RegionCeiling, Spread, layer_columns, layers_of
from ._rsa_crossnobis import REFERENCES as CROSSED_REFERENCES
from ._rsa_crossnobis import Crossing, FoldBy, NoiseNormalisation
from ._rsa_data import (
    REFERENCES,
    Brain,
    BrainDistance,
    Distance,
    Transform,
    brain_matrices,
    matrix_ceiling,
    model_matrices,
    transformed,
)
from ._rsa_pairwise import PairwiseComparison, compare_pairwise
from ._rsa_partial import check_left, regressed_out, split_candidates
from ._rsa_scores import score_matrices
from ._rsa_text import Comparison as Comparison
from ._rsa_text import audit_of, methods_of, notes_of, warnings_of

Floats = NDArray[np.float64]
RSA_VERSION = 5
MAX_PICTURE_STIMULI = 120
_UNITS = {"spearman": "rho", "kendall": "tau-a", "cosine": "cosine", "pearson": "r", "rho-a": "rho-a"}


@COMPARISONS.register(
    "rsa",
    summary="similarity of model and brain dissimilarity matrices",
    needs="features or labels; recordings or RDMs",
    paper="Kriegeskorte, Mur & Bandettini 2008, doi:10.3389/neuro.06.004.2008",
    named_by=("distance", "comparison", "fold_by", "noise_normalisation", "partial"),
)
def rsa(
    context: Context,
    *,
    distance: BrainDistance = "correlation",
    comparison: Literal[Comparison, PairwiseComparison] = "spearman",
    fold_by: FoldBy | None = None,
    noise_normalisation: NoiseNormalisation | None = None,
    partial: list[str] | None = None,
) -> Outcome:
    """Compare every model's dissimilarity matrix with each region's.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    distance : str, default="correlation"
        Between the patterns of two stimuli, in models and (where recordings are given) in the brain.
        ``"crossnobis"`` cross-validates the brain's squared distances over repeats, so that noise adds
        nothing to them on average, and takes squared Euclidean ones for models.
    comparison : str, default="spearman"
        Between two matrices; ``"kendall"`` is tau-a. "whitened-cosine", "whitened-correlation", "bures" and
        "tau-b" come with intervals from a jackknife and without a ceiling.
    fold_by : {"run", "session", "repetition"}, optional
        Of crossnobis: what noise is independent between. By default the first that every stimulus comes in
        twice.
    noise_normalisation : {"multivariate", "univariate", "none"}, optional
        Of crossnobis: by the noise covariance between channels (shrunk to its diagonal; the default), by each
        channel's variance, or not. Of every fold it is the noise of the others.
    partial : list of str, optional
        Names of models whose matrices (of all layers) are regressed out of those of the brain and of the
        other models; for pearson and spearman.

    Returns
    -------
    outcome : Outcome
        Scores per subject, layer and model, ceilings, differences, matrices to draw.
    """
    crossing = _crossing(distance, fold_by, noise_normalisation)
    named = distance if crossing is None else crossing.name
    metric = f"rsa-{comparison} ({named})" + (f" given {', '.join(partial)}" if partial else "")
    if comparison in get_args(Comparison):
        return compare_matrices(
            context, metric, distance, cast(Comparison, comparison), crossing=crossing, partial=partial or ()
        )
    if crossing is not None or partial:
        raise InputError(
            f"comparison {comparison!r} goes with neither distance 'crossnobis' nor `partial`. Use spearman, "
            "pearson, or for crossnobis kendall, rho-a or cosine as well."
        )
    return compare_pairwise(context, cast(Distance, distance), cast(PairwiseComparison, comparison))


def _crossing(
    distance: str, fold_by: FoldBy | None, noise_normalisation: NoiseNormalisation | None
) -> Crossing | None:
    if distance == "crossnobis":
        return Crossing(fold_by, noise_normalisation or "multivariate")
    if fold_by is not None or noise_normalisation is not None:
        raise InputError(
            f"`fold_by` and `noise_normalisation` are options of distance 'crossnobis', got {distance!r}."
        )
    return None


def compare_matrices(
    context: Context,
    metric: str,
    distance: BrainDistance,
    comparison: Comparison,
    transform: Transform | None = None,
    *,
    crossing: Crossing | None = None,
    partial: Sequence[str] = (),
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
    crossing : Crossing, optional
        Of distance "crossnobis".
    partial : sequence of str
        Models whose matrices are regressed out.

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
    if crossing is not None and context.dataset.conditions is not None:
        context, warnings = _telling(context)
    given: list[Candidate] = []
    if partial:
        given, rest = split_candidates(context.candidates, partial, comparison)
        context, ranked = replace(context, candidates=tuple(rest)), comparison
        # Ranks are taken before matrices are regressed out of them, and not again.
        comparison = "pearson"
    for roi in track(context.rois, f"rsa, {comparison}"):
        brain = brain_matrices(context, roi, distance, crossing)
        context, models, silent = answering(context, distance, brain.items)
        warnings += silent
        columns = layer_columns(context.candidates)
        if given:
            controls = model_matrices(layer_columns(given), brain.items, distance)
            transform = regressed_out(controls, partial, ranked)
        if transform is not None:
            brain, models = transformed(brain, transform), transform.apply(models)
        if given:
            check_left(models, columns, partial)
        region = _region(context, brain, models, columns, roi, metric, comparison)
        parts.append(region.scores())
        tables.append(region.differences())
        if len(brain.subjects) > 1:
            parts.append(_group_mean(brain, models, columns, roi, f"{metric} group mean", comparison))
        pictures += _pictures(brain, models, columns, region, roi)
        warnings += warnings_of(brain, roi, comparison)
        brains.append(brain)
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        pictures=tuple(pictures),
        audit=(audit_of(brains[0], context, metric, partial),),
        methods=methods_of(brains, distance, comparison, context, transform),
        references=(
            *REFERENCES,
            *(transform.references if transform else ()),
            *(CROSSED_REFERENCES if crossing else ()),
        ),
        warnings=tuple(dict.fromkeys(warnings)),
        notes=notes_of(brains[0], metric, context),
    )


def _telling(context: Context) -> tuple[Context, list[str]]:
    """Leave out labels that are the same for all pairs of conditions: no matrix is more or less like them."""
    assert context.dataset.study is not None  # there are conditions
    ids = context.dataset.study.common_stimuli
    labels = [c for c in context.candidates if c.features is None]
    useless = [c.name for c in labels if len(set(c.label_rdm(ids))) == 1]
    kept = tuple(c for c in context.candidates if c.name not in useless)
    if not kept:
        raise InputError(
            f"the model(s) {', '.join(useless)} say the same of all pairs of {len(ids)} conditions, so that "
            "distance 'crossnobis' leaves nothing to compare. Name labels that some conditions share."
        )
    return replace(context, candidates=kept), [
        f"{name} says the same of all pairs of conditions and takes no part by crossnobis."
        for name in useless
    ]


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
    whose = f"mean of {len(brain.subjects)}" if len(brain.subjects) > 1 else brain.subjects[0]
    pictures = [Picture(f"{roi}, {whose}", "brain", roi, brain.values.mean(axis=0), ids)]
    means = region.layers.mean(axis=0)
    for group in layers_of(columns):
        best = int(group[np.argmax(means[group])])
        column = columns[best]
        name = column.name if len(group) == 1 else f"{column.name}, {column.layer}"
        pictures.append(Picture(name, "model", roi, models[best], ids, column.name))
    return pictures
