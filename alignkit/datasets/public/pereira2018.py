"""fMRI of readers of sentences about many topics, in short passages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ._lookup import PublicSet, find_set
from ._named_subjects import choose_named_subjects
from ._pereira_files import read_sentences, read_variables, read_voxels

# The extended release names its experiments by their passages.
_PASSAGES = {"243sentences": "n72", "384sentences": "n96"}

PEREIRA2018 = PublicSet(
    folder="pereira2018",
    facts={
        "modality": "fmri",
        "subjects": "16 readers (original), 10 (extended)",
        "stimuli": "384 sentences in 96 passages, and 243 in 72; the texts are in the files",
        "size": "about 10 GB (all files)",
        "shape": "a response per sentence x some 10^5 voxels",
        "unit": "regression coefficients of each sentence, as published",
        "licence": "not declared; see the owners' page before you share anything",
        "citation": "Pereira et al. 2018, Nature Communications 9:963, doi:10.1038/s41467-018-03068-4",
        "source": "osf.io/crwz7 (original); the extended files come from the same laboratory (evlab, MIT)",
        "summary": "fMRI responses to 627 sentences of 168 passages, a response per sentence and voxel.",
    },
)


@DATASETS.register("pereira2018", **PEREIRA2018.declared())
def load_pereira2018(
    *,
    experiment: Literal["384sentences", "243sentences"] = "384sentences",
    release: Literal["original", "extended"] = "original",
    subjects: list[str] | None = None,
    atlas: str | None = None,
    voxels: Literal["all", "atlas"] = "all",
    groups: Literal["passage", "topic"] = "passage",
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read one experiment: a sample is a sentence, averaged over its presentations by the owners.

    Sentences of one passage share their topic, words and moment in the scanner: shuffled folds leak, and
    `groups` keeps what belongs together on one side of every fold.

    A subject's matrix is read whole, in 64 bits (384 sentences of 2 * 10^5 voxels: 0.6 GB), one subject after
    the other, then cut to the wanted voxels in 32 bits.

    Parameters
    ----------
    experiment : {"384sentences", "243sentences"}
        Experiment 2 (96 passages of 4 sentences), or 3 (72 passages of 3 or 4).
    release : {"original", "extended"}
        ``<subject>/examples_<experiment>.mat``, or ``<number>_complang_passages_<n72|n96>_persent.mat``. The
        extended files hold no texts: one original file of the experiment must lie beside them.
    subjects : list of str, optional
        Such as ``["P01"]`` (original) or ``["018"]`` (extended); by default all whose file is there.
    atlas : str, optional
        Which of the files' atlases gives the regions (`roi`); by default the language atlas at its 90 %
        threshold, else AAL. A note says which it was.
    voxels : {"all", "atlas"}
        Keep all voxels, or those in a region of the atlas.
    groups : {"passage", "topic"}
        What stays together in folds. Passages of one topic (a fruit, an instrument) are alike too.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are published, so there is nothing to compare: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        `stimuli` are the texts; channels have `roi` and the voxel's place in the volume `i`, `j`, `k` (from
        0; no affine is published, so there are no millimetres); samples have `passage`, `passage_label`,
        `topic`.

    Raises
    ------
    MissingDataError
        If the set, or the experiment's files, are not there.
    InputError
        If a file is damaged or does not fit the others, or an option is unknown.

    References
    ----------
    Pereira F, et al. (2018). Toward a universal decoder of linguistic meaning from brain activation. Nature
    Communications 9:963. https://doi.org/10.1038/s41467-018-03068-4
    """
    check_option("experiment", experiment, tuple(_PASSAGES))
    check_option("release", release, ("original", "extended"))
    check_option("voxels", voxels, ("all", "atlas"))
    check_option("groups", groups, ("passage", "topic"))
    if verify:
        raise InputError("no digests of `pereira2018` are published, so it cannot be verified.")
    root = find_set(PEREIRA2018, path=path)
    files, name = _files(root, experiment, release)
    chosen = choose_named_subjects(subjects, list(files), folder=root, files=name)
    text_file = files[chosen[0]] if release == "original" else _text_file(root, experiment)
    sentences = read_sentences(text_file, experiment)
    variable = "examples" if release == "original" else "data"
    recordings = [
        _recording(files[subject], subject, sentences, variable, atlas, voxels)
        for subject in track(chosen, "reading pereira2018")
    ]
    return Dataset(
        name="pereira2018",
        study=Study.of(*recordings),
        stimuli=StimulusSet.from_texts(sentences["stimulus_id"].to_list(), sentences["text"].to_list()),
        labels=sentences[["stimulus_id", "topic"]],
        groups=groups,
        files=(text_file, *(files[subject] for subject in chosen if files[subject] != text_file)),
        notes=(
            f"Folds keep the sentences of one {groups} together; shuffled folds would leak.",
            *(note for recording in recordings for note in recording.notes),
        ),
    )


