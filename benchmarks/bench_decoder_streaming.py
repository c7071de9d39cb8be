"""Training a decoder from recordings on disk, against the same recordings in memory.

asv runs the class; ``python benchmarks/bench_decoder_streaming.py [GB]`` writes two subjects of random MEG
(270 channels, 120 Hz, 3 s) and prints, from processes of their own, the memory that training takes beyond
the imports, and trials per second. A pass over the batches alone is the worst case: no network hides the
reading. A training with the convolutional network, made small, is the ordinary one. Times are those of the
second epoch, the better of two rounds in turn; files stay in the page cache, so that the disk's own speed is
not measured. Set OMP_NUM_THREADS to the number of cores that both may use.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_CHANNELS, N_TIMES, RATE_HZ, N_DIMS = 270, 360, 120.0, 32
BUFFER_MB, BATCH, ROUNDS = 128.0, 64, 2
ROW_BYTES = 4 * N_CHANNELS * N_TIMES


def write_study(folder: Path, gigabytes: float, n_subjects: int = 2) -> int:
    """Write a study chunk by chunk, in memory that does not grow; return its trials."""
    import zarr

    from alignkit.recordings import Recording, Study
    from alignkit.recordings._storage import rows_of

    n_trials = max(BATCH, round(gigabytes * 1e9 / n_subjects / ROW_BYTES))
    tiny = np.zeros((1, N_CHANNELS, N_TIMES), dtype=np.float32)
    times_s = np.arange(N_TIMES) / RATE_HZ
    recordings = [
        Recording.from_arrays(tiny, ["0"], times_s=times_s, subject=f"s{n}") for n in range(n_subjects)
    ]
    Study.of(*recordings).save(folder)
    for number in range(n_subjects):
        own = folder / f"{number:04d}"
        shape = (n_trials, N_CHANNELS, N_TIMES)
        rows = rows_of(shape, 4)
        array = zarr.create_array(
            str(own / "data.zarr"), shape=shape, dtype="float32", chunks=(rows, *shape[1:]), overwrite=True
        )
        rng = np.random.default_rng(number)
        for start in range(0, n_trials, rows):
            stop = min(start + rows, n_trials)
            array[start:stop] = rng.standard_normal((stop - start, *shape[1:]), dtype=np.float32)
        ids = [str(i) for i in range(n_trials)]
        pd.DataFrame({"stimulus_id": ids}).to_parquet(own / "samples.parquet", index=False)
    return n_trials * n_subjects


def batches_of(folder: Path, *, lazy: bool) -> Any:
    from alignkit.decoders.training.data_module import TrialsModule
    from alignkit.decoders.training.plan import TrainingPlan
    from alignkit.decoders.trials import Targets, Trials
    from alignkit.recordings import Study

    study = Study.load(folder, lazy=lazy)
    names = tuple(next(iter(study.values())).stimulus_ids)
    values = np.random.default_rng(0).standard_normal((len(names), N_DIMS)).astype(np.float32)
    plan = TrainingPlan(batch_size=BATCH, buffer_mb=BUFFER_MB, patience=None, epochs=1, device="cpu")
    return TrialsModule(Trials.of(study, Targets(names, values)), plan=plan, least_batch=2)


def one_pass(module: Any) -> int:
    return sum(len(batch.signals) for batch in module.train_dataloader())


def one_training(module: Any) -> int:
    """Train the small convolutional network for an epoch; return the trials."""
    from alignkit.decoders.brain_networks.convolutional import brain_conv
    from alignkit.decoders.objectives.clip import clip
    from alignkit.decoders.training.fitting import train

    objective = clip(N_DIMS)
    options = {"spatial_attention": False, "attention_outputs": 32, "n_layers": 2, "width": 32}
    network = brain_conv(module.layout, objective.n_outputs, **options)
    train(network, objective, module, plan=module.plan)
    return int(module.training.edges[-1])


def memory_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def measure(folder: Path, how: str, what: str) -> dict[str, float]:
    """Measure in this process: memory beyond the imports, and trials per second of the second pass."""
    import pytorch_lightning
    import torch

    from alignkit.decoders.training import fitting
    from alignkit.recordings import Study

    assert pytorch_lightning and torch and fitting
    call = {"batches": one_pass, "training": one_training}[what]
    # The readers of tables and chunks count as imports.
    first = next(iter(Study.load(folder, lazy=True).values()))
    first.data[:1]
    del first
    before = memory_mb("VmRSS")
    module = batches_of(folder, lazy=how == "disk")
    call(module)
    start = time.perf_counter()
    n_trials = call(module)
    return {
        "memory_mb": memory_mb("VmHWM") - before,
        "trials_per_s": n_trials / (time.perf_counter() - start),
    }


def in_a_process(folder: Path, how: str, what: str) -> dict[str, float]:
    command = [sys.executable, __file__, "measure", str(folder), how, what]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


class DecoderStreaming:
    """Time of a pass over half a gigabyte of trials."""

    params = ["disk", "memory"]
    param_names = ["where"]

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp()) / "study"
        write_study(folder, 0.5)
        return str(folder)

    def setup(self, folder: str, where: str) -> None:
        self.module = batches_of(Path(folder), lazy=where == "disk")

    def time_pass(self, folder: str, where: str) -> None:
        one_pass(self.module)

    def peakmem_pass(self, folder: str, where: str) -> None:
        one_pass(self.module)


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(Path(sys.argv[2]), *sys.argv[3:])))
        return
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 0.6
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "study"
        n_trials = write_study(folder, gigabytes)
        print(f"{n_trials} trials, {n_trials * ROW_BYTES / 2**20:.0f} MiB; buffer {BUFFER_MB:.0f} MiB")
        for what in ("batches", "training"):
            found: dict[str, list[dict[str, float]]] = {"disk": [], "memory": []}
            for _ in range(ROUNDS):
                for how, rows in found.items():
                    rows.append(in_a_process(folder, how, what))
            peaks = {how: max(row["memory_mb"] for row in rows) for how, rows in found.items()}
            rates = {how: max(row["trials_per_s"] for row in rows) for how, rows in found.items()}
            print(
                f"{what}: memory {peaks['disk']:.0f} MiB from disk, {peaks['memory']:.0f} in memory (ratio "
                f"{peaks['disk'] / peaks['memory']:.2f}); trials per second {rates['disk']:.0f} and "
                f"{rates['memory']:.0f} (ratio {rates['disk'] / rates['memory']:.2f})"
            )


if __name__ == "__main__":
    main()
