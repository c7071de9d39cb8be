"""Ridge encoding of held-out responses from features, channel by channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...recordings.recording import Recording
from ...recordings.scores import ChannelScores, Scores
from ...stats import audit_folds, grouped_folds, permutation_p, split_half_reliability, two_factor_bootstrap
from ..candidates import Candidate
from ._comparison import COMPARISONS, Context, Outcome, near_duplicates, read_arrays, region_of, write_part
from ._encoding import FoldCorrelations, Responses, encode
from ._region import CHOSEN, Region, RegionCeiling, Spread, layer_columns

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
Block = tuple[str, str]  # region, subject
RIDGE_VERSION = 3
METRIC = "ridge r"
SMALL = 1500  # samples
_REFERENCES = (
    "Hoerl AE, Kennard RW (1970). Ridge regression. Technometrics 12:55-67. "
    "doi:10.1080/00401706.1970.10488634",
    "Naselaris T, Kay KN, Nishimoto S, Gallant JL (2011). Encoding and decoding in fMRI. NeuroImage "
    "56:400-410. doi:10.1016/j.neuroimage.2010.07.073",
)


@dataclass(frozen=True)
class _Options:
    alphas: tuple[float, ...] | None
    n_folds: int
    n_inner: int
    n_splits: int
    groups: str | None

    @property
    def metric(self) -> str:
        """Name of the score; folds other than the dataset's own are named in it."""
        return METRIC if self.groups is None else f"{METRIC} (folds by {self.groups})"


