"""Weighted RSA: layers, or units, weighted on some stimuli and scored on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...recordings.scores import Scores
from ...stats import LeakageAudit, audit_folds, grouped_folds
from ..candidates import Candidate
from ._comparison import COMPARISONS, Context, Outcome, read_arrays, write_part
from ._region import Region, RegionCeiling, Spread, layer_columns
from ._rsa_data import Brain, BrainDistance, brain_matrices
from ._weighted_models import DEFAULT_UNITS, FitTo, Method, Score, Settings, fitted_models
from ._weighted_scores import HeldOut, fold_ceiling, score_weighted
from ._weighted_text import UNITS_OF_SCORES, methods_of, notes_of, references_of, warnings_of

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
WEIGHTED_VERSION = 1
# Fewer make hardly a dissimilarity more than weights.
MIN_TEST_STIMULI = 6
_MAX_PERMUTATIONS = {"feature-reweighted": 200}
_N_BLOCKS = {"feature-reweighted": 20}


@COMPARISONS.register(
    "weighted-rsa",
    summary="similarity of brain matrices with weighted sums of a model's layers, or units, on other stimuli",
    needs="features or labels; recordings or RDMs",
    paper="Jozwik et al. 2016, doi:10.1016/j.neuropsychologia.2015.10.023; "
    "Kaniuth & Hebart 2022, doi:10.1016/j.neuroimage.2022.119294",
    named_by=("method", "distance", "score", "n_folds", "fit_to", "n_units"),
)
def weighted_rsa(
    context: Context,
    *,
    method: Method = "non-negative",
    distance: BrainDistance = "squared-euclidean",
    score: Score = "pearson",
    n_folds: int = 5,
    fit_to: FitTo = "others",
    n_units: int = DEFAULT_UNITS,
) -> Outcome:
    """Fit weights over the pairs of training stimuli, and score over the pairs of held-out ones.

    Pairs of a training with a held-out stimulus are used for neither, and versions of one picture are never
    on both sides.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    method : {"non-negative", "regression", "feature-reweighted"}, default="non-negative"
        Weights of the matrices of all layers of a model, of at least 0 or any; or ridge weights of the units
        of one layer, which is chosen with the penalty within the training stimuli.
    distance : str, default="squared-euclidean"
        Between the patterns of two stimuli. Squared distances add up over layers and units, others do not.
    score : {"pearson", "spearman", "rho-a", "cosine"}, default="pearson"
        Of held-out dissimilarities; dissimilarities, not their ranks, are fitted.
    n_folds : int, default=5
        Of stimuli.
    fit_to : {"others", "own"}, default="others"
        Weights are fitted to the mean of the other subjects, so that scores speak of new subjects and the
        ceiling holds for them; or to the subject's own dissimilarities. With one subject, its own.
    n_units : int, default=300
        Of "feature-reweighted": so many units of a layer take part, evenly spread over the layer.

    Returns
    -------
    outcome : Outcome
        Scores per subject and model. Rows of single layers hold the same stimuli: each layer's matrix as it
        is, or with its units weighted.
    """
    for name, value, known in (
        ("method", method, Method),
        ("score", score, Score),
        ("fit_to", fit_to, FitTo),
    ):
        check_option(name, value, known.__args__)  # type: ignore[attr-defined]
    settings = Settings(method, distance, score, n_folds, fit_to, n_units)
    _check(settings, context)
    models = _usable(context, settings)
    parts: list[Scores] = []
    tables: list[pd.DataFrame] = []
    warnings: list[str] = []
    audit: list[tuple[str, str, str]] = []
    for roi in track(context.rois, settings.metric):
        brain = brain_matrices(context, roi, distance)
        _check_matrices(brain, roi)
        folds = _folds(brain, settings, context.plan.seed)
        audit.append(_audit(context, brain, folds, settings.metric))
        region = _region(context, brain, folds, models, roi, settings)
        parts.append(region.scores())
        tables.append(region.differences())
        warnings += warnings_of(region, roi)
    left_out = [c.name for c in context.candidates if c not in models]
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        audit=tuple(dict.fromkeys(audit)),
        methods=(methods_of(settings, brain, context, *_numbers(settings, context)),),
        references=references_of(settings),
        warnings=(
            *dict.fromkeys(warnings),
            *(f"{name} has no units to weight and takes no part in {settings.metric}." for name in left_out),
        ),
        notes=notes_of(settings, brain, context),
    )


def _check(settings: Settings, context: Context) -> None:
    if context.dataset.conditions is not None:
        raise InputError(
            "`weighted-rsa` holds stimuli out; this dataset has a few conditions only. Use `rsa` or "
            "`classify`."
        )
    if settings.n_folds < 2:
        raise InputError(f"`n_folds` must be at least 2, got {settings.n_folds}.")
    if settings.n_units < 1:
        raise InputError(f"`n_units` must be at least 1, got {settings.n_units}.")
    if not settings.of_units and settings.n_units != DEFAULT_UNITS:
        raise InputError(f"`n_units` is an option of method 'feature-reweighted', got {settings.method!r}.")
    if settings.of_units and settings.score == "cosine":
        raise InputError(
            "method 'feature-reweighted' fits a constant, which the cosine would see. Use score pearson, "
            "spearman or rho-a."
        )
    if settings.of_units and settings.distance == "euclidean":
        raise InputError(
            "Euclidean distances are no sum over units. Use distance squared-euclidean, correlation, cosine "
            "or crossnobis."
        )


def _check_matrices(brain: Brain, roi: str) -> None:
    for subject, matrix in zip(brain.subjects, brain.values, strict=True):
        if not np.isfinite(matrix).all():
            raise InputError(
                f"`weighted-rsa` needs every pair of stimuli, but {int((~np.isfinite(matrix)).sum())} "
                f"dissimilarities of {subject!r} in {roi!r} are missing. Drop the stimuli without them."
            )
        if not np.ptp(matrix) > 0:
            raise InputError(
                f"all dissimilarities of {subject!r} in {roi!r} are equal; leave that region or subject out."
            )


def _usable(context: Context, settings: Settings) -> tuple[Candidate, ...]:
    kept = tuple(c for c in context.candidates if c.features is not None or not settings.of_units)
    if not kept:
        raise InputError(
            "`weighted-rsa` needs models" + (" with features" if settings.of_units else "") + "; name some "
            "under `models`."
        )
    return kept


def _numbers(settings: Settings, context: Context) -> tuple[int, int]:
    """Return the number of permutations and of blocks of the jackknife."""
    wanted = context.inference.n_permutations
    return min(wanted, _MAX_PERMUTATIONS.get(settings.method, wanted)), _N_BLOCKS.get(settings.method, 40)


def _folds(brain: Brain, settings: Settings, seed: int) -> list[tuple[Index, Index]]:
    items = brain.items
    n_folds = settings.n_folds
    if items.n_units < n_folds or len(items.ids) < MIN_TEST_STIMULI * n_folds:
        raise InputError(
            f"`weighted-rsa` scores at least {MIN_TEST_STIMULI} stimuli in each of {n_folds} folds, got "
            f"{len(items.ids)} stimuli ({items.n_units} that are no version of another). Use fewer `n_folds`."
        )
    folds = grouped_folds(
        items.units.tolist(), n_folds=n_folds, random_state=derive_seed(seed, "folds of weighted rsa")
    )
    smallest = min(len(test) for _, test in folds)
    if smallest < MIN_TEST_STIMULI:
        raise InputError(
            f"`weighted-rsa` scores at least {MIN_TEST_STIMULI} stimuli in each fold, and versions of one "
            f"picture leave {smallest} in one of {n_folds}. Use fewer `n_folds`."
        )
    return folds


def _audit(
    context: Context, brain: Brain, folds: Sequence[tuple[Index, Index]], metric: str
) -> tuple[str, str, str]:
    stimuli, ids = context.dataset.stimuli, brain.items.ids
    found: LeakageAudit = audit_folds(
        folds,
        stimulus_ids=ids,
        content_digests=None if stimuli is None else [stimuli.content_digests[name] for name in ids],
        near_duplicates=brain.items.units.tolist(),
    )
    if found.verdict == "leaks" and context.strict:
        raise InputError(f"the leakage audit of {metric} found: {'; '.join(found.findings)}")
    detail = "; ".join(found.findings) or (
        f"{len(folds)} folds of stimuli; {', '.join(found.checked)}; no pair joins a training with a "
        "held-out stimulus"
    )
    return (f"{metric}, folds", found.verdict, detail)


def _region(
    context: Context,
    brain: Brain,
    folds: list[tuple[Index, Index]],
    candidates: tuple[Candidate, ...],
    roi: str,
    settings: Settings,
) -> Region:
    inference, columns = context.inference, layer_columns(candidates)
    seed = derive_seed(context.plan.seed, "weighted-rsa", roi, settings.metric)
    n_permutations, n_blocks = _numbers(settings, context)
    others = settings.fit_to == "others" and len(brain.subjects) > 1
    held_out = HeldOut(brain, folds, settings.score, others)

    def make(folder: Path) -> None:
        with fixed_threads(1):
            models, layers = fitted_models(held_out, columns, settings, seed)
        arrays = score_weighted(
            held_out, models, layers, inference=inference, n_permutations=n_permutations, n_blocks=n_blocks,
            test_layers=not settings.of_units, seed=seed,
        )  # fmt: skip
        write_part(folder, {**arrays, **fold_ceiling(brain, held_out.parts, settings.score).to_arrays()})

    folder = context.store.get(
        "weighted-rsa",
        version=WEIGHTED_VERSION,
        parameters={
            "settings": asdict(settings),
            "seed": seed,
            "inference": inference.model_dump(mode="json"),
            "columns": [[column.name, column.layer] for column in columns],
            "plan": context.plan.key(),
        },
        inputs={
            "brain": brain.digest,
            "units": digest_array(brain.items.units),
            "folds": digest_json([[part.tolist() for part in fold] for fold in folds]),
            "models": digest_json([candidate.digest for candidate in candidates]),
        },
        make=make,
    )
    arrays = read_arrays(folder)
    return Region(
        roi=roi,
        metric=settings.metric,
        unit=UNITS_OF_SCORES[settings.score],
        subjects=brain.subjects,
        columns=columns,
        layers=arrays["layers"],
        chosen=arrays["chosen"],
        p_layers=arrays["p_layers"],
        p_chosen=arrays["p_chosen"],
        spread=_spread(arrays),
        ceiling=RegionCeiling.from_arrays(arrays),
        n=len(brain.items.ids),
    )


def _spread(arrays: Mapping[str, Floats]) -> Spread:
    spread = Spread.from_arrays(arrays)
    # Weights of 0 wherever one looks have no spread, which is not to be sure of 0.
    empty = ~arrays["chosen"].any(axis=0) & (spread.ci_low == spread.ci_high)
    bounds = {name: np.where(empty, np.nan, getattr(spread, name)) for name in ("ci_low", "ci_high")}
    return replace(spread, **bounds)
