"""Zero-shot retrieval: where the right stimulus stands among a gallery, with chance, interval and p."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from ._identity_exchanges import against_exchanges, null_of_exchanges
from ._intervals import bootstrap_means, check_confidence, drawn_means
from ._place_scores import PlaceScores
from ._ranks import SIMILARITIES, Gallery, Places, gallery_of, places_of, similarities

Similarity = Literal["cosine", "correlation", "dot", "euclidean"]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
TOPS = (1, 5, 10)
WAYS = (2, 4, 10, 50)


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Result of :func:`retrieve`.

    Attributes
    ----------
    table : DataFrame
        A row per `score`: ``"top-1"``, ``"top-5"``, ``"top-10"``, ``"mean rank"``, ``"MRR"`` (mean reciprocal
        rank), ``"2-way"`` and so on, ``"median rank"``. Columns: `value`, `ci_low`, `ci_high`, `chance`,
        `null_low`, `null_high` (where the score lies without any relation), `p`. Ranks fall with better
        decoding, all else rises.
    better, tied : ndarray of shape (n_trials,)
        Gallery entries that beat the right one, and others as close as it.
    stimuli : ndarray of shape (n_trials,)
        Stimulus of each trial, a group of gallery entries.
    n_gallery : int
        Stimuli to choose from, each counted once.
    null : DataFrame
        A column per score that has a p: its value in each permutation.
    names : ndarray of str, shape (n_trials,), or None
        Entry shown in each trial, by name where these are known, to pair stimuli over subjects and folds.
    draws : DataFrame or None
        A column per score: its value in each bootstrap draw of stimuli.
    subjects : ndarray of str, shape (n_trials,), or None
        Whose each trial is, where scores are means over subjects of their own.
    """

    table: pd.DataFrame
    better: Indices
    tied: Indices
    stimuli: Indices
    n_gallery: int
    null: pd.DataFrame = field(repr=False)
    names: NDArray[np.str_] | None = None
    draws: pd.DataFrame | None = field(default=None, repr=False)
    subjects: NDArray[np.str_] | None = None

    @property
    def ranks(self) -> Floats:
        """Rank of the right stimulus in each trial, in [1, n_gallery]; of ties the mean rank."""
        return np.asarray(self.better + 1 + self.tied / 2, dtype=np.float64)

    @property
    def n_stimuli(self) -> int:
        """Stimuli that were shown."""
        return len(np.unique(self.stimuli))

    def value(self, score: str) -> float:
        """Return a score by its name in the table."""
        found = self.table.loc[self.table["score"] == score, "value"]
        if found.empty:
            raise InputError(
                f"there is no score {score!r} in a gallery of {self.n_gallery}; there are "
                f"{', '.join(self.table['score'])}."
            )
        return float(found.iloc[0])

    def of_trials(self, score: str) -> Floats:
        """Return a score of each trial, whose mean over trials, then over stimuli, is that of the table.

        Parameters
        ----------
        score : str
            Such as ``"top-5"``, ``"MRR"``, ``"mean rank"`` or ``"2-way"``; any k below the gallery's size.

        Returns
        -------
        values : ndarray of shape (n_trials,)
            Of ties the mean over their orders: of MRR that of 1 / rank, which is not 1 / the mean rank.

        Raises
        ------
        InputError
            If there is no such score of a trial.
        """
        top, way = re.fullmatch(r"top-(\d+)", score), re.fullmatch(r"(\d+)-way", score)
        tops, ways = ([int(found[1])] if found and int(found[1]) > 0 else [] for found in (top, way))
        scores = PlaceScores(self.n_gallery, tops, [k for k in ways if k > 1])
        if score not in scores.names:
            raise InputError(
                f"there is no score {score!r} of a trial in a gallery of {self.n_gallery}; there are 'MRR', "
                "'mean rank', 'top-k' below that size and 'k-way' from 2 up to it."
            )
        found = scores(Places(self.better, self.tied))
        return np.asarray(found[scores.names.index(score)], dtype=np.float64)

    def binomial_p(self, k: int = 1) -> float:
        """Return the exact binomial p of top-k, for a single trial of every stimulus.

        Parameters
        ----------
        k : int, default=1
            Places that count as a hit.

        Returns
        -------
        p : float
            Of as many hits or more by guessing, in (0, 1]. A tie at the edge counts as a miss.

        Raises
        ------
        InputError
            If stimuli have several trials, which are not independent.
        """
        if self.n_stimuli < len(self.stimuli):
            raise InputError(
                f"{len(self.stimuli)} trials show {self.n_stimuli} stimuli, and trials of one stimulus are "
                "not independent; average them first, or use the permutation p of the table."
            )
        hits = int((self.better + self.tied < k).sum())
        return float(binom.sf(hits - 1, len(self.stimuli), min(k / self.n_gallery, 1.0)))

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def retrieve(
    decoded: ArrayLike,
    gallery: ArrayLike,
    truth: ArrayLike,
    *,
    similarity: Similarity = "cosine",
    same: Sequence[object] | None = None,
    names: Sequence[str] | None = None,
    k_way: Sequence[int] = WAYS,
    n_bootstraps: int = 2000,
    n_permutations: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Retrieval:
    """Rank the gallery by its similarity to what was decoded, and score the place of the right stimulus.

    Every stimulus counts the same, however often it was shown: a score is the mean over stimuli of the mean
    over their trials. So a decoder that always says the same is at chance, 1 of the gallery's size.

    Parameters
    ----------
    decoded : array of shape (n_trials, n_dims) or (n_trials, n_dims, n_times)
        Decoded embeddings. Their numbers are compared as one row, over dimensions and times.
    gallery : array of shape (n_entries, n_dims) or (n_entries, n_dims, n_times)
        Embeddings to choose from. Entries of equal values are one stimulus.
    truth : array of int, shape (n_trials,)
        The entry that was shown in each trial.
    similarity : {"cosine", "correlation", "dot", "euclidean"}, default="cosine"
        What ranks the gallery; ``"euclidean"`` is the negative distance.
    same : sequence of length n_entries, optional
        Labels; entries with the same label (near-duplicates) count as one stimulus. The entry shown stands
        for it where it is right, its first entry where it is not.
    names : sequence of str, optional
        Of the entries; the result then says which was shown in each trial.
    k_way : sequence of int, default=(2, 4, 10, 50)
        Choices between the right stimulus and k - 1 others; the exact mean over all choices of others.
        Above the gallery's size they are left out, as is top-k from it on.
    n_bootstraps : int, default=2000
        Draws of stimuli (with all their trials) for the intervals; the gallery stays. 0: none.
    n_permutations : int, default=1000
        Exchanges of the stimuli's identities for p and the null. 0: none.
    confidence : float, default=0.95
        Of intervals and null ranges.
    seed : int, default=0
        Of draws and exchanges.

    Returns
    -------
    retrieval : Retrieval
        Places, scores, chance, intervals and p.

    Raises
    ------
    InputError
        For shapes that do not fit, NaN, a truth outside the gallery, or a gallery of one stimulus.

    Notes
    -----
    Ties get the mean over their orders (top-k: the chance of being among the first k), never the best.
    Intervals are BCa (Efron 1987), of the median rank plain percentiles, and hold the estimate; where a share
    rests on fewer than ten hits or misses they cover the Clopper-Pearson interval too, and of ranks and the
    MRR Student's interval with a quarter of a stimulus more at the best and at the worst rank. Identities are
    exchanged between stimuli that were shown, so that p, (b + 1) / (m + 1), asks whether decoding tells these
    apart. The median rank has no p.

    References
    ----------
    Efron B (1987). Better bootstrap confidence intervals. JASA, doi:10.1080/01621459.1987.10478410.
    Korn EL, Graubard BI (1998). Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data. Survey Methodology 24:193-201.

    Examples
    --------
    >>> found = retrieve([[1, 0.1], [0.2, 1]], [[1, 0], [0, 1], [-1, 0]], [0, 1], n_permutations=0)
    >>> found.ranks.tolist(), found.value("top-1")
    ([1.0, 1.0], 1.0)
    """
    check_option("similarity", similarity, SIMILARITIES)
    check_confidence(confidence)
    flat, entries, right = _checked(decoded, gallery, truth, same, names)
    score = PlaceScores(len(entries.first), TOPS, _checked_ways(k_way))
    places = places_of(flat, entries, right, similarity)
    groups, stimuli = np.unique(entries.groups[right], return_inverse=True)
    weights = 1.0 / (np.bincount(stimuli)[stimuli] * len(groups))
    by_trial = score(places)
    by_stimulus = np.array([np.bincount(stimuli, row) / np.bincount(stimuli) for row in by_trial]).T
    estimates = by_stimulus.mean(axis=0)
    drawing = derive_seed(seed, "bootstrap")
    means = drawn_means(by_stimulus, n_bootstraps=n_bootstraps, seed=drawing)
    interval = bootstrap_means(
        by_stimulus, means, rates=score.rates, bounds=score.bounds, confidence=confidence
    )
    null = null_of_exchanges(flat, entries, right, similarity, score, weights, n_permutations, seed)
    table = pd.DataFrame(
        {
            "score": score.names,
            "value": estimates,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "chance": score.chance,
            **against_exchanges(estimates, null, score.names, confidence),
        }
    )
    ranks = by_stimulus[:, score.names.index("mean rank")]
    medians = _drawn_medians(ranks, n_bootstraps, seed)
    table = pd.concat([table, _median_row(ranks, medians, score.n_gallery, confidence)])
    return Retrieval(
        table=table.reset_index(drop=True),
        better=places.better,
        tied=places.tied,
        stimuli=groups[stimuli].astype(np.intp),
        n_gallery=score.n_gallery,
        null=pd.DataFrame(null, columns=list(score.names)),
        names=None if names is None else np.asarray(list(map(str, names)))[right],
        draws=pd.DataFrame(means, columns=list(score.names)).assign(**{"median rank": medians}),
    )


def rank_stimuli(
    decoded: ArrayLike, gallery: ArrayLike, *, similarity: Similarity = "cosine", n_best: int = 10
) -> tuple[Indices, Floats]:
    """Return the gallery's closest entries to what was decoded from trials whose stimulus is not known.

    Parameters
    ----------
    decoded : array of shape (n_trials, n_dims[, n_times])
        Decoded embeddings.
    gallery : array of shape (n_entries, n_dims[, n_times])
        Embeddings to choose from.
    similarity : {"cosine", "correlation", "dot", "euclidean"}, default="cosine"
        What ranks.
    n_best : int, default=10
        Entries per trial; at most all.

    Returns
    -------
    entries : ndarray of int, shape (n_trials, n_best)
        Rows of the gallery, the closest first; of ties the first in the gallery.
    values : ndarray of shape (n_trials, n_best)
        Their similarity; of ``"euclidean"`` the negative squared distance.

    Raises
    ------
    InputError
        For shapes that do not fit, NaN, or `n_best` below 1.

    Examples
    --------
    >>> rank_stimuli([[1.0, 0.1]], [[0, 1], [1, 0]], n_best=1)[0].tolist()
    [[1]]
    """
    check_option("similarity", similarity, SIMILARITIES)
    if n_best < 1:
        raise InputError(f"`n_best` must be at least 1, got {n_best}.")
    values, entries = _checked_pair(decoded, gallery)
    flat, rows_of = values.reshape(len(values), -1), entries.reshape(len(entries), -1)
    found, close = [], []
    for _, block, _ in similarities(flat, rows_of, similarity):
        order = np.argsort(-block, axis=1, kind="stable")[:, :n_best]
        found.append(order)
        close.append(np.take_along_axis(block, order, axis=1))
    return np.concatenate(found), np.concatenate(close)


def _drawn_medians(ranks: Floats, n_bootstraps: int, seed: int) -> Floats:
    rng = np.random.default_rng(derive_seed(seed, "median"))
    draws = [np.median(ranks[rng.integers(0, len(ranks), len(ranks))]) for _ in range(n_bootstraps)]
    return np.array(draws, dtype=np.float64)


def _median_row(ranks: Floats, draws: Floats, n_gallery: int, confidence: float) -> pd.DataFrame:
    value, tail = float(np.median(ranks)), (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail]) if len(draws) else (np.nan, np.nan)
    row = {"score": "median rank", "value": value, "ci_low": min(low, value), "ci_high": max(high, value)}
    empty = {name: np.nan for name in ("null_low", "null_high", "p")}
    return pd.DataFrame([{**row, "chance": (n_gallery + 1) / 2, **empty}])


