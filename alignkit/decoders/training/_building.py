"""Networks and objectives from what a decoder was asked for: a registered name with options, or a factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import nn

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.random import derive_seed
from ..._core.registry import Registry
from .._layout import Layout
from .._objective import Objective
from .._registry import BRAIN_NETWORKS, OBJECTIVES
from ..trials import Targets, Trials

Part = Mapping[str, Any] | Callable[..., Any]


def spelled(part: Part) -> dict[str, Any]:
    """Return a part as JSON values; a factory by its name, which cannot be read back."""
    if callable(part):
        name = getattr(part, "__qualname__", type(part).__qualname__)
        return {"python": f"{getattr(part, '__module__', '')}.{name}"}
    return dict(part)


def build_network(
    part: Part, layout: Layout, n_outputs: int, *, target_times: int | None, seed: int
) -> nn.Module:
    """Build a brain network for a layout.

    An option `target_times` is filled in where the network has one, the targets have times and none was
    given; a seed where none was given.

    Raises
    ------
    UnknownNameError
        If there is no network of that name.
    InputError
        If it has no such option.
    """
    factory, options = _factory(part, BRAIN_NETWORKS, "network")
    own = signature(factory).parameters
    filled = {"seed": derive_seed(seed, "network")}
    if target_times is not None:
        filled["target_times"] = target_times
    options = {**{name: value for name, value in filled.items() if name in own}, **options}
    network: nn.Module = factory(layout, n_outputs, **options)
    return network


def build_objective(part: Part, n_dims: int, *, are_classes: bool, n_trials: int, seed: int = 0) -> Objective:
    """Build an objective for embeddings of `n_dims` numbers, or so many classes.

    One that draws something gets a seed where none was given.

    Raises
    ------
    UnknownNameError
        If there is no objective of that name.
    InputError
        If it has no such option, or is for classes where the targets are embeddings, or the reverse.
    """
    factory, options = _factory(part, OBJECTIVES, "objective")
    own = signature(factory).parameters
    filled = {"n_trials": n_trials, "seed": derive_seed(seed, "objective")}
    options = {**{name: value for name, value in filled.items() if name in own}, **options}
    objective: Objective = factory(n_dims, **options)
    if objective.classes != are_classes:
        kinds = ("embeddings", "classes")
        raise InputError(
            f"the objective {_name(part)!r} is for {kinds[objective.classes]}, but the targets are "
            f"{kinds[are_classes]}. Choose another objective."
        )
    return objective


def show_targets(objective: Objective, training: Trials) -> None:
    """Let an objective that wants to know the training part's targets see them, each stimulus once."""
    see = getattr(objective, "set_target_statistics", None)
    if see is None:
        return
    rows, values = training.column("target"), training.targets.values
    if values is None:
        see(torch.from_numpy(rows.astype(np.int64)))
    else:
        see(torch.from_numpy(values[np.unique(rows)]))


def target_times_of(targets: Targets) -> int | None:
    """Return how many times an embedding has; None where it has none."""
    values = targets.values
    return None if values is None or values.ndim == 2 or targets.n_variants else int(values.shape[2])


def _factory(part: Part, registry: Registry[Any], what: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    if callable(part):
        return part, {}
    if "kind" not in part:
        raise InputError(f"`{what}` needs a `kind`, {did_you_mean('', list(registry))}")
    options = {name: value for name, value in part.items() if name != "kind"}
    factory = registry[part["kind"]]
    own = signature(factory).parameters
    known = [name for name in own if name not in ("layout", "n_outputs", "n_dims", "n_trials")]
    for name in options:
        if name not in known:
            raise InputError(
                f"an option of the {what} {part['kind']!r} is {name!r}, {did_you_mean(name, known)}"
            )
    return factory, options


def _name(part: Part) -> str:
    return str(spelled(part).get("kind") or spelled(part)["python"])
