"""Consumer EEG (Muse) of one person who looked at faces and houses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...preprocessing.meeg.cleaning import Cleaning
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ..meeg.continuous import read_meeg
from ..meeg.csv_files import read_csv_raw
from ._lookup import PublicSet, find_set

if TYPE_CHECKING:
    import mne

CHANNELS = ("TP9", "AF7", "AF8", "TP10")
_RATE_HZ = 256.0
# As the programs that recorded and published the set number its markers.
_MARKERS = {"1": "house", "2": "face"}
_FILES = {
    "data_2017-09-13-15.30.01.csv.gz": "ef93b6ca613d0968db09a12bfe9ae3825f1cc32c6a2f3253e541a03a6da65297",
    "data_2017-09-13-15.32.50.csv.gz": "5fc1c4ef43e6a7f0d2168b1e8ba9f3430e2cfe034262f96b1f3788a2492ea81e",
    "data_2017-09-13-15.35.26.csv.gz": "b500a9c67f31e4196143b608572f758b2f99c4d516c3b2c62702c1a12de46235",
    "data_2017-09-13-15.40.17.csv.gz": "74b5ec386fdb8329b4df95eba5043c2e32eec96816e87208debab9659791884c",
    "data_2017-09-13-15.42.33.csv.gz": "f1701ae841d3c018b9e5690220c3e610a2649a9b5bdef2603b9c08315369f055",
    "data_2017-09-13-15.45.08.csv.gz": "9d3b968a5485196cfde158704f7cf519bc1c9dfd1dc32818963f3fac72af67a2",
}

N170_MUSE = PublicSet(
    folder="eeg_n170_muse",
    sha256=_FILES,
    facts={
        "modality": "eeg",
        "subjects": "1",
        "stimuli": "faces and houses; which picture was shown was not recorded",
        "size": "2.2 MB",
        "shape": "6 runs x about 195 trials x 4 electrodes x times (256 Hz, 120 s a run)",
        "unit": "V",
        "licence": "BSD-3-Clause",
        "citation": (
            "Barachant, muse-lsl; Krigolson et al. 2017, Front Neurosci 11:109, doi:10.3389/fnins.2017.00109 "
            "(ERPs with this device)"
        ),
        "source": (
            "github.com/alexandrebarachant/muse-lsl at cfbf82884af19a62198b33dc7b69626ef6bd8e5b "
            "(data/visual/N170/subject1/session1), gzipped"
        ),
        "summary": "Four-electrode EEG of one person to some 1,160 faces and houses, in six runs.",
    },
)


@DATASETS.register("n170-muse", **N170_MUSE.declared())
def load_n170_muse(
    *,
    tmin_s: float = -0.1,
    tmax_s: float = 0.8,
    baseline_s: tuple[float, float] | None = None,
    high_pass_hz: float | None = 0.5,
    low_pass_hz: float | None = 30.0,
    reject_v: float | None = 100e-6,
    resample_hz: float | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the responses to faces and houses, filtered and cut around their onsets.

    Parameters
    ----------
    tmin_s, tmax_s : float
        Of the epochs, in seconds from onset.
    baseline_s : tuple of float, optional
        Window whose mean is subtracted, in seconds from onset; by default none, as the filter takes the mean.
    high_pass_hz, low_pass_hz : float, optional
        Of the filter (Butterworth of order 4, forwards and backwards), in hertz; None leaves it out.
    reject_v : float, optional
        Largest peak-to-peak amplitude of an epoch at any electrode, in V; None keeps all.
    resample_hz : float, optional
        New sampling rate, in hertz.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the files with their published SHA-256.

    Returns
    -------
    dataset : Dataset
        One subject; stimuli are the categories ``face`` and ``house``, so `conditions` is ``"stimulus_id"``;
        samples have `run`. The device stamps packets, not samples, so rows are taken as 1/256 s apart; a note
        says how far the stamps are off.
    """
    root = find_set(N170_MUSE, path=path, verify=verify)
    files = [root / name for name in _FILES]
    recording = read_meeg(
        [_run(file) for file in files],
        subject="subject1",
        event_names=list(_MARKERS.values()),
        tmin_s=tmin_s,
        tmax_s=tmax_s,
        cleaning=Cleaning(
            high_pass_hz=high_pass_hz,
            low_pass_hz=low_pass_hz,
            filter_method="iir",
            resample_hz=resample_hz,
            baseline_s=baseline_s,
            reject=None if reject_v is None else {"eeg": reject_v},
        ),
    )
    return Dataset(
        name="n170-muse",
        study=Study.of(recording),
        conditions="stimulus_id",
        files=tuple(files),
        notes=(
            "The picture shown on each trial was not recorded: categories go with label models only.",
            *recording.notes,
        ),
    )


def _run(file: Path) -> mne.io.BaseRaw:
    raw = read_csv_raw(
        file,
        time_column="timestamps",
        channels=CHANNELS,
        unit="uV",
        marker_column="Marker0",
        sfreq_hz=_RATE_HZ,
        timestamps="nominal",
        montage="standard_1020",
    )
    there = set(raw.annotations.description)
    raw.annotations.rename({code: name for code, name in _MARKERS.items() if code in there})
    return raw
