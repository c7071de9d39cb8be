"""An encoder that was fitted on a recording, kept with what its predictions need to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from .._core.atomic import atomic_file, write_text
from .._core.errors import InputError, MissingDataError
from ..recordings.geometry import AnyGeometry, load_geometry
from ..recordings.maps import write_maps
from ..recordings.recording import Recording
from .config import FeatureOptions, ModelComponent
from .options import explain

ENCODER_FOLDER = "encoder"
ENCODER_FILE = "encoder.json"
ENCODER_ARRAYS = "encoder.safetensors"
GEOMETRY_FOLDER = "geometry"
MAP_SUFFIXES = (".nii", ".nii.gz", ".gii", ".fif", ".fif.gz")


class Fitted(BaseModel):
    """What ``encoder.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    alignkit: Literal["encoder"] = "encoder"
    format: Literal[3] = 3
    model: ModelComponent
    encoder: str
    layers: list[str]
    features: FeatureOptions
    seed: int
    weights: str
    channels: list[str]
    times_s: list[float] | None = None
    geometry: dict[str, str] | None = None
    fitted_on: dict[str, Any]

    @property
    def n_targets(self) -> int:
        """Channels, or channels x times."""
        return len(self.channels) * (1 if self.times_s is None else len(self.times_s))


def save_fitted(folder: Path, fitted: Fitted, recording: Recording) -> None:
    """Write ``encoder.json`` and where the channels are."""
    if recording.geometry is not None:
        (folder / GEOMETRY_FOLDER).mkdir(exist_ok=True)
        recording.geometry.save(folder / GEOMETRY_FOLDER)
    write_text(folder / ENCODER_FILE, fitted.model_dump_json(indent=1) + "\n")


def read_fitted(folder: Path) -> Fitted:
    """Read ``encoder.json``.

    Raises
    ------
    MissingDataError
        If the folder holds no fitted encoder.
    InputError
        If the file is damaged.
    """
    path = folder / ENCODER_FILE
    if not path.is_file():
        raise MissingDataError(
            f"{folder} holds no fitted encoder (no {ENCODER_FILE}); `alignkit fit` writes one."
        )
    try:
        return Fitted.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        if (folder / ENCODER_ARRAYS).is_file():
            raise InputError(
                f"{folder} is the encoder alone; give the folder above, {folder.parent}."
            ) from error
        why = explain(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{path} is damaged ({why}); fit the encoder again.") from error


def check_out(path: Path, fitted: Fitted) -> None:
    """Refuse a file that cannot hold these predictions, before anything is computed."""
    if path.suffix in (".csv", ".npz"):
        if path.suffix == ".csv" and fitted.times_s is not None:
            raise InputError(f"--out {path}: predictions have times; write them to .npz or -ave.fif.")
        return
    if not path.name.endswith(MAP_SUFFIXES):
        raise InputError(f"--out {path} must end in .csv, .npz, .nii.gz, .func.gii or -ave.fif.")
    if fitted.geometry is None:
        raise InputError(
            f"--out {path}: the recording that was fitted did not say where its channels are; write .csv or "
            ".npz."
        )


def write_predictions(
    path: Path, predicted: NDArray[Any], stimulus_ids: list[str], fitted: Fitted, folder: Path
) -> tuple[Path, ...]:
    """Write a row, an array or a map per stimulus, by the file's ending.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.npz``, or the format of the space that the channels came from.
    predicted : ndarray of shape (n_stimuli, n_channels) or (n_stimuli, n_channels, n_times)
        Responses.
    stimulus_ids : list of str
        One per row.
    fitted : Fitted
        Names of channels, times, unit.
    folder : Path
        Where the encoder was kept.
    """
    if path.name.endswith(MAP_SUFFIXES):
        return write_maps(
            path,
            _geometry(folder, fitted),
            predicted,
            names=stimulus_ids,
            unit=str(fitted.fitted_on.get("unit", "")),
            times_s=fitted.times_s,
        )
    with atomic_file(path) as temporary:
        if path.suffix == ".csv":
            table = pd.DataFrame(predicted, columns=fitted.channels)
            table.insert(0, "stimulus_id", stimulus_ids)
            table.to_csv(temporary, index=False)
        else:
            arrays: dict[str, Any] = {"stimulus_ids": np.array(stimulus_ids), "channels": fitted.channels}
            if fitted.times_s is not None:
                arrays["times_s"] = np.array(fitted.times_s)
            np.savez(temporary, data=predicted, **arrays)
    return (path,)


def _geometry(folder: Path, fitted: Fitted) -> AnyGeometry | None:
    return load_geometry(folder / GEOMETRY_FOLDER, fitted.geometry)
