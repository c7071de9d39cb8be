"""Dimension, spectrum and sparsity of each layer and each region, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...metrics import METRICS
from ...recordings.scores import NEITHER, Scores
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure, compare_by
from ._region import layer_columns
from ._systems import System, brain_systems, model_system

_INPUTS = ("patterns", "rates")


@COMPARISONS.register(
    "geometry",
    summary="dimension, spectrum, sparsity of layers and regions, and how far apart they are",
    needs="features; recordings",
    paper="by statistic; see `alignkit list metrics`",
)
def geometry(
    context: Context,
    *,
    statistics: Sequence[str] = ("participation-ratio", "effective-rank", "two-nn-dimension"),
) -> Outcome:
    """Compare statistics of one representation, such as its dimension.

    The distance of two systems is ``|ln(a / b)|`` of the statistic in either.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    statistics : sequence of str
        Metrics that take patterns and return a positive number; ``alignkit list metrics`` shows them.

    Returns
    -------
    outcome : Outcome
        Distances per subject, layer and model; and, on rows of single layers and of the recordings, the
        statistics themselves.
    """
    if not statistics or isinstance(statistics, str):
        raise InputError("`statistics` must name at least one statistic, as a list.")
    known = [name for name in METRICS if _is_statistic(name)]
    for name in statistics:
        if name not in known:
            raise InputError(f"`statistics`: {name!r}, {did_you_mean(name, known)}")
    outcomes = [_one(context, name) for name in statistics]
    first = outcomes[0]
    return replace(
        first,
        scores=Scores.concat([o.scores for o in outcomes] + [_values(context, statistics)]),
        differences=pd.concat([o.differences for o in outcomes], ignore_index=True),
        audit=tuple(row for o in outcomes for row in o.audit),
        methods=tuple(text for o in outcomes for text in o.methods),
        references=tuple(dict.fromkeys(work for o in outcomes for work in o.references)),
        warnings=(),
        notes={metric: note for o in outcomes for metric, note in o.notes.items()},
    )


def _is_statistic(name: str) -> bool:
    facts = METRICS.facts(name)
    return facts["kind"] == "statistic" and facts["inputs"] in _INPUTS


def _one(context: Context, name: str) -> Outcome:
    facts = METRICS.facts(name)
    measure = Measure(
        metric=f"{name} apart",
        unit="ln ratio",
        prepare=lambda system: np.log(_statistic(name, system)),
        compare=lambda model, brain: float(abs(model - brain)),
        settings={"statistic": name},
        needs_patterns=True,
        lower_is_closer=True,
        bounded=False,
        n_blocks=20,
        note=f"|ln| of the ratio of a model's and the brain's {name}, 0 where they are equal",
        methods=f"{name}: {facts['summary']}. Its distance is the absolute natural logarithm of the ratio "
        "between a layer's and a region's value. Noise and the number of channels change a region's value: "
        "this is no test of whether both could be the same.",
        references=(facts["paper"],),
    )
    return compare_by(context, "geometry", measure)


def _statistic(name: str, system: System) -> float:
    assert system.patterns is not None  # the measure needs patterns
    value = float(METRICS[name](system.patterns))
    if not value > 0:
        raise InputError(f"`geometry`: {name} is {value:g} somewhere, and only positive values have a ratio.")
    return value


def _values(context: Context, statistics: Sequence[str]) -> Scores:
    rows = []
    columns = layer_columns([c for c in context.candidates if c.features is not None])
    for roi in context.rois:
        brains = brain_systems(context, roi, distance="squared-euclidean", kind="geometry", patterns=True)
        for name in statistics:
            shared = {"roi": roi, "metric": name, "fold": "all", "unit": METRICS.facts(name)["unit"]}
            shared["closer"] = NEITHER
            found = [_statistic(name, system) for system in brains.systems]
            for subject, value in zip(brains.subjects, found, strict=True):
                rows.append({**shared, "subject": subject, "model": "the recording", "value": value})
            rows.append({**shared, "subject": "all", "model": "the recording", "value": np.mean(found)})
            for column in columns:
                system = model_system(column, brains.stimulus_ids, "squared-euclidean")
                about = {"model": column.name, "family": column.candidate.family, "layer": column.layer}
                rows.append({**shared, **about, "subject": "all", "value": _statistic(name, system)})
    return Scores(pd.DataFrame(rows))
