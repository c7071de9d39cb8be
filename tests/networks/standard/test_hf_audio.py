from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from scipy.io import wavfile

from alignkit._core.errors import InputError, MissingDataError
from alignkit.features.sounds import sound_features
from alignkit.networks import build_network
from alignkit.networks.standard import _hf_modules, _hub
from alignkit.networks.standard.hf_audio import hf_audio

RATE = 16000
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SPEECH = {**SMALL, "conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 60,
    "max_source_positions": 50,
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "decoder_start_token_id": 2,
}
KINDS = {
    "wav2vec2": ("Wav2Vec2Model", SPEECH, "Wav2Vec2FeatureExtractor", {"do_normalize": True}),
    "hubert": ("HubertModel", SPEECH, "Wav2Vec2FeatureExtractor", {"do_normalize": True}),
    "wavlm": ("WavLMModel", SPEECH, "Wav2Vec2FeatureExtractor", {"do_normalize": False}),
    "whisper": ("WhisperModel", WHISPER, "WhisperFeatureExtractor", {"chunk_length": 1}),
    "ast": (
        "ASTModel",
        {**SMALL, "max_length": 96, "num_mel_bins": 32},
        "ASTFeatureExtractor",
        {"max_length": 96, "num_mel_bins": 32},
    ),
}


def save(kind: str, folder: Path) -> Path:
    model_name, options, extractor_name, settings = KINDS[kind]
    model_class = getattr(transformers, model_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model_class(model_class.config_class(**options)).save_pretrained(folder)
    getattr(transformers, extractor_name)(**settings).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("audio")
    with _hub.quiet(), _hf_modules.silent():
        return {kind: save(kind, root / f"tiny-{kind}") for kind in KINDS}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "noise.wav"
    samples = np.random.default_rng(0).normal(scale=0.1, size=14080)
    wavfile.write(path, RATE, samples.astype(np.float32))
    return path


def by_transformers(folder: Path, sound: Path) -> np.ndarray:
    """Return hidden states, (n_layers, n_tokens, n_units), without our code."""
    with _hub.quiet(), _hf_modules.silent():
        model = transformers.AutoModel.from_pretrained(folder).eval()
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
        model = model.get_encoder() if model.config.is_encoder_decoder else model
        given = extractor(wavfile.read(sound)[1], sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        states = model(given[model.main_input_name], output_hidden_states=True).hidden_states
    return torch.stack(states)[:, 0].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_features_at_the_frame_rate_of_the_network_are_the_hidden_states_of_transformers(
    folders, sound, kind
):
    network = hf_audio(name=str(folders[kind]))
    first = network.layers[0]
    assert len(network.layers) == 2
    found = sound_features([sound], network, layers=[first])
    expected = by_transformers(folders[kind], sound)[1]
    if kind == "ast":
        # Two special tokens, then bands by times.
        expected = expected[2:].reshape(2, -1, 16).mean(0)
    values = found[first][0].T
    n_frames = min(len(values), len(expected))
    assert n_frames == {"whisper": 44, "ast": 8}.get(kind, 43)
    # A frame may be left out at the end, where the last bin is not whole.
    np.testing.assert_allclose(values[:n_frames], expected[:n_frames], atol=1e-4)
    assert (network.modality, network.trained, network.family) == ("audio", True, "pretrained")


def test_a_frame_is_where_its_samples_are(folders):
    # A click moves what the convolutions say where the timing says it is.
    network = hf_audio(name=str(folders["wavlm"]))
    torch.manual_seed(0)
    quiet = torch.randn(1, RATE) * 1e-3
    click = quiet.clone()
    click[0, 8000] += 1.0
    with torch.inference_mode():
        # The group norm of the first convolution spreads a little of it over all frames.
        moved = [network.module.feature_extractor(each)[0].T for each in (quiet, click)]
    strongest = int((moved[0] - moved[1]).abs().sum(1).argmax())
    preparation = network.preprocess
    assert abs(preparation.times_s(49)[strongest] - 0.5) < 0.02
    assert preparation.n_frames(RATE) == 49
    assert (preparation.step_s, preparation.least_s) == (0.02, 0.025)


def test_patches_of_ast_lie_in_time_where_the_arrangement_says(folders):
    network = hf_audio(name=str(folders["ast"]))
    spectrogram = torch.zeros(1, 96, 32)
    # Frames 40 to 49 of the spectrogram: in patches 3 (30-45) and 4 (40-55) of 9.
    changed = spectrogram.clone()
    changed[:, 40:50] = 1.0
    with torch.inference_mode():
        tokens = [network.module.embeddings(each) for each in (spectrogram, changed)]
    frames = [network.preprocess.frames(each, RATE) for each in tokens]
    moved = (frames[0] - frames[1]).abs().sum(2)[0] > 0
    assert moved.nonzero().flatten().tolist() == [3, 4]


def test_random_weights_come_from_the_seed_and_the_twin_has_the_same_frames(folders):
    network = hf_audio(name=str(folders["wav2vec2"]))
    twin = network.untrained()
    assert (twin.trained, twin.family, twin.untrained) == (False, "untrained", None)
    assert twin.layers == network.layers
    assert twin.n_parameters == network.n_parameters
    again = hf_audio(name=str(folders["wav2vec2"]), weights="random", seed=0)
    assert twin.weights_digest() == again.weights_digest() != network.weights_digest()
    other = hf_audio(name=str(folders["wav2vec2"]), weights="random", seed=1)
    assert other.weights_digest() != twin.weights_digest()


def test_networks_of_sounds_are_built_by_name(folders):
    network = build_network(f"hf-audio:{folders['whisper']}", {"weights": "random", "seed": 2})
    assert (network.name, network.options["seed"]) == ("hf-audio:tiny-whisper-untrained", 2)


def test_what_is_no_network_of_sounds_is_refused(tmp_path, folders):
    with pytest.raises(InputError, match="`name` must be a Hugging Face name or a folder, as in facebook"):
        hf_audio(name="")
    with pytest.raises(MissingDataError, match="holds no config.json"):
        hf_audio(name=str(tmp_path))
    with pytest.raises(InputError, match="`weights` is 'none', which is not known"):
        hf_audio(name=str(folders["ast"]), weights="none")
    bert = tmp_path / "bert"
    config = transformers.BertConfig(**SMALL, vocab_size=20)
    with _hub.quiet():
        transformers.BertModel(config).save_pretrained(bert)
    with pytest.raises(InputError, match="cannot be loaded as a Hugging Face feature extractor of sounds"):
        hf_audio(name=str(bert))
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(bert)
    with pytest.raises(InputError, match=r"'bert' is a BertModel \(bert\), of which alignkit does not know"):
        hf_audio(name=str(bert))
