"""Values on sensors, seen from above."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from ..recordings.geometry import SensorGeometry
from . import _style
from ._style import INK, SMALL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_SENSORS = 8
_KINDS = {"eeg", "mag"}
_SIDE = 250.0
_BAR = 90.0


@dataclass(frozen=True, eq=False)
class SensorMap:
    """A value per sensor.

    Attributes
    ----------
    title, caption : str
        Heading, and what a reader should know.
    values : ndarray of shape (n_sensors,)
        In `unit`.
    geometry : SensorGeometry
        Where the sensors are; EEG or magnetometers, at least 8.
    unit : str
        What the colour says.
    """

    title: str
    values: NDArray[np.float64]
    geometry: SensorGeometry
    unit: str
    caption: str = ""

    def __post_init__(self) -> None:
        if np.shape(self.values) != (self.geometry.n_channels,):
            raise InputError(
                f"the map {self.title!r} must hold {self.geometry.n_channels} values, one per sensor, got "
                f"shape {np.shape(self.values)}."
            )
        if not can_be_mapped(self.geometry):
            raise InputError(
                f"the map {self.title!r} needs at least {LEAST_SENSORS} EEG electrodes or magnetometers, of "
                "one kind, in places of their own."
            )


def can_be_mapped(geometry: Any) -> bool:
    """Return whether values of these sensors make a picture: one kind, places known and apart."""
    if not isinstance(geometry, SensorGeometry) or geometry.n_channels < LEAST_SENSORS:
        return False
    kinds = set(geometry.info.get_channel_types())
    places = np.array([channel["loc"][:3] for channel in geometry.info["chs"]])
    known = np.isfinite(places).all() and places.any(axis=1).all()
    return bool(
        known and len(kinds) == 1 and kinds <= _KINDS and len(np.unique(places, axis=0)) == len(places)
    )


def plot_sensors(sensor_map: SensorMap) -> Figure:
    """Draw a map from above, nose up, on a scale that is even about 0.

    Parameters
    ----------
    sensor_map : SensorMap
        What is drawn.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.
    """
    import mne

    values = np.asarray(sensor_map.values, dtype=np.float64)
    reach = float(np.abs(values).max()) or 1.0
    with _style.drawing(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        figure = _style.new_figure(_SIDE + _BAR, _SIDE)
        axes = figure.add_axes((0, 0, _SIDE / (_SIDE + _BAR), 1))
        image, _ = mne.viz.plot_topomap(
            values,
            sensor_map.geometry.info,
            axes=axes,
            show=False,
            cmap="RdBu_r",
            vlim=(-reach, reach),
            contours=4,
        )
        bar = figure.add_axes(((_SIDE + 8) / (_SIDE + _BAR), 0.2, 10 / (_SIDE + _BAR), 0.55))
        figure.colorbar(image, cax=bar).outline.set_visible(False)
        bar.tick_params(length=2, labelsize=SMALL, labelcolor=INK)
        bar.set_title(sensor_map.unit, fontsize=SMALL, pad=6, loc="left")
    return figure
