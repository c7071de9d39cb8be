"""Training a registered network, and taking it up again: as it is, as it was, or untrained."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_json
from ..._core.random import derive_seed
from .._build import build_network
from .._language import LANGUAGE_MODELS, LanguageModel, build_language_model
from .._network import NETWORKS, Network
from .._recipe import Recipe
from ._files import (
    EPOCHS,
    MATCHED,
    RECORD,
    STATE,
    WEIGHTS,
    join_state,
    read_facts,
    read_record,
    read_tensors,
    split_state,
    write_record,
    write_tensors,
)
from ._sources import Source, source_of

if TYPE_CHECKING:
    import torch

    from .teaching import Row, Teaching

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What a finished training left.

    Attributes
    ----------
    folder : Path
        Holds ``network.json``, ``weights.safetensors`` and, where asked for, ``epochs/``.
    kind : str
        The network, as in ``alignkit list models``.
    data : str
        Name of the set.
    history : tuple of dict
        Per epoch: ``epoch`` (from 1), ``loss`` (mean over batches) and ``held_out_accuracy`` (share of a
        fifth of the samples that was never trained on) or ``held_out_loss``.
    """

    folder: Path
    kind: str
    data: str
    history: tuple[dict[str, float], ...]


def train_network(
    kind: str,
    *,
    data: str | Path,
    out: Path,
    options: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    keep_epochs: bool = False,
    twin: bool = False,
) -> Training:
    """Train a registered network on a small labelled set and keep it.

    A fifth of each class is held out; nothing is chosen by it, and the weights kept are those after the last
    epoch. Killed in the middle, the same call goes on after the last whole epoch and ends with the same
    weights as an unbroken run (same machine, threads and device).

    Parameters
    ----------
    kind : str
        The network.
    data : str or path
        ``"digits"``, ``"shapes"`` or a folder with a folder of images per class; ``"copy"``, sequences to
        be repeated after a delay; or a file of text, for language models.
    out : Path
        Where it is kept; new, empty, or of the same training.
    options : mapping, optional
        Of the network's factory. ``n_classes`` follows from the data.
    epochs, batch_size, lr
        By default those of the network's recipe.
    seed : int, default=0
        Draws weights (unless `options` names a seed), split, order and everything random in training.
    device : str, default="auto"
        "auto" takes CUDA when it is there.
    keep_epochs : bool, default=False
        Keep the weights after every epoch, and before the first: ``trained:FOLDER@3`` is epoch 3.
    twin : bool, default=False
        Train the standard network of as many parameters as well, the same way, into ``matched/`` of `out`:
        only against that one does a difference speak of the mechanism.

    Returns
    -------
    training : Training
        Of the network.

    Raises
    ------
    InputError
        If the network learns nothing, or not from such data, a number is out of range, the loss stops being
        a number, or `out` holds another training.
    MissingDataError
        If there is no such set.
    """
    given = dict(options or {})
    accepted = inspect.signature(_factory(kind)).parameters
    if "seed" in accepted:
        given = {"seed": seed} | given
    source = source_of(data, texts=kind in LANGUAGE_MODELS, seed=seed)
    if source.classes and "n_classes" in accepted:
        asked = given.setdefault("n_classes", len(source.classes))
        if asked != len(source.classes):
            raise InputError(
                f"`n_classes` is {asked}, and {source.name} has {len(source.classes)} classes; leave it out."
            )
    network = _build(kind, given)
    if network.recipe is None:
        raise InputError(f"the network {kind!r} learns nothing; `alignkit list models` says which do.")
    if network.recipe.data not in source.serves:
        raise InputError(
            f"{kind!r} learns from {network.recipe.data}, and {str(data)!r} is no such set: labels and "
            'images are in "digits", "shapes" or a folder of classes, text in a file, sequences in "copy" '
            "(with the option task=copy)."
        )
    recipe = _recipe(network.recipe, epochs, batch_size, lr)
    record = {
        "kind": kind,
        "options": given,
        "data": {"name": source.name, "digest": source.digest, "classes": list(source.classes)},
        "recipe": asdict(recipe),
        "seed": seed,
    }
    # Before anything is trained: a twin that does not exist is no surprise for the end.
    matched, matched_options = _matched(kind, given) if twin else ("", {})
    training = _Keeper(Path(out), record, keep_epochs).teach(network, source, recipe, device)
    if twin:
        train_network(
            matched,
            data=data,
            out=Path(out) / MATCHED,
            options=matched_options,
            epochs=recipe.epochs,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            device=device,
        )
    return training


