from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks import procedural_images, random_resnet50


@pytest.fixture(scope="module")
def network():
    return random_resnet50(image_size=64)


def test_it_has_resnet50s_parameters_without_the_classifier(network):
    # 25,557,032 in the published network, of which 2,049,000 are the classifier's.
    assert sum(p.numel() for p in network.module.parameters()) == 25_557_032 - 2_049_000


def test_layers_shrink_and_widen_as_in_the_paper(network):
    shapes = {}
    hooks = [
        network.module.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: shapes.update({name: tuple(o.shape[1:])})
        )
        for name in network.layers
    ]
    with torch.inference_mode():
        network.module(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    assert shapes == {
        "stem": (64, 16, 16),
        "stage1": (256, 16, 16),
        "stage2": (512, 8, 8),
        "stage3": (1024, 4, 4),
        "stage4": (2048, 2, 2),
    }


def test_batch_norm_statistics_fit_images_it_has_not_seen(network):
    images = procedural_images(8, size=112, random_state=99) / 255.0
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    batch = ((torch.from_numpy(images).float() - mean) / std).permute(0, 3, 1, 2)
    norms = [m for m in network.module.modules() if isinstance(m, nn.BatchNorm2d)]
    spreads = []
    hooks = [n.register_forward_hook(lambda m, i, o: spreads.append(o.std().item())) for n in norms]
    with torch.inference_mode():
        network.module(batch)
    for hook in hooks:
        hook.remove()
    # Untouched statistics (mean 0, variance 1) leave spreads far from one.
    assert len(spreads) == 53
    assert min(spreads) > 0.6
    assert max(spreads) < 1.6


def test_one_seed_gives_one_network_and_leaves_torchs_generator_alone(network):
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    again = random_resnet50(image_size=128)
    assert torch.equal(torch.rand(3), expected)
    assert again.weights_digest() == network.weights_digest()


@pytest.mark.slow
def test_another_seed_gives_another_network(network):
    assert network.weights_digest() != random_resnet50(image_size=64, seed=1).weights_digest()


@pytest.mark.slow
def test_weights_do_not_depend_on_the_number_of_threads(network):
    threads = torch.get_num_threads()
    torch.set_num_threads(2 if threads == 1 else 1)
    try:
        assert random_resnet50(image_size=64).weights_digest() == network.weights_digest()
    finally:
        torch.set_num_threads(threads)


def test_it_is_in_evaluation_mode_in_float32_and_says_where_statistics_come_from(network):
    assert not any(m.training for m in network.module.modules())
    assert {p.dtype for p in network.module.parameters()} == {torch.float32}
    assert not network.trained
    assert "never from stimuli" in network.notes[0]


def test_tiny_images_are_refused():
    with pytest.raises(InputError, match="`image_size` must be at least 32, got 16"):
        random_resnet50(image_size=16)
