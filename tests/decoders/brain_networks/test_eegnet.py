"""EEGNet: sizes and padding of the original, bounds that hold, and a lateralised rhythm to be learnt."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks._max_norm import MaxNormLinear, SpatialFilters, hold
from alignkit.decoders.brain_networks._temporal_filters import OfEveryChannel, SameConv
from alignkit.decoders.brain_networks.eegnet import EEGNet, eegnet

RATE_HZ = 128.0
LAYOUT = Layout(8, 128, sfreq_hz=RATE_HZ)


def rhythms(n_trials: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return trials with 10 Hz of random phase on both sides, stronger on the left or on the right."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_trials) % 2
    phases = 2 * torch.pi * torch.rand(n_trials, 2, 1, generator=generator)
    sources = torch.sin(2 * torch.pi * 10 * torch.arange(128) / RATE_HZ + phases)
    amplitudes = torch.where(nn.functional.one_hot(labels, 2).bool(), 1.0, 0.4)
    signals = torch.einsum("nst,ns,sc->nct", sources, amplitudes, patterns())
    return signals + torch.randn(n_trials, 8, 128, generator=generator), labels


def patterns() -> torch.Tensor:
    """Return where the two sources are seen."""
    falling = torch.linspace(1, 0.2, 4)
    return torch.stack([torch.cat([falling, torch.zeros(4)]), torch.cat([torch.zeros(4), falling.flip(0)])])


def fit(network: nn.Module, signals: torch.Tensor, labels: torch.Tensor, *, epochs: int, rate: float) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(epochs):
            for rows in torch.randperm(len(signals), generator=generator).split(32):
                optimizer.zero_grad()
                nn.functional.cross_entropy(outputs_of(network, signals[rows]), labels[rows]).backward()
                optimizer.step()


def outputs_of(network: nn.Module, signals: torch.Tensor) -> torch.Tensor:
    return network(signals, torch.zeros(len(signals), dtype=torch.int64))


@torch.no_grad()
def accuracy(network: nn.Module, signals: torch.Tensor, labels: torch.Tensor) -> float:
    network.eval()
    return float((outputs_of(network, signals).argmax(1) == labels).float().mean())


@pytest.fixture(scope="module")
def trained() -> EEGNet:
    network = eegnet(LAYOUT, 2)
    fit(network, *rhythms(192, seed=1), epochs=14, rate=1e-2)
    return network.eval()


def test_size_is_that_of_eegnet_8_2():
    # Filters 8 x 64; norm 2 x 8; spatial 16 x 64; norm 2 x 16; separable 16 x 16 + 16 x 16; norm 2 x 16;
    # of 128 samples 128 / 4 / 8 = 4 are left: dense 16 x 4 x 4 + 4.
    by_hand = 512 + 16 + 1024 + 32 + 256 + 256 + 32 + 260
    network = eegnet(Layout(64, 128, sfreq_hz=128.0), 4)
    assert sum(weight.numel() for weight in network.parameters()) == by_hand == 2388


def test_durations_stay_at_other_sampling_rates():
    network = eegnet(Layout(8, 500, sfreq_hz=512.0), 2)
    assert network.temporal.layers[0].kernel_size == (256,)
    assert network.after_spatial[2].kernel_size == (16,)
    given = eegnet(Layout(8, 500, sfreq_hz=512.0), 2, kernel_length=64, pool_1=4)
    assert given.temporal.layers[0].kernel_size == (64,)


@pytest.mark.parametrize(("length", "dilation"), [(4, 1), (5, 1), (16, 2), (16, 3)])
def test_same_padding_of_even_kernels_is_one_longer_behind(length, dilation):
    layer = SameConv(1, 1, length, dilation=dilation)
    nn.init.ones_(layer.weight)
    impulse = torch.zeros(1, 1, 201)
    impulse[0, 0, 100] = 1
    seen = layer(impulse)[0, 0].nonzero().flatten()
    around = dilation * (length - 1)
    # Output t sees inputs t - around // 2 to t + around - around // 2.
    assert (100 - seen.min()).item() == around - around // 2
    assert (seen.max() - 100).item() == around // 2
    assert layer(impulse).shape == impulse.shape


def test_network_equals_the_layers_of_the_publication_in_two_dimensions():
    network = eegnet(LAYOUT, 3).eval()
    signals = torch.randn(5, 8, 128, generator=torch.Generator().manual_seed(0))
    x = nn.functional.pad(signals[:, None], (31, 32))
    x = nn.functional.conv2d(x, network.temporal.layers[0].weight[:, :, None])
    x = x / (1 + 1e-3) ** 0.5
    x = nn.functional.conv2d(x, network.spatial.held_weight.reshape(16, 1, 8, 1), groups=8)
    x = nn.functional.avg_pool2d(nn.functional.elu(x / (1 + 1e-3) ** 0.5), (1, 4))
    depthwise, pointwise = network.separable[0].weight[:, :, None], network.separable[1].weight[:, :, None]
    x = nn.functional.conv2d(nn.functional.pad(x, (7, 8)), depthwise, groups=16)
    x = nn.functional.elu(nn.functional.conv2d(x, pointwise) / (1 + 1e-3) ** 0.5)
    x = nn.functional.avg_pool2d(x, (1, 8)).flatten(1)
    expected = nn.functional.linear(x, network.dense.held_weight, network.dense.bias)
    torch.testing.assert_close(outputs_of(network, signals), expected, atol=1e-5, rtol=1e-4)


def test_lateralised_rhythm_is_learnt(trained):
    assert accuracy(trained, *rhythms(200, seed=2)) >= 0.85


def test_filter_that_matters_most_is_tuned_to_the_rhythm(trained):
    signals, labels = rhythms(200, seed=3)
    best = _most_important_filter(trained, signals, labels)
    kernel = trained.temporal.layers[0].weight[best, 0].detach()
    spectrum = torch.fft.rfft(kernel, 512).abs()
    peak_hz = torch.fft.rfftfreq(512, 1 / RATE_HZ)[spectrum.argmax()]
    assert 8 <= peak_hz <= 12


def test_pattern_of_the_filter_that_matters_most_lies_in_what_was_planted(trained):
    signals, labels = rhythms(200, seed=3)
    best = _most_important_filter(trained, signals, labels)
    with torch.no_grad():
        filtered = trained.temporal(signals)[:, :, best].transpose(0, 1).flatten(1)
        covariance = torch.cov(filtered)
        seen = covariance @ trained.spatial.held_weight[best].T
    q, _ = torch.linalg.qr(patterns().T)
    share = ((q.T @ seen).norm(dim=0) / seen.norm(dim=0)) ** 2
    assert share.max() > 0.9


def test_shuffled_labels_give_chance():
    assert abs(_accuracies_of_shuffled(5).mean() - 0.5) < 0.1


@pytest.mark.slow
def test_many_shuffles_give_chance_within_their_spread():
    scores = _accuracies_of_shuffled(20)
    assert abs(scores.mean() - 0.5) < 3 * scores.std(ddof=1) / 20**0.5


def test_bounds_hold_after_every_step_where_free_weights_would_break_them():
    signals, labels = rhythms(32, seed=6)
    network = eegnet(LAYOUT, 2, dropout=0.0)
    free = eegnet(LAYOUT, 2, dropout=0.0, spatial_max_norm=None, dense_max_norm=None)
    broke = False
    for model in (network, free):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            nn.functional.cross_entropy(outputs_of(model, signals), labels).backward()
            optimizer.step()
            spatial = model.spatial.held_weight.norm(dim=-1).max()
            dense = model.dense.held_weight.norm(dim=-1).max()
            if model is network:
                assert spatial <= 1 + 1e-5
                assert dense <= 0.25 + 1e-5
            broke |= model is free and bool(spatial > 1.1 and dense > 0.3)
    assert broke


def test_held_weights_are_what_the_layers_compute_with():
    layer = MaxNormLinear(2, 2, max_norm=0.5)
    filters = SpatialFilters(2, 1, depth=2, max_norm=1.0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.1, 0.2]]))
        filters.weight.copy_(torch.tensor([[[0.0, 5.0], [0.6, 0.0]]]))
    torch.testing.assert_close(layer(torch.eye(2)).T, torch.tensor([[0.3, 0.4], [0.1, 0.2]]))
    signals = torch.tensor([[2.0], [3.0]])[None, :, None]  # (1, n_channels, 1, 1)
    torch.testing.assert_close(filters(signals)[0, :, 0], torch.tensor([3.0, 1.2]))


def test_hold_keeps_direction_and_leaves_what_is_within_the_bound():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], requires_grad=True)
    held = hold(weight, 1.0)
    torch.testing.assert_close(held, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))
    assert hold(weight, None) is weight
    held.sum().backward()
    # Along its own direction a bounded vector cannot grow.
    torch.testing.assert_close(
        (weight.grad[0] * weight.detach()[0]).sum(), torch.tensor(0.0), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(weight.grad[1], torch.ones(2))


def test_training_that_goes_on_from_a_saved_state_ends_with_the_same_bits():
    signals, labels = rhythms(32, seed=7)

    def steps(network, optimizer, n):
        for _ in range(n):
            optimizer.zero_grad()
            nn.functional.cross_entropy(outputs_of(network, signals), labels).backward()
            optimizer.step()

    straight = eegnet(LAYOUT, 2, dropout=0.0)
    optimizer = torch.optim.Adam(straight.parameters(), lr=0.05)
    steps(straight, optimizer, 3)
    saved, state = copy.deepcopy(straight.state_dict()), copy.deepcopy(optimizer.state_dict())
    steps(straight, optimizer, 3)
    resumed = eegnet(LAYOUT, 2, dropout=0.0, seed=99)
    resumed.load_state_dict(saved)
    optimizer = torch.optim.Adam(resumed.parameters(), lr=0.05)
    optimizer.load_state_dict(state)
    # A look at validation data in between changes nothing.
    accuracy(resumed, signals, labels)
    resumed.train()
    steps(resumed, optimizer, 3)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_absent_channels_change_neither_statistics_nor_outputs():
    signals, _ = rhythms(16, seed=8)
    padded = torch.cat([signals, torch.zeros(16, 3, 128)], dim=1)
    small = eegnet(LAYOUT, 2, dropout=0.0)
    wide = eegnet(Layout(11, 128, sfreq_hz=RATE_HZ), 2, dropout=0.0, spatial_max_norm=None)
    state = small.state_dict()
    filters = wide.spatial.weight.detach().clone()
    filters[..., :8] = small.spatial.held_weight.detach()
    wide.load_state_dict({**state, "spatial.weight": filters})
    for _ in range(2):
        torch.testing.assert_close(outputs_of(wide, padded), outputs_of(small, signals), atol=1e-5, rtol=1e-4)
    for name, value in small.state_dict().items():
        if name != "spatial.weight":
            torch.testing.assert_close(wide.state_dict()[name], value, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(outputs_of(wide.eval(), padded), outputs_of(small.eval(), signals))


def test_norm_of_absent_channels_would_leave_a_constant():
    # The twin without the mask: zeros come out of batch norm as a constant.
    network = OfEveryChannel(SameConv(1, 2, 3), nn.BatchNorm1d(2)).train()
    signals = torch.randn(4, 3, 20, generator=torch.Generator().manual_seed(0)) + 5
    signals[:, 2] = 0
    assert (network(signals)[:, 2] == 0).all()
    plain = network.layers(signals.reshape(-1, 1, 20)).reshape(4, 3, 2, 20)
    assert plain[:, 2].abs().max() > 0.1


def test_evaluation_does_not_depend_on_what_else_is_in_the_batch(trained):
    signals, _ = rhythms(12, seed=9)
    with torch.no_grad():
        together = outputs_of(trained, signals)
        alone = torch.cat([outputs_of(trained, signals[row : row + 1]) for row in range(12)])
        backwards = outputs_of(trained, signals.flip(0)).flip(0)
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(backwards, together, atol=1e-5, rtol=1e-5)


def test_double_precision_gives_the_same_numbers():
    network = eegnet(LAYOUT, 2).eval()
    signals = rhythms(4, seed=0)[0]
    single = outputs_of(network, signals)
    network.double()
    signals = signals.double()
    torch.testing.assert_close(outputs_of(network, signals).float(), single, atol=1e-4, rtol=1e-4)


def test_same_seed_gives_the_same_weights_and_leaves_the_global_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = eegnet(LAYOUT, 2, seed=3), eegnet(LAYOUT, 2, seed=3), eegnet(LAYOUT, 2, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.dense.weight, same.dense.weight)
    assert not torch.equal(one.dense.weight, other.dense.weight)
    assert one.training


def test_signals_are_not_changed():
    signals, _ = rhythms(4, seed=0)
    before = signals.clone()
    outputs_of(eegnet(LAYOUT, 2), signals)
    assert torch.equal(signals, before)


def test_too_short_trials_are_refused_with_the_least_that_serves():
    with pytest.raises(InputError, match="eegnet needs trials of at least 32 times.*got 31"):
        eegnet(Layout(8, 31, sfreq_hz=128.0), 2)
    assert outputs_of(eegnet(Layout(8, 32, sfreq_hz=128.0), 2), torch.randn(2, 8, 32)).shape == (2, 2)


def test_signals_without_a_sampling_rate_need_sizes():
    with pytest.raises(InputError, match="eegnet scales `kernel_length` with the sampling frequency"):
        eegnet(Layout(8, 64), 2)
    assert isinstance(eegnet(Layout(8, 64), 2, kernel_length=9, pool_1=2), EEGNet)


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="`depth` must be at least 1, got 0"):
        eegnet(LAYOUT, 2, depth=0)
    with pytest.raises(InputError, match=r"bound of weights must be above 0.*got 0\.0"):
        eegnet(LAYOUT, 2, dense_max_norm=0.0)


@pytest.mark.slow
def test_rhythm_is_learnt_as_well_as_by_common_spatial_patterns():
    from mne.decoding import CSP
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    scores = []
    for seed in range(5):
        signals, labels = rhythms(192, seed=10 + seed)
        unseen, truth = rhythms(400, seed=20 + seed)
        network = eegnet(LAYOUT, 2, seed=seed)
        fit(network, signals + 0.5 * _noise(signals, 1), labels, epochs=30, rate=5e-3)
        peer = make_pipeline(CSP(4, log=True), LinearDiscriminantAnalysis())
        peer.fit((signals + 0.5 * _noise(signals, 1)).double().numpy(), labels.numpy())
        theirs = peer.score((unseen + 0.5 * _noise(unseen, 2)).double().numpy(), truth.numpy())
        scores.append((accuracy(network, unseen + 0.5 * _noise(unseen, 2), truth), theirs))
    ours, theirs = np.mean(scores, axis=0)
    assert ours >= theirs - 0.03


def _noise(like: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def _most_important_filter(network: EEGNet, signals: torch.Tensor, labels: torch.Tensor) -> int:
    losses = []
    for index in range(8):
        without = copy.deepcopy(network)
        without.spatial.weight[index] = 0
        losses.append(float(nn.functional.cross_entropy(outputs_of(without, signals), labels)))
    return int(np.argmax(losses))


def _accuracies_of_shuffled(n_shuffles: int) -> np.ndarray:
    scores = []
    for seed in range(n_shuffles):
        signals, labels = rhythms(64, seed=seed)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        network = eegnet(LAYOUT, 2, seed=seed)
        fit(network, signals, labels[order], epochs=4, rate=1e-2)
        scores.append(accuracy(network, *rhythms(200, seed=100 + seed)))
    return np.array(scores)


@torch.no_grad()
def test_a_trial_of_zeros_is_read_the_same_alone_and_beside_others():
    network = eegnet(LAYOUT, 3)
    signals = 1 + 3 * torch.randn(
        8, LAYOUT.n_channels, LAYOUT.n_times, generator=torch.Generator().manual_seed(0)
    )
    # So that the running statistics are not those of the start, by which zeros would stay zeros.
    outputs_of(network.train(), signals)
    network.eval()
    signals[2] = 0
    torch.testing.assert_close(outputs_of(network, signals[2:3])[0], outputs_of(network, signals)[2])


@torch.no_grad()
def test_a_batch_of_zeros_leaves_the_statistics_of_single_channels_alone():
    network = eegnet(LAYOUT, 3).train()
    outputs_of(network, torch.zeros(4, LAYOUT.n_channels, LAYOUT.n_times))
    norms = [layer for layer in network.temporal.layers if isinstance(layer, nn.BatchNorm1d)]
    assert norms and all(int(norm.num_batches_tracked) == 0 for norm in norms)
