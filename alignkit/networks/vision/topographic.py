"""Topographic sheets: units with a place, trained so that near ones respond alike."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded

# Below this share of the largest variance a unit is dead, and its correlations are rounding.
_DEAD = 1e-8


def spatial_loss(activations: Tensor, positions: Tensor) -> Tensor:
    """Return how little the correlation of two units follows their nearness.

    ``(1 - corr(r, 1 / (1 + d))) / 2`` over all pairs, with r the correlation of two units over samples and
    d their distance. Units that do not vary are left out.

    Parameters
    ----------
    activations : Tensor of shape (n_samples, n_units)
        More than 100 samples, or r is mostly noise.
    positions : Tensor of shape (n_units, 2)

    Returns
    -------
    loss : Tensor
        A scalar in [0, 1]; 0.5 where place does not matter. Zero, without a gradient, where fewer than
        three units vary.

    References
    ----------
    Rathi N, Mehrer J, AlKhamissi B, Binhuraib T, Blauch NM, Schrimpf M (2025). TopoLM: brain-like
    spatio-functional organization in a topographic language model. ICLR. https://arxiv.org/abs/2410.11516
    """
    variance = activations.detach().var(0)
    alive = variance > _DEAD * variance.max()
    if int(alive.sum()) < 3:
        return activations.new_zeros(())
    centred = activations[:, alive] - activations[:, alive].mean(0)
    unit = centred / centred.norm(dim=0)
    place = positions[alive]
    nearness = 1 / (1 + (place[:, None] - place[None]).norm(dim=-1))
    return (1 - _correlation_of_pairs(unit.T @ unit, nearness)) / 2


def cluster_score(values: ArrayLike, positions: ArrayLike, *, radius: float = 1.0) -> float:
    """Return Moran's I: how alike neighbouring units are.

    Parameters
    ----------
    values : array of shape (n_units,)
        A map, such as the selectivity of every unit for one class.
    positions : array of shape (n_units, 2)
    radius : float, default=1.0
        Largest distance of neighbours; 1 on a unit grid is the four next ones.

    Returns
    -------
    score : float
        1 for large smooth patches, about 0 (``-1 / (n_units - 1)``) for a random order, below 0 where
        neighbours differ.

    Raises
    ------
    InputError
        If values and positions differ in length, all values are equal, or nobody has a neighbour.

    References
    ----------
    Moran PAP (1950). Notes on continuous stochastic phenomena. Biometrika 37:17-23.
    https://doi.org/10.2307/2332142

    Examples
    --------
    >>> cluster_score([1.0, -1.0, 1.0, -1.0], [[0, 0], [0, 1], [1, 1], [1, 0]])
    -1.0
    """
    x = check_array("values", values, ndim=1, dtype=np.float64)
    place = check_array("positions", positions, ndim=2, dtype=np.float64)
    check_same_samples("values", x, "positions", place)
    away = np.linalg.norm(place[:, None] - place[None], axis=-1)
    near = (away <= radius * (1 + 1e-9)) & ~np.eye(len(x), dtype=bool)
    deviation = x - x.mean()
    spread = float((deviation**2).mean())
    if spread == 0:
        raise InputError("`values` are all equal; there is no pattern to score.")
    if not near.any():
        raise InputError(f"no two units are within `radius` {radius} of each other; give a larger one.")
    return float(deviation @ near @ deviation) / int(near.sum()) / spread


def selectivity_maps(activations: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return, for each class and unit, Welch's t of the class against all other samples.

    Parameters
    ----------
    activations : array of shape (n_samples, n_units)
    labels : array of shape (n_samples,)

    Returns
    -------
    maps : array of shape (n_classes, n_units)
        In the order of the sorted labels; 0 for units that do not vary.

    Raises
    ------
    InputError
        If a class, or all others together, has fewer than two samples.
    """
    values = check_array("activations", activations, ndim=2, dtype=np.float64)
    classes = np.asarray(labels)
    check_same_samples("activations", values, "labels", classes)
    maps = []
    for each in np.unique(classes):
        inside, outside = values[classes == each], values[classes != each]
        if min(len(inside), len(outside)) < 2:
            raise InputError(
                f"class {each!r} has {len(inside)} sample(s), all others {len(outside)}; wanted two of each."
            )
        error = np.sqrt(inside.var(0, ddof=1) / len(inside) + outside.var(0, ddof=1) / len(outside))
        difference = inside.mean(0) - outside.mean(0)
        maps.append(np.divide(difference, error, out=np.zeros_like(error), where=error > 0))
    return np.stack(maps)