def trained(*, name: str) -> Network:
    """Load a network of images that ``alignkit train`` wrote.

    Parameters
    ----------
    name : str
        The folder; ``FOLDER@3`` takes the weights after epoch 3, where all were kept.

    Returns
    -------
    network : Network
        With ``untrained``, the same network before training.

    Raises
    ------
    MissingDataError
        If the folder holds no trained network, or not that epoch.
    InputError
        If a file is damaged, its weights are those of another network, or it is a language model.
    """
    network = _loaded(name)
    if not isinstance(network, Network):
        raise InputError(f"{name} holds a language model, which takes texts; a network of images is wanted.")
    return network


def trained_language(*, name: str) -> LanguageModel:
    """Load a language model that ``alignkit train`` wrote; see :func:`trained`.

    Parameters
    ----------
    name : str
        The folder, or ``FOLDER@EPOCH``.

    Returns
    -------
    model : LanguageModel

    Raises
    ------
    MissingDataError
        If the folder holds no trained network, or not that epoch.
    InputError
        If a file is damaged, its weights are those of another model, or it takes images.
    """
    model = _loaded(name)
    if not isinstance(model, LanguageModel):
        raise InputError(f"{name} holds a network of images; a language model is wanted.")
    return model


def _loaded(name: str) -> Network | LanguageModel:
    text, _, epoch = name.rpartition("@") if _names_epoch(name) else (name, "", "")
    folder = Path(text).expanduser()
    record = read_record(folder)
    build = partial(_build, record["kind"], record["options"])
    network = build()
    weights = read_tensors(_weights_file(folder, epoch))
    try:
        network.module.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"the weights in {folder} are not those of {record['kind']!r}: {line}") from error
    n_epochs = int(epoch) if epoch else len(record["history"])
    set_name = record["data"]["name"]
    short = set_name.partition(" (")[0]
    last = {} if n_epochs == 0 else record["history"][n_epochs - 1]
    measured = "".join(
        f", held-out {key.removeprefix('held_out_')} {value:.3f}"
        for key, value in last.items()
        if key.startswith("held_out")
    )
    changes: dict[str, Any] = {
        # By the folder, because one network may have been trained more than once.
        "name": f"{folder.absolute().name}:{short}" + (f"@{epoch}" if epoch else ""),
        "family": network.family.removeprefix("random ") if n_epochs else network.family,
        "module": network.module.eval(),
        "trained": n_epochs > 0,
        "untrained": build if n_epochs > 0 else None,
        "notes": (
            f"{record['kind']} was trained by alignkit on {set_name} for {n_epochs} epochs{measured}.",
            *(note for note in network.notes if not note.startswith("Weights are random")),
        ),
    }
    if n_epochs and (folder / MATCHED / RECORD).is_file():
        changes["matched"] = partial(_loaded, str(folder / MATCHED))
    return replace(network, **changes)


def epochs_of(folder: str | Path) -> list[int]:
    """Return the epochs whose weights a folder kept, in order; 0 is before training."""
    return sorted(
        int(path.stem.split("-")[1]) for path in (Path(folder) / EPOCHS).glob("epoch-*.safetensors")
    )


