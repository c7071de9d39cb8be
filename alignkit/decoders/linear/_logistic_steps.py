"""Many penalised logistic regressions at once, to the optimum, from a shared preconditioner.

Problems that share a design are columns of the same matrix products, and quasi-Newton steps start from one
inverse Hessian that all of them share.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

Floats = NDArray[np.float64]
Real = NDArray[Any]

_MEMORY = 4  # pairs of the quasi-Newton history
_REFRESH = 16  # steps after which a stale Hessian costs more than a new one
_MAX_STEPS = 500
_SINGLE_STEPS = 60
_SINGLE_TOL = 2e-7  # mean gradient down to which products in float32 can be trusted
_SINGLE_CONDITION = 1e6
_FLAT = 0.25  # share of the slope along a step that may be left
_MAX_TRIALS = 20
_SMALL = 64  # unknowns up to which LAPACK on a whole stack beats one matrix at a time


@dataclass(frozen=True)
class Problems:
    """Regressions on a stack of designs; the last axes are samples or unknowns.

    Attributes
    ----------
    design : ndarray of shape (n_designs, n_samples, n_unknowns)
        Float64; the last column is 1 and belongs to the intercept.
    weights : ndarray of shape (n_problems, 1, n_samples)
        Of the losses of samples: 1 in the training part of a problem, otherwise 0.
    targets : ndarray of shape (n_outputs, n_samples)
        1 where a sample is of the output's class; one output is the second of two classes.
    penalty : ndarray of shape (n_designs, n_problems, 1, n_unknowns)
        Of squared unknowns, halved.
    """

    design: Floats
    weights: Floats
    targets: Floats
    penalty: Floats

    @property
    def n_samples(self) -> Floats:
        """Samples of each problem, shape (n_problems,)."""
        return np.asarray(self.weights.sum(axis=(1, 2)))


def _nothing() -> Real:
    return np.empty(0)


@dataclass
class _State:
    """Where a stack of problems stands; every array has designs first, and `kept` says which they are."""

    kept: NDArray[np.intp]
    design: Floats
    products: Real  # the design as it is multiplied with, in float32 while that is enough
    penalty: Floats
    unknowns: Floats  # (n_designs, n_problems, n_outputs, n_unknowns)
    margins: Floats = field(default_factory=_nothing)  # (n_designs, n_problems, n_outputs, n_samples)
    chances: Floats = field(default_factory=_nothing)  # of the same shape
    gradient: Floats = field(default_factory=_nothing)  # of the shape of the unknowns
    inverse: Real = field(default_factory=_nothing)  # (n_designs, n_unknowns, n_unknowns)
    steps: list[Floats] = field(default_factory=list)
    changes: list[Floats] = field(default_factory=list)
    curvatures: list[Floats] = field(default_factory=list)

    def of(self, rows: NDArray[np.intp]) -> _State:
        """Return some designs."""
        return _State(
            self.kept[rows],
            self.design[rows],
            self.products[rows],
            self.penalty[rows],
            self.unknowns[rows],
            self.margins[rows],
            self.chances[rows],
            self.gradient[rows],
            self.inverse[rows],
            *([each[rows] for each in pairs] for pairs in (self.steps, self.changes, self.curvatures)),
        )

    def forget(self) -> None:
        """Drop the history, which belongs to the inverse that it was made with."""
        self.steps, self.changes, self.curvatures = [], [], []


def minimise(problems: Problems, *, tol: float) -> Floats:
    """Return the optimum of every problem, shape (n_designs, n_problems, n_outputs, n_unknowns).

    Limited-memory BFGS whose first matrix is the inverse Hessian of the problems of a design on average,
    renewed when the weights of samples have moved on.
    """
    solution = np.empty((len(problems.design), *_shape_of_unknowns(problems)))
    trusted = _single_is_enough(problems)
    state = _start(problems, np.float32 if trusted else np.float64)
    since = 0
    for step in range(_MAX_STEPS):
        worst = (np.abs(state.gradient).max(axis=(2, 3)) / problems.n_samples).max(axis=1)
        if state.products.dtype == np.float32:
            if worst.max() <= max(_SINGLE_TOL, tol) or step >= _SINGLE_STEPS:
                state.products = state.design
                _evaluate(problems, state)
                continue
        else:
            done = worst <= tol
            if done.all() or (len(done) >= 8 and 2 * done.sum() >= len(done)):
                solution[state.kept] = _about_mean(state.unknowns)
                state = state.of(np.flatnonzero(~done))
                if done.all():
                    return solution
        if since == _REFRESH:
            state.inverse = _inverse_hessian(problems, state)
            state.forget()
            since = 0
        _step(problems, state)
        since += 1
    solution[state.kept] = _about_mean(state.unknowns)
    warnings.warn(
        f"{len(state.kept)} logistic regression(s) have a mean gradient of up to {worst.max():.1e} after "
        f"{_MAX_STEPS} steps, not {tol:.1e}. Lower `C`, or drop channels that repeat others.",
        RuntimeWarning,
        stacklevel=2,
    )
    return solution


def _start(problems: Problems, dtype: type[np.floating[Any]]) -> _State:
    """Return intercepts alone: the log-odds of classes in each training part."""
    n_designs = len(problems.design)
    shares = (problems.weights * problems.targets).sum(axis=2) / problems.n_samples[:, None]
    odds = np.log(shares / (1 - shares)) if len(problems.targets) == 1 else np.log(shares)
    unknowns = np.zeros((n_designs, *_shape_of_unknowns(problems)))
    unknowns[..., -1] = odds - (0 if len(problems.targets) == 1 else odds.mean(axis=1, keepdims=True))
    products = problems.design.astype(dtype, copy=False)
    state = _State(np.arange(n_designs), problems.design, products, problems.penalty, unknowns)
    _evaluate(problems, state)
    state.inverse = _inverse_hessian(problems, state)
    return state


def _evaluate(problems: Problems, state: _State) -> None:
    """Set margins, probabilities and the gradient at the unknowns, from the start."""
    state.margins = _along(state.products, state.unknowns)
    state.chances = _chances(state.margins)
    state.gradient = _gradient(problems, state)


def _step(problems: Problems, state: _State) -> None:
    """Move along the quasi-Newton direction to where the slope is nearly gone."""
    direction = _direction(state)
    slopes = _along(state.products, direction)
    length, margins, chances = _search(problems, state, direction, slopes)
    step = length * direction
    before = state.gradient
    state.unknowns = state.unknowns + step
    state.margins, state.chances = margins, chances
    state.gradient = _gradient(problems, state)
    change = state.gradient - before
    curvature = _inner(step, change)
    # Problems that are at their optimum have steps of rounding, which must not shape the others.
    sound = curvature > np.finfo(np.float64).eps * _inner(change, change) * 1e-4
    state.steps = [*state.steps, step][-_MEMORY:]
    state.changes = [*state.changes, change][-_MEMORY:]
    inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=sound)
    state.curvatures = [*state.curvatures, inverse][-_MEMORY:]


def _direction(state: _State) -> Floats:
    """Return the descent direction of limited-memory BFGS (the two-loop recursion)."""
    residual = state.gradient.copy()
    taken = []
    history = list(zip(state.steps, state.changes, state.curvatures, strict=True))
    for step, change, inverse in reversed(history):
        taken.append(inverse * _inner(step, residual))
        residual -= taken[-1] * change
    shape = residual.shape
    flat = residual.reshape(shape[0], -1, shape[3]).astype(state.inverse.dtype, copy=False)
    direction = (flat @ state.inverse).reshape(shape).astype(np.float64, copy=False)
    for (step, change, inverse), amount in zip(history, reversed(taken), strict=True):
        direction += (amount - inverse * _inner(change, direction)) * step
    return -direction


def _search(
    problems: Problems, state: _State, direction: Floats, slopes: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return how far to go along the direction, with margins and probabilities there.

    The objective along a line is convex and its derivatives need no product with the design, so that
    Newton's method, kept inside the bracket that signs of the slope give, costs next to nothing.
    """
    penalised = state.penalty * direction
    square, cross = _inner(penalised, direction), _inner(penalised, state.unknowns)
    length = np.zeros_like(square)
    low, high = np.zeros_like(square), np.full_like(square, np.inf)
    slope = first = _inner(state.gradient, direction)
    margins, chances = state.margins, state.chances
    for _ in range(_MAX_TRIALS):
        bend = _bend(chances, slopes, problems.weights) + square
        newton = length - np.divide(slope, bend, out=np.zeros_like(bend), where=bend > 0)
        middle = np.where(np.isinf(high), 2 * length + 1.0, (low + high) / 2)
        length = np.where((newton > low) & (newton < high) | (slope == 0), newton, middle)
        margins = state.margins + length * slopes
        chances = _chances(margins)
        residual = problems.weights * (chances - problems.targets)
        slope = _inner(residual, slopes) + cross + length * square
        low, high = np.where(slope < 0, length, low), np.where(slope > 0, length, high)
        if (np.abs(slope) <= _FLAT * np.abs(first)).all():
            break
    return length, margins, chances


