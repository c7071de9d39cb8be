from __future__ import annotations

import json
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

MODULE = import_module("alignkit.networks.standard.timm_models")
HUB = import_module("alignkit.networks.standard._hub")
CONFIG = {
    "input_size": (3, 32, 32),
    "interpolation": "bicubic",
    "mean": (0.5,) * 3,
    "std": (0.5,) * 3,
    "crop_pct": 0.875,
    "crop_mode": "center",
}


class _Net(nn.Module):
    """What timm gives, in small: stages, a list of features, a configuration."""

    def __init__(self, width: int = 4, pretrained_cfg: dict | None = None, num_classes: int = 10) -> None:
        super().__init__()
        row = [nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width)), nn.Conv2d(width, width, 3)]
        self.stages = nn.Sequential(*row)
        self.head = nn.Linear(width, num_classes)
        self.feature_info = [{"module": "stages.0"}, {"module": "stages.1"}]
        self.pretrained_cfg = pretrained_cfg or {"hf_hub_id": "timm/toy.a1"}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stages(x).mean((2, 3)))


@pytest.fixture
def timm(monkeypatch):
    """A stand-in with the three functions that are called, for machines where timm cannot be imported."""

    def create_model(name, *, pretrained, **more):
        assert not pretrained
        return _Net(**more)

    stub = SimpleNamespace(
        create_model=create_model,
        is_model=lambda name: name == "toy",
        list_models=lambda: ["toy", "resnet18", "resnet50"],
        data=SimpleNamespace(resolve_data_config=lambda args, model: CONFIG),
    )
    monkeypatch.setattr(MODULE, "vision_package", lambda name: stub)
    return stub


def _folder(tmp_path, *, width: int = 4, file: str = "model.safetensors", **config):
    described = {"architecture": "toy", "model_args": {"width": 4}, "num_classes": 10} | config
    (tmp_path / "config.json").write_text(json.dumps(described))
    if file.endswith(".safetensors"):
        save_file(_Net(width).state_dict(), tmp_path / file)
    return tmp_path


def test_a_folder_gives_its_weights_layers_and_preprocessing(timm, tmp_path):
    from safetensors.torch import load_file

    network = build_network(f"timm:{_folder(tmp_path)}")
    state = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(network.module.state_dict()[key], state[key]) for key in state)
    assert network.layers == ("stages.0", "stages.1")
    assert network.preprocessing["image"]["shortest_edge"] == 36
    assert (network.name, network.family, network.trained) == (f"timm:{tmp_path.name}", "pretrained", True)
    assert not any(module.training for module in network.module.modules())


def test_the_untrained_twin_is_drawn_by_its_seed_with_statistics_of_its_own(timm, tmp_path):
    network = build_network(f"timm:{_folder(tmp_path)}")
    twin = network.untrained()
    again = build_network(f"timm:{tmp_path}", {"weights": "random"})
    assert twin.weights_digest() == again.weights_digest() != network.weights_digest()
    assert float(twin.module.stages[0][1].running_var.min()) != 1
    assert (twin.trained, twin.name) == (False, f"timm:{tmp_path.name}-untrained")
    other = build_network(f"timm:{tmp_path}", {"weights": "random", "seed": 1})
    assert other.weights_digest() != twin.weights_digest()


def test_a_checkpoint_in_the_folder_can_be_taken(timm, tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    _folder(tmp_path / "checkpoint-5")
    assert build_network(f"timm:{tmp_path}@5").name == "timm:checkpoint-5"


def test_another_image_size_is_prepared_and_tried(timm, tmp_path):
    network = build_network(f"timm:{_folder(tmp_path)}", {"image_size": 64})
    assert network.preprocessing["image"]["crop"] == [64, 64]
    assert network.preprocess(Image.new("RGB", (99, 80))).shape == (3, 64, 64)

    def refuse(self, *, img_size):
        raise AssertionError("not a multiple of the patch")

    timm.create_model = lambda name, **more: SizedNet()
    SizedNet = type("SizedNet", (_Net,), {"set_input_size": refuse})
    with pytest.raises(
        InputError, match="64 x 64 pixels .not a multiple of the patch.; leave `image_size` out"
    ):
        build_network("timm:toy", {"weights": "random", "image_size": 64})


def test_an_offline_machine_gets_the_remedy_at_once(timm, monkeypatch):
    def unreachable(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setattr(HUB, "urlopen", unreachable)
    wanted = "'timm/toy.a1' is not in the local cache.*hf download timm/toy.a1 .* use `timm:FOLDER`"
    with pytest.raises(MissingDataError, match=wanted):
        build_network("timm:toy")


def test_an_architecture_without_published_weights_says_so(timm):
    timm.create_model = lambda name, **more: _Net(pretrained_cfg={"hf_hub_id": None})
    with pytest.raises(MissingDataError, match="timm names no weights on the hub for 'toy'"):
        build_network("timm:toy")


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("timm:resnet5", InputError, "timm has no network 'resnet5': did you mean 'resnet50' or 'resnet18'"),
        ("timm:", InputError, "as in timm:resnet50.a1_in1k"),
        ("timm:./nowhere", MissingDataError, "nowhere does not exist"),
    ],
)
def test_names_that_timm_does_not_have_are_refused(timm, kind, error, message):
    with pytest.raises(error, match=message):
        build_network(kind)


def test_folders_that_hold_something_else_are_refused(timm, tmp_path):
    with pytest.raises(MissingDataError, match="holds no config.json; it is no folder of a timm network"):
        build_network(f"timm:{tmp_path}")
    _folder(tmp_path, file="pytorch_model.bin")
    with pytest.raises(InputError, match="no .*safetensors. Pickled weights .* not opened"):
        build_network(f"timm:{tmp_path}")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json is no description of a timm network"):
        build_network(f"timm:{tmp_path}")


def test_weights_of_another_architecture_are_refused_by_name(timm, tmp_path):
    with pytest.raises(
        InputError, match=r"another shape \(first head.weight is \(10, 6\) instead of \(10, 4\)"
    ):
        build_network(f"timm:{_folder(tmp_path, width=6)}")


def test_what_timm_cannot_build_is_told_with_its_words(timm):
    def fails(name, **more):
        raise RuntimeError("unexpected width")

    timm.create_model = fails
    with pytest.raises(InputError, match="timm cannot build 'toy': unexpected width"):
        build_network("timm:toy")


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_real_architectures_are_prepared_as_timm_prepares(name):
    try:
        import timm as real
    except Exception as error:
        pytest.skip(f"timm cannot be imported here: {error}")
    network = build_network(f"timm:{name}", {"weights": "random"})
    config = real.data.resolve_data_config({}, model=network.module)
    pixels = np.random.default_rng(0).integers(0, 256, (301, 412, 3), dtype=np.uint8)
    theirs = real.data.create_transform(**config)(Image.fromarray(pixels))
    torch.testing.assert_close(network.preprocess(Image.fromarray(pixels)), theirs, atol=2e-6, rtol=0)
    assert set(network.layers) <= {path for path, _ in network.module.named_modules()}
