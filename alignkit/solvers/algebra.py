"""Products and decompositions of NumPy matrices in float64, on the CPU or on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._core.device import pick_device

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]


def multiply(A: Floats, B: Floats, *, device: str | None = None) -> Floats:
    """Return the matrix product of two float64 arrays.

    Parameters
    ----------
    A : ndarray of shape (..., n, k)
        Left factor.
    B : ndarray of shape (..., k, m)
        Right factor.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where it is computed; by default on the CPU, without loading torch.

    Returns
    -------
    product : ndarray of shape (..., n, m)
        In memory, wherever it was computed.

    Raises
    ------
    InputError
        If torch does not know or does not see the device.
    """
    where = _accelerator(device)
    if where is None:
        return np.asarray(A @ B)
    return _back(_put(A, where) @ _put(B, where))


def singular_values(A: Floats, *, device: str | None = None) -> Floats:
    """Return the singular values of matrices, largest first.

    Parameters
    ----------
    A : ndarray of shape (..., n, m)
        float64 matrices.
    device : str, optional
        See :func:`multiply`.

    Returns
    -------
    values : ndarray of shape (..., min(n, m))
        0 or more.
    """
    where = _accelerator(device)
    if where is None:
        return np.asarray(np.linalg.svd(A, compute_uv=False))
    import torch

    return _back(torch.linalg.svdvals(_put(A, where)))


def svd(A: Floats, *, device: str | None = None) -> tuple[Floats, Floats, Floats]:
    """Return U, s and V' of the thin singular value decomposition of a matrix.

    Parameters
    ----------
    A : ndarray of shape (n, m)
        A float64 matrix.
    device : str, optional
        See :func:`multiply`.

    Returns
    -------
    U : ndarray of shape (n, k)
        Left singular vectors, k = min(n, m).
    s : ndarray of shape (k,)
        Singular values, largest first.
    Vt : ndarray of shape (k, m)
        Right singular vectors, in rows.
    """
    where = _accelerator(device)
    if where is None:
        left, values, right = np.linalg.svd(A, full_matrices=False)
        return left, values, right
    import torch

    U, s, Vt = torch.linalg.svd(_put(A, where), full_matrices=False)
    return _back(U), _back(s), _back(Vt)


def _accelerator(device: str | None) -> torch.device | None:
    """Return the device, or None for the CPU."""
    if device is None or device == "cpu":
        return None
    picked = pick_device(device)
    return None if picked.type == "cpu" else picked


def _put(A: Floats, where: torch.device) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(A)).to(where)


def _back(A: torch.Tensor) -> Floats:
    found: Floats = A.cpu().numpy()
    return found
