"""Two small runs that the readers of volumes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SHAPE = (3, 2, 2)
N_VOLUMES = 20
EVENTS = [(4, 4, "cat"), (12, 2, "dog"), (20, 4, "cat")]


@dataclass
class Runs:
    """Two runs on disk and what is in them."""

    series: list[np.ndarray]
    bold: list[Path]
    events: list[Path]


@pytest.fixture
def runs(tmp_path, save_image, save_events):
    rng = np.random.default_rng(0)
    series = [1000 + 20 * rng.standard_normal((*SHAPE, N_VOLUMES)).astype(np.float32) for _ in range(2)]
    bold = [save_image(tmp_path / f"task-x_run-0{k + 1}_bold.nii.gz", series[k]) for k in range(2)]
    events = [save_events(tmp_path / f"run-0{k + 1}_events.tsv", EVENTS) for k in range(2)]
    return Runs(series, bold, events)
