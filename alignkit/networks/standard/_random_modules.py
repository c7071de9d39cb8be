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


def resnet50_stages() -> Stages:
    """Return ResNet-50 without its classifier, with the weights torch draws."""
    from transformers import ResNetConfig, ResNetModel

    model: Any = ResNetModel(ResNetConfig())
    stages = {f"stage{k}": stage for k, stage in enumerate(model.encoder.stages, start=1)}
    return Stages({"stem": model.embedder, **stages})


def vit_small_stages(image_size: int) -> Stages:
    """Return ViT-S/16 without its classifier, with the weights torch draws."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        intermediate_size=1536,
        patch_size=16,
        image_size=image_size,
    )
    model: Any = ViTModel(config, add_pooling_layer=False)
    layers = model.layers if hasattr(model, "layers") else model.encoder.layer
    blocks = {f"block{k}": block for k, block in enumerate(layers, start=1)}
    return Stages({"embedding": model.embeddings, **blocks, "norm": model.layernorm})
