"""What hyper-parameters may be chosen from: everything but what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ._runs import Floats, RunModel, orthonormal

HoldOutBy = Literal["volumes", "labels"]

# A trial of which less than the first share of its response is left is not compared with its repeats; of
# which less than the second is left is not modelled.
_COMPARED, _MODELLED = 0.5, 0.05


def check_held_out(hold_out: Sequence[str], trials: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which trials are held out."""
    if isinstance(hold_out, str):
        raise InputError(f"`hold_out` must be a list of stimulus ids, got the text {hold_out!r}.")
    wanted = {str(stimulus) for stimulus in hold_out}
    unknown = sorted(wanted - set(trials["stimulus_id"]))
    if unknown:
        raise InputError(
            f"`hold_out` names {len(unknown)} stimuli that no run shows, such as {unknown[0]!r}. Give ids as "
            "they are in the events."
        )
    return np.asarray(trials["stimulus_id"].isin(wanted).to_numpy(), dtype=np.bool_)


def tuning_models(
    models: Sequence[RunModel],
    regressors: Sequence[Floats],
    trials: pd.DataFrame,
    held_out: NDArray[np.bool_],
    *,
    scans_s: Sequence[Floats],
    window_s: float,
) -> tuple[list[RunModel], NDArray[np.bool_]]:
    """Return the runs without the volumes that follow a held-out trial, and which trials are compared.

    Gone are the volumes from each held-out trial's onset until `window_s` seconds after its end; trials
    whose response is gone with them are not modelled, runs without any trial left are not read.
    """
    left, compared = [], ~held_out
    onsets, ends = trials["onset_s"].to_numpy(), (trials["onset_s"] + trials["duration_s"]).to_numpy()
    for model, nuisance, scans in zip(models, regressors, scans_s, strict=True):
        gone = np.zeros(len(scans), dtype=bool)
        for trial in model.trials[held_out[model.trials]]:
            gone |= (scans >= onsets[trial]) & (scans <= ends[trial] + window_s)
        if not gone.any():
            left.append(model)
            continue
        rows = np.flatnonzero(~gone)
        design = model.designs[0]
        share = (design[rows] ** 2).sum(axis=0) / (design**2).sum(axis=0)
        compared[model.trials] &= share >= _COMPARED
        kept = (share >= _MODELLED) & ~held_out[model.trials]
        basis = orthonormal(nuisance[rows]) if len(rows) else np.empty((0, 0))
        if not kept.any() or len(rows) <= basis.shape[1] + 1:
            compared[model.trials] = False
            continue
        left.append(
            replace(
                model,
                rows=rows,
                basis=basis,
                designs=tuple(shape[rows][:, kept] for shape in model.designs),
                trials=model.trials[kept],
            )
        )
    if not left:
        raise InputError(
            f"without the volumes until {window_s:g} s after each held-out trial nothing is left to choose "
            "hyper-parameters from. Put held-out stimuli into runs of their own, or set "
            "`hold_out_by='labels'`."
        )
    return left, compared