@COMPARISONS.register(
    "ridge",
    summary="held-out correlation of ridge predictions, per channel",
    needs="features or labels; recordings with stimuli",
    paper="Naselaris et al. 2011, doi:10.1016/j.neuroimage.2010.07.073",
)
def ridge(
    context: Context,
    *,
    alphas: list[float] | None = None,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit a penalised linear map from every layer to every channel, and score it on held-out stimuli.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    alphas : list of float, optional
        Penalties to choose from, per channel; by default the encoder's.
    n_folds : int, default=5
        Outer folds; no stimulus is on both sides.
    n_inner : int, default=5
        Folds within the training part that choose penalty and layer.
    n_splits : int, default=20
        Random halves of the repetitions for the ceiling.
    groups : str, optional
        Column of the samples whose values stay on one side of every split; by default what the dataset
        names as near-duplicates, otherwise the stimulus.

    Returns
    -------
    outcome : Outcome
        Region scores are medians over channels of the mean r over folds; per-channel values beside them.
    """
    if context.dataset.study is None:
        raise InputError("`ridge` needs recordings; the dataset holds dissimilarities only. Use `rsa`.")
    if context.dataset.conditions is not None:
        raise InputError("`ridge` needs stimuli; this dataset has conditions only. Use `classify` or `rsa`.")
    if not context.candidates:
        raise InputError("`ridge` needs models; name some under `models`.")
    options = _Options(tuple(alphas) if alphas else None, n_folds, n_inner, n_splits, groups)
    parts: list[Scores] = []
    tables: list[pd.DataFrame] = []
    channels: list[ChannelScores] = []
    audit: dict[str, tuple[str, str, str]] = {}
    blocks = {
        (roi, recording.subject): _responses(context, recording, roi, options)
        for roi in context.rois
        for recording in context.dataset.study.values()
    }
    results = _encode_all(context, blocks, options)
    for roi in context.rois:
        subjects = [blocks[roi, name] for name in context.dataset.subjects]
        tasks = [results[roi, name] for name in context.dataset.subjects]
        for responses in subjects:
            audit[responses.subject] = _audit(context, responses, roi, options)
        region = _region(context, subjects, tasks, roi, options)
        parts += [region.scores(), _fold_rows(context, subjects, tasks, roi, options.metric)]
        tables.append(region.differences())
        channels += _channel_scores(context, subjects, tasks, roi, options.metric)
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        channels=tuple(channels),
        audit=tuple(audit.values()),
        methods=(_methods(context, options),),
        warnings=(
            *_no_ceiling(context),
            *_leaks(audit.values()),
        ),
        references=_REFERENCES,
        notes={
            options.metric: "Median over channels of the held-out correlation, mean over subjects; "
            f"{context.inference.confidence:.0%} bootstrap interval; n counts stimuli."
        },
    )


def _responses(context: Context, recording: Recording, roi: str, options: _Options) -> Responses:
    average = region_of(recording, roi).average_repetitions()
    # One order for all subjects, whatever they saw first: same stimuli, same folds.
    average = average.align(sorted(average.stimulus_ids))
    ids = average.stimulus_ids
    groups = _groups(context, average, options)
    seed = derive_seed(context.plan.seed, "outer folds")
    folds = grouped_folds(groups, n_folds=options.n_folds, random_state=seed)
    return Responses(recording.subject, average.data, ids, groups, folds)


def _leaks(audit: Iterable[tuple[str, str, str]]) -> list[str]:
    return [
        f"{check}: the folds leak ({detail.split(';')[0]}); read these scores as optimistic."
        for check, verdict, detail in audit
        if verdict == "leaks"
    ]


def _no_ceiling(context: Context) -> list[str]:
    assert context.dataset.study is not None  # checked by the caller
    counts = {name: r.samples["stimulus_id"].value_counts() for name, r in context.dataset.study.items()}
    return [
        f"{name}: {int((count < 2).sum())} of {len(count)} stimuli were shown once, so ridge has no ceiling."
        for name, count in counts.items()
        if count.min() < 2
    ][:1]


def _groups(context: Context, average: Recording, options: _Options) -> list[str]:
    """Return what must stay together: the picture, or the named column's value."""
    column = _together(context, options)
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


def _audit(context: Context, responses: Responses, roi: str, options: _Options) -> tuple[str, str, str]:
    assert context.dataset.study is not None  # checked by the caller
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
    return (f"{options.metric}, {responses.subject}", audit.verdict, detail)


def _encode_all(
    context: Context, blocks: dict[Block, Responses], options: _Options
) -> dict[Block, list[Arrays]]:
    """Encode every region of every subject by every model; what has the same stimuli goes together."""
    batches: dict[str, list[Block]] = {}
    for block, responses in blocks.items():
        folds = [[part.tolist() for part in fold] for fold in responses.folds]
        batches.setdefault(digest_json([responses.stimulus_ids, responses.groups, folds]), []).append(block)
    results: dict[Block, list[Arrays]] = {block: [] for block in blocks}
    for candidate in track(context.candidates, "ridge"):
        for split, members in batches.items():
            batch = [blocks[block] for block in members]
            encoded = _task(context, candidate, batch, split, options)
            for block, arrays in zip(members, encoded, strict=True):
                results[block].append(arrays)
    return results


def _task(
    context: Context, candidate: Candidate, batch: list[Responses], split: str, options: _Options
) -> list[Arrays]:
    seed = derive_seed(context.plan.seed, "ridge")

    def make(folder: Path) -> None:
        # Decompositions of a few hundred samples gain nothing from threads, and lose much on a busy machine.
        threads = 1 if len(batch[0].stimulus_ids) <= SMALL else context.plan.threads
        with fixed_threads(threads):
            encoded = encode(candidate, batch, alphas=options.alphas, n_inner=options.n_inner, seed=seed)
        write_part(folder, {f"{i}.{name}": a for i, part in enumerate(encoded) for name, a in part.items()})

    folder = context.store.get(
        "ridge",
        version=RIDGE_VERSION,
        parameters={
            "layers": list(candidate.layers),
            "alphas": options.alphas and list(options.alphas),
            "n_inner": options.n_inner,
            "seed": seed,
            "plan": context.plan.key(),
        },
        inputs={
            "model": candidate.digest,
            "split": split,
            "responses": digest_json([digest_array(responses.Y) for responses in batch]),
        },
        make=make,
    )
    arrays = read_arrays(folder)
    return [
        {name.partition(".")[2]: a for name, a in arrays.items() if name.startswith(f"{i}.")}
        for i in range(len(batch))
    ]


def _region(
    context: Context,
    subjects: list[Responses],
    results: list[list[Arrays]],
    roi: str,
    options: _Options,
) -> Region:
    # What is resampled are groups: versions of one picture are no independent stimuli.
    union = list(dict.fromkeys(name for responses in subjects for name in responses.groups))
    position = {name: i for i, name in enumerate(union)}
    rows = [np.array([position[name] for name in responses.groups]) for responses in subjects]
    correlations = [
        FoldCorrelations(np.stack([task["predictions"] for task in tasks]), responses)
        for tasks, responses in zip(results, subjects, strict=True)
    ]

    def score(weights: Floats) -> Floats:
        return np.stack([each(weights[index]) for each, index in zip(correlations, rows, strict=True)])

    inference, seed = context.inference, derive_seed(context.plan.seed, "ridge", roi)
    folder = context.store.get(
        "ridge-inference",
        version=RIDGE_VERSION,
        parameters={"seed": seed, "inference": inference.model_dump(mode="json"), "plan": context.plan.key()},
        inputs={
            "predictions": digest_json(
                [[digest_array(t["predictions"]) for t in tasks] for tasks in results]
            ),
            "responses": digest_json([[digest_array(s.Y), s.groups] for s in subjects]),
        },
        make=lambda folder: write_part(folder, _infer(correlations, score, context, len(union), seed)),
    )
    arrays = read_arrays(folder)
    layers = [np.concatenate([np.median(task["layers"], axis=1) for task in tasks]) for tasks in results]
    return Region(
        roi=roi,
        metric=options.metric,
        unit="r",
        subjects=[responses.subject for responses in subjects],
        columns=layer_columns(context.candidates),
        layers=np.stack(layers),
        chosen=score(np.ones(len(union))),
        p_layers=np.full(len(layers[0]), np.nan),
        p_chosen=arrays["p"],
        spread=Spread.from_arrays(arrays),
        ceiling=_ceiling(context, roi, options),
        n=len({name for responses in subjects for name in responses.stimulus_ids}),
    )


def _infer(
    correlations: list[FoldCorrelations], score: object, context: Context, n_stimuli: int, seed: int
) -> dict[str, Floats]:
    inference = context.inference
    spread = two_factor_bootstrap(
        score,  # type: ignore[arg-type]
        len(correlations),
        n_stimuli,
        n_bootstrap=inference.n_bootstrap,
        confidence=inference.confidence,
        random_state=derive_seed(seed, "bootstrap"),
    )
    rng = np.random.default_rng(derive_seed(seed, "null"))
    null = np.stack(
        [
            np.mean([each.null(rng) for each in correlations], axis=0)
            for _ in track(range(inference.n_permutations), "permutations")
        ]
    )
    return {"p": permutation_p(spread.estimate, null), **Spread.of(spread).to_arrays()}


def _ceiling(context: Context, roi: str, options: _Options) -> RegionCeiling:
    assert context.dataset.study is not None  # checked by the caller
    uppers, errors = [], []
    for recording in context.dataset.study.values():
        if recording.samples["stimulus_id"].value_counts().min() < 2:
            return RegionCeiling()
        repeats = region_of(recording, roi).repetitions()
        seed = derive_seed(context.plan.seed, "ceiling", roi, recording.subject)
        found = split_half_reliability(repeats, n_splits=options.n_splits, random_state=seed)
        uppers.append(float(np.median(np.nan_to_num(found.ceiling_r, nan=0.0))))
        errors.append(float(np.nanmedian(found.se_ceiling_r)))
    return RegionCeiling(
        lower=np.nan,
        upper=float(np.mean(uppers)),
        se=float(np.sqrt(np.sum(np.square(errors))) / len(errors)),
        estimator="root of split-half reliability (Spearman-Brown), median over channels",
        divides=True,
    )


def _fold_rows(
    context: Context,
    subjects: list[Responses],
    results: list[list[Arrays]],
    roi: str,
    metric: str,
) -> Scores:
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
            for candidate, task in zip(context.candidates, tasks, strict=True)
            for fold in range(len(responses.folds))
        )
    )


