"""Held-out encoding of recordings by every model: what all encoders have in common in a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...recordings.recording import Recording
from ...recordings.scores import ChannelScores, Scores
from ...stats import (
    leave_one_subject_out,
    permutation_p,
    split_half_reliability,
    two_factor_bootstrap,
    widen_cross_validated_null,
)
from ..candidates import Candidate
from ._comparison import Context, Outcome, read_arrays, region_of, write_part
from ._encoding import FoldCorrelations, Recipe, Responses, encode
from ._encoding_data import Block, all_responses, audit_of, batches_of, kept_together
from ._encoding_rows import channel_scores, fold_rows
from ._encoding_text import LEAST_REPEATED, leaks, methods_of, no_ceiling, too_little_shared
from ._region import Region, RegionCeiling, Spread, layer_columns

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
ENCODING_VERSION = 5
SMALL = 1500  # samples


@dataclass(frozen=True)
class Options:
    """How a run encodes, whatever the encoder.

    Attributes
    ----------
    n_folds : int
        Outer folds; no stimulus is on both sides.
    n_splits : int
        Random halves of the repetitions for the ceiling.
    groups : str or None
        Column of the samples whose values stay on one side of every split; by default what the dataset names
        as near-duplicates, otherwise the picture.
    """

    n_folds: int
    n_splits: int
    groups: str | None

    def metric(self, kind: str) -> str:
        """Return the name of the score; folds other than the dataset's own are named in it."""
        return f"{kind} r" if self.groups is None else f"{kind} r (folds by {self.groups})"


def compare_by_encoding(context: Context, recipe: Recipe, options: Options) -> Outcome:
    """Predict held-out responses from every model, and score, choose, test and report.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    recipe : Recipe
        The encoder.
    options : Options
        Folds, ceiling and groups.

    Returns
    -------
    outcome : Outcome
        Region scores are medians over channels of the mean r over folds; per-channel values beside them.

    Raises
    ------
    InputError
        Without recordings of stimuli, without models, or for folds that cannot be made.
    """
    metric = options.metric(recipe.kind)
    models = [replace(model, layers=recipe.layers(model)) for model in context.candidates]
    parts: list[Scores] = []
    tables: list[pd.DataFrame] = []
    regions: list[Region] = []
    channels: list[ChannelScores] = []
    audit: dict[str, tuple[str, str, str]] = {}
    blocks = all_responses(context, recipe.kind, n_folds=options.n_folds, groups=options.groups)
    assert context.dataset.study is not None  # there are responses
    results = _encode_all(context, blocks, recipe)
    for roi in context.rois:
        subjects = [blocks[roi, name] for name in context.dataset.subjects]
        tasks = [results[roi, name] for name in context.dataset.subjects]
        for responses in subjects:
            audit[responses.subject] = audit_of(context, responses, roi, metric)
        region = _region(replace(context, candidates=tuple(models)), subjects, tasks, roi, metric)
        region = replace(region, ceiling=_ceiling(context, roi, options))
        regions.append(region)
        parts += [region.scores(), fold_rows(models, subjects, tasks, roi, metric)]
        tables.append(region.differences())
        channels += channel_scores(context.dataset.study, models, subjects, tasks, roi, metric)
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        channels=tuple(channels),
        audit=tuple(audit.values()),
        methods=(
            methods_of(
                context,
                recipe,
                n_folds=options.n_folds,
                n_splits=options.n_splits,
                together=kept_together(context, options.groups),
            ),
        ),
        warnings=(*no_ceiling(context), *too_little_shared(context, regions), *leaks(audit.values())),
        references=recipe.references,
        notes={
            metric: "Median over channels of the held-out correlation, mean over subjects; "
            f"{context.inference.confidence:.0%} bootstrap interval; n counts "
            f"{'stimuli' if context.axis is None else 'samples'}."
        },
    )


def _encode_all(
    context: Context, blocks: dict[Block, Responses], recipe: Recipe
) -> dict[Block, list[Arrays]]:
    """Encode every region of every subject by every model; what has the same stimuli goes together."""
    results: dict[Block, list[Arrays]] = {block: [] for block in blocks}
    for candidate in track(context.candidates, recipe.kind):
        for split, members in batches_of(blocks).items():
            batch = [blocks[block] for block in members]
            encoded = _task(context, candidate, batch, split, recipe)
            for block, arrays in zip(members, encoded, strict=True):
                results[block].append(arrays)
    return results


