from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.decoders.training import data_module
from alignkit.decoders.training.augmentation import Augmentation
from alignkit.decoders.training.data_module import TrialsModule
from alignkit.decoders.training.plan import TrainingPlan
from alignkit.recordings import Study
from alignkit.recordings._storage import open_array, write_array

# Rows of the planted recordings take 160 bytes, so that this buffer holds about 13 of each subject.
SMALL_MB = 0.005


def on_disk(trials, folder, rows_per_chunk: int):
    recordings = []
    for subject, recording in trials.study.items():
        path = folder / f"{subject}.zarr"
        write_array(path, recording.data, rows_per_chunk=rows_per_chunk)
        recordings.append(replace(recording, data=open_array(path)))
    return replace(trials, study=Study.of(*recordings))


def epoch_of(module: TrialsModule, epoch: int = 0, loader: str = "train_dataloader"):
    module.first_epoch = epoch
    return list(getattr(module, loader)())


def same(first, second) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) for one, two in pairs for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("buffer_mb", [SMALL_MB, 10.0])
@pytest.mark.parametrize("rows_per_chunk", [1, 7, 64])
def test_data_on_disk_give_the_bits_of_data_in_memory(parts, tmp_path, buffer_mb, rows_per_chunk) -> None:
    training, validation = parts
    plan = TrainingPlan(batch_size=16, buffer_mb=buffer_mb, augmentation=Augmentation(noise=0.1, mixup=0.3))
    in_memory = TrialsModule(training, validation, plan=plan)
    streamed = TrialsModule(
        on_disk(training, tmp_path / "t", rows_per_chunk),
        on_disk(validation, tmp_path / "v", rows_per_chunk),
        plan=plan,
    )
    for epoch in (0, 1):
        assert same(epoch_of(in_memory, epoch), epoch_of(streamed, epoch))
        assert same(epoch_of(in_memory, epoch, "val_dataloader"), epoch_of(streamed, epoch, "val_dataloader"))


def test_no_more_is_read_at_once_than_the_buffer_holds(make_trials, tmp_path, monkeypatch) -> None:
    trials = on_disk(make_trials((200, 150)), tmp_path, 5)
    plan = TrainingPlan(batch_size=8, buffer_mb=SMALL_MB)
    module = TrialsModule(trials, plan=plan)
    sizes = []
    reader = data_module.read_with_times

    def noted(recording, rows):
        sizes.append(len(rows))
        return reader(recording, rows)

    monkeypatch.setattr(data_module, "read_with_times", noted)
    epoch_of(module)
    assert len(sizes) > 20
    assert 2 * max(sizes) * 160 <= SMALL_MB * 2**20


def test_data_that_fit_are_read_once(make_trials, monkeypatch) -> None:
    module = TrialsModule(make_trials(40), plan=TrainingPlan(batch_size=8))
    reads = []
    reader = data_module.read_with_times
    monkeypatch.setattr(data_module, "read_with_times", lambda *a: reads.append(1) or reader(*a))
    for epoch in range(3):
        epoch_of(module, epoch)
    assert len(reads) == 2


@pytest.mark.parametrize("buffer_mb", [SMALL_MB, 10.0])
def test_every_trial_comes_once_with_its_own_signal_target_and_codes(make_trials, buffer_mb) -> None:
    trials = make_trials((50, 30), n_channels=(8, 6))
    plan = TrainingPlan(batch_size=7, subjects="proportional", buffer_mb=buffer_mb)
    module = TrialsModule(trials, plan=plan)
    batches = epoch_of(module)
    numbers = torch.cat([batch.trials for batch in batches]).numpy()
    assert sorted(numbers) == list(range(80))
    signals = torch.cat([batch.signals for batch in batches]).numpy()
    codes = trials.subject_codes[numbers]
    for code, subject in enumerate(trials.subjects):
        own = codes == code
        rows = trials.column("row")[numbers[own]]
        wanted = module.scaling.apply(trials.study[subject].data[rows].copy(), code)
        assert np.array_equal(signals[own, : wanted.shape[1]], wanted)
        assert not signals[own, wanted.shape[1] :].any()
    targets = trials.targets.values[trials.column("target")[numbers]]
    assert np.array_equal(torch.cat([batch.targets for batch in batches]).numpy(), targets)
    for field, column in (("stimuli", "stimulus"), ("groups", "group")):
        got = torch.cat([getattr(batch, field) for batch in batches]).numpy()
        assert np.array_equal(got, trials.column(column)[numbers])
    assert np.array_equal(torch.cat([batch.subjects for batch in batches]).numpy(), codes)


