"""What a report says of an encoding comparison: its methods and its warnings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..continuous import TimeAxis
from ._comparison import Context
from ._encoding import Recipe
from ._region import Region

LEAST_REPEATED = 4  # stimuli with repetitions, for a ceiling


def methods_of(context: Context, recipe: Recipe, *, n_folds: int, n_splits: int, together: str) -> str:
    """Return the paragraph that says exactly what was computed."""
    inference = context.inference
    units = "stimuli" if context.axis is None else "blocks of time"
    subjects = f"subjects and {units}" if len(context.dataset.subjects) > 1 else units
    if context.axis is not None:
        return _of_time_courses(context, context.axis, recipe, n_folds=n_folds, resampled=subjects)
    repeated = (
        " Ceiling: root of the reliability of the mean response (Spearman-Brown of "
        f"{n_splits} random split halves), median over channels; the share of the ceiling is the "
        "ratio of both medians."
    )
    ceiling = "" if no_ceiling(context) else repeated
    return (
        f"Encoding (`{recipe.kind}`). Responses were averaged over repetitions. {recipe.words} from the "
        "features (z-scored on the training part) to each channel was scored by Pearson's r on held-out "
        f"stimuli in {n_folds} folds; {recipe.chosen} chosen by {recipe.n_inner}-fold cross-validation "
        f"within the training part. No `{together}` was on both sides of a split. A region's score is the "
        f"median over channels of the mean r over folds. Intervals ({inference.confidence:.0%}) and "
        f"differences: {inference.n_bootstrap} bootstrap draws over {subjects} of the held-out predictions. "
        f"p against zero: {inference.n_permutations} permutations of the stimuli within folds (one order for "
        "all subjects; the null widened by the root of 2, because folds share training data), p = (b + 1) / "
        f"(m + 1).{ceiling}"
    )


def _of_time_courses(
    context: Context, axis: TimeAxis, recipe: Recipe, *, n_folds: int, resampled: str
) -> str:
    inference = context.inference
    several = len(context.dataset.subjects) > 1
    ceiling = (
        " Ceiling: correlation of each subject's time course with the mean of the others (lower bound), and "
        "with the noise of that mean taken out (upper)."
        if several
        else ""
    )
    layers = max(len(recipe.layers(candidate)) for candidate in context.candidates)
    noisy = (
        " (a choice that noise makes differently in every fold can score below each single layer)"
        if layers > 1
        else ""
    )
    return (
        f"Encoding of time courses (`{recipe.kind}`). {recipe.words} from the timed features (z-scored on "
        f"the training part) to each channel was scored by Pearson's r on held-out time in {n_folds} folds "
        f"of contiguous samples, {axis.gap} samples ({axis.gap * axis.tr_s:.0f} s) on either side of a test "
        f"part left out; {recipe.chosen} chosen by {recipe.n_inner} such folds within the training "
        f"part{noisy}. "
        "A region's score is the median over channels of the mean r over folds. "
        f"Intervals ({inference.confidence:.0%}) and differences: {inference.n_bootstrap} bootstrap draws "
        f"over {resampled} ({axis.block} samples each) of the held-out predictions. p against zero: "
        f"{inference.n_permutations} permutations of whole blocks within folds (one order for all "
        "subjects; the null widened by the root of 2, because folds share training data), p = (b + 1) / "
        f"(m + 1).{ceiling}"
    )


def no_ceiling(context: Context) -> list[str]:
    """Return why there is no ceiling, where there is none."""
    if context.axis is not None:
        return [] if len(study := context.dataset.subjects) > 2 else [f"{len(study)} subject(s): no ceiling."]
    assert context.dataset.study is not None  # checked by the caller
    counts = {name: r.samples["stimulus_id"].value_counts() for name, r in context.dataset.study.items()}
    return [
        f"{name}: {int((count < 2).sum())} of {len(count)} stimuli were shown once, so there is no ceiling."
        for name, count in counts.items()
        if (count > 1).sum() < LEAST_REPEATED
    ][:1]


def too_little_shared(context: Context, regions: Sequence[Region]) -> list[str]:
    """Return which regions have no ceiling because their time courses have too little in common."""
    names = [region.roi for region in regions if not np.isfinite(region.ceiling.upper)]
    if context.axis is None or not names or no_ceiling(context):
        return []
    return [f"{', '.join(names)}: the subjects' time courses share too little to estimate a ceiling."]


def leaks(audit: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return a warning per set of folds that leaks."""
    return [
        f"{check}: the folds leak ({detail.split(';')[0]}); read these scores as optimistic."
        for check, verdict, detail in audit
        if verdict == "leaks"
    ]
