from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks import build_network
from alignkit.networks.standard import _hf_modules, _hub
from alignkit.networks.standard.hf_video import hf_video

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CLIP = {**SMALL, "image_size": 32, "num_frames": 4}
VJEPA2 = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "crop_size": 32,
    "patch_size": 16,
    "frames_per_clip": 4,
    "pred_hidden_size": 24,
    "pred_num_hidden_layers": 1,
    "pred_num_attention_heads": 2,
}
# What published checkpoints carry, at another size.
SETTINGS = {
    "do_center_crop": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "crop_size": {"height": 32, "width": 32},
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 36},
}
VIVIT = {
    **SETTINGS,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "rescale_factor": 1 / 127.5,
    "offset": True,
}
# Class, configuration, file of the preparation, its content, frames per step.
KINDS = {
    "videomae": (
        "VideoMAEModel",
        {**CLIP, "patch_size": 16},
        "preprocessor_config.json",
        {**SETTINGS, "image_processor_type": "VideoMAEImageProcessor"},
        2,
    ),
    "timesformer": (
        "TimesformerModel",
        {**CLIP, "patch_size": 16},
        "preprocessor_config.json",
        {**SETTINGS, "image_processor_type": "VideoMAEImageProcessor"},
        1,
    ),
    "vivit": (
        "VivitModel",
        {**CLIP, "tubelet_size": [2, 16, 16]},
        "preprocessor_config.json",
        {**VIVIT, "image_processor_type": "VivitImageProcessor"},
        2,
    ),
    "vjepa2": (
        "VJEPA2Model",
        VJEPA2,
        "video_preprocessor_config.json",
        {**SETTINGS, "video_processor_type": "VJEPA2VideoProcessor"},
        2,
    ),
}


def save(kind: str, folder: Path) -> Path:
    name, options, file, settings, _ = KINDS[kind]
    model_class = getattr(transformers, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        model_class(model_class.config_class(**options)).save_pretrained(folder)
    (folder / file).write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("video")
    with _hub.quiet(), _hf_modules.silent():
        return {kind: save(kind, root / f"tiny-{kind}") for kind in KINDS}


def pictures(n_frames=4):
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)) for _ in range(n_frames)]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_give_the_hidden_states_of_transformers_step_by_step(folders, kind):
    network = hf_video(name=str(folders[kind]))
    per_step = KINDS[kind][4]
    clip = network.preprocess(pictures())[None]
    heard = []
    network.module.get_submodule(network.layers[0]).register_forward_hook(
        lambda m, i, o: heard.append(o[0] if isinstance(o, tuple) else o)
    )
    with _hub.quiet():
        whole = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    more = {"skip_predictor": True} if kind == "vjepa2" else {}
    with torch.inference_mode():
        network.module(clip)
        states = whole(clip, output_hidden_states=True, **more).hidden_states
    torch.testing.assert_close(heard[0], states[1])
    steps = network.preprocess.steps(heard[0])
    assert steps.shape == (1, 4 // per_step, states[1].shape[-1])
    own = states[1][0, {"vivit": 1, "timesformer": 1}.get(kind, 0) :]
    grid = (
        own.reshape(4, 4, -1).transpose(0, 1) if kind == "timesformer" else own.reshape(4 // per_step, 4, -1)
    )
    torch.testing.assert_close(steps[0], grid.mean(1))
    assert (network.modality, len(network.layers), network.trained) == ("video", 2, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_holds_the_frames_of_its_time(folders, kind):
    # Before any attention, a changed frame changes its own step and no other.
    network = hf_video(name=str(folders[kind]))
    per_step = KINDS[kind][4]
    clip = torch.zeros(1, 4, 3, 32, 32)
    extra = {"bool_masked_pos": None} if kind == "videomae" else {}
    with torch.inference_mode():
        before = network.preprocess.steps(network.module.embeddings(clip, **extra))
        for frame in range(4):
            changed = clip.clone()
            changed[:, frame] = 1.0
            after = network.preprocess.steps(network.module.embeddings(changed, **extra))
            moved = (after - before).abs().sum(2)[0] > 0
            assert moved.nonzero().flatten().tolist() == [frame // per_step]


@pytest.mark.parametrize("kind", ["videomae", "vivit"])
def test_frames_are_prepared_as_transformers_does(folders, kind):
    network = hf_video(name=str(folders[kind]))
    with _hub.quiet(), _hf_modules.silent():
        processor = transformers.AutoImageProcessor.from_pretrained(folders[kind])
        frames = [np.asarray(picture) for picture in pictures()]
        theirs = processor([frames], return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(network.preprocess(pictures()), theirs, atol=1e-4, rtol=0)


def test_times_are_those_of_the_middle_of_tubelets(folders):
    preparation = hf_video(name=str(folders["videomae"]), frames_hz=4.0).preprocess
    assert preparation.offsets_s == (0.125, 0.375, 0.625, 0.875)
    assert (preparation.window_s, preparation.step_s) == (1.0, 0.5)
    np.testing.assert_allclose(preparation.times_s(), [0.25, 0.75])


def test_the_untrained_twin_has_the_shapes_of_the_trained_network(folders):
    network = hf_video(name=str(folders["timesformer"]), frames_hz=2.0)
    twin = network.untrained()
    assert (twin.layers, twin.preprocessing) == (network.layers, network.preprocessing)
    assert twin.n_parameters == network.n_parameters
    assert twin.weights_digest() != network.weights_digest()
    again = hf_video(name=str(folders["timesformer"]), frames_hz=2.0, weights="random")
    assert twin.weights_digest() == again.weights_digest()
    assert (twin.trained, twin.family) == (False, "untrained")


def test_networks_of_films_are_built_by_name(folders):
    network = build_network(f"hf-video:{folders['vivit']}", {"frames_hz": 2.0})
    assert (network.name, network.preprocess.window_s) == ("hf-video:tiny-vivit", 2.0)


def test_what_is_no_network_of_films_is_refused(tmp_path, folders):
    with pytest.raises(InputError, match="`name` must be a Hugging Face name or a folder, as in MCG-NJU"):
        hf_video(name="")
    with pytest.raises(MissingDataError, match="holds no config.json"):
        hf_video(name=str(tmp_path))
    with pytest.raises(InputError, match="`frames_hz` must be positive, got 0"):
        hf_video(name=str(folders["vivit"]), frames_hz=0)
    with pytest.raises(InputError, match="`weights` is 'no', .* Known: pretrained, random"):
        hf_video(name=str(folders["vivit"]), weights="no")
    with _hub.quiet():
        transformers.ViTModel(transformers.ViTConfig(**SMALL, image_size=32)).save_pretrained(
            tmp_path / "vit"
        )
    with pytest.raises(InputError, match=r"'vit' is a ViTModel \(vit\), of which alignkit does not know how"):
        hf_video(name=str(tmp_path / "vit"))


def test_layers_and_clips_of_other_shapes_are_refused(folders):
    preparation = hf_video(name=str(folders["videomae"])).preprocess
    with pytest.raises(InputError, match="a clip has 4 frames, got 3"):
        preparation(pictures(3))
    with pytest.raises(
        InputError, match=r"gives shape \(1, 7, 16\), which is not laid out in 2 steps of time"
    ):
        preparation.steps(torch.zeros(1, 7, 16))
