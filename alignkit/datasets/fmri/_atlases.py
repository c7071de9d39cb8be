"""Atlases and masks by name: nilearn's, from files on this computer, never from the network."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from .._arrays import readable

_NAMES = (
    "aal",
    "destrieux",
    "destrieux-surface",
    "harvard-oxford-cort-maxprob-thr25-2mm",
    "harvard-oxford-sub-maxprob-thr25-2mm",
    "juelich-maxprob-thr25-2mm",
    "msdl",
    "schaefer-100",
    "schaefer-400",
)
MASKS = ("mni152-brain", "mni152-gray-matter")
_ENDINGS = (".nii", ".gz", ".mgz", ".mgh", ".img", ".hdr", ".gii", ".annot")


@dataclass(frozen=True)
class NamedImage:
    """An atlas or a mask of nilearn.

    `image` holds region numbers, `names` their names (empty for a mask), and `template` the space.
    """

    image: Any
    names: dict[int, str]
    template: str


@dataclass(frozen=True)
class _Source:
    """Where nilearn keeps an atlas, and how it is fetched."""

    function: str
    options: dict[str, Any]
    files: tuple[str, ...]
    is_probabilistic: bool = False

    @property
    def call(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"nilearn.datasets.{self.function}({given})"

    def load(self, name: str) -> Any:
        """Return what nilearn returns, from files that are there."""
        from nilearn import datasets

        places = [Path(place) for place in datasets.get_data_dirs()]
        there = [place for place in places if all((place / file).is_file() for file in self.files)]
        if not there:
            raise MissingDataError(
                f"the atlas {name!r} is not on this computer: {self.files[0]} is in none of nilearn's data "
                f"folders ({', '.join(map(str, places))}). Fetch it once, with a network, by `{self.call}`, "
                "or give the path of a label image."
            )
        with readable(there[0] / self.files[0], f"the atlas {name!r}"), warnings.catch_warnings():
            # Regions without a voxel, or without a name, are met when names are looked up.
            warnings.filterwarnings("ignore", message=r"(?s).*atlas look-up table", category=UserWarning)
            return getattr(datasets, self.function)(**self.options, data_dir=there[0], verbose=0)


def is_name(given: str | Path) -> bool:
    """Tell a name such as ``"schaefer-400"`` from a path or a pattern."""
    if isinstance(given, Path):
        return False
    has_place = any(sign in given for sign in "/\\*?{")
    return not has_place and not given.lower().endswith(_ENDINGS) and not Path(given).exists()


def read_named_atlas(name: str) -> NamedImage:
    """Return an atlas of volumes by its name.

    Names: ``aal``, ``destrieux``, ``harvard-oxford-<variant>``, ``juelich-<variant>`` (nilearn's variants,
    such as ``cort-maxprob-thr25-2mm``), ``schaefer-<100 to 1000>[-7networks|-17networks][-1mm|-2mm]``, and
    ``<probabilistic atlas>-argmax`` such as ``msdl-argmax``.

    Raises
    ------
    MissingDataError
        If its files are not in nilearn's data folders: nothing is downloaded.
    InputError
        For other names, and for a probabilistic atlas that nobody asked to make hard.
    """
    if name == "destrieux-surface":
        raise InputError(
            "the atlas 'destrieux-surface' is of surfaces (fsaverage5); volumes have 'destrieux'."
        )
    is_hard = name.endswith("-argmax")
    source = _source(name.removesuffix("-argmax"))
    if source is None:
        raise InputError(
            f"`atlas` is {name!r}, {did_you_mean(name, _NAMES)} A path to a label image does as well."
        )
    if source.is_probabilistic and not is_hard:
        raise InputError(
            f"the atlas {name!r} is probabilistic: a voxel belongs to several of its regions to some degree, "
            f"but a channel has one. Ask for '{name}-argmax' to give every voxel its most likely region."
        )
    if is_hard and not source.is_probabilistic:
        raise InputError(f"the atlas {name.removesuffix('-argmax')!r} has one region per voxel already.")
    return _hard(source.load(name)) if is_hard else _labelled(source.load(name))


def read_named_mask(name: str) -> NamedImage:
    """Return a mask that nilearn brings along: ``mni152-brain`` or ``mni152-gray-matter``."""
    from nilearn import datasets

    if name not in MASKS:
        raise InputError(f"`mask` is {name!r}, {did_you_mean(name, MASKS)} A path to a mask does as well.")
    load = datasets.load_mni152_brain_mask if name == "mni152-brain" else datasets.load_mni152_gm_mask
    return NamedImage(load(), {}, "MNI152NLin2009aSym")


def read_destrieux_surface() -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], dict[int, str]]:
    """Return the region number of every vertex of fsaverage5, left and right, and the names."""
    files = tuple(f"destrieux_surface/{side}.aparc.a2009s.annot" for side in ("left", "right"))
    found = _Source("fetch_atlas_surf_destrieux", {}, files).load("destrieux-surface")
    names = dict(enumerate(map(str, found.labels)))
    return (np.asarray(found.map_left, np.int64), np.asarray(found.map_right, np.int64)), names


def _source(name: str) -> _Source | None:
    if name == "aal":
        return _Source("fetch_atlas_aal", {}, ("aal_3v2/AAL3/AAL3v1.nii", "aal_3v2/AAL3/AAL3v1.xml"))
    if name == "destrieux":
        endings = ("_rois_lateralized.nii.gz", "_rois_labels_lateralized.csv", ".rst")
        paths = tuple(f"destrieux_2009/destrieux2009{ending}" for ending in endings)
        return _Source("fetch_atlas_destrieux_2009", {}, paths)
    if name == "msdl":
        paths = ("msdl_atlas/MSDL_rois/msdl_rois.nii", "msdl_atlas/MSDL_rois/msdl_rois_labels.csv")
        return _Source("fetch_atlas_msdl", {}, paths, is_probabilistic=True)
    parts = re.fullmatch(r"schaefer-([1-9]00|1000)(?:-(7|17)networks)?(?:-([12])mm)?", name)
    return _schaefer(*parts.groups()) if parts else _fsl(name)


def _schaefer(n_rois: str, networks: str | None, resolution: str | None) -> _Source:
    networks, resolution = networks or "7", resolution or "1"
    stem = f"schaefer_2018/Schaefer2018_{n_rois}Parcels_{networks}Networks_order"
    options = {
        "n_rois": int(n_rois),
        "yeo_networks": int(networks),
        "resolution_mm": int(resolution),
    }
    files = (f"{stem}_FSLMNI152_{resolution}mm.nii.gz", f"{stem}.txt")
    return _Source("fetch_atlas_schaefer_2018", options, files)


def _fsl(name: str) -> _Source | None:
    """Return one of the atlases that come with FSL."""
    pattern = r"(?:(cort|cortl|sub)-)?(maxprob-thr(?:0|25|50)|prob)-[12]mm"
    for prefix, folder, function in (
        ("harvard-oxford-", "HarvardOxford", "fetch_atlas_harvard_oxford"),
        ("juelich-", "Juelich", "fetch_atlas_juelich"),
    ):
        parts = re.fullmatch(pattern, name.removeprefix(prefix)) if name.startswith(prefix) else None
        if parts is None or (parts.group(1) is None) is (folder == "HarvardOxford"):
            continue
        ending = {"sub": "-Subcortical", "cort": "-Cortical", "cortl": "-Cortical-Lateralized"}
        variant = name.removeprefix(prefix)
        files = (
            f"fsl/data/atlases/{folder}/{folder}-{variant}.nii.gz",
            f"fsl/data/atlases/{folder}{ending.get(str(parts.group(1)), '')}.xml",
        )
        return _Source(function, {"atlas_name": variant}, files, is_probabilistic=parts.group(2) == "prob")
    return None


def _labelled(found: Any) -> NamedImage:
    import nibabel as nib

    image: Any = nib.load(found.maps) if isinstance(found.maps, str | Path) else found.maps
    lut: pd.DataFrame = found.lut
    names = {int(i): _text(n) for i, n in zip(lut["index"], lut["name"], strict=True) if int(i) != 0}
    return NamedImage(image, names, str(found.template))


def _hard(found: Any) -> NamedImage:
    """Give every voxel the region that is most likely there."""
    import nibabel as nib

    image: Any = nib.load(found.maps) if isinstance(found.maps, str | Path) else found.maps
    maps = np.asarray(image.dataobj, dtype=np.float32)
    numbers = np.where(maps.max(axis=3) > 0, maps.argmax(axis=3) + 1, 0).astype(np.int32)
    labels = [_text(label) for label in found.labels if _text(label) != "Background"]
    hard = nib.Nifti1Image(numbers, image.affine)  # type: ignore[no-untyped-call]
    return NamedImage(hard, dict(enumerate(labels, start=1)), str(found.get("template", "MNI152")))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
