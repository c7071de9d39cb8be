"""Generic Object Decoding: five people saw, and imagined, pictures of objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option, check_unique, did_you_mean
from ..._core.errors import InputError, UnknownNameError
from ...recordings.features import Features
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ._bdpy import BrainData, open_bdpy
from ._image_files import find_images
from ._lookup import PublicSet, find_set
from ._subjects import choose_subjects

SUBJECTS = tuple(f"Subject{number}" for number in range(1, 6))
FEATURES = "ImageFeatures.h5"
_DATA_TYPES = {1: "train", 2: "test", 3: "imagery"}
_FEATURE_TYPES = {"train": 1, "test": 2, "category": 3}
# The finer regions first: a voxel of V1 is one of the lower visual cortex (LVC) and of VC too.
_REGIONS = ("V1", "V2", "V3", "V4", "LOC", "FFA", "PPA", "LVC", "HVC", "VC")
_PREFIX = "ROI_"
_IMAGINED = "imagined-"
_NO_FEATURES = frozenset({"ImageID", "CatID", "FeatureType"})

KAMITANI_GOD = PublicSet(
    folder="kamitani_god",
    facts={
        "modality": "fmri",
        "subjects": "5",
        "stimuli": "1,200 training and 50 test photographs of objects (ImageNet); 50 imagined objects",
        "size": "about 0.6 GB (responses)",
        "shape": "1,200 + 1,750 + 500 blocks x about 4,500 voxels a subject",
        "unit": "amplitude relative to rest",
        "licence": "CC0 (raw data, OpenNeuro ds001246); the pictures are ImageNet's and come on request",
        "citation": (
            "Horikawa, Kamitani 2017, Generic decoding of seen and imagined objects using hierarchical "
            "visual features, Nature Communications 8:15037, doi:10.1038/ncomms15037"
        ),
        "source": "figshare.com/articles/Generic_Object_Decoding/7387130 (Subject1.h5 to Subject5.h5)",
        "summary": "Responses of five people to 1,250 pictures of objects, and to imagining 50 objects.",
    },
)


@DATASETS.register("kamitani-god", **KAMITANI_GOD.declared())
def load_kamitani_god(
    *,
    parts: tuple[Literal["train", "test", "imagery"], ...] = ("train", "test"),
    roi: tuple[str, ...] | None = None,
    stimuli: Path | None = None,
    subjects: tuple[int | str, ...] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the preprocessed responses, a sample per block.

    Parameters
    ----------
    parts : tuple of {"train", "test", "imagery"}, default=("train", "test")
        1,200 pictures of 150 objects seen once, 50 pictures of other objects seen 35 times, and these 50
        objects imagined 10 times. In the files, imagined objects carry the number of the picture that was
        seen; here they are stimuli of their own (``imagined-n01443537``), so that the two are never averaged.
    roi : tuple of str, optional
        Keep the voxels of these regions: ``V1``, ``V2``, ``V3``, ``V4``, ``LOC``, ``FFA``, ``PPA``, ``LVC``,
        ``HVC``, ``VC``. By default all voxels. A channel's `roi` is the first of them, in the order given
        (by default: this one), that it lies in; there is a column for each.
    stimuli : Path, optional
        Folder with the pictures (``n03626115_19498.JPEG``) in it or in subfolders. They are not part of the
        set.
    subjects : tuple of str or int, optional
        Such as ``("Subject1",)`` or ``(1, 3)``; by default all whose files are there.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are declared for this set: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `stimulus_id` (``n03626115_19498``: WordNet's number of the object and ImageNet's of the
        picture), `repetition`, `session` and `run` where the file has them, `part` and `category`. `labels`
        are the categories. The published features of the pictures: :func:`read_god_features`.

    Raises
    ------
    MissingDataError
        If the set, a subject or a picture is not there.
    InputError
        If a file is damaged or is no bdpy file, or holds its numbers in single precision.

    References
    ----------
    Horikawa, Kamitani (2017), 10.1038/ncomms15037.
    """
    if not parts:
        raise InputError("`parts` is empty; name some of train, test, imagery.")
    for part in parts:
        check_option("parts", part, list(_DATA_TYPES.values()))
    root = find_set(KAMITANI_GOD, path=path, verify=verify)
    chosen, notes = choose_subjects(
        subjects, SUBJECTS, is_there=lambda name: (root / f"{name}.h5").is_file(), where=str(root)
    )
    recordings = [_recording(root / f"{subject}.h5", subject, parts, roi) for subject in chosen]
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    seen = samples[samples["part"] != "imagery"]
    if stimuli is not None and len(seen) < len(samples):
        notes = (*notes, "Imagined objects have no picture: `stimuli` holds those that were seen.")
    return Dataset(
        name="kamitani-god",
        study=Study.of(*recordings),
        stimuli=None if stimuli is None else find_images(stimuli, list(seen["stimulus_id"])),
        labels=samples[["stimulus_id", "category"]].drop_duplicates("stimulus_id").reset_index(drop=True),
        files=tuple(root / f"{subject}.h5" for subject in chosen),
        notes=(*notes, *(f"{each.subject}: {note}" for each in recordings for note in each.notes)),
    )


