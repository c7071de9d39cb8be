from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import procedural_images
from alignkit.networks.dynamics.reservoir import ei_reservoir, ei_reservoir_global, ei_reservoir_untrained


@pytest.fixture(scope="module")
def network():
    return ei_reservoir(image_size=8, n_neurons=200)


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    images = torch.from_numpy(digits.images / 16).float()[:, None].expand(-1, 3, -1, -1)
    return images, torch.from_numpy(digits.target)


def test_twins_differ_in_inhibition_only_and_the_global_one_by_one_factor(network):
    states = {
        each.name: each.module.state_dict()
        for each in (
            network,
            ei_reservoir_global(image_size=8, n_neurons=200),
            ei_reservoir_untrained(image_size=8, n_neurons=200),
        )
    }
    raw = states["ei-reservoir-untrained"]
    for state in states.values():
        differing = {name for name in raw if not torch.equal(raw[name], state[name])}
        assert differing <= {"res.inhibition"}
    exists = raw["res.inhibition"] > 0
    factors = states["ei-reservoir-global"]["res.inhibition"][exists] / raw["res.inhibition"][exists]
    torch.testing.assert_close(factors, factors[:1].expand_as(factors))
    own = states["ei-reservoir"]["res.inhibition"][exists] / raw["res.inhibition"][exists]
    assert float(own.std()) > 0.1


def test_rows_of_procedural_images_meet_the_target_rate_better_after_adaptation(network):
    images = (
        torch.from_numpy(procedural_images(60, size=8, random_state=99) / 255).float().permute(0, 3, 1, 2)
    )
    with torch.inference_mode():
        errors = [
            float((each.module.res(each.module.rows(images)).mean((0, 1)) - 0.4).abs().mean())
            for each in (network, network.matched(), network.untrained())
        ]
    assert errors[0] < 0.05
    assert errors[0] < min(errors[1:]) / 1.5


def test_the_ridge_readout_is_scikit_learns_and_reads_digits(network):
    module = network.module
    images, labels = _digits()
    module.fit_readout(images[:1400], labels[:1400], alpha=1e-3)
    with torch.inference_mode():
        scores = module(images[1400:])
        rates = module.summary(images).double().numpy()
    peer = Ridge(alpha=1e-3, solver="svd").fit(
        rates[:1400], torch.nn.functional.one_hot(labels[:1400]).numpy()
    )
    torch.testing.assert_close(
        scores.double(), torch.from_numpy(peer.predict(rates[1400:])), atol=2e-3, rtol=1e-3
    )
    assert float((scores.argmax(1) == labels[1400:]).float().mean()) > 0.8


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"inhibition": "adapt"}, UnknownNameError, "did you mean 'adaptive'"),
        ({"n_neurons": 5}, InputError, "`n_neurons` must be at least 10, got 5"),
        ({"density": 0.0}, InputError, "`density` must be between 0 and 1, both excluded, got 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        ei_reservoir(**options)


def test_a_ridge_without_penalty_is_refused(network):
    images, labels = _digits()
    with pytest.raises(InputError, match="`alpha` must be positive, got 0"):
        network.module.fit_readout(images, labels, alpha=0)
