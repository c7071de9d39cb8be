"""A null for the topology of one system: its patterns under random rotations of the stimuli."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import helmert

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import RandomState, as_generator
from .._core.threads import fixed_threads
from ..metrics.rsa.dissimilarities import rdm
from ..metrics.topology.comparison import check_dimensions
from ..metrics.topology.diagrams import longest_bar, persistence_entropy, total_persistence
from ..metrics.topology.divergence import normalised
from ..metrics.topology.homology import persistent_homology
from .permutation import ALTERNATIVES, Alternative, check_n_permutations, permutation_p

Floats = NDArray[np.float64]
TopologyStatistic = Literal["longest-bar", "persistence-entropy", "total-persistence"]
_STATISTICS: dict[str, Callable[[Floats], float]] = {
    "longest-bar": longest_bar,
    "persistence-entropy": partial(persistence_entropy, normalise=True),
    "total-persistence": total_persistence,
}


@dataclass(frozen=True)
class RotationTest:
    """Result of :func:`rotation_test_topology`.

    Attributes
    ----------
    observed, p : float
        The statistic and its p-value.
    null : ndarray of shape (n_permutations,)
        The statistic of rotated patterns.
    """

    observed: float
    p: float
    null: Floats


def rotation_test_topology(
    X: ArrayLike,
    *,
    statistic: TopologyStatistic = "longest-bar",
    dimension: int = 1,
    alternative: Alternative = "greater",
    n_permutations: int = 200,
    random_state: RandomState = 0,
) -> RotationTest:
    """Test whether patterns have more topology than a Gaussian cloud of the same mean and covariance.

    Every cloud has loops: noise makes them. The null are the same patterns mixed by random rotations of the
    stimuli that leave the mean where it is, with exactly the sample covariance of X.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units)
        One pattern per stimulus.
    statistic : {"longest-bar", "total-persistence", "persistence-entropy"}, default="longest-bar"
        Of the diagram of Euclidean distances, divided by their .9 quantile. The entropy is normalised.
    dimension : int, default=1
        0 components, 1 loops, 2 voids.
    alternative : {"greater", "less", "two-sided"}, default="greater"
        What counts as extreme.
    n_permutations : int, default=200
        Rotations.
    random_state : int, Generator or None, default=0
        Source of the rotations.

    Returns
    -------
    result : RotationTest
        Exact for independent Gaussian patterns of any mean and covariance, however many units there are. A
        small p says that the cloud is not Gaussian in a way that the statistic sees: with clusters or heavy
        tails as well as with a ring. Look at the diagram before calling it a loop.

    Raises
    ------
    InputError
        For fewer than 4 stimuli, NaN, or patterns that are all the same.

    References
    ----------
    Langsrud O (2005). Rotation tests. Statistics and Computing, doi:10.1007/s11222-005-4789-5.
    """
    check_option("statistic", statistic, get_args(TopologyStatistic))
    check_option("alternative", alternative, ALTERNATIVES)
    check_n_permutations(n_permutations)
    (dimension,) = check_dimensions(dimension)
    patterns = check_array("X", X, ndim=2, dtype=np.float64, min_rows=4)
    if np.ptp(patterns, axis=0).max(initial=0.0) <= 1e-12 * np.abs(patterns).max(initial=0.0):
        raise InputError(
            f"`X` has the same pattern for all its {len(patterns)} stimuli. Nothing can be rotated."
        )

    def score(points: Floats) -> float:
        distances = normalised(rdm(points, method="euclidean"), "quantile", "X")
        return _STATISTICS[statistic](persistent_homology(distances, max_dim=dimension)[dimension])

    # Rows that are orthogonal to the mean: rotating them is all that the mean allows.
    contrasts = helmert(len(patterns))
    left, scales, _ = np.linalg.svd(contrasts @ patterns, full_matrices=False)
    observed = score(patterns)
    generator = as_generator(random_state)
    rotations = (_random_frame(left.shape, generator) for _ in range(n_permutations))
    with fixed_threads(1):
        null = np.array(
            [
                score(contrasts.T @ (frame * scales))
                for frame in track(rotations, "rotating patterns", n_permutations)
            ]
        )
    return RotationTest(observed, float(permutation_p(observed, null, alternative=alternative)), null)


def _random_frame(shape: tuple[int, ...], generator: np.random.Generator) -> Floats:
    """Return orthonormal columns in an even distribution (Haar)."""
    frame, triangle = np.linalg.qr(generator.standard_normal(shape))
    return np.asarray(frame * np.sign(triangle.diagonal()))
