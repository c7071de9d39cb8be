from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.brain_networks.convolutional import brain_conv
from alignkit.decoders.brain_networks.eegnet import eegnet
from alignkit.decoders.brain_networks.residual_mlp import residual_mlp
from alignkit.decoders.training._channels import takes_own_channels
from alignkit.decoders.training.calibration import calibrate
from alignkit.decoders.training.network_decoder import NetworkDecoder
from alignkit.decoders.training.plan import TrainingPlan
from alignkit.decoders.trials import Trials
from alignkit.recordings import Recording, Study
from alignkit.recordings._storage import open_array, write_array

PLAN = TrainingPlan(epochs=2, batch_size=48, lr=3e-2, patience=12, device="cpu")
TURNED = [3, 1, 0, 2, 7, 6, 5, 4]


class Shared(nn.Module):
    """A weight for each channel and time, which all subjects share."""

    def __init__(self, layout: Layout, n_outputs: int) -> None:
        super().__init__()
        self.out = nn.Linear(layout.n_channels * layout.n_times, n_outputs)

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        return self.out(signals.flatten(1))


def shared(layout: Layout, n_outputs: int, *, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Shared(layout, n_outputs)


@pytest.fixture
def how(factories):
    return {"network": shared, "objective": factories["objective"]}


def changed(trials: Trials, subject: str, change) -> Trials:
    """Return trials with another recording of one subject."""
    study = {name: change(r) if name == subject else r for name, r in trials.study.items()}
    return replace(trials, study=Study(study))


def turned(recording: Recording, order: Sequence[int] = TURNED) -> Recording:
    return recording.select(channels=list(order))


def renamed(recording: Recording) -> Recording:
    return replace(recording, channels=recording.channels.replace({"name": {"c1": "Cz", "c2": "Pz"}}))


def fitted(parts, how, **changes: object) -> NetworkDecoder:
    return NetworkDecoder(**how, plan=replace(PLAN, **changes)).fit(parts[0], validation=parts[1])


def test_another_order_of_channels_trains_to_the_same_bits_and_is_told(parts, how) -> None:
    plain = fitted(parts, how)
    decoder = fitted([changed(part, "ben", turned) for part in parts], how)
    assert decoder.history_ == plain.history_
    assert np.array_equal(decoder.predict(parts[1]), plain.predict(parts[1]))
    assert decoder.channels_ == plain.channels_
    assert decoder.notes_ == (
        "the channels of 'ben' (c3, c1, c0, ...) were put in the order c0, c1, c2, ..., by name",
    )
    assert plain.notes_ == ()


def test_places_go_with_channels_that_are_put_in_order(parts, how, monkeypatch) -> None:
    from alignkit.decoders.training import network_decoder

    layouts = []

    def noted(study):
        layouts.append([list(r.channels["name"]) for r in study.values()])
        return layout_of(study)

    layout_of = network_decoder.layout_of
    monkeypatch.setattr(network_decoder, "layout_of", noted)
    fitted([changed(part, "ben", turned) for part in parts], how, epochs=1)
    first, second = layouts[-1]
    assert first == second


def test_recordings_on_disk_are_put_in_order_where_they_are_read(parts, how, tmp_path) -> None:
    def on_disk(recording: Recording) -> Recording:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        write_array(path, recording.data, rows_per_chunk=7)
        return replace(recording, data=open_array(path))

    plain = fitted(parts, how)
    lazy = [changed(changed(part, "ben", turned), "ben", on_disk) for part in parts]
    decoder = fitted(lazy, how)
    assert decoder.history_ == plain.history_
    assert np.array_equal(decoder.predict(lazy[1]), plain.predict(parts[1]))


def test_channels_of_other_names_are_refused_where_weights_are_for_channels(parts, how) -> None:
    message = (
        "'ben' and 'anna' differ in their channels: not in anna: Cz, Pz; only in anna: c1, c2. Keep .* "
        "`own_channels = True`"
    )
    with pytest.raises(InputError, match=message):
        fitted([changed(part, "ben", renamed) for part in parts], how)


def test_channels_of_other_names_and_numbers_are_taken_by_a_network_that_says_so(parts, factories) -> None:
    few = [changed(part, "ben", lambda r: renamed(turned(r, range(6)))) for part in parts]
    decoder = fitted(few, factories, epochs=1)
    assert decoder.channels_["ben"] == ("c0", "Cz", "Pz", "c3", "c4", "c5")
    assert decoder.notes_ == ()
    assert np.isfinite(decoder.predict(few[1])).all()


def test_a_recording_in_another_order_is_decoded_to_the_same(parts, how, factories) -> None:
    for kind in (how, factories):
        decoder = fitted(parts, kind, epochs=1)
        other = changed(parts[1], "ben", turned)
        assert np.array_equal(decoder.predict(other), decoder.predict(parts[1]))


def test_a_validation_part_in_another_order_measures_the_same(parts, factories) -> None:
    decoder = fitted((parts[0], changed(parts[1], "ben", turned)), factories)
    assert decoder.history_ == fitted(parts, factories).history_
    assert "'ben' (c3, c1, c0, ...)" in decoder.notes_[0]


def test_a_new_subject_in_another_order_is_calibrated_to_the_same(parts, how, make_trials) -> None:
    decoder = fitted(parts, how, epochs=1)
    new = make_trials(40, subjects=("cleo",))
    plain, other = (calibrate(decoder, t) for t in (new, changed(new, "cleo", turned)))
    assert np.array_equal(other.predict(new), plain.predict(new))
    assert "'cleo' (c3, c1, c0, ...) were put in the order" in other.notes_[0]
    with pytest.raises(InputError, match="channels of 'cleo' are not those .* not in the decoder: Cz, Pz"):
        calibrate(decoder, changed(new, "cleo", renamed))


def test_only_networks_with_a_way_in_for_each_subject_take_channels_of_their_own() -> None:
    layout = Layout(4, 40, 2, sfreq_hz=100.0, positions=torch.rand(2, 4, 2))
    small = {"attention_outputs": 3, "width": 4, "n_layers": 1}
    assert takes_own_channels(brain_conv(layout, 2, **small))
    assert not takes_own_channels(brain_conv(layout, 2, spatial_attention=False, **small))
    assert takes_own_channels(residual_mlp(layout, 2, width=4))
    assert not takes_own_channels(eegnet(layout, 2))
    assert not takes_own_channels(SimpleNamespace())
