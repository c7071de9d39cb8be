"""How well classes separate: the generalised discrimination value."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import constant_along
from ..rsa.dissimilarities import rdm
from ._patterns import load_labelled


@torch_too
def generalised_discrimination_value(X: ArrayLike, labels: ArrayLike) -> float:
    """Compute how much closer samples of one class are than samples of two (GDV).

    Units are z-scored and halved; then the mean distance within a class, averaged over classes, less the
    mean distance between two classes, averaged over pairs of classes, over the root of the number of units.
    Unchanged by shifts and by a positive factor for each unit.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses. Constant units are left out and do not count.
    labels : array of shape (n_samples,)
        Each sample's class; at least 2 classes of at least 2 samples.

    Returns
    -------
    value : float
        0 for no separation, -1 for two classes of equal points each; lower is better separated. Above 0
        where classes lie inside one another.

    Raises
    ------
    InputError
        If X holds NaN, all units are constant, or the classes are too few or too small.

    References
    ----------
    Schilling A et al. (2021). Quantifying the separability of data classes in neural networks,
    doi:10.1016/j.neunet.2021.03.035.

    Examples
    --------
    >>> generalised_discrimination_value([[0.0], [0.0], [1.0], [1.0]], ["a", "a", "b", "b"])
    -1.0
    """
    patterns, names, members = load_labelled(X, labels, min_rows=2)
    varying = ~constant_along(patterns, axis=0)
    if not varying.any():
        raise InputError(f"all {patterns.shape[1]} units of `X` are constant: there is nothing to separate.")
    deviations = patterns[:, varying] - patterns[:, varying].mean(axis=0)
    deviations /= np.abs(deviations).max(axis=0)
    scaled = deviations / (2 * deviations.std(axis=0))
    order = np.concatenate(members)
    n_samples = len(order)
    square = np.zeros((n_samples, n_samples))
    # Distances over the root of the number of units, as the value wants them.
    square[np.triu_indices(n_samples, k=1)] = rdm(scaled[order], method="euclidean")
    square += square.T
    sizes = np.array([len(rows) for rows in members])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(np.add.reduceat(square, starts, axis=0), starts, axis=1)
    within = float(np.mean(np.diag(sums) / (sizes * (sizes - 1))))
    pairs = np.triu_indices(len(names), k=1)
    between = float(np.mean((sums / np.outer(sizes, sizes))[pairs]))
    return within - between


METRICS.register(
    "generalised-discrimination-value",
    kind="statistic",
    inputs="labelled",
    range=(float("-inf"), float("inf")),
    higher_is_closer=None,
    invariant_to=("permutation", "scale", "shift", "stimulus-permutation", "unit-scale"),
    unit="GDV",
    paper="Schilling et al. 2021, doi:10.1016/j.neunet.2021.03.035",
    summary="distance within classes less distance between classes, per z-scored unit; -1 is best",
)(generalised_discrimination_value)
