"""Single units of macaque inferior temporal cortex: seven objects at three positions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..._core.errors import InputError
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._tables import label_table
from ..spikes.rasters import read_rasters
from ._lookup import PublicSet, find_set

_RASTERS = "Zhang_Desimone_7objects_raster_data.zip"
_N_UNITS = 132
_N_STIMULI = 21
_SUBJECT = "macaque-it"

IT_ZHANG_DESIMONE = PublicSet(
    folder="it_zhang_desimone",
    sha256={_RASTERS: "6ce75c21b9944a1e93ced34ed2abcd04a31fcdd0f25c5e0a3bf339e434f042d7"},
    facts={
        "modality": "spikes",
        "subjects": "132 units of inferior temporal cortex, put together to one pseudo-population",
        "stimuli": "7 objects at 3 positions: 21 conditions, 20 presentations each; pictures not included",
        "size": "1 MB",
        "shape": "419 samples x 132 units (x bins); -500 to 500 ms in steps of 1 ms",
        "unit": "spikes",
        "licence": "free to download, to be cited (the repository's code: GPL-3.0)",
        "citation": (
            "Zhang, Meyers, Bichot, Serre, Poggio, Desimone 2011, PNAS 108:8850, "
            "doi:10.1073/pnas.1100999108; Meyers 2013, Frontiers in Neuroinformatics 7:8, "
            "doi:10.3389/fninf.2013.00008"
        ),
        "source": (
            "github.com/emeyers/Neural_Decoding_Toolbox, branch gh-pages at "
            "ecd69616a67352eecae859940ce0880184ead99e (_freeze/download_data_and_code)"
        ),
        "summary": "Spikes of 132 macaque IT units, recorded one by one, to 7 objects at 3 positions.",
    },
)


@DATASETS.register("it-zhang-desimone", **IT_ZHANG_DESIMONE.declared())
def load_it_zhang_desimone(
    *,
    bin_s: float | None = None,
    start_s: float = 0.1,
    stop_s: float = 0.4,
    n_repeats: int | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the spikes of all units around stimulus onset.

    Seven units, all of one day, have 19 presentations of one condition; all others 20 of each. By default
    all units stay and that condition has 19 samples.

    Parameters
    ----------
    bin_s : float, optional
        Width of the bins that the window is cut into, whole milliseconds; by default the spikes of the whole
        window are one number.
    start_s, stop_s : float, default=0.1, 0.4
        Window in seconds from onset, within -0.5 to 0.5; the millisecond that begins at `stop_s` is outside.
    n_repeats : int, optional
        Take so many presentations of every condition, from the units that have them: 20 leaves seven units
        out.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the file with the published SHA-256.

    Returns
    -------
    dataset : Dataset
        One subject, a pseudo-population. Stimulus ids are ``face_upper`` and the like; the samples have
        `object`, `position` and `repetition`, and the first two are the labels.

    Raises
    ------
    MissingDataError
        If the set is not there.
    InputError
        If the window does not fit, or the file holds something else.
    """
    root = find_set(IT_ZHANG_DESIMONE, path=path, verify=verify)
    recording = read_rasters(
        root / _RASTERS,
        start_s=start_s,
        stop_s=stop_s,
        bin_s=bin_s,
        stimulus_label="combined_ID_position",
        n_repeats=n_repeats,
        subject=_SUBJECT,
        roi="IT",
    )
    n_stimuli = recording.samples["stimulus_id"].nunique()
    n_units = recording.n_channels
    if n_stimuli != _N_STIMULI or (n_repeats is None and n_units != _N_UNITS):
        raise InputError(
            f"{root} should hold {_N_UNITS} units and {_N_STIMULI} conditions, it holds {n_units} and "
            f"{n_stimuli}; get the file again."
        )
    names = {"stimulus_ID": "object", "stimulus_position": "position", "site_session_ID": "session"}
    recording = replace(
        recording,
        samples=recording.samples.rename(columns=names),
        channels=recording.channels.rename(columns=names),
    )
    return Dataset(
        name="it-zhang-desimone",
        study=Study.of(recording),
        labels=label_table(recording.samples),
        files=(root / _RASTERS,),
        notes=recording.notes,
    )
