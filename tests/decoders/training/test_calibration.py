from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.decoders.brain_networks.convolutional import brain_conv
from alignkit.decoders.training.calibration import calibrate
from alignkit.decoders.training.network_decoder import NetworkDecoder
from alignkit.decoders.training.plan import TrainingPlan

PLAN = TrainingPlan(epochs=10, batch_size=64, lr=3e-2, patience=None, device="cpu")


def top1(decoder: NetworkDecoder, trials) -> float:
    decoded = decoder.predict(trials)
    rows = np.unique(trials.column("target"))
    gallery = trials.targets.gallery[rows]
    normal = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (decoded, gallery)]
    return float((rows[(normal[0] @ normal[1].T).argmax(1)] == trials.column("target")).mean())


@pytest.fixture(scope="module")
def decoder(make_trials, factories) -> NetworkDecoder:
    """Return a decoder that all tests share, since calibration leaves it as it is."""
    return NetworkDecoder(**factories, plan=PLAN).fit(make_trials(200, n_stimuli=60))


@pytest.fixture
def newcomer(make_trials):
    """Return calibration trials and others, of a subject whose sensors are turned; stimuli differ."""
    trials = make_trials(260, n_stimuli=60, subjects=("cleo",))
    held = trials.column("stimulus") % 3 == 0
    return trials.take(~held), trials.take(held)


def test_a_turned_subject_is_decoded_after_calibration_and_not_before(decoder, newcomer) -> None:
    few, others = newcomer
    alone = calibrate(decoder, few, epochs=1, lr=1e-12)
    fitted = calibrate(decoder, few, epochs=20)
    assert top1(fitted, others) > top1(alone, others) + 0.3
    assert top1(fitted, others) > 0.5


def test_nothing_but_the_new_subject_s_own_parameters_changes(decoder, newcomer, make_trials) -> None:
    weights = {name: value.clone() for name, value in decoder.network_.state_dict().items()}
    scale = decoder.objective_.scale.clone()
    known = make_trials(30, n_stimuli=60, seed=3)
    before = decoder.predict(known)
    calibrated = calibrate(decoder, newcomer[0], epochs=3)
    after = calibrated.network_.state_dict()
    assert set(after) - set(weights) == {"maps.2"}
    assert all(torch.equal(after[name], value) for name, value in weights.items())
    assert torch.equal(calibrated.objective_.scale, scale)
    mean = torch.stack([weights["maps.0"], weights["maps.1"]]).mean(0)
    assert not torch.equal(after["maps.2"], mean)
    assert np.array_equal(calibrated.predict(known), before)
    assert np.array_equal(decoder.predict(known), before)
    assert decoder.subjects_ == ("anna", "ben")
    assert not hasattr(decoder.network_.maps, "2")


def test_what_may_be_trained_is_as_before(decoder, newcomer) -> None:
    calibrated = calibrate(decoder, newcomer[0], epochs=1)
    for module in (calibrated.network_, calibrated.objective_):
        assert all(parameter.requires_grad for parameter in module.parameters())
    frozen = copy.copy(decoder)
    frozen.network_ = copy.deepcopy(decoder.network_)
    frozen.network_.out.weight.requires_grad_(False)
    flags = dict(calibrate(frozen, newcomer[0], epochs=1).network_.named_parameters())
    assert not flags.pop("out.weight").requires_grad
    assert all(parameter.requires_grad for parameter in flags.values())


