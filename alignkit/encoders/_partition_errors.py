"""Squared errors of all models of a variance partition, by block of samples, and the test on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from .._core.random import derive_seed
from ..metrics.variance import product_sums
from ..solvers.banded_ridge import BandedRidgeCVResult
from ..stats import sign_flip_test
from ._folds import Fold

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# With fewer blocks no pattern of signs is rare enough: 1 / 2 ** 5 = .031.
LEAST_BLOCKS = 5
# Elements of the null of one sign-flip test, float64: 128 MiB.
NULL_ELEMENTS = 2**24
# Relative difference of squared errors that single precision can make of nothing.
ROUNDING = 1e-6


class HeldOutErrors:
    """Squared errors of all models, added up over test parts; those that are tested also by block.

    Rows of `errors` are the subsets by their bits, as in :mod:`alignkit.metrics.variance`; rows of `by_block`
    the empty model, the joint one, and the one without each space.
    """

    def __init__(self, n_spaces: int, n_channels: int, labels: Rows) -> None:
        self.n_spaces = n_spaces
        self.labels = labels
        self.errors = np.zeros((2**n_spaces, n_channels))
        self.total = np.zeros(n_channels)
        self.product = np.zeros((n_spaces, n_channels))
        self.by_block = np.zeros((n_spaces + 2, labels.max() + 1, n_channels))

    def start(self, held_out: Floats, test: Rows) -> None:
        """Add a test part: what the mean of its responses leaves unexplained."""
        centred = held_out - held_out.mean(axis=0)
        # A constant has no variance to explain; the computed mean of equal numbers need not be that number.
        squares = np.where((held_out == held_out[0]).all(axis=0), 0.0, centred**2)
        self.total += squares.sum(axis=0)
        self.errors[0] += squares.sum(axis=0)
        np.add.at(self.by_block[0], self.labels[test], squares)

    def add(self, subset: tuple[int, ...], parts: Floats, held_out: Floats, test: Rows) -> None:
        """Add the model of a subset, given its partial predictions of a test part."""
        varies = ~(held_out == held_out[0]).all(axis=0)
        # About the means: the level of a test part, such as a stretch of time, is not what spaces explain.
        centred = held_out - held_out.mean(axis=0)
        parts = parts - parts.mean(axis=1, keepdims=True)
        squares = np.where(varies, (centred - parts.sum(axis=0)) ** 2, 0.0)
        self.errors[sum(1 << j for j in subset)] += squares.sum(axis=0)
        if len(subset) == self.n_spaces:
            np.add.at(self.by_block[1], self.labels[test], squares)
            self.product += product_sums(centred, parts)[0]
        elif len(subset) == self.n_spaces - 1:
            (left_out,) = set(range(self.n_spaces)) - set(subset)
            np.add.at(self.by_block[2 + left_out], self.labels[test], squares)


def partial_predictions(features: Sequence[NDArray[Any]], test: Rows, found: BandedRidgeCVResult) -> Floats:
    """Return what each space predicts for the test rows, the intercept with the first."""
    parts = np.stack([space[test] @ coef for space, coef in zip(features, found.coefs, strict=True)])
    parts = parts.astype(np.float64)
    parts[0] += found.intercept
    return parts


def sign_flip_p(without: Floats, joint: Floats, n_permutations: int, seed: int, name: str) -> Floats:
    """Return one-sided p of smaller errors of the joint model, by random signs of blocks (rows)."""
    gains = without - joint
    # Two models that found the same solution differ by rounding, whose sign means nothing.
    gains[np.abs(gains) <= ROUNDING * (without + joint)] = 0.0
    p = np.empty(gains.shape[1])
    step = max(1, NULL_ELEMENTS // n_permutations)
    for start in range(0, gains.shape[1], step):
        block = slice(start, start + step)
        # One seed: all channels share their patterns, however they are cut into blocks.
        test = sign_flip_test(
            gains[:, block],
            alternative="greater",
            n_permutations=n_permutations,
            random_state=derive_seed(seed, "variance partition", name),
        )
        p[block] = test.p
    return p


def block_labels(
    blocks: int | ArrayLike | None, groups: ArrayLike | None, parts: Sequence[Fold], n_samples: int
) -> Rows:
    """Return the number of the block of each sample, counted over the tested ones."""
    if isinstance(blocks, int | np.integer):
        if blocks < 1:
            raise InputError(f"`blocks` must be at least 1 sample long, got {blocks}.")
        names: NDArray[Any] = np.arange(n_samples) // int(blocks)
    elif blocks is None and groups is None:
        names = np.arange(n_samples)
    else:
        names = np.asarray(groups if blocks is None else blocks)
        if names.shape != (n_samples,):
            raise InputError(
                f"`blocks` must be a number of samples or name the block of each of the {n_samples} samples, "
                f"got shape {names.shape}."
            )
    tested = np.concatenate([test for _, test in parts])
    labels = np.zeros(n_samples, dtype=np.intp)
    found, labels[tested] = np.unique(names[tested], return_inverse=True)
    if len(found) < LEAST_BLOCKS:
        raise InputError(
            f"`blocks` leaves {len(found)} independent block(s) in the test parts, but the test needs at "
            f"least {LEAST_BLOCKS}. Use shorter blocks or more test samples."
        )
    return labels
