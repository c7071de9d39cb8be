"""Multi-unit responses of macaque V4 and IT to rendered objects, as Brain-Score packages them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from ..._core.checks import check_option
from ..._core.progress import track
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._arrays import require_file
from .._dataset import DATASETS, Dataset
from ..exchange.brainscore import brainscore_subjects, read_brainscore
from ..exchange.stimulus_sets import read_stimulus_set
from ._download import Download
from ._lookup import PublicSet, find_set
from ._named_subjects import choose_named_subjects

_BUCKET = "https://brainscore-storage.s3.amazonaws.com/brainio-brainscore/"
_ASSEMBLIES = {
    "public": "assy_dicarlo_MajajHong2015_public.nc",
    "temporal.public": "assy_dicarlo_MajajHong2015_temporal_public.nc",
}
_TABLE, _IMAGES = "stimulus_hvm-public.csv", "stimulus_hvm-public.zip"
_DIGESTS = {
    _ASSEMBLIES["public"]: "13d28ca0ce88ee550b54db3004374ae19096e9b9",
    _ASSEMBLIES["temporal.public"]: "093ac35b3e8464c676d24cf38238415d4d6a9448",
    _TABLE: "5ca7a3da00d8e9c694a9cd725df5ba0ad6d735af",
    _IMAGES: "8aa44e038d7b551efa8077467622f9d48d72e473",
}
_LABELS = ("object_name", "category_name", "variation")
_UNIT = "normalised rate"

MAJAJHONG2015 = PublicSet(
    folder="majajhong2015",
    facts={
        "modality": "spikes",
        "subjects": "2 macaques (Chabo, Tito)",
        "stimuli": "3200 images of 64 objects in 8 categories (variations 0 and 3); 2560 more are not public",
        "size": "about 0.3 GB of responses (12 GB unpacked where they have times), and the images",
        "shape": "some 50 presentations of each image x 256 sites (88 in V4, 168 in IT)",
        "unit": "multi-unit rate, normalised by the owners (70 to 170 ms)",
        "licence": "not declared; public through Brain-Score",
        "citation": (
            "Majaj, Hong, Solomon, DiCarlo 2015, Journal of Neuroscience 35:13402, "
            "doi:10.1523/JNEUROSCI.5181-14.2015"
        ),
        "source": "Brain-Score's bucket brainscore-storage/brainio-brainscore (MajajHong2015.public)",
        "summary": "Multi-unit responses of 256 sites in macaque V4 and IT to 3200 images of objects.",
    },
    downloads=tuple(Download(name, _BUCKET + name, digest, "sha1") for name, digest in _DIGESTS.items()),
)


@DATASETS.register("majajhong2015", **MAJAJHONG2015.declared())
def load_majajhong2015(
    *,
    assembly: Literal["public", "temporal.public"] = "public",
    subjects: list[str] | None = None,
    region: Literal["V4", "IT"] | None = None,
    average_repetitions: bool = True,
    path: Path | None = None,
    verify: bool = False,
    download: bool = False,
) -> Dataset:
    """Read the public part; a subject is an animal, a channel is a recording site.

    Needs ``alignkit[exchange]``. One animal's presentations are in memory at a time, in the 64 bits of the
    file and in 32 (some 0.3 GB; with times 12 GB), whatever is averaged afterwards.

    Parameters
    ----------
    assembly : {"public", "temporal.public"}
        One response per presentation (70 to 170 ms), or one per time bin.
    subjects : list of str, optional
        ``"Chabo"``, ``"Tito"``; by default both.
    region : {"V4", "IT"}, optional
        Keep the sites of one area.
    average_repetitions : bool, default=True
        Average the presentations of an image, as the benchmark does. Without it a sample is one presentation,
        for ceilings.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the files with their published SHA-1.
    download : bool, default=False
        Get the assembly, and the images with their table, if they are not there.

    Returns
    -------
    dataset : Dataset
        Channels have `roi` (V4, IT) and what else the file says of a site; `labels` are `object_name`,
        `category_name` and `variation`. `stimuli` are the images where their table and zip are there, else
        None (a note says so). Presentations with a missing response are left out, and counted in a note.

    Raises
    ------
    MissingDataError
        If the set, the assembly or xarray is not there.
    InputError
        If a file is damaged or lacks labels, the images do not fit their table, or an option is unknown.

    References
    ----------
    Majaj NJ, Hong H, Solomon EA, DiCarlo JJ (2015). Simple learned weighted sums of inferior temporal
    neuronal firing rates accurately predict human core object recognition performance. Journal of
    Neuroscience 35:13402. https://doi.org/10.1523/JNEUROSCI.5181-14.2015
    """
    check_option("assembly", assembly, tuple(_ASSEMBLIES))
    if region is not None:
        check_option("region", region, ("V4", "IT"))
    name = _ASSEMBLIES[assembly]
    only = (name, _TABLE, _IMAGES)
    file = require_file(
        find_set(MAJAJHONG2015, path=path, verify=verify, download=download, only=only) / name
    )
    animals = brainscore_subjects(file)
    chosen = choose_named_subjects(subjects, animals, folder=file, files="with sites (`animal`)")
    recordings = []
    for animal in track(chosen, "reading majajhong2015"):
        recording = read_brainscore(
            file, subject=animal, modality="spikes", unit=_UNIT, missing="drop-samples"
        )
        recording = recording if region is None else recording.select(roi=region)
        recordings.append(recording.average_repetitions() if average_repetitions else recording)
    labels = _labels(recordings)
    stimuli, notes, files = _stimuli(file.parent, recordings)
    return Dataset(
        name="majajhong2015",
        study=Study.of(*recordings),
        stimuli=stimuli,
        labels=labels,
        files=(file, *files),
        notes=(*notes, *dict.fromkeys(note for recording in recordings for note in recording.notes)),
    )


def _labels(recordings: list[Recording]) -> pd.DataFrame | None:
    columns = [name for name in _LABELS if all(name in recording.samples for recording in recordings)]
    tables = [recording.samples[["stimulus_id", *columns]] for recording in recordings]
    together = pd.concat(tables, ignore_index=True).drop_duplicates("stimulus_id", ignore_index=True)
    return together if columns else None


def _stimuli(
    folder: Path, recordings: list[Recording]
) -> tuple[StimulusSet | None, tuple[str, ...], tuple[Path, ...]]:
    table, archive = folder / _TABLE, folder / _IMAGES
    if not (table.is_file() and archive.is_file()):
        return None, (f"The images are not there ({_TABLE}, {_IMAGES}); `download=True` gets them.",), ()
    shown = [name for recording in recordings for name in recording.stimulus_ids]
    return read_stimulus_set(table, archive).select(list(dict.fromkeys(shown))), (), (table, archive)
