"""What a report says of an RSA: audit, warnings, notes and methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ._choice import how_layers_are_chosen
from ._comparison import Context
from ._rsa_data import CROSSED_HALVES, DISTANCES, HALVES, Brain, Transform

Comparison = Literal["spearman", "kendall", "cosine", "pearson", "rho-a"]
_COMPARISONS = {
    "spearman": "Spearman's rho",
    "kendall": "Kendall's tau-a",
    "cosine": "their cosine",
    "pearson": "Pearson's r",
    "rho-a": "rho-a",
}


def audit_of(brain: Brain, context: Context, metric: str, partial: Sequence[str]) -> tuple[str, str, str]:
    """Return the row of the leakage audit."""
    given = f"; {', '.join(partial)} are regressed out of models and brain alike" if partial else ""
    if all(len(candidate.layers) == 1 for candidate in context.candidates):
        return (metric, "clean", f"nothing is fitted or chosen{given}")
    where = "other subjects" if len(brain.subjects) > 1 else "the other half of the stimuli"
    return (metric, "clean", f"nothing is fitted; layers are chosen on {where}{given}")


def warnings_of(brain: Brain, roi: str, comparison: Comparison) -> list[str]:
    """Return what a reader should know of a region's ceilings and subjects."""
    if len(brain.subjects) == 1 and brain.items.run_wise:
        return ["RSA between the runs of one subject has no ceiling."]
    if len(brain.subjects) > 1 and len(brain.subjects) < 5:
        return [
            f"{roi}: with {len(brain.subjects)} subjects, intervals over new subjects are wide and rough."
        ]
    if len(brain.subjects) == 1 and brain.crossed:
        if brain.halves is not None and comparison in CROSSED_HALVES:
            return []
        return [
            f"{roi}: cross-validated matrices of one subject have a ceiling for pearson alone, where every "
            "stimulus comes in four folds."
        ]
    if len(brain.subjects) == 1 and brain.halves is None:
        return [f"{roi}: one subject and no repeated stimuli, so there is no ceiling."]
    if len(brain.subjects) == 1 and comparison not in HALVES:
        return [f"{roi}: halves of one subject's repetitions give no ceiling in the unit of {comparison}."]
    return []


def notes_of(brain: Brain, metric: str, context: Context) -> dict[str, str]:
    """Return, per metric, what its value, interval and n are."""
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


def methods_of(
    brains: list[Brain],
    distance: str,
    comparison: Comparison,
    context: Context,
    transform: Transform | None,
) -> tuple[str, ...]:
    """Return the paragraph that says exactly what was computed."""
    first = brains[0]
    inference = context.inference
    what = "blocks of different runs" if first.items.run_wise else "stimuli"
    source = context.dataset.rdms
    measured = (
        f"as published ({source.measure})"
        if source is not None
        else first.crossed or f"{DISTANCES[distance]} between the mean patterns of two {what}"
    )
    several = len(first.subjects) > 1
    choice = how_layers_are_chosen(several)
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
