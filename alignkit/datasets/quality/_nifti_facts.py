"""What a NIfTI, GIfTI or CIFTI file says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..._core.errors import InputError
from .._arrays import readable
from ..fmri._volumes import header_tr, open_image
from ._beside import events_beside, mask_beside, motion_beside, read_event_times, sidecar_beside, stem_of
from ._file_lines import named_files, subject_of
from .inspection import Inspection

VOLUMES = (".nii", ".nii.gz", ".mgz", ".mgh")
SURFACES = (".func.gii", ".gii", ".dtseries.nii")


def inspect_volume(path: Path) -> Inspection:
    """Say what a NIfTI file holds, from its header and what lies beside it."""
    import nibabel as nib

    image = open_image(path)
    shape = tuple(int(n) for n in image.shape)
    is_series = len(shape) == 4 and shape[3] > 1
    sizes = [float(size) for size in image.header.get_zooms()[:3]]
    with readable(path, "a NIfTI image"):
        letters: Any = nib.aff2axcodes(image.affine)  # type: ignore[no-untyped-call]
        codes = "".join(code or "?" for code in letters)
    facts = [
        ("shape", " x ".join(map(str, shape))),
        ("voxel size", f"{' x '.join(f'{size:g}' for size in sizes)} {_length_unit(image)}"),
        ("orientation", f"{codes} (the first axis towards {_TOWARDS.get(codes[:1], 'an unknown side')})"),
        ("numbers", str(image.get_data_dtype())),
    ]
    notes: list[str] = []
    details: dict[str, Any] = {"shape": list(shape), "voxel_size_mm": sizes, "orientation": codes}
    if not is_series:
        return Inspection(
            str(path.resolve()), "NIfTI volume", tuple(facts), details=details,
            remark="A single volume is a mask, an atlas or a map; name it as `mask` or `atlas` of a series.",
        )  # fmt: skip
    tr_s, said = header_tr(path, image)
    facts += [("volumes", str(shape[3])), ("TR", _tr_line(image, tr_s))]
    if said:
        notes.append(said)
    sidecar = _sidecar(path, notes)
    facts.append(("sidecar", _sidecar_line(sidecar, tr_s, notes)))
    events = events_beside(path)
    facts.append(("events", _events_line(events, notes)))
    motion, mask = motion_beside(path), mask_beside(path)
    facts += [(name, found.name) for name, found in (("motion", motion), ("mask", mask)) if found is not None]
    details |= {"tr_s": tr_s, "n_volumes": shape[3], "events": events and str(events)}
    dataset, remark = _dataset(path, events, sidecar.get("RepetitionTime") or tr_s)
    return Inspection(
        str(path.resolve()), "NIfTI series", tuple(facts), (), dataset, remark, details, tuple(notes)
    )  # fmt: skip


def inspect_surface(path: Path) -> Inspection:
    """Say what a GIfTI or CIFTI series holds."""
    import nibabel as nib

    with readable(path, "a surface or CIFTI file"):
        image: Any = nib.load(path)
        if hasattr(image, "darrays"):
            sizes = [len(image.darrays), len(image.darrays[0].data)]
            what = "vertices"
        else:
            sizes, what = [int(n) for n in image.shape], "grayordinates"
    facts = (("maps or volumes", str(sizes[0])), (what, str(sizes[1])))
    return Inspection(
        str(path.resolve()), "GIfTI" if what == "vertices" else "CIFTI series", facts,
        remark="Surfaces and CIFTI are read from a BIDS folder: name the one with dataset_description.json.",
    )  # fmt: skip


_TOWARDS = {"R": "the right", "L": "the left", "A": "the front", "P": "the back", "S": "above", "I": "below"}


def _length_unit(image: Any) -> str:
    unit = image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "mm"
    return "mm (the header names no unit)" if unit == "unknown" else str(unit)


def _tr_line(image: Any, tr_s: float | None) -> str:
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else "msec"
    if not tr_s:
        return "not in the header"
    named = "the header names no unit of time" if unit == "unknown" else f"header in {unit}"
    return f"{tr_s:g} s ({named})"


def _sidecar(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        return sidecar_beside(path)
    except InputError as error:
        notes.append(str(error))
        return {}


def _sidecar_line(sidecar: dict[str, Any], tr_s: float | None, notes: list[str]) -> str:
    if not sidecar:
        return "none beside it"
    said = sidecar.get("RepetitionTime")
    if isinstance(said, int | float) and tr_s and abs(said - tr_s) > 1e-3 * tr_s:
        notes.append(f"The sidecar gives a repetition time of {said:g} s, the header {tr_s:g} s.")
    return f"{len(sidecar)} entries, RepetitionTime {said if said is not None else 'not among them'}"


def _events_line(events: Path | None, notes: list[str]) -> str:
    if events is None:
        return "none beside it"
    try:
        table = read_event_times(events)
    except InputError as error:
        notes.append(str(error))
        return f"{events.name}, not readable"
    return f"{events.name}: {len(table)} of {table.table['name'].nunique()} names"


def _dataset(path: Path, events: Path | None, tr_s: Any) -> tuple[dict[str, Any] | None, str]:
    if events is None:
        wanted = f"{stem_of(path)}_events.tsv"
        return None, f"Missing: a table of events (onset, duration, trial_type) beside it, such as {wanted}."
    if not tr_s:
        return None, "Missing: a repetition time; give it as `tr_s` to the dataset kind 'nifti'."
    return volumes_dataset([path], [events]), ""


def volumes_dataset(runs: Sequence[Path], events: Sequence[Path]) -> dict[str, Any]:
    """Return the options that read runs of one subject with their tables of events."""
    mask = mask_beside(runs[0]) if len(runs) == 1 else None
    masks = [] if mask is None else [mask]
    folder, (bold, tables, named) = named_files(runs, events, masks)
    made = {"kind": "nifti", "folder": str(folder), "bold": bold, "events": tables}
    return {**made, **({"mask": named[0]} if named else {}), "subjects": [subject_of(runs[0])]}
