"""Where and how a network is run: device, precision, and what else decides the bits."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

    from ..networks._network import Network
    from ..recordings.stimuli import StimulusSet

Precision = Literal["float32", "bfloat16", "float16"]

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")


def circumstances(network: Network, stimuli: StimulusSet, device: torch.device) -> dict[str, Any]:
    """Return digests of what goes in, and what of the machine decides the last bits, as JSON values."""
    import torch

    from .. import __version__

    return {
        "weights": network.weights_digest(),
        "preprocessing": dict(network.preprocessing),
        "stimuli": stimuli.digest,
        "device": device.type,
        "machine": _machine(device),
        "threads": torch.get_num_threads(),
        "versions": {"alignkit": __version__, "numpy": np.__version__, "torch": torch.__version__},
    }


def _machine(device: torch.device) -> str:
    """Name what decides the last bits of sums on a device."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


@contextmanager
def ready(network: Network, device: torch.device, precision: Precision) -> Iterator[None]:
    """Put the network on the device for a while, exact and reproducible."""
    import torch

    module = network.module
    first = next(chain(module.parameters(), module.buffers()), None)
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if device.type == "cuda":
            exact = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
            stack.enter_context(torch.backends.cudnn.flags(**exact))
            stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
            torch.set_float32_matmul_precision("highest")
        if precision != "float32":
            stack.enter_context(torch.autocast(device.type, dtype=getattr(torch, precision)))
        if first is not None and first.device != device:
            stack.callback(module.to, first.device)
            module.to(device)
        module.eval()
        yield
