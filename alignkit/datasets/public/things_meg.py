"""MEG of four people who saw tens of thousands of object images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...preprocessing.meeg.sensors import channel_table, picked_channels
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._arrays import readable
from .._dataset import DATASETS, Dataset
from ._download import Download
from ._image_files import find_images
from ._lookup import PublicSet, find_set
from ._subjects import choose_subjects
from ._things_trials import read_trials, select_trials

if TYPE_CHECKING:
    import mne

_SUBJECTS = ("P1", "P2", "P3", "P4")
_FOLDER = "derivatives/preprocessed"
_BLOCK_BYTES = 64 * 2**20
_UNIT = "z (baseline)"
_OPEN = "https://s3.amazonaws.com/openneuro.org/ds004212/"
_SHA256 = {
    "P1": "f86409d6b0a47f0584e9dd20e7d59cdd4def78899537f2d908da75dd27693efb",
    "P2": "a73ace29e8f6fa984016a102741019be5b085570ba707d30667d2af6fffe82c6",
    "P3": "89b9716814f40c71b8ac0cf7c6e71e64a0666ae09470390a2f6e6d67f99d6ba2",
    "P4": "a37b41601120591cbce935c53bc3f6594569071064a7929b0df6703d0ac054d4",
}

THINGS_MEG = PublicSet(
    folder="ds004212",
    facts={
        "modality": "meg",
        "subjects": "4",
        "stimuli": "22,248 images of 1,854 objects, shown once, and 200 test images, shown 12 times",
        "size": "8 GB per subject (preprocessed, in parts of 2 GB)",
        "shape": "27,048 epochs (2,400 are catch trials) x 271 magnetometers x 281 times (200 Hz)",
        "unit": "z of the baseline",
        "licence": "CC0 (MEG); the images have licences of their own",
        "citation": "Hebart et al. 2023, eLife 12:e82580, doi:10.7554/eLife.82580",
        "source": "openneuro.org/datasets/ds004212",
        "summary": "MEG of 4 people viewing 22,448 images of 1,854 objects, preprocessed epochs.",
    },
    downloads=tuple(
        Download(
            f"{_FOLDER}/preprocessed_{name}-epo.fif", f"{_OPEN}{_FOLDER}/preprocessed_{name}-epo.fif", digest
        )
        for name, digest in _SHA256.items()
    ),
)


@DATASETS.register("things-meg", **THINGS_MEG.declared())
def load_things_meg(
    *,
    split: Literal["train", "test", "all"] = "test",
    drop_test_concepts: bool = False,
    subjects: list[str] | None = None,
    average_repetitions: bool = True,
    tmin_s: float | None = None,
    tmax_s: float | None = None,
    decimate: Literal[1, 2] = 1,
    stimuli: Path | None = None,
    path: Path | None = None,
    verify: bool = False,
    download: bool = False,
) -> Dataset:
    """Read preprocessed epochs, part by part, and keep what is wanted.

    Epochs are read some 64 MiB at a time (in 64 bits); averages are summed up on the way. In memory are the
    result, in 32 bits, and one such piece: all training epochs of a subject come to 7 GB, from 0 to 0.8 s at
    100 Hz to 2 GB, the averaged test images to 0.06 GB.

    Parameters
    ----------
    split : {"train", "test", "all"}
        Images shown once, or the 200 that were shown 12 times (that is how they are found).
    drop_test_concepts : bool, default=False
        Leave training images out whose object is also among the test images: all of those are, so that
        scores of unseen objects need this.
    subjects : list of str, optional
        Such as ``["P1"]`` or ``["1"]``; by default all that are there.
    average_repetitions : bool, default=True
        Average an image's presentations; without it a sample is one presentation (for ceilings).
    tmin_s, tmax_s : float, optional
        Keep the times between these, in seconds from onset, both included.
    decimate : {1, 2}
        Keep every time, or every second one (100 Hz; the data were filtered at 40 Hz).
    stimuli : Path, optional
        Folder of the THINGS images (``<object>/<image>.jpg``, or any other order below it).
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the first parts with their published SHA-256 (those of the other parts are not declared).
    download : bool, default=False
        Get the first parts (2 GB each); the others, ``-epo-1.fif`` to ``-epo-3.fif``, come from the source.

    Returns
    -------
    dataset : Dataset
        Samples have `concept`, `session`, `run`; `groups` is ``"concept"``: folds keep the images of an
        object together. Catch trials are left out, and counted in a note.

    Raises
    ------
    MissingDataError
        If the set, a subject, a part of its epochs, or an image is not there.
    InputError
        If a file is damaged, or its table of trials does not fit.

    References
    ----------
    Hebart MN, et al. (2023). THINGS-data, a multimodal collection of large-scale datasets for investigating
    object representations in human brain and behavior. eLife 12:e82580.
    https://doi.org/10.7554/eLife.82580
    """
    check_option("split", split, ("train", "test", "all"))
    if decimate not in (1, 2):
        raise InputError(f"`decimate` must be 1 or 2 (the data were filtered at 40 Hz), got {decimate}.")
    wanted = _SUBJECTS if subjects is None else tuple("P" + str(one).removeprefix("P") for one in subjects)
    only = [each.file for each in THINGS_MEG.downloads if each.file.split("_")[-1].split("-")[0] in wanted]
    root = find_set(THINGS_MEG, path=path, verify=verify, download=download, only=only)
    place = root / _FOLDER if (root / _FOLDER).is_dir() else root
    chosen, notes = choose_subjects(
        subjects, _SUBJECTS, is_there=lambda name: _epochs_file(place, name).is_file(), where=str(place)
    )
    recordings = []
    for subject in track(chosen, "reading things-meg"):
        opened = _opened(_epochs_file(place, subject))
        trials, told = read_trials(opened, root, subject)
        rows, selected = select_trials(trials, split, drop_test_concepts, subject)
        recordings.append(
            _recording(
                opened, trials.iloc[rows], rows, average_repetitions, (tmin_s, tmax_s), decimate, subject
            )
        )
        notes = (*notes, *told, *selected)
    shown = list(dict.fromkeys(name for recording in recordings for name in recording.stimulus_ids))
    return Dataset(
        name="things-meg",
        study=Study.of(*recordings),
        stimuli=None if stimuli is None else find_images(stimuli, shown),
        groups="concept" if all("concept" in recording.samples for recording in recordings) else None,
        files=tuple(part for subject in chosen for part in _parts(place, subject)),
        notes=notes,
    )


def _epochs_file(place: Path, subject: str) -> Path:
    return place / f"preprocessed_{subject}-epo.fif"


def _parts(place: Path, subject: str) -> list[Path]:
    """Return the files of one subject; what macOS leaves beside them (``._...``) is none of them."""
    first = _epochs_file(place, subject)
    others = sorted(place.glob(f"preprocessed_{subject}-epo-*.fif"))
    return [first, *(other for other in others if not other.name.startswith("."))]


def _opened(path: Path) -> mne.BaseEpochs:
    """Open epochs without reading their data."""
    import mne

    with readable(path, "MNE epochs (FIF)"), warnings.catch_warnings():
        # MNE's own calls of pandas: nothing a reader of epochs can act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return mne.read_epochs(path, preload=False, verbose="error")
        except FileNotFoundError as error:
            raise MissingDataError(
                f"{path} is the first of several parts, and one of the others is missing ({error}). Get "
                f"{path.stem}-1.fif and so on from {THINGS_MEG.facts['source']}."
            ) from error


def _recording(
    epochs: mne.BaseEpochs,
    trials: pd.DataFrame,
    rows: NDArray[np.intp],
    average: bool,
    window_s: tuple[float | None, float | None],
    decimate: int,
    subject: str,
) -> Recording:
    import mne

    channels = picked_channels(epochs.info, "data", where=str(epochs.filename))
    info = mne.pick_info(epochs.info, channels, copy=True)
    times = _times(epochs.times, window_s, decimate, subject)
    samples = trials.drop(columns="is_catch").reset_index(drop=True)
    codes, ids = pd.factorize(samples["stimulus_id"])
    n_rows = len(ids) if average else len(samples)
    data = np.zeros((n_rows, len(channels), len(times)), dtype=np.float32)
    step = max(1, _BLOCK_BYTES // (8 * len(epochs.ch_names) * len(epochs.times)))
    counts = np.bincount(codes)
    for start in range(0, len(rows), step):
        block = _block(epochs, rows[start : start + step])[:, channels][:, :, times]
        if not average:
            data[start : start + len(block)] = block
            continue
        own = codes[start : start + len(block)]
        np.add.at(data, own, (block / counts[own, None, None]).astype(np.float32))
    if average:
        samples = samples.drop(columns=[name for name in ("session", "run") if name in samples])
        samples = samples.drop_duplicates("stimulus_id").reset_index(drop=True).assign(n_repetitions=counts)
    else:
        samples.insert(1, "repetition", samples.groupby("stimulus_id", sort=False).cumcount() + 1)
    return Recording(
        data,
        samples,
        channel_table(info).assign(unit=_UNIT),
        times_s=epochs.times[times],
        geometry=SensorGeometry(info),
        subject=subject,
        modality="meg",
        unit=_UNIT,
    )


def _block(epochs: Any, rows: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float64]:
    with readable(Path(str(epochs.filename)), "MNE epochs (FIF)"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(epochs[rows].get_data(copy=False, verbose="error"))


def _times(
    times_s: NDArray[np.float64], window_s: tuple[float | None, float | None], decimate: int, subject: str
) -> NDArray[np.intp]:
    start = times_s[0] if window_s[0] is None else window_s[0]
    stop = times_s[-1] if window_s[1] is None else window_s[1]
    inside = np.flatnonzero((times_s >= start - 1e-6) & (times_s <= stop + 1e-6))
    if not inside.size:
        raise InputError(
            f"no time of {subject} lies in {start:g} to {stop:g} s; it has {times_s[0]:g} to "
            f"{times_s[-1]:g} s."
        )
    return inside[::decimate]
