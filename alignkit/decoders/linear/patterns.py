"""Activation patterns of linear decoders: what a decoder's weights say about where its signal is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError

Floats = NDArray[np.float64]


def haufe_patterns(
    X: ArrayLike, weights: ArrayLike, *, latent: ArrayLike | None = None, normalise: bool = True
) -> Floats:
    """Turn weights of a decoder into activation patterns.

    A weight says how a channel is used, also to cancel noise that it shares with others; a pattern says how
    strongly the decoded signal is in the channel: ``A = cov(X) W cov(S)^-1`` with S = XW.

    Parameters
    ----------
    X : array of shape (n_samples, n_channels[, n_times])
        The signals that the decoder was fitted to, in the units that the weights are for.
    weights : array of shape (n_channels, n_outputs), or (n_times, n_channels, n_outputs) with times
        Such as `coef_` of a decoder over times.
    latent : array of shape (n_samples, n_outputs), optional
        What S is instead of XW, such as the targets, whose covariance some definitions take.
    normalise : bool, default=True
        Multiply by the inverse of cov(S); otherwise return cov(X) W, which for one output differs by a
        factor only.

    Returns
    -------
    patterns : ndarray in the shape of `weights`
        In units of X per unit of S.

    Raises
    ------
    InputError
        If the shapes do not fit, or an array holds NaN.

    Notes
    -----
    With one output, MNE-Python's ``get_coef(..., "patterns_")`` is `normalise=False`; with several it is
    `latent` = the targets. Both are reproduced to rounding. Where a scaler comes first, MNE's are for
    z-scored channels; these are in the units of the X that is given: the same, times the standard deviation
    of each channel. The pseudo-inverse serves outputs that depend on each other, as those of
    multinomial regression do. Shrunken weights give the patterns of what they decode, which only comes close
    to the signal's own.

    References
    ----------
    Haufe S et al. (2014). On the interpretation of weight vectors of linear models in multivariate
    neuroimaging. NeuroImage, doi:10.1016/j.neuroimage.2013.10.067. Equation 6.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal, noise = rng.standard_normal((2, 10_000))
    >>> X = np.stack([signal + noise, noise], axis=1)
    >>> haufe_patterns(X, [[1.0], [-1.0]]).round(1).ravel() + 0.0
    array([1., 0.])
    """
    samples = check_array("X", X, ndim=(2, 3), dtype=np.float64, min_rows=2)
    coef = check_array("weights", weights, ndim=samples.ndim, dtype=np.float64)
    signals = samples[None] if samples.ndim == 2 else np.moveaxis(samples, 2, 0)
    stacked = coef[None] if samples.ndim == 2 else coef
    wanted = (signals.shape[0], signals.shape[2])
    if stacked.shape[:2] != wanted:
        raise InputError(
            f"`weights` must be for {wanted[1]} channels at {wanted[0]} time(s), got shape {coef.shape}."
        )
    centred = signals - signals.mean(axis=1, keepdims=True)
    scores = centred @ stacked
    cross = centred.swapaxes(1, 2) @ scores
    degrees = signals.shape[1] - 1
    if not normalise:
        patterns = cross / degrees
    else:
        patterns = patterns_of_covariance(cross, _scatter(scores, latent))
    return np.asarray(patterns[0] if samples.ndim == 2 else patterns)


def patterns_of_covariance(cross: Floats, own: Floats) -> Floats:
    """Return patterns from the scatter of channels with outputs, and of outputs with each other.

    Parameters
    ----------
    cross : ndarray of shape (n_times, n_channels, n_outputs)
        Sums of products, or covariances.
    own : ndarray of shape (n_times, n_outputs, n_outputs)
        In the same unit.
    """
    # A decoder without any weight decodes nothing, and its pattern is 0.
    return np.asarray(cross @ np.linalg.pinv(own, hermitian=True))


def _scatter(scores: Floats, latent: ArrayLike | None) -> NDArray[Any]:
    if latent is None:
        return np.asarray(scores.swapaxes(1, 2) @ scores)
    given = check_array("latent", latent, ndim=(1, 2), dtype=np.float64)
    given = given[:, None] if given.ndim == 1 else given
    check_same_samples("X", scores[0], "latent", given)
    if given.shape[1] != scores.shape[2]:
        raise InputError(
            f"`latent` must have a column for each of the {scores.shape[2]} outputs of `weights`, got "
            f"{given.shape[1]}."
        )
    centred = given - given.mean(axis=0)
    return np.asarray((centred.T @ centred)[None])
