"""Fitting an encoder on a new recording, predicting with it, and comparing models on one recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from .._core.atomic import atomic_file, write_text
from .._core.checks import check_option
from .._core.errors import InputError, MissingDataError
from .._core.random import derive_seed
from .._core.threads import fixed_threads
from ..encoders import fit_layers, load_encoder
from ..recordings.stimuli import StimulusSet
from .candidates import Candidate, network_candidates
from .comparisons import JOINED, RECIPES, prepare
from .config import FeatureOptions, ModelComponent, RunConfig, parse_config
from .options import explain
from .plan import make_plan
from .result import RunResult
from .run import load_dataset, resolve_config, run_config
from .store import Store

ENCODER_FOLDER = "encoder"
ENCODER_FILE = "encoder.json"
ENCODER_ARRAYS = "encoder.safetensors"
N_INNER = 5
DEFAULT_MODELS = ("pixels", "gabor-energy", "hmax", "random-resnet50", "random-vit-s")


def fit_encoder(
    *,
    recording: Path,
    samples: Path,
    stimuli: Path,
    out: Path,
    model: str = "gabor-energy",
    encoder: str = "ridge",
    channels: Path | None = None,
    layer: str | None = None,
    variable: str | None = None,
    groups: str | None = None,
    transpose: bool = False,
    seed: int = 0,
    command: str = "",
) -> RunResult:
    """Score an encoder on held-out stimuli, then fit it on all of them and keep it.

    Parameters
    ----------
    recording : Path
        Matrix file, ``data (n_samples, n_channels)``.
    samples : Path
        Table with a `stimulus_id` per sample; the id is the stem of an image file.
    stimuli : Path
        Folder of images.
    out : Path
        Gets ``scores.csv``, ``report.html``, ``encoder/`` and ``encoder.json``.
    model : str, default="gabor-energy"
        A network's name.
    encoder : str, default="ridge"
        An encoder's name.
    channels : Path, optional
        Table with a `name` per channel.
    layer : str, optional
        By default the one with the best cross-validated R2.
    variable : str, optional
        Which array of the file.
    groups : str, optional
        Column of the samples whose values stay on one side of every split.
    transpose : bool, default=False
        Whether the file holds channels x samples.
    seed : int, default=0
        Everything random follows from it.
    command : str
        How it was called, for the report.

    Returns
    -------
    result : RunResult
        Scores and the report.
    """
    check_option("encoder", encoder, RECIPES)
    config = _config([model], [encoder], recording=recording, samples=samples, stimuli=stimuli,
                     channels=channels, variable=variable, groups=groups, transpose=transpose, seed=seed,
                     layers=[layer] if layer else None,
                     title=f"Encoder of {recording.name} from {model}")  # fmt: skip
    result = run_config(config, base=Path.cwd(), out=out, command=command or "alignkit fit")
    _keep_encoder(resolve_config(config, Path.cwd()), encoder, result)
    return result


def predict_responses(*, model: Path, stimuli: Path, out: Path | None = None) -> str:
    """Predict each channel's response to new images, and write them.

    Parameters
    ----------
    model : Path
        Folder that :func:`fit_encoder` wrote.
    stimuli : Path
        Folder of images; the id of a row is the file's stem.
    out : Path, optional
        ``.csv`` (a row per image, a column per channel) or ``.npz`` (`data`, `stimulus_ids`, `channels`).

    Returns
    -------
    sentence : str
        What was written where.

    Raises
    ------
    InputError
        If the network's weights are not those that the encoder was fitted with.
    """
    path = out or model / "predictions.csv"
    if path.suffix not in (".csv", ".npz"):
        raise InputError(f"--out {path} must end in .csv or .npz.")
    fitted = _read_encoder(model)
    encoder = load_encoder(model / ENCODER_FOLDER)
    if len(fitted.channels) != encoder.n_channels:
        raise InputError(
            f"{model / ENCODER_FILE} is damaged (it names {len(fitted.channels)} channels, the encoder has "
            f"{encoder.n_channels}); fit the encoder again."
        )
    images = StimulusSet.from_folder(stimuli)
    component = fitted.model.model_copy(update={"layers": fitted.layers})
    candidate = _candidate(component, images, fitted.features, fitted.seed)
    features = candidate.features
    assert features is not None  # networks have features
    if features.facts["weights"] != fitted.weights:
        raise InputError(
            f"the weights of {fitted.model.kind!r} here are not those that the encoder was fitted with; "
            "use the same weights and library versions, or fit again."
        )
    layers, _ = prepare(RECIPES[fitted.encoder](), candidate, images.stimulus_ids, seed=0)
    predicted = encoder.predict(next(iter(layers.values())))
    _write_predictions(path, predicted, images.stimulus_ids, fitted.channels)
    return f"wrote {predicted.shape[0]} stimuli x {predicted.shape[1]} channels to {path}"


def compare_models(
    *,
    recording: Path,
    samples: Path,
    stimuli: Path,
    out: Path,
    models: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    channels: Path | None = None,
    variable: str | None = None,
    groups: str | None = None,
    transpose: bool = False,
    seed: int = 0,
    command: str = "",
) -> RunResult:
    """Compare several models with one recording; as `run`, without a configuration file.

    Parameters
    ----------
    recording, samples, stimuli, channels, variable, groups, transpose, out, seed, command
        As in :func:`fit_encoder`.
    models : sequence of str, optional
        Networks; by default one of each kind that needs no download.
    metrics : sequence of str, optional
        Encoders, ``"rsa"``, ``"cka"``; by default ridge.
    """
    config = _config(models or DEFAULT_MODELS, metrics or ["ridge"], recording=recording, samples=samples,
                     stimuli=stimuli, channels=channels, variable=variable, groups=groups,
                     transpose=transpose, seed=seed, layers=None,
                     title=f"Models compared on {recording.name}")  # fmt: skip
    return run_config(config, base=Path.cwd(), out=out, command=command or "alignkit compare")


class _Fitted(BaseModel):
    """What ``encoder.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    alignkit: Literal["encoder"] = "encoder"
    format: Literal[2] = 2
    model: ModelComponent
    encoder: str
    layers: list[str]
    features: FeatureOptions
    seed: int
    weights: str
    channels: list[str]
    fitted_on: dict[str, Any]


