"""The network and the loss of contrastive embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.embeddings.contrastive import contrastive_loss, population_encoder


def points(seed, n=6, d=3):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d)))


def test_loss_on_the_sphere_is_that_of_a_loop():
    a, b = points(0), points(1)
    x, z = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    s = (x @ z.T / 0.2).numpy()
    one = np.mean([np.log(np.exp(s[i]).sum()) - s[i, i] for i in range(6)])
    two = np.mean([np.log(np.exp(s[:, i]).sum()) - s[i, i] for i in range(6)])
    assert float(contrastive_loss(a, b, temperature=0.2)) == pytest.approx((one + two) / 2, abs=1e-12)


def test_loss_in_the_plain_space_is_that_of_squared_distances():
    a, b = points(0), points(1)
    s = -0.5 * np.square(a.numpy()[:, None] - b.numpy()).sum(2) / 0.7
    one = np.mean([np.log(np.exp(s[i]).sum()) - s[i, i] for i in range(6)])
    two = np.mean([np.log(np.exp(s[:, i]).sum()) - s[i, i] for i in range(6)])
    loss = contrastive_loss(a, b, temperature=0.7, space="plain")
    assert float(loss) == pytest.approx((one + two) / 2, abs=1e-12)


@pytest.mark.parametrize("space", ["sphere", "plain"])
def test_samples_of_one_label_do_not_repel_each_other(space):
    base, moved = points(1), points(1)
    moved[1] += 0.5

    def of_first_two(targets, labels):
        return float(contrastive_loss(points(0)[:2], targets[:2], space=space, labels=labels))

    same = torch.tensor([4, 4])
    assert of_first_two(base, same) == of_first_two(moved, same) == 0.0
    assert of_first_two(base, None) != of_first_two(moved, None)


@pytest.mark.parametrize("window", [1, 3, 7])
def test_points_are_made_of_the_whole_window(window):
    encoder = population_encoder(5, 2, width=16, window_samples=window, space="plain")
    signals = torch.randn(1, 5, window, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (grad,) = torch.autograd.grad(encoder(signals).sum(), signals)
    assert (grad.abs().sum(dim=(0, 1)) > 0).all()


def test_points_on_the_sphere_have_unit_length():
    encoder = population_encoder(5, 3)
    found = encoder(torch.randn(20, 5, 1, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(20))


def test_weights_follow_the_seed_and_leave_torch_as_it_was():
    before = torch.random.get_rng_state()
    one, again, other = (population_encoder(5, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    first = [encoder.state_dict()["layers.1.weight"] for encoder in (one, again, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_sizes_that_make_no_network_are_refused():
    with pytest.raises(InputError, match="`n_dims` must be at least 2 in the space 'sphere', got 1"):
        population_encoder(5, 1)
    with pytest.raises(InputError, match="`window_samples` must be odd and at least 1, got 4"):
        population_encoder(5, 2, window_samples=4)
    with pytest.raises(InputError, match="`width` must be at least 1, got 0"):
        population_encoder(5, 2, width=0)
    with pytest.raises(UnknownNameError, match="`space` is 'spher', did you mean 'sphere'"):
        population_encoder(5, 2, space="spher")
    with pytest.raises(InputError, match=r"shape \(6, 3\), the targets have \(6, 2\)"):
        contrastive_loss(points(0), points(0, d=2))
    with pytest.raises(InputError, match=r"shape \(6, 3\), the targets have \(5, 3\)"):
        contrastive_loss(points(0), points(0, n=5), space="plain")
