"""RSA of what is left of every matrix when other models' matrices are regressed out of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orth
from scipy.stats import rankdata

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.hashing import digest_array
from ..candidates import Candidate
from ._region import Column
from ._rsa_data import Transform

Floats = NDArray[np.float64]
# Below this share of its variance, what is left of a matrix is the rounding of what was taken out.
_NOTHING = 1e-12


def split_candidates(
    candidates: Sequence[Candidate], given: Sequence[str], comparison: str
) -> tuple[list[Candidate], list[Candidate]]:
    """Return the models whose matrices are regressed out, and all others.

    Raises
    ------
    InputError
        For a comparison that has no partial form, an unknown name, or if no model is left.
    """
    if comparison not in ("pearson", "spearman"):
        raise InputError(
            f"`partial` regresses matrices out, for which comparison {comparison!r} has no form. Use pearson "
            "or spearman."
        )
    names = [candidate.name for candidate in candidates]
    for name in given:
        if name not in names:
            raise InputError(f"`partial`: {name!r}, {did_you_mean(name, names)}")
    rest = [candidate for candidate in candidates if candidate.name not in given]
    if not rest:
        raise InputError("`partial` names all models of the comparison, so that none is left to compare.")
    return [candidate for candidate in candidates if candidate.name in given], rest


def regressed_out(controls: Floats, names: Sequence[str], comparison: str) -> Transform:
    """Return what takes matrices, and a constant, out of others.

    Parameters
    ----------
    controls : ndarray of shape (n_controls, n_pairs)
        Matrices to take out; they may be collinear.
    names : sequence of str
        Whose they are.
    comparison : {"pearson", "spearman"}
        With "spearman" all are ranked first; what is left is compared by Pearson's r in both cases.
    """
    ranked = comparison == "spearman"

    def prepared(rows: Floats) -> Floats:
        values = rankdata(rows, axis=1) if ranked else rows
        return np.asarray(values - values.mean(axis=1, keepdims=True), dtype=np.float64)

    centred = prepared(controls)
    lengths = np.linalg.norm(centred, axis=1)
    varied = lengths > 0
    # (n_pairs, n_independent)
    basis = orth((centred[varied] / lengths[varied, None]).T, rcond=1e-10)

    def apply(matrices: Floats) -> Floats:
        whole = prepared(matrices)
        left = whole - (whole @ basis) @ basis.T
        # Twice is enough: the second pass takes out what rounding left of large controls.
        left -= (left @ basis) @ basis.T
        explained = (left**2).sum(axis=1) <= _NOTHING * (whole**2).sum(axis=1)
        left[explained] = 0.0
        return left

    ranks = "ranks over pairs are taken and " if ranked else ""
    words = f"Of every matrix, {ranks}what those of {', '.join(names)} (all layers) explain is regressed out"
    key = {"given": digest_array(controls), "ranked": ranked}
    return Transform(apply, key, f"{words} over all stimuli, and what is left is compared.", (), not ranked)


def check_left(models: Floats, columns: Sequence[Column], given: Sequence[str]) -> None:
    """Refuse a model that the others explain wholly."""
    for row, column in zip(models, columns, strict=True):
        if not row.any():
            raise InputError(
                f"nothing is left of {column.name!r} ({column.layer}) when {', '.join(given)} are regressed "
                "out; leave it out."
            )
