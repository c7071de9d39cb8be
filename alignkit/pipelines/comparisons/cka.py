"""Centred kernel alignment of features and responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json
from ..._core.progress import track
from ..._core.random import derive_seed
from ...metrics import centred_gram
from ...recordings.scores import Scores
from ...stats import cka_ceiling, two_factor_jackknife
from ..candidates import Candidate
from ..config import InferenceOptions
from ._choice import LayerScores, choose_layers
from ._comparison import COMPARISONS, Context, Outcome, near_duplicates, read_arrays, region_of, write_part
from ._items import numbered
from ._region import Column, Region, RegionCeiling, Spread, layer_columns, p_of_layers

Floats = NDArray[np.float64]
CKA_VERSION = 4
N_SPLITS = 20
_REFERENCES = (
    "Kornblith S, Norouzi M, Lee H, Hinton G (2019). Similarity of neural network representations revisited. "
    "ICML. arXiv:1905.00414",
    "Song L et al. (2012). Feature selection via dependence maximization. J Mach Learn Res 13:1393-1434",
)


@dataclass(frozen=True, eq=False)
class _Data:
    """A region's responses per subject, to the same stimuli in the same order."""

    responses: list[Floats]  # each (n_stimuli, n_channels)
    subjects: list[str]
    stimulus_ids: list[str]
    units: NDArray[np.intp]  # what is resampled: the stimulus, with its near-duplicates
    ceiling: RegionCeiling


@COMPARISONS.register(
    "cka",
    summary="debiased linear centred kernel alignment of features and responses",
    needs="features; recordings",
    paper="Kornblith et al. 2019, arXiv:1905.00414; Song et al. 2012",
)
def cka(context: Context) -> Outcome:
    """Compare every layer's similarities between stimuli with each region's.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.

    Returns
    -------
    outcome : Outcome
        Debiased linear CKA per subject, layer and model; ceilings where stimuli were repeated.
    """
    candidates = [candidate for candidate in context.candidates if candidate.features is not None]
    if context.dataset.study is None:
        raise InputError("`cka` needs recordings; the dataset holds dissimilarities only. Use `rsa`.")
    if not candidates:
        raise InputError("`cka` needs networks with features; name some under `models`.")
    columns = layer_columns(candidates)
    parts: list[Scores] = []
    tables: list[pd.DataFrame] = []
    for roi in track(context.rois, "cka"):
        region = _region(context, _data(context, roi), columns, roi)
        parts.append(region.scores())
        tables.append(region.differences())
    return Outcome(
        Scores.concat(parts),
        pd.concat(tables, ignore_index=True),
        audit=(("cka", "clean", f"nothing is fitted; layers are chosen on {_elsewhere(context)}"),),
        methods=(_methods(context),),
        references=_REFERENCES,
        notes={
            "cka": f"Debiased linear CKA, mean over subjects; {context.inference.confidence:.0%} "
            "interval from a jackknife; n counts stimuli."
        },
    )


def _data(context: Context, roi: str) -> _Data:
    study = context.dataset.study
    assert study is not None  # checked by the caller
    ids = study.common_stimuli
    if len(ids) < 8:
        raise InputError(f"debiased CKA needs at least 8 stimuli that every subject saw, got {len(ids)}.")
    recordings = [region_of(recording, roi) for recording in study.values()]
    averages = [recording.average_repetitions().align(ids) for recording in recordings]
    responses = [average.data.astype(np.float64) for average in averages]
    units = numbered(near_duplicates(context, recordings[0], ids) or ids)
    bounds = []
    for recording, response in zip(recordings, responses, strict=True):
        if recording.samples["stimulus_id"].value_counts().min() < 2:
            return _Data(responses, study.subjects, ids, units, RegionCeiling())
        rng = np.random.default_rng(derive_seed(context.plan.seed, "cka", roi, recording.subject))
        pairs = [recording.split_repetitions(rng) for _ in range(N_SPLITS)]
        first, second = (np.stack([pair[half].align(ids).data for pair in pairs]) for half in (0, 1))
        bounds.append(cka_ceiling(first, second, response))
    upper = float(np.mean([bound.upper for bound in bounds]))
    errors = np.array([bound.se_upper for bound in bounds])
    se = float(np.sqrt((errors**2).sum()) / len(errors))
    ceiling = RegionCeiling(np.nan, upper, se, bounds[0].estimator, divides=True)
    return _Data(responses, study.subjects, ids, units, ceiling)