def test_balanced_batches_hold_subjects_equally_and_a_twin_does_not(make_trials) -> None:
    trials = make_trials((60, 12))

    def spread(how: str) -> int:
        batches = epoch_of(TrialsModule(trials, plan=TrainingPlan(batch_size=10, subjects=how)))
        counts = [np.bincount(batch.subjects, minlength=2) for batch in batches]
        return max(abs(int(a - b)) for a, b in counts)

    assert spread("balanced") == 0
    assert spread("proportional") > 4


def test_a_subject_with_few_trials_comes_again_within_an_epoch(make_trials) -> None:
    trials = make_trials((60, 12))
    batches = epoch_of(TrialsModule(trials, plan=TrainingPlan(batch_size=10)))
    counts = np.bincount(torch.cat([batch.trials for batch in batches]), minlength=72)
    assert set(counts[:60]) == {1}
    assert set(counts[60:]) == {5}


def test_epochs_differ_in_order_and_the_validation_part_never_does(parts) -> None:
    module = TrialsModule(*parts, plan=TrainingPlan(batch_size=16))
    assert same(epoch_of(module, 3), epoch_of(module, 3))
    assert not same(epoch_of(module, 3), epoch_of(module, 4))
    assert same(epoch_of(module, 3, "val_dataloader"), epoch_of(module, 4, "val_dataloader"))


def test_only_the_training_part_is_augmented(parts) -> None:
    varied = Augmentation(noise=1.0, channel_dropout=0.5, mixup=0.5, time_shift_s=0.02)
    plain = TrialsModule(*parts, plan=TrainingPlan(batch_size=16))
    noisy = TrialsModule(*parts, plan=TrainingPlan(batch_size=16, augmentation=varied))
    assert same(epoch_of(plain, loader="val_dataloader"), epoch_of(noisy, loader="val_dataloader"))
    assert not same(epoch_of(plain), epoch_of(noisy))


def test_the_scaling_is_the_training_part_s(parts) -> None:
    training, validation = parts
    module = TrialsModule(training, validation)
    shifted = TrialsModule(training, validation.take(np.arange(10)))
    assert np.array_equal(module.scaling.scales[0], shifted.scaling.scales[0])


def test_processes_that_read_ahead_change_nothing(parts) -> None:
    plan = TrainingPlan(batch_size=8, buffer_mb=SMALL_MB, augmentation=Augmentation(noise=0.3))
    alone = epoch_of(TrialsModule(*parts, plan=plan))
    helped = epoch_of(TrialsModule(*parts, plan=replace(plan, n_workers=2)))
    assert same(alone, helped)


def test_devices_share_the_batches_out_and_have_equally_many(parts) -> None:
    plan = TrainingPlan(batch_size=9)
    module = TrialsModule(*parts, plan=plan)
    alone = epoch_of(module)
    assert len(alone) % 2
    shared = []
    for rank in range(2):
        module.trainer = SimpleNamespace(current_epoch=0, world_size=2, global_rank=rank)
        shared.append(list(module.train_dataloader()))
        assert len(module.train_dataloader()) == len(shared[-1])
    assert same(alone[:-1:2], shared[0])
    assert same(alone[1::2], shared[1])


def test_the_inputs_are_left_as_they_were(parts) -> None:
    training, validation = parts
    before = [part.digest for part in parts]
    module = TrialsModule(
        training, validation, plan=TrainingPlan(augmentation=Augmentation(noise=1.0, channel_dropout=0.5))
    )
    epoch_of(module)
    epoch_of(module, loader="val_dataloader")
    fresh = [replace(part, table=part.table.copy()) for part in parts]
    for part in fresh:
        for recording in part.study.values():
            recording.__dict__.pop("digest", None)
    assert [part.digest for part in fresh] == before


def test_a_validation_part_that_does_not_fit_is_refused(make_trials) -> None:
    training = make_trials(20)
    with pytest.raises(InputError, match="trials of 'cleo', of whom the training part has none"):
        TrialsModule(training, make_trials(20, subjects=("anna", "cleo")))
    with pytest.raises(InputError, match="the channels of 'anna' differ between the training and"):
        TrialsModule(training, make_trials(20, n_channels=7))
    with pytest.raises(InputError, match=r"'anna' have shape \(8, 5\) in the training and \(8, 4\)"):
        TrialsModule(training, make_trials(20, n_times=4))


def test_fewer_trials_than_the_objective_compares_are_refused(make_trials) -> None:
    with pytest.raises(InputError, match=r"the training part has 1 trial\(s\)"):
        TrialsModule(make_trials(1, subjects=("anna",)), least_batch=2)
    with pytest.raises(InputError, match=r"the validation part has 1 trial\(s\)"):
        TrialsModule(make_trials(9), make_trials(1, subjects=("anna",)), least_batch=2)
