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
_MARGIN = 20.0  # of the nose and the ears
_BAR = 90.0
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "\N{MICRO SIGN}"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


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

    factor, unit = _readable(sensor_map)
    values = np.asarray(sensor_map.values, dtype=np.float64) / factor
    reach = float(np.abs(values).max()) or 1.0
    width, height = _SIDE + _BAR, _SIDE
    drawn = _SIDE - 2 * _MARGIN
    with _style.drawing(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        figure = _style.new_figure(width, height)
        axes = figure.add_axes((_MARGIN / width, _MARGIN / height, drawn / width, drawn / height))
        image, _ = mne.viz.plot_topomap(
            values,
            sensor_map.geometry.info,
            axes=axes,
            show=False,
            cmap="RdBu_r",
            vlim=(-reach, reach),
            contours=4,
        )
        bar = figure.add_axes(((_SIDE + 8) / width, 0.2, 10 / width, 0.55))
        figure.colorbar(image, cax=bar).outline.set_visible(False)
        bar.tick_params(length=2, labelsize=SMALL, labelcolor=INK)
        bar.set_title(unit, fontsize=SMALL, pad=6, loc="left")
    return figure


def _readable(sensor_map: SensorMap) -> tuple[float, str]:
    """Return the power of ten and the unit in which the largest value has one to three digits."""
    reach = float(np.abs(np.asarray(sensor_map.values, dtype=np.float64)).max())
    if sensor_map.unit not in ("V", "T") or not reach:
        return 1.0, sensor_map.unit
    factor, prefix = next((entry for entry in _PREFIXES if reach >= entry[0]), _PREFIXES[-1])
    return factor, prefix + sensor_map.unit
