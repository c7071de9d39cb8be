"""Where recordings come from: one file per source, each with its facts in the registry `DATASETS`.

A dataset is built as ``DATASETS["nifti"](folder=..., ...)``. The modules are light: readers such as nibabel,
nilearn and MNE are imported when a file is read.
"""

from __future__ import annotations

from ._dataset import DATASETS, Dataset
from .fmri.bold import read_bold
from .fmri.nifti import load_nifti
from .matrix import load_matrix, read_matrix
from .meeg.fif import load_fif, read_fif
from .public.alice import load_alice
from .public.haxby2001 import load_haxby2001
from .public.images92 import load_images92
from .public.v4_cowley import load_v4_cowley
from .rdms import load_rdms, read_rdms

__all__ = [
    "DATASETS",
    "Dataset",
    "load_alice",
    "load_fif",
    "load_haxby2001",
    "load_images92",
    "load_matrix",
    "load_nifti",
    "load_rdms",
    "load_v4_cowley",
    "read_bold",
    "read_fif",
    "read_matrix",
    "read_rdms",
]
