"""Stopping a network in time as soon as its answer is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError

Output = Literal["sum", "mean"]
OUTPUTS: tuple[Output, ...] = ("sum", "mean")

_MOST_CANDIDATES = 500


@dataclass(frozen=True, eq=False)
class Exits:
    """When each sample stopped, and what it answered.

    Attributes
    ----------
    steps : int array of shape (n_samples,)
        Steps taken, 1 to n_times; n_times where the rule never said stop.
    predictions : int array of shape (n_samples,)
        The largest logit at that step.
    """

    steps: NDArray[np.int64]
    predictions: NDArray[np.int64]

    @property
    def mean_steps(self) -> float:
        """Mean of the steps taken."""
        return float(self.steps.mean())

    def accuracy(self, labels: ArrayLike) -> float:
        """Return the share of samples answered as labelled, in [0, 1]."""
        return float((self.predictions == _labels(labels, len(self.steps))).mean())


def exit_by_gap(logits: ArrayLike, *, beta: float) -> Exits:
    """Stop when the largest accumulated logit leads the second by more than `beta`.

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes, n_times)
        Accumulated: at each step the sum of all that came so far, as the layer ``logits`` of the spiking
        networks gives them.
    beta : float
        At least 0, in units of the logits; see :func:`calibrate_gap`.

    Returns
    -------
    exits : Exits

    Raises
    ------
    InputError
        If the logits have another shape or hold NaN, or `beta` is negative.

    References
    ----------
    Wu D, Jin G, Yu H, Yi X, Huang X (2023). Optimising event-driven spiking neural network with
    regularisation and cutoff. https://arxiv.org/abs/2301.09522

    Examples
    --------
    >>> exit_by_gap([[[1.0, 2.0, 5.0], [0.5, 1.5, 2.0]]], beta=1.0).steps
    array([3])
    """
    if beta < 0:
        raise InputError(f"`beta` must be at least 0, got {beta}.")
    accumulated = _logits(logits)
    return _exits(accumulated, _gaps(accumulated) > beta)


def exit_by_confidence(
    logits: ArrayLike, *, threshold: float, temperature: float = 1.0, output: Output = "sum"
) -> Exits:
    """Stop when the largest probability, of the softmax over logits by temperature, passes a threshold.

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes, n_times)
        Accumulated.
    threshold : float
        In (0, 1).
    temperature : float, default=1.0
        Positive; see :func:`calibrate_temperature`. Without calibration this rule can be worse than a
        fixed number of steps.
    output : {"sum", "mean"}, default="sum"
        Whether the logits go in as they are, or divided by the steps so far.

    Returns
    -------
    exits : Exits

    Raises
    ------
    InputError
        If the logits have another shape or hold NaN, or an option is out of its range.

    References
    ----------
    Li C, Jones EG, Furber S (2023). Unleashing the potential of spiking neural networks with dynamic
    confidence. ICCV. https://arxiv.org/abs/2303.10276
    """
    if not 0 < threshold < 1:
        raise InputError(f"`threshold` must lie between 0 and 1, got {threshold}.")
    accumulated = _logits(logits)
    probabilities = np.exp(_log_probabilities(accumulated, temperature, output))
    return _exits(accumulated, probabilities.max(1) > threshold)


def fixed_accuracy(logits: ArrayLike, labels: ArrayLike, *, n_steps: float) -> float:
    """Return the accuracy when every sample takes as many steps: what an early exit has to beat.

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes, n_times)
        Accumulated.
    labels : int array of shape (n_samples,)
    n_steps : float
        In [1, n_times]; between whole steps, the line between their accuracies, which is what a share
        of samples stopping at either gives on average.

    Returns
    -------
    accuracy : float
        In [0, 1].
    """
    accumulated = _logits(logits)
    n_times = accumulated.shape[2]
    if not 1 <= n_steps <= n_times:
        raise InputError(f"`n_steps` must be between 1 and {n_times}, the steps there are, got {n_steps}.")
    right = accumulated.argmax(1) == _labels(labels, len(accumulated))[:, None]
    return float(np.interp(n_steps, np.arange(1, n_times + 1), right.mean(0)))


def calibrate_gap(logits: ArrayLike, *, disagreement: float = 0.0) -> float:
    """Return the smallest gap at which stopping does not change the answer.

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes, n_times)
        Accumulated, of training or validation samples, never of those to be judged.
    disagreement : float, default=0.0
        Share of samples that may stop on an answer that a later step would revise.

    Returns
    -------
    beta : float
        For :func:`exit_by_gap`.

    Raises
    ------
    InputError
        If the logits have another shape or hold NaN, or `disagreement` is outside [0, 1).

    Examples
    --------
    >>> calibrate_gap([[[1.0, 2.0, 5.0], [1.5, 1.5, 2.0]]])
    0.5
    """
    if not 0 <= disagreement < 1:
        raise InputError(f"`disagreement` must be at least 0 and below 1, got {disagreement}.")
    accumulated = _logits(logits)
    answers, gaps = accumulated.argmax(1), _gaps(accumulated)
    revised = np.zeros(answers.shape, bool)
    for step in range(answers.shape[1] - 1):
        revised[:, step] = (answers[:, step + 1 :] != answers[:, [step]]).any(1)
    # Only where an answer is revised later can a gap be too small.
    candidates = np.unique(np.append(gaps[revised], 0.0))
    if len(candidates) > _MOST_CANDIDATES:
        candidates = np.quantile(candidates, np.linspace(0, 1, _MOST_CANDIDATES), method="higher")
    rows = np.arange(len(answers))
    for beta in candidates:
        steps = _first(gaps > beta)
        if revised[rows, steps].mean() <= disagreement:
            return float(beta)
    return float(candidates[-1])


def calibrate_temperature(logits: ArrayLike, labels: ArrayLike, *, output: Output = "sum") -> float:
    """Return the temperature under which the probabilities of all steps together fit the labels best.

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes, n_times)
        Accumulated, of validation samples, never of those to be judged.
    labels : int array of shape (n_samples,)
    output : {"sum", "mean"}, default="sum"
        As for :func:`exit_by_confidence`.

    Returns
    -------
    temperature : float
        The one of least mean cross-entropy, in [0.001, 10000].
    """
    from scipy.optimize import minimize_scalar

    accumulated = _logits(logits)
    truth = _labels(labels, len(accumulated))

    def loss(log_temperature: float) -> float:
        log_p = _log_probabilities(accumulated, float(np.exp(log_temperature)), output)
        return float(-np.take_along_axis(log_p, truth[:, None, None], 1).mean())

    found = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(1e4)), method="bounded")
    return float(np.exp(found.x))


def calibration_error(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    temperature: float = 1.0,
    output: Output = "sum",
    n_bins: int = 15,
) -> float:
    """Return how far confidence is from accuracy: the expected calibration error over all steps.

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes, n_times)
        Accumulated.
    labels : int array of shape (n_samples,)
    temperature, output
        As for :func:`exit_by_confidence`.
    n_bins : int, default=15
        Equal parts of [0, 1] by confidence.

    Returns
    -------
    error : float
        In [0, 1]: the mean over samples and steps of |accuracy - confidence| of their bin; 0 is best.

    References
    ----------
    Guo C, Pleiss G, Sun Y, Weinberger KQ (2017). On calibration of modern neural networks. ICML.
    https://arxiv.org/abs/1706.04599
    """
    if n_bins < 1:
        raise InputError(f"`n_bins` must be at least 1, got {n_bins}.")
    accumulated = _logits(logits)
    truth = _labels(labels, len(accumulated))
    confidence = np.exp(_log_probabilities(accumulated, temperature, output)).max(1).ravel()
    right = (accumulated.argmax(1) == truth[:, None]).ravel()
    which = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    surplus = np.bincount(which, weights=right - confidence, minlength=n_bins)
    return float(np.abs(surplus).sum() / len(right))


def _exits(accumulated: NDArray[Any], clear: NDArray[np.bool_]) -> Exits:
    last = _first(clear)
    rows = np.arange(len(accumulated))
    return Exits(last + 1, accumulated.argmax(1)[rows, last])


def _first(clear: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the index of the first true step of each row, or of the last step."""
    first: NDArray[np.int64] = np.where(clear.any(1), clear.argmax(1), clear.shape[1] - 1)
    return first


