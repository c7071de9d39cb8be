"""Run stimuli through a network and keep what its layers answer."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .._core.atomic import explain_full_disk
from .._core.checks import check_option
from .._core.device import pick_device
from .._core.errors import InputError
from .._core.progress import track
from ..recordings.features import Features, write_index
from ._circumstances import PRECISIONS, Precision, circumstances, ready
from ._folder import alone_in, find_state
from ._groups import GroupWriter, SideThread
from ._hooks import check_layers, listening
from ._journal import Journal
from ._memory import bytes_per_stimulus, fitting_batch, free_memory, is_out_of_memory
from ._passes import STEPS, Passes, PassRows, Reduction, Steps
from ._plan import ExtractionPlan, plain
from ._reading import Batch, on_device, read_batches
from .pooling import POOLINGS, Pooling
from .projection import Projection, most_units

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network
    from ..recordings.stimuli import StimulusSet

logger = logging.getLogger(__name__)

# Stimuli of the pass that memory is measured by.
_N_MEASURED = 2


def extract(
    network: Network,
    stimuli: StimulusSet,
    folder: str | Path,
    *,
    layers: Sequence[str | float] | None = None,
    pooling: Pooling = "flatten",
    projection: Projection = "auto",
    steps: Steps = "all",
    batch_size: int | Literal["auto"] = 32,
    precision: Precision = "float32",
    device: str = "auto",
    random_state: int = 0,
) -> Features:
    """Write the activations of a network's layers to stimuli, all layers in one pass.

    The plan (layers, batches, projections, digests of weights and stimuli) is fixed at the start and written
    to `folder`; rows follow in groups of whole batches, of all layers together. Called again after it was
    killed, with the same arguments, it goes on after the last whole group, and what comes out is bit by
    bit what an unbroken run gives. Memory holds a few batches of images and one group of rows.

    Parameters
    ----------
    network : Network
        Its module is run in evaluation mode and without gradients.
    stimuli : StimulusSet
        Images.
    folder : path
        Where plan, arrays and index are written. Finished features of the same plan are returned as they
        are; an unfinished extraction of another plan is begun anew, with a warning.
    layers : sequence of str or float, optional
        Names of submodules, globs of names (``"blocks.*"``), or depths between 0, the first of the layers
        that the network declares, and 1, the last; by default all that it declares.
    pooling : str, default="flatten"
        See :func:`alignkit.features.pool`. Of layers that run several times, each step is pooled. Where maps
        lie along the last axis (`network.channels_last`), it is they that are kept apart all the same.
    projection : int, "auto", {"eps": float} or None, default="auto"
        Layers with more units than this are projected to so many by :class:`SparseProjection`; "auto"
        is 4,096, at which distances between stimuli vary by about 1 %. ``{"eps": 0.1}`` takes the
        number of :func:`jl_size` for as many stimuli. None keeps every unit. Each step is projected by the
        same matrix.
    steps : {"all", "mean", "last"}, default="all"
        What is kept of a layer that runs several times in a pass, as those of recurrent and spiking
        networks do, once per step of time: every step, their mean, or the last one.
    batch_size : int or "auto", default=32
        Stimuli per pass. It changes results by rounding only. "auto" measures a small pass and takes the
        largest power of two up to 256 that fits into half of the free memory. Where memory does not suffice,
        batches are halved from there on, with a warning; the plan keeps it.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        What the network computes in, through torch's autocast; rows are float32 whatever it is.
    device : str, default="auto"
        "auto" takes CUDA when it is there.
    random_state : int, default=0
        Seed of the projections; each layer has its own.

    Returns
    -------
    features : Features
        Layers of shape (n_stimuli, n_units), or (n_stimuli, n_units, n_times) where they run several times
        and `steps` is "all"; float32, read from `folder` when they are sliced.

    Raises
    ------
    InputError
        If a layer is unknown, does not run, gives outputs of different shapes or numbers of steps, or NaN;
        if a file is no image; if an option is out of its range; or if `folder` holds features that were
        made otherwise.

    Notes
    -----
    The same call gives the same bits on the same machine and number of threads; batches that "auto" found
    depend on the memory that was free, and are in the features' facts. TF32 is off while it runs.
    """
    check_option("pooling", pooling, POOLINGS)
    check_option("steps", steps, STEPS)
    check_option("precision", precision, PRECISIONS)
    _check_batch_size(batch_size)
    units = most_units(projection, len(stimuli))
    names = check_layers(network, layers)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    torch_device = pick_device(device)
    # Where every unit is kept, the order of the axes decides nothing.
    last = [] if pooling == "flatten" else [name for name in names if name in network.channels_last]
    request = {
        "network": network.name,
        "layers": list(names),
        "pooling": pooling,
        "projection": units,
        "steps": steps,
        "batch_size": batch_size,
        "precision": precision,
        "random_state": random_state,
        **({"channels_last": last} if last else {}),
        **circumstances(network, stimuli, torch_device),
    }
    with explain_full_disk(target), alone_in(target):
        plan, done = find_state(target, plain(request), len(stimuli))
        if plan is None or done < len(stimuli):
            passes = Passes(network, names, Reduction(pooling, units, random_state, last), steps)
            with ready(network, torch_device, precision):
                plan = plan or _new_plan(network, stimuli, plain(request), torch_device)
                plan.save(target)
                _Extraction(passes, stimuli, target, plan, torch_device).run(done)
        if Journal(target).path.exists():
            write_index(target, stimuli.stimulus_ids, names, network.name, _facts(plan))
            Journal(target).remove()
    return Features.load(target)


class _Extraction:
    """One call's way through the stimuli that are not there yet."""

    def __init__(
        self, passes: Passes, stimuli: StimulusSet, folder: Path, plan: ExtractionPlan, device: torch.device
    ) -> None:
        self.passes = passes
        self.network = passes.network
        self.stimuli = stimuli
        self.folder = folder
        self.plan = plan
        self.device = device
        self.done = 0
        self.writer: GroupWriter | None = None

    def run(self, done: int) -> None:
        """Extract from row `done` on."""
        self.done = done
        ids = self.stimuli.stimulus_ids
        ticks = track(iter(ids), f"features of {self.network.name}", len(ids))
        deque(islice(ticks, done), maxlen=0)
        reader = read_batches(
            self.network,
            self.stimuli,
            start=done,
            batch_size=self.plan.batch_size,
            shape=self.plan.input,
            pin=self.device.type == "cuda",
        )
        layers, receive = self.passes.layers, self.passes.receive
        with listening(self.network, layers, receive), closing(reader), SideThread(self._write) as writing:
            for batch in on_device(reader, self.device):
                for rows in self._parts(batch):
                    writing.put(rows)
                deque(islice(ticks, len(batch.ids)), maxlen=0)
        next(ticks, None)

    def _parts(self, batch: Batch) -> Iterator[PassRows]:
        """Pass a batch through the network, in parts where the whole does not fit."""
        first = 0
        while first < len(batch.ids):
            row = batch.start + first
            size = min(self.plan.size_at(row), len(batch.ids) - first)
            rows = self._pass(batch.ids[first : first + size], batch.images[first : first + size])
            if rows is None:
                self._shrink(row, size // 2)
                continue
            self._check(rows, batch)
            yield rows
            first += size

    def _pass(self, ids: list[str], images: torch.Tensor) -> PassRows | None:
        try:
            return self.passes(ids, images)
        except Exception as error:
            if len(ids) == 1 or not is_out_of_memory(error):
                raise
        # Outside of the handler: the error holds on to everything that was in use.
        return None

    def _shrink(self, row: int, size: int) -> None:
        import torch

        self.passes.forget()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.plan.shrink(row, size)
        self.plan.save(self.folder)
        logger.warning("%s: out of memory, going on with batches of %d", self.network.name, size)

    def _check(self, rows: PassRows, batch: Batch) -> None:
        """Fix what the first pass shows, and hold later ones to it."""
        facts = self.passes.facts()
        if not self.plan.layers:
            self.plan.input = list(batch.images.shape[1:])
            self.plan.fix_layers(facts)
            self.plan.save(self.folder)
        for layer, wanted in self.plan.layers.items():
            for what, unit in (("ran", "step(s)"), ("units", "units")):
                if facts[layer][what] != wanted[what]:
                    raise InputError(
                        f"layer {layer!r} of {self.network.name!r} gives {facts[layer][what]} {unit} for "
                        f"{rows.ids[0]!r} and {wanted[what]} for {self.stimuli.stimulus_ids[0]!r}; features "
                        "need the same for every stimulus. Fix the network's number of steps and its input."
                    )

    def _write(self, rows: PassRows) -> None:
        arrays = rows.arrays(self.network.name)
        if self.writer is None:
            self.writer = GroupWriter(self.folder, self.plan, len(self.stimuli), self.done)
        self.writer.add(arrays)


def _new_plan(
    network: Network, stimuli: StimulusSet, request: dict[str, Any], device: torch.device
) -> ExtractionPlan:
    import torch

    size = request["batch_size"]
    if size == "auto":
        first = stimuli.stimulus_ids[0]
        image = network.preprocess(stimuli.open(first))
        batch = torch.stack([image] * _N_MEASURED).to(device)
        needed = bytes_per_stimulus(network.module, batch)
        size = fitting_batch(needed, free_memory(device))
        logger.info("%s: batches of %d (%.1f MB per stimulus)", network.name, size, needed / 1e6)
    return ExtractionPlan(request, [[0, int(size)]])


def _facts(plan: ExtractionPlan) -> dict[str, Any]:
    request = plan.request
    kept = ("pooling", "steps", "precision", "random_state", "weights", "preprocessing", "device", "versions")
    several = {name: each["ran"] for name, each in plan.layers.items() if each["ran"] > 1}
    return {name: request[name] for name in kept} | {
        "projection": {name: each["kept"] for name, each in plan.layers.items() if each["seed"] is not None},
        "units": {name: each["units"] for name, each in plan.layers.items()},
        "n_times": several,
        "channels_last": request.get("channels_last", []),
        "dtype": "float32",
        "batch_size": plan.batch_size,
        "smaller_batches": plan.batches[1:],
    }


def _check_batch_size(batch_size: int | Literal["auto"]) -> None:
    if batch_size == "auto":
        return
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f'`batch_size` must be "auto" or a whole number of at least 1, got {batch_size!r}.')
