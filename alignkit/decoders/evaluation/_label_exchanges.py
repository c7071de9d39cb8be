"""What of a design may be exchanged: trials, blocks of trials with one label, or whole units."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import norm

from ..._core.errors import InputError

Indices = NDArray[np.intp]
Parts = Sequence[tuple[Indices, Indices]]
Exchanged = Literal["trials within units", "blocks within units", "whole units"]
# Of a runs test over all units: labels that change more seldom than in a random order.
_BLOCKED = 0.01
_TRIES = 100
# Fewer exchanges than this cannot give p of 0.05.
_FEWEST = 20

logger = logging.getLogger(__name__)


class Design(NamedTuple):
    """Labels in units, and what of them is exchanged.

    Attributes
    ----------
    labels, units : ndarray of int, shape (n_trials,)
        Codes; labels of any numbers, units from 0.
    members : list of ndarray
        Rows of each unit, in the order of recording.
    exchanged : str
        What moves.
    """

    labels: Indices
    units: Indices
    members: list[Indices]
    exchanged: Exchanged

    @property
    def n_exchanges(self) -> float:
        """How many exchanges differ, of many at least a billion."""
        within = [self.labels[rows] for rows in self.members]
        if self.exchanged == "whole units":
            within = [self.labels[[rows[0] for rows in self.members]]]
        elif self.exchanged == "blocks within units":
            within = [labels[np.unique(_blocks(labels), return_index=True)[1]] for labels in within]
        return float(np.exp(min(sum(map(_log_orders, within)), np.log(1e9))).round())

    def exchanges(self, n: int, rng: np.random.Generator, parts: Parts | None = None) -> Indices:
        """Return `n` rows of exchanged labels, which leave every class in all `parts` (train, test)."""
        out = np.empty((n, len(self.labels)), dtype=np.intp)
        if n and self.n_exchanges < _FEWEST:
            logger.warning(
                "there are %d exchanges of %s, too few for p below %g; record more of them",
                self.n_exchanges, self.exchanged, 1 / _FEWEST,
            )  # fmt: skip
        if self.exchanged == "whole units":
            self._exchange_units(out, rng, parts or ())
        elif self.exchanged == "blocks within units":
            # A block that was recorded at once keeps one label, as what drifts stays the same within it.
            blocks = [_blocks(self.labels[rows]) for rows in self.members]
            for row in out:
                for rows, block in zip(self.members, blocks, strict=True):
                    held = self.labels[rows][np.unique(block, return_index=True)[1]]
                    row[rows] = rng.permutation(held)[block]
        else:
            for row in out:
                for rows in self.members:
                    row[rows] = self.labels[rng.permutation(rows)]
        return out

    def _exchange_units(self, out: Indices, rng: np.random.Generator, parts: Parts) -> None:
        held = self.labels[[rows[0] for rows in self.members]]
        classes = np.unique(held)
        if len(classes) < 2:
            raise InputError("all trials have one label, so that there is nothing to exchange.")
        for row in out:
            for _ in range(_TRIES):
                row[:] = rng.permutation(held)[self.units]
                if all(np.isin(classes, row[rows]).all() for pair in parts for rows in pair):
                    break
            else:
                raise InputError(
                    f"exchanges of the {len(held)} units, of one class each, left a training or held-out "
                    f"part without a class {_TRIES} times in a row. Take fewer folds, or more units."
                )


def design_of(
    truth: ArrayLike, units: ArrayLike, order: ArrayLike | None, *, look_for_blocks: bool = True
) -> Design:
    """Return the design of trials of `units`, recorded in `order` (as they come without it)."""
    labels = np.asarray(truth, dtype=np.intp)
    codes = np.unique(np.asarray(units), return_inverse=True)[1].astype(np.intp)
    if labels.ndim != 1 or codes.shape != labels.shape:
        raise InputError(f"`units` must name one of each trial, got {codes.shape} for {labels.shape}.")
    place = np.arange(len(labels)) if order is None else np.asarray(order, dtype=np.float64)
    if place.shape != labels.shape or not np.isfinite(place).all():
        raise InputError(
            f"`order` must be a finite number of each of the {len(labels)} trials, got shape {place.shape}."
        )
    members = np.split(np.lexsort((place, codes)), np.cumsum(np.bincount(codes))[:-1])
    first = np.unique(codes, return_index=True)[1]
    exchanged: Exchanged = "trials within units"
    if (labels == labels[first][codes]).all():
        exchanged = "whole units"
    elif look_for_blocks and _are_blocked(labels, members):
        exchanged = "blocks within units"
    return Design(labels, codes, members, exchanged)


def _are_blocked(labels: Indices, members: Sequence[Indices]) -> bool:
    """Return whether labels change more seldom within units than in a random order (runs test of Mood)."""
    surplus, variance = 0.0, 0.0
    for rows in members:
        n, counts = len(rows), np.unique(labels[rows], return_counts=True)[1].astype(np.float64)
        if n < 2 or len(counts) < 2:
            continue
        squares, cubes = (counts**2).sum(), (counts**3).sum()
        surplus += np.count_nonzero(np.diff(labels[rows])) - (n - squares / n)
        variance += (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1))
    return bool(variance > 0 and norm.cdf(surplus / np.sqrt(variance)) < _BLOCKED)


def _log_orders(labels: Indices) -> float:
    """Return the logarithm of the number of orders in which labels can stand."""
    counts = np.unique(labels, return_counts=True)[1]
    return float(gammaln(len(labels) + 1) - gammaln(counts + 1).sum())


def _blocks(labels: Indices) -> Indices:
    """Return the number of the block of successive equal labels of each trial."""
    return np.concatenate([[0], np.cumsum(np.diff(labels) != 0)]).astype(np.intp)
