"""How many gallery entries are closer to what was decoded than the right one, and how many are as close."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
SIMILARITIES = ("cosine", "correlation", "dot", "euclidean")
_ELEMENTS = 1 << 24
# Of the scale of the similarities: what float32 embeddings tell apart.
_TIE = 1e-7


class Places(NamedTuple):
    """Of each trial, gallery entries that beat the right one, and others that tie with it."""

    better: Indices
    tied: Indices


class Gallery(NamedTuple):
    """Entries to rank, of which those of a group count once.

    Attributes
    ----------
    values : ndarray of shape (n_entries, n_numbers)
        One flat row per entry.
    groups : ndarray of shape (n_entries,)
        What counts as one stimulus, from 0.
    first : ndarray of shape (n_groups,)
        The first entry of each group: it stands for the group wherever the group is not the right answer.
    """

    values: NDArray[Any]
    groups: Indices
    first: Indices


def gallery_of(values: NDArray[Any], same: Indices | None) -> Gallery:
    """Return the gallery with entries of one group, and entries of equal values, as one stimulus."""
    flat = np.ascontiguousarray(values.reshape(len(values), -1))
    # Adding 0 makes -0.0 and 0.0 the same bytes.
    rows = (flat + 0).view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1])))[:, 0]
    labels = [np.unique(rows, return_inverse=True)[1].astype(np.intp)]
    labels += [] if same is None else [same]
    groups = join_labels(*labels)
    return Gallery(flat, groups, np.unique(groups, return_index=True)[1].astype(np.intp))


def join_labels(*labels: Indices) -> Indices:
    """Return codes, from 0 in order of appearance, that are equal wherever any of the labels links rows."""
    n_rows, start, nodes = len(labels[0]), len(labels[0]), []
    for label in labels:
        codes = np.unique(label, return_inverse=True)[1]
        nodes.append(start + codes)
        start += int(codes.max()) + 1
    ends, rows = np.concatenate(nodes), np.tile(np.arange(n_rows), len(labels))
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (rows, ends)), shape=(start, start))
    component = connected_components(graph, directed=False)[1][:n_rows]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.intp)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse], dtype=np.intp)


def similarities(
    decoded: NDArray[Any], entries: NDArray[Any], similarity: str, order: Indices | None = None
) -> Iterator[tuple[Indices, Floats, Floats]]:
    """Yield rows of `decoded`, their similarity to every entry, and the size below which two of them tie.

    Both arrays are flat. Blocks, of rows in the order given, bound what is held beside them.
    """
    order = np.arange(len(decoded)) if order is None else order
    n_trials, n_entries, width = len(decoded), len(entries), decoded.shape[1]
    n_rows = max(1, _ELEMENTS // max(n_entries, width))
    n_columns = max(1, _ELEMENTS // width)
    whole = _prepared(entries, similarity) if n_columns >= n_entries else None
    for start in range(0, n_trials, n_rows):
        rows = order[start : start + n_rows]
        x = _prepared(decoded[rows], similarity)
        out = np.empty((len(x), n_entries))
        largest = 0.0
        for left in range(0, n_entries, n_columns):
            columns = slice(left, min(left + n_columns, n_entries))
            z = whole if whole is not None else _prepared(entries[columns], similarity)
            out[:, columns] = x @ z.T
            size = np.einsum("ij,ij->i", z, z)
            largest = max(largest, float(size.max()))
            if similarity == "euclidean":
                out[:, columns] *= 2.0
                out[:, columns] -= size
        own = np.einsum("ij,ij->i", x, x)
        if similarity == "euclidean":
            out -= own[:, None]
            yield rows, out, _TIE * (own + largest)
        else:
            yield rows, out, _TIE * np.sqrt(own * largest)


def places_of(decoded: NDArray[Any], gallery: Gallery, truth: Indices, similarity: str) -> Places:
    """Return the places of the right entries."""
    better, tied = np.empty((2, len(decoded)), dtype=np.intp)
    for rows, values, slack in similarities(decoded, gallery.values, similarity):
        right = truth[rows]
        wanted = np.take_along_axis(values, right[:, None], axis=1)
        others = values[:, gallery.first]
        # The right entry's own group is no competitor of it.
        np.put_along_axis(others, gallery.groups[right][:, None], -np.inf, axis=1)
        above = (others > wanted + slack[:, None]).sum(axis=1)
        better[rows] = above
        tied[rows] = (others >= wanted - slack[:, None]).sum(axis=1) - above
    return Places(better, tied)


def score_all_entries(
    decoded: NDArray[Any],
    gallery: Gallery,
    shown: Indices,
    similarity: str,
    score: Callable[[Places], Floats],
    order: Indices,
) -> Iterator[tuple[int, Floats]]:
    """Yield every trial, in the order given, with its scores had each of the entries `shown` been right.

    Yields
    ------
    trial : int
        Row of `decoded`.
    scores : ndarray of shape (n_scores, n_shown)
        What `score` makes of the places.
    """
    own = gallery.groups[shown]
    n_groups = len(gallery.first)
    for rows, values, slack in similarities(decoded, gallery.values, similarity, order):
        for trial, row, size in zip(rows.tolist(), values, slack, strict=True):
            others, wanted = row[gallery.first], row[shown]
            ordered = np.sort(others)
            above = n_groups - np.searchsorted(ordered, wanted + size, side="right")
            level = n_groups - np.searchsorted(ordered, wanted - size, side="left")
            mine = others[own]
            better = above - (mine > wanted + size)
            yield trial, score(Places(better, level - (mine >= wanted - size) - better))


def _prepared(values: NDArray[Any], similarity: str) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    if similarity == "correlation":
        rows = rows - rows.mean(axis=1, keepdims=True)
    if similarity in ("cosine", "correlation"):
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        # A row without direction is as close to every entry: it ties with all of them.
        rows = rows / np.where(size > 0, size, 1.0)
    return rows
