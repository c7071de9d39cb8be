from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks import build_network
from alignkit.networks.standard.matched_cnn import PlainCnn, widths_for


def _n_parameters(widths: tuple[int, ...]) -> int:
    # A convolution without a bias and two numbers per map of its batch norm.
    return sum(9 * n_in * n_out + 2 * n_out for n_in, n_out in pairwise((3, *widths)))


def test_the_count_is_that_of_the_module():
    widths = widths_for(4321)
    assert sum(p.numel() for p in PlainCnn(widths).parameters()) == _n_parameters(widths)


@given(st.integers(500, 2_000_000_000))
@settings(deadline=None, max_examples=50)
def test_any_number_of_parameters_is_met_within_two_percent(n_parameters):
    assert abs(_n_parameters(widths_for(n_parameters)) / n_parameters - 1) < 0.02


@pytest.mark.parametrize("n_parameters", [500, 650, 2_071_656, 21_665_664, 86_000_000])
def test_stages_widen_and_none_is_empty(n_parameters):
    widths = widths_for(n_parameters)
    assert min(widths) >= 1
    assert list(widths[:4]) == sorted(widths[:4])
    assert widths[-1] >= widths[0]


def test_it_is_built_of_nothing_but_plain_operations():
    network = build_network("matched-cnn", {"n_parameters": 5000, "image_size": 64})
    leaves = {type(m) for m in network.module.modules() if not list(m.children())}
    assert leaves == {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d}
    assert network.options == {"n_parameters": 5000, "image_size": 64, "seed": 0}


def test_stages_halve_the_image_and_their_signal_neither_fades_nor_grows():
    network = build_network("matched-cnn", {"n_parameters": 100_000, "image_size": 64})
    heard: list[torch.Tensor] = []
    for name in network.layers:
        network.module.get_submodule(name).register_forward_hook(lambda m, i, o: heard.append(o))
    with torch.inference_mode():
        network.module(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert [each.shape[-1] for each in heard] == [32, 16, 8, 4, 2]
    assert all(0.2 < float(each.std()) < 5 for each in heard)


def test_seeds_decide_the_weights_and_the_image_size_does_not():
    digests = [
        build_network(
            "matched-cnn", {"n_parameters": 5000, "image_size": size, "seed": seed}
        ).weights_digest()
        for size, seed in ((64, 0), (96, 0), (64, 1))
    ]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_parameters": 499}, "`n_parameters` must be between 500 and 2000000000, got 499"),
        ({"image_size": 16}, "`image_size` must be at least 32, got 16"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_network("matched-cnn", options)
