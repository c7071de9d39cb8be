from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, build_network, procedural_images
from alignkit.networks.vision._cornet_modules import CornetR, CornetS, CornetZ, Decoder, RArea, SArea
from alignkit.networks.vision.cornet import cornet_r, cornet_rt, cornet_s, cornet_z

AREAS = ("V1", "V2", "V4", "IT")
SMALL = {"image_size": 32, "n_classes": 10}


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _listen(module: nn.Module, images: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    heard: dict[str, list[torch.Tensor]] = {name: [] for name in AREAS}
    hooks = [
        module.get_submodule(name).output.register_forward_hook(
            lambda m, i, o, name=name: heard[name].append(o)
        )
        for name in AREAS
    ]
    with torch.inference_mode():
        module(images)
    for hook in hooks:
        hook.remove()
    return heard


def _first_difference(module: nn.Module, size: int = 32, seed: int = 0) -> list[int | None]:
    """Return the first call in which two images' answers differ, per area."""
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))
    heard = _listen(module, images)
    steps = []
    for name in AREAS:
        differing = [t for t, maps in enumerate(heard[name]) if not torch.equal(maps[0], maps[1])]
        steps.append(differing[0] if differing else None)
    return steps


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cornet-z", 2_071_656),
        ("cornet-r", 5_208_936),
        ("cornet-rt", 5_208_936),
        ("cornet-feedforward", 5_208_936),
    ],
)
def test_the_number_of_parameters_is_the_papers(name, count):
    assert build_network(name).n_parameters == count == NETWORKS.facts(name)["parameters"]


@pytest.fixture(scope="module")
def paper_s():
    # Statistics of batch norm, which take seconds, are left out.
    return CornetS(n_classes=1000).eval()


def test_the_number_of_parameters_of_cornet_s_is_the_papers(paper_s):
    assert _count(paper_s) == 53_416_616 == NETWORKS.facts("cornet-s")["parameters"]


@pytest.mark.slow
def test_the_numbers_of_parameters_of_the_twins_are_those_declared():
    for name in ("cornet-s-feedforward", "cornet-s-untied", "cornet-r-untied", "cornet-rt-untied"):
        assert build_network(name).n_parameters == NETWORKS.facts(name)["parameters"]


@pytest.mark.parametrize("kind", ["z", "r", "s"])
def test_areas_have_the_papers_shapes_at_224_pixels(kind, paper_s):
    modules = {
        "z": lambda: CornetZ(n_classes=10),
        "r": lambda: CornetR(n_classes=10, n_steps=4, wiring="delayed"),
        "s": lambda: paper_s,
    }
    heard = _listen(modules[kind](), torch.rand(1, 3, 224, 224))
    shapes = {name: tuple(maps[-1].shape[1:]) for name, maps in heard.items()}
    assert shapes == {"V1": (64, 56, 56), "V2": (128, 28, 28), "V4": (256, 14, 14), "IT": (512, 7, 7)}


@pytest.mark.parametrize("seed", range(5))
def test_news_of_an_image_reaches_areas_in_the_papers_order(seed):
    r = cornet_r(**SMALL, seed=seed).module
    rt = cornet_rt(**SMALL, seed=seed).module
    assert _first_difference(r, seed=seed) == [0, 1, 1, 1]
    assert _first_difference(rt, seed=seed) == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_the_twin_without_recurrence_has_no_order_of_arrival(seed):
    twin = cornet_rt(**SMALL, seed=seed).matched()
    assert twin.name == "cornet-feedforward"
    assert _first_difference(twin.module, seed=seed) == [0, 0, 0, 0]
    assert [len(maps) for maps in _listen(twin.module, torch.rand(1, 3, 32, 32)).values()] == [1] * 4


def test_before_its_third_step_is_over_it_of_cornet_rt_answers_the_same_to_everything():
    module = CornetR(n_classes=10, n_steps=3, wiring="delayed").eval()
    assert _first_difference(module) == [0, 1, 2, None]


