from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from alignkit._core.errors import InputError
from alignkit.decoders._objective import Batch
from alignkit.decoders.objectives.clip import clip
from alignkit.decoders.objectives.siglip import siglip, sigmoid_loss


def _batch(targets: Tensor, stimuli: Tensor | None = None, groups: Tensor | None = None) -> Batch:
    rows = torch.arange(len(targets))
    stimuli = rows if stimuli is None else stimuli
    return Batch(rows, rows, targets, stimuli, stimuli if groups is None else groups, rows)


def _pair(n_trials: int, n_dims: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_trials, n_dims, generator=generator), torch.randn(
        n_trials, n_dims, generator=generator
    )


def test_it_is_the_sum_over_pairs_by_hand():
    x, z = _pair(3, 4)
    stimuli = torch.tensor([0, 0, 1])
    unit = [each.numpy() / np.linalg.norm(each.numpy(), axis=1, keepdims=True) for each in (x, z)]
    logits = 10 * unit[0] @ unit[1].T - 10
    signs = np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    wanted = np.log1p(np.exp(-signs * logits)).sum() / 3
    assert siglip(4)(x, _batch(z, stimuli)).item() == pytest.approx(wanted, rel=1e-5)


def test_at_the_start_the_loss_hardly_depends_on_the_batch():
    losses = []
    for n_trials in (8, 64, 256):
        x, z = _pair(n_trials)
        losses.append(siglip(64)(x, _batch(z)).item())
        own = 10 - 10 * torch.cosine_similarity(x, z).mean().item()
        assert losses[-1] == pytest.approx(own, abs=0.1)
    assert max(losses) - min(losses) < 0.6
    x, z = _pair(256)
    assert clip(64)(x, _batch(z)).item() - clip(64)(x[:8], _batch(z[:8])).item() > 2


def test_blocks_of_columns_add_up_to_the_whole():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 10, generator=generator, dtype=torch.float64)
    positives = torch.rand(6, 10, generator=generator) < 0.3
    blocks = sum(
        sigmoid_loss(logits[:, cut], positives[:, cut]) for cut in (slice(0, 3), slice(3, 4), slice(4, 10))
    )
    assert float(blocks) == pytest.approx(float(sigmoid_loss(logits, positives)), rel=1e-12)


def test_repeats_are_matches_or_left_out_and_never_pushed_apart():
    stimuli = torch.tensor([0, 0, 1])
    groups = torch.tensor([0, 0, 0])
    for way, sign in (("in", -1), ("ignore", 0), ("negatives", 1)):
        for kwargs, pair in (({"same_stimulus": way}, (0, 1)), ({"same_group": way}, (0, 2))):
            targets = torch.eye(3).requires_grad_()
            siglip(3, **kwargs)(torch.eye(3), _batch(targets, stimuli, groups)).backward()
            assert np.sign(targets.grad[pair[1], pair[0]].item()) == sign


def test_scale_and_bias_are_learned_from_the_papers_start():
    objective = siglip(4)
    assert objective.log_scale.exp().item() == pytest.approx(10) and objective.bias.item() == -10
    objective(*(lambda x, z: (x, _batch(z)))(*_pair(5, 4))).backward()
    assert objective.log_scale.grad != 0 and objective.bias.grad < 0


def test_mixed_precision_stays_finite():
    x, z = _pair(16)
    outputs = (1e3 * x).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = siglip(64, temperature=0.001)(outputs, _batch(z.bfloat16()))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and outputs.grad.isfinite().all()


def _learned(objective, seed: int, batch_size: int) -> float:
    """Return top-1 of 200 unseen stimuli after 300 small batches of distinct stimuli."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    mixing, seen, unseen = draw(32, 48) / 32**0.5, draw(300, 32), draw(200, 32)
    weight = (draw(48, 32) / 48**0.5).requires_grad_()
    optimizer = torch.optim.AdamW([weight, *objective.parameters()], lr=5e-3)
    for _ in range(300):
        ids = torch.randperm(300, generator=generator)[:batch_size]
        loss = objective((seen[ids] @ mixing + draw(batch_size, 48)) @ weight, _batch(seen[ids], ids))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = (unseen @ mixing + draw(200, 48)) @ weight.detach()
    similar = torch.nn.functional.normalize(found, dim=1) @ torch.nn.functional.normalize(unseen, dim=1).T
    return (similar.argmax(1) == torch.arange(200)).float().mean().item()


def test_batches_of_eight_suffice_where_info_nce_suffers():
    assert _learned(siglip(32), 0, 8) > _learned(clip(32), 0, 8) + 0.05


@pytest.mark.slow
def test_batches_of_eight_suffice_where_info_nce_suffers_over_seeds():
    small = {make: [_learned(make(32), seed, 8) for seed in range(5)] for make in (siglip, clip)}
    assert np.mean(small[siglip]) > np.mean(small[clip]) + 0.05
    large = {make: [_learned(make(32), seed, 64) for seed in range(5)] for make in (siglip, clip)}
    assert abs(np.mean(large[siglip]) - np.mean(large[clip])) < 0.03


def test_bad_options_and_batches_are_refused():
    x, z = _pair(3, 4)
    with pytest.raises(InputError, match=r"a batch of 1 trial\(s\) is too small for SigLIP, .* at least 2"):
        siglip(4)(x[:1], _batch(z[:1]))
    with pytest.raises(InputError, match="`temperature` must be above 0 and finite, got -1"):
        siglip(4, temperature=-1.0)
    with pytest.raises(InputError, match="`same_stimulus` is 'positive'"):
        siglip(4, same_stimulus="positive")
    with pytest.raises(InputError, match="1 of 3 training targets are zero throughout"):
        siglip(4).set_target_statistics(np.array([[1.0, 0], [0, 0], [0, 1]]))
