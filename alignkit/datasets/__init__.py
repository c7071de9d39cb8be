"""Where recordings come from: one file per source, each with its facts in the registry `DATASETS`.

A dataset is built as ``DATASETS["nifti"](folder=..., ...)``. The modules are light: readers such as nibabel,
nilearn and MNE are imported when a file is read.
"""

from __future__ import annotations

from ._bold import read_bold
from ._dataset import DATASETS, Dataset
from .alice import load_alice
from .fif import load_fif, read_fif
from .haxby2001 import load_haxby2001
from .images92 import load_images92
from .matrix import load_matrix, read_matrix
from .nifti import load_nifti
from .rdms import load_rdms, read_rdms
from .v4_cowley import load_v4_cowley

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
