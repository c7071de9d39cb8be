"""Retrieval scores with the identities of the stimuli exchanged, and where scores stand among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core.random import derive_seed
from ...stats.permutation import permutation_p
from ._place_scores import PlaceScores
from ._ranks import Gallery, score_all_entries

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def null_of_exchanges(
    flat: NDArray[np.floating],
    entries: Gallery,
    truth: Indices,
    similarity: str,
    score: PlaceScores,
    weights: Floats,
    n_permutations: int,
    seed: int,
) -> Floats:
    """Return the scores, a row per exchange of the stimuli's identities."""
    null = np.zeros((n_permutations, len(score.names)))
    if n_permutations == 0:
        return null
    shown, code = np.unique(truth, return_inverse=True)
    exchanged = _exchanges(entries.groups[shown], n_permutations, derive_seed(seed, "permutation"))
    # A stimulus's trials come one after the other and are summed before they are looked up: once each.
    order = np.argsort(code, kind="stable").astype(np.intp)
    total = np.zeros((len(score.names), len(shown)))
    left = np.bincount(code)
    for trial, scores in score_all_entries(flat, entries, shown, similarity, score, order):
        total += weights[trial] * scores
        entry = code[trial]
        left[entry] -= 1
        if left[entry] == 0:
            null += total[:, exchanged[:, entry]].T
            total[:] = 0.0
    return null


def _exchanges(groups: Indices, n_permutations: int, seed: int) -> Indices:
    # A stimulus takes the identity of one that was shown through as many entries, entry by entry.
    rng = np.random.default_rng(seed)
    members: dict[int, list[int]] = {}
    for entry, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(entry)
    by_size: dict[int, list[list[int]]] = {}
    for each in members.values():
        by_size.setdefault(len(each), []).append(each)
    out = np.empty((n_permutations, len(groups)), dtype=np.intp)
    for alike in by_size.values():
        block = np.array(alike)
        for row in out:
            row[block] = block[rng.permutation(len(block))]
    return out


def against_exchanges(
    estimates: Floats, null: Floats, names: Sequence[str], confidence: float
) -> dict[str, Floats]:
    """Return the range of the null and p of each score, NaN without a null; ranks fall."""
    if not len(null):
        return {name: np.full(len(names), np.nan) for name in ("null_low", "null_high", "p")}
    tail = (1 - confidence) / 2
    low, high = np.quantile(null, [tail, 1 - tail], axis=0)
    falls = np.array([name == "mean rank" for name in names])
    p = np.where(
        falls,
        permutation_p(estimates, null, alternative="less"),
        permutation_p(estimates, null, alternative="greater"),
    )
    return {"null_low": low, "null_high": high, "p": p}
