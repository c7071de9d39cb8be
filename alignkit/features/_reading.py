"""Batches of stimuli, read and prepared by threads while the network works."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network
    from ..recordings.stimuli import StimulusSet

_N_READERS = 2
_N_AHEAD = 2 * _N_READERS


@dataclass(frozen=True, eq=False)
class Batch:
    """Stimuli that are read together.

    Attributes
    ----------
    start : int
        Row of the first one.
    ids : list of str
        Which they are.
    images : Tensor of shape (n_stimuli, ...)
        Prepared; on the device where it came through :func:`on_device`.
    """

    start: int
    ids: list[str]
    images: torch.Tensor


def read_batches(
    network: Network, stimuli: StimulusSet, *, start: int, batch_size: int, shape: Sequence[int], pin: bool
) -> Generator[Batch, None, None]:
    """Yield the stimuli from row `start` on, one batch being read while another is used.

    Parameters
    ----------
    network : Network
        Whose preprocessing is done.
    stimuli : StimulusSet
        Images.
    start : int
        First row.
    batch_size : int
        Stimuli per batch; the last one may be smaller.
    shape : sequence of int
        Of every prepared stimulus; empty to take that of the first one.
    pin : bool
        Keep batches in page-locked memory, from which a GPU copies on its own.

    Raises
    ------
    InputError
        If a file is no image, or differs in shape from the first one.
    """
    stop = threading.Event()
    # What is being read is one batch, what waits here another.
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(1)

    def hand_over(item: Batch | BaseException | None) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def assemble() -> None:
        try:
            with closing(_batches(network, stimuli, start, batch_size, tuple(shape), pin)) as batches:
                for batch in batches:
                    hand_over(batch)
                    if stop.is_set():
                        return
            hand_over(None)
        except BaseException as error:
            hand_over(error)

    thread = threading.Thread(target=assemble, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield batches on the device; to a GPU, the next one is copied while this one is worked on."""
    import torch

    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    moving: tuple[Batch, Any] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            images = batch.images.to(device, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(stream)
        before, moving = moving, (replace(batch, images=images), arrived)
        if before is not None:
            yield _arrived(*before, device)
    if moving is not None:
        yield _arrived(*moving, device)


def _arrived(batch: Batch, event: Any, device: torch.device) -> Batch:
    import torch

    stream = torch.cuda.current_stream(device)
    stream.wait_event(event)
    # Its memory was taken on the copying stream, and must not be given away while this one reads it.
    batch.images.record_stream(stream)
    return batch


def _batches(
    network: Network, stimuli: StimulusSet, start: int, batch_size: int, shape: tuple[int, ...], pin: bool
) -> Generator[Batch, None, None]:
    import torch

    all_ids = stimuli.stimulus_ids
    images: list[torch.Tensor] = []
    for row, image in enumerate(_images(network, stimuli, all_ids[start:]), start):
        shape = shape or tuple(image.shape)
        if tuple(image.shape) != shape:
            raise InputError(
                f"after the preprocessing of {network.name!r} the stimuli {all_ids[0]!r} and "
                f"{all_ids[row]!r} differ in shape ({shape} and {tuple(image.shape)}); crop the files to one "
                "aspect ratio, or choose a network that does."
            )
        images.append(image)
        if len(images) == batch_size or row == len(all_ids) - 1:
            first = row + 1 - len(images)
            together = torch.stack(images)
            images = []
            yield Batch(first, all_ids[first : row + 1], together.pin_memory() if pin else together)


def _images(network: Network, stimuli: StimulusSet, ids: Sequence[str]) -> Iterator[torch.Tensor]:
    """Yield prepared stimuli in order, a few of them being read at a time."""

    def load(stimulus_id: str) -> torch.Tensor:
        return network.preprocess(stimuli.open(stimulus_id))

    waiting: deque[Future[torch.Tensor]] = deque()
    readers = ThreadPoolExecutor(_N_READERS)
    try:
        for stimulus_id in ids:
            waiting.append(readers.submit(load, stimulus_id))
            if len(waiting) > _N_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)