def test_an_area_is_the_equation_of_its_paper():
    area = RArea(3, 32, kernel=3, stride=2, n_cells=1)
    below, state = torch.randn(2, 3, 9, 9), torch.randn(2, 32, 5, 5)
    cell = area.cells[0]

    def norm(maps, layer):
        # As many groups as channels here, so each map is standardised by itself.
        mean, var = maps.mean((2, 3), keepdim=True), maps.var((2, 3), keepdim=True, unbiased=False)
        return (maps - mean) / (var + layer.eps).sqrt()

    drive = torch.relu(
        norm(nn.functional.conv2d(below, cell.conv_in.weight, cell.conv_in.bias, 2, 1), cell.norm_in)
    )
    expected = torch.relu(norm(nn.functional.conv2d(drive + state, cell.conv.weight, None, 1, 1), cell.norm))
    torch.testing.assert_close(area(below, state, 0), expected, rtol=1e-4, atol=1e-5)


def test_tied_weights_answer_alike_at_every_step_and_untied_do_not():
    below, state = torch.randn(1, 3, 16, 16), torch.randn(1, 64, 4, 4)
    tied = CornetR(n_classes=2, n_steps=4, wiring="delayed").V1
    untied = CornetR(n_classes=2, n_steps=4, wiring="delayed", tied=False).V1
    with torch.inference_mode():
        assert torch.equal(tied(below, state, 1), tied(below, state, 3))
        assert not torch.allclose(untied(below, state, 1), untied(below, state, 3), atol=0.1)


def test_areas_of_cornet_s_run_two_four_and_two_times_and_those_of_its_twin_once(paper_s):
    heard = _listen(paper_s, torch.rand(1, 3, 32, 32))
    assert [len(heard[name]) for name in AREAS] == [1, 2, 4, 2]
    twin = SArea(8, 16, n_times=1)
    calls = []
    twin.output.register_forward_hook(lambda m, i, o: calls.append(o))
    twin(torch.rand(2, 8, 8, 8))
    assert len(calls) == 1


def test_forward_of_cornet_s_leaves_no_trace():
    area = SArea(8, 16, n_times=3).eval()
    below = torch.randn(2, 8, 8, 8)
    before = {name: value.clone() for name, value in area.state_dict().items()}
    strides = [conv.stride for conv in area.modules() if isinstance(conv, nn.Conv2d)]
    with torch.inference_mode():
        first, second = area(below), area(below)
    assert torch.equal(first, second)
    assert strides == [conv.stride for conv in area.modules() if isinstance(conv, nn.Conv2d)]
    assert all(torch.equal(before[name], value) for name, value in area.state_dict().items())


def test_a_pass_of_cornet_s_is_the_equation_of_its_paper():
    area = SArea(4, 8, n_times=2).eval()
    below = torch.randn(1, 4, 8, 8)
    c = nn.functional.conv2d
    scale = (1 + 1e-5) ** -0.5
    with torch.inference_mode():
        start = c(below, area.conv_in.weight)
        w1, w2, w3 = (conv[0].weight for conv in (area.conv1, area.conv2, area.conv3))
        skip = c(start, area.skip.weight, stride=2) * scale
        wide = torch.relu(c(torch.relu(c(start, w1) * scale), w2, stride=2, padding=1) * scale)
        once = torch.relu(c(wide, w3) * scale + skip)
        wide = torch.relu(c(torch.relu(c(once, w1) * scale), w2, padding=1) * scale)
        twice = torch.relu(c(wide, w3) * scale + once)
        torch.testing.assert_close(area(below), twice, rtol=1e-4, atol=1e-5)


def _shift_tolerance(module: nn.Module, seed: int) -> list[float]:
    """Change by small shifts over that by another object, per area, for an object on grey."""
    things = procedural_images(2, size=24, random_state=seed) / 255
    scenes = []
    for number, right, down in ((0, 0, 0), (1, 0, 0), (0, 3, 0), (0, 0, -3), (0, 5, 5)):
        scene = np.full((64, 64, 3), 0.45, np.float32)
        scene[20 + down : 44 + down, 20 + right : 44 + right] = things[number]
        scenes.append(torch.from_numpy((scene - 0.45) / 0.225).permute(2, 0, 1))
    heard = _listen(module, torch.stack(scenes))
    flat = [heard[name][0].flatten(1) for name in AREAS]
    return [float((f[2:] - f[0]).norm(dim=1).mean() / (f[1] - f[0]).norm()) for f in flat]


@pytest.mark.parametrize("seed", range(5))
def test_maxima_make_tolerance_to_shifts_grow_from_v1_to_it_and_the_strided_twin_has_none(seed):
    network = cornet_z(image_size=64, n_classes=10, seed=seed)
    ours, twin = (_shift_tolerance(each.module, seed) for each in (network, network.matched()))
    assert ours[3] < 0.88 * ours[0]
    assert twin[3] > 0.9 * twin[0]


