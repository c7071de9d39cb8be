from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from alignkit._core.errors import InputError
from alignkit.decoders._objective import Objective
from alignkit.decoders.training.data_module import TrialsModule
from alignkit.decoders.training.fitting import gallery_of
from alignkit.decoders.training.module import Decoding, ranks_of
from alignkit.decoders.training.plan import TrainingPlan

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*",
    "ignore:.*tensorboardX.*",
    "ignore:Total length of .list. across ranks is zero.*",
    "ignore:Your `IterableDataset` has `__len__` defined.*",
    # Lightning 2.6 with torch 2.13.
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:.*eval mode.*",
)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def trainer(epochs: int, **options: object) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def test_ranks_are_those_of_the_cosine_and_ties_share_their_mean() -> None:
    gallery = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    decoded = torch.tensor([[5.0, 1.0], [5.0, 1.0], [0.0, 0.0]])
    # By cosine the first is nearest, then the third, then the second; a zero is equally far from all.
    assert ranks_of(decoded, gallery, torch.tensor([0, 1, 2])).tolist() == [1.0, 3.0, 2.0]


def test_lightning_s_own_trainer_can_be_used_directly(parts, factories) -> None:
    training, validation = parts
    data = TrialsModule(training, validation, plan=TrainingPlan(batch_size=16), least_batch=2)
    network = factories["network"](data.layout, 6)
    decoding = Decoding(network, factories["objective"](6), sgd, gallery=gallery_of(validation))
    before = torch.get_rng_state()
    runner = trainer(4)
    runner.fit(decoding, datamodule=data)
    assert torch.equal(torch.get_rng_state(), before)
    measured = {name: float(value) for name, value in runner.callback_metrics.items()}
    assert set(measured) == {"training_loss", "validation_loss", "validation_retrieval"}
    n_stimuli = len(np.unique(validation.column("stimulus")))
    chance = sum(1 / rank for rank in range(1, n_stimuli + 1)) / n_stimuli
    assert measured["validation_retrieval"] > 1.5 * chance


def test_the_validation_measures_are_means_over_trials_of_what_prediction_gives(parts, factories) -> None:
    training, validation = parts
    data = TrialsModule(training, validation, plan=TrainingPlan(batch_size=16), least_batch=2)
    decoding = Decoding(
        factories["network"](data.layout, 6),
        factories["objective"](6),
        sgd,
        gallery=gallery_of(validation),
    )
    runner = trainer(1)
    runner.fit(decoding, datamodule=data)
    decoding.eval()
    ranks = []
    with torch.no_grad():
        for batch in data.val_dataloader():
            decoded = decoding(batch.signals, batch.subjects).double()
            _, embeddings = gallery_of(validation)
            similarity = torch.cosine_similarity(decoded[:, None], embeddings[None].double(), dim=2)
            own = torch.cosine_similarity(decoded, batch.targets.double())
            ranks.extend((1 + (similarity > own[:, None] + 1e-9).sum(1)).tolist())
    wanted = np.mean(1 / np.array(ranks))
    assert float(runner.callback_metrics["validation_retrieval"]) == pytest.approx(wanted, abs=1e-5)


def test_a_loss_that_is_no_number_names_the_epoch_and_says_what_to_do(parts, factories) -> None:
    class Breaks(Objective):
        n_outputs = 6

        def forward(self, outputs, batch):
            return outputs.mean() * (1.0 if decoding.epoch < 2 else float("nan"))

    data = TrialsModule(parts[0], plan=TrainingPlan(batch_size=16))
    decoding = Decoding(factories["network"](data.layout, 6), Breaks(), sgd)
    message = "training loss became nan in epoch 3. Choose a smaller .* until epoch 2 .* `epochs=2`"
    with pytest.raises(InputError, match=message):
        trainer(5).fit(decoding, datamodule=data)


def test_a_loss_that_is_no_number_at_once_leaves_no_epochs_to_go_back_to(parts, factories) -> None:
    class Breaks(Objective):
        n_outputs = 6

        def forward(self, outputs, batch):
            return outputs.mean() * float("nan")

    data = TrialsModule(parts[0], plan=TrainingPlan(batch_size=16))
    with pytest.raises(InputError, match="became nan in epoch 1. Choose a smaller .* train in 32-bit.$"):
        trainer(5).fit(Decoding(factories["network"](data.layout, 6), Breaks(), sgd), datamodule=data)


def test_a_network_without_parameters_cannot_be_trained(parts) -> None:
    class Still(torch.nn.Module):
        def forward(self, signals, subjects):
            return signals[:, :, 0]

    class Free(Objective):
        n_outputs = 8

        def forward(self, outputs, batch):
            return outputs.mean()

    with pytest.raises(InputError, match="neither the network nor the objective has parameters"):
        trainer(1).fit(Decoding(Still(), Free(), sgd), datamodule=TrialsModule(parts[0]))


def test_the_schedule_is_a_function_of_the_epoch(parts, factories) -> None:
    data = TrialsModule(parts[0], plan=TrainingPlan(batch_size=16), least_batch=2)
    rates = []
    plan = TrainingPlan(epochs=4, schedule="cosine")
    decoding = Decoding(
        factories["network"](data.layout, 6),
        factories["objective"](6),
        sgd,
        rate=plan.rate,
        after_epoch=lambda row, module: rates.append(module.optimizers().param_groups[0]["lr"]),
    )
    trainer(4).fit(decoding, datamodule=data)
    wanted = [0.1 * 0.5 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert rates == pytest.approx(wanted)
