"""Stimulus permutation: is a model closer to the data than to the same data with shuffled stimuli."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import RandomState, as_generator
from ._columns import check_predictions, standardised_columns, summarise
from ._pairs import check_n_pairs
from .permutation import check_n_permutations, p_against_one_null, permutation_p
from .similarity import (
    SIMILARITY_METHODS,
    PreparedVectors,
    prepare_vectors,
    similarity_kernel,
    standardised,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_BATCH = 64
_BATCH_ELEMENTS = 1 << 22
_TIE = 1e-12


@dataclass(frozen=True)
class StimulusPermutationTest:
    """Result of :func:`stimulus_permutation_rdm`; larger scores are the alternative.

    Attributes
    ----------
    observed : ndarray of shape (n_models,)
        Mean similarity over subjects.
    p : ndarray of shape (n_models,)
        Of each model by itself.
    p_max : ndarray of shape (n_models,)
        Corrected for all models of its group by the largest similarity; a group's own p is its smallest.
    null : ndarray of shape (n_permutations, n_models)
        Mean similarities with shuffled stimuli.
    n_permutations : int
        Shuffles, the observed order not among them.
    """

    observed: Floats
    p: Floats
    p_max: Floats
    null: Floats
    n_permutations: int


@dataclass(frozen=True)
class PredictionPermutationTest:
    """Result of :func:`permute_predictions`; larger correlations are the alternative.

    Attributes
    ----------
    observed, p, p_max, null, n_permutations
        As in :class:`StimulusPermutationTest`, of the summary over channels.
    channel_scores : ndarray of shape (n_models, n_channels)
        Correlation over stimuli; NaN for constant columns.
    channel_p : ndarray of shape (n_models, n_channels)
        Of each channel by itself: correct them with :func:`alignkit.stats.fdr`.
    channel_p_max : ndarray of shape (n_models, n_channels)
        Corrected for all channels by the largest correlation.
    """

    observed: Floats
    p: Floats
    p_max: Floats
    null: Floats
    n_permutations: int
    channel_scores: Floats
    channel_p: Floats
    channel_p_max: Floats


def stimulus_permutation_rdm(
    data_rdms: ArrayLike,
    model_rdms: ArrayLike,
    n_stimuli: int,
    *,
    method: str,
    groups: Sequence[object] | None = None,
    n_permutations: int = 1000,
    random_state: RandomState = 0,
) -> StimulusPermutationTest:
    """Test models against shuffled stimuli, rows and columns of the RDM together (Mantel).

    The shuffle is the same for all subjects and models. Pairs are never shuffled by themselves: they are
    not exchangeable, since each stimulus is in many of them.

    Parameters
    ----------
    data_rdms : array of shape (n_subjects, n_pairs)
        Upper triangles of the subjects' RDMs.
    model_rdms : array of shape (n_models, n_pairs)
        Upper triangles of the models' RDMs, the stimuli in the same order.
    n_stimuli : int
        Stimuli behind the pairs.
    method : {"cosine", "kendall", "pearson", "rho-a", "spearman"}
        The similarity; ``"kendall"`` is tau-a.
    groups : sequence of length n_models, optional
        Families for `p_max`, such as the network that each layer belongs to. By default all are one.
    n_permutations : int, default=1000
        Shuffles.
    random_state : int, Generator or None, default=0
        Source of the shuffles.

    Returns
    -------
    result : StimulusPermutationTest
        NaN for models (or with subjects) whose similarity is undefined.

    Raises
    ------
    InputError
        For shapes that do not fit, an unknown method, or fewer than 4 stimuli.

    Notes
    -----
    Ranks are taken once, and subjects are averaged before the shuffles wherever the similarity is a dot
    product (all but kendall): then O(n_permutations n_pairs n_models), whatever the number of subjects.
    Kendall costs O((n_subjects + n_models) n_pairs^2) per shuffle. Valid when stimuli are exchangeable
    under the null: for designs with blocks or categories it tests against "no relation at all".

    References
    ----------
    Mantel (1967), The detection of disease clustering. Nili et al. (2014), 10.1371/journal.pcbi.1003553.
    """
    check_option("method", method, SIMILARITY_METHODS)
    data = check_array("data_rdms", data_rdms, ndim=2, dtype=np.float64)
    models = check_array("model_rdms", model_rdms, ndim=2, dtype=np.float64)
    if n_stimuli < 4:
        raise InputError(f"`n_stimuli` must be at least 4 for a permutation test, got {n_stimuli}.")
    check_n_pairs("data_rdms", data.shape[1], n_stimuli)
    check_n_pairs("model_rdms", models.shape[1], n_stimuli)
    check_n_permutations(n_permutations)
    labels = _group_labels(groups, models.shape[0])
    generator = as_generator(random_state)
    shuffles = _pair_shuffles(n_stimuli, n_permutations, generator)
    prepared = prepare_vectors(data, method=method), prepare_vectors(models, method=method)
    make_null = _kendall_null if method == "kendall" else _linear_null
    observed, null = make_null(*prepared, shuffles, n_permutations)
    p, p_max = _p_values(observed, null, labels)
    return StimulusPermutationTest(observed, p, p_max, null, n_permutations)


def permute_predictions(
    predictions: ArrayLike,
    responses: ArrayLike,
    *,
    blocks: Sequence[object] | None = None,
    groups: Sequence[object] | None = None,
    reduce: Literal["mean", "median"] = "median",
    n_permutations: int = 1000,
    random_state: RandomState = 0,
) -> PredictionPermutationTest:
    """Test the correlation of predictions with responses against shuffled stimuli.

    Whole stimuli are shuffled, the same way for all channels and models, so that the correlation between
    channels stays in the null of the summary.

    Parameters
    ----------
    predictions : array of shape (n_stimuli, n_channels) or (n_models, n_stimuli, n_channels)
        Held-out predictions, one row per stimulus.
    responses : array of shape (n_stimuli, n_channels)
        Responses to the same stimuli, one row per stimulus: average repeats first.
    blocks : sequence of length n_stimuli, optional
        Shuffle within blocks only (runs, or the folds of a cross-validation).
    groups : sequence of length n_models, optional
        Families for the summary's `p_max`. By default all models are one.
    reduce : {"mean", "median"}, default="median"
        Summary over channels; channels with an undefined correlation do not count.
    n_permutations : int, default=1000
        Shuffles.
    random_state : int, Generator or None, default=0
        Source of the shuffles.

    Returns
    -------
    result : PredictionPermutationTest
        P-values of summaries and of single channels.

    Raises
    ------
    InputError
        For shapes that do not fit, values that are not finite, fewer than 4 stimuli, or blocks that leave
        nothing to shuffle.

    Notes
    -----
    The model is not fitted again, so that the test is about these predictions: exact for a single split
    into training and test part. Predictions of several folds share training data, which makes the test too
    ready to find something: give `null` to :func:`widen_cross_validated_null` first.

    O(n_permutations n_models n_stimuli n_channels); of the null only the summary is kept.
    """
    check_option("reduce", reduce, ("mean", "median"))
    predicted, measured = check_predictions(predictions, responses)
    check_n_permutations(n_permutations)
    labels = _group_labels(groups, predicted.shape[0])
    columns, target = standardised_columns(predicted, axis=1), standardised_columns(measured, axis=0)
    scores = np.einsum("mic,ic->mc", columns, target)
    observed = summarise(scores, reduce)
    threshold = scores - _TIE
    exceeded = np.zeros(scores.shape)
    null, largest = np.empty((n_permutations, len(scores))), np.empty((n_permutations, len(scores)))
    within = _block_labels(blocks, len(target))
    orders = _shuffles_within(within, n_permutations, as_generator(random_state))
    for draw, order in enumerate(track(orders, "shuffling stimuli", n_permutations)):
        shuffled = np.einsum("mic,ic->mc", columns, target[order])
        exceeded += shuffled >= threshold
        null[draw] = summarise(shuffled, reduce)
        largest[draw] = np.max(np.nan_to_num(shuffled, nan=-np.inf), axis=1)
    channel_p = np.where(np.isnan(scores), np.nan, (exceeded + 1.0) / (n_permutations + 1.0))
    channel_p_max = np.stack(
        [p_against_one_null(row, column) for row, column in zip(scores, largest.T, strict=True)]
    )
    p, p_max = _p_values(observed, null, labels)
    return PredictionPermutationTest(
        observed, p, p_max, null, n_permutations, scores, channel_p, channel_p_max
    )


def _linear_null(
    data: PreparedVectors, models: PreparedVectors, shuffles: Iterator[Indices], n_permutations: int
) -> tuple[Floats, Floats]:
    # Shuffling the data is the inverse shuffle of the model; the mean over subjects comes first.
    mean = standardised(data).mean(axis=0)
    rows = standardised(models)
    size = min(_BATCH, max(1, _BATCH_ELEMENTS // mean.size))
    starts = range(0, n_permutations, size)
    null = [
        np.stack([mean[shuffle] for shuffle in islice(shuffles, min(size, n_permutations - start))]) @ rows.T
        for start in track(starts, "shuffling stimuli")
    ]
    return rows @ mean, np.concatenate(null)


def _kendall_null(
    data: PreparedVectors, models: PreparedVectors, shuffles: Iterator[Indices], n_permutations: int
) -> tuple[Floats, Floats]:
    ones = np.ones(data.values.shape[1])
    null = [
        similarity_kernel(PreparedVectors("kendall", data.values[:, shuffle]), models, ones).mean(axis=0)
        for shuffle in track(shuffles, "shuffling stimuli", n_permutations)
    ]
    return similarity_kernel(data, models, ones).mean(axis=0), np.stack(null)


def _pair_shuffles(n_stimuli: int, n_shuffles: int, generator: np.random.Generator) -> Iterator[Indices]:
    rows, columns = np.triu_indices(n_stimuli, 1)
    number = np.zeros((n_stimuli, n_stimuli), dtype=np.intp)
    number[rows, columns] = number[columns, rows] = np.arange(rows.size)
    for _ in range(n_shuffles):
        order = generator.permutation(n_stimuli)
        yield number[order[rows], order[columns]]


def _block_labels(blocks: Sequence[object] | None, n_stimuli: int) -> Indices:
    if blocks is None:
        return np.zeros(n_stimuli, dtype=np.intp)
    if len(blocks) != n_stimuli:
        raise InputError(
            f"`blocks` must name the block of each of the {n_stimuli} stimuli, got {len(blocks)}."
        )
    numbers: dict[object, int] = {}
    labels = np.array([numbers.setdefault(name, len(numbers)) for name in blocks], dtype=np.intp)
    if len(numbers) == n_stimuli:
        raise InputError(
            f"`blocks` puts each of the {n_stimuli} stimuli in a block of its own: nothing can be shuffled. "
            "Use larger blocks."
        )
    return labels


def _shuffles_within(labels: Indices, n_shuffles: int, generator: np.random.Generator) -> Iterator[Indices]:
    places = np.argsort(labels, kind="stable")
    for _ in range(n_shuffles):
        order = np.empty(labels.size, dtype=np.intp)
        order[places] = np.lexsort((generator.random(labels.size), labels))
        yield order


def _group_labels(groups: Sequence[object] | None, n_models: int) -> list[object]:
    labels = [0] * n_models if groups is None else list(groups)
    if len(labels) != n_models:
        raise InputError(f"`groups` must name the group of each of the {n_models} models, got {len(labels)}.")
    return list(labels)


def _p_values(observed: Floats, null: Floats, labels: list[object]) -> tuple[Floats, Floats]:
    """Return the p-value of each model, and that corrected within its group."""
    p_max = np.full(observed.shape, np.nan)
    for label in dict.fromkeys(labels):
        members = np.array([other == label for other in labels]) & ~np.isnan(observed)
        if members.any():
            p_max[members] = p_against_one_null(observed[members], null[:, members].max(axis=1))
    return permutation_p(observed, null), p_max
