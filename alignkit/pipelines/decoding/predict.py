"""A kept decoder on a new recording: which stimuli, or which class, each of its trials goes with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.atomic import atomic_file
from ..._core.errors import InputError, MissingDataError
from ...decoders.fitting_in import Expected, fit_in
from ...decoders.trials import Targets, Trials
from ...recordings.recording import Recording
from ...recordings.study import Study
from ..config import Component
from ..given import Given
from ..run import load_dataset
from .config import DecodeConfig, load_decode_config
from .keeping import KeptDecoder, read_decoder

if TYPE_CHECKING:
    from ...decoders import Decoder

NEW = "new subject"
PREDICTIONS = "predictions.csv"
_ENOUGH_TRIALS = 10  # so many that go with one stimulus are no chance


def predict_stimuli(
    given: Given,
    *,
    model: Path,
    decoder: str | None = None,
    subject: str | None = None,
    calibration: Given | None = None,
    n_best: int = 10,
    out: Path | None = None,
) -> str:
    """Decode a new recording, and write the closest stimuli (or the class) of every trial.

    Parameters
    ----------
    given : Given
        The recording; its channels are brought to the decoder's by name.
    model : Path
        Run folder of :func:`decode_config`.
    decoder : str, optional
        Which of its decoders; needed where there are several.
    subject : str, optional
        Whose recording it is, of the subjects that the decoder was fitted on. May be left out where there is
        one, or with `calibration`.
    calibration : Given, optional
        A recording of a new subject with stimuli that the run knows: the network's own part for that subject
        is fitted to it, and nothing else.
    n_best : int, default=10
        Stimuli named for each trial.
    out : Path, optional
        A csv file; by default ``predictions.csv`` in the run folder.

    Returns
    -------
    sentence : str
        What was done to the recording, and what was written where.

    Raises
    ------
    InputError
        If channels, times or unit do not fit (the message says which), the subject is not known, or the
        decoder cannot be calibrated.
    """
    if n_best < 1:
        raise InputError(f"`--best` must be at least 1, got {n_best}.")
    path = out or model / PREDICTIONS
    if path.suffix != ".csv":
        raise InputError(f"--out {path} must end in .csv.")
    if not model.is_dir():
        raise MissingDataError(
            f"the folder {model} does not exist; name the run folder of `alignkit decode`."
        )
    kept = read_decoder(model, name=decoder, subject=subject)
    config, _ = load_decode_config(model)
    fitted = kept.decoder
    if calibration is not None:
        recording, notes = _brought(given, next(iter(kept.expected.values())), config.roi)
        fitted, recording, more = _calibrated(kept, calibration, recording, config, subject)
        notes += more
    else:
        known = _known_subject(kept, subject)
        recording, notes = _brought(given, kept.expected[known], config.roi)
        recording = replace(recording, subject=known)
    decoded = fitted.predict(_unlabelled(recording, kept.targets))
    table = (
        _classes(kept, recording, decoded)
        if kept.targets.are_classes
        else _ranked(kept, recording, decoded, n_best)
    )
    best = table["decoded" if kept.targets.are_classes else "rank_1"]
    if len(best) >= _ENOUGH_TRIALS and best.nunique() == 1:
        notes += (f"All trials are decoded as {best.iloc[0]!r}: this decoder tells them not apart.",)
    with atomic_file(path) as temporary:
        table.to_csv(temporary, index=False)
    what = (
        "the class"
        if kept.targets.are_classes
        else f"the {min(n_best, len(kept.targets.names))} closest stimuli"
    )
    return "\n".join(
        [*dict.fromkeys(notes), f"wrote {what} of {len(table)} trials by {kept.name!r} to {path}"]
    )


def _brought(given: Given, expected: Expected, roi: str | None) -> tuple[Recording, tuple[str, ...]]:
    """Return the one recording that is meant, in the decoder's channels and times."""
    dataset = load_dataset(Component.model_validate(given.component()), Path.cwd())
    if dataset.study is None or dataset.tracks:
        raise InputError(
            f"{given.name} holds no trials to decode; give epochs, or a matrix with a row per trial."
        )
    if len(dataset.study) > 1:
        raise InputError(
            f"{given.name} holds {len(dataset.study)} subjects; name one with `--set subjects=[NAME]`: "
            f"{', '.join(dataset.subjects[:10])}."
        )
    recording = next(iter(dataset.study.values()))
    if roi is not None and roi in recording.rois:
        recording = recording.select(roi=roi)
    return fit_in(recording, expected)


