"""What a searchlight hands on: means over regions, shares of significant centres, maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...recordings.recording import Recording
from ...recordings.scores import ChannelScores, Scores
from ...stats import two_factor_jackknife
from ._comparison import Context
from ._region import CHOSEN, Column, Region, RegionCeiling, Spread, p_of_layers
from ._searchlight_data import Light
from ._searchlight_maps import Arrays, Search

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
ALPHA = 0.05
_UNITS = {"spearman": "rho", "kendall": "tau-a", "cosine": "cosine", "pearson": "r", "rho-a": "rho-a"}


@dataclass(frozen=True, eq=False)
class Found:
    """All arrays of a searchlight, with what they are of.

    Attributes
    ----------
    metric : str
        What the similarities are called.
    lights : list of Light
        Of the subjects.
    search : Search
        Models and exchanges.
    columns : list of Column
        The models.
    subjects : list of dict
        What :func:`search_subject` returned.
    mean : dict or None
        What :func:`search_mean` returned, where subjects share a space.
    """

    metric: str
    lights: list[Light]
    search: Search
    columns: list[Column]
    subjects: list[Arrays]
    mean: Arrays | None


def region_of_centres(context: Context, found: Found, number: int) -> Region:
    """Return the means over a region's centres, with intervals from leaving out stimuli or runs."""
    search, subjects = found.search, [light.recording.subject for light in found.lights]
    tables = np.stack([arrays["jackknife"][:, number] for arrays in found.subjects], axis=1)
    n_units = search.items.n_units
    blocks = np.arange(n_units) % (len(tables) - 1)

    def score(keep: NDArray[np.bool_]) -> Floats:
        row = 0 if keep.all() else 1 + int(blocks[~keep][0])
        return np.where(search.firm, tables[row], np.nan)

    spread = two_factor_jackknife(
        score, len(subjects), n_units, n_blocks=len(tables) - 1, confidence=context.inference.confidence
    )
    means = tables[0]
    null = np.mean([arrays["region_null"][:, :, number] for arrays in found.subjects], axis=0)
    p = p_of_layers(means, means, null, found.columns)
    return Region(
        roi=context.rois[number],
        metric=found.metric,
        unit=_UNITS[search.comparison],
        subjects=subjects,
        columns=found.columns,
        layers=means,
        chosen=means,
        p_layers=p["p_layers"],
        p_chosen=p["p_chosen"],
        spread=Spread.of(spread),
        ceiling=RegionCeiling(),
        n=n_units if search.items.run_wise else len(search.items.ids),
    )


def shares(context: Context, found: Found) -> Scores:
    """Return the share of significant centres, per subject, over subjects, and of the subjects' mean."""
    metric = f"{found.metric} significant share"
    rows: list[dict[str, Any]] = []
    for number, roi in enumerate(context.rois):
        each = [
            _share(arrays["p_max"], light.regions == number)
            for light, arrays in zip(found.lights, found.subjects, strict=True)
        ]
        for light, (values, count) in zip(found.lights, each, strict=True):
            rows += _share_rows(found, roi, light.recording.subject, metric, values, count)
        mean = np.mean([values for values, _ in each], axis=0)
        rows += _share_rows(found, roi, "all", metric, mean, sum(count for _, count in each))
        if found.mean is not None:
            inside = found.lights[0].regions[found.lights[0].row_of[found.mean["channels"]]] == number
            values, count = _share(found.mean["p_max"], inside)
            rows += _share_rows(found, roi, "all", f"{metric}, group mean", values, count)
    return Scores(pd.DataFrame(rows))


def maps(found: Found) -> tuple[ChannelScores, ...]:
    """Return every subject's maps, and those of the mean over subjects at the first subject's channels."""
    made: list[ChannelScores] = []
    for light, arrays in zip(found.lights, found.subjects, strict=True):
        made += _maps_of(found, arrays, light.recording, light.centres, found.metric)
    if found.mean is not None:
        name = f"{found.metric} mean of {len(found.lights)} subjects"
        made += _maps_of(found, found.mean, found.lights[0].recording, found.mean["channels"], name)
    return tuple(made)


def _share(p_max: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, int]:
    known = p_max[:, inside & np.isfinite(p_max).all(axis=0)]
    return (known < ALPHA).sum(axis=1) / max(1, known.shape[1]), known.shape[1]


def _share_rows(
    found: Found, roi: str, subject: str, metric: str, values: Floats, count: int
) -> list[dict[str, Any]]:
    if not count:
        return []
    return [
        {
            "subject": subject,
            "roi": roi,
            "model": column.name,
            "family": column.candidate.family,
            "layer": CHOSEN,
            "metric": metric,
            "fold": "all",
            "value": value,
            "unit": "proportion",
            "n": count,
        }
        for column, value in zip(found.columns, values, strict=True)
    ]


def _maps_of(
    found: Found, arrays: Arrays, recording: Recording, channels: Index, metric: str
) -> list[ChannelScores]:
    table = recording.channels.iloc[channels]

    def scores(m: int, name: str, unit: str, values: Floats) -> ChannelScores:
        column = found.columns[m]
        facts = {"subject": recording.subject, "model": column.name, "metric": name, "unit": unit}
        return ChannelScores(values[m][None], (column.layer,), table, **facts)

    # The name of a map of p is its unit.
    # A report draws the first few: the model that fits best on average, where it is significant, the next.
    made, last = [], []
    for m in np.argsort(-np.nanmean(arrays["similarity"], axis=1), kind="stable"):
        made.append(scores(m, metric, _UNITS[found.search.comparison], arrays["similarity"]))
        made.append(scores(m, f"{metric} -log10 p corrected", "", _minus_log10(arrays["p_max"])))
        last.append(scores(m, f"{metric} -log10 p", "", _minus_log10(arrays["p"])))
    return made + last


def _minus_log10(p: Floats) -> Floats:
    # Without the sign that the logarithm of 1 leaves on its zero.
    return np.asarray(-np.log10(p) + 0.0)
