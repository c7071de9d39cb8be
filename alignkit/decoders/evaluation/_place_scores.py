"""Scores of a place among the gallery: exact expectations over ties, and over the choice of foils."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ._ranks import Places

Floats = NDArray[np.float64]


class PlaceScores:
    """Scores of places in a gallery of a given size.

    Parameters
    ----------
    n_gallery : int
        Stimuli to choose from.
    tops : sequence of int
        Each k of top-k; those of the gallery's size and above are left out, as they cannot be missed.
    ways : sequence of int
        Each k of k-way; those above the gallery's size are left out.

    Attributes
    ----------
    names : tuple of str
        Of the scores, in order.
    chance : ndarray of shape (n_scores,)
        Expected of a decoder that knows nothing.
    rates : ndarray of shape (n_scores,)
        Which scores are shares of hits.
    bounds : ndarray of shape (2, n_scores)
        The least and the largest score.
    """

    def __init__(self, n_gallery: int, tops: Sequence[int], ways: Sequence[int]) -> None:
        self.n_gallery = n_gallery
        self._tops = [k for k in tops if k < n_gallery]
        self._ways = [k for k in ways if k <= n_gallery]
        self._harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_gallery + 1))])
        self._subsets = [_shares_of_subsets(n_gallery, k) for k in self._ways]
        self.names = (
            *(f"top-{k}" for k in self._tops),
            "mean rank",
            "MRR",
            *(f"{k}-way" for k in self._ways),
        )
        tops_chance = [k / n_gallery for k in self._tops]
        rank_chance = [(n_gallery + 1) / 2, self._harmonic[n_gallery] / n_gallery]
        self.chance = np.array([*tops_chance, *rank_chance, *(1 / k for k in self._ways)])
        self.rates = np.array([*(True for _ in self._tops), False, False, *(True for _ in self._ways)])
        self.bounds = np.stack([np.zeros(len(self.names)), np.ones(len(self.names))])
        at = self.names.index("mean rank")
        self.bounds[:, at : at + 2] = [[1.0, 1 / n_gallery], [n_gallery, 1.0]]

    def __call__(self, places: Places) -> Floats:
        """Return the scores of each place, shape (n_scores, n_places)."""
        better, tied = places.better, places.tied
        out = [np.clip((k - better) / (tied + 1), 0.0, 1.0) for k in self._tops]
        out.append(better + 1 + tied / 2)
        out.append((self._harmonic[better + tied + 1] - self._harmonic[better]) / (tied + 1))
        for share in self._subsets:
            # Of the foils none may be better; with j ties among them the right one is named 1 / (j + 1) of
            # the time. Summed over all choices (Vandermonde): (C(m-b, k) - C(m-b-t-1, k)) /
            # ((t + 1) C(m-1, k-1)).
            ahead = share[self.n_gallery - better] - share[self.n_gallery - better - tied - 1]
            out.append(ahead / (tied + 1))
        return np.array(out)


def _shares_of_subsets(n_gallery: int, k: int) -> Floats:
    # C(x, k) / C(m - 1, k - 1) for x = 0..m, by C(x - 1, k) = C(x, k) (x - k) / x from C(m, k).
    x = np.arange(n_gallery, 0, -1)
    falling = np.cumprod(np.maximum(x - k, 0) / x)
    return np.concatenate([falling[::-1], [1.0]]) * (n_gallery / k)
