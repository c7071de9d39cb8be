"""EEG of one person who waited for squares on a screen: the sample recording of EEGLAB."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..._core.checks import check_option
from ..._core.errors import InputError
from ...preprocessing.meeg.cleaning import Cleaning
from ...recordings.study import Study
from .._arrays import readable
from .._dataset import DATASETS, Dataset
from ..meeg.continuous import read_meeg
from ..meeg.raw import open_raw
from ._lookup import PublicSet, find_set

# The two channels at the eyes that stand among the 32.
_EYES = ("EOG1", "EOG2")

ODDBALL_EEGLAB = PublicSet(
    folder="eeg_oddball_eeglab",
    sha256={
        "eeglab_data.set": "27594dc378685d25d5f5f762f4f8332e7a3d988b6d5d41832bb2252d93988718",
        "eeglab_data.fdt": "3ec388b9a080c723c00cd380403d64cc754929d828375bbd53bd83b468136759",
    },
    facts={
        "modality": "eeg",
        "subjects": "1",
        "stimuli": "squares at two of five places on the screen, 40 each; the pictures are not included",
        "size": "4 MB",
        "shape": "80 squares (or 74 key presses) x 30 electrodes, 2 at the eyes x times (128 Hz, 238 s)",
        "unit": "V",
        "licence": "BSD-2-Clause (of EEGLAB, with which the recording is distributed)",
        "citation": "Delorme & Makeig 2004, J Neurosci Methods 134:9, doi:10.1016/j.jneumeth.2003.10.009",
        "source": "github.com/sccn/eeglab at 94b8557aa27484c4e2cb4775315802d420b93f32 (sample_data)",
        "summary": "Four minutes of EEG in a visual attention task, with a large P3 to 80 squares.",
    },
)


@DATASETS.register("oddball-eeglab", **ODDBALL_EEGLAB.declared())
def load_oddball_eeglab(
    *,
    events: Literal["square", "rt"] = "square",
    tmin_s: float = -0.2,
    tmax_s: float = 0.8,
    baseline_s: tuple[float, float] | None = (-0.2, 0.0),
    high_pass_hz: float | None = 0.5,
    low_pass_hz: float | None = 30.0,
    eyes: bool = False,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the responses to squares, filtered and cut around their onsets.

    Parameters
    ----------
    events : {"square", "rt"}
        The 80 squares or the 74 key presses.
    tmin_s, tmax_s : float
        Of the epochs, in seconds from onset.
    baseline_s : tuple of float, optional
        Window whose mean is subtracted, in seconds from onset.
    high_pass_hz, low_pass_hz : float, optional
        Of the filter, in hertz; None leaves it out.
    eyes : bool, default=False
        Keep the two channels at the eyes.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the files with their published SHA-256.

    Returns
    -------
    dataset : Dataset
        One subject. Squares are the stimuli ``square-1`` and ``square-2``, by the place where they stood;
        `conditions` is ``"stimulus_id"``. The reference is the one of the recording.
    """
    check_option("events", events, ("square", "rt"))
    root = find_set(ODDBALL_EEGLAB, path=path, verify=verify)
    raw = open_raw(root / "eeglab_data.set")
    names = [name for name in raw.ch_names if eyes or name not in _EYES]
    recording = read_meeg(
        raw,
        subject="S01",
        events=_events(root / "eeglab_data.set"),
        event_column="trial_type",
        event_names=[events],
        tmin_s=tmin_s,
        tmax_s=tmax_s,
        cleaning=Cleaning(high_pass_hz=high_pass_hz, low_pass_hz=low_pass_hz, baseline_s=baseline_s),
        picks=names,
    )
    return Dataset(
        name="oddball-eeglab",
        study=Study.of(recording),
        conditions="stimulus_id",
        files=tuple(root / name for name in ODDBALL_EEGLAB.sha256),
        notes=recording.notes,
    )


def _events(path: Path) -> pd.DataFrame:
    """Return the events with their places, which MNE's annotations leave out."""
    from scipy.io import loadmat

    with readable(path, "an EEGLAB file"):
        file = loadmat(path, variable_names=["EEG"], squeeze_me=True, struct_as_record=False)
        recording = file["EEG"]
        names = [str(event.type) for event in recording.event]
        # Latencies are in samples, and the first sample is 1.
        onsets = [(float(event.latency) - 1) / float(recording.srate) for event in recording.event]
        places = ["" if np.size(event.position) == 0 else f"-{event.position}" for event in recording.event]
    if not {"square", "rt"} <= set(names):
        raise InputError(f"{path} holds the events {', '.join(sorted(set(names)))}; get the file again.")
    ids = [name + place for name, place in zip(names, places, strict=True)]
    return pd.DataFrame({"onset_s": onsets, "trial_type": names, "stimulus_id": ids})
