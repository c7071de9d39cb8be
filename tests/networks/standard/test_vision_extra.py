from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks import build_network
from alignkit.networks.standard._vision_extra import (
    timm_preparation,
    torchvision_preparation,
    vision_package,
)

TIMM = {
    "input_size": (3, 224, 224),
    "interpolation": "bicubic",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "crop_pct": 0.95,
    "crop_mode": "center",
}


def _preset(**changes):
    values = {"resize_size": [232], "crop_size": [224], "mean": [0.5] * 3, "std": [0.25] * 3}
    return SimpleNamespace(**(values | {"interpolation": SimpleNamespace(value="bilinear")} | changes))


@pytest.mark.parametrize("package", ["torchvision", "timm"])
def test_a_package_built_for_another_torch_gives_the_remedy(package, tmp_path, monkeypatch):
    for name in [each for each in sys.modules if each.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / package).mkdir()
    text = "raise RuntimeError('operator torchvision::nms does not exist\\nmore')"
    (tmp_path / package / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    wanted = (
        rf"{package} cannot be imported here \(RuntimeError: operator .* not exist\); pip install .*vision"
    )
    with pytest.raises(MissingDataError, match=wanted):
        vision_package(package)
    with pytest.raises(MissingDataError, match=wanted):
        build_network(f"{package}:resnet18")


def test_a_package_that_is_not_there_gives_the_remedy():
    with pytest.raises(MissingDataError, match="ModuleNotFoundError.*alignkit.vision."):
        vision_package("no_such_package_of_vision")


def test_timms_settings_become_ours():
    facts = timm_preparation(TIMM, network="toy").facts()
    # 224 / 0.95, rounded down.
    assert (facts["shortest_edge"], facts["crop"], facts["resample"]) == (235, [224, 224], "bicubic")
    assert facts["rounding"] == "nearest"
    squashed = timm_preparation(TIMM | {"crop_mode": "squash", "crop_pct": 1.0}, network="toy")
    assert (squashed.size, squashed.shortest_edge) == ((224, 224), None)


def test_torchvisions_settings_become_ours():
    preparation = torchvision_preparation(_preset(), network="toy")
    assert (preparation.shortest_edge, preparation.crop, preparation.resample) == (232, (224, 224), 2)
    assert (preparation.mean, preparation.std) == ((0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_size": (1, 28, 28)}, r"'toy' takes images of 1 channel\(s\), wanted 3"),
        ({"crop_mode": "border"}, "'toy' has crop_mode 'border'; known are 'center' and 'squash'"),
        ({"input_size": (3, 128, 256)}, "takes images of 256 x 128 pixels; alignkit prepares square"),
        ({"interpolation": "spline"}, "interpolates by 'spline'; known are bicubic"),
    ],
)
def test_settings_of_timm_that_would_be_ignored_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        timm_preparation(TIMM | changes, network="toy")


def test_presets_of_other_tasks_are_refused():
    with pytest.raises(InputError, match="preprocessing of 'toy' is SimpleNamespace; known is that of image"):
        torchvision_preparation(SimpleNamespace(mean=[0.5] * 3), network="toy")
