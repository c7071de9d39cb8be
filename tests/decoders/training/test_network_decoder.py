from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.random import derive_seed
from alignkit.decoders._objective import Objective
from alignkit.decoders._registry import OBJECTIVES
from alignkit.decoders._storage import read_fitted, write_fitted
from alignkit.decoders.training import fitting
from alignkit.decoders.training.network_decoder import NetworkDecoder
from alignkit.decoders.training.plan import TrainingPlan
from alignkit.recordings import Recording, Study
from alignkit.recordings._storage import open_array, write_array

PLAN = TrainingPlan(epochs=8, batch_size=48, lr=3e-2, patience=12, device="cpu")


def top1(decoder: NetworkDecoder, trials) -> float:
    """Return the share of trials whose stimulus is nearest among all stimuli of these trials."""
    decoded = decoder.predict(trials)
    rows = np.unique(trials.column("target"))
    gallery = trials.targets.gallery[rows]
    normal = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (decoded, gallery)]
    return float((rows[(normal[0] @ normal[1].T).argmax(1)] == trials.column("target")).mean())


def fitted(parts, how, **changes: object) -> NetworkDecoder:
    training, validation = parts
    return NetworkDecoder(**how, plan=replace(PLAN, **changes)).fit(training, validation=validation)


def test_new_stimuli_are_found_and_a_shuffled_pairing_stays_at_chance(make_trials, factories) -> None:
    trials = make_trials(200, n_stimuli=60)
    stimulus = trials.column("stimulus")
    training, validation, held = (
        trials.take(stimulus % 5 > 1),
        *(trials.take(stimulus % 5 == k) for k in (0, 1)),
    )
    assert top1(fitted((training, validation), factories), held) > 0.7

    def shuffled(part, seed):
        rows = np.random.default_rng(seed).permutation(part.targets.names)
        place = {name: row for row, name in enumerate(part.targets.names)}
        table = part.table.assign(target=[place[rows[i]] for i in part.column("target")])
        return replace(part, table=table)

    null = fitted((shuffled(training, 0), shuffled(validation, 0)), factories, epochs=3)
    assert top1(null, held) < 0.25


def test_classes_are_decoded_and_the_epoch_is_chosen_by_accuracy(make_trials, registered) -> None:
    trials = make_trials(150, n_stimuli=8, labels=True)
    rows = np.arange(300)
    how = {**registered, "objective": {"kind": "classes"}}
    parts = trials.take(rows % 3 > 0), trials.take(rows % 3 == 0)
    with pytest.raises(InputError, match=r"unit\(s\) are in the training and in the validation part"):
        fitted(parts, how)
    parts = [replace(part, table=part.table.assign(unit=f"run {i}")) for i, part in enumerate(parts)]
    decoder = fitted(parts, how, choose_by="accuracy", epochs=5)
    scores = decoder.predict(parts[1])
    assert decoder.classes_ == ("h0", "h1")
    assert (scores.argmax(1) == parts[1].column("target")).mean() > 0.8
    assert decoder.chosen_by_ == "validation accuracy"


def test_the_epoch_needs_a_validation_part_or_a_fixed_number(parts, factories) -> None:
    with pytest.raises(InputError, match="chosen on a validation part, and there is none. Give `validation`"):
        fitted((parts[0], None), factories)
    decoder = fitted((parts[0], None), factories, patience=None, epochs=2)
    assert decoder.chosen_by_ == "nothing was chosen (a fixed number of epochs)"
    assert len(decoder.history_) == decoder.best_epoch_ == 2


def test_what_is_held_out_can_neither_be_fitted_nor_chosen_by(parts, factories) -> None:
    class HeldOut:
        """Seals trials."""

    decoder = NetworkDecoder(**factories, plan=PLAN)
    for given in ((HeldOut(), parts[1]), (parts[0], HeldOut())):
        with pytest.raises(InputError, match="must be Trials, got HeldOut. What is held out"):
            decoder.fit(given[0], validation=given[1])


def test_a_trial_is_decoded_to_the_same_whatever_stands_beside_it(parts, factories, tmp_path) -> None:
    training, validation = parts
    decoder = fitted(parts, factories, epochs=2)
    whole = decoder.predict(validation)
    order = np.random.default_rng(0).permutation(len(validation))
    assert np.allclose(decoder.predict(validation.take(order)), whole[order], atol=1e-5)
    assert np.allclose(decoder.predict(validation.take([3])), whole[[3]], atol=1e-5)
    ben = validation.of_subjects(["ben"])
    assert np.allclose(
        decoder.predict(ben), whole[(validation.table["subject"] == "ben").to_numpy()], atol=1e-5
    )


def test_trials_on_disk_are_decoded_to_the_bits_of_trials_in_memory(parts, factories, tmp_path) -> None:
    decoder = fitted(parts, factories, epochs=1)
    recordings = []
    for subject, recording in parts[1].study.items():
        write_array(tmp_path / subject, recording.data, rows_per_chunk=7)
        recordings.append(replace(recording, data=open_array(tmp_path / subject)))
    lazy = replace(parts[1], study=Study.of(*recordings))
    assert np.array_equal(decoder.predict(lazy), decoder.predict(parts[1]))


