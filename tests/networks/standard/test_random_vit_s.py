from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks import random_vit_s


@pytest.fixture(scope="module")
def network():
    return random_vit_s(image_size=32)


def test_it_has_the_parameters_of_vit_s16_without_the_classifier():
    # 22,050,664 in timm's vit_small_patch16_224, of which 385,000 are the classifier's.
    module = random_vit_s().module
    assert sum(p.numel() for p in module.parameters()) == 22_050_664 - 385_000


def test_it_computes_what_transformers_computes(network):
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=384, num_attention_heads=6, intermediate_size=1536, patch_size=16, image_size=32
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = ViTModel(config, add_pooling_layer=False).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(network.module(images), whole(images).last_hidden_state)


def test_every_block_can_be_asked_for(network):
    names = {name for name, _ in network.module.named_children()}
    assert names == {"embedding", "norm", *(f"block{k}" for k in range(1, 13))}
    assert set(network.layers) <= names


def test_seeds_decide_the_weights(network):
    assert network.weights_digest() == random_vit_s(image_size=32).weights_digest()
    assert network.weights_digest() != random_vit_s(image_size=32, seed=1).weights_digest()


def test_image_sizes_that_patches_do_not_fill_are_refused():
    with pytest.raises(InputError, match="multiple of 16 .* got 100"):
        random_vit_s(image_size=100)
