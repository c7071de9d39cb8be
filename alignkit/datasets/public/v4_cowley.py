"""Spike counts of macaque V4 neurons to natural images, with single presentations."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.atomic import atomic_folder
from ..._core.errors import InputError
from ..._core.folders import cache_folder
from ..._core.hashing import digest_file
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._arrays import read_array, readable
from .._dataset import DATASETS, Dataset
from ._lookup import PublicSet, find_set

_IMAGES = "images_201016.zip"
_RESPONSES = "responses_raw_201016.npz"
_N_PAIRS = 300
_MISSING = -1
# A stimulus of this set is a few kilobytes; a member that claims more is no stimulus.
_LARGEST_IMAGE_BYTES = 10 * 2**20

V4_COWLEY = PublicSet(
    folder="v4_cowley",
    sha256={
        _IMAGES: "93f6d2c112ecac7c9874238f9487f3624d08a678c915ce1c850e1f5cfbe485e6",
        _RESPONSES: "84ae474efba66a00a26731ef244c4af9d08092afe1a6390bec0db204bcc2cb51",
    },
    facts={
        "modality": "spikes",
        "subjects": "1 macaque (PE), session 201016",
        "stimuli": "600 colour images, 112 x 112 pixels: 300 natural ones and a gaudy version of each",
        "size": "3 MB",
        "shape": "3677 presentations (5 to 9 of each image) x 82 neurons",
        "unit": "spikes per 100 ms",
        "licence": "GPL-3.0 (the repository's; no licence of the data themselves was found)",
        "citation": (
            "Cowley, Stan, Pillow, Smith 2023, Compact deep neural network models of visual cortex, bioRxiv, "
            "doi:10.1101/2023.11.22.568315 (since 2026 in Nature, doi:10.1038/s41586-026-10150-1)"
        ),
        "source": (
            "github.com/cowleygroup/V4_compact_models: responses_201016.npy at "
            "f4552ad9d34a466ebc66658f72a08a8e5038f1cf (repacked as `counts`, int8, -1 = missing), "
            "images_201016.zip at 9658151d4183d6bdb1285a035fd16231f5c42d30"
        ),
        "summary": "Spike counts of 82 macaque V4 neurons to 600 images, every presentation on its own.",
    },
)


@DATASETS.register("v4-cowley", **V4_COWLEY.declared())
def load_v4_cowley(*, path: Path | None = None, verify: bool = False) -> Dataset:
    """Read the presentations of session 201016 and unpack its images once.

    Image i + 300 is the gaudy version of image i: both have the same `scene`, and folds must keep a scene
    on one side.

    Parameters
    ----------
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the files with their published SHA-256.

    Returns
    -------
    dataset : Dataset
        One subject; a sample is one presentation. The samples and the stimuli have the columns `image_type`
        (``"natural"`` or ``"gaudy"``) and `scene`; only the first is a label.
    """
    root = find_set(V4_COWLEY, path=path, verify=verify)
    counts = read_array(root / _RESPONSES, variable="counts", ndims=(3,))
    images = unpack_images(root / _IMAGES)
    names = sorted(path.name for path in images.iterdir())
    if counts.shape[1] != len(names) or len(names) != 2 * _N_PAIRS:
        raise InputError(
            f"{root} should have responses to {2 * _N_PAIRS} images, it has responses to {counts.shape[1]} "
            f"and {len(names)} images; get both files again."
        )
    table = pd.DataFrame(
        {
            "stimulus_id": [Path(name).stem for name in names],
            "file": names,
            "image_type": np.repeat(["natural", "gaudy"], _N_PAIRS),
            "scene": [f"scene{1 + number % _N_PAIRS:03d}" for number in range(len(names))],
        }
    )
    return Dataset(
        name="v4-cowley",
        study=Study.of(_recording(counts, table)),
        stimuli=StimulusSet(table, images),
        labels=table[["stimulus_id", "image_type"]],
        files=(root / _RESPONSES, root / _IMAGES),
        notes=(
            "Each natural image comes with a gaudy version of itself; folds keep the two (one `scene`) "
            "together.",
        ),
        groups="scene",
    )


def unpack_images(archive: str | Path) -> Path:
    """Unpack a zip of images into the cache, once, and return the folder.

    Raises
    ------
    InputError
        If the archive is damaged, or holds anything but plain JPEG files at its top.
    """
    archive = Path(archive)
    target = cache_folder() / "datasets" / f"v4-cowley-{digest_file(archive)[:16]}"
    with readable(archive, "a zip of images"), zipfile.ZipFile(archive) as file:
        members = file.infolist()
    for member in members:
        _check_member(archive, member)
    if _is_whole(target, members):
        return target
    try:
        with atomic_folder(target) as temporary, zipfile.ZipFile(archive) as file:
            for member in members:
                with readable(archive, "a zip of images"):
                    content = file.read(member)
                (temporary / member.filename).write_bytes(content)
    except OSError:
        # Another process may have put the same folder in place first.
        if not _is_whole(target, members):
            raise
    return target


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename)
    is_plain = len(name.parts) == 1 and "\\" not in member.filename and ":" not in member.filename
    is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
    if not is_plain or member.filename.startswith(".") or member.is_dir() or is_link:
        raise InputError(
            f"{archive} holds {member.filename!r}, which is no plain file at its top; not unpacked."
        )
    if name.suffix.lower() not in (".jpg", ".jpeg") or member.file_size > _LARGEST_IMAGE_BYTES:
        raise InputError(
            f"{archive} holds {member.filename!r} ({member.file_size} bytes), which is no image of this set; "
            "not unpacked."
        )


def _is_whole(folder: Path, members: list[zipfile.ZipInfo]) -> bool:
    if not folder.is_dir():
        return False
    there = {path.name: path.stat().st_size for path in folder.iterdir()}
    return there == {member.filename: member.file_size for member in members}


def _recording(counts: NDArray[np.generic], table: pd.DataFrame) -> Recording:
    n_neurons, n_images, n_slots = counts.shape
    shown = counts != _MISSING
    if (shown != shown[:1]).any():
        neuron, image, _ = np.argwhere(shown != shown[:1])[0]
        raise InputError(
            f"neuron {neuron} misses other presentations of {table['stimulus_id'][image]} than neuron 0; a "
            "presentation is there for all neurons or for none. Get the responses again."
        )
    image, slot = np.nonzero(shown[0])
    # (n_samples, n_neurons)
    data = np.ascontiguousarray(counts[:, image, slot].T, dtype=np.float32)
    samples = table[["stimulus_id", "image_type", "scene"]].iloc[image].reset_index(drop=True)
    samples.insert(1, "repetition", slot + 1)
    channels = pd.DataFrame(
        {
            "name": [f"neuron{number + 1:02d}" for number in range(n_neurons)],
            "kind": "neuron",
            "roi": "V4",
            "unit": "spikes",
        }
    )
    return Recording(data, samples, channels, subject="PE", modality="spikes", unit="spikes")
