"""One component RDM per unit, summed and multiplied without ever being built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import nnls
from scipy.spatial.distance import squareform

from ..._core.errors import InputError

ComponentKind = Literal["products", "squared-differences"]
Matrix = NDArray[np.float64]
WeightPath = Callable[[float], Matrix]

# Elements of the components of some pairs, or some units, that are built at a time: 32 MiB.
_CHUNK_ELEMENTS = 2**22
# The shorter side of the problem, units or pairs, is decomposed as a dense matrix: 1 GiB.
MAX_SIDE = 12_000


class UnitComponents:
    """The components of all units over the pairs of some stimuli.

    Component k is ``(x_ik - x_jk)^2``, or ``-x_ik x_jk``. Their inner products over all pairs are sums of
    powers of the units, O(n_stimuli n_units^2) instead of O(n_pairs n_units^2); pairs without a value are
    subtracted.

    Parameters
    ----------
    X : ndarray of shape (n_stimuli, n_units)
        Responses to the stimuli.
    has_value : ndarray of bool, shape (n_pairs,)
        Which pairs count.
    kind : {"products", "squared-differences"}
        Which components.
    """

    def __init__(self, X: Matrix, has_value: NDArray[np.bool_], kind: str) -> None:
        self.squared = kind == "squared-differences"
        # Differences do not see a shift, and sums of powers cancel less around the mean.
        self.X = X - X.mean(axis=0) if self.squared else X
        self.first, self.second = np.triu_indices(len(X), k=1)
        self.has_value = has_value
        self.n_pairs = int(np.count_nonzero(has_value))
        missing = np.flatnonzero(~has_value)
        step = max(1, _CHUNK_ELEMENTS // X.shape[1])
        self._missing = [missing[at : at + step] for at in range(0, len(missing), step)]

    def build(self, pairs: NDArray[np.intp], units: slice = slice(None)) -> Matrix:
        """Return the components over some pairs, (n_some_pairs, n_some_units)."""
        first, second = self.X[self.first[pairs], units], self.X[self.second[pairs], units]
        return np.asarray((first - second) ** 2 if self.squared else -first * second)

    def sums(self) -> Matrix:
        """Return the sum of every component over pairs, (n_units,)."""
        squares = (self.X**2).sum(axis=0)
        total = len(self.X) * squares if self.squared else -(self.X.sum(axis=0) ** 2 - squares) / 2
        return np.asarray(total - sum(self.build(pairs).sum(axis=0) for pairs in self._missing))

    def squared_lengths(self) -> Matrix:
        """Return the sum of squares of every component over pairs, (n_units,)."""
        second, fourth = (self.X**2).sum(axis=0), (self.X**4).sum(axis=0)
        total = len(self.X) * fourth + 3 * second**2 if self.squared else (second**2 - fourth) / 2
        return np.asarray(total - sum((self.build(pairs) ** 2).sum(axis=0) for pairs in self._missing))

    def gram(self) -> Matrix:
        """Return inner products of the components over pairs, (n_units, n_units)."""
        squares = self.X**2
        products, fourth = self.X.T @ self.X, squares.T @ squares
        if self.squared:
            total = len(self.X) * fourth + 2 * products**2
            total += np.outer(products.diagonal(), products.diagonal())
        else:
            total = (products**2 - fourth) / 2
        for pairs in self._missing:
            components = self.build(pairs)
            total -= components.T @ components
        return np.asarray(total)

    def cross(self, vectors: Matrix) -> Matrix:
        """Return inner products of vectors over the pairs that count with every component.

        `vectors` is (n_vectors, n_pairs_with_value), the result (n_vectors, n_units).
        """
        result = np.empty((len(vectors), self.X.shape[1]))
        for row, vector in enumerate(vectors):
            whole = np.zeros(len(self.has_value))
            whole[self.has_value] = vector
            matrix = squareform(whole)
            inner = np.einsum("ik,ik->k", self.X, matrix @ self.X)
            result[row] = matrix.sum(axis=0) @ self.X**2 - inner if self.squared else -inner / 2
        return result

    def kernel(self, means: Matrix) -> Matrix:
        """Return inner products of pairs over the components less `means`, (n_pairs, n_pairs)."""
        pairs = np.flatnonzero(self.has_value)
        total = np.zeros((self.n_pairs, self.n_pairs))
        step = max(1, _CHUNK_ELEMENTS // self.n_pairs)
        for at in range(0, self.X.shape[1], step):
            units = slice(at, at + step)
            centred = self.build(pairs, units) - means[units]
            total += centred @ centred.T
        return total


def predict(X: Matrix, weights: Matrix, kind: str) -> Matrix:
    """Return the weighted sum of the components over all pairs of stimuli, (n_pairs,)."""
    if kind == "products":
        return np.asarray(-squareform((X * weights) @ X.T, checks=False))
    # Differences do not see a shift, but a large mean would cancel in the products.
    centred = X - X.mean(axis=0)
    products = (centred * weights) @ centred.T
    own = products.diagonal()
    return np.asarray(squareform(own + own[:, None] - 2 * products, checks=False))


def weight_path(
    X: Matrix, targets: Matrix, has_value: NDArray[np.bool_], kind: str, *, non_negative: bool
) -> WeightPath:
    """Return a function of the penalty that gives weights, (n_targets, n_units).

    The weights minimise the mean over pairs of ``(d - c - sum_k w_k f_k)^2`` plus the penalty times the sum
    of the squared weights in units of the components' standard deviations; c is free.

    Parameters
    ----------
    X : ndarray of shape (n_stimuli, n_units)
        Responses of the training stimuli.
    targets : ndarray of shape (n_targets, n_pairs_with_value)
        Their dissimilarities.
    has_value : ndarray of bool, shape (n_pairs,)
        Which pairs count.
    kind : str
        See :class:`UnitComponents`.
    non_negative : bool
        Whether weights must be 0 or more.

    Returns
    -------
    path : function
        All decompositions are done.
    """
    raw = UnitComponents(X, has_value, kind)
    n_pairs = raw.n_pairs
    squares = raw.squared_lengths() / n_pairs
    variances = squares - (raw.sums() / n_pairs) ** 2
    # What varies by no more than the rounding of its own mean does not vary.
    rounding = 4 * np.finfo(np.float64).eps * np.abs(X).mean(axis=0)
    varied = (X.std(axis=0) > rounding) & (variances > 1e-12 * squares)
    if not varied.any():
        raise InputError(
            f"none of the {X.shape[1]} units of `X` varies over the training stimuli, so that none can be "
            "weighted. Check the layer, or use more stimuli."
        )
    scales = np.sqrt(variances[varied])
    # Components scale with the square of their unit.
    components = UnitComponents(X[:, varied] / np.sqrt(scales), has_value, kind)
    centred = targets - targets.mean(axis=1, keepdims=True)
    side = min(n_pairs, len(scales))
    if side > MAX_SIDE:
        raise InputError(
            f"{len(scales)} units and {n_pairs} training pairs make a dense problem of side {side}, above "
            f"{MAX_SIDE}. Reduce the units first, for instance by a random projection."
        )
    if non_negative:
        solve = _non_negative(components, centred)
    elif len(scales) <= n_pairs:
        solve = _primal(components, centred)
    else:
        solve = _dual(components, centred)

    def path(alpha: float) -> Matrix:
        weights = np.zeros((len(targets), X.shape[1]))
        weights[:, varied] = solve(alpha * n_pairs) / scales
        return weights

    return path


def _normal_equations(components: UnitComponents, targets: Matrix) -> tuple[Matrix, Matrix]:
    sums = components.sums()
    return components.gram() - np.outer(sums, sums) / components.n_pairs, components.cross(targets)


def _primal(components: UnitComponents, targets: Matrix) -> WeightPath:
    gram, cross = _normal_equations(components, targets)
    values, vectors = eigh(gram, driver="evd", overwrite_a=True)
    rotated = cross @ vectors
    # Without penalty, a direction that no component has gets no weight.
    used = values > _floor(values)
    return lambda penalty: np.asarray((rotated[:, used] / (values[used] + penalty)) @ vectors[:, used].T)


def _dual(components: UnitComponents, targets: Matrix) -> WeightPath:
    kernel = components.kernel(components.sums() / components.n_pairs)
    values, vectors = eigh(kernel, driver="evd", overwrite_a=True)
    # Centred components make a kernel without the constant: its direction is one of rounding.
    used = values > _floor(values)
    values, vectors = values[used], vectors[:, used]
    rotated = targets @ vectors
    return lambda penalty: components.cross((rotated / (values + penalty)) @ vectors.T)


def _non_negative(components: UnitComponents, targets: Matrix) -> WeightPath:
    n_units = components.X.shape[1]
    if n_units <= components.n_pairs:
        gram, cross = _normal_equations(components, targets)
        values, vectors = eigh(gram, driver="evd", overwrite_a=True)
        used = values > _floor(values)
        roots = np.sqrt(values[used])
        design, aims = roots[:, None] * vectors[:, used].T, (cross @ vectors[:, used]) / roots
    else:
        design = components.build(np.flatnonzero(components.has_value))
        design -= design.mean(axis=0)
        aims = targets

    def solve(penalty: float) -> Matrix:
        extended = design
        if penalty > 0:
            extended = np.concatenate([design, np.sqrt(penalty) * np.eye(n_units)])
        padding = np.zeros(len(extended) - aims.shape[1])
        return np.stack([nnls(extended, np.concatenate([aim, padding]))[0] for aim in aims])

    return solve


def _floor(values: Matrix) -> float:
    """Return the size below which eigenvalues are rounding errors."""
    return float(len(values) * np.finfo(np.float64).eps * values[-1])
