from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks import build_network
from alignkit.networks.spiking.lif import LIF
from alignkit.networks.spiking.membrane_norm import MembraneNorm, fold_thresholds

N_CHANNELS = 64


def _neurons(seed: int, *, dtype: torch.dtype = torch.float32) -> LIF:
    generator = torch.Generator().manual_seed(seed)
    norm = MembraneNorm(N_CHANNELS)
    inner = norm.batch_norm
    with torch.no_grad():
        inner.weight.normal_(0.5, 0.6, generator=generator)
        inner.bias.normal_(0, 0.5, generator=generator)
        inner.running_mean.normal_(0, 1, generator=generator)
        inner.running_var.uniform_(0.2, 3, generator=generator)
    return LIF(decay=0.25, threshold=0.5, norm=norm).to(dtype).eval()


def _spikes(neurons: LIF, currents: torch.Tensor) -> torch.Tensor:
    state, spikes = None, []
    with torch.no_grad():
        for current in currents:
            fired, state = neurons(current, state)
            spikes.append(fired)
    return torch.stack(spikes)


def _currents(seed: int, n: int = 1000, *, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 + seed)
    return 2 * torch.randn(5, n, N_CHANNELS, generator=generator, dtype=dtype)


@pytest.mark.parametrize("seed", range(5))
def test_folded_thresholds_give_identical_spikes_and_those_without_the_flip_do_not(seed):
    neurons, currents = _neurons(seed), _currents(seed)
    assert int((neurons.norm.batch_norm.weight < 0).sum()) >= 2
    before = _spikes(neurons, currents)
    folded = fold_thresholds(neurons)
    assert folded.norm is None
    assert torch.equal(_spikes(folded, currents), before)
    wrong = (_spikes(fold_thresholds(neurons, flip=False), currents) != before).float().mean()
    assert float(wrong) > 0.02


def test_the_fold_is_exact_at_the_last_float_on_either_side():
    neurons = _neurons(0)
    threshold = fold_thresholds(neurons).threshold
    near = threshold.clone()
    steps = [near]
    for _ in range(3):
        steps.append(torch.nextafter(steps[-1], torch.tensor(torch.inf)))
    for _ in range(3):
        near = torch.nextafter(near, torch.tensor(-torch.inf))
        steps.append(near)
    currents = torch.stack(steps)[None]
    assert torch.equal(_spikes(fold_thresholds(neurons), currents), _spikes(neurons, currents))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_threshold_is_the_closed_form(dtype, tolerance):
    neurons = _neurons(3, dtype=dtype)
    inner = neurons.norm.batch_norm
    root = (inner.running_var + inner.eps).sqrt()
    closed = (0.5 - inner.bias) * root / inner.weight + inner.running_mean
    folded = fold_thresholds(neurons)
    torch.testing.assert_close(folded.threshold, closed.detach(), rtol=tolerance, atol=tolerance)
    assert torch.equal(folded.sign, inner.weight.sign())


def test_a_channel_of_no_weight_fires_always_or_never():
    neurons = _neurons(0)
    with torch.no_grad():
        neurons.norm.batch_norm.weight[:2] = 0
        neurons.norm.batch_norm.bias[:2] = torch.tensor([0.6, 0.4])
    folded, currents = fold_thresholds(neurons), _currents(0, 50)
    assert folded.threshold[:2].tolist() == [-torch.inf, torch.inf]
    assert torch.equal(_spikes(folded, currents), _spikes(neurons, currents))


def test_evaluation_agrees_with_batch_norm_and_training_is_batch_norm():
    norm, membrane = _neurons(2).norm, _currents(2, 30)[0].view(30, N_CHANNELS, 1, 1).expand(-1, -1, 3, 2)
    torch.testing.assert_close(norm(membrane), norm.batch_norm(membrane.flatten(2)).view_as(membrane))
    peer = nn.BatchNorm2d(N_CHANNELS)
    peer.load_state_dict(norm.batch_norm.state_dict())
    torch.testing.assert_close(norm.train()(membrane), peer.train()(membrane))
    torch.testing.assert_close(norm.batch_norm.running_var, peer.running_var)


@pytest.mark.parametrize("seed", range(2))
def test_a_whole_network_folds_with_identical_scores_and_is_left_as_it_was(seed):
    network = build_network("spiking-conv-mpbn", {"image_size": 16, "widths": [8, 8, 8], "seed": seed})
    with torch.no_grad():
        for name, parameter in network.module.named_parameters():
            if "norm.batch_norm.weight" in name:
                parameter[::2] *= -1
    images = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    digest = network.weights_digest()
    folded = fold_thresholds(network.module)
    with torch.inference_mode():
        scores = network.module(images)
        assert torch.equal(folded(images), scores)
        assert not torch.equal(fold_thresholds(network.module, flip=False)(images), scores)
    assert network.weights_digest() == digest
    assert "conv1.membrane.norm" not in dict(folded.named_modules())


def test_what_cannot_be_folded_is_refused():
    with pytest.raises(InputError, match="got a module in training; call `eval"):
        fold_thresholds(_neurons(0).train())
    with pytest.raises(InputError, match="at least one `MembraneNorm`, got one without"):
        fold_thresholds(LIF().eval())
    with pytest.raises(InputError, match="float32 or float64 weights, got torch.bfloat16"):
        fold_thresholds(_neurons(0).to(torch.bfloat16))
    neurons = LIF(norm=MembraneNorm(2)).eval()
    neurons.norm.batch_norm.running_mean = None
    with pytest.raises(InputError, match="keeps no running statistics"):
        fold_thresholds(neurons)
