"""The scores of a weighted RSA: on held-out stimuli, with errors and a null that fit the weights again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...stats import permutation_p, two_factor_jackknife
from ...stats.ceilings_repeats import jackknife_se
from ..config import InferenceOptions
from ._region import RegionCeiling, Spread
from ._rsa_data import Brain, matrix_ceiling
from ._weighted_fits import Part, Weighted, make_parts, unit_rows

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
# Dissimilarities of exchanged matrices that are held at a time: 64 MiB.
_BATCH_ELEMENTS = 2**23


class HeldOut:
    """Brain matrices, folds of stimuli, and how what was fitted is scored.

    Parameters
    ----------
    brain : Brain
        Matrices of the subjects.
    folds : sequence of (train, test)
        Positions of stimuli.
    score : str
        How dissimilarities are compared.
    others : bool
        Whether weights are fitted to the mean of the *other* subjects instead of the subject's own matrix.
    """

    def __init__(self, brain: Brain, folds: Sequence[tuple[Index, Index]], score: str, others: bool) -> None:
        self.brain, self.folds, self.score, self.others = brain, folds, score, others
        self.n_stimuli = len(brain.items.ids)
        self.parts = make_parts(folds, self.n_stimuli)

    def targets(self, values: Floats) -> Floats:
        """Return what weights are fitted to, from (n_subjects, ..., n_train_pairs)."""
        if not self.others:
            return values
        if self.score != "cosine":
            values = values - values.mean(axis=-1, keepdims=True)
        # Subjects count the same, whatever the scale of their dissimilarities.
        values = values / np.sqrt((values**2).mean(axis=-1, keepdims=True))
        return np.asarray((values.sum(axis=0) - values) / (len(values) - 1))

    def scores(
        self, models: Sequence[Weighted], values: Floats, keep: NDArray[np.bool_] | None = None
    ) -> Floats:
        """Return the mean score over folds.

        Parameters
        ----------
        models : sequence of Weighted
            What is fitted and scored.
        values : ndarray of shape (n_subjects, n_draws, n_pairs)
            Matrices of the subjects, or exchanged ones.
        keep : ndarray of bool, shape (n_stimuli,), optional
            Stimuli that are fitted to or scored; by default all.

        Returns
        -------
        scores : ndarray of shape (n_subjects, n_draws, n_models)
            A model that predicts one value for all pairs of a fold has 0 there.
        """
        shape = values.shape[:2]
        owners = np.repeat(np.arange(shape[0]), shape[1])
        parts = self.parts if keep is None else make_parts(self.folds, self.n_stimuli, keep)
        result = np.zeros((*shape, len(models)))
        for part in parts:
            targets = self.targets(values[..., part.train_pairs]).reshape(len(owners), -1)
            truth = unit_rows(values[..., part.test_pairs].reshape(len(owners), -1), self.score)
            for m, model in enumerate(models):
                predicted = unit_rows(model.predict(part, targets, owners), self.score)
                alike = truth @ predicted[0] if len(predicted) == 1 else (truth * predicted).sum(axis=1)
                result[..., m] += alike.reshape(shape) / len(parts)
        return result

    def null(self, models: Sequence[Weighted], n_permutations: int, seed: int) -> Floats:
        """Return mean scores over subjects with stimuli exchanged and weights fitted again, (n, n_models)."""
        rng = np.random.default_rng(derive_seed(seed, "null"))
        size = max(1, _BATCH_ELEMENTS // self.brain.values.size)
        null = np.empty((n_permutations, len(models)))
        for start in track(range(0, n_permutations, size), "permutations"):
            count = min(size, n_permutations - start)
            sources = np.stack([self.brain.items.exchange(rng) for _ in range(count)])
            exchanged = self.brain.values[:, sources]
            null[start : start + count] = self.scores(models, exchanged).mean(axis=0)
        return null


def score_weighted(
    held_out: HeldOut,
    models: Sequence[Weighted],
    layers: Sequence[Weighted],
    *,
    inference: InferenceOptions,
    n_permutations: int,
    n_blocks: int,
    test_layers: bool,
    seed: int,
) -> dict[str, Floats]:
    """Return scores per layer and model, p-values, intervals and differences, as arrays to store.

    Parameters
    ----------
    held_out : HeldOut
        Data and folds.
    models, layers : sequence of Weighted
        The models, and every layer of each by itself.
    inference : InferenceOptions
        Confidence.
    n_permutations, n_blocks : int
        Exchanges of stimuli, and blocks of the jackknife.
    test_layers : bool
        Whether single layers get a p.
    seed : int
        Of the exchanges.
    """
    brain = held_out.brain
    values = brain.values[:, None]

    def chosen_scores(keep: NDArray[np.bool_]) -> Floats:
        return held_out.scores(models, values, keep[brain.items.units])[:, 0]

    with fixed_threads(1):
        chosen = held_out.scores(models, values)[:, 0]
        single = held_out.scores(layers, values)[:, 0]
        spread = two_factor_jackknife(
            chosen_scores, len(brain.subjects), brain.items.n_units,
            n_blocks=n_blocks, confidence=inference.confidence,
        )  # fmt: skip
        tested = [*models, *layers] if test_layers else list(models)
        null = held_out.null(tested, n_permutations, seed)
    p_layers = np.full(len(layers), np.nan)
    if test_layers:
        p_layers = permutation_p(single.mean(axis=0), null[:, len(models) :])
    return {
        "layers": single,
        "chosen": chosen,
        "p_layers": p_layers,
        "p_chosen": permutation_p(chosen.mean(axis=0), null[:, : len(models)]),
        **Spread.of(spread).to_arrays(),
    }


def fold_ceiling(brain: Brain, parts: Sequence[Part], score: str) -> RegionCeiling:
    """Return the ceiling on the very pairs that score, mean over folds."""
    found = [matrix_ceiling(brain, score, part.test) for part in parts]
    lower, upper = (float(np.mean([getattr(one, end) for one in found])) for end in ("lower", "upper"))
    if not np.isfinite(upper):
        return RegionCeiling()
    n = len(brain.subjects)
    # Folds hold different stimuli, but the same subjects.
    se = float(np.sqrt(np.sum([one.se**2 for one in found])) / len(found))
    if n > 1:
        se = np.nan
    if n > 2:
        without = [_lower(brain, np.delete(np.arange(n), s), parts, score) for s in range(n)]
        se = float(jackknife_se(np.array(without)))
    return RegionCeiling(lower, upper, se, f"mean over folds: {found[0].estimator}", found[0].divides)


def _lower(brain: Brain, kept: Index, parts: Sequence[Part], score: str) -> float:
    some = replace(brain, values=brain.values[kept], subjects=[brain.subjects[s] for s in kept])
    return float(np.mean([matrix_ceiling(some, score, part.test).lower for part in parts]))