def read_god_features(
    path: str | Path,
    *,
    part: Literal["train", "test", "category"] = "train",
    layers: Sequence[str] | None = None,
) -> Features:
    """Read the published features of the pictures (``ImageFeatures.h5``).

    Parameters
    ----------
    path : str or Path
        The file, or the folder that holds it.
    part : {"train", "test", "category"}
        Features of the training or test pictures, or the mean over pictures of each category.
    layers : sequence of str, optional
        Such as ``("cnn1", "cnn8")``; by default all: ``cnn1`` to ``cnn8``, ``hmax1`` to ``hmax3``, ``gist``
        and ``sift``. Each has 1,000 units or fewer, as published.

    Returns
    -------
    features : Features
        Ids are those of :func:`load_kamitani_god`; of categories ``n03626115``.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged, or has no such layer.
    """
    check_option("part", part, list(_FEATURE_TYPES))
    path = Path(path) / FEATURES if Path(path).is_dir() else Path(path)
    with open_bdpy(path) as data:
        rows = np.flatnonzero(data.label("FeatureType") == _FEATURE_TYPES[part])
        if not len(rows):
            raise InputError(f"{path} has no features of the part {part!r}.")
        _check_precision(data)
        if part == "category":
            ids = [_category(number) for number in data.label("CatID")[rows]]
        else:
            ids = [stimulus_id(number) for number in data.label("ImageID")[rows]]
        known = [key for key in data.keys if key not in _NO_FEATURES]
        for layer in layers or ():
            if layer not in known:
                raise UnknownNameError(f"a layer of {path} is {layer!r}, {did_you_mean(layer, known)}")
        found = {
            layer: data.read(data.is_in(layer), rows).astype(np.float32)
            for layer in (known if layers is None else layers)
        }
    return Features(found, ids, model="god-image-features", facts={"file": path.name, "part": part})


def stimulus_id(number: float) -> str:
    """Return the ImageNet name of a picture from the number that the files carry.

    The number's whole part is WordNet's number of the object, its six decimals ImageNet's of the picture.
    Numbers are compared as text of six decimals, never as floating-point numbers.

    Examples
    --------
    >>> stimulus_id(3626115.019498)
    'n03626115_19498'
    """
    category, picture = f"{number:.6f}".split(".")
    return f"n{int(category):08d}_{int(picture)}"


def _category(number: float) -> str:
    return f"n{int(f'{number:.6f}'.split('.')[0]):08d}"


