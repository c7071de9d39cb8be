"""Gabor parameters drawn as they are distributed over cells of primary visual cortex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
Distribution = Literal["primate", "uniform"]

# Histograms of macaque V1 as the VOneNet paper uses them: orientation (De Valois et al. 1982), peak
# frequency (De Valois et al. 1982), and size along (rows) and across (columns) the wave (Ringach 2002).
ORIENTATION_EDGES = (-22.5, 22.5, 67.5, 112.5, 157.5)
ORIENTATION_COUNTS = (66, 49, 77, 54)
FREQUENCY_EDGES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
FREQUENCY_COUNTS = (4, 4, 8, 25, 32, 26, 28, 12)
SIZE_EDGES = tuple(np.logspace(-1, 0.2, 6))
SIZE_COUNTS = ((2, 0, 1, 0, 0), (8, 9, 4, 1, 0), (1, 2, 19, 17, 3), (0, 0, 1, 7, 4), (0, 0, 0, 0, 0))
FREQUENCY_SIZE_CORRELATION = 0.75

_NOTHING = 1e-20


@dataclass(frozen=True, eq=False)
class GaborParameters:
    """One Gabor function per row.

    Attributes
    ----------
    frequency : array of shape (n_filters,)
        In cycles per degree.
    orientation : array of shape (n_filters,)
        Of the stripes, in degrees in [0, 180): 0 is horizontal (the wave runs down the image), 90 vertical.
    phase : array of shape (n_filters,)
        In radians, of the first filter of a quadrature pair.
    size_along, size_across : array of shape (n_filters,)
        Standard deviations of the envelope along and across the wave, in cycles.
    channel : int array of shape (n_filters,)
        The one colour channel that a filter reads: 0 red, 1 green, 2 blue.
    """

    frequency: Floats
    orientation: Floats
    phase: Floats
    size_along: Floats
    size_across: Floats
    channel: NDArray[np.int64]


def draw_gabors(n_filters: int, *, seed: int = 0, distribution: Distribution = "primate") -> GaborParameters:
    """Draw the parameters of a bank.

    Parameters
    ----------
    n_filters : int
        How many.
    seed : int, default=0
        The same seed gives the same parameters.
    distribution : {"primate", "uniform"}, default="primate"
        As in primary visual cortex, where frequency and size go together; or each by itself: orientation
        uniform, frequency uniform in octaves, sizes uniform in logarithm.

    Returns
    -------
    parameters : GaborParameters

    Examples
    --------
    >>> bank = draw_gabors(100)
    >>> bool(0.5 <= bank.frequency.min() and bank.frequency.max() <= 8)
    True
    """
    generator = np.random.default_rng(seed)
    if distribution == "uniform":
        orientation = generator.uniform(0, 180, n_filters)
        lowest, highest = np.log2(FREQUENCY_EDGES[0]), np.log2(FREQUENCY_EDGES[-1])
        frequency = np.exp2(generator.uniform(lowest, highest, n_filters))
        smallest, largest = np.log10(SIZE_EDGES[0]), np.log10(SIZE_EDGES[-1])
        along, across = 10 ** generator.uniform(smallest, largest, (2, n_filters))
    else:
        quantile = generator.random(n_filters)
        orientation = _from_histogram(quantile, ORIENTATION_EDGES, ORIENTATION_COUNTS) % 180
        frequency, along, across = _frequencies_and_sizes(n_filters, generator)
    return GaborParameters(
        frequency=frequency,
        orientation=orientation,
        phase=generator.uniform(0, 2 * np.pi, n_filters),
        size_along=along,
        size_across=across,
        channel=generator.integers(0, 3, n_filters),
    )


def _frequencies_and_sizes(n_filters: int, generator: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    covariance = [[1, FREQUENCY_SIZE_CORRELATION], [FREQUENCY_SIZE_CORRELATION, 1]]
    # A Gaussian copula: correlated normals, turned into quantiles of either histogram.
    quantiles = norm.cdf(generator.multivariate_normal([0, 0], covariance, n_filters))
    counts = np.array(SIZE_COUNTS, float)
    log_size = np.log10(SIZE_EDGES)
    frequency = np.exp2(_from_histogram(quantiles[:, 0], np.log2(FREQUENCY_EDGES), FREQUENCY_COUNTS))
    log_along = _from_histogram(quantiles[:, 1], log_size, counts.sum(1))
    row = np.clip(np.searchsorted(log_size, log_along, side="right") - 1, 0, len(counts) - 1)
    log_across = np.empty(n_filters)
    for number, weights in enumerate(counts):
        mine = row == number
        if mine.any():
            log_across[mine] = _from_histogram(generator.random(int(mine.sum())), log_size, weights)
    return frequency, 10**log_along, 10**log_across


def _from_histogram(
    quantile: Floats, edges: Floats | tuple[float, ...], counts: Floats | tuple[int, ...]
) -> Floats:
    """Return the values at these quantiles of a density that is flat within each bin."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    edge = np.asarray(edges, float)
    bins = np.searchsorted(cumulative, quantile * cumulative[-1], side="right") - 1
    bins = np.clip(bins, 0, len(edge) - 2)
    width = np.diff(cumulative)[bins]
    within = np.divide(
        quantile * cumulative[-1] - cumulative[bins], width, where=width > 0, out=np.ones_like(quantile)
    )
    return np.asarray(edge[bins] + within * np.diff(edge)[bins])


def gabor_weights(
    parameters: GaborParameters, *, size: int, pixels_per_degree: float, quadrature: bool = False
) -> NDArray[np.float32]:
    """Return the filters of a bank.

    ``exp(-(u^2 / su^2 + v^2 / sv^2) / 2) / (2 pi su sv) * cos(2 pi f u + phase)``, where u runs along the
    wave and v along the stripes.

    Parameters
    ----------
    parameters : GaborParameters
    size : int
        Height and width of the window, in pixels; odd.
    pixels_per_degree : float
        Scale of the image.
    quadrature : bool, default=False
        Advance every phase by a quarter of a cycle.

    Returns
    -------
    weights : float32 array of shape (n_filters, 3, size, size)
        Zero but in the filter's own channel.
    """
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    column = (slice(None), None, None)
    angle = np.deg2rad(parameters.orientation)[column]
    frequency = (parameters.frequency / pixels_per_degree)[column]
    along = y * np.cos(angle) + x * np.sin(angle)
    across = x * np.cos(angle) - y * np.sin(angle)
    sigma_along = parameters.size_along[column] / frequency
    sigma_across = parameters.size_across[column] / frequency
    envelope = np.exp(-0.5 * ((along / sigma_along) ** 2 + (across / sigma_across) ** 2))
    phase = (parameters.phase + (np.pi / 2 if quadrature else 0.0))[column]
    filters = (
        envelope / (2 * np.pi * sigma_along * sigma_across) * np.cos(2 * np.pi * frequency * along + phase)
    )
    # Numbers too small for float32's full precision slow a convolution down several times.
    filters[np.abs(filters) < _NOTHING] = 0.0
    weights = np.zeros((len(filters), 3, size, size), np.float32)
    weights[np.arange(len(filters)), parameters.channel] = filters
    return weights
