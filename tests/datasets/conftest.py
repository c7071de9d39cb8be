"""Synthetic BOLD runs in the files that scanners and BIDS give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

AFFINE = np.array([[-2.0, 0, 0, 20], [0, 2, 0, -30], [0, 0, 2, 10], [0, 0, 0, 1]])
TR_S = 2.0


@pytest.fixture
def save_image():
    """Return a function that writes a NIfTI file with a repetition time."""
    import nibabel as nib

    def save(path, data, *, affine=AFFINE, tr_s=TR_S, units=("mm", "sec")) -> Path:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(np.asarray(data), affine)
        if image.ndim == 4:
            image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
        image.header.set_xyzt_units(*units)
        nib.save(image, path)
        return path

    return save


@pytest.fixture
def save_events():
    """Return a function that writes an events.tsv from (onset, duration, stimulus) rows."""

    def save(path, rows, *, column="trial_type", **columns) -> Path:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        names = ["onset", "duration", column, *columns]
        lines = ["\t".join(names)]
        for number, row in enumerate(rows):
            lines.append("\t".join(map(str, [*row, *(values[number] for values in columns.values())])))
        path.write_text("\n".join(lines) + "\n")
        return path

    return save
