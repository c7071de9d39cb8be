"""What the MATLAB files of the 2018 sentence experiments hold: responses, texts, passages, voxels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._arrays import readable, require_file

# Cells of text that an experiment's file must hold, beside the responses.
_TEXTS = (
    "keySentences",
    "labelsPassageForEachSentence",
    "keyPassages",
    "keyPassageCategory",
    "labelsPassageCategory",
)


@dataclass(frozen=True)
class Voxels:
    """The voxels of one file, in the order of its columns.

    Attributes
    ----------
    ijk : ndarray of shape (n_voxels, 3)
        Place in the volume, from 0.
    roi : tuple of str
        Region in the atlas; empty where the atlas has none.
    atlas : str
        Name of the atlas.
    """

    ijk: NDArray[np.intp]
    roi: tuple[str, ...]
    atlas: str


def read_variables(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Read variables of a MATLAB file, and no others.

    Raises
    ------
    InputError
        If the file is damaged or lacks one of them.
    """
    from scipy.io import loadmat, whosmat

    path = require_file(path)
    with readable(path, "a MATLAB file"):
        present = [name for name, _, _ in whosmat(path)]
        missing = [name for name in names if name not in present]
        if missing:
            raise InputError(
                f"{path} holds no {', '.join(missing)}; it holds {', '.join(present) or 'nothing'}. It is "
                "no file of this set, or of another version."
            )
        return dict(loadmat(path, variable_names=list(names)))


def read_sentences(path: Path, experiment: str) -> pd.DataFrame:
    """Read the sentences of an experiment and where each comes from.

    Returns
    -------
    sentences : DataFrame
        `stimulus_id`, `text`, `passage`, `passage_label`, `topic`; the passage's name is unique within the
        experiment. The files count passages and topics from 1.
    """
    content = read_variables(path, _TEXTS)
    texts = cells(content["keySentences"])
    passage = np.ravel(content["labelsPassageForEachSentence"]).astype(int)
    names, topics = cells(content["keyPassages"]), cells(content["keyPassageCategory"])
    topic = np.ravel(content["labelsPassageCategory"]).astype(int)
    for what, index, n_known in (("passage", passage, len(names)), ("topic", topic, len(topics))):
        if index.min() < 1 or index.max() > n_known:
            raise InputError(
                f"{path}: the numbers of the {what}s run from {index.min()} to {index.max()}, 1 to {n_known} "
                "is wanted. The file is damaged or was not written by the owners."
            )
    if len(passage) != len(texts) or len(topic) != len(names):
        raise InputError(
            f"{path} has {len(texts)} sentences but {len(passage)} numbers of passages, and {len(names)} "
            f"passages but {len(topic)} numbers of topics."
        )
    return pd.DataFrame(
        {
            "stimulus_id": [f"{experiment}-{number:03d}" for number in range(1, len(texts) + 1)],
            "text": texts,
            "passage": [f"{experiment}-passage-{number:02d}" for number in passage],
            "passage_label": [names[number - 1] for number in passage],
            "topic": [topics[topic[number - 1] - 1] for number in passage],
        }
    )


def read_voxels(meta: Any, path: Path, n_voxels: int, atlas: str | None) -> Voxels:
    """Return the places and regions of a file's voxels.

    Parameters
    ----------
    meta : structured array
        The struct `meta` as scipy reads it.
    path : Path
        For messages.
    n_voxels : int
        Columns of the responses.
    atlas : str, optional
        Name of an atlas of the file; by default the language atlas where there is one, else AAL, else the
        first.

    Raises
    ------
    InputError
        If the places do not fit, or there is no such atlas.
    """
    struct = meta[0, 0]
    ijk = _places(struct, path, n_voxels)
    atlases = _atlases(struct)
    if not atlases:
        raise InputError(f"{path}: `meta` holds no atlas (`roiMultimask` or `roiMultimaskAAL`).")
    chosen = atlas or _default_atlas(list(atlases))
    if chosen not in atlases:
        raise InputError(
            f"`atlas` is {chosen!r}, {did_you_mean(chosen, list(atlases))} They are those of {path}."
        )
    index, names = atlases[chosen]
    if len(index) != n_voxels:
        raise InputError(f"{path}: the atlas {chosen!r} has {len(index)} voxels, the responses {n_voxels}.")
    roi = []
    for number in index:
        inside = np.isfinite(number) and number > 0
        roi.append("" if not inside else _name_of(names, int(number), chosen))
    return Voxels(ijk, tuple(roi), chosen)


def cells(value: Any) -> list[str]:
    """Return the texts of a cell array, however deep scipy nests them."""
    found = []
    for item in np.ravel(value):
        while isinstance(item, np.ndarray):
            item = item.ravel()[0] if item.size else ""
        found.append(str(item).strip())
    return found


def _places(struct: Any, path: Path, n_voxels: int) -> NDArray[np.intp]:
    ijk = np.asarray(struct["colToCoord"], dtype=np.intp) - 1
    if ijk.shape != (n_voxels, 3):
        raise InputError(
            f"{path}: `meta.colToCoord` has shape {ijk.shape}, ({n_voxels}, 3) is wanted for the responses."
        )
    names = struct.dtype.names or ()
    if {"indicesIn3D", "dimx", "dimy", "dimz"} <= set(names):
        shape = tuple(int(np.ravel(struct[name])[0]) for name in ("dimx", "dimy", "dimz"))
        linear = np.ravel(struct["indicesIn3D"]).astype(np.intp) - 1
        # MATLAB counts from 1 and down the columns.
        if not np.array_equal(np.stack(np.unravel_index(linear, shape, order="F"), axis=1), ijk):
            raise InputError(
                f"{path}: `meta.indicesIn3D` and `meta.colToCoord` name other voxels of the volume {shape}."
            )
    return ijk


def _atlases(struct: Any) -> dict[str, tuple[NDArray[np.float64], list[str] | None]]:
    """Return each atlas with its number per voxel, and its names where there are any."""
    names = struct.dtype.names or ()
    found: dict[str, tuple[NDArray[np.float64], list[str] | None]] = {}
    if {"atlases", "roiMultimask", "rois"} <= set(names):
        masks, rois = np.ravel(struct["roiMultimask"]), np.ravel(struct["rois"])
        for number, atlas in enumerate(cells(struct["atlases"])):
            if number < min(len(masks), len(rois)):
                found[atlas] = (np.ravel(masks[number]).astype(np.float64), cells(rois[number]))
    for name in names:
        atlas = name.removeprefix("roiMultimask")
        if name.startswith("roiMultimask") and atlas:
            regions = f"rois{atlas}"
            labels = cells(struct[regions]) if regions in names else None
            found[atlas] = (np.ravel(struct[name]).astype(np.float64), labels)
    return found


def _default_atlas(atlases: list[str]) -> str:
    language = [name for name in atlases if name.startswith("language")]
    strict = [name for name in language if "HminusE" in name and "from90" in name]
    aal = [name for name in atlases if name.upper() == "AAL"]
    return (strict or language or aal or atlases)[0]


def _name_of(names: list[str] | None, number: int, atlas: str) -> str:
    known = names is not None and number <= len(names)
    return names[number - 1] if names is not None and known else f"{atlas}-{number}"
