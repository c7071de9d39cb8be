"""Layers whose answers have dissimilarities at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..._core.errors import InputError
from ...metrics import rdm
from ..candidates import Candidate
from ._comparison import Context
from ._rsa_data import BrainDistance


def answering(
    context: Context, distance: BrainDistance, stimulus_ids: Sequence[str]
) -> tuple[Context, list[str]]:
    """Leave out layers whose patterns have no such distance, and return a warning for each.

    A layer that gives all its units one value for some stimulus has no correlation distance there; one that
    is dead would stop a comparison of dozens of networks.

    Raises
    ------
    InputError
        If no model is left.
    """
    if distance != "correlation":
        return context, []
    kept, warnings = [], []
    for candidate in context.candidates:
        found = candidate if candidate.features is None else _answering(candidate, stimulus_ids, warnings)
        if found.layers:
            kept.append(found)
    if not kept:
        raise InputError(f"no model has patterns that can be correlated. {' '.join(warnings)}")
    return replace(context, candidates=tuple(kept)), warnings


def _answering(candidate: Candidate, stimulus_ids: Sequence[str], warnings: list[str]) -> Candidate:
    assert candidate.features is not None  # the caller looked
    layers = []
    for layer in candidate.layers:
        try:
            rdm(candidate.features.matrix(layer, stimulus_ids), method="correlation")
        except InputError as error:
            warnings.append(f"{candidate.name}, layer {layer!r} is left out: {error}")
        else:
            layers.append(layer)
    return replace(candidate, layers=tuple(layers))
