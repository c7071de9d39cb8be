"""Kernel alignment of more stimuli than memory holds, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_same_samples
from ..._core.errors import InputError
from ..._core.random import RandomState, as_generator
from .._arrays import torch_too
from .kernel_alignment import (
    Kernel,
    Terms,
    check_kernel,
    cka_ratio,
    gram_terms,
    linear_terms,
    load_pair,
    rbf_gram,
)

Widths = tuple[float, float]
# What the unbiased estimate of HSIC needs.
LEAST = 4


def minibatch_cka(
    batches: Iterable[tuple[ArrayLike, ArrayLike]],
    *,
    kernel: Kernel = "linear",
    bandwidth: float = 1.0,
    device: str | None = None,
) -> float:
    """Compute debiased CKA from batches of stimuli, each seen once and then forgotten.

    The unbiased estimates of ``HSIC(K, L)``, ``HSIC(K, K)`` and ``HSIC(L, L)`` are averaged over batches,
    each weighted with its number of stimuli, and divided once at the end. That is unbiased in the three
    terms whatever the size of the batches; averaging the ratios, or biased estimates, is not.

    Parameters
    ----------
    batches : iterable of (X, Y)
        X of shape (n_stimuli, n_units_x) and Y of shape (n_stimuli, n_units_y): responses to the same at
        least 4 stimuli. Sizes may differ. Arrays or tensors; several epochs are just more batches. Stimuli
        must be assigned to batches at random: batches of one category each miss what lies between
        categories. :func:`minibatches` makes them from arrays.
    kernel : {"linear", "rbf"}, default="linear"
        See :func:`cka`.
    bandwidth : float, default=1.0
        For "rbf": the width is `bandwidth` times the root of the median squared distance between the stimuli
        of the first batch, and the same for all batches.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the products of responses are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    similarity : float
        As debiased :func:`cka`, which one batch of all stimuli gives. NaN if a side has no geometry in any
        batch.

    Raises
    ------
    InputError
        If there is no batch, one is not usable (the message says which), or the numbers of units change.

    References
    ----------
    Nguyen T, Raghu M, Kornblith S (2021). Do wide and deep networks learn the same things?,
    doi:10.48550/arXiv.2010.15327.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((200, 5))
    >>> batches = minibatches(X, 2.0 * X, batch_size=20, random_state=0)
    >>> round(minibatch_cka(batches), 6)
    1.0
    """
    check_kernel(kernel, bandwidth)
    totals, n_seen = np.zeros(3), 0
    widths: Widths | None = None
    units: tuple[int, int] | None = None
    for number, batch in enumerate(_pairs(batches)):
        try:
            terms, widths, n_stimuli, found = _batch_terms(
                *batch, kernel=kernel, bandwidth=bandwidth, widths=widths, device=device
            )
        except InputError as error:
            raise InputError(f"batch {number}: {error}") from error
        if found != (units or found):
            raise InputError(
                f"batch {number} has {found[0]} and {found[1]} units, those before {units}. All batches must "
                "be of the same units."
            )
        units = found
        totals += n_stimuli * np.array(terms)
        n_seen += n_stimuli
    if n_seen == 0:
        raise InputError("`batches` is empty. Give (X, Y) pairs; an iterator can be gone through only once.")
    cross, own_x, own_y = (float(total) / n_seen for total in totals)
    return cka_ratio((cross, own_x, own_y))


def _pairs(batches: Iterable[tuple[ArrayLike, ArrayLike]]) -> Iterator[tuple[ArrayLike, ArrayLike]]:
    if not isinstance(batches, Iterable):
        raise InputError(f"`batches` must be an iterable of (X, Y), got {type(batches).__name__}.")
    for number, batch in enumerate(batches):
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise InputError(
                f"`batches` must hold pairs (X, Y), but batch {number} is of type {type(batch).__name__}. "
                "Make them with `minibatches`."
            )
        yield batch[0], batch[1]


def minibatches(
    X: NDArray[Any],
    Y: NDArray[Any],
    *,
    batch_size: int,
    n_epochs: int = 1,
    random_state: RandomState = None,
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield random batches of the rows of two arrays, every row once per epoch.

    Parameters
    ----------
    X, Y : arrays or tensors of shape (n_stimuli, n_units_x) and (n_stimuli, n_units_y)
        Responses to the same stimuli. A memory map is read one batch at a time.
    batch_size : int
        The most rows of a batch, at least 4. Where it does not divide the number of stimuli, the batches
        of an epoch are made smaller so that their sizes differ by at most one.
    n_epochs : int, default=1
        How often all rows are gone through, in a new order each time. More epochs see more pairs of stimuli.
    random_state : int, Generator or None, default=None
        For the orders.

    Yields
    ------
    batch : tuple of two arrays
        Rows of X and the same rows of Y.

    Raises
    ------
    InputError
        If X or Y is no array, the numbers of stimuli differ or there would be a batch of fewer than 4.

    Examples
    --------
    >>> X, Y = np.arange(20.0).reshape(10, 2), np.arange(10.0).reshape(10, 1)
    >>> [len(rows) for rows, _ in minibatches(X, Y, batch_size=6, random_state=0)]
    [5, 5]
    """
    for name, value in (("X", X), ("Y", Y)):
        if not hasattr(value, "shape") or hasattr(value, "iloc") or len(value.shape) != 2:
            raise InputError(
                f"`{name}` must be an array or a tensor of shape (n_stimuli, n_units), got "
                f"{type(value).__name__}{f' of shape {value.shape}' if hasattr(value, 'shape') else ''}."
            )
    check_same_samples("X", X, "Y", Y)
    n_stimuli = len(X)
    n_batches = -(-n_stimuli // batch_size) if batch_size >= LEAST else 0
    if n_batches == 0 or n_stimuli < LEAST * n_batches:
        raise InputError(
            f"batches need at least {LEAST} stimuli each, got `batch_size` = {batch_size} for {n_stimuli} "
            "stimuli. Use larger batches."
        )
    if n_epochs < 1:
        raise InputError(f"`n_epochs` must be at least 1, got {n_epochs}.")
    # What is wrong is said at the call, not when the first batch is drawn.
    return _draw(X, Y, n_batches, n_epochs, as_generator(random_state))


def _draw(
    X: NDArray[Any], Y: NDArray[Any], n_batches: int, n_epochs: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for _ in range(n_epochs):
        for rows in np.array_split(rng.permutation(len(X)), n_batches):
            yield X[rows], Y[rows]


@torch_too
def _batch_terms(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: Kernel,
    bandwidth: float,
    widths: Widths | None,
    device: str | None,
) -> tuple[Terms, Widths | None, int, tuple[int, int]]:
    first, second = load_pair(X, Y, debiased=True)
    units = first.shape[1], second.shape[1]
    if kernel == "linear":
        return linear_terms(first, second, device=device), None, len(first), units
    width_x, width_y = widths or (None, None)
    K, width_x = rbf_gram("X", first, bandwidth, width=width_x, device=device)
    L, width_y = rbf_gram("Y", second, bandwidth, width=width_y, device=device)
    return gram_terms(K, L, debiased=True), (width_x, width_y), len(first), units
