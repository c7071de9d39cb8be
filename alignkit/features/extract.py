"""Run stimuli through a network and keep what its layers answer."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._core.atomic import explain_full_disk
from .._core.checks import check_option
from .._core.device import pick_device
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import derive_seed
from ..recordings.features import Features, layer_file, write_index
from ._hooks import as_tensor, check_layers, listening
from ._layer_writer import LayerWriter
from .pooling import POOLINGS, Pooling, pool
from .projection import AUTO_UNITS, SparseProjection

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network
    from ..recordings.stimuli import StimulusSet

logger = logging.getLogger(__name__)

_N_READERS = 2


def extract(
    network: Network,
    stimuli: StimulusSet,
    folder: str | Path,
    *,
    layers: Sequence[str] | None = None,
    pooling: Pooling = "flatten",
    projection: int | Literal["auto"] | None = "auto",
    batch_size: int = 32,
    device: str = "auto",
    random_state: int = 0,
) -> Features:
    """Write the activations of a network's layers to stimuli, all layers in one pass.

    Rows are streamed to `folder` as they come, so that memory holds a few batches and one chunk per
    layer. On a GPU that runs out of memory the batch is halved, with a warning.

    Parameters
    ----------
    network : Network
        Its module is run in evaluation mode and without gradients.
    stimuli : StimulusSet
        Images.
    folder : path
        Where arrays and index are written. A caller that wants all or nothing gives a temporary folder
        and renames it.
    layers : sequence of str, optional
        Names of submodules; by default those the network declares.
    pooling : {"flatten", "mean", "class-token"}, default="flatten"
        See :func:`alignkit.features.pool`.
    projection : int, "auto" or None, default="auto"
        Layers with more units than this are projected to so many by :class:`SparseProjection`; "auto"
        is 4,096, at which distances between stimuli vary by about 1 %. None keeps every unit.
    batch_size : int, default=32
        Stimuli per pass. It changes results by rounding only.
    device : str, default="auto"
        "auto" takes CUDA when it is there.
    random_state : int, default=0
        Seed of the projections; each layer has its own.

    Returns
    -------
    features : Features
        Layers of shape (n_stimuli, n_units), float32, read from `folder` when they are sliced.

    Raises
    ------
    InputError
        If a layer is unknown, does not run once, or answers with NaN; if a file is no image; or if an
        option is out of its range.

    Notes
    -----
    The same call gives the same bits on the same machine and number of threads. TF32 is off while it runs.
    """
    check_option("pooling", pooling, POOLINGS)
    n_units_most = _most_units(projection)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"`batch_size` must be a whole number of at least 1, got {batch_size!r}.")
    names = check_layers(network, layers)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    run = _Run(network, names, target, len(stimuli), pooling, n_units_most, random_state)
    torch_device = pick_device(device)
    with explain_full_disk(target), _ready(network, torch_device), listening(network, names, run.receive):
        reader = _read(network, stimuli, batch_size)
        ids: list[str] = []
        images: list[torch.Tensor] = []
        for stimulus_id, image in track(reader, f"features of {network.name}", len(stimuli)):
            ids.append(stimulus_id)
            images.append(image)
            if len(ids) == batch_size:
                run.add(ids, images, torch_device)
                ids, images = [], []
        run.add(ids, images, torch_device)
        facts = run.finish() | {"batch_size": batch_size, "device": torch_device.type, **_versions()}
        write_index(target, stimuli.stimulus_ids, names, network.name, facts)
    return Features.load(target)


class _Run:
    """The state of one extraction: what was heard, and a writer and a projection per layer."""

    def __init__(
        self,
        network: Network,
        layers: tuple[str, ...],
        folder: Path,
        n_stimuli: int,
        pooling: Pooling,
        n_units_most: int | None,
        seed: int,
    ) -> None:
        self.network = network
        self.layers = layers
        self.pooling = pooling
        self.n_units_most = n_units_most
        self.seed = seed
        self.ids: list[str] = []
        self.rows: dict[str, NDArray[np.float32]] = {}
        self.writers = {
            name: LayerWriter(folder / layer_file(number), n_stimuli) for number, name in enumerate(layers)
        }
        self.projections: dict[str, SparseProjection] = {}
        self.n_units: dict[str, int] = {}
        self.largest_batch: int | None = None
        self.first: tuple[str, tuple[int, ...]] | None = None

    def add(self, ids: list[str], images: list[torch.Tensor], device: torch.device) -> None:
        """Run a batch, in parts where the whole does not fit, and hand its rows to the writers."""
        import torch

        self._check_shapes(ids, images)
        step = min(len(ids), self.largest_batch or len(ids))
        start = 0
        while start < len(ids):
            part = slice(start, start + step)
            try:
                rows = self._pass(ids[part], images[part], device)
            except torch.OutOfMemoryError:
                if step == 1:
                    raise
                step = self.largest_batch = step // 2
                logger.warning("%s: out of memory, going on with batches of %d", self.network.name, step)
                continue
            for layer in self.layers:
                self.writers[layer].append(rows[layer])
            start += step

    def finish(self) -> dict[str, Any]:
        """Close the writers and return what was done, as JSON values."""
        for writer in self.writers.values():
            writer.close()
        return {
            "weights": self.network.weights_digest(),
            "preprocessing": dict(self.network.preprocessing),
            "pooling": self.pooling,
            "projection": {name: each.n_out for name, each in self.projections.items()},
            "units": self.n_units,
            "random_state": self.seed,
            "dtype": "float32",
        }

    def receive(self, layer: str, output: Any) -> None:
        """Take what a layer gave for the batch in hand, and keep a row of units per stimulus."""
        import torch

        name = self.network.name
        if layer in self.rows:
            raise InputError(
                f"layer {layer!r} of {name!r} ran more than once in one pass, wanted once; choose a layer "
                "outside the part that is used again."
            )
        tensor = as_tensor(output, network=name, layer=layer, n_stimuli=len(self.ids))
        pooled = pool(tensor, self.pooling).float()
        finite = torch.isfinite(pooled).all(1)
        if not finite.all():
            first = self.ids[int((~finite).nonzero()[0, 0])]
            raise InputError(
                f"layer {layer!r} of {name!r} gives NaN or infinite activations, first for the stimulus "
                f"{first!r}. Look at that image, or check the network's weights and preprocessing."
            )
        # A copy: on the CPU the array would share memory with the network's own output.
        self.rows[layer] = self._projected(layer, pooled).cpu().numpy().copy()

    def _pass(
        self, ids: list[str], images: list[torch.Tensor], device: torch.device
    ) -> dict[str, NDArray[np.float32]]:
        import torch

        self.ids, self.rows = ids, {}
        self.network.module(torch.stack(images).to(device))
        silent = [layer for layer in self.layers if layer not in self.rows]
        if silent:
            raise InputError(
                f"layer {silent[0]!r} of {self.network.name!r} does not run when an image goes through; "
                "choose another."
            )
        return self.rows

    def _check_shapes(self, ids: list[str], images: list[torch.Tensor]) -> None:
        for stimulus_id, image in zip(ids, images, strict=True):
            self.first = self.first or (stimulus_id, tuple(image.shape))
            if tuple(image.shape) != self.first[1]:
                raise InputError(
                    f"after the preprocessing of {self.network.name!r} the stimuli {self.first[0]!r} and "
                    f"{stimulus_id!r} differ in shape ({self.first[1]} and {tuple(image.shape)}); crop the "
                    "files to one aspect ratio, or choose a network that does."
                )

    def _projected(self, layer: str, pooled: torch.Tensor) -> torch.Tensor:
        self.n_units.setdefault(layer, pooled.shape[1])
        if self.n_units_most is None or pooled.shape[1] <= self.n_units_most:
            return pooled
        if layer not in self.projections:
            seed = derive_seed(self.seed, "projection", layer)
            self.projections[layer] = SparseProjection(pooled.shape[1], self.n_units_most, seed)
        return self.projections[layer](pooled)


@contextmanager
def _ready(network: Network, device: torch.device) -> Iterator[None]:
    """Put the network on the device for a while, exact and reproducible."""
    import torch

    module = network.module
    first = next(chain(module.parameters(), module.buffers()), None)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if device.type == "cuda":
            exact = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
            stack.enter_context(torch.backends.cudnn.flags(**exact))
        if first is not None and first.device != device:
            stack.callback(module.to, first.device)
            module.to(device)
        module.eval()
        yield


def _read(network: Network, stimuli: StimulusSet, ahead: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield (stimulus_id, tensor) in order, reading up to `ahead` images while the network works."""

    def load(stimulus_id: str) -> torch.Tensor:
        return network.preprocess(stimuli.open(stimulus_id))

    waiting: deque[tuple[str, Future[torch.Tensor]]] = deque()
    readers = ThreadPoolExecutor(_N_READERS)
    try:
        for stimulus_id in stimuli.stimulus_ids:
            waiting.append((stimulus_id, readers.submit(load, stimulus_id)))
            if len(waiting) > ahead:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        readers.shutdown(cancel_futures=True)


def _most_units(projection: int | Literal["auto"] | None) -> int | None:
    if projection is None:
        return None
    if projection == "auto":
        return AUTO_UNITS
    if isinstance(projection, bool) or not isinstance(projection, int) or projection < 1:
        raise InputError(
            f'`projection` must be "auto", None or a number of units of at least 1, got {projection!r}.'
        )
    return projection


def _versions() -> dict[str, Any]:
    import torch

    from .. import __version__

    return {"versions": {"alignkit": __version__, "numpy": np.__version__, "torch": torch.__version__}}