def _config(
    models: Sequence[str],
    metrics: Sequence[str],
    *,
    layers: list[str] | None,
    title: str,
    seed: int,
    groups: str | None,
    transpose: bool,
    **data: Path | str | None,
) -> RunConfig:
    dataset = {name: str(value) for name, value in data.items() if value is not None}
    grouped = {} if groups is None else {"groups": groups}
    return parse_config(
        {
            "title": title,
            "dataset": {"kind": "matrix", "transpose": transpose, **dataset},
            "models": [{"kind": model, "layers": layers} for model in models],
            "label_models": False,
            "comparisons": [{"kind": m, **(grouped if m in RECIPES else {})} for m in metrics],
            "seed": seed,
        },
        where="options",
    )


def _candidate(model: ModelComponent, stimuli: StimulusSet, options: FeatureOptions, seed: int) -> Candidate:
    plan = make_plan(seed=seed, threads=None, device=options.device)
    with fixed_threads(plan.threads):
        found = network_candidates([model], stimuli, options, store=Store(), plan=plan, base=Path.cwd())
    return found[0]


def _keep_encoder(config: RunConfig, kind: str, result: RunResult) -> None:
    dataset = load_dataset(config.dataset, Path.cwd())
    assert dataset.study is not None  # the kind `matrix` gives recordings
    assert dataset.stimuli is not None  # `fit` demands them
    recording = next(iter(dataset.study.values())).average_repetitions()
    model = config.models[0]
    candidate = _candidate(model, dataset.stimuli, config.features, config.seed)
    versions = dict(zip(dataset.stimuli.stimulus_ids, dataset.stimuli.near_duplicates(), strict=True))
    groups = [versions[name] for name in recording.stimulus_ids]
    layers, encoder = prepare(
        RECIPES[kind](), candidate, recording.stimulus_ids, seed=derive_seed(config.seed, "fit")
    )
    best = next(iter(layers))
    if len(layers) > 1:
        fits = fit_layers(layers, recording.data, encoder=encoder, groups=groups)
        best = fits.layers[int(np.argmax(np.median(fits.cv_scores, axis=1)))]
    encoder.fit(layers[best], recording.data, groups=groups).save(result.folder / ENCODER_FOLDER)
    assert candidate.features is not None  # networks have features
    fitted = _Fitted(
        model=model,
        encoder=kind,
        layers=list(candidate.layers) if best == JOINED else [best],
        features=config.features,
        seed=config.seed,
        weights=candidate.features.facts["weights"],
        channels=[str(name) for name in recording.channels["name"]],
        fitted_on={
            "recording": str(config.dataset.options["recording"]),
            "recording_digest": recording.digest,
            "n_stimuli": recording.n_samples,
            "subject": recording.subject,
            "unit": recording.unit,
        },
    )
    write_text(result.folder / ENCODER_FILE, fitted.model_dump_json(indent=1) + "\n")


def _read_encoder(folder: Path) -> _Fitted:
    path = folder / ENCODER_FILE
    if not path.is_file():
        raise MissingDataError(
            f"{folder} holds no fitted encoder (no {ENCODER_FILE}); `alignkit fit` writes one."
        )
    try:
        return _Fitted.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        if (folder / ENCODER_ARRAYS).is_file():
            raise InputError(
                f"{folder} is the encoder alone; give the folder above, {folder.parent}."
            ) from error
        why = explain(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{path} is damaged ({why}); fit the encoder again.") from error


def _write_predictions(path: Path, predicted: np.ndarray, ids: list[str], channels: list[str]) -> None:
    with atomic_file(path) as temporary:
        if path.suffix == ".csv":
            table = pd.DataFrame(predicted, columns=channels)
            table.insert(0, "stimulus_id", ids)
            table.to_csv(temporary, index=False)
        else:
            np.savez(temporary, data=predicted, stimulus_ids=np.array(ids), channels=np.array(channels))
