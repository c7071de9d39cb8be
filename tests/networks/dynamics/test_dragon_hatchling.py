from __future__ import annotations

from pydoc_data.topics import topics

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.features.words import text_features, word_features
from alignkit.networks.dynamics._bytes import byte_windows
from alignkit.networks.dynamics.dragon_hatchling import RECIPE, dragon_hatchling

# English prose that comes with every Python.
TEXT = "\n".join(topics[name] for name in sorted(topics))
WORDS = "it was a dark and stormy night".split()


def _trained(
    seed: int, n_steps: int, *, n_windows: int, length: int, lr: float, **options
) -> tuple[float, dict[str, float]]:
    """Return the last loss, and which share of neurons is active on text of the same kind."""
    model = dragon_hatchling(seed=seed, **options)
    module = model.module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr, weight_decay=RECIPE.weight_decay)
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        # Dropout draws from torch's own generator.
        torch.manual_seed(seed)
        for _ in range(n_steps):
            inputs, targets = byte_windows(TEXT, n_windows=n_windows, length=length, random_state=generator)
            loss = nn.functional.cross_entropy(module.next_byte_scores(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    module.eval()
    inputs, _ = byte_windows(TEXT, n_windows=8, length=length, random_state=generator)
    with torch.inference_mode():
        hidden = module(inputs, output_hidden_states=True).hidden_states
    shares = {
        tap: float(np.mean([(hidden[model.layers.index(layer)] != 0).float().mean() for layer in layers]))
        for tap in ("x_sparse", "y_sparse", "xy")
        if (layers := [layer for layer in model.layers if layer.endswith(f".{tap}")])
    }
    return float(loss.detach()), shares


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_activity_becomes_sparse_as_text_is_learned(seed):
    loss, shares = _trained(seed, 200, n_windows=8, length=64, lr=RECIPE.lr)
    assert loss < 3.0
    assert shares["x_sparse"] < 0.35
    assert shares["xy"] < 0.15


@pytest.mark.slow
def test_activity_of_the_signed_twin_does_not_become_sparse():
    _, shares = _trained(0, 40, n_windows=8, length=64, lr=RECIPE.lr, activations="signed")
    assert min(shares.values()) > 0.9


def test_word_features_come_from_bytes_of_the_last_word():
    model = dragon_hatchling(n_dims=16, n_heads=2, n_neurons=32, n_levels=2)
    features = word_features(WORDS, model, window_words=3, device="cpu")
    assert list(features) == list(model.layers)
    assert features["level2.xy"].shape == (7, 64)
    assert features["level2"].shape == (7, 16)
    tokens = model.tokenizer(["and stormy night"], return_tensors="pt")
    with torch.inference_mode():
        hidden = model.module(tokens["input_ids"], output_hidden_states=True).hidden_states
    expected = hidden[model.layers.index("level2.xy")][0, -5:].mean(0)
    np.testing.assert_allclose(features["level2.xy"][-1], expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(features["sentence"], axis=1), 1, rtol=1e-5)


def test_features_do_not_depend_on_the_padding():
    model = dragon_hatchling(n_dims=16, n_heads=2, n_neurons=32, n_levels=2)
    together = text_features(["short", "a much longer text, naïve"], model, device="cpu")
    alone = text_features(["short"], model, device="cpu")
    for layer, values in alone.items():
        np.testing.assert_allclose(together[layer][:1], values, rtol=1e-4, atol=1e-6)


def test_neurons_can_be_left_out_of_the_layers():
    model = dragon_hatchling(sparse_layers=False, n_dims=16, n_neurons=32)
    assert model.layers == ("embedding", "level1", "level2", "level3", "sentence")
    features = text_features(["a text"], model, device="cpu")
    full = dragon_hatchling(n_dims=16, n_neurons=32)
    np.testing.assert_array_equal(features["level2"], text_features(["a text"], full, device="cpu")["level2"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="`n_levels` must be at least 1, got 0"):
        dragon_hatchling(n_levels=0)
    model = dragon_hatchling(n_dims=16, n_neurons=32, max_tokens=5)
    with pytest.raises(InputError, match="at most 5 tokens, got one of 6"):
        text_features(["abcdef"], model, device="cpu")
