"""The table of docs/topological-rsa.md: which transform of an RDM tells layers apart under noise.

``python benchmarks/topological_identification.py`` trains ten seeds of one small network on scikit-learn's
digits, makes RDMs of each layer's noisy responses to 100 held-out pictures, and identifies every layer of
every seed by the nearest mean RDM of the other seeds. Prints a table in Markdown, with + or - where a method
differs from ranks by more than two standard errors of the paired difference over seeds. Takes some minutes
on one core.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from alignkit.metrics import identify_layers, rdm, threshold_grid

LAYERS = ("conv1", "conv2", "conv3", "fc1", "fc2", "logits")
N_PICTURES = 100
# Noise of a unit, in standard deviations of its layer's responses.
NOISE = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)

GRID = threshold_grid(10)
GEODESIC_GRID = tuple(a.ravel() for a in np.meshgrid([0.0, 0.1, 0.2, 0.3], [0.4, 0.6, 0.8, 1.0]))
METHODS: dict[str, dict[str, Any]] = {
    "mean of the distances alone": {"transform": "none"},
    "plain RDM, values": {"transform": "none"},
    "plain RDM, values, standardised": {"transform": "none", "distance": "correlation"},
    "plain RDM, ranks": {"transform": "rank"},
    "l 0, u .5": {"lower": 0.0, "upper": 0.5},
    "l .25, u .75": {"lower": 0.25, "upper": 0.75},
    "l .5, u 1": {"lower": 0.5, "upper": 1.0},
    "l .1, u .11 (nearly binary)": {"lower": 0.1, "upper": 0.11},
    "l .3, u .31 (nearly binary)": {"lower": 0.3, "upper": 0.31},
    "l .5, u .51 (nearly binary)": {"lower": 0.5, "upper": 0.51},
    "l .9, u .91 (nearly binary)": {"lower": 0.9, "upper": 0.91},
    "geodesic, l 0, u .5": {"transform": "geodesic", "lower": 0.0, "upper": 0.5},
    "geodesic, l .1, u .8": {"transform": "geodesic", "lower": 0.1, "upper": 0.8},
    "l, u chosen within the other seeds": {"lower": GRID[0], "upper": GRID[1]},
    "geodesic, l, u chosen within the other seeds": {
        "transform": "geodesic",
        "lower": GEODESIC_GRID[0],
        "upper": GEODESIC_GRID[1],
    },
}


class Digits(nn.Module):
    """Three convolutions and three fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 16), (16, 32), (32, 32))]
        )
        self.linear = nn.ModuleList([nn.Linear(a, b) for a, b in ((32 * 4, 64), (64, 32), (32, 10))])

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Return the responses of every layer, (n_pictures, n_units) each; the last are the logits."""
        responses, x = [], pictures
        for number, layer in enumerate(self.convolutions):
            x = torch.relu(layer(x))
            responses.append(x.flatten(1))
            x = nn.functional.max_pool2d(x, 2) if number < 2 else x
        x = x.flatten(1)
        for number, layer in enumerate(self.linear):
            x = layer(x) if number == 2 else torch.relu(layer(x))
            responses.append(x)
        return responses


def train(seed: int, n_epochs: int) -> tuple[list[Any], float]:
    """Return every layer's responses to the held-out pictures, and the accuracy on them."""
    digits = load_digits()
    pictures = torch.from_numpy(digits.images[:, None] / 8 - 1).float()
    labels = torch.from_numpy(digits.target)
    held_out = np.concatenate([np.flatnonzero(digits.target == d)[: N_PICTURES // 10] for d in range(10)])
    kept = np.setdiff1d(np.arange(len(labels)), held_out)
    torch.manual_seed(seed)
    network = Digits()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(kept)).split(64):
            rows = kept[batch.numpy()]
            loss = nn.functional.cross_entropy(network(pictures[rows])[-1], labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        responses = network(pictures[held_out])
    accuracy = (responses[-1].argmax(dim=1) == labels[held_out]).float().mean().item()
    return [layer.double().numpy() for layer in responses], accuracy


def noisy_rdms(instances: list[list[Any]], level: float, rng: np.random.Generator) -> Any:
    """Return RDMs of one noisy response to every picture, (n_instances, n_layers, n_pairs)."""
    return np.array(
        [
            [
                rdm(layer + level * layer.std() * rng.standard_normal(layer.shape), method="euclidean")
                for layer in layers
            ]
            for layers in instances
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    instances, accuracies = zip(*(train(seed, options.epochs) for seed in range(options.seeds)), strict=True)
    print(f"{options.seeds} seeds, accuracy on held-out pictures {min(accuracies):.2f}-{max(accuracies):.2f}")
    print(
        f"units: {', '.join(f'{n} {layer.shape[1]}' for n, layer in zip(LAYERS, instances[0], strict=True))}"
    )
    table: dict[str, list[Any]] = {name: [] for name in METHODS}
    chosen: dict[str, list[Any]] = {name: [] for name in METHODS}
    for level in NOISE:
        n_draws = options.draws if level else 1
        draws = [noisy_rdms(list(instances), level, np.random.default_rng(draw)) for draw in range(n_draws)]
        for name, settings in METHODS.items():
            with warnings.catch_warnings():
                # Without a path pairs are far away; here that is part of the statistic.
                warnings.filterwarnings("ignore", message="no path joins")
                if name == "mean of the distances alone":
                    results = [
                        identify_layers(values.mean(axis=2, keepdims=True), **settings) for values in draws
                    ]
                else:
                    results = [identify_layers(values, **settings) for values in draws]
            # Draws of noise are averaged for each seed; seeds are what the error is over.
            table[name].append(np.mean([result.by_instance for result in results], axis=0))
            chosen[name].append(np.median(np.concatenate([result.chosen for result in results]), axis=0))
    print(f"\nnoise | {' | '.join(f'{level:g}' for level in NOISE)}")
    print(f"---|{'---|' * len(NOISE)}")
    ranks = table["plain RDM, ranks"]
    for name, columns in table.items():
        cells = []
        for column, base in zip(columns, ranks, strict=True):
            difference = column - base
            error = difference.std(ddof=1) / np.sqrt(len(difference))
            mark = "" if abs(difference.mean()) <= 2 * error else ("+" if difference.mean() > 0 else "-")
            cells.append(f"{column.mean():.2f} ± {column.std(ddof=1) / np.sqrt(len(column)):.2f}{mark}")
        print(f"{name} | {' | '.join(cells)}")
    for name in ("l, u chosen within the other seeds", "geodesic, l, u chosen within the other seeds"):
        print(f"median of {name}: {[tuple(np.round(pair, 2).tolist()) for pair in chosen[name]]}")


if __name__ == "__main__":
    main()
