"""Small planted recordings, and a network and an objective that learn from them in a moment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from alignkit.decoders._layout import Layout
from alignkit.decoders._objective import Batch, Objective
from alignkit.decoders._registry import BRAIN_NETWORKS, OBJECTIVES
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings import Recording, Study


class SubjectNetwork(nn.Module):
    """A map per subject, then what all share; with dropout and running statistics."""

    own_channels = True

    def __init__(self, layout: Layout, n_outputs: int, dropout: float) -> None:
        super().__init__()
        n = layout.n_channels
        self.maps = nn.ParameterList(
            nn.Parameter(torch.eye(n) + 0.05 * torch.randn(n, n)) for _ in range(layout.n_subjects)
        )
        self.norm = nn.BatchNorm1d(n)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(n * layout.n_times, n_outputs)

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        mapped = torch.stack(list(self.maps))[subjects] @ signals
        return self.out(self.dropout(self.norm(mapped)).flatten(1))

    def add_subject(self, positions: torch.Tensor | None = None) -> list[nn.Parameter]:
        added = nn.Parameter(torch.stack([m.detach() for m in self.maps]).mean(0))
        self.maps.append(added)
        return [added]


def subject_network(layout: Layout, n_outputs: int, *, dropout: float = 0.1, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SubjectNetwork(layout, n_outputs, dropout)


class Contrast(Objective):
    """InfoNCE within the batch, with a learned scale; repeats are left out of the negatives."""

    least_batch = 2

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.n_outputs = n_dims
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        normal = nn.functional.normalize
        logits = self.scale.exp() * normal(outputs, dim=1) @ normal(batch.targets, dim=1).T
        repeats = (batch.stimuli[:, None] == batch.stimuli) & ~torch.eye(len(outputs), dtype=torch.bool)
        return nn.functional.cross_entropy(
            logits.masked_fill(repeats, -torch.inf), torch.arange(len(outputs))
        )


class Classes(Objective):
    classes = True

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.n_outputs = n_dims

    def forward(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, batch.targets)


def contrast(n_dims: int, *, n_trials: int = 0) -> Objective:
    return Contrast(n_dims)


def classes(n_dims: int, *, n_trials: int = 0) -> Objective:
    return Classes(n_dims)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """Return settings of the small network and objective, by name, in the registries while a test runs."""
    for registry, name, factory in (
        (BRAIN_NETWORKS, "small", subject_network),
        (OBJECTIVES, "contrast", contrast),
        (OBJECTIVES, "classes", classes),
    ):
        monkeypatch.setitem(registry._objects, name, factory)
        monkeypatch.setitem(registry._facts, name, {})
    return {"network": {"kind": "small"}, "objective": {"kind": "contrast"}}


@pytest.fixture(scope="session")
def factories() -> dict[str, Callable[..., nn.Module]]:
    """Return the same as Python factories."""
    return {"network": subject_network, "objective": contrast}


def planted(
    n_trials: int | tuple[int, ...] = 60,
    *,
    n_stimuli: int = 30,
    n_channels: int | tuple[int, ...] = 8,
    n_times: int = 5,
    n_dims: int = 6,
    noise: float = 0.5,
    seed: int = 0,
    labels: bool = False,
    subjects: tuple[str, ...] = ("anna", "ben"),
    stimuli_from: int = 0,
) -> Trials:
    """Return trials whose signals are a linear map of an embedding, turned for every subject, with noise."""
    shared = np.random.default_rng(99)
    embeddings = shared.standard_normal((200, n_dims)).astype(np.float32)
    course = shared.standard_normal((n_dims, n_times))
    recordings = []
    for number, subject in enumerate(subjects):
        n_own = n_trials if isinstance(n_trials, int) else n_trials[number]
        channels = n_channels if isinstance(n_channels, int) else n_channels[number]
        own = np.random.default_rng([7, sum(map(ord, subject))])
        turn, _ = np.linalg.qr(own.standard_normal((channels, channels)))
        rng = np.random.default_rng([seed, number])
        shown = stimuli_from + rng.integers(0, n_stimuli, n_own)
        spread = np.zeros((channels, n_dims))
        spread[: min(channels, n_dims), : min(channels, n_dims)] = np.eye(min(channels, n_dims))
        data = np.einsum("cd,nd,dt->nct", turn @ spread, embeddings[shown], course)
        data = data + noise * rng.standard_normal(data.shape)
        recording = Recording.from_arrays(
            data, [f"s{i}" for i in shown], times_s=np.arange(n_times) / 100, subject=subject
        )
        recording.samples["half"] = [f"h{i % 2}" for i in shown]
        recordings.append(recording)
    if labels:
        return Trials.of(Study.of(*recordings), Targets(("h0", "h1")), labels="half")
    names = tuple(f"s{i}" for i in range(stimuli_from, stimuli_from + n_stimuli))
    values = embeddings[stimuli_from : stimuli_from + n_stimuli]
    return Trials.of(Study.of(*recordings), Targets(names, values))


@pytest.fixture(scope="session")
def make_trials() -> Callable[..., Trials]:
    """Return what plants trials."""
    return planted


@pytest.fixture
def parts() -> tuple[Trials, Trials]:
    """Return a training and a validation part of two subjects, parted by stimulus."""
    trials = planted(80)
    held = trials.column("stimulus") % 4 == 0
    return trials.take(~held), trials.take(held)
