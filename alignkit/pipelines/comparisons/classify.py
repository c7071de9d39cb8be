"""Classification of conditions from patterns, leaving whole runs (or other groups of samples) out."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student_t

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ...recordings.recording import Recording
from ...recordings.scores import Scores
from ...stats import leave_one_group_out, permutation_p
from ._classify_folds import RUN, STIMULUS, Exchange, exchange_of, leak_of
from ._comparison import COMPARISONS, Context, Outcome, read_arrays, region_of, write_part
from ._encoding_text import leaks

Classifier = Literal["correlation", "lda", "logistic"]
CLASSIFY_VERSION = 3
METRIC = "classification accuracy"
_REFERENCES = (
    "Haxby JV et al. (2001). Distributed and overlapping representations of faces and objects in ventral "
    "temporal cortex. Science 293:2425-2430. doi:10.1126/science.1063736",
)
_NAMES = {
    "correlation": "the class whose mean training pattern correlates best with a test pattern",
    "lda": "linear discriminant analysis with Ledoit-Wolf shrinkage",
    "logistic": "L2-penalised multinomial logistic regression on z-scored channels",
}


@COMPARISONS.register(
    "classify",
    summary="accuracy of classifying conditions, leaving out one run (repetition, ...) after another",
    needs="recordings with runs, repetitions, or another column to leave out by",
    paper="Haxby et al. 2001, doi:10.1126/science.1063736",
    named_by=("classifier", "target", "leave_out"),
)
def classify(
    context: Context,
    *,
    classifier: Classifier = "correlation",
    target: str = STIMULUS,
    leave_out: str = RUN,
) -> Outcome:
    """Classify each held-out run's patterns by their condition.

    Parameters
    ----------
    context : Context
        Data and options of the run; models play no part.
    classifier : {"correlation", "lda", "logistic"}
        How a pattern gets its class.
    target : str, default="stimulus_id"
        Column of the samples that holds the class.
    leave_out : str, default="run"
        Column of the samples each value of which is left out in turn: a run, a repetition, or what the
        classes shall be told across, such as a position on the screen.

    Returns
    -------
    outcome : Outcome
        Proportion correct per run and over all; chance is one over the number of classes.
    """
    study = context.dataset.study
    if study is None:
        raise InputError("`classify` needs recordings; the dataset holds dissimilarities only.")
    metric = METRIC if target == STIMULUS else f"{target} accuracy"
    metric += "" if leave_out == RUN else f" across {leave_out}s"
    rows: list[dict[str, Any]] = []
    audit: list[tuple[str, str, str]] = []
    group_p: dict[str, float] = {}
    count, n_classes, exchanged = 0, 0, ""
    for roi in track(context.rois, "classify"):
        accuracies, nulls = [], []
        for recording in study.values():
            region = region_of(recording, roi)
            exchange = exchange_of(region, target, leave_out)
            n_classes, exchanged = exchange.n_classes, exchange.words(leave_out)
            verdict, detail = leak_of(region, target, leave_out)
            if verdict == "leaks" and context.strict:
                raise InputError(f"the folds of {metric} leak, and the run is strict: {detail}")
            audit.append((f"{metric}, {recording.subject}", verdict, detail))
            arrays = _task(context, region, roi, classifier, exchange)
            accuracies.append(arrays["accuracies"].mean())
            nulls.append(arrays["null"])
            count = len(arrays["null"])
            groups = exchange.groups.tolist()
            rows += _rows(arrays, recording.subject, roi, groups, classifier, metric)
        # The same draws for all subjects: what they share stays shared in the null.
        group_p[roi] = float(permutation_p(np.mean(accuracies), np.mean(nulls, axis=0)))
    table = pd.concat([pd.DataFrame(rows), _means(rows, len(study), group_p)], ignore_index=True)
    what = "Patterns" if target == STIMULUS else f"Patterns' {target}"
    over = "subjects" if len(study) > 1 else f"{leave_out}s"
    text = (
        f"Classification. {what} were classified by {_NAMES[classifier]}, every {leave_out} left out in "
        f"turn, among {n_classes} classes (chance {1 / n_classes:.3f}). Interval: t over {over}. p against "
        f"chance: {count} permutations of {exchanged}, the mean over subjects held against that of the same "
        "draws, p = (b + 1) / (m + 1)."
    )
    return Outcome(
        Scores(table),
        audit=tuple(dict.fromkeys(audit)),
        methods=(text,),
        references=_REFERENCES,
        warnings=tuple(leaks(audit)),
        notes={
            metric: f"Proportion correct on held-out {leave_out}s; 95 % t interval over {over}; n counts "
            "patterns."
        },
        chance={metric: 1 / n_classes},
    )


def _task(
    context: Context, region: Recording, roi: str, classifier: Classifier, exchange: Exchange
) -> dict[str, NDArray[Any]]:
    seed = derive_seed(context.plan.seed, "classify", roi, classifier)
    n_permutations = context.inference.n_permutations
    # Fitting a thousand discriminants says little more than two hundred do.
    count = n_permutations if classifier == "correlation" else min(n_permutations, 199)
    inputs = [
        digest_array(region.data),
        exchange.labels.tolist(),
        exchange.groups.tolist(),
        region.stimulus_ids,
    ]
    folder = context.store.get(
        "classify",
        version=CLASSIFY_VERSION,
        parameters={
            "classifier": classifier,
            "seed": seed,
            "n_permutations": count,
            "plan": context.plan.key(),
        },
        inputs={"data": digest_json(inputs)},
        make=lambda folder: write_part(
            folder, _accuracy_and_null(region.data, exchange, classifier, count, seed)
        ),
    )
    return read_arrays(folder)


def _accuracy_and_null(
    X: NDArray[Any], exchange: Exchange, classifier: Classifier, count: int, seed: int
) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    null = np.empty(count)
    for row in track(range(count), "permutations"):
        null[row] = _accuracies(X, exchange.draw(rng), exchange.groups, classifier).mean()
    accuracies = _accuracies(X, exchange.labels, exchange.groups, classifier)
    return {"accuracies": accuracies, "null": null, "p": permutation_p(accuracies.mean(), null)[None]}


def _accuracies(
    X: NDArray[Any], labels: NDArray[Any], runs: NDArray[Any], classifier: Classifier
) -> NDArray[np.float64]:
    folds = leave_one_group_out(runs.tolist())
    if classifier == "correlation":
        return _accuracies_by_correlation(X, labels, [test for _, test in folds])
    correct = [
        np.mean(_predict(X[train], labels[train], X[test], classifier) == labels[test])
        for train, test in folds
    ]
    return np.array(correct, dtype=np.float64)


def _accuracies_by_correlation(
    X: NDArray[Any], labels: NDArray[Any], tests: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return the accuracy of each fold; what is trained on is everything less the fold's own sums."""
    classes, codes = np.unique(labels, return_inverse=True)
    member = (codes[:, None] == np.arange(len(classes))[None, :]).astype(np.float64)
    sums, counts = member.T @ X.astype(np.float64), member.sum(axis=0)
    scaled = _rows_scaled(X)
    correct = []
    for test in tests:
        left = counts - member[test].sum(axis=0)
        means = (sums - member[test].T @ X[test]) / np.maximum(left, 1)[:, None]
        likeness = scaled[test] @ _rows_scaled(means).T
        # A class that is in the held-out part alone cannot be chosen.
        likeness[:, left == 0] = -np.inf
        correct.append(np.mean(likeness.argmax(axis=1) == codes[test]))
    return np.array(correct, dtype=np.float64)


