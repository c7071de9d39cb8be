"""Universal units: those that other models have too, beyond what any basis would offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._registry import METRICS
from ._correlations import as_list, correlations, load, varying

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class ExcessCorrelation:
    """Best correlations of units with other models, and with rotations of these.

    Attributes
    ----------
    excess : ndarray of shape (n_units,)
        Mean over models of the best correlation less its baseline. NaN for constant units.
    best : ndarray of shape (n_models, n_units)
        Largest r of each unit with any unit of each other model, in [-1, 1].
    baseline : ndarray of shape (n_models, n_units)
        The same with the other model's units rotated among themselves, mean over rotations.
    mean_excess, mean_best, mean_baseline : float
        Means over units and models.
    n_constant : int
        Units that do not vary and are left out.
    """

    excess: Matrix
    best: Matrix
    baseline: Matrix
    mean_excess: float
    mean_best: float
    mean_baseline: float
    n_constant: int


@torch_too
def excess_correlation(
    X: ArrayLike,
    others: Sequence[ArrayLike],
    *,
    n_rotations: int = 10,
    random_state: RandomState = 0,
    device: str | None = None,
) -> ExcessCorrelation:
    """Tell how much better units match single units of other models than directions at random.

    ``excess_i = mean_m [max_j r(x_i, y_mj) - mean_Q max_j r(x_i, (Y_m Q)_j)]`` with random rotations Q. The
    baseline has the same subspace, spectrum and number of units, so that what is left is owed to the axes:
    0 where a model's units are just some basis, at most 1.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses of the model whose units are judged, to at least 3 samples (stimuli, tokens).
    others : sequence of arrays of shape (n_samples, n_units_m)
        Responses of other models to the same samples, such as other seeds.
    n_rotations : int, default=10
        Rotations per model that the baseline is averaged over.
    random_state : int, Generator or None, default=0
        For the rotations.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    result : ExcessCorrelation
        The excess never without its baseline, which depends on the numbers of units and samples: for models
        that share 8 independent units it is about .5, and it falls with more.

    Raises
    ------
    InputError
        If there is no other model, the numbers of samples differ, there are fewer than 3 or NaN, or a model
        has no unit that varies.

    Notes
    -----
    Rotations are exactly orthogonal and uniform: the Q of a QR decomposition of normal numbers, signs set by
    the diagonal of R. They act on centred responses in their own units: scaling single units of the other
    models changes the baseline.

    References
    ----------
    Gurnee W et al. (2024). Universal neurons in GPT2 language models, doi:10.48550/arXiv.2401.12181.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((1000, 8))
    >>> found = excess_correlation(X, [X[:, ::-1]])
    >>> round(found.mean_best, 2), round(found.mean_baseline, 1)
    (1.0, 0.5)
    """
    first = load("X", X)
    models = as_list("others", others)
    if len(models) == 0:
        raise InputError("`others` is empty. Give the responses of at least one other model.")
    if n_rotations < 1:
        raise InputError(f"`n_rotations` must be at least 1, got {n_rotations}.")
    rng = as_generator(random_state)
    best, baseline = np.empty((2, len(models), first.shape[1]))
    for number, given in enumerate(track(models, "excess correlation: models")):
        name = f"others[{number}]"
        other = load(name, given)
        check_same_samples("X", first, name, other)
        kept = other[:, varying(other)]
        centred = kept - kept.mean(axis=0)
        best[number] = correlations(first, kept, device=device).max(axis=1)
        rotated = np.zeros(first.shape[1])
        for _ in range(n_rotations):
            turned = multiply(centred, random_rotation(kept.shape[1], rng), device=device)
            rotated += correlations(first, turned, device=device).max(axis=1)
        baseline[number] = rotated / n_rotations
    moves = varying(first)
    best[:, ~moves] = baseline[:, ~moves] = np.nan
    excess = (best - baseline).mean(axis=0)
    return ExcessCorrelation(
        excess,
        best,
        baseline,
        mean_excess=float(excess[moves].mean()),
        mean_best=float(best[:, moves].mean()),
        mean_baseline=float(baseline[:, moves].mean()),
        n_constant=int((~moves).sum()),
    )


def random_rotation(n_units: int, rng: np.random.Generator) -> Matrix:
    """Return an orthogonal matrix drawn uniformly (reflections included)."""
    Q, R = np.linalg.qr(rng.standard_normal((n_units, n_units)))
    # Without the signs of R the draw is not uniform (Mezzadri 2007).
    return np.asarray(Q * np.sign(R.diagonal()))


@torch_too
def _mean_excess(X: ArrayLike, Y: ArrayLike) -> float:
    return excess_correlation(X, [Y]).mean_excess


METRICS.register(
    "excess-correlation",
    kind="similarity",
    inputs="responses",
    range=(-2.0, 1.0),
    higher_is_closer=True,
    invariant_to=("permutation", "scale", "shift", "stimulus-permutation", "unit-scale"),
    unit="r",
    paper="Gurnee et al. 2024, doi:10.48550/arXiv.2401.12181",
    summary="how much better units of X match single units of Y than rotations of Y",
)(_mean_excess)
