"""Rows of the scores table that encoding adds: per fold, and per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...recordings.scores import ChannelScores, Scores
from ...recordings.study import Study
from ..candidates import Candidate
from ._comparison import region_of
from ._encoding import Responses
from ._region import CHOSEN

Arrays = dict[str, NDArray[Any]]


def fold_rows(
    candidates: Sequence[Candidate],
    subjects: list[Responses],
    results: list[list[Arrays]],
    roi: str,
    metric: str,
) -> Scores:
    """Return a row per subject, model and outer fold, its layer chosen."""
    return Scores(
        pd.DataFrame(
            {
                "subject": responses.subject,
                "roi": roi,
                "model": candidate.name,
                "family": candidate.family,
                "layer": CHOSEN,
                "metric": metric,
                "fold": str(fold),
                "value": float(np.median(task["folds_r"][fold])),
                "unit": "r",
                "n": len(responses.folds[fold][1]),
            }
            for responses, tasks in zip(subjects, results, strict=True)
            for candidate, task in zip(candidates, tasks, strict=True)
            for fold in range(len(responses.folds))
        )
    )


def channel_scores(
    study: Study,
    candidates: Sequence[Candidate],
    subjects: list[Responses],
    results: list[list[Arrays]],
    roi: str,
    metric: str,
) -> list[ChannelScores]:
    """Return every channel's held-out r, per subject and model, of the chosen and of all layers."""
    return [
        ChannelScores(
            np.concatenate([task["folds_r"].mean(axis=0)[None], task["layers"]]).astype(np.float64),
            (CHOSEN, *candidate.layers),
            region_of(study[responses.subject], roi).channels,
            subject=responses.subject,
            model=candidate.name,
            metric=metric,
            unit="r",
        )
        for responses, tasks in zip(subjects, results, strict=True)
        for candidate, task in zip(candidates, tasks, strict=True)
    ]
