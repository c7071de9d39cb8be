"""Seeded sparse random projection: fewer units, the same distances."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

# Layers with more units than this are brought down to it unless the caller says otherwise.
AUTO_UNITS = 4096
# Units that are turned and multiplied at once: they and what becomes of them stay in the cache.
_BLOCK = 32_768

Projection = int | Literal["auto"] | Mapping[str, float] | None


@dataclass(frozen=True, eq=False)
class SparseProjection:
    """A matrix of few random signs that keeps distances between stimuli.

    Each entry is ``+-sqrt(sqrt(n_in) / n_out)`` with probability ``1 / sqrt(n_in)`` in all, and zero
    otherwise. Squared distances keep their expectation; the relative standard deviation of a distance is
    about ``1 / sqrt(2 n_out)`` (1.1 % at 4,096 units), somewhat more where few units carry the difference.
    What is projected is the same whatever the batches, as long as the seed and both sizes are.

    Parameters
    ----------
    n_in, n_out : int
        Numbers of units before and after.
    seed : int
        Draws the matrix.

    Raises
    ------
    InputError
        If either number of units is below 1.

    References
    ----------
    Li P, Hastie TJ, Church KW (2006). Very sparse random projections. KDD, 287-296.
    https://doi.org/10.1145/1150402.1150436

    Examples
    --------
    >>> import torch
    >>> SparseProjection(n_in=10_000, n_out=64, seed=0)(torch.ones(2, 10_000)).shape
    torch.Size([2, 64])
    """

    n_in: int
    n_out: int
    seed: int

    def __post_init__(self) -> None:
        if self.n_in < 1 or self.n_out < 1:
            raise InputError(
                f"a projection needs at least one unit on both sides, got {self.n_in} to {self.n_out}."
            )

    @property
    def matrix(self) -> csr_array[Any, Any]:
        """The matrix, float32, of shape (n_out, n_in); drawn anew whenever it is asked for."""
        signs, columns, starts = self._draw()
        value = np.float32((self.n_in**-0.5 * self.n_out) ** -0.5)
        return csr_array((signs.astype(np.float32) * value, columns, starts), shape=(self.n_out, self.n_in))

    def __call__(self, units: torch.Tensor) -> torch.Tensor:
        """Project (n_stimuli, n_in) to (n_stimuli, n_out), on the device of `units`, in float32.

        Raises
        ------
        InputError
            If the number of units is not `n_in`.
        """
        import torch

        if units.ndim != 2 or units.shape[1] != self.n_in:
            raise InputError(
                f"this projection takes (n_stimuli, {self.n_in}) units, got shape {tuple(units.shape)}."
            )
        if units.device.type == "cpu":
            return torch.from_numpy(self._by_blocks(units.detach().float().numpy(), torch.get_num_threads()))
        return (self._on(units.device) @ units.float().T.contiguous()).T.contiguous()

    def _draw(self) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]:
        """Return the signs of the matrix row by row, their columns, and where rows start."""
        generator = np.random.default_rng(self.seed)
        counts = generator.binomial(self.n_in, self.n_in**-0.5, size=self.n_out)
        columns = np.empty(int(counts.sum()), np.int32)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        for row, count in enumerate(counts):
            drawn = generator.choice(self.n_in, count, replace=False, shuffle=False)
            columns[starts[row] : starts[row + 1]] = np.sort(drawn)
        signs = generator.integers(0, 2, size=len(columns)).astype(np.int8)
        return signs * np.int8(2) - np.int8(1), columns, starts

    @cached_property
    def _signs(self) -> list[csc_array[Any]]:
        # By column, so that units are read in order and what is added to is small enough for the cache: four
        # times as fast as by row. Signs in one byte, as these matrices are as large as a network's weights.
        whole = csr_array(self._draw(), shape=(self.n_out, self.n_in)).tocsc()
        blocks = []
        for first in range(0, self.n_in, _BLOCK):
            starts = whole.indptr[first : first + _BLOCK + 1]
            part = slice(starts[0], starts[-1])
            block = (whole.data[part], whole.indices[part], starts - starts[0])
            blocks.append(csc_array(block, shape=(self.n_out, len(starts) - 1)))
        return blocks

    def _by_blocks(self, units: NDArray[np.float32], n_threads: int) -> NDArray[np.float32]:
        def multiplied(number: int) -> NDArray[np.float32]:
            part = units[:, number * _BLOCK : (number + 1) * _BLOCK]
            return np.asarray(self._signs[number] @ np.ascontiguousarray(part.T))

        n_blocks = len(self._signs)
        total = np.zeros((self.n_out, len(units)), np.float32)
        # Blocks are added in order whatever thread made them: the same bits with any number of threads.
        if min(n_threads, n_blocks) > 1:
            with ThreadPoolExecutor(min(n_threads, n_blocks)) as threads:
                for part in threads.map(multiplied, range(n_blocks)):
                    total += part
        else:
            for number in range(n_blocks):
                total += multiplied(number)
        value = np.float32((self.n_in**-0.5 * self.n_out) ** -0.5)
        return np.ascontiguousarray(total.T) * value

    def _on(self, device: torch.device) -> torch.Tensor:
        import torch

        kept: dict[str, torch.Tensor] = self.__dict__.setdefault("_moved", {})
        if str(device) not in kept:
            matrix = self.matrix
            starts, columns, values = (
                torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data)
            )
            with warnings.catch_warnings():
                # torch calls its sparse CSR layout a beta on first use.
                warnings.simplefilter("ignore", UserWarning)
                kept[str(device)] = torch.sparse_csr_tensor(
                    starts,
                    columns,
                    values,
                    size=(self.n_out, self.n_in),
                    device=device,
                    check_invariants=False,
                )
        return kept[str(device)]


def jl_size(n_stimuli: int, eps: float) -> int:
    """Return how many units keep all squared distances between stimuli within a factor of 1 +- eps.

    The bound of Johnson and Lindenstrauss in the form of Dasgupta and Gupta (2003),

        4 ln(n_stimuli) / (eps^2 / 2 - eps^3 / 3),

    which does not depend on how many units there are. It holds for every pair at once with high probability,
    so that a typical distance is kept far better.

    Parameters
    ----------
    n_stimuli : int
        At least 2.
    eps : float
        Between 0 and 1.

    Returns
    -------
    n_units : int

    Raises
    ------
    InputError
        If either is out of its range.

    References
    ----------
    Dasgupta S, Gupta A (2003). An elementary proof of a theorem of Johnson and Lindenstrauss. Random
    Structures & Algorithms 22(1):60-65. https://doi.org/10.1002/rsa.10073

    Examples
    --------
    >>> jl_size(92, eps=0.2)
    1043
    """
    from sklearn.random_projection import johnson_lindenstrauss_min_dim

    if isinstance(n_stimuli, bool) or not isinstance(n_stimuli, int | np.integer) or n_stimuli < 2:
        raise InputError(f"`n_stimuli` must be a whole number of at least 2, got {n_stimuli!r}.")
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1:
        raise InputError(f"`eps` must lie between 0 and 1, got {eps!r}.")
    return int(johnson_lindenstrauss_min_dim(int(n_stimuli), eps=float(eps)))


def most_units(projection: Projection, n_stimuli: int) -> int | None:
    """Return from how many units on layers are projected; None for never."""
    if projection is None:
        return None
    if isinstance(projection, str) and projection == "auto":
        return AUTO_UNITS
    if isinstance(projection, Mapping) and set(projection) == {"eps"}:
        return jl_size(n_stimuli, projection["eps"])
    if isinstance(projection, bool) or not isinstance(projection, int) or projection < 1:
        raise InputError(
            '`projection` must be "auto", None, a number of units of at least 1 or {"eps": number}, got '
            f"{projection!r}."
        )
    return projection
