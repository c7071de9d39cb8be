"""What each model explains that the others do not, in a joint model of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ..._core.threads import fixed_threads
from ...encoders import VariancePartition, variance_partition
from ...recordings.recording import Recording
from ...recordings.scores import ChannelScores, Scores
from ...stats import sign_flip_test
from ..continuous import TimeSplitter
from ._comparison import COMPARISONS, Context, Outcome, read_arrays, region_of, write_part
from ._encoding import JOINED, Responses, design
from ._encoding_data import Block, all_responses, audit_of, batches_of, kept_together
from ._encoding_text import leaks
from ._region import CHOSEN

Floats = NDArray[np.float64]
Arrays = dict[str, Floats]
KIND = "variance-partition"
PARTITION_VERSION = 1
ALL = "all models"
# Fewer subjects give no pattern of signs that is rare enough: 1 / 2 ** 5 = .031.
LEAST_SUBJECTS = 5
JOINT = "joint R2"
QUANTITIES = {"unique": "unique R2", "product": "product R2", "shapley": "Shapley R2"}
_REFERENCES = (
    "de Heer WA, Huth AG, Griffiths TL, Gallant JL, Theunissen FE (2017). The hierarchical cortical "
    "organization of human speech processing. J Neurosci 37:6539-6557. doi:10.1523/JNEUROSCI.3267-16.2017",
    "Dupre la Tour T, Eickenberg M, Nunez-Elizalde AO, Gallant JL (2022). Feature-space selection with "
    "banded ridge regression. NeuroImage 264:119728. doi:10.1016/j.neuroimage.2022.119728",
)


@COMPARISONS.register(
    KIND,
    summary="held-out R2 of a joint model of all models: unique parts, product measure, Shapley values",
    needs="2 to 6 models with features or labels; recordings with stimuli, or a continuous recording",
    paper="de Heer et al. 2017, doi:10.1523/JNEUROSCI.3267-16.2017",
)
def partition(
    context: Context,
    *,
    encoder: Literal["banded", "ridge"] = "banded",
    n_folds: int = 5,
    n_inner: int = 5,
    groups: str | None = None,
) -> Outcome:
    """Fit every set of models together, and say what each adds.

    Parameters
    ----------
    context : Context
        Data, models and options of the run; each model is one feature space, all its layers together.
    encoder : {"banded", "ridge"}, default="banded"
        A penalty per model and channel, or one per channel.
    n_folds, n_inner, groups
        As in `ridge`.

    Returns
    -------
    outcome : Outcome
        Per region and model the unique part (R2 of all models minus R2 without this one), the product
        measure and the Shapley value; the last two add up to the joint R2. Medians over channels, means over
        subjects.
    """
    blocks = all_responses(context, KIND, n_folds=n_folds, groups=groups)
    n_models = len(context.candidates)
    if not 2 <= n_models <= 6:
        raise InputError(
            f"`{KIND}` takes 2 to 6 models (every set of them is fitted), got {n_models}; name some in "
            "`models`."
        )
    options = {"encoder": encoder, "n_inner": n_inner}
    found: dict[Block, Arrays] = {}
    for split, members in track(list(batches_of(blocks).items()), KIND):
        parts = _task(context, [blocks[block] for block in members], split, options)
        found.update(zip(members, parts, strict=True))
    audit = {block[1]: audit_of(context, responses, block[0], KIND) for block, responses in blocks.items()}
    rows = [row for roi in context.rois for row in _rows(context, roi, found, blocks)]
    return Outcome(
        Scores(pd.DataFrame(rows)),
        channels=tuple(_channel_scores(context, found)),
        audit=tuple(audit.values()),
        methods=(_methods(context, options, n_folds, kept_together(context, groups)),),
        warnings=tuple(leaks(audit.values())),
        references=_REFERENCES,
        notes=_notes(context),
    )


def _task(context: Context, batch: list[Responses], split: str, options: dict[str, Any]) -> list[Arrays]:
    seed = derive_seed(context.plan.seed, KIND)
    Y = np.concatenate([responses.Y for responses in batch], axis=1)

    def make(folder: Path) -> None:
        with fixed_threads(1):
            write_part(folder, _arrays(_fit(context, batch[0], Y, options, seed)))

    folder = context.store.get(
        KIND,
        version=PARTITION_VERSION,
        parameters={"seed": seed, "options": options, "plan": context.plan.key(),
                    "n_permutations": context.inference.n_permutations},
        inputs={
            "models": digest_json([[c.name, c.digest] for c in context.candidates]),
            "split": split,
            "responses": digest_array(Y),
        },
        make=make,
    )  # fmt: skip
    whole = read_arrays(folder)
    ends = np.cumsum([0, *(responses.Y.shape[1] for responses in batch)])
    return [
        {name: array[..., start:stop] for name, array in whole.items()}
        for start, stop in zip(ends[:-1], ends[1:], strict=True)
    ]


def _fit(
    context: Context, first: Responses, Y: NDArray[np.float32], options: dict[str, Any], seed: int
) -> VariancePartition:
    spaces = {
        candidate.name: np.concatenate(
            [design(candidate, layer, first.stimulus_ids) for layer in candidate.layers], axis=1
        )
        for candidate in context.candidates
    }
    timed = first.gap is not None
    return variance_partition(
        spaces,
        Y,
        cv=first.folds,
        inner_cv=TimeSplitter(options["n_inner"], first.gap) if first.gap is not None else options["n_inner"],
        groups=None if timed else np.array(first.groups),
        blocks=np.array(first.groups) if timed else None,
        encoder=options["encoder"],
        n_permutations=context.inference.n_permutations,
        correction=context.inference.correction,
        device=context.plan.device,
        random_state=seed % 2**32,
    )


def _arrays(found: VariancePartition) -> Arrays:
    return {
        "unique": found.unique,
        "product": found.product,
        "shapley": found.shapley,
        "unique_p": found.unique_p_corrected,
        "joint": found.joint,
        "joint_p": found.joint_p_corrected,
    }


def _rows(
    context: Context, roi: str, found: dict[Block, Arrays], blocks: dict[Block, Responses]
) -> Iterator[dict[str, Any]]:
    names = [(candidate.name, candidate.family) for candidate in context.candidates]
    n = len(blocks[roi, context.dataset.subjects[0]].stimulus_ids)
    for quantity, metric in QUANTITIES.items():
        table = np.stack([np.median(found[roi, s][quantity], axis=-1) for s in context.dataset.subjects])
        yield from _region_rows(context, roi, metric, names, table, n)
    joint = np.stack([[np.median(found[roi, s]["joint"])] for s in context.dataset.subjects])
    yield from _region_rows(context, roi, JOINT, [(ALL, "all")], joint, n)


def _region_rows(
    context: Context, roi: str, metric: str, names: list[tuple[str, str]], table: Floats, n: int
) -> Iterator[dict[str, Any]]:
    subjects = context.dataset.subjects
    several = len(subjects) >= LEAST_SUBJECTS
    low, high, p = _over_subjects(context, table) if several else np.full((3, len(names)), np.nan)
    for m, (model, family) in enumerate(names):
        common = {"roi": roi, "metric": metric, "unit": "r2", "model": model, "family": family,
                  "layer": CHOSEN, "fold": "all", "n": n}  # fmt: skip
        for s, subject in enumerate(subjects):
            yield {**common, "subject": subject, "value": table[s, m]}
        yield {
            **common,
            "subject": "all",
            "value": table[:, m].mean(),
            "ci_low": low[m],
            "ci_high": high[m],
            "p": p[m],
        }


def _over_subjects(context: Context, table: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the interval of the mean over subjects (Student's t), and p of a sign-flip test above 0."""
    from scipy.stats import t

    n = len(table)
    mean, se = table.mean(axis=0), table.std(axis=0, ddof=1) / np.sqrt(n)
    half = t.ppf((1 + context.inference.confidence) / 2, n - 1) * se
    test = sign_flip_test(
        table,
        n_permutations=context.inference.n_permutations,
        random_state=derive_seed(context.plan.seed, KIND, "signs"),
    )
    return mean - half, mean + half, np.asarray(test.p)