def _files(root: Path, experiment: str, release: str) -> tuple[dict[str, Path], str]:
    """Return each subject's file, and what such a file is called."""
    if release == "original":
        name = f"<subject>/examples_{experiment}.mat"
        found = sorted(root.glob(f"*/examples_{experiment}.mat"))
        return {path.parent.name: path for path in found}, name
    ending = f"_complang_passages_{_PASSAGES[experiment]}_persent.mat"
    found = sorted([*root.glob(f"*{ending}"), *root.glob(f"*/*{ending}")])
    hidden = [path for path in found if path.name.startswith(".")]
    return {path.name.removesuffix(ending): path for path in found if path not in hidden}, f"<number>{ending}"


def _text_file(root: Path, experiment: str) -> Path:
    found = sorted(root.glob(f"*/examples_{experiment}.mat"))
    if not found:
        raise MissingDataError(
            f"the extended files hold no texts; put an original examples_{experiment}.mat of any subject at "
            f"{root / 'P01'} (from {PEREIRA2018.facts['source']})."
        )
    return found[0]


def _recording(
    path: Path, subject: str, sentences: pd.DataFrame, variable: str, atlas: str | None, voxels: str
) -> Recording:
    content = read_variables(path, (variable, "meta"))
    responses = np.asarray(content[variable])
    if responses.ndim != 2 or len(responses) != len(sentences):
        raise InputError(
            f"{path}: `{variable}` has shape {responses.shape}, {len(sentences)} rows (one per sentence) are "
            "wanted. It belongs to another experiment, or is damaged."
        )
    place = read_voxels(content["meta"], path, responses.shape[1], atlas)
    notes = [f"{subject}: regions are those of the atlas {place.atlas!r}."]
    keep = np.isfinite(responses).all(axis=0)
    if not keep.all():
        notes.append(
            f"{subject}: {int((~keep).sum())} voxels without a response to every sentence were left out."
        )
    if voxels == "atlas":
        keep &= np.array([bool(roi) for roi in place.roi])
    if not keep.any():
        raise InputError(f"{path}: no voxel is left (of {len(keep)}); choose another `atlas`.")
    return Recording(
        np.ascontiguousarray(responses[:, keep], dtype=np.float32),
        sentences[["stimulus_id", "passage", "passage_label", "topic"]],
        _channels(place.ijk[keep], [roi for roi, kept in zip(place.roi, keep, strict=True) if kept], keep),
        subject=subject,
        modality="fmri",
        unit="arbitrary",
        notes=tuple(notes),
    )


def _channels(ijk: NDArray[np.intp], roi: list[str], keep: NDArray[np.bool_]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": [f"voxel{number:06d}" for number in np.flatnonzero(keep)],
            "kind": "voxel",
            "roi": roi,
            "i": ijk[:, 0],
            "j": ijk[:, 1],
            "k": ijk[:, 2],
            "unit": "arbitrary",
        }
    )
