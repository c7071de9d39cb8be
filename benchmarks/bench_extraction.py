"""Extraction against the bare forward pass, a plain loop of hooks, and thingsvision where it can be imported.

asv runs the classes; ``python benchmarks/bench_extraction.py [IMAGES]`` prints for each network, at 224 px
and with all declared layers projected to 4,096 units: images per second of the bare pass (the same batches,
read by the same threads, nothing kept), and as shares of it that of :func:`alignkit.features.extract` and of
a plain loop that keeps the outputs of hooks in a list and writes .npy files at the end; then the peaks of
memory, each in a process of its own. Ways alternate within a round, the shortest of the rounds counts. On a
shared machine the share in process CPU time (all threads) is the steadier one; it counts what runs beside the
network too. Set OMP_NUM_THREADS.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from alignkit import StimulusSet
from alignkit.features import extract
from alignkit.features._reading import read_batches
from alignkit.networks import Network, procedural_images, random_resnet50, random_vit_s
from alignkit.networks._images import square

BATCH, SIZE, ROUNDS = 32, 224, 3


def small_cnn() -> Network:
    """Return four convolutions, the cheapest network for the units it has."""
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for inner, outer in ((3, 32), (32, 64), (64, 128), (128, 128)):
        parts.append(nn.Sequential(nn.Conv2d(inner, outer, 3, stride=2, padding=1), nn.ReLU()))
    return Network("small-cnn", "test", nn.Sequential(*parts).eval(), ("0", "1", "2", "3"), square(SIZE))


NETWORKS: dict[str, Callable[[], Network]] = {
    "random-resnet50": random_resnet50,
    "random-vit-s": random_vit_s,
    "small-cnn": small_cnn,
}


def write_images(folder: Path, count: int) -> None:
    for first in range(0, count, 16):
        for number, pixels in enumerate(
            procedural_images(min(16, count - first), size=256, random_state=first)
        ):
            Image.fromarray(pixels).save(folder / f"{first + number:05d}.jpg", quality=90)


def bare(network: Network, stimuli: StimulusSet, folder: Path) -> None:
    """Read and pass, and keep nothing."""
    options: dict[str, Any] = {"start": 0, "batch_size": BATCH, "shape": (), "pin": False}
    with torch.inference_mode(), closing(read_batches(network, stimuli, **options)) as batches:
        for batch in batches:
            network.module(batch.images)


def hook_loop(network: Network, stimuli: StimulusSet, folder: Path) -> None:
    """What one writes by hand: hooks, lists, one image after the other read, .npy at the end."""
    kept: dict[str, list[Any]] = {name: [] for name in network.layers}

    def hook(name: str) -> Callable[[Any, Any, Any], None]:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            tensor = output if isinstance(output, torch.Tensor) else output[0]
            kept[name].append(tensor.flatten(1).clone().numpy())

        return keep

    handles = [network.module.get_submodule(n).register_forward_hook(hook(n)) for n in network.layers]
    ids = stimuli.stimulus_ids
    with torch.inference_mode():
        for first in range(0, len(ids), BATCH):
            images = [network.preprocess(stimuli.open(i)) for i in ids[first : first + BATCH]]
            network.module(torch.stack(images))
    for handle in handles:
        handle.remove()
    for name, rows in kept.items():
        np.save(folder / f"{name}.npy", np.concatenate(rows))


def extraction(network: Network, stimuli: StimulusSet, folder: Path) -> None:
    extract(network, stimuli, folder, batch_size=BATCH, device="cpu")


def things(network: Network, stimuli: StimulusSet, folder: Path) -> None:
    """Extract by thingsvision, one pass per layer, as its interface has it."""
    from thingsvision import get_extractor_from_model
    from thingsvision.utils.data import DataLoader, ImageDataset

    prepare = network.preprocess
    extractor = get_extractor_from_model(model=network.module, device="cpu", transforms=prepare, backend="pt")
    data = ImageDataset(root=str(stimuli.folder), out_path=str(folder), backend="pt", transforms=prepare)
    for layer in network.layers:
        loader = DataLoader(dataset=data, batch_size=BATCH, backend="pt")
        rows = extractor.extract_features(batches=loader, module_name=layer, flatten_acts=True)
        np.save(folder / f"{layer}.npy", rows)


WAYS = {"bare": bare, "extract": extraction, "hook loop": hook_loop}
if importlib.util.find_spec("torchtyping") and importlib.util.find_spec("thingsvision"):
    WAYS["thingsvision"] = things


def timed(way: str, network: Network, stimuli: StimulusSet) -> tuple[float, float]:
    """Return seconds of the clock and of the process's threads together."""
    with tempfile.TemporaryDirectory() as folder:
        clock, cpu = time.perf_counter(), time.process_time()
        WAYS[way](network, stimuli, Path(folder))
        return time.perf_counter() - clock, time.process_time() - cpu


def megabytes(what: str) -> float:
    """Return the process's memory, VmRSS or VmHWM (its peak), in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024 / 1e6


def measure_memory(name: str, way: str, images: Path) -> None:
    """Print megabytes before and at the peak; for a process that does nothing else."""
    network = NETWORKS[name]()
    gc.collect()
    # Sets the peak back to what is in use: building may have needed more than a pass does.
    Path("/proc/self/clear_refs").write_text("5")
    before = megabytes("VmRSS")
    timed(way, network, StimulusSet.from_folder(images))
    print(json.dumps([before, megabytes("VmHWM")]))


def memory_of(name: str, way: str, images: Path) -> list[float]:
    command = [sys.executable, __file__, "--memory", name, way, str(images)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


class Extraction:
    """Time and peak of 64 images."""

    params = (list(NETWORKS), list(WAYS))
    param_names = ["network", "way"]
    number = 1
    warmup_time = 0

    def setup(self, name: str, way: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        write_images(Path(self.folder.name), 64)
        self.network, self.stimuli = NETWORKS[name](), StimulusSet.from_folder(self.folder.name)

    def teardown(self, name: str, way: str) -> None:
        self.folder.cleanup()

    def time_extraction(self, name: str, way: str) -> None:
        timed(way, self.network, self.stimuli)

    def peakmem_extraction(self, name: str, way: str) -> None:
        timed(way, self.network, self.stimuli)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        images = Path(place)
        write_images(images, count)
        stimuli = StimulusSet.from_folder(images)
        for name, build in NETWORKS.items():
            network = build()
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
            for first in range(ROUNDS):
                ways = [*WAYS][first % len(WAYS) :] + [*WAYS][: first % len(WAYS)]
                for way in ways:
                    found[way].append(timed(way, network, stimuli))
            clock, cpu = (min(row[k] for row in found["bare"]) for k in (0, 1))
            print(f"{name}: bare {count / clock:.1f} images/s, {cpu / count * 1e3:.0f} ms of CPU per image")
            for way, rows in found.items():
                before, peak = memory_of(name, way, images)
                shares = clock / min(row[0] for row in rows), cpu / min(row[1] for row in rows)
                print(
                    f"  {way:12s} {shares[0]:6.1%} of the bare pass by the clock, {shares[1]:6.1%} in CPU "
                    f"time; peak {peak:.0f} MB, {peak - before:.0f} above the built network",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        measure_memory(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 128)
