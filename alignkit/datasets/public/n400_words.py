"""EEG of one person who read pairs of Dutch words, related or not: single trials with both words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..._core.errors import InputError
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ..meeg.fif import read_fif
from ._lookup import PublicSet, find_set

_FILE = "subject04-epo.fif"
_COLUMNS = ("cue", "association", "label", "FAS")
_WIDER_THAN_A_HEAD_M = 1.0

N400_WORDS = PublicSet(
    folder="eeg_n400_words",
    sha256={_FILE: "1479192059efdac688f152e5aad676d43ecd2a1fbd0b34427fae4a3448d9b016"},
    facts={
        "modality": "eeg",
        "subjects": "1",
        "stimuli": "200 pairs of Dutch words (cue, association), 100 related; the texts are included",
        "size": "1.6 MB",
        "shape": "200 trials x 32 electrodes x 60 times (-0.2 to 0.98 s, 50 Hz)",
        "unit": "V",
        "licence": "BSD-3-Clause",
        "citation": (
            "van Vliet, neuroscience_tutorials (the data); van Vliet et al. 2014, PLoS ONE 9:e87650, "
            "doi:10.1371/journal.pone.0087650 (word pairs of graded association)"
        ),
        "source": (
            "github.com/wmvanvliet/neuroscience_tutorials at f5926e8f4f74ec27498ab1b3df8bb16be28c325b "
            "(posthoc)"
        ),
        "summary": "Single-trial EEG to 200 related and unrelated word pairs, with association strengths.",
    },
)


@DATASETS.register("n400-words", **N400_WORDS.declared())
def load_n400_words(
    *,
    tmin_s: float | None = None,
    tmax_s: float | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the responses to the second word of each pair.

    Parameters
    ----------
    tmin_s, tmax_s : float, optional
        Keep the times between these, in seconds from the second word's onset; by default all.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the file with its published SHA-256.

    Returns
    -------
    dataset : Dataset
        200 samples, one per pair, with `cue`, `association`, `relatedness`, `label`, `FAS`, `button` and
        `reaction-time`. A `stimulus_id` is ``cue-association``; `stimuli` are the texts ``cue association``;
        `labels` say whether a pair is related, and its `FAS` (forward association strength, the share of
        people who give the association for the cue).
    """
    root = find_set(N400_WORDS, path=path, verify=verify)
    recording = _in_metres(read_fif(root / _FILE, subject="subject04", tmin_s=tmin_s, tmax_s=tmax_s))
    samples = recording.samples
    lost = [name for name in _COLUMNS if name not in samples]
    if lost:
        raise InputError(f"the metadata of {root / _FILE} lack {', '.join(lost)}; get the file again.")
    ids = [f"{cue}-{word}" for cue, word in zip(samples["cue"], samples["association"], strict=True)]
    if len(set(ids)) != len(ids):
        raise InputError(f"{root / _FILE} holds a pair of words twice; get the file again.")
    samples = samples.assign(stimulus_id=ids, repetition=1, relatedness=samples["event"])
    labels = samples[["stimulus_id", "relatedness", "FAS"]].reset_index(drop=True)
    texts = [f"{cue} {word}" for cue, word in zip(samples["cue"], samples["association"], strict=True)]
    table = pd.DataFrame({"stimulus_id": ids, "text": texts}).assign(
        cue=samples["cue"].to_list(),
        association=samples["association"].to_list(),
        relatedness=labels["relatedness"].to_list(),
        FAS=labels["FAS"].to_list(),
    )
    return Dataset(
        name="n400-words",
        study=Study.of(replace(recording, samples=samples)),
        stimuli=StimulusSet(table, kind="text"),
        labels=labels,
        files=(root / _FILE,),
        notes=recording.notes,
    )


def _in_metres(recording: Recording) -> Recording:
    """Return the recording with sensors on a head; the file holds millimetres where FIF holds metres."""
    geometry = recording.geometry
    assert isinstance(geometry, SensorGeometry)  # a FIF file has sensors
    radius = np.median([np.linalg.norm(channel["loc"][:3]) for channel in geometry.info["chs"]])
    if not radius > _WIDER_THAN_A_HEAD_M:
        return recording
    info = geometry.info.copy()
    for channel in info["chs"]:
        channel["loc"][:3] /= 1000
    for point in info["dig"] or []:
        point["r"][:] /= 1000
    places = {name: recording.channels[name] / 1000 for name in ("x_mm", "y_mm", "z_mm")}
    note = "The file gives places of electrodes in millimetres where metres belong: divided by 1,000."
    return replace(
        recording,
        channels=recording.channels.assign(**places),
        geometry=SensorGeometry(info),
        notes=(*recording.notes, note),
    )
