"""What a report says of a searchlight: methods, notes, warnings, references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._comparison import Context
from ._region import Column
from ._rsa_data import DISTANCES
from ._searchlight_data import Light, SphereOptions
from ._searchlight_maps import N_BLOCKS, Search
from ._searchlight_rows import ALPHA

_COMPARISONS = {
    "spearman": "Spearman's rho",
    "kendall": "Kendall's tau-a",
    "cosine": "their cosine",
    "pearson": "Pearson's r",
    "rho-a": "rho-a",
}
_CROSSNOBIS = (
    "cross-validated squared Euclidean distances (crossnobis over {folds} without noise normalisation, mean "
    "over channels)"
)
_REFERENCES = (
    "Kriegeskorte N, Goebel R, Bandettini P (2006). Information-based functional brain mapping. PNAS "
    "103:3863-3868. doi:10.1073/pnas.0600244103",
    "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis. "
    "Front Syst Neurosci 2:4. doi:10.3389/neuro.06.004.2008",
    "Nichols TE, Holmes AP (2002). Nonparametric permutation tests for functional neuroimaging. Hum Brain "
    "Mapp 15:1-25. doi:10.1002/hbm.1058",
)
_WALTHER = (
    "Walther A et al. (2016). Reliability of dissimilarity measures for multi-voxel pattern analysis. "
    "NeuroImage 137:188-200. doi:10.1016/j.neuroimage.2015.12.012"
)


@dataclass(frozen=True, eq=False)
class Said:
    """What there is to speak of."""

    context: Context
    metric: str
    search: Search
    lights: Sequence[Light]
    columns: Sequence[Column]
    has_mean: bool

    @property
    def options(self) -> SphereOptions:
        """Radius, distance."""
        return self.lights[0].options

    @property
    def exchanged(self) -> str:
        """What is exchanged under the null."""
        return "blocks within runs" if self.search.items.run_wise else "stimuli"

    @property
    def resampled(self) -> str:
        """What is left out for intervals."""
        units = "runs" if self.search.items.run_wise else "blocks of stimuli"
        return f"subjects and {units}" if len(self.lights) > 1 else units


def methods_of(said: Said) -> str:
    """Return the paragraph for the methods section."""
    options, search = said.options, said.search
    crossnobis = options.distance == "crossnobis"
    folds = f"{said.options.fold_by}s"
    measured = _CROSSNOBIS.format(folds=folds) if crossnobis else DISTANCES[options.distance]
    of_models = DISTANCES["squared-euclidean" if crossnobis else options.distance]
    what = "blocks of different runs" if search.items.run_wise else "stimuli"
    networks = any(column.candidate.features is not None for column in said.columns)
    models = f"Models: {of_models} between features; for labels, " if networks else "Labels: "
    return (
        f"Searchlight RSA. {_spheres(said)} dissimilarities were {measured} between the patterns of two "
        f"{what}. {models}0 within a category and 1 between. They were compared by "
        f"{_COMPARISONS[search.comparison]}. {_inference(said)}"
    )


def _spheres(said: Said) -> str:
    radius = f"{said.options.radius_mm:g} mm"
    sizes = np.concatenate([light.sizes[light.usable] for light in said.lights])
    of_what = f"{np.median(sizes):.0f} in the median"
    if said.lights[0].geometry.kind == "surface":
        return f"Around every vertex, among the vertices within {radius} along the mesh ({of_what}),"
    return f"Around every voxel, among the voxels within {radius} ({of_what}),"


def _inference(said: Said) -> str:
    options = said.context.inference
    together = (
        "The mean over subjects was mapped at the places of their common space that all have. "
        if said.has_mean
        else ""
    )
    return (
        f"p at a centre: {options.n_permutations} exchanges of {said.exchanged} in the model's matrix, rows "
        "and columns together, the same at all centres and in all subjects, p = (b + 1) / (m + 1); corrected "
        "over all centres of a map by the largest similarity of each exchange. That holds a model against "
        "patterns that have nothing to do with what was shown, not against other models. A region's value is "
        "the mean over its centres, its p that of this mean in the same exchanges. "
        f"{together}Intervals ({options.confidence:.0%}, on Fisher's z) and differences between models come "
        f"from a jackknife over {said.resampled} (at most {N_BLOCKS}), with t of the smaller sample's "
        "degrees of freedom. A centre speaks of its whole sphere: what makes it significant may lie a radius "
        "away."
    )


def notes_of(said: Said) -> dict[str, str]:
    """Return what each metric's value, interval and n are."""
    several = ", mean over subjects" if len(said.lights) > 1 else ""
    counted = "runs" if said.search.items.run_wise else "stimuli"
    share = f"{said.metric} significant share"
    return {
        said.metric: f"Mean over a region's centres of the similarity of model and brain matrices{several}; "
        f"{said.context.inference.confidence:.0%} interval from a jackknife over {said.resampled}; n counts "
        f"{counted}.",
        share: f"Share of a region's centres with p < {ALPHA:g}, corrected for all centres of the map by the "
        f"largest similarity{several}; n counts centres.",
        f"{share}, group mean": f"Share of the centres with p < {ALPHA:g}, corrected likewise, of the map "
        "of the mean over subjects.",
    }


def warnings_of(said: Said, similarities: Sequence[NDArray[np.float64]]) -> tuple[str, ...]:
    """Return what a reader has to know of centres without a value, and of p that cannot be small."""
    found = [f"{said.metric} has no ceiling."]
    for light, similarity in zip(said.lights, similarities, strict=True):
        few = int((~light.usable).sum())
        if few:
            found.append(
                f"{light.recording.subject}: {few} of {len(light.usable)} centres have fewer than "
                f"{said.options.min_channels} channels within {said.options.radius_mm:g} mm, and no value."
            )
        undefined = int(np.isnan(similarity[0]).sum()) - few
        if undefined:
            found.append(
                f"{light.recording.subject}: around {undefined} of {len(light.usable)} centres a pattern is "
                "constant, and they have no value."
            )
    n = said.search.n_permutations
    for column, unmoved, firm in zip(said.columns, said.search.n_unmoved, said.search.firm, strict=True):
        least = (int(unmoved) + 1) / (n + 1)
        if least >= ALPHA:
            found.append(
                f"{column.name}: {int(unmoved)} of {n} exchanges of {said.exchanged} leave the model as it "
                f"is, so that no p is below {least:.2g} and no centre can be significant. Where runs show "
                "every condition, dissimilarities between blocks of different runs have more exchanges."
            )
        if not firm:
            found.append(
                f"{column.name}: without some {said.resampled} it is constant, so it has no interval."
            )
    if len(said.lights) > 1 and not said.has_mean:
        found.append(
            "Subjects share no space (or no place in it), so there is no map of their mean: each has its own."
        )
    return tuple(found)


def references_of(said: Said) -> tuple[str, ...]:
    """Return what to cite."""
    return (*_REFERENCES, _WALTHER) if said.options.distance == "crossnobis" else _REFERENCES
