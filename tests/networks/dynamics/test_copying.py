from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks.dynamics.copying import BLANK, GO, copy_sequences


def test_the_answer_is_the_items_after_delay_and_sign():
    inputs, targets = copy_sequences(50, delay=7, n_items=4)
    assert inputs.shape == targets.shape == (50, 15)
    assert torch.equal(inputs[:, :4], targets[:, -4:])
    assert (targets[:, :-4] == BLANK).all()
    assert (inputs[:, 11] == GO).all()
    assert int((inputs == GO).sum()) == 50
    assert set(inputs[:, :4].unique().tolist()) == set(range(1, 9))


def test_the_same_seed_draws_the_same_and_another_another():
    assert torch.equal(copy_sequences(3)[0], copy_sequences(3)[0])
    assert not torch.equal(copy_sequences(3)[0], copy_sequences(3, random_state=1)[0])


def test_numbers_out_of_range_are_refused():
    with pytest.raises(InputError, match="`delay` must be at least 0, got -1"):
        copy_sequences(3, delay=-1)
    with pytest.raises(InputError, match="`n_items` must be at least 1, got 0"):
        copy_sequences(3, n_items=0)