class _Keeper:
    """Keeps a training on disk after every epoch, and takes it up where it stopped."""

    def __init__(self, folder: Path, record: dict[str, Any], keep_epochs: bool) -> None:
        self.folder = folder.expanduser()
        self.record = record
        self.keep_epochs = keep_epochs
        self.history: list[Row] = []

    def teach(
        self, network: Network | LanguageModel, source: Source, recipe: Recipe, device: str
    ) -> Training:
        from .teaching import Teaching, teach

        seed = self.record["seed"]
        lesson = source.lesson(network, derive_seed(seed, "held out"))
        optimizer_state = self._take_up(network)
        if self.keep_epochs and not self.history:
            self._write_epoch(0, network.module.state_dict())
        teaching = Teaching(
            network.module,
            recipe,
            lesson,
            seed=seed,
            first_epoch=len(self.history),
            optimizer_state=optimizer_state,
            after_epoch=self._after_epoch,
        )
        teach(teaching, epochs=recipe.epochs, device=device)
        write_tensors(self.folder / WEIGHTS, network.module.state_dict())
        write_record(self.folder, {**self.record, "history": self.history})
        (self.folder / STATE).unlink(missing_ok=True)
        return Training(self.folder, self.record["kind"], self.record["data"]["name"], tuple(self.history))

    def _take_up(self, network: Network | LanguageModel) -> dict[str, Any] | None:
        """Load weights and optimiser of the same training, cut short; refuse another one's folder."""
        unfinished = self.folder / STATE
        if self.folder.is_file():
            raise InputError(f"{self.folder} is a file; name a folder for the trained network.")
        if (self.folder / RECORD).is_file():
            earlier = read_record(self.folder)
            self._refuse_other(earlier)
            self.history = list(earlier["history"])
            network.module.load_state_dict(read_tensors(self.folder / WEIGHTS))
            return None
        if not unfinished.is_file():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} holds files that no training wrote; name a new or empty folder."
                )
            return None
        earlier = read_facts(unfinished)
        self._refuse_other(earlier)
        self.history = list(earlier["history"])
        tensors = read_tensors(unfinished)
        network.module.load_state_dict(_part(tensors, "network."))
        logger.info("%s: going on after epoch %d", self.folder, len(self.history))
        return join_state(_part(tensors, "optimizer."), earlier["optimizer"])

    def _refuse_other(self, earlier: dict[str, Any]) -> None:
        other = [key for key in self.record if digest_json(earlier.get(key)) != digest_json(self.record[key])]
        if other:
            raise InputError(
                f"{self.folder} holds another training ({earlier.get('kind')} on "
                f"{earlier.get('data', {}).get('name')}; other than this one in: {', '.join(other)}); name "
                "another folder."
            )

    def _after_epoch(self, epoch: int, row: Row, teaching: Teaching) -> None:
        self.history.append(row)
        optimizer: Any = teaching.optimizers()
        tensors, rest = split_state(optimizer.optimizer.state_dict())
        weights = teaching.network.state_dict()
        if self.keep_epochs:
            self._write_epoch(epoch, weights)
        # One file, so that weights, optimiser and history are of one epoch whenever the process dies.
        write_tensors(
            self.folder / STATE,
            {f"network.{k}": v for k, v in weights.items()}
            | {f"optimizer.{k}": v for k, v in tensors.items()},
            {**self.record, "optimizer": rest, "history": self.history},
        )

    def _write_epoch(self, epoch: int, weights: Mapping[str, torch.Tensor]) -> None:
        write_tensors(self.folder / EPOCHS / f"epoch-{epoch:04d}.safetensors", weights)


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}


def _matched(kind: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the registered standard network without the mechanism, and its options."""
    facts = _facts(kind)
    name = facts.get("matched") or facts.get("twin")
    if name is None or not _facts(name).get("learns"):
        raise InputError(f"{kind!r} names no matched twin that learns; train it without one.")
    accepted = inspect.signature(_factory(name)).parameters
    return str(name), {k: v for k, v in options.items() if k in accepted}


def _facts(kind: str) -> Mapping[str, Any]:
    return (LANGUAGE_MODELS if kind in LANGUAGE_MODELS else NETWORKS).facts(kind)


def _factory(kind: str) -> Callable[..., Network | LanguageModel]:
    return LANGUAGE_MODELS[kind] if kind in LANGUAGE_MODELS else NETWORKS[kind]


def _build(kind: str, options: Mapping[str, Any]) -> Network | LanguageModel:
    return (build_language_model if kind in LANGUAGE_MODELS else build_network)(kind, options)


def _recipe(recipe: Recipe, epochs: int | None, batch_size: int | None, lr: float | None) -> Recipe:
    changes = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    for name, value in changes.items():
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"`{name}` must be a positive number, got {value}.")
    return Recipe(**asdict(recipe) | {name: v for name, v in changes.items() if v is not None})


def _names_epoch(name: str) -> bool:
    return "@" in name and name.rpartition("@")[2].isdigit()


def _weights_file(folder: Path, epoch: str) -> Path:
    if not epoch:
        return folder / WEIGHTS
    path = folder / EPOCHS / f"epoch-{int(epoch):04d}.safetensors"
    if not path.is_file():
        kept = ", ".join(map(str, epochs_of(folder))) or "none (train with --keep-epochs)"
        raise MissingDataError(f"{folder} did not keep epoch {epoch}; kept are {kept}.")
    return path
