"""Channel-wise results back in the space that they came from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..recordings.geometry import VolumeGeometry
from ..recordings.maps import write_maps
from ..recordings.recording import Recording
from ..recordings.scores import ChannelScores
from ..reports import BrainMap
from ..stats import split_half_reliability
from .comparisons import Context, Outcome

MAX_MAPS_IN_REPORT = 4


def write_map_files(folder: Path, context: Context, outcomes: list[Outcome]) -> None:
    """Write a map per subject, model and metric, in the format of the space that the channels came from."""
    used: set[str] = set()
    for (subject, model, metric), scores in _by_model(outcomes).items():
        recording = _recording(context, subject)
        if recording is None or recording.geometry is None:
            continue
        name = "_".join(f"{key}-{_safe(value)}" for key, value in
                        (("sub", subject), ("model", model), ("metric", metric)))  # fmt: skip
        # Names that differ in punctuation only must not share a file.
        number = 2
        while name in used:
            name = f"{name.removesuffix(f'-{number - 1}')}-{number}"
            number += 1
        used.add(name)
        write_maps(
            folder / name,
            recording.geometry,
            _fill(recording, scores),
            names=[f"{model}, {metric}"],
            unit=scores[0].unit,
        )


def report_maps(context: Context, outcomes: list[Outcome], best: list[str]) -> list[BrainMap]:
    """Return the few maps that the report draws: reliability, and the leading models of one subject."""
    study = context.dataset.study
    recording = next(iter(study.values())) if study is not None else None
    if recording is None or not isinstance(recording.geometry, VolumeGeometry):
        return []
    maps = []
    space, subject = recording.geometry.space, recording.subject
    if (
        recording.samples["stimulus_id"].value_counts().min() > 1
        and recording.samples["stimulus_id"].nunique() >= 4
    ):
        found = split_half_reliability(recording.repetitions(), random_state=0)
        image = recording.geometry.to_image(found.half_r)
        title = f"Split-half reliability of the responses of {subject}"
        maps.append(BrainMap(title, image, subject, "data", "split-half reliability", "r", space))
    for (owner, model, metric), scores in _by_model(outcomes).items():
        if owner == subject and model in best and len(maps) < MAX_MAPS_IN_REPORT:
            image = recording.geometry.to_image(_fill(recording, scores))
            title = f"{model}: {metric} in {subject}"
            maps.append(BrainMap(title, image, subject, model, metric, scores[0].unit, space))
    return maps


def _by_model(outcomes: list[Outcome]) -> dict[tuple[str, str, str], list[ChannelScores]]:
    grouped: dict[tuple[str, str, str], list[ChannelScores]] = {}
    for outcome in outcomes:
        for scores in outcome.channels:
            grouped.setdefault((scores.subject, scores.model, scores.metric), []).append(scores)
    return grouped


def _recording(context: Context, subject: str) -> Recording | None:
    return context.dataset.study[subject] if context.dataset.study is not None else None


def _fill(recording: Recording, parts: list[ChannelScores]) -> NDArray[np.float64]:
    """Put the first row of each region's scores at its channels, by name; NaN elsewhere."""
    position = {name: i for i, name in enumerate(recording.channels["name"])}
    values = np.full(recording.n_channels, np.nan)
    for part in parts:
        values[[position[name] for name in part.channels["name"]]] = part.values[0]
    return values


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "", name.title()) or "x"