def _task(
    context: Context, candidate: Candidate, batch: list[Responses], split: str, recipe: Recipe
) -> list[Arrays]:
    seed = derive_seed(context.plan.seed, "encoding")

    def make(folder: Path) -> None:
        # Decompositions of a few hundred samples gain nothing from threads, and lose much on a busy machine.
        threads = 1 if len(batch[0].stimulus_ids) <= SMALL else context.plan.threads
        with fixed_threads(threads):
            encoded = encode(candidate, batch, recipe=recipe, seed=seed)
        write_part(folder, {f"{i}.{name}": a for i, part in enumerate(encoded) for name, a in part.items()})

    folder = context.store.get(
        "encoding",
        version=ENCODING_VERSION,
        parameters={
            "layers": list(candidate.layers),
            "recipe": recipe.key(),
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
    metric: str,
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

    inference, seed = context.inference, derive_seed(context.plan.seed, "encoding", roi)
    folder = context.store.get(
        "encoding-inference",
        version=ENCODING_VERSION,
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
        metric=metric,
        unit="r",
        subjects=[responses.subject for responses in subjects],
        columns=layer_columns(context.candidates),
        layers=np.stack(layers),
        chosen=score(np.ones(len(union))),
        p_layers=np.full(len(layers[0]), np.nan),
        p_chosen=arrays["p"],
        spread=Spread.from_arrays(arrays),
        ceiling=RegionCeiling(),
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
    null = np.stack(
        [
            # One order for all subjects: what they share stays shared in the null.
            np.mean([each.null(_order_of(seed, draw)) for each in correlations], axis=0)
            for draw in track(range(inference.n_permutations), "permutations")
        ]
    )
    p = permutation_p(spread.estimate, widen_cross_validated_null(null))
    return {"p": p, **Spread.of(spread).to_arrays()}


def _order_of(seed: int, draw: int) -> np.random.Generator:
    return np.random.default_rng([derive_seed(seed, "null"), draw])


def _ceiling(context: Context, roi: str, options: Options) -> RegionCeiling:
    assert context.dataset.study is not None  # checked by the caller
    recordings = [region_of(recording, roi) for recording in context.dataset.study.values()]
    if context.axis is not None:
        return _ceiling_of_time_courses(recordings)
    uppers, errors = [], []
    for recording in recordings:
        counts = recording.samples["stimulus_id"].value_counts().to_numpy()
        if (counts > 1).sum() < LEAST_REPEATED:
            return RegionCeiling()
        seed = derive_seed(context.plan.seed, "ceiling", roi, recording.subject)
        found = split_half_reliability(recording.repetitions(), n_splits=options.n_splits, random_state=seed)
        ceiling = found.to_ceiling(unit="r", n_repeats=counts)
        uppers.append(float(np.median(np.nan_to_num(ceiling.upper, nan=0.0))))
        known = ceiling.se_upper[np.isfinite(ceiling.se_upper)]
        errors.append(float(np.median(known)) if len(known) else np.nan)
    return RegionCeiling(
        lower=np.nan,
        upper=float(np.mean(uppers)),
        se=float(np.sqrt(np.sum(np.square(errors))) / len(errors)),
        estimator="root of split-half reliability (Spearman-Brown), median over channels",
        divides=True,
    )


def _ceiling_of_time_courses(recordings: list[Recording]) -> RegionCeiling:
    if len(recordings) < 3 or len({tuple(r.channels["name"]) for r in recordings}) > 1:
        return RegionCeiling()
    found = leave_one_subject_out(np.stack([np.asarray(r.data[...]) for r in recordings]))
    # A channel whose time courses have nothing in common has no ceiling to divide by.
    shared = np.isfinite(found.upper) & np.isfinite(found.se_upper)
    if not shared.any():
        return RegionCeiling()
    return RegionCeiling(
        lower=float(np.median(found.lower[shared])),
        upper=float(np.median(found.upper[shared])),
        se=float(np.median(found.se_upper[shared])),
        estimator="correlation with the other subjects' mean time course; upper: without that mean's noise",
        divides=True,
    )
