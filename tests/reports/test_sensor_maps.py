from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings.geometry import SensorGeometry
from alignkit.recordings.scores import Scores
from alignkit.reports import RunSummary, render
from alignkit.reports.sensor_maps import SensorMap, can_be_mapped, plot_sensors
from alignkit.simulation.meeg import sensor_info


@pytest.fixture(scope="module")
def electrodes() -> SensorGeometry:
    return SensorGeometry(sensor_info("eeg", 100.0))


def test_the_strongest_sensor_lies_where_the_picture_is_darkest(electrodes):
    values = np.zeros(64)
    values[electrodes.info["ch_names"].index("Oz")] = 1.0
    axes = plot_sensors(SensorMap("m", values, electrodes, "V")).axes[0]
    picture = np.ma.filled(axes.images[0].get_array(), 0.0)
    row, column = np.unravel_index(np.argmax(picture), picture.shape)
    # Seen from above, nose up: Oz is at the back, in the middle.
    assert row < 0.25 * len(picture)
    assert abs(column / picture.shape[1] - 0.5) < 0.1


def test_the_nose_and_the_ears_are_in_the_picture(electrodes):
    figure = plot_sensors(SensorMap("m", np.arange(64.0), electrodes, "V"))
    figure.canvas.draw()
    axes = figure.axes[0]
    outlines = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(outlines) >= 4  # head, nose, two ears
    for line in outlines:
        points = figure.transFigure.inverted().transform(axes.transData.transform(line.get_xydata()))
        assert points.min() > 0 and points.max() < 1


@pytest.mark.parametrize(
    ("reach", "unit", "shown"),
    [
        (5.2e-6, "V", "\N{MICRO SIGN}V"),
        (3e-13, "T", "fT"),
        (0.02, "V", "mV"),
        (0.0, "V", "V"),
        (7e-6, "z", "z"),
    ],
)
def test_volts_and_teslas_are_shown_with_a_prefix_that_reads(electrodes, reach, unit, shown):
    figure = plot_sensors(SensorMap("m", np.linspace(-reach, 0, 64), electrodes, unit))
    bar = figure.axes[1]
    assert bar.get_title(loc="left") == shown
    largest = abs(bar.get_ylim()[0])
    assert reach == 0 or unit == "z" or 1 <= largest < 1000


def test_a_summary_keeps_maps_of_sensors_and_shows_them(electrodes, tmp_path):
    table = pd.DataFrame({"subject": ["all"], "roi": ["all"], "model": ["lda"], "layer": ["(chosen)"],
                          "metric": ["AUC"], "fold": ["all"], "value": [0.7]})  # fmt: skip
    one = SensorMap("Pattern at 0.17 s", np.arange(64.0), electrodes, "uV", "Of class face.")
    summary = RunSummary(title="t", sentence="s", scores=Scores(table), sensor_maps=(one,))
    summary.save(tmp_path / "s")
    loaded = RunSummary.load(tmp_path / "s")
    np.testing.assert_array_equal(loaded.sensor_maps[0].values, one.values)
    page = render(loaded)
    # A FIF file keeps places in float32, so that the picture itself may differ in its last bits.
    assert page == render(RunSummary.load(tmp_path / "s"))
    assert "Pattern at 0.17 s" in page and "Of class face." in page


def test_sensors_without_a_picture_are_refused(electrodes):
    with pytest.raises(InputError, match="must hold 64 values"):
        SensorMap("m", np.ones(3), electrodes, "V")
    four = SensorGeometry(mne.pick_info(electrodes.info, range(4)))
    with pytest.raises(InputError, match="at least 8 EEG electrodes"):
        SensorMap("m", np.ones(4), four, "V")
    placeless = SensorGeometry(mne.create_info(10, 100.0, "eeg"))
    assert not can_be_mapped(placeless)
    assert not can_be_mapped(None)
