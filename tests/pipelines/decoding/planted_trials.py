"""Datasets whose truth is known, and the stages of decoding run on them without a run folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from alignkit import Recording
from alignkit.datasets import Dataset
from alignkit.pipelines.decoding.building import resolved_decoder
from alignkit.pipelines.decoding.config import parse_decode_config
from alignkit.pipelines.decoding.scoring import parts_of, score_decoders
from alignkit.pipelines.decoding.targets import Embeddings
from alignkit.pipelines.decoding.task import trials_of
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.store import Store
from alignkit.recordings.study import Study

FEW = {"n_bootstrap": 60, "n_permutations": 99}
PLAN = Plan(0, 1, "cpu", {"numpy": "x"})
MLP = {
    "kind": "network",
    "name": "mlp",
    "network": {"kind": "residual-mlp", "width": 16, "n_blocks": 1},
    "objective": "clip",
    "training": {"epochs": 3, "batch_size": 16, "lr": 0.01},
}


def seen_stimuli(n_subjects=1, *, n_stimuli=24, n_repeats=2, n_dims=6, n_channels=10, noise=0.3, seed=0):
    """Return a dataset of (subjects x stimuli x repeats) linear in embeddings, and the embeddings."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_stimuli, n_dims))
    names = [f"s{i:02d}" for i in range(n_stimuli)]
    rows = np.tile(np.arange(n_stimuli), n_repeats)
    recordings = []
    for subject in range(n_subjects):
        signal = values[rows] @ rng.standard_normal((n_dims, n_channels))
        data = signal + noise * rng.standard_normal(signal.shape)
        recordings.append(
            Recording(
                data.astype(np.float32),
                pd.DataFrame({"stimulus_id": [names[row] for row in rows]}),
                pd.DataFrame({"name": [f"c{i}" for i in range(n_channels)]}),
                subject=f"sub{subject + 1}",
            )
        )
    model = SimpleNamespace(name="planted", layers=("only",), paper="")
    return (
        Dataset("planted", study=Study.of(*recordings)),
        Embeddings(tuple(names), values.astype(np.float32), model, "digest"),
    )


def told_apart(
    n_subjects=1, *, n_runs=6, per_run=8, n_classes=2, n_channels=4, n_times=None, gain=1.0, seed=0
):
    """Return a dataset of runs with classes in the column `kind`; with times the second half tells them."""
    rng = np.random.default_rng(seed)
    n = n_runs * per_run
    kinds = np.tile(np.arange(n_classes), n)[:n]
    recordings = []
    for subject in range(n_subjects):
        means = gain * rng.standard_normal((n_classes, n_channels))
        shape = (n, n_channels) if n_times is None else (n, n_channels, n_times)
        data = rng.standard_normal(shape)
        if n_times is None:
            data += means[kinds]
        else:
            data[:, :, n_times // 2 :] += means[kinds][:, :, None]
        recordings.append(
            Recording(
                data.astype(np.float32),
                pd.DataFrame({"stimulus_id": [f"k{k}" for k in kinds], "kind": [f"k{k}" for k in kinds],
                              "run": np.repeat(np.arange(n_runs), per_run)}),
                pd.DataFrame({"name": [f"c{i}" for i in range(n_channels)]}),
                times_s=None if n_times is None else np.arange(n_times) / 10,
                subject=f"sub{subject + 1}",
            )
        )  # fmt: skip
    return Dataset("told apart", study=Study.of(*recordings))


def settings(target=None, **content):
    """Return a configuration, its decoders resolved."""
    config = parse_decode_config(
        {"dataset": "matrix", "target": target or {"model": "pixels", "components": None}, "inference": FEW,
         "decoders": ["ridge"], "shuffled": False, **content}
    )  # fmt: skip
    decoders = [resolved_decoder(one, Path()) for one in config.decoders]
    return config.model_copy(update={"decoders": decoders})


def scores_of(config, dataset, embeddings, folder):
    """Part, fit and evaluate; return the parts and what was reached."""
    parts = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    return parts, score_decoders(config, parts, plan=PLAN, store=Store(Path(folder) / "store"))


def with_data(dataset, change):
    """Return the dataset with `change(data, recording)` as the data of each recording."""
    made = [
        Recording(
            change(np.array(r.data), r), r.samples, r.channels, times_s=r.times_s, subject=r.subject
        )
        for r in dataset.study.values()
    ]  # fmt: skip
    return Dataset(dataset.name, study=Study.of(*made))


def write_seen(folder: Path, *, n_images=40, n_repeats=2, noise=0.1) -> None:
    """Write images of twelve colour values, a recording linear in them, and its samples."""
    rng = np.random.default_rng(0)
    (folder / "stimuli").mkdir(parents=True)
    colours = rng.integers(0, 256, (n_images, 2, 2, 3)).astype(np.uint8)
    for i, colour in enumerate(colours):
        image = Image.fromarray(np.kron(colour, np.ones((8, 8, 1), np.uint8)))
        image.save(folder / "stimuli" / f"im{i:02d}.png")
    rows = np.tile(np.arange(n_images), n_repeats)
    signal = (colours.reshape(n_images, -1) / 255.0 - 0.5) @ rng.standard_normal((12, 20))
    data = signal[rows] + noise * rng.standard_normal((len(rows), 20))
    np.savez(folder / "rec.npz", data=data.astype(np.float32))
    side = np.where(rng.random(len(rows)) < 0.5, "left", "right")
    table = pd.DataFrame({"stimulus_id": [f"im{i:02d}" for i in rows], "side": side})
    table.to_csv(folder / "samples.csv", index=False)


SEEN = """\
title: planted
dataset:
  kind: matrix
  recording: rec.npz
  samples: samples.csv
  stimuli: stimuli
target:
  model:
    kind: pixels
    size: 16
  components: 12
decoders:
  - ridge
  - kind: ridge
    name: stiff
    alphas: [1000000.0]
split:
  test: 12
repetitions: [1, all]
inference:
  n_bootstrap: 60
  n_permutations: 99
"""


def write_seen_config(folder: Path) -> Path:
    """Write the recording and a configuration that decodes its images."""
    write_seen(folder)
    path = folder / "planted.yaml"
    path.write_text(SEEN)
    return path
