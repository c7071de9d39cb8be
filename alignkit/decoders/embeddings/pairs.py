"""Pairs of samples that belong together, from which a contrastive embedding learns.

They are of one of two kinds: samples that lie a fixed time apart, or samples with the same label. There is no
sampling by how near two values of a continuous behaviour are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.errors import InputError
from ...stats.blocks import run_slices

Indices = NDArray[np.int64]


class Pairs(Protocol):
    """Where the batches of training come from."""

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Return rows of anchors and of their positives, (n_pairs,) each."""
        ...


class TimePairs:
    """Pairs of samples that lie `offset` rows apart in one segment.

    Parameters
    ----------
    segments : sequence of length n_samples
        The segment (run, trial, stretch without a gap) of each sample; those of one follow one another.
    offset : int
        Rows from an anchor to its positive, above 0.

    Attributes
    ----------
    anchors, positives : ndarray of shape (n_pairs,)
        Every pair that there is. No pair crosses from one segment to the next.

    Raises
    ------
    InputError
        If the segments are in pieces, or fewer than two pairs fit into them.

    References
    ----------
    Hyvarinen A, Morioka H (2016). Unsupervised feature extraction by time-contrastive learning and nonlinear
    ICA. NeurIPS. https://arxiv.org/abs/1605.06336

    van den Oord A, Li Y, Vinyals O (2018). Representation learning with contrastive predictive coding.
    https://arxiv.org/abs/1807.03748

    Examples
    --------
    >>> pairs = TimePairs(["a", "a", "a", "b", "b"], 1)
    >>> pairs.anchors.tolist(), pairs.positives.tolist()
    ([0, 1, 3], [1, 2, 4])
    """

    def __init__(self, segments: ArrayLike | Sequence[object], offset: int) -> None:
        if offset < 1:
            raise InputError(f"the offset of time pairs must be at least 1 row, got {offset}.")
        slices = list(run_slices(segments, name="segments").values())
        ranges = [np.arange(piece.start, piece.stop - offset) for piece in slices]
        self.anchors = np.concatenate(ranges).astype(np.int64)
        self.positives = self.anchors + offset
        if len(self.anchors) < 2:
            longest = max(piece.stop - piece.start for piece in slices)
            raise InputError(
                f"{len(self.anchors)} pair(s) of samples lie {offset} row(s) apart within a segment (the "
                f"longest of {len(slices)} has {longest} rows); at least 2 are needed. Use a shorter offset, "
                "or longer segments."
            )
        self._deck = _Deck(np.arange(len(self.anchors)))

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Return rows of anchors and of their positives.

        Parameters
        ----------
        batch_size : int
            Pairs; no pair comes twice in a batch, so that fewer come where there are not so many.
        rng : Generator
            What they are drawn with.

        Returns
        -------
        anchors, positives : ndarray of shape (n_pairs,)
        """
        chosen = self._deck.deal(batch_size, rng)
        return self.anchors[chosen], self.positives[chosen]


class LabelPairs:
    """Pairs of samples with the same label, of one session or of two.

    Anchors are drawn evenly over sessions. The positive's session is drawn evenly from those that have the
    label, so that sessions of different length are joined as strongly; within it all samples with the label
    are equally likely.

    Parameters
    ----------
    labels : sequence of length n_samples
        Discrete labels, sessions one after the other.
    sessions : sequence of length n_samples
        The session of each sample; those of one follow one another.
    apart : int, default=1
        Rows that two samples of one session must lie apart to be a pair: the width of the network's window,
        so that windows share no sample.

    Attributes
    ----------
    codes : ndarray of shape (n_samples,)
        The labels as numbers from 0.
    anchors : ndarray of shape (n_anchors,)
        Rows that have at least one partner.

    Raises
    ------
    InputError
        If there are fewer than two labels with pairs, or sessions have too few labels in common.

    References
    ----------
    Khosla P, et al. (2020). Supervised contrastive learning. NeurIPS. https://arxiv.org/abs/2004.11362

    Examples
    --------
    >>> pairs = LabelPairs(["left", "right", "left", "right"], ["one"] * 4)
    >>> anchors, positives = pairs.draw(4, np.random.default_rng(0))
    >>> bool((pairs.codes[anchors] == pairs.codes[positives]).all()), bool((anchors == positives).any())
    (True, False)
    """

    def __init__(self, labels: ArrayLike, sessions: ArrayLike | Sequence[object], *, apart: int = 1) -> None:
        names, codes = np.unique(np.asarray(labels), return_inverse=True)
        self.codes: Indices = codes.astype(np.int64)
        self._apart = apart
        slices = list(run_slices(sessions, name="sessions").values())
        self._n_rows, self._n_sessions = len(self.codes), len(slices)
        self._session = np.repeat(np.arange(len(slices)), [piece.stop - piece.start for piece in slices])
        group = self.codes * self._n_sessions + self._session
        # Sorted by label, then session, then row: every group is one stretch, and is searched by its key.
        self._keys = np.sort(group * self._n_rows + np.arange(self._n_rows))
        self._counts = np.bincount(group, minlength=len(names) * self._n_sessions)
        self._starts = np.cumsum(self._counts) - self._counts
        with_partner = self._partners(np.arange(self._n_rows))[0].any(axis=1)
        self.anchors = np.flatnonzero(with_partner)
        self._check(names)
        self._decks = [
            _Deck(self.anchors[self._session[self.anchors] == number]) for number in range(self._n_sessions)
        ]

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Return rows of anchors and of their positives.

        Parameters
        ----------
        batch_size : int
            Pairs over all sessions; fewer where there are not so many anchors.
        rng : Generator
            What they are drawn with.

        Returns
        -------
        anchors, positives : ndarray of shape (n_pairs,)
        """
        share, more = divmod(batch_size, self._n_sessions)
        dealt = [deck.deal(share + (number < more), rng) for number, deck in enumerate(self._decks)]
        anchors = np.concatenate(dealt)
        counts, skip_from, skipped, groups = self._partners(anchors)
        lots = np.where(counts > 0, rng.random(counts.shape), -1.0)
        session = lots.argmax(axis=1)
        rows = np.arange(len(anchors)), session
        place = (rng.random(len(anchors)) * counts[rows]).astype(np.int64)
        place += np.where(place >= skip_from[rows], skipped[rows], 0)
        positives = self._keys[self._starts[groups[rows]] + place] % self._n_rows
        return anchors, positives

    def _partners(self, anchors: Indices) -> tuple[Indices, Indices, Indices, Indices]:
        """Return, by session, how many partners there are, and which stretch of the group is too near."""
        groups = self.codes[anchors, None] * self._n_sessions + np.arange(self._n_sessions)
        base = groups * self._n_rows
        first = np.maximum(anchors - self._apart + 1, 0)[:, None]
        last = np.minimum(anchors + self._apart, self._n_rows)[:, None]
        near_from = np.searchsorted(self._keys, base + first)
        near_to = np.searchsorted(self._keys, base + last)
        own = self._session[anchors, None] == np.arange(self._n_sessions)
        skipped = np.where(own, near_to - near_from, 0)
        return self._counts[groups] - skipped, near_from - self._starts[groups], skipped, groups

    def _check(self, names: NDArray[np.generic]) -> None:
        usable = np.unique(self.codes[self.anchors])
        if len(usable) < 2:
            raise InputError(
                f"`labels` holds {len(names)} label(s), and {len(usable)} of them have two samples that lie "
                f"at least {self._apart} row(s) apart; at least 2 are needed, as samples with other labels "
                "are the negatives. Give more samples of each label, or use positives='time'."
            )
        table = self._counts.reshape(len(names), self._n_sessions) > 0
        for number in range(self._n_sessions if self._n_sessions > 1 else 0):
            shared = int((table[:, number] & (table.sum(axis=1) > 1)).sum())
            if shared < 2:
                raise InputError(
                    f"session {number + 1} of {self._n_sessions} shares {shared} label(s) with the others; "
                    "at least 2 are needed to bring sessions into one space. Use the same labels in all."
                )


class _Deck:
    """Rows dealt in shuffled order; no row comes twice in a batch."""

    def __init__(self, rows: Indices) -> None:
        self._rows = rows
        self._left = rows[:0]

    def deal(self, n: int, rng: np.random.Generator) -> Indices:
        n = min(n, len(self._rows))
        if len(self._left) < n:
            self._left = rng.permutation(self._rows)
        dealt, self._left = self._left[:n], self._left[n:]
        return dealt