def _recording(path: Path, subject: str, parts: Sequence[str], roi: Sequence[str] | None) -> Recording:
    with open_bdpy(path) as data:
        samples = _samples(data, parts)
        columns, channels = _channels(data, roi)
        values = data.read(columns, samples.index.to_numpy()).astype(np.float32)
    bad = ~np.isfinite(values).all(axis=0)
    if bad.all():
        raise InputError(f"no chosen voxel of {path} has finite responses.")
    samples = samples.reset_index(drop=True)
    samples.insert(1, "repetition", samples.groupby("stimulus_id").cumcount() + 1)
    return Recording(
        values[:, ~bad] if bad.any() else values,
        samples,
        channels.iloc[np.flatnonzero(~bad)],
        subject=subject,
        modality="fmri",
        unit="amplitude relative to rest",
        notes=(f"{int(bad.sum())} voxels with values that are not finite were dropped.",) * bool(bad.any()),
    )


def _samples(data: BrainData, parts: Sequence[str]) -> pd.DataFrame:
    """Return the blocks of the parts; the index is the row in the file."""
    _check_precision(data)
    kinds = data.label("DataType")
    unknown = sorted(set(kinds.tolist()) - set(_DATA_TYPES))
    if unknown:
        raise InputError(f"{data.source}: a DataType is {unknown[0]:g}; 1, 2 and 3 are known.")
    numbers = data.label("stimulus_id", "Label")
    table = pd.DataFrame({"stimulus_id": [stimulus_id(number) for number in numbers]})
    for key, column in (("Session", "session"), ("Run", "run"), ("Block", "block")):
        if key in data.keys:
            values = data.label(key).astype(int)
            table[column] = values if column != "session" else [f"{value:02d}" for value in values]
    table["part"] = [_DATA_TYPES[int(kind)] for kind in kinds]
    table["category"] = [_category(number) for number in numbers]
    imagined = (table["part"] == "imagery").to_numpy()
    table.loc[imagined, "stimulus_id"] = _IMAGINED + table.loc[imagined, "category"]
    table = table[table["part"].isin(list(parts))]
    if not len(table):
        raise InputError(f"{data.source} has no block of {', '.join(parts)}.")
    return table


def _channels(data: BrainData, roi: Sequence[str] | None) -> tuple[NDArray[np.bool_], pd.DataFrame]:
    """Return which columns are kept, and the table of their channels."""
    regions = [name for name in _REGIONS if _PREFIX + name in data.keys]
    regions += sorted(
        {key.removeprefix(_PREFIX) for key in data.keys if key.startswith(_PREFIX)} - set(regions)
    )
    wanted = [name.removeprefix(_PREFIX) for name in (regions if roi is None else roi)]
    check_unique("roi", wanted)
    for name in wanted:
        if name not in regions:
            raise UnknownNameError(f"`roi` names {name!r}, {did_you_mean(name, regions)}")
    voxels = data.is_in("VoxelData")
    kept = voxels.copy()
    if roi is not None:
        kept &= np.any([data.is_in(_PREFIX + name) for name in wanted] or [~voxels], axis=0)
    if not kept.any():
        raise InputError(f"{data.source} has no voxel in {', '.join(wanted) or 'no region'}.")
    numbers = np.flatnonzero(kept) - int(np.flatnonzero(voxels)[0])
    table = pd.DataFrame({"name": [f"voxel-{number}" for number in numbers], "kind": "voxel"})
    first = np.full(len(table), "", dtype=object)
    for name in reversed(wanted):
        first[data.is_in(_PREFIX + name)[kept]] = name
    table["roi"] = first
    for axis in "xyz":
        if f"voxel_{axis}" in data.keys:
            table[f"{axis}_mm"] = data.numbers(f"voxel_{axis}")[kept]
    for name in wanted:
        table[name] = data.is_in(_PREFIX + name)[kept]
    return kept, table


def _check_precision(data: BrainData) -> None:
    if data.rows.dtype.itemsize < np.dtype(np.float64).itemsize:
        raise InputError(
            f"{data.source} holds {data.rows.dtype}, which cannot carry the pictures' numbers (seven "
            "digits or more and six decimals). Get the published file, which holds float64."
        )
