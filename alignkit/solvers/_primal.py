"""Ridge regression through inner products of features: no more features than samples.

All rows are turned once to their principal axes before they meet the targets in the working precision: a
float32 product would drown the weak directions of collinear features in the rounding of the strong ones. The
turn itself is float64 where the features are collinear. Sums over a training part are those of all rows less
those of the rows left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ._gemm import product
from ._targets import load
from ._training_part import Design, Moments, eigh, pooled, well_conditioned

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Some rows of a design."""

    rows: Tensor
    moments: Moments
    turned: Tensor  # (k, n_rows), about their own mean, along the principal axes of all rows
    offset: Tensor  # (k,), the mean less that of all rows, along those axes


@dataclass(frozen=True)
class Whole:
    """All rows: principal axes, and the parts whose sums add up to theirs; k components."""

    design: Design
    moments: Moments
    gram: Tensor  # (n_features, n_features), about the mean, in the units of X
    eigenvalues: Tensor  # (k,)
    axes: Tensor  # (n_features, k), from centred rows to those along the axes; float64 where it matters
    back: Tensor  # (k, n_features), from those to centred rows
    parts: tuple[Part, ...]

    def part(self, rows: Tensor, moments: Moments | None = None) -> Part:
        """Return other rows of the same design."""
        found = self.design.moments(rows) if moments is None else moments
        return _part(self.design, rows, found, self.moments, self.axes)

    def sums(self, part: Part, targets: NDArray[Any], block: slice) -> Sums:
        """Return the sums of a part with a block of targets."""
        loaded, moments = load(targets, part.rows, block, self.design)
        # A part of few rows is scored by its rows, a long one by its sums.
        short = len(part.rows) < len(self.eigenvalues)
        return Sums(product(part.turned, loaded), moments, part.offset, loaded if short else None)

    def total(self, sums: Sequence[Sums]) -> Sums:
        """Return the sums of all rows from those of its parts; the cross product is float64."""
        import torch

        moments = pooled([part.moments for part in sums])
        cross = sums[0].cross.to(torch.float64, copy=True)
        for later in sums[1:]:
            cross += later.cross
        for part in sums:
            shift = self.design.centre(part.moments) - self.design.centre(moments)
            cross.addr_(part.offset, shift, alpha=part.moments.weight)
        return Sums(cross, moments, torch.zeros_like(self.eigenvalues))

    def coefficients(self, total: Sums, alphas: Tensor) -> tuple[Tensor, Tensor]:
        """Return coefficients (n_features, n_targets) and intercepts, in the units of X."""
        shrunk = total.cross / (self.eigenvalues[:, None] + alphas)
        coef = product(self.axes.to(self.design.X.dtype), shrunk.to(self.design.X.dtype))
        centre = self.design.centre(self.moments)
        # Centres are near 0 or features are z-scored apart: the sum takes float64.
        intercept = self.design.centre(total.moments) - centre @ coef.double()
        return coef, intercept


@dataclass(frozen=True)
class Sums:
    """Sums over the rows of a part."""

    cross: Tensor  # (k, n_targets), turned features times targets, both about their mean over the part
    moments: Moments  # of the targets
    offset: Tensor  # (k,), of the part
    loaded: Tensor | None = None  # (n_rows, n_targets), the targets of a short part


def whole(
    design: Design, parts: Sequence[Tensor], alpha: float, grams: dict[int, Tensor] | None = None
) -> Whole:
    """Decompose the rows that the parts make up.

    Parameters
    ----------
    design : Design
        Features.
    parts : sequence of Tensor
        Row numbers; each row is in one of them.
    alpha : float
        The smallest penalty: says which directions matter.
    grams : dict, optional
        Filled with the Gram matrix of each part, by its number.
    """
    moments = [design.moments(rows) for rows in parts]
    together = pooled(moments)
    gram = together.mean.new_zeros((len(together.mean), len(together.mean)))
    for number, (rows, own) in enumerate(zip(parts, moments, strict=True)):
        centre = design.centre(own)
        found = design.gram(rows, centre)
        gram += found
        shift = centre - design.centre(together)
        gram.addr_(shift, shift, alpha=own.weight)
        if grams is not None:
            grams[number] = found
    scale = design.scale(together)
    values, vectors = eigh(gram * scale * scale[:, None])
    axes = vectors * scale[:, None]
    back = vectors.T / scale.where(scale > 0, scale.new_tensor(float("inf")))
    turn = axes
    if well_conditioned(values, alpha, design.X.dtype):
        turn = axes.to(design.X.dtype)
    else:
        logger.info("ridge: collinear features, so that they are turned to their axes in float64")
    turned = tuple(_part(design, rows, own, together, turn) for rows, own in zip(parts, moments, strict=True))
    return Whole(design, together, gram, values, turn, back, turned)


def _part(design: Design, rows: Tensor, own: Moments, together: Moments, axes: Tensor) -> Part:
    centre = design.centre(own)
    offset = (centre - design.centre(together)) @ axes.double()
    return Part(rows, own, design.rotated(rows, centre, axes), offset)
