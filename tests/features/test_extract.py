from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from alignkit import Features, StimulusSet
from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.progress import reporting
from alignkit.features import SparseProjection, extract, jl_size
from alignkit.networks import Network, gabor_energy, procedural_images, random_vit_s
from alignkit.networks._images import ImagePreparation, square
from alignkit.recordings.features import layer_file

N_STIMULI = 7


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory) -> StimulusSet:
    folder = tmp_path_factory.mktemp("stimuli")
    for number, pixels in enumerate(procedural_images(N_STIMULI, size=32, random_state=0)):
        Image.fromarray(pixels).save(folder / f"image{number}.png")
    return StimulusSet.from_folder(folder)


class Toy(nn.Module):
    """A convolution, an activation in place, tokens in a tuple, and a read-out."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.tokens = Tokens()
        self.readout = nn.Linear(4, 5)
        self.unused = nn.Linear(1, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens, _ = self.tokens(self.relu(self.norm(self.conv(images))))
        return self.readout(tokens.mean(1))


class Tokens(nn.Module):
    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, str]:
        return maps.flatten(2).transpose(1, 2), "something else"


LAYERS = ("conv", "relu", "tokens", "readout")


def _network(module: nn.Module | None = None, layers: tuple[str, ...] = LAYERS) -> Network:
    return Network("toy", "test", (module or Toy()).eval(), layers, square(8))


def _by_hand(network: Network, stimuli: StimulusSet) -> dict[str, np.ndarray]:
    batch = torch.stack([network.preprocess(stimuli.open(i)) for i in stimuli.stimulus_ids])
    toy = network.module
    with torch.inference_mode():
        conv = toy.conv(batch)
        relu = toy.norm(conv).clamp(min=0)
        tokens = relu.flatten(2).transpose(1, 2)
        values = {"conv": conv, "relu": relu, "tokens": tokens, "readout": toy.readout(tokens.mean(1))}
    return {name: value.flatten(1).numpy() for name, value in values.items()}


def test_features_are_what_a_forward_pass_by_hand_gives(stimuli, tmp_path):
    network = _network()
    features = extract(network, stimuli, tmp_path, projection=None, batch_size=3)
    assert features.layers == list(LAYERS)
    assert features.stimulus_ids == tuple(stimuli.stimulus_ids)
    for name, expected in _by_hand(network, stimuli).items():
        np.testing.assert_allclose(features[name], expected, rtol=1e-4, atol=1e-5)


def test_a_later_layer_that_works_in_place_does_not_change_an_earlier_one(stimuli, tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    features = extract(_network(module, ("0", "1")), stimuli, tmp_path, projection=None)
    assert features["0"].min() < 0
    np.testing.assert_array_equal(np.maximum(features["0"], 0), features["1"])


class Recurrent(nn.Module):
    """A convolution whose output comes back to it, four times."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inward, self.around = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.output = nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(())
        for _ in range(4):
            drive = self.inward(images)
            state = self.output(torch.relu(drive + self.around(state) if state.ndim else drive))
        return state.mean((2, 3))


def _deep_convolutions() -> Network:
    torch.manual_seed(0)
    stages = [nn.Sequential(nn.Conv2d(3 if not k else 8, 8, 3, padding=1), nn.ReLU()) for k in range(6)]
    return Network("deep", "test", nn.Sequential(*stages).eval(), ("0", "5"), square(32))


@pytest.mark.parametrize(
    "build",
    [
        _deep_convolutions,
        lambda: random_vit_s(image_size=32),
        lambda: Network("recurrent", "test", Recurrent().eval(), ("output",), square(16)),
    ],
    ids=["convolutions", "transformer", "recurrent"],
)
def test_the_batch_size_changes_results_by_rounding_only(stimuli, tmp_path, build):
    network = build()
    one, all_ = (
        extract(network, stimuli, tmp_path / str(n), projection=500, batch_size=n) for n in (1, N_STIMULI)
    )
    for layer in network.layers:
        scale = np.abs(all_[layer]).max()
        np.testing.assert_allclose(one[layer], all_[layer], rtol=0, atol=1e-5 * scale)


