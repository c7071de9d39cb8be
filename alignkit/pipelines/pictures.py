"""The dissimilarity matrices that a report draws, and a thumbnail of each stimulus."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..recordings.rdms import RDMs
from ..recordings.stimuli import StimulusSet
from .comparisons import Context, Outcome, Picture

THUMBNAIL_PX = 48
MAX_MODEL_PICTURES = 5


def drawn_matrices(
    context: Context, outcomes: Sequence[Outcome], ranking: Mapping[str, Sequence[str]]
) -> tuple[RDMs | None, tuple[bytes, ...]]:
    """Return the brain's matrices and each region's leading models, with a thumbnail per stimulus.

    Stimuli of one category stand together, by the first label, unless they do so already.
    """
    pictures = next((outcome.pictures for outcome in outcomes if outcome.pictures), ())
    if not pictures:
        return None, ()
    kept = [picture for picture in pictures if picture.role == "brain"]
    for roi in dict.fromkeys(picture.roi for picture in pictures):
        names = list(ranking.get(roi, ()))
        models = [picture for picture in pictures if picture.role == "model" and picture.roi == roi]
        models.sort(key=lambda picture: _rank(picture, names))
        drawn = {picture.name for picture in kept}
        kept += [picture for picture in models[:MAX_MODEL_PICTURES] if picture.name not in drawn]
    table = pd.DataFrame(
        {
            "name": [picture.name for picture in kept],
            "role": [picture.role for picture in kept],
            "roi": [picture.roi for picture in kept],
            "subject": "all",
        }
    )
    values: NDArray[np.float64] = np.stack([picture.values for picture in kept])
    rdms = RDMs(values, kept[0].stimulus_ids, table, "dissimilarity")
    rdms = rdms.align(by_label(rdms.stimulus_ids, context.dataset.labels))
    stimuli = context.dataset.stimuli
    thumbnails = (
        ()
        if stimuli is None or stimuli.kind != "image"
        else tuple(_thumbnail(stimuli, name) for name in rdms.stimulus_ids)
    )
    return rdms, thumbnails


def by_label(stimulus_ids: Sequence[str], labels: pd.DataFrame | None) -> list[str]:
    """Return ids with those of one category together, by the first label column."""
    columns = [] if labels is None else [column for column in labels.columns if column != "stimulus_id"]
    if labels is None or not columns:
        return list(stimulus_ids)
    of = dict(zip(labels["stimulus_id"].astype(str), labels[columns[0]].astype(str), strict=True))
    values = [of.get(name, "") for name in stimulus_ids]
    n_stretches = 1 + sum(a != b for a, b in zip(values, values[1:], strict=False))
    if n_stretches == len(set(values)):
        return list(stimulus_ids)
    return [name for _, name in sorted(zip(values, stimulus_ids, strict=True), key=lambda pair: pair[0])]


def _rank(picture: Picture, names: list[str]) -> int:
    return names.index(picture.model) if picture.model in names else len(names)


def _thumbnail(stimuli: StimulusSet, stimulus_id: str) -> bytes:
    image = stimuli.open(stimulus_id)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
