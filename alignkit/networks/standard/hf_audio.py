"""Any network of sounds of the Hugging Face hub, or from a folder in its format."""

from __future__ import annotations

import warnings
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._images import check_count
from .._network import Network
from ._hf_files import Place, find_place
from ._hf_modules import Weights, loaded, module_of, origin_of
from ._hf_towers import blocks_of
from ._sound_preparation import SoundPreparation

# The filter bank of AST, as Kaldi has it: windows of 25 ms every 10 ms, none beyond the ends.
_AST_WINDOW_S, _AST_HOP_S = 0.025, 0.010
_AST_SPECIAL_TOKENS = 2


def hf_audio(*, name: str, weights: Weights = "pretrained", seed: int = 0) -> Network:
    """Load a network of sounds: wav2vec 2.0, HuBERT, WavLM, data2vec, Whisper's encoder, AST.

    Weights are taken from safetensors files only, in float32, and no code of the model's repository is
    run. Layers are the transformer blocks.

    Parameters
    ----------
    name : str
        Name on the hub, such as ``facebook/wav2vec2-base`` (the local cache is tried first), with ``@`` and a
        revision if wanted, or a folder with ``config.json``, ``preprocessor_config.json`` and
        ``model.safetensors``.
    weights : {"pretrained", "random"}, default="pretrained"
        "random" draws them as the architecture starts from; the folder need not hold any.
    seed : int, default=0
        Draws random weights.

    Returns
    -------
    network : Network
        Of modality "audio", for :func:`alignkit.features.sounds.sound_features`. wav2vec 2.0 and its kin, and
        Whisper, give a frame every 20 ms, AST every 100 ms, averaged over its bands of frequency. Whisper
        and AST fill a shorter sound up with silence; frames of that are left out.

    Raises
    ------
    MissingDataError
        If there is no such folder, or the name is neither in the cache nor to be had from the hub.
    InputError
        If weights are pickled or missing, or the model is of a kind whose frames are not known.
    """
    check_count("seed", seed, least=0)
    check_option("weights", weights, ("pretrained", "random"))
    if not isinstance(name, str) or not name.strip():
        raise InputError("`name` must be a Hugging Face name or a folder, as in facebook/wav2vec2-base.")
    trained = weights == "pretrained"
    place = find_place(name, weights=trained)
    model = module_of(place, weights=weights, seed=seed, what="audio model")
    tower = model.get_encoder() if getattr(model.config, "is_encoder_decoder", False) else model
    preparation = _preparation(tower, _extractor(place), place)
    return Network(
        name=f"hf-audio:{place.title}" + ("" if trained else "-untrained"),
        family="pretrained" if trained else "untrained",
        module=tower.eval(),
        layers=blocks_of(tower, place.title),
        preprocess=preparation,  # type: ignore[arg-type]
        preprocessing={"sound": preparation.facts()},
        trained=trained,
        paper=place.paper,
        notes=(origin_of(place, trained=trained, seed=seed),),
        mechanism="as published",
        modality="audio",
        untrained=partial(hf_audio, name=name, weights="random", seed=seed) if trained else None,
        options={"name": name, "weights": weights, "seed": seed},
    )


def _extractor(place: Place) -> Any:
    from transformers import AutoFeatureExtractor

    loader: Any = AutoFeatureExtractor.from_pretrained
    return loaded(place, loader, what="feature extractor of sounds")


def _preparation(tower: Any, extractor: Any, place: Place) -> SoundPreparation:
    config, entrance = tower.config, getattr(tower, "main_input_name", "")
    rate_hz = int(extractor.sampling_rate)
    settings = {k: v for k, v in extractor.to_dict().items() if isinstance(v, bool | int | float | str)}
    common: dict[str, Any] = {
        "rate_hz": rate_hz,
        "prepare": partial(_extracted, extractor, entrance, rate_hz),
        "described": {"extractor": settings},
    }
    if entrance == "input_values" and hasattr(config, "conv_kernel") and hasattr(config, "conv_stride"):
        return _from_waveform(config, rate_hz, common)
    if config.model_type == "whisper":
        n_frames = int(config.max_source_positions)
        # The second convolution takes every second frame of the spectrogram, the first at time 0.
        step_s = 2 * extractor.hop_length / rate_hz
        return SoundPreparation(
            **common, first_s=0.0, step_s=step_s, n_frames=lambda n: n_frames, longest_s=n_frames * step_s
        )
    if config.model_type == "audio-spectrogram-transformer":
        return _from_patches(config, common)
    raise InputError(
        f"{place.title!r} is a {type(tower).__name__} ({config.model_type}), of which alignkit does not "
        "know when its frames are; known are wav2vec 2.0 and its kin, Whisper and AST."
    )


def _from_waveform(config: Any, rate_hz: int, common: dict[str, Any]) -> SoundPreparation:
    strides = [int(stride) for stride in config.conv_stride]
    stride, width = prod(strides), 1
    for number, kernel in enumerate(config.conv_kernel):
        width += (int(kernel) - 1) * prod(strides[:number])

    def n_frames(n_samples: int) -> int:
        return max(0, (n_samples - width) // stride + 1)

    return SoundPreparation(
        **common,
        first_s=width / 2 / rate_hz,
        step_s=stride / rate_hz,
        n_frames=n_frames,
        least_s=width / rate_hz,
    )


def _from_patches(config: Any, common: dict[str, Any]) -> SoundPreparation:
    patch, stride = int(config.patch_size), int(config.time_stride)
    n_bands = (int(config.num_mel_bins) - patch) // int(config.frequency_stride) + 1
    n_times = (int(config.max_length) - patch) // stride + 1

    def arrange(tokens: torch.Tensor) -> torch.Tensor:
        patches = tokens[:, _AST_SPECIAL_TOKENS:]
        return patches.reshape(len(patches), n_bands, n_times, patches.shape[-1]).mean(1)

    return SoundPreparation(
        **common,
        first_s=_AST_WINDOW_S / 2 + _AST_HOP_S * (patch - 1) / 2,
        step_s=_AST_HOP_S * stride,
        n_frames=lambda n: n_times,
        arrange=arrange,
        least_s=_AST_WINDOW_S,
        longest_s=_AST_WINDOW_S + _AST_HOP_S * (int(config.max_length) - 1),
    )


def _extracted(extractor: Any, entrance: str, rate_hz: int, samples: NDArray[np.float32]) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = extractor(samples, sampling_rate=rate_hz, return_tensors="np")
    return torch.from_numpy(np.array(found[entrance][0], dtype=np.float32))
