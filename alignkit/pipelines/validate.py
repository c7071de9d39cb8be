"""Checking a configuration without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.errors import InputError
from ..datasets import Dataset
from .config import RUN_CONFIG_FILE, load_config, read_yaml
from .decoding.config import load_decode_config
from .run import check_data, load_dataset, resolve_config

if TYPE_CHECKING:
    from .decoding.targets import Embeddings


def validate_config(path: Path) -> dict[str, Any]:
    """Check every key, kind and option, and load the data; return the configuration resolved.

    Layers of networks, and sizes that only the data decide, are checked when it runs. Simulated data are
    not made.

    Raises
    ------
    InputError
        Naming the place, what was wanted and what came.
    """
    if _is_of_decoding(path):
        return _validate_decoding(path)
    config, base = load_config(path)
    resolved = resolve_config(config, base)
    if resolved.dataset.kind != "simulated":
        check_data(resolved, base)
    kinds = ", ".join(component.kind for component in resolved.comparisons)
    sentence = f"{len(resolved.models)} network(s) on {resolved.dataset.kind}, compared by {kinds}"
    return {"sentence": sentence, "config": resolved.model_dump(mode="json")}


def _is_of_decoding(path: Path) -> bool:
    # The key says which command it is for; a file that is wrong otherwise is told by that command's keys.
    return "decoders" in read_yaml(path / RUN_CONFIG_FILE if path.is_dir() else path)


def _validate_decoding(path: Path) -> dict[str, Any]:
    from .decoding.course import check_times
    from .decoding.run import resolve_decoding
    from .decoding.scoring import parts_of
    from .decoding.task import trials_of

    config, base = load_decode_config(path)
    resolved = resolve_decoding(config, base)
    target = resolved.target
    if resolved.dataset.kind != "simulated":
        dataset = load_dataset(resolved.dataset, base)
        embeddings = None if target.model is None else _stand_in(dataset)
        parts = parts_of(resolved, trials_of(resolved, dataset, embeddings), embeddings)
        check_times(resolved, parts)
    what = (
        f"the classes of {target.label!r}" if target.model is None else f"embeddings by {target.model.kind}"
    )
    kinds = ", ".join(component.name or component.kind for component in resolved.decoders)
    sentence = f"{what} of {resolved.dataset.kind}, decoded by {kinds}"
    return {"sentence": sentence, "config": resolved.model_dump(mode="json")}


def _stand_in(dataset: Dataset) -> Embeddings:
    """Return numbers in the place of features: parts do not depend on what they are."""
    from .candidates import Candidate
    from .decoding.targets import Embeddings

    if dataset.stimuli is None:
        raise InputError(
            f"`target: model` needs the stimuli, and {dataset.name!r} comes without them; give their folder, "
            "or decode a `label`."
        )
    names = tuple(dataset.stimuli.stimulus_ids)
    values = np.random.default_rng(0).standard_normal((len(names), 2)).astype(np.float32)
    return Embeddings(names, values, Candidate("stand-in", "none", ("none",), ""), "")