class Sheet(nn.Module):
    """Rectified units that lie on a square grid, in random order.

    Parameters
    ----------
    n_inputs : int
    side : int
        ``side ** 2`` units.
    """

    def __init__(self, n_inputs: int, side: int) -> None:
        super().__init__()
        self.positions: Tensor
        self.linear = nn.Linear(n_inputs, side * side)
        grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1)
        order = torch.randperm(side * side)
        self.register_buffer("positions", grid.reshape(-1, 2)[order].float())

    def forward(self, inputs: Tensor) -> Tensor:
        """Return activations (n_images, side ** 2)."""
        return nn.functional.relu(self.linear(inputs))


class TopographicSheet(nn.Module):
    """The pixels, two sheets, and class scores; learns the task and the maps together.

    Parameters
    ----------
    grid : int
        The image is averaged to `grid` by `grid` in each colour.
    side : int
        Of both sheets.
    n_classes : int
    alpha : float
        Factor of the spatial loss; 0 is the twin.
    radius : float
        The loss is computed in square neighbourhoods that reach so far from their centre.
    n_neighbourhoods : int
        Drawn anew in every step.
    seed : int
        Draws them.
    """

    def __init__(
        self,
        *,
        grid: int,
        side: int,
        n_classes: int,
        alpha: float,
        radius: float,
        n_neighbourhoods: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.alpha = alpha
        self.radius = radius
        self.n_neighbourhoods = n_neighbourhoods
        self.sheet1 = Sheet(3 * grid * grid, side)
        self.sheet2 = Sheet(side * side, side)
        self.classifier = nn.Linear(side * side, n_classes)
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes) of RGB images in [0, 1]."""
        scores: Tensor = self.classifier(self.activations(images)[-1])
        return scores

    def activations(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what both sheets answer, each (n_images, side ** 2)."""
        pixels = nn.functional.adaptive_avg_pool2d(images, self.grid).flatten(1)
        first = self.sheet1(pixels)
        return first, self.sheet2(first)

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Follow the gradient of cross-entropy plus alpha times the spatial loss of both sheets."""
        self.zero_grad(set_to_none=True)
        with torch.enable_grad():
            both = self.activations(inputs)
            task = nn.functional.cross_entropy(self.classifier(both[-1]), targets)
            spatial = task.new_zeros(())
            if self.alpha:
                for sheet, values in zip((self.sheet1, self.sheet2), both, strict=True):
                    spatial = spatial + self.neighbourhood_loss(values, sheet.positions)
            loss = task + self.alpha * spatial
            loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), "task": task.detach(), "spatial": spatial.detach()}

    def neighbourhood_loss(self, values: Tensor, positions: Tensor) -> Tensor:
        """Return the mean spatial loss over randomly drawn neighbourhoods."""
        centres = torch.randint(len(positions), (self.n_neighbourhoods,), generator=self.generator)
        losses = []
        for centre in centres.tolist():
            within = (positions - positions[centre]).abs().amax(1) <= self.radius
            losses.append(spatial_loss(values[:, within], positions[within]))
        return torch.stack(losses).mean()


def topographic_sheet(
    *,
    image_size: int = 32,
    grid: int = 16,
    side: int = 16,
    n_classes: int = 10,
    alpha: float = 2.5,
    radius: float = 5.0,
    n_neighbourhoods: int = 5,
    seed: int = 0,
) -> Network:
    """Build two topographic sheets between pixels and class scores.

    Every unit has a place on its sheet. Training minimises the cross-entropy plus `alpha` times a loss that
    is small when the correlation of two units falls off with their distance. The default build is
    untrained, and has no maps yet.

    Parameters
    ----------
    image_size : int, default=32
        Height and width, in pixels, that images are brought to; at least `grid`.
    grid : int, default=16
        The image is averaged to `grid` by `grid` in each colour.
    side : int, default=16
        Units along each edge of a sheet.
    n_classes : int, default=10
        Class scores.
    alpha : float, default=2.5
        Factor of the spatial loss; 0 is the twin.
    radius : float, default=5.0
        How far a neighbourhood reaches from its centre, in units of the grid.
    n_neighbourhoods : int, default=5
        Per sheet and step.
    seed : int, default=0
        Draws weights, the order of units on the sheets, and neighbourhoods.

    Returns
    -------
    network : Network
        Layers ``sheet1`` and ``sheet2`` (side ** 2). The attribute ``positions`` of these submodules,
        (side ** 2, 2), says where each unit lies.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Rathi N, Mehrer J, AlKhamissi B, Binhuraib T, Blauch NM, Schrimpf M (2025). TopoLM: brain-like
    spatio-functional organization in a topographic language model. ICLR. https://arxiv.org/abs/2410.11516

    Margalit E, Lee H, Finzi D, DiCarlo JJ, Grill-Spector K, Yamins DLK (2024). A unifying framework for
    functional organization in early and higher ventral visual cortex. Neuron 112:2435-2451.
    https://doi.org/10.1016/j.neuron.2024.04.018
    """
    check_count("grid", grid, least=2)
    check_count("image_size", image_size, least=grid)
    check_count("side", side, least=3)
    check_count("n_classes", n_classes, least=2)
    check_count("n_neighbourhoods", n_neighbourhoods, least=1)
    check_count("seed", seed, least=0)
    if alpha < 0:
        raise InputError(f"`alpha` must not be negative, got {alpha}.")
    if radius < 1:
        raise InputError(f"`radius` must be at least 1, the distance of the next unit, got {radius}.")

    def build() -> TopographicSheet:
        return TopographicSheet(
            grid=grid,
            side=side,
            n_classes=n_classes,
            alpha=alpha,
            radius=radius,
            n_neighbourhoods=n_neighbourhoods,
            seed=derive_seed(seed, "topographic-sheet", "neighbourhoods"),
        )

    options: dict[str, Any] = {
        "image_size": image_size,
        "grid": grid,
        "side": side,
        "n_classes": n_classes,
        "radius": radius,
        "n_neighbourhoods": n_neighbourhoods,
        "seed": seed,
    }
    return declared(
        "topographic-sheet" if alpha else "plain-sheet",
        seeded(build, derive_seed(seed, "topographic-sheet", "weights")),
        square(image_size),
        recipe=Recipe(lr=1e-3, epochs=60, batch_size=128),
        matched=partial(topographic_sheet, alpha=0.0, **options) if alpha else None,
        options={"alpha": alpha, **options},
    )


def plain_sheet(
    *, image_size: int = 32, grid: int = 16, side: int = 16, n_classes: int = 10, seed: int = 0
) -> Network:
    """Build :func:`topographic_sheet` without the spatial loss; weights and places are the same.

    Parameters
    ----------
    image_size, grid, side, n_classes, seed
        As for :func:`topographic_sheet`.

    Returns
    -------
    network : Network
    """
    return topographic_sheet(
        image_size=image_size, grid=grid, side=side, n_classes=n_classes, alpha=0.0, seed=seed
    )


def _correlation_of_pairs(x: Tensor, y: Tensor) -> Tensor:
    """Return Pearson's r over all pairs off the diagonal of two symmetric matrices."""
    # Both triangles: they hold the same, and need no gathering.
    pairs = 1 - torch.eye(len(x), dtype=x.dtype, device=x.device)
    x, y = ((values - (values * pairs).sum() / pairs.sum()) * pairs for values in (x, y))
    # Pairs that are all equally far, or all equally correlated, say nothing about place.
    r: Tensor = (x * y).sum() / (x.norm() * y.norm()).clamp_min(1e-12)
    return r
