"""Nulls of decoding: what scores look like when trials and targets have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from ...stats.corrections import fdr, max_statistic_p
from ...stats.permutation import Alternative, permutation_p
from ..trials import Trials
from ._label_exchanges import Exchanged, Parts, design_of
from .retrieval import Similarity, retrieve

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
CORRECTIONS = ("max", "fdr", "none")


@dataclass(frozen=True, eq=False)
class TimeTest:
    """Result of :func:`compare_over_times`.

    Attributes
    ----------
    p, p_corrected : ndarray of shape (n_times,)
        Of each time, and corrected for all of them.
    correction : str
        How: ``"max"`` (family-wise error), ``"fdr"`` (Benjamini-Hochberg) or ``"none"``.
    """

    p: Floats
    p_corrected: Floats
    correction: str


@dataclass(frozen=True, eq=False)
class ClusterTest:
    """Result of :func:`cluster_test`.

    Attributes
    ----------
    statistic : ndarray of shape (n_times,) or (n_times, n_times)
        Student's t of each point.
    masks : tuple of ndarray of bool
        Points of each cluster.
    p : ndarray of shape (n_clusters,)
        Corrected for all clusters; a cluster's borders and single points are not tested.
    """

    statistic: Floats
    masks: tuple[NDArray[np.bool_], ...]
    p: Floats


def permute_labels(
    truth: ArrayLike,
    units: ArrayLike,
    *,
    n_permutations: int,
    order: ArrayLike | None = None,
    parts: Parts | None = None,
    seed: int = 0,
) -> Indices:
    """Exchange the labels of trials (or blocks of them) within units, or of units that hold one label each.

    Where labels come in blocks within units, trials are not exchangeable: neighbours share a drift that
    tells blocks apart. Then whole blocks of successive equal labels are exchanged, within their unit.

    Parameters
    ----------
    truth : array of int, shape (n_trials,)
        Class of each trial.
    units : array of shape (n_trials,)
        Run (or stimulus) of each trial: labels of different runs are not exchanged, since runs drift.
    n_permutations : int
        How many.
    order : array of shape (n_trials,), optional
        When each trial was recorded, such as its onset or row; by default as they come.
    parts : sequence of (train, test), optional
        Rows of folds. Exchanges of whole units that leave a part without a class are drawn again.
    seed : int, default=0
        Of the exchange.

    Returns
    -------
    permuted : ndarray of int, shape (n_permutations, n_trials)
        Labels; every class keeps its trials (or blocks) within a unit, or its units.

    Raises
    ------
    InputError
        If all trials have one label, or hardly any exchange leaves every class in all parts.

    Notes
    -----
    Labels are in blocks where they change more seldom than in a random order, by a runs test over all units
    (Mood 1940), p < 0.01. Of few blocks there are few exchanges, and p cannot become small: with one block
    of each of two classes in each of n runs there are 2^n, of which half do what the others do.

    References
    ----------
    Mood AM (1940). The distribution theory of runs. Annals of Mathematical Statistics,
    doi:10.1214/aoms/1177731825.

    Examples
    --------
    >>> permute_labels([0, 1, 0, 1], [7, 7, 8, 8], n_permutations=1).sum(axis=1)
    array([2])
    """
    design = design_of(truth, units, order)
    return design.exchanges(n_permutations, np.random.default_rng(derive_seed(seed, "labels")), parts)


def what_is_exchanged(truth: ArrayLike, units: ArrayLike, *, order: ArrayLike | None = None) -> Exchanged:
    """Return what :func:`permute_labels` exchanges of these trials.

    Parameters
    ----------
    truth, units, order
        As in :func:`permute_labels`.

    Returns
    -------
    exchanged : {"trials within units", "blocks within units", "whole units"}

    Examples
    --------
    >>> what_is_exchanged([0] * 9 + [1] * 9, [7] * 18)
    'blocks within units'
    """
    return design_of(truth, units, order).exchanged


def recording_order(trials: Trials) -> Floats:
    """Return when each trial was recorded: its `onset_s` where all samples have one, else its row.

    Returns
    -------
    order : ndarray of shape (n_trials,)
        In seconds or rows, to compare trials of one subject and unit.
    """
    order = np.empty(len(trials))
    for subject in trials.subjects:
        own = (trials.table["subject"] == subject).to_numpy()
        rows = trials.column("row")[own]
        samples = trials.study[subject].samples
        timed = "onset_s" in samples and samples["onset_s"].notna().all()
        order[own] = samples["onset_s"].to_numpy(dtype=np.float64)[rows] if timed else rows
    return order


def shuffle_targets(trials: Trials, *, seed: int = 0) -> Trials:
    """Return trials that lost their relation to the targets, to fit a decoder that must be at chance.

    Embeddings are exchanged between stimuli (repetitions and near-duplicates together go to those of one
    other stimulus); classes between the trials (or blocks, see :func:`permute_labels`) of a subject's unit,
    or between units that hold one class each.

    Parameters
    ----------
    trials : Trials
        To fit to.
    seed : int, default=0
        Of the exchange.

    Returns
    -------
    shuffled : Trials
        The same trials with other targets.

    Notes
    -----
    Fit several such decoders (20 or more) and look at their mean. One alone may lie outside the null range
    of :func:`retrieve`: where signals tell stimuli apart it maps them consistently, and in few dimensions a
    wrong map may resemble the right one by luck, or its opposite.
    """
    target = trials.column("target")
    if trials.targets.are_classes:
        units = np.unique(trials.table["unit"].astype(str), return_inverse=True)[1]
        order = recording_order(trials)
        if what_is_exchanged(target, units, order=order) != "whole units":
            units = units * len(trials.subjects) + trials.subject_codes
        exchanged = permute_labels(target, units, n_permutations=1, order=order, seed=seed)[0]
    else:
        stimuli, first, code = np.unique(trials.column("group"), return_index=True, return_inverse=True)
        drawn = np.random.default_rng(derive_seed(seed, "targets")).permutation(len(stimuli))
        exchanged = target[first][drawn][code]
    return replace(trials, table=trials.table.assign(target=exchanged))


def null_of_retrieval(
    decoded: ArrayLike,
    gallery: ArrayLike,
    truth: ArrayLike,
    *,
    similarity: Similarity = "cosine",
    same: Sequence[object] | None = None,
    k_way: Sequence[int] = (2,),
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return retrieval scores with the identities of the stimuli exchanged.

    Parameters
    ----------
    decoded, gallery, truth, similarity, same, k_way
        As in :func:`retrieve`.
    n_permutations : int, default=1000
        Exchanges, each of all trials of a stimulus together.
    seed : int, default=0
        Of the exchanges: with the same seed and stimuli they are the same, so that the nulls of several times
        or windows may be corrected together.

    Returns
    -------
    null : DataFrame
        A row per permutation and a column per score.
    """
    found = retrieve(
        decoded,
        gallery,
        truth,
        similarity=similarity,
        same=same,
        k_way=k_way,
        n_bootstraps=0,
        n_permutations=n_permutations,
        seed=seed,
    )
    return found.null


