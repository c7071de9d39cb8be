"""Centred kernel alignment of features and responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.random import derive_seed
from ...metrics import centred_gram
from ...stats import cka_ceiling
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._region import RegionCeiling
from ._systems import Brains

Floats = NDArray[np.float64]
Kernel = Literal["linear", "rbf"]
Geometry = Literal["squared-euclidean", "correlation", "cosine"]
N_SPLITS = 20
_REFERENCES = (
    "Kornblith S, Norouzi M, Lee H, Hinton G (2019). Similarity of neural network representations revisited. "
    "ICML. arXiv:1905.00414",
    "Song L et al. (2012). Feature selection via dependence maximization. J Mach Learn Res 13:1393-1434",
)


@COMPARISONS.register(
    "cka",
    summary="centred kernel alignment of features and responses, debiased",
    needs="features or labels; recordings or RDMs",
    paper="Kornblith et al. 2019, arXiv:1905.00414; Song et al. 2012",
    named_by=("kernel", "debiased", "distance"),
)
def cka(
    context: Context,
    *,
    kernel: Kernel = "linear",
    debiased: bool = True,
    distance: Geometry = "squared-euclidean",
) -> Outcome:
    """Compare every layer's similarities between stimuli with each region's.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    kernel : {"linear", "rbf"}, default="linear"
        "rbf" is Gaussian, its width the root of the median squared distance.
    debiased : bool, default=True
        Take the estimate that does not rise with the number of units.
    distance : str, default="squared-euclidean"
        What the inner products belong to; "correlation" standardises the pattern of every stimulus first,
        as published correlation distances do.

    Returns
    -------
    outcome : Outcome
        CKA per subject, layer and model; ceilings where stimuli were repeated or there are several subjects.
    """
    estimate = "debiased" if debiased else "biased"
    name = {"linear": "linear CKA", "rbf": "CKA with a Gaussian kernel"}[kernel]
    own = {"linear": "", "rbf": "rbf-"}[kernel] + "cka" + ("" if debiased else " (biased)")
    metric = own if distance == "squared-euclidean" else f"{own} ({distance})"
    plain = kernel == "linear" and debiased and distance == "squared-euclidean"
    measure = Measure(
        metric=metric,
        unit="cka",
        prepare=lambda system: _unit(_kernel(system.gram, kernel), debiased),
        compare=lambda model, brain: float(np.vdot(model, brain)),
        permute=lambda state, order: state[np.ix_(order, order)],
        pool=_pool,
        ceiling=_repeat_ceiling if plain else None,
        size_free=debiased,
        zero_is_chance=debiased,
        version=5,
        settings={"kernel": kernel, "debiased": debiased},
        distance=distance,
        note=f"{estimate.capitalize()} {name}",
        methods=f"{name[:1].upper() + name[1:]}, {estimate}, between mean responses and features.",
        references=_REFERENCES,
    )
    return compare_by(context, "cka", measure)


def _kernel(gram: Floats, kernel: Kernel) -> Floats:
    if kernel == "linear":
        return gram
    own = gram.diagonal()
    squared = own + own[:, None] - 2 * gram
    median = float(np.median(squared[np.triu_indices(len(gram), 1)]))
    if median <= 0:
        raise InputError(
            "kernel 'rbf': at least half of the pairs of stimuli have equal responses, so that the median "
            "distance sets no width. Use kernel 'linear'."
        )
    return np.asarray(np.exp(squared / (-2 * median)))


def _unit(gram: Floats, debiased: bool) -> Floats:
    centred = centred_gram(gram, debiased=debiased)
    norm = np.linalg.norm(centred)
    if norm <= 1e-12 * np.abs(gram).max() * len(gram):
        raise InputError("all stimuli have equal responses or features somewhere; leave that layer out.")
    return np.asarray(centred / norm)


def _pool(grams: Sequence[Floats]) -> Floats:
    mean = np.mean(grams, axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _repeat_ceiling(brains: Brains, seed: int) -> RegionCeiling | None:
    """Return the ceiling of the mean over subjects from halves of the repeats, where all were repeated."""
    if not brains.recordings:
        return None
    if any(r.samples["stimulus_id"].value_counts().min() < 2 for r in brains.recordings):
        return None
    bounds = []
    for recording, system in zip(brains.recordings, brains.systems, strict=True):
        rng = np.random.default_rng(derive_seed(seed, "ceiling", recording.subject))
        pairs = [recording.split_repetitions(rng) for _ in range(N_SPLITS)]
        ids = brains.stimulus_ids
        first, second = (np.stack([pair[half].align(ids).data for pair in pairs]) for half in (0, 1))
        assert system.patterns is not None  # it comes from a recording
        bounds.append(cka_ceiling(first, second, system.patterns))
    upper = float(np.mean([bound.upper for bound in bounds]))
    errors = np.array([bound.se_upper for bound in bounds])
    se = float(np.sqrt((errors**2).sum()) / len(errors))
    return RegionCeiling(np.nan, upper, se, bounds[0].estimator, divides=True)
