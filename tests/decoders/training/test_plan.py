from __future__ import annotations

import json

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.decoders.training.augmentation import Augmentation
from alignkit.decoders.training.plan import TrainingPlan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` of a plan must be at least 1, got 0"),
        ({"batch_size": 0}, "`batch_size` of a plan must be at least 1, got 0"),
        ({"n_workers": -1}, "`n_workers` of a plan must be at least 0, got -1"),
        ({"patience": 0}, "`patience` must be at least 1, or None for a fixed number of epochs, got 0"),
        ({"lr": float("nan")}, "`lr` of a plan must be a positive number, got nan"),
        ({"clip": -1.0}, "`clip` of a plan must be a positive number, got -1.0"),
        ({"weight_decay": -0.1}, "`weight_decay` must be 0 or above, got -0.1"),
        ({"optimizer": "adan"}, "`optimizer` is 'adan', did you mean 'adam'"),
        ({"schedule": "cosin"}, "`schedule` is 'cosin', did you mean 'cosine'"),
        ({"choose_by": "test"}, "`choose_by` is 'test'"),
        ({"precision": "8"}, "`precision` is '8'"),
        ({"scaling": "robst"}, "`scaling` is 'robst', did you mean 'robust'"),
        ({"subjects": "equal"}, "`subjects` is 'equal'"),
    ],
)
def test_a_number_that_cannot_be_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingPlan(**options)  # type: ignore[arg-type]


def test_a_plan_goes_through_json() -> None:
    plan = TrainingPlan(lr=1e-2, augmentation=Augmentation(noise=0.1))
    values = json.loads(json.dumps(plan.to_json()))
    values["augmentation"] = Augmentation(**values["augmentation"])
    assert TrainingPlan(**values) == plan


def test_an_optimiser_from_python_is_spelled_by_its_name() -> None:
    assert TrainingPlan(optimizer=torch.optim.Adagrad).to_json()["optimizer"] == "python:Adagrad"


def test_more_epochs_are_the_same_training_unless_a_schedule_ends_with_them() -> None:
    assert TrainingPlan(epochs=5).identity == TrainingPlan(epochs=9, patience=3, device="cpu").identity
    assert (
        TrainingPlan(epochs=5, schedule="cosine").identity
        != TrainingPlan(epochs=9, schedule="cosine").identity
    )
    assert TrainingPlan(patience=5).identity != TrainingPlan(patience=None).identity
    assert TrainingPlan(lr=1e-3).identity != TrainingPlan(lr=2e-3).identity
