"""Any network of timm, from the hub or from a folder in its format."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError, MissingDataError
from ..._core.random import derive_seed
from .._images import ImagePreparation, check_count
from .._network import Network
from ._hub import from_hub
from ._vision_extra import timm_preparation, vision_package

_PAPER = "Wightman 2019, PyTorch Image Models, doi:10.5281/zenodo.4414861"
_WEIGHTS = "model.safetensors"


def timm_model(
    *,
    name: str,
    weights: Literal["pretrained", "random"] = "pretrained",
    seed: int = 0,
    image_size: int | None = None,
) -> Network:
    """Load a network of timm.

    Weights are read from safetensors only.

    Parameters
    ----------
    name : str
        As timm calls it, such as ``resnet50.a1_in1k`` (weights come from the hub, the local cache first),
        or a folder with timm's ``config.json`` and ``model.safetensors``; ``@CHECKPOINT`` behind it takes
        a folder within.
    weights : {"pretrained", "random"}, default="pretrained"
        Those of the file, or the ones the architecture starts from, drawn by `seed`; batch-norm
        statistics are then those over procedural images.
    seed : int, default=0
        Draws random weights; without a part in pretrained ones.
    image_size : int, optional
        Height and width, in pixels, of the images that go in; by default as the network was trained.

    Returns
    -------
    network : Network
        Layers are those of timm's own list of features, where there is one.

    Raises
    ------
    MissingDataError
        If timm cannot be imported (extra ``vision``), there is no such folder, or the weights are neither
        in the cache nor to be had from the hub.
    InputError
        If timm has no such network, weights are not safetensors, damaged or of another architecture, or
        the architecture is bound to another image size.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a name of timm or a folder, as in timm:resnet50.a1_in1k.")
    check_option("weights", weights, ("pretrained", "random"))
    check_count("seed", seed, least=0)
    if image_size is not None:
        check_count("image_size", image_size, least=8)
    trained = weights == "pretrained"
    timm = vision_package("timm")
    folder = _folder(name)
    module = _architecture(timm, name, folder, seed)
    if trained:
        _load(module, name, folder)
    module, preparation = _sized(timm, module, name, image_size)
    if not trained:
        from ._random_weights import settle

        images_seed = derive_seed(seed, "timm", "batch-norm")
        settle(module, preparation, seed=images_seed, size=preparation.input_size)
    from ._vision_layers import channels_last_layers

    module = module.float().eval()

    title = name if folder is None else folder.resolve().name
    return Network(
        name=f"timm:{title}" if trained else f"timm:{title}-untrained",
        family="pretrained" if trained else "untrained",
        module=module,
        layers=_layers(module),
        preprocess=preparation,
        preprocessing={"image": preparation.facts()},
        trained=trained,
        paper=_PAPER,
        mechanism="as published",
        notes=(
            f"Weights were read from {'the folder ' if folder else 'the Hugging Face hub, timm/'}{name}."
            if trained
            else f"Weights are random (seed {seed}); batch-norm statistics, where it has any, come from "
            "procedural images, never from stimuli.",
        ),
        channels_last=channels_last_layers(module, preparation.input_size),
        untrained=partial(timm_model, name=name, weights="random", seed=seed, image_size=image_size)
        if trained
        else None,
        options={"name": name, "weights": weights, "seed": seed, "image_size": image_size},
    )


def _folder(name: str) -> Path | None:
    from .checkpoints import checkpoint_folder

    whole = Path(name).expanduser()
    base, at, revision = name.rpartition("@")
    if at and not whole.is_dir() and Path(base).expanduser().is_dir():
        whole = checkpoint_folder(Path(base).expanduser(), revision)
    if whole.is_dir():
        if not (whole / "config.json").is_file():
            raise MissingDataError(f"{whole} holds no config.json; it is no folder of a timm network.")
        return whole
    if name.startswith((".", "/", "~")):
        raise MissingDataError(f"the model folder {whole} does not exist.")
    return None


def _architecture(timm: Any, name: str, folder: Path | None, seed: int) -> Any:
    from ._random_weights import seeded

    architecture, more = (name, {}) if folder is None else _described(folder)
    if not timm.is_model(architecture.split(".")[0]):
        raise InputError(f"timm has no network {architecture!r}: {did_you_mean(architecture, _near(timm))}")
    try:
        return seeded(lambda: timm.create_model(architecture, pretrained=False, **more), seed)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise InputError(f"timm cannot build {name!r}: {error}.") from error


def _described(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the architecture and its arguments, as timm's ``save_for_hf`` writes them."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        more = dict(config.get("model_args") or {})
        if "num_classes" in config:
            more["num_classes"] = int(config["num_classes"])
        if config.get("pretrained_cfg"):
            more["pretrained_cfg"] = dict(config["pretrained_cfg"])
        return str(config["architecture"]), more
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / 'config.json'} is no description of a timm network ({type(error).__name__}: "
            f"{error}); wanted JSON with `architecture`."
        ) from error


def _near(timm: Any) -> list[str]:
    # timm has over a thousand networks: families suffice in a message.
    return sorted({each.split("_")[0] for each in timm.list_models()})


def _load(module: Any, name: str, folder: Path | None) -> None:
    from ._state import fill, read_state

    if folder is not None:
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise InputError(
                f"{folder} holds no *.safetensors. Pickled weights (.bin, .pth) can run code and are not "
                "opened; save them with timm's `save_for_hf(..., safe_serialization=True)`."
            )
        fill(module, read_state(files[0]), source=str(files[0]), name=name)
        return
    repository = module.pretrained_cfg.get("hf_hub_id")
    if not repository:
        raise MissingDataError(
            f"timm names no weights on the hub for {name!r}; give its full name, such as "
            "resnet50.a1_in1k, or a folder."
        )

    def load(local: bool) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, _WEIGHTS, local_files_only=local))

    path = from_hub(repository, load, source="timm")
    fill(module, read_state(path), source=f"{repository}/{_WEIGHTS}", name=name)


def _sized(timm: Any, module: Any, name: str, image_size: int | None) -> tuple[Any, ImagePreparation]:
    config = timm.data.resolve_data_config({}, model=module)
    preparation = timm_preparation(config, network=name)
    if image_size is None:
        return module, preparation
    from ._vision_layers import check_size

    if hasattr(module, "set_input_size"):
        try:
            module.set_input_size(img_size=(image_size, image_size))
        except (ValueError, RuntimeError, AssertionError, TypeError) as error:
            raise InputError(
                f"{name!r} does not take images of {image_size} x {image_size} pixels ({error}); leave "
                "`image_size` out."
            ) from error
    check_size(module, image_size, name)
    return module, preparation.at_size(image_size)


def _layers(module: Any) -> tuple[str, ...]:
    from ._vision_layers import row_of_layers

    announced = getattr(module, "feature_info", None) or ()
    entries = announced if isinstance(announced, list | tuple) else getattr(announced, "info", ())
    return row_of_layers(module, [str(each["module"]) for each in entries if "module" in each])
