"""The scores of an RSA: similarities, chosen layers, intervals and null."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...metrics import compare_rdms
from ...stats import (
    permutation_p,
    prepare_vectors,
    two_factor_bootstrap,
    two_factor_jackknife,
    weighted_similarity,
)
from ...stats.similarity import standardised
from ..config import InferenceOptions
from ._choice import LayerScores, are_crossed, both_halves, choose_layers, cross_halves
from ._region import Column, Spread, layers_of, p_of_layers
from ._rsa_data import Brain

Floats = NDArray[np.float64]


def score_matrices(
    brain: Brain,
    models: Floats,
    columns: list[Column],
    *,
    comparison: str,
    inference: InferenceOptions,
    seed: int,
) -> dict[str, Floats]:
    """Return scores per layer and model, p-values, intervals and differences, as arrays to store.

    Parameters
    ----------
    brain : Brain
        Matrices of the subjects.
    models : ndarray of shape (n_columns, n_pairs)
        Matrices of all models and layers.
    columns : list of Column
        What they are.
    comparison : str
        How two matrices are compared.
    inference : InferenceOptions
        Draws, permutations, confidence.
    seed : int
        Of everything random here.
    """
    everything = np.ones(brain.items.n_units)

    def make_scorer(indices: NDArray[np.intp], half: NDArray[np.bool_] | None) -> LayerScores:
        pairs = brain.items.pairs_within(half)
        data = prepare_vectors(brain.values[:, pairs], method=comparison)
        candidates = prepare_vectors(models[np.ix_(indices, pairs)], method=comparison)
        return lambda weights: weighted_similarity(
            data, candidates, brain.items.pair_weights(weights, pairs), method=comparison
        )

    layers = make_scorer(np.arange(len(columns)), None)(everything)
    if np.isnan(layers).any():
        bad = columns[int(np.isnan(layers).any(axis=0).argmax())]
        raise InputError(
            f"all dissimilarities of {bad.name!r} ({bad.layer}) are equal; leave that layer out."
        )
    chosen_scores = choose_layers(layers, make_scorer, columns, n_units=brain.items.n_units, seed=seed)
    n_subjects, n_units = len(brain.subjects), brain.items.n_units
    if comparison == "kendall":
        # Tau of repeated pairs costs the square of their number: no thousand draws of that.
        spread = two_factor_jackknife(
            lambda keep: chosen_scores(keep.astype(np.float64)), n_subjects, n_units,
            confidence=inference.confidence,
        )  # fmt: skip
    else:
        spread = two_factor_bootstrap(
            chosen_scores, n_subjects, n_units, n_bootstrap=inference.n_bootstrap,
            confidence=inference.confidence, random_state=derive_seed(seed, "bootstrap"),
        )  # fmt: skip
    with fixed_threads(1):
        null = _null(brain, models, comparison, inference.n_permutations, derive_seed(seed, "null"))
    chosen = chosen_scores(everything)
    p = p_of_layers(layers, chosen, null, columns)
    crossed = are_crossed(layers_of(columns), n_subjects, all_by_halves=False)
    if crossed.any():
        with fixed_threads(1):
            by_half = _null_by_halves(brain, models, columns, comparison, inference.n_permutations, seed)
        p["p_chosen"] = np.where(crossed, permutation_p(chosen.mean(axis=0), by_half), p["p_chosen"])
    return {
        "layers": layers,
        "chosen": chosen,
        **p,
        **Spread.of(spread).to_arrays(),
    }


def _null(brain: Brain, models: Floats, comparison: str, n_permutations: int, seed: int) -> Floats:
    """Return the mean similarity over subjects with stimuli exchanged, shape (n_permutations, n_columns)."""
    rng = np.random.default_rng(seed)
    null = np.empty((n_permutations, len(models)))
    linear = comparison != "kendall"
    if linear:
        # These are dot products of standardised rows, which an exchange only re-orders.
        left = _standard(brain.values, comparison).mean(axis=0)
        right = _standard(models, comparison)
    for row in track(range(n_permutations), "permutations"):
        source = brain.items.exchange(rng)
        if linear:
            null[row] = right[:, source] @ left
        else:
            null[row] = np.mean(compare_rdms(brain.values, models[:, source], method="kendall"), axis=0)
    return null


def _standard(vectors: Floats, comparison: str) -> Floats:
    """Return vectors whose dot products are their similarities."""
    return standardised(prepare_vectors(vectors, method=comparison))


def _null_by_halves(
    brain: Brain, models: Floats, columns: list[Column], comparison: str, n_permutations: int, seed: int
) -> Floats:
    """Return what the same choice on the same halves gives with stimuli exchanged, (n, n_models)."""
    rng = np.random.default_rng(derive_seed(seed, "null by halves"))
    groups = layers_of(columns)
    halves = [brain.items.pairs_within(half) for half in both_halves(brain.items.n_units, seed)]
    linear = comparison != "kendall"
    parts = [_standard(models[:, pairs], comparison) if linear else models[:, pairs] for pairs in halves]
    null = np.empty((n_permutations, len(groups)))
    values = brain.values[0]
    if comparison == "spearman":
        values = rankdata(values, method="dense") - 1
    for row in track(range(n_permutations), "permutations"):
        exchanged = values[brain.items.exchange(rng)]
        found = []
        for pairs, part in zip(halves, parts, strict=True):
            some = exchanged[pairs]
            if comparison == "spearman":
                found.append(part @ _standard(midranks(some)[None], "pearson")[0])
            elif linear:
                found.append(part @ _standard(some[None], comparison)[0])
            else:
                found.append(np.ravel(compare_rdms(some, part, method="kendall")))
        null[row] = cross_halves(np.array(found), groups)
    return null


def midranks(codes: NDArray[np.integer]) -> Floats:
    """Return the average rank, from 1, of whole numbers from 0: by counting, not by sorting.

    Examples
    --------
    >>> midranks(np.array([7, 0, 7, 3]))
    array([3.5, 1. , 3.5, 2. ])
    """
    counts = np.bincount(codes)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[codes], dtype=np.float64)
