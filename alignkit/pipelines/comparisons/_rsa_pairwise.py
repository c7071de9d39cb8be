"""RSA by comparisons that need whole matrices, for which no fast resampling is known."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from ..._core.errors import InputError
from ...metrics import compare_rdms
from ._comparison import Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._rsa_data import DISTANCES, REFERENCES, Distance
from ._systems import System, pairs_of
from .shape import configuration, overlap

Floats = NDArray[np.float64]
PairwiseComparison = Literal["bures", "tau-b", "whitened-correlation", "whitened-cosine"]
_PAIRWISE = {
    "bures": "the Bures similarity (cosine of the angular Procrustes distance)",
    "tau-b": "Kendall's tau-b",
    "whitened-correlation": "the correlation under the covariance of distances that share stimuli",
    "whitened-cosine": "the cosine under the covariance of distances that share stimuli",
}


def compare_pairwise(context: Context, distance: Distance, comparison: PairwiseComparison) -> Outcome:
    """Compare every model's matrix with each subject's, pair by pair of matrices."""
    if context.dataset.conditions is not None:
        raise InputError(
            f"comparison {comparison!r} needs every pair of stimuli, and a run-wise analysis has pairs of "
            "different runs only. Use spearman, kendall, rho-a, pearson or cosine."
        )
    # The points behind a matrix are found once, and not for every pair of matrices.
    points = comparison == "bures"
    # The others rise as stimuli get fewer: on squared distances the whitened cosine is CKA, biased.
    centred = comparison in ("tau-b", "whitened-correlation")
    words = _PAIRWISE[comparison]

    def compare(model: Floats, brain: Floats) -> float:
        return float(compare_rdms(model, brain, method=comparison))

    measure = Measure(
        metric=f"rsa-{comparison} ({distance})",
        unit=comparison,
        prepare=_points if points else lambda system: system.dissimilarities,
        compare=overlap if points else compare,
        permute=(lambda state, order: state[order]) if points else pairs_of,
        settings={"comparison": comparison},
        distance=distance,
        size_free=centred,
        zero_is_chance=centred,
        max_permutations=1000,
        note=f"{words[:1].upper()}{words[1:]} of model and brain matrices",
        methods=f"RSA: matrices of {DISTANCES[distance]} are compared by {words}.",
        references=REFERENCES,
    )
    return compare_by(context, "rsa", measure)


def _points(system: System) -> Floats:
    return configuration(squareform(system.dissimilarities) / -2)
