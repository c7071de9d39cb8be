"""Cross-validation of a primal ridge regression: every fold from the sums of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .._core.progress import track
from ._fold_part import FoldPart, part_of_gram, part_of_rows
from ._gemm import product
from ._primal import Part, Sums, Whole, whole
from ._targets import Scoring, scored
from ._training_part import Design, Moments, eigh, inner_product, pooled

if TYPE_CHECKING:
    from torch import Tensor

Folds = Sequence[tuple["Tensor", "Tensor"]]

# Bytes of Gram matrices of single folds that are kept; beyond it they are computed twice.
KEPT_GRAMS = 2**28
# Bytes of decomposed folds that are kept while the blocks of targets pass by.
KEPT_FOLDS = 2**29


@dataclass(frozen=True)
class _Fold:
    """Rows of a fold: trained on are all but `left_out`, or `own` where that is not so."""

    train: Tensor
    test: Part
    left_out: tuple[Part, ...]
    own: Part | None


class PrimalFolds:
    """All folds of a primal ridge regression.

    Parameters
    ----------
    design : Design
        Features.
    folds : sequence of (train, test)
        Row numbers as tensors.
    alphas : Tensor of shape (n_alphas,)
        float64.
    n_targets : int
        Of all blocks together; decides which way is cheaper.
    """

    def __init__(self, design: Design, folds: Folds, alphas: Tensor, n_targets: int) -> None:
        import torch

        n_samples, n_features = design.X.shape
        everything = torch.arange(n_samples, device=design.X.device)
        tests = [test for _, test in folds]
        # Where each row is tested once, the sums of all rows cost nothing beyond those of the test parts.
        self.parted = torch.equal(torch.cat(tests).sort().values, everything)
        self._grams: dict[int, Tensor] = {}
        keep = self._grams if 8 * n_features**2 * len(folds) <= KEPT_GRAMS else None
        self.whole: Whole = whole(design, tests if self.parted else [everything], float(alphas.min()), keep)
        self.folds, self.alphas, self.n_targets = folds, alphas, n_targets
        size = 4 * len(self.whole.eigenvalues) ** 2 * design.X.element_size()
        self.keeps_folds = size * len(folds) <= KEPT_FOLDS
        self._kept: dict[int, tuple[_Fold, FoldPart]] = {}

    def step(self, elements: int, widest: int) -> int:
        """Return how many targets to take at a time, of so many elements at most."""
        sums = len(self.whole.eigenvalues) * (len(self.whole.parts) + 2)
        if self.keeps_folds:
            return max(1, min(widest, elements // max(len(self.whole.design.X), sums)))
        # Each block decomposes the folds anew: as few blocks as memory allows.
        return max(widest, KEPT_FOLDS // self.whole.design.X.element_size() // sums)

    def scores(self, targets: NDArray[Any], block: slice, scoring: Scoring) -> tuple[Tensor, Sums]:
        """Return the mean scores of a block of targets, (n_alphas, n_block), and its sums over all rows."""
        sums = [self.whole.sums(part, targets, block) for part in self.whole.parts]
        total = self.whole.total(sums)
        scores = self.alphas.new_zeros((len(self.alphas), total.cross.shape[1]))
        for number in track(range(len(self.folds)), "ridge: folds"):
            fold, part = self._decomposed(number)
            tested = sums[number] if self.parted else self.whole.sums(fold.test, targets, block)
            if fold.own is None:
                gap = [self.whole.sums(more, targets, block) for more in fold.left_out[1:]]
                seen = _less(total, [tested, *gap], self.whole.design)
            else:
                seen = self.whole.sums(fold.own, targets, block)
            scores += scored(self._errors(part, seen, tested, fold.test), tested.moments, scoring)
        return scores / len(self.folds), total

    def _errors(self, part: FoldPart, seen: Sums, tested: Sums, test: Part) -> Tensor:
        """Return summed squared errors of a fold's test rows, (n_alphas, n_targets)."""
        design = self.whole.design
        shift = design.centre(tested.moments) - design.centre(seen.moments)
        about = tested.moments.mean - design.centre(seen.moments)
        power = tested.moments.spread + tested.moments.weight * about.square()
        if tested.loaded is not None:
            root = design.weights_of(test.rows)
            by_row = shift if root is None else shift * root.sqrt()[:, None]
            held_out = tested.loaded + by_row.to(tested.loaded.dtype)
        else:
            assert part.test_project is not None
            held_out = product(part.test_project, tested.cross)
            apart = ((tested.offset - seen.offset) * tested.moments.weight).to(held_out.dtype)
            held_out.addr_(part.test_project @ apart, shift.to(held_out.dtype))
        return part.errors(seen.cross.to(held_out.dtype), held_out, power)

    def _decomposed(self, number: int) -> tuple[_Fold, FoldPart]:
        if number in self._kept:
            return self._kept[number]
        fold = self._fold(number)
        made = fold, self._part(number, fold)
        if self.keeps_folds:
            self._kept[number] = made
            self._grams.pop(number, None)
        return made

    def _fold(self, number: int) -> _Fold:
        train, test = self.folds[number]
        tested = self.whole.parts[number] if self.parted else self.whole.part(test)
        times = [rows.bincount(minlength=len(self.whole.design.X)) for rows in (train, test)]
        gap = ((times[0] + times[1]) == 0).nonzero()[:, 0]
        repeated = any(bool((count > 1).any()) for count in times)
        if repeated or len(test) + len(gap) > len(train):
            return _Fold(train, tested, (), self.whole.part(train))
        return _Fold(train, tested, (tested, self.whole.part(gap)) if len(gap) else (tested,), None)

    def _part(self, number: int, fold: _Fold) -> FoldPart:
        """Decompose the training part and turn the test part."""
        design, alphas, dtype = self.whole.design, self.alphas, self.whole.design.X.dtype
        grams = [self._gram(number if at == 0 else -1, part) for at, part in enumerate(fold.left_out)]
        moments, gram = self._training(number, fold, grams)
        scale = design.scale(moments)
        values, vectors = eigh(gram * scale * scale[:, None])
        axes = vectors * scale[:, None]
        turn = self.whole.back @ axes
        project = (turn / values.sqrt()).T.to(dtype).contiguous()
        to_fit = values.sqrt() / (values + alphas.min())
        apart = design.centre(fold.test.moments) - design.centre(moments)
        if len(fold.test.rows) < len(self.whole.eigenvalues):
            test = product(fold.test.turned.T.contiguous(), (turn * to_fit).to(dtype))
            by_row = design.weights_of(fold.test.rows)
            ones = test.new_ones(len(test)) if by_row is None else by_row.sqrt().to(dtype)
            test.addr_(ones, (apart @ axes * to_fit).to(dtype))
            return part_of_rows(values, alphas, project, test, self.n_targets)
        test_project = (turn * to_fit).T.to(dtype).contiguous()
        if len(grams) == 1:
            test_gram = self._turned_gram(values, axes, turn, fold, moments)
        else:
            test_gram = design.gram(fold.test.rows, design.centre(fold.test.moments))
            test_gram = axes.T @ (test_gram @ axes)
        test_gram.addr_(apart @ axes, apart @ axes, alpha=fold.test.moments.weight)
        test_gram.mul_(to_fit).mul_(to_fit[:, None])
        return part_of_gram(values, alphas, project, test_project, test_gram)

    def _turned_gram(
        self, values: Tensor, axes: Tensor, turn: Tensor, fold: _Fold, moments: Moments
    ) -> Tensor:
        """Return axes' G axes of the test rows about their mean: of all rows less those trained on.

        The first is turn' diag(eigenvalues) turn, the second is diagonal.
        """
        design = self.whole.design
        gram = inner_product(self.whole.eigenvalues.sqrt()[:, None] * turn)
        gram.diagonal().sub_(values)
        for part in (moments, fold.test.moments):
            shift = (design.centre(part) - design.centre(self.whole.moments)) @ axes
            gram.addr_(shift, shift, alpha=-part.weight)
        return gram

    def _training(self, number: int, fold: _Fold, grams: Sequence[Tensor]) -> tuple[Moments, Tensor]:
        """Return the moments and the Gram matrix of the training rows."""
        design = self.whole.design
        if self.parted and len(fold.left_out) == 1:
            # Pooled, not subtracted: a feature that is constant in the training part must come out so.
            others = [part.moments for at, part in enumerate(self.whole.parts) if at != number]
            moments = pooled(others)
        else:
            moments = design.moments(fold.train)
        if fold.own is not None:
            return moments, design.gram(fold.train, design.centre(moments))
        gram = self.whole.gram.clone()
        for found, part in zip(grams, fold.left_out, strict=True):
            gram -= found
            self._shift(gram, part.moments)
        self._shift(gram, moments)
        return moments, gram

    def _shift(self, gram: Tensor, moments: Moments) -> None:
        design = self.whole.design
        shift = design.centre(moments) - design.centre(self.whole.moments)
        gram.addr_(shift, shift, alpha=-moments.weight)

    def _gram(self, number: int, part: Part) -> Tensor:
        if self.parted and number in self._grams:
            return self._grams[number]
        design = self.whole.design
        return design.gram(part.rows, design.centre(part.moments))


def _less(total: Sums, left_out: Sequence[Sums], design: Design) -> Sums:
    """Return the sums of a training part: those of all rows less those of the rows left out."""
    import torch

    weight = total.moments.weight - sum(part.moments.weight for part in left_out)
    shifts = [design.centre(part.moments) - design.centre(total.moments) for part in left_out]
    weights = [part.moments.weight for part in left_out]
    shifts.append(
        sum((-own / weight * shift for own, shift in zip(weights, shifts, strict=True)), 0 * shifts[0])
    )
    offsets = [part.offset for part in left_out]
    offsets.append(
        sum((-own / weight * at for own, at in zip(weights, offsets, strict=True)), 0 * offsets[0])
    )
    weights.append(weight)
    cross = torch.addmm(
        total.cross, torch.stack(offsets, 1) * total.cross.new_tensor(weights), torch.stack(shifts), alpha=-1
    )
    for part in left_out:
        cross -= part.cross
    mean = total.moments.mean + shifts[-1]
    return Sums(cross, Moments(weight, mean, torch.zeros_like(mean)), offsets[-1])
