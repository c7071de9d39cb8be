"""In which order trials are used: blocks of neighbours at random, shuffled among those held in memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError

logger = logging.getLogger(__name__)
Indices = NDArray[np.intp]
# As large as the chunks that recordings are written in, so that a block is a chunk.
_BLOCK_BYTES = 16 * 2**20


def rows_in_memory(row_bytes: int, budget_bytes: float) -> tuple[int, int]:
    """Return how many rows make a block of neighbours, and how many are held at once.

    Both follow from sizes alone and never from where the data lie, so that a recording in memory and the
    same on disk are gone through in one order.
    """
    held = max(1, int(budget_bytes // row_bytes))
    return max(1, min(held // 2, _BLOCK_BYTES // row_bytes)), held


def loads(
    rows: Indices, *, block_rows: int, held_rows: int, n_wanted: int, rng: np.random.Generator | None
) -> list[Indices]:
    """Return positions among `rows` in the order of use, cut into what is read at once.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,)
        Rows of the recording.
    block_rows : int
        Neighbours that are read together.
    held_rows : int
        The most positions of a load.
    n_wanted : int
        Positions in all; the rows are gone through again where there are fewer.
    rng : Generator or None
        Shuffles blocks, and positions within a load; None takes the recording's order.

    Returns
    -------
    loads : list of ndarray
        Together `n_wanted` positions; each row comes as often as any other, or once more.
    """
    order = np.argsort(rows, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(rows[order] // block_rows)) + 1)
    found: list[Indices] = []
    n_found = 0
    while n_found < n_wanted:
        turns = range(len(blocks)) if rng is None else rng.permutation(len(blocks))
        sequence = np.concatenate([blocks[turn] for turn in turns])[: n_wanted - n_found]
        for start in range(0, len(sequence), held_rows):
            load = sequence[start : start + held_rows]
            found.append(load if rng is None else rng.permutation(load))
        n_found += len(sequence)
    return found


def subjects_in_turn(counts: Sequence[int], *, balanced: bool, rng: np.random.Generator | None) -> Indices:
    """Return the subject of every place of an epoch.

    Parameters
    ----------
    counts : sequence of int
        Trials of each subject.
    balanced : bool
        Every subject has as many places as the one with most trials, in turn, so that any batch holds the
        same number of each or one more; otherwise a place per trial.
    rng : Generator or None
        Shuffles the turn, or the places; None takes subject after subject.
    """
    if not balanced:
        places = np.repeat(np.arange(len(counts)), counts)
        return places if rng is None else rng.permutation(places)
    present = np.flatnonzero(np.asarray(counts) > 0)
    turn = present if rng is None else rng.permutation(present)
    return np.tile(turn, max(counts))


def batch_edges(n_trials: int, batch_size: int, least: int, *, part: str, least_last: int = 1) -> Indices:
    """Return where batches begin and end; a last one that is too small is joined to the one before.

    Parameters
    ----------
    n_trials, batch_size : int
        Trials of the part, and of a batch.
    least : int
        Fewer trials never make a batch.
    part : str
        Name, for messages.
    least_last : int, default=1
        Fewer trials make no last batch behind others, but may be a batch where all are as small.

    Raises
    ------
    InputError
        If there are fewer trials, or trials of a batch, than the objective needs.
    """
    if min(n_trials, batch_size) < least:
        what = f"the {part} part has" if n_trials < least else "`batch_size` is"
        raise InputError(
            f"{what} {min(n_trials, batch_size)} trial(s), but the objective compares at least {least} "
            "in a batch. Give more, or choose an objective that looks at one trial at a time."
        )
    edges = np.append(np.arange(0, n_trials, batch_size), n_trials)
    if len(edges) > 2 and edges[-1] - edges[-2] < max(least, least_last):
        logger.info(
            "the last %d trial(s) of the %s part are too few for a batch and join the one before",
            edges[-1] - edges[-2],
            part,
        )
        edges = np.delete(edges, -2)
    return edges