def compare_over_times(
    observed: ArrayLike,
    null: ArrayLike,
    *,
    correction: Literal["max", "fdr", "none"] = "max",
    alternative: Alternative = "greater",
) -> TimeTest:
    """Test scores at many times (or windows) against a null whose rows exchange all times alike.

    Parameters
    ----------
    observed : array of shape (n_times,)
        Scores of one kind.
    null : array of shape (n_permutations, n_times)
        The same scores, a row per exchange of labels.
    correction : {"max", "fdr", "none"}, default="max"
        The largest score over times, which controls the family-wise error whatever their dependence; the
        false discovery rate; or none.
    alternative : {"greater", "less", "two-sided"}, default="greater"
        ``"less"`` for ranks.

    Returns
    -------
    test : TimeTest
        p, (b + 1) / (m + 1), and p corrected.

    Raises
    ------
    InputError
        For shapes that do not fit.

    Examples
    --------
    >>> compare_over_times([3.0, 0.5], [[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]]).p_corrected.tolist()
    [0.25, 1.0]
    """
    check_option("correction", correction, CORRECTIONS)
    values = check_array("observed", observed, ndim=1, dtype=np.float64)
    table = check_array("null", null, ndim=2, dtype=np.float64)
    p = permutation_p(values, table, alternative=alternative)
    if correction == "max":
        corrected = max_statistic_p(values, table, alternative=alternative)
    else:
        corrected = fdr(p) if correction == "fdr" else p
    return TimeTest(p, corrected, correction)


def cluster_test(
    scores: ArrayLike,
    *,
    chance: float,
    alternative: Alternative = "greater",
    n_permutations: int = 1000,
    threshold: float | None = None,
    seed: int = 0,
) -> ClusterTest:
    """Find clusters of times where scores of several subjects differ from chance, by sign flips in MNE.

    Parameters
    ----------
    scores : array of shape (n_subjects, n_times) or (n_subjects, n_times, n_times)
        A score of each subject at each time, or pair of times; symmetric around chance without an effect.
    chance : float
        Score without an effect.
    alternative : {"greater", "less", "two-sided"}, default="greater"
        Direction.
    n_permutations : int, default=1000
        Sign patterns; fewer where there are no more.
    threshold : float, optional
        Of t, above which neighbouring times form a cluster; by default that of p = 0.05 at a single time.
    seed : int, default=0
        Of the sign patterns.

    Returns
    -------
    test : ClusterTest
        Clusters with corrected p. It speaks about new subjects who see the same stimuli.

    Raises
    ------
    InputError
        For fewer than 5 subjects, whose sign flips cannot fall below 0.05, or scores that are not finite.

    References
    ----------
    Maris E, Oostenveld R (2007). Nonparametric statistical testing of EEG- and MEG-data. Journal of
    Neuroscience Methods, doi:10.1016/j.jneumeth.2007.03.024.
    """
    from mne.stats import permutation_cluster_1samp_test

    check_option("alternative", alternative, ("greater", "less", "two-sided"))
    values = check_array("scores", scores, ndim=(2, 3), dtype=np.float64)
    if len(values) < 5:
        raise InputError(
            f"a cluster test flips signs of subjects and needs at least 5, got {len(values)}. With fewer, "
            "test within subjects and correct over times with `compare_over_times`."
        )
    tail = {"greater": 1, "less": -1}.get(alternative, 0)
    statistic, masks, p, _ = permutation_cluster_1samp_test(
        values - chance,
        threshold=threshold,
        n_permutations=n_permutations,
        tail=tail,
        adjacency=None,
        out_type="mask",
        seed=derive_seed(seed, "clusters") % 2**32,
        verbose="error",
    )
    shape = values.shape[1:]
    return ClusterTest(
        np.asarray(statistic, dtype=np.float64), tuple(_mask(mask, shape) for mask in masks), np.asarray(p)
    )


def _mask(found: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    # With one dimension MNE gives a slice, whatever was asked for.
    mask = np.zeros(shape, dtype=bool)
    mask[found] = True
    return mask