def test_trained_subjects_are_decoded_to_the_same_bits_by_spatial_attention_too(
    make_trials, factories, newcomer
) -> None:
    # Torch multiplies a matrix that needs no gradient with a stack of others in another way.
    def network(layout, n_outputs):
        places = torch.rand(1, layout.n_channels, 2, generator=torch.Generator().manual_seed(0))
        layout = replace(layout, positions=places.expand(layout.n_subjects, -1, -1))
        return brain_conv(layout, n_outputs, attention_outputs=20, width=4, n_layers=1)

    how = {"network": network, "objective": factories["objective"]}
    known = make_trials(40, n_stimuli=60)
    decoder = NetworkDecoder(**how, plan=replace(PLAN, epochs=1)).fit(known)
    calibrated = calibrate(decoder, newcomer[0].take(range(20)), epochs=1)
    assert np.array_equal(calibrated.predict(known), decoder.predict(known))
    both = torch.randn(16, 8, 5, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 2
    with torch.inference_mode():
        assert torch.equal(calibrated.network_(*both), decoder.network_(*both))


def test_it_is_told_what_was_fitted_and_the_trials_count_as_seen(decoder, newcomer) -> None:
    calibrated = calibrate(decoder, newcomer[0], epochs=1)
    assert calibrated.notes_ == (
        f"'cleo' was added: 64 numbers of its own were fitted to {len(newcomer[0])} trials",
    )
    assert {subject for subject, _ in calibrated.seen_.samples} == {"anna", "ben", "cleo"}
    assert {subject for subject, _ in decoder.seen_.samples} == {"anna", "ben"}


def test_a_calibrated_decoder_is_saved_with_its_subjects_and_can_grow_again(
    decoder, newcomer, make_trials, registered, tmp_path
) -> None:
    decoder = copy.copy(decoder)
    decoder.network, decoder.objective = registered["network"], registered["objective"]
    calibrated = calibrate(decoder, newcomer[0], epochs=1)
    more = make_trials(30, n_stimuli=60, subjects=("dora",))
    calibrated = calibrate(calibrated, more, epochs=1)
    calibrated.save(tmp_path / "d")
    loaded = NetworkDecoder.load(tmp_path / "d")
    assert loaded.subjects_ == ("anna", "ben", "cleo", "dora")
    for trials in (newcomer[1], more):
        assert np.array_equal(loaded.predict(trials), calibrated.predict(trials))


def test_the_scaling_is_the_new_subject_s_own(decoder, newcomer) -> None:
    few, others = newcomer

    def louder(trials):
        study = {s: replace(r, data=r.data * np.float32(1024)) for s, r in trials.study.items()}
        return replace(trials, study=type(trials.study)(study))

    plain, loud = calibrate(decoder, few, epochs=1), calibrate(decoder, louder(few), epochs=1)
    assert np.allclose(plain.predict(others), loud.predict(louder(others)), atol=1e-4)


def test_fewer_channels_are_padded(decoder, make_trials) -> None:
    trials = make_trials(40, n_stimuli=60, subjects=("cleo",), n_channels=6)
    assert np.isfinite(calibrate(decoder, trials, epochs=1).predict(trials)).all()


def test_a_network_without_anything_per_subject_is_used_as_it_is_and_this_is_told(
    make_trials, factories, newcomer
) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(40, 6)

        def forward(self, signals, subjects):
            return self.out(signals.flatten(1))

    how = {"network": lambda layout, n_outputs: Shared(), "objective": factories["objective"]}
    decoder = NetworkDecoder(**how, plan=replace(PLAN, epochs=1)).fit(make_trials(40, n_stimuli=60))
    calibrated = calibrate(decoder, newcomer[0])
    assert "has no parameters per subject, so that nothing was fitted" in calibrated.notes_[0]
    for name, value in decoder.network_.state_dict().items():
        assert torch.equal(calibrated.network_.state_dict()[name], value)
    assert np.isfinite(calibrated.predict(newcomer[1])).all()


def test_what_cannot_be_calibrated_is_refused(decoder, newcomer, make_trials, registered) -> None:
    with pytest.raises(InputError, match="not fitted yet; call `fit` before it is calibrated"):
        calibrate(NetworkDecoder(**registered), newcomer[0])
    for options, message in (
        ({"subjects": ("cleo", "dora")}, r"trials of one new subject, got 2 \(cleo, dora\)"),
        ({"subjects": ("anna",)}, "knows 'anna' already"),
        ({"n_channels": 9}, "'cleo' has 9 channels, but the network was built for at most 8"),
        ({"n_times": 4}, "'cleo' has 4 times at 100 Hz, but .* trained on 5 at 100 Hz"),
        ({"n_dims": 5}, "embeddings of 5 numbers, but the decoder was trained on embeddings of 6 numbers"),
        ({"labels": True}, "have 2 classes, but the decoder was trained on embeddings of 6 numbers"),
    ):
        with pytest.raises(InputError, match=message):
            calibrate(decoder, make_trials(10, **{"subjects": ("cleo",), **options}))
    with pytest.raises(InputError, match=r"the training part has 1 trial\(s\)"):
        calibrate(decoder, newcomer[0].take([0]))
