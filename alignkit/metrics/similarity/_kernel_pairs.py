"""Linear kernel alignment of all pairs of systems: kernels once, in blocks of rows, then one product."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.progress import track
from ...solvers.algebra import multiply
from ._clouds import Matrix

# Numbers in a block of the kernels of all systems (1 GiB).
_BLOCK = 2**27
# Parts into which the last product is cut, for the threads; fixed, so that sums do not depend on them.
_N_PARTS = 16
Mapper = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]


def kernel_alignments(
    load: Callable[[int], Matrix],
    n_systems: int,
    n_samples: int,
    *,
    debiased: bool,
    device: str | None,
    mapper: Mapper,
) -> NDArray[np.float64]:
    """Return linear CKA of all pairs of systems, (n_systems, n_systems).

    `load` gives the centred responses of one system; `mapper` runs a function over numbers, such as a thread
    pool's map.
    """
    products, diagonals = _off_diagonal(load, n_systems, n_samples, device, mapper)
    between = diagonals @ diagonals.T
    if debiased:
        # Row sums of a centred kernel without its diagonal are minus the diagonal: U-centring in closed form.
        n, traces = n_samples, diagonals.sum(axis=1)
        products += np.outer(traces, traces) / ((n - 1) * (n - 2)) - 2 * between / (n - 2)
    else:
        products += between
    own = products.diagonal().copy()
    scales = np.sqrt(np.where(own > 0, own, np.nan))
    ratios: Matrix = products / np.outer(scales, scales)
    np.fill_diagonal(ratios, np.where(own > 0, 1.0, np.nan))
    # Cauchy-Schwarz holds for the biased ratio; only round-off goes beyond.
    return ratios if debiased else np.minimum(ratios, 1.0)


def _off_diagonal(
    load: Callable[[int], Matrix], n_systems: int, n: int, device: str | None, mapper: Mapper
) -> tuple[Matrix, Matrix]:
    """Return the inner products of the kernels' entries off the diagonal, and the diagonals."""
    height = min(n, max(_BLOCK // (n * n_systems), 16))
    products, diagonals = np.zeros((n_systems, n_systems)), np.empty((n_systems, n))
    numbers = range(n_systems)
    for start in track(range(0, n, height), "CKA: rows of the kernels"):
        stop = min(start + height, n)
        square = np.empty((n_systems, stop - start, stop - start))
        right = np.empty((n_systems, stop - start, n - stop))

        def fill(
            number: int, rows: slice = slice(start, stop), square: Matrix = square, right: Matrix = right
        ) -> None:
            values = load(number)
            own, later = values[rows], values[rows.stop :]
            if device is None or device == "cpu":
                np.matmul(own, own.T, out=square[number])
                np.matmul(own, later.T, out=right[number])
            else:
                square[number] = multiply(own, own.T, device=device)
                right[number] = multiply(own, later.T, device=device)
            diagonals[number, rows] = square[number].diagonal()
            np.fill_diagonal(square[number], 0)

        list(mapper(fill, numbers))
        # What is right of the square comes a second time below it.
        products += _gram_of(square, device, mapper) + 2 * _gram_of(right, device, mapper)
    return products, diagonals


def _gram_of(stack: Matrix, device: str | None, mapper: Mapper) -> Matrix:
    flat = stack.reshape(len(stack), -1)
    edges = np.linspace(0, flat.shape[1], _N_PARTS + 1).astype(int)

    def part(number: int) -> Matrix:
        columns = flat[:, edges[number] : edges[number + 1]]
        return multiply(columns, columns.T, device=device)

    return np.asarray(sum(mapper(part, range(_N_PARTS))))
