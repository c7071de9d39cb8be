"""Digests of single trials' data: the same data are known again whatever their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .trials import Trials

_BLOCK_BYTES = 1 << 26
# Rows of whole numbers that tell less than this are alike by chance, as are spike counts of silent cells.
_LEAST_BITS = 64


def digests_of_trials(trials: Trials) -> list[str]:
    """Return the digest of the data of each trial, 16 hexadecimal digits, subject after subject."""
    return [_digest(row) for row in _rows(trials)]


def fingerprints_of(*parts: Trials) -> frozenset[str]:
    """Return the digests of trials, or none where data do not tell trials apart.

    Rows of one value, or of whole numbers that tell little, are left out. Where two different trials still
    have the same data, as rates of a few cells may, no digest is returned, since the same data would be no
    sign of the same trial.

    Parameters
    ----------
    *parts : Trials
        Each sample counts once, wherever it stands.
    """
    by_sample: dict[tuple[str, int], str] = {}
    for part in parts:
        samples = [
            (subject, int(row))
            for subject in part.subjects
            for row in part.table.loc[part.table["subject"] == subject, "row"]
        ]
        for sample, row in zip(samples, _rows(part), strict=True):
            if _tells(row):
                by_sample[sample] = _digest(row)
    found = frozenset(by_sample.values())
    return found if len(found) == len(by_sample) else frozenset()


def _rows(trials: Trials) -> Iterator[NDArray[np.float32]]:
    for subject in trials.subjects:
        places = np.flatnonzero((trials.table["subject"] == subject).to_numpy())
        n_bytes = 4 * int(np.prod(trials.study[subject].data.shape[1:]))
        step = max(1, _BLOCK_BYTES // max(n_bytes, 1))
        for start in range(0, len(places), step):
            yield from trials.read(places[start : start + step])


def _digest(row: NDArray[np.float32]) -> str:
    # Adding 0 makes -0.0 and 0.0 the same bytes.
    return hashlib.blake2b(np.ascontiguousarray(row + 0).data, digest_size=8).hexdigest()


def _tells(row: NDArray[np.float32]) -> bool:
    flat = row.ravel()
    if (flat == flat[0]).all():
        return False
    if (flat != np.rint(flat)).any():
        return True
    share = np.unique(flat, return_counts=True)[1] / len(flat)
    return bool(-len(flat) * (share * np.log2(share)).sum() >= _LEAST_BITS)
