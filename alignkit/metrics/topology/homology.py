"""Persistent homology of dissimilarities: which components, loops and voids there are, and at what scales."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from ripser import ripser
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from ..._core.checks import check_array
from ..._core.errors import InputError
from .._arrays import torch_too

Floats = NDArray[np.float64]

# Distances closer than this, relative to the largest, count as equal: rounding must not make bars.
_TIE = 1e-13
# ripser computes in float32, which holds every integer up to here.
_LARGEST_INTEGER = 2**24


@dataclass(frozen=True)
class PersistenceDiagrams:
    """Result of :func:`persistent_homology`.

    Attributes
    ----------
    diagrams : tuple of ndarray of shape (n_bars, 2)
        Birth and death of each class by dimension, in the unit of the distances, sorted by birth and death.
        A class that never dies (or is alive at `max_distance`) has death inf.
    n_stimuli : int
        Points of the filtration.
    max_distance : float or None
        Where the filtration was ended; None where it went on until nothing could change.
    """

    diagrams: tuple[Floats, ...]
    n_stimuli: int
    max_distance: float | None

    def __getitem__(self, dimension: int) -> Floats:
        """Return the diagram of a dimension."""
        return self.diagrams[dimension]

    @property
    def n_essential(self) -> tuple[int, ...]:
        """Classes without a death, by dimension."""
        return tuple(int((diagram[:, 1] == float("inf")).sum()) for diagram in self.diagrams)

    def betti_numbers(self, scale: float) -> tuple[int, ...]:
        """Return how many classes of each dimension are alive at a scale (born, and not dead yet)."""
        alive = ((diagram[:, 0] <= scale) & (diagram[:, 1] > scale) for diagram in self.diagrams)
        return tuple(int(bars.sum()) for bars in alive)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per class: dimension, birth, death."""
        bars = [np.asarray(diagram) for diagram in self.diagrams]
        dimension = np.repeat(np.arange(len(bars)), [len(diagram) for diagram in bars])
        birth, death = np.concatenate(bars).T
        return pd.DataFrame({"dimension": dimension, "birth": birth, "death": death})


@torch_too
def persistent_homology(
    rdm: ArrayLike, *, max_dim: int = 1, max_distance: float | None = None
) -> PersistenceDiagrams:
    """Compute the persistent homology of the Vietoris-Rips filtration of an RDM.

    At scale s all stimuli with pairwise distances of at most s form a simplex. Dimension 0 are connected
    components, 1 loops, 2 voids, with coefficients in Z/2. The scale is the distance of the pair (some
    libraries use half of it, or its square).

    Parameters
    ----------
    rdm : array of shape (n_pairs,), or symmetric of shape (n_stimuli, n_stimuli)
        Distances, 0 or more; condensed in the order of :func:`alignkit.metrics.rdm`.
    max_dim : int, default=1
        Highest dimension.
    max_distance : float, optional
        Where the filtration ends, which makes it faster. By default it goes on until it cannot change.

    Returns
    -------
    result : PersistenceDiagrams
        Births and deaths are distances of the RDM, in float64. Bars of no length are left out: equal stimuli
        are one component. Without `max_distance`, one component and nothing else never dies.

    Raises
    ------
    InputError
        For NaN, negative or infinite distances, a matrix that is not symmetric or has a diagonal, a number
        of pairs that no number of stimuli has, `max_dim` or `max_distance` below 0, or `max_dim` above the
        number of stimuli less 2 (above 1, for 2 of them).

    Notes
    -----
    Components come from single linkage, which walks the minimum spanning tree in O(n_stimuli^2): exact, and
    at home with distances of 0. Higher dimensions are ripser's. It computes in float32, and so it is given
    the rank of each distance, which float32 holds exactly, and its ranks are turned back into distances;
    the order of a filtration is all that homology depends on. Distances that differ by less than 1e-13 of
    the largest count as equal.

    Time and memory grow steeply with the dimension: about n_stimuli^3 for loops, ^4 for voids. The diagram
    depends on the number of stimuli: compare only diagrams of equally many.

    A dissimilarity need not obey the triangle inequality. Estimates that can be negative, such as
    crossnobis, are not a filtration: use "euclidean" or "correlation" RDMs.

    References
    ----------
    Bauer U (2021). Ripser: efficient computation of Vietoris-Rips persistence barcodes. Journal of Applied
    and Computational Topology, doi:10.1007/s41468-021-00071-5.

    Examples
    --------
    A square of side 1 has a loop from its side to its diagonal:

    >>> square = [1.0, 2**0.5, 1.0, 1.0, 2**0.5, 1.0]
    >>> persistent_homology(square)[1].round(3).tolist()
    [[1.0, 1.414]]
    """
    distances = check_distances("rdm", rdm)
    if not max_dim >= 0:
        raise InputError(f"`max_dim` must be 0 or more, got {max_dim}. 1 computes components and loops.")
    most = max(1, n_points(len(distances)) - 2)
    if max_dim > most:
        raise InputError(
            f"`max_dim` must be at most {most} for {n_points(len(distances))} stimuli, got {max_dim}: one "
            "class of dimension d needs d + 2 of them."
        )
    if max_distance is not None and not max_distance >= 0:
        raise InputError(f"`max_distance` must be 0 or more, got {max_distance}. Leave it out for no limit.")
    limit = np.inf if max_distance is None else float(max_distance)
    diagrams = [_components(distances, limit)]
    if max_dim > 0:
        diagrams.extend(rips_bars(distances, max_dim, limit))
    return PersistenceDiagrams(tuple(diagrams), n_points(len(distances)), max_distance)


