"""Fitting an encoder on a new recording, predicting with it, and comparing models on one recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._core.checks import check_option
from .._core.errors import InputError
from .._core.random import derive_seed
from .._core.threads import fixed_threads
from ..encoders import fit_layers, load_encoder
from ..recordings.recording import Recording
from ..recordings.stimuli import StimulusSet
from .candidates import Candidate, named_networks, network_candidates
from .comparisons import JOINED, RECIPES, prepare
from .config import FeatureOptions, ModelComponent, RunConfig, TwinKind, WindowsOptions, parse_config
from .given import Given
from .keeping import (
    ENCODER_FOLDER,
    Fitted,
    check_out,
    read_fitted,
    save_fitted,
    write_predictions,
)
from .living import living
from .plan import make_plan
from .result import RunResult
from .run import load_dataset, resolve_config, run_config
from .store import Store

MOST_WINDOWS = 24
DEFAULT_MODELS = ("pixels", "gabor-energy", "hmax", "random-resnet50", "random-vit-s")


def fit_encoder(
    given: Given,
    *,
    out: Path,
    model: str = "gabor-energy",
    encoder: str = "ridge",
    layer: str | None = None,
    groups: str | None = None,
    window_s: tuple[float, float] | None = None,
    seed: int = 0,
    command: str = "",
) -> RunResult:
    """Score an encoder on held-out stimuli, then fit it on all of them and keep it.

    Parameters
    ----------
    given : Given
        The recording: a matrix, a BIDS folder, NIfTI runs with events, M/EEG, NWB or an assembly, and its
        stimuli.
    out : Path
        Gets ``scores.csv``, ``report.html``, ``encoder/`` and ``encoder.json``.
    model : str, default="gabor-energy"
        A network's name.
    encoder : str, default="ridge"
        An encoder's name.
    layer : str, optional
        By default the one with the best cross-validated R2.
    groups : str, optional
        Column of the samples whose values stay on one side of every split.
    window_s : tuple of float, optional
        Of a recording with times: the window to average, in seconds from onset. By default every time is
        fitted, and scored in at most 24 windows.
    seed : int, default=0
        Everything random follows from it.
    command : str
        How it was called, for the report.

    Returns
    -------
    result : RunResult
        Scores and the report.

    Raises
    ------
    InputError
        If the recording holds several subjects, dissimilarities, a continuous stimulus, or no stimuli.
    """
    check_option("encoder", encoder, RECIPES)
    config = _config(given, [model], [encoder], groups=groups, seed=seed, window_s=window_s,
                     layers=[layer] if layer else None,
                     title=f"Encoder of {given.name} from {model}")  # fmt: skip
    recording, stimuli = _one_subject(config)
    if recording.times_s is not None:
        config = config.model_copy(update={"windows": _windows(recording)})
    result = run_config(config, base=Path.cwd(), out=out, command=command or "alignkit fit")
    _keep_encoder(resolve_config(config, Path.cwd()), encoder, recording, stimuli, result)
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
        ``.csv`` (a row per image, a column per channel), ``.npz`` (`data`, `stimulus_ids`, `channels`, and
        `times_s` where there are times), or a map per image in the space that the channels came from:
        ``.nii.gz``, ``.func.gii`` or ``-ave.fif``. By default a csv, or npz where there are times.

    Returns
    -------
    sentence : str
        What was written where.

    Raises
    ------
    InputError
        If the network's weights are not those that the encoder was fitted with, or the file cannot hold the
        predictions.
    """
    fitted = read_fitted(model)
    path = out or model / ("predictions.csv" if fitted.times_s is None else "predictions.npz")
    check_out(path, fitted)
    encoder = load_encoder(model / ENCODER_FOLDER)
    if fitted.n_targets != encoder.n_channels:
        raise InputError(
            f"{model / 'encoder.json'} is damaged (it names {fitted.n_targets} channels, the encoder has "
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
    if fitted.times_s is not None:
        predicted = predicted.reshape(len(predicted), len(fitted.channels), -1)
    files = write_predictions(path, predicted, images.stimulus_ids, fitted, model)
    shape = f"{len(predicted)} stimuli x {len(fitted.channels)} channels"
    shape += "" if fitted.times_s is None else f" x {len(fitted.times_s)} times"
    return f"wrote {shape} to {', '.join(map(str, files))}"


def compare_models(
    given: Given,
    *,
    out: Path,
    models: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    groups: str | None = None,
    window_s: tuple[float, float] | None = None,
    twins: bool = True,
    seed: int = 0,
    command: str = "",
) -> RunResult:
    """Compare several models with one recording; as `run`, without a configuration file.

    Parameters
    ----------
    given, groups, window_s, out, seed, command
        As in :func:`fit_encoder`; several subjects are fine, and times need a window.
    models : sequence of str, optional
        Networks; by default five kinds that need no download, and ``"all"`` is every one of those.
    metrics : sequence of str, optional
        Encoders, ``"rsa"``, ``"cka"``; by default ridge.
    twins : bool, default=True
        Add every network's untrained and parameter-matched twin, where there are such.
    """
    kinds: tuple[TwinKind, ...] = ("untrained", "matched") if twins else ()
    config = _config(given, named_networks(models or DEFAULT_MODELS), metrics or ["ridge"], groups=groups,
                     seed=seed, window_s=window_s, layers=None, twins=kinds,
                     title=f"Models compared on {given.name}")  # fmt: skip
    return run_config(config, base=Path.cwd(), out=out, command=command or "alignkit compare")


def _config(
    given: Given,
    models: Sequence[str],
    metrics: Sequence[str],
    *,
    layers: list[str] | None,
    title: str,
    seed: int,
    groups: str | None,
    window_s: tuple[float, float] | None,
    twins: Sequence[TwinKind] = (),
) -> RunConfig:
    grouped = {} if groups is None else {"groups": groups}
    return parse_config(
        {
            "title": title,
            "dataset": given.component(),
            "window_s": window_s,
            "models": [{"kind": model, "layers": layers} for model in models],
            "twins": list(twins),
            "label_models": False,
            "comparisons": [{"kind": m, **(grouped if m in RECIPES else {})} for m in metrics],
            "seed": seed,
        },
        where="options",
    )


def _one_subject(config: RunConfig) -> tuple[Recording, StimulusSet]:
    """Return what an encoder is fitted on: mean responses of one subject, and the images."""
    dataset = living(load_dataset(resolve_config(config, Path.cwd()).dataset, Path.cwd()))
    if dataset.study is None or dataset.tracks:
        raise InputError(
            "`fit` needs responses to separate stimuli; use `alignkit run` with a configuration for "
            "dissimilarities and stories."
        )
    if dataset.stimuli is None or dataset.stimuli.kind != "image":
        raise InputError("`fit` needs the images that were shown; give their folder as `--stimuli`.")
    if len(dataset.study) > 1:
        raise InputError(
            f"there are {len(dataset.study)} subjects, and an encoder is one subject's; name one with "
            f"`--subject`: {', '.join(dataset.subjects[:20])}."
        )
    recording = next(iter(dataset.study.values())).average_repetitions()
    if config.window_s is not None:
        recording = recording.average_window(*config.window_s)
    return recording, dataset.stimuli


def _windows(recording: Recording) -> WindowsOptions:
    times = recording.times_s
    assert times is not None  # the caller looked
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    each = -(-len(times) // MOST_WINDOWS)
    return WindowsOptions(width_s=each * step)


def _candidate(model: ModelComponent, stimuli: StimulusSet, options: FeatureOptions, seed: int) -> Candidate:
    plan = make_plan(seed=seed, threads=None, device=options.device)
    with fixed_threads(plan.threads):
        found = network_candidates([model], stimuli, options, store=Store(), plan=plan, base=Path.cwd())
    return found[0]


def _keep_encoder(
    config: RunConfig, kind: str, recording: Recording, stimuli: StimulusSet, result: RunResult
) -> None:
    model = config.models[0]
    candidate = _candidate(model, stimuli, config.features, config.seed)
    versions = dict(zip(stimuli.stimulus_ids, stimuli.near_duplicates(), strict=True))
    groups = [versions[name] for name in recording.stimulus_ids]
    layers, encoder = prepare(
        RECIPES[kind](), candidate, recording.stimulus_ids, seed=derive_seed(config.seed, "fit")
    )
    # Every time of a channel is a target of its own.
    targets = np.asarray(recording.data[...]).reshape(recording.n_samples, -1)
    best = next(iter(layers))
    if len(layers) > 1:
        fits = fit_layers(layers, targets, encoder=encoder, groups=groups)
        best = fits.layers[int(np.argmax(np.median(fits.cv_scores, axis=1)))]
    encoder.fit(layers[best], targets, groups=groups).save(result.folder / ENCODER_FOLDER)
    assert candidate.features is not None  # networks have features
    place = recording.geometry
    times = None if recording.times_s is None else [float(time) for time in recording.times_s]
    fitted = Fitted(
        model=model,
        encoder=kind,
        layers=list(candidate.layers) if best == JOINED else [best],
        features=config.features,
        seed=config.seed,
        weights=candidate.features.facts["weights"],
        channels=[str(name) for name in recording.channels["name"]],
        times_s=times,
        geometry=None if place is None else {"kind": place.kind, "space": place.space},
        fitted_on={
            "dataset": config.dataset.model_dump(mode="json"),
            "recording_digest": recording.digest,
            "n_stimuli": recording.n_samples,
            "subject": recording.subject,
            "unit": recording.unit,
        },
    )
    save_fitted(result.folder, fitted, recording)