def _channel_scores(
    context: Context,
    subjects: list[Responses],
    results: list[list[Arrays]],
    roi: str,
    metric: str,
) -> list[ChannelScores]:
    assert context.dataset.study is not None  # checked by the caller
    return [
        ChannelScores(
            np.concatenate([task["folds_r"].mean(axis=0)[None], task["layers"]]).astype(np.float64),
            (CHOSEN, *candidate.layers),
            region_of(context.dataset.study[responses.subject], roi).channels,
            subject=responses.subject,
            model=candidate.name,
            metric=metric,
            unit="r",
        )
        for responses, tasks in zip(subjects, results, strict=True)
        for candidate, task in zip(context.candidates, tasks, strict=True)
    ]


def _methods(context: Context, options: _Options) -> str:
    inference = context.inference
    subjects = "subjects and stimuli" if len(context.dataset.subjects) > 1 else "stimuli"
    repeated = (
        " Ceiling: root of the reliability of the mean response (Spearman-Brown of "
        f"{options.n_splits} random split halves), median over channels; the share of the ceiling is the "
        "ratio of both medians."
    )
    ceiling = "" if _no_ceiling(context) else repeated
    apart = f"No `{_together(context, options)}` was on both sides of a split. "
    return (
        "Encoding. Responses were averaged over repetitions. A ridge regression from the features (z-scored "
        "on the training part) to each channel was scored by Pearson's r on held-out stimuli in "
        f"{options.n_folds} folds; penalty (per channel) and layer (per fold) were chosen by "
        f"{options.n_inner}-fold cross-validation within the training part. {apart}A region's score is the "
        f"median over channels of the mean r over folds. Intervals ({inference.confidence:.0%}) and "
        f"differences: {inference.n_bootstrap} bootstrap draws over {subjects} of the held-out predictions. "
        f"p against zero: {inference.n_permutations} permutations of the stimuli within folds, p = (b + 1) / "
        f"(m + 1).{ceiling}"
    )


def _together(context: Context, options: _Options) -> str:
    return options.groups or context.dataset.groups or "picture"