def _checked_pair(
    decoded: ArrayLike, gallery: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    values = check_array("decoded", decoded, ndim=(2, 3))
    entries = check_array("gallery", gallery, ndim=(2, 3))
    if values.shape[1:] != entries.shape[1:]:
        raise InputError(
            f"`decoded` and `gallery` must hold rows of one shape, got {values.shape[1:]} and "
            f"{entries.shape[1:]}. Compare with the embeddings that the decoder was fitted to."
        )
    return values, entries


def _checked(
    decoded: ArrayLike,
    gallery: ArrayLike,
    truth: ArrayLike,
    same: Sequence[object] | None,
    names: Sequence[str] | None,
) -> tuple[NDArray[np.floating], Gallery, Indices]:
    values, entries = _checked_pair(decoded, gallery)
    right = np.asarray(truth)
    if right.shape != (len(values),) or right.dtype.kind not in "iu":
        raise InputError(
            f"`truth` must be a whole number for each of the {len(values)} trials, got shape {right.shape} "
            f"of {right.dtype}."
        )
    if right.min() < 0 or right.max() >= len(entries):
        raise InputError(
            f"`truth` must name rows of the gallery, 0 to {len(entries) - 1}, got {right.min()} to "
            f"{right.max()}. Every stimulus that was shown must be in the gallery."
        )
    if same is not None and len(same) != len(entries):
        raise InputError(f"`same` must label all {len(entries)} entries of the gallery, got {len(same)}.")
    if names is not None and len(names) != len(entries):
        raise InputError(f"`names` must name all {len(entries)} entries of the gallery, got {len(names)}.")
    labels = None if same is None else pd.factorize(pd.Series(list(same), dtype=object))[0].astype(np.intp)
    if labels is not None and (labels < 0).any():
        raise InputError(f"`same` has no label for {int((labels < 0).sum())} entries; label each of them.")
    merged = gallery_of(entries, labels)
    if len(merged.first) < 2:
        raise InputError(
            f"the gallery holds one stimulus in {len(entries)} entries; retrieval needs two that differ."
        )
    return values.reshape(len(values), -1), merged, right.astype(np.intp)


def _checked_ways(k_way: Sequence[int]) -> list[int]:
    if any(k < 2 for k in k_way):
        raise InputError(f"`k_way` must hold numbers from 2 on, got {', '.join(map(str, k_way))}.")
    return list(dict.fromkeys(k_way))
