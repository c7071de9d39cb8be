from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks.dynamics.akorn import akorn, akorn_objects, akorn_uncoupled
from alignkit.networks.dynamics.kuramoto import vectors_of


def test_modes_are_those_of_the_paper():
    classifying, objects = akorn().module, akorn_objects().module
    assert (classifying.n_dims, len(classifying.layers), classifying.k1.n_steps) == (2, 3, 3)
    assert float(classifying.k1.speed.detach().min()) == 1
    assert (objects.n_dims, len(objects.layers), objects.k1.n_steps) == (4, 1, 8)
    assert objects.k1.speed is None


def test_all_images_start_from_one_field_of_unit_vectors_in_evaluation_and_from_their_own_in_training():
    module = akorn().module
    like = torch.zeros(3, 64, 8, 8)
    start = module.start(like)
    torch.testing.assert_close(vectors_of(start, 2).norm(dim=2), torch.ones(3, 32, 8, 8))
    assert torch.equal(start[0], start[2])
    assert torch.equal(module.start(like), start)
    module.train()
    own = module.start(like)
    assert not torch.equal(own[0], own[2])
    assert not torch.equal(module.start(like), own)
    module.eval()
    assert torch.equal(module.start(like), start)


def test_another_seed_starts_elsewhere():
    like = torch.zeros(1, 64, 8, 8)
    assert not torch.equal(akorn().module.start(like), akorn(seed=1).module.start(like))


def test_the_twin_has_the_same_weights_and_only_reads_elsewhere():
    ours, theirs = akorn(), akorn_uncoupled()
    assert ours.weights_digest() == theirs.weights_digest()
    x, c = (torch.randn(1, 64, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    with torch.inference_mode():
        assert torch.equal(theirs.module.k1.pull(x, c), ours.module.k1.pull(c, x))


def test_a_gradient_reaches_every_weight_but_not_the_starts():
    network = akorn(image_size=8, n_channels=8)
    module = network.module.train()
    module(torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    silent = [name for name, each in module.named_parameters() if not float(each.grad.abs().max())]
    assert silent == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "object"}, UnknownNameError, "did you mean 'objects'"),
        ({"coupling": "convolution"}, UnknownNameError, "did you mean 'conv'"),
        ({"interaction": "stimuli"}, UnknownNameError, "did you mean 'stimulus'"),
        ({"image_size": 30}, InputError, "`image_size` must be a multiple of 4, got 30"),
        ({"n_channels": 12}, InputError, "`n_channels` must be a multiple of 8, got 12"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        akorn(**options)