def test_a_cornet_z_area_is_convolution_rectification_and_maximum():
    area = CornetZ(n_classes=2).V2
    below = torch.randn(1, 64, 6, 6)
    with torch.inference_mode():
        answer = area(below)
        rectified = nn.functional.conv2d(below, area.conv.weight, area.conv.bias, padding=1).clamp(min=0)
    assert float(answer[0, 5, 1, 1]) == float(rectified[0, 5, 1:4, 1:4].max())


@pytest.mark.parametrize("name", ["cornet-z", "cornet-r", "cornet-rt"])
@pytest.mark.parametrize("size", [16, 45])
def test_any_image_size_will_do_and_the_batch_does_not_matter(name, size):
    module = build_network(name, {"image_size": size, "n_classes": 4}).module
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    kept = images.clone()
    with torch.inference_mode():
        together = module(images)
        alone = torch.cat([module(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("kind", ["cornet-z", "cornet-r", "area of cornet-s"])
def test_every_parameter_of_a_network_learns(kind):
    modules = {
        "cornet-z": lambda: CornetZ(n_classes=3),
        "cornet-r": lambda: CornetR(n_classes=3, n_steps=3, wiring="sequential"),
        "area of cornet-s": lambda: nn.Sequential(SArea(3, 16, n_times=3), Decoder(16, 3)),
    }
    module = modules[kind]().train()
    nn.functional.cross_entropy(module(torch.rand(4, 3, 32, 32)), torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in module.parameters())


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone():
    state = torch.get_rng_state()
    first, again, other = (cornet_z(**SMALL, seed=seed).weights_digest() for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(state, torch.get_rng_state())


def test_number_of_steps_and_wiring_are_in_the_key():
    keys = [
        network.preprocessing["parameters"]
        for network in (cornet_r(**SMALL), cornet_rt(**SMALL), cornet_r(**SMALL, n_steps=3))
    ]
    assert keys[0] != keys[1]
    assert keys[0] != keys[2]


@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith("cornet")])
def test_what_is_declared_can_be_built(name):
    facts = NETWORKS.facts(name)
    assert facts["family"] == "cortical hierarchy"
    assert facts["learns"] is True
    if name.startswith("cornet-s"):
        return
    network = build_network(name, SMALL)
    names = dict(network.module.named_modules())
    assert all(layer in names for layer in network.layers)
    assert network.name == name
    assert network.recipe is not None
    if "twin" in facts:
        assert network.matched().name == facts["twin"]
        assert network.matched().options["n_classes"] == 10


@pytest.mark.slow
def test_cornet_s_is_built_with_statistics_of_procedural_images():
    network = cornet_s(image_size=64, n_classes=10)
    assert network.module.IT.norm3[1].running_var.std() > 0
    assert network.weights_digest() == cornet_s(image_size=64, n_classes=10).weights_digest()
    twin = network.matched()
    assert (twin.name, twin.options["image_size"]) == ("cornet-s-feedforward", 64)
    with torch.inference_mode():
        scores = network.module(torch.rand(2, 3, 64, 64))
    assert 0.01 < float(scores.std()) < 100


@pytest.mark.parametrize(
    ("build", "options", "error", "message"),
    [
        (cornet_z, {"image_size": 8}, InputError, "`image_size` must be at least 16, got 8"),
        (cornet_z, {"n_classes": 1}, InputError, "`n_classes` must be at least 2, got 1"),
        (cornet_z, {"seed": -1}, InputError, "`seed` must be at least 0, got -1"),
        (cornet_z, {"pooling": "maxx"}, UnknownNameError, "did you mean 'max'"),
        (cornet_r, {"n_steps": 1}, InputError, "at least 2, got 1: V2 sees the image in the second step"),
        (cornet_r, {"n_steps": 0}, InputError, "`n_steps` must be at least 1, got 0"),
        (cornet_rt, {"n_steps": 3}, InputError, "at least 4, got 3: the image reaches IT in the fourth"),
        (cornet_s, {"recurrence": "non"}, UnknownNameError, "did you mean 'none'"),
    ],
)
def test_options_out_of_range_are_refused(build, options, error, message):
    with pytest.raises(error, match=message):
        build(**options)
