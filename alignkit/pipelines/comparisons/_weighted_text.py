"""What a report says of a weighted RSA."""

from __future__ import annotations

import numpy as np

from ._comparison import Context
from ._region import Region
from ._rsa_crossnobis import REFERENCES as CROSSED_REFERENCES
from ._rsa_data import DISTANCES, Brain
from ._weighted_models import Settings

REFERENCES = (
    "Jozwik KM, Kriegeskorte N, Mur M (2016). Visual features as stepping stones toward semantics: "
    "explaining object similarity in IT and perception with non-negative least squares. Neuropsychologia "
    "83:201-226. doi:10.1016/j.neuropsychologia.2015.10.023",
    "Kaniuth P, Hebart MN (2022). Feature-reweighted representational similarity analysis: a method for "
    "improving the fit between computational models, brains, and behavior. NeuroImage 257:119294. "
    "doi:10.1016/j.neuroimage.2022.119294",
    "Schuett HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on representational "
    "geometries. eLife 12:e82566. doi:10.7554/eLife.82566",
)
UNITS_OF_SCORES = {"spearman": "rho", "cosine": "cosine", "pearson": "r", "rho-a": "rho-a"}
_SCORES = {
    "spearman": "Spearman's rho",
    "cosine": "the cosine",
    "pearson": "Pearson's r",
    "rho-a": "rho-a",
}
_ADDITIVE = ("squared-euclidean", "crossnobis")


def references_of(settings: Settings) -> tuple[str, ...]:
    """Return what to cite."""
    return (*REFERENCES, *(CROSSED_REFERENCES if settings.distance == "crossnobis" else ()))


def notes_of(settings: Settings, brain: Brain, context: Context) -> dict[str, str]:
    """Return what the value, its interval and its n are."""
    several = len(brain.subjects) > 1
    what = "the units of one layer" if settings.of_units else "all layers"
    single = "weighted units of each layer" if settings.of_units else "each layer's matrix as it is"
    mean = ", mean over subjects" if several else ""
    return {
        settings.metric: f"Similarity of held-out dissimilarities with a weighted sum over {what}{mean}; "
        f"rows of single layers: {single}, on the same stimuli; {context.inference.confidence:.0%} interval "
        "from a jackknife that fits again; n counts stimuli."
    }


def warnings_of(region: Region, roi: str) -> list[str]:
    """Return what a reader should know of a region's models, ceiling and subjects."""
    names = [candidate.name for candidate in region.candidates]
    found = [
        f"{roi}: no fold gives {name} a weight above 0 by {region.metric}: it explains nothing, and has no "
        "interval."
        for name, low in zip(names, region.spread.ci_low, strict=True)
        if np.isnan(low)
    ]
    if not np.isfinite(region.ceiling.upper):
        found.append(f"{region.metric} has no ceiling in {roi}.")
    if 1 < len(region.subjects) < 5:
        found.append(
            f"{roi}: with {len(region.subjects)} subjects, intervals over new subjects are wide and rough."
        )
    return found


def methods_of(settings: Settings, brain: Brain, context: Context, n_permutations: int, n_blocks: int) -> str:
    """Return the paragraph that says exactly what was computed."""
    several = len(brain.subjects) > 1
    source = context.dataset.rdms
    measured = (
        f"as published ({source.measure})"
        if source is not None
        else brain.crossed or f"{DISTANCES[settings.distance]} between mean patterns"
    )
    target = "the subject's own dissimilarities"
    if several and settings.fit_to == "others":
        target = "the mean of the other subjects' dissimilarities (each brought to one scale)"
    elif several:
        target += " (the ceiling bounds what all subjects share: weights of one's own may pass it)"
    resampled = "subjects and blocks of stimuli" if several else "blocks of stimuli"
    fixed = " at the layers and penalties that the data as they are have chosen" if settings.of_units else ""
    share = f"{context.inference.confidence:.0%}"
    return (
        f"Weighted RSA ({settings.method}). The brain's dissimilarities are {measured}. {_model(settings)} "
        f"Weights were fitted by least squares to {target}, over the pairs of training stimuli. Their sum "
        f"was compared by {_SCORES[settings.score]} over the pairs of held-out stimuli "
        f"({settings.n_folds} folds, each picture with its near-duplicates; mean over folds). No pair joins "
        f"a training with a held-out stimulus. Intervals ({share}, on Fisher's z) and differences come from "
        f"a jackknife over {resampled} (at most {n_blocks}), with t of the smaller sample's degrees of "
        f"freedom: without each block weights were fitted and scored again{fixed}, so that intervals cover "
        "what the fit varies by, but not the draw of the folds. p: "
        f"{n_permutations} exchanges of stimuli, weights fitted again in each{fixed}, p = (b + 1) / (m + 1)."
    )


def _model(settings: Settings) -> str:
    of_models = f"{DISTANCES[settings.distance]} between features"
    if settings.of_units:
        kind = "products of" if settings.distance in ("correlation", "cosine") else "squared differences in"
        return (
            f"Models: {kind} single units of a layer (at most {settings.n_units}, evenly spread over it), "
            "with ridge weights; layer and penalty were chosen by inner folds of the training stimuli."
        )
    sign = "weights of at least 0" if settings.method == "non-negative" else "weights of any sign"
    caution = (
        ""
        if settings.distance in _ADDITIVE
        else " Such distances do not add up over layers as squared ones do: the sum is a description."
    )
    constant = "" if settings.score == "cosine" else ", and a constant"
    return (
        f"Models: the matrices of all layers together ({of_models}; for labels, 0 within a category and 1 "
        f"between), with {sign}{constant}.{caution}"
    )
