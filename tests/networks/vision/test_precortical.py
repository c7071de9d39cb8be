from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy, interpolate

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, build_network, procedural_images
from alignkit.networks.standard._random_weights import seeded
from alignkit.networks.vision.precortical import Precortical, dog_kernel, precortical

FIRST = ("bipolar", "ganglion", "lgn")
SHIFTS = np.linspace(-2, 2, 9)


def _images(n_images: int = 4, seed: int = 0) -> torch.Tensor:
    images = procedural_images(n_images, size=32, random_state=seed)
    return torch.from_numpy(images / 255.0).float().permute(0, 3, 1, 2)


def _front(module: Precortical, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return module.lgn(module.ganglion(module.bipolar(images)))


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_the_kernel_has_no_mean_norm_one_and_a_surround(size):
    kernel = dog_kernel(size)
    half = size // 2
    assert float(kernel.sum().abs()) < 1e-12
    assert float(kernel.norm()) == pytest.approx(1)
    assert float(kernel[half, half]) == float(kernel.max()) > 0
    assert float(kernel[half, 0]) < 0
    torch.testing.assert_close(kernel, kernel.T)
    torch.testing.assert_close(kernel, kernel.flip(0))


@pytest.mark.parametrize("seed", range(5))
def test_with_fixed_kernels_light_changes_nothing_and_in_the_twins_it_does(seed):
    images = _images(seed=seed)
    networks = {
        mode: precortical(mode=mode, seed=seed).module.double() for mode in ("dog", "learned", "plain")
    }
    images = images.double()
    for shift in (-2.0, -0.3, 2.0):
        change = {
            mode: float((_front(module, images + shift) - _front(module, images)).abs().max())
            for mode, module in networks.items()
        }
        assert change["dog"] < 1e-6
        assert min(change["learned"], change["plain"]) > 1e-3
        with torch.inference_mode():
            torch.testing.assert_close(
                networks["dog"](images + shift), networks["dog"](images), atol=1e-6, rtol=0
            )


def test_in_single_precision_light_changes_rounding_only():
    module, images = precortical(mode="dog").module, _images()
    for shift in (-2.0, 2.0):
        assert float((_front(module, images + shift) - _front(module, images)).abs().max()) < 1e-5


def test_contrast_is_not_taken_off():
    module, images = precortical(mode="dog").module, _images()
    assert float((_front(module, images / 2) - _front(module, images)).abs().max()) > 0.05


def test_layers_are_bounded_by_one_and_the_plain_twins_are_not():
    images = 50 * _images()
    for mode in ("learned", "dog"):
        assert float(_front(precortical(mode=mode).module, images).abs().max()) <= 1
    assert float(_front(precortical(mode="plain").module, images).max()) > 1


def test_a_layer_is_the_equation_of_the_paper():
    module, images = precortical().module, _images()
    conv = module.bipolar.conv
    with torch.inference_mode():
        expected = torch.tanh(torch.nn.functional.conv2d(images, conv.weight, conv.bias, padding=2))
        torch.testing.assert_close(module.bipolar(images), expected)


def test_dropout_is_for_training_only():
    module, images = precortical().module, _images()
    assert torch.equal(_front(module, images), _front(module, images))
    module.train()
    assert not torch.equal(_front(module, images), _front(module, images))


@pytest.mark.parametrize("size", [20, 64])
def test_any_image_size_will_do_and_inputs_stay_as_they_are(size):
    module = precortical(image_size=size, n_classes=4).module
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    kept = images.clone()
    with torch.inference_mode():
        together = module(images)
        alone = torch.cat([module(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("name", ["precortical", "precortical-dog", "precortical-plain"])
def test_what_is_declared_can_be_built_and_learns(name):
    network = build_network(name)
    facts = NETWORKS.facts(name)
    assert network.n_parameters == facts["parameters"]
    assert network.name == name
    assert network.layers[:3] == FIRST
    names = dict(network.module.named_modules())
    assert all(layer in names for layer in network.layers)
    network.module.train()
    cross_entropy(network.module(_images()), torch.tensor([0, 1, 2, 3])).backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in network.module.parameters())
    if "twin" in facts:
        assert network.matched().name == facts["twin"]


def test_the_same_seed_gives_the_same_weights():
    first, again, other = (precortical(seed=seed).weights_digest() for seed in (0, 0, 1))
    assert first == again != other


def _digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    digits = load_digits()
    images = interpolate(
        torch.from_numpy(digits.images / 16).float()[:, None], size=(32, 32), mode="bilinear"
    )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images.expand(-1, 3, -1, -1)[order], torch.from_numpy(digits.target)[order]
    return images[:1400], labels[:1400], images[1400:], labels[1400:]


def _trained(mode: str, seed: int, *, n_epochs: int) -> Precortical:
    images, labels, _, _ = _digits()
    module = seeded(lambda: Precortical(n_classes=10, mode=mode), seed).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(n_epochs):
            for rows in torch.randperm(len(images), generator=generator).split(64):
                optimizer.zero_grad()
                cross_entropy(module(images[rows]), labels[rows]).backward()
                optimizer.step()
    return module.eval()


def _accuracies(module: Precortical) -> tuple[float, float]:
    """Return accuracy on clean digits, and mean accuracy on digits of other light levels."""
    _, _, images, labels = _digits()

    def accuracy(seen: torch.Tensor) -> float:
        with torch.inference_mode():
            return float((module(seen).argmax(1) == labels).float().mean())

    return accuracy(images), float(np.mean([accuracy(images + shift) for shift in SHIFTS]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_trained_with_fixed_kernels_digits_are_read_in_any_light_and_the_plain_twin_fails(seed):
    clean, shifted = _accuracies(_trained("dog", seed, n_epochs=10))
    assert clean > 0.88
    assert shifted == pytest.approx(clean, abs=0.003)
    clean, shifted = _accuracies(_trained("plain", seed, n_epochs=10))
    assert shifted < clean - 0.2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "doog"}, UnknownNameError, "did you mean 'dog'"),
        ({"image_size": 16}, InputError, "`image_size` must be at least 20, got 16"),
        ({"kernel": 4}, InputError, "`kernel` must be odd, .* got 4"),
        ({"kernel": 1}, InputError, "`kernel` must be at least 3, got 1"),
        ({"n_classes": 1}, InputError, "`n_classes` must be at least 2, got 1"),
        ({"seed": -1}, InputError, "`seed` must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        precortical(**options)
