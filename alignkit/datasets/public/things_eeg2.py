"""EEG of people who saw thousands of object images in rapid succession."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...preprocessing.meeg.sensors import NO_MONTAGE, channel_table, place_sensors, require_positions
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ._lookup import PublicSet, find_set
from ._subjects import choose_subjects
from ._things_eeg_files import EEGFile, read_eeg_file
from ._things_eeg_images import Shown, images_folder, shown_images, stimulus_set

if TYPE_CHECKING:
    import mne

_SUBJECTS = tuple(f"sub-{number:02d}" for number in range(1, 11))
# Each release has a folder of its own; a subject's two files are the same in the first two.
_RELEASES = {
    "100hz": ("Preprocessed_data", "preprocessed_eeg_training.npy", "preprocessed_eeg_test.npy"),
    "250hz": ("Preprocessed_data_250Hz", "preprocessed_eeg_training.npy", "preprocessed_eeg_test.npy"),
    "whitened": ("Preprocessed_data_250Hz_whiten", "train.pt", "test.pt"),
}
_UNIT = "noise-normalised"

THINGS_EEG2 = PublicSet(
    folder="things_eeg2",
    facts={
        "modality": "eeg",
        "subjects": "10",
        "stimuli": "16,540 training images (1,654 objects x 10) and 200 test images of other objects",
        "size": "100 Hz: 10 GB; 250 Hz: 84 GB; whitened 250 Hz, 16 bits: 25 GB",
        "shape": "4 (training) or 80 (test) presentations x 17 or 63 electrodes x 100 or 250 times",
        "unit": "normalised by the noise covariance",
        "licence": "CC BY 4.0 (EEG); the images have licences of their own",
        "citation": (
            "Gifford, Dwivedi, Roig, Cichy 2022, NeuroImage 264:119754, doi:10.1016/j.neuroimage.2022.119754"
        ),
        "source": "osf.io/3jk45 (preprocessed: osf.io/anp5v, images: osf.io/y63gw)",
        "summary": "EEG of 10 people viewing 16,740 object images, preprocessed at 100 or 250 Hz.",
    },
)


@DATASETS.register("things-eeg2", **THINGS_EEG2.declared())
def load_things_eeg2(
    *,
    release: Literal["100hz", "250hz", "whitened"] | None = None,
    split: Literal["train", "test", "all"] = "test",
    subjects: list[str] | None = None,
    average_repetitions: bool = True,
    tmin_s: float | None = None,
    tmax_s: float | None = None,
    stimuli: Path | None = None,
    montage: str = "standard_1005",
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read preprocessed epochs; condition i is the i-th image in sorted order.

    A file of the first two releases is in memory whole while it is read (training data: 0.9 GB and 8.3 GB
    in 64 bits, twice that for a moment), one after the other; of the whitened release about 64 MiB at a
    time. The result is in 32 bits.

    Parameters
    ----------
    release : {"100hz", "250hz", "whitened"}, optional
        The owners' own (``Preprocessed_data``, 17 electrodes), the one at 250 Hz that several decoding papers
        share (``Preprocessed_data_250Hz``, 63 electrodes), or its whitened form in torch files
        (``Preprocessed_data_250Hz_whiten``). By default the only one that is there.
    split : {"train", "test", "all"}
        Which images. Objects of the test images are not among those for training.
    subjects : list of str, optional
        Such as ``["sub-01"]`` or ``["1"]``; by default all that are there.
    average_repetitions : bool, default=True
        Average an image's presentations; without it a sample is one presentation (for ceilings). The owners
        mixed the order of presentations across sessions; only the whitened release tells the `session`.
    tmin_s, tmax_s : float, optional
        Keep the times between these, in seconds from onset, both included.
    stimuli : Path, optional
        The folder with ``training_images`` and ``test_images``; by default ``image_set`` or ``images`` in the
        set, where it is there. Without it images have no pixels; their names come from
        ``image_metadata.npy`` or the EEG files where these tell, else they are numbered.
    montage : str, default="standard_1005"
        Of MNE, for the electrodes' places; ``"none"`` to do without.
    path : Path, optional
        Where the set lies (a folder that holds the releases, or one release's folder); by default it is
        looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are published, so there is nothing to compare: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `concept` (where known) and `split`; `groups` is ``"concept"``: folds keep the images of
        an object together. The EEG was normalised by the noise covariance of training and test data
        together (a note says so).

    Raises
    ------
    MissingDataError
        If the set, a subject's file or the images are not there.
    InputError
        If a file is damaged or holds more than plain data, or counts do not fit.

    References
    ----------
    Gifford AT, Dwivedi K, Roig G, Cichy RM (2022). A large and rich EEG dataset for modeling human visual
    object recognition. NeuroImage 264:119754. https://doi.org/10.1016/j.neuroimage.2022.119754
    """
    check_option("split", split, ("train", "test", "all"))
    if verify:
        raise InputError("no digests of `things-eeg2` are published, so it cannot be verified.")
    root = find_set(THINGS_EEG2, path=path)
    place, files = _release(root, release)
    splits = ["train", "test"] if split == "all" else [split]
    chosen, notes = choose_subjects(
        subjects,
        _SUBJECTS,
        is_there=lambda name: all((place / name / files[one]).is_file() for one in splits),
        where=str(place),
    )
    images = images_folder(root, stimuli)
    shown: dict[str, Shown] = {}
    recordings = [
        _recording(
            place / subject, files, splits, images, shown, average_repetitions, (tmin_s, tmax_s), montage
        )
        for subject in track(chosen, "reading things-eeg2")
    ]
    return Dataset(
        name="things-eeg2",
        study=Study.of(*recordings),
        stimuli=stimulus_set([shown[one] for one in splits], images),
        groups="concept" if all(each.concepts is not None for each in shown.values()) else None,
        files=tuple(place / subject / files[one] for subject in chosen for one in splits),
        notes=(
            *notes,
            "The owners normalised the EEG by the noise covariance of training and test data together.",
            *dict.fromkeys(note for recording in recordings for note in recording.notes),
        ),
    )


