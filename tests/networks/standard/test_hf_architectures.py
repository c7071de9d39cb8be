"""Tiny instances of many architectures: saved, loaded by our code, and compared with transformers' own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.networks import hf
from alignkit.networks.standard._vision_layers import channels_last_layers

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
PATCHES = SMALL | {"image_size": 32, "patch_size": 8}
TEXT = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
PAIR = {"text_config": TEXT, "vision_config": PATCHES}
STAGES = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 2, 1]}
WINDOWS = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 2], "num_heads": [2, 2]}
PYRAMID = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 2, 1, 1], "num_attention_heads": [1, 2, 2, 2]}
LLAMA = {"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}

# Name of the configuration, its values, the size of images, the number of layers.
CASES = [
    ("ViT", PATCHES, 32, 3),
    ("DeiT", PATCHES, 32, 3),
    ("Beit", PATCHES, 32, 3),
    ("Data2VecVision", PATCHES, 32, 3),
    ("Dinov2", SMALL | {"image_size": 28, "patch_size": 14}, 28, 3),
    ("Dinov2WithRegisters", SMALL | {"image_size": 28, "patch_size": 14}, 28, 3),
    ("DINOv3ViT", PATCHES, 32, 3),
    ("DINOv3ConvNext", STAGES, 64, 4),
    ("IJepa", PATCHES, 32, 3),
    ("ViTMSN", PATCHES, 32, 3),
    ("Yolos", PATCHES | {"image_size": [32, 32]}, 32, 3),
    ("CLIP", PAIR, 32, 3),
    ("CLIPVision", PATCHES, 32, 3),
    ("ChineseCLIP", PAIR, 32, 3),
    ("Siglip", PAIR, 32, 3),
    ("Blip", PAIR, 32, 3),
    ("Aimv2", PAIR, 32, 3),
    ("OwlViT", PAIR, 32, 3),
    (
        "Llava",
        {
            "vision_config": PATCHES | {"model_type": "clip_vision_model"},
            "text_config": LLAMA | {"intermediate_size": 8, "vocab_size": 64},
        },
        32,
        3,
    ),
    ("ConvNext", STAGES, 64, 4),
    ("ConvNextV2", STAGES, 64, 4),
    ("Swin", WINDOWS | {"window_size": 4}, 32, 2),
    ("Swinv2", WINDOWS | {"window_size": 4}, 32, 2),
    (
        "ResNet",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2], "layer_type": "basic"},
        32,
        2,
    ),
    ("RegNet", STAGES | {"embedding_size": 8, "groups_width": 4}, 32, 4),
    ("MobileNetV1", {"depth_multiplier": 0.25, "min_depth": 4}, 32, 26),
    ("MobileNetV2", {"depth_multiplier": 0.25, "min_depth": 4, "finegrained_output": False}, 32, 16),
    (
        "MobileViT",
        {
            "image_size": 64,
            "hidden_sizes": [8, 8, 8],
            "neck_hidden_sizes": [4, 4, 8, 8, 8, 8, 8],
            "num_attention_heads": 2,
        },
        64,
        5,
    ),
    ("EfficientNet", {"width_coefficient": 0.2, "depth_coefficient": 0.2, "hidden_dim": 256}, 32, 7),
    (
        "Levit",
        {
            "hidden_sizes": [16, 16, 16],
            "num_attention_heads": [2, 2, 2],
            "depths": [1, 1, 1],
            "key_dim": [8, 8, 8],
        },
        224,
        3,
    ),
    ("Pvt", PYRAMID | {"image_size": 64}, 64, 5),
    ("PvtV2", PYRAMID, 64, 4),
    ("Segformer", PYRAMID, 64, 4),
    ("PoolFormer", {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 2, 1, 1]}, 64, 5),
    (
        "Hiera",
        {"image_size": [64, 64], "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]},
        64,
        4,
    ),
    ("SwiftFormer", {"depths": [1, 1, 1, 1], "embed_dims": [8, 8, 8, 8]}, 64, 7),
    ("MobileViTV2", {"image_size": 64, "width_multiplier": 0.25}, 64, 5),
]


def _saved(name: str, values: dict, size: int, folder) -> str:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(getattr(transformers, f"{name}Config")(**values)).eval()
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    transformers.utils.logging.enable_progress_bar()
    settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": size, "width": size}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return str(folder)


def _first(output: object) -> torch.Tensor:
    while isinstance(output, list | tuple):
        output = output[0]
    return output


def _heard(network, batch: torch.Tensor) -> tuple[list[torch.Tensor], tuple[torch.Tensor, ...]]:
    heard: list[torch.Tensor] = []
    for name in network.layers:
        network.module.get_submodule(name).register_forward_hook(lambda m, i, o: heard.append(_first(o)))
    with torch.inference_mode():
        states = network.module(batch, output_hidden_states=True).hidden_states
    return heard, states


def _same(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    # Some models fold a map into tokens before they call it a hidden state.
    return ours.numel() == theirs.numel() and torch.allclose(
        ours.flatten().sort().values, theirs.flatten().sort().values, atol=1e-5
    )


@pytest.mark.parametrize(("name", "values", "size", "n_layers"), CASES, ids=[case[0] for case in CASES])
def test_layers_give_the_hidden_states_of_transformers(name, values, size, n_layers, tmp_path):
    network = hf(name=_saved(name, values, size, tmp_path))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8))
    heard, states = _heard(network, network.preprocess(image).unsqueeze(0))
    assert len(heard) == len(network.layers) == n_layers
    # A model whose stages hold several blocks calls the last of each a hidden state.
    found = [any(_same(ours, theirs) for theirs in states) for ours in heard]
    assert sum(found) >= min(n_layers, len(states) - 1)
    assert found[-1]


def test_masked_autoencoders_are_run_without_their_mask(tmp_path):
    network = hf(name=_saved("ViTMAE", PATCHES, 32, tmp_path))
    batch = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    heard, _ = _heard(network, batch)
    model = transformers.AutoModel.from_pretrained(tmp_path, mask_ratio=0.0).eval()
    order = torch.arange(16.0)[None]
    with torch.inference_mode():
        theirs = model(batch, noise=order, output_hidden_states=True)
        ours = network.module(batch).last_hidden_state
    # Sorted noise leaves the patches in their places, all of them.
    torch.testing.assert_close(heard[0], theirs.hidden_states[1])
    torch.testing.assert_close(ours, theirs.last_hidden_state)


def test_the_encoder_of_segment_anything_pads_and_gives_its_blocks(tmp_path):
    vision = SMALL | {"image_size": 64, "patch_size": 16, "output_channels": 8, "mlp_dim": 32}
    vision |= {"global_attn_indexes": [2], "window_size": 2}
    folder = _saved("Sam", {"vision_config": vision}, 64, tmp_path)
    settings = {"image_processor_type": "SamImageProcessor", "size": {"longest_edge": 64}}
    settings |= {"pad_size": {"height": 64, "width": 64}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    network = hf(name=folder)
    batch = network.preprocess(Image.new("RGB", (40, 20), (255, 255, 255))).unsqueeze(0)
    assert batch.shape == (1, 3, 64, 64)
    assert float(batch[0, :, 32:].abs().max()) == 0
    heard, states = _heard(network, batch)
    for ours, theirs in zip(heard, states[1:], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_towers_that_want_more_than_images_are_refused(tmp_path):
    values = {"text_config": TEXT, "vision_config": SMALL | {"num_patches": 16, "patch_size": 8}}
    with pytest.raises(InputError, match="is a Siglip2Model, which takes more than images"):
        hf(name=_saved("Siglip2", values, 32, tmp_path))


def _built(name: str, values: dict):
    config = getattr(transformers, f"{name}Config")(**values)
    return transformers.AutoModel.from_config(config).eval()


def test_layers_with_their_maps_along_the_last_axis_are_known():
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64}
    windows = {"window_size": 2, "mlp_dim": 8, "output_channels": 8, "global_attn_indexes": [1]}
    sam = _built("SamVision", wide | windows)
    found = channels_last_layers(sam, 64)
    assert {"vision_encoder.layers.0", "vision_encoder.layers.1"} <= set(found)
    assert "vision_encoder.neck" not in found
    # Its blocks take maps first and give maps first, and have them last within.
    det = channels_last_layers(_built("VitDet", wide | {"pretrain_image_size": 64}), 64)
    assert "encoder.layer.0.mlp" in det
    assert "encoder.layer.0" not in det
    assert channels_last_layers(_built("ViT", PATCHES), 32) == ()


class _Turned(torch.nn.Module):
    def __init__(self, n_maps: int, peek: bool = False) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, n_maps, 4, 4)
        self.block1 = torch.nn.LayerNorm(n_maps)
        self.narrow = torch.nn.Linear(n_maps, 5)
        self.block2 = torch.nn.LayerNorm(5)
        self.peek = peek

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.block1(self.conv(images).permute(0, 2, 3, 1))
        if self.peek and float(maps.sum()) > 1e9:
            raise AssertionError
        return self.block2(self.narrow(maps))


@pytest.mark.parametrize("peek", [False, True])
@pytest.mark.parametrize("n_maps", [6, 8])
def test_as_many_maps_as_rows_are_told_by_other_modules_of_the_class(n_maps, peek):
    # 32 pixels make 8 x 8 positions; with 8 maps the shape alone says nothing.
    found = channels_last_layers(_Turned(n_maps, peek).eval(), 32)
    assert found == ("block1", "narrow", "block2")


def test_a_network_that_does_not_take_the_image_has_no_layers_that_are_known():
    assert channels_last_layers(torch.nn.Linear(7, 7), 32) == ()
