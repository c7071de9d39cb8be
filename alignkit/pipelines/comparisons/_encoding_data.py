"""What is encoded: mean responses or time courses of each region, their folds, and the audit of those."""

from __future__ import annotations

import numpy as np

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.hashing import digest_json
from ..._core.random import derive_seed
from ...recordings.recording import Recording
from ...stats import audit_folds, grouped_folds
from ..continuous import TimeAxis
from ._comparison import Context, near_duplicates, region_of
from ._encoding import Responses

Block = tuple[str, str]  # region, subject


def all_responses(context: Context, kind: str, *, n_folds: int, groups: str | None) -> dict[Block, Responses]:
    """Return the responses of every region of every subject, with their folds.

    Raises
    ------
    InputError
        Without recordings of stimuli, without models, or for folds that cannot be made.
    """
    if context.dataset.study is None:
        raise InputError(f"`{kind}` needs recordings; the dataset holds dissimilarities only. Use `rsa`.")
    if context.dataset.conditions is not None:
        raise InputError(
            f"`{kind}` needs stimuli; this dataset has conditions only. Use `classify` or `rsa`."
        )
    if not context.candidates:
        raise InputError(f"`{kind}` needs models; name some under `models`.")
    return {
        (roi, recording.subject): _responses(context, recording, roi, n_folds, groups)
        for roi in context.rois
        for recording in context.dataset.study.values()
    }


def batches_of(blocks: dict[Block, Responses]) -> dict[str, list[Block]]:
    """Return the blocks that have the same stimuli and folds, by the digest of those."""
    batches: dict[str, list[Block]] = {}
    for block, responses in blocks.items():
        folds = [[part.tolist() for part in fold] for fold in responses.folds]
        key = digest_json([responses.stimulus_ids, responses.groups, folds, responses.gap])
        batches.setdefault(key, []).append(block)
    return batches


def _responses(
    context: Context, recording: Recording, roi: str, n_folds: int, groups: str | None
) -> Responses:
    if context.axis is not None:
        return _time_courses(context.axis, region_of(recording, roi), n_folds, groups)
    average = region_of(recording, roi).average_repetitions()
    # One order for all subjects, whatever they saw first: same stimuli, same folds.
    average = average.align(sorted(average.stimulus_ids))
    ids = average.stimulus_ids
    labels = _groups(context, average, groups)
    seed = derive_seed(context.plan.seed, "outer folds")
    folds = grouped_folds(labels, n_folds=n_folds, random_state=seed)
    return Responses(recording.subject, average.data, ids, labels, folds)


def _time_courses(axis: TimeAxis, recording: Recording, n_folds: int, groups: str | None) -> Responses:
    if groups is not None:
        raise InputError(
            "`groups` is for separate stimuli; a continuous recording is split into runs, or blocks of time."
        )
    Y = np.asarray(recording.data[...], dtype=np.float32)
    folds = axis.folds(n_folds)
    return Responses(recording.subject, Y, list(axis.sample_ids), axis.blocks, folds, gap=axis.gap)


def _groups(context: Context, average: Recording, groups: str | None) -> list[str]:
    """Return what must stay together: the picture, or the named column's value."""
    column = kept_together(context, groups)
    if column == "stimulus_id":
        return average.stimulus_ids
    if column != "picture":
        if column not in average.samples:
            raise InputError(
                f"`groups`: the samples of {average.subject!r} have no column {column!r} that is the same in "
                f"all repetitions of a stimulus; {did_you_mean(column, list(average.samples.columns))}"
            )
        return [str(value) for value in average.samples[column]]
    return near_duplicates(context, average, average.stimulus_ids) or average.stimulus_ids


def audit_of(context: Context, responses: Responses, roi: str, metric: str) -> tuple[str, str, str]:
    """Return what the audit of a subject's folds says."""
    assert context.dataset.study is not None  # checked by the caller
    if responses.gap is not None:
        detail = (
            f"{len(responses.folds)} folds of contiguous time, {responses.gap} samples left out beside each"
        )
        return (f"{metric}, {responses.subject}", "clean", detail)
    average = region_of(context.dataset.study[responses.subject], roi).average_repetitions()
    average = average.align(responses.stimulus_ids)
    stimuli = context.dataset.stimuli
    audit = audit_folds(
        responses.folds,
        stimulus_ids=responses.stimulus_ids,
        content_digests=None
        if stimuli is None
        else [stimuli.content_digests[i] for i in responses.stimulus_ids],
        near_duplicates=near_duplicates(context, average, responses.stimulus_ids),
    )
    if audit.verdict == "leaks" and context.strict:
        raise InputError(f"the leakage audit of {responses.subject!r} found: {'; '.join(audit.findings)}")
    detail = "; ".join(audit.findings) or f"{len(responses.folds)} folds; " + ", ".join(audit.checked)
    return (f"{metric}, {responses.subject}", audit.verdict, detail)


def kept_together(context: Context, groups: str | None) -> str:
    """Return the name of what is never on both sides of a split."""
    return groups or context.dataset.groups or "picture"
