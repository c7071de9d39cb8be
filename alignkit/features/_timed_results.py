"""What features of sounds and films have in common: options, facts, and the results they come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .._core.checks import check_unique
from .._core.errors import InputError, MissingDataError
from .._core.hashing import digest_file
from .._core.progress import track
from ..recordings.features import Features
from ..recordings.stimuli import StimulusSet
from ..recordings.tracks import Track

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network

Binned = Mapping[str, NDArray[np.float32]]


def listed_files(
    stimuli: StimulusSet | Sequence[str | Path], *, kind: Literal["audio", "video"]
) -> dict[str, Path]:
    """Return files by stimulus id; ids of paths are their stems."""
    if isinstance(stimuli, StimulusSet):
        if stimuli.kind != kind:
            raise InputError(f"the stimuli are {stimuli.kind}s, wanted a set of kind {kind!r}.")
        return {stimulus_id: stimuli.path(stimulus_id) for stimulus_id in stimuli.stimulus_ids}
    if isinstance(stimuli, str | Path):
        raise InputError(f"one path came ({str(stimuli)!r}), wanted a list; put it into a list.")
    paths = [Path(path) for path in stimuli]
    if not paths:
        raise InputError("the list of files is empty; give at least one.")
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise MissingDataError(f"{len(missing)} of {len(paths)} files do not exist, first {missing[0]}.")
    check_unique("stems of the files", [path.stem for path in paths])
    return {path.stem: path for path in paths}


def check_seconds(name: str, value: float | None, *, unit: str = "s") -> float | None:
    """Return a positive number, or None where none was given."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise InputError(f"`{name}` must be a positive number of {unit}, got {value!r}.")
    return float(value)


class Runner(Protocol):
    """The options of a call, checked, and what they make of one file."""

    network: Network
    device: torch.device
    rate_hz: float
    facts: dict[str, Any]

    def of(self, path: Path) -> dict[str, NDArray[np.float32]]:
        """Return (n_bins, n_units) per layer for one file."""
        ...


def features_of(runner: Runner, files: Mapping[str, Path], *, average: bool) -> Features:
    """Return the features of files by stimulus id."""
    found = {}
    with evaluating(runner.network, runner.device):
        for stimulus_id, path in track(list(files.items()), f"features of {runner.network.name}"):
            found[stimulus_id] = runner.of(path)
    facts = runner.facts | {"stimuli": {name: digest_file(path) for name, path in files.items()}}
    return stacked(found, network=runner.network, rate_hz=runner.rate_hz, facts=facts, average=average)


def tracks_of_file(runner: Runner, path: Path, *, onset_s: float) -> tuple[Track, ...]:
    """Return a track per layer for one file."""
    with evaluating(runner.network, runner.device):
        values = runner.of(path)
    facts = runner.facts | {"stimulus": digest_file(path)}
    return tracks_of(values, network=runner.network, rate_hz=runner.rate_hz, onset_s=onset_s, facts=facts)


@contextmanager
def evaluating(network: Network, device: torch.device) -> Iterator[None]:
    """Put the network on the device for a while, in evaluation mode and without gradients."""
    import torch

    module = network.module
    first = next(chain(module.parameters(), module.buffers()), None)
    before = device if first is None else first.device
    module.to(device).eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        module.to(before)


def facts_of(network: Network, device: torch.device, batch_size: int) -> dict[str, Any]:
    """Return how features are made, as JSON values."""
    import torch

    from .. import __version__

    return {
        "model": network.name,
        "weights": network.weights_digest(),
        "preprocessing": dict(network.preprocessing),
        "batch_size": batch_size,
        "device": device.type,
        "versions": {"alignkit": __version__, "torch": torch.__version__},
    }


def stacked(
    found: Mapping[str, Binned],
    *,
    network: Network,
    rate_hz: float,
    facts: Mapping[str, Any],
    average: bool,
) -> Features:
    """Return features by stimulus, (n_stimuli, n_units, n_times) or averaged over time."""
    for stimulus_id, layers in found.items():
        _check_finite(layers, network, f"the stimulus {stimulus_id!r}")
    ids, names = list(found), list(next(iter(found.values())))
    if average:
        rows = {name: np.stack([found[i][name].mean(0) for i in ids]) for name in names}
        return Features(rows, ids, model=network.name, facts=facts)
    counts = {i: len(found[i][names[0]]) for i in ids}
    short, long = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[short] != counts[long]:
        raise InputError(
            f"stimuli last from {counts[short] / rate_hz:g} s ({short!r}) to {counts[long] / rate_hz:g} s "
            f"({long!r}); give `duration_s` (at most {counts[short] / rate_hz:g}), or `average=True`."
        )
    times = ((np.arange(counts[long]) + 0.5) / rate_hz).tolist()
    layers = {name: np.stack([found[i][name].T for i in ids]) for name in names}
    return Features(layers, ids, model=network.name, facts={**facts, "times_s": times})


def tracks_of(
    values: Binned, *, network: Network, rate_hz: float, onset_s: float, facts: Mapping[str, Any]
) -> tuple[Track, ...]:
    """Return a track per layer whose events are the bins."""
    _check_finite(values, network, "the stimulus")
    n_bins = len(next(iter(values.values())))
    edges = onset_s + np.arange(n_bins + 1) / rate_hz
    return tuple(
        Track(f"{network.name}:{layer}", rows, edges[:-1], edges[1:], facts={**facts, "layer": layer})
        for layer, rows in values.items()
    )


def _check_finite(layers: Binned, network: Network, where: str) -> None:
    for name, values in layers.items():
        if not np.isfinite(values).all():
            raise InputError(
                f"layer {name!r} of {network.name!r} gives NaN or infinite values for {where}; check the "
                "file and the network's weights."
            )
