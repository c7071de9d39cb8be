from __future__ import annotations

import re
from enum import Enum
from importlib import import_module
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks import build_network

MODULE = import_module("alignkit.networks.standard.torchvision_models")


class _Net(nn.Module):
    """What torchvision gives, in small."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(width, 10)
        self.fixed = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fixed and x.shape[-1] != self.fixed:
            raise AssertionError(f"Wrong image height! Expected {self.fixed}")
        return self.classifier(self.features(x).mean((2, 3)))


def _transforms(edge: int) -> SimpleNamespace:
    bilinear = SimpleNamespace(value="bilinear")
    return SimpleNamespace(
        resize_size=[edge], crop_size=[32], mean=[0.5] * 3, std=[0.5] * 3, interpolation=bilinear
    )


class _Weights(Enum):
    IMAGENET1K_V1 = 36
    IMAGENET1K_V2 = 40
    DEFAULT = 40

    @property
    def url(self) -> str:
        return f"https://download.example/{self.name}.pth"

    def transforms(self) -> SimpleNamespace:
        return _transforms(self.value)

    def get_state_dict(self, *, progress, check_hash, weights_only):
        assert (progress, check_hash, weights_only) == (False, True, True)
        raise FAILURES[0]


FAILURES: list[Exception] = [URLError("no route")]


@pytest.fixture
def torchvision(monkeypatch):
    """A stand-in with the functions that are called, for machines where torchvision cannot be imported."""
    models = SimpleNamespace(
        list_models=lambda module: ["toy", "vgg11", "vgg16"],
        get_model_weights=lambda name: _Weights,
        get_model=lambda name, weights: _Net(),
    )
    stub = SimpleNamespace(models=models)
    monkeypatch.setattr(MODULE, "vision_package", lambda name: stub)
    return stub


def test_a_file_of_weights_is_read_without_running_code(torchvision, tmp_path):
    state = _Net().state_dict()
    torch.save(state, tmp_path / "toy.pth")
    save_file(state, tmp_path / "toy.safetensors")
    for file in ("toy.pth", "toy.safetensors"):
        network = build_network("torchvision:toy", {"file": tmp_path / file})
        assert all(torch.equal(network.module.state_dict()[key], state[key]) for key in state)
        assert network.trained
        assert file in network.notes[0]


def test_the_name_of_the_weights_chooses_their_preprocessing(torchvision):
    edges = [
        build_network(kind, {"weights": "random"}).preprocessing["image"]["shortest_edge"]
        for kind in ("torchvision:toy", "torchvision:toy@IMAGENET1K_V1")
    ]
    assert edges == [40, 36]


def test_layers_of_a_row_of_operations_are_what_rectifiers_give(torchvision):
    network = build_network("torchvision:toy", {"weights": "random"})
    assert network.layers == ("features.1", "features.4")


def test_the_untrained_twin_is_drawn_by_its_seed(torchvision, tmp_path):
    save_file(_Net().state_dict(), tmp_path / "toy.safetensors")
    network = build_network("torchvision:toy", {"file": tmp_path / "toy.safetensors"})
    twin = network.untrained()
    again = build_network("torchvision:toy", {"weights": "random"})
    assert twin.weights_digest() == again.weights_digest() != network.weights_digest()
    assert (twin.name, twin.trained, twin.untrained) == ("torchvision:toy-untrained", False, None)


def test_an_offline_machine_is_told_which_file_to_bring(torchvision):
    wanted = (
        r"'toy' are not in torch's cache and cannot be downloaded \(.*no route.*\).*V2.pth, bring.*`file`"
    )
    with pytest.raises(MissingDataError, match=wanted):
        build_network("torchvision:toy")


def test_a_download_that_does_not_fit_its_digest_is_refused(torchvision):
    before, FAILURES[0] = FAILURES[0], RuntimeError("invalid hash value (expected 1, got 2)")
    try:
        with pytest.raises(InputError, match="weights of 'toy' are damaged .invalid hash value"):
            build_network("torchvision:toy")
    finally:
        FAILURES[0] = before


def test_pickles_and_weights_of_another_architecture_are_refused(torchvision, tmp_path):
    torch.save(_Net(), tmp_path / "whole.pth")
    with pytest.raises(InputError, match=re.escape("whole.pth holds more than tensors")):
        build_network("torchvision:toy", {"file": tmp_path / "whole.pth"})
    save_file(_Net(6).state_dict(), tmp_path / "wide.safetensors")
    with pytest.raises(InputError, match="another architecture than 'toy'.*first classifier.weight"):
        build_network("torchvision:toy", {"file": tmp_path / "wide.safetensors"})
    with pytest.raises(MissingDataError, match="none.pth does not exist"):
        build_network("torchvision:toy", {"file": tmp_path / "none.pth"})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torchvision:vgg12", "torchvision has no classifier 'vgg12': did you mean 'vgg1"),
        (
            "torchvision:toy@IMAGENET1K_V3",
            "'toy' of torchvision has no weights 'IMAGENET1K_V3': did you mean",
        ),
        ("torchvision:", "as in torchvision:resnet50"),
    ],
)
def test_names_that_torchvision_does_not_have_are_refused(torchvision, kind, message):
    with pytest.raises(InputError, match=message):
        build_network(kind)


def test_an_architecture_that_is_bound_to_one_size_says_so(torchvision):
    def fixed(name, weights):
        net = _Net()
        net.fixed = 32
        return net

    torchvision.models.get_model = fixed
    assert build_network("torchvision:toy", {"weights": "random", "image_size": 32}).trained is False
    with pytest.raises(InputError, match="'toy' does not take images of 64 x 64 pixels .Wrong image height"):
        build_network("torchvision:toy", {"weights": "random", "image_size": 64})


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "convnext_tiny"])
def test_real_architectures_are_prepared_as_torchvision_prepares(name):
    try:
        import torchvision as real
    except Exception as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    network = build_network(f"torchvision:{name}", {"weights": "random"})
    transforms = real.models.get_model_weights(name).DEFAULT.transforms()
    pixels = np.random.default_rng(0).integers(0, 256, (301, 412, 3), dtype=np.uint8)
    theirs = transforms(Image.fromarray(pixels))
    torch.testing.assert_close(network.preprocess(Image.fromarray(pixels)), theirs, atol=2e-6, rtol=0)
    assert set(network.layers) <= {path for path, _ in network.module.named_modules()}
