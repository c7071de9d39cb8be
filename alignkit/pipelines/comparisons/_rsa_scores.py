"""The scores of an RSA: similarities, chosen layers, intervals and null."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...metrics import compare_rdms
from ...stats import (
    PreparedVectors,
    prepare_vectors,
    two_factor_bootstrap,
    two_factor_jackknife,
    weighted_similarity,
)
from ...stats.similarity import standardised
from ..config import InferenceOptions
from ._choice import choose_layers
from ._region import Column, Spread, p_of_layers
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
    data = prepare_vectors(brain.values, method=comparison)
    candidates = prepare_vectors(models, method=comparison)
    everything = np.ones(brain.items.n_units)

    def layer_scores(unit_weights: Floats) -> Floats:
        weights = brain.items.pair_weights(unit_weights)
        return weighted_similarity(data, candidates, weights, method=comparison)

    layers = layer_scores(everything)
    if np.isnan(layers).any():
        bad = columns[int(np.isnan(layers).any(axis=0).argmax())]
        raise InputError(
            f"all dissimilarities of {bad.name!r} ({bad.layer}) are equal; leave that layer out."
        )
    chosen_scores = choose_layers(layers, layer_scores, columns, n_units=brain.items.n_units, seed=seed)
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
        null = _null(brain, data, candidates, inference.n_permutations, derive_seed(seed, "null"))
    chosen = chosen_scores(everything)
    return {
        "layers": layers,
        "chosen": chosen,
        **p_of_layers(layers, chosen, null, columns),
        **Spread.of(spread).to_arrays(),
    }


def _null(
    brain: Brain, data: PreparedVectors, models: PreparedVectors, n_permutations: int, seed: int
) -> Floats:
    """Return the mean similarity over subjects with stimuli exchanged, shape (n_permutations, n_columns)."""
    rng = np.random.default_rng(seed)
    null = np.empty((n_permutations, len(models.values)))
    linear = data.method != "kendall"
    if linear:
        # These are dot products of standardised rows, which an exchange only re-orders.
        left, right = standardised(data).mean(axis=0), standardised(models)
    for row in track(range(n_permutations), "permutations"):
        source = brain.items.exchange(rng)
        if linear:
            null[row] = right[:, source] @ left
        else:
            null[row] = np.mean(compare_rdms(data.values, models.values[:, source], method="kendall"), axis=0)
    return null
