"""Any vision model of the Hugging Face hub, or from a folder in its format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from ..._core.errors import InputError, MissingDataError
from .._network import Network
from ._hf_settings import preparation_of

_TIMEOUT_S = 5.0


def hf(*, name: str) -> Network:
    """Load a Hugging Face vision model.

    Weights are taken from safetensors files only, in float32, and no code of the model's repository is
    run. Layers are the transformer blocks or the stages of the vision tower.

    Parameters
    ----------
    name : str
        Name on the hub, such as ``facebook/dinov2-small`` (the local cache is tried first), or a folder
        with ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``.

    Returns
    -------
    network : Network
        In evaluation mode, with the mean, standard deviation and size it was trained with.

    Raises
    ------
    MissingDataError
        If there is no such folder, or the name is neither in the cache nor to be had from the hub.
    InputError
        If weights are pickled or missing, the model wants more than images, or has no blocks.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a Hugging Face name or a folder, as in hf:facebook/dinov2-small.")
    folder = _folder(name)
    with _quiet():
        model, info, settings = _from_folder(folder) if folder else _from_hub(name)
    _check_loaded(name, info)
    tower = getattr(model, "vision_model", model)
    if getattr(tower, "main_input_name", "") != "pixel_values":
        raise InputError(f"{name!r} is a {type(model).__name__}, which takes more than images.")
    channels = getattr(tower.config, "num_channels", 3)
    if channels != 3:
        raise InputError(f"{name!r} takes images of {channels} channel(s), wanted 3 (red, green, blue).")
    preparation = preparation_of(settings, network=name)
    return Network(
        name=f"hf:{folder.name if folder else name}",
        family="pretrained",
        module=tower.float().eval(),
        layers=_blocks(tower, name),
        preprocess=preparation,
        preprocessing={"image": preparation.facts()},
        trained=True,
        paper="" if folder else f"https://huggingface.co/{name}",
        notes=(f"Weights were read from {'the folder ' if folder else 'the Hugging Face hub, '}{name}.",),
    )


def _folder(name: str) -> Path | None:
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise MissingDataError(f"{path} holds no config.json; it is no folder of a Hugging Face model.")
        if not any(path.glob("*.safetensors")):
            raise InputError(
                f"{path} holds no *.safetensors. Pickled weights (.bin, .pt) can run code and are not "
                "opened; load them where you trust them and save with `save_pretrained`, which writes "
                "safetensors."
            )
        return path
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise MissingDataError(f"the model folder {path} does not exist.")
    return None


def _from_folder(folder: Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    try:
        return _load(str(folder), local=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} cannot be loaded as a Hugging Face vision model: {_line(error)}"
        ) from error


def _from_hub(name: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    remedy = (
        f"Where there is internet run `hf download {name} --local-dir FOLDER`, bring the folder here and "
        "use `hf:FOLDER`."
    )
    try:
        try:
            return _load(name, local=True)
        except OSError as error:
            if not _hub_answers():
                raise MissingDataError(
                    f"the network {name!r} is not in the local cache, and the Hugging Face hub cannot be "
                    f"reached. {remedy}"
                ) from error
            return _load(name, local=False)
    except MissingDataError:
        raise
    except OSError as error:
        raise MissingDataError(
            f"the network {name!r} could not be had from the Hugging Face hub as safetensors: {_line(error)} "
            f"Check the name. {remedy}"
        ) from error
    except ValueError as error:
        raise InputError(f"{name!r} cannot be loaded as a vision model: {_line(error)}") from error


def _load(source: str, *, local: bool) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    import torch
    from transformers import AutoModel

    # Weights that a checkpoint leaves out, such as an unused pooler, are drawn: always the same.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, info = AutoModel.from_pretrained(
            source,
            local_files_only=local,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    return model, info, _settings(source, local=local)


def _settings(source: str, *, local: bool) -> dict[str, Any]:
    from transformers import AutoImageProcessor, ImageProcessingMixin

    try:
        load: Any = AutoImageProcessor.from_pretrained
        processor = load(source, local_files_only=local, trust_remote_code=False)
        settings: dict[str, Any] = processor.to_dict()
    except ImportError:
        # Processors that exist for torchvision only: the file says all that is needed.
        settings, _ = ImageProcessingMixin.get_image_processor_dict(source, local_files_only=local)
    return settings


def _check_loaded(name: str, info: dict[str, Any]) -> None:
    missing = sorted(key for key in info.get("missing_keys", ()) if "pooler" not in key)
    if missing:
        raise InputError(
            f"the weights of {name!r} lack {len(missing)} of the model's tensors (first {missing[0]}), "
            "which would be random; the files are not those of this architecture. Download them again."
        )


def _blocks(tower: Any, name: str) -> tuple[str, ...]:
    from torch import nn

    lists = {path: m for path, m in tower.named_modules() if isinstance(m, nn.ModuleList) and len(m) > 1}
    outermost = {
        path: module
        for path, module in lists.items()
        if not any(path.startswith(f"{other}.") for other in lists if other != path)
    }
    if not outermost:
        raise InputError(f"{name!r} has no list of blocks or stages that could be its layers.")
    path = max(outermost, key=lambda each: sum(p.numel() for p in outermost[each].parameters()))
    return tuple(f"{path}.{number}" for number in range(len(outermost[path])))


def _hub_answers() -> bool:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    # The hub's own client tries for half a minute before it gives up.
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_TIMEOUT_S):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own bars and reports off the terminal for a while."""
    from transformers import utils

    logging: Any = utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
