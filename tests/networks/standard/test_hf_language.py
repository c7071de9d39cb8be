from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, WordPiece
from transformers import PreTrainedTokenizerFast

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.features import sentence_embeddings, text_features, word_features, word_tracks
from alignkit.networks import LANGUAGE_MODELS
from alignkit.networks._language import build_language_model
from alignkit.networks.standard import _hub
from alignkit.networks.standard.hf_language import hf_language
from alignkit.recordings import Track

STORY = "the rabbit ran on and the rabbits rested until the cat 's nap was over".split()
TEXT = "the rabbit ran on and the rabbits rested until the cat's nap was over"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
# Weights large enough for words to matter to each other.
STD = 0.3


def byte_level() -> Tokenizer:
    """Return a tokenizer such as GPT-2's: spaces belong to the word after them, and nothing is added."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["Ġr", "ab", "Ġrab", "bi", "bit", "Ġrabbit", "th", "the", "Ġt", "Ġthe", "an", "Ġran", "es", "ed"]
    merges = [("Ġ", "r"), ("a", "b"), ("Ġr", "ab"), ("b", "i"), ("bi", "t"), ("Ġrab", "bit"), ("t", "h")]
    merges += [("th", "e"), ("Ġ", "t"), ("Ġ", "the"), ("a", "n"), ("Ġr", "an"), ("e", "s"), ("e", "d")]
    vocabulary = {piece: number for number, piece in enumerate([*letters, *pieces, "<|endoftext|>"])}
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def word_pieces() -> Tokenizer:
    words = "[PAD] [UNK] [CLS] [SEP] the rabbit ran on and rest ##s ##ed until cat nap was over ' s".split()
    tokenizer = Tokenizer(WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def models() -> dict[str, tuple[str, dict, bool]]:
    """Return class, configuration and whether it reads left to right, by model type."""
    gpt2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 96}
    opt = {**SMALL, "ffn_dim": 32, "word_embed_proj_dim": 16, "init_std": STD, "max_position_embeddings": 96}
    llama = {**SMALL, "max_position_embeddings": 96}
    t5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "n_positions": 96}
    return {
        "gpt2": ("GPT2LMHeadModel", gpt2, True),
        "gpt_neox": ("GPTNeoXForCausalLM", {**SMALL, "max_position_embeddings": 96}, True),
        "llama": ("LlamaForCausalLM", llama, True),
        "opt": ("OPTForCausalLM", opt, True),
        "bert": ("BertForMaskedLM", {**SMALL, "max_position_embeddings": 96}, False),
        "roberta": ("RobertaForMaskedLM", {**SMALL, "max_position_embeddings": 98}, False),
        "t5": ("T5ForConditionalGeneration", {**t5, "initializer_factor": 3.0}, False),
    }


CAUSAL = [kind for kind, (_, _, is_causal) in models().items() if is_causal]


def save_tokenizer(tokenizer: Tokenizer, folder: Path, **special: str) -> int:
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def save(kind: str, folder: Path) -> Path:
    name, options, is_causal = models()[kind]
    if is_causal or kind == "t5":
        size = save_tokenizer(byte_level(), folder, eos_token="<|endoftext|>")
    else:
        size = save_tokenizer(word_pieces(), folder, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]")
    model_class = getattr(transformers, name)
    ends = {"bos_token_id": size - 1, "eos_token_id": size - 1, "pad_token_id": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = model_class.config_class(**{"initializer_range": STD, **options}, vocab_size=size, **ends)
        model_class(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("language")
    with _hub.quiet():
        return {kind: save(kind, root / f"tiny-{kind}") for kind in models()}


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def by_transformers(folder: Path, text: str) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return where tokens are and their hidden states, (n_layers, n_tokens, n_units), without our code."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with _hub.quiet():
        model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    tokens = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = [tuple(map(int, each)) for each in tokens["offset_mapping"][0]]
    with torch.inference_mode():
        states = model(input_ids=tokens["input_ids"], output_hidden_states=True).hidden_states
    return offsets, torch.stack(states)[:, 0].numpy()


@pytest.mark.parametrize("kind", models())
def test_how_a_model_reads_and_its_blocks_are_found_by_trying(folders, kind):
    model = hf_language(name=str(folders[kind]))
    assert model.reads == ("left to right" if models()[kind][2] else "both ways")
    assert model.layers == ("embedding", "block1", "block2")
    assert (model.trained, model.family, model.name) == (True, "language", f"hf:tiny-{kind}")
    assert model.max_tokens == 96
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", models())
def test_features_of_a_text_are_the_mean_hidden_states_of_transformers(folders, kind):
    model = hf_language(name=str(folders[kind]))
    texts = [TEXT, "the cat", "was"]
    # In one batch, so that the short ones are padded.
    found = text_features(texts, model)
    for row, text in enumerate(texts):
        _, hidden = by_transformers(folders[kind], text)
        for number, layer in enumerate(model.layers):
            wanted = hidden[number].mean(0)
            np.testing.assert_allclose(found[layer][row], wanted, atol=1e-5 * max(1, abs(wanted).max()))


@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("kind", CAUSAL)
def test_with_a_window_longer_than_the_text_a_causal_model_gives_one_pass_over_all_of_it(
    folders, kind, pooling
):
    model = hf_language(name=str(folders[kind]))
    offsets, hidden = by_transformers(folders[kind], TEXT)
    found = word_features(STORY, model, window_words=100, word_pooling=pooling)
    start = 0
    for number, word in enumerate(STORY):
        start = TEXT.index(word, start)
        stop = start + len(word)
        own = [n for n, (first, last) in enumerate(offsets) if last > start and first < stop and last <= stop]
        assert own
        for layer, states in zip(model.layers, hidden, strict=True):
            wanted = states[own].mean(0) if pooling == "mean" else states[own[-1]]
            np.testing.assert_allclose(found[layer][number], wanted, atol=1e-5)
        start = stop


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_shared_pass_over_the_first_window_changes_nothing(folders, kind, monkeypatch):
    model = hf_language(name=str(folders[kind]))
    shared = word_features(STORY, model, window_words=6)
    monkeypatch.setattr("alignkit.features.words._shared_start", lambda windows, model, length: windows)
    alone = word_features(STORY, model, window_words=6, batch_size=3)
    for layer in model.layers:
        np.testing.assert_allclose(shared[layer], alone[layer], atol=1e-5)


def test_one_pass_serves_a_whole_story_of_a_causal_model(folders, monkeypatch):
    model = hf_language(name=str(folders["gpt2"]))
    rows = []
    model.module.register_forward_pre_hook(
        lambda m, args, options: rows.append(len(options["input_ids"])), with_kwargs=True
    )
    word_features(STORY, model, window_words=50)
    assert rows == [1]


def test_a_beginning_whose_tokens_are_joined_with_the_next_word_gets_a_pass_of_its_own(folders):
    # Without borders between words, "th" and "es" of a clitic could be one piece.
    tokenizer = byte_level()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model = hf_language(name=str(folders["gpt2"]))
    joined = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    object.__setattr__(model, "tokenizer", joined)
    words = ["the", "c", "'s", "b", "it"]
    found = word_features(words, model, window_words=10, layers=["block2"])["block2"]
    for number in range(len(words)):
        alone = word_features(words[: number + 1], model, window_words=10, layers=["block2"])["block2"]
        np.testing.assert_allclose(found[number], alone[-1], atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox"])
def test_a_word_of_a_causal_model_does_not_know_what_comes_after_it_but_what_comes_before(folders, kind):
    model = hf_language(name=str(folders[kind]))
    changed = [*STORY[:6], "cats", *STORY[7:]]
    before, after = (word_features(words, model, window_words=4) for words in (STORY, changed))
    for layer in ("block1", "block2"):
        moved = abs(after[layer] - before[layer]).max(1)
        assert moved[:6].max() < 1e-5
        assert moved[6:10].min() > 1e-3
        assert moved[10:].max() < 1e-5


def test_the_last_token_is_the_word_for_a_word_of_one_token_only(folders):
    model = hf_language(name=str(folders["gpt2"]))
    mean, last = (
        word_features(STORY, model, word_pooling=each, layers=["block2"])["block2"]
        for each in ("mean", "last")
    )
    moved = abs(mean - last).max(1)
    one = [n for n, word in enumerate(STORY) if word in ("the", "rabbit", "ran")]
    assert moved[one].max() < 1e-6
    assert moved[STORY.index("rabbits")] > 1e-3


def test_words_at_their_times_become_a_track_of_a_causal_model(folders):
    model = hf_language(name=str(folders["gpt2"]))
    onset_s = np.arange(len(STORY)) * 0.4
    words = Track("word-rate", np.ones((len(STORY), 1)), onset_s, onset_s + 0.3, labels=tuple(STORY))
    (track,) = word_tracks(words, model, layers=["block1"], window_words=5, word_pooling="last")
    expected = word_features(STORY, model, layers=["block1"], window_words=5, word_pooling="last")["block1"]
    np.testing.assert_array_equal(track.values, expected)
    np.testing.assert_array_equal(track.onset_s, onset_s)
    assert track.facts["word_pooling"] == "last"


def test_tokenizers_without_padding_or_with_padding_on_the_left_give_the_same(folders, tmp_path):
    model = hf_language(name=str(folders["gpt2"]))
    assert model.tokenizer.pad_token is None
    before = text_features(["the rabbit", "was over until"], model)
    model.tokenizer.pad_token = model.tokenizer.eos_token
    model.tokenizer.padding_side = "left"
    after = text_features(["the rabbit", "was over until"], model)
    for layer in model.layers:
        np.testing.assert_array_equal(after[layer], before[layer])


def test_random_weights_come_from_the_seed_and_leave_torch_as_it_was(folders):
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = hf_language(name=str(folders["gpt2"]), weights="random", seed=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    again = hf_language(name=str(folders["gpt2"]), weights="random", seed=4)
    other = hf_language(name=str(folders["gpt2"]), weights="random", seed=5)
    assert first.weights_digest() == again.weights_digest() != other.weights_digest()
    assert (first.trained, first.family, first.untrained) == (False, "random language", None)


def test_the_untrained_twin_has_the_shapes_and_tokens_of_the_trained_model(folders):
    model = hf_language(name=str(folders["llama"]))
    twin = model.untrained()
    assert twin.n_parameters == model.n_parameters
    assert (twin.layers, twin.max_tokens, twin.preprocessing) == (
        model.layers,
        model.max_tokens,
        model.preprocessing,
    )
    assert twin.weights_digest() != model.weights_digest()
    assert not twin.trained


def test_a_folder_without_weights_serves_for_random_ones_only(folders, tmp_path):
    folder = save("gpt2", tmp_path / "bare")
    (folder / "model.safetensors").unlink()
    assert not hf_language(name=str(folder), weights="random").trained
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InputError, match=r"no \*.safetensors. Pickled weights .* are not opened"):
        hf_language(name=str(folder))


def test_a_sentence_is_pooled_as_the_folder_says(folders, tmp_path):
    folder = save("bert", tmp_path / "sentences")
    _, hidden = by_transformers(folder, "the rabbit ran")
    wanted = {"mean_tokens": hidden[-1].mean(0), "cls_token": hidden[-1][0], "lasttoken": hidden[-1][-1]}
    (folder / "1_Pooling").mkdir()
    for mode, vector in wanted.items():
        (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{mode}": True, "d": 16}))
        model = hf_language(name=str(folder))
        assert model.layers[-1] == "sentence"
        found = sentence_embeddings(["the rabbit ran", "the cat was over the nap"], model)
        np.testing.assert_allclose(found[0], vector / np.linalg.norm(vector), atol=1e-5)
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(InputError, match="pools sentences by pooling_mode_max_tokens; known are one of"):
        hf_language(name=str(folder))


def test_a_model_without_pooling_has_no_sentences(folders):
    model = hf_language(name=str(folders["gpt2"]))
    with pytest.raises(InputError, match="has no layer 'sentence': nothing says how its tokens are pooled"):
        sentence_embeddings(["the cat"], model)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = byte_level()
    tokenizer.add_special_tokens(["<|startoftext|>"])
    end = tokenizer.token_to_id("<|endoftext|>")
    start = tokenizer.token_to_id("<|startoftext|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>",
        special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)],
    )
    size = save_tokenizer(tokenizer, folder, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    text = {**SMALL, "vocab_size": size, "eos_token_id": end, "bos_token_id": start, "pad_token_id": end}
    text["max_position_embeddings"] = 77
    with _hub.quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vision = {**SMALL, "image_size": 32, "patch_size": 8}
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
        transformers.CLIPModel(config).save_pretrained(folder)
    return folder


def test_the_text_side_of_clip_reads_left_to_right_and_its_sentences_are_in_the_shared_space(clip):
    model = hf_language(name=str(clip))
    assert (model.reads, model.layers, model.max_tokens) == (
        "left to right",
        ("embedding", "block1", "block2", "sentence"),
        77,
    )
    texts = ["the rabbit ran", "was"]
    with _hub.quiet():
        whole = transformers.CLIPModel.from_pretrained(clip).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(clip)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        features = whole.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).pooler_output.numpy()
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(sentence_embeddings(texts, model), expected, atol=1e-5)


def test_checkpoints_of_a_training_run_are_taken_from_a_folder_by_their_names(tmp_path, folders):
    run = tmp_path / "run"
    for step in (10, 20):
        folder = save("gpt2", run / f"checkpoint-{step}")
        model = transformers.GPT2LMHeadModel.from_pretrained(folder)
        with torch.no_grad():
            model.transformer.wte.weight.mul_(step)
        model.save_pretrained(folder)
    (run / "config.json").write_bytes((run / "checkpoint-10/config.json").read_bytes())
    first, second = (hf_language(name=f"{run}@{step}") for step in (10, 20))
    assert second.name == "hf:run@checkpoint-20"
    found = [
        text_features(["the rabbit"], each, layers=["embedding"])["embedding"] for each in (first, second)
    ]
    assert abs(found[1] - found[0]).max() > 0.1


def test_a_name_with_a_revision_asks_the_cache_for_that_revision(monkeypatch, offline):
    asked = []

    def loader(place, **options):
        asked.append((place, options.get("revision"), options["local_files_only"]))
        raise OSError("not here")

    monkeypatch.setattr("transformers.AutoModel.from_pretrained", loader)
    with pytest.raises(MissingDataError, match="'a/pythia' is not in the local cache, and .* cannot"):
        hf_language(name="a/pythia@step1000")
    assert asked == [("a/pythia", "step1000", True)]


def test_where_there_is_no_network_the_message_says_how_to_bring_the_model(offline):
    with pytest.raises(MissingDataError, match="hf download no/such-model --local-dir FOLDER"):
        hf_language(name="no/such-model")


def test_what_is_no_language_model_is_refused(tmp_path, folders):
    with pytest.raises(InputError, match="`name` must be a Hugging Face name or a folder, as in hf:openai"):
        hf_language(name=" ")
    with pytest.raises(MissingDataError, match="holds no config.json"):
        hf_language(name=str(tmp_path))
    with pytest.raises(InputError, match="`weights` is 'old', .* Known: pretrained, random"):
        hf_language(name=str(folders["gpt2"]), weights="old")
    with pytest.raises(InputError, match="`seed` must be at least 0, got -1"):
        hf_language(name=str(folders["gpt2"]), seed=-1)
    with pytest.raises(InputError, match="`max_tokens` must be at least 1, got 0"):
        hf_language(name=str(folders["gpt2"]), max_tokens=0)
    vit = tmp_path / "vit"
    with _hub.quiet():
        transformers.ViTModel(transformers.ViTConfig(**SMALL, image_size=32)).save_pretrained(vit)
    with pytest.raises(InputError, match="'vit' is a ViTModel, which takes no text .its input is 'pixel_val"):
        hf_language(name=str(vit))


def test_a_folder_without_a_tokenizer_is_refused(folders, tmp_path):
    folder = save("gpt2", tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(
        InputError, match="the tokenizer of 'model' knows 0 tokens, wanted at least 5; tokenizer.json is"
    ):
        hf_language(name=str(folder))


def test_weights_of_another_architecture_are_refused(folders, tmp_path):
    folder = save("gpt2", tmp_path / "mixed")
    other = (folders["opt"] / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(other)
    with pytest.raises(InputError, match="the weights of 'mixed' lack .* of the model's tensors"):
        hf_language(name=str(folder))


def test_a_window_longer_than_the_model_takes_is_refused_with_the_numbers(folders):
    model = hf_language(name=str(folders["gpt2"]), max_tokens=12)
    with pytest.raises(
        InputError, match="takes texts of at most 12 tokens, got one of .*`window_words` than"
    ):
        word_features(STORY, model, window_words=10)
    assert len(word_features(STORY, model, window_words=1)["block2"]) == len(STORY)


def test_a_model_whose_length_is_not_known_asks_for_it(folders, monkeypatch):
    monkeypatch.setattr("alignkit.networks.standard.hf_language._LENGTHS", ())
    with pytest.raises(InputError, match="does not say how many tokens it takes; give `max_tokens`"):
        hf_language(name=str(folders["llama"]))
    assert hf_language(name=str(folders["llama"]), max_tokens=50).max_tokens == 50


def test_language_models_are_built_by_name(folders):
    model = build_language_model(f"hf:{folders['gpt2']}", {"weights": "random"})
    assert model.name == "hf:tiny-gpt2-untrained"
    assert LANGUAGE_MODELS.facts("hf")["required"] == ("name",)
    with pytest.raises(InputError, match="an option of the language model 'hf' is 'weight', did you mean"):
        build_language_model(f"hf:{folders['gpt2']}", {"weight": "random"})
    with pytest.raises(InputError, match="needs the option.s. name. Write `hf:NAME_OR_FOLDER`"):
        build_language_model("hf")
    with pytest.raises(UnknownNameError, match="'minilmm', did you mean 'minilm'"):
        build_language_model("minilmm")
