"""Variance partitioning: what each feature space explains that no other does, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option, check_same_samples
from .._core.errors import InputError
from .._core.progress import track
from ..metrics.variance import commonality_parts, shapley_values, unique_parts
from ..solvers._held_out import check_parts
from ..solvers.banded_ridge import banded_ridge_subsets
from ..stats import fdr
from ..stats.permutation import N_EXACT, check_n_permutations
from ._estimator import ALPHAS, scale_channels
from ._folds import CrossValidation, Fold, make_folds
from ._partition_errors import HeldOutErrors, block_labels, partial_predictions, sign_flip_p
from ._variance_table import Correction, VariancePartition

Floats = NDArray[np.float64]
Model = Literal["banded", "ridge"]

# 2 ** 6 - 1 = 63 models a fold; parts shared by more than a few spaces mean little anyway.
MOST_SPACES = 6
# Elements of the errors by block of one pass over channels, float64: 512 MiB.
BLOCK_ELEMENTS = 2**26


def variance_partition(
    spaces: Mapping[str, ArrayLike],
    Y: ArrayLike,
    *,
    cv: CrossValidation = 5,
    inner_cv: CrossValidation = 5,
    groups: ArrayLike | None = None,
    blocks: int | ArrayLike | None = None,
    encoder: Model = "banded",
    alphas: ArrayLike | None = None,
    n_weights: int = 20,
    standardize: bool = True,
    n_permutations: int = 1000,
    correction: Correction = "bh",
    device: str = "auto",
    random_state: int = 0,
) -> VariancePartition:
    """Partition the held-out R2 of every channel over feature spaces.

    Every subset of the spaces gets a model of its own, tuned on the same inner folds of each training part,
    fitted to that training part and scored on the test part. R2 is pooled over test parts, ``1 - sum of
    squared errors / sum of squares``, responses and predictions both about their mean in the test part: the
    level of a test part, such as that of a stretch of time, counts for no model and against none.

    Parameters
    ----------
    spaces : mapping of str to array of shape (n_samples, n_units)
        Feature spaces by name, 2 to 6.
    Y : array of shape (n_samples, n_channels)
        Recorded responses to the same samples.
    cv : int, list of (train, test) or splitter, default=5
        Test parts; a list with one pair is one split. They must not overlap.
    inner_cv : int, list of (train, test) or splitter, default=5
        Folds within each training part that choose the penalties. A list, of row numbers within the training
        part, fits a single split only.
    groups : array of shape (n_samples,), optional
        Samples of one group stay on one side of every fold, outer and inner, and in one block of the test.
        Give repeats of a stimulus one group, and the time points of a run.
    blocks : int or array of shape (n_samples,), optional
        What the test takes as independent: a number cuts the samples into stretches of that many consecutive
        rows (time series: longer than the noise's autocorrelation), an array names the block of each sample.
        By default the groups, or without them single samples.
    encoder : {"banded", "ridge"}, default="banded"
        A penalty for each space, or one for all spaces of a subset. With one, a large space that explains
        nothing drags the joint model down, and one that copies another can help it; see Notes.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive. By default 19 from 0.1 to 1e8 in half decades.
    n_weights : int, default=20
        Candidate shares of each subset of the banded model. A subset also has those of the subsets in it.
    standardize : bool, default=True
        Z-score each feature by the training part alone.
    n_permutations : int, default=1000
        Sign patterns of each test.
    correction : {"bh", "by"}, default="bh"
        False discovery rate over channels; see :func:`alignkit.stats.fdr`.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.
    random_state : int, default=0
        Seed of the shuffled folds, the candidate shares and the sign patterns.

    Returns
    -------
    partition : VariancePartition
        All arrays in float64.

    Raises
    ------
    InputError
        For fewer than 2 or more than 6 spaces, sizes that do not fit, NaN, folds that cannot be used, test
        parts that overlap, fewer than 5 blocks, or fewer than 1 permutation.

    Notes
    -----
    The p-values take no refitting. Each held-out sample has a difference of squared errors, without the space
    minus with it. If the space does not help, the difference is as often negative as positive: its sum is
    compared with the sums under random signs of whole blocks, ``p = (b + 1) / (m + 1)``. The test is about
    these fitted models on new samples. A space that says nothing makes a joint banded model slightly worse,
    so that the test rejects less often than its level: in 1 to 5 % of channels at .05 in simulations with
    inert spaces, independent of the informative one or mixed from it. With ``encoder="ridge"`` it is up to
    15 % where inert features are mixed from informative ones: under one penalty they do help the prediction,
    by shrinking it along better directions. A space that helps need not say anything new.

    The product measure is that of the joint model's held-out predictions, pooled like R2.

    References
    ----------
    Borcard D, Legendre P, Drapeau P (1992). Partialling out the spatial component of ecological variation.
    Ecology, doi:10.2307/1940179.

    de Heer WA, Huth AG, Griffiths TL, Gallant JL, Theunissen FE (2017). The hierarchical cortical
    organization of human speech processing. Journal of Neuroscience, doi:10.1523/JNEUROSCI.3267-16.2017.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = {"sound": rng.standard_normal((150, 3)), "words": rng.standard_normal((150, 10))}
    >>> Y = X["sound"] @ rng.standard_normal((3, 2)) + rng.standard_normal((150, 2))
    >>> found = variance_partition(X, Y, n_weights=5, n_permutations=200)
    >>> (found.unique_p_corrected < 0.05).tolist()
    [[True, True], [False, False]]
    """
    check_option("encoder", encoder, get_args(Model))
    check_option("correction", correction, get_args(Correction))
    check_n_permutations(n_permutations)
    names, features, responses = _check_input(spaces, Y)
    targets, _ = scale_channels(responses)
    whole = np.concatenate(features, axis=1)
    outer = _test_parts(cv, inner_cv, whole, targets, groups, random_state)
    labels = block_labels(blocks, groups, outer, len(targets))
    options: dict[str, Any] = {
        "alphas": ALPHAS if alphas is None else alphas,
        "n_weights": n_weights,
        "one_penalty": encoder == "ridge",
        "standardize": standardize,
        "device": device,
        "random_state": random_state,
    }
    pieces = []
    width = max(1, BLOCK_ELEMENTS // ((len(names) + 2) * (labels.max() + 1)))
    for start in range(0, targets.shape[1], width):
        block = targets[:, start : start + width]
        sums = HeldOutErrors(len(names), block.shape[1], labels)
        for train, test in track(outer, "variance partition: test parts"):
            given = None if groups is None else np.asarray(groups)[train]
            inner = make_folds(inner_cv, whole[train], block[train], given, random_state)
            seen = [space[train] for space in features]
            held_out = block[test].astype(np.float64)
            sums.start(held_out, test)
            for subset, found in banded_ridge_subsets(seen, block[train], folds=inner, **options):
                sums.add(subset, partial_predictions(features, test, found), held_out, test)
        pieces.append(_tested(sums, names, n_permutations, random_state))
    joined = [np.concatenate(columns, axis=-1) for columns in zip(*pieces, strict=True)]
    n_blocks = int(labels.max()) + 1
    n_patterns = 2**n_blocks if n_blocks <= N_EXACT else n_permutations
    return _summarise(names, joined, correction, n_patterns, n_blocks)


def _tested(
    sums: HeldOutErrors, names: tuple[str, ...], n_permutations: int, random_state: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return R2 of all subsets, shares of the product measure, and p of the joint and the unique parts."""
    known = sums.total > 0
    total = np.where(known, sums.total, 1.0)
    empty, joint, *reduced = sums.by_block
    joint_p = sign_flip_p(empty, joint, n_permutations, random_state, "joint")
    # Both have to hold: of two models that predict nothing, one may well do less harm.
    unique_p = [
        np.maximum(sign_flip_p(without, joint, n_permutations, random_state, name), joint_p)
        for name, without in zip(names, reduced, strict=True)
    ]
    return (
        np.where(known, 1.0 - sums.errors / total, 0.0),
        np.where(known, sums.product / total, 0.0),
        joint_p,
        np.stack(unique_p),
    )


def _summarise(
    names: tuple[str, ...], joined: list[Floats], correction: Correction, n_patterns: int, n_blocks: int
) -> VariancePartition:
    table, product, joint_p, unique_p = joined
    n_spaces = len(names)
    order = [members for size in range(1, n_spaces + 1) for members in combinations(range(n_spaces), size)]
    rows = [sum(1 << j for j in members) for members in order]
    return VariancePartition(
        spaces=names,
        subsets=tuple(tuple(names[j] for j in members) for members in order),
        r2=table[rows],
        parts=commonality_parts(table)[rows],
        unique=unique_parts(table),
        product=product,
        shapley=shapley_values(table),
        unique_p=unique_p,
        unique_p_corrected=np.stack([fdr(p, method=correction) for p in unique_p]),
        joint_p=joint_p,
        joint_p_corrected=fdr(joint_p, method=correction),
        correction=correction,
        n_permutations=n_patterns,
        n_blocks=n_blocks,
    )


def _check_input(
    spaces: Mapping[str, ArrayLike], Y: ArrayLike
) -> tuple[tuple[str, ...], list[NDArray[Any]], NDArray[Any]]:
    if not isinstance(spaces, Mapping):
        raise InputError(f"`spaces` must map names to arrays, got {type(spaces).__name__}.")
    if not 2 <= len(spaces) <= MOST_SPACES:
        raise InputError(
            f"`spaces` must be 2 to {MOST_SPACES} feature spaces, got {len(spaces)}. All 2 ** n_spaces - 1 "
            "subsets are fitted: join spaces that answer one question."
        )
    responses = check_array("Y", Y, ndim=2)
    if responses.shape[1] == 0:
        raise InputError(f"`Y` has no channels, got shape {responses.shape}. Give at least one.")
    features = []
    for name, values in spaces.items():
        space = check_array(f"spaces[{name!r}]", values, ndim=2)
        check_same_samples(f"spaces[{name!r}]", space, "Y", responses)
        features.append(space)
    return tuple(map(str, spaces)), features, responses


def _test_parts(
    cv: CrossValidation,
    inner_cv: CrossValidation,
    X: NDArray[Any],
    Y: NDArray[Any],
    groups: ArrayLike | None,
    random_state: int,
) -> list[Fold]:
    if isinstance(cv, Sequence) and not isinstance(cv, str) and len(cv) == 1:
        # One split is enough to test on, though not to choose penalties by.
        parts = make_folds([cv[0], cv[0]], X, Y, groups, random_state)[:1]
    else:
        parts = make_folds(cv, X, Y, groups, random_state)
    if len(parts) > 1 and isinstance(inner_cv, Sequence) and not isinstance(inner_cv, str):
        raise InputError(
            f"`inner_cv` is a list of {len(inner_cv)} folds, but the training parts of {len(parts)} test "
            "parts differ. Give a number or a splitter."
        )
    parts = check_parts(parts, len(Y))
    tested = np.concatenate([test for _, test in parts])
    count = np.bincount(tested, minlength=len(Y))
    if (count > 1).any():
        raise InputError(
            f"`cv` tests sample {int(np.flatnonzero(count > 1)[0])} in {count.max()} parts. Test parts must "
            "not overlap: a sample would count as several."
        )
    return parts
