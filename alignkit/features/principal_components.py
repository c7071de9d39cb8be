"""Principal components of a layer, fitted on training stimuli and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_unique
from .._core.errors import InputError
from ..recordings.features import Features

# Training rows that are held in memory, in double precision.
_MOST_BYTES = 256 * 2**20
# Above it, the covariance of units takes half a gigabyte and more, and components are found batch by batch.
_MOST_UNITS = 8192
_ROWS = 256


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Directions of a layer in which training stimuli differ most.

    Attributes
    ----------
    mean : ndarray of shape (n_units,), float32
        Over training stimuli.
    components : ndarray of shape (n_components, n_units), float32
        Of unit length; the entry of largest magnitude of each is positive.
    explained_variance : ndarray of shape (n_components,)
        Of training stimuli along each, with n - 1 in the denominator; falling.
    total_variance : float
        Of training stimuli, over all units.
    training_ids : tuple of str
        The stimuli they were fitted on.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    explained_variance: NDArray[np.float64]
    total_variance: float
    training_ids: tuple[str, ...]

    @property
    def explained_share(self) -> NDArray[np.float64]:
        """Share of the training stimuli's variance along each component."""
        return self.explained_variance / self.total_variance

    def transform(self, units: ArrayLike) -> NDArray[np.float32]:
        """Return (n_stimuli, n_components) of (n_stimuli, n_units), training or new stimuli.

        Raises
        ------
        InputError
            If the number of units is another than that fitted on, or there are NaN.
        """
        array = check_array("units", units, ndim=2, dtype=np.float32)
        if array.shape[1] != len(self.mean):
            raise InputError(
                f"these components are of {len(self.mean)} units, got {array.shape[1]}; give the same layer."
            )
        return np.asarray((array - self.mean) @ self.components.T, dtype=np.float32)


def fit_components(
    features: Features, layer: str, training_ids: Sequence[str], *, n_components: int
) -> PrincipalComponents:
    """Find the principal components of a layer over training stimuli.

    Only rows of training stimuli are looked at. Where they take less than 256 MB, or have no more than 8,192
    units, the result is exact, in float64 (scikit-learn's `PCA`; the covariance of rows read a few hundred at
    a time); beyond both, scikit-learn's `IncrementalPCA` approximates it. Layers with steps of
    time are taken as (n_stimuli, n_units * n_times).

    Parameters
    ----------
    features : Features
        In memory or on disk.
    layer : str
        Which layer.
    training_ids : sequence of str
        Stimuli of the training part of a split.
    n_components : int
        How many; fewer than training stimuli, and at most as many as units.

    Returns
    -------
    components : PrincipalComponents

    Raises
    ------
    InputError
        If `n_components` is out of its range, an id comes twice or has no features, or training rows hold
        NaN.

    References
    ----------
    Ross DA, Lim J, Lin R-S, Yang M-H (2008). Incremental learning for robust visual tracking. International
    Journal of Computer Vision 77:125-141. https://doi.org/10.1007/s11263-007-0075-7

    Examples
    --------
    >>> import numpy as np
    >>> layer = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    >>> features = Features({"v1": layer}, list("abcdef"), model="toy")
    >>> fit_components(features, "v1", list("abcd"), n_components=2).transform(layer).shape
    (6, 2)
    """
    ids = [str(i) for i in training_ids]
    check_unique("training_ids", ids)
    n_units = features.n_units(layer)
    most = min(len(ids) - 1, n_units)
    if isinstance(n_components, bool) or not isinstance(n_components, int) or not 1 <= n_components <= most:
        raise InputError(
            f"`n_components` must be between 1 and {most} ({len(ids)} training stimuli, {n_units} units), "
            f"got {n_components!r}."
        )
    if 8 * len(ids) * n_units <= _MOST_BYTES:
        fit = _in_memory
    else:
        fit = _by_covariance if n_units <= _MOST_UNITS else _incremental
    mean, components, variance, total = fit(features, layer, ids, n_components)
    largest = components[np.arange(n_components), np.abs(components).argmax(1)]
    return PrincipalComponents(
        mean.astype(np.float32),
        (components * np.sign(largest)[:, None]).astype(np.float32),
        variance,
        total,
        tuple(ids),
    )


_Fitted = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]


def _in_memory(features: Features, layer: str, ids: Sequence[str], n_components: int) -> _Fitted:
    from sklearn.decomposition import PCA

    rows = np.concatenate(list(_training_rows(features, layer, ids, _ROWS))).astype(np.float64)
    pca = PCA(n_components, svd_solver="full").fit(rows)
    total = float(rows.var(axis=0, ddof=1).sum())
    return pca.mean_, pca.components_, pca.explained_variance_, total


def _by_covariance(features: Features, layer: str, ids: Sequence[str], n_components: int) -> _Fitted:
    from scipy.linalg import eigh

    n_units = features.n_units(layer)
    summed = np.zeros(n_units)
    for rows in _training_rows(features, layer, ids, _ROWS):
        summed += rows.sum(axis=0, dtype=np.float64)
    mean = summed / len(ids)
    covariance = np.zeros((n_units, n_units))
    # A second reading: squares of uncentred rows would lose what differs beside a large mean.
    for rows in _training_rows(features, layer, ids, _ROWS):
        centred = rows - mean
        covariance += centred.T @ centred
    covariance /= len(ids) - 1
    variance, vectors = eigh(covariance, subset_by_index=(n_units - n_components, n_units - 1))
    # Rounding leaves a rank-deficient covariance with variances a little below zero.
    falling = np.maximum(variance[::-1], 0.0)
    return mean, np.ascontiguousarray(vectors[:, ::-1].T), falling, float(np.trace(covariance))


def _incremental(features: Features, layer: str, ids: Sequence[str], n_components: int) -> _Fitted:
    from sklearn.decomposition import IncrementalPCA

    pca = IncrementalPCA(n_components)
    size = max(_ROWS, 2 * n_components)
    waiting = np.empty((0, features.n_units(layer)), np.float32)
    for rows in _training_rows(features, layer, ids, size):
        waiting = np.concatenate([waiting, rows])
        # A batch needs as many rows as there are components, the last one included.
        if len(waiting) >= 2 * size:
            pca.partial_fit(waiting[:size])
            waiting = waiting[size:]
    pca.partial_fit(waiting)
    total = float(pca.var_.sum()) * len(ids) / (len(ids) - 1)
    return pca.mean_, pca.components_, pca.explained_variance_, total


def _training_rows(
    features: Features, layer: str, ids: Sequence[str], size: int
) -> Iterator[NDArray[np.float32]]:
    """Yield training rows in the order of the features, `size` at a time."""
    positions = sorted(features.positions(ids))
    for first in range(0, len(positions), size):
        yield features.rows(layer, positions[first : first + size])
