"""From a dataset to trials with targets, and to what must stay on one side of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...datasets import Dataset
from ...decoders.trials import Targets, Trials
from ...recordings.recording import Recording
from ...recordings.study import Study
from ..living import living
from .config import DecodeConfig
from .targets import Embeddings

N_BLOCKS = 10
BLOCK, TRIAL = "block", "trial"
_RUN = "run"


def trials_of(config: DecodeConfig, dataset: Dataset, embeddings: Embeddings | None) -> Trials:
    """Match the samples of a dataset with what is decoded.

    Parameters
    ----------
    config : DecodeConfig
        Says region, times, what is decoded, and what stays whole.
    dataset : Dataset
        With recordings of separate stimuli.
    embeddings : Embeddings or None
        Of the stimuli; None where a label is decoded.

    Returns
    -------
    trials : Trials
        Embeddings as they are; nothing is fitted yet.

    Raises
    ------
    InputError
        If there are no recordings, no such column, region or times, or stimuli without features.
    """
    if dataset.study is None or dataset.tracks:
        raise InputError(
            f"decoding needs recordings of separate stimuli, and {dataset.name!r} holds "
            f"{'a continuous stimulus' if dataset.tracks else 'dissimilarities'}."
        )
    study = Study.of(*(_part(recording, config) for recording in dataset.study.values()))
    study = living(replace(dataset, study=study)).study or study
    units = units_of(config, dataset, study)
    if embeddings is None:
        assert config.target.label is not None  # the configuration has one of the two
        study = _labelled(study, config.target.label, dataset.labels)
        study = _with_units(study, units)
        classes = sorted({v for r in study.values() for v in r.samples[config.target.label].map(str)})
        return Trials.of(study, Targets(tuple(classes)), labels=config.target.label, units=units)
    values = embeddings.values
    targets = Targets(embeddings.names, values, *((values.shape[1], 1) if embeddings.has_variants else ()))
    return Trials.of(_with_units(study, units), targets, groups=_groups(dataset), units=units)


def units_of(config: DecodeConfig, dataset: Dataset, study: Study) -> str | None:
    """Return the column whose values stay whole: the one named, runs, or blocks of successive trials.

    For embeddings it is the one that groups versions of a stimulus, which leak although they are stimuli of
    their own; None: the stimulus with its near-duplicates.
    """
    named = config.split.units
    if named is not None:
        columns = [*map(str, next(iter(study.values())).samples.columns), BLOCK, TRIAL]
        if named not in columns:
            raise InputError(f"`split: units`: {named!r}, {did_you_mean(named, columns)}")
        return named
    if config.target.label is None:
        return dataset.groups
    return _RUN if all(_RUN in recording.samples for recording in study.values()) else BLOCK


def _part(recording: Recording, config: DecodeConfig) -> Recording:
    if config.roi is not None:
        recording = recording.select(roi=config.roi)
    if config.crop_s is None:
        return recording
    start, stop = config.crop_s
    times = recording.times_s
    if times is None:
        raise InputError(f"`crop_s` needs times, and the recording of {recording.subject!r} has none.")
    # A bound that was rounded to milliseconds still takes its own sample.
    kept = np.flatnonzero((times >= start - 1e-6) & (times <= stop + 1e-6))
    if not kept.size:
        raise InputError(
            f"`crop_s`: no time of {recording.subject!r} lies in {start:g} to {stop:g} s; it has "
            f"{times[0]:g} to {times[-1]:g} s."
        )
    data = np.ascontiguousarray(np.asarray(recording.data[...])[:, :, kept])
    return replace(recording, data=data, times_s=times[kept])


def _labelled(study: Study, label: str, labels: pd.DataFrame | None) -> Study:
    """Return recordings whose samples have the label; where they lack it, that of their stimulus."""
    made = []
    for recording in study.values():
        if label in recording.samples:
            made.append(recording)
            continue
        if labels is None or label not in labels:
            known = sorted(
                {*map(str, recording.samples.columns), *([] if labels is None else map(str, labels.columns))}
            )
            raise InputError(f"`target: label`: {label!r}, {did_you_mean(label, known)}")
        of_stimulus = dict(zip(labels["stimulus_id"].map(str), labels[label], strict=True))
        values = pd.Series([of_stimulus.get(name) for name in recording.stimulus_ids])
        made.append(replace(recording, samples=recording.samples.assign(**{label: values})))
    return Study.of(*made)


def _with_units(study: Study, units: str | None) -> Study:
    if units not in (BLOCK, TRIAL) or all(units in recording.samples for recording in study.values()):
        return study
    made = []
    for recording in study.values():
        samples = recording.samples
        # In the order in which trials were recorded, so that slow noise stays in one block.
        order = np.arange(len(samples))
        if "onset_s" in samples:
            order = np.argsort(samples["onset_s"].to_numpy(dtype=np.float64), kind="stable")
        place = np.empty(len(order), dtype=int)
        place[order] = np.arange(len(order))
        number = place if units == TRIAL else place * N_BLOCKS // len(order)
        names = [f"{units} {n + 1:0{len(str(number.max() + 1))}d}" for n in number]
        made.append(replace(recording, samples=samples.assign(**{units: pd.Series(names)})))
    return Study.of(*made)


def _groups(dataset: Dataset) -> Mapping[str, object] | None:
    if dataset.stimuli is None:
        return None
    return dict(zip(dataset.stimuli.stimulus_ids, dataset.stimuli.near_duplicates(), strict=True))