def _known_subject(kept: KeptDecoder, subject: str | None) -> str:
    known = sorted({name for name, _ in kept.decoder.seen_.samples})
    if subject is None and len(known) == 1:
        return known[0]
    if subject in known:
        return str(subject)
    asked = "" if subject is None else f"{subject!r} is none of them. "
    raise InputError(
        f"the decoder {kept.name!r} was fitted on {', '.join(known)}. {asked}Name one with `--subject`, or "
        "give trials with known stimuli of a new subject as `--calibration`."
    )


def _calibrated(
    kept: KeptDecoder, calibration: Given, recording: Recording, config: DecodeConfig, subject: str | None
) -> tuple[Decoder, Recording, tuple[str, ...]]:
    from ...decoders import NetworkDecoder, calibrate

    if not isinstance(kept.decoder, NetworkDecoder):
        raise InputError(
            f"the decoder {kept.name!r} is of kind {kept.decoder.kind!r}, all of which is its subject's own; "
            "only networks can be calibrated. Fit it anew with `alignkit decode`, or choose a network with "
            "`--decoder`."
        )
    known, notes = _brought(calibration, next(iter(kept.expected.values())), config.roi)
    label = config.target.label if config.target.label in known.samples else "stimulus_id"
    names = set(kept.targets.names)
    rows = [row for row, name in enumerate(known.samples[label].map(str)) if name in names]
    if not rows:
        raise InputError(
            f"none of the {known.n_samples} calibration trials is of what the run knows (such as "
            f"{', '.join(kept.targets.names[:3])}); their {label!r} must be one of those."
        )
    subject = subject or known.subject
    if subject in kept.decoder.subjects_:
        subject = NEW
    known = replace(known.select(samples=rows), subject=subject)
    trials = Trials.of(Study.of(known), kept.targets, labels=label if kept.targets.are_classes else None)
    decoder = calibrate(kept.decoder, trials)
    told = f"Calibrated to {subject!r} with {len(rows)} trials."
    return decoder, replace(recording, subject=subject), (*notes, told)


def _unlabelled(recording: Recording, targets: Targets) -> Trials:
    """Return trials whose targets are not known; the first stands in for them and is not looked at."""
    rows = np.arange(recording.n_samples)
    table = pd.DataFrame(
        {
            "subject": recording.subject,
            "row": rows,
            "stimulus_id": recording.stimulus_ids,
            "unit": "new",
            "stimulus": 0,
            "group": 0,
            "target": 0,
        }
    )
    return Trials(Study.of(recording), targets, table)


def _ranked(
    kept: KeptDecoder, recording: Recording, decoded: NDArray[np.float32], n_best: int
) -> pd.DataFrame:
    from ...decoders import rank_stimuli

    entries, values = rank_stimuli(decoded, kept.targets.gallery, n_best=min(n_best, len(kept.targets.names)))
    table = pd.DataFrame({"trial": np.arange(len(entries)), "stimulus_id": recording.stimulus_ids})
    for place in range(entries.shape[1]):
        table[f"rank_{place + 1}"] = [kept.targets.names[entry] for entry in entries[:, place]]
        table[f"similarity_{place + 1}"] = values[:, place]
    return table


def _classes(kept: KeptDecoder, recording: Recording, decoded: NDArray[np.float32]) -> pd.DataFrame:
    names = kept.targets.names
    table = pd.DataFrame({"trial": np.arange(len(decoded)), "stimulus_id": recording.stimulus_ids})
    table["decoded"] = [names[best] for best in decoded.argmax(axis=1)]
    for place, name in enumerate(names):
        table[f"score_{name}"] = decoded[:, place]
    return table
