"""Any vision model of the Hugging Face hub, or from a folder in its format."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count
from .._network import Network
from ._hf_files import Place, check_loaded, find_place, load_from, read_settings
from ._hf_settings import preparation_of
from ._hub import quiet


def hf(
    *,
    name: str,
    weights: Literal["pretrained", "random"] = "pretrained",
    seed: int = 0,
    image_size: int | None = None,
) -> Network:
    """Load a Hugging Face vision model, or the vision tower of a vision-language model.

    Weights are taken from safetensors files only, in float32, and no code of the model's repository is
    run. Layers are the transformer blocks or the stages of the vision tower.

    Parameters
    ----------
    name : str
        Name on the hub, such as ``facebook/dinov2-small`` (the local cache is tried first), or a folder
        with ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``. ``@REVISION`` behind
        it takes a revision of the hub, or a checkpoint in the folder: the folder in it of that name, or
        ``checkpoint-REVISION``.
    weights : {"pretrained", "random"}, default="pretrained"
        Those of the file, or the ones its architecture starts from, drawn by `seed`; batch-norm
        statistics are then those over procedural images.
    seed : int, default=0
        Draws random weights; without a part in pretrained ones.
    image_size : int, optional
        Height and width, in pixels, of the images that go in; by default as the model was trained.
        Embeddings of positions are interpolated.

    Returns
    -------
    network : Network
        In evaluation mode, with the mean, standard deviation and size it was trained with.

    Raises
    ------
    MissingDataError
        If there is no such folder, or the name is neither in the cache nor to be had from the hub.
    InputError
        If weights are pickled, damaged, missing or of another architecture, the model wants more than
        images, has no blocks, or does not take the image size.

    Notes
    -----
    Masked autoencoders are run as the plain vision transformers they are without their mask.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a Hugging Face name or a folder, as in hf:facebook/dinov2-small.")
    check_option("weights", weights, ("pretrained", "random"))
    check_count("seed", seed, least=0)
    if image_size is not None:
        check_count("image_size", image_size, least=8)
    trained = weights == "pretrained"
    place = find_place(name, weights=trained)
    with quiet():
        module, settings = _load(place, None if trained else seed)
    from ._hf_towers import blocks_of, set_image_size, vision_tower
    from ._vision_layers import channels_last_layers

    tower = vision_tower(module, name)
    preparation = preparation_of(settings, network=name)
    if image_size is not None:
        preparation = preparation.at_size(image_size)
        set_image_size(tower, image_size, name)
    tower = tower.float().eval()
    if not trained:
        from ._random_weights import settle

        images_seed = derive_seed(seed, "hf", "batch-norm")
        settle(tower, preparation, seed=images_seed, size=preparation.input_size)
    return Network(
        name=f"hf:{place.title}" if trained else f"hf:{place.title}-untrained",
        family="pretrained" if trained else "untrained",
        module=tower,
        layers=blocks_of(tower, name),
        preprocess=preparation,
        preprocessing={"image": preparation.facts()},
        trained=trained,
        paper=place.paper,
        mechanism="as published",
        notes=(_note(place, name, trained, seed),),
        channels_last=channels_last_layers(tower, preparation.input_size),
        untrained=partial(hf, name=name, weights="random", seed=seed, image_size=image_size)
        if trained
        else None,
        options={"name": name, "weights": weights, "seed": seed, "image_size": image_size},
    )


def _load(place: Place, seed: int | None) -> tuple[Any, dict[str, Any]]:
    """Return the model and the settings of its preprocessing; with a seed, its weights are random."""

    def load(local: bool) -> tuple[Any, dict[str, Any]]:
        if seed is None:
            model, info = _pretrained(place, local=local)
            check_loaded(place.source, info)
        else:
            model = _random(place, seed, local=local)
        return model, read_settings(place, local=local)

    return load_from(place, load, what="vision model")


def _pretrained(place: Place, *, local: bool) -> tuple[Any, dict[str, Any]]:
    import torch

    build, config = _architecture(place, local=local)
    # Weights that a checkpoint leaves out, such as an unused pooler, are drawn: always the same.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, info = build.from_pretrained(
            place.source,
            config=config,
            revision=place.revision or "main",
            local_files_only=local,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            # They are refused below, by name; transformers would only point to its log.
            ignore_mismatched_sizes=True,
        )
    return model, info


def _random(place: Place, seed: int, *, local: bool) -> Any:
    from ._random_weights import seeded

    build, config = _architecture(place, local=local)
    # A class builds itself from a configuration, an auto class has a method for it.
    make: Any = getattr(build, "from_config", build)
    return seeded(lambda: make(config), seed)


def _architecture(place: Place, *, local: bool) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoModel, ViTConfig, ViTModel

    config = AutoConfig.from_pretrained(
        place.source, revision=place.revision or "main", local_files_only=local, trust_remote_code=False
    )
    if config.model_type == "vit_mae":
        # Its own class hides a random three quarters of every image.
        return ViTModel, ViTConfig(**{k: v for k, v in config.to_dict().items() if k != "model_type"})
    return AutoModel, config


def _note(place: Place, name: str, trained: bool, seed: int) -> str:
    source = f"{'the folder ' if place.folder else 'the Hugging Face hub, '}{name}"
    if trained:
        return f"Weights were read from {source}."
    return (
        f"Weights are random (seed {seed}), of the architecture in {source}; batch-norm statistics, where it "
        "has any, come from procedural images, never from stimuli."
    )
