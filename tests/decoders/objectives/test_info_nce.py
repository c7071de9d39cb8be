from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from alignkit._core.errors import InputError
from alignkit.decoders.objectives.info_nce import (
    info_nce,
    nce_of,
    positives_of,
    similarities,
    treated,
)

BOTH_WAYS = ("predicted_to_target", "target_to_predicted", "symmetric")


def _golden() -> tuple[Tensor, Tensor]:
    random = np.random.RandomState(3)
    a = random.randn(6, 5)
    return torch.tensor(a), torch.tensor(a + 0.5 * random.randn(6, 5))


def _random(n_trials: int = 7, shape: tuple[int, ...] = (5,), seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_trials, *shape, generator=generator, dtype=torch.float64)
    return x, x + torch.randn(n_trials, *shape, generator=generator, dtype=torch.float64)


def _repeats() -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs of nine trials of four stimuli, targets that repeats share, and which are repeats."""
    generator = torch.Generator().manual_seed(5)
    stimuli = torch.tensor([0, 1, 2, 3, 0, 0, 1, 2, 0])
    targets = torch.randn(4, 6, generator=generator, dtype=torch.float64)[stimuli]
    outputs = torch.randn(9, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    return outputs, targets, positives_of(stimuli, stimuli)[0]


@pytest.mark.parametrize(
    ("temperature", "direction", "wanted"),
    [
        (1.0, "predicted_to_target", 1.22276756),
        (1.0, "target_to_predicted", 1.22623718),
        (0.07, "predicted_to_target", 0.38339674),
        (0.07, "target_to_predicted", 0.38319497),
    ],
)
def test_the_golden_values_of_cosines_come_out(temperature, direction, wanted):
    assert info_nce(*_golden(), temperature=temperature, direction=direction) == pytest.approx(
        wanted, abs=1e-6
    )


def test_the_golden_value_of_the_one_sided_convention_comes_out():
    loss = info_nce(*_golden(), normalize="targets", direction="predicted_to_target")
    assert loss == pytest.approx(0.88547736, abs=1e-6)


def test_it_is_the_cross_entropy_of_the_similarities_with_each_its_own_class():
    x, z = _random()
    logits = normalize(x, dim=1) @ normalize(z, dim=1).T / 0.3
    own = torch.arange(7)
    ways = (cross_entropy(logits, own), cross_entropy(logits.T, own))
    losses = [info_nce(x, z, temperature=0.3, direction=direction).item() for direction in BOTH_WAYS]
    np.testing.assert_allclose(losses, [*map(float, ways), float(sum(ways)) / 2], rtol=1e-12)


def test_equal_similarities_give_the_logarithm_of_the_number_of_trials():
    x = torch.ones(8, 3)
    assert info_nce(x, x) == pytest.approx(np.log(8), abs=1e-6)


def test_time_is_taken_together_with_channels():
    x, z = _random(shape=(4, 3))
    assert info_nce(x, z) == pytest.approx(float(info_nce(x.flatten(1), z.flatten(1))), rel=1e-12)


@pytest.mark.parametrize("repeats", ["ignore", "in", "out", "negatives"])
def test_without_any_repeat_every_form_is_the_plain_one(repeats):
    x, z = _random()
    nobody = torch.zeros(7, 7, dtype=torch.bool)
    for mask in (nobody, torch.eye(7, dtype=torch.bool)):
        assert info_nce(x, z, positives=mask, repeats=repeats) == pytest.approx(
            float(info_nce(x, z)), rel=1e-12
        )


def test_a_mean_outside_of_the_logarithm_changes_nothing_when_repeats_share_their_target():
    outputs, targets, mask = _repeats()
    plain = info_nce(outputs, targets, temperature=0.2)
    outside = info_nce(outputs, targets, temperature=0.2, positives=mask, repeats="out")
    assert outside.item() == pytest.approx(plain.item(), rel=1e-12)
    gradients = [torch.autograd.grad(loss, outputs)[0] for loss in (plain, outside)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-13)
    for other in ("ignore", "in"):
        loss = info_nce(outputs, targets, temperature=0.2, positives=mask, repeats=other)
        assert loss.item() < plain.item() - 0.1


def test_targets_of_their_own_make_the_mean_outside_differ():
    x, z = _random()
    mask = torch.zeros(7, 7, dtype=torch.bool)
    mask[0, 1] = mask[1, 0] = True
    assert abs(info_nce(x, z, positives=mask, repeats="out").item() - info_nce(x, z).item()) > 0.01


def test_ignored_repeats_are_as_if_they_were_not_in_the_batch():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[0, 1] = ignored[1, 0] = True
    by_hand = [
        cross_entropy(logits[row][kept][None], torch.tensor([place])).item()
        for row, kept, place in ((0, [0, 2, 3], 0), (1, [1, 2, 3], 0), (2, [0, 1, 2, 3], 2), (3, range(4), 3))
        for kept in [list(kept)]
    ]
    loss = nce_of(logits, ignored=ignored, direction="predicted_to_target")
    assert loss.item() == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_positives_inside_are_summed_before_the_logarithm():
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    positives = torch.zeros(3, 3, dtype=torch.bool)
    positives[0, 1] = True
    e = np.exp(logits.numpy())
    shares = [(e[0, 0] + e[0, 1]) / e[0].sum(), e[1, 1] / e[1].sum(), e[2, 2] / e[2].sum()]
    loss = nce_of(logits, positives=positives, direction="predicted_to_target")
    assert loss.item() == pytest.approx(-np.log(shares).mean(), rel=1e-12)


def test_an_ignored_repeat_is_neither_pushed_away_nor_pulled_together():
    outputs, targets, mask = _repeats()
    logits = similarities(outputs.detach(), targets).requires_grad_()
    nce_of(logits, ignored=mask).backward()
    assert (logits.grad[mask] == 0).all()
    plain = similarities(outputs.detach(), targets).requires_grad_()
    nce_of(plain).backward()
    assert (plain.grad[mask] > 0).all()


@pytest.mark.parametrize("direction", BOTH_WAYS)
def test_a_number_added_to_all_logits_changes_nothing(direction):
    x, z = _random()
    logits = similarities(x, z)
    mask = positives_of(torch.tensor([0, 0, 1, 2, 3, 3, 3]), torch.zeros(7))[0]
    for more in ({}, {"positives": mask}, {"ignored": mask}, {"positives": mask, "mean_outside": True}):
        losses = [nce_of(logits + shift, direction=direction, **more).item() for shift in (0.0, 300.0)]
        assert losses[1] == pytest.approx(losses[0], abs=1e-11)


def test_scale_is_lost_by_normalising_and_by_nothing_else():
    x, z = _random()
    assert info_nce(3 * x, 5 * z).item() == pytest.approx(info_nce(x, z).item(), rel=1e-12)
    one = info_nce(x, z, normalize="targets").item()
    assert info_nce(x, 5 * z, normalize="targets").item() == pytest.approx(one, rel=1e-12)
    assert abs(info_nce(3 * x, z, normalize="targets").item() - one) > 0.05
    assert abs(info_nce(x, 5 * z, normalize="none").item() - info_nce(x, z, normalize="none").item()) > 0.1


def test_the_order_of_trials_does_not_matter_but_their_pairing_does():
    x, z = _random()
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    assert info_nce(x[order], z[order]).item() == pytest.approx(info_nce(x, z).item(), rel=1e-12)
    assert info_nce(x[order], z).item() > info_nce(x, z).item() + 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite_at_the_sharpest_temperature(dtype):
    x, z = _random(32, (64,))
    # Each with the target of its neighbour, so that the loss is far from 0.
    x, z = (100 * x).to(dtype).requires_grad_(), (100 * z).roll(1, 0).to(dtype)
    loss = info_nce(x, z, temperature=0.01)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and x.grad.isfinite().all()
    reference = info_nce(x.double(), z.double(), temperature=0.01).item()
    assert loss.item() == pytest.approx(reference, rel=1e-4)


def test_autocast_does_not_round_the_similarities():
    x, z = (each.float() for each in _random(32, (64,)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = info_nce(x, z, temperature=0.01)
    assert inside.item() == info_nce(x, z, temperature=0.01).item()


def test_a_row_of_zeros_is_similar_to_nothing_and_has_no_gradient():
    x, z = _random()
    x = x.clone()
    x[2] = 0
    z[4] = 0
    x.requires_grad_()
    similar = similarities(x, z)
    assert (similar[2] == 0).all() and (similar[:, 4] == 0).all()
    info_nce(x, z).backward()
    assert (x.grad[2] == 0).all() and x.grad.isfinite().all() and (x.grad[0] != 0).any()


@pytest.mark.parametrize("size", [1e-25, 1e-15, 1e15, 1e25, 3e37])
def test_embeddings_of_any_size_have_the_loss_of_their_directions_and_finite_gradients(size):
    x, z = (each.float() for each in _random())
    plain = info_nce(x, z, temperature=0.1)
    for left, right in ((size, 1.0), (1.0, size), (size, size), (size, min(max(1 / size, 1e-25), 1e25))):
        a, b = (left * x).requires_grad_(), (right * z).requires_grad_()
        loss = info_nce(a, b, temperature=0.1)
        loss.backward()
        assert loss.item() == pytest.approx(plain.item(), rel=1e-4)
        assert a.grad.isfinite().all() and b.grad.isfinite().all()
        assert (a.grad != 0).any() or size > 1e30


def test_one_huge_row_does_not_spoil_the_others():
    x, z = (each.float() for each in _random())
    plain = similarities(x, z)
    torch.testing.assert_close(similarities(x * torch.tensor([1e30, 1, 1, 1, 1, 1, 1])[:, None], z), plain)


def test_numbers_too_small_for_a_gradient_count_as_zeros():
    x, z = (each.float() for each in _random())
    x = x.clone()
    x[2] *= 1e-36
    x.requires_grad_()
    assert (similarities(x, z)[2] == 0).all()
    info_nce(x, z, temperature=0.01).backward()
    assert (x.grad[2] == 0).all() and x.grad.isfinite().all()


def test_a_batch_of_one_stimulus_teaches_nothing_when_repeats_are_ignored():
    x, z = _random(3)
    everyone = torch.ones(3, 3, dtype=torch.bool)
    assert info_nce(x, z, positives=everyone).item() == 0


def test_gradients_agree_with_finite_differences():
    x, z = _random(4)
    mask = positives_of(torch.tensor([0, 0, 1, 2]), torch.zeros(4))[0]
    for repeats in ("ignore", "in", "out"):
        assert torch.autograd.gradcheck(
            lambda a, b, how=repeats: info_nce(a, b, temperature=0.5, positives=mask, repeats=how),
            (x.requires_grad_(), z.requires_grad_()),
        )


def test_treatments_sort_pairs_into_positives_and_ignored():
    stimuli, groups = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 0, 1])
    same, near = positives_of(stimuli, groups)
    positives, ignored = treated(stimuli, groups, same_stimulus="ignore", same_group="in")
    assert torch.equal(positives, near) and torch.equal(ignored, same)
    positives, ignored = treated(stimuli, groups, same_stimulus="in", same_group="in")
    assert torch.equal(positives, same | near) and not ignored.any()
    positives, ignored = treated(stimuli, groups, same_stimulus="negatives", same_group="negatives")
    assert not positives.any() and not ignored.any()


def test_inputs_are_not_changed():
    x, z = _random()
    before = x.clone(), z.clone()
    info_nce(x, z, positives=torch.eye(7, dtype=torch.bool))
    assert torch.equal(x, before[0]) and torch.equal(z, before[1])


def test_what_cannot_be_compared_is_refused():
    x, z = _random()
    with pytest.raises(InputError, match=r"a batch of 1 trial\(s\) is too small for InfoNCE, .* at least 2"):
        info_nce(x[:1], z[:1])
    with pytest.raises(InputError, match=r"shape \(7, 5\), the targets have \(7, 4\)"):
        info_nce(x, z[:, :4])
    with pytest.raises(InputError, match="`normalize` is 'all', which is not known. Known: both, none"):
        info_nce(x, z, normalize="all")
    with pytest.raises(InputError, match="`direction` is 'symmetrical', did you mean 'symmetric'"):
        info_nce(x, z, direction="symmetrical")
    with pytest.raises(InputError, match="`repeats` is 'ignored', did you mean 'ignore'"):
        info_nce(x, z, repeats="ignored")
