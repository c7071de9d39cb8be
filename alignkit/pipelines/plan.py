"""What is fixed when a run starts: seed, threads, device, matrix product, versions."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from .._core.atomic import write_text
from .._core.device import pick_device
from .._core.errors import InputError
from .._core.folders import cache_folder

PLAN_FILE = "plan.json"
GEMM_FILE = "gemm.json"
_PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "torch",
    "transformers",
    "nibabel",
    "nilearn",
    "mne",
    "zarr",
)
# These decide the bits of a number; the others only carry it.
_ARITHMETIC = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "nilearn")


@dataclass(frozen=True)
class Plan:
    """The part of a run that no result may change halfway.

    Attributes
    ----------
    seed : int
        Everything random follows from it.
    threads : int
        For BLAS and torch; part of every key, because sums change in their last bits with it.
    device : str
        ``"cpu"`` or ``"cuda"``.
    versions : dict
        Of alignkit, Python and the packages that compute.
    gemm : str
        The library behind large float32 products; they differ in their last bits.
    """

    seed: int
    threads: int
    device: str
    versions: dict[str, str]
    gemm: str = "torch"

    def key(self) -> dict[str, object]:
        """Return what of the plan belongs into keys."""
        arithmetic = {name: self.versions[name] for name in _ARITHMETIC if name in self.versions}
        machine = f"{platform.machine()} {os.environ.get('OPENBLAS_CORETYPE', '')}".strip()
        return {
            "threads": self.threads,
            "device": self.device,
            "machine": machine,
            "gemm": self.gemm,
            "versions": arithmetic,
        }

    def save(self, folder: Path) -> None:
        """Write beside a run's results."""
        write_text(folder / PLAN_FILE, json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")


def make_plan(*, seed: int, threads: int | None, device: str, folder: Path | None = None) -> Plan:
    """Fix the plan of a run, or take up threads and matrix product of an unfinished one in `folder`."""
    earlier = {} if folder is None else _read(folder / PLAN_FILE)
    if threads is None and isinstance(earlier.get("threads"), int):
        threads = earlier["threads"]
    gemm = _fix_gemm(earlier.get("gemm"))
    return Plan(seed, threads or _cores(), str(pick_device(device)), find_versions(), gemm)


def _fix_gemm(earlier: Any) -> str:
    """Fix the matrix product: that of the unfinished run, that of earlier runs here, or the fastest."""
    from ..solvers import gemm_name, use_gemm

    remembered = cache_folder() / GEMM_FILE
    for name in (earlier, _read(remembered).get("gemm")):
        if isinstance(name, str):
            try:
                use_gemm(name)
            except InputError:
                # A run that was moved here from a machine that has it.
                continue
            return name
    name = gemm_name()
    # Timed anew in every run, a close race would end now this way and now that, and nothing be found again.
    write_text(remembered, json.dumps({"gemm": name}) + "\n")
    return name


def find_versions() -> dict[str, str]:
    """Return the versions of alignkit, Python and the packages that compute."""
    found = {"alignkit": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cores() -> int:
    # A container may grant fewer cores than the machine has, and a cluster says how many are this job's.
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(granted, int(asked)) if asked.isdigit() and int(asked) else granted


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
