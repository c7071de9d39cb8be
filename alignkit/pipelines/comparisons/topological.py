"""Topological RSA: matrices whose small and large dissimilarities are made equal before they are compared."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...metrics import geodesic_transform, topological_transform
from ._comparison import COMPARISONS, Context, Outcome
from ._rsa_data import Distance, Transform
from .rsa import Comparison, compare_matrices

Floats = NDArray[np.float64]
_REFERENCES = (
    "Lin B, Kriegeskorte N (2024). The topology and geometry of neural representations. PNAS. "
    "arXiv:2309.11028",
)


@COMPARISONS.register(
    "topological-rsa",
    summary="similarity of geo-topological matrices: neighbourhoods count, sizes of distances less",
    needs="features or labels; recordings or RDMs",
    paper="Lin & Kriegeskorte 2024, arXiv:2309.11028",
    named_by=("form", "lower", "upper", "distance", "comparison"),
)
def topological_rsa(
    context: Context,
    *,
    lower: float | None = None,
    upper: float = 0.8,
    form: Literal["geo-topological", "geodesic"] = "geo-topological",
    distance: Distance = "correlation",
    comparison: Comparison = "pearson",
) -> Outcome:
    """Compare matrices in which dissimilarities below a quantile are 0, and above another one are 1.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    lower : float, optional
        Quantile of a matrix's own dissimilarities up to which they become 0; by default 0.2, and 0 for
        "geodesic", where pairs at 0 join into paths of no length.
    upper : float, default=0.8
        Quantile from which they become 1.
    form : {"geo-topological", "geodesic"}, default="geo-topological"
        "geodesic" then measures along the shortest paths over pairs below `upper`.
    distance, comparison : str
        As in :func:`~alignkit.pipelines.comparisons.rsa.rsa`.

    Returns
    -------
    outcome : Outcome
        As of ``rsa``.
    """
    geodesic = form == "geodesic"
    if lower is None:
        lower = 0.0 if geodesic else 0.2
    if not 0 <= lower < upper <= 1:
        raise InputError(f"quantiles must be 0 <= `lower` < `upper` <= 1, got {lower:g} and {upper:g}.")
    if geodesic and context.dataset.conditions is not None:
        raise InputError(
            "form 'geodesic' needs every pair of stimuli, and a run-wise analysis has pairs of different "
            "runs only. Use form 'geo-topological'."
        )
    change = geodesic_transform if geodesic else topological_transform

    def apply(matrices: Floats) -> Floats:
        with warnings.catch_warnings():
            # Halves and null draws would repeat what the methods say of pairs that no path joins.
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(change(matrices, lower=lower, upper=upper), dtype=np.float64)

    along = (
        "; distances are then those along shortest paths over pairs below the upper one (twice the longest "
        "where no path leads)"
    )
    words = (
        f"Topological RSA: of every matrix, ranked dissimilarities below quantile {lower:g} become 0, those "
        f"above {upper:g} become 1, those between rise linearly"
        f"{along if geodesic else ''}."
    )
    transform = Transform(apply, {"form": form, "lower": lower, "upper": upper}, words, _REFERENCES)
    metric = f"topological-rsa-{comparison} ({form}, {lower:g} to {upper:g}, {distance})"
    return compare_matrices(context, metric, distance, comparison, transform)