def _region(context: Context, data: _Data, columns: list[Column], roi: str) -> Region:
    seed = derive_seed(context.plan.seed, "cka", roi)
    inference = context.inference
    folder = context.store.get(
        "cka",
        version=CKA_VERSION,
        parameters={
            "seed": seed,
            "inference": inference.model_dump(mode="json"),
            "columns": [[column.name, column.layer] for column in columns],
            "plan": context.plan.key(),
        },
        inputs={
            "brain": digest_json([[digest_array(r) for r in data.responses], data.stimulus_ids]),
            "units": digest_array(data.units),
            "models": digest_json([column.candidate.digest for column in columns]),
        },
        make=lambda folder: write_part(folder, _compute(data, columns, inference, seed)),
    )
    arrays = read_arrays(folder)
    return Region(
        roi=roi,
        metric="cka",
        unit="cka",
        subjects=data.subjects,
        columns=columns,
        layers=arrays["layers"],
        chosen=arrays["chosen"],
        p_layers=arrays["p_layers"],
        p_chosen=arrays["p_chosen"],
        spread=Spread.from_arrays(arrays),
        ceiling=data.ceiling,
        n=len(data.stimulus_ids),
    )


def _compute(data: _Data, columns: list[Column], inference: InferenceOptions, seed: int) -> dict[str, Floats]:
    models = [_gram(_features(column.candidate, column.layer, data.stimulus_ids)) for column in columns]
    brains = [_gram(response) for response in data.responses]

    def make_scorer(indices: NDArray[np.intp], half: NDArray[np.bool_] | None) -> LayerScores:
        def score(weights: Floats) -> Floats:
            kept = weights > 0 if half is None else (weights > 0) & half
            keep = np.flatnonzero(kept[data.units])
            left = [centred_gram(models[i][np.ix_(keep, keep)]) for i in indices]
            right = [centred_gram(gram[np.ix_(keep, keep)]) for gram in brains]
            return np.array([[_alignment(a, b) for a in left] for b in right])

        return score

    n_units = int(data.units.max()) + 1
    everything = np.ones(n_units)
    layers = make_scorer(np.arange(len(columns)), None)(everything)
    chosen_scores = choose_layers(layers, make_scorer, columns, n_units=n_units, seed=seed)
    chosen = chosen_scores(everything)
    spread = two_factor_jackknife(
        lambda keep: chosen_scores(keep.astype(np.float64)),
        len(data.subjects),
        n_units,
        confidence=inference.confidence,
    )
    null = _null(models, brains, inference.n_permutations, derive_seed(seed, "null"))
    return {
        "layers": layers,
        "chosen": chosen,
        **p_of_layers(layers, chosen, null, columns),
        **Spread.of(spread).to_arrays(),
    }


def _null(models: list[Floats], brains: list[Floats], n_permutations: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    n = len(models[0])
    left = np.stack([centred_gram(gram).ravel() for gram in models])
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    right = [centred_gram(gram) for gram in brains]
    right = [gram / np.linalg.norm(gram) for gram in right]
    null = np.empty((n_permutations, len(models)))
    for row in track(range(n_permutations), "permutations"):
        order = rng.permutation(n)
        mean = np.mean([gram[np.ix_(order, order)] for gram in right], axis=0)
        null[row] = left @ mean.ravel()
    return null


def _features(candidate: Candidate, layer: str, stimulus_ids: list[str]) -> Floats:
    assert candidate.features is not None  # the caller keeps networks only
    return candidate.features.matrix(layer, stimulus_ids).astype(np.float64)


def _gram(X: Floats) -> Floats:
    centred = X - X.mean(axis=0)
    return np.asarray(centred @ centred.T, dtype=np.float64)


def _alignment(a: Floats, b: Floats) -> float:
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))


def _elsewhere(context: Context) -> str:
    several = context.dataset.study is not None and len(context.dataset.study) > 1
    return "other subjects" if several else "the other half of the stimuli"


def _methods(context: Context) -> str:
    inference = context.inference
    several = context.dataset.study is not None and len(context.dataset.study) > 1
    choice = (
        "each subject's layer is the one that is best on average over the other subjects"
        if several
        else "layers are chosen on a random half of the stimuli and scored on the other half, both ways"
    )
    return (
        "CKA. Linear centred kernel alignment of features and mean responses with the debiased estimator of "
        "dependence (no self-pairs), which is near 0 without a relation whatever the number of units. Where "
        f"a model has several layers, {choice}. Intervals ({inference.confidence:.0%}) and differences come "
        "from a jackknife that leaves blocks of stimuli "
        f"out{' and the spread over subjects' if several else ''}. p against zero: "
        f"{inference.n_permutations} permutations of the stimuli, p = (b + 1) / (m + 1). The ceiling is the "
        "CKA that a model with the true signal would have: the root of the dependence between independent "
        "halves of the repetitions over that of the mean with itself."
    )
