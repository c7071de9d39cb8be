from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from alignkit._core.errors import InputError
from alignkit.decoders._objective import Batch, Objective
from alignkit.decoders.objectives.clip import clip, one_sided_clip
from alignkit.decoders.objectives.info_nce import info_nce, positives_of


def batch_of(targets: Tensor, stimuli: Tensor | None = None, groups: Tensor | None = None) -> Batch:
    rows = torch.arange(len(targets))
    stimuli = rows if stimuli is None else stimuli
    return Batch(rows, rows, targets, stimuli, stimuli if groups is None else groups, rows)


def _pair(n_trials: int = 8, shape: tuple[int, ...] = (5,)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n_trials, *shape, generator=generator), torch.randn(
        n_trials, *shape, generator=generator
    )


def retrieval_after_training(
    objective: Objective, *, seed: int, batch_size: int, n_stimuli: int, shuffled: bool = False
) -> float:
    """Return top-1 of 200 unseen stimuli after a linear map from noisy sensors has learned from 100 batches.

    Every batch holds `batch_size` trials of `n_stimuli` stimuli.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    mixing = draw(32, 48) / 32**0.5
    embeddings, unseen = draw(300, 32), draw(200, 32)
    partner = torch.randperm(300, generator=generator) if shuffled else torch.arange(300)
    network = torch.nn.Linear(48, 32)
    with torch.no_grad():
        network.weight.copy_(draw(32, 48) / 48**0.5)
        network.bias.zero_()
    optimizer = torch.optim.AdamW([*network.parameters(), *objective.parameters()], lr=5e-3)
    for _ in range(100):
        some = torch.randperm(300, generator=generator)[:n_stimuli]
        ids = some[torch.arange(batch_size) % n_stimuli]
        sensors = embeddings[partner[ids]] @ mixing + draw(batch_size, 48)
        loss = objective(network(sensors), batch_of(embeddings[ids], ids))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = objective.embed(network(unseen @ mixing + draw(200, 48)))
        similar = normalize(found, dim=1) @ normalize(unseen, dim=1).T
    return (similar.argmax(1) == torch.arange(200)).float().mean().item()


@pytest.mark.parametrize("shape", [(5,), (5, 3)])
def test_it_is_info_nce_at_its_temperature(shape):
    x, z = _pair(shape=shape)
    assert clip(5)(x, batch_of(z)).item() == pytest.approx(info_nce(x, z, temperature=0.07).item(), rel=1e-5)


def test_the_one_sided_preset_is_the_convention_of_speech_decoding():
    x, z = _pair(shape=(5, 4))
    objective = one_sided_clip(5)
    wanted = info_nce(x, z, normalize="targets", direction="predicted_to_target")
    assert objective(x, batch_of(z)).item() == pytest.approx(wanted.item(), rel=1e-6)
    assert not list(objective.parameters())


def test_repeats_are_left_out_and_near_duplicates_are_positives():
    x, z = _pair()
    stimuli = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6])
    groups = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4])
    same, near = positives_of(stimuli, groups)
    batch = batch_of(z, stimuli, groups)
    for kwargs, mask, repeats in (
        ({"same_stimulus": "ignore", "same_group": "negatives"}, same, "ignore"),
        ({"same_stimulus": "ignore", "same_group": "ignore"}, same | near, "ignore"),
        ({"same_stimulus": "in", "same_group": "in"}, same | near, "in"),
        ({"same_stimulus": "negatives", "same_group": "negatives"}, None, "ignore"),
    ):
        wanted = info_nce(x, z, temperature=0.07, positives=mask, repeats=repeats)
        assert clip(5, **kwargs)(x, batch).item() == pytest.approx(wanted.item(), rel=1e-5)
    both = clip(5)(x, batch).item()
    for stimulus in ("in", "negatives"):
        assert abs(clip(5, same_stimulus=stimulus)(x, batch).item() - both) > 1e-3


def test_no_repeat_or_near_duplicate_is_pushed_away():
    stimuli, groups = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 0, 1])
    outputs = torch.zeros(4, 4)
    outputs[0, 0], outputs[1, 1], outputs[2, 2], outputs[3, 3] = 1, 1, 1, 1
    targets = torch.eye(4).requires_grad_()
    clip(4)(outputs, batch_of(targets, stimuli, groups)).backward()
    # The target of trial 1 (the same stimulus) or 2 (its near-duplicate) may come near output 0 at no cost.
    assert targets.grad[1, 0] <= 0 and targets.grad[2, 0] <= 0
    assert targets.grad[3, 0] > 0


def test_the_learned_temperature_stops_at_a_hundredth_and_comes_back():
    objective = clip(5)
    optimizer = torch.optim.SGD(objective.parameters(), lr=1e4)
    x, _ = _pair()
    for _ in range(3):
        loss = objective(x, batch_of(x + 0.01 * torch.flip(x, (0,))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert objective.scale().item() <= 100 * (1 + 1e-6)
    with torch.no_grad():
        objective.log_scale.fill_(10.0)
    loss = objective(*(lambda a, b: (a, batch_of(b)))(*_pair()))
    optimizer.zero_grad()
    loss.backward()
    assert objective.scale().item() == pytest.approx(100, rel=1e-5)
    assert objective.log_scale.grad > 0


def test_a_fixed_temperature_is_no_parameter_but_is_kept():
    objective = clip(5, temperature=0.2, learn_temperature=False)
    assert not list(objective.parameters())
    other = clip(5, temperature=0.5, learn_temperature=False)
    other.load_state_dict(objective.state_dict())
    assert other.scale().item() == pytest.approx(5)


def test_repeats_as_negatives_cost_retrieval():
    ignored, plain = (
        np.mean(
            [
                retrieval_after_training(clip(32, same_stimulus=way), seed=seed, batch_size=64, n_stimuli=12)
                for seed in (0, 1)
            ]
        )
        for way in ("ignore", "negatives")
    )
    assert ignored - plain >= 0.04


def test_a_shuffled_pairing_stays_at_chance():
    top1 = retrieval_after_training(clip(32), seed=0, batch_size=64, n_stimuli=64, shuffled=True)
    # Chance is .005 of 200; four are .02.
    assert top1 <= 0.02


@pytest.mark.slow
def test_repeats_as_negatives_cost_retrieval_over_seeds():
    ways = {
        way: [
            retrieval_after_training(clip(32, same_stimulus=way), seed=seed, batch_size=64, n_stimuli=12)
            for seed in range(8)
        ]
        for way in ("ignore", "negatives")
    }
    differences = np.subtract(ways["ignore"], ways["negatives"])
    assert differences.mean() >= 0.04 and (differences > 0).all()


def test_mixed_precision_gives_finite_gradients():
    network = torch.nn.Linear(6, 5)
    objective = clip(5, temperature=0.01)
    x = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = network(x)
        assert outputs.dtype == torch.bfloat16
        loss = objective(outputs, batch_of(outputs.detach().float().roll(1, 0)))
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in (*network.parameters(), *objective.parameters()))


def test_targets_without_a_direction_are_refused_before_training():
    values = np.ones((4, 3), np.float32)
    values[[1, 3]] = 0
    clip(3).set_target_statistics(values[[0, 2]])
    clip(3, normalize="none").set_target_statistics(values)
    for given in (values, torch.from_numpy(values)):
        with pytest.raises(InputError, match="2 of 4 training targets are zero throughout"):
            clip(3).set_target_statistics(given)


def test_bad_options_and_batches_are_refused():
    with pytest.raises(InputError, match="`n_dims` must be at least 1, got 0"):
        clip(0)
    with pytest.raises(InputError, match="`temperature` must be at least 0.01 and finite, got 0.001"):
        clip(5, temperature=0.001)
    with pytest.raises(InputError, match="`temperature` must be above 0 and finite, got nan"):
        clip(5, temperature=math.nan, learn_temperature=False)
    with pytest.raises(InputError, match="`same_stimulus` is 'out', which is not known. Known: ignore, in"):
        clip(5, same_stimulus="out")
    with pytest.raises(InputError, match="`same_group` is 'negative', did you mean 'negatives'"):
        clip(5, same_group="negative")
    x, z = _pair()
    with pytest.raises(InputError, match=r"a batch of 1 trial\(s\) is too small .* wants at least 2"):
        clip(5)(x[:1], batch_of(z[:1]))
    with pytest.raises(InputError, match=r"shape \(8, 4\), the targets have \(8, 5\)"):
        clip(5)(x[:, :4], batch_of(z))
