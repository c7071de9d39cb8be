from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
)

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks import build_network, hf

# The package hands on the function of the same name.
MODULE = import_module("alignkit.networks.standard.hf")
HUB = import_module("alignkit.networks.standard._hub")

# What the published checkpoints carry in preprocessor_config.json.
VIT = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 32, "width": 32},
}
DINOV2 = {
    "crop_size": {"height": 28, "width": 28},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 32},
}
RESNET = {"crop_pct": 0.875, "do_normalize": True, "do_resize": True, "size": {"shortest_edge": 32}}
RESNET |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3}
RESNET |= {"feature_extractor_type": "ConvNextFeatureExtractor"}

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


def _save(model, settings: dict, folder: Path) -> Path:
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("hub")
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = ViTForImageClassification(ViTConfig(**SMALL, image_size=32, patch_size=8))
        dinov2 = Dinov2Model(Dinov2Config(**SMALL, image_size=28, patch_size=14))
        resnet = ResNetModel(
            ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic")
        )
        text = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
        clip = CLIPModel(
            CLIPConfig(text_config=text, vision_config=SMALL | {"image_size": 32, "patch_size": 8})
        )
    transformers.utils.logging.set_verbosity(level)
    transformers.utils.logging.enable_progress_bar()
    return {
        "vit": _save(vit, VIT, root / "tiny-vit"),
        "dinov2": _save(dinov2, DINOV2, root / "tiny-dinov2"),
        "resnet": _save(resnet, RESNET, root / "tiny-resnet"),
        "clip": _save(clip, VIT, root / "tiny-clip"),
    }


@pytest.mark.parametrize(
    ("kind", "n_layers", "shape"), [("vit", 3, (17, 16)), ("dinov2", 3, (5, 16)), ("clip", 3, (17, 16))]
)
def test_every_transformer_block_is_a_layer_with_the_hidden_state_of_transformers(
    folders, kind, n_layers, shape
):
    network = hf(name=str(folders[kind]))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8))
    batch = network.preprocess(image).unsqueeze(0)
    heard = []
    for name in network.layers:
        network.module.get_submodule(name).register_forward_hook(
            lambda m, i, o: heard.append(o[0] if isinstance(o, tuple) else o)
        )
    with torch.inference_mode():
        states = network.module(batch, output_hidden_states=True).hidden_states
    assert len(network.layers) == n_layers
    assert states[1].shape[1:] == shape
    for ours, theirs in zip(heard[:-1], states[1:-1], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_stages_of_a_convolutional_network_are_its_layers(folders):
    network = hf(name=str(folders["resnet"]))
    assert network.layers == ("encoder.stages.0", "encoder.stages.1")
    # 32 / 0.875 pixels, then the middle 32.
    assert network.preprocessing["image"]["shortest_edge"] == 36
    assert network.preprocessing["image"]["crop"] == [32, 32]


def test_weights_are_those_saved_in_float32_and_the_same_each_time(folders):
    network = hf(name=str(folders["vit"]))
    saved = transformers.AutoModel.from_pretrained(folders["vit"]).state_dict()
    loaded = network.module.state_dict()
    assert all(torch.equal(loaded[k], saved[k]) for k in saved if "pooler" not in k)
    # The pooler is in no checkpoint of a classifier: it must not make the digest a matter of chance.
    assert network.weights_digest() == hf(name=str(folders["vit"])).weights_digest()
    assert not network.module.training
    assert network.trained


def test_half_precision_checkpoints_are_run_in_float32(folders, tmp_path):
    model = transformers.AutoModel.from_pretrained(folders["vit"]).half()
    half = _save(model, VIT, tmp_path / "half")
    assert {p.dtype for p in hf(name=str(half)).module.parameters()} == {torch.float32}


def test_build_network_understands_hf_and_a_folder(folders):
    assert build_network(f"hf:{folders['dinov2']}").name == "hf:tiny-dinov2"


def test_loading_leaves_torchs_generator_and_transformers_verbosity_alone(folders):
    level = transformers.utils.logging.get_verbosity()
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    hf(name=str(folders["vit"]))
    assert torch.equal(torch.rand(2), expected)
    assert transformers.utils.logging.get_verbosity() == level


def test_pickled_weights_are_refused(folders, tmp_path):
    (tmp_path / "config.json").write_text((folders["vit"] / "config.json").read_text())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="no \\*.safetensors. Pickled weights .* not opened"):
        hf(name=str(tmp_path))