def test_a_rerun_gives_the_same_bits(stimuli, tmp_path):
    network = gabor_energy(image_size=32, highest_frequency=8)
    first, again = (extract(network, stimuli, tmp_path / n, projection=50, batch_size=3) for n in "ab")
    for layer in network.layers:
        np.testing.assert_array_equal(first[layer], again[layer])


def test_a_johnson_lindenstrauss_size_follows_from_the_number_of_stimuli(stimuli, tmp_path):
    features = extract(_network(), stimuli, tmp_path, layers=["conv", "readout"], projection={"eps": 0.4})
    assert jl_size(N_STIMULI, 0.4) < 256
    assert features.facts["projection"] == {"conv": jl_size(N_STIMULI, 0.4)}
    assert features["readout"].shape == (N_STIMULI, 5)


def test_autocast_computes_in_half_precision_and_keeps_float32(stimuli, tmp_path):
    network = _network()
    exact = extract(network, stimuli, tmp_path / "exact", projection=None)
    half = extract(network, stimuli, tmp_path / "half", projection=None, precision="bfloat16")
    assert half["conv"].dtype == np.float32
    assert half.facts["precision"] == "bfloat16"
    scale = np.abs(exact["conv"]).max()
    difference = np.abs(half["conv"] - exact["conv"]).max() / scale
    # bfloat16 keeps eight bits.
    assert 1e-5 < difference < 2e-2


def test_a_batch_from_memory_is_a_power_of_two_and_in_the_facts(stimuli, tmp_path, monkeypatch):
    module = importlib.import_module("alignkit.features.extract")
    monkeypatch.setattr(module, "bytes_per_stimulus", lambda *_: 1000)
    monkeypatch.setattr(module, "free_memory", lambda *_: 10_000)
    features = extract(_network(), stimuli, tmp_path, batch_size="auto")
    assert features.facts["batch_size"] == 4


def test_rows_do_not_depend_on_the_other_stimuli(stimuli, tmp_path):
    network = _network()
    whole = extract(network, stimuli, tmp_path / "whole", projection=20)
    part = extract(network, stimuli.select(["image5", "image2"]), tmp_path / "part", projection=20)
    for layer in LAYERS:
        np.testing.assert_allclose(part[layer], whole[layer][[5, 2]], rtol=1e-4, atol=1e-4)


def test_only_layers_with_more_units_are_projected_and_each_by_its_own_seed(stimuli, tmp_path):
    network = _network()
    full = extract(network, stimuli, tmp_path / "full", projection=None)
    projected = extract(network, stimuli, tmp_path / "projected", projection=100)
    assert projected["conv"].shape == (N_STIMULI, 100)
    np.testing.assert_array_equal(projected["readout"], full["readout"])
    assert projected.facts["projection"] == {"conv": 100, "relu": 100, "tokens": 100}
    assert projected.facts["units"]["conv"] == 256
    by_seed = [extract(network, stimuli, tmp_path / f"s{s}", projection=100, random_state=s) for s in (0, 1)]
    np.testing.assert_array_equal(by_seed[0]["conv"], projected["conv"])
    assert not np.array_equal(by_seed[1]["conv"], projected["conv"])


def test_auto_projects_from_4097_units_on(stimuli, tmp_path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 4096), nn.Linear(4096, 4097))
    features = extract(_network(module, ("1", "2")), stimuli, tmp_path)
    assert features.facts["projection"] == {"2": 4096}
    assert features["2"].shape == features["1"].shape == (N_STIMULI, 4096)


def test_distances_between_stimuli_survive_extraction_with_projection(stimuli, tmp_path):
    from scipy.spatial.distance import pdist

    module = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU())
    network = Network("toy", "test", module.eval(), ("1",), square(32))
    full = extract(network, stimuli, tmp_path / "full", projection=None)["1"]
    projected = extract(network, stimuli, tmp_path / "projected", projection=2000)["1"]
    assert np.abs(pdist(projected) / pdist(full) - 1).max() < 0.08


