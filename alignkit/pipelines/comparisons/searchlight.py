"""Searchlight RSA: maps of how well each model fits the patterns around every voxel or vertex."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.random import derive_seed
from ...recordings.scores import Scores
from ..candidates import CONDITION
from ._comparison import COMPARISONS, Context, Outcome, read_arrays, write_part
from ._items import Items
from ._region import Column, layer_columns
from ._rsa_crossnobis import FoldBy
from ._rsa_data import model_matrices
from ._searchlight_data import Light, SphereDistance, SphereOptions, lights_of
from ._searchlight_maps import Arrays, Search, search_mean, search_subject, varies
from ._searchlight_rows import Found, maps, region_of_centres, shares
from ._searchlight_spheres import shared_channels
from ._searchlight_text import Said, methods_of, notes_of, references_of, warnings_of

Floats = NDArray[np.float64]
SphereComparison = Literal["spearman", "kendall", "cosine", "pearson", "rho-a"]
SEARCHLIGHT_VERSION = 1


@COMPARISONS.register(
    "searchlight-rsa",
    summary="maps of the similarity of model and brain dissimilarities around every voxel or vertex",
    needs="features or labels; recordings with a volume or surface geometry",
    paper="Kriegeskorte, Goebel & Bandettini 2006, doi:10.1073/pnas.0600244103",
    named_by=("distance", "comparison", "radius_mm"),
)
def searchlight_rsa(
    context: Context,
    *,
    radius_mm: float = 10.0,
    distance: SphereDistance = "correlation",
    comparison: SphereComparison = "spearman",
    min_channels: int = 5,
    fold_by: FoldBy | None = None,
    mesh_left: Path | None = None,
    mesh_right: Path | None = None,
) -> Outcome:
    """Compare every model's dissimilarities with those of the channels around every channel.

    A model takes part with one layer: a layer chosen anew at every centre would say where in the brain, and
    which layer, at once. To map several layers, list the network several times under different names.

    Parameters
    ----------
    context : Context
        Data, models and options of the run. Centres are the channels of its regions; the spheres around them
        take in all channels that were recorded.
    radius_mm : float, default=10.0
        Of the sphere around a voxel, or of the disc along the surface around a vertex.
    distance : str, default="correlation"
        Between the patterns of two stimuli. Where samples carry conditions and runs, every block is a row
        and only pairs of different runs count, as in :func:`rsa`. "crossnobis" holds differences between
        two stimuli in one run against those in the others, without noise normalisation; of models,
        squared Euclidean distances.
    comparison : str, default="spearman"
        Between two matrices. "kendall" (tau-a) is for label models only.
    min_channels : int, default=5
        Centres with fewer channels around them have no value.
    fold_by : {"run", "session", "repetition"}, optional
        Of crossnobis: what has independent noise; by default the first that every stimulus comes in twice.
    mesh_left, mesh_right : Path, optional
        For surfaces: the white or mid-thickness mesh that the recording was sampled on (GIfTI or
        FreeSurfer). By default, where the space is fsaverage5, nilearn's white surface.

    Returns
    -------
    outcome : Outcome
        Maps of the similarity, of -log10 p and of -log10 p corrected for all centres, per subject and model,
        and of the mean over subjects where they share a space; means over the centres of each region with
        intervals and differences; the share of significant centres.

    Raises
    ------
    InputError
        For dissimilarities in place of recordings, channels without a place, a radius that holds too few
        channels, or a model with several layers.

    Notes
    -----
    With c centres, n pairs, m models and k exchanges, O(c n (log n + m k)). Next to the patterns and the
    neighbourhoods some 150 MiB are held, whatever the number of centres.
    """
    check_option("comparison", comparison, get_args(SphereComparison))
    options = SphereOptions(distance, radius_mm, min_channels, fold_by, (mesh_left, mesh_right))
    items, lights = lights_of(context, options)
    columns = _columns(context, items)
    search = Search(
        model_matrices(columns, items, _of_models(distance)),
        items,
        comparison,
        context.inference.n_permutations,
        derive_seed(context.plan.seed, "searchlight", "null"),
    )
    _check_models(columns, search.models, comparison)
    metric = f"searchlight {comparison} ({distance}, {radius_mm:g} mm)"
    found = _search(context, metric, lights, search, columns)
    regions = [region_of_centres(context, found, number) for number in range(len(context.rois))]
    said = Said(context, metric, search, lights, columns, found.mean is not None)
    return Outcome(
        Scores.concat([*(region.scores() for region in regions), shares(context, found)]),
        pd.concat([region.differences() for region in regions], ignore_index=True),
        channels=maps(found),
        audit=((metric, "clean", "nothing is fitted or chosen"),),
        methods=(methods_of(said),),
        references=references_of(said),
        warnings=warnings_of(said, [arrays["similarity"] for arrays in found.subjects]),
        notes=notes_of(said),
    )


def _of_models(distance: SphereDistance) -> Any:
    # What crossnobis estimates without bias is a squared Euclidean distance.
    return "squared-euclidean" if distance == "crossnobis" else distance


def _columns(context: Context, items: Items) -> list[Column]:
    # That conditions differ from each other says nothing of how much they do.
    kept = [c for c in context.candidates if c.name != CONDITION or items.run_wise]
    if not kept:
        raise InputError("`searchlight-rsa` needs a model: give `models`, or a dataset with labels.")
    for candidate in kept:
        if len(candidate.layers) > 1:
            raise InputError(
                f"`searchlight-rsa` maps one layer per model, and {candidate.name!r} has "
                f"{len(candidate.layers)}: {', '.join(candidate.layers)}. Name one (`layers: [...]`); to map "
                "several, list the network several times, a `name` for each; `rsa` compares them."
            )
    return layer_columns(kept)


def _check_models(columns: Sequence[Column], models: Floats, comparison: str) -> None:
    for column, known in zip(columns, varies(models), strict=True):
        if not known:
            raise InputError(
                f"all dissimilarities of {column.name!r} ({column.layer}) are equal; leave that model out."
            )
    graded = [c.name for c, row in zip(columns, models, strict=True) if len(np.unique(row)) > 2]
    if comparison == "kendall" and graded:
        raise InputError(
            f"comparison 'kendall' would sort the graded dissimilarities of {graded[0]!r} anew at every "
            "centre and exchange; use 'rho-a', which treats ties as tau-a does, or label models only."
        )


def _search(
    context: Context, metric: str, lights: list[Light], search: Search, columns: list[Column]
) -> Found:
    parameters = {
        "comparison": search.comparison,
        "seed": search.seed,
        "n_permutations": search.n_permutations,
        "plan": context.plan.key(),
    }
    models = digest_json([digest_array(search.models), digest_array(search.items.units)])
    digests = [light.digest for light in lights]

    def stored(stage: str, data: str, compute: Any) -> Arrays:
        folder = context.store.get(
            stage,
            version=SEARCHLIGHT_VERSION,
            parameters=parameters,
            inputs={"data": data, "models": models},
            make=lambda folder: write_part(folder, compute()),
        )
        return read_arrays(folder)

    subjects = [
        stored("searchlight", digest, lambda light=light: search_subject(light, search, context.rois))
        for light, digest in zip(lights, digests, strict=True)
    ]
    shared = shared_channels([light.geometry for light in lights])
    mean = None
    if shared is not None:
        mean = stored(
            "searchlight-mean",
            digest_json(digests),
            lambda: search_mean(lights, shared, search, len(context.rois)),
        )
    return Found(metric, lights, search, columns, subjects, mean or None)