def test_a_saved_decoder_is_the_same_decoder(parts, registered, tmp_path) -> None:
    decoder = fitted(parts, registered, epochs=2)
    decoder.save(tmp_path / "d")
    decoder.save(tmp_path / "d")
    loaded = NetworkDecoder.load(tmp_path / "d")
    assert np.array_equal(loaded.predict(parts[1]), decoder.predict(parts[1]))
    assert loaded.describe() == decoder.describe()
    assert loaded.seen_ == decoder.seen_
    assert loaded.history_ == decoder.history_
    assert loaded.plan == decoder.plan
    loaded.save(tmp_path / "again")
    for name in ("decoder.json", "decoder.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "d" / name).read_bytes()


def test_a_saved_decoder_of_another_network_is_named(parts, registered, tmp_path) -> None:
    fitted(parts, registered, epochs=1).save(tmp_path / "d")
    facts, arrays = read_fitted(tmp_path / "d", "network")
    for change, message in (
        ({"network": {"kind": "small", "depth": 3}}, "an option of the network 'small' is 'depth'"),
        ({"layout": {"n_channels": 9}}, "is damaged, or of another version of its network: .*n_trained"),
    ):
        write_fitted(tmp_path / "d", "network", {**facts, **change}, arrays)
        with pytest.raises(InputError, match=message):
            NetworkDecoder.load(tmp_path / "d")
    write_fitted(tmp_path / "d", "ridge", facts, arrays)
    with pytest.raises(InputError, match="of the kind 'ridge', not 'network'"):
        NetworkDecoder.load(tmp_path / "d")


def test_what_cannot_be_saved_is_said(parts, factories, registered, tmp_path) -> None:
    with pytest.raises(InputError, match="not fitted yet; call `fit` before `save`"):
        NetworkDecoder(**registered).save(tmp_path / "d")
    with pytest.raises(InputError, match=r"network was made by the Python function .*subject_network"):
        fitted(parts, factories, epochs=1).save(tmp_path / "d")
    decoder = fitted(parts, registered, epochs=1, optimizer=lambda p: torch.optim.Adam(p, lr=1e-3))
    with pytest.raises(InputError, match="the optimiser is a Python function, which cannot be saved"):
        decoder.save(tmp_path / "d")


def test_a_killed_fit_goes_on_from_its_folder(parts, registered, tmp_path, monkeypatch) -> None:
    whole = fitted(parts, registered, epochs=3)
    step = fitting.Decoding.training_step

    def breaks(module, batch, index):
        if module.epoch == 2:
            raise KeyError
        return step(module, batch, index)

    training, validation = parts

    def again(**changes: object) -> NetworkDecoder:
        plan = replace(PLAN, **{"epochs": 3, **changes})
        return NetworkDecoder(**registered, plan=plan, folder=tmp_path / "f").fit(
            training, validation=validation
        )

    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(fitting.Decoding, "training_step", breaks)
        again()
    with pytest.raises(InputError, match=r"another training \(other than this one in: plan\)"):
        again(lr=1.0)
    decoder = again()
    assert decoder.history_ == whole.history_
    assert np.array_equal(decoder.predict(validation), whole.predict(validation))
    assert (tmp_path / "f" / "training.safetensors").is_file()
    decoder.save(tmp_path / "d")
    assert not (tmp_path / "f" / "training.safetensors").exists()


def test_other_data_are_another_training(parts, registered, tmp_path) -> None:
    training, validation = parts
    plan = replace(PLAN, epochs=1)
    NetworkDecoder(**registered, plan=plan, folder=tmp_path).fit(training, validation=validation)
    with pytest.raises(InputError, match=r"another training \(other than this one in: training\)"):
        NetworkDecoder(**registered, plan=plan, folder=tmp_path).fit(
            training.take(np.arange(len(training)) != 3), validation=validation
        )


def test_recordings_that_do_not_fit_are_refused_saying_which(parts, factories) -> None:
    decoder = fitted(parts, factories, epochs=1)
    trials = parts[1].of_subjects(["ben"])
    ben = trials.study["ben"]

    def with_recording(recording: Recording):
        table = trials.table.assign(subject=recording.subject)
        return replace(trials, study=Study.of(recording), table=table)

    with pytest.raises(InputError, match="not trained on 'cleo', only on anna, ben. Fit a subject layer"):
        decoder.predict(with_recording(replace(ben, subject="cleo")))
    renamed = replace(ben, channels=ben.channels.replace({"name": {"c1": "Cz"}}))
    message = "channels of 'ben' are not those .* has 8, wanted are 8; not in the decoder: Cz; only in .*: c1"
    with pytest.raises(InputError, match=message):
        decoder.predict(with_recording(renamed))
    with pytest.raises(InputError, match="'ben' has 5 times at 50 Hz, but .* trained on 5 at 100 Hz"):
        decoder.predict(with_recording(replace(ben, times_s=np.arange(5) / 50)))
    with pytest.raises(InputError, match="'ben' begin at 1 s, but .* begin at 0 s"):
        decoder.predict(with_recording(replace(ben, times_s=1 + np.arange(5) / 100)))
    with pytest.raises(InputError, match="'ben' has no times, but the decoder was trained on times"):
        decoder.predict(with_recording(ben.average_window(0, 1)))


def test_settings_that_are_not_there_are_named(parts, registered) -> None:
    for changes, error, message in (
        ({"network": {"kind": "smalls"}}, UnknownNameError, "brain networks: 'smalls', did you mean 'small'"),
        ({"network": {"kind": "small", "dropuot": 1}}, InputError, "'dropuot', did you mean 'dropout'"),
        ({"network": {"dropout": 0.1}}, InputError, "`network` needs a `kind`"),
        (
            {"objective": {"kind": "classes"}},
            InputError,
            "'classes' is for classes, but the targets are embed",
        ),
    ):
        with pytest.raises(error, match=message):
            fitted(parts, {**registered, **changes})


def test_an_objective_sees_the_training_targets_alone_and_each_stimulus_once(parts, factories) -> None:
    seen = []

    class Curious(Objective):
        n_outputs = 6

        def set_target_statistics(self, values: torch.Tensor) -> None:
            seen.append(values)

        def forward(self, outputs, batch):
            return (outputs - batch.targets).square().mean()

    fitted(parts, {**factories, "objective": lambda n_dims: Curious()}, epochs=1)
    wanted = parts[0].targets.values[np.unique(parts[0].column("target"))]
    assert np.array_equal(seen[0].numpy(), wanted)


def test_an_objective_that_draws_gets_a_seed_of_the_plan_s(parts, factories) -> None:
    told = []

    def objective(n_dims, *, seed=0):
        told.append(seed)
        return factories["objective"](n_dims)

    for seed in (0, 0, 1):
        fitted(parts, {**factories, "objective": objective}, epochs=1, seed=seed)
    assert told[0] == told[1] == derive_seed(0, "objective")
    assert told[2] == derive_seed(1, "objective")


def test_a_seed_that_an_objective_was_given_stays(parts, registered, monkeypatch) -> None:
    told = []
    make = OBJECTIVES["contrast"]

    def objective(n_dims, *, n_trials=0, seed=0):
        told.append(seed)
        return make(n_dims)

    monkeypatch.setitem(OBJECTIVES._objects, "contrast", objective)
    fitted(parts, {**registered, "objective": {"kind": "contrast", "seed": 5}}, epochs=1)
    assert told == [5]


def test_a_last_trial_alone_is_no_batch_for_batch_norm_of_single_values(make_trials, factories) -> None:
    class Single(Objective):
        n_outputs = 6

        def forward(self, outputs, batch):
            return (outputs - batch.targets).square().mean()

    def network(layout, n_outputs):
        return Normed(layout, n_outputs)

    how = {"network": network, "objective": lambda n_dims: Single()}
    trials = make_trials(33, subjects=("anna",))
    decoder = fitted((trials, None), how, epochs=1, batch_size=16, patience=None)
    assert len(decoder.history_) == 1


class Normed(nn.Module):
    """Batch norm of one number of a trial."""

    def __init__(self, layout, n_outputs) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(layout.n_channels * layout.n_times, n_outputs), nn.BatchNorm1d(n_outputs)
        )

    def forward(self, signals, subjects):
        return self.layers(signals)