def test_pooling_reaches_the_layers(stimuli, tmp_path):
    network = _network()
    full = extract(network, stimuli, tmp_path / "full", projection=None)
    mean = extract(network, stimuli, tmp_path / "mean", pooling="mean")
    first = extract(network, stimuli, tmp_path / "first", layers=["tokens"], pooling="class-token")
    np.testing.assert_allclose(mean["conv"], full["conv"].reshape(-1, 4, 64).mean(2), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(first["tokens"], full["tokens"].reshape(-1, 64, 4)[:, 0])


class Turned(nn.Module):
    """Maps along the last axis, on which each of 5 maps has a value of its own, and nothing else does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.arange(5.0).expand(len(images), 8, 8, 5)


@pytest.mark.parametrize(("pooling", "repeats"), [("mean", 1), ("max", 1), ("grid-2", 4)])
def test_maps_along_the_last_axis_stay_apart_from_positions(stimuli, tmp_path, pooling, repeats):
    network = replace(_network(nn.Sequential(Turned()), ("0",)), channels_last=("0",))
    features = extract(network, stimuli, tmp_path, pooling=pooling)
    planted = np.repeat(np.arange(5.0), repeats)
    np.testing.assert_array_equal(features["0"], np.tile(planted, (N_STIMULI, 1)))
    assert features.facts["channels_last"] == ["0"]
    # Features that were made with the axes mixed up are others, and not handed out as these.
    unaware = replace(network, channels_last=())
    with pytest.raises(InputError, match="channels_last"):
        extract(unaware, stimuli, tmp_path, pooling=pooling)
    mixed = extract(unaware, stimuli, tmp_path / "mixed", pooling=pooling)["0"]
    assert mixed.shape == (N_STIMULI, 8 * repeats)


def test_importing_features_loads_nothing_heavy():
    script = "import sys, alignkit.features; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "av", "zarr", "sklearn"} & set(loaded.split())


def test_globs_and_depths_choose_layers(stimuli, tmp_path):
    network = _network()
    assert extract(network, stimuli, tmp_path / "glob", layers=["re*", 0.0]).layers == [
        "relu",
        "readout",
        "conv",
    ]
    assert extract(network, stimuli, tmp_path / "depth", layers=[1.0]).layers == ["readout"]


def test_outputs_of_transformers_are_their_last_hidden_state(stimuli, tmp_path):
    from transformers.modeling_outputs import BaseModelOutput

    class Inner(nn.Module):
        def forward(self, images: torch.Tensor) -> BaseModelOutput:
            return BaseModelOutput(last_hidden_state=images.flatten(1) * 2)

    features = extract(_network(nn.Sequential(Inner()), ("0",)), stimuli, tmp_path)
    pixels = _network().preprocess(stimuli.open("image3")).flatten() * 2
    np.testing.assert_array_equal(features["0"][3], pixels.numpy())


def test_what_was_written_can_be_loaded_and_says_how_it_was_made(stimuli, tmp_path):
    network = _network()
    made = extract(network, stimuli, tmp_path, batch_size=4, projection=100, random_state=9)
    loaded = Features.load(tmp_path)
    np.testing.assert_array_equal(loaded["relu"], made["relu"])
    assert loaded.model == "toy"
    facts = loaded.facts
    assert facts["weights"] == network.weights_digest()
    assert (facts["pooling"], facts["batch_size"], facts["random_state"]) == ("flatten", 4, 9)
    assert facts["versions"]["torch"] == torch.__version__
    assert (tmp_path / layer_file(3)).is_dir()


def test_the_network_is_run_in_evaluation_mode_and_left_untouched(stimuli, tmp_path):
    network = _network()
    before = network.weights_digest()
    network.module.train()
    features = extract(network, stimuli, tmp_path, projection=None)
    assert network.weights_digest() == before
    np.testing.assert_allclose(features["relu"], _by_hand(network, stimuli)["relu"], rtol=1e-4, atol=1e-5)


def test_progress_is_reported_per_stimulus(stimuli, tmp_path):
    seen = []
    with reporting(lambda description, done, total: seen.append((description, done, total))):
        extract(_network(), stimuli, tmp_path)
    assert seen[0] == ("features of toy", 0, N_STIMULI)
    assert seen[-1] == ("features of toy", N_STIMULI, N_STIMULI)


def _hooks(network: Network) -> int:
    return sum(len(module._forward_hooks) for module in network.module.modules())


def test_hooks_are_gone_after_success_and_after_failure(stimuli, tmp_path):
    network = _network()
    extract(network, stimuli, tmp_path / "good")
    assert _hooks(network) == 0
    network.module.readout = nn.Linear(3, 5)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        extract(network, stimuli, tmp_path / "bad")
    assert _hooks(network) == 0


class Hungry(nn.Module):
    """Needs more memory than there is for more than two images."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.batches: list[int] = []
        self.inner = nn.Flatten()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = self.inner(images)
        self.batches.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return flat


def test_out_of_memory_halves_the_batch_says_so_and_changes_nothing_else(stimuli, tmp_path, caplog):
    hungry = Hungry(2)
    with caplog.at_level(logging.WARNING, "alignkit.features.extract"):
        features = extract(_network(hungry, ("inner",)), stimuli, tmp_path / "a", batch_size=5)
    assert hungry.batches == [5, 2, 2, 1, 2]
    assert "toy: out of memory, going on with batches of 2" in caplog.text
    whole = extract(_network(Hungry(9), ("inner",)), stimuli, tmp_path / "b", batch_size=5)
    np.testing.assert_array_equal(features["inner"], whole["inner"])


def test_out_of_memory_with_a_single_image_is_not_hidden(stimuli, tmp_path):
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        extract(_network(Hungry(0), ("inner",)), stimuli, tmp_path)


def test_an_unknown_layer_lists_close_matches(stimuli, tmp_path):
    with pytest.raises(InputError, match="`layers` of 'toy' holds 'readuot', did you mean 'readout'"):
        extract(_network(), stimuli, tmp_path, layers=["conv", "readuot"])


def test_layers_must_be_a_list_without_repeats(stimuli, tmp_path):
    with pytest.raises(InputError, match="must be a list of at least one layer name, got 'conv'"):
        extract(_network(), stimuli, tmp_path, layers="conv")
    with pytest.raises(InputError, match="`layers` must be unique.*'conv'"):
        extract(_network(), stimuli, tmp_path, layers=["conv", "conv"])


def test_a_layer_that_does_not_run_is_named(stimuli, tmp_path):
    with pytest.raises(InputError, match="layer 'unused' of 'toy' does not run"):
        extract(_network(), stimuli, tmp_path, layers=["unused"])


class Answer(nn.Module):
    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: torch.Tensor):
        return self.answer(images)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda images: images.mean(0), r"gives shape \(3, 8, 8\) for 7 stimuli; wanted the stimuli along"),
        (lambda images: images.mean((1, 2, 3)), r"gives shape \(7,\) for 7 stimuli"),
        (lambda images: "text", "gives str, wanted a tensor"),
        (lambda images: (), "gives tuple, wanted a tensor"),
    ],
)
def test_answers_that_are_no_batch_of_activations_are_refused(stimuli, tmp_path, answer, message):
    with pytest.raises(InputError, match=f"layer '0' of 'toy' {message}"):
        extract(_network(nn.Sequential(Answer(answer)), ("0",)), stimuli, tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_activations_name_network_layer_and_stimulus(stimuli, tmp_path, value):
    def spoil(images: torch.Tensor) -> torch.Tensor:
        spoiled = images.clone()
        if len(images) == 3:
            spoiled[1, 0, 0, 0] = value
        return spoiled

    with pytest.raises(InputError, match="layer '0' of 'toy' gives NaN or infinite .* stimulus 'image1'"):
        extract(_network(nn.Sequential(Answer(spoil)), ("0",)), stimuli, tmp_path, batch_size=3)


def test_stimuli_of_different_shapes_are_named_even_in_different_batches(tmp_path):
    for number, size in enumerate([(16, 16), (16, 16), (16, 20)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    network = Network("toy", "test", nn.Sequential(nn.Flatten()), ("0",), ImagePreparation(shortest_edge=8))
    with pytest.raises(InputError, match=r"'0' and '2' differ in shape \(\(3, 8, 8\) and \(3, 10, 8\)\)"):
        extract(network, StimulusSet.from_folder(tmp_path), tmp_path / "out", batch_size=2)


def test_a_file_that_is_no_image_is_named(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("not an image")
    with pytest.raises(InputError, match="b.png cannot be read as an image"):
        extract(_network(), StimulusSet.from_folder(tmp_path), tmp_path / "out")


def _save_all_kinds(folder: Path) -> None:
    grey = np.tile(np.arange(0, 256, 32, dtype=np.uint8), (8, 1))
    rgb = Image.fromarray(grey).convert("RGB")
    rgb.save(folder / "a-rgb.png")
    Image.fromarray(grey).save(folder / "b-grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "c-sixteen.png")
    with_alpha = rgb.convert("RGBA")
    with_alpha.putalpha(255)
    with_alpha.save(folder / "d-alpha.png")
    rgb.convert("CMYK").save(folder / "e-cmyk.tif")


def test_grey_sixteen_bit_transparent_and_cmyk_files_are_the_same_picture(tmp_path):
    _save_all_kinds(tmp_path)
    features = extract(_network(), StimulusSet.from_folder(tmp_path), tmp_path / "out", projection=None)
    assert len(features.stimulus_ids) == 5
    for row in features["conv"][1:]:
        np.testing.assert_allclose(row, features["conv"][0], atol=0.05)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pooling": "maxx"}, UnknownNameError, "`pooling` is 'maxx', did you mean 'max'"),
        ({"steps": "first"}, UnknownNameError, "`steps` is 'first'"),
        ({"precision": "half"}, UnknownNameError, "`precision` is 'half'"),
        ({"batch_size": 0}, InputError, "`batch_size` must be .* whole number of at least 1, got 0"),
        ({"batch_size": "all"}, InputError, "`batch_size` must be .*, got 'all'"),
        ({"projection": {"eps": 2}}, InputError, "`eps` must lie between 0 and 1, got 2"),
        ({"projection": {"size": 2}}, InputError, "`projection` must be .* got {'size': 2}"),
        ({"projection": 0}, InputError, "`projection` must be .* got 0"),
        ({"projection": "auot"}, InputError, "`projection` must be .* got 'auot'"),
        ({"device": "gpu"}, InputError, "`device` is 'gpu'"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_runs(stimuli, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        extract(_network(), stimuli, tmp_path, **options)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_features_and_the_network_comes_back(stimuli, tmp_path):
    network = _network()
    on_cpu = extract(network, stimuli, tmp_path / "cpu", device="cpu", projection=100)
    on_gpu = extract(network, stimuli, tmp_path / "gpu", device="cuda", projection=100)
    for layer in LAYERS:
        np.testing.assert_allclose(on_gpu[layer], on_cpu[layer], rtol=1e-4, atol=1e-4)
    assert next(network.module.parameters()).device.type == "cpu"


def test_the_projection_is_the_public_one(stimuli, tmp_path):
    from alignkit._core.random import derive_seed

    network = _network()
    full = extract(network, stimuli, tmp_path / "full", projection=None)["relu"]
    project = SparseProjection(256, 60, derive_seed(3, "projection", "relu"))
    projected = extract(network, stimuli, tmp_path / "p", projection=60, random_state=3)["relu"]
    np.testing.assert_array_equal(projected, project(torch.from_numpy(full)).numpy())
