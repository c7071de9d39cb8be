"""Training a network from the command line, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.registry import Registry
from .options import check_options, plain

if TYPE_CHECKING:
    from ..networks.training.trained import Training


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A finished training, as tables show it.

    Attributes
    ----------
    training : Training
        Where it is and how it went.
    """

    training: Training

    @property
    def columns(self) -> tuple[str, ...]:
        """What was measured after each epoch."""
        return tuple(self.training.history[-1])

    @property
    def title(self) -> str:
        """Which network learned from what."""
        return f"{self.training.kind} on {self.training.data}, a fifth held out"

    def rows(self) -> list[dict[str, Any]]:
        """Return about ten epochs, the last among them."""
        history = self.training.history
        step = max(1, len(history) // 10)
        shown = [row for row in history if (len(history) - row["epoch"]) % step == 0]
        return [{**row, "epoch": int(row["epoch"])} for row in shown]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "folder": str(self.training.folder),
            "network": self.training.kind,
            "data": self.training.data,
            "history": list(self.training.history),
        }


def train_model(
    kind: str,
    *,
    data: str,
    out: Path,
    options: Mapping[str, Any],
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    keep_epochs: bool = False,
    twin: bool = False,
) -> TrainingResult:
    """Check the options of a network and train it; see :func:`alignkit.networks.train_network`."""
    from ..networks import LANGUAGE_MODELS, NETWORKS, train_network

    registry: Registry[Any] = LANGUAGE_MODELS if kind in LANGUAGE_MODELS else NETWORKS
    learners = [row["name"] for row in (*NETWORKS.rows(), *LANGUAGE_MODELS.rows()) if row.get("learns")]
    if kind not in registry:
        raise InputError(f"the network to train is {kind!r}, {did_you_mean(kind, learners)}")
    if kind not in learners:
        raise InputError(f"the network {kind!r} has nothing to learn. These have: {', '.join(learners)}.")
    checked = check_options(registry[kind], options, where=f"network {kind!r}", base=Path.cwd())
    given = {name: value for name, value in plain(checked).items() if name in options}
    return TrainingResult(
        train_network(
            kind,
            data=data,
            out=out,
            options=given,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            device=device,
            keep_epochs=keep_epochs,
            twin=twin,
        )
    )
