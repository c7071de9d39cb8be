"""Matrices of the layers whose answers have dissimilarities at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._core.errors import InputError
from ..candidates import Candidate
from ._comparison import Context
from ._items import Items
from ._region import Column, Floats
from ._rsa_data import BrainDistance, model_matrices


def answering(context: Context, distance: BrainDistance, items: Items) -> tuple[Context, Floats, list[str]]:
    """Return the models' matrices, without layers that have none or whose dissimilarities are all equal.

    A layer that gives all its units one value for some stimulus has no correlation distance there; a readout
    of two units has no distance but 0 and 2. One such layer would stop a comparison of dozens of networks.

    Returns
    -------
    context : Context
        Its candidates without those layers.
    matrices : ndarray of shape (n_columns, n_pairs)
        A row per layer that is left, in order.
    warnings : list of str
        What was left out, and why.

    Raises
    ------
    InputError
        If no model is left.
    """
    kept: list[Candidate] = []
    rows: list[Floats] = []
    warnings: list[str] = []
    for candidate in context.candidates:
        layers = []
        for layer in candidate.layers:
            problem = ""
            try:
                row = model_matrices([Column(candidate, layer)], items, distance)[0]
            except InputError as error:
                if candidate.features is None:
                    raise
                problem = str(error)
            else:
                if candidate.features is not None and not np.ptp(row) > 0:
                    problem = "all its dissimilarities are equal."
            if problem:
                warnings.append(f"{candidate.name}, layer {layer!r} is left out: {problem}")
                continue
            layers.append(layer)
            rows.append(row)
        if layers:
            kept.append(replace(candidate, layers=tuple(layers)))
    if not kept:
        raise InputError(f"no model has patterns whose dissimilarities differ. {' '.join(warnings)}")
    return replace(context, candidates=tuple(kept)), np.stack(rows), warnings
