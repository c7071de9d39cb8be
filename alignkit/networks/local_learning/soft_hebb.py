"""Soft-Hebb: competing units become prototypes of what they win, without labels and without errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._images import square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._perceptron import check_positive, check_shapes, one_hot

Rule = Literal["soft-hebb", "random", "backprop"]

# Of the first, second, and later blocks, relative to the first: as in the deep network of Journé et al.
_COMPETITION = (1.0, 0.65, 0.25)


def soft_hebb_change(
    weight: Tensor, inputs: Tensor, *, inverse_temperature: float, anti: bool = False
) -> Tensor:
    """Return the rule's change of weights, averaged over inputs, before any rate of learning.

    Units compete: ``u = W x``, ``y = softmax(inverse_temperature u)``. The change is
    ``y x^T - (y u) W``, which has unit vectors for fixed points: prototypes of what a unit wins.

    Parameters
    ----------
    weight : Tensor of shape (n_units, n_inputs)
    inputs : Tensor of shape (n_samples, n_inputs)
    inverse_temperature : float
        Of the competition; large is winner-take-all.
    anti : bool, default=False
        Turn the sign of y for all but the winner, which pushes losers away.

    Returns
    -------
    change : Tensor of shape (n_units, n_inputs)

    Examples
    --------
    >>> unit = torch.tensor([[0.6, 0.8]])
    >>> soft_hebb_change(unit, unit, inverse_temperature=1.0).abs().max().item() < 1e-6
    True
    """
    drive = inputs @ weight.T
    share = (inverse_temperature * drive).softmax(1)
    if anti:
        winner = nn.functional.one_hot(drive.argmax(1), len(weight)).bool()
        share = torch.where(winner, share, -share)
    return (share.T @ inputs - (share * drive).sum(0).unsqueeze(1) * weight) / len(inputs)


class SoftHebbBlock(nn.Module):
    """Whitened maps, a competitive convolution (tapped as ``drive``), the triangle, and pooling.

    The triangle is ``relu(u - mean over units)^0.7``; pooling takes the maximum of 2 by 2.

    Parameters
    ----------
    n_in, n_out : int
        Maps.
    width : int
        Of the patches, odd.
    inverse_temperature : float
        Of the competition.
    anti : bool
        Whether losers are pushed away.
    """

    def __init__(self, n_in: int, n_out: int, *, width: int, inverse_temperature: float, anti: bool) -> None:
        super().__init__()
        self.width = width
        self.inverse_temperature = inverse_temperature
        self.anti = anti
        self.norm = nn.BatchNorm2d(n_in, affine=False)
        # Norms of about a half: at one learning would stop, and losers above it are pushed away without end.
        self.weight = nn.Parameter(torch.randn(n_out, n_in * width**2) / (4 * n_in * width**2) ** 0.5)
        self.drive = nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of half the height and width, (n, n_out, height // 2, width // 2)."""
        pad = self.width // 2
        padded = nn.functional.pad(self.norm(maps), (pad,) * 4, mode="reflect")
        kernel = self.weight.view(len(self.weight), -1, self.width, self.width)
        drive = self.drive(nn.functional.conv2d(padded, kernel))
        triangle = (drive - drive.mean(1, keepdim=True)).relu()
        # The power's slope at zero is infinite, which only backpropagation through it would notice.
        return nn.functional.max_pool2d((triangle + 1e-6).pow(0.7), 2)

    def change(self, maps: Tensor) -> Tensor:
        """Return the change of weights: largest entry 1, less for units whose norm is near 1."""
        pad = self.width // 2
        padded = nn.functional.pad(self.norm(maps), (pad,) * 4, mode="reflect")
        patches = nn.functional.unfold(padded, self.width).transpose(1, 2).flatten(0, 1)
        found = soft_hebb_change(
            self.weight, patches, inverse_temperature=self.inverse_temperature, anti=self.anti
        )
        found = found / found.abs().max().clamp_min(1e-12)
        scaled: Tensor = found * (1 - self.weight.norm(dim=1, keepdim=True)).abs().sqrt()
        return scaled


