"""Maps of all subjects, fitted on the training part of one fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .common_template import Hyperalignment
from .procrustes_map import ProcrustesAlignment
from .ridge_map import ALPHAS, RidgeAlignment
from .shared_response import SharedResponseModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SubjectMap:
    """A subject's affine map: ``((X - source_mean) / source_scale) @ weights * target_scale + target_mean``.

    Attributes
    ----------
    weights : ndarray of shape (n_channels, n_aligned_channels)
        Between z-scored channels (or centred ones, where nothing was standardised).
    source_mean, source_scale : ndarray of shape (n_channels,)
        Of the subject's training samples.
    target_mean, target_scale : ndarray of shape (n_aligned_channels,)
        Of the reference's training samples; 0 and 1 for a template.
    """

    weights: Floats
    source_mean: Floats
    source_scale: Floats
    target_mean: Floats
    target_scale: Floats

    def apply(self, X: Floats) -> Floats:
        """Map responses.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels)
            Responses of the subject whose map it is, to any samples.

        Returns
        -------
        aligned : ndarray of shape (n_samples, n_aligned_channels)
            In the reference's unit; for a template in its own.
        """
        z_scored = (X - self.source_mean) / self.source_scale
        aligned: Floats = z_scored @ self.weights * self.target_scale + self.target_mean
        return aligned


@dataclass(frozen=True)
class Alignment:
    """How subjects are aligned; see :func:`alignkit.preprocessing.functional_alignment.align_study`."""

    method: str
    reference: str | None
    n_features: int | None
    standardize: bool
    scaling: bool
    alphas: Sequence[float] | None
    random_state: int


def fit_maps(
    training: Mapping[str, Floats], labels: Sequence[object] | None, how: Alignment
) -> dict[str, SubjectMap]:
    """Fit a map per subject; nothing but these samples is looked at.

    Parameters
    ----------
    training : mapping of str to array of shape (n_training_rows, n_channels)
        Responses of all subjects to the same samples.
    labels : sequence of length n_training_rows, or None
        The group of each row, for the choice of a penalty; None to choose it by blocks of neighbouring rows.
    how : Alignment
        The method and its options.

    Returns
    -------
    maps : dict of str to SubjectMap
    """
    facts = {subject: _facts(X, how.standardize) for subject, X in training.items()}
    z_scored = {subject: (X - facts[subject][0]) / facts[subject][1] for subject, X in training.items()}
    weights = (
        _common(z_scored, how)
        if how.method in ("srm", "hyperalignment")
        else _pairwise(z_scored, labels, how)
    )
    maps = {}
    for subject, matrix in weights.items():
        width = matrix.shape[1]
        mean, scale = facts[how.reference] if how.reference is not None else (np.zeros(width), np.ones(width))
        maps[subject] = SubjectMap(matrix, *facts[subject], mean, scale)
    return maps


def _facts(X: Floats, standardize: bool) -> tuple[Floats, Floats]:
    """Return what a subject's channels are centred and divided by."""
    mean, spread = X.mean(axis=0), X.std(axis=0)
    # A channel that is constant but for rounding has nothing to be z-scored.
    flat = spread <= 1e-6 * np.abs(X).max(axis=0)
    return mean, np.where(flat | (not standardize), 1.0, spread)


def _common(data: Mapping[str, Floats], how: Alignment) -> dict[str, Floats]:
    subjects = list(data)
    model: SharedResponseModel | Hyperalignment
    if how.method == "srm":
        model = SharedResponseModel(n_features=how.n_features or 0)
    else:
        place = None if how.reference is None else subjects.index(how.reference)
        model = Hyperalignment(reference=place, scaling=how.scaling)
    model.fit(list(data.values()))
    maps = dict(zip(subjects, model.maps_, strict=True))
    if how.reference is None:
        return maps
    back = maps[how.reference].T
    if isinstance(model, Hyperalignment):
        back = back / model.scales_[subjects.index(how.reference)] ** 2
    return {subject: weights @ back for subject, weights in maps.items()}


def _pairwise(
    data: Mapping[str, Floats], labels: Sequence[object] | None, how: Alignment
) -> dict[str, Floats]:
    target = data[str(how.reference)]
    weights: dict[str, Floats] = {}
    for subject, source in data.items():
        if subject == how.reference:
            weights[subject] = np.eye(target.shape[1])
        elif how.method == "procrustes":
            weights[subject] = ProcrustesAlignment(scaling=how.scaling).fit(source, target).coef_
        else:
            alphas = ALPHAS if how.alphas is None else tuple(how.alphas)
            # Blocks hold two rows at least.
            n_folds = min(5, max(2, len(source) // 2) if labels is None else len(set(labels)))
            ridge = RidgeAlignment(alphas=alphas, n_folds=n_folds, random_state=how.random_state)
            weights[subject] = np.asarray(ridge.fit(source, target, groups=labels).coef_)
    return weights
