"""Models of braindecode: handed what a layout knows, refused with a reason where they do not fit."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType

import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks.braindecode_models import braindecode_model
from alignkit.decoders.brain_networks.eegnet import eegnet
from alignkit.decoders.brain_networks.eegnex import eegnex
from alignkit.decoders.brain_networks.shallow import shallow_fbcsp

LAYOUT = Layout(6, 50, sfreq_hz=100.0)


class TinyNet(nn.Module):
    """Takes what models of braindecode take."""

    def __init__(
        self,
        n_chans=None,
        n_outputs=None,
        n_times=None,
        drop_prob=0.5,
        chs_info=None,
        input_window_seconds=None,
        sfreq=None,
        **kwargs,
    ):
        super().__init__()
        if n_times < 20:
            raise ValueError(f"{n_times} times are too few\nfor this kernel")
        self.facts = {"sfreq": sfreq, "chs_info": chs_info, "drop_prob": drop_prob}
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(n_chans * n_times), nn.LazyLinear(n_outputs))

    def forward(self, x):
        return self.layers(x)


class KeepsTime(TinyNet):
    """Puts out one row for each time."""

    def forward(self, x):
        return super().forward(x)[..., None].expand(-1, -1, 7)


class TakesNoRate(nn.Module):
    """Has no argument for the sampling rate."""

    def __init__(self, n_chans, n_outputs, n_times):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_chans * n_times, n_outputs))

    def forward(self, x):
        return self.layers(x), x


@pytest.fixture
def package(monkeypatch):
    stub, models = ModuleType("braindecode"), ModuleType("braindecode.models")
    stub.models = models
    for kind in (TinyNet, KeepsTime, TakesNoRate):
        setattr(models, kind.__name__, kind)
    models.build_model_config = lambda: None
    monkeypatch.setitem(sys.modules, "braindecode", stub)
    monkeypatch.setitem(sys.modules, "braindecode.models", models)


def outputs_of(network: nn.Module, signals: torch.Tensor) -> torch.Tensor:
    return network(signals, torch.zeros(len(signals), dtype=torch.int64))


@pytest.mark.usefixtures("package")
def test_model_gets_what_the_layout_knows():
    positions = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(0))
    layout = Layout(6, 50, n_subjects=2, sfreq_hz=100.0, positions=positions)
    network = braindecode_model(layout, 3, model="TinyNet", settings={"drop_prob": 0.1})
    assert (network.model.facts["sfreq"], network.model.facts["drop_prob"]) == (100.0, 0.1)
    places = torch.tensor([channel["loc"][:3] for channel in network.model.facts["chs_info"]])
    torch.testing.assert_close(places[:, :2], (positions[0] - 0.5) * 0.2)
    assert (places[:, 2] == 0).all()
    assert len({channel["ch_name"] for channel in network.model.facts["chs_info"]}) == 6
    assert outputs_of(network, torch.randn(4, 6, 50)).shape == (4, 3)


@pytest.mark.usefixtures("package")
def test_unknown_places_are_not_handed_on():
    positions = torch.full((1, 6, 2), 0.5)
    positions[0, 2] = torch.nan
    layout = Layout(6, 50, sfreq_hz=100.0, positions=positions)
    assert braindecode_model(layout, 3, model="TinyNet").model.facts["chs_info"] is None


@pytest.mark.usefixtures("package")
def test_looking_at_the_outputs_leaves_statistics_and_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same = (braindecode_model(LAYOUT, 3, model="TinyNet", seed=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    norm = one.model.layers[1]
    assert norm.num_batches_tracked == 0
    assert (norm.running_mean == 0).all()
    assert one.training
    assert norm.training
    other = braindecode_model(LAYOUT, 3, model="TinyNet", seed=4)
    assert torch.equal(one.model.layers[2].weight, same.model.layers[2].weight)
    assert not torch.equal(one.model.layers[2].weight, other.model.layers[2].weight)


@pytest.mark.usefixtures("package")
def test_unknown_models_are_refused_with_close_ones():
    with pytest.raises(UnknownNameError, match="`model` of braindecode is 'TinyNot', did you mean 'TinyNet'"):
        braindecode_model(LAYOUT, 3, model="TinyNot")
    with pytest.raises(UnknownNameError, match="build_model_config"):
        braindecode_model(LAYOUT, 3, model="build_model_config")


@pytest.mark.usefixtures("package")
def test_unknown_settings_are_refused_though_the_model_would_swallow_them():
    with pytest.raises(InputError, match="TinyNet has no setting 'drop_probe'; did you mean 'drop_prob'"):
        braindecode_model(LAYOUT, 3, model="TinyNet", settings={"drop_probe": 0.1})
    with pytest.raises(InputError, match="the setting 'n_times' comes from the layout"):
        braindecode_model(LAYOUT, 3, model="TinyNet", settings={"n_times": 10})


@pytest.mark.usefixtures("package")
def test_models_that_cannot_be_built_say_for_what():
    wanted = (
        "TinyNet cannot be built for 6 channels, 10 times, 100 Hz and 3 outputs.*ValueError: 10 times are"
    )
    with pytest.raises(InputError, match=wanted):
        braindecode_model(Layout(6, 10, sfreq_hz=100.0), 3, model="TinyNet")
    with pytest.raises(InputError, match="10 times, no sampling rate and 3 outputs"):
        braindecode_model(Layout(6, 10), 3, model="TinyNet")


@pytest.mark.usefixtures("package")
def test_models_that_put_out_something_else_are_refused():
    with pytest.raises(
        InputError, match=r"KeepsTime returns \(2, 3, 7\) for 2 trials, where \(2, 3\) is wanted"
    ):
        braindecode_model(LAYOUT, 3, model="KeepsTime")
    with pytest.raises(InputError, match="TakesNoRate returns tuple for 2 trials"):
        braindecode_model(LAYOUT, 3, model="TakesNoRate")


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "braindecode", None)
    monkeypatch.setitem(sys.modules, "braindecode.models", None)
    with pytest.raises(
        MissingDataError, match="braindecode cannot be imported here.*pip install braindecode"
    ):
        braindecode_model(LAYOUT, 3, model="EEGNet")


def _theirs(name: str, layout: Layout, **settings: float) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return braindecode_model(layout, 4, model=name, settings=settings).model
        except MissingDataError as error:
            pytest.skip(str(error))


def _copy(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy weights in the order of the layers; shapes differ by axes of length one."""
    source = [value for name, value in theirs.state_dict().items() if "num_batches" not in name]
    target = {name: value for name, value in ours.state_dict().items() if "num_batches" not in name}
    assert [value.numel() for value in source] == [value.numel() for value in target.values()]
    copied = {name: value.reshape(target[name].shape) for name, value in zip(target, source, strict=True)}
    ours.load_state_dict({**ours.state_dict(), **copied})


