"""Layers whose answers have dissimilarities at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..._core.errors import InputError
from ...metrics import rdm
from ...metrics.rsa.dissimilarities import RDMMethod
from ..candidates import Candidate
from ._comparison import Context
from ._rsa_data import BrainDistance


def answering(
    context: Context, distance: BrainDistance, stimulus_ids: Sequence[str]
) -> tuple[Context, list[str]]:
    """Leave out layers whose patterns have no such distance, or the same for all pairs, and say so.

    A layer that gives all its units one value for some stimulus has no correlation distance there; a readout
    of two units has no distance but 0 and 2. One such layer would stop a comparison of dozens of networks.

    Raises
    ------
    InputError
        If no model is left.
    """
    method = "squared-euclidean" if distance == "crossnobis" else distance
    kept: list[Candidate] = []
    warnings: list[str] = []
    for candidate in context.candidates:
        found = candidate
        if candidate.features is not None:
            found = _answering(candidate, stimulus_ids, method, warnings)
        if found.layers:
            kept.append(found)
    if not kept:
        raise InputError(f"no model has patterns whose dissimilarities differ. {' '.join(warnings)}")
    return replace(context, candidates=tuple(kept)), warnings


def _answering(
    candidate: Candidate, stimulus_ids: Sequence[str], method: RDMMethod, warnings: list[str]
) -> Candidate:
    assert candidate.features is not None  # the caller looked
    layers = []
    for layer in candidate.layers:
        try:
            distances = rdm(candidate.features.matrix(layer, stimulus_ids), method=method)
        except InputError as error:
            problem = str(error)
        else:
            if np.ptp(distances) > 0:
                layers.append(layer)
                continue
            problem = "all its dissimilarities are equal."
        warnings.append(f"{candidate.name}, layer {layer!r} is left out: {problem}")
    return replace(candidate, layers=tuple(layers))
