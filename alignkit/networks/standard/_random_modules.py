"""The architectures of transformers, cut into named stages in a row."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Stages(nn.Module):
    """Modules run one after the other, each under its own name."""

    def __init__(self, stages: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names = list(stages)
        for name, stage in stages.items():
            self.add_module(name, stage)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last stage's output for images (n_images, 3, height, width)."""
        hidden = images
        for name in self.names:
            output: Any = self.get_submodule(name)(hidden)
            # Blocks of older releases of transformers return a tuple.
            hidden = output[0] if isinstance(output, tuple) else output
        return hidden


class Tapped(nn.Module):
    """A model of transformers, each of whose hidden states goes through a module of its own name."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names
        for name in names:
            self.add_module(name, nn.Identity())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last hidden state for images (n_images, 3, height, width)."""
        model: Any = self.model
        states = model(images, output_hidden_states=True).hidden_states
        hidden = images
        for name, state in zip(self.names, states, strict=True):
            hidden = self.get_submodule(name)(state)
        return hidden


class AlexNet(nn.Module):
    """Five convolutions and two full layers, in the one-column form of 2014.

    Layers are what rectifiers give: ``conv1`` ... ``conv5`` (n_maps, height, width) before pooling, and
    ``fc6`` and ``fc7`` (4,096).
    """

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride=2)
        self.conv1 = _rectified(nn.Conv2d(3, 64, 11, stride=4, padding=2))
        self.conv2 = _rectified(nn.Conv2d(64, 192, 5, padding=2))
        self.conv3 = _rectified(nn.Conv2d(192, 384, 3, padding=1))
        self.conv4 = _rectified(nn.Conv2d(384, 256, 3, padding=1))
        self.conv5 = _rectified(nn.Conv2d(256, 256, 3, padding=1))
        self.grid = nn.AdaptiveAvgPool2d(6)
        self.fc6 = _rectified(nn.Linear(256 * 36, 4096))
        self.fc7 = _rectified(nn.Linear(4096, 4096))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the 4,096 units of ``fc7`` for images (n_images, 3, height, width)."""
        maps = self.conv2(self.pool(self.conv1(images)))
        maps = self.conv5(self.conv4(self.conv3(self.pool(maps))))
        hidden: torch.Tensor = self.fc7(self.fc6(self.grid(self.pool(maps)).flatten(1)))
        return hidden


def _rectified(layer: nn.Conv2d | nn.Linear) -> nn.Sequential:
    # With torch's own scale the signal would fade from layer to layer.
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU())


def resnet_stages(depths: tuple[int, ...], widths: tuple[int, ...], kind: str) -> Stages:
    """Return a ResNet of "basic" or "bottleneck" blocks without its classifier."""
    from transformers import ResNetConfig, ResNetModel

    model: Any = ResNetModel(ResNetConfig(depths=list(depths), hidden_sizes=list(widths), layer_type=kind))
    stages = {f"stage{k}": stage for k, stage in enumerate(model.encoder.stages, start=1)}
    return Stages({"stem": model.embedder, **stages})


def resnet50_stages() -> Stages:
    """Return ResNet-50 without its classifier, with the weights torch draws."""
    return resnet_stages((3, 4, 6, 3), (256, 512, 1024, 2048), "bottleneck")


def convnext_tiny_stages() -> Stages:
    """Return ConvNeXt-T without its classifier."""
    from transformers import ConvNextConfig, ConvNextModel

    model: Any = ConvNextModel(ConvNextConfig())
    stages = {f"stage{k}": stage for k, stage in enumerate(model.encoder.stages, start=1)}
    return Stages({"stem": model.embeddings, **stages})


def mobilenet_v2_stages() -> Stages:
    """Return MobileNetV2 without its classifier: a stem, 16 blocks and the last convolution."""
    from transformers import MobileNetV2Config, MobileNetV2Model

    model: Any = MobileNetV2Model(MobileNetV2Config(), add_pooling_layer=False)
    blocks = {f"block{k}": block for k, block in enumerate(model.layer, start=1)}
    return Stages({"stem": model.conv_stem, **blocks, "top": model.conv_1x1})


def swin_tiny_tapped() -> Tapped:
    """Return Swin-T without its classifier."""
    from transformers import SwinConfig, SwinModel

    model = SwinModel(SwinConfig(), add_pooling_layer=False)
    return Tapped(model, ("embedding", *(f"stage{k}" for k in range(1, 5))))


def vit_small_stages(image_size: int) -> Stages:
    """Return ViT-S/16 without its classifier, with the weights torch draws."""
    return vit_stages(384, 6, image_size)


def vit_stages(width: int, n_heads: int, image_size: int) -> Stages:
    """Return a vision transformer of 12 blocks on patches of 16 pixels, without its classifier."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=12,
        num_attention_heads=n_heads,
        intermediate_size=4 * width,
        patch_size=16,
        image_size=image_size,
    )
    model: Any = ViTModel(config, add_pooling_layer=False)
    layers = model.layers if hasattr(model, "layers") else model.encoder.layer
    blocks = {f"block{k}": block for k, block in enumerate(layers, start=1)}
    return Stages({"embedding": model.embeddings, **blocks, "norm": model.layernorm})
