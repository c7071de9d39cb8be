from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from alignkit._core.errors import InputError
from alignkit.decoders._objective import Batch
from alignkit.decoders.objectives.clip import clip
from alignkit.decoders.objectives.contrastive_regression import contrastive_regression


def _batch(targets: Tensor) -> Batch:
    rows = torch.arange(len(targets))
    return Batch(rows, rows, targets, rows, rows, rows)


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("heads", ["mlp", "linear"])
@pytest.mark.parametrize("times", [(), (3,)])
def test_it_is_the_sum_of_its_parts_and_each_part_at_its_limit(heads, times):
    outputs, targets = _draw(10, 8, *times), 5 + 2 * _draw(10, 4, *times, seed=1)
    losses = {}
    for share in (0.0, 0.5, 0.75, 1.0):
        objective = contrastive_regression(4, share=share, heads=heads, n_features=8)
        objective.set_target_statistics(targets)
        losses[share] = objective(outputs, _batch(targets)).item()
    assert losses[0.75] == pytest.approx(0.75 * losses[1.0] + 0.25 * losses[0.0], rel=1e-5)
    contrastive = clip(4)(objective.embed(outputs), _batch(targets)).item()
    assert losses[1.0] == pytest.approx(contrastive, rel=1e-5)
    regressed = (objective.regression_head(outputs.movedim(1, -1)).movedim(-1, 1)).detach().numpy()
    axes = (0, 2) if times else (0,)
    z = targets.numpy()
    wanted = (z - z.mean(axes, keepdims=True)) / z.std(axes, keepdims=True)
    assert losses[0.0] == pytest.approx(((regressed - wanted) ** 2).mean(), rel=1e-4)


def test_a_share_of_zero_or_one_leaves_the_other_head_without_a_gradient_of_its_own():
    outputs, targets = _draw(10, 4), _draw(10, 4, seed=1)
    for share, idle, busy in ((1.0, "regression_head", "contrastive_head"), (0.0,) + HEADS):
        objective = contrastive_regression(4, share=share)
        objective(outputs, _batch(targets)).backward()
        # Zero rather than none: a process of several would wait for a gradient that never comes.
        assert all((p.grad == 0).all() for p in getattr(objective, idle).parameters())
        assert any((p.grad != 0).any() for p in getattr(objective, busy).parameters())


HEADS = ("contrastive_head", "regression_head")


def test_the_regression_head_learns_the_target_where_the_contrastive_head_may_not():
    mixing = _draw(6, 12)
    latent, unseen = _draw(300, 6), _draw(100, 6, seed=3)
    scale = torch.tensor([1.0, 5.0, 0.2, 1.0, 3.0, 1.0])
    targets, wanted = 10 + latent * scale, 10 + unseen * scale
    objective = contrastive_regression(6, heads="linear", n_features=12)
    objective.set_target_statistics(targets)
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-2)
    for _ in range(150):
        loss = objective(latent @ mixing, _batch(targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    errors = {}
    for head in ("regression", "contrastive"):
        objective.retrieve_by = head
        with torch.no_grad():
            found = objective.embed(unseen @ mixing)
        errors[head] = ((found - wanted).square().mean(0) / wanted.var(0)).mean().item()
    assert errors["regression"] < 0.1
    assert errors["contrastive"] > 1


def test_the_same_seed_draws_the_same_heads_and_leaves_torch_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, again, other = (contrastive_regression(4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    states = [torch.cat([p.flatten() for p in each.parameters()]) for each in (first, again, other)]
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def test_mixed_precision_stays_finite():
    objective = contrastive_regression(4, n_features=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(1e3 * _draw(10, 8).bfloat16(), _batch(_draw(10, 4, seed=1)))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert all(p.grad.isfinite().all() for p in objective.parameters())


def test_bad_options_and_batches_are_refused():
    with pytest.raises(InputError, match=r"`share` of the contrastive loss must be in \[0, 1\], got 1.5"):
        contrastive_regression(4, share=1.5)
    with pytest.raises(InputError, match="`n_features` must be at least 1, got 0"):
        contrastive_regression(4, n_features=0)
    with pytest.raises(InputError, match="`heads` is 'mlps', did you mean 'mlp'"):
        contrastive_regression(4, heads="mlps")
    with pytest.raises(InputError, match="`retrieve_by` is 'clip'"):
        contrastive_regression(4, retrieve_by="clip")
    objective = contrastive_regression(4)
    with pytest.raises(InputError, match=r"a batch of 1 trial\(s\) is too small .* at least 2"):
        objective(torch.zeros(1, 4), _batch(torch.zeros(1, 4)))
    with pytest.raises(InputError, match="1 of 2 training targets are zero throughout"):
        objective.set_target_statistics(np.array([[0.0] * 4, [1.0] * 4], np.float32))
