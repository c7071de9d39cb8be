"""Shape distance of features and responses: what no rotation of the one into the other takes away."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...metrics import centred_gram
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from .cka import Geometry

Floats = NDArray[np.float64]
N_EXCHANGES = 3
_REFERENCES = (
    "Williams AH, Kunz E, Kornblith S, Linderman S (2021). Generalized shape metrics on neural "
    "representations. NeurIPS. arXiv:2110.14739",
)


@COMPARISONS.register(
    "shape",
    summary="angular Procrustes distance of features and responses, a metric; alpha 0 for CCA",
    needs="features or labels; recordings or RDMs",
    paper="Williams et al. 2021, arXiv:2110.14739",
    named_by=("alpha", "distance", "below_exchange"),
)
def shape(
    context: Context,
    *,
    alpha: float = 1.0,
    distance: Geometry = "squared-euclidean",
    below_exchange: bool = False,
) -> Outcome:
    """Compare the shape of every layer's responses with that of each region's.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    alpha : float, default=1.0
        1 allows rotations, 0 all invertible linear maps (CCA), between them partial whitening.
    distance : str, default="squared-euclidean"
        As in :func:`~alignkit.pipelines.comparisons.cka.cka`.
    below_exchange : bool, default=False
        Return by how much the angle lies below what it is with stimuli exchanged. A rotation fits noise the
        better the more dimensions a model has, so that the plain angle to noisy data favours such models
        whatever they say of the stimuli; this does not.

    Returns
    -------
    outcome : Outcome
        Angles in radian, 0 to pi / 2, 0 for the same shape; or reductions of the angle, 0 for no relation.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"`alpha` must lie in [0, 1], got {alpha:g}.")
    named = [f"alpha {alpha:g}"] * (alpha < 1) + [distance] * (distance != "squared-euclidean")
    allowed = "rotations" if alpha == 1 else f"rotations after partial whitening (alpha {alpha:g})"
    note = "Angular shape distance, 0 for the same shape and at most pi / 2"
    if below_exchange:
        note = f"By how much the angular shape distance lies below its mean over {N_EXCHANGES} exchanges"
    what = "shape below exchange" if below_exchange else "shape"

    def compare(model: Floats, brain: Floats) -> float:
        if alpha < 1:
            _check_whitening(model, brain, alpha)
        return _below_exchange(model, brain) if below_exchange else _angle(model, brain)

    measure = Measure(
        metric=f"{what} ({', '.join(named)})" if named else what,
        unit="rad",
        prepare=lambda system: configuration(system.gram, alpha),
        compare=compare,
        permute=lambda root, order: root[order],
        settings={"alpha": alpha, "below_exchange": below_exchange},
        distance=distance,
        lower_is_closer=not below_exchange,
        bounded=False,
        max_permutations=99 if below_exchange else 200,
        note=note,
        methods=f"Shape distance: the angle that is left after the best of all {allowed}, computed from the "
        "inner products between stimuli. Noise makes it larger, the less so the more dimensions a model has"
        f"{f'; {note[:1].lower()}{note[1:]} of stimuli does not depend on that' if below_exchange else ''}.",
        references=_REFERENCES,
    )
    return compare_by(context, "shape", measure)


def configuration(gram: Floats, alpha: float = 1.0) -> Floats:
    """Return points (n_stimuli, n_dimensions) of unit total norm with the centred inner products."""
    values, vectors = np.linalg.eigh(centred_gram(gram, debiased=False))
    kept = values > len(gram) * np.finfo(np.float64).eps * np.abs(values).max()
    if not kept.any():
        raise InputError("all stimuli have equal responses or features somewhere; leave that layer out.")
    negative = -values[values < 0].sum()
    if negative > 1e-6 * values.max():
        warnings.warn(
            "some dissimilarities are not squared distances of any points: up to "
            f"{negative / np.abs(values).sum():.1%} of their spectrum is negative and taken for 0",
            UserWarning,
            stacklevel=2,
        )
    sizes = alpha * np.sqrt(values[kept]) + (1 - alpha)
    return np.asarray(vectors[:, kept] * (sizes / np.linalg.norm(sizes)))


def _check_whitening(model: Floats, brain: Floats, alpha: float) -> None:
    """Refuse what overlaps whatever the responses are: more dimensions on both sides than stimuli."""
    n_stimuli, n_model, n_brain = len(model), model.shape[1], brain.shape[1]
    if n_stimuli <= n_model + n_brain:
        raise InputError(
            f"`shape`: alpha {alpha:g} whitens, and {n_stimuli} stimuli in {n_model} and {n_brain} "
            "dimensions then have much the same shape whatever they are. Use alpha 1, or `cca`, which takes "
            "components."
        )


def _below_exchange(model: Floats, brain: Floats) -> float:
    rng = np.random.default_rng(len(brain))
    angles = [_angle(model, brain[rng.permutation(len(brain))]) for _ in range(N_EXCHANGES)]
    return float(np.mean(angles)) - _angle(model, brain)


def _angle(model: Floats, brain: Floats) -> float:
    return float(np.arccos(overlap(model, brain)))


def overlap(model: Floats, brain: Floats) -> float:
    """Return the cosine of the angle between two configurations."""
    # Above 1 by rounding only: both have unit norm.
    return min(float(np.linalg.svd(model.T @ brain, compute_uv=False).sum()), 1.0)
