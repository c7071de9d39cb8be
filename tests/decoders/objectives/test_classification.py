from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from alignkit._core.errors import InputError
from alignkit.decoders._objective import Batch
from alignkit.decoders.objectives.classification import classification


def _batch(classes: Tensor) -> Batch:
    rows = torch.arange(len(classes))
    return Batch(rows, rows, classes, rows, rows, rows)


def _scores(n_trials: int, n_classes: int, *times: int) -> Tensor:
    return torch.randn(n_trials, n_classes, *times, generator=torch.Generator().manual_seed(0))


CLASSES = torch.tensor([0, 1, 2, 0, 0, 0, 1, 0])


def test_it_is_scikit_learns_log_loss():
    scores = _scores(8, 3).double()
    wanted = log_loss(CLASSES, scores.softmax(1).numpy())
    assert classification(3)(scores, _batch(CLASSES)).item() == pytest.approx(wanted, rel=1e-6)


def test_equal_scores_cost_the_logarithm_of_the_number_of_classes():
    loss = classification(4)(torch.zeros(8, 4), _batch(CLASSES))
    assert loss.item() == pytest.approx(np.log(4), rel=1e-6)


def test_balanced_weights_are_scikit_learns_and_make_classes_weigh_the_same():
    objective = classification(3, class_weights="balanced")
    objective.set_target_statistics(CLASSES)
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=CLASSES.numpy())
    np.testing.assert_allclose(objective.weights, wanted, rtol=1e-6)
    scores = _scores(8, 3).double()
    by_class = [
        log_loss(CLASSES[CLASSES == k], scores[CLASSES == k].softmax(1).numpy(), labels=[0, 1, 2])
        for k in range(3)
    ]
    assert objective(scores, _batch(CLASSES)).item() == pytest.approx(np.mean(by_class), rel=1e-6)


def test_a_class_that_never_comes_does_not_change_the_others():
    objective = classification(4, class_weights="balanced")
    objective.set_target_statistics(CLASSES.numpy())
    assert objective.weights[3] == 0
    assert objective.weights[CLASSES].mean().item() == pytest.approx(1)


def test_equal_weights_stay_equal():
    objective = classification(3)
    objective.set_target_statistics(CLASSES)
    assert (objective.weights == 1).all()


def test_smoothing_mixes_in_the_even_distribution():
    scores = _scores(8, 3).double()
    logs = scores.log_softmax(1).numpy()
    target = 0.9 * np.eye(3)[CLASSES] + 0.1 / 3
    loss = classification(3, label_smoothing=0.1)(scores, _batch(CLASSES))
    assert loss.item() == pytest.approx(-(target * logs).sum(1).mean(), rel=1e-6)


def test_scores_over_time_are_judged_at_every_time():
    scores = _scores(8, 3, 5)
    objective = classification(3, class_weights="balanced")
    objective.set_target_statistics(CLASSES)
    each = [objective(scores[:, :, time], _batch(CLASSES)).item() for time in range(5)]
    assert objective(scores, _batch(CLASSES)).item() == pytest.approx(np.mean(each), rel=1e-6)


def test_weights_survive_saving():
    objective = classification(3, class_weights="balanced")
    objective.set_target_statistics(CLASSES)
    other = classification(3, class_weights="balanced")
    other.load_state_dict(objective.state_dict())
    assert torch.equal(other.weights, objective.weights)


def test_half_precision_stays_finite():
    scores = (1e3 * _scores(8, 3)).bfloat16().requires_grad_()
    loss = classification(3)(scores, _batch(CLASSES))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and scores.grad.isfinite().all()


def test_bad_options_and_shapes_are_refused():
    with pytest.raises(InputError, match="classification needs at least 2 classes, got 1"):
        classification(1)
    with pytest.raises(InputError, match="`class_weights` is 'balance', did you mean 'balanced'"):
        classification(3, class_weights="balance")
    with pytest.raises(InputError, match=r"`label_smoothing` must be in \[0, 1\), got 1.0"):
        classification(3, label_smoothing=1.0)
    with pytest.raises(
        InputError, match=r"shape \(n_trials, 4\) .* got \(8, 3\) and targets of shape \(8,\)"
    ):
        classification(4)(_scores(8, 3), _batch(CLASSES))
