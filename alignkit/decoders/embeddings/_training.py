"""The training of population encoders: AdamW on batches of pairs, from a high temperature to a low one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from .contrastive import PopulationEncoder, contrastive_loss
from .pairs import LabelPairs, Pairs

Floats32 = NDArray[np.float32]
Scale = tuple[Floats32, Floats32]
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Schedule:
    """How long and how fast encoders are trained, at which temperatures, and what draws batches."""

    n_steps: int
    batch_size: int
    learning_rate: float
    start_temperature: float
    temperature: float
    channel_dropout: float
    seed: int

    def temperature_at(self, step: int) -> float:
        """Return the temperature of a step: geometric over the first half, then constant."""
        done = min(2 * step / self.n_steps, 1.0)
        return float(self.start_temperature ** (1 - done) * self.temperature**done)


def train_encoders(
    encoders: list[PopulationEncoder],
    activity: list[torch.Tensor],
    rows: NDArray[np.int64],
    pairs: Pairs,
    schedule: Schedule,
) -> Floats32:
    """Train one encoder per session, in place, and return the loss of every step.

    `activity` holds what each encoder sees, (n_samples, n_channels); `rows` the window around each sample,
    counted through all sessions.
    """
    modules = torch.nn.ModuleList(encoders).train()
    around = torch.from_numpy(rows)
    first = np.cumsum([0, *(len(values) for values in activity)])
    codes = torch.from_numpy(pairs.codes) if isinstance(pairs, LabelPairs) else None
    optimizer = torch.optim.AdamW(modules.parameters(), lr=schedule.learning_rate, weight_decay=_WEIGHT_DECAY)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.n_steps)
    rng = np.random.default_rng(schedule.seed)
    silence = _Silence(schedule.channel_dropout, derive_seed(schedule.seed, "dropout"))
    losses = torch.empty(schedule.n_steps)
    for step in track(range(schedule.n_steps), "embedding"):
        anchors, positives = pairs.draw(schedule.batch_size, rng)
        both = np.concatenate([anchors, positives])
        points = _encoded(encoders, activity, around, first, both, silence)
        loss = contrastive_loss(
            points[: len(anchors)],
            points[len(anchors) :],
            temperature=schedule.temperature_at(step),
            space=encoders[0].space,
            labels=None if codes is None else codes[anchors].to(points.device),
        )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        falling.step()
        losses[step] = loss.detach()
    modules.eval()
    if not bool(losses.isfinite().all()):
        step = int((~losses.isfinite()).nonzero()[0])
        raise InputError(
            f"training went to infinity at step {step} of {schedule.n_steps}. Use a smaller "
            "`learning_rate`, or a higher `temperature`."
        )
    return np.asarray(losses.numpy(), dtype=np.float32)


class _Silence:
    """Silences channels for a whole window, each with the same probability, and scales up the rest."""

    def __init__(self, probability: float, seed: int) -> None:
        self._probability = probability
        # Not torch's own generator, which belongs to the caller.
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        if not self._probability:
            return windows
        kept = torch.rand(windows.shape[:2], generator=self._generator) >= self._probability
        return windows * (kept / (1 - self._probability)).to(windows)[:, :, None]


def scale_of(values: Floats32) -> Scale:
    """Return mean and standard deviation of channels; 1 for those that are constant."""
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = values.std(axis=0, dtype=np.float64)
    constant = np.ptp(values, axis=0) == 0
    return mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)


def scaled(values: Floats32, scale: Scale, device: torch.device) -> torch.Tensor:
    """Return activity z-scored by a scale."""
    return torch.from_numpy((values - scale[0]) / scale[1]).to(device)


def windows(activity: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the windows of rows, (n_rows, n_channels, window_samples)."""
    return activity[rows].transpose(1, 2)


def _encoded(
    encoders: list[PopulationEncoder],
    activity: list[torch.Tensor],
    around: torch.Tensor,
    first: NDArray[np.intp],
    chosen: NDArray[np.int64],
    silence: _Silence,
) -> torch.Tensor:
    """Return the points of rows of all sessions, each by its session's network, in the order given."""
    session = np.searchsorted(first, chosen, side="right") - 1
    order = np.argsort(session, kind="stable")
    points = []
    for number, encoder in enumerate(encoders):
        own = torch.from_numpy(chosen[order[session[order] == number]])
        rows = (around[own] - int(first[number])).to(activity[number].device)
        points.append(encoder(silence(windows(activity[number], rows))))
    back = torch.from_numpy(np.argsort(order, kind="stable"))
    return torch.cat(points)[back.to(points[0].device)]
