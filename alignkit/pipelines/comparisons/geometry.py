"""Dimension, spectrum and sparsity of each layer and each region, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.hashing import digest_json
from ...metrics import METRICS
from ...recordings.scores import NEITHER, Scores
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._region import Column, layer_columns
from ._systems import Brains, Distance, System, brain_systems, model_system

_INPUTS = ("RDM", "labelled", "patterns", "rates")


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
    labels: str | None = None,
    distance: Distance = "correlation",
) -> Outcome:
    """Compare statistics of one representation, such as its dimension.

    The distance of two systems is ``|ln(a / b)|`` of the statistic in either, or ``|a - b|`` of a statistic
    that can be below 0.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    statistics : sequence of str
        Metrics of kind "statistic" that take patterns, rates, an RDM or labelled patterns; ``alignkit list
        metrics --json`` shows them. Of one value per unit or stimulus the mean is taken.
    labels : str, optional
        Label column with the classes, for statistics of labelled patterns such as manifold capacity.
    distance : str, default="correlation"
        Between the patterns of two stimuli, for statistics of an RDM.

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
        if METRICS.facts(name)["inputs"] == "labelled" and labels is None:
            raise InputError(f"`geometry`: {name} compares classes; name the label column as `labels`.")
    values = _labels(context, labels)
    sources = [_Source(context, name, distance, values) for name in statistics]
    outcomes = [source.compare() for source in sources]
    return replace(
        outcomes[0],
        scores=Scores.concat([o.scores for o in outcomes] + [source.values() for source in sources]),
        differences=pd.concat([o.differences for o in outcomes], ignore_index=True),
        audit=tuple(row for o in outcomes for row in o.audit),
        methods=tuple(text for o in outcomes for text in o.methods),
        references=tuple(dict.fromkeys(work for o in outcomes for work in o.references)),
        warnings=(),
        notes={metric: note for o in outcomes for metric, note in o.notes.items()},
    )


@dataclass(frozen=True, eq=False)
class _Source:
    """One statistic, and the systems that it describes."""

    context: Context
    name: str
    distance: Distance
    labels: dict[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        return METRICS.facts(self.name)

    def brains(self, roi: str) -> Brains:
        found = brain_systems(
            self.context, roi, distance=self.distance, kind="geometry", patterns=self.facts["inputs"] != "RDM"
        )
        return replace(found, systems=[self._labelled(s, found.stimulus_ids) for s in found.systems])

    def model(self, column: Column, brains: Brains) -> System:
        system = model_system(column, brains.stimulus_ids, self.distance)
        return self._labelled(system, brains.stimulus_ids)

    def _labelled(self, system: System, stimulus_ids: Sequence[str]) -> System:
        if not self.labels:
            return system
        return replace(system, labels=np.array([self.labels[name] for name in stimulus_ids]))

    def statistic(self, system: System) -> float:
        inputs = self.facts["inputs"]
        arguments: list[Any] = [system.dissimilarities if inputs == "RDM" else system.patterns]
        arguments += [system.labels] * (inputs == "labelled")
        return float(np.mean(METRICS[self.name](*arguments)))

    def compare(self) -> Outcome:
        ratio = self.facts["range"][0] >= 0
        how = "natural logarithm of the ratio" if ratio else "difference"
        measure = Measure(
            metric=f"{self.name} apart",
            unit="ln ratio" if ratio else str(self.facts["unit"]),
            prepare=lambda system: self._comparable(system, ratio),
            compare=lambda model, brain: float(abs(model - brain)),
            brains=self.brains,
            model=self.model,
            settings={"statistic": self.name, "labels": digest_json(self.labels)},
            distance=self.distance,
            needs_patterns=self.facts["inputs"] != "RDM",
            lower_is_closer=True,
            bounded=False,
            n_blocks=20,
            note=f"Absolute {how} of a model's and the brain's {self.name}, 0 where they are equal",
            methods=f"{self.name}: {self.facts['summary']}. Its distance is the absolute {how} of a layer's "
            "and a region's value. Noise and the number of channels change a region's value: this is no test "
            "of whether both could be the same.",
            references=(self.facts["paper"],),
        )
        return compare_by(self.context, "geometry", measure)

    def _comparable(self, system: System, ratio: bool) -> float:
        value = self.statistic(system)
        if ratio and not value > 0:
            raise InputError(
                f"`geometry`: {self.name} is {value:g} somewhere, and only positive values have a ratio."
            )
        return float(np.log(value)) if ratio else value

    def values(self) -> Scores:
        """Return the statistics themselves, of recordings and of single layers."""
        wanted = self.facts["inputs"] == "RDM"
        columns = layer_columns([c for c in self.context.candidates if wanted or c.features is not None])
        rows = []
        for roi in self.context.rois:
            brains = self.brains(roi)
            shared = {
                "roi": roi, "metric": self.name, "fold": "all", "unit": self.facts["unit"], "closer": NEITHER,
            }  # fmt: skip
            found = [self.statistic(system) for system in brains.systems]
            for subject, value in zip([*brains.subjects, "all"], [*found, np.mean(found)], strict=True):
                rows.append({**shared, "subject": subject, "model": "the recording", "value": value})
            for column in columns:
                value = self.statistic(self.model(column, brains))
                about = {"model": column.name, "family": column.candidate.family, "layer": column.layer}
                rows.append({**shared, **about, "subject": "all", "value": value})
        return Scores(pd.DataFrame(rows))


def _labels(context: Context, column: str | None) -> dict[str, Any]:
    if column is None:
        return {}
    table = context.dataset.labels
    known = [] if table is None else [str(c) for c in table.columns if c != "stimulus_id"]
    if table is None or column not in known:
        raise InputError(f"`labels`: {column!r}, {did_you_mean(column, known)}")
    return dict(zip(table["stimulus_id"].astype(str), table[column].astype(str), strict=True))


def _is_statistic(name: str) -> bool:
    facts = METRICS.facts(name)
    return facts["kind"] == "statistic" and facts["inputs"] in _INPUTS
