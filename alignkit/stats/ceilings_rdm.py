"""Noise ceilings of RDM similarities: across subjects, and within one subject from repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from ._pairs import stimuli_of_pairs
from .ceilings import NOTHING, Ceiling
from .ceilings_repeats import jackknife_se, spearman_brown
from .similarity import SIMILARITY_METHODS, paired_similarity

Floats = NDArray[np.float64]
_MAX_BLOCKS = 40


def rdm_ceiling(rdms: ArrayLike, *, method: str, subjects: Sequence[object] | None = None) -> Ceiling:
    """Bound the mean similarity that any model RDM can reach with the subjects' RDMs.

    Upper: mean similarity of each subject with the pool of all subjects, itself among them. Lower: with the
    pool of the others. The pool is the mean RDM after each was divided by its root mean square (cosine),
    z-scored (pearson) or ranked (spearman, rho-a, kendall), which is the best possible model for all but
    kendall, where it is close to it.

    Parameters
    ----------
    rdms : array of shape (n_rdms, n_pairs)
        Upper triangles, the same stimuli in the same order. Finite.
    method : {"cosine", "kendall", "pearson", "rho-a", "spearman"}
        The measure; ``"kendall"`` is tau-a.
    subjects : sequence of length n_rdms, optional
        Whose RDM each row is; all rows of a subject are left out together, and every subject counts the
        same. By default each row is a subject.

    Returns
    -------
    ceiling : Ceiling
        Unit ``"rdm-<method>"``; error bars by a jackknife over subjects, NaN with fewer than 3. It divides
        nothing: it is to be compared with the *mean over subjects* of a model's similarities, never with
        the similarity to the group-mean RDM.

    Raises
    ------
    InputError
        For fewer than two subjects, an RDM without variance, a wrong shape or an unknown method.

    Notes
    -----
    O(n_subjects^2 n_pairs) with the jackknife; kendall and ranks sort every pool once more.

    References
    ----------
    Nili et al. (2014), A toolbox for representational similarity analysis, 10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> import numpy as np
    >>> shared = np.random.default_rng(0).random(45)
    >>> ceiling = rdm_ceiling(np.stack([shared, shared + 1.0, 2.0 * shared]), method="pearson")
    >>> round(ceiling.lower, 6), round(ceiling.upper, 6)
    (1.0, 1.0)
    """
    check_option("method", method, SIMILARITY_METHODS)
    values = check_array("rdms", rdms, ndim=2, dtype=np.float64)
    labels = _subject_indices(subjects, values.shape[0])
    n_subjects = int(labels.max()) + 1
    if n_subjects < 2:
        raise InputError(
            "`rdms` must come from at least 2 subjects for a ceiling across subjects, got 1. "
            "For one subject with repeats use `split_half_rdm_ceiling`."
        )
    scaled = _scaled_for_pooling(values, method)
    bounds = _bounds(values, scaled, labels, method)
    if n_subjects < 3:
        errors = np.full(2, np.nan)
    else:
        kept = [labels != s for s in range(n_subjects)]
        left_out = [_bounds(values[k], scaled[k], _renumber(labels[k]), method) for k in kept]
        errors = jackknife_se(np.array(left_out))
    return Ceiling(
        lower=float(bounds[0]),
        upper=float(bounds[1]),
        se_lower=float(errors[0]),
        se_upper=float(errors[1]),
        estimator=f"leave-one-subject-out, {method}, {n_subjects} subjects, jackknife over subjects",
        unit=f"rdm-{method}",
        divides=NOTHING,
    )


def split_half_rdm_ceiling(rdm_halves_a: ArrayLike, rdm_halves_b: ArrayLike, *, method: str) -> Ceiling:
    """Estimate how similar a perfect model is to one subject's RDM, from halves of the repeats.

    RDMs of two independent halves of the repeats are compared, the similarities averaged over splits,
    and Spearman-Brown gives the reliability of the mean of both RDMs; its square root is the similarity
    that the noise leaves to a perfect model.

    Parameters
    ----------
    rdm_halves_a, rdm_halves_b : array of shape (n_splits, n_pairs) or (n_pairs,)
        Row k of both: RDMs from the two halves of split k. Upper triangles, finite.
    method : {"pearson", "spearman"}
        Measures in the units of a correlation; the correction for noise holds for no other
        (approximately for spearman).

    Returns
    -------
    ceiling : Ceiling
        A point estimate in and for ``"rdm-<method>"``, for similarities with the mean of both halves' RDMs.
        Error bars by a jackknife over stimuli (over 40 blocks of them where there are more). NaN where the
        halves do not correlate above 0.

    Raises
    ------
    InputError
        For another method, unequal shapes, or a number of pairs that no number of stimuli has.

    Notes
    -----
    The RDM of all repeats pooled before the distances is a little more reliable than the mean of two
    halves' RDMs, so that the ceiling errs to the low side for it.
    The root of a noisy estimate is a little low as well: by 0.02 in simulations with 20 stimuli and halves
    that correlate at 0.24, by less than 0.005 with 40 stimuli or halves that correlate at 0.6.

    References
    ----------
    Spearman (1904), The proof and measurement of association between two things, 10.2307/1412159.
    """
    check_option("method", method, ("pearson", "spearman"))
    a = np.atleast_2d(check_array("rdm_halves_a", rdm_halves_a, ndim=(1, 2), dtype=np.float64))
    b = np.atleast_2d(check_array("rdm_halves_b", rdm_halves_b, ndim=(1, 2), dtype=np.float64))
    if a.shape != b.shape:
        raise InputError(
            f"`rdm_halves_a` and `rdm_halves_b` must have the same shape, got {a.shape} and {b.shape}. "
            "Give one row per split in both."
        )
    n_stimuli = stimuli_of_pairs("rdm_halves_a", a.shape[1])
    value = np.sqrt(spearman_brown(_mean_similarity(a, b, np.ones(a.shape[1]), method)))
    rows, columns = np.triu_indices(n_stimuli, 1)
    # Beyond 40 stimuli, blocks of them are left out: every pair is ranked anew each time.
    block = np.arange(n_stimuli) % min(n_stimuli, _MAX_BLOCKS)
    without = [
        _mean_similarity(a, b, ((block[rows] != i) & (block[columns] != i)).astype(np.float64), method)
        for i in range(block.max() + 1)
    ]
    se = jackknife_se(np.sqrt(spearman_brown(without))) if np.isfinite(value) else np.nan
    name = f"split-half, Spearman-Brown, {method}, {len(a)} splits, jackknife over stimuli"
    unit = f"rdm-{method}"
    return Ceiling(float(value), float(value), float(se), float(se), name, unit, unit)


def _mean_similarity(a: Floats, b: Floats, weights: Floats, method: str) -> float:
    used = weights > 0
    return float(paired_similarity(a[:, used], b[:, used], method=method).mean())


def _scaled_for_pooling(values: Floats, method: str) -> Floats:
    constant = np.ptp(values, axis=1) == 0 if method != "cosine" else ~values.any(axis=1)
    if constant.any():
        raise InputError(
            f"`rdms` holds {int(constant.sum())} RDM(s) without variance, the first in row "
            f"{int(constant.argmax())}: their similarity is undefined. Leave those rows out."
        )
    if method == "cosine":
        return np.asarray(values / np.sqrt((values**2).mean(axis=1, keepdims=True)), dtype=np.float64)
    if method == "pearson":
        centred = values - values.mean(axis=1, keepdims=True)
        return np.asarray(centred / centred.std(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(rankdata(values, axis=1), dtype=np.float64)


def _bounds(values: Floats, scaled: Floats, labels: NDArray[np.intp], method: str) -> Floats:
    """Return the lower and the upper bound; subjects are numbered from 0."""
    counts = np.bincount(labels)
    total = scaled.sum(axis=0)
    own = np.zeros((counts.size, values.shape[1]))
    np.add.at(own, labels, scaled)
    others = (total - own) / (len(labels) - counts)[:, None]
    lower = paired_similarity(others[labels], values, method=method)
    pool = np.broadcast_to(total / len(labels), values.shape)
    upper = paired_similarity(pool, values, method=method)
    weights = 1.0 / (counts[labels] * counts.size)
    return np.array([float(weights @ lower), float(weights @ upper)])


def _subject_indices(subjects: Sequence[object] | None, n_rdms: int) -> NDArray[np.intp]:
    if subjects is None:
        return np.arange(n_rdms, dtype=np.intp)
    if len(subjects) != n_rdms:
        raise InputError(
            f"`subjects` must name the subject of each of the {n_rdms} RDMs, got {len(subjects)} names."
        )
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in subjects], dtype=np.intp)


def _renumber(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)
