"""Kernel alignment of whole populations of which only some units were recorded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from .kernel_alignment import Terms, cka_ratio, linear_terms, load_pair, without_rounding

Matrix = NDArray[np.float64]


@torch_too
def population_cka(X: ArrayLike, Y: ArrayLike, *, device: str | None = None) -> float:
    """Estimate linear CKA of two populations from a random sample of the units of each.

    Debiased CKA is unbiased by the choice of stimuli, but falls the fewer units were recorded: a kernel from
    few units agrees with itself also in what is particular to these units. Here the self-similarities leave
    out what comes from pairing a unit with itself, so that all three terms are unbiased over stimuli and
    units.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units_x)
        Responses of at least 2 units drawn at random from the first population, to at least 4 stimuli.
    Y : array of shape (n_stimuli, n_units_y)
        Responses to the same stimuli of units of the second population. They must be drawn independently
        of the first: two samples of one population are fine, the same units twice are not.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the products of responses are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    similarity : float
        Linear CKA of the populations. The three terms are unbiased, their ratio only in the limit: with 8
        units a side it is too high on average (1.15 where the truth is 1.00 and debiased CKA .57), but ratios
        of terms averaged over samples are not (1.01). To use several samples, average the terms of
        :func:`population_hsic` and divide once. Not bounded: above 1 or below 0 by chance. NaN if a
        self-similarity is estimated as 0 or less.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, there are too few stimuli or units, NaN, or all responses of a
        side are equal.

    Notes
    -----
    Trial noise is another bias: it is part of the population as far as this estimate can know. Average over
    repeats first.

    References
    ----------
    Chun C et al. (2025). Estimating neural representation alignment from sparsely sampled inputs and
    features, doi:10.48550/arXiv.2502.15104.

    Examples
    --------
    >>> from alignkit.metrics import cka
    >>> rng = np.random.default_rng(0)
    >>> latent = rng.standard_normal((300, 5))
    >>> X, Y = latent @ rng.standard_normal((5, 12)), latent @ rng.standard_normal((5, 12))
    >>> round(cka(X, Y), 2), round(population_cka(X, Y), 2)
    (0.63, 0.85)
    """
    return cka_ratio(population_hsic(X, Y, device=device))


@torch_too
def population_hsic(X: ArrayLike, Y: ArrayLike, *, device: str | None = None) -> Terms:
    """Estimate the three terms of CKA of two populations from a random sample of the units of each.

    With kernels averaged over units, ``K = sum_a x_a x_a' / q``, the self-similarity
    ``[q^2 HSIC(K, K) - sum_a HSIC(x_a x_a', x_a x_a')] / (q (q - 1))`` runs over pairs of different units.

    Parameters
    ----------
    X, Y : arrays of shape (n_stimuli, n_units_x) and (n_stimuli, n_units_y)
        See :func:`population_cka`.
    device : str, optional
        See :func:`population_cka`.

    Returns
    -------
    cross, own_x, own_y : float
        Unbiased estimates per unit of HSIC of X with Y, of X with X, of Y with Y; any may be below 0. Means
        of several samples of units are unbiased too.

    Raises
    ------
    InputError
        See :func:`population_cka`.

    References
    ----------
    Chun C et al. (2025), doi:10.48550/arXiv.2502.15104.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draws = [population_hsic(*rng.standard_normal((2, 30, 4))) for _ in range(300)]
    >>> bool((np.abs(np.mean(draws, axis=0)) < [0.01, 1.1, 1.1]).all())
    True
    """
    first, second = load_pair(X, Y, debiased=True)
    for name, values in (("X", first), ("Y", second)):
        if values.shape[1] < 2:
            raise InputError(
                f"`{name}` must hold at least 2 units, got {values.shape[1]}: what one unit shares with "
                "others of its population cannot be known. Use `cka`."
            )
    p, q = first.shape[1], second.shape[1]
    cross, own_x, own_y = linear_terms(first, second, device=device)
    own_x = (own_x - _hsic_of_single_units(first)) / (p * (p - 1))
    own_y = (own_y - _hsic_of_single_units(second)) / (q * (q - 1))
    return cross / (p * q), without_rounding(own_x, _scale(first)), without_rounding(own_y, _scale(second))


def _hsic_of_single_units(values: Matrix) -> float:
    """Return the sum over units of the unbiased HSIC of a unit's own kernel with itself."""
    n = len(values)
    squares = values**2
    second, fourth = squares.sum(axis=0), np.einsum("ij,ij->j", squares, squares)
    # Units are centred, so that row sums of a kernel without its diagonal are minus the diagonal.
    own = second**2 * (1 + 1 / ((n - 1) * (n - 2))) - fourth * (1 + 2 / (n - 2))
    return float(own.sum()) / (n * (n - 3))


def _scale(values: Matrix) -> float:
    """Return what a self-similarity per unit can be at most, in order of magnitude."""
    n, p = values.shape
    power = float(np.vdot(values, values)) / p
    return float(power * power / (n * (n - 3)))


METRICS.register(
    "population-cka",
    kind="similarity",
    inputs="responses",
    range=(float("-inf"), float("inf")),
    higher_is_closer=True,
    invariant_to=("permutation", "scale", "shift", "stimulus-permutation", "symmetry"),
    unit="CKA",
    paper="Chun et al. 2025, doi:10.48550/arXiv.2502.15104",
    summary="similarity of two geometries, unbiased by the number of units recorded from each",
)(population_cka)