class SoftHebb(nn.Module):
    """Blocks ``l1``, ``l2``, ... that learn without labels, and a ``readout`` that learns with them.

    Parameters
    ----------
    image_size : int
        Height and width of images, in pixels.
    hidden : sequence of int
        Units (maps) of each block.
    n_classes : int
        Units of the readout.
    rule : {"soft-hebb", "random", "backprop"}, default="soft-hebb"
        See :func:`soft_hebb`.
    inverse_temperature : float, default=1.0
        Of the first block's competition; the second has .65 of it, later ones a quarter.
    anti : bool, default=False
        Whether losers are pushed away.
    """

    def __init__(
        self,
        image_size: int,
        hidden: Sequence[int],
        n_classes: int,
        *,
        rule: Rule = "soft-hebb",
        inverse_temperature: float = 1.0,
        anti: bool = False,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.n_classes = n_classes
        self.n_hidden = len(hidden)
        self.rule = rule
        for number, (n_in, n_out) in enumerate(zip([3, *hidden], hidden, strict=False), start=1):
            block = SoftHebbBlock(
                n_in,
                n_out,
                width=5 if number == 1 else 3,
                inverse_temperature=inverse_temperature * _COMPETITION[min(number, 3) - 1],
                anti=anti,
            )
            if rule != "soft-hebb":
                # Twins start where soft-Hebb ends.
                block.weight.data /= block.weight.data.norm(dim=1, keepdim=True)
            block.weight.requires_grad_(rule != "random")
            self.add_module(f"l{number}", block)
        n_features = hidden[-1] * (image_size // 2 ** len(hidden)) ** 2
        self.standard = nn.BatchNorm1d(n_features, affine=False)
        self.readout = nn.Linear(n_features, n_classes)

    @property
    def blocks(self) -> list[SoftHebbBlock]:
        """Blocks, from input to output."""
        found = [getattr(self, f"l{number + 1}") for number in range(self.n_hidden)]
        return [each for each in found if isinstance(each, SoftHebbBlock)]

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes) of images (n_images, 3, height, width)."""
        maps = self._checked(images)
        for block in self.blocks:
            maps = block(maps)
        scores: Tensor = self.readout(self.standard(maps.flatten(1)))
        return scores

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Put minus each block's change, and the readout's own gradient, into ``.grad``.

        Parameters
        ----------
        inputs : Tensor of shape (n_images, 3, height, width)
        targets : Tensor of shape (n_images,)
            Read by the readout alone.

        Returns
        -------
        logged : dict of str to Tensor
            ``loss``, the cross-entropy; ``norm_1``, ``norm_2``, ...: mean norm of a block's weights.
        """
        self.zero_grad()
        if self.rule == "backprop":
            with torch.enable_grad():
                loss = nn.functional.cross_entropy(self(inputs), targets)
                torch.autograd.backward(loss)
            return {"loss": loss.detach(), **self._norms()}
        with torch.no_grad():
            maps = self._checked(inputs)
            for block in self.blocks:
                if self.rule == "soft-hebb":
                    block.weight.grad = -block.change(maps)
                maps = block(maps)
            features = self.standard(maps.flatten(1))
            scores = self.readout(features)
            error = scores.softmax(1) - one_hot(targets, self.n_classes, scores)
            self.readout.weight.grad = error.T @ features / len(error)
            self.readout.bias.grad = error.mean(0)
            return {"loss": nn.functional.cross_entropy(scores, targets), **self._norms()}

    def make_optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return plain descent, a twentieth of `lr` for the readout, whose inputs are many."""
        weights = [block.weight for block in self.blocks if block.weight.requires_grad]
        groups: list[dict[str, Any]] = [{"params": list(self.readout.parameters()), "lr": lr / 20}]
        if weights:
            groups.append({"params": weights})
        return torch.optim.SGD(groups, lr=lr)

    def _checked(self, images: Tensor) -> Tensor:
        wanted = (3, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != wanted:
            raise InputError(
                f"this network takes images of shape {wanted}, got {tuple(images.shape[1:])}. "
                "Use its `preprocess`, or build it with another `image_size`."
            )
        return images

    def _norms(self) -> dict[str, Tensor]:
        return {
            f"norm_{number}": block.weight.detach().norm(dim=1).mean()
            for number, block in enumerate(self.blocks, start=1)
        }


def soft_hebb(
    *,
    image_size: int = 16,
    hidden: list[int] | None = None,
    n_classes: int = 10,
    rule: Rule = "soft-hebb",
    inverse_temperature: float = 1.0,
    anti: bool = False,
    seed: int = 0,
) -> Network:
    """Build a convolutional network whose blocks learn by soft-Hebb.

    Units of a block compete for every patch and move towards it by their shares
    (:func:`soft_hebb_change`), until their weights are prototypes of norm one. A linear readout learns the
    labels.

    Parameters
    ----------
    image_size : int, default=16
        Height and width, in pixels, that images are brought to; at least 4 times 2 to the number of blocks
        but one.
    hidden : list of int, optional
        Maps of each block; [32, 128] by default (the paper's deep network has 96, 384 and 1536).
    n_classes : int, default=10
        Units of the readout.
    rule : {"soft-hebb", "random", "backprop"}, default="soft-hebb"
        "random" keeps random weights of norm one; "backprop" teaches all of them by cross-entropy.
    inverse_temperature : float, default=1.0
        Of the first block's competition; the second has .65 of it, later ones a quarter.
    anti : bool, default=False
        Push losers away, as the deep version of the rule does.
    seed : int, default=0
        Draws weights.

    Returns
    -------
    network : Network
        Layers ``l1``, ``l2``, ... (pooled) and ``readout``; also ``l1.drive`` and so on.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    That units become prototypes of norm one did reproduce. That the features serve a classifier did not: on
    scikit-learn's digits, with the recipe here, a readout of random filters of norm one is right more often
    (.982 to .987 over five seeds, against .937 to .952).

    References
    ----------
    Moraitis T, Toichkin D, Journé A, Chua Y, Guo Q (2022). SoftHebb: Bayesian inference in unsupervised
    Hebbian soft winner-take-all networks. Neuromorphic Computing and Engineering 2:044017.
    https://doi.org/10.1088/2634-4386/aca710

    Journé A, Garcia Rodriguez H, Guo Q, Moraitis T (2023). Hebbian deep learning without feedback. ICLR.
    arXiv:2209.11883
    """
    sizes = [32, 128] if hidden is None else list(hidden)
    check_option("rule", rule, ("soft-hebb", "random", "backprop"))
    check_shapes(image_size, sizes, n_classes, seed)
    check_positive("inverse_temperature", inverse_temperature)
    if image_size < 4 * 2 ** (len(sizes) - 1):
        raise InputError(
            f"`image_size` is {image_size}, too small for {len(sizes)} blocks that halve it; "
            f"take at least {4 * 2 ** (len(sizes) - 1)}, or fewer `hidden`."
        )
    options: dict[str, Any] = {
        "image_size": image_size,
        "hidden": sizes,
        "n_classes": n_classes,
        "inverse_temperature": inverse_temperature,
        "anti": anti,
        "seed": seed,
    }
    return declared(
        "soft-hebb" if rule == "soft-hebb" else f"soft-hebb-{rule}",
        seeded(
            lambda: SoftHebb(
                image_size,
                sizes,
                n_classes,
                rule=rule,
                inverse_temperature=inverse_temperature,
                anti=anti,
            ),
            seed,
        ),
        square(image_size),
        layers=(*(f"l{number}" for number in range(1, len(sizes) + 1)), "readout"),
        recipe=Recipe(optimizer="sgd", lr=0.1, epochs=10, batch_size=64),
        matched=None if rule == "backprop" else partial(soft_hebb, **options, rule="backprop"),
        options={**options, "rule": rule},
    )


def soft_hebb_backprop(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`soft_hebb` with ``rule="backprop"``: its standard twin.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`soft_hebb`.

    Returns
    -------
    network : Network
    """
    return soft_hebb(image_size=image_size, hidden=hidden, n_classes=n_classes, rule="backprop", seed=seed)


def soft_hebb_random(
    *, image_size: int = 16, hidden: list[int] | None = None, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`soft_hebb` with ``rule="random"``: blocks of random weights of norm one.

    Parameters
    ----------
    image_size, hidden, n_classes, seed
        As for :func:`soft_hebb`.

    Returns
    -------
    network : Network
    """
    return soft_hebb(image_size=image_size, hidden=hidden, n_classes=n_classes, rule="random", seed=seed)