def _predict(
    X: NDArray[Any], labels: NDArray[Any], new: NDArray[Any], classifier: Classifier
) -> NDArray[Any]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if classifier == "lda":
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return np.asarray(model.fit(X, labels).predict(new))


def _rows_scaled(X: NDArray[Any]) -> NDArray[np.float64]:
    centred = X.astype(np.float64) - X.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(norm > 0, norm, np.inf), dtype=np.float64)


def _rows(
    arrays: dict[str, NDArray[Any]], subject: str, roi: str, runs: list[str], classifier: str, metric: str
) -> list[dict[str, Any]]:
    accuracies = arrays["accuracies"]
    common = {
        "subject": subject,
        "roi": roi,
        "model": f"{classifier} classifier",
        "family": "classifier",
        "layer": "(chosen)",
        "metric": metric,
        "unit": "proportion correct",
    }
    names = list(dict.fromkeys(runs))
    folds = [
        {**common, "fold": name, "value": value, "n": runs.count(name)}
        for name, value in zip(names, accuracies, strict=True)
    ]
    whole = {**common, "fold": "all", "value": accuracies.mean(), "p": float(arrays["p"][0]), "n": len(runs)}
    return [*folds, whole]


def _means(rows: list[dict[str, Any]], n_subjects: int, group_p: dict[str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    means = []
    for roi, group in table.groupby("roi", sort=False):
        whole = group[group["fold"] == "all"]
        values = (whole if n_subjects > 1 else group[group["fold"] != "all"])["value"].to_numpy()
        half = float(student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        first = whole.iloc[0].to_dict()
        p = group_p[str(roi)]
        mean = float(whole["value"].mean())
        means.append(
            {
                **first,
                "subject": "all",
                "roi": roi,
                "value": mean,
                "p": p,
                "ci_low": mean - half,
                "ci_high": mean + half,
            }
        )
    return pd.DataFrame(means)
