"""Multi-scale complex cells: the local energy of quadrature Gabor pairs."""

from __future__ import annotations

import numpy as np

from ..._core.errors import InputError
from .._images import check_count, square
from .._network import Network, declared

_N_SCALES = 6


def gabor_energy(
    *,
    image_size: int = 128,
    n_scales: int = _N_SCALES,
    n_orientations: int = 8,
    lowest_frequency: float = 2.0,
    highest_frequency: float = 32.0,
    aspect: float = 1.0,
    grid: int = 8,
    log: bool = True,
    log_offset: float = 0.005,
) -> Network:
    """Build the Gabor-energy model of primary visual cortex.

    At each position, spatial frequency and orientation, the energy of the luminance (in [0, 1]) is
    ``sqrt(even^2 + odd^2)``, averaged over the areas of a grid; with `log` it is
    ``log(log_offset + energy)``. Energy hardly changes with the phase of a grating, and not at all with
    the mean luminance.

    Parameters
    ----------
    image_size : int, default=128
        Height and width, in pixels, that images are brought to.
    n_scales : int, default=6
        Number of spatial frequencies, evenly spaced in octaves.
    n_orientations : int, default=8
        Number of orientations, evenly spaced over 180 degrees.
    lowest_frequency, highest_frequency : float, default=2 and 32
        In cycles per image width. The highest may be at most a third of `image_size`.
    aspect : float, default=1.0
        Width of the envelope along the wave over its width across; below 1 is sharper for orientation.
    grid : int, default=8
        The energy is averaged over grid x grid equal areas.
    log : bool, default=True
        Whether the logarithm is taken, which evens out contrast.
    log_offset : float, default=0.005
        Added before the logarithm: one hundredth of the energy of a grating of full contrast. It is
        fixed, so that features do not depend on which stimuli are in the set.

    Returns
    -------
    network : Network
        Layers ``scale1`` (lowest frequency) ... ``scaleN``, each (n_orientations, grid, grid), and
        ``energy``: all of them, (n_scales * n_orientations, grid, grid).

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    With `log` and plain surroundings, contrast energy itself tells stimuli apart. A correlation RDM
    discards each stimulus's overall energy, a euclidean one keeps it.

    References
    ----------
    Adelson EH, Bergen JR (1985). Spatiotemporal energy models for the perception of motion.
    Journal of the Optical Society of America A 2:284-299. https://doi.org/10.1364/JOSAA.2.000284

    Kay KN, Naselaris T, Prenger RJ, Gallant JL (2008). Identifying natural images from human brain
    activity. Nature 452:352-355. https://doi.org/10.1038/nature06713

    Examples
    --------
    >>> gabor_energy(n_scales=2).layers
    ('scale1', 'scale2', 'energy')
    """
    check_count("image_size", image_size, least=16)
    check_count("n_scales", n_scales, least=1)
    check_count("n_orientations", n_orientations, least=1)
    check_count("grid", grid, least=1, most=image_size)
    _check_numbers(image_size, lowest_frequency, highest_frequency, aspect, log_offset)
    from ._gabor_modules import GaborEnergy

    module = GaborEnergy(
        image_size=image_size,
        frequencies=np.geomspace(lowest_frequency, highest_frequency, n_scales).tolist(),
        n_orientations=n_orientations,
        aspect=aspect,
        grid=grid,
        log_offset=log_offset if log else None,
    )
    preparation = square(image_size)
    parameters = {
        "n_scales": n_scales,
        "n_orientations": n_orientations,
        "cycles_per_image": [lowest_frequency, highest_frequency],
        "aspect": aspect,
        "grid": grid,
        "log_offset": log_offset if log else None,
    }
    return declared(
        "gabor-energy",
        module,
        preparation,
        layers=(*module.scales, "energy"),
        preprocessing={"image": preparation.facts(), "parameters": parameters},
    )


def _check_numbers(image_size: int, lowest: float, highest: float, aspect: float, log_offset: float) -> None:
    if not 0 < lowest <= highest:
        raise InputError(
            "`lowest_frequency` must be positive and at most `highest_frequency`, "
            f"got {lowest} and {highest} cycles per image."
        )
    if highest > image_size / 3:
        raise InputError(
            f"`highest_frequency` is {highest} cycles per image, but {image_size} pixels carry at most "
            f"{image_size / 3:.1f} of this bandwidth; lower it, or raise `image_size`."
        )
    if aspect <= 0 or log_offset <= 0:
        raise InputError(f"`aspect` and `log_offset` must be positive, got {aspect} and {log_offset}.")
