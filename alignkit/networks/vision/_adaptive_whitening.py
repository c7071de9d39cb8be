"""Adaptive whitening: interneurons whose gains make the principal cells' responses white."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]


def whitening_gains(covariance: ArrayLike, frame: ArrayLike, *, leak: float = 1.0) -> Floats:
    """Return the gains of interneurons at which the principal cells' responses are white.

    The circuit ``dy/dt = x - leak y - W g z``, with ``z = W^T y`` and g the gains, settles at
    ``y = (leak I + W diag(g) W^T)^-1 x``. It is white when ``W diag(g) W^T = C^(1/2) - leak I``, which is
    linear in g.

    Parameters
    ----------
    covariance : array of shape (n_cells, n_cells)
        The inputs' covariance C.
    frame : array of shape (n_cells, n_interneurons)
        The fixed weights W. With ``n_cells (n_cells + 1) / 2`` columns in general position the gains are
        exact; with fewer they are those of least squares.
    leak : float, default=1.0
        Positive.

    Returns
    -------
    gains : array of shape (n_interneurons,)
        Below zero where the inputs vary too little.

    Raises
    ------
    InputError
        If the shapes do not fit, or the covariance is not symmetric and positive definite.

    References
    ----------
    Duong LR, Lipshutz D, Heeger DJ, Chklovskii DB, Simoncelli EP (2023). Adaptive whitening in neural
    populations with gain-modulating interneurons. ICML. https://arxiv.org/abs/2301.11955

    Examples
    --------
    >>> import numpy as np
    >>> whitening_gains(np.diag([4.0, 9.0]), np.eye(2)).round(6).tolist()
    [1.0, 2.0]
    """
    inputs, weights = _checked(covariance, frame)
    n_cells = len(inputs)
    values, vectors = np.linalg.eigh(inputs)
    wanted = (vectors * np.sqrt(values)) @ vectors.T - leak * np.eye(n_cells)
    # One column per interneuron: the matrix that a unit of its gain adds.
    each = np.einsum("ik,jk->ijk", weights, weights).reshape(n_cells**2, -1)
    return np.asarray(np.linalg.lstsq(each, wanted.ravel(), rcond=None)[0])


def adapt_gains(
    covariance: ArrayLike, frame: ArrayLike, *, leak: float = 1.0, rate: float = 0.1, n_steps: int = 5000
) -> Floats:
    """Return gains after each interneuron has sought a response variance of 1.

    ``g_k += rate (E[z_k^2] - 1)``, from gains of 1, with the expectation taken exactly.

    Parameters
    ----------
    covariance, frame, leak
        As for :func:`whitening_gains`.
    rate : float, default=0.1
        Per step.
    n_steps : int, default=5000

    Returns
    -------
    gains : array of shape (n_interneurons,)
    """
    inputs, weights = _checked(covariance, frame)
    gains = np.ones(weights.shape[1])
    for _ in range(n_steps):
        response = response_covariance(inputs, weights, gains, leak=leak)
        gains = gains + rate * (np.einsum("ik,ij,jk->k", weights, response, weights) - 1)
    return gains


def response_covariance(
    covariance: ArrayLike, frame: ArrayLike, gains: ArrayLike, *, leak: float = 1.0
) -> Floats:
    """Return the covariance (n_cells, n_cells) of the principal cells' responses.

    Parameters
    ----------
    covariance, frame, leak
        As for :func:`whitening_gains`.
    gains : array of shape (n_interneurons,)
    """
    inputs, weights = _checked(covariance, frame)
    circuit = np.linalg.inv(leak * np.eye(len(inputs)) + (weights * np.asarray(gains)) @ weights.T)
    return np.asarray(circuit @ inputs @ circuit.T)


def _checked(covariance: ArrayLike, frame: ArrayLike) -> tuple[Floats, Floats]:
    inputs = check_array("covariance", covariance, ndim=2, dtype=np.float64)
    weights = check_array("frame", frame, ndim=2, dtype=np.float64)
    if inputs.shape != (len(inputs), len(inputs)) or len(weights) != len(inputs):
        raise InputError(
            "`covariance` must be (n_cells, n_cells) and `frame` (n_cells, n_interneurons), got shapes "
            f"{inputs.shape} and {weights.shape}."
        )
    if not np.allclose(inputs, inputs.T) or float(np.linalg.eigvalsh(inputs)[0]) <= 0:
        raise InputError(
            "`covariance` must be symmetric with eigenvalues above 0; take more samples, or drop cells that "
            "depend on each other."
        )
    return inputs, weights