def _gaps(accumulated: NDArray[Any]) -> NDArray[Any]:
    top = np.partition(accumulated, -2, axis=1)
    gaps: NDArray[Any] = top[:, -1] - top[:, -2]
    return gaps


def _log_probabilities(accumulated: NDArray[Any], temperature: float, output: Output) -> NDArray[Any]:
    from scipy.special import log_softmax

    check_option("output", output, OUTPUTS)
    if temperature <= 0:
        raise InputError(f"`temperature` must be positive, got {temperature}.")
    steps = np.arange(1, accumulated.shape[2] + 1) if output == "mean" else 1.0
    log_p: NDArray[Any] = log_softmax(accumulated / steps / temperature, axis=1)
    return log_p


def _logits(logits: ArrayLike) -> NDArray[Any]:
    accumulated = check_array("logits", logits, ndim=3, dtype=np.float64)
    if accumulated.shape[1] < 2:
        raise InputError(
            f"`logits` must be (n_samples, n_classes, n_times) with at least 2 classes, "
            f"got shape {accumulated.shape}."
        )
    return accumulated


def _labels(labels: ArrayLike, n_samples: int) -> NDArray[np.int64]:
    truth = np.asarray(labels)
    if truth.shape != (n_samples,):
        raise InputError(f"`labels` must be one per sample, {n_samples}, got shape {truth.shape}.")
    return truth.astype(np.int64)