def test_a_network_that_keeps_time_is_told_the_target_s_times(parts, factories) -> None:
    told = {}

    def network(layout, n_outputs, *, target_times=None, seed=0):
        told.update(target_times=target_times)
        return factories["network"](layout, n_outputs * target_times)

    class Flat(Objective):
        n_outputs = 6

        def forward(self, outputs, batch):
            return (outputs - batch.targets.flatten(1)).square().mean()

    def stretched(trials):
        values = np.repeat(trials.targets.values[:, :, None], 3, axis=2)
        return replace(trials, targets=replace(trials.targets, values=values))

    how = {"network": network, "objective": lambda n_dims: Flat()}
    decoder = fitted([stretched(part) for part in parts], how, epochs=1)
    assert told == {"target_times": 3}
    assert decoder.predict(stretched(parts[1])).shape == (len(parts[1]), 18)


def test_subjects_without_training_trials_are_not_learned(make_trials, factories) -> None:
    trials = make_trials(60, subjects=("anna", "ben", "cleo"))
    training = trials.take((trials.table["subject"] != "anna").to_numpy())
    decoder = fitted((training, None), factories, epochs=1, patience=None)
    assert decoder.subjects_ == ("ben", "cleo")
    assert decoder.predict(training).shape == (120, 6)
    with pytest.raises(InputError, match="not trained on 'anna', only on ben, cleo"):
        decoder.predict(trials)