def check_distances(name: str, rdm: ArrayLike, *, min_stimuli: int = 2) -> Floats:
    """Return an RDM as condensed distances, or say what is not a distance about it."""
    values = check_array(name, rdm, ndim=(1, 2), dtype=np.float64)
    if values.ndim == 2:
        values = _condensed(name, values)
    n_stimuli = n_points(len(values))
    if n_stimuli * (n_stimuli - 1) // 2 != len(values):
        raise InputError(
            f"`{name}` has {len(values)} pairs, which are not the pairs of any number of stimuli "
            "(1, 3, 6, 10, ... are). Give the condensed RDM of all stimuli."
        )
    if n_stimuli < min_stimuli:
        raise InputError(f"`{name}` needs at least {min_stimuli} stimuli, got {n_stimuli}.")
    if (values < 0).any():
        raise InputError(
            f"`{name}` holds {int((values < 0).sum())} negative distances, down to {values.min():.3g}. Use "
            "'euclidean' or 'correlation' distances; cross-validated ones are not a filtration."
        )
    return values


def n_points(n_pairs: int) -> int:
    """Return the largest number of points that has at most so many pairs."""
    return (1 + isqrt(1 + 8 * n_pairs)) // 2


def rips_bars(distances: Floats, max_dim: int, limit: float = np.inf) -> list[Floats]:
    """Return the bars of dimensions 1 to `max_dim`; a pair at distance inf is never joined."""
    is_joined = np.isfinite(distances) & (distances <= limit)
    joined = distances[is_joined]
    if joined.size == 0:
        return [np.empty((0, 2)) for _ in range(max_dim)]
    levels, ranks = _levels(joined)
    if levels.size >= _LARGEST_INTEGER:
        raise InputError(
            f"the RDM has {levels.size} different distances; loops and voids are computed exactly for fewer "
            f"than {_LARGEST_INTEGER}. Draw fewer stimuli, give `max_distance`, or use `max_dim=0`."
        )
    filtration = np.full(distances.shape, np.inf, dtype=np.float32)
    filtration[is_joined] = ranks
    end = np.inf if limit == np.inf else float(levels.size)
    found = ripser(squareform(filtration, checks=False), maxdim=max_dim, thresh=end, distance_matrix=True)
    return [_as_distances(bars, levels) for bars in found["dgms"][1:]]


def _components(distances: Floats, limit: float) -> Floats:
    deaths = linkage(distances, method="single")[:, 2]
    deaths = np.where(deaths > limit, np.inf, deaths)
    deaths = np.append(deaths[deaths > 0], np.inf)
    return np.column_stack([np.zeros(deaths.size), deaths])


def _condensed(name: str, matrix: Floats) -> Floats:
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"`{name}` must be condensed, of shape (n_pairs,), or square, got shape {matrix.shape}."
        )
    tolerance = 1e-8 * np.abs(matrix).max(initial=0.0)
    gap = np.abs(matrix - matrix.T).max(initial=0.0)
    if gap > tolerance:
        raise InputError(
            f"`{name}` must be symmetric, but its halves differ by up to {gap:.3g}. Average it with its "
            "transpose if both directions measure the same."
        )
    if np.abs(matrix.diagonal()).max(initial=0.0) > tolerance:
        raise InputError(
            f"`{name}` must have zeros on its diagonal, got {np.abs(matrix.diagonal()).max():.3g}. Give "
            "dissimilarities, not similarities."
        )
    return np.asarray(squareform(matrix, checks=False), dtype=np.float64)


def _levels(values: Floats) -> tuple[Floats, NDArray[np.float32]]:
    """Return the different values in rising order, and the number of each value's own."""
    order = np.argsort(values)
    ordered = values[order]
    new = np.empty(values.size, dtype=np.bool_)
    new[0] = False
    np.greater(np.diff(ordered), _TIE * ordered[-1], out=new[1:])
    ranks = np.empty(values.size, dtype=np.float32)
    ranks[order] = np.cumsum(new, dtype=np.int32)
    new[0] = True
    return ordered[new], ranks


def _as_distances(bars: NDArray[np.float32], levels: Floats) -> Floats:
    ends = np.append(levels, np.inf)
    place = np.where(np.isfinite(bars), bars, levels.size).astype(np.intp)
    place = place[np.lexsort((place[:, 1], place[:, 0]))]
    return np.asarray(ends[place].reshape(-1, 2))
