"""A recording on disk, small enough to run everything on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

N_IMAGES = 30


def write_recording(folder: Path, *, n_images: int = N_IMAGES, n_repeats: int = 2) -> dict[str, Path]:
    """Write images, ``rec.npz`` and ``samples.csv``; channels follow the images' mean colours."""
    rng = np.random.default_rng(0)
    (folder / "stimuli").mkdir(parents=True)
    colours = rng.integers(0, 256, (n_images, 2, 2, 3)).astype(np.uint8)
    for i, colour in enumerate(colours):
        image = Image.fromarray(np.kron(colour, np.ones((8, 8, 1), np.uint8)))
        image.save(folder / "stimuli" / f"im{i:02d}.png")
    signal = (colours.reshape(n_images, -1) / 255.0 - 0.5) @ rng.standard_normal((12, 8))
    rows = np.tile(np.arange(n_images), n_repeats)
    data = signal[rows] + 0.3 * rng.standard_normal((len(rows), 8))
    np.savez(folder / "rec.npz", data=data.astype(np.float32))
    pd.DataFrame({"stimulus_id": [f"im{i:02d}" for i in rows]}).to_csv(folder / "samples.csv", index=False)
    return {"recording": folder / "rec.npz", "samples": folder / "samples.csv", "stimuli": folder / "stimuli"}


CONFIG = """\
title: toy
dataset:
  kind: matrix
  recording: rec.npz
  samples: samples.csv
  stimuli: stimuli
models:
  - kind: pixels
    size: 16
  - kind: gabor-energy
    image_size: 32
    highest_frequency: 8
    n_scales: 2
    grid: 4
comparisons:
  - rsa
  - ridge
  - cka
inference:
  n_bootstrap: 60
  n_permutations: 99
"""


def write_config(folder: Path) -> Path:
    """Write the recording and a configuration that runs on it."""
    write_recording(folder)
    path = folder / "toy.yaml"
    path.write_text(CONFIG)
    return path