def _assert_equal_outputs(theirs: nn.Module, ours: nn.Module, layout: Layout) -> None:
    generator = torch.Generator().manual_seed(0)
    signals = torch.randn(6, layout.n_channels, layout.n_times, generator=generator)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.testing.assert_close(
            outputs_of(ours.eval(), signals), theirs.eval()(signals), atol=1e-5, rtol=1e-4
        )


@pytest.mark.peer
def test_eegnet_has_the_size_of_the_peers_and_its_outputs_with_odd_kernels():
    layout = Layout(16, 128, sfreq_hz=128.0)
    ours, theirs = eegnet(layout, 4), _theirs("EEGNet", layout, drop_prob=0.0)
    assert sum(w.numel() for w in ours.parameters()) == sum(w.numel() for w in theirs.parameters())
    # With even kernels the peer pads one sample more than the publication, in front.
    theirs = _theirs("EEGNet", layout, kernel_length=63, depthwise_kernel_length=15)
    ours = eegnet(layout, 4, kernel_length=63, separable_length=15, dense_max_norm=None)
    _copy(theirs, ours)
    _assert_equal_outputs(theirs, ours, layout)


@pytest.mark.peer
def test_eegnex_equals_the_peers():
    layout = Layout(8, 128, sfreq_hz=128.0)
    theirs, ours = _theirs("EEGNeX", layout), eegnex(layout, 4, variant="braindecode")
    assert sum(w.numel() for w in ours.parameters()) == sum(w.numel() for w in theirs.parameters())
    state = theirs.state_dict()
    # A bounded layer keeps its bias in front of its weights there.
    state["final_layer.bias"] = state.pop("final_layer.bias")
    theirs.state_dict = lambda: state
    _copy(theirs, ours)
    _assert_equal_outputs(theirs, ours, layout)


@pytest.mark.peer
def test_shallow_network_equals_the_peers():
    layout = Layout(8, 256, sfreq_hz=250.0)
    theirs, ours = _theirs("ShallowFBCSPNet", layout), shallow_fbcsp(layout, 4)
    assert sum(w.numel() for w in ours.parameters()) == sum(w.numel() for w in theirs.parameters())
    state = theirs.state_dict()
    own = ours.state_dict()
    own.update(
        {
            "temporal.weight": state["conv_time_spat.conv_time.weight"].reshape(40, 1, 25),
            "temporal.bias": state["conv_time_spat.conv_time.bias"],
            "spatial": state["conv_time_spat.conv_spat.weight"].reshape(40, 40, 8),
            "dense.weight": state["final_layer.conv_classifier.weight"].reshape(4, -1),
            "dense.bias": state["final_layer.conv_classifier.bias"],
        }
    )
    ours.load_state_dict(own)
    _assert_equal_outputs(theirs, ours, layout)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["EEGConformer", "ATCNet", "Deep4Net", "EEGITNet", "CTNet", "SPARCNet"])
def test_other_models_of_the_peer_learn(name):
    layout = Layout(8, 500, sfreq_hz=125.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = _theirs(name, layout)
        # Without dropout, so that every step counts.
        network.eval()
        signals = torch.randn(8, 8, 500, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(8) % 4
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        losses = []
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(signals), labels)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
