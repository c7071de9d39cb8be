"""Any image classifier of torchvision."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError, MissingDataError
from ..._core.random import derive_seed
from .._images import check_count
from .._network import Network
from ._hub import first_line
from ._vision_extra import torchvision_preparation, vision_package

_PAPER = "TorchVision maintainers and contributors 2016, https://github.com/pytorch/vision"
# These two rescale images once more when they are built with weights.
_RESCALING = ("googlenet", "inception_v3")


def torchvision_model(
    *,
    name: str,
    weights: Literal["pretrained", "random"] = "pretrained",
    file: Path | None = None,
    seed: int = 0,
    image_size: int | None = None,
) -> Network:
    """Load an image classifier of torchvision.

    torchvision's own weights are ``.pth`` files; they are read with torch's reader of tensors alone
    (``weights_only``), which runs no code.

    Parameters
    ----------
    name : str
        As torchvision calls it, such as ``resnet50``; ``resnet50@IMAGENET1K_V1`` takes that set of
        weights, and its preprocessing, instead of the default.
    weights : {"pretrained", "random"}, default="pretrained"
        Those published (or in `file`), or the ones the architecture starts from, drawn by `seed`;
        batch-norm statistics are then those over procedural images.
    file : Path, optional
        A ``.safetensors`` or ``.pth`` file of weights, instead of those from torchvision's address.
    seed : int, default=0
        Draws random weights; without a part in pretrained ones.
    image_size : int, optional
        Height and width, in pixels, of the images that go in; by default as the network was trained.

    Returns
    -------
    network : Network

    Raises
    ------
    MissingDataError
        If torchvision cannot be imported (extra ``vision``), the file does not exist, or the weights are
        neither in torch's cache nor to be downloaded.
    InputError
        If torchvision has no such classifier or weights, the file is damaged, would run code, or is of
        another architecture, or the architecture is bound to another image size.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a name of torchvision, as in torchvision:resnet50.")
    check_option("weights", weights, ("pretrained", "random"))
    check_count("seed", seed, least=0)
    if image_size is not None:
        check_count("image_size", image_size, least=8)
    trained = weights == "pretrained"
    torchvision = vision_package("torchvision")
    published = _published(torchvision, name)
    preparation = torchvision_preparation(published.transforms(), network=name)
    module = _architecture(torchvision, name, published, file if trained else None, seed, trained)
    if image_size is not None:
        from ._vision_layers import check_size

        check_size(module, image_size, name)
        preparation = preparation.at_size(image_size)
    if not trained:
        from ._random_weights import settle

        images_seed = derive_seed(seed, "torchvision", "batch-norm")
        settle(module, preparation, seed=images_seed, size=preparation.input_size)
    from ._vision_layers import channels_last_layers, row_of_layers

    module = module.float().eval()
    more: dict[str, Any] = {"file": file, "seed": seed, "image_size": image_size}
    return Network(
        name=f"torchvision:{name}" if trained else f"torchvision:{name}-untrained",
        family="pretrained" if trained else "untrained",
        module=module,
        layers=row_of_layers(module),
        preprocess=preparation,
        preprocessing={"image": preparation.facts()},
        trained=trained,
        paper=_PAPER,
        mechanism="as published",
        notes=(_note(published, file, trained, seed),),
        channels_last=channels_last_layers(module, preparation.input_size),
        untrained=partial(torchvision_model, name=name, weights="random", seed=seed, image_size=image_size)
        if trained
        else None,
        options={"name": name, "weights": weights, **more, "file": None if file is None else str(file)},
    )


def _published(torchvision: Any, name: str) -> Any:
    """Return torchvision's entry of the weights: their preprocessing, address and name."""
    models = torchvision.models
    architecture, _, chosen = name.partition("@")
    known = models.list_models(module=models)
    if architecture not in known:
        raise InputError(
            f"torchvision has no classifier {architecture!r}: {did_you_mean(architecture, known)}"
        )
    sets = models.get_model_weights(architecture)
    if not chosen:
        return sets.DEFAULT
    if chosen not in sets.__members__:
        raise InputError(
            f"{architecture!r} of torchvision has no weights {chosen!r}: "
            f"{did_you_mean(chosen, list(sets.__members__))}"
        )
    return sets[chosen]


def _architecture(
    torchvision: Any, name: str, published: Any, file: Path | None, seed: int, trained: bool
) -> Any:
    from ._random_weights import seeded
    from ._state import fill, read_state

    architecture = name.partition("@")[0]
    more = {"init_weights": True} if architecture in _RESCALING else {}
    module = seeded(lambda: torchvision.models.get_model(architecture, weights=None, **more), seed)
    if not trained:
        return module
    if architecture in _RESCALING:
        module.transform_input = True
    source = published.url if file is None else str(file)
    state = _downloaded(published, name) if file is None else read_state(Path(file).expanduser())
    fill(module, state, source=source, name=name)
    return module


def _downloaded(published: Any, name: str) -> Any:
    try:
        return published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError) as error:
        raise MissingDataError(
            f"the weights of {name!r} are not in torch's cache and cannot be downloaded "
            f"({first_line(error)}). Where there is internet get {published.url}, bring the file here and "
            "give it as the option `file`."
        ) from error
    except RuntimeError as error:
        raise InputError(
            f"the weights of {name!r} are damaged ({first_line(error)}); delete the file in torch's cache "
            f"and get {published.url} again."
        ) from error


def _note(published: Any, file: Path | None, trained: bool, seed: int) -> str:
    if not trained:
        return (
            f"Weights are random (seed {seed}); batch-norm statistics, where it has any, come from "
            "procedural images, never from stimuli."
        )
    return f"Weights were read from {published.url if file is None else file} ({published.name})."
