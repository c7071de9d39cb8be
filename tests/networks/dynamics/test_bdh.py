from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.dynamics.bdh import DragonHatchling, active_share, rotated
from alignkit.networks.standard._random_weights import seeded


def _model(seed: int = 0, **options) -> DragonHatchling:
    sizes = {"n_dims": 32, "n_heads": 2, "n_neurons": 128, "n_levels": 3}
    model = seeded(lambda: DragonHatchling(**(sizes | options)), seed)
    # Ten times what it starts from, so that what was read before matters as much as after training.
    with torch.no_grad():
        for weights in (model.encoder, model.value_encoder, model.decoder):
            weights *= 10
    return model


def _bytes(n_texts: int, n_tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n_texts, n_tokens), generator=torch.Generator().manual_seed(seed))


def test_the_papers_size_has_the_papers_parameters():
    with torch.device("meta"):
        model = DragonHatchling()
    assert sum(each.numel() for each in model.parameters()) == 25_296_896


@torch.inference_mode()
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("activations", ["positive", "signed"])
def test_reading_at_once_and_byte_by_byte_agree(seed, activations):
    model, texts = _model(seed, activations=activations), _bytes(2, 40, seed)
    at_once = model(texts).logits
    one_by_one, state = model.read(texts)
    scale = float(at_once.abs().max())
    assert float((at_once - one_by_one).abs().max()) < 1e-5 * max(scale, 1)
    assert state.position == 40
    # In two parts, as a conversation is read.
    first, state = model.read(texts[:, :15])
    second, _ = model.read(texts[:, 15:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), one_by_one, rtol=0, atol=1e-6)


@torch.inference_mode()
def test_the_state_is_the_sum_of_what_was_active_by_what_was_read():
    model, texts = _model(), _bytes(1, 9)
    _, state = model.read(texts)
    reading = model(texts, output_hidden_states=True)
    active = reading.hidden_states[1].view(1, 9, 2, 128).transpose(1, 2)
    embedded = reading.hidden_states[0][:, None]
    expected = rotated(active, torch.arange(9)).transpose(2, 3) @ embedded
    torch.testing.assert_close(state.synapses[0], expected, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_the_future_cannot_change_the_past(attention):
    model, texts = _model(attention=attention), _bytes(2, 20)
    changed = texts.clone()
    changed[:, 12] = (changed[:, 12] + 1) % 256
    before, after = model(texts).logits, model(changed).logits
    assert torch.equal(before[:, :12], after[:, :12])
    assert float((before[:, 13:] - after[:, 13:]).abs().max()) > 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("attention", ["linear", "softmax"])
def test_the_first_byte_attends_to_nothing_so_that_all_gates_are_shut(attention):
    hidden = _model(attention=attention)(_bytes(3, 5), output_hidden_states=True).hidden_states
    assert float(hidden[2][:, 0].abs().max()) == 0
    assert float(hidden[2][:, 1].abs().max()) > 0


@torch.inference_mode()
def test_neurons_are_positive_and_signed_in_the_twin_only():
    for activations, is_positive in (("positive", True), ("signed", False)):
        hidden = _model(activations=activations)(_bytes(2, 9), output_hidden_states=True).hidden_states
        for level in range(3):
            for sparse in hidden[1 + 4 * level : 4 + 4 * level]:
                assert (float(sparse.min()) >= 0) == is_positive
            torch.testing.assert_close(hidden[1 + 4 * level] * hidden[2 + 4 * level], hidden[3 + 4 * level])


@torch.inference_mode()
def test_before_training_half_of_the_neurons_are_active_and_a_quarter_of_the_products():
    hidden = _model(n_neurons=512)(_bytes(4, 40), output_hidden_states=True).hidden_states
    assert active_share(hidden[1]) == pytest.approx(0.5, abs=0.05)
    assert active_share(hidden[3]) == pytest.approx(0.25, abs=0.05)


def test_turning_depends_on_the_distance_alone_and_keeps_lengths():
    neurons = torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = neurons

    def product(place: int, distance: int) -> float:
        first = rotated(one, torch.tensor([place]))
        return float((first * rotated(other, torch.tensor([place + distance]))).sum())

    assert product(0, 3) == pytest.approx(product(900, 3), abs=1e-9)
    assert abs(product(0, 3) - product(0, 4)) > 1e-3
    far = rotated(one, torch.tensor([100_000]))
    torch.testing.assert_close(far.norm(), one.norm())


@torch.inference_mode()
def test_the_graph_of_a_head_is_its_decoder_by_its_encoder():
    model = _model()
    expected = model.decoder[128:256] @ model.encoder[1]
    assert torch.equal(model.neuron_graph(1), expected)


@torch.inference_mode()
def test_scores_for_training_are_the_logits_with_classes_second():
    model, texts = _model(), _bytes(2, 7)
    assert torch.equal(model.next_byte_scores(texts), model(texts).logits.transpose(1, 2))


def test_options_out_of_range_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'linear'"):
        _model(attention="linea")
    with pytest.raises(UnknownNameError, match="did you mean 'signed'"):
        _model(activations="sign")
    with pytest.raises(InputError, match="`n_neurons` must be even, .* got 7"):
        _model(n_neurons=7)
    with pytest.raises(InputError, match='only attention="linear" can be read byte by byte, got "softmax"'):
        _model(attention="softmax").read(_bytes(1, 2))