def _inverse_hessian(problems: Problems, state: _State) -> Real:
    """Return the inverse Hessian of a design's problems on average, between classes on average too."""
    spread = 1.0 - (state.chances**2).sum(axis=2, keepdims=True)
    if len(problems.targets) == 1:
        spread = 2.0 * state.chances * (1.0 - state.chances)
    n_classes = max(len(problems.targets), 2)
    weights = (problems.weights * spread).mean(axis=(1, 2)) / (n_classes - 1)
    if n_classes == 2:
        weights /= 2.0
    scaled = state.products * np.sqrt(weights)[..., None].astype(state.products.dtype)
    penalty = state.penalty.mean(axis=(1, 2)).astype(scaled.dtype)
    if scaled.shape[2] > _SMALL:
        return np.stack([_inverse_of_gram(each, own) for each, own in zip(scaled, penalty, strict=True)])
    return _inverses(_damped(scaled.swapaxes(1, 2) @ scaled, penalty))


def _inverse_of_gram(scaled: Real, penalty: Real) -> Real:
    """Return the inverse of one large penalised Gram matrix, from its lower triangle alone."""
    single = scaled.dtype == np.float32
    multiply, factor, invert = (
        (blas.ssyrk, lapack.spotrf, lapack.spotri) if single else (blas.dsyrk, lapack.dpotrf, lapack.dpotri)
    )
    gram = _damped(multiply(1.0, scaled.T, lower=True)[None], penalty[None])[0]
    lower, failed = factor(gram, lower=True)
    if failed:
        return np.asarray(_inverses((np.tril(gram) + np.tril(gram, -1).T)[None])[0])
    half = invert(lower, lower=True, overwrite_c=True)[0]
    index = np.arange(len(half))
    diagonal = half[index, index]
    inverse = half + half.T
    inverse[index, index] = diagonal
    return np.asarray(inverse)


