"""Seeded sparse random projection: fewer units, the same distances."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

# Layers with more units than this are brought down to it unless the caller says otherwise.
AUTO_UNITS = 4096


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

    @cached_property
    def matrix(self) -> csr_array[Any, Any]:
        """The matrix, float32, of shape (n_out, n_in)."""
        generator = np.random.default_rng(self.seed)
        density = self.n_in**-0.5
        counts = generator.binomial(self.n_in, density, size=self.n_out)
        columns = [np.sort(generator.choice(self.n_in, n, replace=False, shuffle=False)) for n in counts]
        value = np.float32((density * self.n_out) ** -0.5)
        signs = generator.integers(0, 2, size=int(counts.sum())).astype(np.float32) * 2 - 1
        starts = np.concatenate([[0], np.cumsum(counts)])
        indices = np.concatenate(columns).astype(np.int32)
        return csr_array((signs * value, indices, starts.astype(np.int32)), shape=(self.n_out, self.n_in))

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
        transposed = units.float().T.contiguous()
        if units.device.type == "cpu":
            # Not every build of torch for the CPU multiplies sparse matrices.
            return torch.from_numpy(np.ascontiguousarray((self.matrix @ transposed.numpy()).T))
        return (self._on(units.device) @ transposed).T.contiguous()

    def _on(self, device: torch.device) -> torch.Tensor:
        import torch

        kept: dict[str, torch.Tensor] = self.__dict__.setdefault("_moved", {})
        if str(device) not in kept:
            starts, columns, values = (
                torch.from_numpy(part) for part in (self.matrix.indptr, self.matrix.indices, self.matrix.data)
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
