"""Decoding from the channels around every channel, to see where in the brain it can be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from scipy.spatial import QhullError
from sklearn.base import clone

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ...metrics import volume_neighbours
from ...recordings.geometry import SensorGeometry, VolumeGeometry
from .classifiers import DiscriminantOverTimes, LogisticOverTimes
from .folds import Folds, check_classes, make_folds
from .over_times import Floats, Indices, LinearOverTimes, decide
from .over_times_scores import Scoring, check_scoring, score_decision
from .ridge import RidgeOverTimes

SearchlightEstimator = Literal["lda", "logistic", "ridge"]
Neighbours = csr_array | Sequence[ArrayLike]

_ESTIMATORS: dict[str, type[LinearOverTimes]] = {
    "lda": DiscriminantOverTimes,
    "logistic": LogisticOverTimes,
    "ridge": RidgeOverTimes,
}
_BATCH_ELEMENTS = 2**21  # of the signals of some neighbourhoods: 16 MiB


def searchlight_decode(
    X: ArrayLike,
    y: ArrayLike,
    *,
    neighbours: Neighbours,
    folds: Folds = 5,
    groups: ArrayLike | None = None,
    estimator: SearchlightEstimator | LinearOverTimes = "lda",
    scoring: Scoring | None = None,
) -> Floats:
    """Cross-validate a linear decoder in every neighbourhood of channels, and at every time.

    Parameters
    ----------
    X : array of shape (n_samples, n_channels[, n_times])
        Signals, in any unit. Channels are z-scored by each training part alone.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        Classes; numbers for "ridge".
    neighbours : sparse array of shape (n_centres, n_channels), or list of arrays of int
        The channels around each centre: :func:`voxel_neighbours`, :func:`sensor_neighbours`, or rows of them.
    folds, groups, scoring
        See :func:`cross_validate_over_times`. For fMRI make runs the groups, or the folds.
    estimator : {"lda", "logistic", "ridge"} or LinearOverTimes, default="lda"
        By name with its defaults, or one with options of its own, which is not changed.

    Returns
    -------
    scores : ndarray of shape (n_centres,) or (n_centres, n_times)
        Mean over folds; higher is better. NaN where a centre has no channels.

    Raises
    ------
    InputError
        As :func:`cross_validate_over_times`; also if neighbourhoods name channels that are not there, or none
        of them has a channel.

    Notes
    -----
    Equal to scikit-learn's ``cross_val_score`` in each neighbourhood. Neighbourhoods of one size are stacked
    and fitted at once. Neighbouring scores share channels, so that they are far from independent: correct
    over centres by permutation (maximum statistic) or clusters.

    References
    ----------
    Kriegeskorte N, Goebel R, Bandettini P (2006). Information-based functional brain mapping. PNAS,
    doi:10.1073/pnas.0600244103.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((60, 3)), np.repeat([0, 1], 30)
    >>> X[:, 0] += 4 * y
    >>> searchlight_decode(X, y, neighbours=[[0, 1], [1, 2]], scoring="accuracy").round(1)
    array([0.9, 0.5])
    """
    decoder = _decoder(estimator)
    samples = check_array("X", X, ndim=(2, 3), dtype=np.float64, min_rows=2)
    _, targets = decoder.check_training(samples[:, :1], y)
    check_same_samples("X", samples, "y", targets)
    chosen = check_scoring(scoring or ("roc_auc" if decoder.classifies else "r2"), decoder.classifies)
    parts = make_folds(folds, targets, groups, decoder.classifies)
    if decoder.classifies:
        check_classes(parts, targets, decoder.classes_)
    around = _channels_around(neighbours, samples.shape[1])
    signals = samples if samples.ndim == 3 else samples[..., None]
    # (n_channels, n_times, n_samples), so that a neighbourhood is a few whole rows.
    by_channel = np.ascontiguousarray(signals.transpose(1, 2, 0))
    n_times, n_samples = by_channel.shape[1:]
    scores = np.full((len(around), n_times), np.nan)
    batches = list(_batches(around, n_times * n_samples))
    for centres in track(batches, "searchlight"):
        channels = np.stack([around[centre] for centre in centres])
        # (n_centres, n_times, n_samples, n_around)
        local = by_channel[channels].transpose(0, 2, 3, 1)
        stack = np.ascontiguousarray(local).reshape(-1, n_samples, channels.shape[1])
        weights = decoder.weights_of_folds(stack, targets, [train for train, _ in parts])
        total = np.zeros(len(stack))
        for (coef, intercept), (_, test) in zip(weights, parts, strict=True):
            decision = decide(stack[:, test], coef, intercept)
            total += score_decision(decision, targets[test], chosen, decoder.classifies)
        scores[centres] = (total / len(parts)).reshape(-1, n_times)
    return scores if samples.ndim == 3 else scores[:, 0]


def voxel_neighbours(geometry: VolumeGeometry, *, radius_mm: float, min_channels: int = 1) -> csr_array:
    """Find the voxels of a recording within a radius of each voxel.

    Parameters
    ----------
    geometry : VolumeGeometry
        Of the recording; distances are those of its affine, so that voxels need not be cubes.
    radius_mm : float
        Voxels whose centres are at this distance or nearer belong to the sphere.
    min_channels : int, default=1
        Centres with fewer voxels around them get none.

    Returns
    -------
    neighbours : csr_array of bool, shape (n_channels, n_channels)
        Row i holds the voxels around voxel i, itself among them.
    """
    if not isinstance(geometry, VolumeGeometry):
        raise InputError(
            f"`geometry` must be a VolumeGeometry, got {type(geometry).__name__}. For sensors use "
            "`sensor_neighbours`, for vertices `alignkit.metrics.surface_neighbours`."
        )
    return volume_neighbours(
        geometry.coordinates_mm, radius_mm=radius_mm, affine=geometry.affine, min_channels=min_channels
    )


def sensor_neighbours(geometry: SensorGeometry, *, radius_mm: float | None = None) -> csr_array:
    """Find the sensors around each sensor.

    Parameters
    ----------
    geometry : SensorGeometry
        Of the recording.
    radius_mm : float, optional
        Sensors at this distance or nearer, in a straight line. By default the sensors that MNE-Python takes
        for adjacent: from the triangles between them, for each kind of sensor by itself.

    Returns
    -------
    neighbours : csr_array of bool, shape (n_channels, n_channels)
        Row i holds the sensors around sensor i, itself among them.

    Raises
    ------
    InputError
        If sensors have no places, or lie in a line where triangles are asked for.
    """
    if not isinstance(geometry, SensorGeometry):
        raise InputError(
            f"`geometry` must be a SensorGeometry, got {type(geometry).__name__}. For voxels use "
            "`voxel_neighbours`."
        )
    import mne

    info = geometry.info
    places = np.array([channel["loc"][:3] for channel in info["chs"]], dtype=np.float64)
    lost = ~np.isfinite(places).all(axis=1) | (places == 0).all(axis=1)
    if lost.any():
        names = [info["ch_names"][index] for index in np.flatnonzero(lost)]
        raise InputError(
            f"{len(names)} of {len(places)} sensors have no place: {', '.join(names[:5])}. Set a montage, or "
            "leave them out."
        )
    if radius_mm is not None:
        return volume_neighbours(1000.0 * places, radius_mm=radius_mm)
    dense = np.eye(len(places), dtype=bool)
    kinds = np.array(info.get_channel_types())
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        if len(rows) < 4:
            dense[np.ix_(rows, rows)] = True
            continue
        part = mne.pick_info(info, rows, copy=True)
        try:
            with mne.use_log_level("error"):
                adjacency, names = mne.channels.find_ch_adjacency(part, str(kind))
        except QhullError as error:
            raise InputError(
                f"the {len(rows)} sensors of kind {str(kind)!r} lie in one line, seen from above, so that "
                "there are no triangles between them. Give `radius_mm`."
            ) from error
        order = [part["ch_names"].index(name) for name in names]
        dense[np.ix_(rows[order], rows[order])] |= adjacency.toarray().astype(bool)
    return csr_array(dense)


def _decoder(estimator: SearchlightEstimator | LinearOverTimes) -> LinearOverTimes:
    if isinstance(estimator, LinearOverTimes):
        copied: LinearOverTimes = clone(estimator)
        return copied
    return _ESTIMATORS[check_option("estimator", estimator, _ESTIMATORS)]()


def _channels_around(neighbours: Neighbours, n_channels: int) -> list[Indices]:
    """Return the channels of every neighbourhood."""
    if issparse(neighbours):
        table = csr_array(neighbours)
        if table.shape[1] != n_channels:
            raise InputError(
                f"`neighbours` is over {table.shape[1]} channels, but `X` has {n_channels}. Make it from the "
                "recording's own geometry."
            )
        table.eliminate_zeros()
        table.sort_indices()
        around = [
            table.indices[a:b].astype(np.intp) for a, b in zip(table.indptr, table.indptr[1:], strict=False)
        ]
    else:
        around = [_checked(centre, rows, n_channels) for centre, rows in enumerate(neighbours)]
    if not any(len(rows) for rows in around):
        raise InputError(
            f"none of the {len(around)} neighbourhoods has a channel. Take a larger radius, or a smaller "
            "`min_channels`."
        )
    return around


def _checked(centre: int, rows: ArrayLike, n_channels: int) -> Indices:
    index = np.asarray(rows)
    if index.size == 0:
        return np.empty(0, dtype=np.intp)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise InputError(
            f"neighbourhood {centre} must hold channel numbers, got shape {index.shape} of {index.dtype}."
        )
    if index.min() < 0 or index.max() >= n_channels or len(np.unique(index)) != len(index):
        raise InputError(
            f"neighbourhood {centre} must hold different channels from 0 to {n_channels - 1}, got "
            f"{len(index)} from {index.min()} to {index.max()}."
        )
    return index.astype(np.intp)


def _batches(around: Sequence[Indices], elements: int) -> Iterator[NDArray[np.intp]]:
    """Yield centres whose neighbourhoods are of one size, as many as memory is meant for."""
    sizes = np.array([len(rows) for rows in around])
    for size in np.unique(sizes[sizes > 0]):
        centres = np.flatnonzero(sizes == size)
        step = max(1, _BATCH_ELEMENTS // (int(size) * elements))
        for start in range(0, len(centres), step):
            yield centres[start : start + step]