def test_weights_of_another_architecture_are_refused_and_not_filled_with_noise(folders, tmp_path):
    for file in ("model.safetensors", "preprocessor_config.json"):
        (tmp_path / file).write_bytes((folders["vit"] / file).read_bytes())
    config = json.loads((folders["vit"] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(InputError, match=r"lack 16 of the model's tensors \(first .*layers?.3"):
        hf(name=str(tmp_path))


def test_a_folder_without_preprocessing_is_refused(folders, tmp_path):
    for file in ("model.safetensors", "config.json"):
        (tmp_path / file).write_bytes((folders["vit"] / file).read_bytes())
    with pytest.raises(InputError, match="cannot be loaded as a Hugging Face vision model"):
        hf(name=str(tmp_path))


def test_text_models_are_refused(tmp_path):
    config = transformers.BertConfig(**SMALL, vocab_size=20)
    _save(transformers.BertModel(config), VIT, tmp_path)
    with pytest.raises(InputError, match="is a BertModel, which takes more than images"):
        hf(name=str(tmp_path))


def test_grey_models_are_refused(tmp_path):
    config = ViTConfig(**SMALL, image_size=32, patch_size=8, num_channels=1)
    _save(transformers.ViTModel(config), VIT, tmp_path)
    with pytest.raises(InputError, match=r"takes images of 1 channel\(s\), wanted 3"):
        hf(name=str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c"])
def test_a_missing_folder_is_named(name):
    with pytest.raises(MissingDataError, match="does not exist"):
        hf(name=name)


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(MissingDataError, match="holds no config.json"):
        hf(name=str(tmp_path))


def test_an_offline_machine_gets_the_remedy_at_once(monkeypatch):
    def unreachable(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setattr(HUB, "urlopen", unreachable)
    with pytest.raises(MissingDataError, match="cannot be reached. .*hf download some/net-xyz --local-dir"):
        hf(name="some/net-xyz")


def test_a_name_that_the_hub_does_not_know_gets_the_remedy(monkeypatch):
    def answers(*args, **kwargs):
        raise HTTPError("https://huggingface.co", 404, "not found", None, None)

    def unknown(place, *, local):
        raise OSError(f"{place.source} is not a valid model identifier\nmore")

    monkeypatch.setattr(HUB, "urlopen", answers)
    monkeypatch.setattr(MODULE, "_architecture", unknown)
    with pytest.raises(
        MissingDataError, match="could not be had .*not a valid model identifier Check the name"
    ):
        hf(name="some/net-xyz")


def test_code_of_a_repository_is_not_run(monkeypatch):
    def wants_code(place, *, local):
        raise ValueError("requires you to execute the configuration file")

    monkeypatch.setattr(MODULE, "_architecture", wants_code)
    with pytest.raises(InputError, match="requires you to execute"):
        hf(name="some/net-xyz")


def test_an_empty_name_is_refused():
    with pytest.raises(InputError, match="as in hf:facebook/dinov2-small"):
        hf(name=" ")


def test_weights_whose_tensors_have_other_shapes_are_refused_and_named(folders, tmp_path):
    for file in ("model.safetensors", "preprocessor_config.json"):
        (tmp_path / file).write_bytes((folders["vit"] / file).read_bytes())
    config = json.loads((folders["vit"] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(InputError, match=r"another shape .*in \d+ tensors \(first .*\(32.*instead of \(48"):
        hf(name=str(tmp_path))


def test_damaged_safetensors_are_named(folders, tmp_path):
    for file in ("config.json", "preprocessor_config.json"):
        (tmp_path / file).write_bytes((folders["vit"] / file).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folders["vit"] / "model.safetensors").read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be loaded as a Hugging Face vision model"):
        hf(name=str(tmp_path))


def test_the_untrained_twin_has_the_architecture_and_none_of_the_weights(folders):
    network = hf(name=str(folders["vit"]))
    twin = network.untrained()
    ours, theirs = network.module.state_dict(), twin.module.state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    assert not torch.equal(
        ours["layers.0.attention.q_proj.weight"], theirs["layers.0.attention.q_proj.weight"]
    )
    assert twin.layers == network.layers
    assert twin.preprocessing == network.preprocessing
    assert (twin.trained, twin.untrained, twin.name) == (False, None, "hf:tiny-vit-untrained")
    assert twin.weights_digest() == hf(name=str(folders["vit"]), weights="random").weights_digest()
    assert twin.weights_digest() != hf(name=str(folders["vit"]), weights="random", seed=1).weights_digest()


def test_the_untrained_twin_of_a_network_with_batch_norm_gets_statistics(folders):
    twin = hf(name=str(folders["resnet"]), weights="random")
    norms = [m for m in twin.module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) > 3
    assert all(float((norm.running_var - 1).abs().max()) > 0.05 for norm in norms)
    assert not any(module.training for module in twin.module.modules())


def test_random_weights_need_no_file_of_weights(folders, tmp_path):
    for file in ("config.json", "preprocessor_config.json"):
        (tmp_path / file).write_bytes((folders["vit"] / file).read_bytes())
    same = hf(name=str(folders["vit"]), weights="random")
    assert hf(name=str(tmp_path), weights="random").weights_digest() == same.weights_digest()


def test_a_larger_image_keeps_the_weights_and_is_part_of_the_preprocessing(folders):
    small, large = hf(name=str(folders["vit"])), hf(name=str(folders["vit"]), image_size=64)
    assert large.weights_digest() == small.weights_digest()
    assert large.preprocessing["image"]["size"] == [64, 64]
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8))
    whole = transformers.AutoModel.from_pretrained(folders["vit"]).eval()
    batch = large.preprocess(image)[None]
    with torch.inference_mode():
        ours = large.module(batch).last_hidden_state
        theirs = whole(batch, interpolate_pos_encoding=True).last_hidden_state
    assert ours.shape == (1, 65, 16)
    torch.testing.assert_close(ours, theirs)


def test_a_larger_image_keeps_the_share_that_is_cut_out(folders):
    facts = hf(name=str(folders["dinov2"]), image_size=56).preprocessing["image"]
    assert (facts["shortest_edge"], facts["crop"]) == (64, [56, 56])


def test_image_sizes_that_patches_do_not_fill_are_refused(folders):
    with pytest.raises(InputError, match="must be a multiple of 8 .its patch., got 60"):
        hf(name=str(folders["vit"]), image_size=60)


def test_an_architecture_that_is_bound_to_one_size_says_so(tmp_path):
    config = transformers.LevitConfig(
        hidden_sizes=[16, 16, 16], num_attention_heads=[2, 2, 2], depths=[1, 1, 1], key_dim=[8, 8, 8]
    )
    _save(transformers.LevitModel(config), VIT, tmp_path)
    with pytest.raises(
        InputError, match=r"does not take images of 448 x 448 pixels .*leave `image_size` out"
    ):
        hf(name=str(tmp_path), image_size=448)


@pytest.fixture(scope="module")
def trajectory(folders, tmp_path_factory) -> Path:
    """A training run: the preprocessing stands beside its checkpoints."""
    root = tmp_path_factory.mktemp("run")
    for step in (10, 100, 9):
        place = root / f"checkpoint-{step}"
        place.mkdir()
        model = transformers.AutoModel.from_pretrained(folders["vit"])
        with torch.no_grad():
            model.layernorm.bias.fill_(step)
        model.save_pretrained(place)
    (root / "preprocessor_config.json").write_text(json.dumps(VIT))
    (root / "config.json").write_bytes((folders["vit"] / "config.json").read_bytes())
    return root


def test_a_checkpoint_is_taken_by_the_name_of_its_folder_or_its_step(trajectory):
    for revision in ("checkpoint-10", "10"):
        network = build_network(f"hf:{trajectory}@{revision}")
        assert float(network.module.layernorm.bias.detach()[0]) == 10
        assert network.name == f"hf:{trajectory.name}@checkpoint-10"
        assert network.preprocessing["image"]["size"] == [32, 32]


def test_a_checkpoint_that_is_not_there_lists_those_that_are(trajectory):
    with pytest.raises(MissingDataError, match="no checkpoint '11'.*Known: checkpoint-10, checkpoint-100"):
        build_network(f"hf:{trajectory}@11")


def test_a_revision_of_the_hub_reaches_transformers(monkeypatch):
    asked = []

    def architecture(place, *, local):
        asked.append((place.source, place.revision, local))
        raise ValueError("enough")

    monkeypatch.setattr(MODULE, "_architecture", architecture)
    with pytest.raises(InputError, match="enough"):
        hf(name="some/net-xyz@step1000")
    assert asked == [("some/net-xyz", "step1000", True)]


def test_unknown_weights_are_refused(folders):
    with pytest.raises(InputError, match="`weights` is 'untrained'"):
        hf(name=str(folders["vit"]), weights="untrained")
