from __future__ import annotations

import pytest
import torch

from alignkit.decoders.brain_networks.subject_layer import SubjectLayer


def test_each_trial_is_multiplied_by_its_subjects_matrix() -> None:
    layer = SubjectLayer(2, 2)
    with torch.no_grad():
        layer.maps[0].copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        layer.maps[1].copy_(torch.tensor([[2.0, 0.0], [1.0, 3.0]]))
    signals = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]).expand(2, -1, -1)
    mapped = layer(signals, torch.tensor([1, 0]))
    assert mapped.tolist() == [[[2.0, 4.0], [10.0, 14.0]], [[3.0, 4.0], [1.0, 2.0]]]


def test_maps_start_so_that_power_is_kept() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layer = SubjectLayer(270, 3)
        signals = torch.randn(6, 270, 50)
    for weight in layer.maps:
        assert weight.std().item() == pytest.approx(270**-0.5, rel=0.02)
    mapped = layer(signals, torch.arange(6) % 3)
    assert mapped.std().item() == pytest.approx(1.0, rel=0.05)


def test_a_subject_that_is_not_in_the_batch_gets_no_gradient() -> None:
    layer = SubjectLayer(3, 3)
    layer(torch.randn(4, 3, 5), torch.tensor([0, 2, 2, 0])).square().sum().backward()
    moved = [bool(weight.grad.abs().sum() > 0) for weight in layer.maps]
    assert moved == [True, False, True]


def test_a_new_subject_starts_at_the_mean_and_alone_can_be_trained() -> None:
    layer = SubjectLayer(3, 2)
    old = [weight.detach().clone() for weight in layer.maps]
    (added,) = layer.add_subject()
    assert torch.equal(added, torch.stack(old).mean(0))
    assert added is layer.maps[2]
    for weight in layer.parameters():
        weight.requires_grad_(weight is added)
    layer(torch.randn(4, 3, 5), torch.tensor([2, 2, 1, 0])).square().sum().backward()
    assert [weight.grad is not None for weight in layer.maps] == [False, False, True]
    assert all(torch.equal(a, b) for a, b in zip(old, layer.maps, strict=False))
