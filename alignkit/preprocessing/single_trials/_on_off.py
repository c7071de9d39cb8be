"""Where any trial evokes a response at all, and where none does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ._runs import Floats, Indices, RunModel, voxel_blocks

# Dark voxels (outside the brain) are below this share of the brightest hundredth.
_DARK = 0.1
_MIXTURE_VOXELS = 20_000


def on_off_r2(models: Sequence[RunModel], voxels: Indices, n_voxels: int, *, shape: int) -> Floats:
    """Return the share of variance that one regressor for all trials explains, NaN for other voxels."""
    columns = [model.design(shape).sum(axis=1) for model in models]
    power = sum(float(column @ column) for column in columns)
    found = np.full(n_voxels, np.nan)
    for block in voxel_blocks(models, voxels):
        total, together = np.zeros(len(block)), np.zeros(len(block))
        for model, column in zip(models, columns, strict=True):
            series = model.series(block)
            series -= series.mean(axis=0)
            total += model.power(series)
            together += column @ series
        explained = together**2 / power if power > 0 else np.zeros(len(block))
        found[block] = explained / np.where(total > 0, total, 1.0)
    return found


def response_threshold(r2: Floats) -> float:
    """Return the R2 above which a voxel rather belongs to the higher of two Gaussians than to the lower.

    The mixture is fitted to the values of all voxels (evenly thinned where they are many).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    values = np.sort(r2[np.isfinite(r2)])
    thinned = values[:: max(1, len(values) // _MIXTURE_VOXELS)]
    if len(thinned) < 2 or thinned[0] == thinned[-1]:
        return float(values[-1]) if len(values) else float("nan")
    mixture = GaussianMixture(2, max_iter=1000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(thinned[:, None])
    low, high = np.argsort(mixture.means_.ravel())
    grid = np.linspace(mixture.means_[low, 0], values[-1], 2001)
    rather_high = mixture.predict_proba(grid[:, None])[:, high] > 0.5
    return float(grid[rather_high.argmax()] if rather_high.any() else values[-1])


def noise_pool(r2: Floats, brightness: Floats | None, threshold: float) -> NDArray[np.bool_]:
    """Return the voxels that are bright and do not respond."""
    pool = np.isfinite(r2) & (np.where(np.isfinite(r2), r2, np.inf) < threshold)
    if brightness is not None:
        level = np.where(np.isfinite(r2), np.abs(brightness), 0.0)
        pool &= level > _DARK * np.percentile(level[np.isfinite(r2)], 99)
    return np.asarray(pool, dtype=np.bool_)