def _channel_scores(context: Context, found: dict[Block, Arrays]) -> Iterator[ChannelScores]:
    for (roi, subject), arrays in found.items():
        channels = region_of(_recording(context, subject), roi).channels
        for m, candidate in enumerate(context.candidates):
            for quantity, metric in QUANTITIES.items():
                yield ChannelScores(
                    arrays[quantity][m][None].astype(np.float64), (JOINED,), channels,
                    subject=subject, model=candidate.name, metric=metric, unit="r2",
                )  # fmt: skip


def _recording(context: Context, subject: str) -> Recording:
    assert context.dataset.study is not None  # there are responses
    return context.dataset.study[subject]


def _notes(context: Context) -> dict[str, str]:
    tail = "median over channels, mean over subjects"
    if len(context.dataset.subjects) >= LEAST_SUBJECTS:
        tail += (
            f"; {context.inference.confidence:.0%} interval and p over subjects: they speak of new subjects "
            "and this stimulus"
        )
    return {
        "unique R2": f"Held-out R2 of all models minus that without this one; {tail}.",
        "product R2": f"Share of the joint model's held-out R2 by the product measure; {tail}.",
        "Shapley R2": f"Gain of held-out R2 averaged over all orders of adding models; {tail}.",
        JOINT: f"Held-out R2 of all models together; {tail}.",
    }


def _methods(context: Context, options: dict[str, Any], n_folds: int, together: str) -> str:
    kind = "banded ridge (a penalty per model and channel)" if options["encoder"] == "banded" else "ridge"
    apart = (
        f"No `{together}` was on both sides of a split."
        if context.axis is None
        else f"Folds were contiguous in time, {context.axis.gap} samples left out beside each test part."
    )
    return (
        f"Variance partitioning. Every non-empty set of the {len(context.candidates)} models (all layers of "
        f"each) was fitted to each channel by {kind} and scored by held-out R2 in {n_folds} folds; "
        f"penalties were chosen by {options['n_inner']}-fold cross-validation within the training part. "
        f"{apart} Unique parts are differences of R2; product measure and Shapley values add up to the joint "
        f"R2; negative parts are kept.{_test_of(context)}"
    )


def _test_of(context: Context) -> str:
    if len(context.dataset.subjects) < LEAST_SUBJECTS:
        return f" With fewer than {LEAST_SUBJECTS} subjects there is no test over subjects."
    return (
        f" Intervals ({context.inference.confidence:.0%}, Student's t) and p (signs of whole subjects "
        "flipped, one-sided) are over subjects."
    )