def _release(root: Path, release: str | None) -> tuple[Path, dict[str, str]]:
    """Return the folder of a release, and the names of a subject's files."""
    if release is not None:
        check_option("release", release, tuple(_RELEASES))
    names = {
        name: dict(zip(("train", "test"), files, strict=True)) for name, (_, *files) in _RELEASES.items()
    }
    found = {name: root / folder for name, (folder, *_) in _RELEASES.items() if (root / folder).is_dir()}
    if not found:
        # `root` may be a release's own folder.
        torch = any(root.glob("sub-*/*.pt"))
        numpy = any(root.glob("sub-*/preprocessed_eeg_*.npy"))
        if torch or numpy:
            return root, names["whitened" if torch else "100hz"]
        folders = ", ".join(folder for folder, *_ in _RELEASES.values())
        raise MissingDataError(
            f"{root} holds none of the folders {folders}, and no sub-01 with EEG; is it the folder of "
            f"THINGS-EEG2? It comes from {THINGS_EEG2.facts['source']}."
        )
    if release is None and len(found) > 1:
        raise InputError(f"{root} holds several releases; choose one with `release`: {', '.join(found)}.")
    name = release or next(iter(found))
    if name not in found:
        raise MissingDataError(f"{root} holds no folder {_RELEASES[name][0]}; it has {', '.join(found)}.")
    return found[name], names[name]


def _recording(
    folder: Path,
    files: dict[str, str],
    splits: Sequence[str],
    images: Path | None,
    shown: dict[str, Shown],
    average: bool,
    window_s: tuple[float | None, float | None],
    montage: str,
) -> Recording:
    parts, tables = [], []
    notes: list[str] = []
    names: tuple[str, ...] = ()
    times_s = np.empty(0)
    for split in splits:
        content = read_eeg_file(folder / files[split])
        kept = _kept(content, window_s)
        if names and (content.ch_names != names or not np.allclose(content.times_s[kept], times_s)):
            raise InputError(f"the channels or times of training and test data in {folder} differ.")
        names, times_s = content.ch_names, content.times_s[kept]
        if split not in shown:
            shown[split] = shown_images(content, split, images)
        if len(shown[split].ids) != content.values.shape[0]:
            raise InputError(
                f"{content.path} has {content.values.shape[0]} conditions, there are "
                f"{len(shown[split].ids)} images."
            )
        parts.append(_data(content, kept, average))
        tables.append(_samples(content, split, shown[split], average))
        notes += content.notes
    info = _sensors(names, times_s, montage, folder)
    return Recording(
        parts[0] if len(parts) == 1 else np.concatenate(parts),
        pd.concat(tables, ignore_index=True),
        channel_table(info).assign(unit=_UNIT),
        times_s=times_s,
        geometry=None if montage == NO_MONTAGE else SensorGeometry(info),
        subject=folder.name,
        modality="eeg",
        unit=_UNIT,
        notes=tuple(notes),
    )


def _kept(content: EEGFile, window_s: tuple[float | None, float | None]) -> slice:
    times_s = content.times_s
    start = times_s[0] if window_s[0] is None else window_s[0]
    stop = times_s[-1] if window_s[1] is None else window_s[1]
    inside = np.flatnonzero((times_s >= start - 1e-6) & (times_s <= stop + 1e-6))
    if not inside.size:
        raise InputError(
            f"no time of {content.path} lies in {start:g} to {stop:g} s; it has {times_s[0]:g} to "
            f"{times_s[-1]:g} s."
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _data(content: EEGFile, kept: slice, average: bool) -> NDArray[np.float32]:
    n_conditions, n_repetitions, n_channels, _ = content.values.shape
    n_times = kept.stop - kept.start
    if average:
        means = np.empty((n_conditions, n_channels, n_times), dtype=np.float32)
        for place, block in content.blocks(kept):
            means[place] = block.mean(axis=1, dtype=np.float64)
        return means
    data = np.empty((n_conditions, n_repetitions, n_channels, n_times), dtype=np.float32)
    for place, block in content.blocks(kept):
        data[place] = block
    return data.reshape(n_conditions * n_repetitions, n_channels, n_times)


def _samples(content: EEGFile, split: str, shown: Shown, average: bool) -> pd.DataFrame:
    n_repetitions = content.values.shape[1]
    table = pd.DataFrame({"stimulus_id": shown.ids})
    if shown.concepts is not None:
        table["concept"] = shown.concepts
    table["split"] = split
    if average:
        return table.assign(n_repetitions=n_repetitions)
    table = table.loc[np.repeat(np.arange(len(table)), n_repetitions)].reset_index(drop=True)
    table.insert(1, "repetition", np.tile(np.arange(n_repetitions) + 1, len(shown.ids)))
    return table if content.session is None else table.assign(session=content.session.ravel())


def _sensors(names: Sequence[str], times_s: NDArray[np.float64], montage: str, folder: Path) -> mne.Info:
    import mne

    rate = 1.0 / float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    placed = mne.EvokedArray(
        np.zeros((len(names), 1)), mne.create_info(list(names), rate, "eeg"), verbose="error"
    )
    place_sensors(placed, montage, where=str(folder))
    if montage != NO_MONTAGE:
        require_positions(placed.info, where=str(folder))
    return placed.info
