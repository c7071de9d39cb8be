from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit._core.hashing import digest_file
from alignkit.decoders._objective import Objective
from alignkit.decoders.training import fitting
from alignkit.decoders.training.augmentation import Augmentation
from alignkit.decoders.training.data_module import TrialsModule
from alignkit.decoders.training.fitting import optimizer_factory, train
from alignkit.decoders.training.plan import TrainingPlan

PLAN = TrainingPlan(
    epochs=4,
    batch_size=16,
    lr=1e-2,
    patience=5,
    schedule="cosine",
    buffer_mb=0.005,
    augmentation=Augmentation(noise=0.2, mixup=0.4, channel_dropout=0.1, time_shift_s=0.01),
)


def run(parts, factories, plan: TrainingPlan, state: Path | None = None, **options: object):
    training, validation = parts
    objective = factories["objective"](6)
    data = TrialsModule(training, validation, plan=plan, least_batch=objective.least_batch)
    network = factories["network"](data.layout, 6)
    course = train(network, objective, data, plan=plan, state=state, **options)
    return course, {**network.state_dict(), **objective.state_dict()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_training_that_was_cut_short_ends_with_the_same_bytes(
    parts, factories, tmp_path, monkeypatch, optimizer
) -> None:
    plan = replace(PLAN, optimizer=optimizer)
    whole, weights = run(parts, factories, plan, tmp_path / "whole")
    step = fitting.Decoding.training_step
    torch.manual_seed(123)

    def breaks(module, batch, index):
        if module.epoch == 2 and index == 3:
            raise Interrupted
        return step(module, batch, index)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(fitting.Decoding, "training_step", breaks)
        run(parts, factories, plan, tmp_path / "cut")
    torch.manual_seed(321)
    resumed, again = run(parts, factories, plan, tmp_path / "cut")
    assert resumed == whole
    assert equal(weights, again)
    assert digest_file(tmp_path / "whole") == digest_file(tmp_path / "cut")


@pytest.mark.slow
def test_a_training_that_was_killed_ends_with_the_same_bytes(tmp_path) -> None:
    script = textwrap.dedent(
        """
        import os, runpy, signal, sys
        from pathlib import Path
        room, state, kills = runpy.run_path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "kill"
        here = runpy.run_path(sys.argv[4])
        trials = room["planted"](80)
        held = trials.column("stimulus") % 4 == 0
        factories = {"network": room["subject_network"], "objective": room["contrast"]}
        step = here["fitting"].Decoding.training_step
        def dies(module, batch, index):
            if kills and module.epoch == 2 and index == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(module, batch, index)
        here["fitting"].Decoding.training_step = dies
        here["run"]((trials.take(~held), trials.take(held)), factories, here["PLAN"], state)
        """
    )
    room = Path(__file__).with_name("conftest.py")

    def process(state: Path, how: str) -> int:
        command = [sys.executable, "-c", script, str(room), str(state), how, __file__]
        return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode

    assert process(tmp_path / "whole", "run") == 0
    assert process(tmp_path / "cut", "kill") == -signal.SIGKILL
    assert process(tmp_path / "cut", "run") == 0
    assert digest_file(tmp_path / "whole") == digest_file(tmp_path / "cut")


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(parts, factories) -> None:
    plan = replace(PLAN, epochs=1, buffer_mb=10.0)
    assert equal(run(parts, factories, plan)[1], run(parts, factories, plan)[1])
    assert not equal(run(parts, factories, plan)[1], run(parts, factories, replace(plan, seed=1))[1])


def test_torch_s_generator_is_left_as_it_was(parts, factories) -> None:
    before = torch.get_rng_state()
    run(parts, factories, replace(PLAN, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_more_epochs_go_on_from_a_training_that_ended(parts, factories, tmp_path) -> None:
    plan = replace(PLAN, schedule=None, patience=None)
    plan = replace(plan, epochs=3)
    _, whole = run(parts, factories, plan, tmp_path / "a")
    run(parts, factories, replace(plan, epochs=1), tmp_path / "b")
    course, again = run(parts, factories, plan, tmp_path / "b")
    assert len(course.history) == 3
    assert equal(whole, again)


class Drift(nn.Module):
    """Puts out its only parameter, which every step raises by the learning rate."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(len(signals), 6)


class Optimum(Objective):
    """Falls without end in training; on the validation part it is least at 1."""

    n_outputs = 6

    def forward(self, outputs: torch.Tensor, batch: object) -> torch.Tensor:
        return -outputs.mean() if self.training else (outputs.mean() - 1.0).square()


def test_the_validation_part_chooses_the_epoch_and_stops_the_training(parts) -> None:
    training, validation = parts
    data = TrialsModule(training, validation, plan=TrainingPlan(batch_size=1000))
    plan = TrainingPlan(epochs=50, lr=0.25, optimizer="sgd", patience=3)
    network = Drift()
    course = train(network, Optimum(), data, plan=plan)
    # Steps with momentum .9: .25, .725, 1.4, ...: nearest to 1 after the second.
    assert course.best_epoch == 2
    assert len(course.history) == 2 + 3
    assert network.weight.item() == pytest.approx(0.25 + 0.25 * 1.9)
    assert course.chosen_by == "validation loss"


def test_without_patience_the_last_epoch_is_kept_and_nothing_is_chosen(parts) -> None:
    training, validation = parts
    data = TrialsModule(training, validation, plan=TrainingPlan(batch_size=1000))
    course = train(
        Drift(), Optimum(), data, plan=TrainingPlan(epochs=6, lr=0.25, optimizer="sgd", patience=None)
    )
    assert course.best_epoch == len(course.history) == 6
    assert course.chosen_by == "nothing was chosen (a fixed number of epochs)"


def drifting(parts, state: Path, **changes: object):
    """Train what is best after its second epoch, and gets worse ever after; return course and weight."""
    training, validation = parts
    data = TrialsModule(training, validation, plan=TrainingPlan(batch_size=1000))
    plan = TrainingPlan(**{"epochs": 50, "lr": 0.25, "optimizer": "sgd", "patience": 3, **changes})
    network = Drift()
    course = train(network, Optimum(), data, plan=plan, state=state)
    return course, network.weight.item()


def test_another_patience_ends_a_training_that_was_taken_up_as_it_ends_a_new_one(parts, tmp_path) -> None:
    # Patience 5 has seen seven epochs; with 2 the fourth is the last, with 8 there are three more.
    for patience in (2, 8):
        drifting(parts, tmp_path / f"{patience}", patience=5)
        taken_up = drifting(parts, tmp_path / f"{patience}", patience=patience)
        assert taken_up == drifting(parts, tmp_path / f"new {patience}", patience=patience)
        assert len(taken_up[0].history) == 2 + patience


class Waves(Optimum):
    """On the validation part near its least at 1, and at its least at 9, far beyond."""

    def forward(self, outputs: torch.Tensor, batch: object) -> torch.Tensor:
        value = outputs.mean()
        return -value if self.training else torch.minimum((value - 1.0).square(), (value - 9.0).square() - 1)


def test_weights_that_are_gone_are_not_replaced_by_others(parts, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "Optimum", Waves)
    course, _ = drifting(parts, tmp_path / "state", patience=20, epochs=30)
    assert course.best_epoch > 6
    message = (
        rf"holds {len(course.history)} epochs, with the weights of epoch {course.best_epoch} and "
        r".*`patience=2` the training would end after epoch 4 with those of epoch 2, which are gone"
    )
    with pytest.raises(InputError, match=message):
        drifting(parts, tmp_path / "state", patience=2)
    with pytest.raises(InputError, match="`epochs=3` and .* end after epoch 3 .* of epoch 2, which are gone"):
        drifting(parts, tmp_path / "state", patience=20, epochs=3)


def test_fewer_epochs_without_a_choice_are_refused(parts, tmp_path) -> None:
    drifting(parts, tmp_path / "state", patience=None, epochs=5)
    message = "holds 5 epochs, with the weights of epoch 5; .* after epoch 2 with those of epoch 2, which are"
    with pytest.raises(InputError, match=message):
        drifting(parts, tmp_path / "state", patience=None, epochs=2)


@pytest.mark.parametrize(("choose_by", "better"), [("loss", np.argmin), ("retrieval", np.argmax)])
def test_the_kept_weights_are_of_the_best_row(parts, factories, tmp_path, choose_by, better) -> None:
    plan = replace(PLAN, lr=5e-2, epochs=4, patience=6, buffer_mb=10.0, choose_by=choose_by, schedule=None)
    course, weights = run(parts, factories, plan)
    assert course.best_epoch == 1 + better([row[f"validation_{choose_by}"] for row in course.history])
    shorter = replace(plan, epochs=course.best_epoch, patience=None)
    assert equal(weights, run(parts, factories, shorter)[1])


def test_a_broken_loss_loses_nothing_that_was_learned(parts, factories, tmp_path, monkeypatch) -> None:
    plan = replace(PLAN, schedule=None)
    step = fitting.Decoding.training_step

    def breaks(module, batch, index):
        # The third epoch's weights are ruined, which its own mean of losses shows.
        return step(
            module, batch if module.epoch < 2 else batch._replace(signals=batch.signals * torch.nan), 0
        )

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Decoding, "training_step", breaks)
        with pytest.raises(InputError, match=r"loss became nan in epoch 3.* until epoch 2 .*`epochs=2`"):
            run(parts, factories, plan, tmp_path / "state")
    course, weights = run(parts, factories, replace(plan, epochs=2), tmp_path / "state")
    assert len(course.history) == 2
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_the_file_of_another_training_is_refused(parts, factories, tmp_path) -> None:
    plan = replace(PLAN, epochs=1)
    run(parts, factories, plan, tmp_path / "state", identity={"plan": 1, "network": "a"})
    with pytest.raises(InputError, match=r"another training \(other than this one in: network\)"):
        run(parts, factories, plan, tmp_path / "state", identity={"plan": 1, "network": "b"})


def test_a_damaged_file_is_named(parts, factories, tmp_path) -> None:
    state = tmp_path / "state"
    run(parts, factories, replace(PLAN, epochs=1), state)
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(InputError, match="state is damaged .* train"):
        run(parts, factories, PLAN, state)


def test_a_flipped_bit_of_the_file_is_seen(parts, factories, tmp_path) -> None:
    state = tmp_path / "state"
    run(parts, factories, replace(PLAN, epochs=1), state)
    content = state.read_bytes()
    for place in (len(content) - 5, len(content) // 2):
        state.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match="damaged: its tensors are not those that were written"):
            run(parts, factories, PLAN, state)


def test_what_cannot_be_chosen_by_is_refused(parts, factories) -> None:
    training, _ = parts
    with pytest.raises(InputError, match="chosen on a validation part, and there is none.*`patience=None`"):
        run((training, None), factories, PLAN)
    with pytest.raises(InputError, match="`choose_by` is 'accuracy', but the targets are embeddings"):
        run(parts, factories, replace(PLAN, choose_by="accuracy"))


def test_half_precision_needs_a_gpu(parts, factories) -> None:
    with pytest.raises(InputError, match='`precision` "16" needs a GPU'):
        run(parts, factories, replace(PLAN, precision="16", device="cpu"))


def test_mixed_precision_trains_to_about_the_same(parts, factories) -> None:
    plan = TrainingPlan(epochs=5, batch_size=32, lr=3e-2, patience=8)
    full, _ = run(parts, factories, plan)
    mixed, _ = run(parts, factories, replace(plan, precision="bf16"))
    ends = [course.history[-1]["validation_loss"] for course in (full, mixed)]
    assert ends[0] != ends[1]
    assert ends[1] == pytest.approx(ends[0], rel=0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32", "bf16", "16"])
def test_a_gpu_trains_in_every_precision(parts, factories, precision) -> None:
    plan = TrainingPlan(epochs=8, batch_size=16, lr=1e-2, patience=8, device="cuda", precision=precision)
    course, _ = run(parts, factories, plan)
    assert course.history[-1]["validation_loss"] < course.history[0]["validation_loss"]


def test_weights_decay_and_gains_do_not() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    made = optimizer_factory(TrainingPlan(optimizer="adamw", weight_decay=0.1))(list(module.parameters()))
    decays = {tuple(p.shape): g["weight_decay"] for g in made.param_groups for p in g["params"]}
    assert decays == {(3, 3): 0.1, (3,): 0.0}
    assert isinstance(made, torch.optim.AdamW)


def test_an_optimiser_from_python_is_used(parts, factories) -> None:
    made = []

    def adagrad(parameters):
        made.append(torch.optim.Adagrad(parameters, lr=0.1))
        return made[-1]

    run(parts, factories, replace(PLAN, epochs=1, optimizer=adagrad))
    assert len(made) == 1