def _damped(grams: Real, penalty: Real) -> Real:
    """Add the penalty to the diagonals, in place."""
    index = np.arange(grams.shape[1])
    grams[:, index, index] += penalty
    # The intercept of a stack whose samples are all certain has no curvature left.
    grams[:, -1, -1] += np.finfo(grams.dtype).eps * grams[:, index, index].max(axis=1)
    return grams


def _inverses(matrices: Real) -> Real:
    """Return inverses of positive matrices, of which only an approximation is needed."""
    try:
        return np.asarray(np.linalg.inv(matrices))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrices.astype(np.float64), hermitian=True))


def _gradient(problems: Problems, state: _State) -> Floats:
    residual = problems.weights * (state.chances - problems.targets)
    shape = residual.shape
    flat = residual.reshape(shape[0], -1, shape[3]).astype(state.products.dtype, copy=False)
    # (n_designs, n_problems, n_outputs, n_unknowns)
    gradient = (flat @ state.products).reshape(*shape[:3], -1)
    return np.asarray(gradient + state.penalty * state.unknowns)


def _along(products: Real, unknowns: Floats) -> Floats:
    """Return the margins of unknowns, with samples last."""
    shape = unknowns.shape
    flat = unknowns.reshape(shape[0], -1, shape[3]).astype(products.dtype, copy=False)
    margins = flat @ products.swapaxes(1, 2)
    return margins.reshape(*shape[:3], -1).astype(np.float64, copy=False)


def _chances(margins: Floats) -> Floats:
    """Return probabilities of outputs: of the second class for one, otherwise the softmax over outputs."""
    if margins.shape[2] == 1:
        # Beyond 700 the exponential overflows, and the probability is 0 or 1 either way.
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(margins, -700.0, 700.0))))
    powers = np.exp(margins - margins.max(axis=2, keepdims=True))
    return np.asarray(powers / powers.sum(axis=2, keepdims=True))


def _bend(chances: Floats, slopes: Floats, weights: Floats) -> Floats:
    """Return the second derivative of the losses along slopes, shape (n_designs, n_problems, 1, 1)."""
    if chances.shape[2] == 1:
        return _inner(weights * (chances * (1.0 - chances)) * slopes, slopes)
    first = (chances * slopes).sum(axis=2, keepdims=True)
    return _inner(weights * chances * (slopes - first), slopes)


def _inner(a: Floats, b: Floats) -> Floats:
    """Return inner products over the last two axes, which stay with length 1."""
    if a.shape[2] == 1:
        return np.asarray(np.vecdot(a, b)[..., None])
    return np.asarray(np.vecdot(a, b).sum(axis=2)[..., None, None])


def _single_is_enough(problems: Problems) -> bool:
    """Tell whether float32 resolves the Hessian, by a bound on its condition number."""
    largest = np.einsum("bnd,bnd->b", problems.design, problems.design) / 4
    smallest = problems.penalty[..., :-1].min(axis=(1, 2, 3))
    return bool((largest <= _SINGLE_CONDITION * smallest).all())


def _about_mean(unknowns: Floats) -> Floats:
    """Take off what classes share, which changes no probability and which rounding leaves in float32."""
    return unknowns - unknowns.mean(axis=2, keepdims=True) if unknowns.shape[2] > 1 else unknowns


def _shape_of_unknowns(problems: Problems) -> tuple[int, int, int]:
    return len(problems.weights), len(problems.targets), problems.design.shape[2]
