"""What the regions of a simulated participant compute: sparse sums of a known model's units."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option, check_unique
from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ..recordings.stimuli import StimulusSet

# A unit whose responses vary less than this share of the most varied unit's is as good as silent.
_SILENT = 0.02


@dataclass(frozen=True)
class Region:
    """A region whose responses follow a known layer of a known model.

    Attributes
    ----------
    name : str
        What channels carry as `roi`.
    model : str
        Registry name of the network.
    layer : str
        One of its layers.
    n_voxels : int
        Number of voxels; in MEG and EEG, of the sources that are mixed into the sensors.
    snr : float
        Signal-to-noise ratio of one presentation: the standard deviation over stimuli at the response's
        peak, divided by the standard deviation of the noise. Averaged over voxels or sensors.
    n_inputs : int
        Units that each voxel sums.
    centre_mm : tuple of 3 float
        MNI position of the right half of the region; the left half mirrors it.
    peak_s : float
        When the region's evoked activity peaks in MEG and EEG, in seconds after onset.

    Raises
    ------
    InputError
        If a number is not positive, or the name is empty.
    """

    name: str
    model: str
    layer: str
    n_voxels: int = 100
    snr: float = 0.8
    n_inputs: int = 4
    centre_mm: tuple[float, float, float] = (10.0, -90.0, 0.0)
    peak_s: float = 0.1

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("a region needs a name, got an empty one.")
        for field in ("n_voxels", "snr", "n_inputs", "peak_s"):
            value = getattr(self, field)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"`{field}` of region {self.name!r} must be above 0, got {value}.")


DEFAULT_REGIONS: tuple[Region, ...] = (
    Region("EVC", "gabor-energy", "energy", centre_mm=(10.0, -90.0, 0.0), peak_s=0.1),
    Region("LOC", "hmax", "c2", centre_mm=(46.0, -72.0, -6.0), peak_s=0.17),
)


def check_regions(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Return regions as a tuple, refusing none at all and a name that comes twice."""
    if not regions:
        raise InputError("`regions` needs at least one region, got none.")
    check_unique("regions", [region.name for region in regions])
    return tuple(regions)


def truth_table(regions: Sequence[Region]) -> pd.DataFrame:
    """Return what each region follows: `roi`, `model`, `layer`, `snr`, `n_voxels`, `peak_s`."""
    rows = [
        {"roi": r.name, "model": r.model, "layer": r.layer, "snr": r.snr, "n_voxels": r.n_voxels}
        | {"peak_s": r.peak_s}
        for r in regions
    ]
    return pd.DataFrame(rows)


def planted_responses(
    features: ArrayLike, *, n_voxels: int, n_inputs: int = 4, random_state: RandomState = None
) -> NDArray[np.float64]:
    """Return noise-free responses of voxels that each sum a few units of a model.

    Every voxel draws `n_inputs` units without replacement (all of them where there are fewer) and adds them
    with weights drawn from an exponential distribution, so that none is negative. The region as a whole is
    then shifted and scaled, not each voxel: what a voxel prefers on average is part of the model's geometry,
    and correlation distances between response patterns depend on it. Silent units are never drawn.

    Parameters
    ----------
    features : array of shape (n_stimuli, n_units)
        The model's responses.
    n_voxels : int
        How many voxels.
    n_inputs : int, default=4
        Units per voxel.
    random_state : int, Generator or None
        Draws units and weights; a subject's own.

    Returns
    -------
    responses : ndarray of shape (n_stimuli, n_voxels)
        Mean 0 over stimuli and voxels; the variance over stimuli is 1 on average over voxels.

    Raises
    ------
    InputError
        If every unit is silent, or there are fewer than two stimuli.

    Examples
    --------
    >>> import numpy as np
    >>> planted_responses(np.eye(4), n_voxels=2, random_state=0).shape
    (4, 2)
    """
    units = check_array("features", features, ndim=2, min_rows=2)
    rng = as_generator(random_state)
    spread = units.std(axis=0)
    alive = np.flatnonzero(spread > _SILENT * spread.max())
    if not len(alive):
        raise InputError(
            f"none of the {units.shape[1]} units varies over the {len(units)} stimuli; plant another layer."
        )
    responses = np.empty((len(units), n_voxels))
    for voxel in range(n_voxels):
        drawn = rng.choice(alive, size=min(n_inputs, len(alive)), replace=False)
        responses[:, voxel] = units[:, drawn].astype(np.float64) @ rng.exponential(size=len(drawn))
    responses -= responses.mean()
    return np.asarray(responses / np.sqrt(responses.var(axis=0).mean()), dtype=np.float64)


def model_features(stimuli: StimulusSet, regions: Sequence[Region]) -> dict[str, NDArray[np.float32]]:
    """Return what each region's layer makes of the stimuli, (n_stimuli, n_units) by region name.

    Raises
    ------
    UnknownNameError
        If there is no such network.
    InputError
        If the network has no such layer.
    """
    from ..features import extract
    from ..networks import build_network

    made: dict[str, NDArray[np.float32]] = {}
    for model in dict.fromkeys(region.model for region in regions):
        asking = [region for region in regions if region.model == model]
        network = build_network(model, {})
        layers = list(dict.fromkeys(region.layer for region in asking))
        for layer in layers:
            check_option("layer", layer, network.layers)
        with tempfile.TemporaryDirectory() as folder:
            # On the CPU and without projection: planted are the units themselves, the same on every computer.
            features = extract(
                network, stimuli, Path(folder) / "features", layers=layers, projection=None, device="cpu"
            )
            made |= {region.name: features.matrix(region.layer) for region in asking}
    return made
