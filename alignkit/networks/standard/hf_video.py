"""Any network of films of the Hugging Face hub, or from a folder in its format."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._images import ImagePreparation, check_count
from .._network import Network
from ._film_preparation import FilmPreparation
from ._hf_files import Place, find_place, load_from, read_settings
from ._hf_modules import Weights, module_of, origin_of, settings_of, silent
from ._hf_settings import preparation_of
from ._hf_towers import blocks_of
from ._hub import quiet

_WHAT = "video model"
Order = Literal["time first", "place first"]
# Special tokens before those of the film, and which of time and place the others run through last.
_LAYOUTS: dict[str, tuple[int, Order]] = {
    "videomae": (0, "time first"),
    "vjepa2": (0, "time first"),
    "vivit": (1, "time first"),
    "timesformer": (1, "place first"),
}


def hf_video(*, name: str, frames_hz: float = 8.0, weights: Weights = "pretrained", seed: int = 0) -> Network:
    """Load a network of films: VideoMAE, V-JEPA 2 (its encoder), ViViT, TimeSformer.

    Weights are taken from safetensors files only, in float32, and no code of the model's repository is
    run. Layers are the transformer blocks, averaged over places in the picture.

    Parameters
    ----------
    name : str
        Name on the hub, such as ``MCG-NJU/videomae-base`` (the local cache is tried first), with ``@`` and a
        revision if wanted, or a folder with ``config.json``, ``preprocessor_config.json`` (or
        ``video_preprocessor_config.json``) and ``model.safetensors``.
    frames_hz : float, default=8
        Frames of a film that are shown per second of it. No file says how a network was trained; look at
        its card.
    weights : {"pretrained", "random"}, default="pretrained"
        "random" draws them as the architecture starts from; the folder need not hold any.
    seed : int, default=0
        Draws random weights.

    Returns
    -------
    network : Network
        Of modality "video", for :func:`alignkit.features.films.film_features`. A clip has as many frames as
        the network was made for; a step of time has the frames of one tubelet.

    Raises
    ------
    MissingDataError
        If there is no such folder, or the name is neither in the cache nor to be had from the hub.
    InputError
        If weights are pickled or missing, or the model is of a kind whose layout is not known.
    """
    check_count("seed", seed, least=0)
    check_option("weights", weights, ("pretrained", "random"))
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a Hugging Face name or a folder, as in MCG-NJU/videomae-base.")
    if not frames_hz > 0:
        raise InputError(f"`frames_hz` must be positive, got {frames_hz}.")
    trained = weights == "pretrained"
    place = find_place(name, weights=trained)
    model = module_of(place, weights=weights, seed=seed, what=_WHAT)
    kind = model.config.model_type
    if kind not in _LAYOUTS:
        raise InputError(
            f"{place.title!r} is a {type(model).__name__} ({kind}), of which alignkit does not know how its "
            f"layers lie in time; known are {', '.join(sorted(_LAYOUTS))}."
        )
    # V-JEPA 2 comes with a predictor, which training needs.
    tower = model.encoder if kind == "vjepa2" else model
    preparation = _preparation(model.config, _image_preparation(place), frames_hz)
    twin = partial(hf_video, name=name, frames_hz=frames_hz, weights="random", seed=seed)
    return Network(
        name=f"hf-video:{place.title}" + ("" if trained else "-untrained"),
        family="pretrained" if trained else "untrained",
        module=tower.eval(),
        layers=blocks_of(tower, place.title),
        preprocess=preparation,  # type: ignore[arg-type]
        preprocessing={"film": preparation.facts()},
        trained=trained,
        paper=place.paper,
        notes=(origin_of(place, trained=trained, seed=seed),),
        mechanism="as published",
        modality="video",
        untrained=twin if trained else None,
        options={"name": name, "frames_hz": frames_hz, "weights": weights, "seed": seed},
    )


def _preparation(config: Any, image: ImagePreparation, frames_hz: float) -> FilmPreparation:
    n_special, order = _LAYOUTS[config.model_type]
    n_frames = int(getattr(config, "num_frames", 0) or config.frames_per_clip)
    tubelet = getattr(config, "tubelet_size", 1)
    per_step = int(tubelet if isinstance(tubelet, int) else tubelet[0])
    n_steps = n_frames // per_step

    def arrange(tokens: torch.Tensor) -> torch.Tensor:
        own = tokens[:, n_special:]
        if order == "time first":
            return own.reshape(len(own), n_steps, -1, own.shape[-1]).mean(2)
        return own.reshape(len(own), -1, n_steps, own.shape[-1]).mean(1)

    return FilmPreparation(
        image=image,
        # The middle of the stretch of film that each frame stands for.
        offsets_s=tuple((number + 0.5) / frames_hz for number in range(n_frames)),
        window_s=n_frames / frames_hz,
        first_s=per_step / 2 / frames_hz,
        step_s=per_step / frames_hz,
        n_steps=n_steps,
        arrange=arrange,
        described={"frames_hz": frames_hz, "places": "mean"},
    )


def _image_preparation(place: Place) -> ImagePreparation:
    settings = settings_of(place, "video_preprocessor_config.json")
    if not settings:
        with quiet(), silent():
            settings = load_from(place, lambda local: read_settings(place, local=local), what=_WHAT)
    # ViViT's own: eight bits are brought to [-1, 1] before they are standardised.
    offset = bool(settings.get("offset", False)) and bool(settings.get("do_rescale", True))
    plain = {key: value for key, value in settings.items() if key not in ("offset", "do_sample_frames")}
    preparation = preparation_of(plain, network=place.title)
    if not offset:
        return preparation
    red, green, blue = preparation.mean
    return replace(preparation, mean=(red + 1, green + 1, blue + 1))
