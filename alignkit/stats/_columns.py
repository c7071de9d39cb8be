"""Correlations of predictions with responses, channel by channel, and their summary."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError

Floats = NDArray[np.float64]


def check_predictions(
    predictions: ArrayLike, responses: ArrayLike, *, min_stimuli: int = 4
) -> tuple[Floats, Floats]:
    """Return (n_models, n_stimuli, n_channels) and (n_stimuli, n_channels), or refuse."""
    predicted = check_array("predictions", predictions, ndim=(2, 3), dtype=np.float64)
    predicted = predicted[None] if predicted.ndim == 2 else predicted
    measured = check_array("responses", responses, ndim=2, dtype=np.float64, min_rows=min_stimuli)
    if predicted.shape[1:] != measured.shape or measured.shape[1] == 0:
        raise InputError(
            f"`predictions` must have shape (n_models, {measured.shape[0]}, {measured.shape[1]}) like "
            f"`responses`, got {predicted.shape}. Align both by `stimulus_id` and keep the channels' order."
        )
    return predicted, measured


def standardised_columns(values: Floats, *, axis: int) -> Floats:
    """Return values whose products sum to the correlation over `axis`; NaN for constant columns."""
    constant = np.ptp(values, axis=axis, keepdims=True) == 0
    centred = values - values.mean(axis=axis, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=axis, keepdims=True))
    return np.asarray(centred / np.where(constant, np.nan, norm), dtype=np.float64)


def summarise(scores: Floats, reduce: str) -> Floats:
    """Return the mean or median over the last axis of what is defined; NaN where nothing is."""
    undefined = np.isnan(scores)
    if not undefined.any():
        return np.asarray((np.median if reduce == "median" else np.mean)(scores, axis=-1), dtype=np.float64)
    rows = scores.reshape(-1, scores.shape[-1])
    kept = [row[~np.isnan(row)] for row in rows]
    centre = np.median if reduce == "median" else np.mean
    values = [float(centre(row)) if row.size else float("nan") for row in kept]
    return np.array(values).reshape(scores.shape[:-1])
